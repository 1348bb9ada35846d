"""Telling people from a task, and waking the task that does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.execution_time.context import OutletEventAccessors

from operators.notify import INCIDENTS_ALIAS, INCIDENTS_URI, NotifyOperator, wake_if_needed
from sandbox.running import RunningSandbox
from schedulo.airtable.base import create_base
from schedulo.delivery.incidents import Trouble, incident
from schedulo.errors.kinds import Actor
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries, notices, outbox
from schedulo.settings import settings
from tests.receivers import Web, running_web
from tests.skipping import calls_at_once


@pytest.fixture
def web() -> Iterator[Web]:
    with running_web() as found:
        yield found


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Web) -> Iterator[Ledger]:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("SCHEDULO_NOTIFY_OPERATOR", "team")
    config = {"config": {"path": f"json://{web.address}/hook"}}
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "apprise", "extra": config}))
    monkeypatch.delenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", raising=False)
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def fail_a_post(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        account = {"key": "x:1", "platform": "x", "account_id": "1", "name": "acme", "options": {}}
        connection.execute(sa.insert(accounts).values(**account, updated_ms=now_ms))
        instants = dict.fromkeys(("due_ms", "fire_ms", "not_after_ms", "seen_ms", "updated_ms"), now_ms)
        row = {"id": "d1", "post_id": "recPost", "account_key": "x:1", "platform": "x", "state": "failed"}
        more = {"label": "x @acme: Hello", "content": {}, "content_hash": ""}
        connection.execute(sa.insert(deliveries).values(**row, **more, **instants))
        connection.execute(sa.insert(outbox).values(key="d1", record_id="recDelivery", changed_ms=now_ms))
        incident(connection, now_ms, Trouble.FAILED, "it is so", actor=Actor.OPERATOR, cases=["d1"])


def tell() -> None:
    NotifyOperator(task_id="tell").execute({"ti": SimpleNamespace(id="ti")})  # type: ignore[typeddict-item]


def woken(ledger: Ledger) -> list[Any]:
    """What an event of the asset, if there was one, was about."""
    events = OutletEventAccessors()
    wake_if_needed(ledger, events)
    return [event.dest_asset_key.name for event in events[INCIDENTS_ALIAS].asset_alias_events]


def test_a_failed_post_wakes_and_is_told_once(ledger: Ledger, web: Web) -> None:
    assert woken(ledger) == []
    fail_a_post(ledger)
    assert woken(ledger) == [INCIDENTS_URI]
    tell()
    tell()
    assert [got["title"] for got in web.got] == ["Posts could not be published (1 post): x @acme: Hello"]
    assert woken(ledger) == []


def test_a_channel_that_fails_does_not_fail_the_task_and_is_told_later(ledger: Ledger, web: Web) -> None:
    web.status = 503
    fail_a_post(ledger)
    tell()
    assert woken(ledger) == []
    web.status = 200
    with ledger.begin() as connection:
        connection.execute(sa.update(notices).values(next_ms=0))
    assert woken(ledger) == [INCIDENTS_URI]
    tell()
    assert len(web.got) == 2
    assert woken(ledger) == []


def test_without_airtable_a_message_is_told_without_its_links(ledger: Ledger, web: Web) -> None:
    fail_a_post(ledger)
    tell()
    assert "airtable.com" not in web.got[0]["message"]


def test_links_lead_to_the_rows_of_the_base_and_airtable_is_asked_once(
    ledger: Ledger, web: Web, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyairtable import Api

    sandbox.switch(airtable_requests_per_s="0")
    sandbox.seed({"airtable": {"tokens": [{"token": "patT"}]}})
    api = Api("patT", endpoint_url=sandbox.service("airtable"))
    base_id = create_base(api, workspace_id="wspTEST0000000000", calls=calls_at_once(api)).base_id
    tables = {table["name"]: table["id"] for table in api.get(api.base(base_id).urls.tables)["tables"]}
    parts = {"host": sandbox.service("airtable"), "password": "patT", "extra": {"base_id": base_id}}
    monkeypatch.setenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", json.dumps({"conn_type": "airtable", **parts}))
    fail_a_post(ledger)

    def asked() -> int:
        return sum(row["count"] for row in sandbox.requests() if row["route"] == "list_tables")

    before = asked()
    tell()
    tell()
    assert f"https://airtable.com/{base_id}/{tables['Deliveries']}/recDelivery" in web.got[0]["message"]
    assert asked() - before == 1


def test_two_at_once_do_not_tell_it_twice(ledger: Ledger, web: Web) -> None:
    fail_a_post(ledger)
    with ledger.begin() as connection:
        assert marks.lease(connection, ledger.now_ms(connection), "telling", "another", 60)
    tell()
    assert web.got == []


def test_with_no_channel_nothing_is_told_and_nothing_wakes(
    ledger: Ledger, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULO_NOTIFY_OPERATOR", "")
    settings.cache_clear()
    fail_a_post(ledger)
    assert woken(ledger) == []
    tell()
    assert web.got == []
