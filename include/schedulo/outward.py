"""Requests to addresses that came from somebody's data: files to fetch, subscribers to tell.

Such an address may point at anything, also at what only this machine can see. So it is checked before it is
used: its scheme, and every address its host resolves to. The connection is made to an address that was
checked, not to the name again, which may resolve differently a moment later. Total time is limited; redirects
are the caller's to follow, each checked anew; proxies, cookies and .netrc of the environment are not used.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

SILENT_SECONDS = 20.0
"""A host that sends nothing for so long is given up."""

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
UNICAST = ipaddress.IPv6Network("2000::/3")  # all of IPv6 that is given out (IANA, IPv6 address space)


class OutwardError(Exception):
    """It could not be reached, or must not be. The text names the host and never the rest of the
    address, which may be signed. `temporary`: trying again later may help."""

    def __init__(self, sentence: str, *, temporary: bool = False, status: int | None = None) -> None:
        super().__init__(sentence)
        self.temporary = temporary
        self.status = status


_Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""A family and what `socket.connect` takes."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One address that was checked."""

    url: str
    host: str
    addresses: tuple[_Address, ...]
    what: str
    """What lies there, for people: `file`."""


def check(url: str, allowed_hosts: frozenset[str], what: str) -> Hop:
    """Look whether an address may be used.

    :param allowed_hosts: `host:port` of those that may be private and may use plain http
    :param what: what lies there, for people
    :raises OutwardError: where it may not, or its host has no address
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise OutwardError(f"the address of the {what} cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise OutwardError(f"the address of the {what} is not an https address")
    if parts.username is not None:
        raise OutwardError(f"the address of the {what} at {host} contains a login, which is not allowed")
    allowed = f"{host}:{port}" in allowed_hosts
    if parts.scheme == "http" and not allowed:
        raise OutwardError(f"{host} is asked for over plain http; only https is allowed")
    found = _resolve(host, port)
    if not allowed and not all(_is_public(str(address[0])) for _, address in found):
        raise OutwardError(f"{host} lies in a private network; only public addresses are asked")
    return Hop(parts._replace(fragment="").geturl(), host, found, what)


def _resolve(host: str, port: int) -> tuple[_Address, ...]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise OutwardError(f"{host} has no address", temporary=True) from None
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
def asked(
    hop: Hop,
    deadline: float,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Iterator[requests.Response]:
    """Send one request over a connection of its own to the checked address, cut at the deadline.

    The answer's body is not read. Raises `OutwardError` where there is none.

    :param deadline: by the monotonic clock
    """
    line = _Line(hop, deadline)
    with contextlib.closing(line), requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _PinnedAdapter(line.connect))
        session.mount("http://", _PinnedAdapter(line.connect))
        try:
            answer = session.request(
                method,
                hop.url,
                headers={"Accept-Encoding": "identity", **(headers or {})},
                data=body or None,
                allow_redirects=False,
                stream=True,
                timeout=SILENT_SECONDS,
            )
        except requests.RequestException as error:
            raise broken(hop, deadline, error) from None
        with answer:
            yield answer


def broken(hop: Hop, deadline: float, error: Exception) -> OutwardError:
    """What an exception of the connection means, in words."""
    if time.monotonic() >= deadline:
        return OutwardError(f"{hop.host} took too long", temporary=True)
    if isinstance(error, requests.exceptions.SSLError):
        return OutwardError(f"{hop.host} could not prove who it is (TLS)")
    return OutwardError(f"the connection to {hop.host} failed ({type(error).__name__})", temporary=True)


class _Line:
    """One TCP connection with an end in time. A host that sends a byte now and then would otherwise hold us
    for ever, because time limits of sockets begin anew with every byte."""

    def __init__(self, hop: Hop, deadline: float) -> None:
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
