"""Pausing a Dag that programs start. That the app on top is refused: tests/airflow/test_roles.py, with the
auth manager that knows such roles."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from schedulo_plugin import Pauses
from tests.plugins.test_reports_route import token as token


@pytest.fixture
def airflow() -> TestClient:
    """Airflow's place: its own answer would be 200."""
    host = FastAPI()

    @host.patch("/api/v2/dags")
    @host.patch("/api/v2/dags/{dag}")
    def change(dag: str = "many") -> dict[str, str]:
        return {"paused": dag}

    @host.get("/api/v2/dags/{dag}")
    def look(dag: str) -> dict[str, str]:
        return {"dag": dag}

    host.add_middleware(Pauses)
    return TestClient(host, "http://airflow.example.com", follow_redirects=True)


PATHS = ["/api/v2/dags/publish_now", "/api/v2/dags/publish%5Fnow/", "/api/v2/dags?dag_id=publish_now"]


@pytest.mark.parametrize("path", PATHS)
def test_who_may_not_edit_all_dags_pauses_none_that_programs_start(
    airflow: TestClient, token: Callable[[str | None], str], path: str
) -> None:
    named = {"Authorization": f"Bearer {token('VIEWER')}"}
    answer = airflow.patch(path, json={"is_paused": True}, headers=named)
    assert answer.status_code == 403
    assert "An operator does it" in answer.json()["detail"]


@pytest.mark.parametrize("path", PATHS)
def test_an_operator_pauses_them(airflow: TestClient, token: Callable[[str | None], str], path: str) -> None:
    named = {"Authorization": f"Bearer {token('OP')}"}
    assert airflow.patch(path, json={"is_paused": True}, headers=named).status_code == 200


def test_all_else_is_airflows_to_answer(airflow: TestClient, token: Callable[[str | None], str]) -> None:
    named = {"Authorization": f"Bearer {token('VIEWER')}"}
    assert airflow.patch("/api/v2/dags/another", json={}, headers=named).status_code == 200
    assert airflow.get("/api/v2/dags/publish_now", headers=named).status_code == 200
    assert airflow.patch("/api/v2/dags/publish_now", json={}).status_code == 200, "nobody is Airflow's"
