"""TikTok's webhooks over HTTP: what is taken, what is refused and with which words, and that nothing secret
is logged. In a real Airflow: tests/airflow/test_roles.py."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sandbox.running import RunningSandbox
from sandbox.stack import free_port
from schedulo.ledger.database import Ledger
from schedulo.ledger.heard import platform_events
from tests.sandbox.tiktok.conftest import Client, seed, video
from tests.schedulo.conftest import ledger as ledger
from tests.schedulo.conftest import migrated_postgres as migrated_postgres
from tests.schedulo.conftest import migrated_sqlite as migrated_sqlite
from tests.schedulo.conftest import postgres_url as postgres_url
from tests.schedulo.platforms.tiktok_events import APP, SECRET, body, signed
from web import guard
from web import hooks as route
from web.guard import HOOK_ATTEMPTS, HookAttempts

URL = "/schedulo/hooks/tiktok"
SECRETS = {APP: SECRET, "other": "other-secret"}


def served(ledger: Ledger, secrets: dict[str, str]) -> Any:
    """The route behind its guard, mounted as Airflow mounts it."""
    host = FastAPI()
    host.mount("/schedulo/hooks", route.build(ledger, lambda: secrets, 300))
    return HookAttempts(host)


@pytest.fixture
def tiktok(ledger: Ledger) -> TestClient:
    return TestClient(served(ledger, SECRETS), "http://airflow.example.com", follow_redirects=False)


def send(client: TestClient, raw: bytes, signature: str | None = None) -> Any:
    headers = {"TikTok-Signature": signed(raw) if signature is None else signature}
    return client.post(URL, content=raw, headers=headers | {"Content-Type": "application/json"})


def kept(ledger: Ledger) -> list[Any]:
    with ledger.read() as connection:
        return list(connection.execute(sa.select(platform_events)))


def test_a_signed_event_is_taken_and_a_replayed_one_changes_nothing(
    tiktok: TestClient, ledger: Ledger
) -> None:
    raw = body()
    first = send(tiktok, raw)
    assert (first.status_code, first.content) == (200, b"")
    assert [send(tiktok, raw).status_code for _ in range(3)] == [200] * 3
    (row,) = kept(ledger)
    assert (row.times, row.account_key, row.event) == (4, "tiktok:open-1", "post.publish.complete")


def test_an_event_of_another_app_of_ours_is_taken_with_its_own_secret_alone(
    tiktok: TestClient, ledger: Ledger
) -> None:
    raw = body(app="other")
    assert send(tiktok, raw, signed(raw, "other-secret")).status_code == 200
    assert send(tiktok, raw, signed(raw, SECRET)).status_code == 401
    assert len(kept(ledger)) == 1


def test_unknown_events_are_taken_and_nothing_follows(tiktok: TestClient, ledger: Ledger) -> None:
    assert send(tiktok, body("something.new")).status_code == 200
    assert [(row.what, row.next_ms) for row in kept(ledger)] == [("other", None)]


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("", "must be t="),
        ("t=1,s=nothing", "must be t="),
        (signed(body(), "wrong"), "no app"),
        (signed(body(publish_id="p2")), "no app"),
        (signed(body(), at_s=time.time() - 86_400), "more than 300 seconds"),
        (signed(body(), at_s=time.time() + 86_400), "more than 300 seconds"),
    ],
)
def test_what_is_forged_old_or_swapped_is_refused(
    tiktok: TestClient, ledger: Ledger, signature: str, words: str
) -> None:
    answer = send(tiktok, body(), signature)
    assert answer.status_code == 401
    assert words in answer.json()["detail"]
    assert kept(ledger) == []


def test_without_a_signature_nothing_is_even_read(tiktok: TestClient) -> None:
    assert tiktok.post(URL, content=b"x" * 10_000_000).status_code == 401
    assert tiktok.get(URL).status_code == 405


def test_a_body_of_ten_megabytes_is_refused(tiktok: TestClient, ledger: Ledger) -> None:
    raw = b" " * 10_000_000
    assert send(tiktok, raw).status_code == 413
    assert kept(ledger) == []


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"\xff\xfe"])
def test_a_signed_body_that_is_no_event_is_refused(tiktok: TestClient, ledger: Ledger, raw: bytes) -> None:
    assert send(tiktok, raw).status_code == 400
    assert kept(ledger) == []


def test_without_a_secret_it_says_who_mends_that_and_tiktok_sends_again_later(ledger: Ledger) -> None:
    answer = send(TestClient(served(ledger, {})), body())
    assert answer.status_code == 503
    assert "The operator enters it" in answer.json()["detail"]


def test_a_ledger_that_is_away_is_no_fault_of_the_sender(tmp_path: Any) -> None:
    away = Ledger(f"sqlite:///{tmp_path / 'empty.db'}")
    client = TestClient(served(away, SECRETS))
    assert {send(client, body()).status_code for _ in range(HOOK_ATTEMPTS + 5)} == {503}
    away.close()


def test_nothing_secret_is_logged(tiktok: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for raw, signature in ((body(), None), (body(), signed(body(), "wrong")), (b"{}", None)):
            send(tiktok, raw, signature)
    said = caplog.text
    assert "post.publish.complete" in said
    for secret in (*SECRETS.values(), "p1", signed(body()).partition("s=")[2]):
        assert secret not in said


# --- how often ------------------------------------------------------------------------------------------


def test_an_address_that_sent_many_forged_ones_waits_and_others_do_not(ledger: Ledger) -> None:
    now = [1000.0]
    guarded = served(ledger, SECRETS)
    guarded._clock = lambda: now[0]
    forger = TestClient(guarded, client=("192.0.2.1", 1))
    forged = [send(forger, body(), signed(body(), "wrong")).status_code for _ in range(HOOK_ATTEMPTS + 1)]
    assert forged == [401] * HOOK_ATTEMPTS + [429]
    assert send(forger, body()).headers["Retry-After"]
    assert send(TestClient(guarded, client=("192.0.2.2", 1)), body()).status_code == 200
    now[0] += guard.WINDOW_S
    assert send(forger, body()).status_code == 200


def test_what_is_taken_counts_for_nothing(tiktok: TestClient) -> None:
    assert {send(tiktok, body(at_s=at_s)).status_code for at_s in range(HOOK_ATTEMPTS + 10)} == {200}


# --- from TikTok's stand-in -----------------------------------------------------------------------------


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """A real server for an application; its address."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def until(condition: Any, limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_what_tiktoks_stand_in_sends_is_taken_however_often_it_comes(
    ledger: Ledger, sandbox: RunningSandbox
) -> None:
    (client, *_) = seed(sandbox)["tiktok"]["clients"]
    with listening(served(ledger, {"audited": "secret"})) as address:
        account = {"account_id": "bob", "username": "bob", "token": "act.bob"}
        clients = [client | {"hook_url": f"{address}{URL}"}]
        sandbox.seed({"tiktok": {"clients": clients, "accounts": [account]}})
        sandbox.switch(tiktok_hook_repeats="2")
        publish_id = Client(sandbox).publish(video())
        sendings = sandbox.world.services["tiktok"].hooks.sendings
        until(lambda: [one.statuses for one in sendings] == [[200] * 3] * 2)
    assert {(row.handle, row.times, row.what) for row in kept(ledger)} == {
        (publish_id, 3, "goes_on"),
        (publish_id, 3, "named"),
    }


def test_a_large_body_is_refused_by_a_real_server_before_it_has_come_whole(ledger: Ledger) -> None:
    with listening(served(ledger, SECRETS)) as address:
        raw = b" " * 10_000_000
        try:
            answer = requests.post(
                address + URL, data=raw, headers={"TikTok-Signature": signed(raw)}, timeout=30
            )
        except requests.ConnectionError:
            return  # it hung up on what it does not want to read
        assert answer.status_code == 413
