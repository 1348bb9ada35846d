"""What watching over logins, health and platforms needs."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _logins()
    _health()


def _logins() -> None:
    """What is known of logins without opening them, and who did what with them."""
    known: tuple[sa.Column[Any], ...] = (
        sa.Column(
            "serial",
            sa.Integer(),
            server_default="1",
            nullable=False,
            comment="changes with every new secret, and not when one is only encrypted anew",
        ),
        sa.Column("obtained_ms", sa.BigInteger(), nullable=True, comment="when a person connected it"),
        sa.Column(
            "expires_ms",
            sa.BigInteger(),
            nullable=True,
            comment="end of the access token; empty: it has none, or none was told",
        ),
        sa.Column(
            "refresh_expires_ms",
            sa.BigInteger(),
            nullable=True,
            comment="end of the refresh token; empty: it has none, or none was told",
        ),
        sa.Column(
            "data_access_ms", sa.BigInteger(), nullable=True, comment="end of what Meta calls data access"
        ),
        sa.Column(
            "renewable",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="it holds a second token, with which it is renewed",
        ),
        sa.Column(
            "scopes",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=True,
            comment="what its platform said that it may do; empty: it was not said",
        ),
        sa.Column(
            "checked_ms",
            sa.BigInteger(),
            nullable=True,
            comment="when its platform last said that it is good",
        ),
        sa.Column(
            "problem",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it could not be renewed or checked when that was last tried",
        ),
        sa.Column(
            "warned_days",
            sa.Integer(),
            nullable=True,
            comment="its owner was last warned so many days before a person is needed",
        ),
        sa.Column("warned_end_ms", sa.BigInteger(), nullable=True, comment="the end that the warning named"),
    )
    for column in known:
        op.add_column("credentials", column)
    op.create_table(
        "vault_audit",
        sa.Column("id", sa.Integer(), autoincrement=True, primary_key=True, nullable=False),
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False, comment="a person, or schedulo"),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False, comment="without secrets"),
    )
    op.create_index("ix_vault_audit_account", "vault_audit", ["account_key", "id"])


def _health() -> None:
    """How each check stands, and what it found before."""
    op.create_table(
        "health",
        sa.Column(
            "name",
            sa.Text(),
            primary_key=True,
            nullable=False,
            comment="how each check stands; its history is in health_checks",
        ),
        sa.Column("status", sa.Text(), nullable=False, comment="green, yellow, red or unknown"),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("unit", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "numbers",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=False,
            comment="further numbers, by name",
        ),
        sa.Column("actor", sa.Text(), nullable=False, comment="who must act where it is not green"),
        sa.Column("since_ms", sa.BigInteger(), nullable=False, comment="it has this status since"),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "health_checks",
        sa.Column("id", sa.Integer(), autoincrement=True, primary_key=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("changed", sa.Boolean(), nullable=False, comment="the check before had another status"),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("sentence", sa.Text(), nullable=False, comment="empty where it is green"),
    )
    op.create_index("ix_health_checks_at", "health_checks", ["at_ms"])
    op.create_index("ix_health_checks_name", "health_checks", ["name", "at_ms"])
