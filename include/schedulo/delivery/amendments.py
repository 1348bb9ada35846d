"""What a person may ask of a post that is out: take it down, change it. One table for all ways.

Four ways lead here: Airtable's requests, the DAG take_down_posts, and the commands `take-down` and `edit`. A
request is a row before anything is sent; `publishing.aftercare` carries it out, and may repeat it, since what
counts is that the post is gone, or says what it should. Nothing here ever publishes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import UNRESOLVED, Delivery, load, tell_story
from schedulo.delivery.transitions import ON_AIR, OUT, move
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import amendments, deliveries, writes
from schedulo.model import Account, Content, Position, State, WriteState

_D, _A = deliveries.c, amendments.c

TAKEN_BACK = "taken_back"
"""`error_kind` of a post whose later parts no longer follow, because it is to be taken down."""
PERSON = "person"
"""`error_kind` of what a person cancelled."""
NOTE = "Your request: "
"""Where what became of a request begins in the message of a delivery's row."""
LOOK_AGAIN_MS = 30_000
LEASE_MS = 300_000
PATIENCE_MS = 86_400_000
"""What could not be done in this time is not tried any more."""


class Verb(StrEnum):
    TAKE_DOWN = "take_down"
    EDIT = "edit"


WORDS: Mapping[Verb, str] = {Verb.TAKE_DOWN: "taken down", Verb.EDIT: "changed"}


class Deed(StrEnum):
    """What is done for a request; the words are for programs."""

    REQUESTED = "requested"
    """It is carried out within a minute or two."""
    CANCELLED = "cancelled"
    """It was not out, and does not go out."""
    REFUSED = "refused"
    """Nothing is done."""


@dataclass(frozen=True, slots=True)
class Rule:
    deed: Deed
    sentence: str


S = State
_UNSENT = (S.SCHEDULED, S.CLAIMED, S.ARMED, S.REFUSED, S.HELD)
_GOING = (S.SENDING, S.UNKNOWN, S.PROCESSING)
_RESTING = (S.FAILED, S.MISSED, S.CANCELLED)
_IN_APP = Rule(Deed.REFUSED, "refused, it is not out: it waits in the app, and can be discarded there")
_DOUBTFUL = Rule(Deed.REFUSED, "refused, nobody knows whether it is out: look, and say so first")
_DOWN = Rule(Deed.REFUSED, "nothing to do, it was taken down")
RULES: Mapping[Verb, Mapping[State, Rule]] = {
    Verb.TAKE_DOWN: {
        **dict.fromkeys(_UNSENT, Rule(Deed.CANCELLED, "it was not out yet; cancelled")),
        **dict.fromkeys(_GOING, Rule(Deed.REQUESTED, "it is on its way, and is taken down when it is out")),
        **dict.fromkeys(_RESTING, Rule(Deed.REFUSED, "nothing to do, it is not out")),
        **dict.fromkeys((*ON_AIR, S.REMOVED), Rule(Deed.REQUESTED, "it is out, and is to be taken down")),
        S.WAITING_IN_APP: _IN_APP,
        S.UNRESOLVED: _DOUBTFUL,
        S.TAKEN_DOWN: _DOWN,
    },
    Verb.EDIT: {
        **dict.fromkeys(
            (*_UNSENT, *_RESTING), Rule(Deed.REFUSED, "nothing to do, it is not out: its row is what counts")
        ),
        **dict.fromkeys(_GOING, Rule(Deed.REFUSED, "refused, it is on its way; ask again when it is out")),
        **dict.fromkeys(ON_AIR, Rule(Deed.REQUESTED, "it is out, and is to be changed")),
        S.WAITING_IN_APP: _IN_APP,
        S.UNRESOLVED: _DOUBTFUL,
        S.TAKEN_DOWN: _DOWN,
        S.REMOVED: Rule(Deed.REFUSED, "refused, its platform no longer shows it"),
    },
}
_ASKED = Rule(Deed.REFUSED, "nothing to do, that was asked for already")
_UNNAMED = Rule(Deed.REFUSED, "refused, the platform's id of the post is not known; do it in the app")
_SAME = Rule(Deed.REFUSED, "nothing to do, its row has no other text that could go out")
_BUSY = Rule(Deed.REFUSED, "refused, an earlier change is not done yet; ask again when it is")
_TOO_LONG = "what became of it was not known for a day"

WhyNot = Callable[[Verb, Account, Content], str]
"""Why a platform cannot do that with such a post, as a sentence; empty where it can."""


@dataclass(frozen=True, slots=True)
class Request:
    verb: Verb
    by: str
    """Who asks, and how, such as "by ann with the Dag take_down_posts"."""
    why_not: WhyNot


@dataclass(frozen=True, slots=True)
class Told:
    """What is done for one delivery, or would be."""

    delivery_id: str
    label: str
    deed: Deed
    sentence: str
    permalink: str | None


# --- asking -----------------------------------------------------------------------------------------------


def foresee(connection: sa.Connection, ids: Sequence[str], request: Request) -> list[Told]:
    """What would be done, in the order of `ids`; nothing is. Unknown ids are left out."""
    return [_told(row, _decide(connection, row, request)) for row in _rows(connection, ids, lock=False)]


def ask(
    connection: sa.Connection, now_ms: int, ids: Sequence[str], request: Request, *, note: bool = False
) -> list[Told]:
    """Take down what is asked of these deliveries; answers in the order of `ids`. Unknown ids are left out.

    :param note: the answer is to stand in the delivery's row as well
    """
    told = []
    for row in _rows(connection, ids, lock=True):
        rule = _decide(connection, row, request)
        match rule.deed:
            case Deed.REQUESTED:
                _open(connection, now_ms, row, request)
            case Deed.CANCELLED:
                cancel(connection, now_ms, row.id)
        if note or rule.deed is Deed.REQUESTED:
            _note(connection, now_ms, row.id, rule.sentence)
        verb = "a take-down" if request.verb is Verb.TAKE_DOWN else "an edit"
        tell_story(connection, now_ms, [(row.id, f"{verb} was requested {request.by}: {rule.sentence}")])
        changed(connection, now_ms, [row.id])
        told.append(_told(row, rule))
    return told


def cancel(connection: sa.Connection, now_ms: int, id_: str) -> bool:
    """Cancel a delivery as a person asked; False where its state does not allow it."""
    moved = move(
        connection,
        [id_],
        State.CANCELLED,
        reason="cancelled by a person",
        error_kind=PERSON,
        holder=None,
        updated_ms=now_ms,
    )
    return bool(moved)


def _told(row: Any, rule: Rule) -> Told:
    return Told(row.id, row.label, rule.deed, rule.sentence, row.permalink)


def _rows(connection: sa.Connection, ids: Sequence[str], *, lock: bool) -> list[Any]:
    query = sa.select(deliveries).where(_D.id.in_(list(ids))).order_by(_D.id)
    found = {row.id: row for row in connection.execute(query.with_for_update() if lock else query)}
    return [found[id_] for id_ in dict.fromkeys(ids) if id_ in found]


def _decide(connection: sa.Connection, row: Any, request: Request) -> Rule:
    """The table's answer, and what it depends on beside the state."""
    rule = RULES[request.verb][State(row.state)]
    if rule.deed is not Deed.REQUESTED:
        return rule
    delivery = load(connection, [row.id])[row.id]
    if sentence := request.why_not(request.verb, delivery.account, delivery.content):
        return Rule(Deed.REFUSED, f"refused, {sentence}")
    if _unresolved(row):
        return _DOUBTFUL
    if delivery.state in ON_AIR and not delivery.remote_id:
        return _UNNAMED
    if request.verb is Verb.EDIT and (not row.newer or _newer(row).text == delivery.content.text):
        return _SAME
    query = sa.select(_A.content).where(_A.delivery_id == row.id, _A.verb == request.verb, _A.state == "open")
    open_ = connection.execute(query).first()
    if open_ is None:
        return rule
    other = request.verb is Verb.EDIT and Content.from_json(open_.content).text != _newer(row).text
    return _BUSY if other else _ASKED


def _unresolved(row: Any) -> bool:
    """Nobody knows whether it is out, or a part of it, and nobody looks any more until a person asks."""
    incomplete = row.state == State.PUBLISHED_INCOMPLETE and row.error_kind == UNRESOLVED
    return bool(incomplete or row.state == State.UNRESOLVED)


def _newer(row: Any) -> Content:
    return Content.from_json(row.newer["content"])


def _open(connection: sa.Connection, now_ms: int, row: Any, request: Request) -> None:
    content, fingerprint = None, ""
    if request.verb is Verb.EDIT:  # its text alone is changed; the rest stays what is out
        wanted = replace(Content.from_json(row.content), text=_newer(row).text)
        content = wanted.to_json()
        fingerprint = row.newer["fingerprint"] if wanted == _newer(row) else ""
    count = sa.select(sa.func.count()).where(_A.delivery_id == row.id, _A.verb == request.verb)
    connection.execute(
        sa.insert(amendments).values(
            id=secrets.token_hex(12),
            delivery_id=row.id,
            verb=request.verb,
            number=connection.execute(count).scalar_one() + 1,
            asked_by=request.by,
            state="open",
            content=sa.null() if content is None else content,
            fingerprint=fingerprint,
            asked_ms=now_ms,
            next_ms=now_ms,
        )
    )


def _note(connection: sa.Connection, now_ms: int, delivery_id: str, sentence: str) -> None:
    """Let the row say what became of a request, after what it says already."""
    query = sa.select(_D.reason).where(_D.id == delivery_id)
    before = connection.execute(query).scalar_one().partition(NOTE)[0].strip()
    connection.execute(
        sa.update(deliveries)
        .where(_D.id == delivery_id)
        .values(reason="\n".join(filter(None, (before, f"{NOTE}{sentence}."))), updated_ms=now_ms)
    )


def give_up_edits(connection: sa.Connection, now_ms: int, why: str) -> None:
    """End all open edits: newer ones may have been done since."""
    query = sa.select(_A.id, _A.delivery_id).where(_A.verb == Verb.EDIT, _A.state == "open")
    for row in connection.execute(query).all():
        answer = f"it could not be {WORDS[Verb.EDIT]}: {why}"
        values = {"state": "failed", "answer": answer, "settled_ms": now_ms, "holder": None}
        connection.execute(sa.update(amendments).where(_A.id == row.id).values(**values))
        _note(connection, now_ms, row.delivery_id, answer)
        tell_story(connection, now_ms, [(row.delivery_id, answer)])
        changed(connection, now_ms, [row.delivery_id])


# --- carrying out -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Amendment:
    """One request that is being carried out."""

    id: str
    verb: Verb
    number: int
    asked_by: str
    asked_ms: int
    tries: int
    content: Content | None
    """Of an edit: what the post becomes."""
    fingerprint: str
    holder: str
    delivery: Delivery

    @property
    def name(self) -> str:
        """Of the commit of an edit."""
        return f"{self.verb}-{self.number}"


def anything_due(connection: sa.Connection, now_ms: int) -> bool:
    """Whether a request waits to be carried out."""
    return connection.execute(sa.select(_A.id).where(*_due(now_ms)).limit(1)).first() is not None


def _due(now_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    free = sa.or_(_A.holder.is_(None), _A.held_until_ms <= now_ms)
    return (_A.state == "open", _A.next_ms <= now_ms, free)


def take(
    connection: sa.Connection, now_ms: int, holder: str, ids: Sequence[str] | None, limit: int = 100
) -> list[Amendment]:
    """Take what is due (of these deliveries alone, where `ids` are given), oldest first, for a while."""
    chosen = [] if ids is None else [_A.delivery_id.in_(list(ids))]
    query = sa.select(_A.id).where(*_due(now_ms), *chosen).order_by(_A.asked_ms, _A.id).limit(limit)
    taken = connection.execute(
        sa.update(amendments)
        .where(_A.id.in_(connection.execute(query).scalars().all()), *_due(now_ms))
        .values(holder=holder, held_until_ms=now_ms + LEASE_MS)
        .returning(*amendments.c)
    ).all()
    found = load(connection, [row.delivery_id for row in taken])
    return [
        Amendment(
            row.id,
            Verb(row.verb),
            row.number,
            row.asked_by,
            row.asked_ms,
            row.tries,
            Content.from_json(row.content) if row.content else None,
            row.fingerprint,
            holder,
            found[row.delivery_id],
        )
        for row in sorted(taken, key=lambda row: (row.asked_ms, row.id))
    ]


def ready(connection: sa.Connection, now_ms: int, amendment: Amendment) -> bool:
    """Whether the post may be changed now. Where it may not, the request is put off or settled; where another
    has taken or ended it meanwhile, it is theirs."""
    held = sa.update(amendments).where(*_mine(amendment)).values(held_until_ms=now_ms + LEASE_MS)
    if not connection.execute(held).rowcount:
        return False
    row = connection.execute(sa.select(deliveries).where(_D.id == amendment.delivery.id)).one()
    state = State(row.state)
    if _unresolved(row):
        return fail(connection, now_ms, amendment, _DOUBTFUL.sentence.removeprefix("refused, "))
    if state in _GOING or _in_doubt(connection, row.id):
        if now_ms - amendment.asked_ms > PATIENCE_MS:
            return fail(connection, now_ms, amendment, _TOO_LONG)
        return _put_off(connection, now_ms, amendment)
    if state is State.PUBLISHED_INCOMPLETE and row.error_kind == "":
        return _stop_following(connection, now_ms, amendment)
    if state not in OUT:
        if cancel(connection, now_ms, row.id):
            _settle(connection, now_ms, amendment, "done", "it did not go out; cancelled")
        else:
            _settle(connection, now_ms, amendment, "done", "it did not go out")
        return False
    if RULES[amendment.verb][state].deed is not Deed.REQUESTED:
        _settle(connection, now_ms, amendment, "failed", RULES[amendment.verb][state].sentence)
        return False
    if not row.remote_id:
        return fail(connection, now_ms, amendment, _UNNAMED.sentence.removeprefix("refused, "))
    return True


def _mine(amendment: Amendment) -> tuple[sa.ColumnElement[bool], ...]:
    """SQL: the request is open, and whoever took it has it still."""
    return (_A.id == amendment.id, _A.state == "open", _A.holder == amendment.holder)


def _in_doubt(connection: sa.Connection, delivery_id: str) -> bool:
    """A request that publishes a part of it is open, or nobody knows whether it was taken."""
    query = sa.select(writes.c.id).where(
        writes.c.delivery_id == delivery_id,
        writes.c.position != Position.AFTER,
        writes.c.state.in_((WriteState.OPEN, WriteState.UNKNOWN)),
    )
    return connection.execute(query.limit(1)).first() is not None


def _stop_following(connection: sa.Connection, now_ms: int, amendment: Amendment) -> bool:
    """Of a thread that is still going out nothing more follows, then it goes."""
    if amendment.verb is Verb.TAKE_DOWN:
        reason = "the post is to be taken down; nothing more of it follows"
        connection.execute(
            sa.update(deliveries)
            .where(_D.id == amendment.delivery.id, _D.state == State.PUBLISHED_INCOMPLETE)
            .values(error_kind=TAKEN_BACK, reason=reason, holder=None, updated_ms=now_ms)
        )
        tell_story(connection, now_ms, [(amendment.delivery.id, reason)])
    return _put_off(connection, now_ms, amendment, 1)


def _put_off(
    connection: sa.Connection, now_ms: int, amendment: Amendment, wait_ms: int = LOOK_AGAIN_MS
) -> bool:
    connection.execute(
        sa.update(amendments)
        .where(_A.id == amendment.id)
        .values(next_ms=now_ms + wait_ms, holder=None, held_until_ms=None)
    )
    return False


def later(connection: sa.Connection, now_ms: int, amendment: Amendment, wait_s: float, why: str) -> bool:
    """Try it again in `wait_s`; False where it was tried for long enough, which ends it, or where another has
    it now."""
    if now_ms - amendment.asked_ms > PATIENCE_MS:
        return fail(connection, now_ms, amendment, why)
    put_off = connection.execute(
        sa.update(amendments)
        .where(*_mine(amendment))
        .values(
            next_ms=now_ms + int(wait_s * 1000),
            holder=None,
            held_until_ms=None,
            tries=_A.tries + 1,
            answer=why,
        )
    )
    if not put_off.rowcount:
        return False
    sentence = f"it is not {WORDS[amendment.verb]} yet: {why}; tried again"
    _note(connection, now_ms, amendment.delivery.id, sentence)
    tell_story(connection, now_ms, [(amendment.delivery.id, sentence)])
    changed(connection, now_ms, [amendment.delivery.id])
    return True


def fail(
    connection: sa.Connection,
    now_ms: int,
    amendment: Amendment,
    why: str,
    *,
    actor: Actor = Actor.AUTHOR,
    kind: str = "refused",
) -> bool:
    """It cannot be done; a person must act. Always False. Nothing where another has it now."""
    delivery = amendment.delivery
    sentence = f"it could not be {WORDS[amendment.verb]}: {why}"
    if not _settle(connection, now_ms, amendment, "failed", sentence):
        return False
    about = f"{kind}:{delivery.account.key}"
    who = Actor.OPERATOR if actor is Actor.NOBODY else actor
    incident(connection, now_ms, Trouble.UNCHANGED, sentence, actor=who, about=about, cases=[delivery.id])
    return False


def _settle(connection: sa.Connection, now_ms: int, amendment: Amendment, state: str, answer: str) -> bool:
    """End it, and say so; False where another has it now."""
    if not _close(connection, now_ms, amendment, state, answer, *_mine(amendment)):
        return False
    _note(connection, now_ms, amendment.delivery.id, answer)
    tell_story(connection, now_ms, [(amendment.delivery.id, answer)])
    changed(connection, now_ms, [amendment.delivery.id])
    return True


def _close(
    connection: sa.Connection,
    now_ms: int,
    amendment: Amendment,
    state: str,
    answer: str,
    *conditions: sa.ColumnElement[bool],
) -> bool:
    values = {"state": state, "answer": answer, "settled_ms": now_ms, "holder": None, "held_until_ms": None}
    statement = sa.update(amendments).where(_A.id == amendment.id, *conditions).values(**values)
    return connection.execute(statement).rowcount == 1


def done(connection: sa.Connection, now_ms: int, amendment: Amendment, note: str) -> None:
    """It was done: the post is gone, or says what it should. That counts whoever has the request now, unless
    it has ended: then a newer one may have been done since."""
    delivery = amendment.delivery
    sentence = f"{WORDS[amendment.verb]}, as was asked {amendment.asked_by}" + (f"; {note}" if note else "")
    if not _close(connection, now_ms, amendment, "done", sentence, _A.state == "open"):
        return
    values: dict[str, Any] = {"reason": sentence, "updated_ms": now_ms}
    if amendment.verb is Verb.TAKE_DOWN:
        values |= {"removed_ms": sa.func.coalesce(_D.removed_ms, now_ms), "error_kind": "", "holder": None}
        move(connection, [delivery.id], State.TAKEN_DOWN, **values)
        edits = (_A.delivery_id == delivery.id, _A.state == "open")
        over = {"state": "failed", "answer": "the post was taken down", "settled_ms": now_ms}
        connection.execute(sa.update(amendments).where(*edits).values(**over))
    else:
        assert amendment.content is not None
        values["content"] = amendment.content.to_json()
        query = sa.select(_D.newer).where(_D.id == delivery.id)
        newer = connection.execute(query).scalar_one() or {}
        if not amendment.fingerprint:
            values["reason"] += "; its text alone can be changed, the rest is as it was"
        elif newer.get("fingerprint") == amendment.fingerprint:  # else its row was changed once more
            values |= {"fingerprint": amendment.fingerprint, "newer": sa.null()}
            values["content_hash"] = newer["content_hash"]
        connection.execute(sa.update(deliveries).where(_D.id == delivery.id).values(**values))
    tell_story(connection, now_ms, [(delivery.id, sentence)])
    changed(connection, now_ms, [delivery.id])
