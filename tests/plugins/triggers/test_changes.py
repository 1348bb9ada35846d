"""The watcher that wakes who reads changed rows: when it rings, and that it never ends."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from schedulo.airtable.changes import webhook_of
from schedulo.airtable.schema import POSTS
from schedulo.airtable.webhooks import Webhooks
from schedulo.ledger import changes as ledger_changes
from schedulo.ledger.changes import Waiting
from schedulo.ledger.database import Ledger
from schedulo.ledger.listening import airtable_webhooks
from schedulo.settings import settings
from tests.schedulo.airtable.conftest import TOKEN, OneBase, base, clock, make_base  # noqa: F401
from triggers import changes
from triggers.changes import AGAIN_MAX_S, AGAIN_S, GAP_S, LATE_S, Bell, ChangesTrigger

PATIENCE_S = 30


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setattr(changes, "LOOK_S", 0.02)
    monkeypatch.setattr(changes, "TROUBLE_S", 0.02)
    settings.cache_clear()
    yield tmp_path / "ledger.db"
    settings.cache_clear()


def hear() -> Ledger:
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    with ledger.begin() as connection:
        ledger_changes.hear(connection, ledger.now_ms(connection), [("Posts", "rec0123456789ABCD")])
    return ledger


def test_what_nobody_takes_rings_ever_more_seldom() -> None:
    bell = Bell()
    rung = [at_s for at_s in range(2000) if bell.rings(Waiting(1, 5, 5), at_s)]
    waits = [later - earlier for earlier, later in itertools.pairwise(rung)]
    assert rung[0] == 0
    assert waits[:3] == [AGAIN_S, 2 * AGAIN_S, 4 * AGAIN_S]
    assert max(waits) == AGAIN_MAX_S
    assert bell.rings(Waiting(2, 6, 5), rung[-1] + LATE_S), "something new came"


def test_what_is_heard_while_a_run_is_on_its_way_goes_with_that_run() -> None:
    bell = Bell()
    assert bell.rings(Waiting(1, 5, 5), 0.0)
    assert not bell.rings(Waiting(2, 6, 5), LATE_S - 1)
    assert bell.rings(Waiting(3, 7, 5), LATE_S), "it takes too long"


def test_what_is_heard_after_a_run_has_read_rings_soon() -> None:
    bell = Bell()
    assert bell.rings(Waiting(1, 5, 5), 0.0)
    assert not bell.rings(Waiting(1, 6, 6), 0.9 * GAP_S)
    assert bell.rings(Waiting(1, 6, 6), GAP_S)
    assert not bell.rings(Waiting(0, 0, 0), 100.0)
    assert bell.rings(Waiting(1, 7, 7), 100.0)


def test_it_rings_for_rows_that_wait_and_is_silent_once_they_were_read(path: Path) -> None:
    ledger = hear()

    async def watch() -> None:
        rings = ChangesTrigger().run()
        ring = await asyncio.wait_for(anext(rings), PATIENCE_S)
        assert ring.payload == {"rows": 1}
        with ledger.begin() as connection:
            now_ms = ledger.now_ms(connection)
            ledger_changes.read(connection, "Posts", None, now_ms)
        again = asyncio.ensure_future(anext(rings))
        await asyncio.sleep(0.3)
        assert not again.done()
        await asyncio.to_thread(hear)
        await asyncio.wait_for(again, PATIENCE_S)
        await rings.aclose()

    asyncio.run(watch())
    ledger.close()


def test_it_outlives_a_ledger_that_is_not_there_yet(path: Path) -> None:
    async def watch() -> Ledger:
        rings = ChangesTrigger().run()
        ring = asyncio.ensure_future(anext(rings))
        await asyncio.sleep(0.2)
        assert not ring.done()
        ledger = await asyncio.to_thread(hear)
        await asyncio.wait_for(ring, PATIENCE_S)
        await rings.aclose()
        return ledger

    asyncio.run(watch()).close()


def test_a_token_that_was_replaced_is_used_without_a_start_and_the_webhook_stays(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    base: OneBase,  # noqa: F811
) -> None:
    base.sandbox.switch(airtable_requests_per_s="0")
    monkeypatch.setattr(changes, "KNOWN_S", 0.05)
    monkeypatch.setenv("SCHEDULO_AIRTABLE_CHANGES", "poll")
    monkeypatch.setenv("SCHEDULO_AIRTABLE_CHANGES_POLL_S", "1")
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    settings.cache_clear()

    def connect(token: str) -> None:
        host = base.sandbox.service("airtable")
        parts = {"host": host, "password": token, "extra": {"base_id": base.base_id}}
        monkeypatch.setenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", json.dumps({"conn_type": "airtable", **parts}))

    def refused() -> bool:
        return any("payloads" in row["route"] for row in base.sandbox.requests())

    webhooks = Webhooks(base.client())
    watched = webhooks.watched()
    made = webhooks.make(watched, "")
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    row = {"base_id": base.base_id, "webhook_id": made.id, "watched": watched, "cursor": 1}
    with ledger.begin() as connection:
        connection.execute(sa.insert(airtable_webhooks).values(**row))
    base.add(POSTS, {"Title": "One"})
    connect("patOLD.ended")

    async def watch() -> None:
        rings = ChangesTrigger().run()
        ring = asyncio.ensure_future(anext(rings))
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(refused):
                await asyncio.sleep(0.05)
        assert not ring.done()
        connect(TOKEN)
        await asyncio.wait_for(ring, PATIENCE_S)
        await rings.aclose()

    asyncio.run(watch())
    found = webhook_of(ledger, base.base_id)
    assert found is not None
    assert found.webhook_id == made.id
    ledger.close()
