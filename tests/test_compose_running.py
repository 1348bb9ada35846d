"""The services of docker-compose.yaml run here without containers and publish a post.

Commands, environments and health checks are the file's own; only host names, ports and folders are this
machine's. The passwords count: PostgreSQL asks Airflow and Schedulo for theirs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from pyairtable import Api

from sandbox.postgres import find_binaries, running_postgres
from sandbox.running import RunningSandbox
from sandbox.stack import Stack, free_port
from schedulo.airtable.calls import Calls
from tests import compose
from tests.compose import Native

RUNNING = ("api-server", "scheduler", "dag-processor", "worker", "triggerer-1")
BASE_ID = "appSandbox0000001"
HBA = """
host all postgres 127.0.0.1/32 trust
host all all      127.0.0.1/32 scram-sha-256
"""

pytestmark = [pytest.mark.slow(minutes=5), pytest.mark.postgres, pytest.mark.timeout(900)]


@dataclass
class Composed(Stack):
    """The services' own commands in their own environments; nothing of the demo's settings."""

    values: dict[str, str] = field(default_factory=dict)
    native: Native = field(default_factory=lambda: Native({}, {}))

    def _settings(self) -> dict[str, str]:
        """What containers have by being containers: their programs, and log ports of their own."""
        return {
            "PATH": f"{Path(sys.executable).parent}:{find_binaries()}:{os.environ['PATH']}",
            "PYTHONPATH": "",
            "HOSTNAME": socket.gethostname(),
            **{
                f"AIRFLOW__LOGGING__{name}_LOG_SERVER_PORT": str(free_port())
                for name in ("WORKER", "TRIGGER")
            },
        }

    def service_env(self, service: str) -> dict[str, str]:
        return self.env(**self.native.environment(compose.environment(service, self.values)))

    def serve(self, service: str, *more: str, **env: str) -> subprocess.Popen[bytes]:
        program, *words = self.native.command(compose.command(service, self.values))
        found = shutil.which(program, path=self._settings()["PATH"])
        assert found, f"{program} is not installed"
        return self.start(service, found, *words, *more, **self.service_env(service) | env)

    def finish(self, service: str, *command: str) -> str:
        """Run a command to its end as `docker compose run` would; answers its output."""
        done = subprocess.run(
            command or self.native.command(compose.command(service, self.values)),
            env=self.service_env(service),
            cwd=self.home,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout + done.stderr


def until(ask: Callable[[], Any], patience_s: float, what: str) -> Any:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(1.0)
    pytest.fail(f"{what} did not happen in {patience_s:.0f} s")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="schedulo-compose-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL runs as another user and reads its rules here
        yield Path(folder)


@pytest.fixture(scope="module")
def stack(home: Path, sandbox_server: RunningSandbox) -> Iterator[Composed]:
    """All services, prepared and healthy."""
    for program, found in {
        "redis-server": shutil.which("redis-server"),
        "PostgreSQL": find_binaries(),
    }.items():
        if found is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is not installed")
    values = compose.filled_in()
    (home / "pg_hba.conf").write_text(HBA)
    for name in ("airflow", "media", "redis"):
        (home / name).mkdir()
    _, *options = compose.command("postgres", values)
    settings = dict(option.split("=") for option in options if "=" in option)
    with running_postgres(hba_file=str(home / "pg_hba.conf"), **settings) as server:
        ports = {"5432": sa.make_url(server).port or 0}
        ports |= {number: free_port() for number in ("6379", "8080", "8974")}
        folders = {"/opt/schedulo": compose.ROOT, "/opt/airflow": home / "airflow"}
        folders["/var/lib/schedulo/media"] = home / "media"
        stack = Composed(
            home,
            sandbox_server.url,
            port=ports["8080"],
            password=values["AIRFLOW_ADMIN_PASSWORD"],
            values=values,
            native=Native(ports, folders),
        )
        script = str(compose.ROOT / "deploy" / "databases.sql")
        stack.finish("postgres", "psql", "--no-psqlrc", "--quiet", f"--dbname={server}", f"--file={script}")
        try:
            stack.serve("redis", "--bind", "127.0.0.1", "--dir", str(home / "redis"))
            stack.finish("airflow-init")
            for service in RUNNING:
                stack.serve(service)
            stack.wait_until_up(240.0)
            yield stack
        finally:
            stack.close()


def connect(stack: Composed, sandbox: RunningSandbox) -> None:
    """Fill in the Connections, as an operator does in Airflow's pages."""
    airtable = {"host": sandbox.service("airtable"), "password": "patSandbox"}
    hosts = {name: {"host": sandbox.service(name)} for name in ("instagram", "facebook", "x", "tiktok")}
    for name, parts in {"airtable": airtable, **hosts}.items():
        extra = json.dumps({"base_id": BASE_ID} if name == "airtable" else {})
        body = {"connection_id": f"{name}_default", "conn_type": name, "extra": extra, **parts}
        stack.api("PATCH", f"/connections/{name}_default", json=body)


def plan(stack: Composed, sandbox: RunningSandbox) -> datetime:
    """An account with its token, and one post for it in Airtable; answers when it is due."""
    (stack.home / "tokens.json").write_text(json.dumps({"x:11": {"access_token": "tokx"}}))
    stack.finish("worker", "schedulo", "airtable", "create")
    stack.finish("worker", "schedulo", "accounts", "connect", "--file", str(stack.home / "tokens.json"))

    # The services read the same base meanwhile; who asks in the same second as they do may be locked out.
    api = Api("patSandbox", retry_strategy=None, endpoint_url=sandbox.service("airtable"))
    calls = Calls(api)

    def make(table: str, **fields: Any) -> str:
        answer = calls.send("POST", api.table(BASE_ID, table).urls.records, json={"fields": fields})
        return str(answer["id"])

    account = {"Name": "Acme", "Platform": "X", "Account ID": "11", "Username": "acme", "Active": True}
    key = make("Accounts", **account)
    post = {"Title": "Hello", "Text": "Hello from compose", "Accounts": [key], "Status": "Ready"}
    due = (datetime.now(UTC) + timedelta(seconds=100)).replace(microsecond=0)
    make("Posts", **post, **{"Publish at": due.isoformat()})
    return due


def seed(sandbox: RunningSandbox) -> None:
    scopes = ["data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write"]
    start = {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
    sandbox.seed(
        {
            "airtable": {
                "tokens": [{"token": "patSandbox", "scopes": scopes, "bases": "*"}],
                "bases": [{"id": BASE_ID, "name": "Demo", "tables": [start]}],
            },
            "x": {"accounts": [{"account_id": "11", "username": "acme", "token": "tokx", "limits": "off"}]},
        }
    )


def test_a_planned_post_goes_out_and_its_run_succeeds(
    stack: Composed, sandbox_server: RunningSandbox
) -> None:
    sandbox_server.reset()  # other tests used it before
    seed(sandbox_server)
    connect(stack, sandbox_server)
    due = plan(stack, sandbox_server)

    [post] = until(sandbox_server.posts, 200.0, "the post")
    assert post["text"] == "Hello from compose"
    assert 0 <= post["received_at"] - due.timestamp() < 5

    def published() -> list[dict[str, Any]]:
        path = "/dags/publish_due_posts/dagRuns/~/taskInstances?task_id=publish&state=success"
        found: list[dict[str, Any]] = stack.api("GET", path)["task_instances"]
        return found

    [instance] = until(published, 60.0, "the success of its task")
    path = f"/dags/publish_due_posts/dagRuns/{instance['dag_run_id']}"
    until(lambda: stack.api("GET", path)["state"] == "success", 60.0, "the success of its run")
    assert len(sandbox_server.posts()) == 1


def test_a_login_through_the_proxy_gets_cookies_for_https_alone(stack: Composed) -> None:
    public = stack.values["PUBLIC_URL"]
    # The form is refused where the page that sends it is not on the host that gets it.
    headers = {"Host": public.removeprefix("https://"), "Referer": f"{public}/auth/login/"}
    headers["X-Forwarded-Proto"] = "https"
    form = requests.get(f"{stack.url}/auth/login/", headers=headers, timeout=60)
    session = form.headers["Set-Cookie"]
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form.text)
    assert token is not None

    def log_in(password: str) -> requests.Response:
        return requests.post(
            f"{stack.url}/auth/login/",
            data={
                "username": stack.values["AIRFLOW_ADMIN_USER"],
                "password": password,
                "csrf_token": token[1],
            },
            headers=headers | {"Cookie": session.partition(";")[0]},
            allow_redirects=False,
            timeout=60,
        )

    answer = log_in(stack.password)
    assert answer.is_redirect, answer.text[:500]
    [issued] = [cookie for cookie in answer.raw.headers.getlist("Set-Cookie") if cookie.startswith("_token=")]
    assert "; Secure" in session
    assert "; Secure" in issued
    assert "_token=" not in str(log_in("wrong").headers)


@pytest.mark.parametrize("service", ["postgres", "redis", *RUNNING])
def test_health_check_passes_on_a_healthy(service: str, stack: Composed) -> None:
    stack.finish(service, *stack.native.command(compose.health_command(service, stack.values)))


def test_health_check_fails_where_no_triggerer_is(stack: Composed) -> None:
    """Also: a triggerer stops by itself within its grace."""
    triggerer = stack.processes["triggerer-1"]
    triggerer.terminate()
    triggerer.wait(compose.seconds(compose.services()["triggerer-1"]["stop_grace_period"]))
    del stack.processes["triggerer-1"]
    with pytest.raises(AssertionError, match="No alive jobs"):
        stack.finish("triggerer-1", *compose.health_command("triggerer-1", stack.values))


def test_preparing_again_changes_nothing(stack: Composed) -> None:
    before = stack.api("GET", "/connections/x_default")
    told = stack.finish("airflow-init")
    assert "x_default: connection already exists" in told
    assert stack.api("GET", "/connections/x_default") == before


def test_each_login_reaches_its_own_database_alone(stack: Composed) -> None:
    url = sa.make_url(stack.service_env("worker")["SCHEDULO_LEDGER_URL"]).set(drivername="postgresql+psycopg")
    for wrong in (url.set(database="airflow"), url.set(password="guess")):
        with pytest.raises(sa.exc.OperationalError, match=r"permission denied|authentication failed"):
            sa.create_engine(wrong).connect()


def test_maintenance_drops_what_is_too_old(stack: Composed) -> None:
    for service in ("scheduler", "worker"):
        stack.stop(service, 60.0)
    engine = sa.create_engine(stack.service_env("worker")["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    logs = [path for path in (stack.home / "airflow" / "logs").rglob("run_id=*/**/*.log") if path.is_file()]
    assert logs
    for path in logs:
        os.utime(path, (1_000_000_000, 1_000_000_000))
    with engine.begin() as connection:
        for table in ("dag_run", "task_instance"):
            aged = f"UPDATE {table} SET start_date = start_date - interval '31 days'"
            assert connection.execute(sa.text(aged)).rowcount > 2

    stack.serve("maintenance")
    until(lambda: "log files deleted" in stack.tail("maintenance"), 120.0, "maintenance")
    stack.stop("maintenance")
    assert f"database cleaned, {len(logs)} log files deleted" in stack.tail("maintenance")
    with engine.connect() as connection:
        left = sa.text("SELECT count(*), count(DISTINCT dag_id) FROM dag_run")
        runs, dags = connection.execute(left).one()
    assert runs == dags, "Airflow keeps the last run of each DAG and no other"
