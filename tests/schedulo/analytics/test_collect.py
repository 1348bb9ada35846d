"""The collector, against the stand-in of X: what a day's number is, and what repeating changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from schedulo.analytics.collect import collect_day
from schedulo.errors import Kind, PlatformError
from schedulo.measures import Availability
from schedulo.model import State
from tests.schedulo.analytics.stand import Stand, instant


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


def test_a_day_that_nobody_read_is_missed_and_the_next_number_says_over_how_many_days(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 15:00")
    for now, on in (("2026-09-03 01:00", "2026-09-02"), ("2026-09-06 01:00", "2026-09-05")):
        stand.go(now)
        stand.collect(key, on)
    facts = stand.facts(id_)
    assert list(facts) == ["2026-09-02", "2026-09-03", "2026-09-04", "2026-09-05"]
    gap = [facts["2026-09-03"], facts["2026-09-04"]]
    assert {(row.value, row.availability, row.delta, row.collected_at) for row in gap} == {
        (None, "missed", None, None)
    }
    assert gap[0].reason == "nobody asked while the number was to be had"
    assert facts["2026-09-05"].delta == facts["2026-09-05"].value - facts["2026-09-02"].value
    assert facts["2026-09-05"].delta_days == 3
    missed = stand.account_facts(key)
    assert [row.availability for row in missed.values()] == ["measured", "missed", "missed", "measured"]


def test_a_number_of_today_is_never_written_for_a_day_long_past(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 15:00")
    stand.go("2026-09-20 12:00")
    found = stand.collect(key, "2026-09-04")
    assert found.calls == 0
    assert {(row.date.isoformat(), row.availability) for row in stand.facts(id_).values()} == {
        ("2026-09-04", "missed")
    }


def test_a_reading_between_the_days_is_the_number_of_the_day_that_just_ended(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 22:50")
    stand.go("2026-09-03 00:07")
    assert stand.read(key).posts == 1
    value = stand.true(id_)
    stand.go("2026-09-03 12:30")
    stand.collect(key, "2026-09-02")
    [row] = stand.facts(id_).values()
    assert (row.value, row.collected_at.timestamp()) == (value, instant("2026-09-03 00:07"))


def test_what_is_read_within_the_day_is_not_its_number_while_the_post_is_there(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 20:00")
    stand.go("2026-09-02 23:07")
    stand.read(key)
    stand.go("2026-09-03 01:00")
    stand.collect(key, "2026-09-02")
    [row] = stand.facts(id_).values()
    assert row.value == stand.true(id_)


def test_a_post_that_is_gone_keeps_the_last_number_of_its_last_day(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 08:00")
    for hour in ("09:07", "10:07"):
        stand.go(f"2026-09-02 {hour}")
        stand.read(key)
    value = stand.true(id_)
    stand.sandbox.remove("x", stand.remote(id_))
    for day in range(3, 20):
        stand.go(f"2026-09-{day:02} 01:00")
        stand.collect(key, f"2026-09-{day - 1:02}")
    facts = stand.facts(id_)
    assert list(facts) == [
        "2026-09-02",
        "2026-09-09",
        "2026-09-16",
    ]  # once a week it is asked whether it is back
    first = facts.pop("2026-09-02")
    assert (first.value, first.collected_at.timestamp()) == (value, instant("2026-09-02 10:07"))
    assert {row.availability for row in facts.values()} == {"gone"}
    assert stand.facts(id_, "likes")["2026-09-02"].value is not None


def test_a_post_that_was_never_read_before_it_was_gone_has_no_number(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 08:00")
    stand.go("2026-09-02 09:00")
    stand.sandbox.remove("x", stand.remote(id_))
    stand.go("2026-09-03 01:00")
    stand.collect(key, "2026-09-02")
    [row] = stand.facts(id_).values()
    assert (row.value, row.availability) == (None, Availability.GONE)
    assert row.reason


def test_a_post_that_was_taken_down_is_not_asked_for_any_more(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 08:00")
    stand.go("2026-09-02 10:00")
    stand.read(key)
    value = stand.true(id_)
    stand.change(id_, state=State.TAKEN_DOWN, removed_ms=stand.now_ms)
    stand.go("2026-09-03 01:00")
    assert stand.collect(key, "2026-09-02").posts == 0
    stand.go("2026-09-04 01:00")
    stand.collect(key, "2026-09-03")
    [row] = stand.facts(id_).values()
    assert (row.value, row.availability) == (value, "measured")


def test_an_account_that_cannot_be_read_fails_and_its_day_is_missed_with_the_reason(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 08:00")
    stand.go("2026-09-03 01:00")
    means = stand.means()
    wrong = replace(means.wire, token_for=lambda _key: "another")
    with pytest.raises(PlatformError) as failed:
        asyncio.run(collect_day(replace(means, wire=wrong), key, date(2026, 9, 2), stand.now_ms))
    assert failed.value.kind in (Kind.TOKEN_EXPIRED, Kind.RECONNECT)
    assert stand.facts(id_) == {}
    stand.go("2026-09-04 01:00")
    stand.collect(key, "2026-09-03")
    facts = stand.facts(id_)
    assert (facts["2026-09-02"].availability, facts["2026-09-03"].availability) == ("missed", "measured")
    assert facts["2026-09-02"].reason.startswith("it could not be read in time: ")
    c = stand.house.collections.c
    log = stand.run(sa.select(stand.house.collections).order_by(c.started_at, c.date.desc()))
    assert [(row.date.day, bool(row.problem), row.ended_at is not None) for row in log] == [
        (2, True, True),
        (3, False, True),
        (2, False, True),
    ]


def test_a_limit_ends_the_asking_and_what_was_read_is_kept(stand: Stand) -> None:
    key = stand.x_account()
    ids = stand.posts(key, ["2026-06-01 08:00"] * 250)  # old: nothing but public numbers
    stand.settings = replace(stand.settings, analytics_parallel=1, analytics_days=200)
    stand.go("2026-09-03 01:00")
    stand.sandbox.fault(service="x", method="GET", route="posts", mode="rate_limit:300", after=1, times=1)
    with pytest.raises(PlatformError) as limited:
        stand.collect(key, "2026-09-02")
    assert limited.value.kind is Kind.RATE_LIMITED
    assert limited.value.wait_s is not None
    assert sum(bool(stand.facts(id_)) for id_ in ids[::50]) == 2
    assert stand.collect(key, "2026-09-02").posts == 150
    assert {row.value is not None for id_ in ids[::50] for row in stand.facts(id_).values()} == {True}


def test_an_unknown_account_and_a_day_that_is_not_over_are_refused(stand: Stand) -> None:
    with pytest.raises(ValueError, match="x:7"):
        stand.collect("x:7", "2026-08-30")
    key = stand.x_account(zone="Pacific/Honolulu")
    stand.go("2026-09-03 09:59")
    with pytest.raises(ValueError, match="2026-09-02 is not over"):
        stand.collect(key, "2026-09-02")
    assert stand.run(sa.select(stand.house.collections)) == []


def test_a_platform_that_is_left_out_is_not_asked(stand: Stand) -> None:
    key = stand.x_account()
    stand.settings = replace(stand.settings, analytics_platforms="tiktok")
    stand.go("2026-09-03 01:00")
    found = stand.collect(key, "2026-09-02")
    assert (found.calls, found.lines) == (
        0,
        ("x:1: numbers of x are not read (SCHEDULO_ANALYTICS_PLATFORMS leaves it out)",),
    )


def test_what_it_cost_is_kept(stand: Stand) -> None:
    key = stand.x_account()
    stand.posts(key, ["2026-09-02 08:00"] * 3)
    stand.go("2026-09-03 01:00")
    found = stand.collect(key, "2026-09-02")
    assert found.cost_usd == pytest.approx(0.003)
    [row] = stand.run(sa.select(stand.house.collections))
    assert (row.posts, row.calls, row.purpose) == (3, found.calls, "day")
    assert row.cost_usd == pytest.approx(0.003)


def test_a_post_whose_numbers_rest_is_read_once_a_week(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 08:00")
    stand.settings = replace(stand.settings, analytics_still_days=2)
    still = {"impression_count": 5, "like_count": 1, "retweet_count": 0, "reply_count": 0, "quote_count": 0}
    still |= {"bookmark_count": 0, "url_link_clicks": 0, "user_profile_clicks": 0, "engagements": 1}
    stand.sandbox.seed({"x": {"metrics": {stand.remote(id_): still}}})
    first = datetime(2026, 9, 2, tzinfo=UTC)
    for age in range(20):
        stand.go((first + timedelta(days=age + 1, hours=1)).timestamp())
        stand.collect(key, (first + timedelta(days=age)).date().isoformat())
    days = [(row.date - first.date()).days for row in stand.facts(id_).values()]
    assert days == [0, 1, 2, 7, 14]
    before = stand.everything()
    for age in range(20):
        stand.collect(key, (first + timedelta(days=age)).date().isoformat())
    assert stand.everything() == before


def test_a_number_carries_the_instant_of_its_request_and_counts_only_in_time(stand: Stand) -> None:
    key = stand.x_account()
    ids = stand.posts(key, ["2026-06-10 08:00"] * 250)  # old: one request for a hundred
    stand.settings = replace(stand.settings, analytics_parallel=1, analytics_days=200)
    stand.go("2026-09-03 23:20")

    def slow() -> int:
        stand.go(stand.now_s + 600)
        return stand.now_ms

    stand.collect(key, "2026-09-02", clock=slow)
    read = [[row for row in stand.facts(id_).values() if row.value is not None] for id_ in ids[::50]]
    instants = [row.collected_at.timestamp() for rows in read for row in rows]
    assert instants == [instant("2026-09-03 23:40")] * 2 + [instant("2026-09-03 23:50")] * 2
    for id_ in ids[::50][:4]:
        [row] = stand.facts(id_).values()
        assert row.value == stand.true(id_, at=row.collected_at.timestamp())
    stand.go("2026-09-04 00:07")
    stand.collect(key, "2026-09-03")
    late = stand.facts(ids[-1])
    assert late["2026-09-02"].availability == Availability.MISSED
    assert late["2026-09-03"].collected_at.timestamp() == instant("2026-09-04 00:00")
    assert late["2026-09-03"].value == stand.true(ids[-1], at="2026-09-04 00:00")
