"""Tokens over HTTP, behind Airflow's own login: who may bring them, what is understood, what never said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from schedulo.ledger.database import Ledger
from schedulo.publishing.aftercare import Means
from tests.plugins.test_reports_route import token as token
from tests.schedulo.conftest import ledger as ledger
from tests.schedulo.conftest import migrated_postgres as migrated_postgres
from tests.schedulo.conftest import migrated_sqlite as migrated_sqlite
from tests.schedulo.conftest import postgres_url as postgres_url
from tests.schedulo.tokens.house import House
from web import accounts as route

URL = f"{route.PREFIX}/tokens"
SECRET = "token-1"


@pytest.fixture
def house(ledger: Ledger, sandbox: Any) -> Iterator[House]:
    made = House(ledger, sandbox)
    made.account("x", "1")
    yield made
    made.close()


@pytest.fixture
def program(house: House) -> TestClient:
    """A program before Airflow with the application mounted as Airflow mounts it."""

    @contextmanager
    def means() -> Iterator[Means]:
        yield house.means()

    host = FastAPI()
    host.mount(route.PREFIX, route.build(means))
    return TestClient(host, "http://airflow.example.com", follow_redirects=False)


@pytest.fixture
def bring(program: TestClient, token: Callable[[str | None], str]) -> Callable[..., Any]:
    """Send a body in the name of somebody with a role."""

    def send(body: Any, role: str = "OP", **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"Authorization": f"Bearer {token(role)}", "Content-Type": "application/json"}
        return program.post(URL, content=content, headers=named | headers)

    return send


GIVEN = {"x:1": {"access_token": SECRET, "refresh_token": "refresh-1", "expires_in": 7200}}


def test_a_token_is_kept_and_the_answer_says_what_was_understood_without_it(
    house: House, bring: Callable[..., Any]
) -> None:
    answer = bring(GIVEN)
    assert answer.status_code == 200
    assert answer.json() == {
        "accounts": [
            {"account": "x:1", "kept": True, "said": "kept, as @user1", "name": "user1", "released": []}
        ]
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert house.vault.token("x:1") == SECRET
    with house.ledger.read() as connection:
        [author] = connection.exec_driver_sql("SELECT author FROM vault_audit").scalars()
    assert author == "somebody"


def test_what_its_platform_refuses_is_told_with_a_status_of_its_own(
    house: House, bring: Callable[..., Any]
) -> None:
    answer = bring({"x:1": {"access_token": "wrong-token"}})
    assert answer.status_code == 422
    [told] = answer.json()["accounts"]
    assert (told["kept"], "wrong-token" in answer.text) == (False, False)
    assert house.vault.get(["x:1"]) == {}


def test_tokens_that_are_only_tried_are_shown_to_their_platform_and_not_kept(
    house: House, program: TestClient, token: Callable[[str | None], str]
) -> None:
    headers = {"Authorization": f"Bearer {token('OP')}"}
    for given, status, said in (
        (GIVEN, 200, "would be kept, as @user1"),
        ({"x:1": {"access_token": "wrong-token"}}, 422, "not kept: X does not accept it"),
    ):
        answer = program.post(f"{URL}?dry_run=true", json=given, headers=headers)
        [told] = answer.json()["accounts"]
        assert (answer.status_code, told["kept"], told["released"]) == (status, False, [])
        assert told["said"].startswith(said)
    assert house.vault.get(["x:1"]) == {}
    answer = program.post(f"{URL}?dry_run=perhaps", json=GIVEN, headers=headers)
    assert (answer.status_code, SECRET in answer.text) == (422, False)
    assert answer.json()["detail"].startswith("dry_run: ")
    assert house.vault.get(["x:1"]) == {}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "The body is not JSON."),
        (b"\xff\xfe", 400, "The body is not JSON."),
        (b"[" * 100_000, 400, "The body is not JSON."),
        ({"x:1": {"acces_token": SECRET}}, 422, "there is no such field"),
        (b" " * (route.MOST_BYTES + 1), 413, "at most 1000000 bytes"),
    ],
    ids=["cut", "no text", "deep", "unknown field", "large"],
)
def test_what_cannot_be_understood_keeps_nothing(
    house: House, bring: Callable[..., Any], body: Any, status: int, words: str
) -> None:
    answer = bring(body)
    assert (answer.status_code, SECRET in answer.text) == (status, False)
    assert words in answer.json()["detail"]
    assert house.vault.get(["x:1"]) == {}


def test_a_form_is_refused_as_a_browser_could_be_made_to_send_it(bring: Callable[..., Any]) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert bring(GIVEN, **{"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize("role", ["VIEWER", "USER"])
def test_who_may_not_change_connections_may_bring_no_token(
    house: House, bring: Callable[..., Any], role: str
) -> None:
    assert bring(GIVEN, role).status_code == 403
    assert house.vault.get(["x:1"]) == {}


def test_without_a_token_of_airflow_nothing_is_read(house: House, program: TestClient) -> None:
    for headers in ({}, {"Authorization": "Bearer no.token.at-all"}, {"Authorization": "Basic YTpi"}):
        answer = program.post(URL, json=GIVEN, headers=headers)
        assert answer.status_code == 401
    assert house.vault.get(["x:1"]) == {}


def test_the_cookie_of_a_browser_counts_for_nothing(
    house: House, program: TestClient, token: Callable[[str | None], str]
) -> None:
    program.cookies.set("_token", token("ADMIN"))
    assert program.post(URL, json=GIVEN).status_code == 401
    assert house.vault.get(["x:1"]) == {}


def test_nothing_but_a_post_is_answered(program: TestClient, token: Callable[[str | None], str]) -> None:
    headers = {"Authorization": f"Bearer {token('ADMIN')}"}
    assert program.get(URL, headers=headers).status_code == 405


def test_no_token_is_logged(
    bring: Callable[..., Any], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level("DEBUG"):
        bring(GIVEN)
        bring({"x:1": {"access_token": "wrong-token"}})
    captured = capfd.readouterr()
    for secret in (SECRET, "refresh-1", "wrong-token"):
        assert secret not in caplog.text + captured.out + captured.err
