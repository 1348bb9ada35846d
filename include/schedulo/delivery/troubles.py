"""Notes what went wrong when, for reports of days: an incident is gone from its table when it comes back."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from schedulo.ledger import marks
from schedulo.ledger.database import upsert
from schedulo.ledger.troubles import troubles

QUARTER_MS = 900_000
"""Days begin at a quarter of an hour in every zone."""
RETRIED = "retried"
"""The kind of what went wrong and was tried again by itself: no incident."""
SINCE = "troubles:since"
"""The mark of when noting began: of days before nothing is known."""

_T = troubles.c


def note(
    connection: sa.Connection,
    now_ms: int,
    cause: str,
    kind: str,
    sentence: str,
    actor: str,
    cases: Iterable[str] = (),
) -> None:
    """Note that a cause was met now: by these deliveries, or by none."""
    row = {
        "cause": cause,
        "quarter_ms": now_ms // QUARTER_MS * QUARTER_MS,
        "kind": kind,
        "sentence": sentence,
        "actor": actor,
        "first_ms": now_ms,
        "last_ms": now_ms,
    }
    statement = upsert(connection, troubles)
    again = {name: statement.excluded[name] for name in ("sentence", "actor", "last_ms")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["cause", "delivery_id", "quarter_ms"], set_={**again, "times": _T.times + 1}
        ),
        [{**row, "delivery_id": id_} for id_ in sorted(set(cases)) or [""]],
    )


def known_since(connection: sa.Connection, now_ms: int, history_days: int) -> int:
    """From which instant on all that went wrong is noted: noting began then, or older notes are removed."""
    _, since_ms = marks.read(connection, SINCE)
    if not since_ms:
        since_ms = connection.execute(sa.select(sa.func.min(_T.first_ms))).scalar() or now_ms
    if history_days:
        since_ms = max(since_ms, now_ms - history_days * 86_400_000)
    return int(since_ms)
