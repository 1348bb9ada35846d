"""Days on which things go wrong, by the engine's own functions, at a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import endings
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.rows import load
from schedulo.delivery.troubles import SINCE
from schedulo.error_report.figures import ErrorReport, error_report
from schedulo.errors import PlatformError
from schedulo.errors.kinds import Actor, Diagnosis, Kind
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.model import State
from tests.schedulo.delivery.conftest import ME, Books

DAY = date(2026, 11, 25)
"""The day of the report, a Wednesday."""
NOW = datetime(2026, 11, 26, 6, 10, tzinfo=UTC)


class Days(Books):
    """Books whose clock can be set to an hour of a day."""

    @contextmanager
    def at(self, days_before: int, hour: float = 12.0) -> Iterator[None]:
        then = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC) - timedelta(days=days_before)
        before, self.now_ms = self.now_ms, int((then.timestamp() + hour * 3600) * 1000)
        yield
        self.now_ms = before

    def refused(self, account: str = "x:1", kind: Kind = Kind.CONTENT_REJECTED, **values: Any) -> str:
        """A post that its platform refuses."""
        id_ = self.add(State.ARMED, account, holder=ME, label=f"{account}: {len(account)}", **values)
        with self.ledger.begin() as connection:
            delivery = load(connection, [id_])[id_]
            error = PlatformError(
                delivery.account.platform, Diagnosis(kind, True), status=400, code="187", message="no"
            )
            assert endings.fail(connection, self.now_ms, delivery, error)
        return id_

    def retried(self, late_s: float, account: str = "x:1") -> str:
        """A post that is tried again, and goes out so late."""
        id_ = self.add(State.ARMED, account, holder=ME, label="a post that was tried again")
        with self.ledger.begin() as connection:
            delivery = load(connection, [id_])[id_]
            reason = "x is not answering properly (503); tried again in 5 s"
            assert endings.again(
                connection, self.now_ms, delivery, fire_ms=self.now_ms + 5000, reason=reason, attempt=True
            )
        self.change(id_, state=State.PUBLISHED, accepted_ms=self.now_ms + int(late_s * 1000))
        return id_

    def trouble(self, kind: Trouble, *cases: str, about: str = "", sentence: str = "it is so") -> None:
        with self.ledger.begin() as connection:
            incident(connection, self.now_ms, kind, sentence, actor=Actor.OPERATOR, about=about, cases=cases)

    def since(self, moment: datetime) -> None:
        """Let noting have begun then."""
        with self.ledger.begin() as connection:
            marks.mark(connection, int(moment.timestamp() * 1000), SINCE)

    def report(self, on: date = DAY, zone: str = "UTC", history_days: int = 0) -> ErrorReport:
        with self.ledger.read() as connection:
            now_ms = int(NOW.timestamp() * 1000)
            return error_report(connection, now_ms, on, zone, history_days)

    def notes(self) -> list[Any]:
        from schedulo.ledger.troubles import troubles

        return list(self.run(sa.select(troubles).order_by(troubles.c.quarter_ms)))


@pytest.fixture
def days(ledger: Ledger) -> Days:
    days = Days(ledger)
    days.since(datetime(2026, 1, 1, tzinfo=UTC))
    return days
