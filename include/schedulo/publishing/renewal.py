"""Renews the logins of accounts: one process at a time, one request an account, kept before its first use.

How a platform renews one is its conversation's `refresh`; here is who may ask, when, and what becomes of the
answer. X and TikTok take a refresh token once: a process that dies between the request and the keeping of its
answer loses the login, and the next one says so.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError

from schedulo.delivery.holds import OURSELVES, reconnected
from schedulo.errors import Diagnosis, Kind, PlatformError, Scope
from schedulo.ledger.database import Ledger
from schedulo.model import Account, Platform
from schedulo.platforms.base import Conversation, Credential, Renewed, cannot_renew
from schedulo.publishing.driver import Driver, StillWorking, Work
from schedulo.transport.endpoint import Endpoint
from schedulo.vault import SECOND_TOKENS, Taken, Tokens, Turn, Vault, VaultError

PATIENCE_S = 30.0
"""How long a platform that stumbles is asked again."""
TURN_S = 90.0
"""How long a process may take: its patience and one more request."""
LOOK_S = 0.5
"""How often it is looked whether another process is done."""


@dataclass(frozen=True, slots=True)
class Logins:
    """What a process needs to renew logins."""

    tokens: Tokens
    endpoints: Mapping[str, Endpoint]
    """By platform: who our app is there."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What platforms may know of the settings (`platform_options`)."""


class Renewal:
    """Belongs to the publisher's working loop."""

    def __init__(
        self,
        ledger: Ledger,
        driver: Driver,
        conversations: Mapping[Platform, Conversation],
        logins: Logins,
        forget: Callable[[str], None],
    ) -> None:
        """`forget` is called with the key of an account that has a new token: what was prepared with the old
        one is of no use."""
        self._ledger = ledger
        self._driver = driver
        self._conversations = conversations
        self._tokens = logins.tokens
        self._endpoints = logins.endpoints
        self._options = logins.options
        self._forget = forget
        self._process = secrets.token_hex(8)
        self._running: dict[str, asyncio.Task[None]] = {}

    async def renew(self, account: Account, delivery_id: str = "", *, refused: bool = True) -> None:
        """See to it that the account has a token that works; who asks meanwhile waits for the same answer.

        :param delivery_id: the delivery in whose story pauses are told
        :param refused: the platform no longer accepts the token; False: it is renewed ahead of its end
        :raises PlatformError: of kind RECONNECT where only a person can; of another kind where the platform
            did not answer properly, and it may be tried again
        """
        task = self._running.get(account.key)
        if task is None:
            task = asyncio.create_task(self._guarded(account, delivery_id, refused))
            self._running[account.key] = task
            task.add_done_callback(lambda _done: self._running.pop(account.key, None))
        await asyncio.shield(task)

    async def finish(self, patience_s: float) -> None:
        """Wait for what is being renewed: to stop in between would lose a login."""
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=patience_s)

    async def _guarded(self, account: Account, delivery_id: str, refused: bool) -> None:
        try:
            await self._renew(account, delivery_id, refused)
        except VaultError as error:
            raise _not_set_up(account, str(error)) from None

    async def _renew(self, account: Account, delivery_id: str, refused: bool) -> None:
        vault = self._tokens.vault
        if vault is None or not self._tokens.renewable(account.key):
            why = "its token is in the Connection, where only the operator can change it"
            raise cannot_renew(account, why)
        old = await asyncio.to_thread(self._tokens, account.key) if refused else None
        taken = await asyncio.to_thread(vault.take_turn, account.key, self._process, TURN_S, old)
        while taken.turn is Turn.BUSY:
            await asyncio.sleep(LOOK_S)
            taken = await asyncio.to_thread(vault.take_turn, account.key, self._process, TURN_S, old)
        match taken.turn:
            case Turn.NONE:
                raise cannot_renew(account, "no token is kept for this account")
            case Turn.OURS:
                await self._take(vault, account, delivery_id, refused, taken)
        self._tokens.forget(account.key)
        self._forget(account.key)

    async def _take(
        self, vault: Vault, account: Account, delivery_id: str, refused: bool, taken: Taken
    ) -> None:
        """Ask, and keep what came."""
        try:
            renewed = await self._ask(account, delivery_id, refused, taken)
        except PlatformError as error:
            why = error.sentence()
            answered = error.kind is not Kind.NETWORK
            await asyncio.to_thread(vault.give_up_turn, account.key, self._process, why, answered=answered)
            if error.kind not in (Kind.RECONNECT, Kind.TOKEN_EXPIRED):
                raise
            lost = "; a renewal before was cut off, and what the platform gave then is lost"
            raise cannot_renew(account, error.message + (lost if taken.broken_off else "")) from None
        if renewed is None:
            await asyncio.to_thread(vault.give_up_turn, account.key, self._process)
            return
        for wait_s in (0.2, 0.5, 1, 2, 5, 10, 30):
            try:
                await asyncio.to_thread(self._keep, vault, account.key, taken, renewed)
            except (OperationalError, InterfaceError):  # a ledger that is away must not cost the login
                await asyncio.sleep(wait_s)
            else:
                return
        await asyncio.to_thread(self._keep, vault, account.key, taken, renewed)

    async def _ask(self, account: Account, delivery_id: str, refused: bool, taken: Taken) -> Renewed | None:
        endpoint = self._endpoints.get(account.platform, Endpoint({}))
        if not endpoint.app_id and any(taken.secret.get(name) for name in SECOND_TOKENS):
            raise _not_set_up(account, "the Connection names no app id (its login)")
        credential = Credential(
            account, endpoint.app_id, endpoint.app_secret, taken.secret, refused, self._options
        )
        flow = self._conversations[account.platform].refresh(credential)
        work = Work(delivery_id, account.key, {}, {}, PATIENCE_S)
        try:
            renewed: Renewed | None = await self._driver.run(flow, work)
        except StillWorking as working:
            raise PlatformError(
                account.platform, Diagnosis(Kind.PLATFORM_DOWN, refusal=False), message=working.note
            ) from None
        return renewed

    def _keep(self, vault: Vault, account_key: str, taken: Taken, renewed: Renewed) -> None:
        with self._ledger.begin() as connection:
            now_ms = self._ledger.now_ms(connection)
            secret = {**taken.secret, **_fields(renewed, now_ms)}
            if vault.keep_renewed(connection, now_ms, account_key, taken, secret):
                reconnected(connection, now_ms, [account_key], OURSELVES)


def _not_set_up(account: Account, message: str) -> PlatformError:
    """Accounts whose tokens live are not concerned."""
    diagnosis = Diagnosis(Kind.CONFIGURATION, refusal=False, scope=Scope.ACCOUNT)
    return PlatformError(account.platform, diagnosis, message=message)


def _fields(renewed: Renewed, now_ms: int) -> dict[str, Any]:
    """What changes in the credential."""

    def until_ms(seconds: float | None) -> int | None:
        return None if seconds is None else now_ms + int(seconds * 1000)

    fields: dict[str, Any] = {
        "access_token": renewed.access_token,
        "expires_ms": until_ms(renewed.expires_in_s),
    }
    if renewed.refresh_token is not None:
        fields["refresh_token"] = renewed.refresh_token
    if renewed.user_token is not None:
        fields["user_token"] = renewed.user_token
    if renewed.refresh_token is not None or renewed.user_token is not None:
        fields["refresh_expires_ms"] = until_ms(renewed.refresh_expires_in_s)
    if renewed.scopes is not None:
        fields["scopes"] = list(renewed.scopes)
    return fields
