"""What an answer's headers say."""

from __future__ import annotations

import pytest

from schedulo.flow import Response, retry_after_s

DATE = "Wed, 25 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Wed, 25 Nov 2026 12:01:30 GMT", 90.0),
        ("Wed, 25 Nov 2026 13:01:30 +0100", 90.0),
        ("Wed, 25 Nov 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date_on_the_services_clock(
    text: str, seconds: float | None
) -> None:
    assert Response(503, {"retry-after": text, "date": DATE}).retry_after_s == seconds


def test_a_date_says_nothing_without_the_services_clock() -> None:
    assert retry_after_s("Wed, 25 Nov 2026 12:01:30 GMT", None) is None
    assert retry_after_s("90", None) == 90.0
    assert Response(503).retry_after_s is None
