"""What is heard from Airtable and the platforms as it happens needs."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Each subject has a function of its own."""
    _decided_under()


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
