"""What became of a request, over HTTP: who may ask, and how runs and deliveries are told together.

Here Airflow's own calls are plain ones; tests/airflow/test_operator.py has the real ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

from schedulo.ledger.database import Ledger
from schedulo.model import State
from schedulo_plugin import ScheduloPlugin
from tests.airflow.bubble import Contract
from tests.plugins.test_reports_route import token as token
from tests.schedulo.conftest import ledger as ledger
from tests.schedulo.conftest import migrated_postgres as migrated_postgres
from tests.schedulo.conftest import migrated_sqlite as migrated_sqlite
from tests.schedulo.conftest import postgres_url as postgres_url
from tests.schedulo.delivery.conftest import Books
from web import requests as route

RECORD = "rec0123456789ABCD"
RUN = {
    "state": "success",
    "queued_at": "2026-11-26T04:19:40.115068Z",
    "end_date": None,
    "triggering_user_name": "ann",
    "conf": {"posts": [RECORD]},
}


@pytest.fixture
def left() -> dict[str, Any]:
    """What the task left: XComs by name."""
    return {}


@pytest.fixture
def program(ledger: Ledger, left: dict[str, Any], token: Callable[[str | None], str]) -> TestClient:
    host = FastAPI()
    routes = route.build(ledger)

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await routes({**scope, "schedulo.airflow": scope["app"]}, receive, send)

    runs = "/api/v2/dags/{dag}/dagRuns/{id_}"

    @host.get(runs)
    def run(id_: str, request: Request) -> JSONResponse:
        assert request.headers["authorization"].startswith("Bearer ")
        if id_ == "hidden":
            return JSONResponse({"detail": "Forbidden"}, 403)
        return JSONResponse({**RUN, "state": id_}) if id_ != "none" else JSONResponse({"detail": "no"}, 404)

    @host.get(f"{runs}/taskInstances/cancel/xcomEntries/{{name}}")
    def entry(name: str) -> JSONResponse:
        return JSONResponse({"value": left[name]}) if name in left else JSONResponse({"detail": "no"}, 404)

    host.mount(route.PREFIX, mounted)
    headers = {"Authorization": f"Bearer {token('VIEWER')}"}
    return TestClient(host, "http://airflow.example.com", headers=headers)


def asked(program: TestClient, id_: str, workflow: str = "cancel_posts") -> tuple[int, Any]:
    answer = program.get(f"{route.PREFIX}/{workflow}/{id_}")
    return answer.status_code, answer.json()


def test_a_run_its_answers_and_its_deliveries_are_told_together(
    ledger: Ledger, program: TestClient, left: dict[str, Any]
) -> None:
    id_ = Books(ledger).add(State.CANCELLED, post_id=RECORD)
    said = {"delivery_id": id_, "delivery": "x @a: b", "what": "cancelled", "answer": "cancelled"}
    left |= {"answers": [{**said, "permalink": None}], "summary": "1 of 1 deliveries are cancelled"}
    status, answer = asked(program, "success")
    assert (status, answer["state"], answer["by"]) == (200, "success", "ann")
    assert (answer["summary"], answer["problem"]) == ("1 of 1 deliveries are cancelled", None)
    assert [item["state"] for item in answer["deliveries"]] == ["cancelled"]
    Contract().hold_answer("getRequest", 200, answer)


def test_what_has_not_begun_is_told_as_it_is(program: TestClient) -> None:
    status, answer = asked(program, "queued")
    assert (status, answer["state"], answer["answers"], answer["problem"]) == (200, "queued", [], None)


def test_a_request_that_failed_says_why_or_where_to_look(program: TestClient, left: dict[str, Any]) -> None:
    assert "the operator sees why" in asked(program, "failed")[1]["problem"]
    left["problem"] = "posts (rec...): nobody knows them."
    assert asked(program, "failed")[1]["problem"] == "posts (rec...): nobody knows them."


@pytest.mark.parametrize(
    ("id_", "workflow", "status", "words"),
    [
        ("none", "cancel_posts", 404, "There is no request none of cancel_posts."),
        ("hidden", "cancel_posts", 403, "Forbidden"),
        ("success", "somebody_elses", 404, "There is no workflow somebody_elses"),
        ("a b", "cancel_posts", 422, "request_id: "),
        ("a" * 251, "cancel_posts", 422, "request_id: "),
    ],
)
def test_what_cannot_be_told_is_refused_in_one_shape(
    program: TestClient, id_: str, workflow: str, status: int, words: str
) -> None:
    code, answer = asked(program, id_, workflow)
    assert code == status
    assert answer["detail"].startswith(words)


def test_nobody_learns_anything_without_a_login(program: TestClient) -> None:
    for authorization in ("", "Bearer no.token.at-all"):
        answer = program.get(f"{route.PREFIX}/cancel_posts/success", headers={"Authorization": authorization})
        assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def test_the_plugin_serves_it() -> None:
    assert route.PREFIX in {app["url_prefix"] for app in ScheduloPlugin.fastapi_apps}
