"""Every answer that the platforms are known to give, in the words of their pages and of those who met it.

The measure for the catalogue in `schedulo.errors`, written independently of it: what each answer means before
the post, and whether it proves, as the answer to the request that publishes, that nothing is public.
"""

from __future__ import annotations

from dataclasses import dataclass

from schedulo.errors import KINDS, Kind, Phase, Scope

K = Kind
ARM, COMMIT, READ = Phase.ARM, Phase.COMMIT, Phase.READ
EVERYWHERE = (ARM, COMMIT, READ)


@dataclass(frozen=True, slots=True)
class Answer:
    words: str
    said: str
    """`HTTP/code/subcode`, as the sandbox's faults are ordered."""
    kind: Kind
    """What it means before the commit, and at the commit where it `proves`."""
    proves: bool = False
    """At the commit: nothing was published. Otherwise the outcome is unknown there."""
    scope: Scope | None = None
    """What it is about, where that is another thing than its kind says."""
    phases: tuple[Phase, ...] = EVERYWHERE
    route: str = ""
    """The request that is answered so while preparing; "": any that the post begins with."""

    @property
    def about(self) -> Scope:
        return self.scope or KINDS[self.kind].scope


def _preparing(*rows: tuple[str, str, Kind], route: str) -> tuple[Answer, ...]:
    return tuple(Answer(words, said, kind, phases=(ARM,), route=route) for words, said, kind in rows)


# Meta: Graph API (facts on Meta, 4.2)

GRAPH = (
    Answer("unknown API error", "500/1", K.PLATFORM_DOWN),
    Answer("service temporarily down", "500/2", K.PLATFORM_DOWN),
    Answer("service temporarily down, 503", "503/2", K.PLATFORM_DOWN),
    Answer("capability missing", "400/3", K.CONFIGURATION),
    Answer("app call limit", "400/4", K.RATE_LIMITED, True, Scope.PLATFORM),
    Answer("user call limit", "400/17", K.RATE_LIMITED, True),
    Answer("Page limit with a user token", "400/32", K.RATE_LIMITED, True),
    Answer("custom-rate limit", "400/613", K.RATE_LIMITED, True),
    Answer("traffic-shape flag, no ETA", "400/613/1996", K.RATE_LIMITED, True),
    Answer("BUC limit Pages", "400/80001", K.RATE_LIMITED, True),
    Answer("BUC limit Instagram", "400/80002", K.RATE_LIMITED, True),
    Answer("BUC limit Messenger", "400/80006", K.RATE_LIMITED, True),
    Answer("ads limits", "400/80000/2446079", K.RATE_LIMITED, True),
    Answer("ads limits", "400/80003/2446079", K.RATE_LIMITED, True),
    Answer("ads limits", "400/80004/2446079", K.RATE_LIMITED, True),
    Answer("app action limit", "400/341", K.RATE_LIMITED, True, Scope.PLATFORM),
    Answer("too many requests, by status", "429/31337", K.RATE_LIMITED, True),
    Answer("permission missing", "403/10", K.PERMISSION),
    Answer("permission removed", "403/200", K.PERMISSION),
    Answer("permission removed", "400/210", K.PERMISSION),
    Answer("permission removed", "403/283", K.PERMISSION),
    Answer("permission removed", "403/299", K.PERMISSION),
    Answer("bad parameter", "400/100", K.BUG, True),
    Answer("object missing or not readable by this token", "400/100/33", K.HANDLE_EXPIRED, True),
    Answer("Invalid appsecret_proof", "400/PROOF_WRONG", K.CONFIGURATION, True),
    Answer("require an appsecret_proof argument", "400/PROOF_MISSING", K.CONFIGURATION, True),
    Answer("session invalid", "400/102", K.TOKEN_EXPIRED, True),
    Answer("token invalid", "400/190", K.TOKEN_EXPIRED, True),
    Answer("token invalid, 401", "401/190", K.TOKEN_EXPIRED, True),
    Answer("app removed", "400/190/458", K.RECONNECT, True),
    Answer("checkpoint", "400/190/459", K.RECONNECT, True),
    Answer("password changed", "400/190/460", K.RECONNECT, True),
    Answer("expired", "400/190/463", K.TOKEN_EXPIRED, True),
    Answer("unconfirmed account", "400/190/464", K.RECONNECT, True),
    Answer("invalid", "400/190/467", K.RECONNECT, True),
    Answer("user lost role on the Page", "400/190/492", K.RECONNECT, True),
    Answer("blocked by policy or abuse", "400/368", K.ACCOUNT_RESTRICTED),
    Answer("posting too fast", "400/368/1390008", K.RATE_LIMITED),
    Answer("identity confirmation of the Page", "400/368/4854002", K.ACCOUNT_RESTRICTED),
    Answer("repeated content", "400/368/1404082", K.CONTENT_REJECTED),
    Answer("duplicate of the previous post", "400/506", K.DUPLICATE, True),
    Answer("link scrape failed", "400/1609005", K.CONTENT_REJECTED, True),
    Answer("malformed query or path", "400/2500", K.BUG, True),
    Answer("no metric given", "400/3001/1504028", K.BUG, phases=(READ,)),
    Answer("media older than the business account", "400/100/2108006", K.BUG, True, phases=(READ,)),
    Answer("too few viewers of a story", "400/FEW_VIEWERS", K.NOT_UNDERSTOOD, phases=(READ,)),
    Answer("field only via Business Discovery", "400/36104", K.BUG, phases=(READ,)),
    Answer("no video", "400/9005/1452042", K.BUG, phases=(READ,)),
    Answer("old Ads version", "400/2635", K.BUG, phases=(READ,)),
    Answer("a code that nobody lists", "400/31337", K.NOT_UNDERSTOOD),
    Answer("a code that nobody lists, 500", "500/31337", K.PLATFORM_DOWN),
)

# Instagram content publishing (4.3)

INSTAGRAM = (
    Answer("media download timed out", "400/-2/2207003", K.MEDIA_UNREACHABLE),
    Answer("media expired", "400/-2/2207020", K.HANDLE_EXPIRED),
    Answer("IG server error", "400/-1/2207001", K.PLATFORM_DOWN),
    Answer("IG server error without a subcode", "400/-1", K.PLATFORM_DOWN),
    Answer("container creation failed", "400/-1/2207032", K.HANDLE_EXPIRED),
    Answer("unknown upload error", "400/-1/2207053", K.HANDLE_EXPIRED),
    Answer("thumb_offset out of range", "400/1/2207057", K.CONTENT_REJECTED, True),
    Answer("suspected spam, action restricted", "403/4/2207051", K.ACCOUNT_RESTRICTED),
    Answer("daily publish quota reached", "400/9/2207042", K.QUOTA_EXHAUSTED, True),
    Answer("media id not found", "400/24/2207006", K.HANDLE_EXPIRED, True),
    Answer("builder id unknown or expired", "400/24/2207008", K.HANDLE_EXPIRED),
    Answer("account restricted, inactive, checkpointed", "400/25/2207050", K.ACCOUNT_RESTRICTED),
    Answer("account restricted without a subcode", "400/25", K.ACCOUNT_RESTRICTED),
    Answer("unknown media_type", "400/100/2207023", K.BUG, True),
    Answer("carousel not 2-10", "400/100/2207028", K.CONTENT_REJECTED, True),
    Answer("product-tag positions on video", "400/100/2207035", K.CONTENT_REJECTED, True),
    Answer("product-tag position missing on photo", "400/100/2207036", K.CONTENT_REJECTED, True),
    Answer("invalid product", "400/100/2207037", K.CONTENT_REJECTED, True),
    Answer("more than 20 tags", "400/100/2207040", K.CONTENT_REJECTED, True),
    Answer("video format", "400/352/2207026", K.MEDIA_REJECTED, True),
    Answer("video format without a subcode", "400/352", K.MEDIA_REJECTED, True),
    Answer("media URL could not be fetched", "400/9004/2207052", K.MEDIA_UNREACHABLE),
    Answer("media URL could not be fetched, without a subcode", "400/9004", K.MEDIA_UNREACHABLE),
    Answer("same subcode under code 100", "400/100/2207052", K.MEDIA_UNREACHABLE),
    Answer("not ready", "400/9007/2207027", K.STILL_PROCESSING, True, phases=(COMMIT,)),
    Answer("not ready, without a subcode", "400/9007", K.STILL_PROCESSING, True, phases=(COMMIT,)),
    Answer("image over 8 MiB", "400/36000/2207004", K.MEDIA_REJECTED, True),
    Answer("image format", "400/36001/2207005", K.MEDIA_REJECTED, True),
    Answer("image aspect ratio", "400/36003/2207009", K.MEDIA_REJECTED, True),
    Answer("caption too long", "400/36004/2207010", K.CONTENT_REJECTED, True),
    Answer("INVALID_LOCATION_ID", "400/LOCATION", K.CONTENT_REJECTED, True),
    Answer("PERMISSION of the partnership label", "400/PARTNERSHIP", K.PERMISSION, scope=Scope.DELIVERY),
    Answer("INVALID_PARAM", "400/PARTNERSHIP_PARAM", K.CONTENT_REJECTED, True),
    Answer("account not business", "400/110/2207013", K.CONFIGURATION, scope=Scope.ACCOUNT),
    Answer("delete of an unsupported type", "400/100/2207073", K.BUG, phases=(READ,)),
    Answer("insights Fatal", "400/-1/2207086", K.BUG, phases=(READ,)),
    Answer("no trial reels for this account", "400/100/2207081", K.CONTENT_REJECTED),
)

CONTAINERS = {
    "2207003": K.MEDIA_UNREACHABLE,
    "2207020": K.HANDLE_EXPIRED,
    "2207026": K.MEDIA_REJECTED,
    "2207032": K.HANDLE_EXPIRED,
    "2207052": K.MEDIA_UNREACHABLE,
    "2207053": K.HANDLE_EXPIRED,
    "2207076": K.HANDLE_EXPIRED,
    "2207077": K.MEDIA_UNREACHABLE,
    "2207082": K.HANDLE_EXPIRED,
    "2207085": K.HANDLE_EXPIRED,
    "2207099": K.HANDLE_EXPIRED,
    "ERROR": K.HANDLE_EXPIRED,
    "EXPIRED": K.HANDLE_EXPIRED,
}
"""What a container's status says when it failed: a subcode, or none."""

# Facebook Pages (2.3, 2.4, 4.2)

PAGES = (
    Answer("abusive", "400/368/1346003", K.CONTENT_REJECTED),
    Answer("security check", "400/368/1404006", K.ACCOUNT_RESTRICTED),
    Answer("page publishing authorization", "400/368/1404078", K.ACCOUNT_RESTRICTED),
    Answer("community standards", "400/368/1404102", K.CONTENT_REJECTED),
    Answer("account limited for days", "400/368/1404112", K.ACCOUNT_RESTRICTED),
    Answer("photo too big, or its type", "400/100/1366046", K.MEDIA_REJECTED, True),
    Answer("photos already posted", "400/100/1366051", K.DUPLICATE, True),
    Answer("facebook.com link", "400/100/1609008", K.CONTENT_REJECTED, True),
    Answer("link scrape failed, as a subcode", "400/100/1609005", K.CONTENT_REJECTED, True),
    Answer("service unavailable", "400/1/1609010", K.PLATFORM_DOWN),
    Answer("service unavailable", "400/1/1363047", K.PLATFORM_DOWN),
    Answer("bad URL", "400/100/2061006", K.CONTENT_REJECTED, True),
    Answer("invalid file", "400/324/2069019", K.MEDIA_REJECTED, True),
    Answer("bad format", "400/352/1349125", K.MEDIA_REJECTED, True),
    Answer("Name parameter too long", "400/TEXT_TOO_LONG", K.CONTENT_REJECTED, True),
    Answer("file too small", "400/382", K.MEDIA_REJECTED, True),
    Answer("could not fetch file_url", "400/389", K.MEDIA_UNREACHABLE, True),
    Answer("upload problem", "400/6000", K.HANDLE_EXPIRED, True),
    Answer("upload problem", "400/6001", K.HANDLE_EXPIRED, True),
    Answer("aspect", "400/100/1363040", K.MEDIA_REJECTED, True),
    Answer("resolution", "400/100/1363127", K.MEDIA_REJECTED, True),
    Answer("duration", "400/100/1363128", K.MEDIA_REJECTED, True),
    Answer("frame rate", "400/100/1363129", K.MEDIA_REJECTED, True),
)
VIDEOS = (
    *_preparing(("bad offset", "400/6001/1363037", K.HANDLE_EXPIRED), route="videos:transfer"),
    Answer("a finish that came twice", "400/FINISHED_TWICE", K.DUPLICATE, True, phases=(COMMIT,)),
)
UPLOADS = (
    *_preparing(
        ("resume at bytes_transfered", "400/OffsetInvalidError", K.HANDLE_EXPIRED),
        ("length mismatch", "400/PartialRequestError", K.PLATFORM_DOWN),
        ("re-upload, else new session", "400/ProcessingFailedError", K.HANDLE_EXPIRED),
        ("processing failed for now", "503/ProcessingFailedError", K.PLATFORM_DOWN),
        ("token", "401/NotAuthorizedError", K.TOKEN_EXPIRED),
        route="video_upload",
    ),
    Answer(
        "permission", "403/NotAuthorizedError", K.PERMISSION, False, Scope.DELIVERY, (ARM,), "video_upload"
    ),
)
VIDEO_STATUSES = {
    "": K.MEDIA_REJECTED,
    "1363040": K.MEDIA_REJECTED,
    "1363127": K.MEDIA_REJECTED,
    "1363128": K.MEDIA_REJECTED,
    "1363129": K.MEDIA_REJECTED,
}
"""Codes of a Page video that failed after it was finished."""

# X (facts on X, 1.3 and 1.8)

_POST = (COMMIT,)
X = (
    Answer("invalid request", "400/invalid-request", K.CONTENT_REJECTED, True, phases=_POST),
    Answer("Your media IDs are invalid", "400/invalid-media-ids", K.HANDLE_EXPIRED, True, phases=_POST),
    Answer("401", "401", K.TOKEN_EXPIRED, True),
    Answer("credits depleted", "402/credits-depleted", K.BILLING, True),
    Answer("CreditsDepleted, older", "402/credits", K.BILLING, True),
    Answer("duplicate content", "403/duplicate", K.DUPLICATE, True, phases=_POST),
    Answer("v1.1 code 187", "403/187", K.DUPLICATE, True, phases=_POST),
    Answer(
        "not permitted to perform this action", "403/not-permitted", K.CONTENT_REJECTED, True, phases=_POST
    ),
    Answer("video length", "403/video-too-long", K.MEDIA_REJECTED, True, phases=_POST),
    Answer("not permitted to access this feature", "403/feature", K.PERMISSION, True, Scope.DELIVERY),
    Answer("contains an invalid URL", "403/invalid-url", K.CONTENT_REJECTED, True, phases=_POST),
    Answer("more than one cashtag", "403/cashtags", K.CONTENT_REJECTED, True, phases=_POST),
    Answer("mentions not allowed for your package", "403/mentions", K.CONTENT_REJECTED, True, phases=_POST),
    Answer("temporarily locked", "403/locked", K.ACCOUNT_RESTRICTED, True),
    Answer("user-suspended", "403/user-suspended", K.ACCOUNT_RESTRICTED, True),
    Answer("a 403 that nobody lists", "403/something-new", K.PERMISSION, True, Scope.DELIVERY),
    Answer("client-forbidden", "403/client-forbidden", K.CONFIGURATION, True),
    Answer(
        "unsupported-authentication", "403/unsupported-authentication", K.CONFIGURATION, True, Scope.ACCOUNT
    ),
    Answer("resource-not-found", "404/resource-not-found", K.CONTENT_REJECTED, True, phases=_POST),
    Answer("404 without a type", "404", K.CONTENT_REJECTED, True, phases=_POST),
    Answer("resource-unavailable", "403/resource-unavailable", K.CONTENT_REJECTED, True, phases=_POST),
    Answer("disallowed-resource", "403/disallowed-resource", K.CONTENT_REJECTED, True, phases=_POST),
    Answer(
        "not-authorized-for-resource", "403/not-authorized-for-resource", K.PERMISSION, True, Scope.DELIVERY
    ),
    Answer("not-authorized-for-field", "403/not-authorized-for-field", K.PERMISSION, phases=(READ,)),
    Answer("field-unauthorized", "403/field-unauthorized", K.PERMISSION, phases=(READ,)),
    Answer("field-hydration-failure", "503/field-hydration-failure", K.PLATFORM_DOWN, phases=(READ,)),
    Answer("a read that X does not understand", "400/invalid-request", K.BUG, phases=(READ,)),
    Answer("Too Many Requests", "429", K.RATE_LIMITED, True),
    Answer("code 88", "429/88", K.RATE_LIMITED, True),
    Answer("rate-limit-exceeded", "429/rate-limit-exceeded", K.RATE_LIMITED, True),
    Answer("UsageCapExceeded", "429/usage-capped", K.QUOTA_EXHAUSTED, True, Scope.PLATFORM),
    Answer("500", "500", K.PLATFORM_DOWN),
    Answer("internal-error", "500/internal-error", K.PLATFORM_DOWN),
    Answer("502, a page", "502", K.PLATFORM_DOWN),
    Answer("503", "503", K.PLATFORM_DOWN),
    Answer("504", "504", K.PLATFORM_DOWN),
    Answer("a status that nobody lists", "418", K.NOT_UNDERSTOOD),
    *_preparing(
        ("an upload that X does not take", "400/invalid-request", K.MEDIA_REJECTED),
        route="upload_initialize",
    ),
    *_preparing(
        ("a segment that does not fit", "400/invalid-request", K.HANDLE_EXPIRED),
        ("an upload that is gone", "404/resource-not-found", K.HANDLE_EXPIRED),
        route="upload_append",
    ),
    *_preparing(
        ("Segments do not add up", "400/segments", K.HANDLE_EXPIRED),
        ("an upload that is gone, 404", "404", K.HANDLE_EXPIRED),
        route="upload_finalize",
    ),
    *_preparing(("alt text", "400/invalid-request", K.CONTENT_REJECTED), route="metadata"),
)
X_PROCESSING = {"1/InvalidMedia": K.MEDIA_REJECTED, "untold": K.MEDIA_REJECTED}
"""Media that failed after they had arrived, with an error told and without."""

# TikTok (facts on TikTok, 2.2 to 2.7, 2.12); at the commit where TikTok fetches the video, which is the init

TIKTOK = (
    Answer("invalid_param", "400/invalid_param", K.CONTENT_REJECTED, True),
    Answer("invalid_params", "400/invalid_params", K.CONTENT_REJECTED, True),
    Answer("privacy_level_option_mismatch", "403/privacy_level_option_mismatch", K.CONTENT_REJECTED, True),
    Answer("invalid_file_upload", "400/invalid_file_upload", K.MEDIA_REJECTED, True),
    Answer("access_token_invalid", "401/access_token_invalid", K.TOKEN_EXPIRED, True),
    Answer("scope_not_authorized", "401/scope_not_authorized", K.PERMISSION, True),
    Answer("scope_permission_missed", "400/scope_permission_missed", K.PERMISSION, True),
    Answer("rate_limit_exceeded", "429/rate_limit_exceeded", K.RATE_LIMITED, True),
    Answer("spam_risk_too_many_posts", "403/spam_risk_too_many_posts", K.QUOTA_EXHAUSTED, True),
    Answer("spam_risk_too_many_posts, 200", "200/spam_risk_too_many_posts", K.QUOTA_EXHAUSTED, True),
    Answer(
        "spam_risk_too_many_pending_share",
        "403/spam_risk_too_many_pending_share",
        K.QUOTA_EXHAUSTED,
        True,
        Scope.DELIVERY,
    ),
    Answer(
        "spam_risk_user_banned_from_posting",
        "403/spam_risk_user_banned_from_posting",
        K.ACCOUNT_RESTRICTED,
        True,
    ),
    Answer(
        "spam_risk_user_banned_from_posting, 200",
        "200/spam_risk_user_banned_from_posting",
        K.ACCOUNT_RESTRICTED,
        True,
    ),
    Answer("reached_active_user_cap", "403/reached_active_user_cap", K.QUOTA_EXHAUSTED, True),
    Answer("reached_active_user_cap, 200", "200/reached_active_user_cap", K.QUOTA_EXHAUSTED, True),
    Answer(
        "unaudited_client_can_only_post_to_private_accounts",
        "403/unaudited_client_can_only_post_to_private_accounts",
        K.CONFIGURATION,
        True,
        Scope.ACCOUNT,
    ),
    Answer("url_ownership_unverified", "403/url_ownership_unverified", K.CONFIGURATION, True),
    Answer("app_version_check_failed", "400/app_version_check_failed", K.ACCOUNT_RESTRICTED, True),
    Answer("invalid_publish_id", "400/invalid_publish_id", K.BUG, phases=(READ,)),
    Answer(
        "token_not_authorized_for_specified_publish_id",
        "400/token_not_authorized_for_specified_publish_id",
        K.BUG,
        phases=(READ,),
    ),
    Answer("internal_error", "500/internal_error", K.PLATFORM_DOWN),
    Answer("502", "502/internal_error", K.PLATFORM_DOWN),
    Answer("503", "503/internal_error", K.PLATFORM_DOWN),
    Answer("504", "504/internal_error", K.PLATFORM_DOWN),
    Answer("a 400 with a new word", "400/something_new", K.BUG, True),
    Answer("a 401 with a new word", "401/something_new", K.TOKEN_EXPIRED, True),
    Answer("a 403 with a new word", "403/something_new", K.PERMISSION, True, Scope.DELIVERY),
    Answer("a 429 with a new word", "429/something_new", K.RATE_LIMITED, True),
    Answer("a 200 with a new word", "200/something_new", K.NOT_UNDERSTOOD),
)
FAIL_REASONS = {
    "file_format_check_failed": K.MEDIA_REJECTED,
    "duration_check_failed": K.MEDIA_REJECTED,
    "frame_rate_check_failed": K.MEDIA_REJECTED,
    "picture_size_check_failed": K.MEDIA_REJECTED,
    "internal": K.HANDLE_EXPIRED,
    "video_pull_failed": K.MEDIA_UNREACHABLE,
    "photo_pull_failed": K.MEDIA_UNREACHABLE,
    "publish_cancelled": K.CANCELLED,
    "auth_removed": K.RECONNECT,
    "spam_risk_too_many_posts": K.QUOTA_EXHAUSTED,
    "spam_risk_user_banned_from_posting": K.ACCOUNT_RESTRICTED,
    "spam_risk_text": K.CONTENT_REJECTED,
    "spam_risk": K.CONTENT_REJECTED,
    "a_reason_of_next_year": K.CONTENT_REJECTED,
}
"""Why a post FAILED; final."""
CHUNKS = (
    *_preparing(
        ("bad headers or length", "400", K.BUG),
        ("URL expired", "403", K.HANDLE_EXPIRED),
        ("no such task", "404", K.HANDLE_EXPIRED),
        ("range is not the server's progress", "416", K.HANDLE_EXPIRED),
        ("send the same chunk again", "503", K.PLATFORM_DOWN),
        route="upload",
    ),
    Answer("bad headers or length", "400", K.BUG, True, phases=(COMMIT,)),
    Answer("URL expired", "403", K.HANDLE_EXPIRED, True, phases=(COMMIT,)),
    Answer("no such task", "404", K.HANDLE_EXPIRED, True, phases=(COMMIT,)),
    Answer("range is not the server's progress", "416", K.HANDLE_EXPIRED, phases=(COMMIT,)),
    Answer("send the same chunk again", "503", K.PLATFORM_DOWN, phases=(COMMIT,)),
)
"""Answers of the upload server, to a chunk on the way and to the last, which publishes."""
