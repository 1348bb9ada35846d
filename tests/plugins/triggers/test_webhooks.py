"""The watcher that wakes who tells subscribers: it rings when something is to be sent, and never ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from schedulo.delivery.transitions import move
from schedulo.ledger.database import Ledger
from schedulo.ledger.subscribers import subscriber_sendings
from schedulo.model import State
from schedulo.settings import settings
from schedulo.vault import Vault
from schedulo.webhooks.subscribers import add
from tests.schedulo.delivery.conftest import Books
from triggers import webhooks
from triggers.webhooks import WebhooksTrigger

PATIENCE_S = 30


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setattr(webhooks, "LOOK_S", 0.02)
    monkeypatch.setattr(webhooks, "TROUBLE_S", 0.02)
    settings.cache_clear()
    yield tmp_path / "ledger.db"
    settings.cache_clear()


def something_is_to_be_sent() -> Ledger:
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        vault = Vault(ledger, Fernet.generate_key().decode())
        hosts = frozenset({"127.0.0.1:9"})
        add(connection, now_ms, vault, "http://127.0.0.1:9/", author="ann", allowed_hosts=hosts)
    id_ = Books(ledger, now_ms).add(State.SCHEDULED)
    with ledger.begin() as connection:
        move(connection, [id_], State.MISSED, updated_ms=now_ms)
    return ledger


def test_it_rings_once_for_what_is_to_be_sent_and_again_where_more_comes_after_it(path: Path) -> None:
    ledger = something_is_to_be_sent()

    async def watch() -> None:
        rings = WebhooksTrigger().run()
        ring = await asyncio.wait_for(anext(rings), PATIENCE_S)
        assert ring.payload == {"subscribers": 1}
        next_ring = asyncio.ensure_future(anext(rings))
        await asyncio.sleep(0.3)
        assert not next_ring.done()  # a run is on its way
        sendings = sa.update(subscriber_sendings)
        with ledger.begin() as connection:
            connection.execute(sendings.values(state="sent"))
        await asyncio.sleep(0.3)
        with ledger.begin() as connection:
            connection.execute(sendings.values(state="waiting"))
        await asyncio.wait_for(next_ring, PATIENCE_S)
        await rings.aclose()

    asyncio.run(watch())
    ledger.close()


def test_it_rings_again_where_nobody_came(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "AGAIN_S", 0.1)
    ledger = something_is_to_be_sent()

    async def watch() -> None:
        rings = WebhooksTrigger().run()
        for _ in range(3):
            await asyncio.wait_for(anext(rings), PATIENCE_S)
        await rings.aclose()

    asyncio.run(watch())
    ledger.close()


def test_it_outlives_a_ledger_that_is_not_there_yet(path: Path) -> None:
    async def watch() -> Ledger:
        rings = WebhooksTrigger().run()
        ring = asyncio.ensure_future(anext(rings))
        await asyncio.sleep(0.2)
        assert not ring.done()
        ledger = await asyncio.to_thread(something_is_to_be_sent)
        await asyncio.wait_for(ring, PATIENCE_S)
        await rings.aclose()
        return ledger

    asyncio.run(watch()).close()
