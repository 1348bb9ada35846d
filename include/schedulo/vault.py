"""The tokens of accounts, encrypted at rest. The only place besides Connections where a secret lives.

A login is renewed by one process at a time: it takes the account's turn for a while, asks the platform with
no lock held, and keeps what it got before anybody uses it. A turn that ran out unfinished is told to the next
process.

What is asked about logins without opening them (when they end, what they may do) stands in the clear beside
the sealed secret; who did what with one is in the audit, which only grows and never holds a secret.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.listening import airtable_webhooks
from schedulo.ledger.subscribers import subscribers
from schedulo.ledger.tables import credentials, vault_audit
from schedulo.words import storable


class VaultError(RuntimeError):
    """The vault cannot be opened; the message says why, without any secret."""


LEAST_S = 60.0
"""A token this young is not renewed again: what refused it will refuse the next as well."""
KEPT_S = 30.0
"""How long a token from the vault is kept in memory; a new one counts after that at the latest."""


OURSELVES = "schedulo"
"""The author of what nobody asked for."""
SECOND_TOKENS = ("refresh_token", "user_token")
"""What a secret may hold besides the access token, to get another one with."""


class Act(StrEnum):
    """What is done with a login, as the audit says it."""

    CONNECTED = "connected"
    RENEWED = "renewed"
    NOT_RENEWED = "not renewed"
    ENCRYPTED = "encrypted anew"
    WARNED = "warned"
    HELD = "held"


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
    serial: int = 0
    """Which secret it is: what is kept later replaces this one and no other."""
    broken_off: bool = False
    """The turn before was never finished: a new token may have been made and lost."""


@dataclass(frozen=True, slots=True)
class Rotated:
    """The answer to `Vault.rotate`: how many secrets were encrypted anew, and how many were already."""

    encrypted: int = 0
    before: int = 0


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
            fernets = [Fernet(key.strip()) for key in keys.split(",")]
        except ValueError:
            raise VaultError("SCHEDULO_VAULT_KEY is not a Fernet key; the operator corrects it") from None
        self._fernet, self._newest = MultiFernet(fernets), fernets[0]

    def put(self, secrets: Mapping[str, Mapping[str, Any]], author: str = OURSELVES) -> None:
        """Keep these credentials, by account key; an older one of the same account is replaced."""
        with self._ledger.begin() as connection:
            self.put_in(connection, self._ledger.now_ms(connection), secrets, author)

    def put_in(
        self,
        connection: sa.Connection,
        now_ms: int,
        secrets: Mapping[str, Mapping[str, Any]],
        author: str = OURSELVES,
    ) -> dict[str, int]:
        """The same, as part of a transaction; answers the serial of each secret.

        :param secrets: `access_token`; where they are known `refresh_token`, `expires_ms`,
            `refresh_expires_ms`, `data_access_ms`, `scopes` and Facebook's `user_token`
        """
        # Who renews the old one keeps nothing any more; what was found out about it says nothing of this.
        anew = {
            "serial": credentials.c.serial + 1,
            "refresher": "",
            "refresher_until_ms": None,
            "refreshed_ms": None,
            "checked_ms": None,
            "problem": "",
            "warned_days": None,
            "warned_end_ms": None,
        }
        serials: dict[str, int] = {}
        for key, secret in secrets.items():
            fresh = {
                "secret": self._seal(secret),
                "updated_ms": now_ms,
                "obtained_ms": now_ms,
                "data_access_ms": secret.get("data_access_ms"),
                **in_the_clear(secret),
            }
            statement = upsert(connection, credentials).values(account_key=key, **fresh)
            statement = statement.on_conflict_do_update(index_elements=["account_key"], set_=fresh | anew)
            serials[key] = connection.execute(statement.returning(credentials.c.serial)).scalar_one()
            audit(connection, now_ms, key, author, Act.CONNECTED)
        return serials

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

    def seal(self, secret: Mapping[str, Any]) -> str:
        """Encrypt a secret that is no login and is kept elsewhere in the ledger, in a column that `rotate`
        knows."""
        return self._seal(secret)

    def open(self, whose: str, sealed: str) -> dict[str, Any]:
        """The secret that `seal` encrypted. Raises `VaultError` where no key opens it."""
        return self._open(whose, sealed)

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
        return Taken(Turn.OURS, secret, row.serial, bool(row.refresher))

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
            .where(columns.account_key == account_key, columns.serial == taken.serial)
            .values(
                secret=self._seal(secret),
                serial=columns.serial + 1,
                updated_ms=now_ms,
                refreshed_ms=now_ms,
                refresher="",
                refresher_until_ms=None,
                checked_ms=now_ms,
                problem="",
                **in_the_clear(secret),
            )
        )
        if kept.rowcount:
            audit(connection, now_ms, account_key, OURSELVES, Act.RENEWED)
        return kept.rowcount == 1

    def give_up_turn(self, account_key: str, process: str, why: str = "", *, answered: bool = True) -> None:
        """End the turn without a new token.

        :param why: what the platform answered; empty: there is nothing to renew
        :param answered: it did, so no token is lost; else the next turn is told that this one was broken off
        """
        columns = credentials.c
        with self._ledger.begin() as connection:
            now_ms = self._ledger.now_ms(connection)
            over = (
                {"refresher": "", "refresher_until_ms": None} if answered else {"refresher_until_ms": now_ms}
            )
            ended = connection.execute(
                sa.update(credentials)
                .where(columns.account_key == account_key, columns.refresher == process)
                .values(**over)
            )
            if why:
                connection.execute(
                    sa.update(credentials).where(columns.account_key == account_key).values(problem=why)
                )
                if ended.rowcount:
                    audit(connection, now_ms, account_key, OURSELVES, Act.NOT_RENEWED, why)

    # --- keys -------------------------------------------------------------------------------------------

    def rotate(self, author: str) -> Rotated:
        """Encrypt with the newest key what an older one closed; each login for itself, so that it may be
        broken off and begun again.

        One that is being renewed meanwhile keeps what it gets: its serial does not change.

        :raises VaultError: where no key opens one
        """
        columns = credentials.c
        with self._ledger.read() as connection:
            query = sa.select(columns.account_key).order_by(columns.account_key)
            keys = list(connection.execute(query).scalars())
        done = Rotated()
        for key in keys:
            with self._ledger.begin() as connection:
                row = connection.execute(
                    sa.select(credentials).where(columns.account_key == key).with_for_update()
                ).first()
                if row is None:
                    continue
                if self._newest_opens(row.secret):
                    done = replace(done, before=done.before + 1)
                    continue
                self._open(key, row.secret)
                sealed = self._fernet.rotate(row.secret.encode()).decode()
                connection.execute(
                    sa.update(credentials).where(columns.account_key == key).values(secret=sealed)
                )
                audit(connection, self._ledger.now_ms(connection), key, author, Act.ENCRYPTED)
            done = replace(done, encrypted=done.encrypted + 1)
        for column in (subscribers.c.secret, airtable_webhooks.c.secret):
            done = self._rotate_sealed(done, column)
        return done

    def _rotate_sealed(self, done: Rotated, column: sa.Column[str]) -> Rotated:
        """The same for what `seal` encrypted, in a column of a table with one key; empty ones are none."""
        (key,) = column.table.primary_key.columns
        with self._ledger.begin() as connection:
            query = sa.select(key, column).where(column != "").order_by(key).with_for_update()
            for whose, sealed in connection.execute(query).all():
                if self._newest_opens(sealed):
                    done = replace(done, before=done.before + 1)
                    continue
                self._open(whose, sealed)
                anew = self._fernet.rotate(sealed.encode()).decode()
                connection.execute(sa.update(column.table).where(key == whose).values({column: anew}))
                done = replace(done, encrypted=done.encrypted + 1)
        return done

    def _newest_opens(self, sealed: str) -> bool:
        try:
            self._newest.decrypt(sealed.encode())
        except InvalidToken:
            return False
        return True


def in_the_clear(secret: Mapping[str, Any]) -> dict[str, Any]:
    """What of a secret is no secret, as columns: when its tokens end, whether there is a second one, and what
    its platform said that it may do."""
    scopes = secret.get("scopes")
    return {
        "expires_ms": secret.get("expires_ms"),
        "refresh_expires_ms": secret.get("refresh_expires_ms"),
        "renewable": any(secret.get(name) for name in SECOND_TOKENS),
        "scopes": sa.null() if scopes is None else sorted(scopes),
    }


def audit(
    connection: sa.Connection, now_ms: int, account_key: str, author: str, what: Act, note: str = ""
) -> None:
    """Add a line to the story of a login; nothing changes or removes one.

    :param note: without any secret
    """
    row = {"account_key": account_key, "at_ms": now_ms, "author": author, "what": what}
    connection.execute(sa.insert(vault_audit).values(**row, note=storable(note[:500])))


def checked(
    connection: sa.Connection,
    now_ms: int,
    account_key: str,
    serial: int,
    *,
    expires_ms: int | None = None,
    data_access_ms: int | None = None,
    scopes: Iterable[str] | None = None,
    ends_told: bool = False,
) -> None:
    """Its platform says that a login is good, and what it says of it.

    :param serial: which secret it was asked about; another one that came meanwhile was not
    :param ends_told: the platform tells when logins end: none told means that this one has no end
    """
    values: dict[str, Any] = {"checked_ms": now_ms, "problem": ""}
    if ends_told:
        values |= {"expires_ms": expires_ms, "data_access_ms": data_access_ms}
    if scopes is not None:
        values["scopes"] = sorted(scopes)
    connection.execute(
        sa.update(credentials)
        .where(credentials.c.account_key == account_key, credentials.c.serial == serial)
        .values(**values)
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

    @property
    def alone(self) -> frozenset[str]:
        """The accounts whose token is in a Connection."""
        return frozenset(self._alone)

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
