"""What a person may ask of a delivery that is not out, and what each state answers: one table for all ways.

Four ways lead here: clearing the task in Airflow, the Dags retry_deliveries, resolve_delivery and
cancel_posts (or the commands `retry`, `resolve` and `cancel`), and Airtable's requests. Two rules: what is
out, or may be, is never sent again unless a person says that it is not there; and what was asked, by whom and
with what answer, is in the delivery's story. When it then goes out is the claim's part, which spaces the
posts of an account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery import amendments, approvals
from schedulo.delivery.news import changed
from schedulo.delivery.rows import NOT_PLANNED, UNRESOLVED, tell_story
from schedulo.delivery.transitions import move
from schedulo.ledger.tables import deliveries, outcomes, steps, writes
from schedulo.model import Platform, Position, State, WriteState
from schedulo.platforms.links import LinkError, post_id

_D = deliveries.c

SOON_MS = 60_000
"""What is due within this time may be taken by an instance that asks for it."""


class Ask(StrEnum):
    RETRY = "retry"
    """Try it again, in a later run."""
    CLEAR = "clear"
    """Its task began again, cleared by a person or tried again by Airflow: try it in that instance."""
    IS_OUT = "out"
    """A person has looked: the post is there."""
    NOT_OUT = "not_out"
    """A person has looked: it is not there."""
    CANCEL = "cancel"
    """It is not to go out."""


class Deed(StrEnum):
    """What is done for a request; the words are for programs."""

    PLANNED = "planned"
    """It goes out with the next run."""
    TAKEN = "taken"
    """The instance that asks works on it."""
    LOOKED_UP = "looked_up"
    """It is asked once more what became of it; nothing is sent."""
    CONTINUED = "continued"
    """It is out in part, and goes on with what is missing."""
    CLOSED = "closed"
    """It counts as published."""
    CANCELLED = "cancelled"
    """It does not go out."""
    REFUSED = "refused"
    """Nothing is done."""


@dataclass(frozen=True, slots=True)
class Rule:
    deed: Deed
    sentence: str
    """For people; may name {state}, {reason}, {link}, {platform} and {fire}."""


_OUT = Rule(Deed.REFUSED, "refused, it is out: {link}")
_GOING = Rule(Deed.REFUSED, "refused, it is on its way; wait until its outcome is known")
_LOOKED_UP = Rule(Deed.REFUSED, "refused, it may be out and is being looked up; wait until that is known")
_AT_WORK = Rule(Deed.REFUSED, "nothing to do, it is {state}: it is being worked on")
_HELD = Rule(Deed.REFUSED, "refused, {reason}; release the hold")
_MISSED = Rule(Deed.REFUSED, "refused, it is {state}: plan it anew, or request a retry")
_ONCE_MORE = Rule(Deed.LOOKED_UP, "it is looked up once more; nothing is sent")
_NOT_READY = Rule(Deed.REFUSED, "refused, it is not ready: {reason}; it goes out as soon as it is")
_GO_ON = Rule(Deed.CONTINUED, "it is out in part, and goes on with what is missing")
_PLANNED = Rule(Deed.PLANNED, "planned again")
_MEND = Rule(Deed.REFUSED, "refused, the post must be mended first: {reason}")
_ON_ITS_OWN = Rule(Deed.REFUSED, "nothing to do, what is missing follows by itself")
_LATER_LOOKED_UP = Rule(Deed.CONTINUED, "it is out; what is not known of it is looked up once more")
_NOT_IN_DOUBT = Rule(Deed.REFUSED, "refused, it is {state}: only what is unresolved can be resolved")
_OPEN = Rule(Deed.REFUSED, "refused, a request of it is still open; wait until its outcome is known")
_UNAPPROVED = Rule(Deed.REFUSED, "refused, {reason}")
_TAKEN_DOWN = Rule(
    Deed.REFUSED, "refused, it was out and was taken down; to publish it again, make a new row"
)
_REMOVED = Rule(
    Deed.REFUSED, "refused, it was out and {platform} no longer shows it; to publish it again, make a new row"
)
_CANCELLED = Rule(Deed.CANCELLED, "cancelled")
_TOO_LATE = Rule(Deed.REFUSED, "refused, it is on its way; when it is out it can be taken down")
_CANCEL_OUT = Rule(Deed.REFUSED, "refused, it is out: {link}; it can be taken down")

S = State
_SAME: Mapping[State, Rule] = {
    S.CLAIMED: _AT_WORK,
    S.ARMED: _AT_WORK,
    S.REFUSED: _AT_WORK,
    S.SENDING: _GOING,
    S.UNKNOWN: _LOOKED_UP,
    S.PROCESSING: Rule(Deed.REFUSED, "refused, the platform has it and is working on it"),
    S.PUBLISHED: _OUT,
    S.WAITING_IN_APP: Rule(Deed.REFUSED, "refused, it waits for you in the app"),
    S.PUBLISHED_INCOMPLETE: _GO_ON,
    S.UNRESOLVED: _ONCE_MORE,
    S.TAKEN_DOWN: _TAKEN_DOWN,
    S.REMOVED: _REMOVED,
}
"""What holds however one asks to try it again."""
RULES: Mapping[Ask, Mapping[State, Rule]] = {
    Ask.RETRY: {
        **_SAME,
        S.SCHEDULED: Rule(Deed.REFUSED, "nothing to do, it is planned for {fire}"),
        S.HELD: _HELD,
        S.FAILED: _PLANNED,
        S.MISSED: _PLANNED,
        S.CANCELLED: _PLANNED,
    },
    Ask.CLEAR: {
        **_SAME,
        S.SCHEDULED: Rule(Deed.TAKEN, "taken up again"),
        S.HELD: _HELD,
        S.FAILED: Rule(Deed.TAKEN, "tried again"),
        S.MISSED: _MISSED,
        S.CANCELLED: _MISSED,
    },
    Ask.IS_OUT: {
        **dict.fromkeys(S, _NOT_IN_DOUBT),
        S.UNKNOWN: _LOOKED_UP,
        S.PUBLISHED: _OUT,
        S.TAKEN_DOWN: _TAKEN_DOWN,
        S.REMOVED: _REMOVED,
        S.UNRESOLVED: Rule(Deed.CLOSED, "published, as a person says: {link}"),
        S.PUBLISHED_INCOMPLETE: Rule(Deed.CONTINUED, "that part is out, as a person says; it goes on"),
    },
    Ask.NOT_OUT: {
        **dict.fromkeys(S, _NOT_IN_DOUBT),
        S.UNKNOWN: _LOOKED_UP,
        S.PUBLISHED: _OUT,
        S.TAKEN_DOWN: _TAKEN_DOWN,
        S.REMOVED: _REMOVED,
        S.UNRESOLVED: Rule(Deed.PLANNED, "it is not out, as a person says; sent once more"),
        S.PUBLISHED_INCOMPLETE: Rule(Deed.CONTINUED, "that part is not, as a person says; sent once more"),
    },
    Ask.CANCEL: {
        **dict.fromkeys((S.SCHEDULED, S.CLAIMED, S.ARMED, S.REFUSED, S.HELD, S.FAILED, S.MISSED), _CANCELLED),
        **dict.fromkeys((S.SENDING, S.UNKNOWN, S.PROCESSING), _TOO_LATE),
        **dict.fromkeys((S.PUBLISHED, S.PUBLISHED_INCOMPLETE), _CANCEL_OUT),
        S.WAITING_IN_APP: Rule(Deed.REFUSED, "refused, it waits in the app, and can be discarded there"),
        S.UNRESOLVED: Rule(Deed.REFUSED, "refused, nobody knows whether it is out: look, and say so first"),
        S.CANCELLED: Rule(Deed.REFUSED, "nothing to do, it is cancelled"),
        S.TAKEN_DOWN: Rule(Deed.REFUSED, "nothing to do, it was taken down"),
        S.REMOVED: Rule(Deed.REFUSED, "nothing to do, {platform} no longer shows it"),
    },
}


_SAID: Mapping[Ask, str] = {
    Ask.RETRY: "a retry was requested",
    Ask.CLEAR: "its task began again",
    Ask.IS_OUT: "'it is out' was said",
    Ask.NOT_OUT: "'it is not out, send it' was said",
    Ask.CANCEL: "a cancel was requested",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and by whom."""

    ask: Ask
    by: str
    """Who asks, and how, such as "by ann with the Dag retry_deliveries"."""
    grace_ms: int
    """How long it may still go out where its time is over."""
    quiet_ms: int = 0
    """For NOT_OUT: a request sent so long ago may still arrive."""
    link: str = ""
    """For IS_OUT: where the post can be seen."""
    run_id: str = ""
    """For CLEAR: the run of the instance that asks."""
    holder: str | None = None
    """For CLEAR: its process."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is done for one delivery, or would be."""

    delivery_id: str
    label: str
    deed: Deed
    sentence: str
    permalink: str | None

    @property
    def done(self) -> bool:
        return self.deed is not Deed.REFUSED


def foresee(connection: sa.Connection, now_ms: int, ids: Sequence[str], request: Request) -> list[Told]:
    """What would be done, in the order of `ids`; nothing is. Unknown ids are left out."""
    return [_decide(now_ms, row, request) for row in _rows(connection, ids, lock=False)]


def ask(connection: sa.Connection, now_ms: int, ids: Sequence[str], request: Request) -> list[Told]:
    """Do what is asked of these deliveries; answers in the order of `ids`. Unknown ids are left out."""
    told = []
    for row in _rows(connection, ids, lock=True):
        answer = _decide(now_ms, row, request)
        if answer.done:
            answer = _DEEDS[answer.deed](connection, now_ms, row, request, answer)
        if answer.done or request.ask is not Ask.CLEAR:  # an instance may ask many times
            line = f"{_SAID[request.ask]} {request.by}: {answer.sentence}"
            tell_story(connection, now_ms, [(row.id, line)])
            changed(connection, now_ms, [row.id])
        told.append(answer)
    return told


def _rows(connection: sa.Connection, ids: Sequence[str], *, lock: bool) -> list[Any]:
    query = sa.select(deliveries).where(_D.id.in_(list(ids))).order_by(_D.id)
    found = {row.id: row for row in connection.execute(query.with_for_update() if lock else query)}
    return [found[id_] for id_ in dict.fromkeys(ids) if id_ in found]


def _decide(now_ms: int, row: Any, request: Request) -> Told:
    """The table's answer, and the few things beside the state that it depends on."""
    state = State(row.state)
    rule = RULES[request.ask][state]
    link = row.permalink or row.remote_id or "no link yet"
    in_doubt = row.error_kind == UNRESOLVED
    if request.ask in (Ask.RETRY, Ask.CLEAR):
        if row.error_kind == NOT_PLANNED:
            rule = _MEND
        elif state is State.HELD and row.error_kind == approvals.WAITS:
            rule = _UNAPPROVED
        elif state is State.HELD and row.error_kind and request.ask is Ask.RETRY:
            rule = _PLANNED  # a rule of ours holds it, which a person may overrule; a hold is released
        elif state is State.PUBLISHED_INCOMPLETE:
            rule = _LATER_LOOKED_UP if in_doubt else rule if row.error_kind else _ON_ITS_OWN
        elif rule.deed is Deed.TAKEN and state is State.SCHEDULED and row.fire_ms > now_ms + SOON_MS:
            rule = RULES[Ask.RETRY][state]
        elif rule.deed is Deed.TAKEN and not row.ready:
            rule = _NOT_READY if state is State.SCHEDULED else RULES[Ask.RETRY][state]
    elif request.ask is Ask.CANCEL:
        pass
    elif state is State.PUBLISHED_INCOMPLETE and not in_doubt:
        rule = _NOT_IN_DOUBT
    elif request.ask is Ask.IS_OUT and rule.deed is not Deed.REFUSED:
        link = request.link.strip()
        try:
            post_id(Platform(row.platform), link)
        except LinkError as error:
            return Told(row.id, row.label, Deed.REFUSED, f"refused, {error}", row.permalink)
    values = {"state": state, "reason": row.reason or state, "link": link, "fire": iso(row.fire_ms)}
    values["platform"] = row.platform
    permalink = link if rule.deed is Deed.CLOSED else row.permalink
    return Told(row.id, row.label, rule.deed, rule.sentence.format(**values), permalink)


# --- deeds ------------------------------------------------------------------------------------------------


def _fresh(now_ms: int, row: Any, request: Request) -> dict[str, Any]:
    """As if it had never failed, with time to go out. What a person asks for stands whatever its row says."""
    return {
        "fire_ms": max(now_ms, row.due_ms),
        "not_after_ms": max(row.not_after_ms, now_ms + request.grace_ms),
        "asked_ms": now_ms if row.due_ms <= now_ms else row.asked_ms,
        "attempts": 0,
        "trouble_since_ms": None,
        "error_kind": "",
        "error_code": "",
        "reason": "",
        "holder": request.holder,
        "run_id": request.run_id or row.run_id,
        "updated_ms": now_ms,
    }


def _plan(connection: sa.Connection, now_ms: int, row: Any, request: Request, answer: Told) -> Told:
    values = _fresh(now_ms, row, request)
    if request.ask is Ask.NOT_OUT:
        closed = _close_writes(connection, now_ms, row, request)
        if closed is None:
            return _refused(row, _OPEN)
        values |= {"fire_ms": closed.quiet_ms, "armed_version": None, "resends": _D.resends + 1}
        expired = sa.and_(steps.c.delivery_id == row.id, steps.c.expires_ms <= now_ms)
        connection.execute(sa.delete(steps).where(expired))  # what still lives cannot be used twice
    move(connection, [row.id], State.SCHEDULED, **values)
    return answer


def _take(connection: sa.Connection, now_ms: int, row: Any, request: Request, answer: Told) -> Told:
    values = _fresh(now_ms, row, request)
    if row.state == State.SCHEDULED:  # it waits for something: neither its tries nor its time begin anew
        values = {name: values[name] for name in ("holder", "run_id", "updated_ms")}
    move(connection, [row.id], State.CLAIMED, **values)
    return answer


def _look(connection: sa.Connection, now_ms: int, row: Any, request: Request, answer: Told) -> Told:
    values = {"holder": request.holder, "run_id": request.run_id or row.run_id}
    move(connection, [row.id], State.UNKNOWN, fire_ms=now_ms, updated_ms=now_ms, **values)
    return answer


def _continue(connection: sa.Connection, now_ms: int, row: Any, request: Request, answer: Told) -> Told:
    values = {**_fresh(now_ms, row, request), "fire_ms": now_ms, "asked_ms": row.asked_ms}
    if request.ask in (Ask.IS_OUT, Ask.NOT_OUT):
        closed = _close_writes(connection, now_ms, row, request)
        if closed is None:
            return _refused(row, _OPEN)
        if request.ask is Ask.NOT_OUT:
            values |= {"fire_ms": closed.quiet_ms, "resends": _D.resends + 1}
    connection.execute(sa.update(deliveries).where(_D.id == row.id).values(**values))
    return answer


def _publish(connection: sa.Connection, now_ms: int, row: Any, request: Request, answer: Told) -> Told:
    """It is out, as a person says. When it went out nobody knows, so no instant is written."""
    remote_id = post_id(Platform(row.platform), request.link)
    closed = _close_writes(connection, now_ms, row, request)
    if closed is None:
        return _refused(row, _OPEN)
    target = State.PUBLISHED_INCOMPLETE if closed.more else State.PUBLISHED
    values = {
        "fire_ms": now_ms,
        "not_after_ms": max(row.not_after_ms, now_ms + request.grace_ms),
        "permalink": answer.permalink,
        "remote_id": remote_id or row.remote_id,
        "reason": "",
        "error_kind": "",
        "error_code": "",
        "trouble_since_ms": None,
        "holder": None,
        "updated_ms": now_ms,
    }
    move(connection, [row.id], target, **values)
    return (
        replace(answer, sentence=f"{answer.sentence}; what belongs to it follows") if closed.more else answer
    )


def _cancel(connection: sa.Connection, now_ms: int, row: Any, request: Request, answer: Told) -> Told:
    return answer if amendments.cancel(connection, now_ms, row.id) else _refused(row, _TOO_LATE)


_DEEDS = {
    Deed.CANCELLED: _cancel,
    Deed.PLANNED: _plan,
    Deed.TAKEN: _take,
    Deed.LOOKED_UP: _look,
    Deed.CONTINUED: _continue,
    Deed.CLOSED: _publish,
}


def _refused(row: Any, rule: Rule) -> Told:
    return Told(row.id, row.label, rule.deed, rule.sentence, row.permalink)


@dataclass(frozen=True, slots=True)
class _Closed:
    """What was in doubt and is closed by a person's word."""

    quiet_ms: int
    """Until then it may still arrive; now, where that is over."""
    more: bool
    """Others follow it."""


def _close_writes(connection: sa.Connection, now_ms: int, row: Any, request: Request) -> _Closed | None:
    """Close what nobody knows the outcome of by a person's word, which is kept as evidence. None where a
    request is still open: its sender has the first word."""
    doubtful = connection.execute(
        sa.select(writes.c.id, writes.c.state, writes.c.position, writes.c.opened_ms).where(
            writes.c.delivery_id == row.id,
            writes.c.state.in_((WriteState.OPEN, WriteState.UNKNOWN)),
            writes.c.position != Position.AFTER,
        )
    ).all()
    if any(write.state == WriteState.OPEN for write in doubtful):
        return None
    state, value = WriteState.ABSENT, None
    if request.ask is Ask.IS_OUT:
        state = WriteState.ACCEPTED
        # Of X the flow wants the id of the post; of others what it does not find here it looks for itself.
        value = post_id(Platform.X, request.link) if row.platform == Platform.X else None
    for write in doubtful:
        note = f"{_SAID[request.ask]} {request.by}"
        word = {"write_id": write.id, "at_ms": now_ms, "state": f"said:{state}", "note": note, "value": value}
        connection.execute(sa.insert(outcomes), [word])
        closed = {"state": state, "value": value, "settled_ms": now_ms}
        connection.execute(sa.update(writes).where(writes.c.id == write.id).values(**closed))
    quiet_ms = max((write.opened_ms + request.quiet_ms for write in doubtful), default=0)
    return _Closed(max(now_ms, quiet_ms), any(write.position == Position.FIRST for write in doubtful))
