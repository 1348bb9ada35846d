"""Days on an account's own clock, and which of them are due."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from schedulo.analytics.days import accounts_of, date_at, day_of, due, last_ended, window
from schedulo.delivery.holds import set_hold
from schedulo.ledger.tables import accounts
from schedulo.model import State
from schedulo.settings import Settings
from tests.schedulo.analytics.stand import Stand, instant

HOUR_MS = 3_600_000
ZONES = sorted(available_timezones() - {"localtime"})


def hours(zone: str, on: str) -> float:
    day = day_of(zone, date.fromisoformat(on))
    return (day.end_ms - day.start_ms) / HOUR_MS


def test_a_day_has_23_hours_where_clocks_go_forward_and_25_where_they_go_back() -> None:
    assert hours("Europe/Berlin", "2026-03-29") == 23
    assert hours("Europe/Berlin", "2026-10-25") == 25
    assert hours("Africa/Cairo", "2026-04-24") == 23  # it begins at 01:00: midnight is skipped
    assert hours("Australia/Lord_Howe", "2026-10-04") == 23.5


def test_a_day_begins_with_its_first_instant_also_where_midnight_is_skipped() -> None:
    day = day_of("Africa/Cairo", date(2026, 4, 24))
    assert day.start_ms == instant("2026-04-23 22:00") * 1000
    assert date_at("Africa/Cairo", day.start_ms) == date(2026, 4, 24)
    assert date_at("Africa/Cairo", day.start_ms - 1) == date(2026, 4, 23)


def test_at_the_ends_of_the_earth_other_days_are_over() -> None:
    noon = int(instant("2026-09-02 11:00") * 1000)
    assert last_ended("Pacific/Kiritimati", noon) == date(2026, 9, 2)  # UTC+14
    assert last_ended("UTC", noon) == date(2026, 9, 1)
    assert last_ended("Etc/GMT+12", noon) == date(2026, 8, 31)  # UTC-12


@given(st.sampled_from(ZONES), st.dates(date(2000, 1, 1), date(2035, 12, 31)))
def test_in_every_zone_days_follow_each_other_without_a_gap(zone: str, on: date) -> None:
    today, tomorrow = day_of(zone, on), day_of(zone, on + timedelta(days=1))
    assert today.end_ms == tomorrow.start_ms
    assert window(zone, on) == (tomorrow.start_ms, tomorrow.end_ms)
    assert 0 <= today.end_ms - today.start_ms <= 26 * HOUR_MS


@given(st.sampled_from(ZONES), st.datetimes(datetime(2000, 1, 1), datetime(2035, 12, 31)))  # noqa: DTZ001
def test_at_every_instant_the_window_of_one_day_is_open(zone: str, moment: datetime) -> None:
    now_ms = int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    today = day_of(zone, date_at(zone, now_ms))
    assert today.start_ms <= now_ms < today.end_ms
    start_ms, end_ms = window(zone, last_ended(zone, now_ms))
    assert start_ms <= now_ms
    assert now_ms < end_ms or start_ms == end_ms  # a day that a zone skipped has no window


def keys(stand: Stand, on: str, settings: Settings | None = None) -> list[str]:
    with stand.ledger.read() as connection:
        return accounts_of(connection, date.fromisoformat(on), settings or Settings())


def test_accounts_with_posts_of_the_time_are_collected_and_those_that_publish(stand: Stand) -> None:
    busy, idle, old = stand.x_account("1"), stand.x_account("2"), stand.x_account("3")
    for key in (busy, old):
        stand.run(sa.update(accounts).where(accounts.c.key == key).values(active=False))
    stand.post(busy, "2026-09-02 12:00")
    stand.post(old, "2026-01-01 12:00")
    assert keys(stand, "2026-09-01") == [idle]
    assert keys(stand, "2026-09-02") == [busy, idle]
    assert keys(stand, "2026-01-01") == [idle, old]
    assert keys(stand, "2026-09-02", Settings(analytics_platforms="tiktok")) == []


def dues(stand: Stand) -> dict[str, tuple[list[str], bool]]:
    with stand.ledger.read() as connection:
        found = due(connection, stand.now_ms, stand.settings)
    return {one.account_key: ([day.isoformat() for day in one.dates], one.young) for one in found}


def test_a_day_is_due_from_its_end_in_the_zone_of_its_account_until_it_is_collected(stand: Stand) -> None:
    east, west = stand.x_account("1", "Pacific/Auckland"), stand.x_account("2", "Pacific/Honolulu")
    stand.go("2026-09-03 13:00")
    assert dues(stand) == {east: (["2026-09-03"], False), west: (["2026-09-02"], False)}
    stand.collect(east, "2026-09-03")
    assert dues(stand) == {west: (["2026-09-02"], False)}
    stand.go("2026-09-04 11:59")
    assert dues(stand) == {west: (["2026-09-03"], False)}
    stand.go("2026-09-04 12:00")
    assert dues(stand) == {east: (["2026-09-04"], False), west: (["2026-09-03"], False)}


def test_a_post_is_due_an_hour_after_it_went_out_and_hourly_then(stand: Stand) -> None:
    key = stand.x_account()
    stand.go("2026-09-02 00:30")
    stand.collect(key, "2026-09-01")
    stand.post(key, "2026-09-02 01:00")
    assert dues(stand) == {}
    for time in ("02:07", "03:07", "04:08"):
        stand.go(f"2026-09-02 {time}")
        assert dues(stand) == {key: ([], True)}
        stand.read(key)
        assert dues(stand) == {}


@pytest.mark.parametrize("error_kind", ["reconnect", "rate_limited"])
def test_an_account_that_an_error_holds_is_not_asked(stand: Stand, error_kind: str) -> None:
    key = stand.x_account()
    stand.go("2026-09-02 01:00")
    assert key in dues(stand)
    with stand.ledger.begin() as connection:
        set_hold(connection, stand.now_ms, "account", key, "holidays", "ann")
    assert key in dues(stand), "what people hold is read all the same"
    with stand.ledger.begin() as connection:
        set_hold(connection, stand.now_ms, "account", key, "refused", "schedulo", error_kind=error_kind)
    assert dues(stand) == {}


def test_an_account_that_has_used_up_its_posts_of_a_day_is_read(stand: Stand) -> None:
    """A platform that is used up is not."""
    key = stand.x_account()
    stand.go("2026-09-02 01:00")
    used_up = "schedulo", None, "quota_exhausted"
    with stand.ledger.begin() as connection:
        set_hold(connection, stand.now_ms, "account", key, "100 posts a day", *used_up)
    assert key in dues(stand)
    with stand.ledger.begin() as connection:
        set_hold(connection, stand.now_ms, "platform", "x", "monthly cap", *used_up)
    assert dues(stand) == {}


def test_a_post_of_which_nobody_knows_when_it_went_out_is_not_young(stand: Stand) -> None:
    key = stand.x_account()
    stand.post(key, "2026-09-02 01:00", accepted_ms=None, published_ms=None)
    stand.go("2026-09-02 03:00")
    stand.collect(key, "2026-09-01")
    assert dues(stand) == {}


def test_a_post_that_is_gone_is_not_young(stand: Stand) -> None:
    key = stand.x_account()
    id_ = stand.post(key, "2026-09-02 01:00")
    stand.go("2026-09-02 03:00")
    stand.collect(key, "2026-09-01")
    stand.change(id_, state=State.TAKEN_DOWN, removed_ms=stand.now_ms)
    assert dues(stand) == {}
