"""Gives back the room of rows that went, while publishing goes on.

Nothing here may keep a post waiting for more than a fifth of a second: what would lock the whole ledger, such
as SQLite's VACUUM, is not done. Figures: docs/decisions/0048.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import sqlalchemy as sa

from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import metadata
from schedulo.ledger.warehouse import warehouse_of

PAGES_AT_ONCE = 100
"""Of SQLite's file, given back in one transaction; each is 4 KiB."""
PAUSE_S = 0.05
"""Between two transactions."""
FOR_S = 600.0
"""Room is given back for so long; what is left is the next day's."""
KEPT_FREE = 0.1
"""So much of what is in use stays free besides, for what comes next."""
PATIENCE_MS = 100
"""Whoever stands in the way is not waited for any longer."""
INCREMENTAL = 2
"""What SQLite's `auto_vacuum` says of a file that can give back room a little at a time."""


def vacuum(ledger: Ledger, for_s: float = FOR_S) -> list[str]:
    """Do it; answers what was done, as sentences. It may be cut off anywhere.

    :param for_s: how long to give back room on SQLite, seconds
    """
    return list(_sqlite(ledger, for_s) if ledger.is_sqlite else _postgresql(ledger))


# --- SQLite ---------------------------------------------------------------------------------------------


def _sqlite(ledger: Ledger, for_s: float) -> Iterator[str]:
    assert ledger.url.database is not None
    # A connection of its own: what is set here is for nobody else. It is in no transaction of its own making.
    with closing(
        sqlite3.connect(ledger.url.database, timeout=PATIENCE_MS / 1000, isolation_level=None)
    ) as connection:
        yield from _give_back(connection, for_s)
        # Passive copies without keeping anybody waiting; what is left for the other, which does, is little.
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        yield "Its journal stays as long as it is: others were at work." if busy else "Its journal is empty."


def _give_back(connection: sqlite3.Connection, for_s: float) -> Iterator[str]:
    def ask(what: str) -> int:
        return int(connection.execute(f"PRAGMA {what}").fetchone()[0])

    size_bytes, pages, free = ask("page_size"), ask("page_count"), ask("freelist_count")
    spare = free - int((pages - free) * KEPT_FREE)
    if spare <= 0:
        return
    if ask("auto_vacuum") != INCREMENTAL:
        yield (
            f"{_megabytes(free * size_bytes)} of the ledger's file are free and are used again. The file was "
            "made by an older version and cannot give them back while it is in use."
        )
        return
    until = time.monotonic() + for_s
    while spare > 0 and time.monotonic() < until:
        try:
            # Each page is a step of the statement, and `execute` takes one where there are no columns.
            connection.executescript(f"PRAGMA incremental_vacuum({min(spare, PAGES_AT_ONCE)})")
        except sqlite3.OperationalError:
            pass  # somebody writes: after the pause
        else:
            spare -= PAGES_AT_ONCE
        time.sleep(PAUSE_S)
    given = free - ask("freelist_count")
    yield f"{_megabytes(max(0, given) * size_bytes)} of the ledger's file were given back."


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f} MB"


# --- PostgreSQL -----------------------------------------------------------------------------------------

_OURS = sa.text(
    "SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass(:name)"
)


def _postgresql(ledger: Ledger) -> Iterator[str]:
    """Beside PostgreSQL's own: what it would come to only when a part of a table has changed."""
    done, others = 0, []
    with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("SET vacuum_cost_delay = 2")  # as gently as PostgreSQL's own
        try:
            for table in (*metadata.sorted_tables, *warehouse_of(connection).metadata.sorted_tables):
                if not connection.execute(_OURS, {"name": table.fullname}).scalar():
                    others.append(table.fullname)
                    continue
                # Making the file shorter would take the table for itself; who has it now is not waited for.
                connection.exec_driver_sql(f"VACUUM (ANALYZE, SKIP_LOCKED, TRUNCATE FALSE) {table.fullname}")
                done += 1
        finally:
            connection.invalidate()  # what was set goes with it
    yield f"{done} tables were vacuumed."
    if others:
        yield f"Not by this login, which does not own them: {', '.join(others)}."
