"""Makes the numbers of a day out of what was read of posts, and says of which there is nothing.

The first answer after the end of the day counts. Where that says that the post ended or is gone, the last
number that was read within the day itself does. When the time for a day is over, what nobody read is missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import sqlalchemy as sa

from schedulo.analytics import daily
from schedulo.analytics.catalogue import Catalogue
from schedulo.analytics.daily import Facts, Number
from schedulo.analytics.days import day_of, window
from schedulo.analytics.posts import Post, at
from schedulo.analytics.readings import AGAIN, OVER
from schedulo.clock import to_ms
from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability, Reading
from schedulo.model import Account, State
from schedulo.platforms.measure import Day

Wanted = Mapping[str, Sequence[str]]
"""Metrics by post."""


@dataclass(frozen=True, slots=True)
class Closing:
    """One day of one account, as of an instant."""

    account: Account
    on: date
    catalogue: Catalogue
    now_ms: int
    why_missed: str
    """For what nobody read in time."""

    @property
    def day(self) -> Day:
        return day_of(self.account.timezone, self.on)

    @property
    def window(self) -> tuple[int, int]:
        return window(self.account.timezone, self.on)

    @property
    def is_open(self) -> bool:
        """The numbers of the day can still be read as they stand."""
        start_ms, end_ms = self.window
        return start_ms <= self.now_ms < end_ms

    def at(self, now_ms: int) -> Closing:
        """The same as of another instant."""
        return replace(self, now_ms=now_ms)

    def missed(self, metric: str) -> Reading:
        return Reading(metric, None, Availability.MISSED, self.why_missed)


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows from what was read."""

    numbers: Sequence[Number]
    """They are to be kept."""
    lacking: Sequence[Post]
    """They are to be asked for."""


def settle(connection: sa.Connection, closing: Closing, posts: Sequence[Post]) -> Settled:
    """What is known of posts on the day, and is not kept yet. It only reads."""
    facts = Facts.of_posts(connection)
    there = daily.kept(connection, facts, [post.key for post in posts], closing.on)
    wanted: dict[str, list[str]] = {}
    for post in posts:
        lacking = [
            metric
            for metric in closing.catalogue.of_posts(post.format)
            if (old := there.get((post.key, metric))) is None or old.availability in AGAIN
        ]
        if lacking:
            wanted[post.key] = lacking
    if not wanted:
        return Settled((), ())
    concerned = [post for post in posts if post.key in wanted]
    found = _chosen(connection, closing, concerned, wanted)
    _fall_back(connection, closing, found)
    if closing.is_open:
        due = [
            post
            for post in concerned
            if not post.is_over(closing.day, closing.window[1])
            and any(_asks_again(found.get((post.key, metric))) for metric in wanted[post.key])
        ]
        return Settled(list(found.values()), due)
    missed = [
        Number(key, closing.missed(metric), None)
        for key, metrics in wanted.items()
        for metric in metrics
        if (key, metric) not in found and (key, metric) not in there
    ]
    return Settled([*found.values(), *missed], ())


def keep(
    connection: sa.Connection, closing: Closing, posts: Sequence[Post], numbers: Sequence[Number]
) -> None:
    """Keep numbers of the day."""
    first_days = {post.key: post.published_on for post in posts}
    kinds = closing.catalogue.post_kinds
    daily.keep(connection, Facts.of_posts(connection), closing.on, numbers, kinds, first_days)


def _asks_again(number: Number | None) -> bool:
    return number is None or number.reading.availability in AGAIN


def _chosen(
    connection: sa.Connection, closing: Closing, posts: Sequence[Post], wanted: Wanted
) -> dict[tuple[str, str], Number]:
    """The first answer after the day, by post and metric; without one the last try."""
    start_ms, end_ms = closing.window
    found: dict[tuple[str, str], Number] = {}
    for row in _readings(connection, list(wanted), start_ms, end_ms):
        key, metric = row.post_key, row.metric
        old = found.get((key, metric))
        if metric in wanted[key] and (old is None or old.reading.availability in AGAIN):
            reading = Reading(metric, row.value, Availability(row.availability), row.reason)
            found[key, metric] = Number(key, reading, to_ms(row.read_at))
    for post in posts:
        if post.is_over(closing.day, end_ms):
            for metric in wanted[post.key]:
                if _was_not_there(post, end_ms, found.get((post.key, metric))):
                    found[post.key, metric] = _known(post, metric)
    return found


def _was_not_there(post: Post, end_ms: int, last: Number | None) -> bool:
    """Of a post that is over: its last answer of the day does not show that it was still there. A platform
    that was yet to tell its numbers showed it; that it was found gone later says nothing of that day."""
    if last is None or last.reading.availability is Availability.FAILED:
        return True
    taken_down = post.gone_ms is not None and post.gone_ms < end_ms
    return last.reading.availability is Availability.NOT_YET and taken_down


def _known(post: Post, metric: str) -> Number:
    """What is known of a post that is not asked for any more."""
    seen = post.watched
    if seen is not None and seen.ended:
        reading = Reading(metric, None, Availability(seen.ended), seen.reason)
        return Number(post.key, reading, seen.read_ms)
    why = "it was taken down" if post.state == State.TAKEN_DOWN else "its platform no longer shows it"
    return Number(post.key, Reading(metric, None, Availability.GONE, why), None)


def _fall_back(connection: sa.Connection, closing: Closing, found: dict[tuple[str, str], Number]) -> None:
    """What ended, or is gone, has the last number that was read within the day."""
    over = {about for about, number in found.items() if number.reading.availability in OVER}
    if not over:
        return
    day = closing.day
    keys = sorted({key for key, _ in over})
    for row in _readings(connection, keys, day.start_ms, day.end_ms):
        if (row.post_key, row.metric) in over and row.value is not None:
            number = Number(row.post_key, Reading(row.metric, row.value), to_ms(row.read_at))
            found[row.post_key, row.metric] = number


def _readings(connection: sa.Connection, keys: Sequence[str], start_ms: int, end_ms: int) -> Sequence[Any]:
    """Oldest first; the end is outside."""
    r = warehouse_of(connection).post_readings.c
    query = (
        sa.select(r.post_key, r.read_at, r.metric, r.value, r.availability, r.reason)
        .where(r.post_key.in_(keys), r.read_at >= at(start_ms), r.read_at < at(end_ms))
        .order_by(r.read_at)
    )
    return connection.execute(query).all()
