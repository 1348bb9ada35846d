"""Tables of platforms that fail: what posts met there, and which platforms are held for it."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import metadata

stumbles = sa.Table(
    "stumbles",
    metadata,
    sa.Column("delivery_id", sa.Text, primary_key=True),
    sa.Column("account_key", sa.Text, nullable=False),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="what it met last: platform_down or network"),
    sa.Column("at_ms", sa.BigInteger, nullable=False, comment="when it last met no answer, or a fault"),
    sa.Index("ix_stumbles_at", "at_ms"),
)

breakers = sa.Table(
    "breakers",
    metadata,
    sa.Column("platform", sa.Text, primary_key=True, comment="a platform without a row is well"),
    sa.Column(
        "state", sa.Text, nullable=False, comment="open: it is held; trial: its first posts are let go"
    ),
    sa.Column(
        "cause", sa.Text, nullable=False, comment="platform, or network: nothing can be reached from here"
    ),
    sa.Column("opened_ms", sa.BigInteger, nullable=False),
    sa.Column("asked_ms", sa.BigInteger, nullable=False, comment="it is asked next, not before then"),
    sa.Column("pause_ms", sa.BigInteger, nullable=False, comment="between the time before and then"),
    sa.Column("released_ms", sa.BigInteger, comment="the trial began"),
)
