"""What a delivery's session of work comes to: armed, put back, failed, finished, looked up.

Each function moves deliveries by the table and tells Airtable; all take the database's time in milliseconds.
What a process decides counts only while it holds the delivery as it did when it read it: one that was frozen
and wakes up decides nothing. Those functions answer whether the decision counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.claims import claimed, paced
from schedulo.delivery.commits import FOLLOW_MOST_S, FOLLOW_S
from schedulo.delivery.holds import WAITING, Hold, cases_of, kept_back_by_errors
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import LEFT_OUT, Delivery, tell_story
from schedulo.delivery.transitions import move
from schedulo.delivery.troubles import RETRIED, note
from schedulo.delivery.webhook_events import linked
from schedulo.errors import PlatformError
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import deliveries, instances, steps, writes
from schedulo.model import Published, State, WriteState

_D = deliveries.c


@dataclass(frozen=True, slots=True)
class Armed:
    """The delivery was prepared in this version."""

    delivery_id: str
    holder: str
    version: int


def arm(connection: sa.Connection, now_ms: int, armed: Sequence[Armed]) -> list[bool]:
    """Mark as prepared; False where it is no longer this process's or no longer to be sent."""
    answers = []
    for item in armed:
        mine = (_D.holder == item.holder, _D.state.in_((State.CLAIMED, State.ARMED)))
        moved = connection.execute(
            sa.update(deliveries)
            .where(_D.id == item.delivery_id, *mine)
            .values(state=State.ARMED, armed_version=item.version, updated_ms=now_ms)
        )
        answers.append(moved.rowcount == 1)
    ready = [item.delivery_id for item, mine in zip(armed, answers, strict=True) if mine]
    tell_story(connection, now_ms, ((id_, "prepared; it waits for its second") for id_ in ready))
    return answers


def rearm(connection: sa.Connection, now_ms: int, delivery: Delivery, note: str) -> bool:
    """Forget what was prepared: it belongs to an older content, or the platform no longer knows it."""
    if not _move_mine(connection, delivery, State.CLAIMED, {"armed_version": None, "updated_ms": now_ms}):
        return False
    connection.execute(sa.delete(steps).where(steps.c.delivery_id == delivery.id))
    tell_story(connection, now_ms, [(delivery.id, note)])
    return True


TASK_TRIES = 3
"""So often the same task may try again; Airflow's own limit is one above it."""


def put_back(
    connection: sa.Connection,
    now_ms: int,
    delivery: Delivery,
    *,
    fire_ms: int,
    reason: str,
    attempt: bool,
    by_task: bool = False,
) -> State | None:
    """Give it back until `fire_ms`: to a retry of the same task (CLAIMED), if that is wished and the task has
    one left, else to the ledger (SCHEDULED). Answers which; None where it is no longer ours."""
    state = State.CLAIMED if by_task and _tries(connection, delivery) < TASK_TRIES else State.SCHEDULED
    values = {
        "fire_ms": fire_ms,
        "reason": reason,
        "holder": None,
        "updated_ms": now_ms,
        **_tried(now_ms, attempt),
    }
    if not _move_mine(connection, delivery, state, values):
        return None
    _note_trouble(connection, now_ms, delivery, reason, attempt)
    tell(connection, now_ms, delivery.id, reason)
    return state


def _tried(now_ms: int, attempt: bool) -> dict[str, Any]:
    """What a failed attempt leaves behind; a wait leaves nothing."""
    if not attempt:
        return {}
    since_ms = sa.func.coalesce(_D.trouble_since_ms, now_ms)
    return {"attempts": _D.attempts + 1, "trouble_since_ms": since_ms}


_WHEN = re.compile(r"^waiting until [\d:]+ UTC: |; tried again in \d+ s$")
"""What differs from post to post in a reason to try again."""


def _note_trouble(
    connection: sa.Connection, now_ms: int, delivery: Delivery, reason: str, attempt: bool
) -> None:
    """A failed attempt is noted; a wait is none."""
    if attempt:
        cause, sentence = f"{RETRIED}:{delivery.account.key}", _WHEN.sub("", reason)
        note(connection, now_ms, cause, RETRIED, sentence, Actor.NOBODY, [delivery.id])


def _tries(connection: sa.Connection, delivery: Delivery) -> int:
    """How often the task of the run that claimed it has tried."""
    query = sa.select(sa.func.count()).where(
        instances.c.delivery_id == delivery.id, instances.c.run_id == delivery.run_id
    )
    return int(connection.execute(query).scalar_one())


_AT_HAND = (State.CLAIMED, State.ARMED, State.REFUSED)
"""Where a process that holds a delivery decides alone what becomes of it."""


def _move_mine(
    connection: sa.Connection, delivery: Delivery, state: State, values: Mapping[str, Any]
) -> bool:
    """Move to `state`, or stay there with new values: while nothing of it may be out, and unless another
    process has taken the delivery."""
    mine = (_D.holder == delivery.holder, _D.state.in_(_AT_HAND))
    if move(connection, [delivery.id], state, *mine, **values):
        return True
    return stay(connection, delivery.id, state, values, *mine)


def tell(connection: sa.Connection, now_ms: int, delivery_id: str, sentence: str) -> bool:
    tell_story(connection, now_ms, [(delivery_id, sentence)])
    changed(connection, now_ms, [delivery_id])
    return True


def stay(
    connection: sa.Connection,
    delivery_id: str,
    state: State,
    values: Mapping[str, Any],
    *conditions: sa.ColumnElement[bool],
) -> bool:
    """Set `values` on a delivery that is in `state` already."""
    chosen = (_D.id == delivery_id, _D.state == state, *conditions)
    statement = sa.update(deliveries).where(*chosen).values(**values)
    return connection.execute(statement).rowcount == 1


def again(
    connection: sa.Connection, now_ms: int, delivery: Delivery, *, fire_ms: int, reason: str, attempt: bool
) -> bool:
    """The process that holds it tries it again at `fire_ms`; what was prepared stays."""
    values = {
        "fire_ms": fire_ms,
        "reason": reason,
        "updated_ms": now_ms,
        **_tried(now_ms, attempt),
    }
    if not _move_mine(connection, delivery, State.CLAIMED, values):
        return False
    _note_trouble(connection, now_ms, delivery, reason, attempt)
    return tell(connection, now_ms, delivery.id, reason)


def set_aside(connection: sa.Connection, now_ms: int, delivery: Delivery, hold: Hold) -> bool:
    """It waits for the end of a hold, with the hold's own words; nobody works on it meanwhile."""
    reason = hold.sentence()
    values = {"reason": reason, "holder": None, "updated_ms": now_ms}
    if not move(connection, [delivery.id], State.HELD, _D.holder == delivery.holder, **values):
        return False
    cases_of(connection, now_ms, hold, [delivery.id])
    return tell(connection, now_ms, delivery.id, reason)


def stand_by(connection: sa.Connection, now_ms: int, delivery: Delivery, hold: Hold, gap_ms: int) -> bool:
    """The process that holds it sends it after the hold's end, at a slot of its own on its account; what was
    prepared stays. For holds that end soon."""
    assert hold.until_ms is not None
    wished_ms = max(hold.until_ms, delivery.fire_ms)
    slots = paced(connection, [(delivery.id, delivery.account.key, wished_ms)], gap_ms)
    reason = hold.sentence()
    return again(connection, now_ms, delivery, fire_ms=slots[delivery.id], reason=reason, attempt=False)


def start_over(connection: sa.Connection, now_ms: int, delivery: Delivery, reason: str) -> bool:
    """The platform took it and then gave up on it for good: nothing is out, prepare everything anew."""
    moved = move(
        connection,
        [delivery.id],
        State.CLAIMED,
        _D.holder == delivery.holder,
        _D.fence == delivery.fence,
        armed_version=None,
        accepted_ms=None,
        remote_id=None,
        reason=reason,
        updated_ms=now_ms,
    )
    if not moved:
        return False
    connection.execute(
        sa.update(writes)
        .where(writes.c.delivery_id == delivery.id, writes.c.state == WriteState.ACCEPTED)
        .values(state=WriteState.ABSENT)
    )
    connection.execute(sa.delete(steps).where(steps.c.delivery_id == delivery.id))
    return tell(connection, now_ms, delivery.id, f"{reason}; prepared anew")


def look_later(
    connection: sa.Connection,
    now_ms: int,
    delivery: Delivery,
    *,
    fire_ms: int,
    reason: str,
    counted: bool = True,
) -> bool:
    """Leave a delivery of which something was sent as it is until `fire_ms`. A look that a limit of the
    platform prevents is not `counted`."""
    moved = connection.execute(
        sa.update(deliveries)
        .where(
            _D.id == delivery.id,
            _D.holder == delivery.holder,
            _D.state.in_((State.PROCESSING, State.UNKNOWN, State.PUBLISHED_INCOMPLETE)),
        )
        .values(fire_ms=fire_ms, reason=reason, holder=None, looks=_D.looks + int(counted), updated_ms=now_ms)
    )
    return moved.rowcount == 1 and tell(connection, now_ms, delivery.id, reason)


def fail(connection: sa.Connection, now_ms: int, delivery: Delivery, error: PlatformError) -> bool:
    """It cannot go out; a person must act."""
    moved = move(
        connection,
        [delivery.id],
        State.FAILED,
        _D.holder == delivery.holder,
        reason=error.sentence(),
        error_kind=error.kind,
        error_code=error.code,
        holder=None,
        attempts=_D.attempts + 1,
        updated_ms=now_ms,
    )
    if not moved:
        return False
    incident(
        connection,
        now_ms,
        Trouble.FAILED,
        error.sentence(),
        actor=Actor.OPERATOR if error.info.actor is Actor.NOBODY else error.info.actor,
        about=_cause(delivery, error),
        cases=[delivery.id],
    )
    return tell(connection, now_ms, delivery.id, f"failed: {error.sentence()}; {error.info.actor} must act")


def _cause(delivery: Delivery, error: PlatformError) -> str:
    """What the posts that fail like this have in common: the account that its owner must mend, else the
    platform's answer."""
    where = delivery.account.key
    if error.info.actor is not Actor.OWNER:
        where = f"{delivery.account.platform}:{error.code or error.status or ''}"
    return f"{error.kind}:{where}"


def finish(connection: sa.Connection, now_ms: int, delivery_id: str, published: Published) -> None:
    """The conversation ended well: keep what it found out. Never takes back what is already known."""
    values: dict[str, Any] = {
        "remote_id": sa.func.coalesce(published.post_id, _D.remote_id),
        "permalink": sa.func.coalesce(published.permalink, _D.permalink),
        "reason": published.note,
        "holder": None,
        "updated_ms": now_ms,
        "accepted_ms": sa.func.coalesce(_D.accepted_ms, now_ms),
        "trouble_since_ms": None,
    }
    if published.state is not State.WAITING_IN_APP:
        values["published_ms"] = sa.func.coalesce(published.published_ms, _D.published_ms, now_ms)
    if published.lacks:
        values |= {"reason": published.lacks, "error_kind": LEFT_OUT}
    if move(connection, [delivery_id], published.state, **values) or stay(
        connection, delivery_id, published.state, values
    ):
        linked(connection, delivery_id)
        link = published.permalink or "no link yet"
        tell_story(connection, now_ms, [(delivery_id, published.note or f"it is out: {link}")])
        changed(connection, now_ms, [delivery_id])
        if published.lacks:
            tell_story(connection, now_ms, [(delivery_id, published.lacks)])
            key = sa.select(_D.account_key).where(_D.id == delivery_id)
            not_whole(connection, now_ms, connection.execute(key).scalar_one(), delivery_id, published.lacks)


def is_out(connection: sa.Connection, now_ms: int, delivery: Delivery, out: Published) -> bool:
    """The post is out and something is to follow: people get the link now, not after the last part."""
    values = {
        "remote_id": sa.func.coalesce(out.post_id, _D.remote_id),
        "permalink": sa.func.coalesce(out.permalink, _D.permalink),
        "published_ms": sa.func.coalesce(out.published_ms, _D.published_ms, now_ms),
        "updated_ms": now_ms,
    }
    mine = _D.holder == delivery.holder
    begun = {"not_after_ms": now_ms + int(FOLLOW_S * 1000)}
    done = bool(move(connection, [delivery.id], State.PUBLISHED_INCOMPLETE, mine, **values, **begun)) or stay(
        connection, delivery.id, State.PUBLISHED_INCOMPLETE, values, mine
    )
    if done:
        linked(connection, delivery.id)
        changed(connection, now_ms, [delivery.id])
    return done


def follow_longer(connection: sa.Connection, now_ms: int, delivery: Delivery) -> bool:
    """The time is over in which what belongs to a post may follow: give it as much again from the end of what
    kept it back, where an error held it meanwhile. What was accepted is in the ledger, and what is in doubt
    is looked up as ever: nothing goes out twice for having waited. False: nothing held it, or too long."""
    if delivery.accepted_ms is None:
        return False
    until_ms = delivery.not_after_ms
    for from_ms, ended_ms in kept_back_by_errors(connection, delivery.id):
        if from_ms <= until_ms:
            end_ms = now_ms if ended_ms is None else min(ended_ms, now_ms)
            until_ms = max(until_ms, end_ms + int(FOLLOW_S * 1000))
    until_ms = min(until_ms, delivery.accepted_ms + int(FOLLOW_MOST_S * 1000))
    values = {"not_after_ms": until_ms, "updated_ms": now_ms}
    mine = _D.holder == delivery.holder
    return until_ms > now_ms and stay(connection, delivery.id, State.PUBLISHED_INCOMPLETE, values, mine)


def stop_following(
    connection: sa.Connection,
    now_ms: int,
    delivery: Delivery,
    *,
    kind: str,
    code: str,
    reason: str,
    vital: bool,
) -> bool:
    """What was to follow does not, until a person asks. A thread then counts as published in part; a post
    without its comment is a published post."""
    values = {"reason": reason, "error_kind": kind, "error_code": code, "holder": None, "updated_ms": now_ms}
    mine = _D.holder == delivery.holder
    if vital:
        done = stay(connection, delivery.id, State.PUBLISHED_INCOMPLETE, values, mine)
    else:
        done = bool(move(connection, [delivery.id], State.PUBLISHED, mine, **values))
    if not done:
        return False
    not_whole(connection, now_ms, delivery.account.key, delivery.id, reason)
    return tell(connection, now_ms, delivery.id, reason)


def not_whole(
    connection: sa.Connection, now_ms: int, account_key: str, delivery_id: str, reason: str
) -> None:
    incident(
        connection,
        now_ms,
        Trouble.INCOMPLETE,
        reason,
        actor=Actor.AUTHOR,
        about=account_key,
        cases=[delivery_id],
    )


def cancel(
    connection: sa.Connection,
    now_ms: int,
    delivery_id: str,
    reason: str,
    *conditions: sa.ColumnElement[bool],
) -> bool:
    """Stop a delivery of which nothing was sent. False: too late, or nothing to stop."""
    values = {"reason": reason, "holder": None, "updated_ms": now_ms}
    moved = move(connection, [delivery_id], State.CANCELLED, *conditions, **values)
    if moved:
        tell_story(connection, now_ms, [(delivery_id, reason)])
        changed(connection, now_ms, moved)
    return bool(moved)


def cancel_instance(connection: sa.Connection, now_ms: int, run_id: str, map_index: int, reason: str) -> bool:
    """Stop what a run's instance is to publish, also where nobody has begun with it; then it does not matter
    which later run has claimed it meanwhile. False: it is on its way or out, or was given back."""
    found = claimed(connection, now_ms, run_id, map_index)
    if found is None:
        return False
    begun = sa.select(instances.c.ti_id).where(
        instances.c.run_id == run_id, instances.c.map_index == map_index
    )
    if connection.execute(begun.limit(1)).first() is None:
        return cancel(connection, now_ms, found, reason, _D.state.in_(WAITING))
    its_turn = (_D.run_id == run_id, _D.state.in_((State.CLAIMED, State.ARMED, State.REFUSED)))
    return cancel(connection, now_ms, found, reason, *its_turn)
