"""Fires commits on their second. A thread and an event loop of its own, one a process.

It owns every commit from the fence to the stored outcome: who asked for one may be cancelled, the commit
is not. Nothing here logs or asks Airflow for anything; whatever else the process does, this loop is free when
a post is due.

What is due together is fenced together, `fence_lead_s` before the instant, and sent at it: never early.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from schedulo.delivery.commits import Fenced, Intent, Outcome
from schedulo.errors import Diagnosis, Kind, PlatformError, Scope
from schedulo.flow import Read, Request, Response
from schedulo.model import Position, WriteState
from schedulo.publishing.desk import Desk
from schedulo.settings import Settings
from schedulo.transport.commits import Committer, NoAnswer, NoConnection, NotSent, Prepared
from schedulo.transport.window import Window
from schedulo.transport.wire import Wire


class Result(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    UNSENT = "unsent"
    LOST = "lost"
    """The fence was not won, or the commit was withdrawn: nothing was sent, the ledger says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    result: Result
    value: Any = None
    error: PlatformError | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """One commit to be fired at `fire_ms`."""

    delivery_id: str
    account_key: str
    name: str
    request: Request
    read: Read
    live: bool
    snapshot: Mapping[str, Any]
    version: int
    fire_ms: int
    tried_before: bool
    """An earlier request of this commit may have arrived: a duplicate refusal then proves nothing."""
    position: Position = Position.ONLY


LULL_S = 0.5
"""How long an outcome waits, at the most, while other posts are on their way."""

_STOPPING = Verdict(Result.LOST, note="the process is stopping")


@dataclass(slots=True)
class _Waiting:
    order: Order
    intent: Intent
    """Made ahead: many due together have no time for it later."""
    future: Future[Verdict]
    prepared: Prepared | None = None
    withdrawn: bool = False
    fencing: bool = False
    """Its fence is being asked for, or was: it can no longer be withdrawn."""
    answered: bool = field(default=False)

    def answer(self, verdict: Verdict) -> None:
        if not self.answered:
            self.answered = True
            self.future.set_result(verdict)


class Sender:
    """`submit` and `withdraw` may be called from any thread."""

    def __init__(
        self, desk: Desk, wire: Wire, settings: Settings, holder: str, *, windowed: bool = True
    ) -> None:
        self._desk = desk
        self._wire = wire
        self._settings = settings
        self._holder = holder
        # `windowed=False` exists so that tests can show what the window prevents.
        self._window_s = settings.window_s if windowed else 1e9
        self._queue: list[tuple[int, int, _Waiting]] = []
        self._numbers = itertools.count()
        self._waiting: dict[str, _Waiting] = {}
        self._in_flight = 0
        self._unanswered = 0
        self._lull: asyncio.Task[None] | None = None
        self._stopping = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._live, name="schedulo-sender", daemon=True)
        self._thread.start()
        self._ready.wait()

    def submit(self, order: Order) -> Future[Verdict]:
        """Fire at the order's instant. One order a delivery: a second one joins the first."""
        future: Future[Verdict] = Future()
        future.set_running_or_notify_cancel()
        if self._stopping:
            future.set_result(_STOPPING)
        else:
            self._loop.call_soon_threadsafe(self._take, order, future)
        return future

    def withdraw(self, delivery_id: str) -> None:
        """Take back an order that is not being fenced yet; its future then says LOST."""
        with contextlib.suppress(RuntimeError):  # the loop has ended: nothing waits any more
            self._loop.call_soon_threadsafe(self._drop, delivery_id)

    def prepare_anew(self, account_key: str) -> None:
        """The account has a new token: take back what is prepared with the old one and not being fenced."""
        ids = [id_ for id_, item in list(self._waiting.items()) if item.order.account_key == account_key]
        for id_ in ids:
            self.withdraw(id_)

    def expected(self) -> dict[str, tuple[int, int]]:
        """The version and the instant at which each waiting order is to be fired; not of what follows a post,
        which nothing changes any more."""
        return {
            id_: (item.order.version, item.order.fire_ms)
            for id_, item in list(self._waiting.items())
            if item.order.position is not Position.LATER
        }

    def busy(self, ahead_s: float = 0.5) -> bool:
        """Commits are in flight, or due within `ahead_s`."""
        first = next(iter(list(self._queue)), None)
        return self._in_flight > 0 or (first is not None and first[0] <= (time.time() + ahead_s) * 1000)

    def stop(self, patience_s: float = 15.0) -> None:
        """Fence nothing more, finish what is open, end the thread. What waits is answered LOST."""
        if not self._stopping:
            self._stopping = True
            self._loop.call_soon_threadsafe(self._wake.set)
        self._thread.join(patience_s)

    # --- on the sender's own loop ---------------------------------------------------------------------

    def _live(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._committer = Committer(self._wire, self._settings.connections, self._settings.kernel_s)
        batches: set[asyncio.Task[None]] = set()
        self._ready.set()
        while not self._stopping:
            await self._until_next()
            due = self._due_now()
            if due:
                task = asyncio.create_task(self._fire(due))
                batches.add(task)
                task.add_done_callback(batches.discard)
        for waiting in list(self._waiting.values()):
            if not waiting.fencing:
                self._finish(waiting, _STOPPING)
        if batches:
            await asyncio.wait(batches)
        await self._committer.close()

    async def _until_next(self) -> None:
        """Sleep until something is to be fenced, or something changed."""
        self._wake.clear()
        wait_s = 1.0  # a clock that is set must not make us oversleep
        if self._queue:
            ahead_ms = self._queue[0][0] - time.time() * 1000
            wait_s = min(wait_s, ahead_ms / 1000 - self._settings.fence_lead_s)
        if wait_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_s)

    def _due_now(self) -> list[_Waiting]:
        limit_ms = time.time() * 1000 + self._settings.fence_lead_s * 1000
        due = []
        while self._queue and self._queue[0][0] <= limit_ms and not self._stopping:
            waiting = heapq.heappop(self._queue)[2]
            if not waiting.withdrawn:
                waiting.fencing = True
                due.append(waiting)
        return due

    def _take(self, order: Order, future: Future[Verdict]) -> None:
        known = self._waiting.get(order.delivery_id)
        if self._stopping:
            future.set_result(_STOPPING)
            return
        if known is not None:
            known.future.add_done_callback(lambda done: future.set_result(done.result()))
            return
        waiting = _Waiting(order, self._intent(order), future)
        self._waiting[order.delivery_id] = waiting
        task = self._loop.create_task(self._prepare(waiting))
        task.add_done_callback(lambda _done: self._wake.set())

    async def _prepare(self, waiting: _Waiting) -> None:
        try:
            waiting.prepared = await self._committer.prepare(waiting.order.request, waiting.order.account_key)
        except PlatformError as error:
            self._finish(waiting, Verdict(Result.UNSENT, error=error, note=error.sentence()))
            return
        except Exception as error:
            away = isinstance(error, OSError | SQLAlchemyError)
            found = PlatformError(
                waiting.order.request.service,
                Diagnosis(Kind.NETWORK if away else Kind.CONFIGURATION, True, Scope.DELIVERY),
                message=f"its request could not be put together: {type(error).__name__}",
            )
            self._finish(waiting, Verdict(Result.UNSENT, error=found, note=found.sentence()))
            return
        if waiting.withdrawn:
            return
        heapq.heappush(self._queue, (waiting.order.fire_ms, next(self._numbers), waiting))

    def _drop(self, delivery_id: str) -> None:
        waiting = self._waiting.get(delivery_id)
        if waiting is not None and not waiting.fencing:
            waiting.withdrawn = True
            self._finish(waiting, Verdict(Result.LOST, note="withdrawn"))

    def _finish(self, waiting: _Waiting, verdict: Verdict) -> None:
        if self._waiting.get(waiting.order.delivery_id) is waiting:
            del self._waiting[waiting.order.delivery_id]
        waiting.answer(verdict)

    async def _fire(self, batch: Sequence[_Waiting]) -> None:
        """Fence all of them at once, then send each at its instant."""
        self._in_flight += len(batch)
        try:
            window = Window.begin(self._window_s)
            fences = await self._fence(batch)
            sends = []
            for waiting, fenced in zip(batch, fences, strict=True):
                if fenced is None:
                    self._finish(waiting, Verdict(Result.LOST, note="the ledger did not allow it"))
                else:
                    sends.append(self._send(waiting, window))
            await asyncio.gather(*sends)
        finally:
            self._in_flight -= len(batch)

    async def _fence(self, batch: Sequence[_Waiting]) -> list[Fenced | None]:
        try:
            return await self._desk.fence([waiting.intent for waiting in batch])
        except (OperationalError, InterfaceError):
            # Whether the fences were committed is not known. Nothing is sent; those that are there learn it.
            note = "nothing was sent: the ledger broke while the fence was taken"
            await asyncio.gather(
                *(self._keep(Outcome(waiting.intent.write_id, WriteState.UNSENT, note)) for waiting in batch)
            )
            return [None] * len(batch)
        except Exception:
            # The database refused the statement as a whole: one of them must not keep the others back.
            if len(batch) > 1:
                return [fence for waiting in batch for fence in await self._fence([waiting])]
            return [None]

    def _intent(self, order: Order) -> Intent:
        return Intent(
            write_id=secrets.token_hex(12),
            delivery_id=order.delivery_id,
            name=order.name,
            holder=self._holder,
            request=order.request.to_json(),
            snapshot=order.snapshot,
            live=order.live,
            allowance_ms=int((self._settings.window_s + order.request.timeout_s) * 1000),
            position=order.position,
        )

    async def _send(self, waiting: _Waiting, window: Window) -> None:
        assert waiting.prepared is not None
        self._unanswered += 1
        while (ahead_s := waiting.order.fire_ms / 1000 - time.time()) > 0:
            await asyncio.sleep(min(ahead_s, 1.0))
        began = time.time()
        try:
            response = await self._committer.commit(waiting.prepared, window)
        except NotSent as nothing:
            verdict = Verdict(Result.UNSENT, note=f"nothing was sent: {nothing}")
            status, away = None, Kind.NETWORK if isinstance(nothing, NoConnection) else None
        except NoAnswer as silence:
            note = f"{_sent(waiting.order, began)}; {silence}; whether it arrived is not known"
            verdict = Verdict(Result.UNKNOWN, note=note)
            status, away = None, Kind.NETWORK
        else:
            verdict = _judge(waiting.order, response, began)
            status, away = response.status, Kind.PLATFORM_DOWN if response.status >= 500 else None
        self._unanswered -= 1
        await self._store(waiting, verdict, status, away)
        self._finish(waiting, verdict)

    async def _store(
        self, waiting: _Waiting, verdict: Verdict, status: int | None, away: Kind | None
    ) -> None:
        outcome = Outcome(
            write_id=waiting.intent.write_id,
            state=WriteState(verdict.result),
            note=verdict.note,
            status=status,
            value=verdict.value,
            answered_ms=int(time.time() * 1000),
            away=away,
        )
        if self._unanswered:
            await self._wait_for_others()
        await self._keep(outcome)

    async def _wait_for_others(self) -> None:
        """Posts that are due go first; outcomes are then written together."""
        if self._lull is None or self._lull.done():
            self._lull = asyncio.create_task(asyncio.sleep(LULL_S))
        await self._lull

    async def _keep(self, outcome: Outcome) -> None:
        """Write an outcome down; a ledger that is away for a moment must not lose it."""
        for wait_s in (0.2, 0.5, 1, 2, 5, 10, 30):
            try:
                await self._desk.settle(outcome)
            except Exception:
                await asyncio.sleep(wait_s)
            else:
                return


def _sent(order: Order, began: float) -> str:
    """What was sent where and when; no address that the platform signed for us."""
    what = f"{order.request.path} to {order.request.service}" if order.request.service else "the upload"
    if order.position is Position.LATER:
        return f"{order.request.method} {what} was sent ({order.name})"
    late_ms = began * 1000 - order.fire_ms
    return f"{order.request.method} {what} was sent {late_ms:.0f} ms after its instant"


def _judge(order: Order, response: Response, began: float) -> Verdict:
    """What an answer says about a commit."""
    took_s = time.time() - began
    heard = f"{_sent(order, began)} and answered {response.status} after {took_s:.2f} s"
    try:
        value = order.read(response)
    except PlatformError as error:
        if error.diagnosis.refusal and not (error.kind is Kind.DUPLICATE and order.tried_before):
            return Verdict(Result.REFUSED, error=error, note=f"{heard}: refused, {error.sentence()}")
        return Verdict(Result.UNKNOWN, error=error, note=f"{heard}; whether it was taken is not known")
    except Exception as error:
        if response.ok:
            return Verdict(
                Result.ACCEPTED,
                note=f"{heard}: accepted, but its text could not be read ({type(error).__name__})",
            )
        return Verdict(Result.UNKNOWN, note=f"{heard}; whether it was taken is not known")
    return Verdict(Result.ACCEPTED, value=value, note=f"{heard}: accepted")
