"""The health of a real Airflow: its own parts, PostgreSQL and workflows stop, and a monitor learns of it.

One installation serves all tests here; the fixture breaks one thing after the other and mends each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from sandbox.postgres import find_binaries, postgres_server
from sandbox.running import RunningSandbox, running_sandbox
from sandbox.stack import Stack
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents

pytestmark = [pytest.mark.slow(minutes=6), pytest.mark.postgres]

ROOT = Path(__file__).resolve().parents[2]
BASE = "appSandbox0000001"
TOKEN = "patSandbox"
SCOPES = ["data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write"]
DAGS = ("check_health", "publish_due_posts", "handle_incidents")
PATIENCE_S = 240.0
"""For processes on a busy machine; nothing here is about how long they take."""


@dataclass
class Watched:
    stack: Stack
    sandbox: RunningSandbox
    seen: dict[str, Any] = field(default_factory=dict)

    def ask(self, path: str = "/schedulo/health", *, login: bool = True) -> tuple[int, dict[str, Any]]:
        """What a monitor gets."""
        headers = {}
        if login:
            self.stack.api("GET", "/version")
            headers["Authorization"] = f"Bearer {self.stack._token}"
        answer = requests.get(f"{self.stack.url}{path}", headers=headers, timeout=60, allow_redirects=False)
        return answer.status_code, answer.json()

    def reds(self) -> list[str]:
        document = self.ask()[1]
        return [name for name, check in document.get("checks", {}).items() if check["status"] == "red"]

    def check(self) -> str:
        """Run check_health now, to its end; answers how it ended."""
        body = {"logical_date": None}
        run = self.stack.api("POST", "/dags/check_health/dagRuns", json=body)["dag_run_id"]
        path = f"/dags/check_health/dagRuns/{run}"
        until(lambda: self.stack.api("GET", path)["state"] in ("success", "failed"))
        return str(self.stack.api("GET", path)["state"])

    def check_until(self, condition: Callable[[], bool]) -> None:
        """Check again and again, as the schedule would, until it is so."""

        def so() -> bool:
            self.check()
            return condition()  # the answer of the page is at most two seconds old

        until(so)

    def pause(self, dag_id: str, paused: bool) -> None:
        self.stack.api("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def open(self) -> list[str]:
        """The keys of the incidents of checks that are open."""
        ledger = Ledger(self.stack.ledger)
        with ledger.read() as connection:
            query = sa.select(incidents.c.key).where(
                incidents.c.closed_ms.is_(None), incidents.c.key.startswith("health:")
            )
            keys = sorted(connection.execute(query).scalars())
        ledger.close()
        return keys


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(1.0)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if find_binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    home = tmp_path_factory.mktemp("health")
    dags = home / "dags"
    dags.mkdir()
    for name in DAGS:
        (dags / f"{name}.py").symlink_to(ROOT / "dags" / f"{name}.py")
    environment = {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "20",
    }
    with running_sandbox() as sandbox, postgres_server(fsync="off") as postgres:
        stack = Stack(home, sandbox.url, ledger_url=postgres.url, environment=environment)
        watched = Watched(stack, sandbox)
        start = {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
        base = {"id": BASE, "name": "Health", "tables": [start]}
        sandbox.seed(
            {"airtable": {"tokens": [{"token": TOKEN, "scopes": SCOPES, "bases": "*"}], "bases": [base]}}
        )
        sandbox.switch(airtable_requests_per_s="0")
        try:
            stack.prepare()
            stack.run("schedulo", "airtable", "create")
            stack.up()
            _play(watched, postgres)
            yield watched
        finally:
            stack.close()


def _play(watched: Watched, postgres: Any) -> None:
    seen, stack = watched.seen, watched.stack
    until(lambda: len(stack.api("GET", "/dags")["dags"]) == len(DAGS))
    watched.check_until(lambda: watched.ask()[0] == 200)
    seen["well"] = watched.ask()
    seen["for anybody"] = watched.ask(login=False)

    stack.stop("triggerer")
    watched.check_until(lambda: "airflow:triggerer" in watched.reds())
    seen["without a triggerer"] = (watched.ask(login=False), watched.reds(), watched.open())
    stack.start("triggerer", "airflow", "triggerer")
    watched.check_until(lambda: watched.reds() == [])
    seen["with a triggerer"] = (watched.ask()[0], watched.open())

    watched.pause("publish_due_posts", True)
    began = time.monotonic()
    until(lambda: watched.ask(login=False)[0] == 503)
    seen["paused"] = (time.monotonic() - began, watched.reds())
    watched.pause("publish_due_posts", False)
    until(lambda: watched.ask(login=False)[0] == 200)

    postgres.stop()
    until(lambda: watched.ask(login=False)[0] == 503)
    seen["without PostgreSQL"] = (watched.ask(), watched.check())
    postgres.start()
    watched.check_until(lambda: watched.ask()[0] == 200)
    seen["with PostgreSQL"] = (watched.reds(), watched.check())


def test_where_all_is_well_a_monitor_gets_200_and_who_logs_in_every_check(watched: Watched) -> None:
    status, document = watched.seen["well"]
    assert status == 200
    assert {"airtable", "airtable_schema", "media_url", "airflow:scheduler", "queue"} <= set(
        document["checks"]
    )
    assert document["checks"]["media_url"]["status"] == "green"
    assert document["checks"]["workflow:publish_due_posts"]["status"] == "green"


def test_without_a_login_the_colour_alone_is_told(watched: Watched) -> None:
    status, document = watched.seen["for anybody"]
    assert status == 200
    assert document in ({"status": "green"}, {"status": "yellow"})


def test_a_triggerer_that_stops_is_red_one_incident_and_green_again(watched: Watched) -> None:
    answer, reds, keys = watched.seen["without a triggerer"]
    assert answer == (503, {"status": "red"})
    assert reds == ["airflow:triggerer"]
    assert keys == ["health:airflow:triggerer"]
    assert watched.seen["with a triggerer"] == (200, [])


def test_publishing_that_is_paused_is_red_although_nobody_checks(watched: Watched) -> None:
    seconds, reds = watched.seen["paused"]
    assert reds == ["workflow:publish_due_posts"]
    assert seconds < 600  # two minutes after its last tick, on a machine that has time


def test_without_postgresql_the_document_is_red_and_checking_fails(watched: Watched) -> None:
    (status, document), state = watched.seen["without PostgreSQL"]
    assert (status, document["status"]) == (503, "red")
    assert list(document["checks"]) == ["ledger"]
    assert state == "failed"
    assert watched.seen["with PostgreSQL"] == ([], "success")


def test_every_dag_that_ran_left_its_mark(watched: Watched) -> None:
    ledger = Ledger(watched.stack.ledger)
    with ledger.read() as connection:
        names = set(connection.execute(sa.text("SELECT name FROM marks")).scalars())
    ledger.close()
    assert {"tick", "ran:check_health"} <= names
