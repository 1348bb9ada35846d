"""`/schedulo/health` for monitors: colours for everybody, the rest behind Airflow's login."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient

from sandbox.stack import free_port
from schedulo.health.findings import Finding, Status
from schedulo.health.history import record
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import marks as marks_table
from schedulo_plugin import ScheduloPlugin, WithoutSlash
from tests.plugins.test_reports_route import token as token
from web import health as route

GREEN, YELLOW, RED = Status.GREEN, Status.YELLOW, Status.RED


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty ledger."""
    path = tmp_path_factory.mktemp("migrated") / "ledger.db"
    made = Ledger(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture
def ledger(migrated: Path, tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{shutil.copy(migrated, tmp_path / 'ledger.db')}")
    with ledger.begin() as connection:
        marks.mark(connection, ledger.now_ms(connection), "tick")
    yield ledger
    ledger.close()


def monitor(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A monitor before Airflow, with the application, the middleware and the page for all else as Airflow
    sets them up. The moment for which an answer is kept is over at once."""
    monkeypatch.setattr(route, "KEPT_S", 0.0)
    host = FastAPI()
    host.mount(route.PREFIX, route.build(ledger))
    host.get("/{rest:path}")(lambda rest: HTMLResponse("Airflow"))
    host.add_middleware(WithoutSlash)
    return TestClient(host, "http://airflow.example.com", follow_redirects=False)


@pytest.fixture
def asks(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    return monitor(ledger, monkeypatch)


def keep(ledger: Ledger, status: Status) -> None:
    record(ledger, [Finding("airtable", status, "It is so, says patSECRET's base.")], keep_days=14)


@pytest.mark.parametrize(("status", "code"), [(GREEN, 200), (YELLOW, 200), (RED, 503)])
def test_anybody_learns_the_colour_and_nothing_else(
    ledger: Ledger, asks: TestClient, status: Status, code: int
) -> None:
    keep(ledger, status)
    answer = asks.get("/schedulo/health")
    assert (answer.status_code, answer.json()) == (code, {"status": status.value})
    assert answer.headers["Cache-Control"] == "no-store"
    assert asks.head("/schedulo/health").status_code == code


def test_both_spellings_of_the_address_are_the_document_also_below_a_path(
    ledger: Ledger, asks: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(ledger, GREEN)
    assert asks.get("/schedulo/health/").json() == asks.get("/schedulo/health").json()
    assert asks.get("/schedulo/healthy").text == "Airflow"
    below = TestClient(asks.app, "http://airflow.example.com", root_path="/airflow")
    assert below.get("/airflow/schedulo/health").json() == {"status": "green"}


def test_who_is_logged_in_sees_all_of_it(
    ledger: Ledger, asks: TestClient, token: Callable[[str | None], str]
) -> None:
    keep(ledger, RED)
    bearer = {"Authorization": f"Bearer {token('VIEWER')}"}
    answer = asks.get("/schedulo/health", headers=bearer)
    assert answer.status_code == 503
    assert answer.json()["checks"]["airtable"]["status"] == "red"
    assert answer.json()["open_incidents"] == 1


@pytest.mark.parametrize("role", [None, "nobody's"])
def test_who_may_not_see_the_dag_or_has_a_wrong_token_sees_the_colour(
    ledger: Ledger, asks: TestClient, token: Callable[[str | None], str], role: str | None
) -> None:
    keep(ledger, GREEN)
    bearer = {"Authorization": f"Bearer {'no.token.at-all' if role else token(None)}"}
    answer = asks.get("/schedulo/health", headers=bearer)
    assert (answer.status_code, answer.json()) == (200, {"status": "green"})


def test_checks_that_have_stopped_are_red_without_anybody_running(ledger: Ledger, asks: TestClient) -> None:
    keep(ledger, GREEN)
    assert asks.get("/schedulo/health").status_code == 200
    with ledger.begin() as connection:
        old = sa.update(marks_table).where(marks_table.c.name == "health:checked")
        connection.execute(old.values(at_ms=marks_table.c.at_ms - 601_000))
    assert asks.get("/schedulo/health").status_code == 503


def test_without_the_ledger_it_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Ledger(f"postgresql://schedulo:sesame@127.0.0.1:{free_port()}/ledger")
    answer = monitor(lost, monkeypatch).get("/schedulo/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "red"})


def test_a_ledger_that_gives_no_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits holds a thread that Airflow's own calls need."""
    monkeypatch.setattr(route, "WAIT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(4) as pool:
        frozen = Ledger(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/ledger")
        asks = monitor(frozen, monkeypatch)
        asked = [pool.submit(asks.get, "/schedulo/health") for _ in range(4)]
        answered = [done.result().status_code for done in islice(as_completed(asked), 3)]
        assert answered == [503, 503, 503]
        assert sum(not one.done() for one in asked) == 1  # who asks the ledger
        silent.close()
    assert all(one.result().status_code == 503 for one in asked)


def test_however_often_it_is_asked_the_ledger_is_asked_now_and_then(ledger: Ledger) -> None:
    asked = []
    sa.event.listen(ledger.engine, "begin", asked.append)
    host = FastAPI()
    host.mount(route.PREFIX, route.build(ledger))
    client = TestClient(host)
    for _ in range(20):
        client.get(f"{route.PREFIX}/")
    assert len(asked) == 1


def test_the_plugin_serves_it_and_lets_it_be_asked_for_without_a_slash() -> None:
    assert route.PREFIX in {app["url_prefix"] for app in ScheduloPlugin.fastapi_apps}
    assert WithoutSlash in [item["middleware"] for item in ScheduloPlugin.fastapi_root_middlewares]
    assert route.PREFIX in WithoutSlash.PATHS
