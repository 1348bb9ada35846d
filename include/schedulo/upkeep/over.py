"""Which deliveries are over for good, so that nothing will ever be done with what led to them.

Out and whole, taken down, or gone, unchanged since, and nobody works on it. What failed, was missed,
cancelled or held, what is out and not whole, and what nobody knows of may be asked for again at any time:
never here.
"""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import amendments, deliveries, writes
from schedulo.model import State, WriteState

STATES = (State.PUBLISHED, State.TAKEN_DOWN, State.REMOVED)

_D = deliveries.c


def over(before_ms: int) -> sa.ColumnElement[bool]:
    """SQL: the delivery is over, and nothing about it has changed since `before_ms`."""
    in_doubt = sa.exists().where(
        writes.c.delivery_id == _D.id, writes.c.state.in_((WriteState.OPEN, WriteState.UNKNOWN))
    )
    asked_for = sa.exists().where(amendments.c.delivery_id == _D.id, amendments.c.state == "open")
    return sa.and_(
        _D.state.in_(STATES),
        _D.error_kind == "",  # published, with an error beside it: something of it is missing
        _D.updated_ms < before_ms,
        _D.due_ms < before_ms,
        ~in_doubt,
        ~asked_for,
    )
