"""Which moves a delivery may make.

Two rules: every change of state goes through `move` and must be in the table; nothing here knows who calls.
`unknown` and `sending` never become `missed` or `cancelled`: what may be out must be looked up first. And
from everywhere a late answer may lead to `published`: evidence counts whenever it comes, but what a person
took down stays down. What was not sent
becomes `unknown` only where the ledger itself was restored and cannot know that (`restored`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.webhook_events import happened
from schedulo.ledger.tables import deliveries
from schedulo.model import State

S = State
TRANSITIONS: dict[State, frozenset[State]] = {
    S.SCHEDULED: frozenset({S.CLAIMED, S.HELD, S.CANCELLED, S.MISSED, S.FAILED}),
    S.CLAIMED: frozenset({S.ARMED, S.SCHEDULED, S.HELD, S.CANCELLED, S.MISSED, S.FAILED, S.UNRESOLVED}),
    S.ARMED: frozenset({S.SENDING, S.CLAIMED, S.SCHEDULED, S.HELD, S.CANCELLED, S.MISSED, S.FAILED}),
    S.SENDING: frozenset(
        {S.PUBLISHED, S.PUBLISHED_INCOMPLETE, S.WAITING_IN_APP, S.PROCESSING, S.REFUSED, S.UNKNOWN, S.ARMED}
    ),
    S.REFUSED: frozenset({S.ARMED, S.CLAIMED, S.SCHEDULED, S.FAILED, S.HELD, S.CANCELLED, S.MISSED}),
    S.UNKNOWN: frozenset(
        {
            S.PUBLISHED,
            S.PUBLISHED_INCOMPLETE,
            S.WAITING_IN_APP,
            S.PROCESSING,
            S.REFUSED,
            S.CLAIMED,
            S.UNRESOLVED,
        }
    ),
    S.PROCESSING: frozenset(
        {
            S.PUBLISHED,
            S.PUBLISHED_INCOMPLETE,
            S.WAITING_IN_APP,
            S.CLAIMED,
            S.SCHEDULED,
            S.FAILED,
            S.UNRESOLVED,
        }
    ),
    S.HELD: frozenset({S.SCHEDULED, S.CANCELLED, S.MISSED}),
    S.FAILED: frozenset({S.SCHEDULED, S.CLAIMED, S.CANCELLED}),
    S.MISSED: frozenset({S.SCHEDULED, S.CANCELLED}),
    S.CANCELLED: frozenset({S.SCHEDULED}),
    S.UNRESOLVED: frozenset({S.PUBLISHED, S.UNKNOWN, S.SCHEDULED}),
    S.PUBLISHED_INCOMPLETE: frozenset({S.PUBLISHED, S.TAKEN_DOWN, S.REMOVED}),  # later writes: how far it is
    S.WAITING_IN_APP: frozenset({S.PUBLISHED}),
    S.PUBLISHED: frozenset({S.TAKEN_DOWN, S.REMOVED}),
    S.REMOVED: frozenset({S.PUBLISHED, S.TAKEN_DOWN}),  # it may be shown again
    S.TAKEN_DOWN: frozenset(),
}

for _state in (
    S.SCHEDULED,
    S.CLAIMED,
    S.ARMED,
    S.REFUSED,
    S.UNRESOLVED,
    S.FAILED,
    S.MISSED,
    S.CANCELLED,
    S.HELD,
):
    TRANSITIONS[_state] |= {S.PUBLISHED, S.PUBLISHED_INCOMPLETE, S.WAITING_IN_APP, S.PROCESSING, S.UNKNOWN}
    TRANSITIONS[_state] |= {S.TAKEN_DOWN, S.REMOVED}  # as Airtable was told before this ledger was restored

RESTING = frozenset(
    {
        S.PUBLISHED,
        S.PUBLISHED_INCOMPLETE,
        S.WAITING_IN_APP,
        S.FAILED,
        S.UNRESOLVED,
        S.MISSED,
        S.CANCELLED,
        S.TAKEN_DOWN,
        S.REMOVED,
    }
)
"""States that nobody works on until a person asks."""

OUT = frozenset(
    {S.PUBLISHED, S.PUBLISHED_INCOMPLETE, S.WAITING_IN_APP, S.PROCESSING, S.TAKEN_DOWN, S.REMOVED}
)
"""The platform took it: it is out, or it was."""

ON_AIR = frozenset({S.PUBLISHED, S.PUBLISHED_INCOMPLETE})
"""The public can see it, as far as is known."""

UNSENT = frozenset({S.SCHEDULED, S.CLAIMED, S.ARMED, S.REFUSED, S.HELD, S.FAILED, S.MISSED, S.CANCELLED})
"""No write of it may be out: its content may still change."""


def sources(target: State) -> list[State]:
    """The states from which `target` may be reached."""
    return [state for state, targets in TRANSITIONS.items() if target in targets]


def move(
    connection: sa.Connection,
    ids: Iterable[str],
    target: State,
    *conditions: sa.ColumnElement[bool],
    **values: Any,
) -> set[str]:
    """Move those of `ids` that may move and meet `conditions`; answers which did. Subscribers are told of it.

    `values` are further columns to set; they may be SQL expressions.
    """
    wanted = list(ids)
    if not wanted:
        return set()
    statement = (
        sa.update(deliveries)
        .where(deliveries.c.id.in_(wanted), deliveries.c.state.in_(sources(target)), *conditions)
        .values(state=target, **values)
        .returning(deliveries.c.id)
    )
    moved = set(connection.execute(statement).scalars())
    happened(connection, moved, target)
    return moved
