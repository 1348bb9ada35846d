"""What stands before every page: headers, no other site's requests, slow guessing. In a real Airflow:
tests/airflow/test_roles.py."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient

from web import guard
from web.guard import ATTEMPTS, WINDOW_S, LoginAttempts, SafeHeaders, SameOrigin

HOST = "http://airflow.example.com"


def host() -> FastAPI:
    """An application in Airflow's place."""
    app = FastAPI()

    @app.get("/dags")
    def page() -> HTMLResponse:
        return HTMLResponse("<p>hello", headers={"Referrer-Policy": "origin"})

    @app.get("/schedulo/thing")
    def ours() -> HTMLResponse:
        return HTMLResponse("<p>hello", headers={"Cache-Control": "private"})

    @app.post("/auth/token")
    async def token(request: Request) -> dict[str, str]:
        if await request.body() != b"right":
            raise HTTPException(401)
        return {"access_token": "t"}

    @app.post("/api/v2/dags/publish_now/dagRuns")
    def start() -> dict[str, str]:
        return {"state": "queued"}

    return app


# --- headers --------------------------------------------------------------------------------------------


def test_every_answer_of_ours_has_all_headers_also_where_there_is_nothing() -> None:
    client = TestClient(SafeHeaders(host()), HOST)
    for path in ("/schedulo/thing", "/schedulo/nothing"):
        headers = client.get(path).headers
        for name in guard.OURS:
            assert len(headers.get_list(name.decode())) == 1
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY"


def test_what_a_page_says_itself_stays() -> None:
    client = TestClient(SafeHeaders(host()), HOST)
    assert client.get("/schedulo/thing").headers["Cache-Control"] == "private"
    assert client.get("/dags").headers["Referrer-Policy"] == "origin"


def test_airflows_pages_may_stand_in_their_own_frames_alone() -> None:
    headers = TestClient(SafeHeaders(host()), HOST).get("/dags").headers
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "frame-ancestors 'self'" in headers["Content-Security-Policy"]
    assert "cache-control" not in headers


# --- other sites ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "named",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HOST},
        {"Origin": "http://evil.example.com"},
        {"Origin": "null"},
        {"Origin": "http://airflow.example.com.evil.example"},
        {"Origin": "http://airflow.example.com:8080"},
    ],
)
def test_a_page_of_another_site_starts_nothing_with_somebodys_cookie(named: dict[str, str]) -> None:
    client = TestClient(SameOrigin(host()), HOST, cookies={"_token": "t"})
    answer = client.post("/api/v2/dags/publish_now/dagRuns", headers=named)
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("named", "cookies"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": HOST}, {"_token": "t"}),
        ({"Origin": HOST}, {"_token": "t"}),
        ({}, {"_token": "t"}),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://app.example.com"}, {}),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer t"}, {"other": "c"}),
    ],
)
def test_airflows_own_pages_and_programs_are_let_through(
    named: dict[str, str], cookies: dict[str, str]
) -> None:
    client = TestClient(SameOrigin(host()), HOST, cookies=cookies)
    assert client.post("/api/v2/dags/publish_now/dagRuns", headers=named).status_code == 200


def test_links_from_other_sites_lead_to_pages() -> None:
    client = TestClient(SameOrigin(host()), HOST, cookies={"_token": "t"})
    assert client.get("/dags", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


# --- guessing -------------------------------------------------------------------------------------------


class Door:
    """Somebody who tries passwords, and the clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.guarded = LoginAttempts(host(), lambda: self.now)

    def tries(self, password: str, address: str = "192.0.2.1") -> Any:
        self.now += 0.001
        client = TestClient(self.guarded, HOST, client=(address, 1))
        return client.post("/auth/token", content=password)


def test_an_address_that_failed_ten_times_waits_a_minute() -> None:
    door = Door()
    assert [door.tries("wrong").status_code for _ in range(ATTEMPTS)] == [401] * ATTEMPTS
    refused = door.tries("right")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= WINDOW_S
    assert door.tries("right", "192.0.2.2").status_code == 200
    door.now += WINDOW_S
    assert door.tries("right").status_code == 200


def test_right_passwords_count_for_nothing() -> None:
    door = Door()
    assert {door.tries("right").status_code for _ in range(3 * ATTEMPTS)} == {200}


def test_a_network_of_ipv6_is_one_address() -> None:
    door = Door()
    for number in range(ATTEMPTS):
        door.tries("wrong", f"2001:db8::{number:x}")
    assert door.tries("right", "2001:db8::ffff").status_code == 429
    assert door.tries("right", "2001:db8:0:1::1").status_code == 200
    assert door.tries("right", "::ffff:192.0.2.1").status_code == 200


def test_no_more_addresses_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "ADDRESSES", 3)
    door = Door()
    for number in range(20):
        door.tries("wrong", f"192.0.2.{number}")
    assert len(door.guarded._failed) == 3


def test_all_else_is_asked_as_often_as_one_likes() -> None:
    door = Door()
    client = TestClient(door.guarded, HOST)
    assert {client.get("/dags").status_code for _ in range(2 * ATTEMPTS)} == {200}
