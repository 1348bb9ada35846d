"""What is heard from Airtable and the platforms as it happens needs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Each subject has a function of its own."""
    _decided_under()
    _airtable_webhooks()
    _changed_rows()
    _platform_events()


def _decided_under() -> None:
    """In maintenance a tick decides anew only of posts for which something changed."""
    op.add_column(
        "maintenance_posts",
        sa.Column(
            "under",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the windows and the row's wish by which it was decided; others: it is decided again",
        ),
    )


def _airtable_webhooks() -> None:
    """By what Airtable tells of changes."""
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "airtable_webhooks",
        sa.Column("base_id", sa.Text(), nullable=False),
        sa.Column(
            "webhook_id", sa.Text(), nullable=True, comment="Airtable's id of it; empty: there is none now"
        ),
        sa.Column("url", sa.Text(), server_default="", nullable=False, comment="pinged; empty: none is"),
        sa.Column(
            "secret",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="Fernet token of what pings are signed with, as JSON; empty: they cannot be checked",
        ),
        sa.Column(
            "fingerprint",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="of what it was made to watch, and of the address: another one means another webhook",
        ),
        sa.Column(
            "watched",
            json,
            nullable=True,
            comment="by our names of tables: the base's id of it, and the ids of the fields that count",
        ),
        sa.Column(
            "cursor",
            sa.BigInteger(),
            server_default="1",
            nullable=False,
            comment="the next payload, to be read",
        ),
        sa.Column(
            "lost",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="changes may have been missed: whoever reads next is told to read everything",
        ),
        sa.Column(
            "made_ms",
            sa.BigInteger(),
            nullable=True,
            comment="the last one was made, or taken over; empty: never",
        ),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True, comment="Airtable forgets it then"),
        sa.Column(
            "next_ms",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="it is looked after then",
        ),
        sa.Column(
            "read_ms", sa.BigInteger(), nullable=True, comment="payloads were last read, to the minute"
        ),
        sa.Column(
            "changed_ms", sa.BigInteger(), nullable=True, comment="they last told of a change that counts"
        ),
        sa.Column(
            "pinged_ms",
            sa.BigInteger(),
            nullable=True,
            comment="Airtable last sent a ping that is its own",
        ),
        sa.Column(
            "trouble",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why there is none, as told",
        ),
        sa.PrimaryKeyConstraint("base_id", name=op.f("pk_airtable_webhooks")),
    )


def _changed_rows() -> None:
    """Rows of the base that somebody changed, until they were read."""
    op.create_table(
        "changed_rows",
        sa.Column("table_name", sa.Text(), nullable=False, comment="our name of it; empty: nobody knows"),
        sa.Column("record_id", sa.Text(), nullable=False, comment="empty: nobody knows"),
        sa.Column(
            "heard_ms",
            sa.BigInteger(),
            nullable=False,
            comment="when a change of it was last heard of",
        ),
        sa.PrimaryKeyConstraint("table_name", "record_id", name=op.f("pk_changed_rows")),
    )
    comment = "when the row that it was last planned by was read"
    op.add_column(
        "posts", sa.Column("read_ms", sa.BigInteger(), server_default="0", nullable=False, comment=comment)
    )


def _platform_events() -> None:
    op.create_table(
        "platform_events",
        sa.Column("key", sa.Text(), nullable=False, comment="the same however often the platform sends it"),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("app", sa.Text(), nullable=False, comment="the platform's id of the app that was told"),
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False, comment="in the platform's words"),
        sa.Column("what", sa.Text(), nullable=False, comment="what it means to us; other: nothing"),
        sa.Column(
            "handle", sa.Text(), server_default="", nullable=False, comment="of the post that it is about"
        ),
        sa.Column("direct", sa.Boolean(), nullable=False, comment="about a post, not a draft"),
        sa.Column(
            "post_id", sa.Text(), server_default="", nullable=False, comment="the platform's id of the post"
        ),
        sa.Column("reason", sa.Text(), server_default="", nullable=False, comment="in the platform's words"),
        sa.Column(
            "at_ms", sa.BigInteger(), nullable=False, comment="by the platform's clock; 0: it was not said"
        ),
        sa.Column("heard_ms", sa.BigInteger(), nullable=False, comment="when it came first"),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False, comment="how often it came"),
        sa.Column(
            "next_ms",
            sa.BigInteger(),
            nullable=True,
            comment="when it is to be looked into; empty: it was, or needs not",
        ),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False, comment="what became of it"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_platform_events")),
    )
    op.create_index("ix_platform_events_account", "platform_events", ["account_key", "heard_ms"])
    waiting = sa.text("next_ms IS NOT NULL")
    op.create_index(
        "ix_platform_events_next",
        "platform_events",
        ["next_ms"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_platform_events_heard", "platform_events", ["heard_ms"])
