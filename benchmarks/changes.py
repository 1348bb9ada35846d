"""From saving a row in Airtable to the post on its platform, and from an edit to the delivery that waits.

People save posts that are due at once, at instants of chance: first with Airtable's webhook read every two
seconds, then, the Dag that follows it being paused, with the minute's reading alone.
"""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import requests
import sqlalchemy as sa

from benchmarks.plans import BASE, TOKEN, Planned, accounts, arrivals, connect, create, iso, planned
from benchmarks.rig import Ground, Rig, installation, say, sleep_until, wait_until
from schedulo.ledger.listening import airtable_webhooks
from schedulo.ledger.tables import deliveries
from schedulo.model import Account, Platform

POLL_S = 2.0
POSTS, EDITS = 30, 10
GAP_S = 6.0
"""Between two that are saved, on average."""
ARMED_S = 90.0
"""What is to be edited is due so long after it was claimed at the latest: it waits in the triggerer then."""
ENVIRONMENT = {"SCHEDULO_AIRTABLE_CHANGES": "poll", "SCHEDULO_AIRTABLE_CHANGES_POLL_S": f"{POLL_S:g}"}


def measure(base: Ground, quick: bool) -> dict[str, Any]:
    """The figures, in seconds."""
    number, edits = (12, 6) if quick else (POSTS, EDITS)
    people = [
        account
        for account in accounts(4 * (2 * number + edits))
        if account.platform in (Platform.X, Platform.FACEBOOK)
    ]
    # One of its own: the webhook would count in the others' figures.
    with installation(base, ENVIRONMENT, prefix="changes_") as rig:
        rows = connect(rig, people)
        rig.stack.up()
        wait_until(lambda: _listens(rig), "Airtable's webhook is made", 300)
        say(f"{number} posts are saved, each due at once, with the webhook read every {POLL_S:g} s")
        heard = _saved(rig, people[:number], rows)
        say(f"{edits} posts that wait for their second are edited")
        edited = _edited(rig, people[2 * number : 2 * number + edits], rows)
        _pause(rig)
        say(f"{number} posts are saved, each due at once, with the minute's reading alone")
        read = _saved(rig, people[number : 2 * number], rows)
    return {
        "posts": number,
        "poll_s": POLL_S,
        **_figures("now", heard),
        **_figures("by_the_minute", read),
        "edits": len(edited),
        **_figures("edit", edited),
    }


def _listens(rig: Rig) -> bool:
    with rig.ledger.read() as connection:
        return connection.execute(sa.select(airtable_webhooks.c.read_ms)).scalar() is not None


def _figures(name: str, found: Sequence[float]) -> dict[str, float]:
    ordered = sorted(found)
    return {
        f"{name}_p50_s": statistics.median(ordered),
        f"{name}_p95_s": ordered[math.ceil(0.95 * len(ordered)) - 1],
        f"{name}_max_s": ordered[-1],
    }


def _instants(number: int) -> list[float]:
    """Epoch seconds, from soon on."""
    begin = time.time() + 2
    return sorted(begin + random.uniform(0, GAP_S * number) for _ in range(number))


def _saved(rig: Rig, people: Sequence[Account], rows: Mapping[str, str]) -> list[float]:
    """How long after it was saved each post was out; infinite where it was not."""
    posts: list[Planned] = []
    for account, at_s in zip(people, _instants(len(people)), strict=True):
        sleep_until(at_s)
        [post] = planned([account], [time.time()])
        create(rig.sandbox, "Posts", [_row(post, rows)])
        posts.append(post)
    wait_until(lambda: _out(rig, posts) == len(posts), "all are out", 180)
    came = arrivals(posts, rig.sandbox.posts())
    if came.received_once < len(posts):
        say(f"[red]{came.received_once} of {len(posts)} received once[/red]")
    return list(came.lateness_s)


def _out(rig: Rig, posts: Sequence[Planned]) -> int:
    return sum(late < math.inf for late in arrivals(posts, rig.sandbox.posts()).lateness_s)


def _edited(rig: Rig, people: Sequence[Account], rows: Mapping[str, str]) -> list[float]:
    """How long after it was saved each edit was what its waiting delivery would send."""
    due_s = time.time() + 60 + ARMED_S + GAP_S * len(people)
    posts = planned(people, [due_s] * len(people))
    ids = create(rig.sandbox, "Posts", [_row(post, rows) for post in posts])
    wait_until(lambda: len(_armed(rig, ids, 1)) == len(ids), "all wait for their second", due_s - time.time())
    coming = list(zip(_instants(len(ids)), posts, ids, strict=True))
    saved: dict[str, float] = {}
    took: dict[str, float] = dict.fromkeys(ids, math.inf)
    while time.time() < due_s - 1 and math.inf in took.values():
        while coming and coming[0][0] <= time.time():
            _, post, id_ = coming.pop(0)
            _change(rig, id_, {"Text": f"{post.text} edited"})
            saved[id_] = time.time()
        for id_ in _armed(rig, list(saved), 2):
            took[id_] = min(took[id_], time.time() - saved[id_])
        time.sleep(0.05)
    sleep_until(due_s)
    wait_until(lambda: _out(rig, posts) == len(posts), "all edits are out", 60)
    marks = {post.mark for post in posts}
    texts = [item["text"] for item in rig.sandbox.posts() if any(mark in item["text"] for mark in marks)]
    say(f"{len(texts)} went out, {sum(text.endswith('edited') for text in texts)} of them as edited")
    return list(took.values())


def _row(post: Planned, rows: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Title": post.mark,
        "Text": post.text,
        "Accounts": [rows[post.account.key]],
        "Publish at": iso(post.due_s),
        "Status": "Ready",
    }


def _armed(rig: Rig, post_ids: Sequence[str], version: int) -> set[str]:
    """Those of them that are ready to be sent in at least this version."""
    d = deliveries.c
    query = sa.select(d.post_id).where(
        d.post_id.in_(post_ids), d.state == "armed", d.armed_version == d.version, d.version >= version
    )
    with rig.ledger.read() as connection:
        return set(connection.execute(query).scalars())


def _change(rig: Rig, record_id: str, cells: Mapping[str, Any]) -> None:
    with rig.sandbox.planting():
        requests.patch(
            f"{rig.sandbox.url}/airtable/v0/{BASE}/Posts/{record_id}",
            json={"fields": cells},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        ).raise_for_status()


def _pause(rig: Rig) -> None:
    rig.stack.api("PATCH", "/dags/follow_changes", json={"is_paused": True})
    time.sleep(10)  # until the triggerer has let its watcher go
