"""What a person does to a waiting task reaches its delivery, also where Airflow cancels again and again."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from triggers import publish
from triggers.publish import PublishTrigger


@pytest.mark.asyncio
async def test_a_cancellation_that_comes_again_does_not_undo_that_a_person_stopped_the_post(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    async def slowly(_self: PublishTrigger) -> None:
        await asyncio.sleep(0.2)
        done.append("stopped")

    monkeypatch.setattr(PublishTrigger, "_stop_if_marked", slowly)
    kill = asyncio.create_task(PublishTrigger("run", 0, "ti").on_kill())
    for _ in range(3):
        await asyncio.sleep(0.02)
        kill.cancel("user action")
    with contextlib.suppress(asyncio.CancelledError):
        await kill
    while publish._stops:
        await asyncio.sleep(0.05)
    assert done == ["stopped"]
