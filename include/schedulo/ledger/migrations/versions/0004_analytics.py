"""The warehouse, and numbers in the outbox."""

import sqlalchemy as sa
from alembic import op

from schedulo.ledger.tables import Json
from schedulo.ledger.warehouse import SCHEMA, warehouse_of

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _make_schema(connection: sa.Connection) -> None:
    """An administrator may have made it: then the ledger's login needs no right to make schemas."""
    if sa.inspect(connection).has_schema(SCHEMA):
        return
    may = sa.text("SELECT has_database_privilege(current_database(), 'CREATE'), current_user")
    allowed, login = connection.execute(may).one()
    if not allowed:
        raise RuntimeError(
            f"{login} may not make the schema {SCHEMA} in this database. An administrator runs "
            f'`CREATE SCHEMA {SCHEMA} AUTHORIZATION "{login}"`; then run `schedulo db upgrade` again.'
        )
    connection.execute(sa.schema.CreateSchema(SCHEMA))


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        _make_schema(connection)
    warehouse_of(connection).metadata.create_all(connection)
    is_out = sa.text("coalesce(state, '') IN ('published', 'published_incomplete', 'taken_down', 'removed')")
    op.create_index(
        "ix_deliveries_out",
        "deliveries",
        ["updated_ms", "id"],
        sqlite_where=is_out,
        postgresql_where=is_out,
    )
    kind = "state: what became of a post; numbers: told apart, more slowly"
    op.add_column("outbox", sa.Column("kind", sa.Text, nullable=False, server_default="state", comment=kind))
    op.add_column("outbox", sa.Column("content", Json, comment="of numbers: the cells"))
    if connection.dialect.name == "postgresql":  # SQLite keeps no comments
        key = "a delivery's id, post:<record> for a post without one, numbers:<delivery or account>"
        op.alter_column("outbox", "key", comment=key)
    op.drop_index("ix_outbox_untold", "outbox")
    waiting = sa.text("version > told_version")
    op.create_index(
        "ix_outbox_waiting",
        "outbox",
        ["kind", "changed_ms"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
