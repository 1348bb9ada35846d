"""Tables of webhooks: who wants to be told, of what, and what was sent to whom."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import Json, metadata

subscribers = sa.Table(
    "subscribers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, comment="what people call it"),
    sa.Column("url", sa.Text, nullable=False, comment="where events are posted"),
    sa.Column("secret", sa.Text, nullable=False, comment="Fernet token of what it is signed with, as JSON"),
    sa.Column("types", Json, nullable=False, comment="the types of events it wants; empty list: all"),
    sa.Column("accounts", Json, nullable=False, comment="keys of the accounts it wants; empty list: all"),
    sa.Column("made_ms", sa.BigInteger, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("paused_ms", sa.BigInteger, comment="nothing is sent since; empty: it is not paused"),
    sa.Column("paused_why", sa.Text, nullable=False, server_default=""),
    sa.Column(
        "failures", sa.Integer, nullable=False, server_default="0", comment="tries in a row that failed"
    ),
    sa.Column("next_ms", sa.BigInteger, comment="nothing is sent before then; empty: it may be at once"),
    sa.Column("took_ms", sa.BigInteger, comment="when it last took an event"),
)

subscriber_events = sa.Table(
    "subscriber_events",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True, comment="the order of events"),
    sa.Column("id", sa.Text, nullable=False, unique=True, comment="as subscribers know it"),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, comment="the delivery's id, or the account's key"),
    sa.Column("account_key", sa.Text, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("data", Json, nullable=False, comment="what was so then"),
    sa.Column("body", sa.Text, comment="what is sent, to the byte; empty: nothing was sent yet"),
    sa.Index("ix_subscriber_events_subject", "subject", "number"),
    sa.Index("ix_subscriber_events_at", "at_ms"),
)

subscriber_sendings = sa.Table(
    "subscriber_sendings",
    metadata,
    sa.Column("subscriber_id", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="of the event"),
    sa.Column("subject", sa.Text, nullable=False, comment="the event's"),
    sa.Column("state", sa.Text, nullable=False, comment="waiting, sent or given_up"),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_ms", sa.BigInteger, nullable=False, comment="not before then"),
    sa.Column("tried_ms", sa.BigInteger, comment="when it was last sent"),
    sa.Column("status", sa.Integer, comment="what was answered last; empty: nothing was"),
    sa.Column("problem", sa.Text, nullable=False, server_default="", comment="why it was not taken"),
    sa.Index(
        "ix_subscriber_sendings_waiting",
        "subscriber_id",
        "number",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    ),
    sa.Index("ix_subscriber_sendings_number", "number"),
)
