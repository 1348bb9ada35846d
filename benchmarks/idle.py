"""Some minutes in which nothing is due: what it costs to be there. The hour is extrapolated from them."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.rig import Rig, say, sleep_until


def measure(rig: Rig, minutes: int) -> dict[str, Any]:
    """Whole minutes, half-way between two ticks, so that each has one tick."""
    sleep_until((time.time() // 60 + 1) * 60 + 40)
    say(f"idle for {minutes} minutes")
    cpu_before, counts_before, began = rig.cpu_s(), rig.sandbox.counts(), time.time()
    sleep_until(began + 60 * minutes)
    spent_s = time.time() - began
    counts = rig.sandbox.counts() - counts_before
    return {
        "airtable_calls_per_hour": counts.airtable * 3600 / spent_s,
        "cpu_s_per_minute": (rig.cpu_s() - cpu_before) * 60 / spent_s,
        "extrapolated_from_s": round(spent_s, 1),
    }
