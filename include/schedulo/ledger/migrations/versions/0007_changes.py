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
