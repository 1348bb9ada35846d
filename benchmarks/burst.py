"""Many posts due in the same second, and a few stragglers in the seconds after it.

The posts are planned in Airtable minutes before, so the whole way is run: reading, fetching media, claiming,
preparing, waiting, sending. The second is a full minute's: then the next tick starts too, as in real life.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.plans import Arrivals, Planned, arrivals, plan, planned
from benchmarks.rig import Rig, say, sleep_until, wait_until
from schedulo.model import Account

POSTS = 1000
STRAGGLERS = 20
STRAGGLERS_S = 15.0
ROWS_TOLD_A_TICK = 300
LEAST_TICKS = 5
"""Claiming looks 180 s ahead; reading comes before it."""


def measure(rig: Rig, people: Sequence[Account], account_rows: Mapping[str, str]) -> dict[str, Any]:
    """Burst on all `people` but the last, who get the stragglers."""
    crowd, late_ones = people[:-STRAGGLERS], people[-STRAGGLERS:]
    due_s = full_minute(len(people))
    posts = planned(crowd, [due_s] * len(crowd))
    step_s = STRAGGLERS_S / STRAGGLERS
    after = planned(late_ones, [round(due_s + 1 + n * step_s, 3) for n in range(STRAGGLERS)])
    began = time.time()
    plan(rig, posts + after, account_rows)
    say(f"{len(posts)} posts planned in {time.time() - began:.1f} s, due in {due_s - time.time():.0f} s")
    told = wait_until(
        lambda: rig.states().total() >= len(posts) and not rig.untold(),
        "planned and told to Airtable before the burst",
        due_s - time.time() - 20,
        lambda: f"{rig.untold()} rows untold",
    )
    if told:
        say(f"Airtable knows them {due_s - time.time():.0f} s before they are due")
    sleep_until(due_s - 5)
    say(f"5 s before: {dict(rig.states())}")
    sleep_until(due_s + STRAGGLERS_S + 5)
    wait_until(lambda: not _open(rig), "all of the burst sent", 120, lambda: str(dict(rig.states())))
    live = rig.sandbox.posts()
    return figures(arrivals(posts, live), posts) | {
        "stragglers": figures(arrivals(after, live), after),
    }


def full_minute(posts: int) -> float:
    """A full minute so far ahead that the ticks before it can read `posts` rows and tell Airtable of them."""
    ticks = max(LEAST_TICKS, 2 + math.ceil(posts / ROWS_TOLD_A_TICK))
    return (time.time() // 60 + 1 + ticks) * 60


def _open(rig: Rig) -> bool:
    states = rig.states()
    return any(states[state] for state in ("scheduled", "claimed", "armed", "sending"))


def figures(came: Arrivals, posts: Sequence[Planned]) -> dict[str, Any]:
    return {
        "posts": len(posts),
        "received_once": came.received_once,
        "early": came.early,
        "p50_s": came.quantile(0.5),
        "p90_s": came.quantile(0.9),
        "p99_s": came.quantile(0.99),
        "max_s": came.quantile(1.0),
        "drain_s": came.last_s,
    }
