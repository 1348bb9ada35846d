"""Looks whether subscribers are to be told something, and wakes who tells them.

Posts go out in the triggerer, from which no asset can be updated; this watcher of one does it. It only rings:
what is to be sent is in the ledger, so a ring that is lost costs time and no event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from schedulo.ledger.database import Ledger

LOOK_S = 2.0
AGAIN_S = 20.0
"""What is still to be sent so long after a ring is rung for again; until then a run is on its way to it."""
TROUBLE_S = 30.0
"""How long it rests when the ledger cannot be read."""


class WebhooksTrigger(BaseEventTrigger):
    """Yields an event when something is to be sent. Never raises: Airflow would start it anew every two
    seconds, without a word."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "triggers.webhooks.WebhooksTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from hooks.ledger import LedgerHook

        ledger: Ledger | None = None
        rung_s = -AGAIN_S
        while True:
            try:
                if ledger is None:
                    ledger = await LedgerHook().aget_conn()
                ids = await asyncio.to_thread(_due, ledger)
            except Exception:  # the health tells of a ledger that is not there
                if ledger is not None:
                    ledger.close()
                ledger = None
                await asyncio.sleep(TROUBLE_S)
                continue
            if not ids:
                rung_s = -AGAIN_S
            elif time.monotonic() - rung_s >= AGAIN_S:
                rung_s = time.monotonic()
                yield TriggerEvent({"subscribers": len(ids)})
            await asyncio.sleep(LOOK_S)


def _due(ledger: Ledger) -> list[str]:
    from schedulo.webhooks.sending import due

    with ledger.read() as connection:
        return due(connection, ledger.now_ms(connection))
