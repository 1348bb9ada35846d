"""Writes lines to a task's log from the triggerer without ever holding up its loop.

A triggerer is two processes. The one with the triggers sends its log lines to the other through a socket, by
writes that block while it is full. The other answers requests by writes that block too: while it sends a long
answer (hundreds of new triggers) it reads no lines. If the loop that should read this answer is itself stuck
in a line, both wait for ever, and with them every post. Airflow 3.3.2 does nothing against it, so we never
begin a line that the socket may have no room for.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Iterable
from typing import Any

import structlog

LOOK_S = 0.05
"""How often a full channel is looked at again."""

_turn = asyncio.Lock()


async def tell(log: Any, lines: Iterable[str]) -> None:
    """Log these lines one after another, each when there is room for it; one story at a time."""
    async with _turn:
        for line in lines:
            await _room()
            log.info(line)


async def _room() -> None:
    """Wait until the log's channel takes a line at once. Linux calls a socket writable while three quarters
    of its buffer are free, which is far more than a line."""
    number = _channel()
    while number is not None and not _writable(number):
        await asyncio.sleep(LOOK_S)


def _writable(number: int) -> bool:
    poll = select.poll()  # `select.select` refuses numbers above 1023, and a triggerer has thousands of files
    poll.register(number, select.POLLOUT)
    return bool(poll.poll(0))


def _channel() -> int | None:
    """The file that log lines go to; None where there is none of its own (tests, `dag.test`)."""
    file = getattr(structlog.get_config()["logger_factory"], "io", None)
    try:
        return int(file.fileno()) if file is not None else None
    except (OSError, ValueError):
        return None
