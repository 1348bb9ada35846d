"""Hears of changes in Airtable and wakes who reads the rows.

One watcher of an asset, whatever waits. It only rings: which rows were changed is in the ledger, so a ring
that is lost costs time and no change.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from schedulo.airtable.client import AirtableClient
    from schedulo.ledger.changes import Waiting
    from schedulo.ledger.database import Ledger
    from schedulo.planning.ear import Ear

LOOK_S = 1.0
GAP_S = 2.0
"""Between two rings at least."""
LATE_S = 10.0
"""What is heard while a run is on its way is read by that run: rung for again only where it takes so long."""
AGAIN_S = 20.0
"""What still waits so long after a ring is rung for again, then after twice as long, and so on."""
AGAIN_MAX_S = 300.0
TROUBLE_S = 30.0
"""How long it rests when the ledger or Airtable's Connection cannot be read."""
KNOWN_S = 60.0
"""How long it goes by what Airtable's Connection says: a token may be replaced at any time."""


class Bell:
    """When to ring: at once where no run is on its way, ever more seldom for what nobody took."""

    def __init__(self) -> None:
        self._heard_ms = 0
        self._rung_s = -AGAIN_MAX_S
        self._again_s = AGAIN_S

    def rings(self, waiting: Waiting, at_s: float) -> bool:
        """:param at_s: monotonic seconds"""
        if not waiting.rows or at_s - self._rung_s < self._pause_s(waiting):
            return False
        again = waiting.heard_ms <= self._heard_ms
        self._again_s = min(2 * self._again_s, AGAIN_MAX_S) if again else AGAIN_S
        self._heard_ms, self._rung_s = waiting.heard_ms, at_s
        return True

    def _pause_s(self, waiting: Waiting) -> float:
        """How long after the last ring."""
        if waiting.oldest_ms > self._heard_ms:
            return GAP_S  # all that waited then was read
        return LATE_S if waiting.heard_ms > self._heard_ms else self._again_s


class ChangesTrigger(BaseEventTrigger):
    """Yields an event when changed rows are to be read. Never raises: Airflow would start it anew every two
    seconds, without a word."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "triggers.changes.ChangesTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        ear: Ear | None = None
        bell = Bell()
        known_until_s = 0.0
        while True:
            try:
                if ear is None:
                    ear = await _ear()
                if time.monotonic() > known_until_s:
                    ear.client = await _client(ear.ledger)
                    known_until_s = time.monotonic() + KNOWN_S
                waiting = await asyncio.to_thread(ear.look)
            except Exception:  # the health tells of a ledger that is not there
                self.log.warning("changes cannot be heard now", exc_info=True)
                if ear is not None:
                    ear.ledger.close()
                ear, known_until_s = None, 0.0
                await asyncio.sleep(TROUBLE_S)
                continue
            if bell.rings(waiting, time.monotonic()):
                yield TriggerEvent({"rows": waiting.rows})
            await asyncio.sleep(LOOK_S)


async def _ear() -> Ear:
    from hooks.ledger import LedgerHook
    from schedulo.planning.ear import Ear
    from schedulo.settings import settings

    return Ear(await LedgerHook().aget_conn(), settings())


async def _client(ledger: Ledger) -> AirtableClient | None:
    from hooks.airtable import AirtableHook
    from schedulo.settings import settings

    return None if settings().airtable_changes == "off" else await AirtableHook().aclient(ledger)
