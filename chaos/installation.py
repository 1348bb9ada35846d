"""A whole Airflow with two triggerers; each process can be killed, frozen and started again.

Each leads a session, as in a container: a kill takes all of it, and nothing of it is left at the end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import psutil
import psycopg

from sandbox.stack import Stack, free_port

TRIGGERERS = ("triggerer", "triggerer-2")
PARTS = ("api-server", "dag-processor", "scheduler", *TRIGGERERS)

JOBS: Mapping[str, str] = {
    "scheduler": "SchedulerJob",
    "dag-processor": "DagProcessorJob",
    "triggerer": "TriggererJob",
    "triggerer-2": "TriggererJob",
}
"""Airflow's names of what beats in the parts that have a liveness probe."""
HUNG_S = 60.0
"""After so long without a beat a probe has a part started again."""

LAW: Mapping[str, str] = {
    # W, K, S, L and Q scaled together, so that what is unknown is decided within minutes.
    "SCHEDULO_WINDOW_S": "5",
    "SCHEDULO_KERNEL_S": "2",
    "SCHEDULO_LATE_S": "10",
    "SCHEDULO_LAG_S": "10",
    "SCHEDULO_QUIET_S": "35",
    "SCHEDULO_HORIZON_S": "120",
    "SCHEDULO_HOLDER_SILENT_S": "15",
    "SCHEDULO_BEAT_S": "3",
}
AIRFLOW: Mapping[str, str] = {
    # Airflow too notices sooner that a process is gone.
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "3",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
}


@dataclass(slots=True)
class Installation:
    """`stack`'s processes by name."""

    stack: Stack
    broken: str = ""
    """The guard that its triggerers lack; see `chaos.broken`."""
    _second_log_port: int = field(default_factory=free_port)
    _started_at: dict[str, float] = field(default_factory=dict)

    def start(self, name: str) -> None:
        command = ["airflow", name.removesuffix("-2")]
        if self.broken and name in TRIGGERERS:
            command = ["python", "-m", "chaos.broken", self.broken, "triggerer"]
        env = {}
        if name == "triggerer-2":
            env["AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT"] = str(self._second_log_port)
        self.stack.start(name, *command, **env)
        self._started_at[name] = time.monotonic()

    def start_all(self) -> None:
        for name in PARTS:
            self.start(name)
        self.stack.wait_until_up(300)

    def members(self, name: str) -> list[psutil.Process]:
        """All processes of this part."""
        leader = self.stack.processes[name].pid
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, psutil.Error):
                if os.getsid(process.pid) == leader:
                    found.append(process)
        return found

    def part_of(self, pid: int) -> str | None:
        """Which part a process belongs to."""
        with contextlib.suppress(ProcessLookupError):
            leader = os.getsid(pid)
            return next((name for name, one in self.stack.processes.items() if one.pid == leader), None)
        return None

    def alive(self, name: str) -> bool:
        process = self.stack.processes.get(name)
        return process is not None and process.poll() is None

    def age_s(self, name: str) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._started_at[name]

    def hung(self) -> list[str]:
        """Parts that run and do not beat. Airflow's own can: a LocalExecutor whose worker was killed while it
        read its queue never ends. A deployment has liveness probes for that (`airflow jobs check`)."""
        query = (
            "SELECT job_type, extract(epoch FROM now() - max(latest_heartbeat)) FROM job GROUP BY job_type"
        )
        try:
            with psycopg.connect(self.stack.metadata_url, connect_timeout=3) as connection:
                silent_s = {kind: float(seconds) for kind, seconds in connection.execute(query)}
        except psycopg.Error:
            return []
        return [
            name
            for name, kind in JOBS.items()
            if self.alive(name) and silent_s.get(kind, 0) > HUNG_S and self.age_s(name) > 2 * HUNG_S
        ]

    def kill(self, name: str) -> None:
        """SIGKILL to all of it, at once."""
        process = self.stack.processes[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for member in self.members(name):
            with contextlib.suppress(psutil.Error):
                member.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)

    def freeze(self, name: str) -> None:
        os.killpg(self.stack.processes[name].pid, signal.SIGSTOP)

    def wake(self, name: str) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.stack.processes[name].pid, signal.SIGCONT)

    def workers(self) -> list[psutil.Process]:
        """Processes that run tasks now; idle ones where there are none."""
        if not self.alive("scheduler"):
            return []
        busy: list[psutil.Process] = []
        idle: list[psutil.Process] = []
        for process in self.members("scheduler"):
            with contextlib.suppress(psutil.Error):
                title = " ".join(process.cmdline())
                if title.startswith("airflow worker"):
                    (idle if "idle" in title else busy).append(process)
        return busy or idle

    def close(self) -> None:
        for name in list(self.stack.processes):
            with contextlib.suppress(ProcessLookupError):
                self.wake(name)
                self.kill(name)
        self.stack.close()


@contextlib.contextmanager
def installed(stack: Stack, broken: str = "") -> Iterator[Installation]:
    """An installation whose databases are made; nothing of it runs afterwards."""
    installation = Installation(stack, broken)
    try:
        stack.prepare()
        yield installation
    finally:
        installation.close()
