"""The ledger's table of what platforms told by themselves."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.ledger.tables import metadata

platform_events = sa.Table(
    "platform_events",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="the same however often the platform sends it"),
    sa.Column("platform", sa.Text, nullable=False),
    sa.Column("app", sa.Text, nullable=False, comment="the platform's id of the app that was told"),
    sa.Column("account_key", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False, comment="in the platform's words"),
    sa.Column("what", sa.Text, nullable=False, comment="what it means to us; other: nothing"),
    sa.Column("handle", sa.Text, nullable=False, server_default="", comment="of the post that it is about"),
    sa.Column("direct", sa.Boolean, nullable=False, comment="about a post, not a draft"),
    sa.Column("post_id", sa.Text, nullable=False, server_default="", comment="the platform's id of the post"),
    sa.Column("reason", sa.Text, nullable=False, server_default="", comment="in the platform's words"),
    sa.Column("at_ms", sa.BigInteger, nullable=False, comment="by the platform's clock; 0: it was not said"),
    sa.Column("heard_ms", sa.BigInteger, nullable=False, comment="when it came first"),
    sa.Column("times", sa.Integer, nullable=False, server_default="1", comment="how often it came"),
    sa.Column("next_ms", sa.BigInteger, comment="when it is to be looked into; empty: it was, or needs not"),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("note", sa.Text, nullable=False, server_default="", comment="what became of it"),
    sa.Index("ix_platform_events_account", "account_key", "heard_ms"),
    sa.Index(
        "ix_platform_events_next",
        "next_ms",
        sqlite_where=sa.text("next_ms IS NOT NULL"),
        postgresql_where=sa.text("next_ms IS NOT NULL"),
    ),
    sa.Index("ix_platform_events_heard", "heard_ms"),
)
