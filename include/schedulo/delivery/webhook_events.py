"""Which events subscribers get, written in the transaction in which they happen.

Every move of a delivery comes by here (`transitions.move`), so an event is there if and only if the move is.
While nobody subscribes, that is one look into an empty table. What is sent, when, and again: `webhooks`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.self_tests import is_self_test
from schedulo.ledger.subscribers import subscriber_events, subscriber_sendings, subscribers
from schedulo.ledger.tables import deliveries
from schedulo.model import State

STATES: dict[State, str] = {
    state: f"delivery.{state}"
    for state in (
        State.SCHEDULED,
        State.HELD,
        State.PUBLISHED,
        State.PUBLISHED_INCOMPLETE,
        State.WAITING_IN_APP,
        State.FAILED,
        State.MISSED,
        State.CANCELLED,
        State.UNRESOLVED,
        State.TAKEN_DOWN,
        State.REMOVED,
    )
}
"""The event of each state that is worth one; the others are steps on the way."""
LINKED = "delivery.linked"
"""The link of what is out, where it is known only after subscribers were told that it is out."""
ATTENTION = "account.needs_attention"
"""A login ends soon, lacks permissions, or is no longer accepted: only a person can mend it."""
TEST = "webhook.test"
"""A person tries a subscriber; it is sent whatever the subscriber wants, and kept nowhere."""
TYPES = (*STATES.values(), LINKED, ATTENTION)

WITH_LINK = (State.PUBLISHED, State.PUBLISHED_INCOMPLETE)
SAY_LINK = frozenset({*(STATES[state] for state in WITH_LINK), LINKED})
"""Types whose bodies say where it is to be seen, as far as that is known when they are first sent."""
LINK_MS = 3000
"""What went out is told so long after: mostly its link is known by then."""

WAITING, SENT, GIVEN_UP = "waiting", "sent", "given_up"
"""States of one sending."""

_D, _E = deliveries.c, subscriber_events.c


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened."""

    type: str
    subject: str
    """What it is about: the delivery's id, or the account's key. Events of one subject are sent in order."""
    account_key: str
    at_ms: int
    data: dict[str, Any]
    """What was so then; what is only known later, such as a link, is added when it is sent."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Who wants an event."""

    subscriber_id: str
    accounts: Sequence[str]
    """Of these accounts; none: of all."""


def happened(connection: sa.Connection, ids: Iterable[str], state: State) -> None:
    """Deliveries have come to a state, or one that is scheduled has another second."""
    moved = list(ids)
    if state not in STATES or not moved:
        return
    to = _listening(connection, STATES[state])
    if not to:
        return
    query = sa.select(deliveries).where(_D.id.in_(moved)).order_by(_D.due_ms, _D.id)
    known = _told_before(connection, moved) if state is State.SCHEDULED else {}
    found = [
        Event(STATES[state], row.id, row.account_key, row.updated_ms, _data(row, state))
        for row in connection.execute(query)
        # What goes back to wait for a moment is scheduled as it was.
        if not is_self_test(row.post_id) and known.get(row.id) != (STATES[state], iso(row.due_ms))
    ]
    write(connection, found, to, wait_ms=LINK_MS if state in WITH_LINK else 0)


def linked(connection: sa.Connection, delivery_id: str) -> None:
    """What is out may have got its link; call it where that is written. Who was told of it before without one
    is told the link."""
    if not (to := _listening(connection, LINKED)):
        return
    told = (
        sa.select(_E.type, _E.body)
        .where(_E.subject == delivery_id, _E.type.in_(SAY_LINK))
        .order_by(_E.number)
        .with_for_update()  # whoever is making the body looks for the link under this lock
    )
    last = connection.execute(told).all()[-1:]
    if not last or last[0].body is None or json.loads(last[0].body)["data"]["permalink"] is not None:
        return
    query = sa.select(deliveries).where(_D.id == delivery_id, _D.permalink.is_not(None))
    for row in connection.execute(query).all():
        event = Event(LINKED, row.id, row.account_key, row.updated_ms, _data(row, row.state))
        write(connection, [event], to)


def _data(row: Any, state: State) -> dict[str, Any]:
    return {
        "delivery": row.id,
        "post": row.post_id,
        "account": row.account_key,
        "platform": row.platform,
        "occurrence": row.occurrence,
        "state": state,
        "reason": row.reason,
        "error": row.error_kind or None,
        "due_at": iso(row.due_ms),
    }


def account_needs_attention(
    connection: sa.Connection, now_ms: int, account_key: str, why: str, sentence: str
) -> None:
    """A person must do something about an account's login.

    :param why: the kind of incident that says so
    """
    to = _listening(connection, ATTENTION)
    if to:
        platform = account_key.partition(":")[0]
        data = {"account": account_key, "platform": platform, "why": why, "reason": sentence}
        write(connection, [Event(ATTENTION, account_key, account_key, now_ms, data)], to)


def write(
    connection: sa.Connection, found: Sequence[Event], to: Sequence[Listener], *, wait_ms: int = 0
) -> None:
    """Add events, each for those of these who want its account.

    :param wait_ms: so long after they happened they are sent
    """
    if not found:
        return
    rows = [
        {
            "id": new_id(),
            "type": event.type,
            "subject": event.subject,
            "account_key": event.account_key,
            "at_ms": event.at_ms,
            "data": event.data,
        }
        for event in found
    ]
    connection.execute(sa.insert(subscriber_events), rows)
    written = _E.id.in_([row["id"] for row in rows])
    columns = ["subscriber_id", "number", "subject", "state", "next_ms"]
    for who in to:
        which = (written, _E.account_key.in_(who.accounts)) if who.accounts else (written,)
        of_it = sa.select(
            sa.literal(who.subscriber_id), _E.number, _E.subject, sa.literal(WAITING), _E.at_ms + wait_ms
        ).where(*which)
        connection.execute(sa.insert(subscriber_sendings).from_select(columns, of_it))


def new_id() -> str:
    """Of an event. By chance: numbers would come again after the ledger was restored."""
    return f"evt_{secrets.token_hex(16)}"


def _listening(connection: sa.Connection, type_: str) -> list[Listener]:
    """The subscribers that want events of a type; those that are paused get them when they are resumed."""
    s = subscribers.c
    rows = connection.execute(sa.select(s.id, s.types, s.accounts)).all()
    return [Listener(row.id, row.accounts) for row in rows if not row.types or type_ in row.types]


def _told_before(connection: sa.Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The last event of each of these deliveries: its type, and the second that it named."""
    last = sa.select(sa.func.max(_E.number)).where(_E.subject.in_(ids)).group_by(_E.subject)
    rows = connection.execute(sa.select(_E.subject, _E.type, _E.data).where(_E.number.in_(last)))
    return {row.subject: (row.type, row.data.get("due_at", "")) for row in rows}
