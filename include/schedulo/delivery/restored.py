"""A ledger that went back in time: how that is noticed, and what is done before anything goes out again.

A restored backup believes that posts which went out since are still to be sent. Three witnesses contradict
it: Airflow remembers a run whose tick this ledger does not know; Airtable's Deliveries were written later
than this ledger ever wrote there; or a person says so. Then what Airtable was told is taken over, and every
delivery that may have gone out unseen is *in doubt*: it becomes unknown and is looked for by its content
before anything is sent for it. Looking is the platforms' part, drawing the conclusion is `endings`'.

A restored span is kept for good: a post of that time which a person asks for later is looked for as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.rows import Told
from schedulo.clock import iso
from schedulo.delivery.amendments import give_up_edits
from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.delivery.news import changed
from schedulo.delivery.rows import LOST, UNRESOLVED, tell_story
from schedulo.delivery.transitions import ON_AIR, OUT, move
from schedulo.errors.kinds import Actor
from schedulo.ledger import marks
from schedulo.ledger.tables import deliveries, outbox, writes
from schedulo.ledger.tables import marks as marks_table
from schedulo.model import State, WriteState

MARGIN_MS = 3_600_000
"""Deliveries that were due so long before the backup may have gone out after it."""
FAR_BACK_MS = 24 * 3_600_000
"""How far a ledger that knows nothing at all goes back, where Airtable does not say how far it was told."""
EARLY_MS = 600_000
"""A post is looked for from this long before it was due: some carry the time of their draft."""
SILENT_MS = 600_000
"""Without a tick for so long nothing is sent: a machine that was set back looks just like this."""
BETWEEN_TICKS_MS = 150_000
"""Without a tick for so long nothing is done between two of them: a tick asks first whether the ledger is an
old one. Longer than two ticks are apart, and shorter than it takes to restore a backup."""

TICK = "tick"
LOGICAL = "tick:logical"
TOLD = "deliveries:told"
UNCONFIRMED = "ledger:unconfirmed"
SPAN = "restored:"

_D = deliveries.c
_MAYBE_OUT = (WriteState.OPEN, WriteState.ACCEPTED, WriteState.UNKNOWN)
_DOUBTED = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED, State.MISSED)
_RESTED = (State.FAILED, State.MISSED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Span:
    """A time of which this ledger knows less than happened."""

    found_ms: int
    from_ms: int
    """What was due from here on is in doubt; 0 until it is known how far a new ledger goes back."""
    until_ms: int
    witness: str
    """Who contradicted the ledger, as a sentence."""
    asked: bool = False
    """Airtable has said what it knows: what is not in doubt may go out."""
    over: bool = False

    @property
    def name(self) -> str:
        return f"{SPAN}{self.found_ms}"


def watch(
    connection: sa.Connection, now_ms: int, run_id: str, logical_ms: int | None, last_success_ms: int | None
) -> None:
    """Note that a tick begins, and compare with what Airflow remembers.

    Both instants are logical dates, so no two clocks are compared: every run that succeeded had its tick,
    and the ledger keeps the latest date. `last_success_ms` is that of Airflow's previous successful run.
    """
    _, before_ms = marks.read(connection, TICK)
    known = marks.read(connection, LOGICAL)[0]
    if last_success_ms is not None and last_success_ms > int(known or 0) and (known or not before_ms):
        begin(
            connection,
            now_ms,
            before_ms - MARGIN_MS if before_ms else 0,
            f"Airflow remembers the run of {iso(last_success_ms)}, this ledger does not",
        )
    elif now_ms - before_ms > SILENT_MS:
        marks.mark(connection, now_ms, UNCONFIRMED)
    marks.mark(connection, now_ms, TICK, run_id)
    latest = max(int(known or 0), logical_ms or 0)
    if latest:
        marks.mark(connection, now_ms, LOGICAL, str(latest))


def begin(connection: sa.Connection, now_ms: int, from_ms: int, witness: str) -> Span:
    """Restore mode begins: until Airtable was asked, nothing goes out."""
    span = Span(now_ms, from_ms, now_ms, witness)
    _keep(connection, span)
    give_up_edits(connection, now_ms, "the ledger was restored; look at the post, and ask again")
    since = iso(from_ms) if from_ms else "it was lost"
    sentence = (
        f"The ledger was restored from a backup, or is a new one: {witness}. "
        f"Posts that were due since {since} are looked for before they are sent."
    )
    incident(connection, now_ms, Trouble.RESTORED, sentence, actor=Actor.OPERATOR, about=str(now_ms))
    return span


def spans(connection: sa.Connection) -> list[Span]:
    """All restored spans, oldest first."""
    query = sa.select(marks_table.c.value).where(marks_table.c.name.startswith(SPAN, autoescape=True))
    return sorted(
        (Span(**json.loads(value)) for value in connection.execute(query).scalars()),
        key=lambda span: span.found_ms,
    )


def _keep(connection: sa.Connection, span: Span) -> None:
    marks.mark(connection, span.found_ms, span.name, json.dumps(asdict(span)))


def why_not(connection: sa.Connection) -> str:
    """Why nothing may be claimed yet; empty when it may."""
    if any(not span.asked for span in spans(connection)):
        return "the ledger was restored: nothing goes out until Airtable has said what it was told"
    if marks.read(connection, UNCONFIRMED)[0] is not None:
        return "the ledger was silent, perhaps it is an old one: nothing goes out until Airtable was read"
    return ""


def silent(now_ms: int) -> sa.ColumnElement[bool]:
    """SQL: ticks have been missing for so long that this may be an old ledger which nobody noticed yet."""
    m = marks_table.c
    return sa.exists().where(m.name == TICK, m.at_ms < now_ms - SILENT_MS)


def silence(connection: sa.Connection, now_ms: int) -> str:
    """That ticks have been missing, as a sentence; empty when they have not."""
    if connection.execute(sa.select(silent(now_ms))).scalar_one():
        return "publish_due_posts has not run for ten minutes, and the ledger may be an old one"
    return ""


def unwatched(connection: sa.Connection, now_ms: int) -> str:
    """Why what is done between two ticks must wait for the next one, as a sentence; else empty."""
    if now_ms - marks.read(connection, TICK)[1] <= BETWEEN_TICKS_MS:
        return ""
    return "publish_due_posts has not just run, and sees first whether the ledger is an old one"


def told_until(connection: sa.Connection) -> int | None:
    """How far this ledger has written into Deliveries, by the writers' own clocks; None: never."""
    value = marks.read(connection, TOLD)[0]
    return int(value) if value else None


def telling(connection: sa.Connection, now_ms: int, until_ms: int) -> None:
    """Rows that say "updated" up to `until_ms` are this ledger's own."""
    marks.mark(connection, now_ms, TOLD, str(until_ms))


def weigh(connection: sa.Connection, now_ms: int, told: Sequence[Told], *, complete: bool) -> None:
    """Take in what Airtable says beyond this ledger.

    :param told: the rows that this ledger did not write last
    :param complete: all posts of the base are in the ledger
    """
    waiting = [span for span in spans(connection) if not span.asked]
    until_ms = told_until(connection)
    if told and not waiting:
        from_ms = until_ms - MARGIN_MS if until_ms else 0
        witness = f"{len(told)} rows of Deliveries were written by another ledger"
        waiting = [begin(connection, now_ms, from_ms, witness)]
    if not complete:
        return
    _take_over(connection, now_ms, told)
    latest_ms = max((item.updated_ms for item in told), default=0)
    if latest_ms:
        telling(connection, now_ms, max(latest_ms, until_ms or 0))
    for span in waiting:
        from_ms = span.from_ms or (latest_ms - MARGIN_MS if latest_ms else span.until_ms - FAR_BACK_MS)
        _keep(connection, replace(span, from_ms=from_ms, asked=True))
    connection.execute(sa.delete(marks_table).where(marks_table.c.name == UNCONFIRMED))


def _take_over(connection: sa.Connection, now_ms: int, told: Iterable[Told]) -> None:
    """What Airtable was told of a delivery counts, where this ledger knows less."""
    best: dict[str, Told] = {}
    for item in told:  # of doubled rows the one that says that it is out
        if item.key not in best or (item.state in OUT and best[item.key].state not in OUT):
            best[item.key] = item
    query = sa.select(_D.id, _D.state, _D.error_kind).where(_D.id.in_(list(best)))
    for row in connection.execute(query).all():
        item = best[row.id]
        connection.execute(
            sa.update(outbox)
            .where(outbox.c.key == row.id, outbox.c.record_id.is_(None))
            .values(record_id=item.record_id)
        )
        if row.state in ON_AIR and item.state in (State.TAKEN_DOWN, State.REMOVED):
            _known_out(connection, now_ms, row.id, item)
        if row.state in OUT:
            continue
        if item.state in OUT and item.state is not State.PROCESSING:
            _known_out(connection, now_ms, row.id, item)
        elif item.state in (State.PROCESSING, State.SENDING, State.UNKNOWN, State.UNRESOLVED):
            _doubt(connection, now_ms, spans(connection)[-1], [row.id])
        elif item.state in _RESTED:
            kind = "person" if item.state is State.CANCELLED else ""
            values = {"reason": item.message, "error_kind": kind, "holder": None, "updated_ms": now_ms}
            waiting = _D.state.in_((State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED, State.HELD))
            if move(connection, [row.id], item.state, waiting, **values):
                tell_story(
                    connection, now_ms, [(row.id, f"{item.state}, as Airtable was told: {item.message}")]
                )


def _known_out(connection: sa.Connection, now_ms: int, delivery_id: str, item: Told) -> None:
    assert item.state is not None
    moved = move(
        connection,
        [delivery_id],
        item.state,
        remote_id=sa.func.coalesce(item.post_id, _D.remote_id),
        permalink=sa.func.coalesce(item.permalink, _D.permalink),
        accepted_ms=sa.func.coalesce(item.accepted_ms, _D.accepted_ms),
        published_ms=sa.func.coalesce(item.published_ms, _D.published_ms),
        reason=item.message,
        error_kind=UNRESOLVED if item.state is State.PUBLISHED_INCOMPLETE else "",
        error_code="",
        holder=None,
        updated_ms=now_ms,
    )
    if moved:
        connection.execute(
            sa.update(writes)
            .where(writes.c.delivery_id == delivery_id, writes.c.state.in_(_MAYBE_OUT))
            .values(state=WriteState.ACCEPTED, settled_ms=now_ms)
        )
        link = item.permalink or item.post_id or "no link"
        tell_story(connection, now_ms, [(delivery_id, f"it is out, as Airtable was told before: {link}")])


def doubt(connection: sa.Connection, now_ms: int) -> int:
    """Every delivery that may have gone out in a restored span becomes unknown; answers how many."""
    found = 0
    for span in spans(connection):
        if not span.from_ms:
            continue
        in_span = sa.or_(
            _D.due_ms.between(span.from_ms, span.until_ms),
            # It was late already and still allowed to go out.
            sa.and_(_D.due_ms < span.from_ms, _D.not_after_ms > span.from_ms + MARGIN_MS),
            sa.and_(_D.commanded_ms.between(span.from_ms, span.until_ms), _D.due_ms < span.from_ms),
        )
        query = sa.select(_D.id).where(_D.state.in_(_DOUBTED), in_span, ~_looked_for(span))
        found += _doubt(connection, now_ms, span, connection.execute(query).scalars().all())
    return found


def _looked_for(span: Span) -> sa.ColumnElement[bool]:
    """SQL: the delivery was in doubt because of this span already."""
    return sa.exists().where(writes.c.id == sa.literal(f"{LOST}{span.found_ms}:") + _D.id)


def _doubt(connection: sa.Connection, now_ms: int, span: Span, ids: Sequence[str]) -> int:
    """A write in the place of the one that this ledger may have lost: it is what is looked for."""
    live = sa.exists().where(writes.c.delivery_id == _D.id, writes.c.state.in_(_MAYBE_OUT))
    rows = connection.execute(
        sa.select(_D.id, _D.due_ms, _D.content, _D.fence, _D.account_key).where(
            _D.id.in_(ids), _D.state.in_((*_DOUBTED, State.HELD, State.FAILED, State.CANCELLED)), ~live
        )
    ).all()
    sentence = "it may have gone out before the ledger was restored; being looked up"
    values = {"holder": None, "fire_ms": now_ms, "reason": sentence, "error_kind": "", "updated_ms": now_ms}
    moved = move(connection, [row.id for row in rows], State.UNKNOWN, fence=_D.fence + 1, **values)
    lost = [
        {
            "id": f"{LOST}{span.found_ms}:{row.id}",
            "delivery_id": row.id,
            "name": "post",
            "state": WriteState.UNKNOWN,
            "fence": row.fence + 1,
            "holder": "",
            "request": {},
            "snapshot": row.content,
            "live": True,
            "opened_ms": row.due_ms - EARLY_MS,
            "sending_until_ms": now_ms,
        }
        for row in rows
        if row.id in moved
    ]
    if lost:
        connection.execute(sa.insert(writes), lost)
    tell_story(connection, now_ms, ((id_, sentence) for id_ in sorted(moved)))
    changed(connection, now_ms, moved)
    for row in rows:
        if row.id in moved and not row.content:
            _ask_a_person(connection, now_ms, row)
    return len(moved)


def _ask_a_person(connection: sa.Connection, now_ms: int, row: Any) -> None:
    """It cannot be looked for: its files were not here, and not even their kinds were known."""
    reason = (
        "it may have gone out before the ledger was restored, which knows nothing of its files: "
        "a person must look"
    )
    move(connection, [row.id], State.UNRESOLVED, reason=reason, updated_ms=now_ms)
    tell_story(connection, now_ms, [(row.id, reason)])
    about, cases = str(row.account_key), [row.id]
    incident(connection, now_ms, Trouble.UNRESOLVED, reason, actor=Actor.OPERATOR, about=about, cases=cases)


def conclude(connection: sa.Connection, now_ms: int) -> list[str]:
    """End each restored span whose looks are done; answers what they found, as sentences."""
    sentences = []
    for span in spans(connection):
        if span.over or not span.asked:
            continue
        ours = writes.c.id.startswith(f"{LOST}{span.found_ms}:", autoescape=True)
        query = (
            sa.select(_D.state, writes.c.state.label("found"))
            .join(writes, writes.c.delivery_id == _D.id)
            .where(ours)
        )
        looked_for = connection.execute(query).all()
        if any(row.state == State.UNKNOWN and row.found == WriteState.UNKNOWN for row in looked_for):
            continue
        out = sum(row.found == WriteState.ACCEPTED for row in looked_for)
        absent = sum(row.found == WriteState.ABSENT for row in looked_for)
        missed = sum(row.found == WriteState.ABSENT and row.state == State.MISSED for row in looked_for)
        person = sum(row.state == State.UNRESOLVED for row in looked_for)
        sentence = (
            f"The ledger was restored ({span.witness}): {len(looked_for)} posts were looked for; {out} were "
            f"out, {absent} were not and go out now ({missed} of them too late), {person} need a person."
        )
        _keep(connection, replace(span, over=True))
        about = str(span.found_ms)
        incident(connection, now_ms, Trouble.RESTORED, sentence, actor=Actor.OPERATOR, about=about)
        over(connection, now_ms, Trouble.RESTORED, about)
        sentences.append(sentence)
    return sentences
