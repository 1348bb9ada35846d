"""What every measurement stands on: PostgreSQL, the sandbox, Airflow, each in processes of their own.

Here are also the two meters: what the sandbox counted, and the processor time of an installation.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests
import sqlalchemy as sa
from rich.console import Console

from sandbox.postgres import Postgres, postgres_server
from sandbox.stack import ROOT, Stack
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries, outbox

PLATFORMS = ("instagram", "facebook", "rupload", "x", "tiktok")
AT_ONCE = {"AIRFLOW__CORE__PARALLELISM": "16"}
"""So many tasks on workers."""
console = Console(stderr=True)


def say(text: str) -> None:
    console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {text}")


@dataclass(frozen=True, slots=True)
class Counts:
    """What the stand-ins were asked, by (service, method, route)."""

    calls: Counter[tuple[str, str, str]]

    def __sub__(self, before: Counts) -> Counts:
        return Counts(self.calls - before.calls)

    @property
    def airtable(self) -> int:
        """Calls that Airtable counts and that Schedulo made: rows are created by people only (here: by the
        benchmark), and attachments come from another host that has no limit."""
        return sum(
            count
            for (service, _, route), count in self.calls.items()
            if service == "airtable" and route not in ("create_records", "attachment")
        )

    @property
    def platforms(self) -> int:
        return sum(count for (service, *_), count in self.calls.items() if service in PLATFORMS)


@dataclass(slots=True)
class Sandbox:
    """The stand-ins' control calls."""

    url: str
    pid: int = 0
    """Its process, where it has one of its own."""
    session: requests.Session = field(default_factory=requests.Session)

    def control(self, method: str, verb: str, data: Any = None) -> Any:
        answer = self.session.request(method, f"{self.url}/_sandbox/{verb}", json=data, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def posts(self) -> list[dict[str, Any]]:
        return self.control("GET", "posts")

    def counts(self) -> Counts:
        rows = self.control("GET", "requests")
        return Counts(Counter({(row["service"], row["method"], row["route"]): row["count"] for row in rows}))

    @contextlib.contextmanager
    def planting(self) -> Iterator[None]:
        """People have had days to type their rows; here they are typed at once, without Airtable's limit."""
        self.control("POST", "switches", {"airtable_requests_per_s": "0"})
        try:
            yield
        finally:
            self.control("POST", "switches", {"airtable_requests_per_s": "5"})


@dataclass(slots=True)
class Rig:
    """One sandbox and one Airflow installation that runs."""

    sandbox: Sandbox
    stack: Stack
    ledger: Ledger

    def untold(self) -> int:
        """Rows of the outbox that Airtable has not been told."""
        query = sa.select(sa.func.count()).where(outbox.c.version > outbox.c.told_version)
        with self.ledger.begin() as connection:
            return int(connection.execute(query).scalar_one())

    def states(self) -> Counter[str]:
        number = sa.func.count().label("number")
        query = sa.select(deliveries.c.state, number).group_by(deliveries.c.state)
        with self.ledger.begin() as connection:
            return Counter({row.state: row.number for row in connection.execute(query)})

    def cpu_s(self) -> float:
        return cpu_s(self.stack)

    def settle(self, what: str, patience_s: float = 420.0) -> None:
        """Wait until nothing is under way and Airtable has been told everything."""
        moving = ("scheduled", "claimed", "armed", "sending", "refused", "processing", "unknown")

        def settled() -> bool:
            states = self.states()
            return not self.untold() and not any(states[state] for state in moving)

        wait_until(settled, what, patience_s, lambda: f"{dict(self.states())}, {self.untold()} rows untold")


def cpu_s(stack: Stack) -> float:
    """Seconds of processor time that the processes of an installation have used so far, their ended children
    included. Each of them leads, or is in, a session of its own."""
    leaders = {process.pid for process in stack.processes.values()}
    spent = 0.0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) in leaders or leaders & {above.pid for above in process.parents()}:
                times = process.cpu_times()
                spent += times.user + times.system + times.children_user + times.children_system
    return spent


def wait_until(
    condition: Callable[[], bool], what: str, patience_s: float, detail: Callable[[], str] = lambda: ""
) -> bool:
    """Wait for `condition`; says so and answers False where it does not come true."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            say(f"[yellow]not reached in {patience_s:.0f} s: {what}[/yellow] {detail()}")
            return False
        time.sleep(1.0)
    return True


def sleep_until(instant_s: float) -> None:
    while (left_s := instant_s - time.time()) > 0:
        time.sleep(min(left_s, 1.0))


@contextlib.contextmanager
def sandbox_process(folder: Path) -> Iterator[Sandbox]:
    """The stand-ins in a process of their own."""
    port_file = folder / "sandbox.port"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sandbox", "--port-file", str(port_file)]
    with (folder / "sandbox.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=dict(os.environ))
    try:
        for _ in range(300):
            if port_file.exists():
                break
            if process.poll() is not None:
                raise RuntimeError((folder / "sandbox.log").read_text()[-1500:])
            time.sleep(0.1)
        yield Sandbox(f"http://127.0.0.1:{port_file.read_text()}", process.pid)
    finally:
        process.terminate()
        process.wait(15)


@dataclass(slots=True)
class Ground:
    """The folder, database server and stand-ins that a whole run shares."""

    folder: Path
    server: Postgres
    sandbox: Sandbox

    @property
    def postgres(self) -> str:
        """URL of a database to ask for others."""
        return self.server.url

    def database(self, name: str) -> str:
        """A fresh database; answers its URL."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.postgres.removesuffix("postgres") + name

    def postgres_version(self) -> str:
        with psycopg.connect(self.postgres) as connection:
            row = connection.execute("SHOW server_version").fetchone()
        assert row is not None
        return str(row[0]).split()[0]


@contextlib.contextmanager
def installation(base: Ground, environment: Mapping[str, str], prefix: str = "") -> Iterator[Rig]:
    """Schedulo on an Airflow of its own, which is prepared and not yet started.

    :param prefix: of its folder and its databases, where others on the same ground have theirs
    """
    stack = Stack(
        base.folder / f"{prefix}home",
        base.sandbox.url,
        metadata_url=base.database(f"{prefix}airflow"),
        ledger_url=base.database(f"{prefix}ledger"),
        environment=environment,
    )
    ledger = Ledger(stack.ledger)
    try:
        stack.prepare()
        yield Rig(base.sandbox, stack, ledger)
    finally:
        stack.close()
        ledger.close()


@contextlib.contextmanager
def ground(**settings: str) -> Iterator[Ground]:
    """`settings` are PostgreSQL's, besides its number of connections."""
    with (
        tempfile.TemporaryDirectory(prefix="schedulo-bench-") as name,
        postgres_server(max_connections="300", **settings) as server,
        sandbox_process(Path(name)) as sandbox,
    ):
        yield Ground(Path(name), server, sandbox)
