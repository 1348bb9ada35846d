"""What TikTok told is looked into by a task, with the Connections and the vault of the installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.execution_time.context import OutletEventAccessors
from cryptography.fernet import Fernet

from operators.after import REQUESTS_ALIAS, REQUESTS_URI, HeardOperator, wake_if_asked
from sandbox.running import RunningSandbox
from schedulo.delivery.heard import take_in
from schedulo.delivery.holds import in_force
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, incidents
from schedulo.model import Platform
from schedulo.settings import settings
from schedulo.vault import Vault
from tests.schedulo.platforms.tiktok_events import APP, SECRET, told

KEY = Fernet.generate_key().decode()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox) -> Iterator[Ledger]:
    """One account on TikTok, connected, whose owner then took the permission away; and TikTok told so."""
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("SCHEDULO_VAULT_KEY", KEY)
    tiktok = {"conn_type": "tiktok", "host": sandbox.service("tiktok"), "login": APP, "password": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_TIKTOK_DEFAULT", json.dumps(tiktok))
    settings.cache_clear()
    account = {"account_id": "7", "username": "ann", "token": "token-7", "refresh_token": "refresh-7"}
    client = {"client_key": APP, "client_secret": SECRET}
    sandbox.seed({"tiktok": {"clients": [client], "accounts": [account]}})
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    row = {"key": "tiktok:7", "platform": "tiktok", "account_id": "7", "name": "ann", "options": {}}
    with ledger.begin() as connection:
        connection.execute(sa.insert(accounts).values(**row, updated_ms=0))
    Vault(ledger, KEY).put({"tiktok:7": {"access_token": "token-7", "refresh_token": "refresh-7"}}, "ann")
    sandbox.in_app("tiktok", "remove_authorization", account_id="7")
    yield ledger
    ledger.close()
    settings.cache_clear()


def hear(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        event = told("authorization.removed", "7", reason=1)
        take_in(connection, ledger.now_ms(connection), Platform.TIKTOK, event)


def rung(events: OutletEventAccessors, alias: Any) -> list[str]:
    return [event.dest_asset_key.name for event in events[alias].asset_alias_events]


def test_the_tick_wakes_who_looks_into_what_was_told(ledger: Ledger) -> None:
    events = OutletEventAccessors()
    assert not wake_if_asked(ledger, events)
    hear(ledger)
    assert wake_if_asked(ledger, events)
    assert rung(events, REQUESTS_ALIAS) == [REQUESTS_URI]


def test_a_permission_that_was_taken_away_holds_the_account_and_people_are_told(ledger: Ledger) -> None:
    hear(ledger)
    context: Any = {"outlet_events": OutletEventAccessors(), "ti": SimpleNamespace(id="one")}
    HeardOperator(task_id="heard").execute(context)
    with ledger.read() as connection:
        holds = in_force(connection, ledger.now_ms(connection))
        opened = connection.execute(sa.select(incidents.c.actor)).scalars().all()
    assert [(hold.key, hold.error_kind) for hold in holds] == [("tiktok:7", "reconnect")]
    assert opened == ["the account's owner"]
    assert not wake_if_asked(ledger, OutletEventAccessors())
