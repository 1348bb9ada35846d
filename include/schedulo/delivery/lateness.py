"""Posts that are not out although their second is past: people are told of them at once.

Every process that publishes looks with each beat, and so does every tick: who holds a post may be the one
that hangs. One incident a cause, and none for what has one already: a hold, a platform that fails for
everyone, media that are not ready, Airflow that stands still. There late posts become cases of what stops
them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from schedulo.delivery import breakers
from schedulo.delivery.holds import InForce, in_force
from schedulo.delivery.incident_ends import AT_WORK
from schedulo.delivery.incidents import Trouble, add_cases, incident
from schedulo.delivery.moved import LET_GO
from schedulo.delivery.watched import what_stops_all
from schedulo.delivery.windows import Fate
from schedulo.errors.kinds import Actor
from schedulo.ledger.maintenance import window_posts
from schedulo.ledger.tables import claims, deliveries, holders, incident_cases, incidents
from schedulo.model import State
from schedulo.settings import Settings

_D, _C, _I, _P = deliveries.c, incident_cases.c, incidents.c, window_posts.c
UNSENT = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED)
IN_DOUBT = (State.SENDING, State.UNKNOWN)
REACH_MS = 2 * 3_600_000
"""What fails is tried again within this time at the latest: so far ahead late posts are looked for."""
MOST = 1000
"""Posts that one look finds at the most; the next finds the rest."""
FORETOLD = (Trouble.MAINTENANCE, Trouble.QUOTA)
"""Incidents that say of posts when they go out instead: one that is not out then is late."""
WAITING = "waiting"
"""The cause of what no platform refused and nobody sent."""


def tell(connection: sa.Connection, now_ms: int, settings: Settings) -> int:
    """Open an incident for what is late, or add to the one of its cause; answers how many posts were found
    of which no open incident tells.

    A post's second is when it was let go: its due second, or what a hold's end or a person's request put in
    its place. A retry moves it no further; maintenance does, to its end.
    """
    found = _late(connection, now_ms, settings)
    if not found:
        return 0
    stands_still = what_stops_all(connection)
    by_cause: defaultdict[str, list[Any]] = defaultdict(list)
    for row in found:
        if row.state in IN_DOUBT:
            by_cause[f"unknown:{row.platform}"].append(row)
        elif row.trouble_since_ms is not None:
            by_cause[row.platform].append(row)
        else:
            by_cause[WAITING].append(row)
    for about, rows in by_cause.items():
        ids = [row.id for row in rows]
        if about == WAITING and stands_still:
            add_cases(connection, now_ms, stands_still, ids)
            continue
        sentence = f"not out {settings.sla_of(rows[0].platform):g} seconds after the second it was due: "
        sentence += _why(connection, now_ms, settings, rows[0], about)
        incident(connection, now_ms, Trouble.LATE, sentence, actor=Actor.OPERATOR, about=about, cases=ids)
    return len(found)


def _late(connection: sa.Connection, now_ms: int, settings: Settings) -> list[Any]:
    """What is late and stands in no open incident, the oldest first."""

    def limit(seconds: float) -> sa.ColumnElement[int]:
        return sa.literal(now_ms - int(seconds * 1000) if seconds else 0, sa.BigInteger)

    own = ((_D.platform == name, limit(seconds)) for name, seconds in settings.sla_by_platform.items())
    past_ms = sa.case(*own, (sa.true(), limit(settings.sla_s)))
    failing = sa.and_(_D.trouble_since_ms < past_ms, _D.due_ms < past_ms, ~_moved_until_after(past_ms))
    left = sa.and_(_D.trouble_since_ms.is_(None), _D.fire_ms < now_ms, _D.fire_ms < past_ms)
    # By state and second at once: the index knows both, and whoever publishes looks with each beat.
    unsent = sa.and_(_D.state.in_(UNSENT), _D.fire_ms < now_ms + REACH_MS, sa.or_(left, failing))
    in_doubt = sa.and_(_D.state.in_(IN_DOUBT), sa.func.coalesce(_D.sent_ms, _D.due_ms) < past_ms)
    rows = connection.execute(
        sa.select(_D.id, _D.state, _D.platform, _D.account_key, _D.fire_ms, _D.reason, _D.trouble_since_ms)
        .where(
            sa.or_(unsent, in_doubt),
            _D.ready,
            _D.approval == "",
            ~_told(),
        )
        .order_by(_D.due_ms, _D.id)
        .limit(MOST)
    ).all()
    if not rows:
        return []
    if any(row.trouble_since_ms is not None or row.state in IN_DOUBT for row in rows):
        breakers.tend(connection, now_ms, settings)  # a platform's trouble has an incident of its own
    holds = InForce(in_force(connection, now_ms))
    return [row for row in rows if holds.on(row.platform, row.account_key, now_ms) is None]


def _told() -> sa.ColumnElement[bool]:
    """SQL: an open incident tells of the delivery, and not only when it will go out instead."""
    trouble = _I.kind.not_in(FORETOLD)
    return sa.exists().where(
        _C.delivery_id == _D.id, _I.key == _C.incident_key, _I.closed_ms.is_(None), trouble
    )


def _moved_until_after(at_ms: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    """SQL: maintenance moved the delivery, to a second after this: its row says so; it is not late yet."""
    return sa.exists().where(_P.delivery_id == _D.id, _P.fate.in_((Fate.MOVE, LET_GO)), _P.until_ms >= at_ms)


def run_is_late(
    connection: sa.Connection, now_ms: int, settings: Settings, run_id: str, minutes: int
) -> None:
    """A run that publishes is not done in time: say which of its posts are not out. What is told already, of
    each of them or of all, is not told again. May be called more than once for one run.

    :param minutes: how long after it was made
    """
    tell(connection, now_ms, settings)
    mine = sa.select(claims.c.delivery_id).where(claims.c.run_id == run_id)
    rows = connection.execute(
        sa.select(_D.id, _D.label, _told().label("told"))
        .where(_D.id.in_(mine), _D.run_id == run_id, _D.state.in_(AT_WORK))
        .order_by(_D.due_ms, _D.id)
    ).all()
    untold = [row for row in rows if not row.told]
    stands_still = what_stops_all(connection)
    if stands_still is not None:
        add_cases(connection, now_ms, stands_still, [row.id for row in untold])
    elif untold or not rows:
        sentence = f"the run {run_id} is not done {minutes} minutes after it was made"
        if untold:
            sentence += f"; it is not known that {len(untold)} of its posts are out"
        cases = [row.id for row in untold]
        incident(connection, now_ms, Trouble.LATE_RUN, sentence, actor=Actor.OPERATOR, cases=cases)


def _why(connection: sa.Connection, now_ms: int, settings: Settings, row: Any, about: str) -> str:
    """What is known of the cause, with what is to be done."""
    if about != WAITING:
        return str(row.reason) or "whether it is out is not known"
    silent_ms = now_ms - int(settings.holder_silent_s * 1000)
    alive = sa.select(holders.c.id).where(holders.c.beat_ms >= silent_ms).limit(1)
    if connection.execute(alive).first() is None:
        return "no process that publishes gives a sign of life. Does a triggerer run?"
    return "a triggerer is there, and did not send it. The log of its task says how far it came"
