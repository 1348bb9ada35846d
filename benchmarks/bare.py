"""The yardstick: how fast a bare client gets the same irreversible requests to the same stand-ins.

One aiohttp session with 200 warm connections, no ledger, no fence, no outcome kept. Its instant is a full
minute's too: then the same tick competes for the processors. Containers, drafts and uploads are prepared
afresh before, by the platforms' own flows; only the commits are timed. Texts carry new marks, since X refuses
what was posted before; otherwise the bodies are those of the burst.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import sqlalchemy as sa

from benchmarks.plans import Planned, arrivals, planned, token_of
from benchmarks.rig import PLATFORMS, Rig, say
from schedulo.flow import Commit, Due, Flow, Job, NotReady, Request, Step
from schedulo.ledger.tables import deliveries
from schedulo.media import MediaLinks, MediaStore
from schedulo.model import Account, Content
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.session import platform_options
from schedulo.settings import Settings
from schedulo.transport.calls import Caller
from schedulo.transport.wire import Wire, body_of

CONNECTIONS = 200
PREPARED_AT_ONCE = 32
POLL_S = 0.5
WARM_S = 2.0
"""Connections are opened so long before the instant."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A commit with everything in memory."""

    request: Request
    headers: dict[str, str]
    body: bytes | None


def measure(rig: Rig, people: Sequence[Account], rounds: int) -> dict[str, Any]:
    """Drain of one commit on each of `people`, the median of `rounds`; call it after the burst."""
    drains = [asyncio.run(_round(rig, people)) for _ in range(rounds)]
    say(f"bare client: {', '.join(f'{drain:.2f} s' for drain in drains)}")
    return {"bare_drain_s": statistics.median(drains)}


async def _round(rig: Rig, people: Sequence[Account]) -> float:
    env = rig.stack.env()
    store = MediaStore(rig.stack.home / "media")
    tokens = {account.key: token_of(account) for account in people}
    wire = Wire(
        {name: f"{rig.sandbox.url}/{name}" for name in PLATFORMS}, tokens.__getitem__, store.open_slice
    )
    links = MediaLinks(env["SCHEDULO_MEDIA_BASE_URL"], env["SCHEDULO_MEDIA_KEY"])
    contents = _contents(rig)
    options = platform_options(Settings())
    posts = planned(people, [0.0] * len(people))
    caller = Caller(wire, PREPARED_AT_ONCE)
    slots = asyncio.Semaphore(PREPARED_AT_ONCE)

    async def prepared(post: Planned) -> Ready:
        content = replace(contents[post.account.key], text=post.text)
        job = Job(post.account, content, links.url, options)
        async with slots:
            flow = CONVERSATIONS[post.account.platform].publish(job)
            return _ready(wire, await _commit_of(flow, caller, post), post)

    try:
        ready = await asyncio.gather(*(prepared(post) for post in posts))
    finally:
        await caller.close()
    due_s = await _send(wire, ready, rig.sandbox.url)
    return arrivals([replace(post, due_s=due_s) for post in posts], rig.sandbox.posts()).last_s


def _contents(rig: Rig) -> dict[str, Content]:
    """What the burst sent, by account."""
    with rig.ledger.begin() as connection:
        rows = connection.execute(sa.select(deliveries.c.account_key, deliveries.c.content))
        return {row.account_key: Content.from_json(row.content) for row in rows}


async def _commit_of(flow: Flow, caller: Caller, post: Planned) -> Commit:
    """Run the steps before `Due`; answers the commit that follows it."""
    value: Any = None
    while True:
        match flow.send(value):
            case Commit() as commit:
                flow.close()
                return commit
            case Due():
                value = None
            case Step() as step:
                value = await _asked(step, caller, post)
            case other:
                raise TypeError(f"{other} is not expected in these posts")


async def _asked(step: Step, caller: Caller, post: Planned) -> Any:
    while True:
        try:
            return step.read(await caller.call(step.request, post.account.key))
        except NotReady:
            await asyncio.sleep(POLL_S)


def _ready(wire: Wire, commit: Commit, post: Planned) -> Ready:
    headers = wire.headers(commit.request, post.account.key)
    body = body_of(commit.request)
    if body is None:
        return Ready(commit.request, headers, None)
    headers.setdefault("Content-Type", body.content_type)
    return Ready(commit.request, headers, body.whole(wire.open_slice))


async def _send(wire: Wire, ready: Sequence[Ready], url: str) -> float:
    """Send all at one instant; answers it."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def get() -> None:
            async with session.get(f"{url}/_sandbox/faults") as answer:
                await answer.read()

        async def send(item: Ready) -> int:
            await asyncio.sleep(due_s - time.time())
            request = item.request
            async with session.request(
                request.method, wire.url(request), headers=item.headers, data=item.body
            ) as answer:
                await answer.read()
                return answer.status

        due_s = ((time.time() + WARM_S) // 60 + 1) * 60
        await asyncio.sleep(due_s - WARM_S - time.time())
        await asyncio.gather(*(get() for _ in range(CONNECTIONS)))
        statuses = await asyncio.gather(*(send(item) for item in ready))
    if refused := sum(status >= 300 for status in statuses):
        raise RuntimeError(f"{refused} of the bare client's requests were refused")
    return due_s
