"""What is stopped: holds on everything, on a platform or on an account, by a person or by an error.

The fence asks `held` in the statement that lets a post go, so a hold also stops what waits for its second.
The rule for what was stopped: once nothing holds it any more it goes out at once, in the order in which it
was due, each account's posts spaced by `account_gap_s`; what is too late by its own rule becomes missed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.news import changed
from schedulo.delivery.rows import tell_story
from schedulo.delivery.transitions import move
from schedulo.ledger.tables import accounts, deliveries, holds
from schedulo.model import Platform, State

_D = deliveries.c
_H = holds.c
LISTED = 100
"""Deliveries that an answer names; all are counted."""
WAITING = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED, State.HELD)
"""What a hold stops."""


class Scope(StrEnum):
    EVERYTHING = "everything"
    PLATFORM = "platform"
    ACCOUNT = "account"


class HoldError(ValueError):
    """There is nothing of this name to hold or to release; the message says what there is."""


@dataclass(frozen=True, slots=True)
class Hold:
    scope: Scope
    key: str
    """The platform or the account's key; empty for everything."""
    reason: str
    author: str
    error_kind: str
    """The kind of error that set it; empty where a person did."""
    from_ms: int
    until_ms: int | None
    """None: until somebody lifts it."""

    @property
    def name(self) -> str:
        """As people write it: `everything`, `platform:x`, `account:x:123`."""
        return f"{self.scope}:{self.key}" if self.key else self.scope.value

    def sentence(self) -> str:
        end = f"; it ends at {iso(self.until_ms)}" if self.until_ms else ""
        return f"on hold ({self.name}, by {self.author}): {self.reason}{end}"


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


# --- holds ------------------------------------------------------------------------------------------------


def set_hold(
    connection: sa.Connection,
    now_ms: int,
    scope: str,
    key: str,
    reason: str,
    author: str,
    until_ms: int | None = None,
    error_kind: str = "",
) -> bool:
    """Set a hold, or renew the one in force with the same scope, key and kind of error. True: it is new."""
    values = {"reason": reason, "author": author, "until_ms": until_ms}
    same = (_H.scope == scope, _H.key == key, _H.error_kind == error_kind, *_now(now_ms))
    if connection.execute(sa.update(holds).where(*same).values(**values)).rowcount:
        return False
    row = {"id": secrets.token_hex(8), "scope": scope, "key": key, "error_kind": error_kind}
    connection.execute(sa.insert(holds).values(**row, **values, from_ms=now_ms))
    return True


def lift(
    connection: sa.Connection,
    now_ms: int,
    scope: str,
    key: str,
    author: str,
    error_kind: str | None = None,
) -> list[Hold]:
    """End the holds in force of this scope and key (of one kind of error alone, where one is given); answers
    which they were."""
    which = [_H.scope == scope, _H.key == key, *_now(now_ms)]
    if error_kind is not None:
        which.append(_H.error_kind == error_kind)
    ended = [_hold(row) for row in connection.execute(sa.select(holds).where(*which))]
    connection.execute(sa.update(holds).where(*which).values(lifted_ms=now_ms, lifted_by=author))
    return ended


def in_force(connection: sa.Connection, now_ms: int) -> list[Hold]:
    """The holds that stop something now, oldest first."""
    query = sa.select(holds).where(*_now(now_ms)).order_by(_H.from_ms, _H.id)
    return [_hold(row) for row in connection.execute(query)]


def held(now_ms: int) -> sa.ColumnElement[bool]:
    """SQL: a hold on everything, on this platform or on this account is in force."""
    return sa.exists().where(
        *_now(now_ms),
        sa.or_(
            _H.scope == Scope.EVERYTHING,
            sa.and_(_H.scope == Scope.PLATFORM, _H.key == _D.platform),
            sa.and_(_H.scope == Scope.ACCOUNT, _H.key == _D.account_key),
        ),
    )


def _now(now_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (_H.lifted_ms.is_(None), _H.from_ms <= now_ms, sa.or_(_H.until_ms.is_(None), _H.until_ms > now_ms))


def _hold(row: Any) -> Hold:
    return Hold(Scope(row.scope), row.key, row.reason, row.author, row.error_kind, row.from_ms, row.until_ms)


def _covers(scope: str, key: str) -> sa.ColumnElement[bool]:
    """SQL: the deliveries that a hold of this scope and key is about."""
    match scope:
        case Scope.PLATFORM:
            return _D.platform == key
        case Scope.ACCOUNT:
            return _D.account_key == key
        case _:
            return sa.true()


# --- what a hold stops, and lets go -----------------------------------------------------------------------


def apply_holds(connection: sa.Connection, now_ms: int, horizon_ms: int) -> set[str]:
    """Show what is due by `horizon_ms` and stopped as held, and let go what nothing holds any more. What a
    rule holds (its `error_kind` says which) stays. Answers what changed; run by every tick."""
    soon = (_D.state == State.SCHEDULED, held(now_ms), _D.fire_ms <= horizon_ms)
    stopped: set[str] = set()
    for hold in in_force(connection, now_ms):
        reason = hold.sentence()
        ids = connection.execute(sa.select(_D.id).where(*soon, _covers(hold.scope, hold.key))).scalars().all()
        for chunk in _chunks(ids):
            moved = move(connection, chunk, State.HELD, *soon, reason=reason, updated_ms=now_ms)
            tell_story(connection, now_ms, ((id_, reason) for id_ in moved))
            stopped |= moved
    free = (_D.state == State.HELD, ~held(now_ms), _D.error_kind == "")
    released: set[str] = set()
    for chunk in _chunks(connection.execute(sa.select(_D.id).where(*free)).scalars().all()):
        # From now on, not from its past instant: the claim spaces what is due at the same instant.
        fire_ms = sa.case((_D.fire_ms > now_ms, _D.fire_ms), else_=now_ms)
        released |= move(
            connection, chunk, State.SCHEDULED, *free, reason="", fire_ms=fire_ms, updated_ms=now_ms
        )
    tell_story(connection, now_ms, ((id_, "nothing holds it any more") for id_ in released))
    changed(connection, now_ms, stopped | released)
    return stopped | released


def _chunks(ids: Sequence[str], size: int = 5000) -> list[Sequence[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


# --- the emergency stop -----------------------------------------------------------------------------------


def parse(connection: sa.Connection, what: str) -> tuple[Scope, str]:
    """`everything`, `platform:<name>` or `account:<platform>:<account id>` as scope and key.

    :raises HoldError: where there is no such platform or account; it names those that there are
    """
    scope, _, key = what.strip().partition(":")
    platforms = [platform.value for platform in Platform]
    match scope:
        case Scope.EVERYTHING if not key:
            return Scope.EVERYTHING, ""
        case Scope.PLATFORM:
            if key in platforms:
                return Scope.PLATFORM, key
            raise HoldError(f"{what}: there is no such platform; there are {', '.join(platforms)}.")
        case Scope.ACCOUNT:
            query = sa.select(accounts.c.key, accounts.c.name).order_by(accounts.c.key)
            known = {row.key: row.name for row in connection.execute(query)}
            if key in known:
                return Scope.ACCOUNT, key
            there = ", ".join(f"{other} (@{name})" for other, name in known.items()) or "none yet"
            raise HoldError(f"{what}: there is no such account; there are {there}.")
    raise HoldError(f"{what!r} is not everything, platform:<name> or account:<platform>:<account id>.")


def stop(connection: sa.Connection, now_ms: int, what: str, reason: str, author: str) -> Answer:
    """The emergency stop: hold `what` until somebody releases it, and say what that stops.

    :raises HoldError: for something that does not exist, or without a reason
    """
    scope, key = parse(connection, what)
    if not reason.strip():
        raise HoldError("reason: it is empty; say why, for people who ask why nothing goes out.")
    set_hold(connection, now_ms, scope, key, reason.strip(), author)
    waits, leaves = _D.state.in_(WAITING), _D.state == State.SENDING
    waiting, stopped = _listed(connection, _covers(scope, key), waits, becomes=lambda _row: "stopped")
    going, leaving = _listed(
        connection,
        _covers(scope, key),
        leaves,
        becomes=lambda _row: "on its way already; it cannot be called back",
    )
    sentence = f"Held: {what}. {waiting} planned posts wait until it is released"
    sentence += f"; {going} were on their way already." if going else "."
    return Answer(sentence, waiting, (*leaving, *stopped)[:LISTED])


def resume(connection: sa.Connection, now_ms: int, what: str, author: str) -> Answer:
    """Release what was held, by people or by errors, and say what becomes of what waited.

    :raises HoldError: where nothing of this name is held
    """
    scope, key = parse(connection, what)
    if not lift(connection, now_ms, scope, key, author):
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
    count, listed = _listed(connection, _covers(scope, key), waited, becomes=becomes)
    late, _ = _listed(connection, _covers(scope, key), waited, _D.not_after_ms <= now_ms, becomes=becomes)
    sentence = f"Released: {what}. {count} posts waited"
    sentence += f"; {late} of them are too late and become missed." if late else "."
    return Answer(sentence, count, listed)


def _listed(
    connection: sa.Connection, *conditions: sa.ColumnElement[bool], becomes: Callable[[Any], str]
) -> tuple[int, tuple[Stopped, ...]]:
    """How many deliveries meet the conditions, and the first of them with what becomes of each."""
    count = connection.execute(sa.select(sa.func.count()).where(*conditions)).scalar_one()
    query = (
        sa.select(_D.id, _D.label, _D.due_ms, _D.fire_ms, _D.not_after_ms)
        .where(*conditions)
        .order_by(_D.fire_ms, _D.due_ms, _D.id)
    )
    rows = connection.execute(query.limit(LISTED))
    return count, tuple(Stopped(row.id, row.label, row.due_ms, becomes(row)) for row in rows)
