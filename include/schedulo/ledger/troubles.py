"""The ledger's table of what went wrong when: `incidents` knows only how a cause stands now."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import metadata

troubles = sa.Table(
    "troubles",
    metadata,
    sa.Column("cause", sa.Text, primary_key=True, comment="the key of the incident, or retried:<account>"),
    sa.Column("delivery_id", sa.Text, primary_key=True, comment="the delivery that was hit; empty: none was"),
    sa.Column(
        "quarter_ms",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="the quarter of an hour in which it was: days of every zone are made of these",
    ),
    sa.Column("kind", sa.Text, nullable=False, comment="the kind of the incident, or retried"),
    sa.Column("sentence", sa.Text, nullable=False, comment="as it was told last"),
    sa.Column("actor", sa.Text, nullable=False, comment="who must act"),
    sa.Column("times", sa.Integer, nullable=False, server_default="1"),
    sa.Column("first_ms", sa.BigInteger, nullable=False),
    sa.Column("last_ms", sa.BigInteger, nullable=False),
    sa.Index("ix_troubles_quarter", "quarter_ms"),
)
