"""The writes of changes to what is out: intent before, outcome after, as for everything that is sent.

They may be repeated. What must not happen is that an older text arrives after a newer one: a new edit waits
until a lost one can no longer arrive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.amendments import Verb
from schedulo.delivery.holds import held
from schedulo.delivery.restored import silent
from schedulo.delivery.rows import tell_story
from schedulo.delivery.transitions import ON_AIR
from schedulo.ledger.tables import deliveries, outcomes, writes
from schedulo.model import Position, State, WriteState

_D, _W = deliveries.c, writes.c
_LIVE = (WriteState.OPEN, WriteState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Wish:
    """The wish to send one request that changes what is out."""

    write_id: str
    delivery_id: str
    verb: Verb
    name: str
    holder: str
    request: Mapping[str, Any]
    snapshot: Mapping[str, Any]
    allowance_ms: int
    """How long it may take to its last byte."""
    quiet_ms: int
    """A request sent so long ago may still arrive."""


def open_write(connection: sa.Connection, now_ms: int, wish: Wish) -> bool:
    """Open a write, or answer False: the post is not there to be changed, another is at it, a hold stops an
    edit, a lost edit may still arrive, or this may be an old ledger, which knows an older text."""
    mine = _W.delivery_id == _D.id
    others = sa.and_(mine, _W.position != Position.AFTER, _W.state.in_(_LIVE))
    busy = sa.and_(
        mine, _W.position == Position.AFTER, _W.state == WriteState.OPEN, _W.sending_until_ms > now_ms
    )
    conditions = [
        _D.state.in_((*ON_AIR, State.REMOVED)),
        ~sa.exists().where(others),
        ~sa.exists().where(busy),
    ]
    if wish.verb is Verb.EDIT:  # an emergency stop is no reason to leave a post where it is
        lost = sa.and_(
            mine,
            _W.position == Position.AFTER,
            _W.name != wish.name,
            _W.state.in_((*_LIVE, WriteState.REPEATED)),
            _W.opened_ms > now_ms - wish.quiet_ms,
        )
        conditions += [~held(now_ms), ~silent(now_ms), ~sa.exists().where(lost)]
    fence = connection.execute(
        sa.update(deliveries)
        .where(_D.id == wish.delivery_id, *conditions)
        .values(fence=_D.fence + 1, updated_ms=now_ms)
        .returning(_D.fence)
    ).scalar_one_or_none()
    if fence is None:
        return False
    same = (_W.delivery_id == wish.delivery_id, _W.name == wish.name, _W.state.in_(_LIVE))
    connection.execute(sa.update(writes).where(*same).values(state=WriteState.REPEATED))
    connection.execute(
        sa.insert(writes).values(
            id=wish.write_id,
            delivery_id=wish.delivery_id,
            name=wish.name,
            state=WriteState.OPEN,
            fence=fence,
            holder=wish.holder,
            request=wish.request,
            snapshot=wish.snapshot,
            live=True,
            position=Position.AFTER,
            opened_ms=now_ms,
            sending_until_ms=now_ms + wish.allowance_ms,
        )
    )
    return True


def close_write(
    connection: sa.Connection,
    now_ms: int,
    wish: Wish,
    state: WriteState,
    note: str,
    status: int | None = None,
    value: Any = None,
) -> None:
    """Keep what a write came to. Evidence is always kept; it changes only a write that is still open."""
    word = {"write_id": wish.write_id, "at_ms": now_ms, "state": state, "status": status, "note": note}
    connection.execute(sa.insert(outcomes), [{**word, "value": value}])
    connection.execute(
        sa.update(writes)
        .where(_W.id == wish.write_id, _W.state == WriteState.OPEN)
        .values(state=state, value=value, settled_ms=now_ms)
    )
    tell_story(connection, now_ms, [(wish.delivery_id, note)])
