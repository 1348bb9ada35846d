"""What a real run would meet besides: a rehearsal takes a post as if it were ready, approved and due."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from schedulo.airtable.rows import PostRow
from schedulo.airtable.schema import STATE_WORDS
from schedulo.delivery.holds import InForce, in_force
from schedulo.delivery.rows import NOT_PLANNED
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries
from schedulo.model import State
from schedulo.planning import approvals
from schedulo.settings import Settings

_D = deliveries.c


def for_real(real: Ledger, settings: Settings, row: PostRow, delivery: Any) -> tuple[str, ...]:
    """How a post stands in Airtable and in the real ledger, as sentences; nothing where all is well.

    :param row: as Airtable has it
    :param delivery: the rehearsal's own; the real one has the same id
    """
    return tuple(_in_airtable(row, settings)) + tuple(_in_the_ledger(real, delivery))


def _in_airtable(row: PostRow, settings: Settings) -> list[str]:
    said = []
    if not row.status_ready:
        said.append("Its Status is not Ready: it does not go out before it is.")
    if row.due_ms is None and not row.due_wall:
        said.append("It has no time to go out at.")
    if approvals.needed(row, settings):
        said.append("It waits for approval.")
    elif rejected := approvals.rejected(row):
        said.append(rejected.sentence())
    return said


def _in_the_ledger(real: Ledger, delivery: Any) -> list[str]:
    with real.read() as connection:
        query = sa.select(_D.state, _D.reason, _D.permalink, _D.error_kind).where(_D.id == delivery.id)
        found = connection.execute(query).first()
        stops = InForce(in_force(connection, real.now_ms(connection)))
        now_ms = real.now_ms(connection)
    said = []
    hold = stops.on(delivery.platform, delivery.account_key, now_ms, delivery.post_id)
    if hold is not None:
        said.append(f"It would be kept back: {hold.sentence()}.")
    if found is not None and found.state != State.SCHEDULED and found.error_kind != NOT_PLANNED:
        more = found.permalink or found.reason
        said.append(
            f"It is planned already, and {STATE_WORDS[State(found.state)]}{f': {more}' if more else ''}."
        )
    return said
