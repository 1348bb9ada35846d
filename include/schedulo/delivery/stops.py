"""The emergency stop: a person holds everything, a platform, an account or a post, releases it again, and is
told what that stops or lets go. What a hold is, and what it does: `holds`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.holds import (
    WAITING,
    HoldError,
    Scope,
    held,
    in_force,
    lift,
    needs_reason,
    parse,
    set_hold,
)
from schedulo.ledger.tables import deliveries
from schedulo.model import State

_D = deliveries.c
LISTED = 100
"""Deliveries that an answer names; all are counted."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """One delivery that a hold stops, or that its end lets go."""

    delivery_id: str
    label: str
    due_ms: int
    sentence: str
    """What becomes of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person who holds or releases is told."""

    sentence: str
    count: int
    """Deliveries concerned."""
    deliveries: tuple[Stopped, ...]
    """The first of them, at most `LISTED`, by the order in which they are due."""


def stop(connection: sa.Connection, now_ms: int, what: str, reason: str, author: str) -> Answer:
    """The emergency stop: hold `what` until somebody releases it, and say what that stops.

    :raises HoldError: for something that does not exist, or without a reason
    """
    scope, key = parse(connection, what)
    needs_reason(reason)
    set_hold(connection, now_ms, scope, key, reason.strip(), author)
    waits, leaves = _D.state.in_(WAITING), _D.state == State.SENDING
    waiting, stopped = _listed(connection, now_ms, _covers(scope, key), waits, becomes=lambda _row: "stopped")
    going, leaving = _listed(
        connection,
        now_ms,
        _covers(scope, key),
        leaves,
        becomes=lambda _row: "on its way already; it cannot be called back",
    )
    sentence = f"Held: {what}. {waiting} planned posts wait until it is released"
    sentence += f"; {going} were on their way already." if going else "."
    return Answer(sentence, waiting, (*leaving, *stopped)[:LISTED])


def resume(connection: sa.Connection, now_ms: int, what: str, author: str) -> Answer:
    """Release what was held, by people or by errors, and say what becomes of what waited. Maintenance of the
    same name goes on beside it; where there is nothing else, that is what is ended.

    :raises HoldError: where nothing of this name is held
    """
    scope, key = parse(connection, what)
    ended = lift(connection, now_ms, scope, key, author, maintenance=False)
    if not ended and not lift(connection, now_ms, scope, key, author):
        there = ", ".join(hold.name for hold in in_force(connection, now_ms)) or "nothing"
        raise HoldError(f"Nothing holds {what}. On hold is: {there}.")
    names = ", ".join(hold.name for hold in in_force(connection, now_ms))
    still = set(connection.execute(sa.select(_D.id).where(_D.state.in_(WAITING), held(now_ms))).scalars())

    def becomes(row: Any) -> str:
        if row.not_after_ms <= now_ms:
            return f"too late since {iso(row.not_after_ms)}: it becomes missed; ask for it again to send it"
        if row.id in still:
            return f"still on hold: {names}"
        return "goes out with the next run" if row.fire_ms <= now_ms else "goes out when it is due"

    waited = sa.or_(
        sa.and_(_D.state == State.HELD, _D.error_kind == ""),
        sa.and_(_D.state == State.SCHEDULED, _D.fire_ms <= now_ms),
    )
    count, listed = _listed(connection, now_ms, _covers(scope, key), waited, becomes=becomes)
    late, _ = _listed(
        connection, now_ms, _covers(scope, key), waited, _D.not_after_ms <= now_ms, becomes=becomes
    )
    sentence = f"Released: {what}. {count} posts waited"
    sentence += f"; {late} of them are too late and become missed." if late else "."
    if any((hold.scope, hold.key) == (scope, key) for hold in in_force(connection, now_ms)):
        sentence += " Its maintenance goes on; release it once more to end that."
    return Answer(sentence, count, listed)


def _listed(
    connection: sa.Connection,
    now_ms: int,
    *conditions: sa.ColumnElement[bool],
    becomes: Callable[[Any], str],
) -> tuple[int, tuple[Stopped, ...]]:
    """How many deliveries meet the conditions, and the first of them with what becomes of each, in the order
    in which they would go out from now on."""
    count = connection.execute(sa.select(sa.func.count()).where(*conditions)).scalar_one()
    query = (
        sa.select(_D.id, _D.label, _D.due_ms, _D.fire_ms, _D.not_after_ms)
        .where(*conditions)
        .order_by(sa.case((_D.fire_ms > now_ms, _D.fire_ms), else_=now_ms), _D.due_ms, _D.id)
    )
    rows = connection.execute(query.limit(LISTED))
    return count, tuple(Stopped(row.id, row.label, row.due_ms, becomes(row)) for row in rows)


def _covers(scope: str, key: str) -> sa.ColumnElement[bool]:
    """SQL: the deliveries that a hold of this scope and key is about."""
    match scope:
        case Scope.PLATFORM:
            return _D.platform == key
        case Scope.ACCOUNT:
            return _D.account_key == key
        case Scope.POST:
            return _D.post_id == key
        case _:
            return sa.true()
