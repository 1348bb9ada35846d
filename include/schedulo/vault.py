"""The tokens of accounts, encrypted at rest. The only place besides Connections where a secret lives.

A login is renewed by one process at a time: it takes the account's turn for a while, asks the platform with
no lock held, and keeps what it got before anybody uses it. A turn that ran out unfinished is told to the next
process.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.tables import credentials


class VaultError(RuntimeError):
    """The vault cannot be opened; the message says why, without any secret."""


LEAST_S = 60.0
"""A token this young is not renewed again: what refused it will refuse the next as well."""
KEPT_S = 30.0
"""How long a token from the vault is kept in memory; a new one counts after that at the latest."""


class Turn(StrEnum):
    """What a process that would renew a login is told."""

    OURS = "ours"
    """Ask the platform; nobody else does meanwhile."""
    BUSY = "busy"
    """Another process is asking it: look again soon."""
    DONE = "done"
    """There is another token by now, or a very young one: use it."""
    NONE = "none"
    """The vault keeps nothing for this account."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to `Vault.take_turn`."""

    turn: Turn
    secret: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sealed: str = field(default="", repr=False)
    """The credential as it was stored: what is kept later replaces this one and no other."""
    broken_off: bool = False
    """The turn before was never finished: a new token may have been made and lost."""


class Vault:
    """Reads and writes credentials: `{"access_token": ..., ...}`, by account key (`platform:account_id`).

    :param keys: Fernet keys, newest first, separated by commas; older ones still open what they closed
    """

    def __init__(self, ledger: Ledger, keys: str) -> None:
        if not keys:
            raise VaultError(
                "SCHEDULO_VAULT_KEY is not set: tokens cannot be kept without it. "
                "The operator makes one with `schedulo vault key` and sets it in the environment."
            )
        self._ledger = ledger
        try:
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys.split(",")])
        except ValueError:
            raise VaultError("SCHEDULO_VAULT_KEY is not a Fernet key; the operator corrects it") from None

    def put(self, secrets: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep these credentials, by account key; an older one of the same account is replaced."""
        with self._ledger.begin() as connection:
            self.put_in(connection, self._ledger.now_ms(connection), secrets)

    def put_in(
        self, connection: sa.Connection, now_ms: int, secrets: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """The same, as part of a transaction."""
        statement = upsert(connection, credentials)
        taken_back = {"refresher": "", "refresher_until_ms": None, "refreshed_ms": None}
        fresh = {name: statement.excluded[name] for name in ("secret", "updated_ms")}
        statement = statement.on_conflict_do_update(index_elements=["account_key"], set_=fresh | taken_back)
        rows = [
            {"account_key": key, "secret": self._seal(secret), "updated_ms": now_ms}
            for key, secret in secrets.items()
        ]
        if rows:
            connection.execute(statement, rows)

    def _seal(self, secret: Mapping[str, Any]) -> str:
        return self._fernet.encrypt(json.dumps(dict(secret)).encode()).decode()

    def _open(self, account_key: str, sealed: str) -> dict[str, Any]:
        try:
            secret: dict[str, Any] = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken:
            raise VaultError(
                f"the credentials of {account_key} were kept under another SCHEDULO_VAULT_KEY"
            ) from None
        return secret

    def get(self, account_keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The credentials of those accounts that have any. Raises `VaultError` where no key opens one."""
        query = sa.select(credentials).where(credentials.c.account_key.in_(list(account_keys)))
        with self._ledger.read() as connection:
            rows = connection.execute(query).all()
        return {row.account_key: self._open(row.account_key, row.secret) for row in rows}

    def token(self, account_key: str) -> str:
        """The access token of an account. Raises `PlatformError` of kind RECONNECT where there is none."""
        found = self.get([account_key]).get(account_key)
        if found is None:
            raise no_token(account_key)
        token: str = found["access_token"]
        return token

    # --- renewing ---------------------------------------------------------------------------------------

    def take_turn(self, account_key: str, process: str, seconds: float, refused: str | None) -> Taken:
        """Take the account's turn to renew its login, for so many seconds.

        :param refused: the access token that the platform refused; None: renewed ahead of its end
        """
        columns = credentials.c
        query = sa.select(credentials).where(columns.account_key == account_key).with_for_update()
        with self._ledger.begin() as connection:
            now_ms = self._ledger.now_ms(connection)
            row = connection.execute(query).first()
            if row is None:
                return Taken(Turn.NONE)
            secret = self._open(account_key, row.secret)
            young = row.refreshed_ms is not None and now_ms - row.refreshed_ms < LEAST_S * 1000
            if young or (refused is not None and secret["access_token"] != refused):
                return Taken(Turn.DONE)
            if row.refresher and (row.refresher_until_ms or 0) > now_ms:
                return Taken(Turn.BUSY)
            until_ms = now_ms + int(seconds * 1000)
            connection.execute(
                sa.update(credentials)
                .where(columns.account_key == account_key)
                .values(refresher=process, refresher_until_ms=until_ms)
            )
        return Taken(Turn.OURS, secret, row.secret, bool(row.refresher))

    def keep_renewed(
        self,
        connection: sa.Connection,
        now_ms: int,
        account_key: str,
        taken: Taken,
        secret: Mapping[str, Any],
    ) -> bool:
        """Keep what the platform gave and end the turn. False: the account was connected anew meanwhile, and
        that counts."""
        columns = credentials.c
        kept = connection.execute(
            sa.update(credentials)
            .where(columns.account_key == account_key, columns.secret == taken.sealed)
            .values(
                secret=self._seal(secret),
                updated_ms=now_ms,
                refreshed_ms=now_ms,
                refresher="",
                refresher_until_ms=None,
            )
        )
        return kept.rowcount == 1

    def give_up_turn(self, account_key: str, process: str) -> None:
        """End the turn without a new token: the platform answered, so none is lost."""
        columns = credentials.c
        with self._ledger.begin() as connection:
            connection.execute(
                sa.update(credentials)
                .where(columns.account_key == account_key, columns.refresher == process)
                .values(refresher="", refresher_until_ms=None)
            )


class Tokens:
    """The access tokens that a process works with: those of Connections that name their one account, and
    those of the vault, kept in memory for a short while."""

    def __init__(self, vault: Vault | None, alone: Mapping[str, str]) -> None:
        self.vault = vault
        self._alone = alone
        self._kept: dict[str, tuple[float, str]] = {}

    def __call__(self, account_key: str) -> str:
        """The account's token. Raises `PlatformError` of kind RECONNECT where there is none."""
        if account_key in self._alone:
            return self._alone[account_key]
        if self.vault is None:
            raise no_token(account_key)
        until_s, token = self._kept.get(account_key, (0.0, ""))
        if until_s < time.monotonic():
            token = self.vault.token(account_key)
            self._kept[account_key] = (time.monotonic() + KEPT_S, token)
        return token

    def forget(self, account_key: str) -> None:
        """Read it from the vault when it is asked for next."""
        self._kept.pop(account_key, None)

    def renewable(self, account_key: str) -> bool:
        """Whether the token is the vault's: that of a Connection only a person can change."""
        return self.vault is not None and account_key not in self._alone


def no_token(account_key: str) -> PlatformError:
    platform = account_key.partition(":")[0]
    return PlatformError(
        platform, Diagnosis(Kind.RECONNECT, refusal=False), message="no token is kept for this account"
    )
