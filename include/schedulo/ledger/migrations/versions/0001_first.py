"""The first schema of the ledger."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column(
            "key",
            sa.Text(),
            nullable=False,
            comment="platform:account_id; the platform's own id, not the row's",
        ),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column(
            "record_id",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="Airtable row; may change when a person reconnects",
        ),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("last_fire_ms", sa.BigInteger(), nullable=True),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_accounts")),
    )
    op.create_table(
        "attachments",
        sa.Column(
            "id",
            sa.Text(),
            nullable=False,
            comment="Airtable's id of the attachment; its URL dies after two hours",
        ),
        sa.Column("sha256", sa.Text(), nullable=False, comment="the file in the media store"),
        sa.Column("fetched_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    op.create_table(
        "claims",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("claimed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "map_index", name=op.f("pk_claims")),
    )
    op.create_index("ix_claims_delivery", "claims", ["delivery_id"], unique=False)
    op.create_table(
        "credentials",
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column(
            "secret", sa.Text(), nullable=False, comment="Fernet token of the JSON of what the platform gave"
        ),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_key", name=op.f("pk_credentials")),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("post_id", sa.Text(), nullable=False),
        sa.Column("account_key", sa.Text(), nullable=False),
        sa.Column("occurrence", sa.Integer(), server_default="1", nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "label",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="platform, account and title, as people find it",
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "reason",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it is where it is, as a sentence",
        ),
        sa.Column("content", JSON, nullable=False),
        sa.Column(
            "content_hash",
            sa.Text(),
            nullable=False,
            comment="equal for what people would call the same post",
        ),
        sa.Column(
            "fingerprint",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="changes with anything that would be sent",
        ),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column(
            "armed_version",
            sa.Integer(),
            nullable=True,
            comment="the version that was prepared at the platform",
        ),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("fire_ms", sa.BigInteger(), nullable=False),
        sa.Column("not_after_ms", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True, comment="the process at work on it"),
        sa.Column("fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "run_id", sa.Text(), server_default="", nullable=False, comment="the run that claimed it last"
        ),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("remote_id", sa.Text(), nullable=True, comment="the platform's id of the post"),
        sa.Column("permalink", sa.Text(), nullable=True),
        sa.Column("sent_ms", sa.BigInteger(), nullable=True),
        sa.Column("accepted_ms", sa.BigInteger(), nullable=True),
        sa.Column("published_ms", sa.BigInteger(), nullable=True),
        sa.Column("error_kind", sa.Text(), server_default="", nullable=False),
        sa.Column("error_code", sa.Text(), server_default="", nullable=False),
        sa.Column("commanded_ms", sa.BigInteger(), nullable=True),
        sa.Column(
            "asked_ms",
            sa.BigInteger(),
            nullable=True,
            comment="a person asked to publish it then, whatever its row says",
        ),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("post_id", "account_key", "occurrence", name="uq_deliveries_identity"),
    )
    op.create_index("ix_deliveries_guard", "deliveries", ["account_key", "content_hash"], unique=False)
    op.create_index("ix_deliveries_state_fire", "deliveries", ["state", "fire_ms"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_delivery", "events", ["delivery_id"], unique=False)
    op.create_table(
        "holders",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column(
            "note", sa.Text(), server_default="", nullable=False, comment="host and process, for people"
        ),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("beat_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holders")),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False, comment="everything, platform or account"),
        sa.Column(
            "key", sa.Text(), server_default="", nullable=False, comment="the platform or the account's key"
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("lifted_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_table(
        "incidents",
        sa.Column("key", sa.Text(), nullable=False, comment="one incident a cause"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=True),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_incidents")),
    )
    op.create_table(
        "instances",
        sa.Column("ti_id", sa.Text(), nullable=False, comment="Airflow's id of one try of one task instance"),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ti_id", name=op.f("pk_instances")),
    )
    op.create_index("ix_instances_delivery", "instances", ["delivery_id"], unique=False)
    op.create_table(
        "marks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_marks")),
    )
    op.create_table(
        "outbox",
        sa.Column(
            "key",
            sa.Text(),
            nullable=False,
            comment="a delivery's id, or post:<record> for a post without one",
        ),
        sa.Column("record_id", sa.Text(), nullable=True, comment="the Airtable row that tells it"),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("told_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_untold", "outbox", ["changed_ms"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("write_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="what this piece of evidence says of the write"
        ),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("value", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
    )
    op.create_index("ix_outcomes_write", "outcomes", ["write_id"], unique=False)
    op.create_table(
        "posts",
        sa.Column("record_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column(
            "problem",
            sa.Text(),
            server_default="",
            nullable=False,
            comment="why it is not planned, for people; empty when it is",
        ),
        sa.Column(
            "unfinished",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
            comment="its media are not all here yet: read again at the next tick",
        ),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_posts")),
    )
    op.create_table(
        "steps",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", JSON, nullable=False),
        sa.Column("kept_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", "name", name=op.f("pk_steps")),
    )
    op.create_table(
        "writes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("request", JSON, nullable=False, comment="without secrets"),
        sa.Column("snapshot", JSON, nullable=False, comment="the content as it was frozen"),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("sending_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.Column("value", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_writes")),
    )
    op.create_index("ix_writes_delivery", "writes", ["delivery_id"], unique=False)
    op.create_index(
        "uq_writes_live",
        "writes",
        ["delivery_id", "name"],
        unique=True,
        sqlite_where=sa.text("state IN ('open', 'accepted', 'unknown')"),
        postgresql_where=sa.text("state IN ('open', 'accepted', 'unknown')"),
    )
