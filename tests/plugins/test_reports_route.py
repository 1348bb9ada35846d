"""The reports behind Airflow's login: its own tokens, checked by its own code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airflow.api_fastapi.app import get_auth_manager
from fastapi import FastAPI
from fastapi.testclient import TestClient

from schedulo.analytics.shelf import Shelf
from web import reports as route

REPORT = "week-2026-w48.html"
PAGE = "<!doctype html><title>The week</title>"


@pytest.fixture(scope="module")
def token() -> Iterator[Callable[[str | None], str]]:
    """Makes the token of a user with a role, as Airflow's login does."""
    from airflow import settings as airflow
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.models.revoked_token import RevokedToken

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret of the tests " * 4)
        airflow.initialize()
        RevokedToken.__table__.create(airflow.get_engine(), checkfirst=True)
        manager = init_auth_manager()
        yield lambda role: manager.generate_jwt(SimpleAuthManagerUser(username="somebody", role=role))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.keep(REPORT, PAGE)
    return shelf


@pytest.fixture
def browser(shelf: Shelf) -> TestClient:
    """A browser before Airflow with the application mounted as Airflow mounts it."""
    host = FastAPI()
    host.mount(route.PREFIX, route.build(shelf))
    return TestClient(
        host, "http://airflow.example.com", headers={"Accept": "text/html"}, follow_redirects=False
    )


@pytest.fixture
def viewer(browser: TestClient, token: Callable[[str | None], str]) -> TestClient:
    browser.cookies.set("_token", token("VIEWER"))
    return browser


def test_who_is_logged_in_sees_a_report(viewer: TestClient) -> None:
    answer = viewer.get(f"{route.PREFIX}/{REPORT}")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_report_may_run_nothing_load_nothing_and_stand_in_no_frame(viewer: TestClient) -> None:
    headers = viewer.get(f"{route.PREFIX}/{REPORT}").headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "allow-scripts" not in policy["sandbox"]
    assert "allow-same-origin" not in policy["sandbox"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, no-cache"


def test_a_program_sees_it_with_its_token(browser: TestClient, token: Callable[[str | None], str]) -> None:
    bearer = {"Authorization": f"Bearer {token('VIEWER')}"}
    assert browser.get(f"{route.PREFIX}/{REPORT}", headers=bearer).status_code == 200


@pytest.mark.parametrize("cookie", ["", "no.token.at-all"])
def test_who_is_not_logged_in_is_sent_to_the_login_and_back(
    browser: TestClient, token: Callable[[str | None], str], cookie: str
) -> None:
    if cookie:
        browser.cookies.set("_token", cookie)
    answer = browser.get(f"{route.PREFIX}/{REPORT}")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/api/v2/auth/login?next=%2Fschedulo%2Freports%2F{REPORT}"
    assert PAGE not in answer.text


def test_below_a_path_of_its_own_airflows_login_is_found_too(shelf: Shelf) -> None:
    host = FastAPI(root_path="/airflow")
    host.mount(route.PREFIX, route.build(shelf))
    browser = TestClient(host, headers={"Accept": "text/html"}, follow_redirects=False, root_path="/airflow")
    answer = browser.get(f"/airflow{route.PREFIX}/{REPORT}")
    assert answer.headers["Location"].startswith("/airflow/api/v2/auth/login?next=%2Fairflow%2Fschedulo%2F")


def test_a_program_without_a_token_is_told_so(browser: TestClient) -> None:
    answer = browser.get(f"{route.PREFIX}/{REPORT}", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})


def test_who_may_see_no_dags_sees_no_reports(browser: TestClient, token: Callable[[str | None], str]) -> None:
    browser.cookies.set("_token", token(None))
    for path in (REPORT, ""):
        answer = browser.get(f"{route.PREFIX}/{path}")
        assert answer.status_code == 403
        assert "summarise_week" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["week-2026-w01.html", "..%2Fledger.db", "%2e%2e", "notes.txt"])
def test_what_is_no_report_is_not_there(viewer: TestClient, shelf: Shelf, name: str) -> None:
    (shelf.folder / "notes.txt").write_text("a person's")
    assert viewer.get(f"{route.PREFIX}/{name}").status_code in (404, 405)


def test_the_reports_are_listed_the_youngest_first(viewer: TestClient, shelf: Shelf) -> None:
    shelf.keep("report-2026-11-30.html", PAGE)
    answer = viewer.get(f"{route.PREFIX}/")
    assert answer.text.index("report-2026-11-30.html") < answer.text.index(REPORT)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_an_empty_shelf_says_so(viewer: TestClient, shelf: Shelf) -> None:
    (shelf.folder / REPORT).unlink()
    assert "None is kept yet" in viewer.get(f"{route.PREFIX}/").text


def test_each_sees_the_reports_of_the_dags_that_they_may_see(
    viewer: TestClient, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.keep("errors-2026-11-30.html", PAGE)
    assert "errors-2026-11-30" in viewer.get(f"{route.PREFIX}/").text
    manager = get_auth_manager()
    theirs = (route.DAG_ID, route.MADE_BY["errors"])
    monkeypatch.setattr(manager, "is_authorized_dag", lambda *, details, **_: details.id == theirs[0])
    assert "errors-2026-11-30" not in viewer.get(f"{route.PREFIX}/").text
    assert viewer.get(f"{route.PREFIX}/errors-2026-11-30.html").status_code == 403
    monkeypatch.setattr(manager, "is_authorized_dag", lambda *, details, **_: details.id == theirs[1])
    seen = viewer.get(f"{route.PREFIX}/").text
    assert "errors-2026-11-30" in seen
    assert REPORT not in seen
