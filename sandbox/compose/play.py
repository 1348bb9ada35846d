"""The demo's posts through the services of docker-compose.yaml, of which two are stopped while posts go out.

Stopped are the triggerer that holds most posts and the worker that reads Airtable, both at once, by the
signal and within the grace that Docker Compose would use; what they leave is taken over by the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import psutil
import psycopg
from rich.console import Console

from sandbox.compose.services import TRIGGERERS, WORKERS, Composed, Stopped
from sandbox.demo import scene, show
from sandbox.demo.stage import Stage

WORKER, _ = WORKERS
STOPPED_AFTER = 6
"""So many posts are out when the two are stopped."""
HOLDS_MOST = """
    SELECT holder, count(*) FROM deliveries
    WHERE holder IS NOT NULL AND state IN ('claimed', 'armed', 'sending') GROUP BY holder
"""


@dataclass(frozen=True, slots=True)
class Played:
    outcome: show.Outcome
    stopped: Sequence[Stopped]
    held: int
    """Posts that the stopped triggerer had then and that were not out."""

    @property
    def good(self) -> bool:
        """All went out once, though a triggerer and a worker were stopped, and both ended by themselves."""
        names = {one.service for one in self.stopped}
        both = WORKER in names and len(names & set(TRIGGERERS)) == 1
        return self.outcome.good and both and not any(one.killed for one in self.stopped)


class Stops:
    """Stops the two once, when so many posts are out, without holding up who looks on."""

    def __init__(self, stack: Composed, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._threads = ThreadPoolExecutor(2)
        self._stopping: list[Future[Stopped]] = []
        self.held = 0

    def __call__(self, outcome: show.Outcome) -> None:
        if self._stopping or outcome.published < STOPPED_AFTER:
            return
        triggerer, self.held = busiest_triggerer(self._stack)
        for service in (triggerer, WORKER):
            self._stopping.append(self._threads.submit(self._stack.stop_service, service))
        self._console.print(
            f"stopping {triggerer}, which holds {self.held} posts, and {WORKER}",
            style="yellow",
            highlight=False,
        )

    def wait(self) -> list[Stopped]:
        """Both, once they have ended."""
        self._threads.shutdown()
        return [stopping.result() for stopping in self._stopping]


def busiest_triggerer(stack: Composed) -> tuple[str, int]:
    """The triggerer that holds most posts which are not out, and how many they are."""
    with psycopg.connect(stack.ledger_address) as connection:
        held = {holder: int(count) for holder, count in connection.execute(HOLDS_MOST)}
    counts = dict.fromkeys(TRIGGERERS, 0)
    for holder, count in held.items():
        pid = int(holder.split(":")[1])  # host:process:chance
        for name in TRIGGERERS:
            process = psutil.Process(stack.processes[name].pid)
            if pid in {process.pid, *(child.pid for child in process.children(recursive=True))}:
                counts[name] += count
    return max(counts.items(), key=lambda one: one[1])


def play(stage: Stage, stack: Composed, console: Console) -> Played:
    """Write the posts into Airtable, see them out, stop the two in the middle. The stage is set up."""
    first_due = stage.lay_out()
    console.print(f"{len(scene.POSTS)} posts are in Airtable, the first due at {first_due:%H:%M:%S} UTC.")
    stops = Stops(stack, console)
    outcome = show.Show(stage, scene.planned(first_due), console, stops).watch()
    return Played(outcome, stops.wait(), stops.held)


def report(played: Played, console: Console) -> None:
    """What the demo tells of deliveries, and what was stopped."""
    show.report(played.outcome, console)
    for one in played.stopped:
        how = "killed after" if one.killed else "ended by itself after"
        console.print(
            f"stopped while posts went out: {one.service}, {how} {one.took_s:.1f} of {one.grace_s} s",
            highlight=False,
        )
