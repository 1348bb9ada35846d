"""Every commit of every platform and format, sent by a real publisher, its answer cut off: it left once.

The outcome is then unknown, is looked up, and is found; nothing is sent again. Counted from what the sandbox
received.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from schedulo.transport import commits
from tests.schedulo.publishing.every_commit import CASES, Case, plan, seed_all, token_for
from tests.schedulo.publishing.stage import QUICK, Stage


@pytest.fixture
def stage(sandbox: RunningSandbox, migrated_sqlite: Path, tmp_path: Path) -> Iterator[Stage]:
    ledger = Ledger(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path)}")
    stage = Stage(ledger, sandbox)
    seed_all(stage)
    yield stage
    stage.close()
    ledger.close()


def count(sandbox: RunningSandbox, case: Case) -> int:
    return sum(
        row["count"]
        for row in sandbox.requests()
        if (row["method"], row["route"]) == (case.method, case.route)
    )


@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "warm"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_commit_whose_answer_is_lost_left_once(
    stage: Stage, case: Case, warm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands: list[type] = []
    taken_s: list[float] = []
    in_hand = commits._connection_in_hand

    async def seen(session: Any, context: Any, params: object) -> None:
        hands.append(type(params))
        taken_s.append(time.monotonic())
        await in_hand(session, context, params)

    monkeypatch.setattr(commits, "_connection_in_hand", seen)
    publisher = stage.publisher(
        wire=replace(stage.wire(), token_for=token_for), settings=replace(QUICK, **dict(case.settings))
    )
    text = "Hello, good morning"
    id_ = plan(stage, case, text)
    stage.tick("run-1")
    work = publisher.work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "armed", limit_s=20)
    if warm:
        stage.plan("warm", "warm", due_in_s=0.0)
        stage.tick("run-warm")
        publisher.work_on("run-warm", 0, "ti-warm").result(20)
    shown = case.shown(text)
    assert not stage.live(shown), "nothing is public before it is due"
    before = count(stage.sandbox, case)
    stage.sandbox.fault(service="*", method=case.method, route=case.route, mode="drop_after")
    stage.change(id_, fire_ms=1)
    row = stage.wait_for(id_, "published", "failed", "unresolved", "unknown", "processing", limit_s=10)
    work.result(30)
    for number in range(2, 40):
        row = stage.row(id_)
        if row.state == "published":
            break
        if row.state == "processing":
            stage.change(id_, fire_ms=1)
        for index, _ in enumerate(stage.tick(f"run-{number}")):
            publisher.work_on(f"run-{number}", index, f"ti-{number}").result(30)
    assert row.state == "published", stage.story(id_)
    assert row.resends == 0
    assert count(stage.sandbox, case) - before == 1
    (post,) = stage.live(shown)
    assert post["media"] == [media["sha256"] for media in stage.row(id_).content["media"]]
    # On a machine that is busy a window may be spent before anything was sent: that is no second sending.
    assert [write.state for write in stage.writes(id_) if write.state != "unsent"] == ["accepted"]
    expected = aiohttp.TraceConnectionReuseconnParams if warm else aiohttp.TraceConnectionCreateEndParams
    # A connection that was idle for long, as on a busy machine, is not used again.
    was_idle = len(taken_s) > 1 and taken_s[-1] - taken_s[-2] > 3.0
    assert hands[-1] is expected or (warm and was_idle)
