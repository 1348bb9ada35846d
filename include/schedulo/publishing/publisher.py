"""Everything that one process needs to publish, made once: clerk, desk, sender, sessions, heartbeat.

`work_on` is all that a trigger calls. The session it starts belongs to the process: the caller may be
cancelled, asked again or doubled, it joins the same session. On exit nothing new is fenced, what is open is
finished, and what is held is let go, so that another process can take it at once.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError

from schedulo.delivery import again, claims, endings, lateness, quotas
from schedulo.delivery.rows import story_of
from schedulo.ledger.clerk import Clerk
from schedulo.ledger.database import Ledger
from schedulo.model import Media, Platform, State
from schedulo.platforms.base import Conversation
from schedulo.publishing.desk import Desk, glances, sums
from schedulo.publishing.driver import Driver
from schedulo.publishing.ending import End, Ending, ending_of
from schedulo.publishing.hearing import Hearing
from schedulo.publishing.renewal import Logins, Renewal
from schedulo.publishing.sender import Sender
from schedulo.publishing.session import Session
from schedulo.settings import Settings
from schedulo.transport.calls import Caller
from schedulo.transport.wire import Wire

STANDBY_S = 2.0
"""How often an instance whose delivery another process holds looks how it goes."""
STANDBY_LIMIT_S = 900.0
CALM_LIMIT_S = 10.0
BUSY_LOOKS = 3
"""So many looks for changes are left out in a row while posts go out."""
RENEWAL_LIMIT_S = 35.0
"""How long a stop waits for a login that is being renewed: half done, it is lost."""
TIDY_S = 20.0
TIDY_AHEAD_S = 3.0
"""Nothing is tidied up when a commit is due within this time."""


class Publisher:
    """One a process. Methods may be called from any thread."""

    def __init__(
        self,
        ledger: Ledger,
        wire: Wire,
        settings: Settings,
        conversations: Mapping[Platform, Conversation],
        media_url: Callable[[Media], str | None],
        *,
        logins: Logins | None = None,
        broken: frozenset[str] = frozenset(),
    ) -> None:
        """`logins` is what logins are renewed with; without it an expired one is a person's work.

        `broken` switches guards off (`fence`, `window`), so that tests can show what each prevents."""
        self._ledger = ledger
        self._settings = settings
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._clerk = Clerk(ledger)
        self._desk = Desk(ledger, self._clerk, settings, fenced="fence" not in broken)
        self._hearing = Hearing()
        wire = replace(wire, heard=self._hearing)
        self._sender = Sender(self._desk, wire, settings, self.holder, windowed="window" not in broken)
        self._wire = wire
        self._conversations = conversations
        self._media_url = media_url
        self._logins = logins
        self._renewal: Renewal | None = None
        self._sessions: dict[str, asyncio.Task[Ending]] = {}
        self._ready = threading.Event()
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name="schedulo-sessions", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._broken is not None:
            self._sender.stop()
            self._clerk.close()
            raise self._broken
        atexit.register(self.close)

    def work_on(self, run_id: str, map_index: int, ti_id: str) -> Future[Ending]:
        """Work on what the run claimed at this place; the future says how it ended."""
        wish = claims.Wish(run_id, map_index, ti_id, self.holder)
        return asyncio.run_coroutine_threadsafe(self._work_on(wish), self._loop)

    def cancel(self, run_id: str, map_index: int, reason: str) -> Future[bool]:
        """A person stopped the instance: its delivery is cancelled unless it is on its way already."""
        return asyncio.run_coroutine_threadsafe(self._cancel(run_id, map_index, reason), self._loop)

    def story(self, delivery_id: str) -> Future[list[tuple[int, str]]]:
        """What happened to a delivery so far."""
        return asyncio.run_coroutine_threadsafe(self._story(delivery_id), self._loop)

    def close(self) -> None:
        """Drain: finish what is open, let go of the rest. Safe to call twice."""
        atexit.unregister(self.close)
        if not self._thread.is_alive():
            return
        self._sender.stop()
        asyncio.run_coroutine_threadsafe(self._let_go(), self._loop).result(10 + RENEWAL_LIMIT_S)
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(5)
        self._clerk.close()

    # --- on the working loop --------------------------------------------------------------------------

    def _live(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:
            self._broken = error
        finally:
            self._ready.set()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        caller = Caller(self._wire, self._settings.connections)
        driver = Driver(self._desk, caller, self._settings.arm_parallel)
        if self._logins is not None:
            self._renewal = Renewal(
                self._ledger, driver, self._conversations, self._logins, self._sender.prepare_anew
            )
        self._session = Session(
            self._desk,
            driver,
            self._sender,
            self._settings,
            self._conversations,
            self._media_url,
            self._calm,
            self._renewal,
        )
        self._calm_event = asyncio.Event()
        self._calm_event.set()
        await self._desk.do(claims.beat, self.holder, f"process {os.getpid()}")
        jobs = (self._beat, self._listen, self._watch_calm, self._tidy)
        helpers = [asyncio.create_task(job()) for job in jobs]
        self._ready.set()
        await self._stopped.wait()
        for task in [*helpers, *self._sessions.values()]:
            task.cancel()
        await asyncio.gather(*helpers, *self._sessions.values(), return_exceptions=True)
        await caller.close()

    async def _work_on(self, wish: claims.Wish) -> Ending:
        grant = await self._acquire(wish)
        if grant.delivery_id is None:
            return Ending(End.SKIPPED, "this run has nothing to do at this place")
        began = time.monotonic()
        while True:
            running = self._sessions.get(grant.delivery_id)
            if running is not None:
                return await asyncio.shield(running)
            if grant.mine:
                return await asyncio.shield(self._begin(wish, grant.delivery_id))
            delivery = (await self._desk.case(grant.delivery_id)).delivery
            if grant.asked_again and await self._ask_again(wish, delivery.id):
                return await asyncio.shield(self._begin(wish, delivery.id))
            working = delivery.state in (
                State.CLAIMED,
                State.ARMED,
                State.SENDING,
                State.UNKNOWN,
                State.REFUSED,
            )
            if not working or delivery.run_id != wish.run_id or time.monotonic() - began > STANDBY_LIMIT_S:
                return ending_of(delivery)
            await asyncio.sleep(STANDBY_S)
            grant = await self._acquire(wish)
            assert grant.delivery_id is not None

    async def _acquire(self, wish: claims.Wish) -> claims.Grant:
        """Ask for the delivery; a ledger that is away for a moment is asked again."""
        for wait_s in (0.2, 0.5, 1, 2, 5, 10):
            try:
                return await self._desk.acquire(wish)
            except (OperationalError, InterfaceError):
                await asyncio.sleep(wait_s)
        return await self._desk.acquire(wish)

    async def _ask_again(self, wish: claims.Wish, delivery_id: str) -> bool:
        """A task that ended was cleared or retried: what may be tried again is taken into this instance."""
        grace_ms = int(self._settings.missed_after_s * 1000)
        request = again.Request(
            again.Ask.CLEAR, "in Airflow", grace_ms, run_id=wish.run_id, holder=wish.holder
        )
        told: list[again.Told] = await self._desk.do(again.ask, [delivery_id], request)
        return told[0].done

    def _begin(self, wish: claims.Wish, delivery_id: str) -> asyncio.Task[Ending]:
        task = self._loop.create_task(self._session_of(wish, delivery_id))
        self._sessions[delivery_id] = task
        task.add_done_callback(lambda _done: self._sessions.pop(delivery_id, None))
        return task

    async def _session_of(self, wish: claims.Wish, delivery_id: str) -> Ending:
        try:
            return await self._session.run(wish, delivery_id)
        except Exception:
            with contextlib.suppress(Exception):
                await self._desk.do(claims.release, wish.holder, [delivery_id])
            raise

    async def _cancel(self, run_id: str, map_index: int, reason: str) -> bool:
        found = await self._desk.do(claims.claimed, run_id, map_index)
        if found is None:
            return False
        done: bool = await self._desk.do(endings.cancel, found, reason)
        self._sender.withdraw(found)
        return done

    async def _story(self, delivery_id: str) -> list[tuple[int, str]]:
        lines: list[tuple[int, str]] = await self._desk.do(story_of, delivery_id)
        return lines

    async def _let_go(self) -> None:
        for task in self._sessions.values():
            task.cancel()
        await asyncio.gather(*self._sessions.values(), return_exceptions=True)
        if self._renewal is not None:
            await self._renewal.finish(RENEWAL_LIMIT_S)
        await self._desk.do(claims.release, self.holder)

    async def _beat(self) -> None:
        """Say that we live, and put right what another process left."""
        while True:
            await asyncio.sleep(self._settings.beat_s)
            with contextlib.suppress(Exception):  # a ledger that is away for a moment is met again
                await self._desk.do(claims.beat, self.holder, f"process {os.getpid()}")
                await self._desk.do(
                    claims.release_orphans, self.holder, frozenset(self._sessions), self._settings
                )
                if told := self._hearing.take():
                    await self._desk.do(quotas.hear, told)
                if self._sessions:
                    await self._desk.do(lateness.tell, self._settings)

    async def _listen(self) -> None:
        """Notice what changed for deliveries that wait for their second, by one look for all of them. Whether
        anything did, one row of sums says; the ledger's writer is not asked."""
        before: Any = None
        skipped = 0
        while True:
            await asyncio.sleep(self._settings.look_s)
            expected = self._sender.expected()
            if not expected:
                continue
            if self._sender.busy() and skipped < BUSY_LOOKS:
                skipped += 1  # the fence sees for itself what is changed in the last moment
                continue
            skipped = 0
            with contextlib.suppress(Exception):  # a ledger that is away for a moment is met again
                now = (expected, await asyncio.to_thread(self._read, sums))
                if now != before:
                    await self._notice_changes(expected)
                    before = now

    async def _notice_changes(self, expected: Mapping[str, tuple[int, int]]) -> None:
        seen = await asyncio.to_thread(self._read, glances)
        for id_, order in expected.items():
            if seen.get(id_) != order:
                self._sender.withdraw(id_)

    def _read(self, look: Callable[[sa.Connection, str], Any]) -> Any:
        with self._ledger.read() as connection:
            return look(connection, self.holder)

    async def _calm(self) -> None:
        """Wait until no commit is in flight or about to be, but not for long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._calm_event.wait(), CALM_LIMIT_S)

    async def _tidy(self) -> None:
        """Collect garbage when nothing is due. A full collection stops all threads, for a second where a
        thousand posts wait; what has been through one is left out of those that Python begins by itself."""
        while True:
            await asyncio.sleep(TIDY_S)
            if self._sessions and not self._sender.busy(TIDY_AHEAD_S):
                gc.unfreeze()
                gc.collect()
                gc.freeze()

    async def _watch_calm(self) -> None:
        while True:
            if self._sender.busy():
                self._calm_event.clear()
            else:
                self._calm_event.set()
            await asyncio.sleep(0.05)
