"""Thousands of posts due in the same second, with two triggerers: what each part takes, and what gives first.

Two rounds on one installation, with as many posts each. In the first no run looks beyond its horizon for a
crowd (`SCHEDULO_CROWD_HORIZON_S=0`): what runs can claim in time is all that is on time. The second has the
settings as they come. The figures of the capacity model (docs/explanation/scale.md) are the second's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from benchmarks import bare
from benchmarks.burst import figures as lateness
from benchmarks.meters import Meters, Moment, Reading, Watch, between
from benchmarks.plans import Planned, accounts, arrivals, connect, plan, planned
from benchmarks.rig import AT_ONCE, Counts, Ground, Rig, installation, say, sleep_until, wait_until
from sandbox.stack import free_port
from schedulo.delivery.claims import claim_due
from schedulo.ledger.tables import deliveries
from schedulo.model import Account
from schedulo.settings import Settings

POSTS, QUICK_POSTS = 3000, 300
WATCHED = {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "20000"}
"""Settings of PostgreSQL that this part needs."""
TRIGGERERS = ("triggerer", "triggerer-2")
ROWS_READ_A_MINUTE = 1500
PREPARED_A_MINUTE = 200
"""Of every second post the media are fetched and looked at. Where this is too much, the benchmark says so."""
DAY_MS = 86_400_000
LEAD_S = 5.0
"""Readings for "the second itself" begin so long before it, and end so long after it."""
UNREADY = "SELECT count(*) FROM deliveries WHERE state = 'scheduled' AND NOT ready"
LATE = "SELECT count(*) FROM deliveries WHERE state = 'scheduled' AND due_ms <= {due}"
OPEN = """
    SELECT count(*) FROM task_instance WHERE dag_id = 'publish_due_posts' AND task_id = 'publish'
      AND state IN ('scheduled', 'queued', 'running', 'deferred', 'up_for_retry')
"""
ENDS = """
    SELECT extract(epoch FROM end_date) FROM task_instance
    WHERE dag_id = 'publish_due_posts' AND task_id = 'publish' AND state = 'success'
      AND end_date > to_timestamp({since})
"""
SYNCS = """
    SELECT extract(epoch FROM r.run_after), extract(epoch FROM t.start_date), extract(epoch FROM t.end_date)
    FROM task_instance t JOIN dag_run r ON r.dag_id = t.dag_id AND r.run_id = t.run_id
    WHERE t.dag_id = 'publish_due_posts' AND t.task_id = 'sync' AND t.state = 'success'
      AND r.run_after > to_timestamp({since}) ORDER BY 1
"""
TAKEN_UP = """
    SELECT i.started_ms - c.claimed_ms FROM claims c
    JOIN instances i ON i.run_id = c.run_id AND i.map_index = c.map_index WHERE c.claimed_ms > {since}
"""
RUNS = """
    SELECT count(DISTINCT c.run_id) FROM claims c JOIN deliveries d ON d.id = c.delivery_id
    WHERE d.due_ms = {due} AND c.claimed_ms <= {due}
"""


class _Undone(Exception):
    """Takes back a claim that was only timed."""


@dataclass(frozen=True, slots=True)
class Round:
    """One crowd, from typing its posts to the end of its last task."""

    posts: Sequence[Planned]
    due_s: float
    live: Sequence[Mapping[str, Any]]
    before: Reading
    after: Reading
    moments: Sequence[Moment]

    def lateness(self) -> dict[str, Any]:
        return lateness(arrivals(self.posts, self.live), self.posts)

    def at(self, instant_s: float) -> Moment:
        """The moment nearest to an instant."""
        return min(self.moments, key=lambda moment: abs(moment.at_s - instant_s))


def measure(base: Ground, posts: int | None, quick: bool) -> dict[str, Any]:
    """Figures of this part; `base` is made with `WATCHED`."""
    number = posts or (QUICK_POSTS if quick else POSTS)
    # A smaller crowd meets runs that claim as much less.
    claims = max(1, Settings().max_claims * number // POSTS)
    with installation(base, AT_ONCE | {"SCHEDULO_MAX_CLAIMS": str(claims)}) as rig:
        people = accounts(number)
        rows = connect(rig, people)
        meters = Meters(rig, base.server)
        meters.ask("ledger", "CREATE EXTENSION pg_stat_statements")
        start(rig, crowd_horizon_s=0)
        say(f"Airflow is up with two triggerers, {number} accounts connected")
        first = play(rig, meters, people, rows, claims, ahead=False)
        say(f"before: {first.lateness()}")
        for name in list(rig.stack.processes):
            rig.stack.stop(name)
        start(rig, crowd_horizon_s=Settings().crowd_horizon_s)
        second = play(rig, meters, people, rows, claims, ahead=True)
        say(f"after: {second.lateness()}")
        found = {
            "posts": number,
            "claims_a_run": claims,
            "before": first.lateness() | {"runs_in_time": runs_in_time(meters, first)},
            "after": second.lateness() | {"runs_in_time": runs_in_time(meters, second)},
            **constants(rig, meters, second),
        }
        found |= bare.measure(rig, people, 1)
        return found | {"ratio": found["after"]["drain_s"] / found["bare_drain_s"]}


def start(rig: Rig, crowd_horizon_s: float) -> None:
    """Airflow with two triggerers."""
    stack = rig.stack
    stack.environment = dict(stack.environment) | {"SCHEDULO_CROWD_HORIZON_S": f"{crowd_horizon_s:g}"}
    stack.up()
    second = {"AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port())}
    stack.start(TRIGGERERS[1], "airflow", "triggerer", **second)
    wait_until(lambda: len(_alive(rig)) == len(TRIGGERERS), "both triggerers live", 420)


def _alive(rig: Rig) -> list[Any]:
    jobs = rig.stack.api("GET", "/jobs?job_type=TriggererJob&job_state=running&is_alive=true")
    return list(jobs["jobs"])


def play(
    rig: Rig, meters: Meters, people: Sequence[Account], rows: Mapping[str, str], claims: int, *, ahead: bool
) -> Round:
    """One post on each account, all due at one full minute."""
    due_s = due_minute(len(people), claims, ahead)
    posts = planned(people, [due_s] * len(people))
    before = meters.read()
    with Watch(meters) as watch:
        plan(rig, posts, rows)
        say(f"{len(posts)} posts planned, due in {due_s - time.time():.0f} s")
        sleep_until(due_s - Settings().horizon_s)
        if unready := meters.ask("ledger", UNREADY)[0][0]:
            say(f"[yellow]{unready} posts are not prepared yet[/yellow]; they are late for that")
        sleep_until(due_s - LEAD_S)
        say(f"{LEAD_S:.0f} s before: {dict(rig.states())}")
        sleep_until(due_s + LEAD_S)
        wait_until(lambda: _over(rig, meters, due_s), "all sent, all tasks ended", 420)
        after = meters.read()
    return Round(posts, due_s, rig.sandbox.posts(), before, after, tuple(watch.moments))


def due_minute(posts: int, claims: int, ahead: bool) -> float:
    """A full minute so far ahead that all before it can be done: reading and preparing; claiming ahead, which
    begins with what is ready; then the horizon."""
    horizon_s = Settings().horizon_s
    reading = math.ceil(posts / ROWS_READ_A_MINUTE)
    preparing = math.ceil(posts / 2 / PREPARED_A_MINUTE)
    claiming = math.ceil(posts / claims) - 1 if ahead else 0
    return (time.time() // 60 + 1 + reading + max(preparing, claiming) + horizon_s // 60) * 60


def _over(rig: Rig, meters: Meters, due_s: float) -> bool:
    """Nothing is open, and Airflow has ended all instances."""
    states = rig.states()
    if any(states[state] for state in ("claimed", "armed", "sending", "refused", "unknown")):
        return False
    late = meters.ask("ledger", LATE.format(due=int(due_s * 1000)))
    return not late[0][0] and not meters.ask("airflow", OPEN)[0][0]


# --- what the capacity model takes from it ----------------------------------------------------------------


def runs_in_time(meters: Meters, played: Round) -> int:
    """Runs that claimed something of the crowd before it was due."""
    return int(meters.ask("ledger", RUNS.format(due=int(played.due_s * 1000)))[0][0])


def constants(rig: Rig, meters: Meters, played: Round) -> dict[str, Any]:
    """Rates and costs, by part."""
    fullest = max(played.moments, key=lambda moment: moment.waiting)
    took = sorted(row[0] / 1000 for row in meters.ask("ledger", TAKEN_UP.format(since=_ms(played.before))))
    number = len(played.posts)
    used = {name: spent / number for name, spent in between(played.before.cpu_s, played.after.cpu_s).items()}
    return {
        "triggers_per_triggerer": list(fullest.triggers[: len(TRIGGERERS)]),
        "held_per_triggerer": list(fullest.holders[: len(TRIGGERERS)]),
        "waiting_most": fullest.waiting,
        "taken_up_p50_s": _quantile(took, 0.5),
        "taken_up_p99_s": _quantile(took, 0.99),
        **_sync(meters, played),
        "claims_per_s": claims_per_s(rig),
        "ends_per_s": _ends_per_s(meters, played),
        "ledger_per_delivery": _database(played, "ledger"),
        "airflow_db_per_delivery": _database(played, "airflow"),
        "api_calls_per_delivery": {
            name: calls / number
            for name, calls in between(played.before.api_calls, played.after.api_calls).items()
        },
        "airtable": _airtable(played),
        "cpu_s_per_delivery": used,
        "cpu_share_waiting": _busy(played, played.due_s - 45, played.due_s - LEAD_S),
        "cpu_share_in_the_second": _busy(played, played.due_s - 1, played.due_s + LEAD_S),
        "mib_per_1000_waiting": _memory(played, fullest),
        "counted_s": played.after.at_s - played.before.at_s,
    }


def _ms(reading: Reading) -> int:
    return int(reading.at_s * 1000)


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def claims_per_s(rig: Rig) -> float:
    """Claims of one transaction by the second; it is taken back. All of the crowd is out by now, so the
    deliveries are put back into the state that a claim looks for, within the same transaction."""
    seconds, number = 0.0, 0
    try:
        with rig.ledger.begin() as connection:
            again = {"state": "scheduled", "holder": None, "not_after_ms": deliveries.c.not_after_ms + DAY_MS}
            connection.execute(sa.update(deliveries).values(**again))
            now_ms = rig.ledger.now_ms(connection)
            began = time.perf_counter()
            number = len(claim_due(connection, now_ms, "timed", Settings()))
            seconds = time.perf_counter() - began
            raise _Undone
    except _Undone:
        return number / seconds


def _sync(meters: Meters, played: Round) -> dict[str, Any]:
    """The tick: how late it starts, how fast it reads and plans, and how fast it tells."""
    syncs = [
        tuple(float(value) for value in row)
        for row in meters.ask("airflow", SYNCS.format(since=played.before.at_s))
    ]
    planning, telling = [], []
    for _, began_s, ended_s in syncs:
        inside = [moment for moment in played.moments if began_s - 2.5 <= moment.at_s <= ended_s + 2.5]
        if len(inside) < 2:
            continue
        first, last = inside[0], inside[-1]
        rows = sum(last.states.values()) - sum(first.states.values())
        planned_ms, read_ms, told_ms = (
            last.marks.get(f"airtable:{name}", 0) for name in ("posts", "read", "told")
        )
        if rows >= 100 and planned_ms / 1000 > began_s:
            planning.append((rows, planned_ms / 1000 - began_s))
        told = last.told - first.told
        if told >= 100 and told_ms > read_ms:
            telling.append((told, (told_ms - read_ms) / 1000))
    late = sorted(began_s - after_s for after_s, began_s, _ in syncs)
    return {
        "tick_starts_late_p50_s": _quantile(late, 0.5),
        "tick_starts_late_max_s": late[-1] if late else math.nan,
        "read_and_planned_per_s": _rate(planning),
        "told_per_s": _rate(telling),
    }


def _rate(pieces: Sequence[tuple[float, float]]) -> float:
    """Rows by the second, over all pieces."""
    return sum(rows for rows, _ in pieces) / sum(seconds for _, seconds in pieces) if pieces else math.nan


def _ends_per_s(meters: Meters, played: Round) -> float:
    """Instances that Airflow ended in a second, between the tenth and the ninetieth of a hundred."""
    ends = sorted(float(row[0]) for row in meters.ask("airflow", ENDS.format(since=played.due_s)))
    first, last = int(len(ends) * 0.1), int(len(ends) * 0.9)
    return (last - first) / (ends[last] - ends[first]) if last > first else math.nan


def _database(played: Round, name: str) -> dict[str, float]:
    number = len(played.posts)
    before, after = played.before, played.after
    return {
        "statements": (after.statements[name] - before.statements[name]) / number,
        "transactions": (after.commits[name] - before.commits[name]) / number,
        "rows_written": (after.rows_written[name] - before.rows_written[name]) / number,
    }


def _airtable(played: Round) -> dict[str, float]:
    """Calls of the whole round; people's own are left out. What is untold at its end is told later."""
    counts: Counts = played.after.counts - played.before.counts
    calls = {
        route: number
        for (service, _, route), number in counts.calls.items()
        if service == "airtable" and route not in ("create_records", "attachment")
    }
    return {"calls_per_delivery": sum(calls.values()) / len(played.posts)} | {
        route: float(number) for route, number in sorted(calls.items())
    }


def _busy(played: Round, from_s: float, until_s: float) -> dict[str, float]:
    """Processor seconds a second, by part; 1.0 is one processor."""
    first, last = played.at(from_s), played.at(until_s)
    seconds = last.at_s - first.at_s
    return {
        name: (spent - first.parts.get(name, (0.0, 0.0))[0]) / seconds if seconds else math.nan
        for name, (spent, _) in last.parts.items()
    }


def _memory(played: Round, fullest: Moment) -> float:
    """MiB that both triggerers hold for a thousand waiting posts more. What the first posts bring with them,
    the engine itself, is left out."""
    few = next(moment for moment in played.moments if moment.waiting >= fullest.waiting / 10)
    more = fullest.waiting - few.waiting
    return (_triggerers(fullest) - _triggerers(few)) / more * 1000 if more else math.nan


def _triggerers(moment: Moment) -> float:
    return sum(memory for name, (_, memory) in moment.parts.items() if name in TRIGGERERS)
