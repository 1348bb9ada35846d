"""What stands before every page and call of the api-server, Airflow's and ours: middlewares of Airflow's root
application. Standard library alone, since every process of Airflow imports it.

`SafeHeaders` tells browsers what pages may not do. `SameOrigin` lets no other site act with a cookie of ours.
`LoginAttempts` makes guessing passwords slow where Airflow does not, `HookAttempts` forging webhooks; both
count in memory, in each process of the api-server for itself.
"""

from __future__ import annotations

import json
import math
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGES = {
    b"content-security-policy": b"frame-ancestors 'self'; object-src 'none'",
    b"referrer-policy": b"same-origin",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"SAMEORIGIN",
}
"""For Airflow's pages, which run scripts and frame each other."""
OURS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'; sandbox",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
}
"""For answers of ours: what needs more, such as reports, says so itself."""
READING = ("GET", "HEAD", "OPTIONS", "TRACE")
ATTEMPTS, WINDOW_S = 10, 60.0
"""Failed logins that an address has in a window."""
HOOK_ATTEMPTS = 60
"""Refused webhooks that it has: platforms send from few addresses."""
ADDRESSES = 10_000
"""How many are remembered."""


def _path(scope: Message) -> str:
    return str(scope.get("path", "")).removeprefix(scope.get("root_path", ""))


def _headers(scope: Message) -> dict[bytes, str]:
    return {name: value.decode("latin-1") for name, value in scope["headers"]}


async def _refuse(send: Send, status: int, sentence: str, *more: tuple[bytes, bytes]) -> None:
    body = json.dumps({"detail": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class SafeHeaders:
    """Adds to each answer the headers that it does not have."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        wanted = OURS if _path(scope).startswith("/schedulo/") else PAGES

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _value in message.get("headers", [])}
                more = [(name, value) for name, value in wanted.items() if name not in there]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        await self.app(scope, receive, answer)


class SameOrigin:
    """Refuses what changes something, comes with a cookie and begins on a page of another site.

    Airflow's cookie is SameSite=Lax, so browsers do not send it from other sites, but do from other names
    below the same domain. Browsers say where a request begins (Sec-Fetch-Site); those that do not, say at
    least the page's origin. Programs send no cookies, and are let through.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in READING and not self._may(_headers(scope)):
            await _refuse(
                send, 403, "This was asked for by a page of another site. Nothing was done; ask in Airflow."
            )
            return
        await self.app(scope, receive, send)

    @staticmethod
    def _may(headers: dict[bytes, str]) -> bool:
        if b"cookie" not in headers or b"authorization" in headers:
            return True
        if site := headers.get(b"sec-fetch-site"):
            return site in ("same-origin", "none")
        origin = headers.get(b"origin")
        return origin is None or urlsplit(origin).netloc == headers.get(b"host", "")


class _Attempts:
    """Lets an address fail so often in a minute; more are answered with 429, also right ones.

    The address is the one that the server was told: behind a proxy, what the proxy says.
    """

    prefix: str
    most: int
    sentence: str

    def __init__(self, app: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self.app, self._clock = app, clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not self._counts(_path(scope)):
            await self.app(scope, receive, send)
            return
        failed = self._of(_address(scope))
        now = self._clock()
        while failed and failed[0] <= now - WINDOW_S:
            failed.popleft()
        if len(failed) >= self.most:
            wait = str(math.ceil(failed[0] + WINDOW_S - now)).encode()
            await _refuse(send, 429, self.sentence, (b"retry-after", wait))
            return
        # Counted before it is known, or as many as like could be tried at once.
        failed.append(now)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and not self._fails(message["status"]):
                with suppress(ValueError):  # forgotten meanwhile
                    failed.remove(now)
            await send(message)

        await self.app(scope, receive, answer)

    def _counts(self, path: str) -> bool:
        return path == self.prefix or path.startswith(f"{self.prefix}/")

    def _fails(self, status: int) -> bool:
        return status >= 400

    def _of(self, address: str) -> deque[float]:
        found = self._failed.setdefault(address, deque())
        self._failed.move_to_end(address)
        while len(self._failed) > ADDRESSES:
            self._failed.popitem(last=False)
        return found


class LoginAttempts(_Attempts):
    """Airflow limits its login form (`[fab] auth_rate_limit`), but not `/auth/token`, which takes the same
    passwords."""

    prefix, most = "/auth/token", ATTEMPTS
    sentence = "Too many failed logins from this address. Whoever calls waits for Retry-After seconds."


class HookAttempts(_Attempts):
    """Webhooks come without a login, and each is weighed by its signature. What is our own fault counts for
    nothing: the platform sends it again."""

    prefix, most = "/schedulo/hooks", HOOK_ATTEMPTS
    sentence = "Too many refused webhooks from this address. Whoever calls waits for Retry-After seconds."

    def _fails(self, status: int) -> bool:
        return 400 <= status < 500


def _address(scope: Message) -> str:
    """Who calls; of IPv6 the network, since one has as many addresses in it as one likes."""
    host = str((scope.get("client") or ("", 0))[0])
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(int(address) >> 64)
    return host
