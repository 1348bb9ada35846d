"""What platforms that fail, maintenance, quotas and people's programs need."""

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass
