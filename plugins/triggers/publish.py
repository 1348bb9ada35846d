"""Waits in the triggerer until one delivery is out, and ends its task.

The work is the process's publisher's, on threads of its own; here it is only awaited. Nothing is logged while
posts wait. The story is written just before the end, line by line as there is room (`triggers.channel`), and
ends are let go in small batches, since Airflow settles about seventy a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSkippedEvent, TaskSuccessEvent, TriggerEvent

from triggers.channel import tell

if TYPE_CHECKING:
    from schedulo.publishing.ending import Ending
    from schedulo.publishing.publisher import Publisher

BATCH_S = 5.0
BATCH_SIZE = 100
MARKS = ("failed", "success", "skipped")
"""What a person may mark a waiting instance as."""


class _Gate:
    """Lets final events through at common instants, so many at each."""

    def __init__(self) -> None:
        self._slot = 0.0
        self._through = 0

    def next_s(self) -> float:
        """When the caller may pass, in seconds since the epoch; at least one second ahead."""
        earliest = (time.time() + 1.0) // BATCH_S * BATCH_S + BATCH_S
        if earliest > self._slot:
            self._slot, self._through = earliest, 0
        elif self._through >= BATCH_SIZE:
            self._slot, self._through = self._slot + BATCH_S, 0
        self._through += 1
        return self._slot


_gate = _Gate()
_stops: set[asyncio.Task[None]] = set()
"""What `on_kill` began: asyncio itself keeps no task alive."""
_making = asyncio.Lock()
_publisher: Publisher | None = None


async def publisher_here() -> Publisher:
    """The publisher of this process, made by the first trigger."""
    global _publisher
    async with _making:
        if _publisher is None:
            from hooks.engine import make_publisher

            _publisher = await make_publisher()
        return _publisher


class PublishTrigger(BaseTrigger):
    """
    One delivery: what the run claimed at this task instance's place.

    :param run_id: for tests of a DAG, which start no trigger from the task instance
    :param map_index: likewise
    :param ti_id: likewise
    """

    def __init__(self, run_id: str = "", map_index: int = -1, ti_id: str = "") -> None:
        super().__init__()
        self._given = (run_id, map_index, ti_id)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        run_id, map_index, ti_id = self._given
        kwargs = {"run_id": run_id, "map_index": map_index, "ti_id": ti_id} if run_id else {}
        return "triggers.publish.PublishTrigger", kwargs

    @property
    def _place(self) -> tuple[str, int, str]:
        if self._given[0]:
            return self._given
        instance = self.task_instance
        assert instance is not None, "the triggerer sets it"
        return instance.run_id, instance.map_index, str(instance.id)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        from schedulo.publishing.ending import End

        publisher = await publisher_here()
        ending = await asyncio.wrap_future(publisher.work_on(*self._place))
        story = await self._story(publisher, ending)
        if ending.end in (End.SUCCESS, End.SKIPPED):
            await tell(self.log, story)
            await asyncio.sleep(_gate.next_s() - time.time())
            yield TaskSuccessEvent() if ending.end is End.SUCCESS else TaskSkippedEvent()
        else:
            # The worker that raises the error writes the story: a trigger's last lines may get lost.
            yield TriggerEvent({**asdict(ending), "story": story})

    async def _story(self, publisher: Publisher, ending: Ending) -> list[str]:
        if ending.delivery_id is None:
            return [ending.sentence]
        told = await asyncio.wrap_future(publisher.story(ending.delivery_id))
        lines = [f"{_clock(at_ms)} {sentence}" for at_ms, sentence in told]
        return [ending.label, *lines, f"{ending.end}: {ending.sentence}"]

    async def on_kill(self) -> None:
        """A person acted on the waiting task. Marked, as whatever: the delivery is cancelled.
        Cleared: its next try joins the work that goes on.

        A task of its own does it: Airflow sends the cancellation again with every message to this process
        until the trigger has ended, and each cancels what this coroutine waits for."""
        stop = asyncio.create_task(self._stop_if_marked())
        _stops.add(stop)
        stop.add_done_callback(_stops.discard)
        await asyncio.shield(stop)

    async def _stop_if_marked(self) -> None:
        run_id, map_index, _ = self._place
        verdict = await self._marked_as()
        if verdict is None:
            return
        publisher = await publisher_here()
        reason = f"cancelled: its task was marked as {verdict} in Airflow"
        await asyncio.wrap_future(publisher.cancel(run_id, map_index, reason))

    async def _marked_as(self) -> str | None:
        """The state that a person gave the task instance, if one did."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        instance = self.task_instance
        assert instance is not None, "the triggerer sets it"
        states = await asyncio.to_thread(
            RuntimeTaskInstance.get_task_states,
            dag_id=instance.dag_id,
            task_ids=[instance.task_id],
            run_ids=[instance.run_id],
            map_index=instance.map_index,
        )
        found = {state for tasks in states.values() for state in tasks.values()}
        return next((str(state) for state in found if state in MARKS), None)


def _clock(at_ms: int) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at_ms / 1000)) + f".{at_ms % 1000:03d} UTC"
