"""What X's answers mean: one row a status, problem type, code or text.

`code` is the last word of the problem's `type` (`.../problems/usage-capped`), else the number of an older
error. X has no subcodes; the column names the upload call where the same 400 means another thing there, and
`processing` for media that failed after they had arrived, whose `code` is the name that X gives the error.
"""

from __future__ import annotations

from schedulo.errors.kinds import Kind, Scope
from schedulo.errors.lookup import Phase, Rule

STATUSES = "X: response codes and errors"
POSTS = "X: manage posts, integration guide"
MEDIA = "X: media upload, chunked"
LIMITS = "X: rate limits"
BILLING = "X: pricing and post caps"
OAUTH = "X: OAuth 2.0 with PKCE, and what clients saw its token endpoint answer"
SPEC = "X: OpenAPI description, problem types"

X_RULES: tuple[Rule, ...] = (
    # Content
    Rule(Kind.CONTENT_REJECTED, STATUSES, status=400, refusal=True),
    Rule(Kind.CONTENT_REJECTED, SPEC, status=400, code="invalid-request", refusal=True),
    Rule(Kind.HANDLE_EXPIRED, MEDIA, status=400, text="your media ids are invalid", refusal=True),
    Rule(Kind.BUG, STATUSES, status=400, phase=Phase.READ),
    Rule(Kind.BUG, SPEC, status=400, code="invalid-request", phase=Phase.READ),
    # Upload: a segment or a finalize that came twice is refused like one that does not fit; begin anew
    Rule(Kind.HANDLE_EXPIRED, MEDIA, status=400, phase=Phase.ARM),
    Rule(Kind.HANDLE_EXPIRED, MEDIA, status=400, code="invalid-request", phase=Phase.ARM),
    Rule(Kind.HANDLE_EXPIRED, MEDIA, text="segments do not add up", phase=Phase.ARM),
    Rule(Kind.HANDLE_EXPIRED, MEDIA, status=404, phase=Phase.ARM),
    Rule(Kind.HANDLE_EXPIRED, SPEC, code="resource-not-found", phase=Phase.ARM),
    Rule(Kind.MEDIA_REJECTED, MEDIA, status=400, subcode="initialize", phase=Phase.ARM),
    Rule(Kind.CONTENT_REJECTED, MEDIA, status=400, subcode="metadata", phase=Phase.ARM),
    Rule(Kind.MEDIA_REJECTED, MEDIA, subcode="processing", phase=Phase.ARM),
    # Renewing a login; what is wrong with the app there does not stop accounts whose tokens live
    Rule(Kind.RECONNECT, OAUTH, status=400, subcode="token"),
    Rule(Kind.RECONNECT, OAUTH, status=401, subcode="token"),
    Rule(Kind.CONFIGURATION, OAUTH, code="unauthorized_client", subcode="token", scope=Scope.ACCOUNT),
    Rule(Kind.CONFIGURATION, OAUTH, code="invalid_client", subcode="token", scope=Scope.ACCOUNT),
    # Login and money
    Rule(Kind.TOKEN_EXPIRED, STATUSES, status=401, refusal=True),
    Rule(Kind.BILLING, BILLING, status=402, refusal=True),
    Rule(Kind.BILLING, BILLING, code="credits-depleted", refusal=True),
    Rule(Kind.BILLING, BILLING, code="credits", refusal=True),
    Rule(Kind.BILLING, BILLING, text="creditsdepleted", refusal=True),
    # 403: only type and text tell one from another
    Rule(Kind.PERMISSION, STATUSES, status=403, refusal=True, scope=Scope.DELIVERY),
    Rule(Kind.DUPLICATE, POSTS, status=403, text="duplicate content", refusal=True),
    Rule(Kind.DUPLICATE, STATUSES, status=403, code="187", refusal=True),
    Rule(Kind.CONTENT_REJECTED, POSTS, status=403, text="not permitted to perform this action", refusal=True),
    Rule(Kind.CONTENT_REJECTED, POSTS, status=403, text="contains an invalid url", refusal=True),
    Rule(Kind.CONTENT_REJECTED, POSTS, status=403, text="cashtag", refusal=True),
    Rule(Kind.CONTENT_REJECTED, POSTS, status=403, text="mention", refusal=True),
    Rule(Kind.MEDIA_REJECTED, MEDIA, status=403, text="to post a video longer than", refusal=True),
    Rule(
        Kind.PERMISSION,
        STATUSES,
        status=403,
        text="not permitted to access this feature",
        refusal=True,
        scope=Scope.DELIVERY,
    ),
    Rule(Kind.ACCOUNT_RESTRICTED, STATUSES, status=403, text="temporarily locked", refusal=True),
    Rule(Kind.ACCOUNT_RESTRICTED, STATUSES, code="user-suspended", refusal=True),
    Rule(Kind.CONFIGURATION, STATUSES, code="client-forbidden", refusal=True),
    Rule(Kind.CONFIGURATION, STATUSES, text="client-not-enrolled", refusal=True),
    Rule(Kind.CONFIGURATION, STATUSES, code="unsupported-authentication", refusal=True, scope=Scope.ACCOUNT),
    Rule(Kind.PERMISSION, SPEC, code="not-authorized-for-resource", refusal=True, scope=Scope.DELIVERY),
    Rule(Kind.CONTENT_REJECTED, SPEC, code="disallowed-resource", refusal=True),
    # Fields of a post that is read
    Rule(Kind.PERMISSION, SPEC, code="not-authorized-for-field", phase=Phase.READ, scope=Scope.DELIVERY),
    Rule(Kind.PERMISSION, SPEC, code="field-unauthorized", phase=Phase.READ, scope=Scope.DELIVERY),
    Rule(Kind.PLATFORM_DOWN, SPEC, code="field-hydration-failure", phase=Phase.READ),
    # What the post refers to is gone
    Rule(Kind.CONTENT_REJECTED, STATUSES, status=404, refusal=True),
    Rule(Kind.CONTENT_REJECTED, SPEC, code="resource-not-found", refusal=True),
    Rule(Kind.CONTENT_REJECTED, SPEC, code="resource-unavailable", refusal=True),
    # Limits
    Rule(Kind.RATE_LIMITED, LIMITS, status=429, refusal=True),
    Rule(Kind.RATE_LIMITED, LIMITS, status=429, code="88", refusal=True),
    Rule(Kind.RATE_LIMITED, STATUSES, status=429, code="rate-limit-exceeded", refusal=True),
    Rule(Kind.QUOTA_EXHAUSTED, BILLING, code="usage-capped", refusal=True, scope=Scope.PLATFORM),
    Rule(
        Kind.QUOTA_EXHAUSTED, BILLING, status=429, text="usagecapexceeded", refusal=True, scope=Scope.PLATFORM
    ),
    # Trouble at X; posts have appeared in spite of a 503
    Rule(Kind.PLATFORM_DOWN, STATUSES, status=500),
    Rule(Kind.PLATFORM_DOWN, STATUSES, status=502),
    Rule(Kind.PLATFORM_DOWN, STATUSES, status=503),
    Rule(Kind.PLATFORM_DOWN, STATUSES, status=504),
    Rule(Kind.PLATFORM_DOWN, SPEC, code="internal-error"),
)
