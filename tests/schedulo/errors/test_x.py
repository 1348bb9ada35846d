"""What X's answers mean, answer by answer as X words them."""

from __future__ import annotations

import pytest

from schedulo.errors import Kind, Phase, diagnose
from schedulo.errors.x import X_RULES

AT_COMMIT = [
    (400, "invalid-request", "One or more parameters to your request was invalid.", Kind.CONTENT_REJECTED),
    (400, "", "", Kind.CONTENT_REJECTED),
    (400, "invalid-request", "Invalid Request; Your media IDs are invalid.", Kind.HANDLE_EXPIRED),
    (401, "", "Unauthorized", Kind.TOKEN_EXPIRED),
    (402, "credits-depleted", "credits depleted", Kind.BILLING),
    (402, "credits", "CreditsDepleted; Your enrolled account [1] does not have any credits", Kind.BILLING),
    (403, "", "You are not allowed to create a Tweet with duplicate content.", Kind.DUPLICATE),
    (403, "187", "Status is a duplicate.", Kind.DUPLICATE),
    (403, "", "Forbidden; You are not permitted to perform this action.", Kind.CONTENT_REJECTED),
    (403, "", "This user is not allowed to post a video longer than 20 minutes.", Kind.MEDIA_REJECTED),
    (403, "", "Your account is not permitted to access this feature", Kind.PERMISSION),
    (403, "", "The Tweet contains an invalid URL.", Kind.CONTENT_REJECTED),
    (403, "", "Posts may hold only one cashtag.", Kind.CONTENT_REJECTED),
    (403, "", "Your account is temporarily locked.", Kind.ACCOUNT_RESTRICTED),
    (403, "user-suspended", "", Kind.ACCOUNT_RESTRICTED),
    (403, "client-forbidden", "client-not-enrolled", Kind.CONFIGURATION),
    (403, "unsupported-authentication", "", Kind.CONFIGURATION),
    (403, "", "something new", Kind.PERMISSION),
    (404, "resource-not-found", "", Kind.CONTENT_REJECTED),
    (429, "", "Too Many Requests", Kind.RATE_LIMITED),
    (429, "88", "Rate limit exceeded", Kind.RATE_LIMITED),
    (429, "rate-limit-exceeded", "", Kind.RATE_LIMITED),
    (429, "usage-capped", "UsageCapExceeded", Kind.QUOTA_EXHAUSTED),
    (429, "", "UsageCapExceeded", Kind.QUOTA_EXHAUSTED),
]


@pytest.mark.parametrize(("status", "code", "text", "kind"), AT_COMMIT)
def test_a_listed_refusal_of_a_post_proves_that_nothing_was_published(status, code, text, kind):
    diagnosis = diagnose(X_RULES, Phase.COMMIT, status, code, text=text)
    assert (diagnosis.kind, diagnosis.refusal) == (kind, True)


@pytest.mark.parametrize(
    ("status", "code"), [(500, ""), (502, ""), (503, ""), (504, ""), (500, "internal-error")]
)
def test_trouble_at_x_leaves_a_post_unknown_and_a_preparation_to_be_tried_again(status, code):
    assert diagnose(X_RULES, Phase.COMMIT, status, code).kind is Kind.OUTCOME_UNKNOWN
    assert not diagnose(X_RULES, Phase.COMMIT, status, code).refusal
    assert diagnose(X_RULES, Phase.ARM, status, code).kind is Kind.PLATFORM_DOWN


@pytest.mark.parametrize("status", [301, 408, 418, 520])
def test_an_answer_that_nobody_listed_leaves_a_post_unknown(status):
    assert diagnose(X_RULES, Phase.COMMIT, status).kind is Kind.OUTCOME_UNKNOWN


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("initialize", Kind.MEDIA_REJECTED),
        ("append", Kind.HANDLE_EXPIRED),
        ("finalize", Kind.HANDLE_EXPIRED),
        ("metadata", Kind.CONTENT_REJECTED),
    ],
)
def test_a_400_while_uploading_means_another_thing_at_each_call(call, kind):
    assert diagnose(X_RULES, Phase.ARM, 400, "invalid-request", call).kind is kind


def test_an_upload_that_is_gone_is_begun_anew():
    assert diagnose(X_RULES, Phase.ARM, 404, "resource-not-found").kind is Kind.HANDLE_EXPIRED


def test_a_read_that_x_does_not_understand_is_the_programs_fault():
    assert diagnose(X_RULES, Phase.READ, 400, "invalid-request").kind is Kind.BUG
