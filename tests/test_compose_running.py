"""The services of docker-compose.yaml run here without containers, as `make stack` runs them.

The demo's posts go out while a triggerer and a worker are stopped; then comes what an operator does.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from rich.console import Console

from sandbox.compose.play import WORKER, Played, play
from sandbox.compose.services import AIRFLOW, STORES, TRIGGERERS, Composed, NotInstalled, composed
from sandbox.demo.stage import Stage
from sandbox.stack import ROOT
from tests import manifests

pytestmark = [pytest.mark.slow(minutes=8), pytest.mark.postgres, pytest.mark.timeout(1800)]


def until(ask: Callable[[], Any], patience_s: float, what: str) -> Any:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(1.0)
    pytest.fail(f"{what} did not happen in {patience_s:.0f} s")


def told(section: str) -> list[str]:
    """The commands that the guide gives there."""
    guide = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
    [text] = re.findall(rf"^## {section}\n(.*?)(?=^## )", guide, re.MULTILINE | re.DOTALL)
    return re.findall(r"^    (docker compose .*)$", text, re.MULTILINE)


def follow(stack: Composed, line: str) -> str:
    """Do what a line of the guide does, without containers; answers what it said."""
    _, _, verb, *words = shlex.split(line)
    if verb == "stop":
        for service in words:
            if service in stack.processes:
                stack.stop_service(service)
        return ""
    assert verb in ("exec", "run"), line
    service, *command = [word for word in words if word not in ("-T", "--rm", "--no-deps")]
    command = stack.native(service).command(command)
    if command and command[-2:][0] in ("<", ">"):
        sign, name = command[-2:]
        with (stack.home / name).open("rb" if sign == "<" else "wb") as file:
            return stack.finish(service, *command[:-2], **{"stdin" if sign == "<" else "stdout": file})
    return stack.finish(service, *command)


@pytest.fixture(scope="module")
def stack() -> Iterator[Composed]:
    """PostgreSQL, Redis and the sandbox."""
    with tempfile.TemporaryDirectory(prefix="schedulo-stack-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user and reads its rules here
        try:
            with composed(Path(folder)).standing() as stack:
                yield stack
        except NotInstalled as missing:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))


@pytest.fixture(scope="module")
def played(stack: Composed) -> Played:
    """All services ran, the posts went out, two were stopped and are started again."""
    stage = Stage(stack)
    stack.start_sandbox()
    stage.set_up()
    played = play(stage, stack, Console())
    for one in played.stopped:
        stack.serve(one.service)
    return played


def test_every_post_goes_out_once_though_a_triggerer_and_a_worker_are_stopped(played: Played) -> None:
    outcome = played.outcome
    assert [len(result.received) for result in outcome.results] == [1] * len(outcome.results)
    assert (outcome.duplicates, outcome.strangers, outcome.early) == (0, 0, 0)
    assert played.held > 0, "the triggerer that was stopped had posts to send"
    assert outcome.good


def test_what_is_stopped_ends_by_itself_within_its_grace(played: Played) -> None:
    names = {one.service for one in played.stopped}
    assert WORKER in names
    assert len(names & set(TRIGGERERS)) == 1
    assert [one for one in played.stopped if one.killed] == []


def test_media_are_prepared_in_the_queue_of_their_own(stack: Composed, played: Played) -> None:
    path = "/dags/prepare_posts/dagRuns/~/taskInstances?state=success&limit=500"
    found = stack.api("GET", path)["task_instances"]
    queues = {task["task_id"].removesuffix("_soon"): set() for task in found}
    for task in found:
        queues[task["task_id"].removesuffix("_soon")].add(task["queue"])
    assert queues["prepare"] == {"media"}
    assert queues["find"] == {"default"}


def test_a_login_through_the_proxy_gets_cookies_for_https_alone(stack: Composed, played: Played) -> None:
    host = stack.values["PUBLIC_URL"].removeprefix("http://")
    # The form is refused where the page that sends it is not on the host that gets it.
    headers = {"Host": host, "Referer": f"https://{host}/auth/login/", "X-Forwarded-Proto": "https"}
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


@pytest.mark.parametrize("service", [*STORES, "sandbox", *AIRFLOW])
def test_health_check_passes_on_a_healthy(service: str, stack: Composed, played: Played) -> None:
    stack.wait_until_healthy(service)


def test_no_secret_is_in_the_environment_or_the_command_of_a_process(stack: Composed, played: Played) -> None:
    import psutil

    secrets = {path.read_text().strip() for path in (stack.home / "secrets").iterdir()}
    for service in (*AIRFLOW, "redis", "sandbox"):
        process = psutil.Process(stack.processes[service].pid)
        for one in (process, *process.children()):
            try:
                seen = " ".join([*one.cmdline(), *one.environ().values()])
            except psutil.Error:
                continue
            assert not [secret for secret in secrets if secret in seen], service


def test_pods_of_ours_do_their_work_with_a_root_that_they_cannot_write_to(
    stack: Composed, played: Played
) -> None:
    for component, service, said in (
        ("prepare", "airflow-init", "x_default: connection already exists"),
        ("maintenance", "maintenance", "log files deleted"),
    ):
        command, environment = manifests.as_pod(stack, component, service)
        done = subprocess.run(
            command,
            env=environment,
            cwd=stack.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:]
        assert said in done.stdout
    command, environment = manifests.as_pod(stack, "watch", "watch")
    sign = stack.native("watch").folders["/tmp"] / "schedulo-watch"
    stack.stop_service("watch")
    sign.unlink(missing_ok=True)
    watch = subprocess.Popen(command, env=environment, cwd=stack.home)
    try:
        until(lambda: watch.poll() is not None or sign.exists(), 300, "a look of the watch")
        watch.terminate()
        assert watch.wait(60) == 0
    finally:
        watch.kill()
        stack.serve("watch")


def test_a_backup_is_made_and_restored_as_the_guide_says(stack: Composed, played: Played) -> None:
    engine = sa.create_engine(sa.make_url(stack.ledger_address).set(drivername="postgresql+psycopg"))
    media = stack.home / "volumes" / "media"
    states = "SELECT state, count(*) FROM deliveries GROUP BY state ORDER BY state"

    def kept() -> list[tuple[str, int]]:
        with engine.connect() as connection:
            return [(row.state, row.count) for row in connection.execute(sa.text(states))]

    now = datetime.now(UTC)
    for line in told("Back up"):
        follow(stack, line)
    before = kept()
    assert dict(before)["published"] > 10
    held = set(media.iterdir())
    assert held
    stop, *restore, up = told("Restore")
    follow(stack, stop)
    assert set(AIRFLOW) & set(stack.processes) == set()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE deliveries SET state = 'missed'"))
    shutil.rmtree(media)
    media.mkdir()
    engine.dispose()
    said = [follow(stack, line.replace("2026-12-24T17:00:00Z", f"{now:%FT%TZ}")) for line in restore]
    assert "x_default: connection already exists" in "".join(said), "what is there stays as it is"
    assert kept() == before
    assert set(media.iterdir()) == held
    assert up == "docker compose up -d"
    engine.dispose()


def test_health_checks_fail_where_no_triggerer_and_no_worker_is(stack: Composed, played: Played) -> None:
    assert not set(AIRFLOW) & set(stack.processes)

    def said_of(service: str) -> str:
        try:
            return stack.health(service, failing=True)
        except RuntimeError:  # who was cut off counts as alive until a minute has passed since its last beat
            return ""

    assert "No alive jobs" in until(lambda: said_of("triggerer-1"), 180, "the triggerer's end")
    stack.health(WORKER, failing=True)


def test_each_login_reaches_its_own_database_alone(stack: Composed, played: Played) -> None:
    url = sa.make_url(stack.ledger_address).set(drivername="postgresql+psycopg")
    for wrong in (url.set(database="airflow"), url.set(password="guess")):
        with pytest.raises(sa.exc.OperationalError, match=r"permission denied|authentication failed"):
            sa.create_engine(wrong).connect()


def test_maintenance_drops_what_is_too_old(stack: Composed, played: Played) -> None:
    engine = sa.create_engine((stack.home / "secrets" / "airflow_db_url").read_text().strip())
    logs = [path for path in (stack.home / "volumes" / "logs").rglob("run_id=*/**/*.log") if path.is_file()]
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
    assert f"{len(logs)} log files deleted" in stack.tail("maintenance")
    with engine.connect() as connection:
        left = sa.text("SELECT count(*), count(DISTINCT dag_id) FROM dag_run")
        runs, dags = connection.execute(left).one()
    assert runs == dags, "Airflow keeps the last run of each DAG and no other"
