"""A real PostgreSQL of one's own, on a free port, gone afterwards. For tests and benchmarks.

The server refuses to run as root, so under root it runs as another user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

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


@contextlib.contextmanager
def running_postgres(**settings: str) -> Iterator[str]:
    """Start a server and yield its URL (database `postgres`, no password, loopback only).

    `settings` are postgresql.conf settings. Raises FileNotFoundError where no server is installed.
    """
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError("no PostgreSQL server found (initdb, postgres)")
    user = _other_user() if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="schedulo-pg-") as folder:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        run = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        data = str(Path(folder) / "data")
        subprocess.run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **run,
        )
        port = _free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": folder,
            **settings,
        }
        command = [binaries / "postgres", "-D", data, *(f"--{key}={value}" for key, value in options.items())]
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **run)
        try:
            _wait_for(server, port, Path(folder) / "log")
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


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
