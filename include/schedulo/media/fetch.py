"""Downloads a file whose address came from somebody's data, into the store.

Such an address may point at anything, also at what only this machine can see. So every hop is checked
before it is taken: its scheme, and every address its host resolves to. The connection is made to an address
that was checked, not to the name again, which may resolve differently a moment later. Size and total time
are limited; proxies, cookies and .netrc of the environment are not used.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from schedulo.media.store import CHUNK_BYTES, MediaStore
from schedulo.model import Media
from schedulo.words import storable

MAX_REDIRECTS = 3
MAX_BYTES = 4 * 1024**3
"""TikTok and Facebook take videos of up to 4 GB; nobody takes more."""
TOTAL_SECONDS = 600.0
SILENT_SECONDS = 20.0
"""A host that sends nothing for so long is given up."""

REDIRECTS = (301, 302, 303, 307, 308)
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
UNICAST = ipaddress.IPv6Network("2000::/3")  # all of IPv6 that is given out (IANA, IPv6 address space)


class FetchError(Exception):
    """The file could not be fetched. The text names the host and never the rest of the address, which may be
    signed. `temporary`: trying again later may help."""

    def __init__(self, sentence: str, *, temporary: bool = False, status: int | None = None) -> None:
        super().__init__(sentence)
        self.temporary = temporary
        self.status = status


_Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""A family and what `socket.connect` takes."""


@dataclass(frozen=True, slots=True)
class _Hop:
    """One step on the way to the file, checked."""

    url: str
    host: str
    addresses: tuple[_Address, ...]


def fetch(
    url: str,
    store: MediaStore,
    *,
    filename: str = "",
    allowed_hosts: frozenset[str] = frozenset(),
    max_bytes: int = MAX_BYTES,
    total_seconds: float = TOTAL_SECONDS,
) -> Media:
    """Download `url` into `store` and say what it is.

    `allowed_hosts` ("host:port") may be private and may use plain http: hosts that the operator chose, such
    as the one of the Airtable Connection. Raises `FetchError`, and `MediaError` for a file that is no media.
    Looking a name up is left to the system's resolver and its own time limit.
    """
    deadline = time.monotonic() + total_seconds
    for _ in range(MAX_REDIRECTS + 1):
        hop = _check(url, allowed_hosts)
        with _answer(hop, deadline) as answer:
            location = answer.headers.get("Location")
            if answer.status_code in REDIRECTS and location:
                url = urljoin(url, location)
                continue
            if answer.status_code != 200:
                raise FetchError(
                    f"{hop.host} did not hand out the file (HTTP {answer.status_code})",
                    temporary=answer.status_code in TEMPORARY,
                    status=answer.status_code,
                )
            name = filename or storable(unquote(PurePosixPath(urlsplit(url).path).name))
            return store.put(
                _body(answer, hop, max_bytes, deadline), name, answer.headers.get("Content-Type", "")
            )
    raise FetchError(f"{hop.host} redirects more than {MAX_REDIRECTS} times")


def _check(url: str, allowed_hosts: frozenset[str]) -> _Hop:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise FetchError("the address of the file cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise FetchError("the address of the file is not an https address")
    if parts.username is not None:
        raise FetchError(f"the address of the file at {host} contains a login, which is not allowed")
    allowed = f"{host}:{port}" in allowed_hosts
    if parts.scheme == "http" and not allowed:
        raise FetchError(f"{host} is asked for over plain http; only https is allowed")
    found = _resolve(host, port)
    if not allowed and not all(_is_public(str(address[0])) for _, address in found):
        raise FetchError(f"{host} lies in a private network; files are fetched from public addresses only")
    return _Hop(parts._replace(fragment="").geturl(), host, found)


def _resolve(host: str, port: int) -> tuple[_Address, ...]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise FetchError(f"{host} has no address", temporary=True) from None
    return tuple((family, address) for family, _, _, _, address in rows)


def _is_public(text: str) -> bool:
    """Whether an address belongs to the open internet; IPv4 hidden in IPv6 is judged as what it is."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is None:
            return address in UNICAST and address.is_global
        address = inner
    return address.is_global and not address.is_multicast


@contextlib.contextmanager
def _answer(hop: _Hop, deadline: float) -> Iterator[requests.Response]:
    """Ask for the file over a connection of its own to the checked address, cut at the deadline."""
    line = _Line(hop, deadline)
    with contextlib.closing(line), requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _PinnedAdapter(line.connect))
        session.mount("http://", _PinnedAdapter(line.connect))
        try:
            answer = session.get(
                hop.url,
                headers={"Accept-Encoding": "identity"},
                allow_redirects=False,
                stream=True,
                timeout=SILENT_SECONDS,
            )
        except requests.RequestException as error:
            raise _broken(hop, deadline, error) from None
        with answer:
            yield answer


def _body(answer: requests.Response, hop: _Hop, max_bytes: int, deadline: float) -> Iterator[bytes]:
    too_large = FetchError(f"the file at {hop.host} is larger than {max_bytes} bytes")
    if (answer.raw.length_remaining or 0) > max_bytes:
        raise too_large
    got_bytes = 0
    try:
        for chunk in answer.raw.stream(CHUNK_BYTES, decode_content=True):
            got_bytes += len(chunk)
            if got_bytes > max_bytes:
                raise too_large
            yield chunk
    except (HTTPError, OSError) as error:
        raise _broken(hop, deadline, error) from None
    if time.monotonic() >= deadline:  # a body without a length looks whole when the line is cut
        raise _broken(hop, deadline, TimeoutError())


def _broken(hop: _Hop, deadline: float, error: Exception) -> FetchError:
    if time.monotonic() >= deadline:
        return FetchError(f"{hop.host} took too long to send the file", temporary=True)
    if isinstance(error, requests.exceptions.SSLError):
        return FetchError(f"{hop.host} could not prove who it is (TLS)")
    return FetchError(f"the connection to {hop.host} failed ({type(error).__name__})", temporary=True)


class _Line:
    """One TCP connection with an end in time. A host that sends a byte now and then would otherwise hold us
    for ever, because time limits of sockets begin anew with every byte."""

    def __init__(self, hop: _Hop, deadline: float) -> None:
        self._hop = hop
        self._deadline = deadline
        self._handle: socket.socket | None = None
        self._timer: threading.Timer | None = None

    def connect(self) -> socket.socket:
        *others, last = self._hop.addresses
        for address in others:
            with contextlib.suppress(OSError):
                return self._connect(address)
        return self._connect(last)

    def _connect(self, to: _Address) -> socket.socket:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        family, address = to
        line = socket.socket(family, socket.SOCK_STREAM)
        try:
            line.settimeout(min(SILENT_SECONDS, left))
            line.connect(address)
        except BaseException:
            line.close()
            raise
        # A second handle on the connection: TLS takes the first one over.
        self._handle = line.dup()
        self._timer = threading.Timer(self._deadline - time.monotonic(), self._cut)
        self._timer.daemon = True
        self._timer.start()
        return line

    def _cut(self) -> None:
        with contextlib.suppress(OSError):
            assert self._handle is not None
            self._handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._handle is not None:
            self._handle.close()


class _PinnedAdapter(HTTPAdapter):
    """Connects with `connect` and nothing else; Host, SNI and certificate check keep the host's name."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        connect = self._connect

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return connect()

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return connect()

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
