"""The collector, against the stand-in of X: what a day's number is, and what repeating changes."""

from __future__ import annotations

from tests.schedulo.analytics.stand import Stand


def test_the_number_of_a_day_is_what_is_read_after_its_end(stand: Stand) -> None:
    key = stand.x_account(zone="America/New_York")
    id_ = stand.post(key, "2026-09-02 15:00")
    stand.go("2026-09-03 06:00")
    found = stand.collect(key, "2026-09-02")
    assert (found.posts, found.calls) == (1, 3), found.lines
    [row] = stand.facts(id_).values()
    assert row.date.isoformat() == "2026-09-02"
    assert row.value == stand.true(id_) > 0
    assert (row.delta, row.delta_days) == (row.value, 1)
    assert row.collected_at.timestamp() == stand.now_s
    [followers] = stand.account_facts(key).values()
    assert (followers.delta, followers.delta_days) == (None, None)


def test_collected_again_nothing_is_asked_and_nothing_changes(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 15:00")
    stand.go("2026-09-03 01:00")
    stand.collect(key, "2026-09-02")
    before, value = stand.everything(), stand.facts(id_)["2026-09-02"].value
    stand.go("2026-09-03 12:30")
    again = stand.collect(key, "2026-09-02")
    assert (again.posts, again.calls) == (0, 0)
    assert stand.everything() == before
    assert stand.true(id_) > value
