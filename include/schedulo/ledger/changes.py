"""Rows of the base of which was heard that somebody changed them, until they were read.

That is all that is kept: what a row says is read from it. Whoever reads it after its change was heard of
takes it off, be it the run that was woken for it or the minute's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from schedulo.ledger.changed_rows import changed_rows
from schedulo.ledger.database import upsert

_C = changed_rows.c
UNKNOWN = ""
"""In the place of a table: changes were lost, nobody knows which."""
EVERYTHING = (UNKNOWN, "")
"""The row that says so."""
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits to be read."""

    rows: int
    heard_ms: int
    """When the latest of them was heard of; 0 where there are none."""
    oldest_ms: int
    """The same of the one that waits longest."""


def hear(connection: sa.Connection, now_ms: int, rows: Iterable[tuple[str, str]]) -> None:
    """Remember that rows, each (our name of its table, record id), were changed before now."""
    values = [
        {"table_name": table, "record_id": record_id, "heard_ms": now_ms}
        for table, record_id in sorted(set(rows))  # two that hear of the same lock in the same order
    ]
    if values:
        statement = upsert(connection, changed_rows).on_conflict_do_update(
            index_elements=["table_name", "record_id"], set_={"heard_ms": now_ms}
        )
        connection.execute(statement, values)


def waiting(connection: sa.Connection) -> Waiting:
    """How many rows wait to be read."""
    query = sa.select(sa.func.count(), sa.func.max(_C.heard_ms), sa.func.min(_C.heard_ms))
    rows, heard_ms, oldest_ms = connection.execute(query).one()
    return Waiting(rows, heard_ms or 0, oldest_ms or 0)


def heard_of(connection: sa.Connection, table: str) -> bool:
    """Whether a row of this table waits."""
    query = sa.select(_C.record_id).where(_C.table_name == table).limit(1)
    return connection.execute(query).first() is not None


def heard(connection: sa.Connection, limit: int = AT_ONCE) -> list[tuple[str, str]]:
    """The rows that wait, each (our name of its table, record id), those first that were heard of first."""
    query = sa.select(_C.table_name, _C.record_id).order_by(_C.heard_ms, _C.record_id).limit(limit)
    return [(row.table_name, row.record_id) for row in connection.execute(query)]


def read(connection: sa.Connection, table: str, record_ids: Collection[str] | None, read_ms: int) -> None:
    """These rows of a table (None: all of it) were read, and what they say was kept.

    :param read_ms: the database's time before they were read; what was heard of later waits on
    """
    chosen = [] if record_ids is None else [_C.record_id.in_(sorted(record_ids))]
    connection.execute(sa.delete(changed_rows).where(_C.table_name == table, _C.heard_ms <= read_ms, *chosen))
