"""Webhooks and pings over HTTP: what is taken, what is refused and with which words, and that nothing secret
is logged. In a real Airflow: tests/airflow/test_roles.py."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import requests
import sqlalchemy as sa
import uvicorn
from cryptography.fernet import Fernet
from fastapi import FastAPI
from fastapi.testclient import TestClient

from sandbox.running import RunningSandbox
from sandbox.stack import free_port
from schedulo.airtable.schema import POSTS
from schedulo.airtable.webhooks import Webhooks
from schedulo.delivery.listening import secret_of
from schedulo.ledger.database import Ledger
from schedulo.ledger.heard import platform_events
from schedulo.ledger.listening import airtable_webhooks
from schedulo.vault import Vault
from tests.sandbox.tiktok.conftest import Client, seed, video
from tests.schedulo.airtable.conftest import OneBase, base, clock, make_base  # noqa: F401
from tests.schedulo.airtable.test_pings import ID, mac, ping
from tests.schedulo.airtable.test_pings import SECRET as MAC
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


def served(
    ledger: Ledger, secrets: dict[str, str], mac_of: Callable[[str], str | None] = lambda _webhook_id: None
) -> Any:
    """The route behind its guard, mounted as Airflow mounts it."""
    host = FastAPI()
    host.mount("/schedulo/hooks", route.build(ledger, lambda: secrets, 300, mac_of))
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
        pytest.param(lambda: "", "must be t=", id="empty"),
        pytest.param(lambda: "t=1,s=nothing", "must be t=", id="no signature"),
        pytest.param(lambda: signed(body(), "wrong"), "no app", id="of another secret"),
        pytest.param(lambda: signed(body(publish_id="p2")), "no app", id="of another body"),
        pytest.param(
            lambda: signed(body(), at_s=time.time() - 86_400), "more than 300 seconds", id="a day old"
        ),
        pytest.param(
            lambda: signed(body(), at_s=time.time() + 86_400), "more than 300 seconds", id="a day ahead"
        ),
    ],
)
def test_what_is_forged_old_or_swapped_is_refused(
    tiktok: TestClient, ledger: Ledger, signature: Callable[[], str], words: str
) -> None:
    answer = send(tiktok, body(), signature())
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


# --- Airtable's pings -----------------------------------------------------------------------------------

PINGS = "/schedulo/hooks/airtable"
KEY = Fernet.generate_key().decode()


def listens(ledger: Ledger, webhook_id: str = ID, mac: str = MAC) -> None:
    """The ledger knows a webhook of Airtable's."""
    secret = Vault(ledger, KEY).seal({"mac": mac})
    values = {"base_id": "app00000000000001", "webhook_id": webhook_id, "secret": secret, "watched": {}}
    with ledger.begin() as connection:
        connection.execute(sa.delete(airtable_webhooks))
        connection.execute(sa.insert(airtable_webhooks).values(**values))


def pinged_ms(ledger: Ledger) -> int | None:
    with ledger.read() as connection:
        return connection.execute(sa.select(airtable_webhooks.c.pinged_ms)).scalar_one()


@pytest.fixture
def airtable(ledger: Ledger) -> TestClient:
    listens(ledger)
    mac_of = partial(secret_of, ledger, Vault(ledger, KEY))
    return TestClient(served(ledger, {}, mac_of), "http://airflow.example.com", follow_redirects=False)


def send_ping(client: TestClient, raw: bytes, signature: str) -> Any:
    return client.post(PINGS, content=raw, headers={"X-Airtable-Content-MAC": signature})


def test_a_ping_that_is_airtables_is_noted_and_answered_with_nothing(
    airtable: TestClient, ledger: Ledger
) -> None:
    answer = send_ping(airtable, ping(), mac(ping()))
    assert (answer.status_code, answer.content) == (204, b"")
    assert pinged_ms(ledger)


@pytest.mark.parametrize(
    ("raw", "signature"),
    [
        (ping(), mac(ping(), b"wrong")),
        (ping(), mac(b"{}")),
        (ping(), "none"),
        (ping("ach99999999999999"), mac(ping("ach99999999999999"))),
        (b"{}", mac(b"{}")),
        (b"", mac(b"")),
    ],
)
def test_a_ping_that_is_not_is_refused_and_not_noted(
    airtable: TestClient, ledger: Ledger, raw: bytes, signature: str
) -> None:
    answer = send_ping(airtable, raw, signature)
    assert (answer.status_code, pinged_ms(ledger)) == (401, None)
    assert "no webhook of this installation" in answer.json()["detail"]


def test_a_ping_without_a_signature_or_of_ten_megabytes_is_refused(airtable: TestClient) -> None:
    assert airtable.post(PINGS, content=ping()).status_code == 401
    large = b" " * 10_000_000
    assert send_ping(airtable, large, mac(large)).status_code == 413


def test_a_secret_that_no_key_opens_is_the_operators_to_mend(ledger: Ledger) -> None:
    listens(ledger)
    other = Vault(ledger, Fernet.generate_key().decode())
    answer = send_ping(TestClient(served(ledger, {}, partial(secret_of, ledger, other))), ping(), mac(ping()))
    assert (answer.status_code, pinged_ms(ledger)) == (503, None)
    assert MAC not in answer.text


def test_what_airtables_stand_in_pings_is_noted(
    ledger: Ledger,
    base: OneBase,  # noqa: F811
) -> None:
    mac_of = partial(secret_of, ledger, Vault(ledger, KEY))
    with listening(served(ledger, {}, mac_of)) as address:
        webhooks = Webhooks(base.client())
        made = webhooks.make(webhooks.watched(), address + PINGS)
        listens(ledger, made.id, made.secret)
        base.add(POSTS, {"Title": "One"})
        until(lambda: pinged_ms(ledger))
        assert webhooks.all()[0].notifies
