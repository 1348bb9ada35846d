"""What Meta's answers mean: Graph API, Instagram content publishing, Pages, and the upload host.

Subcodes of Instagram (22070xx) stand alone, because a container tells them without their code. `refusal` is
set only where the answer proves that nothing was published; errors that others saw while the post was live
(1, 2, -1, 10, 4/2207051 and blocks like it) never carry it.
"""

from __future__ import annotations

from schedulo.errors.kinds import Kind, Scope
from schedulo.errors.lookup import Phase, Rule

_GRAPH = "Meta: Graph API, handling errors"
_LIMITS = "Meta: Graph API, rate limits"
_INSTAGRAM = "Meta: Instagram platform, error codes"
_CONTAINER = "Meta: Instagram platform, IG container"
_SEEN = "Instagram and Pages: answers that publishers reported, not on Meta's pages"
_VIDEO = "Meta: Page videos and video uploads"
_REELS = "Meta: video API, publishing reels"
_INSIGHTS = "Meta: insights references"
_PROOF = "Meta: securing Graph API requests"


def _codes(
    kind: Kind, source: str, *codes: int, refusal: bool = False, scope: Scope | None = None
) -> tuple[Rule, ...]:
    return tuple(Rule(kind, source, code=str(code), refusal=refusal, scope=scope) for code in codes)


def _subcodes(
    kind: Kind, source: str, *subcodes: int, refusal: bool = False, scope: Scope | None = None
) -> tuple[Rule, ...]:
    return tuple(
        Rule(kind, source, subcode=str(subcode), refusal=refusal, scope=scope) for subcode in subcodes
    )


_GENERAL = (
    *_codes(Kind.PLATFORM_DOWN, _GRAPH, 1, 2, -1),
    *_codes(Kind.CONFIGURATION, _GRAPH, 3),
    *_codes(Kind.PERMISSION, _GRAPH, 10, *range(200, 300)),
    *_codes(Kind.BUG, _GRAPH, 100, 2500, refusal=True),
    # Missing, or not readable by this token: a read that fails so proves nothing, a write did nothing.
    Rule(Kind.HANDLE_EXPIRED, _GRAPH, code="100", subcode="33", refusal=True),
    Rule(Kind.CONFIGURATION, _PROOF, code="100", text="appsecret_proof", refusal=True),
    *_codes(Kind.TOKEN_EXPIRED, _GRAPH, 102, 190, refusal=True),
    Rule(Kind.TOKEN_EXPIRED, _GRAPH, code="190", subcode="463", refusal=True),
    *(
        # App removed, checkpoint, password changed, unconfirmed account, invalid, role on the Page lost.
        Rule(Kind.RECONNECT, _GRAPH, code="190", subcode=subcode, refusal=True)
        for subcode in ("458", "459", "460", "464", "467", "492")
    ),
    # Where no code is told, as on the upload host.
    Rule(Kind.TOKEN_EXPIRED, _GRAPH, status=401),
    Rule(Kind.PERMISSION, _GRAPH, status=403, scope=Scope.DELIVERY),
    *_codes(Kind.ACCOUNT_RESTRICTED, _GRAPH, 368),
    *_subcodes(Kind.RATE_LIMITED, _SEEN, 1390008),
    *_subcodes(Kind.ACCOUNT_RESTRICTED, _SEEN, 4854002),
    *_subcodes(Kind.CONTENT_REJECTED, _SEEN, 1404082),
    *_codes(Kind.DUPLICATE, _GRAPH, 506, refusal=True),
)

_RATE_LIMITS = (
    *_codes(Kind.RATE_LIMITED, _LIMITS, 17, 32, 613, 80001, 80002, 80006, refusal=True),
    # What the app does for all its accounts together.
    *_codes(Kind.RATE_LIMITED, _LIMITS, 4, 341, refusal=True, scope=Scope.PLATFORM),
    *_codes(Kind.RATE_LIMITED, _LIMITS, 80000, 80003, 80004, refusal=True),
    Rule(Kind.RATE_LIMITED, _LIMITS, status=429, refusal=True),
)

_PUBLISHING = (
    *_subcodes(Kind.MEDIA_UNREACHABLE, _INSTAGRAM, 2207003, 2207052),
    *_codes(Kind.MEDIA_UNREACHABLE, _INSTAGRAM, 9004),
    *_subcodes(Kind.HANDLE_EXPIRED, _INSTAGRAM, 2207020, 2207032, 2207053),
    *_subcodes(Kind.PLATFORM_DOWN, _INSTAGRAM, 2207001),
    *_subcodes(Kind.ACCOUNT_RESTRICTED, _INSTAGRAM, 2207050, 2207051),
    *_codes(Kind.ACCOUNT_RESTRICTED, _INSTAGRAM, 25),
    *_subcodes(Kind.QUOTA_EXHAUSTED, _INSTAGRAM, 2207042, refusal=True),
    *_subcodes(Kind.HANDLE_EXPIRED, _INSTAGRAM, 2207006, refusal=True),
    # Called temporary: the same container may work in a minute, so its status decides, not this answer.
    *_subcodes(Kind.HANDLE_EXPIRED, _INSTAGRAM, 2207008),
    *_codes(Kind.STILL_PROCESSING, _INSTAGRAM, 9007, refusal=True),
    *_subcodes(Kind.STILL_PROCESSING, _INSTAGRAM, 2207027, refusal=True),
    *_subcodes(Kind.BUG, _INSTAGRAM, 2207023, refusal=True),
    *_subcodes(
        Kind.CONTENT_REJECTED,
        _INSTAGRAM,
        *(2207010, 2207028, 2207035, 2207036, 2207037, 2207040, 2207057),
        refusal=True,
    ),
    *_codes(Kind.CONTENT_REJECTED, _INSTAGRAM, 36004, refusal=True),
    *_subcodes(Kind.MEDIA_REJECTED, _INSTAGRAM, 2207004, 2207005, 2207009, 2207026, refusal=True),
    *_codes(Kind.MEDIA_REJECTED, _INSTAGRAM, 352, 36000, 36001, 36003, refusal=True),
    Rule(Kind.CONTENT_REJECTED, _INSTAGRAM, text="instagram_platform_api__invalid_location_id", refusal=True),
    Rule(Kind.PERMISSION, _INSTAGRAM, text="instagram_platform_api__permission", scope=Scope.DELIVERY),
    Rule(Kind.CONTENT_REJECTED, _INSTAGRAM, text="instagram_platform_api__invalid_param", refusal=True),
    *_subcodes(Kind.CONFIGURATION, _SEEN, 2207013, scope=Scope.ACCOUNT),
    *_subcodes(Kind.BUG, _SEEN, 2207073, 2207086),
    *_subcodes(Kind.MEDIA_UNREACHABLE, _SEEN, 2207077),
    *_subcodes(Kind.HANDLE_EXPIRED, _SEEN, 2207076, 2207082, 2207085),
    *_subcodes(Kind.CONTENT_REJECTED, _SEEN, 2207081),
    # A container that ended badly with a number that nobody lists, or with none: worth another container.
    Rule(Kind.HANDLE_EXPIRED, _CONTAINER, code="ERROR", phase=Phase.READ, refusal=True),
    Rule(Kind.HANDLE_EXPIRED, _CONTAINER, code="EXPIRED", phase=Phase.READ, refusal=True),
)

_PAGES = (
    *_codes(Kind.CONTENT_REJECTED, _GRAPH, 1609005, refusal=True),
    *_subcodes(Kind.CONTENT_REJECTED, _GRAPH, 1609005, refusal=True),
    *_subcodes(Kind.CONTENT_REJECTED, _SEEN, 1346003, 1404102),
    *_subcodes(Kind.CONTENT_REJECTED, _SEEN, 1609008, 2061006, refusal=True),
    Rule(Kind.CONTENT_REJECTED, _SEEN, text="name parameter too long", refusal=True),
    *_subcodes(Kind.ACCOUNT_RESTRICTED, _SEEN, 1404006, 1404078, 1404112),
    *_subcodes(Kind.MEDIA_REJECTED, _SEEN, 1349125, 1366046, 2069019, refusal=True),
    *_subcodes(Kind.DUPLICATE, _SEEN, 1366051, refusal=True),
    *_subcodes(Kind.PLATFORM_DOWN, _SEEN, 1363047, 1609010),
    *_codes(Kind.MEDIA_REJECTED, _VIDEO, 382, refusal=True),
    *_codes(Kind.MEDIA_UNREACHABLE, _VIDEO, 389, refusal=True),
    *_codes(Kind.HANDLE_EXPIRED, _VIDEO, 6000, 6001, refusal=True),
    *_subcodes(Kind.HANDLE_EXPIRED, _VIDEO, 1363037, refusal=True),
    # A handle that says it is used up: an earlier attempt with it probably went out.
    Rule(Kind.DUPLICATE, _SEEN, code="100", text="already", phase=Phase.COMMIT, refusal=True),
    *_subcodes(Kind.MEDIA_REJECTED, _REELS, 1363040, 1363127, 1363128, 1363129, refusal=True),
    *_codes(Kind.MEDIA_REJECTED, _REELS, 1363040, 1363127, 1363128, 1363129, refusal=True),
)

_UPLOADS = (
    # The upload host names its errors instead of numbering them. Bytes are safe to send again.
    Rule(Kind.HANDLE_EXPIRED, _REELS, code="OffsetInvalidError"),
    Rule(Kind.PLATFORM_DOWN, _REELS, code="PartialRequestError"),
    Rule(Kind.HANDLE_EXPIRED, _REELS, code="ProcessingFailedError"),
    Rule(Kind.PLATFORM_DOWN, _REELS, code="ProcessingFailedError", status=503),
    # A video's status without a number.
    Rule(Kind.MEDIA_REJECTED, _REELS, code="VIDEO_FAILED", phase=Phase.READ, refusal=True),
)

_READING = (
    # Told of stories that fewer than five people saw; the account lacks nothing.
    Rule(Kind.NOT_UNDERSTOOD, _INSIGHTS, code="10", text="not enough viewers", phase=Phase.READ),
    Rule(Kind.BUG, _INSIGHTS, code="3001"),
    Rule(Kind.BUG, _INSIGHTS, subcode="1504028"),
    Rule(Kind.BUG, _INSIGHTS, code="100", subcode="2108006", refusal=True),
    Rule(Kind.BUG, _INSIGHTS, code="9005", subcode="1452042"),
    *_codes(Kind.BUG, _INSIGHTS, 2635, 36104),
)

META_RULES: tuple[Rule, ...] = (*_GENERAL, *_RATE_LIMITS, *_PUBLISHING, *_PAGES, *_UPLOADS, *_READING)
