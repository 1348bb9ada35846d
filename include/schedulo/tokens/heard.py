"""Looks into what TikTok told of logins by itself: a permission that was taken away.

What it tells may be old, and the account connected anew since: the login that is kept now is asked about, and
only what TikTok says of that one counts.
"""

from __future__ import annotations

import asyncio

from schedulo.delivery.heard import Event, look_later, looked_into, to_look_into
from schedulo.ledger.database import Ledger
from schedulo.platforms.tiktok_hooks import What
from schedulo.publishing.aftercare import Means
from schedulo.tokens.watch import Asked, ask_now

LOOKS = 4
"""So often a login must be good, in a quarter of an hour, before that is believed."""


def look_into(means: Means) -> list[str]:
    """Ask about the logins that were told to have ended; answers what became of each, as sentences."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        events = to_look_into(connection, now_ms, What.LOGIN_ENDED)
    found = {key: asyncio.run(ask_now(means, key)) for key in sorted({one.account_key for one in events})}
    for event in events:
        _keep(means.ledger, event, found[event.account_key])
    return [f"{key}: {asked.note}" for key, asked in found.items()]


def _keep(ledger: Ledger, event: Event, asked: Asked) -> None:
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        if asked.settled or (asked.good and event.tries + 1 >= LOOKS):
            looked_into(connection, now_ms, event, asked.note)
        else:
            look_later(connection, now_ms, event, asked.note)
