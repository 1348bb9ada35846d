"""Which posts of an account have a number on a day, as the warehouse and the ledger know them.

The answer for a day is the same whenever it is asked for: it follows from what was true up to that day. So a
day that was collected, and is collected again much later, finds nothing new. Only where a post was held to be
gone and came back, the days between are found missed then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from schedulo.analytics.cadence import WEEK_DAYS, is_wanted, next_reading_ms
from schedulo.analytics.days import MEASURABLE, date_at, day_of
from schedulo.clock import EPOCH, to_ms
from schedulo.ledger.tables import accounts, deliveries, writes
from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability
from schedulo.model import Account, Content, Format, Platform, Position, WriteState
from schedulo.platforms.after import Out
from schedulo.platforms.measure import Day
from schedulo.settings import Settings

AT_ONCE = 100
"""Posts in one statement or transaction: publishing waits for none of them on SQLite."""


@dataclass(frozen=True, slots=True)
class Watched:
    """How the last reading of a post went."""

    read_ms: int
    told_ms: int | None
    unmoved: int
    numbers: str
    ended: str
    """ENDED or GONE, where that was said of all of it; else empty."""
    reason: str


@dataclass(frozen=True, slots=True)
class Post:
    """A post that went out."""

    key: str
    format: Format
    published_ms: int
    """When it went out; when it was due, where that is not known."""
    published_on: date | None
    """In the account's zone; None: not known."""
    state: str
    gone_ms: int | None
    """Since then it is known not to be there."""
    watched: Watched | None

    def is_over(self, day: Day, end_ms: int) -> bool:
        """It is known that the platform tells nothing (more) of it, on the day or after.

        :param end_ms: when the time to read the day's number ends; what was there then was not over
        """
        seen = self.watched
        if self.gone_ms is not None and self.gone_ms < end_ms:
            return True
        if seen is None or not seen.ended or self.there_ms >= end_ms:
            return False
        # What is gone may come back; whether it did is asked once a week.
        return seen.ended == Availability.ENDED or day.start_ms <= self.there_ms

    @property
    def there_ms(self) -> int:
        """Until then at least it was there, and told of, as far as is known."""
        told_ms = self.watched.told_ms if self.watched else None
        return self.published_ms if told_ms is None else told_ms


def at(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def chunks(posts: Sequence[Post]) -> Iterator[Sequence[Post]]:
    for start in range(0, len(posts), AT_ONCE):
        yield posts[start : start + AT_ONCE]


def account_of(connection: sa.Connection, account_key: str) -> Account:
    """Raises `ValueError` where the ledger has none."""
    row = connection.execute(sa.select(accounts).where(accounts.c.key == account_key)).first()
    if row is None:
        raise ValueError(
            f"account {account_key!r} is not known: it must be one of the ledger's, as platform:account_id. "
            "The operator looks at Accounts in Airtable."
        )
    return Account(Platform(row.platform), row.account_id, row.name, row.timezone, row.options)


def wanted_on(connection: sa.Connection, account: Account, on: date, settings: Settings) -> list[Post]:
    """The posts of an account whose number of a day is to be had, by their keys."""
    day = day_of(account.timezone, on)
    posts = [post for post in _posts(connection, account, day, settings) if _lives(post, day, on, account)]
    old = [post.key for post in posts if (on - _first(post, account)).days > settings.analytics_still_days]
    still = _still(connection, old, on, settings.analytics_still_days)
    return [
        post
        for post in posts
        if is_wanted(on, _first(post, account), settings.analytics_days, still=post.key in still)
    ]


def young(connection: sa.Connection, account: Account, now_ms: int, settings: Settings) -> list[Post]:
    """The posts of an account that are to be read again now because they are young."""
    bands = settings.young_bands
    if not bands:
        return []
    p = warehouse_of(connection).posts.c
    query = _query(connection).where(
        p.account_key == account.key, p.published_at > at(now_ms - bands[-1].until_ms)
    )
    found = []
    for row in connection.execute(query):
        post = _post(row)
        seen = post.watched
        if post.gone_ms is not None or (seen and seen.ended) or post.published_ms > now_ms:
            continue
        read_ms, unmoved = (seen.read_ms, seen.unmoved) if seen else (None, 0)
        next_ms = next_reading_ms(bands, post.published_ms, read_ms, unmoved)
        if next_ms is not None and next_ms <= now_ms:
            found.append(post)
    return found


def outs(connection: sa.Connection, posts: Iterable[Post]) -> dict[str, Out]:
    """What the platform's flows are told of posts, by key; with what their commits came to, since Facebook
    knows a video by another id than its post."""
    since = {post.key: post.published_ms for post in posts}
    columns = deliveries.c.id, deliveries.c.remote_id, deliveries.c.content
    rows = connection.execute(sa.select(*columns).where(deliveries.c.id.in_(list(since)))).all()
    values: dict[str, dict[str, Any]] = {row.id: {} for row in rows}
    w = writes.c
    for write in connection.execute(
        sa.select(w.delivery_id, w.name, w.value).where(
            w.delivery_id.in_(list(values)), w.state == WriteState.ACCEPTED, w.position != Position.AFTER
        )
    ):
        values[write.delivery_id][write.name] = write.value
    return {
        row.id: Out(row.id, row.remote_id, Content.from_json(row.content), since[row.id], values[row.id])
        for row in rows
    }


def _first(post: Post, account: Account) -> date:
    """The first day that has a number of it."""
    return post.published_on or date_at(account.timezone, post.published_ms)


def _lives(post: Post, day: Day, on: date, account: Account) -> bool:
    """It was there at some time of the day, as far as is known, or it is asked whether it came back."""
    ended = post.watched.ended if post.watched else ""
    lasts = [post.there_ms] if ended else []
    if post.gone_ms is not None:
        lasts.append(post.gone_ms)
    if not lasts or day.start_ms <= min(lasts):
        return True
    asked = ended == Availability.GONE and post.gone_ms is None
    return asked and (on - _first(post, account)).days % WEEK_DAYS == 0


def _query(connection: sa.Connection) -> sa.Select[Any]:
    house = warehouse_of(connection)
    p, w = house.posts.c, house.watched_posts.c
    return (
        sa.select(
            p.post_key,
            p.format,
            sa.func.coalesce(p.published_at, p.due_at).label("published_at"),
            p.published_on,
            p.state,
            p.gone_at,
            w.read_at,
            w.told_at,
            w.unmoved,
            w.numbers,
            w.ended,
            w.reason,
        )
        .outerjoin(house.watched_posts, w.post_key == p.post_key)
        .where(p.state.in_(MEASURABLE), p.remote_id != "")
        .order_by(p.post_key)
    )


def _posts(connection: sa.Connection, account: Account, day: Day, settings: Settings) -> Iterator[Post]:
    """Those that were out before the end of the day, and not for too long."""
    p = warehouse_of(connection).posts.c
    out_at = sa.func.coalesce(p.published_at, p.due_at)
    oldest_ms = day.start_ms - (settings.analytics_days + 1) * 86_400_000
    query = _query(connection).where(
        p.account_key == account.key, out_at > at(oldest_ms), out_at < at(day.end_ms)
    )
    return (_post(row) for row in connection.execute(query))


def _post(row: Any) -> Post:
    watched = None
    if row.read_at is not None:
        told_ms = None if row.told_at is None else to_ms(row.told_at)
        watched = Watched(to_ms(row.read_at), told_ms, row.unmoved, row.numbers, row.ended, row.reason)
    return Post(
        row.post_key,
        Format(row.format),
        to_ms(row.published_at),
        row.published_on,
        row.state,
        None if row.gone_at is None else to_ms(row.gone_at),
        watched,
    )


def _still(connection: sa.Connection, keys: Sequence[str], on: date, still_days: int) -> set[str]:
    """Those whose numbers did not change for `still_days`, as the days before this one say: they were read
    within the last week, and no delta since then and so many days before is other than 0."""
    facts = warehouse_of(connection).post_metrics_daily
    f = facts.c
    span = timedelta(days=still_days + WEEK_DAYS + 1)
    last, moved = sa.func.max(f.date), sa.func.max(sa.case((f.delta != 0, f.date)))
    found = set()
    for start in range(0, len(keys), AT_ONCE):
        query = (
            sa.select(f.post_key, last.label("last"), moved.label("moved"))
            .where(
                f.post_key.in_(keys[start : start + AT_ONCE]),
                f.date >= on - span,
                f.date < on,
                f.delta.is_not(None),
            )
            .group_by(f.post_key)
        )
        for row in connection.execute(query):
            lately = row.last >= on - timedelta(days=WEEK_DAYS + 1)
            if lately and (row.moved is None or (row.last - row.moved).days >= still_days):
                found.add(row.post_key)
    return found
