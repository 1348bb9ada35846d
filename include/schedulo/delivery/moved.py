"""What becomes of posts that are due inside a maintenance window: moved to its end, held, or missed.

It is decided ahead, told in the post's row, and decided again when the windows or the post have changed
since, always from the post's own instant, which is kept beside it. So a window that is changed or called off
gives its posts back what was theirs, and a person who gives a post another time has taken it out of the
window.

The window's hold is what keeps a post from going out; this only says when it goes out instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.clock import spoken
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import tell_story
from schedulo.delivery.transitions import move
from schedulo.delivery.windows import Fate, Window, covered, heed_releases, live, past, windows_of
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import upsert
from schedulo.ledger.maintenance import window_posts
from schedulo.ledger.tables import deliveries, incident_cases
from schedulo.model import State

_D, _P = deliveries.c, window_posts.c

HELD_BY_MAINTENANCE = "maintenance"
"""`error_kind` of what waits for a person because of a window."""
LET_GO, MISS = "let_go", "miss"
"""Further fates: a person let go what was held; it cannot be moved, since its own time is over before."""
WAITS_MS = 30 * 86_400_000
"""What is held waits so long for a person, where its row does not say "not after"."""
UNSENT = (State.SCHEDULED, State.HELD)
"""What is under way is let finish; the fence gives back what is stopped, and then it is one of these."""
AT_ONCE = 200
"""So many are settled in one transaction; whoever sends waits for no more. The holds stop the others."""
LOOKED_AT = 5000
"""So many that stay as they are are noted as looked at in one transaction."""


_READ = (
    _D.id,
    _D.label,
    _D.platform,
    _D.account_key,
    _D.state,
    _D.version,
    _D.error_kind,
    _D.reason,
    _D.in_maintenance,
    _D.due_ms,
    _D.fire_ms,
    _D.not_after_ms,
)
"""What is read of each post of which is decided: not what it says."""


@dataclass(frozen=True, slots=True)
class Own:
    """What a post's row says of its time."""

    due_ms: int
    fire_ms: int
    not_after_ms: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one delivery."""

    row: Any
    own: Own
    window: Window | None
    """The window whose end it waits for; None: none stops it any more."""
    fate: str
    fire_ms: int
    not_after_ms: int

    @property
    def end_ms(self) -> int:
        return self.window.until_ms if self.window else 0


def settle(connection: sa.Connection, now_ms: int, grace_ms: int) -> set[str]:
    """Decide of every post that a window stops or stopped, of `AT_ONCE` at the most; answers what that
    changed. Run by every tick, and until nothing changes where a window is planned, changed or called off.

    :param grace_ms: how long a post may go out after its second, where its row does not say
    """
    heed_releases(connection, now_ms)
    found = live(connection, now_ms)
    under = _under(found, grace_ms)
    looked_at = decide(connection, now_ms, grace_ms, found, since=under)
    decisions = _write(connection, now_ms, [item for item in looked_at if _new(item)][:AT_ONCE], under)
    _note(connection, [item for item in looked_at if not _new(item)][:LOOKED_AT], under)
    freed = _free(connection, now_ms)
    story = [(item.row.id, words(item, now_ms)) for item in decisions]
    tell_story(connection, now_ms, [*story, *((id_, "maintenance no longer holds it") for id_ in freed)])
    _tell_missed(connection, now_ms, decisions)
    done = {item.row.id for item in decisions} | freed
    changed(connection, now_ms, done)
    return done


def _tell_missed(connection: sa.Connection, now_ms: int, decisions: Sequence[Decision]) -> None:
    """Authors hear ahead of what cannot be moved."""
    missed: dict[Window, list[str]] = {}
    for item in decisions:
        if item.fate == MISS and item.window is not None:
            missed.setdefault(item.window, []).append(item.row.id)
    for window, ids in missed.items():
        sentence = (
            f"{window.named(now_ms)}: these posts cannot go out after it, since their rows say 'Not after'. "
            "They are missed unless they get another time"
        )
        incident(
            connection,
            now_ms,
            Trouble.MAINTENANCE_MISSES,
            sentence,
            actor=Actor.AUTHOR,
            about=window.id,
            cases=ids,
        )


def decide(
    connection: sa.Connection, now_ms: int, grace_ms: int, found: Sequence[Window], since: str = ""
) -> list[Decision]:
    """What becomes of each post that one of these windows stops, or of which that was decided before; by the
    order in which they are due. Nothing is written.

    :param since: leave out what was decided under this and has not changed; empty: decide of all
    """
    query = (
        sa.select(
            *_READ,
            _P.window_id.label("was_window"),
            _P.fate.label("was_fate"),
            _P.until_ms.label("was_until"),
            _P.due_ms.label("own_due"),
            _P.fire_ms.label("own_fire"),
            _P.not_after_ms.label("own_not_after"),
        )
        .outerjoin(window_posts, _P.delivery_id == _D.id)
        .where(_D.state.in_(UNSENT), sa.or_(_P.until_ms > now_ms, covered(found, now_ms)))
        .order_by(_D.due_ms, _D.id)
    )
    if since:
        query = query.where(sa.or_(_P.delivery_id.is_(None), ~_as_decided(now_ms, since)))
    if (
        not found
        and not connection.execute(sa.select(_P.delivery_id).where(_P.until_ms > now_ms).limit(1)).first()
    ):
        return []
    rows = connection.execute(query).all()
    # What a window holds stays held when that is over, and is inside another one: a person lets it go.
    also = past(connection, now_ms, WAITS_MS) if any(_held(row) for row in rows) else []
    return [_decide(now_ms, grace_ms, [*found, *also] if _held(row) else found, row) for row in rows]


def _under(found: Sequence[Window], grace_ms: int) -> str:
    """What a decision depends on besides its post, as a short text: the windows, as they are now."""
    windows = ",".join(sorted(f"{window.id}.{window.version}" for window in found))
    return hashlib.sha256(f"{grace_ms} {windows}".encode()).hexdigest()[:16]


def _as_decided(now_ms: int, under: str) -> sa.ColumnElement[bool]:
    """SQL: it was decided under these windows, with the wish that its row has now, and stands as was decided.
    With 13,000 posts inside, to decide of all anew takes a tick 0.4 s, in which SQLite lets nobody else
    write."""
    held = sa.and_(_D.state == State.HELD, _D.error_kind == HELD_BY_MAINTENANCE)
    not_before = sa.case((_P.fate.in_((Fate.HOLD, MISS)), _P.fire_ms), else_=_P.until_ms)
    return sa.and_(
        _P.under == sa.literal(f"{under} ").concat(_D.in_maintenance),
        _P.until_ms > now_ms,
        _P.due_ms == _D.due_ms,
        _D.fire_ms >= not_before,
        sa.case((_P.fate == Fate.HOLD, held), else_=~held),
    )


def _decide(now_ms: int, grace_ms: int, found: Sequence[Window], row: Any) -> Decision:
    own = _own(now_ms, row)
    from_ms = max(own.fire_ms, now_ms)
    about = [window for window in found if window.about(row.platform, row.account_key)]
    last: Window | None = None
    fate: str = Fate.HOLD if row.in_maintenance == Fate.HOLD else ""
    for at_ms in (own.fire_ms, now_ms) if _held(row) else (from_ms,):
        while stopping := [window for window in about if window.stops(at_ms)]:
            last = max(stopping, key=lambda window: window.until_ms)
            if not row.in_maintenance and any(window.posts is Fate.HOLD for window in stopping):
                fate = Fate.HOLD
            at_ms = last.until_ms
    default = own.not_after_ms >= own.due_ms + grace_ms
    if last is None:
        late = own.fire_ms < now_ms and default
        not_after_ms = max(own.not_after_ms, now_ms + grace_ms) if late else own.not_after_ms
        return Decision(row, own, None, "", from_ms if row.was_fate else row.fire_ms, not_after_ms)
    if _held(row) and row.was_until <= now_ms:
        fate = Fate.HOLD  # by a window that is over: it waits for a person through all others
    elif row.was_fate == LET_GO or (row.was_fate == Fate.HOLD and row.error_kind != HELD_BY_MAINTENANCE):
        fate = LET_GO  # only a person lets go what is held
    if fate == Fate.HOLD:
        not_after_ms = last.until_ms + WAITS_MS if default else own.not_after_ms
        return Decision(row, own, last, fate, own.fire_ms, not_after_ms)
    if not default and own.not_after_ms <= last.until_ms:
        return Decision(row, own, last, MISS, own.fire_ms, own.not_after_ms)
    not_after_ms = last.until_ms + grace_ms if default else own.not_after_ms
    return Decision(row, own, last, fate or Fate.MOVE, last.until_ms, not_after_ms)


def _held(row: Any) -> bool:
    return bool(row.state == State.HELD and row.error_kind == HELD_BY_MAINTENANCE)


def _own(now_ms: int, row: Any) -> Own:
    """Its own time: as it was kept, unless somebody gave it another since, or that window is over."""
    if row.was_fate and row.own_due == row.due_ms and row.was_until > now_ms:
        return Own(row.own_due, row.own_fire, row.own_not_after)
    return Own(row.due_ms, row.fire_ms, row.not_after_ms)


def _new(item: Decision) -> bool:
    """Whether it is not so already."""
    row = item.row
    if item.window is None:
        return bool(row.was_fate)
    if item.fate == Fate.HOLD and row.state == State.HELD and row.error_kind not in ("", HELD_BY_MAINTENANCE):
        return False  # another rule holds it; when that lets it go, this one is asked again
    same = (row.was_window, row.was_fate, row.was_until) == (item.window.id, item.fate, item.end_ms)
    return not same or row.fire_ms < item.fire_ms or _held(row) != (item.fate == Fate.HOLD)


def _write(connection: sa.Connection, now_ms: int, items: Sequence[Decision], under: str) -> list[Decision]:
    """Write decisions down, in few statements: on SQLite who sends waits for all of them. Answers those whose
    delivery has not changed since it was read."""
    if not items:
        return []
    query = sa.select(_D.id, _D.state, _D.version).where(_D.id.in_([item.row.id for item in items]))
    locked = connection.execute(query.order_by(_D.id).with_for_update()).all()
    stands = {(row.id, row.state, row.version) for row in locked}
    done = [item for item in items if (item.row.id, item.row.state, item.row.version) in stands]
    held = [item for item in done if item.fate == Fate.HOLD]
    freed = [item for item in done if item.fate != Fate.HOLD and _held(item.row)]
    said = [(item.row.id, words(item, now_ms), HELD_BY_MAINTENANCE) for item in held]
    said += [(item.row.id, "", "") for item in freed]
    one = sa.update(deliveries).where(_D.id == sa.bindparam("b_id"))
    if said:
        why = one.values(reason=sa.bindparam("b_reason"), error_kind=sa.bindparam("b_kind"))
        connection.execute(why, [dict(zip(("b_id", "b_reason", "b_kind"), row, strict=True)) for row in said])
    if done:
        when = one.values(
            fire_ms=sa.bindparam("b_fire"), not_after_ms=sa.bindparam("b_not_after"), updated_ms=now_ms
        )
        times = [
            {"b_id": item.row.id, "b_fire": item.fire_ms, "b_not_after": item.not_after_ms} for item in done
        ]
        connection.execute(when, times)
    # The moves come last: subscribers are told why.
    move(connection, [item.row.id for item in held], State.HELD)
    move(connection, [item.row.id for item in freed], State.SCHEDULED)
    forget(connection, *(item.row.id for item in done if item.window is None))
    _keep(connection, now_ms, done, under)
    return done


def _note(connection: sa.Connection, items: Sequence[Decision], under: str) -> None:
    """Of these nothing else was decided than before: they need no look until something changes."""
    for wish in {item.row.in_maintenance for item in items}:
        ids = [item.row.id for item in items if item.row.in_maintenance == wish]
        noted = sa.update(window_posts).where(_P.delivery_id.in_(ids))
        connection.execute(noted.values(under=f"{under} {wish}"))


def _keep(connection: sa.Connection, now_ms: int, decisions: Sequence[Decision], under: str) -> None:
    """What was decided, with the posts' own times beside it."""
    rows = [
        {
            "delivery_id": item.row.id,
            "window_id": item.window.id,
            "fate": item.fate,
            "until_ms": item.end_ms,
            "due_ms": item.own.due_ms,
            "fire_ms": item.own.fire_ms,
            "not_after_ms": item.own.not_after_ms,
            "at_ms": now_ms,
            "under": f"{under} {item.row.in_maintenance}",
        }
        for item in decisions
        if item.window is not None
    ]
    if rows:
        statement = upsert(connection, window_posts)
        fresh = {column.name: column for column in statement.excluded if column.name != "delivery_id"}
        connection.execute(statement.on_conflict_do_update(index_elements=["delivery_id"], set_=fresh), rows)


def _free(connection: sa.Connection, now_ms: int) -> set[str]:
    """Let go what a window holds that is not inside one any more: a person gave it another time."""
    kept = sa.exists().where(_P.delivery_id == _D.id)
    which = (_D.state == State.HELD, _D.error_kind == HELD_BY_MAINTENANCE, ~kept)
    ids = connection.execute(sa.select(_D.id).where(*which)).scalars().all()
    return move(connection, ids, State.SCHEDULED, *which, reason="", error_kind="", updated_ms=now_ms)


# --- words ------------------------------------------------------------------------------------------------


def words(item: Decision, now_ms: int) -> str:
    """What becomes of a post, as a sentence."""
    if item.window is None:
        at = "at its own time" if item.fire_ms > now_ms else "as soon as it can"
        return f"no maintenance stops it any more: it goes out {at}"
    if item.fate == Fate.HOLD:
        return (
            f"held by {item.window.named(now_ms)}; request a retry to let it go out after it, or give it "
            "another time"
        )
    return sentence(item.window, item.fate, item.own, now_ms)


def sentence(window: Window, fate: str, own: Own, now_ms: int) -> str:
    """The same of a post that is moved, or cannot be."""
    said = f"maintenance of {window.where} until {spoken(window.until_ms, now_ms)} ({window.reason})"
    if fate == MISS:
        return (
            f"cannot go out because of {said}, and 'Not after' is {spoken(own.not_after_ms, now_ms)}: it "
            "will be missed; give it another time"
        )
    return f"moved by {said}: it goes out then instead of {spoken(own.fire_ms, now_ms)}"


def sentences(connection: sa.Connection, now_ms: int, ids: Iterable[str]) -> dict[str, str]:
    """What rows say of those of these deliveries that a window moves, until it is over. What it holds says so
    itself."""
    moved = (_P.delivery_id.in_(list(ids)), _P.fate != Fate.HOLD, _P.until_ms > now_ms)
    rows = connection.execute(sa.select(window_posts).where(*moved)).all()
    named = {window.id: window for window in windows_of(connection, {row.window_id for row in rows})}
    return {
        row.delivery_id: sentence(
            named[row.window_id], row.fate, Own(row.due_ms, row.fire_ms, row.not_after_ms), now_ms
        )
        for row in rows
    }


# --- for others -------------------------------------------------------------------------------------------


def waits_for_a_person(connection: sa.Connection, now_ms: int, delivery_id: str) -> bool:
    """Whether a window that stops the delivery now is to hold it, by its own wish or by the window's."""
    row = connection.execute(sa.select(*_READ).where(_D.id == delivery_id)).one()
    at_ms = max(row.fire_ms, now_ms)
    stopping = [
        window
        for window in live(connection, now_ms)
        if window.about(row.platform, row.account_key) and window.stops(at_ms)
    ]
    if row.in_maintenance:
        return bool(stopping) and row.in_maintenance == Fate.HOLD
    return any(window.posts is Fate.HOLD for window in stopping)


def stays(connection: sa.Connection, row: Any, due_ms: int, not_after_ms: int) -> bool:
    """Whether what was decided of a delivery still counts, now that its post is planned again: its row says
    the same times as then. Where it says others, they win, and what was decided is forgotten."""
    if row.state == State.CANCELLED or (row.fire_ms, row.not_after_ms) == (due_ms, not_after_ms):
        return False
    known = connection.execute(sa.select(window_posts).where(_P.delivery_id == row.id)).first()
    if known is None:
        return False
    if (known.due_ms, known.not_after_ms) == (due_ms, not_after_ms):
        return True
    forget(connection, row.id)
    return False


def forget(connection: sa.Connection, *delivery_ids: str) -> None:
    """Their rows say another time, or no window stops them any more: what was decided is void."""
    if delivery_ids:
        connection.execute(sa.delete(window_posts).where(_P.delivery_id.in_(delivery_ids)))


def told_ahead(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    """Those of whom their authors were told before that a window makes them missed."""
    c = incident_cases.c
    about = c.incident_key.startswith(f"{Trouble.MAINTENANCE_MISSES}:", autoescape=True)
    return set(
        connection.execute(sa.select(c.delivery_id).where(c.delivery_id.in_(list(ids)), about)).scalars()
    )
