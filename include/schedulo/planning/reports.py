"""Tells Airtable what became of deliveries: what changed since it was last told, in batches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from schedulo import clock
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.rows import Report, Written
from schedulo.airtable.schema import NOT_PLANNED as NOT_PLANNED_WORD
from schedulo.airtable.schema import PREPARED, STATE_WORDS, UNAPPROVED
from schedulo.delivery import approvals, mode, moved, restored
from schedulo.delivery.holds import WAITING
from schedulo.delivery.news import STATE
from schedulo.delivery.rows import NOT_PLANNED
from schedulo.delivery.self_tests import is_self_test
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries, outbox, posts
from schedulo.model import Platform, State
from schedulo.settings import Settings

AT_ONCE = 300
"""Rows told in one tick at the most: thirty calls."""


def flush(ledger: Ledger, client: AirtableClient, settings: Settings) -> int:
    """Tell what is untold, oldest first; answers how many rows were told. Call it under a lease: an older
    report must not land after a newer one. And inside the client's `within`: what is written later than that
    was not written by this ledger."""
    with ledger.read() as connection:
        untold, own = _untold(connection, ledger.now_ms(connection))
    if own:
        with ledger.begin() as connection:
            for key, version in own.items():
                mine = (outbox.c.key == key, outbox.c.told_version < version)
                connection.execute(sa.update(outbox).where(*mine).values(told_version=version))
    if not untold:
        return 0
    versions = {report.key: version for report, version in untold}
    with ledger.begin() as connection:
        before_ms = restored.told_until(connection) or 0
        latest_ms = clock.now_ms() + int(client.calls.left_s() * 1000)
        restored.telling(connection, ledger.now_ms(connection), max(before_ms, latest_ms))
    said = mode.sentence(settings)
    reports = [report for report, _ in untold]
    if said:
        reports = [replace(item, message=f"{said}\n{item.message}".strip()) for item in reports]
    written = client.write_reports(reports)
    with ledger.begin() as connection:
        for item in written:
            _told(connection, item, versions[item.key])
        restored.telling(connection, ledger.now_ms(connection), max(before_ms, clock.now_ms()))
    return sum(not item.error for item in written)


def _untold(connection: sa.Connection, now_ms: int) -> tuple[list[tuple[Report, int]], dict[str, int]]:
    """What Airtable is to be told; and our own tests, which have no row there. With versions."""
    waiting = connection.execute(
        sa.select(outbox)
        .where(outbox.c.kind == STATE, outbox.c.version > outbox.c.told_version)
        .order_by(outbox.c.changed_ms, outbox.c.key)
        .limit(AT_ONCE)
    ).all()
    keys = [row.key for row in waiting]
    found = {
        row.id: row
        for row in connection.execute(
            sa.select(deliveries, accounts.c.record_id.label("account_record_id"))
            .join(accounts, accounts.c.key == deliveries.c.account_key)
            .where(deliveries.c.id.in_(keys))
        )
    }
    record_ids = [key.removeprefix("post:") for key in keys if key.startswith("post:")]
    problems = {
        row.record_id: row
        for row in connection.execute(sa.select(posts).where(posts.c.record_id.in_(record_ids)))
    }
    notes = moved.sentences(connection, now_ms, found)
    reports: list[tuple[Report, int]] = []
    own: dict[str, int] = {}
    for row in waiting:
        if row.key in found and is_self_test(found[row.key].post_id):
            own[row.key] = row.version
        elif row.key in found:
            reports.append((_report(found[row.key], row.record_id, notes.get(row.key, "")), row.version))
        else:
            reports.append((_post_report(problems[row.key.removeprefix("post:")], row), row.version))
    return reports, own


def _report(row: Any, record_id: str | None, maintenance: str) -> Report:
    state = State(row.state)
    word = STATE_WORDS[state]
    if row.error_kind == NOT_PLANNED:
        word = NOT_PLANNED_WORD
    elif state is State.HELD and row.error_kind == approvals.WAITS:
        word = UNAPPROVED
    elif state is State.SCHEDULED and row.ready:
        word = PREPARED
    message = row.reason
    if state in WAITING:
        notes = (f"Note: {line}" for line in row.warnings.splitlines())
        message = "\n".join(filter(None, (message, maintenance, *notes)))
    return Report(
        key=row.id,
        record_id=record_id,
        title=row.label,
        post_record_id=row.post_id,
        account_record_id=row.account_record_id or None,
        platform=Platform(row.platform),
        state=word,
        message=message,
        due_ms=row.due_ms or None,
        accepted_ms=row.accepted_ms,
        published_ms=row.published_ms,
        lateness_ms=None if row.accepted_ms is None else row.accepted_ms - row.due_ms,
        post_id=row.remote_id,
        permalink=row.permalink,
        attempts=row.attempts + (row.accepted_ms is not None),
    )


def _post_report(post: Any, row: Any) -> Report:
    """A post of which there is no delivery: its problem, or that it is solved."""
    return Report(
        key=row.key,
        record_id=row.record_id,
        title=post.title or "(no title)",
        post_record_id=post.record_id,
        account_record_id=None,
        platform=None,
        state=NOT_PLANNED_WORD if post.problem else STATE_WORDS[State.SCHEDULED],
        message=post.problem or "solved; see the deliveries of the post",
    )


def _told(connection: sa.Connection, item: Written, version: int) -> None:
    values: dict[str, Any] = {"told_version": version}
    if item.record_id is not None:
        values["record_id"] = item.record_id
    connection.execute(sa.update(outbox).where(outbox.c.key == item.key).values(**values))
