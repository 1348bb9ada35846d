"""Sends subscribers their events with the vault and the settings of this process."""

from __future__ import annotations

from collections.abc import Iterator

from schedulo.ledger.database import Ledger
from schedulo.settings import settings
from schedulo.vault import Vault
from schedulo.webhooks.sending import due, flush


def send_events(ledger: Ledger, me: str) -> Iterator[str]:
    """Send what may go now; yields what was done, as sentences.

    :param me: names the caller, for the leases
    :raises VaultError: something is to be sent and SCHEDULO_VAULT_KEY is not set
    """
    with ledger.read() as connection:
        ids = due(connection, ledger.now_ms(connection))
    yield f"Subscribers to tell: {len(ids)}"
    if ids:
        yield from flush(ledger, Vault(ledger, settings().vault_key), me, settings().webhook_hosts_allowed)
