"""What platforms that fail, maintenance, quotas and people's programs need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _lock()
    _quotas()
    _lateness()
    _maintenance()
    _troubles()
    _outages()
    _subscribers()


def _lock() -> None:
    """All that is changed, at once and in the order of the fence: where posts are sent meanwhile, it and they
    would else wait for each other."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("LOCK TABLE deliveries, holds, writes IN ACCESS EXCLUSIVE MODE")


def _quotas() -> None:
    """What platforms said of their limits, and how all processes share Airtable's."""
    op.create_table(
        "quotas",
        sa.Column(
            "key",
            sa.Text(),
            primary_key=True,
            nullable=False,
            comment="whose: an account's key, or a platform where it is our app's",
        ),
        sa.Column("name", sa.Text(), primary_key=True, nullable=False, comment="which of its limits"),
        sa.Column(
            "most",
            sa.Integer(),
            nullable=True,
            comment="what its platform said that it allows; empty: it said nothing",
        ),
        sa.Column("used", sa.Integer(), nullable=True, comment="what it said that was used, by everybody"),
        sa.Column(
            "resets_ms",
            sa.BigInteger(),
            nullable=True,
            comment="when all of it is free again; empty: it was not said",
        ),
        sa.Column("said_ms", sa.BigInteger(), nullable=False, comment="when it said so"),
    )
    op.create_table(
        "airtable_bases",
        sa.Column("base_id", sa.Text(), primary_key=True, nullable=False),
        sa.Column(
            "next_ms",
            sa.BigInteger(),
            nullable=False,
            comment="the next call of any of our processes, not before",
        ),
        sa.Column(
            "locked_until_ms",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="until then Airtable refuses all calls",
        ),
        sa.Column(
            "month", sa.Text(), nullable=False, comment="the month (UTC) that calls counts, as 2026-11"
        ),
        sa.Column(
            "calls", sa.Integer(), nullable=False, comment="calls of this month that count for the plan"
        ),
    )


def _lateness() -> None:
    """How late a post was, whatever became of its row since."""
    comment = "the second for which it was let go; empty: not known"
    op.add_column("writes", sa.Column("fire_ms", sa.BigInteger(), nullable=True, comment=comment))


def _maintenance() -> None:
    """Windows in which nothing goes out, and what becomes of posts that are due inside."""
    op.create_table(
        "maintenance",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "record_id", sa.Text(), nullable=True, comment="its row in Airtable; empty: it came by the form"
        ),
        sa.Column(
            "targets",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=False,
            comment="what stands still: everything, platform:x, account:x:123",
        ),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("posts", sa.Text(), nullable=False, comment="what becomes of posts inside: move or hold"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="who planned it"),
        sa.Column("planned_ms", sa.BigInteger(), nullable=False),
        sa.Column(
            "version",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="changes with what people are told",
        ),
        sa.Column(
            "ended_ms", sa.BigInteger(), nullable=True, comment="called off, or released before its end"
        ),
        sa.Column("ended_by", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "told_hours",
            sa.Float(),
            nullable=True,
            comment="people were told of this version so many hours before",
        ),
        sa.Column(
            "told_about",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the incident that tells it",
        ),
        sa.Column(
            "closed_ms",
            sa.BigInteger(),
            nullable=True,
            comment="people were told what came of it; nothing is left to do",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maintenance")),
        sa.UniqueConstraint("record_id", name=op.f("uq_maintenance_record_id")),
    )
    op.create_index("ix_maintenance_closed", "maintenance", ["closed_ms"])
    op.create_table(
        "maintenance_posts",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("window_id", sa.Text(), nullable=False, comment="the window whose end it waits for"),
        sa.Column(
            "fate",
            sa.Text(),
            nullable=False,
            comment="move, hold, let_go (held, and a person let it go) or miss",
        ),
        sa.Column("until_ms", sa.BigInteger(), nullable=False, comment="that end, as it was reckoned with"),
        sa.Column("due_ms", sa.BigInteger(), nullable=False, comment="its own, as are the next two"),
        sa.Column("fire_ms", sa.BigInteger(), nullable=False),
        sa.Column("not_after_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False, comment="when that was decided"),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_maintenance_posts")),
    )
    op.create_index("ix_maintenance_posts_window", "maintenance_posts", ["window_id"])
    op.add_column(
        "holds",
        sa.Column(
            "window_id",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the maintenance that it belongs to; empty: to none",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "in_maintenance",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="what its post wishes: move or hold; empty: what the window says",
        ),
    )


def _troubles() -> None:
    """What went wrong when; of what was before nothing is known, and a mark says so."""
    op.create_table(
        "troubles",
        sa.Column(
            "cause",
            sa.Text(),
            primary_key=True,
            nullable=False,
            comment="the key of the incident, or retried:<account>",
        ),
        sa.Column(
            "delivery_id",
            sa.Text(),
            primary_key=True,
            nullable=False,
            comment="the delivery that was hit; empty: none was",
        ),
        sa.Column(
            "quarter_ms",
            sa.BigInteger(),
            primary_key=True,
            autoincrement=False,
            nullable=False,
            comment="the quarter of an hour in which it was: days of every zone are made of these",
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="the kind of the incident, or retried"),
        sa.Column("sentence", sa.Text(), nullable=False, comment="as it was told last"),
        sa.Column("actor", sa.Text(), nullable=False, comment="who must act"),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_troubles_quarter", "troubles", ["quarter_ms"])
    began_ms = sa.text("CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")
    if op.get_bind().dialect.name == "sqlite":
        began_ms = sa.text("CAST((julianday('now') - 2440587.5) * 86400000 AS integer)")
    marks = sa.table("marks", sa.column("name"), sa.column("value"), sa.column("at_ms"))
    op.execute(sa.insert(marks).values(name="troubles:since", value="", at_ms=began_ms))


def _outages() -> None:
    """What posts met at platforms that fail, and which platforms are held for it."""
    op.create_table(
        "stumbles",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="what it met last: platform_down or network"),
        sa.Column("at_ms", sa.BigInteger(), nullable=False, comment="when it last met no answer, or a fault"),
        sa.PrimaryKeyConstraint("delivery_id", name="pk_stumbles"),
    )
    op.create_index("ix_stumbles_at", "stumbles", ["at_ms"])
    op.create_table(
        "breakers",
        sa.Column("platform", sa.Text(), nullable=False, comment="a platform without a row is well"),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="open: it is held; trial: its first posts are let go"
        ),
        sa.Column(
            "cause",
            sa.Text(),
            nullable=False,
            comment="platform, or network: nothing can be reached from here",
        ),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False, comment="it is asked next, not before then"),
        sa.Column(
            "pause_ms",
            sa.BigInteger(),
            nullable=False,
            comment="between the time before and then",
        ),
        sa.Column("released_ms", sa.BigInteger(), nullable=True, comment="the trial began"),
        sa.PrimaryKeyConstraint("platform", name="pk_breakers"),
    )


def _subscribers() -> None:
    """Who wants to be told of events, and what was sent to whom."""
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "subscribers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="what people call it"),
        sa.Column("url", sa.Text(), nullable=False, comment="where events are posted"),
        sa.Column(
            "secret", sa.Text(), nullable=False, comment="Fernet token of what it is signed with, as JSON"
        ),
        sa.Column("types", json, nullable=False, comment="the types of events it wants; empty list: all"),
        sa.Column("accounts", json, nullable=False, comment="keys of the accounts it wants; empty list: all"),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column(
            "paused_ms",
            sa.BigInteger(),
            nullable=True,
            comment="nothing is sent since; empty: it is not paused",
        ),
        sa.Column("paused_why", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="tries in a row that failed",
        ),
        sa.Column(
            "next_ms",
            sa.BigInteger(),
            nullable=True,
            comment="nothing is sent before then; empty: it may be at once",
        ),
        sa.Column("took_ms", sa.BigInteger(), nullable=True, comment="when it last took an event"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscribers")),
    )
    op.create_table(
        "subscriber_events",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False, comment="the order of events"),
        sa.Column("id", sa.Text(), nullable=False, comment="as subscribers know it"),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="the delivery's id, or the account's key"),
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("data", json, nullable=False, comment="what was so then"),
        sa.Column(
            "body", sa.Text(), nullable=True, comment="what is sent, to the byte; empty: nothing was sent yet"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_subscriber_events")),
        sa.UniqueConstraint("id", name=op.f("uq_subscriber_events_id")),
    )
    op.create_index("ix_subscriber_events_subject", "subscriber_events", ["subject", "number"])
    op.create_index("ix_subscriber_events_at", "subscriber_events", ["at_ms"])
    op.create_table(
        "subscriber_sendings",
        sa.Column("subscriber_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False, comment="of the event"),
        sa.Column("subject", sa.Text(), nullable=False, comment="the event's"),
        sa.Column("state", sa.Text(), nullable=False, comment="waiting, sent or given_up"),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False, comment="not before then"),
        sa.Column("tried_ms", sa.BigInteger(), nullable=True, comment="when it was last sent"),
        sa.Column(
            "status", sa.Integer(), nullable=True, comment="what was answered last; empty: nothing was"
        ),
        sa.Column("problem", sa.Text(), server_default="", nullable=False, comment="why it was not taken"),
        sa.PrimaryKeyConstraint("subscriber_id", "number", name=op.f("pk_subscriber_sendings")),
    )
    op.create_index(
        "ix_subscriber_sendings_waiting",
        "subscriber_sendings",
        ["subscriber_id", "number"],
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_subscriber_sendings_number", "subscriber_sendings", ["number"])
