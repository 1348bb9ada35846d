"""The ledger's table of the webhooks by which Airtable tells of changes."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import Json, metadata

airtable_webhooks = sa.Table(
    "airtable_webhooks",
    metadata,
    sa.Column("base_id", sa.Text, primary_key=True),
    sa.Column("webhook_id", sa.Text, comment="Airtable's id of it; empty: there is none now"),
    sa.Column("url", sa.Text, nullable=False, server_default="", comment="pinged; empty: none is"),
    sa.Column(
        "secret",
        sa.Text,
        nullable=False,
        server_default="",
        comment="Fernet token of what pings are signed with, as JSON; empty: they cannot be checked",
    ),
    sa.Column(
        "fingerprint",
        sa.Text,
        nullable=False,
        server_default="",
        comment="of what it was made to watch, and of the address: another one means another webhook",
    ),
    sa.Column(
        "watched",
        Json,
        comment="by our names of tables: the base's id of it, and the ids of the fields that count",
    ),
    sa.Column(
        "cursor", sa.BigInteger, nullable=False, server_default="1", comment="the next payload, to be read"
    ),
    sa.Column(
        "lost",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="changes may have been missed: whoever reads next is told to read everything",
    ),
    sa.Column("made_ms", sa.BigInteger, comment="the last one was made, or taken over; empty: never"),
    sa.Column("expires_ms", sa.BigInteger, comment="Airtable forgets it then"),
    sa.Column(
        "next_ms", sa.BigInteger, nullable=False, server_default="0", comment="it is looked after then"
    ),
    sa.Column("read_ms", sa.BigInteger, comment="payloads were last read, to the minute"),
    sa.Column("changed_ms", sa.BigInteger, comment="they last told of a change that counts"),
    sa.Column("pinged_ms", sa.BigInteger, comment="Airtable last sent a ping that is its own"),
    sa.Column("trouble", sa.Text, nullable=False, server_default="", comment="why there is none, as told"),
)
