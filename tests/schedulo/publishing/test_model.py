"""A model of everything that may happen to a post while two processes work on it: crashes, freezes, late
answers, lagging lists, edits, cancels, holds, cleared tasks, in any order, on the real code.

Each guard is also switched off, to show that the machine would have found its absence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from schedulo.model import Platform, State
from tests.schedulo.publishing.simulation import (
    TIGHT,
    Fate,
    ModelLedger,
    Point,
    Process,
    Violation,
    World,
    simulated,
)

IN_DOUBT = (Fate.CUT, Fate.FAILED_AFTER, Fate.LATE, Fate.NEVER)
FATES = st.sampled_from((*Fate, *IN_DOUBT, *IN_DOUBT, Fate.NEVER, Fate.LATE))
POINTS = st.sampled_from(
    [point for point in Point if point is not Point.UNWRITTEN]
    + [Point.WAITING, Point.FENCED, Point.CONNECTED, Point.LOOKED]
)
PLATFORMS = st.sampled_from(list(Platform))
SECONDS = st.sampled_from((0.4, 3.0, 8.0, 60.0, 200.0))
EITHER = st.sampled_from((0, 1))
POST = st.integers(0, 2)
HOURS_TO_REST = 6
NAP_MS = 260_000


class Blow(StrEnum):
    """What may happen to a process."""

    KILL = "killed"
    FREEZE = "frozen until something wakes it"
    NAP = "frozen, and woken after others had time to take over"
    SUSPEND = "its whole machine is suspended for a while"


class Machine(RuleBasedStateMachine):
    """Rules are what may happen; what must never happen is `World`'s to say."""

    make: Callable[..., World]
    strict = True
    """All invariants; False where a guard is off and only a second copy is looked for."""

    opening: Point | None = None
    """Where every history begins with a nap; None: anywhere, with anything."""

    @initialize(
        late_s=st.sampled_from((TIGHT.late_s, TIGHT.late_s, 0.0)),
        lag_s=st.sampled_from((TIGHT.lag_s, TIGHT.lag_s, 0.0)),
        platform=PLATFORMS,
        fates=st.lists(FATES, min_size=1, max_size=2),
        point=POINTS,
        blow=st.sampled_from((*Blow, Blow.NAP, Blow.NAP)),
    )
    def begin(
        self, late_s: float, lag_s: float, platform: Platform, fates: list[Fate], point: Point, blow: Blow
    ) -> None:
        """Something happens to the first process that works on the first post; then anything may."""
        self.world = type(self).make(late_s=late_s, lag_s=lag_s)
        self.world.site.fates += fates
        self.world.plan(platform, 1.0)
        self.world.tick()
        if self.opening is not None:
            point, blow = self.opening, Blow.NAP
        self._strike(self.world.processes[0], point, blow)

    # People

    @precondition(lambda self: len(self.world.posts) < 3)
    @rule(platform=PLATFORMS, due_in_s=st.sampled_from((0.0, 40.0)))
    def plan(self, platform: Platform, due_in_s: float) -> None:
        self.world.plan(platform, due_in_s)

    @rule(number=POST)
    def edit(self, number: int) -> None:
        self.world.edit(self._post(number))

    @rule(number=POST, verb=st.sampled_from(("cancel", "retry", "retry")))
    def ask(self, number: int, verb: str) -> None:
        self.world.ask(self._post(number), verb)

    @rule()
    def hold_or_release(self) -> None:
        if self.world.held:
            self.world.release()
        else:
            self.world.hold()

    @rule(number=st.integers(0, 9), which=EITHER)
    def clear(self, number: int, which: int) -> None:
        """A person clears a task instance, or Airflow starts it twice."""
        instances = self.world.instances
        if instances:
            instance = instances[-1 - number % len(instances)]
            self.world.start(instance, self.world.processes[which], again=not instance.running)

    # Processes

    @rule(which=EITHER, steps=st.integers(1, 4), pick=st.sampled_from((0, 0, 1)))
    def advance(self, which: int, steps: int, pick: int) -> None:
        process = self.world.processes[which]
        for _ in range(steps):
            if process.alive and process.gates:
                process.open(pick)

    @rule(which=EITHER, point=POINTS)
    def run_to(self, which: int, point: Point) -> None:
        self.world.run_to(self.world.processes[which], point)

    @rule(which=EITHER, point=POINTS, blow=st.sampled_from(list(Blow)), fates=st.lists(FATES, max_size=2))
    def strike(self, which: int, point: Point, blow: Blow, fates: list[Fate]) -> None:
        self.world.site.fates += fates
        self._strike(self.world.at_work(which), point, blow)

    def _strike(self, process: Process, point: Point, blow: Blow) -> None:
        """It runs up to a point, and there it happens."""
        if self.world.leaky and point is Point.CONNECTED:
            point = Point.UNWRITTEN
        self.world.run_to(process, point)
        if blow is Blow.KILL:
            self.world.kill(process)
        elif blow is Blow.SUSPEND:  # the machine: nobody works meanwhile
            self.world.pass_ms(NAP_MS)
        elif blow is Blow.NAP:
            self.world.freeze(process)
            self.world.go_on(NAP_MS / 1000)
            self.world.wake(process)
        elif process.alive:
            self.world.freeze(process)

    @rule(which=EITHER)
    def freeze_or_wake(self, which: int) -> None:
        process = self.world.processes[which]
        if process.alive:
            self.world.freeze(process)
        else:
            self.world.wake(process)

    @rule(which=EITHER, when=st.sampled_from(("before", "after")))
    def lose_the_ledger(self, which: int, when: str) -> None:
        self.world.processes[which].hiccups.append(when)

    # Airflow and time

    @rule()
    def tick(self) -> None:
        self.world.tick()
        self.world.assign()

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        """Nobody gets anything done meanwhile."""
        self.world.pass_ms(int(seconds * 1000))

    @rule(seconds=SECONDS)
    def go_on(self, seconds: float) -> None:
        self.world.go_on(seconds)

    # The platform

    @rule(fates=st.lists(FATES, min_size=1, max_size=3))
    def fate(self, fates: list[Fate]) -> None:
        self.world.site.fates += fates

    @precondition(lambda self: self.world.site.wire)
    @rule(fate=FATES)
    def deliver(self, fate: Fate) -> None:
        self.world.site.deliver(self.world.site.wire[0], fate)

    @rule(status=st.sampled_from((429, 500, 503)))
    def trouble(self, status: int) -> None:
        self.world.site.troubles.append(status)

    # What must be true

    @invariant()
    def never_twice_and_never_denied(self) -> None:
        if hasattr(self, "world"):
            self.world.collect()
            self.world.check_copies()
            if self.strict:
                self.world.check()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.calm()
            for _ in range(HOURS_TO_REST * 60):
                self.world.go_on(60.0)
                self.world.check_copies()
                if self.world.resting():
                    break
            else:
                rows = {token: (row.state, row.reason) for token, row in self.world.rows().items()}
                raise Violation(f"they never come to rest: {rows}")
            if self.strict:
                self.world.check_rest()
        finally:
            self.world.close()

    def _post(self, number: int) -> Any:
        posts = list(self.world.posts.values())
        return posts[number % len(posts)]


@pytest.fixture(scope="module", autouse=True)
def in_worlds() -> Iterator[None]:
    with simulated():
        yield


@pytest.fixture
def books() -> Iterator[ModelLedger]:
    """A ledger in memory."""
    ledger = ModelLedger("sqlite://")
    ledger.migrate()
    yield ledger
    ledger.close()


def explore(
    ledger: ModelLedger,
    examples: int,
    *,
    strict: bool = True,
    opening: Point | None = None,
    **options: Any,
) -> None:
    """Run the machine; raises what it finds. Not `strict`: only second copies count."""

    class Explorer(Machine):
        @staticmethod
        def make(**more: Any) -> World:
            return World(ledger, **(more | options))

    Explorer.strict = strict
    Explorer.opening = opening
    run_state_machine_as_test(
        Explorer,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_happens_a_post_goes_out_once_and_comes_to_rest(books: ModelLedger) -> None:
    explore(books, 30)


@pytest.mark.whole
@pytest.mark.timeout(3600)
def test_whatever_happens_in_two_thousand_histories_a_post_goes_out_once(books: ModelLedger) -> None:
    explore(books, 2000)


@pytest.mark.whole
@pytest.mark.postgres
@pytest.mark.timeout(1800)
def test_whatever_happens_on_postgresql_a_post_goes_out_once(fresh_postgres: str) -> None:
    ledger = ModelLedger(fresh_postgres)
    ledger.migrate()
    try:
        explore(ledger, 150)
    finally:
        ledger.close()


# Histories that were found once


def test_a_look_before_a_long_sleep_is_no_proof_of_absence_after_it(books: ModelLedger) -> None:
    """The platform finishes late what a process looked for early; the process sleeps and then concludes."""
    with world(books, Platform.INSTAGRAM, Fate.LATE) as it:
        process = it.processes[0]
        assert it.run_to(process, Point.LOOKED)
        it.pass_ms(140_000)
        for _ in range(4):
            process.open()
        rest(it)
        assert it.row(it.posts["p1"]).resends == 0


def test_an_error_of_the_past_decides_nothing_about_what_another_process_has_sent(books: ModelLedger) -> None:
    """A process wakes up with its window spent: nothing was sent, by it. Another has sent the post since, and
    the platform works on it."""
    with world(books, Platform.TIKTOK) as it:
        sleeper = it.processes[0]
        assert it.run_to(sleeper, Point.FENCED)
        it.freeze(sleeper)
        it.go_on(182.0)
        assert it.row(it.posts["p1"]).resends == 1
        assert it.row(it.posts["p1"]).state == State.PROCESSING
        it.wake(sleeper)
        rest(it)


@contextmanager
def world(ledger: ModelLedger, platform: Platform, *fates: Fate) -> Iterator[World]:
    """A world with one post that is due in a second, and what awaits its first requests."""
    it = World(ledger)
    it.site.fates += fates
    it.plan(platform, 1.0)
    it.tick()
    yield it
    it.close()


def rest(it: World) -> None:
    """All ends well."""
    for _ in range(10):
        it.go_on(60.0)
        it.check()
    assert it.resting()
    it.check_rest()


# Without its guards


def unindexed(ledger: ModelLedger) -> None:
    with ledger.begin() as connection:
        connection.execute(sa.text("DROP INDEX uq_writes_live"))


WITHOUT_QUIET_TIME = replace(TIGHT, kernel_s=0.0, late_s=0.0, lag_s=0.0, quiet_s=5.1)
"""The law is kept in the settings only: the platform is as late as ever."""
AS_LATE_AS_CAN_BE = {"late_s": TIGHT.late_s, "lag_s": TIGHT.lag_s}


UNGUARDED: dict[str, dict[str, Any]] = {
    "window": {"broken": frozenset({"window"}), "opening": Point.FENCED},
    "quiet time": {"settings": WITHOUT_QUIET_TIME, **AS_LATE_AS_CAN_BE},
    "fence and index": {"broken": frozenset({"fence"}), "opening": Point.WAITING},
    "the gap between window and first byte": {"leaky": True, "opening": Point.UNWRITTEN},
}


@pytest.mark.parametrize("guard", UNGUARDED)
def test_without_a_guard_the_machine_finds_two_copies(books: ModelLedger, guard: str) -> None:
    """The last is no guard of ours but the risk that remains: a process that loses the processor after it
    looked at its window, for longer than the quiet time, and then sends.

    Histories begin near the guard, so that few of them are enough; what happens then is left to chance."""
    if guard == "fence and index":
        unindexed(books)
    with pytest.raises(Violation, match="two copies"):
        explore(books, 200, strict=False, **UNGUARDED[guard])


@pytest.mark.parametrize("missing", ["fence", "index"])
def test_fence_and_index_stand_in_for_each_other(books: ModelLedger, missing: str) -> None:
    if missing == "index":
        unindexed(books)
    explore(books, 15, strict=False, broken=frozenset({missing}))
