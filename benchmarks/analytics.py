"""What the numbers of a day cost: seconds and platform calls a post, at three sizes, beside bare requests.

Eight accounts, two of each platform, with so many posts of yesterday each; one day of all is collected as
`collect_analytics` does it, account by account. Then a bare client asks for the same addresses, as many at
once, and throws the answers away. Last, the numbers of the smallest size are told to Airtable.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import aiohttp
import sqlalchemy as sa
from pyairtable import Api

from benchmarks.rig import Ground, Sandbox, say
from schedulo.airtable.base import create_base
from schedulo.airtable.client import AirtableClient
from schedulo.analytics.collect import Means, collect_day
from schedulo.analytics.shown import tell_numbers
from schedulo.flow import Request
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries, outbox
from schedulo.model import Content, Format, Platform, State
from schedulo.platforms import CONVERSATIONS, MEASURES
from schedulo.settings import Settings
from schedulo.transport.wire import Wire, body_of

SIZES, QUICK_SIZES = (500, 1000, 2000), (80, 160, 320)
ROUNDS = 3
ACCOUNTS = 8
SERVICES = ("instagram", "facebook", "rupload", "x", "tiktok")
FORMATS = {
    Platform.X: (Format.TEXT, "text"),
    Platform.TIKTOK: (Format.VIDEO, "video"),
    Platform.INSTAGRAM: (Format.REEL, "reel"),
    Platform.FACEBOOK: (Format.TEXT, "feed"),
}
BASE, TOKEN = "appAnalytics00001", "patAnalytics"


@dataclass(frozen=True, slots=True)
class Noting(Wire):
    """A wire that keeps what goes over it."""

    sent: list[tuple[Request, str]] = field(default_factory=list)

    def headers(self, request: Request, account_key: str) -> dict[str, str]:
        self.sent.append((request, account_key))
        return Wire.headers(self, request, account_key)


def measure(base: Ground, quick: bool) -> dict[str, Any]:
    """Figures of this part. Of several rounds the quickest counts: others use the machine, too."""
    sizes, rounds = (QUICK_SIZES, 1) if quick else (SIZES, ROUNDS)
    _round(base, ACCOUNTS, "warm")
    found = [{size: _round(base, size, f"{size}r{number}") for size in sizes} for number in range(rounds)]
    best = {size: min((one[size] for one in found), key=lambda one: one.took_s) for size in sizes}
    bare_s = {size: min(one[size].bare_s for one in found) for size in sizes}
    cpu_s = {size: min(one[size].cpu_s for one in found) for size in sizes}
    last, first = best[sizes[-1]], best[sizes[0]]
    return {
        "accounts": ACCOUNTS,
        "sizes": list(sizes),
        "rounds": rounds,
        "s_per_post": {str(size): best[size].took_s / size for size in sizes},
        "growth": (last.took_s / sizes[-1]) / (first.took_s / sizes[0]),
        "cpu_s_per_post": {str(size): cpu_s[size] / size for size in sizes},
        "ratio": {str(size): best[size].took_s / bare_s[size] for size in sizes},
        "calls_per_post": {name: calls * 4 / sizes[-1] for name, calls in sorted(last.calls.items())},
        "airtable_calls_per_post": _airtable(base, sizes[0]) / sizes[0],
    }


@dataclass(frozen=True, slots=True)
class Round:
    """One day, collected once."""

    took_s: float
    cpu_s: float
    """Of this process; PostgreSQL and the sandbox are not in it."""
    bare_s: float
    calls: Counter[str]
    """By platform."""


def _round(base: Ground, size: int, name: str) -> Round:
    with _laid_out(base, size, name) as (ledger, day):
        wire = _wire(base.sandbox)
        began, cpu = time.perf_counter(), time.process_time()
        calls = asyncio.run(_collect(ledger, wire, day))
        took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        bare_s = asyncio.run(_bare(wire))
    say(f"the numbers of {size} posts: {took_s:.2f} s, bare requests {bare_s:.2f} s")
    return Round(took_s, cpu_s, bare_s, calls)


def _airtable(base: Ground, size: int) -> int:
    with _laid_out(base, size, "airtable") as (ledger, day):
        asyncio.run(_collect(ledger, _wire(base.sandbox), day))
        return _told(base.sandbox, ledger)


@contextmanager
def _laid_out(base: Ground, size: int, name: str) -> Iterator[tuple[Ledger, date]]:
    base.sandbox.control("POST", "reset")
    ledger = Ledger(base.database(f"analytics_{name}"))
    try:
        ledger.migrate()
        yield ledger, _lay_out(base.sandbox, ledger, size)
    finally:
        ledger.close()


def _lay_out(sandbox: Sandbox, ledger: Ledger, posts: int) -> date:
    """Accounts, and posts of yesterday, on the air and in the ledger; answers the day."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = today - timedelta(days=1)
    sandbox.control("POST", "seed", {"tiktok": {"clients": [{"client_key": "k", "client_secret": "s"}]}})
    rows: list[dict[str, Any]] = []
    platforms = list(FORMATS)
    for number in range(ACCOUNTS):
        platform = platforms[number % len(platforms)]
        account_id = str(17841400000000000 + number)
        seed = {"account_id": account_id, "username": f"user{number}", "token": f"token-{account_id}"}
        if platform is Platform.FACEBOOK:
            seed = {"page_id": account_id, "name": f"user{number}", "page_token": f"token-{account_id}"}
        elif platform is not Platform.INSTAGRAM:
            seed["limits"] = "off"
        kind = "pages" if platform is Platform.FACEBOOK else "accounts"
        sandbox.control("POST", "seed", {platform.value: {kind: [seed]}})
        mine, format_ = [], FORMATS[platform]
        for post in range(number, posts, ACCOUNTS):
            post_id = str(1_900_000_000_000_000_000 + post)
            if platform is Platform.FACEBOOK:
                post_id = f"{account_id}_{post_id}"
            at_s = yesterday.timestamp() + 86_400 * post / posts
            mine.append(
                {"account_id": account_id, "post_id": post_id, "kind": format_[1], "published_at": at_s}
            )
            rows.append(_delivery(f"d{post:06}", platform, account_id, format_[0], post_id, int(at_s * 1000)))
        sandbox.control("POST", "seed", {platform.value: {"posts": mine}})
        with ledger.begin() as connection:
            connection.execute(
                sa.insert(accounts).values(
                    key=f"{platform}:{account_id}",
                    platform=platform,
                    account_id=account_id,
                    name=f"user{number}",
                    options={"login": "instagram_login"} if platform is Platform.INSTAGRAM else {},
                    updated_ms=0,
                )
            )
    with ledger.begin() as connection:
        connection.execute(sa.insert(deliveries), rows)
    return yesterday.date()


def _delivery(
    id_: str, platform: Platform, account_id: str, format_: Format, post_id: str, at_ms: int
) -> dict[str, Any]:
    return {
        "id": id_,
        "post_id": f"rec{id_}",
        "account_key": f"{platform}:{account_id}",
        "platform": platform,
        "state": State.PUBLISHED,
        "content": Content(format_, f"text of {id_}").to_json(),
        "content_hash": id_,
        "due_ms": at_ms,
        "fire_ms": at_ms,
        "not_after_ms": at_ms + 3_600_000,
        "remote_id": post_id,
        "accepted_ms": at_ms,
        "published_ms": at_ms,
        "seen_ms": at_ms,
        "updated_ms": at_ms,
    }


def _wire(sandbox: Sandbox) -> Noting:
    bases = {name: f"{sandbox.url}/{name}" for name in SERVICES}
    return Noting(bases, lambda key: f"token-{key.partition(':')[2]}", lambda _slice: None)


async def _collect(ledger: Ledger, wire: Wire, day: date) -> Counter[str]:
    """The day of all accounts; answers calls by platform."""
    means = Means(ledger, wire, Settings(), MEASURES, CONVERSATIONS)
    with ledger.read() as connection:
        keys = sorted(connection.execute(sa.select(accounts.c.key)).scalars())
    calls: Counter[str] = Counter()
    for key in keys:
        collected = await collect_day(means, key, day, time.time_ns() // 1_000_000)
        calls[key.partition(":")[0]] += collected.calls
    return calls


async def _bare(wire: Noting) -> float:
    """The same requests, as many at once; answers how long they took."""
    places = asyncio.Semaphore(Settings().analytics_parallel)
    prepared = []
    for request, key in list(wire.sent):
        body = body_of(request)
        headers = Wire.headers(wire, request, key)
        if body is not None:
            headers["Content-Type"] = body.content_type
        data = None if body is None else body.whole(wire.open_slice)
        prepared.append((request.method, wire.url(request), headers, data))
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def ask(method: str, url: Any, headers: dict[str, str], data: bytes | None) -> None:
            async with places, session.request(method, url, headers=headers, data=data) as response:
                await response.read()

        began = time.perf_counter()
        await asyncio.gather(*(ask(*one) for one in prepared))
        return time.perf_counter() - began


def _told(sandbox: Sandbox, ledger: Ledger) -> int:
    """Calls that telling all numbers to a base takes: each post has a row there, each account too."""
    api = Api(TOKEN, retry_strategy=None, endpoint_url=f"{sandbox.url}/airtable")
    first = {"name": "Table 1", "fields": [{"name": "Name", "type": "singleLineText"}]}
    bases = [{"id": BASE, "name": "Numbers", "tables": [first]}]
    tokens = [{"token": TOKEN, "bases": "*"}]
    sandbox.control("POST", "seed", {"airtable": {"tokens": tokens, "bases": bases}})
    create_base(api, BASE)
    with ledger.read() as connection:
        posts = list(connection.execute(sa.select(deliveries.c.id)).scalars())
        keys = list(connection.execute(sa.select(accounts.c.key)).scalars())
    client = AirtableClient(api, BASE, calls_per_s=4, budget_s=3600)
    with sandbox.planting():
        made = _rows(api, "Deliveries", [{"Key": post} for post in posts])
        of_accounts = _rows(api, "Accounts", [{"Name": key} for key in keys])
    with ledger.begin() as connection:
        rows = [
            {"key": post, "record_id": record, "version": 1, "told_version": 1, "changed_ms": 0}
            for post, record in zip(posts, made, strict=True)
        ]
        connection.execute(sa.insert(outbox), rows)
        for key, record in zip(keys, of_accounts, strict=True):
            connection.execute(sa.update(accounts).where(accounts.c.key == key).values(record_id=record))
    return tell_numbers(ledger, lambda: client, Settings(), time.time_ns() // 1_000_000, "benchmark").calls


def _rows(api: Api, table: str, fields: list[dict[str, Any]]) -> list[str]:
    """Rows that people, and the engine before, would have made."""
    return [row["id"] for row in api.table(BASE, table).batch_create(fields)]
