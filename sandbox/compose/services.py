"""The services of docker-compose.yaml as processes of this machine, by their own commands and environments.

A container's host names, ports and folders become this machine's; nothing else is changed. PostgreSQL and
Redis are real, the passwords count, and each service has a home of its own, as a container has.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.compose import reading
from sandbox.postgres import find_binaries, running_postgres
from sandbox.stack import ROOT, Stack, free_port

TRIGGERERS = ("triggerer-1", "triggerer-2")
WORKERS = ("worker", "worker-media")
AIRFLOW = ("api-server", "scheduler", "dag-processor", *TRIGGERERS, *WORKERS, "watch")
"""In the order in which they are started."""
STORES = ("postgres", "redis")
PORTS = ("6379", "8080", "8974", "8090")
"""What containers listen on, besides PostgreSQL's."""
HOSTS = re.compile(r"(?<=[/@])(postgres|redis|api-server|sandbox)(?=:\d)")
VOLUMES = {"media": "/var/lib/schedulo/media", "reports": "/var/lib/schedulo/reports"}
HBA = """
host all postgres 127.0.0.1/32 trust
host all all      127.0.0.1/32 scram-sha-256
"""
UP_S = 480.0
"""On a machine that does much else besides."""


class NotInstalled(RuntimeError):
    """A server that the stack needs is not on this machine."""


@dataclass(frozen=True)
class Stopped:
    """How a service ended that was asked to."""

    service: str
    grace_s: int
    took_s: float
    killed: bool
    """It did not end within its grace."""


@dataclass(frozen=True)
class Native:
    """How a container's text reads on this machine."""

    ports: Mapping[str, int]
    folders: Mapping[str, Path]

    def text(self, words: str) -> str:
        words = HOSTS.sub("127.0.0.1", words).replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        words = words.replace("exec redis-server ", "exec redis-server --bind 127.0.0.1 ")
        words = re.sub(r"\b\d+\b", lambda match: str(self.ports.get(match[0], match[0])), words)
        folders = "|".join(re.escape(folder) for folder in self.folders)
        return re.sub(folders, lambda match: str(self.folders[match[0]]), words) if folders else words

    def command(self, words: list[str]) -> list[str]:
        return [self.text(word) for word in words]

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        return {name: self.text(value) for name, value in values.items()}


@dataclass
class Composed(Stack):
    """The services of one `docker compose up`. `values` is its .env."""

    values: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def standing(self) -> Iterator[Composed]:
        """PostgreSQL, Redis and the sandbox run; the rest is started by `prepare` and `up`.

        Raises `NotInstalled`.
        """
        for program, found in {
            "redis-server": shutil.which("redis-server"),
            "PostgreSQL (initdb, postgres, psql)": find_binaries(),
        }.items():
            if found is None:
                raise NotInstalled(
                    f"{program} is not installed; on Debian: apt-get install postgresql redis-server"
                )
        (self.home / "pg_hba.conf").write_text(HBA)
        for volume in ("redis", "logs", *VOLUMES):
            (self.home / "volumes" / volume).mkdir(parents=True)
        _, *options = reading.command("postgres", self.values)
        settings = dict(option.split("=") for option in options if "=" in option)
        with running_postgres(hba_file=str(self.home / "pg_hba.conf"), **settings) as server:
            self.ports = {"5432": urlsplit(server).port or 0} | {number: free_port() for number in PORTS}
            self.ports["8080"] = self.port
            self.sandbox_url = self.native("sandbox").text(self.values["SANDBOX_URL"])
            self._make_secrets()
            script = str(ROOT / "deploy" / "databases.sql")
            self.finish(
                "postgres", "psql", "--no-psqlrc", "--quiet", "--username=postgres", f"--file={script}"
            )
            try:
                self.serve("redis")
                self.serve("sandbox")
                yield self
            finally:
                self.close()

    def _make_secrets(self) -> None:
        addresses = [
            f"--{name}=127.0.0.1:{self.ports[port]}"
            for name, port in (("postgres", "5432"), ("redis", "6379"))
        ]
        script = [sys.executable, ROOT / "deploy" / "make_secrets.py"]
        subprocess.run(
            [*script, "--folder", self.home / "secrets", *addresses], check=True, stdout=subprocess.DEVNULL
        )
        self.password = (self.home / "secrets" / "airflow_admin_password").read_text().strip()

    @property
    def ledger_address(self) -> str:
        """The ledger's database, with its password."""
        return (self.home / "secrets" / "ledger_url").read_text().strip()

    @property
    def media_url(self) -> str:
        return self.service_env("worker")["SCHEDULO_MEDIA_BASE_URL"]

    # --- what containers have by being containers -------------------------------------------------------

    def _settings(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{find_binaries()}:{os.environ['PATH']}",
            "PYTHONPATH": "",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.ports.get("5432", "")),
        }

    def native(self, service: str) -> Native:
        """How this service's texts read here; its home is made where it is not there yet."""
        container = self.home / "containers" / service
        airflow, temporary = container / "airflow", container / "tmp"
        if not container.exists():
            airflow.mkdir(parents=True)
            (airflow / "logs").symlink_to(self.home / "volumes" / "logs")
            temporary.mkdir()
        folders = {"/opt/schedulo": ROOT, "/opt/airflow": airflow, "/tmp": temporary}  # noqa: S108
        folders["/run/secrets"] = self.home / "secrets"
        folders |= {inside: self.home / "volumes" / name for name, inside in VOLUMES.items()}
        return Native(self.ports, folders)

    def service_env(self, service: str) -> dict[str, str]:
        return self.env(**self.native(service).environment(reading.environment(service, self.values)))

    def serve(self, service: str) -> subprocess.Popen[bytes]:
        """Start a service as `docker compose up -d <service>` would."""
        program, *words = self.native(service).command(reading.command(service, self.values))
        ports = {
            f"AIRFLOW__LOGGING__{name}_LOG_SERVER_PORT": str(free_port()) for name in ("WORKER", "TRIGGER")
        }
        return self.start(service, self._found(program), *words, **self.service_env(service) | ports)

    def folder_of(self, name: str) -> Path:
        if name == "redis":  # its image works in its volume
            return self.home / "volumes" / "redis"
        return self.home

    def _found(self, program: str) -> str:
        found = shutil.which(program, path=self._settings()["PATH"])
        if found is None:
            raise NotInstalled(f"{program} is not installed")
        return found

    def finish(self, service: str, *command: str, failing: bool = False, **streams: Any) -> str:
        """Run a command to its end in a service's environment, by default the service's own, as
        `docker compose run` would; answers its output. `streams`: its `stdin` or `stdout`, as files. Raises
        RuntimeError where it fails, or with `failing` where it does not."""
        words = list(command) or self.native(service).command(reading.command(service, self.values))
        done = subprocess.run(
            [self._found(words[0]), *words[1:]],
            env=self.service_env(service),
            cwd=self.home,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )
        said = (done.stdout or "") + done.stderr
        if bool(done.returncode) != failing:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{said[-3000:]}")
        return said

    def health(self, service: str, *, failing: bool = False) -> str:
        """Run the service's health check, as `finish`."""
        check = self.native(service).command(reading.health_command(service, self.values))
        return self.finish(service, *check, failing=failing)

    # --- as the demo's stage sees a stack ----------------------------------------------------------------

    def start_sandbox(self) -> None:
        """It runs already, as a service; this waits until it answers."""
        self.wait_until_healthy("sandbox")

    def prepare(self) -> None:
        self.finish("airflow-init")

    def run(self, *command: str) -> None:
        self.finish("worker", *command)

    def up(self) -> None:
        """Start all, each when those are healthy that it depends on."""
        for service in AIRFLOW:
            for needed in reading.healthy_before(service):
                if needed in self.processes:
                    self.wait_until_healthy(needed)
            self.serve(service)
        self.wait_until_up(UP_S)

    def wait_until_healthy(self, service: str, patience_s: float = UP_S) -> None:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                self.health(service)
                return
            except RuntimeError as error:
                if time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{service} did not become healthy in {patience_s:.0f} s: {error}"
                    ) from None
                time.sleep(0.5)

    def stop_service(self, service: str) -> Stopped:
        """As `docker compose stop`: SIGTERM to its first process, SIGKILL to all after its grace."""
        process, grace_s = self.processes.pop(service), reading.grace_s(service)
        began = time.monotonic()
        process.terminate()
        killed = False
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            killed = True
        took_s = time.monotonic() - began
        with contextlib.suppress(ProcessLookupError):  # a container ends with its first process
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return Stopped(service, grace_s, took_s, killed)

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()  # all at once; then each is waited for
        super().close()


def composed(home: Path) -> Composed:
    """A stack that is set up as .env.example says how to try it without accounts."""
    port = free_port()
    shown = reading.example_options()
    trying = {name: shown[name] for name in ("COMPOSE_PROFILES", "SANDBOX_URL", "SCHEDULO_MEDIA_BASE_URL")}
    values = reading.filled_in() | trying
    values |= {"PUBLIC_URL": f"http://localhost:{port}", "WORKER_CONCURRENCY": "4"}
    return Composed(home, "", port=port, values=values)
