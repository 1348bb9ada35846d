"""Airflow's processes on this machine, each its own command, stopped together: for demo, tests, benchmarks.

Not `airflow standalone`: it leaves children behind when it is killed, and its parts cannot be killed, frozen
or doubled one by one. Every process here leads a group of its own; `close` ends the groups that were started.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent
OPEN_FILES = 65536
"""The triggerer holds one file for each waiting post and dies above its limit."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """One installation: a home, its databases, its processes."""

    home: Path
    sandbox_url: str
    metadata_url: str = ""
    """SQLAlchemy URL of Airflow's own database; empty: SQLite."""
    ledger_url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further settings; they win."""
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def media_url(self) -> str:
        """Where platforms fetch media."""
        return f"{self.url}/schedulo/media"

    @property
    def ledger(self) -> str:
        return self.ledger_url or f"sqlite:///{self.home / 'ledger.db'}"

    def env(self, **more: str) -> dict[str, str]:
        """The environment of every process, beginning from ours without other Airflow settings."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "SCHEDULO_"))}
        return clean | self._settings() | dict(self.environment) | more

    def _settings(self) -> dict[str, str]:
        keys = self._keys()
        sqlite = not self.metadata_url
        return {
            "AIRFLOW_HOME": str(self.home / "airflow"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.metadata_url
            or f"sqlite:///{self.home / 'airflow' / 'airflow.db'}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "6" if sqlite else "16",
            "AIRFLOW__CORE__FERNET_KEY": keys["fernet"],
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": keys["api"],
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": keys["jwt"],
            "AIRFLOW__TRIGGERER__CAPACITY": "5000",
            "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": "500",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "60",
            "AIRFLOW__DAG_PROCESSOR__MAX_CALLBACKS_PER_LOOP": "500",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(keys["trigger_log_port"]),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(keys["worker_log_port"]),
            "SCHEDULO_HOME": str(self.home),
            "SCHEDULO_LEDGER_URL": self.ledger,
            "SCHEDULO_VAULT_KEY": keys["vault"],
            "SCHEDULO_MEDIA_KEY": keys["media"],
            "SCHEDULO_MEDIA_BASE_URL": self.media_url,
            **self._connections(),
        }

    def _connections(self) -> dict[str, str]:
        base = self.sandbox_url
        hosts = {
            "airtable": {
                "host": f"{base}/airtable",
                "password": "patSandbox",
                "extra": {"base_id": "appSandbox0000001"},
            },
            "instagram": {
                "host": f"{base}/instagram",
                "extra": {"facebook_host": f"{base}/facebook", "rupload_host": f"{base}/rupload"},
            },
            "facebook": {"host": f"{base}/facebook", "extra": {"rupload_host": f"{base}/rupload"}},
            "x": {"host": f"{base}/x"},
            "tiktok": {"host": f"{base}/tiktok"},
        }
        return {
            f"AIRFLOW_CONN_{name.upper()}_DEFAULT": json.dumps({"conn_type": name, **parts})
            for name, parts in hosts.items()
        }

    def _keys(self) -> dict[str, Any]:
        """Secrets and ports of this home, made once."""
        path = self.home / "keys.json"
        if not path.exists():
            self.home.mkdir(parents=True, exist_ok=True)
            fernet = [urlsafe_b64encode(secrets.token_bytes(32)).decode() for _ in range(2)]
            keys = {
                "fernet": fernet[0],
                "vault": fernet[1],
                "api": secrets.token_hex(16),
                "jwt": secrets.token_hex(32),
                "media": secrets.token_hex(16),
                "trigger_log_port": free_port(),
                "worker_log_port": free_port(),
            }
            path.touch(0o600)
            path.write_text(json.dumps(keys))
        keys = json.loads(path.read_text())
        assert isinstance(keys, dict)
        return keys

    # --- running --------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make both databases and the login."""
        (self.home / "airflow").mkdir(parents=True, exist_ok=True)
        (self.home / "passwords.json").write_text(json.dumps({"admin": self.password}))
        self.run("airflow", "db", "migrate")
        self.run("schedulo", "db", "upgrade")

    def run(self, *command: str) -> None:
        """Run a command of this installation to its end; raises with its last words where it fails."""
        done = subprocess.run(
            [str(Path(sys.executable).parent / command[0]), *command[1:]],
            env=self.env(),
            cwd=self.home,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-3000:]}")

    def start(self, name: str, *command: str, **env: str) -> subprocess.Popen[bytes]:
        """Start one process in a group of its own; its output goes to `home`/logs/<name>.log."""
        logs = self.home / "logs"
        logs.mkdir(exist_ok=True)
        with (logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / command[0]), *command[1:]],
                env=self.env(**env),
                cwd=self.folder_of(name),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_allow_open_files,
            )
        self.processes[name] = process
        return process

    def folder_of(self, _name: str) -> Path:
        """The folder in which a process starts."""
        return self.home

    def start_sandbox(self) -> None:
        """Start the stand-ins and wait until they answer."""
        self.home.mkdir(parents=True, exist_ok=True)
        port_file = self.home / "port"
        process = self.start("sandbox", "python", "-m", "sandbox", "--port-file", str(port_file))
        while not port_file.exists():
            if process.poll() is not None:
                raise RuntimeError(f"the sandbox ended: {self.tail('sandbox')}")
            time.sleep(0.05)
        self.sandbox_url = f"http://127.0.0.1:{port_file.read_text()}"

    def up(self) -> None:
        """Start Airflow's four processes and wait until it answers."""
        self.start("api-server", "airflow", "api-server")
        self.start("dag-processor", "airflow", "dag-processor")
        self.start("scheduler", "airflow", "scheduler")
        self.start("triggerer", "airflow", "triggerer")
        self.wait_until_up()

    def wait_until_up(self, patience_s: float = 420.0) -> None:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            if dead:
                raise RuntimeError(f"{dead[0]} ended: {self.tail(dead[0])}")
            with contextlib.suppress(requests.RequestException):
                health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
                parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
                if all(health[part]["status"] == "healthy" for part in parts):
                    return
            time.sleep(0.5)
        raise RuntimeError(f"Airflow did not come up in {patience_s:.0f} s; see {self.home / 'logs'}")

    def tail(self, name: str, characters: int = 1500) -> str:
        return (self.home / "logs" / f"{name}.log").read_text(errors="replace")[-characters:]

    def api(self, method: str, path: str, **options: Any) -> Any:
        """Call Airflow's REST API as the operator; answers the JSON."""
        if not hasattr(self, "_token"):
            login = {"username": "admin", "password": self.password}
            answer = requests.post(f"{self.url}/auth/token", json=login, timeout=30)
            answer.raise_for_status()
            self._token = answer.json()["access_token"]
        for attempt in range(6):
            answer = requests.request(
                method,
                f"{self.url}/api/v2{path}",
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=60,
                **options,
            )
            if self.metadata_url or answer.status_code != 500 or "Database error" not in answer.text:
                break
            # On a busy machine SQLite is locked for longer than Airflow waits; nothing was written: ask again
            time.sleep(1.0 + attempt)
        if not answer.ok:
            raise RuntimeError(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def signal(self, name: str, number: int) -> None:
        """Send a signal to one process's whole group."""
        os.killpg(self.processes[name].pid, number)

    def stop(self, name: str, patience_s: float = 20.0) -> None:
        process = self.processes.pop(name)
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
                break
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what the leader left behind

    def close(self) -> None:
        for name in reversed(list(self.processes)):
            self.stop(name)

    @contextlib.contextmanager
    def running(self) -> Iterator[Stack]:
        try:
            self.prepare()
            self.up()
            yield self
        finally:
            self.close()


class Installed(Stack):
    """An installation that runs already, seen from one of its own processes."""

    @property
    def media_url(self) -> str:
        return os.environ["SCHEDULO_MEDIA_BASE_URL"]

    def env(self, **more: str) -> dict[str, str]:
        return dict(os.environ) | more


def _allow_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
