"""Chaos with an aim: how each guard's absence is provoked, so that a short run finds the duplicates.

Each hunt attacks what the guard protects and nothing else; with the guard in place the same attacks find
nothing (`make chaos` deals all of them).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from chaos.blows import Fist
from chaos.installation import TRIGGERERS
from chaos.watch import OpenWrite
from chaos.weather import ONLY_COMMITS, PERIOD_S, Weather

TAKEN_OVER_S = 420.0
"""So long a frozen process is left until another has sent its post again."""


@dataclass(frozen=True, slots=True)
class Hunt:
    aim: Callable[[Fist], None]
    """One attack; may take its time."""
    commit_modes: tuple[str, ...]
    """The only faults on requests that publish."""

    def go(self, fist: Fist, until: float, weather: Weather, found: Callable[[], int]) -> None:
        """Until the time is over, or duplicates are `found`."""
        changes_at = 0.0
        while time.time() < until and not found():
            if time.time() >= changes_at:
                weather.change()
                changes_at = time.time() + PERIOD_S
            self.aim(fist)
            fist.tend()
            time.sleep(0.2)


def freeze_holders(fist: Fist) -> None:
    """Freeze a triggerer that holds posts which are due soon; another takes them over; wake it."""
    for name in TRIGGERERS:
        if fist.installation.alive(name) and (ready := fist.ready(name, 20)):
            fist.watch.trouble()
            fist.freeze(name)
            fist.tell(f"{name} is frozen; it holds {ready} posts that are due soon")
            _wait(fist, 50)
            fist.wake(name)
            return


def freeze_between(fist: Fist) -> None:
    """Freeze a triggerer behind its fence, before it sends; wake it when its post was sent by the other."""
    found = fist.wait_for_open_write(20, _not_sent_yet)
    if found is None:
        return
    write, name = found
    pids = {one.pid for one in fist.installation.members(name)}
    fist.freeze(name)
    fist.tell(f"{name} is frozen behind its fence, before it sent {write.delivery_id}")
    deadline = time.monotonic() + TAKEN_OVER_S
    while time.monotonic() < deadline and not fist.watch.sent_again(pids):
        _wait(fist, 2)
    fist.wake(name)
    _wait(fist, 20)


def _not_sent_yet(write: OpenWrite) -> bool:
    """Between fence and request, on a platform where the same request twice is two posts."""
    return write.platform in ("x", "instagram") and write.fire_ms > time.time() * 1000


def kill_senders(fist: Fist) -> None:
    """Kill both triggerers while a request that publishes is on its way; the ledger shows none."""
    fist.weather.slow_commits(2)
    before = _commits(fist)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if _commits(fist) > before:
            fist.kill_triggerers()
            _wait(fist, 20)
            return
        time.sleep(0.1)
        fist.tend()


def let_be(_fist: Fist) -> None:
    """The faults are enough."""


def _wait(fist: Fist, seconds: float) -> None:
    until = time.time() + seconds
    while time.time() < until:
        fist.tend()
        time.sleep(0.5)


def _commits(fist: Fist) -> int:
    return sum(
        number
        for (service, _, route), number in fist.sandbox.counts().calls.items()
        if (service, route) in ONLY_COMMITS
    )


HUNTS: Mapping[str | None, Hunt] = {
    "fence": Hunt(freeze_holders, ("delay:1",)),
    "window": Hunt(freeze_between, ("delay:1",)),
    "intent": Hunt(kill_senders, ("delay:2",)),
    "reconcile": Hunt(let_be, ("drop_after", "error_after:500", "late:3")),
}
