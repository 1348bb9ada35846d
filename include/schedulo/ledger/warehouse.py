"""The warehouse's tables: what was measured, in a shape that people query. They stand beside the ledger's.

On PostgreSQL they are a schema of their own, `analytics.posts` and so on; on SQLite, which has no schemas,
they are named `analytics_posts`. Each column has a comment: the data dictionary is made of them. Instants are
timestamps (UTC) and days are dates, not integers, since people read them. Publishing needs none of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from schedulo.ledger.tables import metadata as ledger_metadata

SCHEMA = "analytics"


class Timestamp(sa.TypeDecorator[datetime]):
    """An instant: `timestamptz` on PostgreSQL, UTC text on SQLite; aware on the Python side."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Number = sa.Numeric(asdecimal=False)
"""A count or a rate. Whole numbers stay whole on both databases."""


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The tables, as one of the databases names them."""

    metadata: sa.MetaData
    accounts: sa.Table
    posts: sa.Table
    post_hashtags: sa.Table
    dates: sa.Table
    metrics: sa.Table
    post_readings: sa.Table
    watched_posts: sa.Table
    post_metrics_daily: sa.Table
    account_metrics_daily: sa.Table
    refusals: sa.Table
    collections: sa.Table


def _measured() -> list[sa.Column[Any]]:
    """What every number comes with."""
    return [
        sa.Column("metric", sa.Text, primary_key=True, comment="what was measured; see metrics"),
        sa.Column(
            "value",
            Number,
            comment="the number as the platform told it; empty where it told none, never 0 for that",
        ),
        sa.Column("availability", sa.Text, nullable=False, comment="measured, or why there is no number"),
        sa.Column(
            "reason",
            sa.Text,
            nullable=False,
            server_default="",
            comment="why there is no number, in the platform's words where it gave any",
        ),
    ]


def _daily() -> list[sa.Column[Any]]:
    return [
        *_measured(),
        sa.Column(
            "delta",
            Number,
            comment="what was added since the number before; deltas of a post add up to its value. Empty "
            "where there is nothing to compare with, and for rates",
        ),
        sa.Column(
            "delta_days",
            sa.Integer,
            comment="over how many days the delta came together: 1 is this day alone, more where days before "
            "have no number",
        ),
        sa.Column("collected_at", Timestamp, comment="when the platform was asked; empty where nobody asked"),
    ]


def _named(schema: str | None, prefix: str) -> Warehouse:
    metadata = sa.MetaData(schema=schema, naming_convention=ledger_metadata.naming_convention)

    def table(name: str, comment: str, *items: Any) -> sa.Table:
        return sa.Table(prefix + name, metadata, *items, comment=comment)

    def to(name: str) -> sa.ForeignKey:
        table, column = name.split(".")
        return sa.ForeignKey(f"{schema + '.' if schema else ''}{prefix}{table}.{column}")

    has_a_value = "(value IS NOT NULL) = (availability = 'measured')"
    accounts = table(
        "accounts",
        "Accounts that something was published on or planned for.",
        sa.Column("account_key", sa.Text, primary_key=True, comment="platform:account_id"),
        sa.Column("platform", sa.Text, nullable=False, comment="instagram, tiktok, x or facebook"),
        sa.Column("account_id", sa.Text, nullable=False, comment="the platform's own id"),
        sa.Column("name", sa.Text, nullable=False, comment="as people know it"),
        sa.Column(
            "timezone",
            sa.Text,
            nullable=False,
            comment="IANA name; the account's days are those of this zone",
        ),
        sa.Column("active", sa.Boolean, nullable=False, comment="posts may go out on it"),
    )
    posts = table(
        "posts",
        "Posts that went out: one row for each account that a post went out on.",
        sa.Column(
            "post_key", sa.Text, primary_key=True, comment="the delivery's id, as in Deliveries in Airtable"
        ),
        sa.Column(
            "account_key", sa.Text, to("accounts.account_key"), nullable=False, comment="where it went out"
        ),
        sa.Column("post_record_id", sa.Text, nullable=False, comment="the row in Posts in Airtable"),
        sa.Column(
            "remote_id",
            sa.Text,
            nullable=False,
            comment="the platform's id of the post; empty: not known, nothing is measured",
        ),
        sa.Column(
            "permalink", sa.Text, nullable=False, comment="where it can be seen; empty: no link is known"
        ),
        sa.Column("title", sa.Text, nullable=False, comment="what people call it in Airtable"),
        sa.Column(
            "text", sa.Text, nullable=False, comment="the text that went out, with the parts of a thread"
        ),
        sa.Column("text_length", sa.Integer, nullable=False, comment="characters of the text"),
        sa.Column("format", sa.Text, nullable=False, comment="text, image, carousel, reel, story, ..."),
        sa.Column("media_kind", sa.Text, nullable=False, comment="none, image, gif, video or mixed"),
        sa.Column("media_count", sa.Integer, nullable=False, comment="pictures and videos"),
        sa.Column("video_s", Number, comment="length of its videos in seconds; empty without one"),
        sa.Column("hashtag_count", sa.Integer, nullable=False, comment="hashtags in text and first comment"),
        sa.Column("due_at", Timestamp, nullable=False, comment="when it should go out"),
        sa.Column(
            "published_at",
            Timestamp,
            comment="when its platform took it; empty: it is out, since when is not known",
        ),
        sa.Column("lateness_s", Number, comment="published_at minus due_at, seconds"),
        sa.Column("published_on", sa.Date, comment="the day it went out, in the account's time zone"),
        sa.Column(
            "published_weekday", sa.Integer, comment="1 Monday to 7 Sunday, in the account's time zone"
        ),
        sa.Column("published_hour", sa.Integer, comment="0 to 23, in the account's time zone"),
        sa.Column("state", sa.Text, nullable=False, comment="published, taken_down, removed, ..."),
        sa.Column("gone_at", Timestamp, comment="when it was taken down or found gone; empty: it is there"),
        sa.Column(
            "updated_at",
            Timestamp,
            nullable=False,
            comment="when anything about it changed in the ledger last",
        ),
        sa.Index(f"ix_{prefix}posts_account", "account_key", "published_at"),
    )
    post_hashtags = table(
        "post_hashtags",
        "The hashtags of each post.",
        sa.Column("post_key", sa.Text, to("posts.post_key"), primary_key=True, comment="the post"),
        sa.Column("hashtag", sa.Text, primary_key=True, comment="in lower case, without the sign"),
    )
    dates = table(
        "dates",
        "The calendar: one row a day.",
        sa.Column("date", sa.Date, primary_key=True, comment="the day"),
        sa.Column(
            "day_number",
            sa.Integer,
            nullable=False,
            unique=True,
            comment="days since 1970-01-01, to count with on every database",
        ),
        sa.Column("year", sa.Integer, nullable=False, comment="calendar year"),
        sa.Column("quarter", sa.Integer, nullable=False, comment="1 to 4"),
        sa.Column("month", sa.Integer, nullable=False, comment="1 to 12"),
        sa.Column("iso_year", sa.Integer, nullable=False, comment="the year that the ISO week belongs to"),
        sa.Column("iso_week", sa.Integer, nullable=False, comment="1 to 53"),
        sa.Column("weekday", sa.Integer, nullable=False, comment="1 Monday to 7 Sunday"),
        sa.Column("weekday_name", sa.Text, nullable=False, comment="in English"),
        sa.Column("weekend", sa.Boolean, nullable=False, comment="Saturday or Sunday"),
    )
    metrics = table(
        "metrics",
        "What can be measured, by platform.",
        sa.Column("platform", sa.Text, primary_key=True, comment="instagram, tiktok, x or facebook"),
        sa.Column("subject", sa.Text, primary_key=True, comment="post or account"),
        sa.Column(
            "metric",
            sa.Text,
            primary_key=True,
            comment="a word of the common core (views, reach, likes, comments, shares, saves, clicks, "
            "followers), else the platform's own",
        ),
        sa.Column("core", sa.Boolean, nullable=False, comment="it belongs to the common core"),
        sa.Column("native", sa.Text, nullable=False, comment="what the platform calls it"),
        sa.Column(
            "kind",
            sa.Text,
            nullable=False,
            comment="total: all since the beginning; level: how it stands; day: of the day alone; rate: an "
            "average or a share",
        ),
        sa.Column("unit", sa.Text, nullable=False, comment="count, ms or percent"),
        sa.Column("formats", sa.Text, nullable=False, comment="of posts: which have it; empty: all"),
        sa.Column(
            "by_date",
            sa.Boolean,
            nullable=False,
            comment="the platform tells it of past days too, so that a missed day can be collected later",
        ),
        sa.Column("description", sa.Text, nullable=False, comment="what it counts"),
        sa.Column("source", sa.Text, nullable=False, comment="where the platform says so"),
    )
    post_readings = table(
        "post_readings",
        "Every number as it was read, several times a day while a post is young.",
        sa.Column("post_key", sa.Text, to("posts.post_key"), primary_key=True, comment="the post"),
        sa.Column("read_at", Timestamp, primary_key=True, comment="when the platform was asked"),
        *_measured(),
        sa.CheckConstraint(has_a_value, name="has_a_value"),
        sa.Index(f"ix_{prefix}post_readings_read_at", "read_at"),
    )
    watched_posts = table(
        "watched_posts",
        "How the last reading of each post went, which says when it is read again.",
        sa.Column("post_key", sa.Text, to("posts.post_key"), primary_key=True, comment="the post"),
        sa.Column("read_at", Timestamp, nullable=False, comment="when the platform last answered for it"),
        sa.Column("told_at", Timestamp, comment="when it last told a number of it; empty: never"),
        sa.Column(
            "unmoved",
            sa.Integer,
            nullable=False,
            comment="readings since its numbers were others the last time",
        ),
        sa.Column(
            "numbers",
            sa.Text,
            nullable=False,
            comment="short for all numbers of that reading, to compare with",
        ),
        sa.Column(
            "ended",
            sa.Text,
            nullable=False,
            server_default="",
            comment="ended or gone, where the reading said so of all its numbers",
        ),
        sa.Column("reason", sa.Text, nullable=False, server_default="", comment="why, in words"),
    )
    post_metrics_daily = table(
        "post_metrics_daily",
        "The numbers of each post at the end of each day of its account.",
        sa.Column("post_key", sa.Text, to("posts.post_key"), primary_key=True, comment="the post"),
        sa.Column(
            "date", sa.Date, to("dates.date"), primary_key=True, comment="the day, in the account's zone"
        ),
        *_daily(),
        sa.CheckConstraint(has_a_value, name="has_a_value"),
        sa.Index(f"ix_{prefix}post_metrics_daily_date", "date"),
    )
    account_metrics_daily = table(
        "account_metrics_daily",
        "The numbers of each account at the end of each of its days, or of the day alone: see metrics.kind.",
        sa.Column(
            "account_key", sa.Text, to("accounts.account_key"), primary_key=True, comment="the account"
        ),
        sa.Column(
            "date", sa.Date, to("dates.date"), primary_key=True, comment="the day, in the account's zone"
        ),
        *_daily(),
        sa.CheckConstraint(has_a_value, name="has_a_value"),
    )
    refusals = table(
        "refusals",
        "Metrics that a platform refused, and that are left out until they are tried again.",
        sa.Column(
            "account_key", sa.Text, to("accounts.account_key"), primary_key=True, comment="the account"
        ),
        sa.Column("format", sa.Text, primary_key=True, comment="of posts; empty: a metric of the account"),
        sa.Column("metric", sa.Text, primary_key=True, comment="what was refused"),
        sa.Column("availability", sa.Text, nullable=False, comment="why, as in the facts"),
        sa.Column("reason", sa.Text, nullable=False, comment="why, in the platform's words"),
        sa.Column("since", Timestamp, nullable=False, comment="when it was refused first"),
        sa.Column("asked_at", Timestamp, nullable=False, comment="when it was asked for last"),
    )
    collections = table(
        "collections",
        "What collecting did and cost: one row for each account and day, and each try of it.",
        sa.Column("id", sa.Text, primary_key=True, comment="of this try"),
        sa.Column("account_key", sa.Text, to("accounts.account_key"), nullable=False, comment="the account"),
        sa.Column("purpose", sa.Text, nullable=False, comment="day: the end of a day; young: young posts"),
        sa.Column("date", sa.Date, comment="the day that was collected; empty for young posts"),
        sa.Column("started_at", Timestamp, nullable=False, comment="when it began"),
        sa.Column("ended_at", Timestamp, comment="when it ended; empty: it was cut off"),
        sa.Column(
            "posts", sa.Integer, nullable=False, server_default="0", comment="posts that were asked for"
        ),
        sa.Column(
            "calls", sa.Integer, nullable=False, server_default="0", comment="requests to the platform"
        ),
        sa.Column(
            "cost_usd", Number, nullable=False, server_default="0", comment="by the platform's price list"
        ),
        sa.Column(
            "problem", sa.Text, nullable=False, server_default="", comment="why it failed; empty: it did not"
        ),
        sa.Index(f"ix_{prefix}collections_account", "account_key", "date"),
    )
    return Warehouse(
        metadata,
        accounts,
        posts,
        post_hashtags,
        dates,
        metrics,
        post_readings,
        watched_posts,
        post_metrics_daily,
        account_metrics_daily,
        refusals,
        collections,
    )


ON_POSTGRESQL = _named(SCHEMA, "")
ON_SQLITE = _named(None, f"{SCHEMA}_")


def warehouse_of(connection: sa.Connection | sa.Engine) -> Warehouse:
    """The tables as the database of a connection names them."""
    return ON_POSTGRESQL if connection.dialect.name == "postgresql" else ON_SQLITE
