"""The ledger's table of rows of the base that were changed and are to be read."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import metadata

changed_rows = sa.Table(
    "changed_rows",
    metadata,
    sa.Column("table_name", sa.Text, primary_key=True, comment="our name of it; empty: nobody knows"),
    sa.Column("record_id", sa.Text, primary_key=True, comment="empty: nobody knows"),
    sa.Column("heard_ms", sa.BigInteger, nullable=False, comment="when a change of it was last heard of"),
)
