"""Keeps what was read of posts, number by number, and how each reading went.

Days are made of readings (`daily`); nothing here knows of days.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from schedulo.analytics.posts import Post, at
from schedulo.ledger.database import upsert
from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability, Reading

AGAIN = (Availability.FAILED, Availability.NOT_YET)
"""What is asked for again while its time lasts."""
OVER = (Availability.ENDED, Availability.GONE)
SILENT = (Availability.NO_PERMISSION, Availability.RETIRED)
"""These refuse a metric, and say nothing of whether the post is there."""


def keep(
    connection: sa.Connection, posts: Sequence[Post], told: Mapping[str, Sequence[Reading]], now_ms: int
) -> None:
    """Keep one reading of posts.

    :param told: by `Post.key`
    :param now_ms: when the platform was asked
    """
    house = warehouse_of(connection)
    moment = at(now_ms)
    rows = [
        {
            "post_key": post.key,
            "read_at": moment,
            "metric": str(reading.metric),
            "value": reading.value,
            "availability": reading.availability.value,
            "reason": reading.reason,
        }
        for post in posts
        for reading in told[post.key]
    ]
    if rows:
        table = house.post_readings
        statement = upsert(connection, table)
        new = {name: statement.excluded[name] for name in ("value", "availability", "reason")}
        statement = statement.on_conflict_do_update(
            index_elements=["post_key", "read_at", "metric"],
            set_=new,
            where=sa.or_(*(table.c.availability == one for one in AGAIN)),
        )
        connection.execute(statement, rows)
    watched = [row for post in posts if (row := _watched(post, told[post.key], now_ms))]
    if watched:
        statement = upsert(connection, house.watched_posts)
        new = {name: statement.excluded[name] for name in watched[0] if name != "post_key"}
        connection.execute(statement.on_conflict_do_update(index_elements=["post_key"], set_=new), watched)


def _watched(post: Post, readings: Sequence[Reading], now_ms: int) -> dict[str, object] | None:
    """The row of `watched_posts`; None where the platform did not answer: it counts as not read."""
    answered = [reading for reading in readings if reading.availability is not Availability.FAILED]
    before = post.watched
    if not answered or (before and before.read_ms > now_ms):
        return None
    numbers = {reading.metric: reading.value for reading in answered if reading.value is not None}
    short = hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]
    same = before is not None and before.numbers == short and before.read_ms < now_ms
    told_ms = now_ms if numbers else (before.told_ms if before else None)
    over = [reading for reading in answered if reading.availability in OVER]
    ended, reason = "", ""
    if len(over) == len(readings):
        ended, reason = over[0].availability.value, over[0].reason
    elif before and all(reading.availability in SILENT for reading in answered):
        ended, reason = before.ended, before.reason
    return {
        "post_key": post.key,
        "read_at": at(now_ms),
        "told_at": None if told_ms is None else at(told_ms),
        "unmoved": before.unmoved + 1 if before and same else 0,
        "numbers": short,
        "ended": ended,
        "reason": reason,
    }
