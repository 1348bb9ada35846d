"""Maintenance planned in Airtable: its table is read now and then, and each row is told where it stands.

The table may be missing. A row that cannot be understood plans nothing; one that planned something before
keeps that, since people fill in a row cell by cell. Whoever deletes a row calls its maintenance off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from schedulo.airtable.client import BATCH, AirtableClient
from schedulo.airtable.maintenance import MaintenanceRow
from schedulo.airtable.rows import Update
from schedulo.airtable.schema import MAINTENANCE, STATE_WORDS
from schedulo.delivery import moved, windows
from schedulo.delivery.announcing import counted
from schedulo.delivery.windows import Fate, Wanted, Window, WindowError
from schedulo.errors.airtable import AirtableRefused
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.maintenance import window_posts
from schedulo.ledger.tables import accounts, deliveries
from schedulo.model import State
from schedulo.settings import Settings

MARK = "airtable:maintenance"
EVERY_S = 600.0
ABSENT_EVERY_S = 6 * 3600.0
"""How often a base without the table is asked whether it has one now."""
SHARE = 0.02
"""Of a month's calls, where they are counted."""
MONTH_S = 30 * 86_400
BY = "a person in Airtable"
DELETED = "the deletion of its row in Airtable"


def is_due(connection: sa.Connection, now_ms: int, settings: Settings) -> bool:
    """Whether the table is to be read again."""
    value, at_ms = marks.read(connection, MARK)
    every_s = ABSENT_EVERY_S if value == "none" else EVERY_S
    if settings.airtable_monthly_calls:
        every_s = max(every_s, MONTH_S / (settings.airtable_monthly_calls * SHARE))
    return now_ms - at_ms >= every_s * 1000 - 30_000  # a tick comes a little early or late


def read(ledger: Ledger, client: AirtableClient, settings: Settings) -> list[str]:
    """Read the table, bring windows in line with it, and tell its rows; answers lines for the log.

    :raises AirtableError: where it cannot be read
    """
    rows = client.maintenance()
    if rows is None:
        with ledger.begin() as connection:
            marks.mark(connection, ledger.now_ms(connection), MARK, "none")
        return []
    with ledger.read() as connection:
        known = {window.record_id: window for window in windows.from_airtable(connection)}
        now_ms = ledger.now_ms(connection)
    there = {row.record_id for row in rows}
    missing = [
        window
        for record_id, window in known.items()
        if record_id and record_id not in there and not window.over(now_ms)
    ]
    gone = [window for window in missing if not client.exists(str(window.record_id), MAINTENANCE)]
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        windows.heed_releases(connection, now_ms)
        for window in gone:
            if not windows.window_of(connection, window.id).over(now_ms):
                windows.call_off(connection, now_ms, window, DELETED)
        problems = {row.record_id: _take(connection, now_ms, row) for row in rows}
        marks.mark(connection, now_ms, MARK)
    with ledger.begin() as connection:
        moved.settle(connection, ledger.now_ms(connection), int(settings.missed_after_s * 1000))
    with ledger.read() as connection:
        updates = _updates(connection, ledger.now_ms(connection), rows, problems)
    return _tell(client, updates)


def _take(connection: sa.Connection, now_ms: int, row: MaintenanceRow) -> str:
    """Bring the row's window in line with it; answers why that cannot be, or nothing."""
    window = _window_of(connection, row)
    if window is not None and row.called_off:
        if not window.over(now_ms):
            windows.call_off(connection, now_ms, window, BY)
        return ""
    if row.called_off or (window is None and row.until_ms is not None and row.until_ms <= now_ms):
        return ""
    if row.problems:
        return "\n".join(problem.sentence() for problem in row.problems)
    try:
        wanted = _wanted(connection, row)
        if window is None:
            windows.plan(connection, now_ms, wanted, BY, row.record_id)
        elif not (window.over(now_ms) and wanted == window.wanted):
            windows.change(connection, now_ms, window, wanted, BY)
    except WindowError as error:
        return str(error)
    return ""


def _window_of(connection: sa.Connection, row: MaintenanceRow) -> Window | None:
    return next((one for one in windows.from_airtable(connection) if one.record_id == row.record_id), None)


def _wanted(connection: sa.Connection, row: MaintenanceRow) -> Wanted:
    """What a row without problems wants. Raises `WindowError`."""
    assert row.from_ms is not None
    assert row.until_ms is not None
    targets: tuple[str, ...] = (row.where,) if row.where else ()
    if row.account_record_ids:
        query = sa.select(accounts.c.record_id, accounts.c.key)
        keys: Mapping[str, str] = {one.record_id: one.key for one in connection.execute(query)}
        if strangers := [id_ for id_ in row.account_record_ids if id_ not in keys]:
            raise WindowError(
                f"Accounts: {len(strangers)} of them cannot be used: their rows say too little, or stand for "
                "an account that has another row."
            )
        targets = tuple(f"account:{keys[id_]}" for id_ in row.account_record_ids)
    wish = Fate(row.posts) if row.posts else Fate.MOVE
    return Wanted(targets, row.from_ms, row.until_ms, wish, windows.kept_reason(row.reason))


# --- telling ----------------------------------------------------------------------------------------------


def _updates(
    connection: sa.Connection, now_ms: int, rows: Sequence[MaintenanceRow], problems: Mapping[str, str]
) -> list[Update]:
    """The rows that are to say something else than they do."""
    found = []
    for row in rows:
        window = _window_of(connection, row)
        state, message = _stands(connection, now_ms, row, window, problems[row.record_id])
        if (state, message) != (row.state, row.message):
            cells = {"State": state, "Message": message}
            found.append(Update(row.record_id, row.record_id, cells))
    return found


def _stands(
    connection: sa.Connection, now_ms: int, row: MaintenanceRow, window: Window | None, problem: str
) -> tuple[str, str]:
    if window is None:
        if problem:
            return "Not planned", problem
        return ("Called off", "") if row.called_off else ("Over", "It was over before it was read.")
    if window.called_off:
        again = "" if row.called_off else "\nTo plan it again, make a new row."
        return "Called off", f"By {window.ended_by}.{again}"
    if window.over(now_ms):
        return "Over", _outcome(connection, window)
    state = "Running" if window.from_ms <= now_ms else "Planned"
    message = f"{counted(connection, window)}."
    if problem:
        message = f"{problem}\nUntil that is mended it stays as it was planned before. {message}"
    return state, message


def _outcome(connection: sa.Connection, window: Window) -> str:
    """What became of the posts inside, counted."""
    query = sa.select(deliveries.c.state).join(window_posts, window_posts.c.delivery_id == deliveries.c.id)
    states = connection.execute(query.where(window_posts.c.window_id == window.id)).scalars()
    found = Counter(STATE_WORDS[State(state)] for state in states)
    said = "; ".join(f"{word}: {count}" for word, count in sorted(found.items()))
    return f"Of {found.total()} posts that were due inside: {said}." if found else "No post was due inside."


def _tell(client: AirtableClient, updates: Sequence[Update]) -> list[str]:
    """A base that lacks the fields is not told; nothing else depends on that."""
    lines = [
        f"maintenance {item.record_id}: {item.cells['State']}, {item.cells['Message']}" for item in updates
    ]
    try:
        for start in range(0, len(updates), BATCH):
            client.write_cells(MAINTENANCE, updates[start : start + BATCH])
    except AirtableRefused as error:
        lines.append(f"rows of maintenance could not be told: {error}")
    return lines
