"""Which account is to be read when: its days on the clock of its zone, and what is due now.

The number of a day is read after its end and before the end of the next (`window`). Who reads more often than
that, and why, is `cadence`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import sqlalchemy as sa

from schedulo.analytics.cadence import next_reading_ms
from schedulo.clock import instant, time_zone, to_ms
from schedulo.delivery.holds import InForce, Scope, in_force
from schedulo.delivery.self_tests import of_people
from schedulo.delivery.transitions import OUT
from schedulo.errors import Kind
from schedulo.ledger.tables import IS_OUT, accounts, deliveries
from schedulo.ledger.warehouse import warehouse_of
from schedulo.model import Platform, State
from schedulo.platforms.measure import Day
from schedulo.settings import Settings

DAY_MS = 86_400_000
MEASURABLE = tuple(OUT - {State.WAITING_IN_APP, State.PROCESSING})
"""States of posts that have, or had, numbers. A draft is finished in the app, and its post is not known."""

_D = deliveries.c
out_ms = sa.func.coalesce(_D.accepted_ms, _D.published_ms, _D.due_ms)
"""SQL: when the platform took a post."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be read of one account now."""

    account_key: str
    dates: tuple[date, ...] = ()
    """Days that have ended and are not collected, oldest first: for `collect_day`."""
    young: bool = False
    """Posts of it are young, and are to be read again: for `read_young`."""


@lru_cache(maxsize=4096)
def day_of(timezone: str, on: date) -> Day:
    """A date on the clock of a zone: from its first instant to that of the next date.

    :param timezone: an IANA name
    :raises ClockError: for a zone that is not known
    """
    start, end = (instant(datetime.combine(one, time()), timezone).ms for one in (on, on + timedelta(days=1)))
    return Day(on.isoformat(), start, end)


def window(timezone: str, on: date) -> tuple[int, int]:
    """When the numbers of a day are to be read, in milliseconds: from its end to that of the next day, which
    is outside."""
    return day_of(timezone, on).end_ms, day_of(timezone, on + timedelta(days=1)).end_ms


def date_at(timezone: str, at_ms: int) -> date:
    """The date that clocks of a zone show at an instant."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(time_zone(timezone)).date()


def last_ended(timezone: str, now_ms: int) -> date:
    """The newest date that is over in a zone: the one whose window is open."""
    return date_at(timezone, now_ms) - timedelta(days=1)


def accounts_of(connection: sa.Connection, on: date, settings: Settings) -> list[str]:
    """The keys of the accounts whose numbers of a day are to be collected, sorted: those that posts may go
    out on, and those with posts that were out on that date and not older than `analytics_days`."""
    spans = (
        sa.select(_D.account_key, sa.func.min(out_ms).label("first_ms"), sa.func.max(out_ms).label("last_ms"))
        .where(_D.state.in_(MEASURABLE), _D.remote_id.is_not(None))
        .group_by(_D.account_key)
        .subquery()
    )
    rows = connection.execute(
        sa.select(accounts.c.key, accounts.c.timezone, accounts.c.active, spans.c.first_ms, spans.c.last_ms)
        .outerjoin(spans, spans.c.account_key == accounts.c.key)
        .where(accounts.c.platform.in_(_names(settings.measured_platforms)))
        .order_by(accounts.c.key)
    )
    found = []
    for row in rows:
        day = day_of(row.timezone, on)
        oldest_ms = day.start_ms - settings.analytics_days * DAY_MS
        out = row.first_ms is not None and row.first_ms < day.end_ms and row.last_ms > oldest_ms
        if row.active or out:
            found.append(row.key)
    return found


def due(connection: sa.Connection, now_ms: int, settings: Settings) -> list[Due]:
    """What is to be read now, by account; accounts of which nothing is are left out.

    So are those that an error holds: to ask may prolong a limit, and a login that is refused shows nothing.
    An account that has used up its posts of a day is read: that is no limit of reading.
    """
    collected = _collected(connection, now_ms)
    young = _with_young_posts(connection, now_ms, settings)
    zones = _zones(connection)
    troubles = [
        hold
        for hold in in_force(connection, now_ms)
        if hold.error_kind and (hold.scope, hold.error_kind) != (Scope.ACCOUNT, Kind.QUOTA_EXHAUSTED)
    ]
    held = InForce(troubles)
    found = []
    for key in _readable(connection, now_ms, settings):
        platform, zone = key.partition(":")[0], zones[key]
        if held.on(platform, key, now_ms) is not None:
            continue
        ended = last_ended(zone, now_ms)
        dates = () if (key, ended) in collected else (ended,)
        if dates or key in young:
            found.append(Due(key, dates, key in young))
    return found


def _readable(connection: sa.Connection, now_ms: int, settings: Settings) -> list[str]:
    """Accounts that may have numbers of the day that ended last, whatever their zone."""
    yesterday = datetime.fromtimestamp(now_ms / 1000, UTC).date() - timedelta(days=1)
    days = [yesterday + timedelta(days=shift) for shift in (-1, 0, 1)]
    return sorted({key for day in days for key in accounts_of(connection, day, settings)})


def _zones(connection: sa.Connection) -> dict[str, str]:
    rows = connection.execute(sa.select(accounts.c.key, accounts.c.timezone))
    return {row.key: row.timezone for row in rows}


def _collected(connection: sa.Connection, now_ms: int) -> set[tuple[str, date]]:
    """Accounts and days of late that were collected to the end."""
    c = warehouse_of(connection).collections.c
    since = datetime.fromtimestamp(now_ms / 1000, UTC).date() - timedelta(days=3)
    query = sa.select(c.account_key, c.date).where(c.date >= since, c.problem == "", c.ended_at.is_not(None))
    return {(row.account_key, row.date) for row in connection.execute(query)}


def _with_young_posts(connection: sa.Connection, now_ms: int, settings: Settings) -> set[str]:
    """Accounts with posts that are to be read again because they are young. Asks the ledger: the newest may
    not be in the warehouse yet."""
    bands = settings.young_bands
    if not bands:
        return set()
    watched = warehouse_of(connection).watched_posts
    w = watched.c
    since_ms = now_ms - bands[-1].until_ms
    query = (
        sa.select(_D.account_key, out_ms.label("out_ms"), w.read_at, w.unmoved)
        .outerjoin(watched, w.post_key == _D.id)
        .where(
            sa.text(IS_OUT),
            _D.updated_ms > since_ms,  # an index has it; what went out since was changed since
            of_people(_D.post_id),
            _D.remote_id.is_not(None),
            _D.removed_ms.is_(None),
            sa.func.coalesce(_D.accepted_ms, _D.published_ms).is_not(None),
            out_ms > since_ms,
            out_ms <= now_ms,
            sa.func.coalesce(w.ended, "") == "",
        )
    )
    found = set()
    for row in connection.execute(query):
        read_ms = None if row.read_at is None else to_ms(row.read_at)
        next_ms = next_reading_ms(bands, row.out_ms, read_ms, row.unmoved or 0)
        if next_ms is not None and next_ms <= now_ms:
            found.add(row.account_key)
    return found


def _names(platforms: Iterable[Platform]) -> list[str]:
    return [str(platform) for platform in platforms]
