"""How long after the fence a request may still begin.

A process can win the fence, freeze, and wake up after another has taken over. No platform checks our fence,
so the time in which sending may begin is bounded, and measured from before the fence was asked for. A clock
may stand still in suspend and another may be set: the larger of two differences counts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class WindowSpent(Exception):
    """Too long ago: whoever took over may have sent it. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Window:
    """Begins when it is made; make it before the fence is asked for."""

    boot_s: float
    wall_s: float
    limit_s: float

    @classmethod
    def begin(cls, limit_s: float) -> Window:
        return cls(time.clock_gettime(_BOOT_CLOCK), time.time(), limit_s)

    def check(self) -> None:
        """Raise `WindowSpent` unless sending may still begin."""
        spent_s = max(time.clock_gettime(_BOOT_CLOCK) - self.boot_s, time.time() - self.wall_s)
        if spent_s > self.limit_s:
            raise WindowSpent(f"{spent_s:.1f} s have passed since the fence, {self.limit_s:g} s are allowed")
