"""Asks platforms whether they are there: one harmless read each, with the login of one account.

What a platform says of the login does not matter here: that it says so does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import sqlalchemy as sa

from schedulo.delivery import holds
from schedulo.delivery.breakers import AWAY, Answer
from schedulo.errors import Kind, PlatformError
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts
from schedulo.model import Account, Platform
from schedulo.platforms.logins import who_is_it
from schedulo.publishing.aftercare import Means, Tools, open_tools
from schedulo.publishing.driver import StillWorking, Work

LIMIT_S = 15.0
"""A platform that takes longer does not answer."""
LOGINS = 3
"""So many accounts are looked through for one with a token."""


async def ask(means: Means, platforms: Sequence[str]) -> dict[str, Answer]:
    """What each of these platforms answers now. One on which no account has a login is left out."""
    async with open_tools(means) as tools:
        heard = await asyncio.gather(*(_one(tools, Platform(name)) for name in platforms))
    return {name: answer for name, answer in zip(platforms, heard, strict=True) if answer is not None}


async def _one(tools: Tools, platform: Platform) -> Answer | None:
    means = tools.means
    for account in await asyncio.to_thread(_accounts, means.ledger, platform):
        try:
            await asyncio.to_thread(means.wire.token_for, account.key)
        except PlatformError:  # it has none
            continue
        flow = who_is_it(account, means.settings.meta_version)
        try:
            async with asyncio.timeout(LIMIT_S):
                await tools.driver.run(flow, Work("", account.key, {}, {}, 0.0))
        except TimeoutError:
            return Answer.SILENCE
        except StillWorking:
            return Answer.WELL
        except PlatformError as error:
            if error.kind not in AWAY:
                return Answer.WELL
            return Answer.SILENCE if error.kind is Kind.NETWORK else Answer.FAULT
        return Answer.WELL
    return None


def _accounts(ledger: Ledger, platform: Platform) -> list[Account]:
    """The accounts that may be asked with, those that nothing holds first."""
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
        held = {hold.key for hold in holds.in_force(connection, now_ms) if hold.scope is holds.Scope.ACCOUNT}
        used = sa.select(accounts).where(accounts.c.platform == platform, accounts.c.active)
        rows = connection.execute(used.order_by(accounts.c.key)).all()
    rows = sorted(rows, key=lambda row: row.key in held)[:LOGINS]
    return [Account(platform, row.account_id, row.name, row.timezone, row.options) for row in rows]
