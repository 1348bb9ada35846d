"""Removes rows of the ledger that nothing asks for any more.

Never removed, however old: deliveries (their identities, and the content guard), writes and outcomes (what
was sent, and what came of it), accounts, credentials, what was done with them, posts, holds, windows of
maintenance, amendments, the outbox (which Airtable row is whose), the webhook of changes, marks, and all
numbers but single readings.

Each transaction takes little, asks again whether its rows may go, and leaves the ledger alone for a moment:
publishing waits for none of them for long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from schedulo.ledger.database import Ledger
from schedulo.ledger.heard import platform_events
from schedulo.ledger.maintenance import window_posts
from schedulo.ledger.outages import stumbles
from schedulo.ledger.subscribers import subscriber_events, subscriber_sendings
from schedulo.ledger.tables import (
    amendments,
    claims,
    deliveries,
    events,
    holders,
    incident_cases,
    incidents,
    instances,
    notices,
    steps,
    writes,
)
from schedulo.ledger.troubles import troubles
from schedulo.ledger.warehouse import SCHEMA, warehouse_of
from schedulo.model import WriteState
from schedulo.platforms.after import READS_STEPS
from schedulo.upkeep.over import over

AT_ONCE = 100
"""Deliveries, runs or incidents whose rows go in one transaction."""
READINGS_AT_ONCE = 500
PAUSE_S = 0.05
"""Between two transactions."""
DAY_MS = 86_400_000
WEBHOOKS_DAYS = 30
"""So long events are kept for subscribers that are paused, and to be sent again."""
HEARD_DAYS = 30
"""What platforms told: they send it again for three days, and a repeated one must be known."""
STUMBLES_DAYS = 7
"""What posts met at platforms is asked for minutes, and read by people for days."""

_D, _I = deliveries.c, incidents.c
Count = Callable[[str, int], None]
"""Takes the name of a table, and how many of its rows went, or would go."""


@dataclass(frozen=True, slots=True)
class Round:
    """How one round is made."""

    ledger: Ledger
    now_ms: int
    """The database's time."""
    dry: bool
    """Nothing is changed; what would go is counted."""
    count: Count

    def before_ms(self, days: int) -> int:
        return self.now_ms - days * DAY_MS

    def remove(self, *wanted: tuple[sa.Table, sa.ColumnElement[bool]]) -> None:
        """Remove rows in one transaction, or count them."""
        if self.dry:
            with self.ledger.read() as connection:
                for table, which in wanted:
                    query = sa.select(sa.func.count()).select_from(table).where(which)
                    self.count(name_of(table), connection.execute(query).scalar_one())
            return
        with self.ledger.begin() as connection:
            gone = [
                (name_of(table), connection.execute(sa.delete(table).where(which)).rowcount)
                for table, which in wanted
            ]
        for name, rows in gone:
            self.count(name, rows)
        time.sleep(PAUSE_S)


def name_of(table: sa.Table) -> str:
    """The same on both databases: SQLite has no schemas."""
    return table.name.removeprefix(f"{SCHEMA}_")


def stories(a_round: Round, days: int) -> None:
    """What led to deliveries that are over: their stories, the handles that they were published with, what
    maintenance did to them.

    A step that taking down a post reads stays until the post is taken down.
    """
    before_ms = a_round.before_ms(days)
    for ids in _pages(a_round.ledger, _D.id, over(before_ms)):
        still = sa.select(_D.id).where(_D.id.in_(ids), over(before_ms))
        read_later = sa.or_(*(steps.c.name.startswith(name, autoescape=True) for name in READS_STEPS))
        story = sa.and_(events.c.delivery_id.in_(still), events.c.at_ms < before_ms)
        fates = sa.and_(window_posts.c.delivery_id.in_(still), window_posts.c.at_ms < before_ms)
        handles = sa.and_(steps.c.delivery_id.in_(still), steps.c.kept_ms < before_ms, ~read_later)
        with a_round.ledger.read() as connection:
            found = [
                (table, which)
                for table, which in ((events, story), (steps, handles), (window_posts, fates))
                if connection.execute(sa.select(sa.literal(1)).where(which).limit(1)).first()
            ]
        if found:
            a_round.remove(*found)


def runs(a_round: Round, days: int) -> None:
    """Which run claimed what, and who worked on it: of runs of which every delivery is over. Whole runs only:
    a claim's place among those of its run is what a task instance finds it by."""
    before_ms = a_round.before_ms(days)
    c, any_ = claims.c, claims.alias().c
    wanted = (
        sa.select(any_.run_id)
        .join(deliveries, _D.id == any_.delivery_id)
        .where(any_.run_id == c.run_id, sa.or_(~over(before_ms), any_.claimed_ms >= before_ms))
        .correlate(claims)
        .exists()
    )
    for ids in _pages(a_round.ledger, c.run_id, ~wanted):
        still = sa.select(c.run_id).where(c.run_id.in_(ids), ~wanted)
        # The claims go last: what may go is known by them.
        a_round.remove((instances, instances.c.run_id.in_(still)), (claims, c.run_id.in_(still)))


def told_incidents(a_round: Round, days: int) -> None:
    """Incidents that are over, of whose end people were told, with their cases."""
    before_ms = a_round.before_ms(days)
    owed = sa.exists().where(notices.c.incident_key == _I.key, notices.c.sent_ms.is_(None))
    ended = sa.and_(
        _I.closed_ms < before_ms,
        _I.last_ms < before_ms,
        sa.or_(_I.end_told_ms.is_not(None), _I.told_times == 0),
        ~owed,
    )
    for keys in _pages(a_round.ledger, _I.key, ended):
        still = sa.select(_I.key).where(_I.key.in_(keys), ended)
        cases = incident_cases.c.incident_key.in_(still)
        a_round.remove((incident_cases, cases), (incidents, sa.and_(_I.key.in_(keys), ended)))


def old_troubles(a_round: Round, days: int) -> None:
    """What went wrong long ago: reports of days look back a week and a little."""
    t, before_ms = troubles.c, a_round.before_ms(days)
    if a_round.dry:
        a_round.remove((troubles, t.quarter_ms < before_ms))
        return
    while True:  # by the quarter of an hour
        oldest = sa.select(sa.func.min(t.quarter_ms)).where(t.quarter_ms < before_ms)
        with a_round.ledger.read() as connection:
            quarter_ms = connection.execute(oldest).scalar()
        if quarter_ms is None:
            return
        a_round.remove((troubles, t.quarter_ms == quarter_ms))


def silent_processes(a_round: Round, days: int) -> None:
    """Processes that said long ago for the last time that they live, and that nothing is left of."""
    h, unsettled = holders.c, writes.c.state.in_((WriteState.OPEN, WriteState.UNKNOWN))
    dead = h.beat_ms < a_round.before_ms(days)  # what lives beats before it takes anything up
    with a_round.ledger.read() as connection:
        named = {
            id_
            for query in (
                sa.select(_D.holder).where(_D.holder.is_not(None)),
                sa.select(amendments.c.holder).where(amendments.c.holder.is_not(None)),
                sa.select(writes.c.holder).where(unsettled),
            )
            for id_ in connection.execute(query.distinct()).scalars()
        }
    for ids in _pages(a_round.ledger, h.id, dead):
        if gone := [id_ for id_ in ids if id_ not in named]:
            a_round.remove((holders, sa.and_(h.id.in_(gone), dead)))


def met_at_platforms(a_round: Round) -> None:
    """That posts met no answer or a fault of their platform, days ago."""
    old = stumbles.c.at_ms < a_round.before_ms(STUMBLES_DAYS)
    for ids in _pages(a_round.ledger, stumbles.c.delivery_id, old):
        a_round.remove((stumbles, sa.and_(stumbles.c.delivery_id.in_(ids), old)))


def old_webhooks(a_round: Round) -> None:
    """Events for subscribers, sent or not, and what came of sending them."""
    e, t = subscriber_events.c, subscriber_sendings.c
    old = e.at_ms < a_round.before_ms(WEBHOOKS_DAYS)
    for ids in _pages(a_round.ledger, e.id, old):
        gone = sa.and_(e.id.in_(ids), old)
        numbers = sa.select(e.number).where(gone)
        a_round.remove((subscriber_sendings, t.number.in_(numbers)), (subscriber_events, gone))


def heard(a_round: Round) -> None:
    """What platforms told by themselves, and was looked into."""
    e = platform_events.c
    old = sa.and_(e.heard_ms < a_round.before_ms(HEARD_DAYS), e.next_ms.is_(None))
    for keys in _pages(a_round.ledger, e.key, old):
        a_round.remove((platform_events, sa.and_(e.key.in_(keys), old)))


def readings(a_round: Round, days: int) -> None:
    """Single readings of numbers, but the last number of each metric of each post, and the last time that
    there was none for each reason: the views show them. What they made of each day stays."""
    with a_round.ledger.read() as connection:
        table = warehouse_of(connection).post_readings
    r, later = table.c, table.alias()
    newer = sa.exists().where(
        later.c.post_key == r.post_key,
        later.c.metric == r.metric,
        later.c.read_at > r.read_at,
        later.c.availability == r.availability,
    )
    edge = datetime.fromtimestamp(a_round.before_ms(days) / 1000, UTC)
    old = sa.and_(r.read_at < edge, newer)
    if a_round.dry:
        a_round.remove((table, old))
        return
    # What has a later one keeps it: nothing is to be asked again in the transaction.
    key = (r.read_at, r.post_key, r.metric)
    last = datetime.min.replace(tzinfo=UTC)
    while True:
        page = sa.select(*key).where(old, r.read_at >= last).order_by(*key).limit(READINGS_AT_ONCE)
        with a_round.ledger.read() as connection:
            found = connection.execute(page).all()
        if not found:
            return
        a_round.remove((table, sa.tuple_(*key).in_([tuple(row) for row in found])))
        last = found[-1].read_at


def _pages(
    ledger: Ledger, key: sa.ColumnElement[str], which: sa.ColumnElement[bool]
) -> Iterator[Sequence[str]]:
    """The keys of rows, in order and a few at a time; no transaction is open while they are worked on."""
    last = ""
    while True:
        query = sa.select(key).distinct().where(which, key > last).order_by(key).limit(AT_ONCE)
        with ledger.read() as connection:
            found = connection.execute(query).scalars().all()
        if not found:
            return
        yield found
        last = found[-1]
