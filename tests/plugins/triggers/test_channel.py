"""Log lines from the triggerer: they wait for room, and the loop does not wait for them."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from triggers.channel import tell

LINES = [f"{number:04d} " + "." * 1000 for number in range(600)]
"""Far more than a socket's buffer takes."""


@dataclass(frozen=True)
class Factory:
    """As Airflow configures it in a triggerer: it knows the channel as `io`."""

    io: Any


class Log:
    """Writes as Airflow's logger does there: at once, blocking while the socket is full."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def info(self, line: str) -> None:
        left = memoryview(line.encode() + b"\n")
        while left:
            left = left[self._file.write(left) or 0 :]


@pytest.fixture
def supervisor() -> Iterator[tuple[socket.socket, Log]]:
    """The end that reads, and a log that writes to it."""
    reader, writer = socket.socketpair()
    file = writer.makefile("wb", buffering=0)
    before = structlog.get_config()
    structlog.configure(logger_factory=Factory(file))
    try:
        yield reader, Log(file)
    finally:
        structlog.configure(**before)
        file.close()
        writer.close()
        reader.close()


async def test_the_loop_goes_on_while_nobody_reads_the_lines(supervisor: tuple[socket.socket, Log]) -> None:
    reader, log = supervisor
    rescue = threading.Timer(10, reader.close)  # a loop that is stuck would be stuck for ever
    rescue.start()
    telling = asyncio.create_task(tell(log, LINES))
    await asyncio.sleep(0.5)
    assert rescue.is_alive(), "the loop was stuck until nobody could read any more"
    assert not telling.done(), "the channel must be full for this to be a test"
    received = bytearray()
    while received.count(b"\n") < len(LINES):
        received += await asyncio.to_thread(reader.recv, 65536)
    await telling
    rescue.cancel()
    assert received.decode().splitlines() == LINES


async def test_stories_do_not_mix(supervisor: tuple[socket.socket, Log]) -> None:
    reader, log = supervisor
    await asyncio.gather(*(tell(log, [f"{name}{number}" for number in range(3)]) for name in "ab"))
    assert reader.recv(100).decode().split() == ["a0", "a1", "a2", "b0", "b1", "b2"]


async def test_a_log_without_a_channel_is_written_at_once() -> None:
    with structlog.testing.capture_logs() as logs:
        await tell(structlog.get_logger(), ["one", "two"])
    assert [line["event"] for line in logs] == ["one", "two"]
