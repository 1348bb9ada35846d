"""How it stands, for whoever asks: from the ledger, at the moment of the question.

The checks may have stopped: their own silence, and that of publishing, are judged here and now, so a dead
scheduler cannot leave a green page behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.clock import now_ms as local_ms
from schedulo.errors.kinds import Actor
from schedulo.health.findings import Finding, Status, worst
from schedulo.health.history import OWN, Change, changes
from schedulo.health.inside import CHECKED, PUBLISHING, STALE_S, silence, unreachable
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import health, incidents

CHANGES = 20


@dataclass(frozen=True, slots=True)
class Document:
    """What `/schedulo/health` and `schedulo health` say."""

    status: Status
    at_ms: int
    checked_ms: int | None
    """When all checks were made last; None: never."""
    findings: Sequence[tuple[Finding, int | None]]
    """Each with the instant since which it has its colour, where that is known."""
    changes: Sequence[Change] = ()
    open_incidents: int | None = None

    def short(self) -> dict[str, Any]:
        """What anybody may know."""
        return {"status": self.status.value}

    def whole(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        return {
            **self.short(),
            "at": iso(self.at_ms),
            "checked_at": _iso(self.checked_ms),
            "open_incidents": self.open_incidents,
            "checks": {item.name: _shown(item, since_ms) for item, since_ms in self.findings},
            "changes": [
                {
                    "at": iso(change.at_ms),
                    "check": change.name,
                    "status": change.status.value,
                    "sentence": change.sentence,
                }
                for change in self.changes
            ],
        }


def _shown(item: Finding, since_ms: int | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"status": item.status.value, "sentence": item.sentence}
    if item.value is not None:
        shown |= {"value": item.value, "unit": item.unit}
    if item.numbers:
        shown["numbers"] = dict(item.numbers)
    if item.status is not Status.GREEN:
        shown["who_acts"] = item.actor.value
    return shown | {"since": _iso(since_ms)}


def _iso(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)


def standing(ledger: Ledger) -> Document:
    """How it stands by the ledger. Never raises for a ledger that is not there: that is red."""
    try:
        with ledger.read() as connection:
            return _standing(connection, ledger.now_ms(connection))
    except (sa.exc.SQLAlchemyError, OSError) as error:
        return Document(
            Status.RED, local_ms(), None, [(Finding("ledger", Status.RED, unreachable(error)), None)]
        )


def _standing(connection: sa.Connection, now_ms: int) -> Document:
    found = [
        (
            Finding(
                row.name,
                Status(row.status),
                row.sentence,
                row.value,
                row.unit,
                row.numbers,
                Actor(row.actor),
            ),
            row.since_ms,
        )
        for row in connection.execute(sa.select(health).order_by(health.c.name))
    ]
    _, checked_ms = marks.read(connection, CHECKED)
    silent = silence(connection, now_ms, PUBLISHING, checked_ms or now_ms)
    stale = _own(now_ms, checked_ms)
    fresh = {item.name: item for item in (stale, silent)}
    known = {
        item.name: since_ms for item, since_ms in found if fresh.get(item.name, item).status is item.status
    }
    found = [(item, since_ms) for item, since_ms in found if item.name not in fresh]
    found += [(item, known.get(item.name)) for item in fresh.values()]
    query = sa.select(sa.func.count()).select_from(incidents).where(incidents.c.closed_ms.is_(None))
    return Document(
        worst(item.status for item, _ in found),
        now_ms,
        checked_ms or None,
        sorted(found, key=lambda entry: entry[0].name),
        changes(connection, CHANGES),
        int(connection.execute(query).scalar_one()),
    )


def _own(now_ms: int, checked_ms: int) -> Finding:
    """What the age of the last checks says of them."""
    if not checked_ms:
        return Finding(
            OWN, Status.RED, "No check was made yet. The operator looks whether check_health runs."
        )
    age_s = (now_ms - checked_ms) / 1000
    if age_s <= STALE_S:
        return Finding(OWN, Status.GREEN, f"It ran {age_s:.0f} seconds ago.", round(age_s, 1), "s")
    sentence = (
        f"Nothing was checked for {age_s / 60:.0f} minutes: how it stands is not known. The operator looks "
        "whether check_health is paused, and whether scheduler and workers live."
    )
    return Finding(OWN, Status.RED, sentence, round(age_s, 1), "s")


def made_now(findings: Sequence[Finding], at_ms: int) -> Document:
    """The document of checks that were made this moment and are not kept."""
    status = worst(item.status for item in findings)
    return Document(status, at_ms, at_ms, [(item, None) for item in findings])
