"""Looks into what TikTok told of posts by itself: asks it, and keeps what it answers.

Runs in a worker task, beside `aftercare`. Where a post is found is often known only once moderation is over,
long after the post's own session has ended.
"""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from schedulo.delivery import endings
from schedulo.delivery.heard import Event, by_handle, look_later, looked_into, to_look_into
from schedulo.errors import PlatformError
from schedulo.model import State
from schedulo.platforms.tiktok import named
from schedulo.platforms.tiktok_hooks import What
from schedulo.publishing.aftercare import Means, Tools, open_tools
from schedulo.publishing.desk import Case
from schedulo.publishing.driver import StillWorking, Work


async def look_into(means: Means) -> list[str]:
    """Look into what is due of it; answers what became of each, as sentences."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        events = to_look_into(connection, now_ms, What.NAMED, What.HIDDEN)
    if not events:
        return []
    async with open_tools(means) as tools:
        return [f"{event.account_key}, {event.event}: {await _guarded(tools, event)}" for event in events]


async def _guarded(tools: Tools, event: Event) -> str:
    """A fault of ours spoils the look into no other. A ledger that is away spoils them all."""
    try:
        return await _one(tools, event)
    except SQLAlchemyError:
        raise
    except Exception as error:
        return await _not_yet(tools, event, f"a fault of the program ({type(error).__name__})")


async def _one(tools: Tools, event: Event) -> str:
    if event.what is What.HIDDEN:  # the look for posts that are out follows, and finds it due
        return await _done(tools, event, "the post is looked for")
    delivery_id = await asyncio.to_thread(_delivery, tools, event)
    if delivery_id is None:
        return await _not_yet(tools, event, "no post of ours is known by it")
    case = await tools.desk.case(delivery_id)
    if case.delivery.remote_id is not None:
        return await _done(tools, event, "its id is known")
    if case.delivery.state not in (State.PUBLISHED, State.WAITING_IN_APP):
        return await _not_yet(tools, event, f"the post is {case.delivery.state}")
    try:
        published = await _ask(tools, event, case)
    except PlatformError as error:
        return await _not_yet(tools, event, error.sentence())
    except StillWorking as working:
        return await _not_yet(tools, event, working.note)
    if published is None:
        return await _not_yet(tools, event, "TikTok does not say so when it is asked")
    await tools.desk.do(endings.finish, delivery_id, published)
    return await _done(tools, event, f"{case.delivery.label}: {published.permalink or published.post_id}")


def _delivery(tools: Tools, event: Event) -> str | None:
    with tools.means.ledger.read() as connection:
        return by_handle(connection, event.account_key, event.handle)


async def _ask(tools: Tools, event: Event, case: Case) -> Any:
    """`Published`, or None; a login that has expired is renewed once."""
    account = case.delivery.account
    username = str((case.steps.get("creator") or {}).get("username") or "")
    for renewed in (False, True):
        flow = named(case.delivery.content, event.handle, username)
        try:
            return await tools.driver.run(flow, Work("", account.key, {}, {}, tools.means.patience_s))
        except PlatformError as error:
            left = error if renewed else await tools.renewed(error, account, case.delivery.id)
            if left is not None:
                raise left from None
    raise AssertionError("the second try ends it")


async def _done(tools: Tools, event: Event, note: str) -> str:
    await tools.desk.do(looked_into, event, note)
    return note


async def _not_yet(tools: Tools, event: Event, note: str) -> str:
    await tools.desk.do(look_later, event, note)
    return f"{note}; looked into again"
