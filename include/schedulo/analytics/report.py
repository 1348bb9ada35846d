"""What a report says: punctuality, growth, the best posts, the best times, and what is not known and why.

Only figures; how they look is `page`'s and `charts`'. A figure that is not known is None.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa

from schedulo.analytics.dimensions import catch_up
from schedulo.analytics.figures import Growth, Latest, Trend, growth, latest
from schedulo.clock import time_zone
from schedulo.ledger.database import Ledger
from schedulo.ledger.view_texts import FEWEST, SETTLED_DAYS
from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability, Subject
from schedulo.model import Format
from schedulo.settings import Settings

DAYS = 28
BEST = 10
"""Posts that are named."""
FRESH_DAYS = 3
"""What an account got lately is said while it was read no longer ago."""
TIMES_DAYS = 90
"""Best times are found among the posts of so many days."""
BLOCK_H = 3
"""Hours of the day are looked at in blocks."""
LATE_S = 60.0
"""A post later than this is named."""
LATE_NAMED = 10
BANDS: tuple[tuple[str, float], ...] = (
    ("to 10 ms", 0.01),
    ("to 100 ms", 0.1),
    ("to 1 s", 1.0),
    ("to 10 s", 10.0),
    ("to 1 min", 60.0),
    ("to 10 min", 600.0),
    ("later", math.inf),
)
"""Upper ends of what is counted together, in seconds."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Spread:
    """How late posts were, in seconds: so many of a hundred were no later than that."""

    posts: int
    p50: float
    p90: float
    p99: float
    worst: float

    @classmethod
    def of(cls, lateness: Sequence[float]) -> Spread:
        ordered = sorted(lateness)

        def of_hundred(part: float) -> float:
            return ordered[max(0, math.ceil(part * len(ordered)) - 1)]

        return cls(len(ordered), of_hundred(0.5), of_hundred(0.9), of_hundred(0.99), ordered[-1])


@dataclass(frozen=True, slots=True)
class Post:
    """A post that went out in the days of the report, with its last numbers."""

    key: str
    platform: str
    account: str
    account_key: str
    title: str
    permalink: str
    format: str
    published_at: datetime
    published_on: date
    weekday: int
    hour: int
    lateness_s: float
    latest: Latest | None


@dataclass(frozen=True, slots=True)
class Punctuality:
    all: Spread
    bands: Sequence[tuple[str, int]]
    by_day: Sequence[tuple[date, Spread]]
    late: Sequence[Post]
    """The latest posts, those beyond `LATE_S`."""


@dataclass(frozen=True, slots=True)
class Account:
    """How an account did; trends by the number of days."""

    growth: Growth
    followers: Mapping[int, Trend]
    """As they stand, beside how they stood."""
    views: Mapping[int, Trend]
    engagements: Mapping[int, Trend]

    @property
    def followers_now(self) -> tuple[date, float] | None:
        days = self.growth.followers.days
        return max(days.items()) if days else None


@dataclass(frozen=True, slots=True)
class Cell:
    """Posts of one weekday and block of hours, on their accounts' clocks."""

    weekday: int
    hour: int
    posts: int
    times_usual: float | None
    """Median of each post's engagements divided by the median of its account; None: too few posts."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Numbers that an account's platform did not tell in the days of the report, for one reason."""

    platform: str
    account: str
    subject: Subject
    availability: Availability
    reason: str
    """In the platform's words, of one of them."""
    metrics: Sequence[str]
    numbers: int
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class Report:
    made_at: datetime
    since: date
    until: date
    """The last day of the report."""
    zone: str
    posts: Sequence[Post]
    """That went out, the oldest first."""
    punctuality: Punctuality | None
    """None: nothing went out."""
    accounts: Sequence[Account]
    best: Sequence[Post]
    times: Sequence[Cell]
    times_posts: int
    """How many posts the best times are found among."""
    missing: Sequence[Missing]

    @property
    def empty(self) -> bool:
        """Nothing went out and nothing was measured."""
        return not (self.posts or self.accounts)


def up_to_date(
    ledger: Ledger, settings: Settings, now_ms: int, days: int = DAYS, until: date | None = None
) -> Report:
    """The same as `report`, with all that went out until now."""
    catch_up(ledger, now_ms)
    with ledger.read() as connection:
        return report(connection, now_ms, days, settings.airtable_timezone, until)


def report(
    connection: sa.Connection, now_ms: int, days: int, zone: str = "UTC", until: date | None = None
) -> Report:
    """The report of `days` whole days.

    :param now_ms: the instant that counts as now, in milliseconds
    :param zone: IANA name; what is a day where no account is spoken of
    :param until: the last day; None: today, as far as it has come
    :raises ClockError: for a zone that is not known
    """
    made_at = datetime.fromtimestamp(now_ms / 1000, UTC)
    local = made_at.astimezone(time_zone(zone, field="SCHEDULO_AIRTABLE_TIMEZONE"))
    until = until or local.date()
    since = until - (days - 1) * _DAY
    everything = _posts(connection, min(since, until - (TIMES_DAYS - 1) * _DAY), until)
    posts = [post for post in everything if post.published_on >= since]
    times, times_posts = _times(everything, until - SETTLED_DAYS * _DAY)
    return Report(
        made_at=made_at,
        since=since,
        until=until,
        zone=zone,
        posts=posts,
        punctuality=_punctuality(posts),
        accounts=_accounts(connection, since, until),
        best=best(posts),
        times=times,
        times_posts=times_posts,
        missing=_missing(connection, since, until),
    )


def best(posts: Sequence[Post], count: int = BEST) -> list[Post]:
    """Those with most engagements, where these are known; of equal ones those with more views."""

    def rank(post: Post) -> tuple[float, float, str]:
        assert post.latest is not None
        return (post.latest.engagements or 0, post.latest.values.get("views") or 0, post.key)

    known = [post for post in posts if post.latest is not None and post.latest.engagements]
    return sorted(known, key=rank, reverse=True)[:count]


def _posts(connection: sa.Connection, since: date, until: date) -> list[Post]:
    w = warehouse_of(connection)
    query = (
        sa.select(w.posts, w.accounts.c.platform, w.accounts.c.name)
        .join_from(w.posts, w.accounts, w.accounts.c.account_key == w.posts.c.account_key)
        .where(w.posts.c.published_on.between(since, until), w.posts.c.published_at.is_not(None))
        .order_by(w.posts.c.published_at, w.posts.c.post_key)
    )
    rows = connection.execute(query).all()
    last = {item.post_key: item for item in latest(connection, [row.post_key for row in rows])}
    return [
        Post(
            key=row.post_key,
            platform=row.platform,
            account=row.name,
            account_key=row.account_key,
            title=row.title,
            permalink=row.permalink,
            format=row.format,
            published_at=row.published_at,
            published_on=row.published_on,
            weekday=row.published_weekday,
            hour=row.published_hour,
            lateness_s=row.lateness_s,
            latest=last.get(row.post_key),
        )
        for row in rows
    ]


def _punctuality(posts: Sequence[Post]) -> Punctuality | None:
    if not posts:
        return None
    counts = dict.fromkeys((label for label, _ in BANDS), 0)
    by_day: dict[date, list[float]] = defaultdict(list)
    for post in posts:
        counts[next(label for label, upto_s in BANDS if post.lateness_s <= upto_s)] += 1
        by_day[post.published_on].append(post.lateness_s)
    late = sorted(
        (post for post in posts if post.lateness_s > LATE_S), key=lambda post: post.lateness_s, reverse=True
    )
    return Punctuality(
        all=Spread.of([post.lateness_s for post in posts]),
        bands=list(counts.items()),
        by_day=[(day, Spread.of(lateness)) for day, lateness in sorted(by_day.items())],
        late=late[:LATE_NAMED],
    )


def _accounts(connection: sa.Connection, since: date, until: date) -> list[Account]:
    found = []
    # Fifty-six days and the one before are what comparing 28 days takes.
    for item in growth(connection, min(since, until - 60 * _DAY), until):
        # The last days are not there yet; of what ended long ago nothing is said as if it were of now.
        end = item.end if item.end and (until - item.end).days <= FRESH_DAYS else until
        followers_end = max(
            (day for day in item.followers.days if (until - day).days <= FRESH_DAYS), default=end
        )
        found.append(
            Account(
                item,
                {days: item.followers.stand(followers_end, days) for days in (7, 28)},
                {days: item.views.totals(end, days) for days in (7, 28)},
                {days: item.engagements.totals(end, days) for days in (7, 28)},
            )
        )
    return found


def _times(posts: Sequence[Post], until: date) -> tuple[list[Cell], int]:
    engagements: dict[str, dict[str, float]] = defaultdict(dict)
    for post in posts:
        latest = post.latest
        if post.published_on > until or latest is None or latest.engagements is None:
            continue
        if _settled(post, latest):
            engagements[post.account_key][post.key] = latest.engagements
    usual = {key: median(values.values()) for key, values in engagements.items()}
    cells: dict[tuple[int, int], list[float]] = defaultdict(list)
    for post in posts:
        value = engagements[post.account_key].get(post.key)
        if value is not None and usual[post.account_key] > 0:
            cells[post.weekday, post.hour // BLOCK_H * BLOCK_H].append(value / usual[post.account_key])
    found = [
        Cell(weekday, hour, len(parts), median(parts) if len(parts) >= FEWEST else None)
        for (weekday, hour), parts in sorted(cells.items())
    ]
    return found, sum(cell.posts for cell in found)


def _settled(post: Post, latest: Latest) -> bool:
    """Its last numbers cover enough of its days, as `post_performance` has it: one that nobody read since its
    first hour, or that was taken down, does not compare with others."""
    covered = latest.read_at - post.published_at
    return post.format == Format.STORY or covered >= (SETTLED_DAYS - 1) * _DAY


def _missing(connection: sa.Connection, since: date, until: date) -> list[Missing]:
    w = warehouse_of(connection)
    of_posts = w.post_metrics_daily.join(w.posts, w.posts.c.post_key == w.post_metrics_daily.c.post_key)
    found: list[tuple[Subject, Any]] = []
    for subject, daily, source, account_key in (
        (Subject.ACCOUNT, w.account_metrics_daily, w.account_metrics_daily, None),
        (Subject.POST, w.post_metrics_daily, of_posts, w.posts.c.account_key),
    ):
        key = daily.c.account_key if account_key is None else account_key
        query = (
            sa.select(
                w.accounts.c.platform,
                w.accounts.c.name,
                daily.c.metric,
                daily.c.availability,
                sa.func.max(daily.c.reason).label("reason"),
                sa.func.count().label("numbers"),
                sa.func.min(daily.c.date, type_=sa.Date()).label("first"),
                sa.func.max(daily.c.date, type_=sa.Date()).label("last"),
            )
            .select_from(source.join(w.accounts, w.accounts.c.account_key == key))
            .where(
                daily.c.date.between(since, until),
                daily.c.value.is_(None),
                # That a story ended, or that a post was taken down, is how it should be.
                daily.c.availability.not_in((Availability.ENDED, Availability.GONE)),
            )
            .group_by(
                w.accounts.c.account_key,
                w.accounts.c.platform,
                w.accounts.c.name,
                daily.c.metric,
                daily.c.availability,
            )
        )
        found += [(subject, row) for row in connection.execute(query)]
    together: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for subject, row in found:
        together[row.availability, row.platform, row.name, subject, row.reason].append(row)
    return [
        Missing(
            platform=platform,
            account=name,
            subject=Subject(subject),
            availability=Availability(availability),
            reason=reason,
            metrics=sorted(row.metric for row in rows),
            numbers=sum(row.numbers for row in rows),
            since=min(row.first for row in rows),
            until=max(row.last for row in rows),
        )
        for (availability, platform, name, subject, reason), rows in sorted(together.items())
    ]
