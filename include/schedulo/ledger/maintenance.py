"""The ledger's tables of maintenance: windows in which nothing goes out, and what becomes of posts inside.

They share the ledger's metadata, and are moved by `schedulo.delivery` as the others are.
"""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import Json, metadata

windows = sa.Table(
    "maintenance",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("record_id", sa.Text, unique=True, comment="its row in Airtable; empty: it came by the form"),
    sa.Column(
        "targets", Json, nullable=False, comment="what stands still: everything, platform:x, account:x:123"
    ),
    sa.Column("from_ms", sa.BigInteger, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False),
    sa.Column("posts", sa.Text, nullable=False, comment="what becomes of posts inside: move or hold"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False, comment="who planned it"),
    sa.Column("planned_ms", sa.BigInteger, nullable=False),
    sa.Column(
        "version", sa.Integer, nullable=False, server_default="1", comment="changes with what people are told"
    ),
    sa.Column("ended_ms", sa.BigInteger, comment="called off, or released before its end"),
    sa.Column("ended_by", sa.Text, nullable=False, server_default=""),
    sa.Column("told_hours", sa.Float, comment="people were told of this version so many hours before"),
    sa.Column("told_about", sa.Text, nullable=False, server_default="", comment="the incident that tells it"),
    sa.Column("closed_ms", sa.BigInteger, comment="people were told what came of it; nothing is left to do"),
    sa.Index("ix_maintenance_closed", "closed_ms"),
)

window_posts = sa.Table(
    "maintenance_posts",
    metadata,
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("window_id", sa.Text, nullable=False, comment="the window whose end it waits for"),
    sa.Column(
        "fate", sa.Text, nullable=False, comment="move, hold, let_go (held, and a person let it go) or miss"
    ),
    sa.Column("until_ms", sa.BigInteger, nullable=False, comment="that end, as it was reckoned with"),
    sa.Column("due_ms", sa.BigInteger, nullable=False, comment="its own, as are the next two"),
    sa.Column("fire_ms", sa.BigInteger, nullable=False),
    sa.Column("not_after_ms", sa.BigInteger, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, comment="when that was decided"),
    sa.Column(
        "under",
        sa.Text,
        nullable=False,
        server_default="",
        comment="the windows and the row's wish by which it was decided; others: it is decided again",
    ),
    sa.Index("ix_maintenance_posts_window", "window_id"),
)
