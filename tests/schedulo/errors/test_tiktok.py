"""What TikTok's answers mean, code by code as TikTok lists them."""

from __future__ import annotations

import pytest

from schedulo.errors import Kind, Phase, diagnose
from schedulo.errors.tiktok import TIKTOK_RULES

REFUSALS = [
    (400, "invalid_param", Kind.CONTENT_REJECTED),
    (400, "invalid_params", Kind.CONTENT_REJECTED),
    (400, "invalid_file_upload", Kind.MEDIA_REJECTED),
    (403, "privacy_level_option_mismatch", Kind.CONTENT_REJECTED),
    (401, "access_token_invalid", Kind.TOKEN_EXPIRED),
    (401, "scope_not_authorized", Kind.PERMISSION),
    (400, "scope_permission_missed", Kind.PERMISSION),
    (429, "rate_limit_exceeded", Kind.RATE_LIMITED),
    (403, "spam_risk_too_many_posts", Kind.QUOTA_EXHAUSTED),
    (200, "spam_risk_too_many_posts", Kind.QUOTA_EXHAUSTED),
    (403, "spam_risk_too_many_pending_share", Kind.QUOTA_EXHAUSTED),
    (403, "spam_risk_user_banned_from_posting", Kind.ACCOUNT_RESTRICTED),
    (200, "reached_active_user_cap", Kind.QUOTA_EXHAUSTED),
    (403, "unaudited_client_can_only_post_to_private_accounts", Kind.CONFIGURATION),
    (403, "url_ownership_unverified", Kind.CONFIGURATION),
    (400, "app_version_check_failed", Kind.ACCOUNT_RESTRICTED),
]
FAIL_REASONS = {
    "file_format_check_failed": Kind.MEDIA_REJECTED,
    "duration_check_failed": Kind.MEDIA_REJECTED,
    "frame_rate_check_failed": Kind.MEDIA_REJECTED,
    "picture_size_check_failed": Kind.MEDIA_REJECTED,
    "internal": Kind.HANDLE_EXPIRED,
    "video_pull_failed": Kind.MEDIA_UNREACHABLE,
    "photo_pull_failed": Kind.MEDIA_UNREACHABLE,
    "publish_cancelled": Kind.CANCELLED,
    "auth_removed": Kind.RECONNECT,
    "spam_risk_too_many_posts": Kind.QUOTA_EXHAUSTED,
    "spam_risk_user_banned_from_posting": Kind.ACCOUNT_RESTRICTED,
    "spam_risk_text": Kind.CONTENT_REJECTED,
    "spam_risk": Kind.CONTENT_REJECTED,
    "a_reason_of_next_year": Kind.CONTENT_REJECTED,
}


@pytest.mark.parametrize(("status", "code", "kind"), REFUSALS)
def test_a_listed_code_proves_that_nothing_was_published(status, code, kind):
    diagnosis = diagnose(TIKTOK_RULES, Phase.COMMIT, status, code)
    assert (diagnosis.kind, diagnosis.refusal) == (kind, True)


@pytest.mark.parametrize(("reason", "kind"), FAIL_REASONS.items())
def test_every_reason_of_a_failed_post_has_its_kind(reason, kind):
    assert diagnose(TIKTOK_RULES, Phase.READ, 200, reason, "failed").kind is kind


@pytest.mark.parametrize("code", ["access_token_invalid", "invalid_params", "a_code_of_next_year", ""])
def test_an_answer_to_a_look_never_proves_that_nothing_is_public(code):
    assert not diagnose(TIKTOK_RULES, Phase.READ, 200, code).refusal
    assert not diagnose(TIKTOK_RULES, Phase.READ, 401, code).refusal


@pytest.mark.parametrize(("status", "code"), [(500, "internal_error"), (502, ""), (503, ""), (504, "upload")])
def test_trouble_at_tiktok_leaves_a_post_unknown_and_a_preparation_to_be_tried_again(status, code):
    assert diagnose(TIKTOK_RULES, Phase.COMMIT, status, code).kind is Kind.OUTCOME_UNKNOWN
    assert diagnose(TIKTOK_RULES, Phase.ARM, status, code).kind is Kind.PLATFORM_DOWN


@pytest.mark.parametrize("status", [403, 404])
def test_an_upload_address_that_ran_out_refuses_the_last_chunk(status):
    diagnosis = diagnose(TIKTOK_RULES, Phase.COMMIT, status, "upload")
    assert (diagnosis.kind, diagnosis.refusal) == (Kind.HANDLE_EXPIRED, True)


def test_a_range_that_does_not_fit_leaves_the_last_chunk_unknown():
    diagnosis = diagnose(TIKTOK_RULES, Phase.COMMIT, 416, "upload")
    assert (diagnosis.kind, diagnosis.refusal) == (Kind.OUTCOME_UNKNOWN, False)


def test_wrong_chunk_arithmetic_is_the_programs_fault():
    diagnosis = diagnose(
        TIKTOK_RULES, Phase.ARM, 400, "invalid_params", text="The total chunk count is invalid"
    )
    assert diagnosis.kind is Kind.BUG


@pytest.mark.parametrize("code", ["invalid_publish_id", "token_not_authorized_for_specified_publish_id"])
def test_a_publish_id_that_tiktok_does_not_know_proves_nothing(code):
    diagnosis = diagnose(TIKTOK_RULES, Phase.READ, 400, code)
    assert (diagnosis.kind, diagnosis.refusal) == (Kind.BUG, False)
