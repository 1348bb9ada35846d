"""Publishers in operating-system processes of their own that die or freeze at a named point.

    python failing_process.py

It is told one case a line (JSON on standard input) and forks a process for each, so that many cases cost one
start of Python. It answers with one line when that process has stopped, died or ended; after a line `wake` it
lets a stopped one go on, and answers when it has ended. The points are wrapped around the real methods here:
the product knows nothing of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa

from schedulo.ledger.database import Ledger
from schedulo.media import MediaStore
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.desk import Desk
from schedulo.publishing.publisher import Publisher
from schedulo.publishing.session import Session
from schedulo.settings import Settings
from schedulo.transport import commits
from schedulo.transport.wire import Wire
from tests.schedulo.publishing.every_commit import token_for
from tests.schedulo.publishing.stage import SERVICES


class Failpoint(StrEnum):
    AFTER_FENCE = "after fence"
    BEFORE_WRITE = "before write"
    """The connection is in hand; the window is looked at next."""
    AFTER_WRITE = "after write"
    BEFORE_OUTCOME = "before outcome"
    BEFORE_EVENT = "before event"


class Failure(StrEnum):
    KILL = "kill"
    FREEZE = "freeze"


WRITTEN_S = 0.05
"""So long after a request was handed to the kernel it is surely on its way."""

AT_THE_LEDGER = threading.RLock()
"""Held while a transaction lasts: a process that freezes in one would keep everybody else from writing."""


@dataclass
class Fuse:
    """Goes off once, at one point of one commit."""

    point: Failpoint
    failure: Failure
    commit: int
    """Which fence of this process it is, from 1 on."""
    fences: int = 0

    def burn(self, point: Failpoint) -> None:
        if point is not self.point or self.fences != self.commit:
            return
        self.commit = 0
        if self.failure is Failure.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        with AT_THE_LEDGER:
            # To this very thread: one sent to the process may reach another first, and this one would go on.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def lay(fuse: Fuse) -> None:
    """Wrap the real methods."""
    fence, settle, run = Desk.fence, Desk.settle, Session.run
    in_hand, start = commits._connection_in_hand, aiohttp.ClientResponse.start
    begin = Ledger.begin

    async def fenced(desk: Desk, intents: Any) -> Any:
        answers = await fence(desk, intents)
        fuse.fences += any(answers)
        fuse.burn(Failpoint.AFTER_FENCE)
        return answers

    async def connected(*args: Any) -> None:
        fuse.burn(Failpoint.BEFORE_WRITE)
        await in_hand(*args)

    async def written(response: aiohttp.ClientResponse, connection: Any) -> Any:
        if fuse.point is Failpoint.AFTER_WRITE:
            await asyncio.sleep(WRITTEN_S)
            fuse.burn(Failpoint.AFTER_WRITE)
        return await start(response, connection)

    async def settled(desk: Desk, outcome: Any) -> Any:
        fuse.burn(Failpoint.BEFORE_OUTCOME)
        return await settle(desk, outcome)

    async def ran(session: Session, *args: Any) -> Any:
        ending = await run(session, *args)
        fuse.burn(Failpoint.BEFORE_EVENT)
        return ending

    @contextmanager
    def begun(ledger: Ledger) -> Iterator[sa.Connection]:
        with AT_THE_LEDGER, begin(ledger) as connection:
            yield connection

    Ledger.begin = begun  # type: ignore[method-assign]
    Desk.fence, Desk.settle, Session.run = fenced, settled, ran  # type: ignore[method-assign]
    commits._connection_in_hand = connected
    aiohttp.ClientResponse.start = written  # type: ignore[method-assign]


def work(told: Mapping[str, Any]) -> None:
    """What a forked process does."""
    lay(Fuse(Failpoint(told["point"]), Failure(told["failure"]), told["commit"]))
    store = MediaStore(Path(told["media"]))
    bases = {name: f"{told['sandbox']}/{name}" for name in SERVICES}
    publisher = Publisher(
        Ledger(told["ledger"]),
        Wire(bases, token_for, store.open_slice),
        Settings(**told["settings"]),
        CONVERSATIONS,
        lambda media: f"{told['sandbox']}/media/{media.sha256}",
        broken=frozenset(told["broken"]),
    )
    publisher.work_on(told["run_id"], 0, "ti-1").result(120)
    publisher.close()


def say(pid: int, options: int) -> bool:
    """Tell how it goes with a process; answers whether it is stopped and may go on."""
    _, status = os.waitpid(pid, options)
    if os.WIFSTOPPED(status):
        print("stopped", flush=True)
        return True
    print("killed" if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}", flush=True)
    return False


def main(read: Callable[[], str] = sys.stdin.readline) -> None:
    while line := read():
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work(json.loads(line))
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        if say(pid, os.WUNTRACED):
            try:
                read()
            finally:
                os.kill(pid, signal.SIGCONT)
            say(pid, 0)


if __name__ == "__main__":
    main()
