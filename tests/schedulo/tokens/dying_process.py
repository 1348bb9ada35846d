"""A process that looks after one login and is gone at a named point of the renewal, as if it were killed."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from schedulo.ledger.database import Ledger
from schedulo.media import MediaStore
from schedulo.platforms import AFTER, CONVERSATIONS
from schedulo.publishing.aftercare import Means
from schedulo.publishing.renewal import Logins
from schedulo.publishing.session import platform_options
from schedulo.settings import Settings
from schedulo.tokens.watch import look_after
from schedulo.transport.endpoint import Endpoint
from schedulo.transport.wire import Wire
from schedulo.vault import Taken, Tokens, Turn, Vault

BEFORE_REQUEST, BEFORE_KEPT, BEFORE_USE, NOWHERE = "before request", "before kept", "before use", "nowhere"
GONE = 9


def main(ledger_url: str, sandbox_url: str, vault_key: str, account_key: str, point: str) -> None:
    def die(here: str) -> None:
        if here == point:
            os._exit(GONE)

    class MortalVault(Vault):
        def take_turn(self, *args: Any) -> Taken:
            taken = super().take_turn(*args)
            if taken.turn is Turn.OURS:
                die(BEFORE_REQUEST)
            return taken

        def keep_renewed(self, *args: Any) -> bool:
            die(BEFORE_KEPT)
            return super().keep_renewed(*args)

    class MortalTokens(Tokens):
        def forget(self, account_key: str) -> None:
            die(BEFORE_USE)
            super().forget(account_key)

    ledger, settings = Ledger(ledger_url), Settings()
    tokens = MortalTokens(MortalVault(ledger, vault_key), {})
    names = ("instagram", "facebook", "rupload", "x", "tiktok")
    app = Endpoint({}, "app", "app-secret")
    with tempfile.TemporaryDirectory() as folder:
        wire = Wire(
            {name: f"{sandbox_url}/{name}" for name in names}, tokens, MediaStore(Path(folder)).open_slice
        )
        logins = Logins(tokens, dict.fromkeys(names, app), platform_options(settings))
        means = Means(ledger, wire, settings, CONVERSATIONS, AFTER, lambda _media: None, logins)
        asyncio.run(look_after(means, [account_key], print))
    ledger.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
