"""`schedulo webhooks`: adding, showing, trying and ending subscribers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from commands.main import main
from hooks.webhooks import send_events
from schedulo.delivery.transitions import move
from schedulo.ledger.database import Ledger
from schedulo.model import State
from schedulo.settings import settings
from tests.receivers import Web, running_web
from tests.schedulo.delivery.conftest import Books
from tests.schedulo.webhooks.conftest import verified


@pytest.fixture
def web() -> Iterator[Web]:
    with running_web() as web:
        yield web


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Web) -> Iterator[Books]:
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    monkeypatch.setenv("SCHEDULO_VAULT_KEY", Fernet.generate_key().decode())
    monkeypatch.setenv("SCHEDULO_WEBHOOK_HOSTS", f"{web.address}, bridge.local:8080")
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
    yield Books(ledger, now_ms)
    ledger.close()
    settings.cache_clear()


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["webhooks", *arguments]) == code
    said = capsys.readouterr()
    return said.err if code and not said.out else said.out


def test_the_life_of_a_subscriber(books: Books, web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Nobody subscribes" in run(capsys, "list")
    first, secret = run(capsys, "add", f"http://{web.address}/hook?token=hush", "--name", "app").splitlines()
    id_ = first.partition(" ")[0]
    assert run(capsys, "test", id_) == "It answered 200: it takes events.\n"
    web.answers = [404]
    assert run(capsys, "test", id_, code=1) == "it answered 404\n"

    missed = books.add(State.SCHEDULED)
    with books.ledger.begin() as connection:
        move(connection, [missed], State.MISSED, updated_ms=books.now_ms)
    listed = run(capsys, "list")
    assert f"{id_}  app ({web.address}): active" in listed
    assert "1 wait" in listed
    assert "hush" not in listed
    assert secret not in listed
    assert list(send_events(books.ledger, "me")) == ["Subscribers to tell: 1", "app: took 1"]
    sent, body = web.raw[-1]
    assert verified(secret, sent, body)["data"]["delivery"] == missed

    run(capsys, "pause", id_)
    (one,) = json.loads(run(capsys, "list", "--json"))
    assert one["paused"].startswith("by ")
    assert run(capsys, "resume", id_) == f"{id_} is resumed; 0 events are sent to it.\n"
    assert run(capsys, "replay", id_) == f"0 events are sent to {id_} again.\n"
    assert (
        run(capsys, "replay", id_, "--since", "2026-01-01T00:00Z") == f"1 events are sent to {id_} again.\n"
    )
    assert "zone" in run(capsys, "replay", id_, "--since", "2026-01-01", code=1)
    assert run(capsys, "rotate", id_).splitlines()[1] != secret
    run(capsys, "remove", id_)
    assert "no such subscriber" in run(capsys, "pause", id_, code=1)


def test_what_cannot_be_subscribed_is_refused_with_what_to_do(
    books: Books, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "SCHEDULO_WEBHOOK_HOSTS" in run(capsys, "add", "http://127.0.0.1:1/", code=1)
    url = f"http://{web.address}/"
    assert "delivery.published" in run(capsys, "add", url, "--event", "published", code=1)
    assert "schedulo accounts list" in run(capsys, "add", url, "--account", "x:404", code=1)


def test_without_a_key_nothing_is_added(
    books: Books, web: Web, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCHEDULO_VAULT_KEY")
    settings.cache_clear()
    assert "SCHEDULO_VAULT_KEY" in run(capsys, "add", f"http://{web.address}/", code=1)
    assert books.run(sa.text("SELECT count(*) FROM subscribers")) == [(0,)]
