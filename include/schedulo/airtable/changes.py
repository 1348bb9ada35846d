"""Reads what people changed in Airtable, as its webhook tells it, each change once.

How far that was read is kept in the ledger, and moves in the transaction in which the changes are remembered:
a change that nobody remembered is read again. What may have been missed, such as while there was no webhook,
is told as `Changes.everything`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.client import AirtableClient
from schedulo.airtable.webhooks import Changes, Webhooks
from schedulo.errors import Kind
from schedulo.errors.airtable import AirtableRefused
from schedulo.ledger.database import Ledger
from schedulo.ledger.listening import airtable_webhooks

_W = airtable_webhooks.c
NOTED_MS = 60_000
"""That nothing was told is written down so often."""

Remember = Callable[[sa.Connection, int, Changes], None]
"""Writes changes down: `remember(connection, now_ms, changes)`."""


def read_changes(client: AirtableClient, ledger: Ledger, remember: Remember) -> Changes | None:
    """One page of what was told since the last time; `more` says that another one waits. One call.

    :param remember: called only where there is something to do; what it writes is kept with the new cursor,
        or not at all
    :returns: None where there is no webhook to read. One that has ended is looked after by the next tick
    :raises AirtableError: where Airtable did not answer, asks to wait, or does not take the token; nothing
        was read then
    """
    row = webhook_of(ledger, client.base_id)
    if row is None or row.webhook_id is None:
        return None
    try:
        page = Webhooks(client).payloads(row.webhook_id, row.cursor, row.watched or {})
    except AirtableRefused as error:
        if error.kind is Kind.RECONNECT:
            raise  # the token is not good any more: of the webhook that says nothing
        _give_up(ledger, row.base_id, row.webhook_id)
        return None
    changes = replace(page.changes, everything=page.changes.everything or row.lost)
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        values: dict[str, Any] = {"cursor": page.cursor, "lost": False, "read_ms": now_ms}
        if changes:
            values |= {"changed_ms": now_ms}
        elif page.cursor == row.cursor and now_ms - (row.read_ms or 0) < NOTED_MS:
            return changes
        if changes.schema_changed:
            values |= {"next_ms": 0}
        if page.dead:
            values |= {"next_ms": 0, "webhook_id": None, "lost": True}
        moved = connection.execute(
            sa.update(airtable_webhooks)
            .where(_W.base_id == row.base_id, _W.webhook_id == row.webhook_id, _W.cursor == row.cursor)
            .values(**values)
        )
        if not moved.rowcount:
            return Changes(more=True)  # somebody else read this page
        if changes:
            remember(connection, now_ms, changes)
    return changes


def webhook_of(ledger: Ledger, base_id: str) -> sa.Row[Any] | None:
    """The base's row; None: it never had a webhook."""
    with ledger.read() as connection:
        return connection.execute(sa.select(airtable_webhooks).where(_W.base_id == base_id)).first()


def _give_up(ledger: Ledger, base_id: str, webhook_id: str) -> None:
    """It is gone, or may not be read any more: the next tick looks after it."""
    with ledger.begin() as connection:
        connection.execute(
            sa.update(airtable_webhooks)
            .where(_W.base_id == base_id, _W.webhook_id == webhook_id)
            .values(webhook_id=None, next_ms=0, lost=True)
        )
