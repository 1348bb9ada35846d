"""What is stopped: holds on everything, a platform, an account or a post, by a person or by an error.

The fence asks `held` in the statement that lets a post go, so a hold also stops what waits for its second.
The rule for what was stopped: once nothing holds it any more it goes out at once, in the order in which it
was due, each account's posts spaced by `account_gap_s`; what is too late by its own rule becomes missed.

A hold with an end stops only what is due before that end, so that what comes after it can be prepared and
leaves on its second. What an error says about an account or our app is one hold, however many meet it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso, spoken
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import Delivery, tell_story
from schedulo.delivery.transitions import move
from schedulo.errors import KINDS, Actor, Kind, PlatformError
from schedulo.ledger.database import upsert
from schedulo.ledger.outages import breakers
from schedulo.ledger.tables import accounts, deliveries, holds
from schedulo.model import Platform, State

_D = deliveries.c
_H = holds.c
WAITING = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED, State.HELD)
"""What a hold stops."""
OURSELVES = "schedulo"
"""The author of holds by errors."""
LONGEST_S = 31 * 86400.0
"""No limit of a platform is longer than a month, whatever a header says."""
LOGINS = (Kind.TOKEN_EXPIRED, Kind.RECONNECT, Kind.PERMISSION)
"""What connecting an account again cures."""


class Scope(StrEnum):
    EVERYTHING = "everything"
    PLATFORM = "platform"
    ACCOUNT = "account"
    POST = "post"


class HoldError(ValueError):
    """There is nothing of this name to hold or to release; the message says what there is."""


@dataclass(frozen=True, slots=True)
class Hold:
    scope: Scope
    key: str
    """The platform, the account's key or the post's record id; empty for everything."""
    reason: str
    author: str
    error_kind: str
    """The kind of error that set it; empty where a person did."""
    from_ms: int
    until_ms: int | None
    """None: until somebody lifts it."""
    window_id: str = ""
    """The maintenance that it belongs to (`windows`); empty: to none."""

    @property
    def name(self) -> str:
        """As people write it: `everything`, `platform:x`, `account:x:123`, `post:rec...`."""
        return f"{self.scope}:{self.key}" if self.key else self.scope.value

    @property
    def end_ms(self) -> float:
        return math.inf if self.until_ms is None else self.until_ms

    def left_s(self, now_ms: int) -> float:
        """Seconds until it ends by itself; infinite where somebody must lift it."""
        return max(0.0, (self.end_ms - now_ms) / 1000)

    def sentence(self) -> str:
        if self.error_kind:
            wait = f"waiting until {spoken(self.until_ms, self.from_ms)}" if self.until_ms else "on hold"
            return f"{wait}: {self.reason}"
        if self.window_id and self.until_ms:
            return f"maintenance of {self.name} until {spoken(self.until_ms, self.from_ms)}: {self.reason}"
        end = f"; it ends at {iso(self.until_ms)}" if self.until_ms else ""
        return f"on hold ({self.name}, by {self.author}): {self.reason}{end}"


class InForce:
    """The holds of one instant, asked for single deliveries."""

    def __init__(self, found: Iterable[Hold]) -> None:
        self._longest: dict[tuple[str, str], Hold] = {}
        for hold in found:
            known = self._longest.get((hold.scope, hold.key))
            if known is None or hold.end_ms > known.end_ms:
                self._longest[hold.scope, hold.key] = hold

    def on(self, platform: str, account_key: str, fire_ms: int, post_id: str = "") -> Hold | None:
        """The hold that stops a delivery due at `fire_ms`; of several the one that lasts longest."""
        names = (
            (Scope.EVERYTHING, ""),
            (Scope.PLATFORM, platform),
            (Scope.ACCOUNT, account_key),
            (Scope.POST, post_id),
        )
        found = [self._longest[name] for name in names if name in self._longest]
        stopping = [hold for hold in found if hold.end_ms > fire_ms]
        return max(stopping, key=lambda hold: hold.end_ms, default=None)


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
    if error_kind:
        return _hold_once(connection, now_ms, scope, key, error_kind, values)
    same = (_H.scope == scope, _H.key == key, _H.error_kind == "", _H.window_id == "", *_now(now_ms))
    if connection.execute(sa.update(holds).where(*same).values(**values)).rowcount:
        return False
    row = {"id": secrets.token_hex(8), "scope": scope, "key": key, "error_kind": error_kind}
    connection.execute(sa.insert(holds).values(**row, **values, from_ms=now_ms))
    return True


def _hold_once(
    connection: sa.Connection, now_ms: int, scope: str, key: str, error_kind: str, values: dict[str, Any]
) -> bool:
    """One row in force a cause, also where two processes meet it at once; the later of two ends counts."""
    same = (_H.scope == scope, _H.key == key, _H.error_kind == error_kind, _H.lifted_ms.is_(None))
    over = sa.update(holds).where(*same, _H.until_ms <= now_ms)
    connection.execute(over.values(lifted_ms=_H.until_ms, lifted_by="its time"))
    id_ = secrets.token_hex(8)
    row = {"id": id_, "scope": scope, "key": key, "error_kind": error_kind, "from_ms": now_ms}
    statement = upsert(connection, holds).values(**row, **values)
    fresh = statement.excluded
    longer = sa.case(
        (sa.or_(_H.until_ms.is_(None), _H.until_ms > fresh.until_ms), _H.until_ms), else_=fresh.until_ms
    )
    statement = statement.on_conflict_do_update(
        index_elements=["scope", "key", "error_kind"],
        index_where=sa.text("error_kind <> '' AND lifted_ms IS NULL"),
        set_={"reason": fresh.reason, "until_ms": longer},
    )
    found: str = connection.execute(statement.returning(_H.id)).scalar_one()
    return found == id_


def hold_for(
    connection: sa.Connection, now_ms: int, delivery: Delivery, error: PlatformError, wait_s: float | None
) -> Hold:
    """Hold what an error is about: its account, or its platform.

    :param wait_s: how long; None: until a person has acted, for whom an incident is opened
    """
    scope = Scope(error.scope)
    key = delivery.account.key if scope is Scope.ACCOUNT else delivery.account.platform.value
    until_ms = None if wait_s is None else now_ms + int(min(max(wait_s, 1.0), LONGEST_S) * 1000)
    set_hold(connection, now_ms, scope, key, error.sentence(), OURSELVES, until_ms, error.kind)
    same = (_H.scope == scope, _H.key == key, _H.error_kind == error.kind, _H.lifted_ms.is_(None))
    hold = _hold(connection.execute(sa.select(holds).where(*same)).one())
    cases_of(connection, now_ms, hold, [delivery.id])
    return hold


def hold_account(connection: sa.Connection, now_ms: int, account_key: str, error: PlatformError) -> bool:
    """Hold an account before any of its posts meets the error, until a person has acted, for whom an incident
    is opened at once. True: it was not held for it before."""
    reason = error.sentence()
    new = set_hold(
        connection, now_ms, Scope.ACCOUNT, account_key, reason, OURSELVES, None, error_kind=error.kind
    )
    if new:
        _tell(
            connection, now_ms, Hold(Scope.ACCOUNT, account_key, reason, OURSELVES, error.kind, now_ms, None)
        )
    return new


def cases_of(connection: sa.Connection, now_ms: int, hold: Hold, delivery_ids: Sequence[str]) -> None:
    """What an error holds until a person acts is one incident; these deliveries are cases of it."""
    if delivery_ids:
        _tell(connection, now_ms, hold, delivery_ids)


def _tell(connection: sa.Connection, now_ms: int, hold: Hold, delivery_ids: Sequence[str] = ()) -> None:
    if hold.error_kind == Kind.PLATFORM_DOWN:
        cause = sa.select(breakers.c.cause).where(breakers.c.platform == hold.key)
        about = "network" if connection.execute(cause).scalar() == "network" else hold.key
        sentence = f"{hold.reason}. Its posts wait; `schedulo release {hold.name}` lets them go all the same"
        actor = Actor.OPERATOR
        incident(connection, now_ms, Trouble.OUTAGE, sentence, actor=actor, about=about, cases=delivery_ids)
        return
    info = next((info for kind, info in KINDS.items() if kind == hold.error_kind), None)
    if info is None or info.actor is Actor.NOBODY:
        return
    how = f"`schedulo release {hold.name}` lets them go"
    if hold.error_kind in LOGINS and hold.scope is Scope.ACCOUNT:
        connect = f"`schedulo accounts connect {hold.key.replace(':', ' ', 1)}`"
        sentence = f"{hold.reason}. Its posts wait until it is connected again, with {connect}; else {how}"
    elif hold.error_kind in LOGINS:
        sentence = f"{hold.reason}. Its posts wait until it is connected again; else {how}"
    else:
        sentence = f"{hold.reason}. Its posts wait; when it is mended {how}"
    about = f"{hold.name}:{hold.error_kind}"
    incident(connection, now_ms, Trouble.HELD, sentence, actor=info.actor, about=about, cases=delivery_ids)


def reconnected(
    connection: sa.Connection, now_ms: int, account_keys: Iterable[str], author: str
) -> list[Hold]:
    """These accounts have a new login: what waited for one goes out. Answers the holds that were lifted."""
    return [
        hold
        for key in account_keys
        for kind in LOGINS
        for hold in lift(connection, now_ms, Scope.ACCOUNT, key, author, kind)
    ]


def lift(
    connection: sa.Connection,
    now_ms: int,
    scope: str,
    key: str,
    author: str,
    error_kind: str | None = None,
    *,
    maintenance: bool = True,
) -> list[Hold]:
    """End the holds in force of this scope and key (of one kind of error alone, where one is given); answers
    which they were. `maintenance`: those of windows, too."""
    which = [_H.scope == scope, _H.key == key, *_now(now_ms)]
    if not maintenance:
        which.append(_H.window_id == "")
    if error_kind is not None:
        which.append(_H.error_kind == error_kind)
    ended = [_hold(row) for row in connection.execute(sa.select(holds).where(*which))]
    connection.execute(sa.update(holds).where(*which).values(lifted_ms=now_ms, lifted_by=author))
    return ended


def in_force(connection: sa.Connection, now_ms: int) -> list[Hold]:
    """The holds that stop something now, oldest first."""
    query = sa.select(holds).where(*_now(now_ms)).order_by(_H.from_ms, _H.id)
    return [_hold(row) for row in connection.execute(query)]


def held(now_ms: int, after_ms: int = 0, *, maintenance: bool = True) -> sa.ColumnElement[bool]:
    """SQL: a hold on everything, or on this platform, account or post, is in force and lasts until after the
    delivery's instant, and until after `after_ms`. `maintenance`: those of windows count."""
    lasts = sa.or_(_H.until_ms.is_(None), sa.and_(_H.until_ms > _D.fire_ms, _H.until_ms > after_ms))
    counts = () if maintenance else (_H.window_id == "",)
    return sa.exists().where(*_now(now_ms), _about(), lasts, *counts)


def troubled(now_ms: int) -> sa.ColumnElement[bool]:
    """SQL: an error holds the delivery's account, its platform or everything now: asking may prolong a limit,
    and a login that is refused shows nothing."""
    return sa.exists().where(*_now(now_ms), _about(), _H.error_kind != "")


def kept_back_by_errors(connection: sa.Connection, delivery_id: str) -> list[tuple[int, int | None]]:
    """When errors held the delivery's account, its platform or everything: from and until, by when that
    began; None: until now, and on."""
    query = sa.select(_H.from_ms, _H.until_ms, _H.lifted_ms).where(_D.id == delivery_id, _about())
    rows = connection.execute(query.where(_H.error_kind != "").order_by(_H.from_ms))
    return [
        (row.from_ms, min((at_ms for at_ms in row[1:] if at_ms is not None), default=None)) for row in rows
    ]


def covered(now_ms: int) -> sa.ColumnElement[bool]:
    """SQL: a hold on what the delivery is on is in force, also where it ends before its instant."""
    return sa.exists().where(*_now(now_ms), _about())


def away(now_ms: int) -> sa.ColumnElement[bool]:
    """SQL: the delivery's platform fails for everyone: nothing is asked there, not even what became of it."""
    failing = (_H.scope == Scope.PLATFORM, _H.key == _D.platform, _H.error_kind == Kind.PLATFORM_DOWN)
    return sa.exists().where(*_now(now_ms), *failing)


def _about() -> sa.ColumnElement[bool]:
    """SQL: a row of `holds` is about a row of `deliveries`."""
    return sa.or_(
        _H.scope == Scope.EVERYTHING,
        sa.and_(_H.scope == Scope.PLATFORM, _H.key == _D.platform),
        sa.and_(_H.scope == Scope.ACCOUNT, _H.key == _D.account_key),
        sa.and_(_H.scope == Scope.POST, _H.key == _D.post_id),
    )


def _now(now_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (_H.lifted_ms.is_(None), _H.from_ms <= now_ms, sa.or_(_H.until_ms.is_(None), _H.until_ms > now_ms))


def _hold(row: Any) -> Hold:
    return Hold(
        Scope(row.scope),
        row.key,
        row.reason,
        row.author,
        row.error_kind,
        row.from_ms,
        row.until_ms,
        row.window_id,
    )


# --- what a hold stops, and lets go -----------------------------------------------------------------------


def apply_holds(connection: sa.Connection, now_ms: int, horizon_ms: int) -> set[str]:
    """Show what is due by `horizon_ms` and stopped as held, with the hold's own words, and let go what
    nothing holds beyond it. What a rule holds (its `error_kind` says which) stays. Answers what changed; run
    by every tick."""
    stopped: set[str] = set()
    holds_now = in_force(connection, now_ms)
    if holds_now:
        soon = sa.and_(_D.state == State.SCHEDULED, held(now_ms), _D.fire_ms <= horizon_ms)
        waits = sa.and_(_D.state == State.HELD, _D.error_kind == "", held(now_ms, horizon_ms))
        stopped = _show(connection, now_ms, InForce(holds_now), sa.or_(soon, waits))
    free = (_D.state == State.HELD, ~held(now_ms, horizon_ms), _D.error_kind == "")
    # A hold that ends within the horizon is over by then: what it stops is prepared, and leaves at its end.
    # Not from its past instant on: the claim spaces what is due at the same instant.
    last_end = sa.select(sa.func.max(_H.until_ms)).where(*_now(now_ms), _about()).scalar_subquery()
    earliest = sa.func.coalesce(last_end, now_ms)
    fire_ms = sa.case((_D.fire_ms > earliest, _D.fire_ms), else_=earliest)
    columns = (_D.id, _D.platform, _D.account_key, _D.post_id, earliest.label("ends"))
    found = connection.execute(sa.select(*columns).where(*free)).all()
    ends = {row.id: row.ends for row in found}
    lasting = InForce(holds_now)
    by_reason: dict[str, list[str]] = {}
    for row in found:
        hold = lasting.on(row.platform, row.account_key, now_ms, row.post_id)
        by_reason.setdefault(hold.sentence() if hold else "", []).append(row.id)
    released: set[str] = set()
    for reason, ids in by_reason.items():
        for chunk in _chunks(ids):
            released |= move(
                connection, chunk, State.SCHEDULED, *free, reason=reason, fire_ms=fire_ms, updated_ms=now_ms
            )
    over, soon_over = "nothing holds it any more", "its hold ends soon; it goes out then"
    tell_story(connection, now_ms, ((id_, soon_over if ends[id_] > now_ms else over) for id_ in released))
    changed(connection, now_ms, stopped | released)
    return stopped | released


def _show(
    connection: sa.Connection, now_ms: int, holds_now: InForce, which: sa.ColumnElement[bool]
) -> set[str]:
    """Mark these as held, with the reason of the hold that lasts longest; answers what that changed."""
    found: dict[Hold, list[str]] = {}
    columns = (_D.id, _D.platform, _D.account_key, _D.post_id, _D.fire_ms, _D.state, _D.reason)
    for row in connection.execute(sa.select(*columns).where(which)):
        hold = holds_now.on(row.platform, row.account_key, row.fire_ms, row.post_id)
        if hold is not None and (row.state, row.reason) != (State.HELD, hold.sentence()):
            found.setdefault(hold, []).append(row.id)
    shown: set[str] = set()
    for hold, ids in found.items():
        reason = hold.sentence()
        for chunk in _chunks(ids):
            values = {"reason": reason, "updated_ms": now_ms}
            moved = move(connection, chunk, State.HELD, which, **values)
            again = sa.update(deliveries).where(_D.id.in_(chunk), _D.state == State.HELD, _D.reason != reason)
            moved |= set(connection.execute(again.values(**values).returning(_D.id)).scalars())
            tell_story(connection, now_ms, ((id_, reason) for id_ in moved))
            cases_of(connection, now_ms, hold, sorted(moved))
            shown |= moved
    return shown


def _chunks(ids: Sequence[str], size: int = 5000) -> list[Sequence[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


# --- what people name -------------------------------------------------------------------------------------


def parse(connection: sa.Connection, what: str) -> tuple[Scope, str]:
    """`everything`, `platform:<name>`, `account:<platform>:<account id>` or `post:<record id>` as scope and
    key.

    :raises HoldError: where there is no such platform, account or post; of the first two it names those that
        there are
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
        case Scope.POST:
            if connection.execute(sa.select(_D.id).where(_D.post_id == key).limit(1)).first():
                return Scope.POST, key
            raise HoldError(f"{what}: no delivery of such a post is known.")
    raise HoldError(
        f"{what!r} is not everything, platform:<name>, account:<platform>:<account id> or post:<record id>."
    )


def needs_reason(reason: str) -> None:
    """Refuse a hold without a reason. Raises `HoldError`."""
    if not reason.strip():
        raise HoldError("reason: it is empty; say why, for people who ask why nothing goes out.")
