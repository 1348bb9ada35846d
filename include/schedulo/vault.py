"""The tokens of accounts, encrypted at rest. The only place besides Connections where a secret lives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.tables import credentials


class VaultError(RuntimeError):
    """The vault cannot be opened; the message says why, without any secret."""


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
            now_ms = self._ledger.now_ms(connection)
            statement = upsert(connection, credentials)
            statement = statement.on_conflict_do_update(
                index_elements=["account_key"],
                set_={"secret": statement.excluded.secret, "updated_ms": statement.excluded.updated_ms},
            )
            rows = [
                {
                    "account_key": key,
                    "secret": self._fernet.encrypt(json.dumps(dict(secret)).encode()).decode(),
                    "updated_ms": now_ms,
                }
                for key, secret in secrets.items()
            ]
            connection.execute(statement, rows)

    def get(self, account_keys: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The credentials of those accounts that have any. Raises `VaultError` where no key opens one."""
        query = sa.select(credentials).where(credentials.c.account_key.in_(list(account_keys)))
        with self._ledger.read() as connection:
            rows = connection.execute(query).all()
        found: dict[str, dict[str, Any]] = {}
        for row in rows:
            try:
                found[row.account_key] = json.loads(self._fernet.decrypt(row.secret.encode()))
            except InvalidToken:
                raise VaultError(
                    f"the credentials of {row.account_key} were kept under another SCHEDULO_VAULT_KEY"
                ) from None
        return found

    def token(self, account_key: str) -> str:
        """The access token of an account. Raises `PlatformError` of kind RECONNECT where there is none."""
        found = self.get([account_key]).get(account_key)
        if found is None:
            raise no_token(account_key)
        token: str = found["access_token"]
        return token


def no_token(account_key: str) -> PlatformError:
    platform = account_key.partition(":")[0]
    return PlatformError(
        platform, Diagnosis(Kind.RECONNECT, refusal=True), message="no token is kept for this account"
    )
