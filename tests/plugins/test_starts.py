"""Starting a Dag over REST: what is refused before a run begins, and what a repeated call is answered.

Here Airflow's own route is a plain one; tests/airflow/test_operator.py has the real one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from schedulo.ledger.database import Ledger
from schedulo.planning.requests import WORKFLOWS, check, same
from schedulo_plugin import ScheduloPlugin, Starts
from tests.plugins.test_reports_route import token as token
from tests.schedulo.conftest import ledger as ledger
from tests.schedulo.conftest import migrated_postgres as migrated_postgres
from tests.schedulo.conftest import migrated_sqlite as migrated_sqlite
from tests.schedulo.conftest import postgres_url as postgres_url
from tests.schedulo.delivery.conftest import Books
from web import starts

RECORD = "rec0123456789ABCD"


@pytest.fixture
def runs() -> dict[str, Any]:
    """What reached Airflow, by Dag and id."""
    return {}


@pytest.fixture
def program(
    ledger: Ledger,
    token: Callable[[str | None], str],
    runs: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> TestClient:
    monkeypatch.setattr(starts, "_ledger", lambda: ledger)
    host = FastAPI()

    @host.post("/api/v2/dags/{dag}/dagRuns")
    async def begin(dag: str, request: Request) -> JSONResponse:
        body = await request.body()
        key = f"{dag}/{request.headers.get('x-id', '')}"
        if key in runs:
            return JSONResponse({"detail": {"reason": "Unique constraint violation"}}, 409)
        runs[key] = body
        return JSONResponse({"dag_id": dag}, 200, {"x-from": "Airflow"})

    @host.get("/api/v2/dags/{dag}/dagRuns/{id_}")
    def first(dag: str, id_: str, request: Request) -> JSONResponse:
        if f"{dag}/{id_}" not in runs:
            return JSONResponse({"detail": "no such run"}, 404)
        assert request.headers["authorization"].startswith("Bearer ")
        return JSONResponse({"dag_run_id": id_, "conf": {"posts": [RECORD]}})

    host.add_middleware(Starts)
    headers = {"Authorization": f"Bearer {token('OP')}"}
    return TestClient(host, "http://airflow.example.com", headers=headers)


def begin(program: TestClient, conf: Any, dag: str = "publish_now", id_: str = "one", **headers: str) -> Any:
    body = {"dag_run_id": id_, "logical_date": None, "conf": conf}
    return program.post(f"/api/v2/dags/{dag}/dagRuns", json=body, headers={"x-id": id_, **headers})


@pytest.mark.parametrize(
    ("dag", "conf", "words"),
    [
        ("publish_now", {"posts": [RECORD], "dryrun": True}, "dryrun: there is no such field"),
        ("publish_now", {"posts": RECORD * 2}, "posts ("),
        ("publish_now", {}, "posts (0 given)"),
        ("publish_now", {"posts": [f"rec0123456789A{n:03}" for n in range(101)]}, "posts (101 given)"),
        ("publish_now", {"posts": [RECORD], "dry_run": "false"}, "dry_run ('false')"),
        ("retry_deliveries", {}, "Nothing chooses the posts"),
        ("retry_deliveries", {"platforms": ["x"], "limit": 0}, "limit (0)"),
        ("retry_deliveries", {"deliveries": ["d99"]}, "deliveries (d99): nobody knows them"),
        ("cancel_posts", {"posts": [RECORD]}, f"posts ({RECORD}): nobody knows them"),
        ("take_down_posts", {"accounts": ["x:1"]}, "Nothing chooses the posts"),
        ("resolve_delivery", {"delivery": "d99", "answer": "it is out"}, "link ('')"),
        ("resolve_delivery", {"delivery": "d99", "answer": "it is not out, send it"}, "deliveries (d99)"),
        ("emergency_stop", {"what": "platform:twitter", "reason": "r"}, "platform:twitter: there is no such"),
        ("emergency_stop", {"what": f"post:{RECORD}", "reason": "r"}, f"post:{RECORD}: no delivery"),
        ("emergency_stop", {"what": "everything"}, "reason: it is empty"),
        ("emergency_stop", None, "reason: it is empty"),
    ],
)
def test_what_its_workflow_would_refuse_begins_no_run(
    program: TestClient, runs: dict[str, Any], dag: str, conf: Any, words: str
) -> None:
    answer = begin(program, conf, dag)
    assert (answer.status_code, runs) == (422, {})
    assert answer.json()["detail"].startswith(words)


def test_what_can_be_understood_reaches_airflow_as_it_was_written(
    program: TestClient, runs: dict[str, Any]
) -> None:
    body = b'{ "logical_date":null,"conf" : {"posts":["' + RECORD.encode() + b'"]} }'
    answer = program.post("/api/v2/dags/publish_now/dagRuns", content=iter([body[:9], body[9:]]))
    assert (answer.status_code, answer.headers["x-from"]) == (200, "Airflow")
    assert runs == {"publish_now/": body}


def test_the_same_request_again_is_answered_with_the_first_run(program: TestClient) -> None:
    assert begin(program, {"posts": [RECORD]}).json() == {"dag_id": "publish_now"}
    for conf in ({"posts": [RECORD]}, {"posts": [f" {RECORD} "], "accounts": None, "dry_run": False}):
        again = begin(program, conf)
        assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
        assert again.json()["dag_run_id"] == "one"


def test_an_id_that_was_used_for_another_request_stays_a_conflict(program: TestClient) -> None:
    begin(program, {"posts": [RECORD]})
    answer = begin(program, {"posts": [RECORD], "dry_run": True})
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("dag_run_id (one): it was used for another request before.")


def test_a_conflict_about_anything_else_is_airflows_to_explain(
    program: TestClient, runs: dict[str, Any]
) -> None:
    runs["publish_now/two"] = b""
    body = {"logical_date": "2026-11-26T00:00:00Z", "conf": {"posts": [RECORD]}}
    for given in (body, {**body, "dag_run_id": "another"}):
        answer = program.post("/api/v2/dags/publish_now/dagRuns", json=given, headers={"x-id": "two"})
        assert answer.status_code == 409
        assert answer.json() == {"detail": {"reason": "Unique constraint violation"}}


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"conf": 1}', b"[" * 100_000, b"\xff"])
def test_what_is_no_request_at_all_is_airflows_to_refuse(
    program: TestClient, runs: dict[str, Any], body: bytes
) -> None:
    program.post("/api/v2/dags/publish_now/dagRuns", content=body)
    assert runs == {"publish_now/": body}


def test_a_body_that_is_too_large_is_not_read_to_its_end(program: TestClient, runs: dict[str, Any]) -> None:
    answer = program.post("/api/v2/dags/publish_now/dagRuns", content=b" " * (starts.MOST_BYTES + 1))
    assert (answer.status_code, runs) == (413, {})


@pytest.mark.parametrize("role", ["VIEWER", None])
def test_who_may_not_start_it_is_answered_by_airflow_and_learns_nothing(
    program: TestClient, runs: dict[str, Any], token: Callable[[str | None], str], role: str | None
) -> None:
    begin(program, {"dryrun": 1}, Authorization=f"Bearer {token(role)}")
    begin(program, {"dryrun": 1}, id_="two", Authorization="")
    assert list(runs) == ["publish_now/one", "publish_now/two"]


def test_other_dags_and_other_calls_are_left_alone(program: TestClient, runs: dict[str, Any]) -> None:
    begin(program, {"anything": 1}, "somebody_elses")
    assert list(runs) == ["somebody_elses/one"]
    assert program.get(f"/api/v2/dags/publish_now/dagRuns/{RECORD}").status_code == 404


def test_below_a_path_of_its_own_it_is_the_same(
    program: TestClient, token: Callable[[str | None], str]
) -> None:
    headers = {"Authorization": f"Bearer {token('OP')}"}
    below = TestClient(program.app, "http://airflow.example.com", root_path="/airflow", headers=headers)
    answer = below.post("/airflow/api/v2/dags/publish_now/dagRuns", json={"conf": {"nothing": 1}})
    assert answer.status_code == 422


def test_without_the_ledger_the_run_itself_says_what_is_wrong(
    program: TestClient, runs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts, "_ledger", lambda: Ledger("sqlite:////nowhere/at/all/ledger.db"))
    assert begin(program, {"what": "everything", "reason": "stop"}, "emergency_stop").status_code == 200
    assert list(runs) == ["emergency_stop/one"]


def test_names_that_are_known_pass(ledger: Ledger) -> None:
    id_ = Books(ledger).add(post_id=RECORD)
    for workflow, conf in {
        "publish_now": {"posts": [RECORD]},
        "rehearse_posts": {"posts": [RECORD], "where": "nothing"},
        "retry_deliveries": {"deliveries": [id_], "accounts": ["x:1"]},
        "cancel_posts": {"posts": [RECORD], "dry_run": True},
        "resolve_delivery": {"delivery": id_, "answer": "it is not out, send it"},
        "take_down_posts": {"posts": [RECORD], "action": "edit"},
        "emergency_stop": {"action": "release", "what": "account:x:1"},
    }.items():
        check(ledger, workflow, conf)
        assert same(workflow, conf, dict(reversed(conf.items())))
        assert not same(workflow, conf, {**conf, "dry_run": not conf.get("dry_run")})


def test_every_dag_that_is_started_by_hand_is_among_them_and_registered() -> None:
    assert Starts in [item["middleware"] for item in ScheduloPlugin.fastapi_root_middlewares]
    assert {"publish_now", "emergency_stop", "cancel_posts"} <= set(WORKFLOWS)
