"""What platforms that fail, maintenance, quotas and people's programs need."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _quotas()
    _lateness()


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
