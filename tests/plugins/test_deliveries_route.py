"""How deliveries stand, over HTTP, behind Airflow's own login."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from schedulo.clock import iso
from schedulo.delivery.rows import tell_story
from schedulo.ledger.database import Ledger
from schedulo.model import State
from schedulo_plugin import ScheduloPlugin, WithoutSlash
from tests.plugins.test_reports_route import token as token
from tests.schedulo.conftest import ledger as ledger
from tests.schedulo.conftest import migrated_postgres as migrated_postgres
from tests.schedulo.conftest import migrated_sqlite as migrated_sqlite
from tests.schedulo.conftest import postgres_url as postgres_url
from tests.schedulo.delivery.conftest import Books
from web import deliveries as route

S = State
RECORD, OTHER = "rec0123456789ABCD", "rec0123456789EFGH"


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger)


@pytest.fixture
def program(ledger: Ledger, token: Callable[[str | None], str]) -> TestClient:
    """A program before Airflow with the application and the middleware as Airflow sets them up."""
    host = FastAPI()
    host.mount(route.PREFIX, route.build(ledger))
    host.add_middleware(WithoutSlash)
    headers = {"Authorization": f"Bearer {token('VIEWER')}"}
    return TestClient(host, "http://airflow.example.com", headers=headers, follow_redirects=False)


def asked(program: TestClient, **query: Any) -> list[str]:
    return [item["id"] for item in program.get(route.PREFIX, params=query).json()["deliveries"]]


def test_a_post_is_told_with_all_that_a_program_needs(books: Books, program: TestClient) -> None:
    link = "https://x.com/i/status/17"
    known = {"published_ms": books.now_ms + 7, "accepted_ms": books.now_ms + 5, "permalink": link}
    out = books.add(S.PUBLISHED, post_id=RECORD, title="Hello", attempts=1, **known)
    answer = program.get(route.PREFIX, params={"post": RECORD})
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.json() == {
        "deliveries": [
            {
                "id": out,
                "post": RECORD,
                "account": "x:1",
                "platform": "x",
                "title": "Hello",
                "state": "published",
                "reason": "",
                "warnings": "",
                "rests": True,
                "out": True,
                "due_at": iso(books.now_ms),
                "published_at": iso(books.now_ms + 7),
                "late_ms": 5,
                "permalink": link,
                "attempts": 1,
                "error": None,
                "updated_at": iso(books.now_ms),
            }
        ],
        "next": None,
    }


def test_what_is_given_must_all_be_true(books: Books, program: TestClient) -> None:
    mine = books.add(post_id=RECORD)
    elsewhere = books.add(S.FAILED, post_id=RECORD, account="facebook:2")
    others = books.add(S.FAILED, post_id=OTHER)
    assert asked(program, post=RECORD) == [mine, elsewhere]
    assert asked(program, post=[RECORD, OTHER]) == [mine, elsewhere, others]
    assert asked(program, account="x:1") == [mine, others]
    assert asked(program, account="x:1", state="failed") == [others]
    assert asked(program, post=RECORD, account="facebook:2", state=["failed", "missed"]) == [elsewhere]


def test_pages_follow_each_other_without_gap_or_repetition(books: Books, program: TestClient) -> None:
    ids = [books.add(due_ms=books.now_ms + (number // 2) * 1000) for number in range(7)]
    found, query = [], {"account": "x:1", "limit": 3}
    while True:
        answer = program.get(route.PREFIX, params=query).json()
        found += [item["id"] for item in answer["deliveries"]]
        assert len(answer["deliveries"]) <= 3
        if answer["next"] is None:
            break
        query["after"] = answer["next"]
    assert found == ids


def test_one_delivery_comes_with_its_story(books: Books, program: TestClient) -> None:
    id_ = books.add(S.FAILED, reason="X said no", error_kind="content_rejected")
    books.do(tell_story, [(id_, "it was sent"), (id_, "X said no")])
    answer = program.get(f"{route.PREFIX}/{id_}").json()
    assert (answer["id"], answer["reason"], answer["error"]) == (id_, "X said no", "content_rejected")
    assert [line["what"] for line in answer["story"]] == ["it was sent", "X said no"]
    assert answer["story"][0]["at"] == iso(books.now_ms)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "Nothing is asked for"),
        ({"state": "failed"}, "Nothing is asked for"),
        ({"post": "rec1"}, "post ('rec1')"),
        ({"account": "myspace:1"}, "account ('myspace:1')"),
        ({"account": "x:\0"}, "account ('x:\\x00')"),
        ({"post": RECORD, "state": "gone"}, "state ('gone')"),
        ({"post": RECORD, "limit": "201"}, "limit: "),
        ({"post": RECORD, "limit": "some"}, "limit: "),
        ({"post": RECORD, "after": "1;2"}, "after: "),
        ({"post": [RECORD] * 101}, "post (101 given)"),
    ],
)
def test_a_wrong_question_is_refused_by_name(program: TestClient, query: Any, words: str) -> None:
    answer = program.get(route.PREFIX, params=query)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(words)


def test_what_is_not_there_is_404_in_the_same_shape(program: TestClient) -> None:
    answer = program.get(f"{route.PREFIX}/d99")
    assert (answer.status_code, answer.json()) == (404, {"detail": "There is no delivery d99."})
    assert program.get(f"{route.PREFIX}/%00").status_code == 404  # which PostgreSQL takes in no text
    assert program.get(f"{route.PREFIX}/d99/story").json() == {"detail": "Not Found"}


@pytest.mark.parametrize("path", ["", "/", "/d1"])
def test_it_is_for_who_may_see_the_dag_that_publishes(
    program: TestClient, token: Callable[[str | None], str], path: str
) -> None:
    url = f"{route.PREFIX}{path}"
    for authorization, status in (("", 401), ("Bearer no.token.at-all", 401), (f"Bearer {token(None)}", 403)):
        answer = program.get(url, params={"post": RECORD}, headers={"Authorization": authorization})
        assert answer.status_code == status
        assert isinstance(answer.json()["detail"], str)


def test_without_the_ledger_it_says_so(program: TestClient) -> None:
    broken = Ledger("sqlite:////nowhere/at/all/ledger.db")
    host = FastAPI()
    host.mount(route.PREFIX, route.build(broken))
    answer = TestClient(host, headers=program.headers).get(f"{route.PREFIX}/d1")
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("The ledger cannot be asked now.")


def test_the_plugin_serves_it_and_lets_it_be_asked_for_without_a_slash() -> None:
    assert route.PREFIX in {app["url_prefix"] for app in ScheduloPlugin.fastapi_apps}
    assert route.PREFIX in WithoutSlash.PATHS
