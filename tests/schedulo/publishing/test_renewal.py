"""Logins that expire: renewed once, by one process, kept before use; else a person connects the account."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from cryptography.fernet import Fernet

from schedulo.delivery.holds import reconnected
from schedulo.errors import Kind, PlatformError
from schedulo.ledger.clerk import Clerk
from schedulo.ledger.tables import incidents
from schedulo.model import Account, Content, Format, Platform
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.desk import Desk
from schedulo.publishing.driver import Driver
from schedulo.publishing.ending import End
from schedulo.publishing.publisher import Publisher
from schedulo.publishing.renewal import Logins, Renewal
from schedulo.transport.calls import Caller
from schedulo.transport.endpoint import Endpoint
from schedulo.vault import Tokens, Turn, Vault
from tests.sandbox.meta.conftest import jpeg, mp4
from tests.schedulo.publishing.stage import Stage, work_off

KEY = Fernet.generate_key().decode()
APP = Endpoint({}, "app", "app-secret")


def seed(stage: Stage, **more: Any) -> Vault:
    """X's account 1 with a refresh token, kept in a vault."""
    account = {"account_id": "1", "username": "user1", "token": "old", "refresh_token": "r1", "limits": "off"}
    apps = [{"client_id": "app", "client_secret": "app-secret"}]
    stage.sandbox.seed({"x": {"apps": apps, "accounts": [account | more]}})
    vault = Vault(stage.ledger, KEY)
    vault.put({"x:1": {"access_token": "old", "refresh_token": "r1"}})
    return vault


def publisher(stage: Stage, alone: dict[str, str] | None = None, app: Endpoint = APP) -> Publisher:
    """A process of its own, with its own memory of tokens."""
    tokens = Tokens(Vault(stage.ledger, KEY), alone or {})
    logins = Logins(tokens, {"x": app, "tiktok": app, "instagram": app})
    return stage.publisher(wire=replace(stage.wire(), token_for=tokens), logins=logins)


def renewals(stage: Stage, route: str = "oauth_token") -> int:
    return sum(row["count"] for row in stage.sandbox.requests() if row["route"] == route)


def states(stage: Stage, id_: str) -> list[str]:
    return [write.state for write in stage.writes(id_)]


def test_an_expired_token_is_renewed_and_the_post_sent_once_more_as_a_new_request(stage: Stage) -> None:
    vault = seed(stage, token_expires_at=time.time() - 1)
    id_ = stage.plan("renewed", due_in_s=0.5)
    stage.tick("run-1")
    assert publisher(stage).work_on("run-1", 0, "ti-1").result(20).end is End.SUCCESS
    assert len(stage.live("renewed")) == 1
    assert states(stage, id_) == ["refused", "accepted"]
    assert stage.row(id_).attempts == 1
    assert renewals(stage) == 1
    kept = vault.get(["x:1"])["x:1"]
    assert kept["access_token"] != "old"
    assert kept["refresh_token"] != "r1"
    assert kept["expires_ms"] / 1000 - time.time() == pytest.approx(7200, abs=60)
    assert "the login had expired and was renewed" in stage.story(id_)
    assert kept["access_token"] not in stage.story(id_) + str(stage.writes(id_))
    assert stage.holds() == []


@pytest.mark.slow
def test_a_token_that_expires_while_media_are_uploaded_is_renewed(stage: Stage) -> None:
    seed(stage)
    content = Content(Format.IMAGE, "with an image", (stage.file(jpeg(540, 540)),))
    id_ = stage.plan("with an image", due_in_s=3.0, content=content)
    stage.tick("run-1")
    stage.sandbox.fault(service="x", method="POST", route="upload_append", mode="expire_token")
    assert publisher(stage).work_on("run-1", 0, "ti-1").result(20).end is End.SUCCESS
    assert (states(stage, id_), renewals(stage)) == (["accepted"], 1)


@pytest.mark.slow
def test_posts_that_wait_with_the_old_token_get_the_new_one(stage: Stage) -> None:
    seed(stage, token_expires_at=time.time() - 1)
    first, second = stage.plan("first", due_in_s=1.0), stage.plan("second", due_in_s=5.0)
    stage.tick("run-1")
    made = publisher(stage)
    futures = [made.work_on("run-1", n, f"ti-{n}") for n in range(2)]
    assert [future.result(20).end for future in futures] == [End.SUCCESS] * 2
    assert (states(stage, first), states(stage, second)) == (["refused", "accepted"], ["accepted"])
    assert renewals(stage) == 1


def test_two_processes_that_find_a_token_expired_at_once_ask_once(stage: Stage) -> None:
    seed(stage, token_expires_at=time.time() - 1)
    stage.sandbox.fault(service="x", method="POST", route="oauth_token", mode="delay:1.0")
    ids = [stage.plan(f"post {n}", due_in_s=1.0) for n in range(4)]
    stage.tick("run-1")
    processes = [publisher(stage), publisher(stage)]
    futures = [processes[n % 2].work_on("run-1", n, f"ti-{n}") for n in range(4)]
    assert [future.result(30).end for future in futures] == [End.SUCCESS] * 4
    assert renewals(stage) == 1
    assert [len(stage.live(f"post {n}")) for n in range(4)] == [1] * 4
    assert {stage.row(id_).state for id_ in ids} == {"published"}


@pytest.mark.slow
def test_tiktoks_login_is_renewed_and_the_same_upload_goes_on(stage: Stage) -> None:
    clients = [{"client_key": "app", "client_secret": "app-secret"}]
    account = {"account_id": "7", "username": "anna", "token": "old", "refresh_token": "r1"}
    stage.sandbox.seed({"tiktok": {"clients": clients, "accounts": [account]}})
    vault = Vault(stage.ledger, KEY)
    vault.put({"tiktok:7": {"access_token": "old", "refresh_token": "r1"}})
    id_ = stage.plan("clip", "7", platform="tiktok", content=clip(stage, "clip"), due_in_s=1.0)
    stage.sandbox.fault(service="tiktok", method="POST", route="status", mode="expire_token")
    work_off(stage, publisher(stage))
    assert len(stage.live("clip")) == 1
    assert states(stage, id_) == ["accepted"]
    assert vault.get(["tiktok:7"])["tiktok:7"]["refresh_token"] != "r1"


def test_a_login_that_dies_while_a_post_is_processed_never_sends_it_again(stage: Stage) -> None:
    clients = [{"client_key": "app", "client_secret": "app-secret"}]
    account = {"account_id": "7", "username": "anna", "token": "old", "refresh_token": "r1"}
    stage.sandbox.seed({"tiktok": {"clients": clients, "accounts": [account]}})
    vault = Vault(stage.ledger, KEY)
    vault.put({"tiktok:7": {"access_token": "old", "refresh_token": "dead"}})
    id_ = stage.plan("clip", "7", platform="tiktok", content=clip(stage, "clip"), due_in_s=1.0)
    stage.sandbox.fault(service="tiktok", method="POST", route="status", mode="expire_token")
    stage.tick("run-1")
    assert publisher(stage).work_on("run-1", 0, "ti-1").result(30).end is End.SKIPPED
    row = stage.row(id_)
    assert (row.state, states(stage, id_)) == ("processing", ["accepted"])
    assert row.fire_ms / 1000 - time.time() > 200
    assert [(hold.name, hold.error_kind) for hold in stage.holds()] == [("account:tiktok:7", "reconnect")]
    assert len(stage.live("clip")) <= 1


def clip(stage: Stage, text: str) -> Content:
    kept = replace(stage.file(mp4(3.2)), width=540, height=960, duration_ms=3200)
    return Content(Format.VIDEO, text, (kept,), options={"privacy_level": "PUBLIC_TO_EVERYONE"})


def test_a_login_that_cannot_be_renewed_holds_its_account_until_it_is_connected_again(stage: Stage) -> None:
    vault = seed(stage, token_expires_at=time.time() - 1)
    vault.put({"x:1": {"access_token": "old", "refresh_token": "used up"}})
    ids = [stage.plan(f"post {n}", due_in_s=0.5 + 1.5 * n) for n in range(2)]
    stage.tick("run-1")
    made = publisher(stage)
    futures = [made.work_on("run-1", n, f"ti-{n}") for n in range(2)]
    assert {future.result(20).end for future in futures} == {End.SKIPPED}
    (hold,) = stage.holds()
    assert (hold.name, hold.error_kind, hold.until_ms) == ("account:x:1", "reconnect", None)
    assert {stage.row(id_).state for id_ in ids} == {"held"}
    assert "connect it again" in stage.row(ids[0]).reason
    with stage.ledger.begin() as connection:
        said = connection.execute(sa.select(incidents.c.sentence)).scalars().all()
    assert len(said) == 1
    assert "until it is connected again" in said[0]
    stage.sandbox.seed({"x": {"accounts": [{"account_id": "1", "username": "user1", "token": "fresh"}]}})
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        vault.put_in(connection, now_ms, {"x:1": {"access_token": "fresh"}})
        assert len(reconnected(connection, now_ms, ["x:1"], "ann")) == 1
    work_off(stage, publisher(stage))
    assert {stage.row(id_).state for id_ in ids} == {"published"}


def test_a_new_token_that_is_refused_as_well_is_not_renewed_again(stage: Stage) -> None:
    seed(stage)
    id_ = stage.plan("false 401", due_in_s=0.5)
    stage.tick("run-1")
    stage.sandbox.fault(service="x", method="POST", route="create_post", mode="status:401", times=-1)
    assert publisher(stage).work_on("run-1", 0, "ti-1").result(20).end is End.SKIPPED
    assert renewals(stage) == 1
    assert states(stage, id_) == ["refused", "refused"]
    assert [hold.error_kind for hold in stage.holds()] == ["token_expired"]


def test_a_token_endpoint_that_stumbles_is_asked_again(stage: Stage) -> None:
    seed(stage, token_expires_at=time.time() - 1)
    stage.plan("stumble", due_in_s=0.5)
    stage.tick("run-1")
    stage.sandbox.fault(service="x", method="POST", route="oauth_token", mode="drop_before")
    assert publisher(stage).work_on("run-1", 0, "ti-1").result(30).end is End.SUCCESS
    assert renewals(stage) == 2


def test_an_answer_that_was_lost_costs_the_login_and_says_so(stage: Stage) -> None:
    seed(stage, token_expires_at=time.time() - 1)
    id_ = stage.plan("lost answer", due_in_s=0.5)
    stage.tick("run-1")
    stage.sandbox.fault(service="x", method="POST", route="oauth_token", mode="drop_after")
    assert publisher(stage).work_on("run-1", 0, "ti-1").result(30).end is End.SKIPPED
    assert stage.row(id_).state == "held"
    assert [hold.error_kind for hold in stage.holds()] == ["reconnect"]
    assert stage.sandbox.posts() == []


def test_a_process_that_died_while_it_renewed_is_told_of(stage: Stage) -> None:
    vault = seed(stage, token_expires_at=time.time() - 1)
    assert vault.take_turn("x:1", "died", 0.5, "old").turn is Turn.OURS
    form = {"grant_type": "refresh_token", "refresh_token": "r1"}
    url = f"{stage.sandbox.service('x')}/2/oauth2/token"
    assert requests.post(url, data=form, auth=("app", "app-secret"), timeout=5).status_code == 200
    id_ = stage.plan("after a death", due_in_s=0.5)
    stage.tick("run-1")
    assert publisher(stage).work_on("run-1", 0, "ti-1").result(30).end is End.SKIPPED
    assert "a renewal before was cut off" in stage.row(id_).reason


def test_a_token_of_a_connection_is_left_to_the_operator(stage: Stage) -> None:
    seed(stage, token_expires_at=time.time() - 1)
    id_ = stage.plan("connection", due_in_s=0.5)
    stage.tick("run-1")
    assert publisher(stage, {"x:1": "old"}).work_on("run-1", 0, "ti-1").result(20).end is End.SKIPPED
    assert renewals(stage) == 0
    assert "in the Connection" in stage.row(id_).reason


@pytest.mark.parametrize(
    ("app", "words"),
    [(Endpoint({}), "names no app id"), (Endpoint({}, "app", "wrong"), "unauthorized_client")],
)
def test_an_app_that_is_not_set_up_holds_only_accounts_whose_login_expired(
    stage: Stage, app: Endpoint, words: str
) -> None:
    seed(stage, token_expires_at=time.time() - 1)
    id_ = stage.plan("no app", due_in_s=0.5)
    stage.tick("run-1")
    assert publisher(stage, app=app).work_on("run-1", 0, "ti-1").result(20).end is End.SKIPPED
    assert [(hold.name, hold.error_kind) for hold in stage.holds()] == [("account:x:1", "configuration")]
    assert words in stage.row(id_).reason


# --- ahead of its end -------------------------------------------------------------------------------------


def renew(stage: Stage, tokens: Tokens, account: Account, forget: Callable[[str], None]) -> None:
    """One renewal ahead of the token's end, without any delivery."""
    clerk = Clerk(stage.ledger)
    wire = replace(stage.wire(), token_for=tokens)

    async def work() -> None:
        caller = Caller(wire, 4)
        driver = Driver(Desk(stage.ledger, clerk, stage.settings), caller, 4)
        logins = Logins(tokens, {account.platform: APP})
        try:
            await Renewal(stage.ledger, driver, CONVERSATIONS, logins, forget).renew(account, refused=False)
        finally:
            await caller.close()

    try:
        asyncio.run(work())
    finally:
        clerk.close()


def test_an_instagram_login_is_renewed_while_it_is_valid(stage: Stage) -> None:
    account = Account(Platform.INSTAGRAM, "17", "anna", options={"login": "instagram_login"})
    stage.sandbox.seed(
        {"instagram": {"accounts": [{"account_id": "17", "username": "anna", "token": "old"}]}}
    )
    stage.sandbox.advance(25 * 3600)
    vault = Vault(stage.ledger, KEY)
    vault.put({account.key: {"access_token": "old"}})
    forgotten: list[str] = []
    tokens = Tokens(vault, {})
    assert tokens(account.key) == "old"
    renew(stage, tokens, account, forgotten.append)
    assert tokens(account.key).startswith("IGAA")
    assert forgotten == [account.key]
    assert vault.get([account.key])[account.key]["expires_ms"] / 1000 > time.time() + 50 * 86400


def test_a_pages_token_has_nothing_to_renew(stage: Stage) -> None:
    account = Account(Platform.FACEBOOK, "100", "page")
    vault = Vault(stage.ledger, KEY)
    vault.put({account.key: {"access_token": "old"}})
    renew(stage, Tokens(vault, {}), account, lambda _key: None)
    assert vault.token(account.key) == "old"
    assert vault.take_turn(account.key, "next", 1, None).turn is Turn.OURS, "the turn was given back"


def test_an_account_that_the_vault_does_not_know_cannot_be_renewed(stage: Stage) -> None:
    account = Account(Platform.X, "nobody", "nobody")
    with pytest.raises(PlatformError) as caught:
        renew(stage, Tokens(Vault(stage.ledger, KEY), {}), account, lambda _key: None)
    assert caught.value.kind is Kind.RECONNECT
