"""What a reading says of its post, beside the numbers."""

from __future__ import annotations

from datetime import date

import pytest

from schedulo.analytics import readings
from schedulo.analytics.dimensions import catch_up
from schedulo.analytics.posts import Post, account_of, wanted_on
from schedulo.measures import Availability, Reading
from tests.schedulo.analytics.stand import Stand


@pytest.mark.parametrize("silent", readings.SILENT)
def test_a_refusal_says_nothing_of_whether_a_post_that_is_gone_came_back(
    stand: Stand, silent: Availability
) -> None:
    """It would be asked for every day again, and the days between would count as missed."""
    key = stand.x_account()
    stand.post(key, "2026-09-01 10:00")
    stand.go("2026-09-02 00:10")
    catch_up(stand.ledger, stand.now_ms)

    def told(availability: Availability, value: float | None = None) -> str:
        stand.go(stand.now_s + 3600)
        reading = Reading("views", value, availability, "" if value else "the platform says so")
        with stand.ledger.begin() as connection:
            post = _only_post(stand, key)
            readings.keep(connection, [post], {post.key: [reading]}, stand.now_ms)
        watched = _only_post(stand, key).watched
        assert watched is not None
        return watched.ended

    assert told(silent) == ""
    assert told(Availability.GONE) == "gone"
    assert told(silent) == "gone"
    assert told(Availability.MEASURED, 5.0) == ""


def _only_post(stand: Stand, key: str) -> Post:
    with stand.ledger.read() as connection:
        [post] = wanted_on(connection, account_of(connection, key), date(2026, 9, 1), stand.settings)
    return post
