"""How all our processes together keep Airtable's five calls a second and base: each call takes a slot in the
ledger before it leaves.

Slots are spaced evenly, so that a call that is a little late does not make six of five. A base that locks one
process out is left alone by all. Where the ledger is away, each process keeps its own pace (`calls`).
Source: Airtable Web API, "Rate limits".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from schedulo.clock import month_of
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.quotas import airtable_bases

_B = airtable_bases.c
AWAY_S = 30.0
"""A ledger that could not be asked is left alone so long: its timeouts would take the calls' time."""
LOCKED_S = 2.0
"""Nobody holds the base's row for longer, unless its process froze: then PostgreSQL counts as away too.
SQLite has one lock for all, with a patience of its own."""


@dataclass(frozen=True, slots=True)
class Slot:
    """When a call may leave."""

    taken: bool
    """False: the next one comes too late, and was not taken."""
    wait_s: float


class SharedPace:
    """Slots of one base.

    :param ledger: asked at the first call, and not before
    :param calls_per_s: what all processes together ask in one second at the most; all must say the same
    :param clock: monotonic seconds
    """

    def __init__(
        self, ledger: Ledger, base_id: str, calls_per_s: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ledger, self._base_id = ledger, base_id
        self._gap_ms = -(-1000 // calls_per_s)
        self.gap_s = self._gap_ms / 1000
        self._clock = clock
        self._away_until = clock()

    def take(self, patience_s: float, *, metered: bool) -> Slot:
        """Take the next slot, if it comes within `patience_s`. A ledger that is away keeps no call waiting.

        :param metered: whether the call counts for the plan's month
        """
        if self._clock() < self._away_until:
            return Slot(True, 0.0)
        try:
            return self._take(int(patience_s * 1000), metered)
        except (sa.exc.SQLAlchemyError, OSError):
            self._away_until = self._clock() + AWAY_S
            return Slot(True, 0.0)

    def _take(self, patience_ms: int, metered: bool) -> Slot:
        with self._ledger.begin() as connection:
            _wait_little(connection)
            now_ms = self._ledger.now_ms(connection)
            month = month_of(now_ms)
            row = {
                "base_id": self._base_id,
                "next_ms": now_ms + self._gap_ms,
                "month": month,
                "calls": int(metered),
            }
            free = _latest(connection, _B.next_ms, _B.locked_until_ms, self._ledger.now)
            statement = (
                upsert(connection, airtable_bases)
                .values(**row)
                .on_conflict_do_update(
                    index_elements=["base_id"],
                    set_={
                        "next_ms": free + self._gap_ms,
                        "month": month,
                        "calls": sa.case((_B.month == month, _B.calls + int(metered)), else_=int(metered)),
                    },
                    where=free - self._ledger.now <= patience_ms,
                )
                .returning(_B.next_ms - self._gap_ms - self._ledger.now)
            )
            wait_ms = connection.execute(statement).scalar()
            if wait_ms is not None:
                return Slot(True, max(0, wait_ms) / 1000)
            left = sa.select(free - self._ledger.now).where(_B.base_id == self._base_id)
            return Slot(False, max(0, connection.execute(left).scalar_one()) / 1000)

    def lock(self, seconds: float) -> None:
        """Airtable refuses all calls for so long: no process asks meanwhile."""
        if self._clock() < self._away_until:
            return
        try:
            with self._ledger.begin() as connection:
                _wait_little(connection)
                until_ms = self._ledger.now_ms(connection) + int(seconds * 1000)
                later = _latest(connection, _B.locked_until_ms, sa.literal(until_ms))
                mine = _B.base_id == self._base_id
                connection.execute(sa.update(airtable_bases).where(mine).values(locked_until_ms=later))
        except (sa.exc.SQLAlchemyError, OSError):
            self._away_until = self._clock() + AWAY_S


def _wait_little(connection: sa.Connection) -> None:
    """Whoever froze with the base's row in hand keeps nobody else from calling."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SET LOCAL lock_timeout = {int(LOCKED_S * 1000)}"))


def _latest(connection: sa.Connection, *instants: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """SQL: the greatest of these."""
    greatest = sa.func.max if connection.dialect.name == "sqlite" else sa.func.greatest
    return greatest(*instants, type_=sa.BigInteger)


def calls_of_month(connection: sa.Connection, now_ms: int) -> dict[str, int]:
    """How many calls were made of each base this month (UTC), by the base's id."""
    query = sa.select(_B.base_id, _B.calls).where(_B.month == month_of(now_ms))
    return {row.base_id: row.calls for row in connection.execute(query)}
