"""Sends what may be repeated: steps of arming, looks, reads. One try a call; who calls decides about more."""

from __future__ import annotations

from collections import Counter

import aiohttp

from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.flow import Request, Response
from schedulo.transport.wire import Wire, answer_of, body_of


class Caller:
    """One aiohttp session for safe requests. Belongs to one event loop."""

    def __init__(self, wire: Wire, connections: int) -> None:
        self.counts: Counter[str] = Counter()
        """Requests by account key, also those without an answer: a platform may charge for them."""
        self._wire = wire
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections), cookie_jar=aiohttp.DummyCookieJar()
        )

    async def call(self, request: Request, account_key: str) -> Response:
        """Send a request and read its answer, whatever its status.

        Raises `PlatformError` of kind NETWORK where no answer came.
        """
        headers = self._wire.headers(request, account_key)
        body = body_of(request)
        data = None
        if body is not None:
            headers.setdefault("Content-Type", body.content_type)
            headers["Content-Length"] = str(body.length)
            data = body.stream(self._wire.open_slice)
        elif request.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
        self.counts[account_key] += 1
        try:
            async with self._session.request(
                request.method,
                self._wire.url(request),
                headers=headers,
                data=data,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout_s, sock_connect=10),
            ) as response:
                answer = await answer_of(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise no_answer(request, error) from None
        if self._wire.heard is not None:
            self._wire.heard(request, account_key, answer)
        return answer

    async def close(self) -> None:
        await self._session.close()


def no_answer(request: Request, error: BaseException) -> PlatformError:
    """The error for a request without an answer. The text names no address: it may hold a signature."""
    return PlatformError(
        request.service or "the upload server",
        Diagnosis(Kind.NETWORK, refusal=False),
        message=f"no answer: {type(error).__name__}",
    )
