"""What is heard from Airtable and the platforms as it happens needs."""

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Each subject has a function of its own."""
