"""Daily numbers in the warehouse: what is kept, what is replaced, and that deltas add up."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedulo.analytics import daily
from schedulo.analytics.daily import Facts, Number
from schedulo.analytics.dimensions import catch_up
from schedulo.ledger.database import Ledger
from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability, Kind, Reading
from tests.schedulo.analytics.stand import Stand

FIRST = date(2026, 9, 1)
KINDS = {"views": Kind.TOTAL, "quotes": Kind.LEVEL, "watched": Kind.RATE, "of_day": Kind.DAY}
KEY, POST = "x:1", "d00001"


@pytest.fixture
def posts(stand: Stand) -> Ledger:
    """A ledger whose warehouse has an account and a post of the first day."""
    stand.x_account()
    assert stand.post(KEY, "2026-09-01 12:00") == POST
    stand.go("2026-09-02 00:00")
    catch_up(stand.ledger, stand.now_ms)
    return stand.ledger


def number(key: str, metric: str, value: float | Availability) -> Number:
    if isinstance(value, Availability):
        return Number(key, Reading(metric, None, value, "because"), 1_800_000_000_000)
    return Number(key, Reading(metric, value), 1_800_000_000_000)


def put(
    connection: sa.Connection,
    key: str,
    day: int,
    values: Mapping[str, float | Availability],
    first: date = FIRST,
) -> int:
    numbers = [number(key, metric, value) for metric, value in values.items()]
    facts, firsts = Facts.of_posts(connection), {key: first}
    if key == KEY:
        facts, firsts = Facts.of_accounts(connection), {}
    return daily.keep(connection, facts, FIRST + timedelta(days=day), numbers, KINDS, firsts)


def keep(ledger: Ledger, key: str, day: int, values: Mapping[str, float | Availability]) -> int:
    with ledger.begin() as connection:
        return put(connection, key, day, values)


def rows(ledger: Ledger, key: str, metric: str) -> list[Any]:
    with ledger.read() as connection:
        house = warehouse_of(connection)
        table = house.account_metrics_daily if key == KEY else house.post_metrics_daily
        column = table.c.account_key if key == KEY else table.c.post_key
        query = sa.select(table).where(column == key, table.c.metric == metric).order_by(table.c.date)
        return list(connection.execute(query))


DAYS = st.dictionaries(
    st.integers(0, 120),
    st.one_of(st.integers(0, 10**9), st.sampled_from([Availability.MISSED, Availability.FAILED])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=DAYS, data=st.data())
def test_deltas_of_a_post_add_up_to_its_number_in_whatever_order_days_come(
    posts: Ledger, days: dict[int, int | Availability], data: st.DataObject
) -> None:
    with posts.begin() as connection:
        connection.execute(sa.delete(warehouse_of(connection).post_metrics_daily))
        for day in data.draw(st.permutations(sorted(days))):
            put(connection, POST, day, {"views": days[day], "quotes": days[day]})
    for metric in ("views", "quotes"):
        found = rows(posts, POST, metric)
        assert [row.value for row in found] == [
            None if isinstance(days[day], Availability) else days[day] for day in sorted(days)
        ]
        told = [row for row in found if row.value is not None]
        assert all((row.delta, row.delta_days) == (None, None) for row in found if row.value is None)
        so_far = 0
        for row in told:
            so_far += row.delta
            assert so_far == row.value
        assert sum(row.delta_days for row in told) == ((told[-1].date - FIRST).days + 1 if told else 0)


def test_of_an_account_nothing_is_known_before_its_first_number(posts: Ledger) -> None:
    for day, value in ((3, 100), (9, 130), (5, 90)):
        keep(posts, KEY, day, {"quotes": value})
    found = [(row.value, row.delta, row.delta_days) for row in rows(posts, KEY, "quotes")]
    assert found == [(100, None, None), (90, -10, 2), (130, 40, 4)]


def test_rates_have_no_delta_and_numbers_of_a_day_are_their_own(posts: Ledger) -> None:
    for day, value in ((0, 8.25), (1, 7.5)):
        keep(posts, KEY, day, {"watched": value, "of_day": value})
    assert [(row.delta, row.delta_days) for row in rows(posts, KEY, "watched")] == [(None, None)] * 2
    assert [(row.delta, row.delta_days) for row in rows(posts, KEY, "of_day")] == [(8.25, 1), (7.5, 1)]


def test_the_first_number_wins_but_one_of_a_day_alone_is_corrected(posts: Ledger) -> None:
    keep(posts, KEY, 0, {"quotes": 5, "of_day": 5})
    assert keep(posts, KEY, 0, {"quotes": 6, "of_day": 6}) == 1
    assert keep(posts, KEY, 0, {"quotes": Availability.FAILED, "of_day": Availability.NOT_YET}) == 0
    assert [row.value for row in rows(posts, KEY, "quotes")] == [5]
    assert [row.value for row in rows(posts, KEY, "of_day")] == [6]


def test_a_number_replaces_whatever_stood_for_it(posts: Ledger) -> None:
    reasons = [one for one in Availability if one is not Availability.MEASURED]
    for day, why in enumerate(reasons):
        keep(posts, POST, day, {"views": why})
    for day, _ in enumerate(reasons):
        keep(posts, POST, day, {"views": 7 + day})
    found = [(row.value, row.availability, row.reason, row.delta) for row in rows(posts, POST, "views")]
    assert found[0] == (7, "measured", "", 7)
    assert found[1:] == [(8 + day, "measured", "", 1) for day in range(len(reasons) - 1)]


def test_why_there_is_no_number_changes_only_where_a_better_reason_is_known(posts: Ledger) -> None:
    keep(posts, POST, 0, {"views": Availability.FAILED})
    assert keep(posts, POST, 0, {"views": Availability.FAILED}) == 0
    assert keep(posts, POST, 0, {"views": Availability.RETIRED}) == 1
    assert keep(posts, POST, 0, {"views": Availability.FAILED}) == 0
    assert [row.availability for row in rows(posts, POST, "views")] == ["retired"]


def test_a_zero_that_was_told_is_a_zero(posts: Ledger) -> None:
    keep(posts, POST, 0, {"views": 0})
    [row] = rows(posts, POST, "views")
    assert (row.value, row.delta, row.delta_days) == (0, 0, 1)


def test_of_two_corrections_the_one_that_was_read_later_stays(posts: Ledger) -> None:
    keep(posts, KEY, 0, {"of_day": 9})
    with posts.begin() as connection:
        late = Number(KEY, Reading("of_day", 8), 1_800_000_000_000 - 1)
        assert daily.keep(connection, Facts.of_accounts(connection), FIRST, [late], KINDS) == 0
    assert [row.value for row in rows(posts, KEY, "of_day")] == [9]


@pytest.mark.parametrize("shift", [-1, 1])
def test_deltas_add_up_where_the_zone_and_with_it_the_first_day_of_a_post_became_another(
    posts: Ledger, shift: int
) -> None:
    keep(posts, POST, 0, {"views": 7})
    with posts.begin() as connection:
        put(connection, POST, shift, {"views": 5 if shift < 0 else 11}, FIRST + timedelta(days=shift))
    found = rows(posts, POST, "views")
    assert sum(row.delta for row in found) == found[-1].value


def test_a_number_that_is_just_being_kept_counts_for_the_next_day(posts: Ledger) -> None:
    keep(posts, POST, 0, {"views": 7})
    with ThreadPoolExecutor(1) as other:
        with posts.begin() as connection:
            put(connection, POST, 1, {"views": 11})
            later = other.submit(keep, posts, POST, 2, {"views": 15})
            wait([later], timeout=0.3)
        later.result(timeout=30)
    assert [row.delta for row in rows(posts, POST, "views")] == [7, 4, 4]
