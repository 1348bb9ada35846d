"""The ways in which one post becomes two, each really run: with its guards it goes out once, and without the
guard under test the same scenario shows two posts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.ledger.tables import deliveries, writes
from schedulo.settings import Settings
from tests.schedulo.publishing import other_process
from tests.schedulo.publishing.stage import QUICK, Stage

SEEMS_DEAD = replace(QUICK, holder_silent_s=0.2, beat_s=60.0, look_s=60.0)
"""Every process seems dead a moment after it began, while it is alive: its work is taken over at once, and it
does not notice. What keeps two from sending is then the fence alone."""


@contextmanager
def process(
    stage: Stage, run_id: str, settings: Settings, broken: set[str], ti_id: str = "ti", **more: Any
) -> Iterator[subprocess.Popen[str]]:
    """A publisher in a process of its own that waits for a line before it works."""
    told = {
        "ledger": stage.ledger.url.render_as_string(hide_password=False),
        "sandbox": stage.sandbox.url,
        "settings": asdict(settings),
        "run_id": run_id,
        "map_index": 0,
        "ti_id": ti_id,
        "broken": sorted(broken),
        **more,
    }
    command = [sys.executable, other_process.__file__, json.dumps(told)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.kill()
        child.communicate()


def ready(child: subprocess.Popen[str]) -> None:
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go\n")
    child.stdin.flush()


def without_index(stage: Stage) -> None:
    with stage.ledger.begin() as connection:
        connection.execute(sa.text("DROP INDEX uq_writes_live"))


def prepare(stage: Stage, broken: set[str]) -> None:
    stage.seed_x("1")
    stage.sandbox.switch(x_duplicate_hours="0")  # X's own filter must not help
    if "fence" in broken:
        without_index(stage)


def in_overlapping_runs(stage: Stage, broken: set[str]) -> int:
    """The second run's tick finds the first run's process silent and claims the post as well."""
    stage.settings = SEEMS_DEAD
    prepare(stage, broken)
    id_ = stage.plan("one post", due_in_s=4.0)
    assert stage.tick("run-1") == [id_]
    first = stage.publisher(broken=frozenset(broken)).work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "armed")
    time.sleep(0.3)
    assert stage.tick("run-2") == [id_]
    second = stage.publisher(broken=frozenset(broken)).work_on("run-2", 0, "ti-2")
    for ending in (first, second):
        ending.result(20)
    return len(stage.live("one post"))


def in_two_processes(stage: Stage, broken: set[str]) -> int:
    """The same instance is started in two processes, as when a triggerer is replaced that still lives."""
    prepare(stage, broken)
    id_ = stage.plan("one trigger", due_in_s=30.0)
    stage.tick("run-1")
    with (
        process(stage, "run-1", SEEMS_DEAD, broken) as first,
        process(stage, "run-1", SEEMS_DEAD, broken) as second,
    ):
        ready(first)
        ready(second)
        now_ms = int(time.time() * 1000)
        stage.change(id_, fire_ms=now_ms + 5000, due_ms=now_ms + 5000)
        go(first)
        stage.wait_for(id_, "armed")
        time.sleep(0.3)
        go(second)
        for child in (first, second):
            assert child.wait(30) == 0
    return len(stage.live("one trigger"))


def frozen_after_the_fence(stage: Stage, broken: set[str]) -> int:
    """A process loses the processor after it won the fence, another looks the post up, does not find it,
    sends it after the quiet time; then the first wakes up."""
    prepare(stage, set())
    id_ = stage.plan("frozen", due_in_s=30.0)
    stage.tick("run-1")
    with process(stage, "run-1", QUICK, broken, freeze=True) as child:
        ready(child)
        stage.change(id_, fire_ms=int(time.time() * 1000), due_ms=int(time.time() * 1000))
        go(child)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        assert stage.row(id_).state == "sending"
        time.sleep(QUICK.window_s + 0.2)
        _let_time_pass(stage, id_, 60.0)
        publisher = stage.publisher()
        for number in range(2, 30):
            for index, _ in enumerate(stage.tick(f"run-{number}")):
                publisher.work_on(f"run-{number}", index, f"ti-{number}").result(20)
            if stage.row(id_).state == "published":
                break
            time.sleep(0.2)
        assert stage.row(id_).resends == 1
        assert len(stage.live("frozen")) == 1
        os.kill(child.pid, signal.SIGCONT)
        assert child.wait(30) == 0
    assert stage.row(id_).state == "published"
    return len(stage.live("frozen"))


def _let_time_pass(stage: Stage, delivery_id: str, seconds: float) -> None:
    """The ledger's clock moves on: what was written becomes older."""
    shift_ms = int(seconds * 1000)
    with stage.ledger.begin() as connection:
        connection.execute(
            sa.update(writes)
            .where(writes.c.delivery_id == delivery_id)
            .values(
                opened_ms=writes.c.opened_ms - shift_ms, sending_until_ms=writes.c.sending_until_ms - shift_ms
            )
        )
        connection.execute(
            sa.update(deliveries)
            .where(deliveries.c.id == delivery_id)
            .values(sent_ms=deliveries.c.sent_ms - shift_ms)
        )


ATTACKS = {
    "overlapping runs": (in_overlapping_runs, "fence"),
    "two processes": (in_two_processes, "fence"),
    "frozen after the fence": (frozen_after_the_fence, "window"),
}
EVERY_ATTACK = pytest.mark.parametrize(("attack", "guard"), ATTACKS.values(), ids=ATTACKS.keys())


@pytest.mark.slow
@EVERY_ATTACK
def test_it_goes_out_once(stage: Stage, attack: Any, guard: str) -> None:
    assert attack(stage, set()) == 1


@pytest.mark.slow
@EVERY_ATTACK
def test_without_the_guard_it_goes_out_twice(stage: Stage, attack: Any, guard: str) -> None:
    assert attack(stage, {guard}) == 2


@pytest.mark.slow
def test_the_index_alone_keeps_two_from_sending(stage: Stage) -> None:
    """Without any condition in the fence the database still refuses a second write."""
    stage.settings = SEEMS_DEAD
    stage.seed_x("1")
    stage.sandbox.switch(x_duplicate_hours="0")
    id_ = stage.plan("index", due_in_s=4.0)
    stage.tick("run-1")
    first = stage.publisher(broken=frozenset({"fence"})).work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "armed")
    time.sleep(0.3)
    stage.tick("run-2")
    second = stage.publisher(broken=frozenset({"fence"})).work_on("run-2", 0, "ti-2")
    for ending in (first, second):
        ending.result(30)
    assert len(stage.live("index")) == 1
