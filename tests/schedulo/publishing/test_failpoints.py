"""A process that dies, or freezes and wakes up after another has taken over, at each point of each commit of
each platform, on both databases: what it was about to publish goes out once.

Real processes, real signals, the real sandbox. Only the ledger's clock is moved on instead of waiting.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

import pytest
import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.delivery.transitions import RESTING
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries, holders, writes
from schedulo.model import Format, Platform, State
from tests.schedulo.publishing import failing_process
from tests.schedulo.publishing.every_commit import CASES, IG, PAGE, Case, plan, seed_all, token_for
from tests.schedulo.publishing.failing_process import Failpoint, Failure
from tests.schedulo.publishing.stage import QUICK, Stage

TEXT = "Hello, good morning"
COMMENT = "and a comment"
LATER = {
    "x thread": Case(Platform.X, "1", Format.TEXT, "create_post", thread=("two", "three")),
    "instagram comment": replace(CASES["instagram image"], account_id=IG, first_comment=COMMENT),
    "facebook comment": replace(CASES["facebook text switched"], account_id=PAGE, first_comment=COMMENT),
}
"""Deliveries of several commits."""


def size(case: Case) -> int:
    """How many commits a delivery of the case has."""
    return 1 + len(case.thread) + bool(case.first_comment)


COMMITS = [
    (name, case, number) for name, case in (CASES | LATER).items() for number in range(1, size(case) + 1)
]
NO_SECOND_SENDING = {"tiktok pull", "tiktok pictures"}
"""What has no handle and no list that proves its absence is never sent again by itself: where the first
request did not arrive, a person is asked."""
LONG_S = 600.0


@dataclass
class Nursery:
    """The process in which processes begin."""

    told: IO[str]
    said: IO[str]

    def begin(self, **case: Any) -> str:
        return self._tell(json.dumps(case))

    def wake(self) -> str:
        return self._tell("wake")

    def _tell(self, line: str) -> str:
        self.told.write(f"{line}\n")
        self.told.flush()
        return self.said.readline().strip()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with tempfile.TemporaryFile("w+") as complaints:
        parent = subprocess.Popen(
            [sys.executable, failing_process.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            env=env,
        )
        assert parent.stdin is not None
        assert parent.stdout is not None
        yield Nursery(parent.stdin, parent.stdout)
        parent.stdin.close()
        assert parent.wait(60) == 0
        parent.stdout.close()


@pytest.fixture
def stage(ledger: Ledger, sandbox: RunningSandbox) -> Iterator[Stage]:
    stage = Stage(ledger, sandbox)
    seed_all(stage)
    sandbox.switch(x_duplicate_hours="0")  # X's own filter must not help
    yield stage
    stage.close()


Way = tuple[str, Case, int, Failpoint, Failure]
HOWS = list(itertools.product(Failpoint, Failure))
EVERY: list[Way] = [
    (name, case, number, point, failure)
    for name, case, number in COMMITS
    for point, failure in HOWS
    if point is not Failpoint.BEFORE_EVENT or number == size(case)  # there is one event, at the end
]
SOME: list[Way] = [
    ways[3 * number % len(ways)]
    for number, ways in enumerate([[way for way in EVERY if way[:3] == commit] for commit in COMMITS])
]
"""Each commit at one point, and each point in turn."""


def named(way: Way) -> str:
    name, _, number, point, failure = way
    return f"{name} {number}, {failure} {point}"


@pytest.mark.parametrize("way", SOME, ids=named)
def test_a_process_fails_at_one_point_of_each_commit(stage: Stage, nursery: Nursery, way: Way) -> None:
    fails(stage, nursery, way)


@pytest.mark.whole
@pytest.mark.parametrize("way", EVERY, ids=named)
def test_a_process_fails_at_each_point_of_each_commit(stage: Stage, nursery: Nursery, way: Way) -> None:
    fails(stage, nursery, way)


@pytest.mark.parametrize("point", [Failpoint.AFTER_FENCE, Failpoint.BEFORE_WRITE])
def test_without_the_window_a_frozen_process_sends_what_another_has_sent(
    stage: Stage, nursery: Nursery, point: Failpoint
) -> None:
    way = ("x text", CASES["x text"], 1, point, Failure.FREEZE)
    id_ = fail(stage, nursery, way, broken=["window"])
    take_over(stage, id_, stage.settings)
    assert nursery.wake() == "ended 0"
    assert [post["text"] for post in stage.sandbox.posts()] == [TEXT, TEXT]
    assert "on_air_twice" in stage.incidents()


def fails(stage: Stage, nursery: Nursery, way: Way) -> None:
    name, case, _, point, failure = way
    id_ = fail(stage, nursery, way)
    take_over(stage, id_, stage.settings)
    once(stage, id_, name, case, point)
    if failure is Failure.FREEZE:
        assert nursery.wake() == "ended 0"
        take_over(stage, id_, stage.settings)
        once(stage, id_, name, case, point)


def fail(stage: Stage, nursery: Nursery, way: Way, broken: Sequence[str] = ()) -> str:
    """Publish in another process until it fails; answers the delivery's id."""
    _, case, number, point, failure = way
    stage.settings = replace(QUICK, **dict(case.settings))
    id_ = plan(stage, case, TEXT)
    stage.change(id_, due_ms=1, fire_ms=1)
    assert stage.tick("run-1") == [id_]
    fate = nursery.begin(
        ledger=stage.ledger.url.render_as_string(hide_password=False),
        sandbox=stage.sandbox.url,
        media=str(stage.store.root),
        settings=asdict(stage.settings),
        run_id="run-1",
        point=point,
        failure=failure,
        commit=number,
        broken=list(broken),
    )
    assert fate == {Failure.KILL: "killed", Failure.FREEZE: "stopped"}[failure], stage.story(id_)
    # A frozen process must find its window spent when it wakes up.
    time.sleep(stage.settings.window_s + 0.1 if failure is Failure.FREEZE else 0)
    return id_


def take_over(stage: Stage, id_: str, settings: Any) -> None:
    """Other processes work on it until it rests, in a time that goes by fast."""
    publisher = stage.publisher(wire=replace(stage.wire(), token_for=token_for), settings=settings)
    for number in range(60):
        row = stage.row(id_)
        if State(row.state) in RESTING and (row.state != State.PUBLISHED_INCOMPLETE or row.error_kind):
            return
        age(stage, id_)
        run_id = f"run-{number}-{publisher.holder}"
        for index, _ in enumerate(stage.tick(run_id)):
            publisher.work_on(run_id, index, f"ti-{run_id}").result(60)
    raise AssertionError(f"it never rests: {stage.row(id_).state}, {stage.story(id_)}")


def age(stage: Stage, id_: str) -> None:
    """The ledger's clock moves on: what was written becomes older, who was silent has been so for long."""
    row = stage.row(id_)
    shift_ms = int(LONG_S * 1000)
    older = {
        "opened_ms": writes.c.opened_ms - shift_ms,
        "sending_until_ms": writes.c.sending_until_ms - shift_ms,
    }
    mine = {publisher.holder for publisher in stage.publishers}
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(writes).where(writes.c.delivery_id == id_).values(**older))
        connection.execute(sa.update(holders).where(holders.c.id.not_in(mine)).values(beat_ms=1))
        if row.holder not in mine:
            unstarted = {"fire_ms": 1, "updated_ms": deliveries.c.updated_ms - shift_ms}
            connection.execute(sa.update(deliveries).where(deliveries.c.id == id_).values(**unstarted))


def once(stage: Stage, id_: str, name: str, case: Case, point: Failpoint) -> None:
    """All of it is out, each once; or a person is asked, and nothing is out twice."""
    row = stage.row(id_)
    wanted = [case.shown(TEXT), *case.thread] + ([case.first_comment] if case.first_comment else [])
    seen = Counter(post["text"] for post in stage.sandbox.posts())
    assert "on_air_twice" not in stage.incidents()
    if row.state == State.UNRESOLVED and name in NO_SECOND_SENDING and point is not Failpoint.BEFORE_EVENT:
        assert max(seen.values(), default=0) <= 1
        return
    assert row.state == State.PUBLISHED, stage.story(id_)
    assert seen == dict.fromkeys(wanted, 1), stage.story(id_)
    assert row.resends <= 1
