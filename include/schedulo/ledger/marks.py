"""Small things to remember by name: cursors, when something was last done, who does it now."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.database import upsert
from schedulo.ledger.tables import marks


def mark(connection: sa.Connection, now_ms: int, name: str, value: str = "") -> None:
    connection.execute(
        upsert(connection, marks).on_conflict_do_update(
            index_elements=["name"], set_={"value": value, "at_ms": now_ms}
        ),
        [{"name": name, "value": value, "at_ms": now_ms}],
    )


def read(connection: sa.Connection, name: str) -> tuple[str | None, int]:
    """The value and when it was set; (None, 0) where it never was."""
    row = connection.execute(sa.select(marks).where(marks.c.name == name)).first()
    return (row.value, row.at_ms) if row else (None, 0)


def lease(connection: sa.Connection, now_ms: int, name: str, holder: str, seconds: float) -> bool:
    """Take a lease unless somebody else holds it. Leases compare the database's time only."""
    row = {"name": name, "value": holder, "at_ms": now_ms + int(seconds * 1000)}
    statement = (
        upsert(connection, marks)
        .values(**row)
        .on_conflict_do_update(
            index_elements=["name"],
            set_={"value": holder, "at_ms": row["at_ms"]},
            where=sa.or_(marks.c.at_ms <= now_ms, marks.c.value.in_(("", holder))),
        )
        .returning(marks.c.name)
    )
    return connection.execute(statement).first() is not None


def release(connection: sa.Connection, now_ms: int, name: str, holder: str) -> None:
    connection.execute(
        sa.update(marks).where(marks.c.name == name, marks.c.value == holder).values(value="", at_ms=now_ms)
    )
