"""Keeps what checks found, and opens an incident for what is red. Who is told of it is `telling`'s.

An incident bears the name of its finding (`health:airtable`), so what stays red stays one incident. What
another incident tells already gets none of its own (`delivery.watched`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, close_what_is_over, incident, replaced
from schedulo.delivery.watched import is_told_elsewhere
from schedulo.errors.airtable import AirtableDown
from schedulo.errors.kinds import Actor
from schedulo.health.findings import Finding, Status
from schedulo.health.inside import BACK, BEGUN, CHECKED, paused
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.tables import health, health_checks

OWN = "workflow:check_health"
"""That checks are made at all."""
DAY_MS = 86_400_000


def record(ledger: Ledger, findings: Sequence[Finding], keep_days: int) -> list[str]:
    """Keep what was found, open incidents and close those that are over; answers a line for each change.

    :param keep_days: older history is forgotten
    """
    findings = [*findings, Finding(OWN, Status.GREEN, "It ran.")]
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        lines = _take_in(connection, now_ms, findings)
        connection.execute(sa.delete(health).where(health.c.name.not_in([item.name for item in findings])))
        connection.execute(
            sa.delete(health_checks).where(health_checks.c.at_ms < now_ms - keep_days * DAY_MS)
        )
        if paused(connection, now_ms):
            marks.mark(connection, now_ms, BACK)
        marks.mark(connection, now_ms, CHECKED)
    close_what_is_over(ledger)
    return lines


def note(ledger: Ledger, findings: Sequence[Finding]) -> list[str]:
    """The same for single checks, made between two runs of all: the others are left as they are."""
    with ledger.begin() as connection:
        lines = _take_in(connection, ledger.now_ms(connection), findings)
    close_what_is_over(ledger)
    return lines


def _take_in(connection: sa.Connection, now_ms: int, findings: Sequence[Finding]) -> list[str]:
    """Keep what was found and open incidents for what is red; answers a line for each change."""
    if not marks.read(connection, BEGUN)[1]:
        marks.mark(connection, now_ms, BEGUN)
    known = {row.name: row for row in connection.execute(sa.select(health))}
    changed = {
        item.name for item in findings if item.name not in known or known[item.name].status != item.status
    }
    _keep(connection, now_ms, findings, changed)
    for item in findings:
        if item.status is Status.RED and not item.told and not is_told_elsewhere(connection, item.name):
            incident(connection, now_ms, Trouble.HEALTH, item.sentence, actor=item.actor, about=item.name)
            if item.name == "network":
                replaced(connection, now_ms, Trouble.AIRTABLE_READ, AirtableDown.__name__, untold=True)
    return [
        f"{item.name}: {known[item.name].status if item.name in known else 'new'} -> {item.status}. "
        f"{item.sentence}"
        for item in findings
        if item.name in changed and (item.name in known or item.status is not Status.GREEN)
    ]


def late(ledger: Ledger, run_id: str, minutes: int) -> None:
    """Checks are not done in time: an incident, until they are."""
    sentence = f"The run {run_id} of check_health is not done {minutes} minutes after it should have begun."
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        query = sa.select(health.c.status).where(health.c.name == OWN)
        before = connection.execute(query).scalar()
        _keep(connection, now_ms, [Finding(OWN, Status.RED, sentence)], set() if before == "red" else {OWN})
        incident(connection, now_ms, Trouble.HEALTH, sentence, actor=Actor.OPERATOR, about=OWN)


def _keep(connection: sa.Connection, now_ms: int, findings: Sequence[Finding], changed: set[str]) -> None:
    """How it stands now, and one row of history for each finding."""
    statement = upsert(connection, health)
    fresh = {
        name: statement.excluded[name]
        for name in ("status", "sentence", "value", "unit", "numbers", "actor", "at_ms")
    }
    same = health.c.status == statement.excluded.status
    since = sa.case((same, health.c.since_ms), else_=statement.excluded.since_ms)
    rows = [
        {
            "name": item.name,
            "status": item.status,
            "sentence": item.sentence,
            "value": item.value,
            "unit": item.unit,
            "numbers": dict(item.numbers),
            "actor": item.actor,
            "since_ms": now_ms,
            "at_ms": now_ms,
        }
        for item in findings
    ]
    connection.execute(
        statement.on_conflict_do_update(index_elements=["name"], set_=fresh | {"since_ms": since}), rows
    )
    connection.execute(
        sa.insert(health_checks),
        [
            {
                "at_ms": now_ms,
                "name": item.name,
                "status": item.status,
                "changed": item.name in changed,
                "value": item.value,
                "sentence": "" if item.status is Status.GREEN else item.sentence,
            }
            for item in findings
        ],
    )


@dataclass(frozen=True, slots=True)
class Change:
    """A check that turned from one colour to another."""

    at_ms: int
    name: str
    status: Status
    sentence: str


def changes(connection: sa.Connection, count: int) -> list[Change]:
    """The last changes, the youngest first."""
    rows = connection.execute(
        sa.select(health_checks)
        .where(health_checks.c.changed)
        .order_by(health_checks.c.at_ms.desc(), health_checks.c.id.desc())
        .limit(count)
    )
    return [Change(row.at_ms, row.name, Status(row.status), row.sentence) for row in rows]
