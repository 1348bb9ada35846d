"""What preparing, approval and looking after posts that are out need."""

import sqlalchemy as sa
from alembic import op

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
            comment="the file that came of it; empty: it cannot be done",
        ),
        sa.Column(
            "problem",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it cannot be done, for the author",
        ),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("took_ms", sa.Integer(), server_default="0", nullable=False),
    )
    op.add_column(
        "posts",
        sa.Column(
            "due_ms", sa.BigInteger(), nullable=True, comment="its earliest delivery; empty: none is planned"
        ),
    )
    op.add_column(
        "posts",
        sa.Column(
            "prepared_ms", sa.BigInteger(), nullable=True, comment="when it was last prepared, well or not"
        ),
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
            "removed_ms",
            sa.BigInteger(),
            nullable=True,
            comment="when it was taken down, or found to be gone",
        ),
    )
