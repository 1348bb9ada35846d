"""A real PostgreSQL of one's own, on a free port, gone afterwards. For tests and benchmarks.

The server refuses to run as root, so under root it runs as another user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BINARIES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql*/bin")
USERS = ("postgres", "nobody")


def find_binaries() -> Path | None:
    """The folder that holds `initdb` and `postgres`, or None."""
    candidates = [Path(folder) for pattern in BINARIES for folder in sorted(Path("/").glob(pattern[1:]))]
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    return next(
        (
            path
            for path in reversed(candidates)
            if (path / "initdb").exists() and (path / "postgres").exists()
        ),
        None,
    )


class Postgres:
    """One server with its own data, that can be ended hard and started again."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings` are postgresql.conf settings. Raises FileNotFoundError where no server is installed."""
        binaries = find_binaries()
        if binaries is None:
            raise FileNotFoundError("no PostgreSQL server found (initdb, postgres)")
        self._binaries = binaries
        self._folder = folder
        self._run: dict[str, Any] = {"cwd": "/"}
        if os.geteuid() == 0:
            user = _other_user()
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._run |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.port = _free_port()
        self._options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(folder),
            **settings,
        }
        command = [
            "initdb",
            "-D",
            self._data,
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
            "--encoding=UTF8",
        ]
        subprocess.run(
            [str(binaries / command[0]), *command[1:]], check=True, stdout=subprocess.DEVNULL, **self._run
        )

    @property
    def url(self) -> str:
        """Its database `postgres`; no password."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The process that all others of the server descend from."""
        return self._server.pid

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [f"--{key}={value}" for key, value in self._options.items()]
        log_path = self._folder / "log"
        with log_path.open("ab") as log:
            self._server = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", self._data, *options],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._run,
            )
        _wait_for(self._server, self.port, log_path)

    def crash(self) -> None:
        """End it as `pg_ctl stop -m immediate` does: no goodbye, no checkpoint; what was committed stays."""
        self._server.send_signal(signal.SIGQUIT)
        self._server.wait(30)

    def stop(self) -> None:
        """End it as `pg_ctl stop` does: whoever is still connected is cut off, not waited for."""
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()


@contextlib.contextmanager
def postgres_server(**settings: str) -> Iterator[Postgres]:
    """A server that runs while the block lasts; the settings as for `Postgres`."""
    with tempfile.TemporaryDirectory(prefix="schedulo-pg-") as folder:
        server = Postgres(Path(folder), **settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def running_postgres(**settings: str) -> Iterator[str]:
    """Start a server and yield its URL (database `postgres`, no password, loopback only)."""
    with postgres_server(**settings) as server:
        yield server.url


def _other_user() -> pwd.struct_passwd:
    for name in USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise FileNotFoundError(f"none of the users {', '.join(USERS)} exists to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    import psycopg

    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {log.read_text()[-500:]}")
        try:
            psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", connect_timeout=1).close()
        except psycopg.OperationalError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.1)
        else:
            return
    raise RuntimeError("PostgreSQL did not answer in 30 seconds")
