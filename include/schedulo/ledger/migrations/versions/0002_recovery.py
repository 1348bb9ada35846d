"""What recovery needs: how long troubles last, holds by errors, refreshers, incidents, later writes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "credentials",
        sa.Column(
            "refresher",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the process that refreshes it now",
        ),
    )
    op.add_column(
        "credentials",
        sa.Column(
            "refresher_until_ms",
            sa.BigInteger(),
            nullable=True,
            comment="until then nobody else may refresh it",
        ),
    )
    op.add_column("credentials", sa.Column("refreshed_ms", sa.BigInteger(), nullable=True))
    op.add_column(
        "deliveries",
        sa.Column(
            "trouble_since_ms",
            sa.BigInteger(),
            nullable=True,
            comment="it has been failing since; empty while all is well",
        ),
    )
    op.add_column(
        "holds",
        sa.Column(
            "error_kind",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the kind of error that set it; empty where a person did",
        ),
    )
    op.add_column("holds", sa.Column("lifted_by", sa.Text(), server_default="", nullable=False))
    op.create_index(
        "uq_holds_error",
        "holds",
        ["scope", "key", "error_kind"],
        unique=True,
        sqlite_where=sa.text("error_kind <> '' AND lifted_ms IS NULL"),
        postgresql_where=sa.text("error_kind <> '' AND lifted_ms IS NULL"),
    )
    op.add_column(
        "incidents",
        sa.Column("actor", sa.Text(), server_default="", nullable=False, comment="who must act"),
    )
    op.add_column(
        "incidents",
        sa.Column("told_ms", sa.BigInteger(), nullable=True, comment="people were told last"),
    )
    op.add_column("incidents", sa.Column("told_times", sa.Integer(), server_default="0", nullable=False))
    op.add_column(
        "incidents",
        sa.Column("end_told_ms", sa.BigInteger(), nullable=True, comment="people were told that it is over"),
    )
    op.add_column(
        "writes",
        sa.Column(
            "position",
            sa.Text(),
            server_default="only",
            nullable=False,
            comment="only, first (others follow), or later (the post is out)",
        ),
    )
    op.create_table(
        "incident_cases",
        sa.Column("incident_key", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column(
            "told_ms",
            sa.BigInteger(),
            nullable=True,
            comment="people were told of this case; empty: not yet",
        ),
        sa.PrimaryKeyConstraint("incident_key", "delivery_id", name=op.f("pk_incident_cases")),
    )
    op.create_index("ix_incident_cases_delivery", "incident_cases", ["delivery_id"], unique=False)
    op.drop_column("incidents", "delivery_id")
    op.execute(sa.text("DELETE FROM incidents"))  # their keys named deliveries, not causes
    op.create_table(
        "notices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("incident_key", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("html", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False, comment="not before then"),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column(
            "letter",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="the message that it went out with: equal for those of one digest",
        ),
        sa.PrimaryKeyConstraint("id", "channel", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_sent", "notices", ["channel", "sent_ms"], unique=False)
    op.add_column(
        "claims",
        sa.Column(
            "dag_id",
            sa.Text(),
            server_default="publish_due_posts",
            nullable=False,
            comment="the workflow of the run",
        ),
    )
