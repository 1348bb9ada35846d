"""How Connections become what the sender works with."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from hooks import engine
from hooks.instagram import InstagramHook
from schedulo.errors import PlatformError
from schedulo.ledger.database import Ledger
from schedulo.transport.endpoint import Endpoint
from schedulo.transport.wire import Wire

OWN = {
    "instagram": "https://graph.instagram.com",
    "facebook": "https://graph.facebook.com",
    "rupload": "https://rupload.facebook.com",
    "x": "https://api.x.com",
    "tiktok": "https://open.tiktokapis.com",
}


def wire(endpoints: list[tuple[str, Endpoint]], ledger: Ledger) -> Wire:
    return engine.wire_of(endpoints, engine.tokens_of(endpoints, ledger))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    return ledger


def test_an_installation_without_connections_speaks_to_the_platforms_own_addresses(ledger: Ledger) -> None:
    found = [(hook.conn_type, asyncio.run(engine._aendpoint(hook))) for hook in engine.HOOKS]
    assert wire(found, ledger).bases == OWN
    assert [(hook.conn_type, engine.endpoint_of(hook)) for hook in engine.HOOKS] == found


def test_the_connection_of_a_platform_knows_its_address_best(ledger: Ledger) -> None:
    instagram = Endpoint({"instagram": "https://i", "facebook": "https://guessed"})
    facebook = Endpoint({"facebook": "https://f"})
    for order in (
        [("instagram", instagram), ("facebook", facebook)],
        [("facebook", facebook), ("instagram", instagram)],
    ):
        assert wire(order, ledger).bases == {"instagram": "https://i", "facebook": "https://f"}


def test_the_token_of_a_connection_is_its_one_accounts(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {"account_id": "17", "token": "IGAAsecret"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_INSTAGRAM_DEFAULT", json.dumps({"conn_type": "instagram", "extra": extra})
    )
    made = wire([("instagram", engine.endpoint_of(InstagramHook))], ledger)
    assert made.token_for("instagram:17") == "IGAAsecret"
    with pytest.raises(PlatformError, match="no token is kept"):
        made.token_for("instagram:18")
