"""The one place from which an irreversible request leaves.

No redirects, no retries by the library (aiohttp would repeat a PUT that was cut), no proxies. The window is
checked when the connection is in hand, after name, TCP and TLS and before the first byte. A connection that
was idle for long is not used: a stale one would turn a healthy post into an unknown outcome.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp
from yarl import URL

from schedulo.flow import Request, Response
from schedulo.transport.window import Window, WindowSpent
from schedulo.transport.wire import Wire, answer_of, body_of, headers_of, socket_that_gives_up

IDLE_S = 4.0
"""How long a connection may have been idle and still carry a commit."""


class NotSent(Exception):
    """Nothing was written to the wire."""


class NoConnection(NotSent):
    """Nobody could be reached."""


class NoAnswer(Exception):
    """It may have been taken: the connection broke or stayed silent after we had begun."""


@dataclass(slots=True)
class _Progress:
    """What one request has got to; travels with it through aiohttp."""

    window: Window
    in_hand: bool = field(default=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A commit whose body and token are in memory: no disk stands between the fence and the wire."""

    request: Request
    account_key: str
    url: URL = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


class Committer:
    """One aiohttp session for commits. Belongs to one event loop."""

    def __init__(self, wire: Wire, connections: int, kernel_s: float) -> None:
        self._wire = wire
        # aiohttp has a queue for connections too, but prepares each request before it queues it: with a
        # thousand due at once the first would leave after the last was prepared.
        self._free = asyncio.Semaphore(connections)
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connection_in_hand)
        trace.on_connection_reuseconn.append(_connection_in_hand)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections,
                keepalive_timeout=IDLE_S,
                socket_factory=socket_that_gives_up(kernel_s),
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            trust_env=False,
        )
        # aiohttp repeats idempotent methods by itself when a reused connection turns out dead. A PUT of
        # TikTok's last chunk is a commit. The attribute is private; a test sees to it that it still works.
        self._session._retry_connection = False

    async def prepare(self, request: Request, account_key: str) -> Prepared:
        """Read body and token into memory, while there is time. Raises `PlatformError` without a token."""
        return await asyncio.to_thread(self._prepare, request, account_key)

    def _prepare(self, request: Request, account_key: str) -> Prepared:
        url = self._wire.url(request)
        headers = self._wire.headers(request, account_key)
        body = body_of(request)
        if body is None:
            headers["Content-Length"] = "0"
            return Prepared(request, account_key, url, headers, None)
        headers.setdefault("Content-Type", body.content_type)
        return Prepared(request, account_key, url, headers, body.whole(self._wire.open_slice))

    async def commit(self, prepared: Prepared, window: Window) -> Response:
        """Send it, once. Raises `NotSent` (`NoConnection` where nobody could be reached) or `NoAnswer`; any
        answer is returned, whatever its status."""
        request = prepared.request
        progress = _Progress(window)
        try:
            async with (
                self._free,
                self._session.request(
                    request.method,
                    prepared.url,
                    headers=prepared.headers,
                    data=prepared.body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=request.timeout_s, sock_connect=window.limit_s),
                    trace_request_ctx=progress,
                ) as response,
            ):
                answer = await _as_far_as_it_came(response)
        except WindowSpent as spent:
            raise NotSent(str(spent)) from None
        except Exception as error:  # whatever broke: what counts is whether it may have left
            if progress.in_hand:
                raise NoAnswer(
                    f"the connection broke before an answer came ({type(error).__name__})"
                ) from None
            raise NoConnection(f"no connection ({type(error).__name__})") from None
        if self._wire.heard is not None:
            self._wire.heard(request, prepared.account_key, answer)
        return answer

    async def close(self) -> None:
        await self._session.close()


async def _as_far_as_it_came(response: aiohttp.ClientResponse) -> Response:
    """The answer. A status that came says what was done, even where the text after it broke off."""
    try:
        return await answer_of(response)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Response(response.status, headers_of(response))


async def _connection_in_hand(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
) -> None:
    progress: _Progress = context.trace_request_ctx
    progress.window.check()
    progress.in_hand = True
