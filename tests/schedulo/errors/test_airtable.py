from __future__ import annotations

from typing import Any

import pytest

from schedulo.errors import Kind
from schedulo.errors.airtable import (
    AirtableBusy,
    AirtableDown,
    AirtableError,
    AirtableQuota,
    AirtableRefused,
    error_for,
    reason,
)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"type": "RATE_LIMIT_REACHED", "message": "slow"}},
        {"errors": [{"error": "RATE_LIMIT_REACHED", "message": "slow"}]},
        {"error": "RATE_LIMIT_REACHED", "message": "slow"},
    ],
)
def test_every_shape_of_a_refusal_gives_the_same_reason(body: Any) -> None:
    assert reason(body) == ("RATE_LIMIT_REACHED", "slow")


@pytest.mark.parametrize(
    "body", [None, [], "x", 5, {}, {"error": None}, {"errors": []}, {"errors": [7]}, {"error": 7}]
)
def test_a_body_without_a_reason_is_no_reason(body: Any) -> None:
    assert reason(body) == ("", "")


@pytest.mark.parametrize(
    ("status", "code", "cls", "kind"),
    [
        (400, "INVALID_REQUEST_BODY", AirtableRefused, Kind.BUG),
        (400, "", AirtableDown, Kind.NOT_UNDERSTOOD),
        (403, "", AirtableDown, Kind.NOT_UNDERSTOOD),
        (404, "", AirtableDown, Kind.NOT_UNDERSTOOD),
        (401, "AUTHENTICATION_REQUIRED", AirtableRefused, Kind.RECONNECT),
        (403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", AirtableRefused, Kind.PERMISSION),
        (404, "NOT_FOUND", AirtableRefused, Kind.CONFIGURATION),
        (413, "", AirtableRefused, Kind.BUG),
        (418, "", AirtableDown, Kind.NOT_UNDERSTOOD),
        (418, "I_AM_NEW", AirtableDown, Kind.NOT_UNDERSTOOD),
        (422, "UNKNOWN_FIELD_NAME", AirtableRefused, Kind.CONFIGURATION),
        (422, "INVALID_REQUEST_UNKNOWN", AirtableRefused, Kind.BUG),
        (429, "RATE_LIMIT_REACHED", AirtableBusy, Kind.RATE_LIMITED),
        (429, "", AirtableBusy, Kind.RATE_LIMITED),
        (429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED", AirtableQuota, Kind.QUOTA_EXHAUSTED),
        (500, "", AirtableDown, Kind.PLATFORM_DOWN),
        (503, "RETRIABLE_ERROR", AirtableDown, Kind.PLATFORM_DOWN),
        (520, "", AirtableDown, Kind.PLATFORM_DOWN),
    ],
)
def test_an_answer_is_classed_by_status_and_code(
    status: int, code: str, cls: type[AirtableError], kind: Kind
) -> None:
    error = error_for(status, {"error": {"type": code, "message": "m"}} if code else None)
    assert type(error) is cls
    assert error.kind is kind
    assert str(status) in str(error)


def test_the_lock_out_lasts_thirty_seconds_unless_airtable_says_otherwise() -> None:
    assert error_for(429, None).wait_s == 30
    assert error_for(429, None, retry_after_s=7).wait_s == 7


def test_no_time_is_given_for_an_empty_monthly_budget() -> None:
    assert error_for(429, {"error": "PUBLIC_API_BILLING_LIMIT_EXCEEDED"}).wait_s is None
