"""How a day stands at its end, by what the warehouse holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.analytics.closing import Closed, closed
from schedulo.ledger.database import Ledger
from schedulo.ledger.warehouse import Timestamp, Warehouse, warehouse_of

DAY = date(2026, 11, 25)
NOON = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)


class Day:
    """One day in the warehouse, filled row by row."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.w: Warehouse = warehouse_of(ledger.engine)
        self.tries = 0
        self.add(self.w.dates, {"date": DAY})

    def add(self, table: sa.Table, row: dict[str, Any]) -> None:
        """Add a row; of what it does not name, any value will do."""
        any_value = {sa.Text: "-", sa.Date: DAY, Timestamp: NOON, sa.Boolean: False}
        needed = {
            column.name: any_value.get(type(column.type), 0)
            for column in table.columns
            if not column.nullable and column.server_default is None
        }
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(table).values(needed | row))

    def account(self, key: str) -> str:
        self.add(self.w.accounts, {"account_key": key, "platform": key.partition(":")[0]})
        return key

    def post(self, key: str, account: str) -> str:
        self.add(self.w.posts, {"post_key": key, "account_key": account})
        return key

    def number(self, subject: str, metric: str, value: float | None, availability: str = "measured") -> None:
        of_post = ":" not in subject
        table = self.w.post_metrics_daily if of_post else self.w.account_metrics_daily
        row = {"post_key" if of_post else "account_key": subject, "date": DAY, "metric": metric}
        self.add(table, row | {"value": value, "availability": availability})

    def tried(self, account: str, problem: str = "", **more: Any) -> None:
        self.tries += 1
        began = NOON + timedelta(seconds=self.tries)
        row = {"id": f"t{self.tries}", "account_key": account, "purpose": "day", "date": DAY}
        row |= {"started_at": began, "ended_at": began, "calls": 2, "cost_usd": 0.25, "problem": problem}
        self.add(self.w.collections, row | more)

    def closed(self, *keys: str) -> Closed:
        with self.ledger.read() as connection:
            return closed(connection, DAY, keys)


@pytest.fixture
def day(ledger: Ledger) -> Day:
    return Day(ledger)


def test_a_day_says_how_many_accounts_and_numbers_it_has_and_what_they_cost(day: Day) -> None:
    one, two = day.account("x:1"), day.account("x:2")
    day.number(one, "followers", 10)
    day.number(day.post("p1", two), "views", 0)
    day.tried(one)
    day.tried(two)
    told = day.closed(one, two)
    assert told.failed == {}
    assert not told.in_vain
    assert told.sentence() == (
        "2026-11-25: 2 of 2 accounts were collected, 2 numbers in all, with 4 requests, 0.500 USD"
    )
    assert told.to_json() == {"date": "2026-11-25", "accounts": 2, "failed": 0}


def test_the_last_try_of_an_account_counts(day: Day) -> None:
    mended, broken = day.account("x:1"), day.account("x:2")
    day.tried(mended, problem="it was down")
    day.tried(mended)
    day.tried(broken)
    day.tried(broken, problem="the login is over")
    assert day.closed(mended, broken).failed == {"x:2": "x:2: the login is over"}


def test_an_account_that_was_cut_off_or_not_tried_for_this_day_has_failed(day: Day) -> None:
    cut, other_day, young = day.account("x:1"), day.account("x:2"), day.account("x:3")
    day.tried(cut, ended_at=None)
    day.tried(other_day, date=DAY - timedelta(days=1))
    day.tried(young, purpose="young", date=None)
    told = day.closed(cut, other_day, young)
    assert told.failed == {
        "x:1": "x:1: collecting it was cut off",
        "x:2": "x:2: it was not collected",
        "x:3": "x:3: it was not collected",
    }
    assert told.in_vain


def test_a_day_without_accounts_is_not_in_vain(day: Day) -> None:
    assert not day.closed().in_vain


def test_what_is_missing_is_told_by_account_with_its_reason(day: Day) -> None:
    account = day.account("instagram:1")
    day.tried(account)
    for post in ("p1", "p2"):
        day.post(post, account)
        day.number(post, "views", 5)
        day.number(post, "reach", None, "too_few")
    day.number("p1", "saves", None, "retired")
    day.number(account, "followers", None, "not_yet")
    day.number(account, "profile_visits", None, "not_yet")
    assert day.closed(account).lines == (
        "instagram:1: followers, profile_visits (of the account): the platform tells it later; it is asked "
        "for again",
        "instagram:1: saves (of 1 post): the platform refuses it",
        "instagram:1: reach (of 2 posts): told only where more people are",
    )


def test_a_long_list_of_metrics_is_cut(day: Day) -> None:
    account = day.account("x:1")
    day.tried(account)
    day.post("p1", account)
    for number in range(9):
        day.number("p1", f"m{number}", None, "ended")
    [line] = day.closed(account).lines
    assert line == "x:1: m0, m1, m2, m3, m4, m5 and 3 more (of 1 post): the platform no longer tells it"
