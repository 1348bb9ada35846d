"""What an installation uses, part by part, while a measurement runs: processors, memory, statements, calls.

`Meters.read` takes everything at one instant; the difference of two readings is what happened between them.
A `Watch` reads what changes fast in a thread of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil
import psycopg

from benchmarks.rig import Counts, Rig
from sandbox.postgres import Postgres

MIB = 2**20
ACCESS = re.compile(r"\[http\.access\].* path=(/\S*)")
EXECUTION = "/execution/"
"""Where tasks on workers speak to the api-server."""
STATEMENTS = """
    SELECT d.datname, sum(s.calls)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
    WHERE s.toplevel GROUP BY d.datname
"""
TRAFFIC = """
    SELECT datname, xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database
    WHERE datname IN ('airflow', 'ledger')
"""
HELD = """
    SELECT holder, count(*) FROM deliveries
    WHERE holder IS NOT NULL AND state IN ('claimed', 'armed', 'sending') GROUP BY holder
"""
STATES = "SELECT state, holder IS NOT NULL, count(*) FROM deliveries GROUP BY 1, 2"
TRIGGERS = "SELECT triggerer_id, count(*) FROM trigger WHERE triggerer_id IS NOT NULL GROUP BY 1"
MARKS = "SELECT name, at_ms FROM marks WHERE name LIKE 'airtable:%'"
TOLD = "SELECT count(*) FROM outbox WHERE told_version > 0"


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything at one instant; the numbers only grow."""

    at_s: float
    cpu_s: Mapping[str, float]
    """By part."""
    statements: Mapping[str, int]
    """By database: what PostgreSQL was asked."""
    commits: Mapping[str, int]
    rows_written: Mapping[str, int]
    api_calls: Mapping[str, int]
    """Requests to the api-server: `execution` (of tasks), `other`."""
    counts: Counts
    """What the stand-ins were asked."""


def between(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0) for name, value in after.items()}


@dataclass(slots=True)
class Meters:
    """Reads one rig and its database server."""

    rig: Rig
    server: Postgres

    def read(self) -> Reading:
        statements = dict(self.ask("ledger", STATEMENTS))
        traffic = self.ask("ledger", TRAFFIC)
        return Reading(
            at_s=time.time(),
            cpu_s={name: spent for name, (spent, _) in self.parts().items()},
            statements={name: int(statements.get(name, 0)) for name in ("airflow", "ledger")},
            commits={name: int(commits) for name, commits, _ in traffic},
            rows_written={name: int(rows) for name, _, rows in traffic},
            api_calls=self._api_calls(),
            counts=self.rig.sandbox.counts(),
        )

    def parts(self) -> dict[str, tuple[float, float]]:
        """By part: seconds of processor time so far, ended children included, and resident MiB.

        Of the scheduler's session the scheduler itself is `scheduler`, the executor's processes and the tasks
        are `workers`.
        """
        leaders = {process.pid: name for name, process in self.rig.stack.processes.items()}
        leaders |= {self.server.pid: "postgres", self.rig.sandbox.pid: "sandbox"}
        processes = {process.pid: process for process in psutil.process_iter(["ppid"])}
        found: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
        for pid, process in processes.items():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                name = leaders.get(os.getsid(pid)) or _above(process, processes, leaders)
                if name is None:
                    continue
                times, memory = process.cpu_times(), process.memory_info().rss / MIB
                mine, children = times.user + times.system, times.children_user + times.children_system
                if name == "scheduler":
                    inside = "scheduler" if pid in leaders else "workers"
                    found[inside][0] += mine
                    found["workers"][0] += children
                    found[inside][1] += memory
                else:
                    found[name][0] += mine + children
                    found[name][1] += memory
        return {name: (spent, memory) for name, (spent, memory) in found.items()}

    def _api_calls(self) -> dict[str, int]:
        path = self.rig.stack.home / "logs" / "api-server.log"
        found = Counter({"execution": 0, "other": 0})
        if path.exists():
            for asked in ACCESS.findall(path.read_text(errors="replace")):
                found["execution" if asked.startswith(EXECUTION) else "other"] += 1
        return dict(found)

    def ask(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query; none of what is no query."""
        url = self.server.url.removesuffix("postgres") + database
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(query)  # type: ignore[call-overload]
            return found.fetchall() if found.description else []


@dataclass(frozen=True, slots=True)
class Moment:
    """What changes fast, at one instant."""

    at_s: float
    states: Mapping[tuple[str, bool], int]
    """Deliveries by state and whether a process holds them."""
    holders: tuple[int, ...]
    """Deliveries in each process, the most first."""
    triggers: tuple[int, ...]
    """Airflow's triggers in each triggerer, the most first."""
    marks: Mapping[str, int]
    told: int
    """Rows that Airtable was told at least once, this version or one before."""
    parts: Mapping[str, tuple[float, float]]

    def of(self, *states: str) -> int:
        return sum(number for (state, _), number in self.states.items() if state in states)

    @property
    def waiting(self) -> int:
        """Deliveries that a triggerer has in hand and that are not out."""
        return sum(self.holders)


@dataclass(slots=True)
class Watch:
    """Takes a moment every `every_s` while a block runs."""

    meters: Meters
    every_s: float = 2.0
    moments: list[Moment] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._done.is_set():
            with contextlib.suppress(psycopg.Error):  # a server that is busy is asked again
                self.moments.append(self._moment())
            self._done.wait(self.every_s)

    def _moment(self) -> Moment:
        ask = self.meters.ask
        return Moment(
            at_s=time.time(),
            states={(state, held): number for state, held, number in ask("ledger", STATES)},
            holders=_most(number for _, number in ask("ledger", HELD)),
            triggers=_most(number for _, number in ask("airflow", TRIGGERS)),
            marks=dict(ask("ledger", MARKS)),
            told=int(ask("ledger", TOLD)[0][0]),
            parts=self.meters.parts(),
        )


def _above(
    process: psutil.Process, processes: Mapping[int, psutil.Process], leaders: Mapping[int, str]
) -> str | None:
    """The part that a process belongs to by the first of its forebears that leads one."""
    above: psutil.Process | None = process
    while above is not None:
        if above.pid in leaders:
            return leaders[above.pid]
        above = processes.get(above.info["ppid"])
    return None


def _most(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(numbers, reverse=True))
