"""The number of a day: chosen from readings, compared with the days before, kept for good.

What was measured stays. Only Meta's numbers of one day alone are corrected while they come in (`Kind.DAY`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa

from schedulo.analytics.cadence import WEEK_DAYS
from schedulo.analytics.posts import at
from schedulo.clock import to_ms
from schedulo.ledger.database import upsert
from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability, Kind, Reading

RUNNING = (Kind.TOTAL, Kind.LEVEL)
PROVISIONAL = (Availability.FAILED, Availability.NOT_YET, Availability.MISSED)
"""What any answer replaces; all else is replaced by a number only."""

ONE_AT_A_TIME = 731984221
"""PostgreSQL: the advisory lock of those who compare days."""


@dataclass(frozen=True, slots=True)
class Number:
    """What is known of one metric of one post or account on one day."""

    key: str
    reading: Reading
    collected_ms: int | None
    """When the platform was asked; None: nobody did."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands in the table."""

    availability: Availability
    value: float | None
    collected_ms: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """One of the two tables of facts."""

    table: sa.Table
    key: str
    """The column that says of what."""

    @classmethod
    def of_posts(cls, connection: sa.Connection) -> Facts:
        return cls(warehouse_of(connection).post_metrics_daily, "post_key")

    @classmethod
    def of_accounts(cls, connection: sa.Connection) -> Facts:
        return cls(warehouse_of(connection).account_metrics_daily, "account_key")

    def about(self, keys: Iterable[str]) -> sa.ColumnElement[bool]:
        return self.table.c[self.key].in_(list(keys))


def kept(
    connection: sa.Connection, facts: Facts, keys: Sequence[str], on: date
) -> dict[tuple[str, str], Kept]:
    """What is there of a day, by key and metric."""
    t = facts.table.c
    query = sa.select(t[facts.key].label("key"), t.metric, t.availability, t.value, t.collected_at).where(
        facts.about(keys), t.date == on
    )
    return {
        (row.key, row.metric): Kept(
            Availability(row.availability),
            row.value,
            None if row.collected_at is None else to_ms(row.collected_at),
        )
        for row in connection.execute(query)
    }


def keep(
    connection: sa.Connection,
    facts: Facts,
    on: date,
    numbers: Sequence[Number],
    kinds: Mapping[str, Kind],
    first_days: Mapping[str, date | None] | None = None,
    *,
    renew: bool = False,
) -> int:
    """Keep numbers of a day where they are better than what is there; answers how many were.

    :param kinds: by metric
    :param first_days: of posts: before its first day a post had nothing, so that its deltas add up to its
        numbers. None of accounts: they were there before
    :param renew: what is still not told was asked for again at a later time, which is kept
    """
    _alone(connection)
    there = kept(connection, facts, list({number.key for number in numbers}), on)
    better = [number for number in numbers if _is_better(number, there, kinds, renew)]
    if not better:
        return 0
    running = [
        number
        for number in better
        if number.reading.value is not None and kinds.get(number.reading.metric) in RUNNING
    ]
    firsts = first_days or {}
    before = _before(connection, facts, on, running)
    rows = []
    for number in better:
        reading = number.reading
        delta, days = None, None
        if reading.value is not None:
            earlier = before.get((number.key, reading.metric))
            first_day = firsts.get(number.key)
            delta, days = _delta(kinds.get(reading.metric), on, reading.value, earlier, first_day)
        rows.append(
            {
                facts.key: number.key,
                "date": on,
                "metric": str(reading.metric),
                "value": reading.value,
                "availability": reading.availability.value,
                "reason": reading.reason,
                "delta": delta,
                "delta_days": days,
                "collected_at": None if number.collected_ms is None else at(number.collected_ms),
            }
        )
    _put(connection, facts, rows, kinds)
    if running:
        _compare_later(connection, facts, on, running)
    return len(rows)


def _alone(connection: sa.Connection) -> None:
    """Waits until nobody else compares days: a delta that does not know of the number that another process
    is just keeping would count twice. On SQLite who writes is alone."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ONE_AT_A_TIME)))


def _is_better(
    number: Number, there: Mapping[tuple[str, str], Kept], kinds: Mapping[str, Kind], renew: bool
) -> bool:
    new = number.reading
    old = there.get((number.key, new.metric))
    if old is None:
        return True
    if old.value is not None:
        corrects = new.value is not None and kinds.get(new.metric) is Kind.DAY
        return corrects and (number.collected_ms or 0) >= (old.collected_ms or 0)
    if new.value is not None:
        return True
    if old.availability not in PROVISIONAL:
        return False
    later = renew and (number.collected_ms or 0) > (old.collected_ms or 0)
    return later or new.availability is not old.availability


def _delta(
    kind: Kind | None,
    on: date,
    value: float,
    earlier: tuple[date, float] | None,
    first_day: date | None,
) -> tuple[float | None, int | None]:
    """What was added, and over how many days."""
    if kind is Kind.DAY:
        return value, 1
    if kind not in RUNNING:
        return None, None
    if earlier is not None:
        return value - earlier[1], (on - earlier[0]).days
    if first_day is not None:
        return value, (on - first_day).days + 1
    return None, None


def _before(
    connection: sa.Connection,
    facts: Facts,
    on: date,
    running: Sequence[Number],
) -> dict[tuple[str, str], tuple[date, float]]:
    """The last number before the day, by key and metric. Mostly it is of the last week; only for what has
    none there all days are looked through. Where an account's zone became another, a post may have numbers
    before its first day."""
    t = facts.table.c
    query = (
        sa.select(t[facts.key].label("key"), t.metric, t.date, t.value)
        .where(t.date < on, t.value.is_not(None))
        .order_by(t.date)
    )
    wanted = {(number.key, number.reading.metric) for number in running}
    found: dict[tuple[str, str], tuple[date, float]] = {}
    lately = t.date >= on - timedelta(days=WEEK_DAYS)
    for days in (lately, ~lately):
        keys = {key for key, metric in wanted if (key, metric) not in found}
        if keys:
            rows = connection.execute(query.where(days, facts.about(keys))).all()
            found = {(row.key, row.metric): (row.date, row.value) for row in rows} | found
    return found


def _put(
    connection: sa.Connection, facts: Facts, rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, Kind]
) -> None:
    """What was measured stays."""
    t = facts.table.c
    statement = upsert(connection, facts.table)
    names = [column.name for column in facts.table.primary_key]
    corrected = [str(metric) for metric, kind in kinds.items() if kind is Kind.DAY]
    statement = statement.on_conflict_do_update(
        index_elements=names,
        set_={name: statement.excluded[name] for name in rows[0] if name not in names},
        where=sa.or_(t.value.is_(None), *(t.metric == metric for metric in corrected)),
    )
    connection.execute(statement, list(rows))


def _compare_later(connection: sa.Connection, facts: Facts, on: date, running: Sequence[Number]) -> None:
    """A gap was filled: the next number after it is compared with what was filled in."""
    t = facts.table.c
    query = (
        sa.select(t[facts.key].label("key"), t.metric, t.date, t.value)
        .where(facts.about({number.key for number in running}), t.date > on, t.value.is_not(None))
        .order_by(t.date.desc())
    )
    later = {(row.key, row.metric): row for row in connection.execute(query)}
    rows = []
    for number in running:
        row = later.get((number.key, number.reading.metric))
        if row is not None:
            delta, days = row.value - number.reading.value, (row.date - on).days
            rows.append(
                {
                    "b_key": row.key,
                    "b_metric": row.metric,
                    "b_date": row.date,
                    "b_delta": delta,
                    "b_days": days,
                }
            )
    if rows:
        connection.execute(
            sa.update(facts.table)
            .where(
                t[facts.key] == sa.bindparam("b_key"),
                t.metric == sa.bindparam("b_metric"),
                t.date == sa.bindparam("b_date"),
            )
            .values(delta=sa.bindparam("b_delta"), delta_days=sa.bindparam("b_days")),
            rows,
        )
