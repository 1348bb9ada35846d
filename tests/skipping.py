"""A clock for tests that are not about the pace of calls: pauses pass at once, and still count as time."""

from __future__ import annotations

import time

from pyairtable import Api

from schedulo.airtable.calls import Calls


class SkippingClock:
    """Monotonic seconds. What is slept is not waited for, but it has passed: time limits see it."""

    def __init__(self) -> None:
        self._skipped_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._skipped_s

    def sleep(self, seconds: float) -> None:
        self._skipped_s += seconds


def calls_at_once(api: Api) -> Calls:
    """Calls that keep Airtable's pace on such a clock."""
    clock = SkippingClock()
    return Calls(api, clock=clock, sleep=clock.sleep)
