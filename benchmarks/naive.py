"""How the DAG that people write by hand does: `dags/post_by_hand.py`, on an Airflow of its own.

It is helped where it can be: the posts are due exactly when a run starts, and it writes nothing back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.plans import MEDIA, NAMES, Planned, arrivals, create, iso, planned, seed, token_of
from benchmarks.rig import Ground, cpu_s, say, sleep_until, wait_until
from sandbox.stack import Stack
from schedulo.model import Account

DAGS = Path(__file__).parent / "dags"
IDLE_S = 60.0
PATIENCE_S = 300.0
QUEUE = {
    "name": "Queue",
    "fields": [
        {"name": name, "type": "singleLineText"}
        for name in ("Title", "Text", "Platform", "Account ID", "Media URL", "Publish at", "Status")
    ],
}


def measure(ground: Ground, people: Sequence[Account]) -> dict[str, Any]:
    """One post on each of `people`, due in the same second. Empties the sandbox."""
    sandbox = ground.sandbox
    sandbox.control("POST", "reset")
    sandbox.control("POST", "seed", seed(people, [QUEUE]))
    home = ground.folder / "naive"
    home.mkdir()
    tokens = home / "tokens.json"
    tokens.write_text(
        json.dumps({f"{NAMES[one.platform]}:{one.account_id}": token_of(one) for one in people})
    )
    stack = Stack(
        home,
        sandbox.url,
        metadata_url=ground.database("naive"),
        environment={"AIRFLOW__CORE__DAGS_FOLDER": str(DAGS), "POST_BY_HAND_TOKENS": str(tokens)},
    )
    with stack.running():
        wait_until(lambda: _runs(stack) > 0, "the first run of the DAG by hand", 120)
        sleep_until((time.time() // 60 + 1) * 60 + 20)
        cpu_before, began = cpu_s(stack), time.time()
        sleep_until(began + IDLE_S)
        idle_cpu_s_per_s = (cpu_s(stack) - cpu_before) / (time.time() - began)
        due_s = (time.time() // 60 + 1) * 60
        posts = planned(people, [due_s] * len(people))
        create(sandbox, "Queue", [_row(post, sandbox.url) for post in posts])
        say(f"{len(posts)} posts of the DAG by hand, due in {due_s - time.time():.0f} s")
        cpu_before, began = cpu_s(stack), time.time()
        wait_until(
            lambda: arrivals(posts, sandbox.posts()).received_once == len(posts),
            "all posts of the DAG by hand",
            PATIENCE_S,
        )
        time.sleep(5)  # the last tasks end
        spent_s = cpu_s(stack) - cpu_before - idle_cpu_s_per_s * (time.time() - began)
    came = arrivals(posts, sandbox.posts())
    return {
        "naive_posts": len(posts),
        "naive_p50_s": came.quantile(0.5),
        "naive_p99_s": came.quantile(0.99),
        "naive_cpu_s_per_post": spent_s / len(posts),
    }


def _runs(stack: Stack) -> int:
    runs = stack.api("GET", "/dags/post_by_hand/dagRuns?state=success")
    return int(runs["total_entries"])


def _row(post: Planned, url: str) -> dict[str, Any]:
    media = MEDIA.get(post.account.platform)
    return {
        "Title": post.mark,
        "Text": post.text,
        "Platform": NAMES[post.account.platform],
        "Account ID": post.account.account_id,
        "Media URL": f"{url}/media/{media}" if media else "-",
        "Publish at": iso(post.due_s),
        "Status": "Ready",
    }
