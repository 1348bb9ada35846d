"""What is not ready: which posts are to be prepared, by which run, and whom it is told when they are late.

A post lacks something (`posts.unprepared`) as long as one of its files is neither here and fitting nor known
to be of no use. A run reserves what it found, and each of its tasks holds its post while it works on it; a
lease that was lost costs work done twice, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import NOT_PLANNED, tell_story
from schedulo.delivery.transitions import move
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import deliveries, incident_cases, incidents, posts
from schedulo.model import State
from schedulo.settings import Settings

SOON_S = 1200.0
"""What is due within this time is prepared at once and goes before all else."""
RESERVED_S = 1800.0
"""How long a run may take to come to what it found."""
SOON_RESERVED_S = 120.0
"""The same for what is due soon: a run that died must not keep it."""
AGAIN_S = 60.0
"""What could not be prepared and is due soon is tried again after this time."""
LEASE_S = 90.0
"""A process that has not renewed its hold on a post for so long has died."""
LATE_S = 300.0
"""People are told of what lacks something this long before it is due."""

UNREADY = "its media are not here, or do not fit yet"

_D, _P = deliveries.c, posts.c


@dataclass(frozen=True, slots=True)
class Unprepared:
    record_id: str
    title: str
    due_ms: int


def take(
    connection: sa.Connection, now_ms: int, run_id: str, settings: Settings, *, soon: bool
) -> list[Unprepared]:
    """Reserve for `run_id` the posts that lack something, in the order in which they are due: what is due
    soon, or the rest within `prepare_ahead_s`. A run that asks again gets its own again."""
    edge_ms = now_ms + int(SOON_S * 1000)
    due_ms = sa.func.min(_D.due_ms)
    query = _lacking(now_ms, settings).having(due_ms <= edge_ms if soon else due_ms > edge_ms)
    mine = sa.or_(_free(now_ms), _P.preparer == run_id)
    found = [
        Unprepared(row.record_id, row.title, row.due_ms) for row in connection.execute(query.where(mine))
    ]
    taken = []
    for post in found:
        until_ms = now_ms + int(SOON_RESERVED_S * 1000)
        if not soon:  # once it is due soon, a run for what is due soon may take it over
            until_ms = min(now_ms + int(RESERVED_S * 1000), post.due_ms - int(SOON_S * 1000))
        if _reserve(connection, now_ms, post.record_id, run_id, until_ms):
            taken.append(post)
    return taken


def wanted(connection: sa.Connection, now_ms: int, settings: Settings) -> bool:
    """Whether a run is to begin now: something new lacks something, or what is due soon still does."""
    long_ago = sa.and_(
        _P.prepared_ms <= now_ms - int(AGAIN_S * 1000), _D.due_ms <= now_ms + int(SOON_S * 1000)
    )
    query = _lacking(now_ms, settings).where(_free(now_ms), sa.or_(_P.prepared_ms.is_(None), long_ago))
    return connection.execute(query.limit(1)).first() is not None


def hold(connection: sa.Connection, now_ms: int, record_id: str, run_id: str) -> bool:
    """Begin to work on a post, or go on; False where another run does."""
    return _reserve(connection, now_ms, record_id, run_id, now_ms + int(LEASE_S * 1000))


def renew(connection: sa.Connection, now_ms: int, record_id: str, run_id: str) -> None:
    """Go on with a post that the run still holds."""
    connection.execute(
        sa.update(posts)
        .where(_P.record_id == record_id, _P.preparer == run_id)
        .values(preparing_until_ms=now_ms + int(LEASE_S * 1000))
    )


def let_go(connection: sa.Connection, now_ms: int, record_id: str, run_id: str) -> None:
    """The work on a post is over, well or not. The next tick reads its row again: it may have been changed
    while it was worked on."""
    connection.execute(
        sa.update(posts)
        .where(_P.record_id == record_id, _P.preparer == run_id)
        .values(preparer="", preparing_until_ms=None, prepared_ms=now_ms, unfinished=True)
    )


def wait(connection: sa.Connection, now_ms: int, ids: Sequence[str]) -> None:
    """Give back what was taken up and lacks its media: it is claimed again once it is ready."""
    taken = (_D.state.in_((State.CLAIMED, State.ARMED)), ~_D.ready)
    values = {"reason": UNREADY, "holder": None, "updated_ms": now_ms}
    moved = move(connection, ids, State.SCHEDULED, *taken, **values)
    tell_story(connection, now_ms, ((id_, UNREADY) for id_ in sorted(moved)))
    changed(connection, now_ms, moved)


def tell_late(connection: sa.Connection, now_ms: int) -> None:
    """Open an incident for deliveries that are due in a moment, or were, and are not ready."""
    told = sa.exists().where(
        incident_cases.c.delivery_id == _D.id,
        incident_cases.c.incident_key == str(Trouble.MEDIA),
        incidents.c.key == incident_cases.c.incident_key,
        incidents.c.closed_ms.is_(None),
    )
    late = sa.select(_D.id).where(
        _D.state == State.SCHEDULED,
        ~_D.ready,
        _D.due_ms <= now_ms + int(LATE_S * 1000),
        _D.not_after_ms > now_ms,
        ~told,
    )
    found = connection.execute(late.order_by(_D.due_ms).limit(1000)).all()
    if found:
        sentence = "posts are due and their media are not here, or do not fit yet"
        cases = [row.id for row in found]
        # What an author can mend is a problem of the row: a host, a worker or time is wanting here.
        incident(connection, now_ms, Trouble.MEDIA, sentence, actor=Actor.OPERATOR, cases=cases)


def _lacking(now_ms: int, settings: Settings) -> sa.Select[Any]:
    """Posts that lack something and have a delivery that would need it."""
    waits = sa.and_(_D.state.in_((State.SCHEDULED, State.HELD)), ~_D.ready)
    return (
        sa.select(_P.record_id, _P.title, sa.func.min(_D.due_ms).label("due_ms"))
        .join(deliveries, _D.post_id == _P.record_id)
        .where(
            _P.unprepared,
            sa.or_(waits, _D.error_kind == NOT_PLANNED),
            _D.due_ms <= now_ms + int(settings.prepare_ahead_s * 1000),
            _D.not_after_ms > now_ms,
        )
        .group_by(_P.record_id, _P.title)
        .order_by("due_ms", _P.record_id)
    )


def _free(now_ms: int) -> sa.ColumnElement[bool]:
    return sa.or_(_P.preparing_until_ms.is_(None), _P.preparing_until_ms <= now_ms)


def _reserve(connection: sa.Connection, now_ms: int, record_id: str, run_id: str, until_ms: int) -> bool:
    statement = (
        sa.update(posts)
        .where(_P.record_id == record_id, sa.or_(_free(now_ms), _P.preparer == run_id))
        .values(preparer=run_id, preparing_until_ms=until_ms)
    )
    return connection.execute(statement).rowcount == 1
