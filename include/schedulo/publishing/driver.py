"""Runs a platform's flow: performs its effects, keeps what steps answered, hands commits to the sender.

A flow that runs again from the top finds the kept answers and goes on where it was; what is not kept is asked
again. Only platform errors are thrown into a flow; everything else ends the run.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schedulo.delivery import breakers
from schedulo.delivery.breakers import Stumble
from schedulo.delivery.commits import Kept
from schedulo.delivery.rows import Write, note_in_story
from schedulo.errors import Diagnosis, Kind, PlatformError, Strategy
from schedulo.errors.kinds import LONGEST_WAIT_S
from schedulo.flow import All, Commit, Due, Effect, Flow, NotReady, Response, Step
from schedulo.model import WriteState
from schedulo.publishing.desk import Desk
from schedulo.transport.calls import Caller

STEP_TRIES = 4
SHORTEST_WAIT_S = 0.5
"""A platform that wants to be asked again at once is not."""


class StillWorking(Exception):
    """The platform is not done and patience is; `wait_s` says when to look again."""

    def __init__(self, wait_s: float, note: str) -> None:
        super().__init__(note)
        self.wait_s = wait_s
        self.note = note


class NotOurs(Exception):
    """Another process has taken the delivery: nothing more is sent for it here."""


class OutcomeUnknown(Exception):
    """A write of this delivery is open or unknown: it must be looked up before anything else."""


@dataclass(slots=True)
class Work:
    """One run of a flow for one delivery."""

    delivery_id: str
    """Empty: it is about none; pauses are told in no story."""
    account_key: str
    steps: dict[str, Any]
    writes: Mapping[str, Write]
    """The newest live write of each commit name."""
    patience_s: float
    until_due: Callable[[], Any] | None = None
    """Awaited at `Due()`; None where the flow has none (reconciling)."""
    fire: Callable[[Commit], Any] | None = None
    """Awaited for a commit; answers its value or raises."""
    holder: str | None = None
    """Who holds the delivery; what steps answer is kept for nobody else."""


class Driver:
    """Performs effects on one event loop."""

    def __init__(self, desk: Desk, caller: Caller, parallel: int) -> None:
        self._desk = desk
        self._caller = caller
        self._slots = asyncio.Semaphore(parallel)

    async def run(self, flow: Flow, work: Work) -> Any:
        """Run to the end. Raises `PlatformError`, `StillWorking`, `OutcomeUnknown`, `NotOurs` and what `fire`
        raises."""
        resume: Callable[[Any], Effect] = flow.send
        value: Any = None
        try:
            while True:
                effect = resume(value)
                try:
                    value, resume = await self._perform(effect, work), flow.send
                except PlatformError as error:
                    value, resume = error, flow.throw
        except StopIteration as end:
            return end.value
        finally:
            flow.close()

    async def _perform(self, effect: Effect, work: Work) -> Any:
        match effect:
            case Step():
                return await self._step(effect, work)
            case All(flows):
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(_caught(self.run(flow, work))) for flow in flows]
                return [_unwrapped(task.result()) for task in tasks]
            case Due():
                assert work.until_due is not None, "this flow may not wait"
                return await work.until_due()
            case Commit(name=name):
                assert work.fire is not None, "this flow may not commit"
                write = work.writes.get(name)
                if write is None:
                    return await work.fire(effect)
                if write.state is WriteState.ACCEPTED:
                    return write.value
                raise OutcomeUnknown(name)

    async def _step(self, step: Step, work: Work) -> Any:
        if step.name in work.steps:
            return work.steps[step.name]
        value = await self._ask(step, work)
        work.steps[step.name] = value
        if step.keep_s == 0:  # a look is worth nothing later
            return value
        kept = Kept(work.delivery_id, work.holder, step.name, value, step.keep_s)
        if not await self._desk.keep(kept):
            raise NotOurs(work.delivery_id)
        return value

    async def _ask(self, step: Step, work: Work) -> Any:
        """Ask until there is a value: waits while the platform works, tries again where it stumbled."""
        began = time.monotonic()
        tries = 0
        while True:
            try:
                async with self._slots:
                    response = await self._caller.call(step.request, work.account_key)
                return _read(step, response)
            except NotReady as busy:
                wait_s = min(max(SHORTEST_WAIT_S, busy.wait_s), LONGEST_WAIT_S)
                if time.monotonic() - began + wait_s > work.patience_s:
                    raise StillWorking(wait_s, busy.note) from None
            except PlatformError as error:
                if work.holder is not None and breakers.counts(error):
                    met = Stumble(work.delivery_id, work.account_key, error.kind)
                    await self._desk.do(breakers.stumbled, [met])
                tries += 1
                pause_s = error.info.base_wait_s * 2**tries * random.uniform(0.5, 1.0)
                wait_s = max(error.wait_s or 0.0, pause_s)
                spent_s = time.monotonic() - began
                if (
                    error.info.strategy is not Strategy.RETRY
                    or tries >= STEP_TRIES
                    or spent_s + wait_s > work.patience_s
                ):
                    raise
                if work.delivery_id:
                    note = f"{step.name}: {error.sentence()}; again in {wait_s:.0f} s"
                    await self._desk.do(note_in_story, work.delivery_id, note)
            await asyncio.sleep(wait_s)


def _read(step: Step, response: Response) -> Any:
    """What the step makes of its answer. One of another shape than the platform promises is its trouble."""
    try:
        return step.read(response)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise PlatformError(
            step.request.service or "the upload server",
            Diagnosis(Kind.NOT_UNDERSTOOD, refusal=False),
            status=response.status,
            message=f"its answer has another shape than it should ({type(error).__name__})",
        ) from error


async def _caught(run: Any) -> Any:
    """The result or the error as a value: one child's error must not cancel the others' requests."""
    try:
        return await run
    except Exception as error:
        return error


def _unwrapped(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result
