"""Asks platforms ahead what accounts may do, so that their authors learn hours before what would be refused.

Whom to ask and what is kept is `delivery.allowances`. An account that cannot be asked is named and asked
again by a later run: nothing is stopped by that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from schedulo.delivery import allowances
from schedulo.errors import PlatformError
from schedulo.model import Account, Platform
from schedulo.platforms.base import Inquiry
from schedulo.publishing.aftercare import Means, Tools, open_tools
from schedulo.publishing.driver import StillWorking, Work


async def ask_ahead(means: Means, inquiries: Mapping[Platform, Inquiry]) -> list[str]:
    """Ask about every account with posts to come, where that is due; a sentence for each that was asked."""
    formats = {platform: inquiry.formats for platform, inquiry in inquiries.items()}
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        found = allowances.wanted(connection, now_ms, means.settings, formats)
    if not found:
        return []
    async with open_tools(means) as tools:
        asked = [_ask(tools, account, inquiries[account.platform]) for account in found]
        return list(await asyncio.gather(*asked))


async def _ask(tools: Tools, account: Account, inquiry: Inquiry) -> str:
    for renewed in (False, True):
        try:
            allowed = await tools.driver.run(
                inquiry.ask(), Work("", account.key, {}, {}, tools.means.patience_s)
            )
        except StillWorking as working:
            return await _unknown(tools, account, working.note)
        except PlatformError as error:
            left = error if renewed else await tools.renewed(error, account, "")
            if left is not None:
                return await _unknown(tools, account, left.sentence())
        else:
            new = await tools.desk.do(allowances.keep, account.key, allowed)
            return f"{account.key}: {'that is new, its posts are planned again' if new else 'as before'}"
    raise AssertionError("the second try ends it")


async def _unknown(tools: Tools, account: Account, why: str) -> str:
    await tools.desk.do(allowances.unknown, account.key)
    return f"{account.key} cannot be asked now: {why}"
