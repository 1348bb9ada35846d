"""What others must be told: rows for Airtable (the outbox) and incidents for people.

The outbox holds one row a delivery with a version, not a log: however often a delivery changes between two
flushes, one row tells the latest. What is told is read from the delivery when it is flushed.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from schedulo.ledger.database import upsert
from schedulo.ledger.tables import incidents, outbox


def changed(connection: sa.Connection, now_ms: int, keys: Iterable[str]) -> None:
    """Mark what these outbox keys tell as changed."""
    rows = [{"key": key, "version": 1, "told_version": 0, "changed_ms": now_ms} for key in sorted(set(keys))]
    if rows:
        statement = upsert(connection, outbox).on_conflict_do_update(
            index_elements=["key"], set_={"version": outbox.c.version + 1, "changed_ms": now_ms}
        )
        connection.execute(statement, rows)


def incident(
    connection: sa.Connection, now_ms: int, key: str, kind: str, sentence: str, delivery_id: str | None = None
) -> None:
    """Open an incident, or count another case of one that is open. `key` names the cause."""
    connection.execute(
        upsert(connection, incidents).on_conflict_do_update(
            index_elements=["key"],
            set_={"times": incidents.c.times + 1, "last_ms": now_ms, "closed_ms": None, "sentence": sentence},
        ),
        [
            {
                "key": key,
                "kind": kind,
                "sentence": sentence,
                "delivery_id": delivery_id,
                "opened_ms": now_ms,
                "last_ms": now_ms,
            }
        ],
    )
