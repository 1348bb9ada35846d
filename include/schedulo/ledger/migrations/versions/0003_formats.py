"""What preparing, approval and looking after posts that are out need."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "renditions",
        sa.Column(
            "source",
            sa.Text(),
            primary_key=True,
            nullable=False,
            comment="sha256 of the file that people gave",
        ),
        sa.Column(
            "recipe",
            sa.Text(),
            primary_key=True,
            nullable=False,
            comment="what was done with it, as a key that says all of it",
        ),
        sa.Column(
            "sha256",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the file that came of it; empty: there is none",
        ),
        sa.Column(
            "problem",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it cannot be done, for the author",
        ),
        sa.Column(
            "trouble",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it could not be done when that was last tried",
        ),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("took_ms", sa.Integer(), server_default="0", nullable=False),
    )
    kept: tuple[sa.Column[Any], ...] = (
        sa.Column(
            "problem",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it cannot be used, for the author",
        ),
        sa.Column(
            "trouble",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it could not be fetched when that was last tried",
        ),
    )
    for column in kept:
        op.add_column("attachments", column)
    lacking: tuple[sa.Column[Any], ...] = (
        sa.Column(
            "unprepared",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="some of its media are not here, or not made to fit",
        ),
        sa.Column(
            "prepared_ms",
            sa.BigInteger(),
            nullable=True,
            comment="when that was last tried, well or not",
        ),
        sa.Column(
            "preparer",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the run that prepares it, or will",
        ),
        sa.Column(
            "preparing_until_ms",
            sa.BigInteger(),
            nullable=True,
            comment="until then no other run may",
        ),
    )
    for column in lacking:
        op.add_column("posts", column)
    op.create_index("ix_posts_unprepared", "posts", ["unprepared"], unique=False)
    if op.get_bind().dialect.supports_comments:
        op.alter_column(
            "posts",
            "unfinished",
            comment="something that it depends on changed: read again at the next tick",
            existing_type=sa.Boolean(),
            existing_nullable=False,
        )
        op.alter_column(
            "attachments",
            "sha256",
            comment="the file in the media store; empty: it is not there",
            existing_type=sa.Text(),
            existing_nullable=False,
        )
    op.add_column(
        "deliveries",
        sa.Column(
            "warnings",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="what its author should know although it goes out",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "ready",
            sa.Boolean(),
            server_default=sa.true(),
            nullable=False,
            comment="its media are here and fit; what is not ready is not claimed",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "approval",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="needed: it waits for a person; empty: none is needed or it was given",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "checked_ms",
            sa.BigInteger(),
            nullable=True,
            comment="when it was last seen on the platform after it went out",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "absent_ms",
            sa.BigInteger(),
            nullable=True,
            comment="its platform has not shown it since; empty: it was seen last",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "newer",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=True,
            comment="what its row says, where it was changed after it went out",
        ),
    )
    op.create_table(
        "amendments",
        sa.Column("id", sa.Text(), primary_key=True, nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False, comment="take_down or edit"),
        sa.Column("number", sa.Integer(), server_default="1", nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False, comment="who asks, and how"),
        sa.Column("state", sa.Text(), nullable=False, comment="open, done or failed"),
        sa.Column(
            "content",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=True,
            comment="of an edit: what the post becomes",
        ),
        sa.Column(
            "fingerprint",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="of an edit: that of the row, where it becomes all that the row says",
        ),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False, comment="not before then"),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("held_until_ms", sa.BigInteger(), nullable=True),
        sa.Column(
            "answer", sa.Text(), server_default="", nullable=False, comment="what became of it, for people"
        ),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
    )
    op.create_index(
        "uq_amendments_open",
        "amendments",
        ["delivery_id", "verb"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_amendments_state", "amendments", ["state", "next_ms"])
    op.add_column(
        "deliveries",
        sa.Column(
            "removed_ms",
            sa.BigInteger(),
            nullable=True,
            comment="when it was taken down, or found to be gone",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "commanded",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the verbs that were asked for at that instant, a space between two",
        ),
    )
    op.add_column(
        "accounts",
        sa.Column(
            "allowed",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=True,
            comment="what its platform said that it may do; empty: it was not asked",
        ),
    )
    op.add_column(
        "accounts",
        sa.Column("allowed_ms", sa.BigInteger(), nullable=True, comment="when it said so"),
    )
