"""A minute with its posts spread evenly over it: what one post costs.

Counted from the moment when people have typed the posts until Airtable has been told of the last one, less
what the installation uses when it has nothing to do: processor time for all of it, Airtable calls for all but
one minute, since in a steady stream each minute's look at Airtable serves that minute's posts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.burst import full_minute
from benchmarks.plans import MARK, arrivals, plan, planned
from benchmarks.rig import Rig, say, sleep_until
from schedulo.model import Account

MINUTE_S = 60.0
LATE_S = 1.0
"""A post counts for its minute when it arrives at most so long after it."""


def measure(
    rig: Rig, people: Sequence[Account], account_rows: Mapping[str, str], idle: Mapping[str, float]
) -> dict[str, Any]:
    """One post on each of `people`; `idle` is what the idle part found."""
    due_s = full_minute(len(people))
    gap_s = MINUTE_S / len(people)
    posts = planned(people, [round(due_s + n * gap_s, 3) for n in range(len(people))])
    cpu_before, counts_before, began = rig.cpu_s(), rig.sandbox.counts(), time.time()
    plan(rig, posts, account_rows)
    say(f"{len(posts)} posts planned over the minute that begins in {due_s - time.time():.0f} s")
    sleep_until(due_s + MINUTE_S + 5)
    rig.settle("all of the steady minute told")
    took_s = time.time() - began
    spent_s = rig.cpu_s() - cpu_before - idle["cpu_s_per_minute"] / 60 * took_s
    looks = idle["airtable_calls_per_hour"] / 3600 * (took_s - MINUTE_S)
    counts = rig.sandbox.counts() - counts_before
    live = rig.sandbox.posts()
    came = arrivals(posts, live)
    marks = {post.mark for post in posts}
    in_time = {
        mark
        for item in live
        for mark in MARK.findall(item["text"])
        if mark in marks and item["received_at"] < due_s + MINUTE_S + LATE_S
    }
    return {
        "posts_per_min": len(in_time),
        "cpu_s_per_post": spent_s / len(posts),
        "airtable_calls_per_post": (counts.airtable - looks) / len(posts),
        "airtable_calls_counted": counts.airtable,
        "platform_calls_per_post": counts.platforms / len(posts),
        "counted_s": round(took_s, 1),
        "received_once": came.received_once,
        "early": came.early,
        "p50_s": came.quantile(0.5),
        "p99_s": came.quantile(0.99),
        "max_s": came.quantile(1.0),
    }
