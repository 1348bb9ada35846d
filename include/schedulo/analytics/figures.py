"""The numbers that people are shown: the last of each post, those of accounts by day, and how they changed.

What was not measured has no number here either. A span of days is summed or compared only where every day of
it is known; that some post was not read on one of them leaves the span without a number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability, Core

POST_CORE: tuple[str, ...] = tuple(metric for metric in Core if metric is not Core.FOLLOWERS)
"""What is shown of posts."""
ENGAGEMENT: tuple[str, ...] = (Core.LIKES, Core.COMMENTS, Core.SHARES, Core.SAVES)
"""What adds up to engagements, as far as a platform tells it."""
STAYS = frozenset(
    {Availability.FAILED, Availability.NOT_YET, Availability.GONE, Availability.ENDED, Availability.MISSED}
)
"""Where the last reading brought no number for one of these reasons, the number before is still the last."""
OVER = (Availability.GONE, Availability.ENDED)
"""Nothing is added any more: a day without a number for one of these reasons is known all the same."""
AT_ONCE = 400
"""Posts of one query."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Latest:
    """The last number of each core metric of a post; None where there is none."""

    post_key: str
    values: Mapping[str, float | None]
    asked: frozenset[str]
    """The metrics that its platform has for such posts, told or not."""
    read_at: datetime
    """When the youngest of them was read."""

    @property
    def engagements(self) -> float | None:
        """The sum of what its platform has of `ENGAGEMENT`; None where a part of it is not known."""
        parts = [self.values[metric] for metric in ENGAGEMENT if metric in self.asked]
        known = [value for value in parts if value is not None]
        return sum(known) if known and len(known) == len(parts) else None


def read_since(connection: sa.Connection, since: datetime | None) -> list[str]:
    """The posts of which numbers were read since (None: ever)."""
    readings = warehouse_of(connection).post_readings.c
    query = sa.select(readings.post_key).distinct().order_by(readings.post_key)
    return list(
        connection.execute(query if since is None else query.where(readings.read_at >= since)).scalars()
    )


def latest(connection: sa.Connection, post_keys: Sequence[str]) -> Iterator[Latest]:
    """The last numbers of posts; of those that have any."""
    for start in range(0, len(post_keys), AT_ONCE):
        yield from _latest(connection, post_keys[start : start + AT_ONCE])


def _latest(connection: sa.Connection, post_keys: Sequence[str]) -> Iterator[Latest]:
    readings = warehouse_of(connection).post_readings.c
    unknown = readings.value.is_(None)
    ranked = (
        sa.select(
            readings.post_key,
            readings.metric,
            readings.value,
            readings.availability,
            readings.read_at,
            sa.func.row_number()
            .over(
                partition_by=[readings.post_key, readings.metric, unknown], order_by=readings.read_at.desc()
            )
            .label("place"),
        )
        .where(readings.post_key.in_(post_keys), readings.metric.in_(POST_CORE))
        .subquery()
    )
    found: dict[str, dict[str, list[sa.Row[tuple[str, str, float, str, datetime, int]]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in connection.execute(sa.select(ranked).where(ranked.c.place == 1)):
        found[row.post_key][row.metric].append(row)
    for post_key, by_metric in found.items():
        values: dict[str, float | None] = dict.fromkeys(POST_CORE)
        moments = []
        for metric, rows in by_metric.items():
            number = next((row for row in rows if row.value is not None), None)
            newest = max(rows, key=lambda row: row.read_at)
            if number is not None and (newest is number or newest.availability in STAYS):
                values[metric] = number.value
                moments.append(number.read_at)
        if moments:
            yield Latest(post_key, values, frozenset(by_metric), max(moments))


@dataclass(frozen=True, slots=True)
class Trend:
    """A number beside one of earlier, of as many days or at one instant. None: it is not known."""

    now: float | None
    before: float | None

    @property
    def change(self) -> float | None:
        return None if self.now is None or self.before is None else self.now - self.before

    @property
    def percent(self) -> float | None:
        """None also where there was nothing before, or less: a platform took numbers back."""
        change, before = self.change, self.before
        return None if change is None or before is None or before <= 0 else 100 * change / before


@dataclass(frozen=True, slots=True)
class Series:
    """One number of an account by day; a day that is not known is not in it."""

    days: Mapping[date, float]

    def stand(self, end: date, days: int) -> Trend:
        """Of what stands: at the end of `end`, beside so many days before."""
        return Trend(self.days.get(end), self.days.get(end - days * _DAY))

    def total(self, end: date, days: int) -> float | None:
        """Of what is added: the sum of the days that end with `end`."""
        wanted = [end - number * _DAY for number in range(days)]
        return sum(self.days[day] for day in wanted) if all(day in self.days for day in wanted) else None

    def totals(self, end: date, days: int) -> Trend:
        """`total`, beside that of as many days before."""
        return Trend(self.total(end, days), self.total(end - days * _DAY, days))


@dataclass(frozen=True, slots=True)
class Growth:
    """An account by day."""

    account_key: str
    platform: str
    name: str
    followers: Series
    views: Series
    """What its posts got on each day."""
    engagements: Series
    end: date | None
    """The last day that was collected; None: none was."""
    read_at: datetime | None
    """When the youngest of the numbers was read."""


@dataclass(slots=True)
class _Flow:
    added: dict[date, float] = field(default_factory=dict)
    open_days: set[date] = field(default_factory=set)
    measured: bool = False


def growth(connection: sa.Connection, since: date, until: date) -> list[Growth]:
    """All accounts that something was collected of, by day, from `since` to `until`, both included."""
    w = warehouse_of(connection)
    collected = _collected(connection, since, until)
    flows, read_at = _flows(connection, since, until)
    followers: dict[str, dict[date, float]] = defaultdict(dict)
    levels = w.account_metrics_daily.c
    for row in connection.execute(
        sa.select(levels.account_key, levels.date, levels.value, levels.collected_at).where(
            levels.metric == Core.FOLLOWERS, levels.value.is_not(None), levels.date.between(since, until)
        )
    ):
        followers[row.account_key][row.date] = row.value
        read_at[row.account_key] = max(read_at.get(row.account_key, row.collected_at), row.collected_at)
    first = _first_days(connection)
    found = []
    accounts = w.accounts.c
    for row in connection.execute(sa.select(w.accounts).order_by(accounts.platform, accounts.name)):
        key = row.account_key
        asked = set(flows[key])
        known = {metric: _known(flows[key][metric], collected[key], first.get(key)) for metric in POST_CORE}
        known_followers = followers.get(key, {})
        if not collected.get(key) and not known_followers:
            continue
        found.append(
            Growth(
                account_key=key,
                platform=row.platform,
                name=row.name,
                followers=Series(known_followers),
                views=Series(known[Core.VIEWS]),
                engagements=Series(_together([known[metric] for metric in ENGAGEMENT if metric in asked])),
                end=max(collected.get(key, ()), default=None),
                read_at=read_at.get(key),
            )
        )
    return found


def _first_days(connection: sa.Connection) -> dict[str, date | None]:
    """The day of each account's first post; None where the day of one of its posts is not known."""
    posts = warehouse_of(connection).posts.c
    query = sa.select(
        posts.account_key,
        sa.func.min(posts.published_on).label("first"),
        sa.func.count(posts.published_on).label("known"),
        sa.func.count().label("all"),
    ).group_by(posts.account_key)
    return {row.account_key: row.first if row.known == row.all else None for row in connection.execute(query)}


def _collected(connection: sa.Connection, since: date, until: date) -> dict[str, set[date]]:
    """The days of each account that were read to their end."""
    c = warehouse_of(connection).collections.c
    query = (
        sa.select(c.account_key, c.date)
        .where(c.date.between(since, until), c.ended_at.is_not(None), c.problem == "")
        .distinct()
    )
    found: dict[str, set[date]] = defaultdict(set)
    for row in connection.execute(query):
        found[row.account_key].add(row.date)
    return found


def _flows(
    connection: sa.Connection, since: date, until: date
) -> tuple[dict[str, dict[str, _Flow]], dict[str, datetime]]:
    """What the posts of each account got on each day, by metric; and when that was read last."""
    w = warehouse_of(connection)
    daily, posts = w.post_metrics_daily.c, w.posts.c
    open_ = sa.or_(
        sa.and_(daily.value.is_(None), daily.availability.not_in(OVER)),
        sa.and_(daily.value.is_not(None), daily.delta.is_(None)),
    )
    query = (
        sa.select(
            posts.account_key,
            daily.metric,
            daily.date,
            sa.func.sum(daily.delta).label("added"),
            sa.func.count(daily.value).label("measured"),
            sa.func.sum(sa.case((open_, 1), else_=0)).label("open"),
            sa.func.max(daily.collected_at, type_=daily.collected_at.type).label("read_at"),
        )
        .join_from(w.post_metrics_daily, w.posts, posts.post_key == daily.post_key)
        .where(daily.date.between(since, until), daily.metric.in_(POST_CORE))
        .group_by(posts.account_key, daily.metric, daily.date)
    )
    flows: dict[str, dict[str, _Flow]] = defaultdict(lambda: defaultdict(_Flow))
    read_at: dict[str, datetime] = {}
    for row in connection.execute(query):
        flow = flows[row.account_key][row.metric]
        flow.measured = flow.measured or bool(row.measured)
        if row.open:
            flow.open_days.add(row.date)
        elif row.added is not None:
            flow.added[row.date] = row.added
        if row.read_at is not None:
            read_at[row.account_key] = max(read_at.get(row.account_key, row.read_at), row.read_at)
    return flows, read_at


def _known(flow: _Flow, collected: set[date], begins: date | None) -> dict[date, float]:
    """A day counts where the account was read to its end and none of its posts lacks the number; and so must
    the day before, unless there was no post yet: what that one lacked would have been counted on this."""
    if not flow.measured:
        return {}
    whole = collected - flow.open_days
    return {
        day: flow.added.get(day, 0.0)
        for day in sorted(whole)
        if day == begins or (day - _DAY in whole and (begins is None or day > begins))
    }


def _together(parts: Sequence[Mapping[date, float]]) -> dict[date, float]:
    """The sum of several numbers, on the days on which all of them are known."""
    if not parts:
        return {}
    days = set(parts[0]).intersection(*parts[1:])
    return {day: sum(part[day] for part in parts) for day in sorted(days)}
