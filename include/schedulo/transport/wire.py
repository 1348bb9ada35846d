"""From our `Request` to what aiohttp sends: address, token, body. What all transport shares.

Secrets enter here and nowhere earlier; nothing here writes them anywhere else.
"""

from __future__ import annotations

import json
import secrets
import socket
import struct
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.flow import Auth, FilePart, Pairs, Request, Response, Slice

MAX_ANSWER_BYTES = 4 * 1024 * 1024
USER_AGENT = "schedulo"


class Reader(Protocol):
    """Bytes of a stored file, plainly or without blocking an event loop."""

    def __iter__(self) -> Iterable[bytes]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...


OpenSlice = Callable[[Slice], Any]
"""Gives a `Reader` for a slice; raises where the file is not whole."""

Heard = Callable[[Request, str, Response], None]


@dataclass(frozen=True, slots=True)
class Wire:
    """Where services are and who we are to them."""

    bases: Mapping[str, str]
    """Base URL of each service, without a slash at the end."""
    token_for: Callable[[str], str]
    """The token of an account, by its key. Raises `PlatformError` where there is none."""
    open_slice: OpenSlice
    heard: Heard | None = None
    """Takes each answer, with its request and the account's key; must be quick."""
    only: frozenset[str] | None = None
    """The origins that requests may go to (`http://127.0.0.1:8090`), whoever named the address; None: all."""

    def url(self, request: Request) -> URL:
        """Where it goes. Raises `PlatformError` where it must not: nothing is sent."""
        base = self.bases[request.service] if request.service else ""
        query = f"?{urlencode(request.query, quote_via=quote)}" if request.query else ""
        url = URL(f"{base}{request.path}{query}", encoded=True)
        if self.only is not None and _origin(url) not in {_origin(URL(only)) for only in self.only}:
            raise PlatformError(
                request.service or "the upload server",
                Diagnosis(Kind.CONFIGURATION, refusal=True),
                message=f"nothing may be sent to {url.host}: requests go to the sandbox alone",
            )
        return url

    def headers(self, request: Request, account_key: str) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT, **dict(request.headers)}
        if request.auth is not Auth.NONE:
            if not request.service:
                raise ValueError("a token goes to the service's own address only")
            scheme = "Bearer" if request.auth is Auth.BEARER else "OAuth"
            headers["Authorization"] = f"{scheme} {self.token_for(account_key)}"
        return headers


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    """Scheme, host and port, whether the port is written or goes without saying."""
    return url.scheme, url.host, url.port


@dataclass(frozen=True, slots=True)
class Body:
    """A body in parts: bytes or slices of stored files, so that it can be streamed or read whole."""

    content_type: str
    parts: tuple[bytes | Slice, ...]

    @property
    def length(self) -> int:
        return sum(len(part) if isinstance(part, bytes) else part.length for part in self.parts)

    def whole(self, open_slice: OpenSlice) -> bytes:
        """All of it, in memory; blocks."""
        return b"".join(
            part if isinstance(part, bytes) else b"".join(open_slice(part)) for part in self.parts
        )

    async def stream(self, open_slice: OpenSlice) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
            else:
                reader: AsyncIterable[bytes] = open_slice(part)
                async for chunk in reader:
                    yield chunk


def body_of(request: Request) -> Body | None:
    if request.file is not None:
        return _multipart(request.form or (), request.file)
    if request.raw is not None:
        return Body("application/octet-stream", (request.raw,))
    if request.form is not None:
        return Body("application/x-www-form-urlencoded", (urlencode(request.form).encode(),))
    if request.json is not None:
        return Body(
            "application/json; charset=UTF-8", (json.dumps(request.json, ensure_ascii=False).encode(),)
        )
    return None


def _multipart(fields: Pairs, file: FilePart) -> Body:
    boundary = secrets.token_hex(16)
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields
    )
    filename = file.filename.translate({ord('"'): "_", 10: "_", 13: "_"})
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{file.name}"; filename="{filename}"\r\n'
        f"Content-Type: {file.content_type}\r\n\r\n"
    )
    return Body(
        f"multipart/form-data; boundary={boundary}",
        (head.encode(), file.content, f"\r\n--{boundary}--\r\n".encode()),
    )


async def answer_of(response: aiohttp.ClientResponse) -> Response:
    """Read an answer; what is longer than any service's answer is cut off."""
    body = await response.content.read(MAX_ANSWER_BYTES)
    while len(body) < MAX_ANSWER_BYTES and (
        more := await response.content.read(MAX_ANSWER_BYTES - len(body))
    ):
        body += more
    return Response(response.status, headers_of(response), body)


def headers_of(response: aiohttp.ClientResponse) -> dict[str, str]:
    """An answer's headers, names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}


def socket_that_gives_up(kernel_s: float) -> Callable[[aiohttp.AddrInfoType], socket.socket]:
    """Sockets whose kernel stops sending soon after their process froze or died.

    Without this the kernel goes on sending what was written for up to a quarter of an hour.
    """

    def make(address: aiohttp.AddrInfoType) -> socket.socket:
        made = socket.socket(*address[:3])
        made.setblocking(False)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(kernel_s * 1000))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return made

    return make
