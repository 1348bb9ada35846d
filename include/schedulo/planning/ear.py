"""Hears of changes in Airtable: reads what the base's webhook tells when there may be something, and says
what waits to be read.

It only remembers which rows were changed. What becomes of them is `Tick.follow`'s, in a run that is woken for
it; a ring that is lost costs time and no change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from schedulo.airtable.changes import read_changes, webhook_of
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.schema import ACCOUNTS, DELIVERIES, MAINTENANCE, POSTS
from schedulo.airtable.webhooks import Changes
from schedulo.errors.airtable import AirtableError
from schedulo.ledger import changes
from schedulo.ledger.changes import Waiting
from schedulo.ledger.database import Ledger
from schedulo.settings import Settings

PAGES = 20
"""So many pages of what was told are read in one look."""
LONGEST_REST_S = 300.0
"""How long an Airtable that does not answer is left alone at the most; its health is others' to tell."""


@dataclass(slots=True)
class Ear:
    """One for a base. Not to be shared between threads."""

    ledger: Ledger
    settings: Settings
    client: AirtableClient | None = None
    """None: Airtable cannot be asked, since nobody has said where it is."""
    clock: Callable[[], float] = time.monotonic
    """Seconds; need not be those of the day."""
    _next_s: float = field(default=0.0, init=False)
    """It is read again then."""
    _rest_s: float = field(default=0.0, init=False)
    _pinged_ms: int | None = field(default=None, init=False)
    """The ping that was last heeded; None: none yet."""

    def look(self) -> Waiting:
        """Read what was told if it is time for that; answers what waits to be read, whoever heard of it."""
        if self.client is not None and self.settings.airtable_changes != "off":
            self._listen(self.client)
        with self.ledger.read() as connection:
            return changes.waiting(connection)

    def _listen(self, client: AirtableClient) -> None:
        pinged_ms = self._ping(client) if self.settings.airtable_changes == "ping" else 0
        if self.clock() < self._next_s:
            return
        if self.settings.airtable_changes == "ping" and pinged_ms == self._pinged_ms:
            return
        try:
            with client.within(self.settings.airtable_budget_s):
                whole = self._read(client)
        except AirtableError:
            self._rest_s = min(LONGEST_REST_S, max(2 * self._rest_s, self.settings.changes_every_s))
            self._next_s = self.clock() + self._rest_s
            return
        self._rest_s = 0.0
        pings = self.settings.airtable_changes == "ping"
        self._next_s = self.clock() + (0.0 if pings or not whole else self.settings.changes_every_s)
        if whole:
            self._pinged_ms = pinged_ms

    def _ping(self, client: AirtableClient) -> int:
        """When the last ping came; 0: none did."""
        row = webhook_of(self.ledger, client.base_id)
        return int(row.pinged_ms or 0) if row is not None else 0

    def _read(self, client: AirtableClient) -> bool:
        """Whether all was read that was told."""
        for _ in range(PAGES):
            told = read_changes(client, self.ledger, remember)
            if told is None or not told.more:
                return True
        return False


def remember(connection: sa.Connection, now_ms: int, told: Changes) -> None:
    """Keep what was told until it was read."""
    rows = [(POSTS, id_) for id_ in told.posts]
    rows += [(ACCOUNTS, id_) for id_ in told.accounts]
    rows += [(DELIVERIES, id_) for id_ in told.deliveries]
    if told.others:  # Mentions are read with the accounts
        rows += [(ACCOUNTS, ""), (MAINTENANCE, "")]
    if told.everything:
        rows.append(changes.EVERYTHING)
    changes.hear(connection, now_ms, rows)
