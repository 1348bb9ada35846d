"""What is done to the processes: kills, freezes, restarts, in an order drawn from the seed.

Never to the harness. PostgreSQL and the sandbox are only restarted. Whatever is killed is started again after
a moment, as an orchestrator does, and so is what ends by itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import psutil

from benchmarks.rig import Sandbox, say
from chaos.installation import PARTS, TRIGGERERS, Installation
from chaos.watch import OpenWrite, Watch
from chaos.weather import Weather
from sandbox.postgres import Postgres

DOWN_S = (1.0, 6.0)
"""So long something that was killed stays down."""
FREEZE_S = 45.0
"""Longer than Airflow's and Schedulo's patience with a silent process."""
YOUNG_S = 20.0
"""What was started a shorter time ago is left alone."""
PROBE_S = 10.0
"""How often it is asked whether a part hangs."""
GAP_S = 4.0
"""The least time between two blows."""
OPEN_SHARE = 0.45
"""So many of the kills wait for a write to be open."""
OPEN_PATIENCE_S = 20.0
"""So long a kill waits for a write to be open."""


class Blow(StrEnum):
    OPEN_WRITE = "kill of a process whose write is open"
    KILL = "kill"
    FREEZE = "freeze"
    POSTGRES = "PostgreSQL restarted"
    SANDBOX = "sandbox restarted"


KILLED = {"worker": 6, "scheduler": 2, "dag-processor": 3, "api-server": 3, "triggerer": 1, "triggerer-2": 1}
"""What a kill without an open write takes, by weight."""


def agenda(
    dice: random.Random, seconds: float, kills_a_minute: float, due_s: tuple[float, float]
) -> list[tuple[float, Blow]]:
    """(seconds after the start, blow), at least one of each kind. Those that need posts on their way come
    while posts are due (`due_s`: from, until), the others all the time."""
    minutes = seconds / 60
    number = max(3, round(minutes * kills_a_minute))
    rare = max(1, round(minutes / 4))
    at_writes = round(number * OPEN_SHARE)
    aimed = [Blow.OPEN_WRITE] * at_writes + [Blow.FREEZE] * max(1, round(minutes / 3))
    blind = [Blow.KILL] * (number - at_writes) + [Blow.POSTGRES] * rare + [Blow.SANDBOX] * rare
    dealt = _spread(dice, aimed, due_s[0] - 5, due_s[1]) + _spread(dice, blind, 30, seconds - 5)
    return sorted(dealt)


def _spread(
    dice: random.Random, blows: list[Blow], first_s: float, last_s: float
) -> list[tuple[float, Blow]]:
    """In any order, evenly with some chance."""
    step_s = (last_s - first_s) / len(blows)
    drawn = dice.sample(blows, len(blows))
    return [(first_s + (n + dice.random()) * step_s, blow) for n, blow in enumerate(drawn)]


@dataclass(slots=True)
class Fist:
    """Deals the blows; `timeline` tells them."""

    installation: Installation
    watch: Watch
    weather: Weather
    sandbox: Sandbox
    postgres: Postgres
    dice: random.Random
    timeline: list[tuple[float, str]] = field(default_factory=list)
    kills: int = 0
    kills_with_open_write: int = 0
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _down: set[str] = field(default_factory=set)
    _frozen: set[str] = field(default_factory=set)
    _dealt_at: float = 0.0
    _probed_at: float = 0.0

    def deal(self, blow: Blow) -> None:
        self._dealt_at = time.time()
        match blow:
            case Blow.OPEN_WRITE:
                self._kill_open_write()
            case Blow.KILL:
                names, weights = list(KILLED), list(KILLED.values())
                self._kill(self.dice.choices(names, weights)[0])
            case Blow.FREEZE:
                self._freeze(FREEZE_S)
            case Blow.POSTGRES:
                self._restart_postgres()
            case Blow.SANDBOX:
                seconds = round(self.dice.uniform(2, 5), 1)
                self.watch.trouble()
                self.sandbox.control("POST", "outage", {"seconds": seconds})
                time.sleep(seconds + 0.5)
                self.tell(f"the sandbox was away for {seconds} s")

    @property
    def rested(self) -> bool:
        """The last blow was long enough ago for another."""
        return time.time() > self._dealt_at + GAP_S

    def tend(self) -> None:
        """Start what is to be started again, wake what is to be woken."""
        now = time.time()
        for item in [item for item in self._later if item[0] <= now]:
            self._later.remove(item)
            item[1]()
        for name in PARTS:
            if not self.installation.alive(name) and name not in self._down:
                self.tell(f"{name} had ended by itself; started again")
                self.installation.start(name)
        if now > self._probed_at + PROBE_S:
            self._probed_at = now
            for name in set(self.installation.hung()) - self._frozen - self._down:
                self.tell(f"{name} had hung; killed and started again, as its liveness probe has it")
                self.installation.kill(name)
                self.installation.start(name)

    def calm(self) -> None:
        """Undo at once all that waits to be undone."""
        for _, work in self._later:
            work()
        self._later.clear()
        self.tend()

    def tell(self, sentence: str) -> None:
        self.timeline.append((time.time(), sentence))
        say(sentence)

    # --- kills ----------------------------------------------------------------------------------------

    def _kill(self, name: str) -> bool:
        if name == "worker":
            return self._kill_worker()
        if not self._may(name):
            name = next((one for one in self.dice.sample(PARTS, len(PARTS)) if self._may(one)), "worker")
        if name == "worker":
            return self._kill_worker()
        self.watch.trouble()
        self._down.add(name)
        self.installation.kill(name)
        self.kills += 1
        self.tell(f"SIGKILL to {name}")
        self._after(self.dice.uniform(*DOWN_S), lambda: self._start(name))
        return True

    def _may(self, name: str) -> bool:
        """It is up and has had time to begin its work: else a run would be nothing but starting up."""
        if not self.installation.alive(name) or name in self._frozen or name in self._down:
            return False
        return self.installation.age_s(name) > YOUNG_S

    def _kill_worker(self) -> bool:
        workers = self.installation.workers()
        if not workers:
            return False
        self.watch.trouble()
        victim = self.dice.choice(workers)
        try:
            title = " ".join(victim.cmdline())
            victim.kill()
        except psutil.Error:
            return False
        self.kills += 1
        self.tell(f"SIGKILL to a worker ({title[:60]})")
        return True

    def _kill_open_write(self) -> None:
        self.weather.slow_commits(3)
        found = self.wait_for_open_write(OPEN_PATIENCE_S)
        if found is None:
            self.tell("no write was open for a while")
            self._kill(self.dice.choice(["worker", "scheduler", *TRIGGERERS]))
            return
        write, name = found
        if self._kill(name) and self.watch.is_open(write.write_id):
            self.kills_with_open_write += 1
            self.tell(f"  a write of {write.delivery_id} was open in {name}")

    def wait_for_open_write(
        self, patience_s: float, wanted: Callable[[OpenWrite], bool] = lambda _: True
    ) -> tuple[OpenWrite, str] | None:
        """A `wanted` write that is open now, and the triggerer that holds it."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            for write in self.watch.open_writes():
                name = self.installation.part_of(write.pid)
                if name in TRIGGERERS and self._may(name) and wanted(write):
                    return write, name
            time.sleep(0.02)
            self.tend()
        return None

    def _start(self, name: str) -> None:
        self._down.discard(name)
        self.installation.start(name)

    def _after(self, seconds: float, work: Callable[[], None]) -> None:
        self._later.append((time.time() + seconds, work))

    # --- freezes --------------------------------------------------------------------------------------

    def _freeze(self, seconds: float) -> None:
        """Stop the triggerer that holds more posts that are due soon, for so long."""
        ready = {name: self.ready(name, seconds / 2) for name in TRIGGERERS if self._may(name)}
        if not ready:
            return
        name = max(ready, key=lambda one: ready[one])
        self.watch.trouble()
        self.freeze(name)
        self.tell(f"{name} is frozen for {seconds:.0f} s; it holds {ready[name]} posts that are due soon")
        self._after(seconds, lambda: self.wake(name))

    def ready(self, name: str, within_s: float) -> int:
        """How many prepared posts that are due within this time a triggerer holds."""
        return self.watch.armed_on({one.pid for one in self.installation.members(name)}, within_s)

    def freeze(self, name: str) -> None:
        self._frozen.add(name)
        self.installation.freeze(name)

    def wake(self, name: str) -> None:
        self._frozen.discard(name)
        self.installation.wake(name)
        self.tell(f"{name} is woken")

    def kill_triggerers(self) -> None:
        """Both at once."""
        for name in TRIGGERERS:
            if self._may(name):
                self._kill(name)

    # --- restarts -------------------------------------------------------------------------------------

    def _restart_postgres(self) -> None:
        self.watch.trouble()
        self.postgres.crash()
        away_s = self.dice.uniform(0.5, 4)
        time.sleep(away_s)
        self.postgres.start()
        self.tell(f"PostgreSQL crashed and was started again {away_s:.1f} s later")
