"""Fixtures for all tests: the network is closed except to this machine, and a sandbox runs when asked for."""

from __future__ import annotations

import gc
import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.running import RunningSandbox, running_sandbox

LOOPBACK_NAMES = ("localhost", "")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Every process finds all tests, and what they are made of stays to its end: no garbage is looked for."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first, the longest at the head: none begins when all others are done.

    Each of their tests may take four times as long as the file takes alone: the first has to make the
    installation, and the machine may be busy.
    """
    items.sort(key=_minutes, reverse=True)
    for item in items:
        limit_s = _minutes(item) * 4 * 60
        if limit_s > float(item.config.getini("timeout")) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(limit_s))


def _minutes(item: pytest.Item) -> float:
    mark = item.get_closest_marker("slow")
    return float(mark.kwargs.get("minutes", 0)) if mark else 0.0


class NetworkClosed(Exception):
    """A test tried to reach something outside this machine."""


def _guard(socket_: socket.socket, address: Any) -> None:
    if socket_.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(address[0])
    if host in LOOPBACK_NAMES:
        return
    try:
        inside = ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise NetworkClosed(f"tests may connect to this machine only, not to {host!r}")


@pytest.fixture(scope="session", autouse=True)
def closed_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            real = getattr(socket.socket, name)

            def guarded(self: socket.socket, address: Any, _real: Any = real) -> Any:
                _guard(self, address)
                return _real(self, address)

            patch.setattr(socket.socket, name, guarded)
        yield


@pytest.fixture(scope="session")
def sandbox_server() -> Iterator[RunningSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(sandbox_server: RunningSandbox) -> RunningSandbox:
    """A running sandbox with nothing in it."""
    sandbox_server.reset()
    return sandbox_server
