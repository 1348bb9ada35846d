"""Who works on what: what a run claims, what a process holds, and what is taken from one that fell silent.

A run's claims are written once: a sync that is cleared or retried gets the same list, so `map_index` never
comes to mean another post. A process holds what it works on; one beat a process says that it lives.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from schedulo.delivery import announcing, approvals, breakers, moved
from schedulo.delivery.holds import apply_holds, away, held
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.quotas import make_room
from schedulo.delivery.rows import tell_story
from schedulo.delivery.transitions import move
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import upsert
from schedulo.ledger.tables import accounts, claims, deliveries, holders, instances, writes
from schedulo.model import State, WriteState
from schedulo.settings import Settings

UNSTARTED_S = 120.0
"""A claim that no process took up in this time is free again."""
ROUNDS = 5
"""So often a claim looks on where much of what it found must wait for a quota: posts of other accounts that
are due in the same second stand behind it."""
TICK_MS = 60_000
"""Runs that claim are so far apart."""
LOOK_AHEAD_S = 30.0
"""Deliveries that only need another look are claimed this long before it."""

_D = deliveries.c


@dataclass(frozen=True, slots=True)
class Claim:
    map_index: int
    delivery_id: str
    label: str


def claims_of(connection: sa.Connection, run_id: str) -> list[Claim]:
    """What the run has claimed, in its order."""
    query = (
        sa.select(claims.c.map_index, claims.c.delivery_id, _D.label)
        .join(deliveries, _D.id == claims.c.delivery_id)
        .where(claims.c.run_id == run_id)
        .order_by(claims.c.map_index)
    )
    return [Claim(*row) for row in connection.execute(query)]


def claimed(connection: sa.Connection, _now_ms: int, run_id: str, map_index: int) -> str | None:
    """The delivery that a run claimed at this place."""
    query = sa.select(claims.c.delivery_id).where(claims.c.run_id == run_id, claims.c.map_index == map_index)
    return connection.execute(query).scalar_one_or_none()


def claim_due(
    connection: sa.Connection,
    now_ms: int,
    run_id: str,
    settings: Settings,
    dag_id: str = "publish_due_posts",
) -> list[Claim]:
    """Claim for `run_id` all that is due within the horizon, or needs a look, up to `max_claims` in all; and
    of a crowd that comes later as many as the next runs have no room for."""
    claimed = claims_of(connection, run_id)
    horizon = now_ms + int(settings.horizon_s * 1000)
    for _ in range(ROUNDS):
        room = settings.max_claims - len(claimed)
        if room <= 0:
            return claimed
        found, taken = _claim(connection, now_ms, run_id, settings, dag_id, len(claimed), room, horizon)
        claimed += taken
        if found < room or len(taken) == found:
            break
    room = min(settings.max_claims - len(claimed), _too_many(connection, now_ms, settings))
    if room > 0:
        reach = now_ms + int(settings.reach_s * 1000)
        claimed += _claim(connection, now_ms, run_id, settings, dag_id, len(claimed), room, reach)[1]
    return claimed


def _too_many(connection: sa.Connection, now_ms: int, settings: Settings) -> int:
    """How many of what is due beyond the horizon this run must claim, so that the runs after it have room for
    the rest by the time it comes within theirs.

    The run in k minutes must have claimed all that is due within k minutes and the horizon; until then k runs
    take `max_claims` each. What is more than that is for this one. What waits for its media counts as well:
    it will need room when they are there.
    """
    first_ms = now_ms + int(settings.horizon_s * 1000)
    last_ms = now_ms + int(settings.reach_s * 1000)
    minute = ((_D.fire_ms - first_ms - 1) // TICK_MS).label("minute")
    query = (
        sa.select(minute, sa.func.count())
        .where(*_may_go(now_ms), _D.fire_ms > first_ms, _D.fire_ms <= last_ms)
        .group_by(minute)
        .order_by(minute)
    )
    due, most = 0, 0
    for number, count in connection.execute(query):
        due += count
        most = max(most, due - (number + 1) * settings.max_claims)
    return most


def _may_go(now_ms: int) -> tuple[sa.ColumnElement[bool], ...]:
    """SQL: nobody keeps the delivery from going out at its second."""
    return _D.state == State.SCHEDULED, _D.approval == "", ~held(now_ms)


def _claim(
    connection: sa.Connection,
    now_ms: int,
    run_id: str,
    settings: Settings,
    dag_id: str,
    first: int,
    room: int,
    horizon: int,
) -> tuple[int, list[Claim]]:
    """Look at as many as there is room for; answers how many those were, and what of them is claimed.

    :param first: the map index of the first
    :param horizon: what is due by then (epoch milliseconds) is looked at
    """
    asked = sa.exists().where(claims.c.delivery_id == _D.id, claims.c.run_id == run_id)
    due = sa.or_(
        sa.and_(*_may_go(now_ms), _D.ready, _D.fire_ms <= horizon),
        sa.and_(
            _goes_on(),
            _D.fire_ms <= now_ms + int(LOOK_AHEAD_S * 1000),
            _D.holder.is_(None),
            ~away(now_ms),
            ~asked,  # its state does not change by a claim: the run's next look would find it again
        ),
    )
    columns = (_D.id, _D.state, _D.fire_ms, _D.account_key, _D.label, _D.content, _D.not_after_ms)
    found = connection.execute(
        sa.select(*columns)
        .where(due)
        .order_by(_D.fire_ms, _D.due_ms, _D.id)
        .limit(room)
        .with_for_update(skip_locked=True)
    ).all()
    planned = [row for row in found if row.state == State.SCHEDULED]
    fits = make_room(connection, now_ms, planned, horizon, settings)
    candidates = [row for row in found if row.state != State.SCHEDULED or row.id in fits]
    slots = paced(
        connection,
        [(row.id, row.account_key, fits[row.id]) for row in planned if row.id in fits],
        int(settings.account_gap_s * 1000),
    )
    rows = []
    for index, row in enumerate(candidates, start=first):
        values = {"run_id": run_id, "holder": None, "updated_ms": now_ms}
        if row.state == State.SCHEDULED:
            won = move(connection, [row.id], State.CLAIMED, fire_ms=slots[row.id], **values)
        else:
            won = set(
                connection.execute(
                    sa.update(deliveries)
                    .where(_D.id == row.id, _D.state == row.state, _D.holder.is_(None))
                    .values(**values)
                    .returning(_D.id)
                ).scalars()
            )
        assert won == {row.id}, "the row is locked by this transaction"
        rows.append(
            {
                "run_id": run_id,
                "map_index": index,
                "delivery_id": row.id,
                "dag_id": dag_id,
                "claimed_ms": now_ms,
            }
        )
    if rows:
        connection.execute(sa.insert(claims), rows)
    return len(found), [Claim(index, row.id, row.label) for index, row in enumerate(candidates, start=first)]


def _goes_on() -> sa.ColumnElement[bool]:
    """SQL: something was sent, and there is more to find out or to send."""
    return sa.or_(
        _D.state.in_((State.PROCESSING, State.UNKNOWN)),
        sa.and_(_D.state == State.PUBLISHED_INCOMPLETE, _D.error_kind == ""),
    )


def paced(connection: sa.Connection, wanted: Sequence[tuple[str, str, int]], gap_ms: int) -> dict[str, int]:
    """When each of (id, account, wished instant) may fire, spaced out by account."""
    keys = sorted({key for _, key, _ in wanted})
    last = {
        row.key: row.last_fire_ms or 0
        for row in connection.execute(
            sa.select(accounts.c.key, accounts.c.last_fire_ms)
            .where(accounts.c.key.in_(keys))
            .order_by(accounts.c.key)  # two ticks lock in the same order
            .with_for_update()
        )
    }
    # What was claimed before may be due later than what is claimed now: only slots too near are avoided.
    taken = {key: [at_ms] for key, at_ms in last.items()}
    for row in connection.execute(
        sa.select(_D.account_key, _D.fire_ms).where(
            _D.state.in_((State.CLAIMED, State.ARMED, State.SENDING)),
            _D.account_key.in_(keys),
            _D.id.not_in([id_ for id_, _, _ in wanted]),
        )
    ):
        taken[row.account_key].append(row.fire_ms)
    for instants in taken.values():
        instants.sort()
    slots = {}
    for id_, key, fire_ms in wanted:
        slot = fire_ms
        for at_ms in taken[key][bisect_left(taken[key], fire_ms - gap_ms + 1) :]:
            if at_ms - slot >= gap_ms:
                break
            slot = at_ms + gap_ms
        insort(taken[key], slot)
        slots[id_] = slot
        last[key] = max(last[key], slot)
    if keys:
        connection.execute(
            sa.update(accounts)
            .where(accounts.c.key == sa.bindparam("b_key"))
            .values(last_fire_ms=sa.bindparam("b_at")),
            [{"b_key": key, "b_at": last[key]} for key in keys],
        )
    return slots


def sweep(connection: sa.Connection, now_ms: int, settings: Settings) -> None:
    """Put right what time or a dead process left behind. Run by every tick before it claims."""
    silent = _silent(now_ms, settings)
    unstarted = sa.and_(
        _D.state.in_((State.CLAIMED, State.ARMED, State.REFUSED)),
        _D.holder.is_(None),
        _D.updated_ms < now_ms - int(UNSTARTED_S * 1000),
        _D.fire_ms < now_ms + int((settings.horizon_s - UNSTARTED_S) * 1000),
    )
    abandoned = sa.and_(_D.state.in_((State.CLAIMED, State.ARMED, State.REFUSED)), silent)
    ids = _ids(connection, sa.or_(unstarted, abandoned))
    freed = move(
        connection, ids, State.SCHEDULED, sa.or_(unstarted, abandoned), holder=None, updated_ms=now_ms
    )
    tell_story(connection, now_ms, ((id_, "nobody was at work on it any more; free again") for id_ in freed))

    overdue = sa.exists().where(
        writes.c.delivery_id == _D.id,
        writes.c.state == WriteState.OPEN,
        writes.c.sending_until_ms < now_ms,
    )
    lost = move(
        connection,
        _ids(connection, _D.state == State.SENDING, overdue),
        State.UNKNOWN,
        overdue,
        holder=None,
        fire_ms=now_ms,
        reason="the process that was sending it fell silent; being looked up",
        updated_ms=now_ms,
    )
    connection.execute(
        sa.update(writes)
        .where(writes.c.delivery_id.in_(lost), writes.c.state == WriteState.OPEN)
        .values(state=WriteState.UNKNOWN)
    )
    tell_story(
        connection, now_ms, ((id_, "its sender fell silent; the outcome is not known") for id_ in lost)
    )
    followers = _ids(connection, _D.state == State.PUBLISHED_INCOMPLETE, overdue)
    connection.execute(
        sa.update(writes)
        .where(writes.c.delivery_id.in_(followers), writes.c.state == WriteState.OPEN)
        .values(state=WriteState.UNKNOWN)
    )
    connection.execute(sa.update(deliveries).where(_goes_on(), silent).values(holder=None))

    grace_ms = int(settings.missed_after_s * 1000)
    if len(moved.settle(connection, now_ms, grace_ms)) < moved.AT_ONCE:  # else there are more to count
        announcing.announce(connection, now_ms, settings.maintenance_hours, grace_ms)
    late = sa.and_(_D.state.in_((State.SCHEDULED, State.HELD)), _D.not_after_ms <= now_ms)
    reason = sa.case(
        (_D.error_kind == approvals.WAITS, approvals.LATE),
        (_D.state == State.HELD, "its time was over while it was on hold; ask for it again to send it now"),
        (~_D.ready, "it could not go out in time: " + _D.reason + "; ask for it again to send it now"),
        else_="it could not go out in time; ask for it again to send it now",
    )
    missed = move(connection, _ids(connection, late), State.MISSED, late, reason=reason, updated_ms=now_ms)
    tell_story(connection, now_ms, ((id_, "missed: its time is over and it was not sent") for id_ in missed))
    if untold := missed - moved.told_ahead(connection, missed):
        sentence = "posts were not sent within their time"
        incident(connection, now_ms, Trouble.MISSED, sentence, actor=Actor.AUTHOR, cases=untold)
    changed(connection, now_ms, lost | missed)

    breakers.tend(connection, now_ms, settings)
    apply_holds(connection, now_ms, now_ms + int(settings.horizon_s * 1000))
    approvals.keep_waiting(connection, now_ms)
    approvals.warn(connection, now_ms)


def _ids(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[str]:
    return list(connection.execute(sa.select(_D.id).where(*conditions).limit(5000)).scalars())


def _silent(now_ms: int, settings: Settings) -> sa.ColumnElement[bool]:
    """SQL: the delivery has a holder and that process has not beaten for `holder_silent_s`."""
    alive = sa.exists().where(
        holders.c.id == _D.holder, holders.c.beat_ms > now_ms - int(settings.holder_silent_s * 1000)
    )
    return sa.and_(_D.holder.is_not(None), ~alive)


@dataclass(frozen=True, slots=True)
class Wish:
    """One task instance asks to work on what its run claimed at `map_index`."""

    run_id: str
    map_index: int
    ti_id: str
    holder: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to a wish."""

    delivery_id: str | None
    """None: the run has no claim at this index."""
    mine: bool
    """This process holds it now and is to work on it."""
    asked_again: bool = False
    """Another try of the same instance was here before: Airflow retries, or a person cleared it."""


def acquire(
    connection: sa.Connection, now_ms: int, wishes: Sequence[Wish], settings: Settings
) -> list[Grant]:
    """Hand each wish its delivery, unless a living process holds it.

    A run whose instances started late may find that a later run has claimed the same meanwhile. Whoever comes
    first begins it: an Airflow that is slow or was away must not keep claims going round. What only needs
    another look waits for the run that claimed it then.
    """
    found = {
        (row.run_id, row.map_index): row.delivery_id
        for row in connection.execute(
            sa.select(claims).where(claims.c.run_id.in_({wish.run_id for wish in wishes}))
        )
    }
    targets = [found.get((wish.run_id, wish.map_index)) for wish in wishes]
    seen = set(
        connection.execute(
            sa.select(instances.c.run_id, instances.c.map_index).where(
                instances.c.run_id.in_({wish.run_id for wish in wishes}),
                instances.c.ti_id.not_in([wish.ti_id for wish in wishes]),
            )
        ).all()
    )
    rows = [
        {
            "ti_id": wish.ti_id,
            "run_id": wish.run_id,
            "map_index": wish.map_index,
            "delivery_id": target,
            "started_ms": now_ms,
        }
        for wish, target in zip(wishes, targets, strict=True)
        if target
    ]
    if rows:
        connection.execute(upsert(connection, instances).on_conflict_do_nothing(), rows)
    won: dict[tuple[str, str], set[str]] = {}
    for run_id, holder in {(wish.run_id, wish.holder) for wish in wishes}:
        ids = [
            target
            for wish, target in zip(wishes, targets, strict=True)
            if target and (wish.run_id, wish.holder) == (run_id, holder)
        ]
        won[run_id, holder] = set(
            connection.execute(
                sa.update(deliveries)
                .where(
                    _D.id.in_(ids),
                    sa.or_(
                        sa.and_(
                            _D.run_id == run_id,
                            sa.or_(_D.state.in_((State.CLAIMED, State.ARMED)), _goes_on()),
                            sa.or_(_D.holder.is_(None), _D.holder == holder, _silent(now_ms, settings)),
                        ),
                        sa.and_(_D.state == State.CLAIMED, _D.holder.is_(None)),
                    ),
                )
                .values(run_id=run_id, holder=holder, updated_ms=now_ms)
                .returning(_D.id)
            ).scalars()
        )
    return [
        Grant(target, target in won[wish.run_id, wish.holder], (wish.run_id, wish.map_index) in seen)
        for wish, target in zip(wishes, targets, strict=True)
    ]


def release(connection: sa.Connection, now_ms: int, holder: str, ids: Sequence[str] | None = None) -> None:
    """Let go of what `holder` has not begun to send: all of it, or `ids`."""
    mine = [_D.holder == holder] + ([_D.id.in_(list(ids))] if ids is not None else [])
    connection.execute(
        sa.update(deliveries)
        .where(*mine, sa.or_(_D.state == State.CLAIMED, _goes_on()))
        .values(holder=None, updated_ms=now_ms)
    )
    prepared = (*mine, _D.state.in_((State.ARMED, State.REFUSED)))
    move(connection, _ids(connection, *prepared), State.CLAIMED, *prepared, holder=None, updated_ms=now_ms)


def release_orphans(
    connection: sa.Connection, now_ms: int, holder: str, at_work: Collection[str], settings: Settings
) -> None:
    """Let go of what `holder` has held for a while without working on it: its work broke off."""
    held_long = (
        _D.holder == holder,
        sa.or_(_D.state.in_((State.CLAIMED, State.ARMED, State.REFUSED)), _goes_on()),
        _D.updated_ms < now_ms - int(settings.holder_silent_s * 1000),
    )
    orphans = [id_ for id_ in _ids(connection, *held_long) if id_ not in at_work]
    if orphans:
        release(connection, now_ms, holder, orphans)


def beat(connection: sa.Connection, now_ms: int, holder: str, note: str) -> None:
    """Say that the process `holder` lives."""
    connection.execute(
        upsert(connection, holders).on_conflict_do_update(index_elements=["id"], set_={"beat_ms": now_ms}),
        [{"id": holder, "note": note, "started_ms": now_ms, "beat_ms": now_ms}],
    )
