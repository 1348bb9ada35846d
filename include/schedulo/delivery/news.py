"""What Airtable must be told: the outbox.

It holds one row a delivery with a version, not a log: however often a delivery changes between two flushes,
one row tells the latest. What is told is read from the delivery when it is flushed. The numbers of posts and
accounts are rows of another kind with content of their own, which no tick sees (`analytics.shown`).
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from schedulo.ledger.database import upsert
from schedulo.ledger.tables import outbox

STATE, NUMBERS = "state", "numbers"
"""Kinds of rows."""


def changed(connection: sa.Connection, now_ms: int, keys: Iterable[str]) -> None:
    """Mark what these outbox keys tell as changed."""
    rows = [{"key": key, "version": 1, "told_version": 0, "changed_ms": now_ms} for key in sorted(set(keys))]
    if rows:
        statement = upsert(connection, outbox).on_conflict_do_update(
            index_elements=["key"], set_={"version": outbox.c.version + 1, "changed_ms": now_ms}
        )
        connection.execute(statement, rows)
