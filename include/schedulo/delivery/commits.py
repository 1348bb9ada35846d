"""The fence before a write, and what became of it.

`fence` is one conditional UPDATE for all deliveries due together: state, holder, version, holds, due instant
and window at once, and with it goes one row in `writes`. Who does not win it does not send. `settle` takes
outcomes: evidence is always kept, whenever it comes; only the decision drawn from it asks for the fence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.breakers import Stumble, stumbled
from schedulo.delivery.holds import held
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.restored import silent
from schedulo.delivery.rows import tell_story
from schedulo.delivery.transitions import OUT, move
from schedulo.errors.kinds import Actor, Kind
from schedulo.ledger.database import upsert
from schedulo.ledger.tables import deliveries, outcomes, steps, writes
from schedulo.model import Position, State, WriteState

_D = deliveries.c

FOLLOW_S = 900.0
"""How long after a post what belongs to it (thread, comment) may follow by itself; then a person is asked."""
FOLLOW_MOST_S = 2 * 3600.0
"""The same where an outage or a limit kept it back: a thread that goes on much later helps nobody."""


@dataclass(frozen=True, slots=True)
class Intent:
    """The wish to send one commit."""

    write_id: str
    delivery_id: str
    name: str
    holder: str
    request: Mapping[str, Any]
    snapshot: Mapping[str, Any]
    live: bool
    allowance_ms: int
    """How long the request may take from the fence to its last byte: window plus time limit."""
    position: Position = Position.ONLY


@dataclass(frozen=True, slots=True)
class Fenced:
    """The fence was won: the write is open."""

    write_id: str
    fence: int
    opened_ms: int


def fence(
    connection: sa.Connection, now_ms: int, lead_ms: int, intents: Sequence[Intent], *, guarded: bool = True
) -> list[Fenced | None]:
    """Open a write for each intent that may be sent now; None for the others.

    `guarded=False` leaves out every condition. It exists so that tests can show what the fence prevents.
    """
    won: dict[str, sa.Row[Any]] = {}
    groups = {(intent.holder, intent.position is Position.LATER) for intent in intents}
    for holder, later in groups:
        ids = {
            intent.delivery_id
            for intent in intents
            if (intent.holder, intent.position is Position.LATER) == (holder, later)
        }
        values: dict[str, Any] = {"fence": _D.fence + 1, "updated_ms": now_ms}
        if later:
            conditions = _may_follow(now_ms, holder)
        else:
            conditions = _may_send(now_ms, lead_ms, holder)
            values |= {"state": State.SENDING, "sent_ms": now_ms}
        statement = (
            sa.update(deliveries)
            .where(_D.id.in_(ids), *(conditions if guarded else ()))
            .values(**values)
            .returning(_D.id, _D.fence, _D.fire_ms)
        )
        won |= {row.id: row for row in connection.execute(statement)}
    answers: list[Fenced | None] = []
    rows = []
    for intent in intents:
        taken = won.pop(intent.delivery_id, None)  # once, even where two intents name the same delivery
        if taken is None:
            answers.append(None)
            continue
        answers.append(Fenced(intent.write_id, taken.fence, now_ms))
        rows.append(
            {
                "id": intent.write_id,
                "delivery_id": intent.delivery_id,
                "name": intent.name,
                "state": WriteState.OPEN,
                "fence": taken.fence,
                "holder": intent.holder,
                "request": intent.request,
                "snapshot": intent.snapshot,
                "live": intent.live,
                "position": intent.position,
                "opened_ms": now_ms,
                "sending_until_ms": now_ms + intent.allowance_ms,
                # A post that is out has its second no more: its row says then when it is looked at again.
                "fire_ms": None if intent.position is Position.LATER else taken.fire_ms,
            }
        )
    if rows:
        connection.execute(sa.insert(writes), rows)
    return answers


def _may_send(now_ms: int, lead_ms: int, holder: str) -> tuple[sa.ColumnElement[bool], ...]:
    """SQL: all that must be true at once for a delivery to be sent by `holder`."""
    return (
        _D.state == State.ARMED,
        _D.holder == holder,
        _D.ready,
        _D.version == _D.armed_version,
        _D.fire_ms <= now_ms + lead_ms,
        _D.not_after_ms > now_ms,
        _D.approval == "",
        ~held(now_ms),
        ~silent(now_ms),
        ~sa.exists().where(
            writes.c.delivery_id == _D.id,
            writes.c.state.in_((WriteState.OPEN, WriteState.ACCEPTED, WriteState.UNKNOWN)),
        ),
    )


def _may_follow(now_ms: int, holder: str) -> tuple[sa.ColumnElement[bool], ...]:
    """SQL: the same for what adds to a post that is out. Its due second, its version and the wish to cancel
    it no longer count; a hold does, but for maintenance: a post is not left in pieces for hours."""
    return (
        _D.state == State.PUBLISHED_INCOMPLETE,
        _D.holder == holder,
        _D.not_after_ms > now_ms,
        ~held(now_ms, maintenance=False),
        ~sa.exists().where(
            writes.c.delivery_id == _D.id,
            writes.c.state.in_((WriteState.OPEN, WriteState.UNKNOWN)),
            writes.c.position != Position.AFTER,
        ),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one write came to, as its sender or a later look found it."""

    write_id: str
    state: WriteState
    note: str
    """A sentence for people, without secrets."""
    status: int | None = None
    value: Any = None
    answered_ms: int | None = None
    away: Kind | None = None
    """What it says of the platform: that it fails, or cannot be reached."""


_AFTER = {
    WriteState.REFUSED: State.REFUSED,
    WriteState.UNSENT: State.ARMED,
    WriteState.UNKNOWN: State.UNKNOWN,
}


def after_acceptance(live: bool, position: Position) -> State:
    """Where a delivery stands once its first write was accepted."""
    if not live:
        return State.PROCESSING
    return State.PUBLISHED_INCOMPLETE if position is Position.FIRST else State.PUBLISHED


def settle(connection: sa.Connection, now_ms: int, found: Sequence[Outcome]) -> list[State | None]:
    """Keep each outcome and move its delivery; answers its new state, None where it did not move."""
    connection.execute(
        sa.insert(outcomes),
        [
            {
                "write_id": item.write_id,
                "at_ms": now_ms,
                "state": item.state,
                "status": item.status,
                "note": item.note,
                "value": item.value,
            }
            for item in found
        ],
    )
    known = {
        row.id: row
        for row in connection.execute(
            sa.select(writes, _D.fence.label("newest"), _D.state.label("stands"), _D.account_key)
            .join(deliveries, _D.id == writes.c.delivery_id)
            .where(writes.c.id.in_([item.write_id for item in found]))
        )
    }
    doubled = _doubled(connection, [item.write_id for item in found if item.state is WriteState.ACCEPTED])
    answers: list[State | None] = []
    settled: list[dict[str, Any]] = []
    groups: dict[State, dict[str, dict[str, Any]]] = {}
    news: set[str] = set()
    lines: list[tuple[str, str]] = []
    for item in found:
        write = known.get(item.write_id)
        if write is None:  # its fence was never taken
            answers.append(None)
            continue
        lines.append((write.delivery_id, item.note))
        if not _says_more(item.state, write):
            answers.append(None)
            continue
        if item.state is WriteState.ACCEPTED and item.write_id in doubled:
            _report_twice(connection, now_ms, write)
            answers.append(None)
            continue
        settled.append({"b_id": item.write_id, "b_state": item.state, "b_value": item.value, "b_at": now_ms})
        news.add(write.delivery_id)
        if write.position == Position.LATER:  # the post is out; the write says the rest
            answers.append(State(write.stands))
            continue
        target = (
            after_acceptance(write.live, Position(write.position))
            if item.state is WriteState.ACCEPTED
            else _AFTER[item.state]
        )
        if target is State.ARMED and write.stands != State.SENDING:
            target = State.CLAIMED  # taken from its process meanwhile: whoever takes it up arms it
        groups.setdefault(target, {})[write.delivery_id] = {
            "answered_ms": item.answered_ms or now_ms,
            "value": item.value if isinstance(item.value, str) else None,
            "note": item.note,
        }
        answers.append(target)
    if settled:
        connection.execute(
            sa.update(writes)
            .where(writes.c.id == sa.bindparam("b_id"))
            .values(
                state=sa.bindparam("b_state"), value=sa.bindparam("b_value"), settled_ms=sa.bindparam("b_at")
            ),
            settled,
        )
    for target, members in groups.items():
        _arrive(connection, now_ms, target, members)
    stumbled(
        connection,
        now_ms,
        (
            Stumble(known[item.write_id].delivery_id, known[item.write_id].account_key, item.away)
            for item in found
            if item.away is not None and item.write_id in known
        ),
    )
    tell_story(connection, now_ms, lines)
    changed(connection, now_ms, news)
    return answers


def _says_more(said: WriteState, write: Any) -> bool:
    """Whether an outcome changes what is known of its write. That it was taken always does; what proves
    that it was not, only while that is in doubt and nothing was sent after it; doubt, only at first."""
    if said is WriteState.ACCEPTED:
        return True
    doubtful = (WriteState.OPEN,) if said is WriteState.UNKNOWN else (WriteState.OPEN, WriteState.UNKNOWN)
    return bool(write.fence == write.newest) and write.state in doubtful


def _arrive(
    connection: sa.Connection, now_ms: int, target: State, members: dict[str, dict[str, Any]]
) -> None:
    """Move deliveries to the state that their outcome leads to, with what comes with it."""
    values: dict[str, Any] = {"updated_ms": now_ms}
    if target in OUT:
        values |= {
            "reason": "",
            "error_kind": "",
            "error_code": "",
            "trouble_since_ms": None,
            "fire_ms": now_ms,
        }
        if target is State.PUBLISHED_INCOMPLETE:
            values["not_after_ms"] = now_ms + int(FOLLOW_S * 1000)
    elif target is State.UNKNOWN:
        values |= {
            "fire_ms": now_ms,
            "reason": "it is not known whether it went out; being looked up",
        }
    move(connection, members, target, **values)
    if target in OUT:
        connection.execute(
            sa.update(deliveries)
            .where(_D.id == sa.bindparam("b_id"))
            .values(
                accepted_ms=sa.bindparam("b_at"),
                published_ms=_D.published_ms if target is State.PROCESSING else sa.bindparam("b_at"),
                remote_id=sa.func.coalesce(sa.bindparam("b_value"), _D.remote_id),
            ),
            [
                {"b_id": id_, "b_at": item["answered_ms"], "b_value": item["value"]}
                for id_, item in members.items()
            ],
        )


def _doubled(connection: sa.Connection, write_ids: Sequence[str]) -> set[str]:
    """Those writes beside which another of the same name was accepted, or is on its way."""
    if not write_ids:
        return set()
    other = writes.alias("other")
    beside = sa.exists().where(
        other.c.delivery_id == writes.c.delivery_id,
        other.c.name == writes.c.name,
        other.c.id != writes.c.id,
        other.c.state.in_((WriteState.OPEN, WriteState.ACCEPTED, WriteState.UNKNOWN)),
    )
    query = sa.select(writes.c.id).where(writes.c.id.in_(write_ids), beside)
    return set(connection.execute(query).scalars())


def _report_twice(connection: sa.Connection, now_ms: int, write: Any) -> None:
    incident(
        connection,
        now_ms,
        Trouble.TWICE,
        "a late answer says that an earlier attempt was taken too: the post may be out twice; "
        "look at the account and take one down",
        actor=Actor.OPERATOR,
        about=write.account_key,
        cases=[write.delivery_id],
    )


@dataclass(frozen=True, slots=True)
class Kept:
    """The answer of one step, to be kept."""

    delivery_id: str
    holder: str | None
    """Who asked: the answer counts only while it still holds the delivery."""
    name: str
    value: Any
    keep_s: float | None


def keep_steps(connection: sa.Connection, now_ms: int, kept: Sequence[Kept]) -> list[bool]:
    """Store answers under their names; a newer answer replaces an older one.

    False where another process took the delivery: its handles must not be replaced by those of a process
    that was frozen, or a later look would ask about the wrong one.
    """
    holders = {
        row.id: row.holder
        for row in connection.execute(
            sa.select(_D.id, _D.holder)
            .where(_D.id.in_({item.delivery_id for item in kept}))
            .order_by(_D.id)
            .with_for_update(read=True)
        )
    }
    answers = [holders.get(item.delivery_id) == item.holder for item in kept]
    fresh = [item for item, mine in zip(kept, answers, strict=True) if mine]
    if not fresh:
        return answers
    statement = upsert(connection, steps)
    statement = statement.on_conflict_do_update(
        index_elements=["delivery_id", "name"],
        set_={
            "value": statement.excluded.value,
            "kept_ms": statement.excluded.kept_ms,
            "expires_ms": statement.excluded.expires_ms,
        },
    )
    connection.execute(
        statement,
        [
            {
                "delivery_id": item.delivery_id,
                "name": item.name,
                "value": item.value,
                "kept_ms": now_ms,
                "expires_ms": None if item.keep_s is None else now_ms + int(item.keep_s * 1000),
            }
            for item in fresh
        ],
    )
    return answers
