"""The ledger's tables of limits: what platforms said of theirs, and how all processes share Airtable's.

What we used ourselves has no table of its own: it is counted from what was sent and what is claimed, so that
nothing reserved can leak.
"""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import metadata

quotas = sa.Table(
    "quotas",
    metadata,
    sa.Column(
        "key",
        sa.Text,
        primary_key=True,
        comment="whose: an account's key, or a platform where it is our app's",
    ),
    sa.Column("name", sa.Text, primary_key=True, comment="which of its limits"),
    sa.Column("most", sa.Integer, comment="what its platform said that it allows; empty: it said nothing"),
    sa.Column("used", sa.Integer, comment="what it said that was used, by everybody"),
    sa.Column("resets_ms", sa.BigInteger, comment="when all of it is free again; empty: it was not said"),
    sa.Column("said_ms", sa.BigInteger, nullable=False, comment="when it said so"),
)

airtable_bases = sa.Table(
    "airtable_bases",
    metadata,
    sa.Column("base_id", sa.Text, primary_key=True),
    sa.Column(
        "next_ms", sa.BigInteger, nullable=False, comment="the next call of any of our processes, not before"
    ),
    sa.Column(
        "locked_until_ms",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="until then Airtable refuses all calls",
    ),
    sa.Column("month", sa.Text, nullable=False, comment="the month (UTC) that calls counts, as 2026-11"),
    sa.Column("calls", sa.Integer, nullable=False, comment="calls of this month that count for the plan"),
)
