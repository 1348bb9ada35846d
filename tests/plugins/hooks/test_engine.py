"""How Connections become what the sender works with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands.main import main
from hooks import engine
from hooks.instagram import InstagramHook
from schedulo.delivery.mode import ModeError
from schedulo.errors import PlatformError
from schedulo.flow import Auth, Request
from schedulo.ledger.database import Ledger
from schedulo.settings import settings
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


@pytest.fixture
def in_mode(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Settings of a mode, for this process."""

    def choose(mode: str, sandbox_url: str = "") -> None:
        monkeypatch.setenv("SCHEDULO_MODE", mode)
        monkeypatch.setenv("SCHEDULO_SANDBOX_URL", sandbox_url)
        settings.cache_clear()

    yield choose
    settings.cache_clear()


def test_in_the_mode_sandbox_no_connection_leads_to_a_platform(
    ledger: Ledger, in_mode: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_mode("sandbox", "http://sandbox:8090")
    real = {"conn_type": "instagram", "extra": {"facebook_host": "https://graph.facebook.com"}}
    monkeypatch.setenv("AIRFLOW_CONN_INSTAGRAM_DEFAULT", json.dumps(real))
    found = [(hook.conn_type, engine.endpoint_of(hook)) for hook in engine.HOOKS]
    assert found == [(hook.conn_type, asyncio.run(engine._aendpoint(hook))) for hook in engine.HOOKS]
    made = wire(found, ledger)
    assert made.bases == {service: f"http://sandbox:8090/{service}" for service in OWN}
    for service in OWN:
        assert made.url(Request(service, "GET", "/")).host == "sandbox"
    with pytest.raises(PlatformError, match=r"nothing may be sent to upload\.example"):
        made.url(Request("", "PUT", "https://upload.example/part", Auth.NONE))


def test_in_the_mode_nothing_no_address_is_right(ledger: Ledger, in_mode: Callable[..., None]) -> None:
    in_mode("nothing")
    made = wire([(hook.conn_type, engine.endpoint_of(hook)) for hook in engine.HOOKS], ledger)
    for service in OWN:
        with pytest.raises(PlatformError, match="nothing may be sent to"):
            made.url(Request(service, "GET", "/"))
    assert InstagramHook().test_connection() == (False, "SCHEDULO_MODE is nothing: no platform is asked.")


def test_a_ledger_of_another_mode_gives_no_tokens(ledger: Ledger, in_mode: Callable[..., None]) -> None:
    in_mode("live")
    engine.tokens_of([], ledger)
    in_mode("sandbox", "http://sandbox:8090")
    with pytest.raises(ModeError, match="another ledger"):
        engine.tokens_of([], ledger)


@pytest.mark.parametrize("mode", ["nothing", "sandbox"])
def test_a_command_says_the_mode_beside_its_answer(
    ledger: Ledger,
    mode: str,
    in_mode: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", str(ledger.url))
    in_mode(mode, "http://sandbox:8090")
    assert main(["quotas"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("Test mode: ")
    assert "Test mode" not in said.out
