"""Posts that wait for a person's approval: shown as such, let go once it is there, missed where it never is.

Whether one is needed stands in the delivery's column `approval`, which planning fills from the post's row and
the fence asks. The state `held` with the error kind `approval` only shows it: no release of a hold lets such
a post go, and nobody's retry does.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import tell_story
from schedulo.delivery.transitions import move
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import deliveries, incident_cases
from schedulo.model import State

_D = deliveries.c

NEEDED = "needed"
"""The column `approval` of what waits; empty: none is needed, or it was given."""
WAITS = "approval"
"""`error_kind` of what is held for it."""
SOON_MS = 3_600_000
"""Its author is told so long before it is due."""
REASON = "it waits for approval; who may approve it sets Approval to Approved in the row of the post"
LATE = "it was not approved in time; approve it, then ask for it again to send it now"


def keep_waiting(connection: sa.Connection, now_ms: int, ids: Sequence[str] | None = None) -> set[str]:
    """Bring states in line with the column, of all deliveries or of `ids`; answers what changed."""
    chosen = [] if ids is None else [_D.id.in_(list(ids))]
    unsent = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED)
    waits = (_D.approval == NEEDED, _D.state.in_(unsent), *chosen)
    given = (_D.approval == "", _D.state == State.HELD, _D.error_kind == WAITS, *chosen)
    values = {"holder": None, "updated_ms": now_ms}
    stopped = move(
        connection, _ids(connection, *waits), State.HELD, *waits, reason=REASON, error_kind=WAITS, **values
    )
    freed = move(
        connection, _ids(connection, *given), State.SCHEDULED, *given, reason="", error_kind="", **values
    )
    tell_story(connection, now_ms, ((id_, REASON) for id_ in sorted(stopped)))
    tell_story(connection, now_ms, ((id_, "it is approved") for id_ in sorted(freed)))
    changed(connection, now_ms, stopped | freed)
    return stopped | freed


def warn(connection: sa.Connection, now_ms: int) -> None:
    """Say once of each post that is due within the hour that it still waits."""
    told = sa.exists().where(
        incident_cases.c.incident_key == str(Trouble.UNAPPROVED), incident_cases.c.delivery_id == _D.id
    )
    soon = (_D.state == State.HELD, _D.error_kind == WAITS, _D.fire_ms <= now_ms + SOON_MS, ~told)
    query = sa.select(_D.id, _D.due_ms).where(*soon).order_by(_D.due_ms, _D.id)
    rows = connection.execute(query).all()
    if rows:
        sentence = f"posts wait for approval and are due soon, the first at {iso(rows[0].due_ms)}"
        cases = [row.id for row in rows]
        incident(connection, now_ms, Trouble.UNAPPROVED, sentence, actor=Actor.AUTHOR, cases=cases)


def _ids(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[str]:
    return list(connection.execute(sa.select(_D.id).where(*conditions).limit(5000)).scalars())
