"""The warehouse, and numbers in the outbox."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from schedulo.ledger.tables import Json

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SCHEMA = "analytics"


def _make_schema(connection: sa.Connection) -> None:
    """An administrator may have made it: then the ledger's login needs no right to make schemas."""
    if sa.inspect(connection).has_schema(SCHEMA):
        return
    may = sa.text("SELECT has_database_privilege(current_database(), 'CREATE'), current_user")
    allowed, login = connection.execute(may).one()
    if not allowed:
        raise RuntimeError(
            f"{login} may not make the schema {SCHEMA} in this database. An administrator runs "
            f'`CREATE SCHEMA {SCHEMA} AUTHORIZATION "{login}"`; then run `schedulo db upgrade` again.'
        )
    connection.execute(sa.schema.CreateSchema(SCHEMA))


def _make_tables(*, on_postgresql: bool) -> None:
    """In a schema of their own, or where there are none, under names that begin with its name."""
    schema, prefix = (SCHEMA, "") if on_postgresql else (None, f"{SCHEMA}_")

    def table(name: str, *items: Any, comment: str) -> None:
        op.create_table(prefix + name, *items, schema=schema, comment=comment)

    def index(name: str, of: str, columns: list[str]) -> None:
        op.create_index(f"ix_{prefix}{name}", prefix + of, columns, schema=schema)

    def to(column: str) -> str:
        return f"{schema}.{column}" if schema else prefix + column

    table(
        "accounts",
        sa.Column("account_key", sa.Text(), nullable=False, comment="platform:account_id"),
        sa.Column("platform", sa.Text(), nullable=False, comment="instagram, tiktok, x or facebook"),
        sa.Column("account_id", sa.Text(), nullable=False, comment="the platform's own id"),
        sa.Column("name", sa.Text(), nullable=False, comment="as people know it"),
        sa.Column(
            "timezone",
            sa.Text(),
            nullable=False,
            comment="IANA name; the account's days are those of this zone",
        ),
        sa.Column("active", sa.Boolean(), nullable=False, comment="posts may go out on it"),
        sa.PrimaryKeyConstraint("account_key"),
        comment="Accounts that something was published on or planned for.",
    )
    table(
        "dates",
        sa.Column("date", sa.Date(), nullable=False, comment="the day"),
        sa.Column(
            "day_number",
            sa.Integer(),
            nullable=False,
            comment="days since 1970-01-01, to count with on every database",
        ),
        sa.Column("year", sa.Integer(), nullable=False, comment="calendar year"),
        sa.Column("quarter", sa.Integer(), nullable=False, comment="1 to 4"),
        sa.Column("month", sa.Integer(), nullable=False, comment="1 to 12"),
        sa.Column("iso_year", sa.Integer(), nullable=False, comment="the year that the ISO week belongs to"),
        sa.Column("iso_week", sa.Integer(), nullable=False, comment="1 to 53"),
        sa.Column("weekday", sa.Integer(), nullable=False, comment="1 Monday to 7 Sunday"),
        sa.Column("weekday_name", sa.Text(), nullable=False, comment="in English"),
        sa.Column("weekend", sa.Boolean(), nullable=False, comment="Saturday or Sunday"),
        sa.PrimaryKeyConstraint("date"),
        sa.UniqueConstraint("day_number"),
        comment="The calendar: one row a day.",
    )
    table(
        "metrics",
        sa.Column("platform", sa.Text(), nullable=False, comment="instagram, tiktok, x or facebook"),
        sa.Column("subject", sa.Text(), nullable=False, comment="post or account"),
        sa.Column(
            "metric",
            sa.Text(),
            nullable=False,
            comment="a word of the common core (views, reach, likes, comments, shares, saves, clicks, "
            "followers), else the platform's own",
        ),
        sa.Column("core", sa.Boolean(), nullable=False, comment="it belongs to the common core"),
        sa.Column("native", sa.Text(), nullable=False, comment="what the platform calls it"),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="total: all since the beginning; level: how it stands; day: of the day alone; rate: an "
            "average or a share",
        ),
        sa.Column("unit", sa.Text(), nullable=False, comment="count, ms or percent"),
        sa.Column("formats", sa.Text(), nullable=False, comment="of posts: which have it; empty: all"),
        sa.Column(
            "by_date",
            sa.Boolean(),
            nullable=False,
            comment="the platform tells it of past days too, so that a missed day can be collected later",
        ),
        sa.Column("description", sa.Text(), nullable=False, comment="what it counts"),
        sa.Column("source", sa.Text(), nullable=False, comment="where the platform says so"),
        sa.PrimaryKeyConstraint("platform", "subject", "metric"),
        comment="What can be measured, by platform.",
    )
    table(
        "account_metrics_daily",
        sa.Column("account_key", sa.Text(), nullable=False, comment="the account"),
        sa.Column("date", sa.Date(), nullable=False, comment="the day, in the account's zone"),
        sa.Column("metric", sa.Text(), nullable=False, comment="what was measured; see metrics"),
        sa.Column(
            "value",
            sa.Numeric(),
            nullable=True,
            comment="the number as the platform told it; empty where it told none, never 0 for that",
        ),
        sa.Column("availability", sa.Text(), nullable=False, comment="measured, or why there is no number"),
        sa.Column(
            "reason",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why there is no number, in the platform's words where it gave any",
        ),
        sa.Column(
            "delta",
            sa.Numeric(),
            nullable=True,
            comment="what was added since the number before; deltas of a post add up to its value. Empty "
            "where there is nothing to compare with, and for rates",
        ),
        sa.Column(
            "delta_days",
            sa.Integer(),
            nullable=True,
            comment="over how many days the delta came together: 1 is this day alone, more where days "
            "before have no number",
        ),
        sa.Column(
            "collected_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the platform was asked; empty where nobody asked",
        ),
        sa.CheckConstraint("(value IS NOT NULL) = (availability = 'measured')", name="has_a_value"),
        sa.ForeignKeyConstraint(["account_key"], [to("accounts.account_key")]),
        sa.ForeignKeyConstraint(["date"], [to("dates.date")]),
        sa.PrimaryKeyConstraint("account_key", "date", "metric"),
        comment="The numbers of each account at the end of each of its days, or of the day alone: see "
        "metrics.kind.",
    )
    table(
        "collections",
        sa.Column("id", sa.Text(), nullable=False, comment="of this try"),
        sa.Column("account_key", sa.Text(), nullable=False, comment="the account"),
        sa.Column("purpose", sa.Text(), nullable=False, comment="day: the end of a day; young: young posts"),
        sa.Column(
            "date", sa.Date(), nullable=True, comment="the day that was collected; empty for young posts"
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="when it began"),
        sa.Column(
            "ended_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it ended; empty: it was cut off",
        ),
        sa.Column(
            "posts", sa.Integer(), server_default="0", nullable=False, comment="posts that were asked for"
        ),
        sa.Column(
            "calls", sa.Integer(), server_default="0", nullable=False, comment="requests to the platform"
        ),
        sa.Column(
            "cost_usd",
            sa.Numeric(),
            server_default="0",
            nullable=False,
            comment="by the platform's price list",
        ),
        sa.Column(
            "problem",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it failed; empty: it did not",
        ),
        sa.ForeignKeyConstraint(["account_key"], [to("accounts.account_key")]),
        sa.PrimaryKeyConstraint("id"),
        comment="What collecting did and cost: one row for each account and day, and each try of it.",
    )
    index("collections_account", "collections", ["account_key", "date"])
    table(
        "posts",
        sa.Column(
            "post_key", sa.Text(), nullable=False, comment="the delivery's id, as in Deliveries in Airtable"
        ),
        sa.Column("account_key", sa.Text(), nullable=False, comment="where it went out"),
        sa.Column("post_record_id", sa.Text(), nullable=False, comment="the row in Posts in Airtable"),
        sa.Column(
            "remote_id",
            sa.Text(),
            nullable=False,
            comment="the platform's id of the post; empty: not known, nothing is measured",
        ),
        sa.Column(
            "permalink", sa.Text(), nullable=False, comment="where it can be seen; empty: no link is known"
        ),
        sa.Column("title", sa.Text(), nullable=False, comment="what people call it in Airtable"),
        sa.Column(
            "text", sa.Text(), nullable=False, comment="the text that went out, with the parts of a thread"
        ),
        sa.Column("text_length", sa.Integer(), nullable=False, comment="characters of the text"),
        sa.Column("format", sa.Text(), nullable=False, comment="text, image, carousel, reel, story, ..."),
        sa.Column("media_kind", sa.Text(), nullable=False, comment="none, image, gif, video or mixed"),
        sa.Column("media_count", sa.Integer(), nullable=False, comment="pictures and videos"),
        sa.Column(
            "video_s",
            sa.Numeric(),
            nullable=True,
            comment="length of its videos in seconds; empty without one",
        ),
        sa.Column(
            "hashtag_count", sa.Integer(), nullable=False, comment="hashtags in text and first comment"
        ),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False, comment="when it should go out"),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its platform took it; empty: it is out, since when is not known",
        ),
        sa.Column("lateness_s", sa.Numeric(), nullable=True, comment="published_at minus due_at, seconds"),
        sa.Column(
            "published_on",
            sa.Date(),
            nullable=True,
            comment="the day it went out, in the account's time zone",
        ),
        sa.Column(
            "published_weekday",
            sa.Integer(),
            nullable=True,
            comment="1 Monday to 7 Sunday, in the account's time zone",
        ),
        sa.Column(
            "published_hour", sa.Integer(), nullable=True, comment="0 to 23, in the account's time zone"
        ),
        sa.Column("state", sa.Text(), nullable=False, comment="published, taken_down, removed, ..."),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was taken down or found gone; empty: it is there",
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when anything about it changed in the ledger last",
        ),
        sa.ForeignKeyConstraint(["account_key"], [to("accounts.account_key")]),
        sa.PrimaryKeyConstraint("post_key"),
        comment="Posts that went out: one row for each account that a post went out on.",
    )
    index("posts_account", "posts", ["account_key", "published_at"])
    table(
        "refusals",
        sa.Column("account_key", sa.Text(), nullable=False, comment="the account"),
        sa.Column("format", sa.Text(), nullable=False, comment="of posts; empty: a metric of the account"),
        sa.Column("metric", sa.Text(), nullable=False, comment="what was refused"),
        sa.Column("availability", sa.Text(), nullable=False, comment="why, as in the facts"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why, in the platform's words"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, comment="when it was refused first"),
        sa.Column(
            "asked_at", sa.DateTime(timezone=True), nullable=False, comment="when it was asked for last"
        ),
        sa.ForeignKeyConstraint(["account_key"], [to("accounts.account_key")]),
        sa.PrimaryKeyConstraint("account_key", "format", "metric"),
        comment="Metrics that a platform refused, and that are left out until they are tried again.",
    )
    table(
        "post_hashtags",
        sa.Column("post_key", sa.Text(), nullable=False, comment="the post"),
        sa.Column("hashtag", sa.Text(), nullable=False, comment="in lower case, without the sign"),
        sa.ForeignKeyConstraint(["post_key"], [to("posts.post_key")]),
        sa.PrimaryKeyConstraint("post_key", "hashtag"),
        comment="The hashtags of each post.",
    )
    table(
        "post_metrics_daily",
        sa.Column("post_key", sa.Text(), nullable=False, comment="the post"),
        sa.Column("date", sa.Date(), nullable=False, comment="the day, in the account's zone"),
        sa.Column("metric", sa.Text(), nullable=False, comment="what was measured; see metrics"),
        sa.Column(
            "value",
            sa.Numeric(),
            nullable=True,
            comment="the number as the platform told it; empty where it told none, never 0 for that",
        ),
        sa.Column("availability", sa.Text(), nullable=False, comment="measured, or why there is no number"),
        sa.Column(
            "reason",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why there is no number, in the platform's words where it gave any",
        ),
        sa.Column(
            "delta",
            sa.Numeric(),
            nullable=True,
            comment="what was added since the number before; deltas of a post add up to its value. Empty "
            "where there is nothing to compare with, and for rates",
        ),
        sa.Column(
            "delta_days",
            sa.Integer(),
            nullable=True,
            comment="over how many days the delta came together: 1 is this day alone, more where days "
            "before have no number",
        ),
        sa.Column(
            "collected_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the platform was asked; empty where nobody asked",
        ),
        sa.CheckConstraint("(value IS NOT NULL) = (availability = 'measured')", name="has_a_value"),
        sa.ForeignKeyConstraint(["date"], [to("dates.date")]),
        sa.ForeignKeyConstraint(["post_key"], [to("posts.post_key")]),
        sa.PrimaryKeyConstraint("post_key", "date", "metric"),
        comment="The numbers of each post at the end of each day of its account.",
    )
    index("post_metrics_daily_date", "post_metrics_daily", ["date"])
    table(
        "post_readings",
        sa.Column("post_key", sa.Text(), nullable=False, comment="the post"),
        sa.Column(
            "read_at", sa.DateTime(timezone=True), nullable=False, comment="when the platform was asked"
        ),
        sa.Column("metric", sa.Text(), nullable=False, comment="what was measured; see metrics"),
        sa.Column(
            "value",
            sa.Numeric(),
            nullable=True,
            comment="the number as the platform told it; empty where it told none, never 0 for that",
        ),
        sa.Column("availability", sa.Text(), nullable=False, comment="measured, or why there is no number"),
        sa.Column(
            "reason",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why there is no number, in the platform's words where it gave any",
        ),
        sa.CheckConstraint("(value IS NOT NULL) = (availability = 'measured')", name="has_a_value"),
        sa.ForeignKeyConstraint(["post_key"], [to("posts.post_key")]),
        sa.PrimaryKeyConstraint("post_key", "read_at", "metric"),
        comment="Every number as it was read, several times a day while a post is young.",
    )
    index("post_readings_read_at", "post_readings", ["read_at"])
    table(
        "watched_posts",
        sa.Column("post_key", sa.Text(), nullable=False, comment="the post"),
        sa.Column(
            "read_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the platform last answered for it",
        ),
        sa.Column(
            "told_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it last told a number of it; empty: never",
        ),
        sa.Column(
            "unmoved",
            sa.Integer(),
            nullable=False,
            comment="readings since its numbers were others the last time",
        ),
        sa.Column(
            "numbers",
            sa.Text(),
            nullable=False,
            comment="short for all numbers of that reading, to compare with",
        ),
        sa.Column(
            "ended",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="ended or gone, where the reading said so of all its numbers",
        ),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="why, in words"),
        sa.ForeignKeyConstraint(["post_key"], [to("posts.post_key")]),
        sa.PrimaryKeyConstraint("post_key"),
        comment="How the last reading of each post went, which says when it is read again.",
    )


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        _make_schema(connection)
    _make_tables(on_postgresql=connection.dialect.name == "postgresql")
    is_out = sa.text("coalesce(state, '') IN ('published', 'published_incomplete', 'taken_down', 'removed')")
    op.create_index(
        "ix_deliveries_out",
        "deliveries",
        ["updated_ms", "id"],
        sqlite_where=is_out,
        postgresql_where=is_out,
    )
    kind = "state: what became of a post; numbers: told apart, more slowly"
    op.add_column("outbox", sa.Column("kind", sa.Text, nullable=False, server_default="state", comment=kind))
    op.add_column("outbox", sa.Column("content", Json, comment="of numbers: the cells"))
    if connection.dialect.name == "postgresql":  # SQLite keeps no comments
        key = "a delivery's id, post:<record> for a post without one, numbers:<delivery or account>"
        op.alter_column("outbox", "key", comment=key)
    op.drop_index("ix_outbox_untold", "outbox")
    waiting = sa.text("version > told_version")
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["kind", "changed_ms"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
