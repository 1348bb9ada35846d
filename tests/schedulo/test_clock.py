# ruff: noqa: DTZ001 - wall-clock times have no zone
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schedulo.clock import EPOCH, ClockError, instant, iso, now_ms, parse_instant

ZONES = sorted(available_timezones())
walls = st.datetimes(min_value=datetime(1900, 1, 2), max_value=datetime(2100, 1, 1))
zones = st.sampled_from(ZONES)


def utc(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


@settings(max_examples=1500, deadline=None)
@given(walls, zones)
@example(datetime(2026, 3, 29, 2, 30), "Europe/Berlin")
@example(datetime(2026, 10, 25, 2, 30), "Europe/Berlin")
@example(datetime(2011, 12, 30, 12, 0), "Pacific/Apia")
@example(datetime(2026, 4, 5, 1, 45), "Australia/Lord_Howe")
def test_a_wall_time_is_shown_again_unless_the_zone_skips_it(wall: datetime, zone: str) -> None:
    found = instant(wall, zone)
    region = ZoneInfo(zone)
    shown = utc(found.ms).astimezone(region).replace(tzinfo=None)
    expected = wall - timedelta(microseconds=wall.microsecond % 1000)
    if "is skipped" in found.note:
        gap = shown - expected
        assert timedelta(0) < gap <= timedelta(hours=24)
        at_change = [
            utc(found.ms - back).astimezone(region).utcoffset()
            for back in (0, gap // timedelta(milliseconds=1))
        ]
        assert at_change[0] - at_change[1] == gap
    else:
        assert shown == expected


@settings(max_examples=1500, deadline=None)
@given(walls, zones)
@example(datetime(2026, 10, 25, 2, 30), "Europe/Berlin")
@example(datetime(2026, 4, 5, 1, 45), "Australia/Lord_Howe")
def test_no_earlier_instant_shows_the_same_wall_time(wall: datetime, zone: str) -> None:
    wall = wall.replace(microsecond=0)
    found = instant(wall, zone)
    region = ZoneInfo(zone)
    earlier = {wall.replace(tzinfo=region, fold=fold).astimezone(UTC) for fold in (0, 1)}
    shows_it = [moment for moment in earlier if moment.astimezone(region).replace(tzinfo=None) == wall]
    assert all(moment >= utc(found.ms) for moment in shows_it)
    assert ("happens twice" in found.note) == (len(shows_it) == 2)


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0, max_value=4_102_444_800_000), zones)
def test_an_instant_survives_the_way_through_a_zones_clock_unless_it_is_the_second_of_two(
    ms: int, zone: str
) -> None:
    wall = utc(ms).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    found = instant(wall, zone)
    assert found.ms == ms or ("happens twice" in found.note and found.ms < ms)


def test_a_time_that_does_not_exist_moves_forward_by_the_gap_and_says_so() -> None:
    found = instant("2026-03-29 02:30", "Europe/Berlin")
    assert iso(found.ms) == "2026-03-29T01:30:00.000Z"
    assert found.note == (
        "2026-03-29 02:30 is skipped in Europe/Berlin, where clocks go forward: 03:30 is meant."
    )


def test_a_time_that_happens_twice_means_the_first_and_says_so() -> None:
    found = instant("2026-10-25T02:30", "Europe/Berlin")
    assert iso(found.ms) == "2026-10-25T00:30:00.000Z"
    assert "the first is meant" in found.note


def test_an_ordinary_time_leaves_no_note() -> None:
    assert instant("2026-12-24 18:00", "Europe/Berlin").note == ""


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "CET+1", "../etc/passwd", "europe/berlin", "Berlin"])
def test_an_unknown_zone_is_refused_with_field_value_rule_and_who(zone: str) -> None:
    with pytest.raises(ClockError) as caught:
        instant("2026-12-24 18:00", zone, zone_field="Zone of the account")
    problem = caught.value.problem
    assert (problem.field, problem.value) == ("Zone of the account", zone)
    assert "IANA" in problem.rule
    assert problem.remedy


def test_a_misspelt_zone_is_answered_with_the_nearest() -> None:
    with pytest.raises(ClockError, match=r"Do you mean Europe/Berlin\?"):
        instant("2026-12-24 18:00", "Europe/Berln")


@pytest.mark.parametrize(
    "wall",
    [
        "",
        "tomorrow",
        "2026-12-24",
        "2026-13-01 10:00",
        "24.12.2026 18:00",
        "2026-12-24 18:00Z",
        "2026-02-30 1:00",
    ],
)
def test_text_that_is_no_date_and_time_is_refused(wall: str) -> None:
    with pytest.raises(ClockError, match="2026-12-24 18:00"):
        instant(wall, "Europe/Berlin")


def test_a_wall_time_with_a_zone_of_its_own_is_refused() -> None:
    with pytest.raises(ClockError, match="must not bear a zone"):
        instant(datetime(2026, 1, 1, tzinfo=UTC), "Europe/Berlin")


def test_a_time_at_the_edge_of_the_calendar_is_refused_not_a_crash() -> None:
    with pytest.raises(ClockError):
        instant("0001-01-01 00:00", "Asia/Tokyo")


def test_airtables_date_time_is_read_to_the_millisecond() -> None:
    assert parse_instant("2026-12-24T17:00:00.250Z") == parse_instant("2026-12-24T18:00:00.250+01:00")
    assert utc(parse_instant("2026-12-24T17:00:00.250Z")) == datetime(
        2026, 12, 24, 17, 0, 0, 250_000, tzinfo=UTC
    )


@pytest.mark.parametrize("text", ["2026-12-24", "2026-12-24T17:00:00", "soon", ""])
def test_a_date_without_time_or_zone_is_not_an_instant(text: str) -> None:
    with pytest.raises(ClockError, match="Include time"):
        parse_instant(text)


@given(st.integers(min_value=-2_000_000_000_000, max_value=4_102_444_800_000))
def test_an_instant_written_for_airtable_reads_the_same(ms: int) -> None:
    assert parse_instant(iso(ms)) == ms


def test_now_is_the_real_time() -> None:
    real = datetime.now(UTC).timestamp() * 1000
    assert abs(now_ms() - real) < 5_000
