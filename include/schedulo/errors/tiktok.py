"""What TikTok's answers mean: error codes, reasons of a failed post, answers of the upload server.

An answer is good when `error.code` is "ok", whatever its HTTP status. The upload server sends no code, so
its rows carry the code `upload`. Rows with the subcode `failed` are reasons of a post that FAILED, which is
final: nothing of it is public, and nothing will be.
"""

from __future__ import annotations

from schedulo.errors.kinds import Kind, Scope
from schedulo.errors.lookup import Phase, Rule

POST = "TikTok: Content Posting API, direct post"
INBOX = "TikTok: Content Posting API, upload video"
STATUS = "TikTok: Content Posting API, get post status"
TRANSFER = "TikTok: Content Posting API, media transfer guide"
GUIDELINES = "TikTok: content sharing guidelines"
OAUTH = "TikTok: manage user access tokens"
GENERAL = "TikTok: API v2 error handling"


def _failed(kind: Kind, *reasons: str) -> tuple[Rule, ...]:
    """Why a post failed (`fail_reason`)."""
    return tuple(
        Rule(kind, STATUS, code=reason, subcode="failed", phase=Phase.READ, refusal=True)
        for reason in reasons
    )


TIKTOK_RULES: tuple[Rule, ...] = (
    # The request
    Rule(Kind.CONTENT_REJECTED, POST, code="invalid_param", refusal=True),
    Rule(Kind.CONTENT_REJECTED, GENERAL, code="invalid_params", refusal=True),
    Rule(Kind.BUG, GENERAL, code="invalid_param", phase=Phase.READ),
    Rule(Kind.BUG, GENERAL, code="invalid_params", phase=Phase.READ),
    Rule(Kind.BUG, TRANSFER, code="invalid_param", text="chunk", refusal=True),
    Rule(Kind.BUG, TRANSFER, code="invalid_params", text="chunk", refusal=True),
    Rule(Kind.CONTENT_REJECTED, POST, code="privacy_level_option_mismatch", refusal=True),
    Rule(Kind.MEDIA_REJECTED, GENERAL, code="invalid_file_upload", refusal=True),
    Rule(Kind.BUG, STATUS, code="invalid_publish_id"),
    Rule(Kind.BUG, STATUS, code="token_not_authorized_for_specified_publish_id"),
    # The account and the app
    Rule(Kind.TOKEN_EXPIRED, GENERAL, code="access_token_invalid", refusal=True),
    Rule(Kind.PERMISSION, GENERAL, code="scope_not_authorized", refusal=True),
    Rule(Kind.PERMISSION, GENERAL, code="scope_permission_missed", refusal=True),
    Rule(Kind.ACCOUNT_RESTRICTED, POST, code="spam_risk_user_banned_from_posting", refusal=True),
    Rule(Kind.ACCOUNT_RESTRICTED, INBOX, code="app_version_check_failed", refusal=True),
    Rule(
        Kind.CONFIGURATION,
        GUIDELINES,
        code="unaudited_client_can_only_post_to_private_accounts",
        refusal=True,
        scope=Scope.ACCOUNT,
    ),
    Rule(Kind.CONFIGURATION, TRANSFER, code="url_ownership_unverified", refusal=True),
    # Renewing a login; what is wrong with the client there does not stop accounts whose tokens live
    Rule(Kind.RECONNECT, OAUTH, code="invalid_grant", refusal=True),
    Rule(Kind.CONFIGURATION, OAUTH, code="invalid_client", refusal=True, scope=Scope.ACCOUNT),
    # Limits: per minute, and per day
    Rule(Kind.RATE_LIMITED, GENERAL, code="rate_limit_exceeded", refusal=True),
    Rule(Kind.QUOTA_EXHAUSTED, GUIDELINES, code="spam_risk_too_many_posts", refusal=True),
    Rule(
        Kind.QUOTA_EXHAUSTED,
        INBOX,
        code="spam_risk_too_many_pending_share",
        refusal=True,
        scope=Scope.DELIVERY,
    ),
    Rule(Kind.QUOTA_EXHAUSTED, GUIDELINES, code="reached_active_user_cap", refusal=True),
    *_failed(
        Kind.MEDIA_REJECTED,
        "file_format_check_failed",
        "duration_check_failed",
        "frame_rate_check_failed",
        "picture_size_check_failed",
    ),
    *_failed(Kind.HANDLE_EXPIRED, "internal"),
    *_failed(Kind.MEDIA_UNREACHABLE, "video_pull_failed", "photo_pull_failed"),
    *_failed(Kind.CANCELLED, "publish_cancelled"),
    *_failed(Kind.RECONNECT, "auth_removed"),
    *_failed(Kind.QUOTA_EXHAUSTED, "spam_risk_too_many_posts"),
    *_failed(Kind.ACCOUNT_RESTRICTED, "spam_risk_user_banned_from_posting"),
    *_failed(Kind.CONTENT_REJECTED, "spam_risk_text", "spam_risk"),
    *_failed(Kind.CONTENT_REJECTED, ""),  # a reason that is not listed
    # The upload server
    Rule(Kind.BUG, TRANSFER, code="upload", status=400, refusal=True),
    Rule(Kind.HANDLE_EXPIRED, TRANSFER, code="upload", status=403, refusal=True),
    Rule(Kind.HANDLE_EXPIRED, TRANSFER, code="upload", status=404, refusal=True),
    Rule(Kind.HANDLE_EXPIRED, TRANSFER, code="upload", status=416, phase=Phase.ARM),
    Rule(Kind.OUTCOME_UNKNOWN, TRANSFER, code="upload", status=416, phase=Phase.COMMIT),
    # Without a code that is known
    Rule(Kind.BUG, GENERAL, status=400, refusal=True),
    Rule(Kind.TOKEN_EXPIRED, GENERAL, status=401, refusal=True),
    Rule(Kind.PERMISSION, POST, status=403, refusal=True, scope=Scope.DELIVERY),
    Rule(Kind.RATE_LIMITED, GENERAL, status=429, refusal=True),
    Rule(Kind.PLATFORM_DOWN, GENERAL, code="internal_error"),
    Rule(Kind.PLATFORM_DOWN, GENERAL, status=500),
    Rule(Kind.PLATFORM_DOWN, GENERAL, status=502),
    Rule(Kind.PLATFORM_DOWN, GENERAL, status=503),
    Rule(Kind.PLATFORM_DOWN, GENERAL, status=504),
)
