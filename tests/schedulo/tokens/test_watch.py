"""Logins that are renewed, checked and held in time, on real ledgers and against the stand-ins' own rules."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from cryptography.fernet import Fernet

from schedulo.model import Format
from schedulo.tokens.watch import NotWatched, look_after
from schedulo.transport.endpoint import Endpoint
from schedulo.vault import Vault
from tests.schedulo.tokens.house import DAY, HOUR, MINUTE, House

INSTAGRAM = {"login": "instagram_login"}


def pair(account_id: str) -> dict[str, str]:
    return {"access_token": f"token-{account_id}", "refresh_token": f"refresh-{account_id}"}


def page(account_id: str) -> dict[str, str]:
    return {"access_token": f"page-{account_id}"}


# --- renewing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("platform", "route"), [("x", "oauth_token"), ("tiktok", "oauth_token")])
def test_a_token_of_hours_is_renewed_before_the_next_post_and_not_again_for_it(
    house: House, platform: str, route: str
) -> None:
    key = house.account(platform, "1", {**pair("1"), "expires_ms": int(house.now_s * 1000)})
    house.plan(key, 3 * HOUR)
    assert house.watch() == [key], "it was never looked at"
    before = house.asked(platform, route)
    house.move(2 * HOUR)
    assert house.watch() == [key]
    assert house.watch() == []
    assert house.asked(platform, route) - before == 1
    found = house.login(key)
    assert found.expires_ms == int((house.now_s + 2 * HOUR) * 1000)
    assert found.scopes
    assert house.vault.token(key) != "token-1"
    assert house.audit(key) == ["connected", "renewed", "renewed"]


def test_an_instagram_login_lives_on_for_as_long_as_somebody_watches(house: House) -> None:
    key = house.account("instagram", "17", {"access_token": "token-17"}, **INSTAGRAM)
    for _ in range(43):
        house.watch()
        house.move(3 * DAY)
    assert house.holds() == []
    assert house.asked("instagram", "refresh_access_token") == 5, (
        "once when its end was not known, then by half"
    )
    assert house.login(key).expires_ms / 1000 > house.now_s + 20 * DAY
    assert house.open_incidents() == {}


def test_a_person_s_token_gives_a_page_another_one(house: House) -> None:
    secret = {
        **page("100"),
        "user_token": "person",
        "refresh_expires_ms": int((house.now_s + 60 * DAY) * 1000),
    }
    key = house.account("facebook", "100", secret, user_token="person")
    house.watch()
    house.move(30 * DAY)
    assert house.watch() == [key]
    assert house.asked("facebook", "oauth_access_token") == 1
    kept = house.vault.get([key])[key]
    assert kept["user_token"] not in ("person", "")
    assert kept["access_token"] == "page-100"
    assert house.login(key).refresh_expires_ms == int((house.now_s + 60 * DAY) * 1000)


def test_a_person_who_lost_the_page_must_be_asked(house: House) -> None:
    house.account("facebook", "100", None, user_token="person")
    secret = {**page("200"), "user_token": "person", "refresh_expires_ms": int((house.now_s + DAY) * 1000)}
    key = house.row("facebook", "200", secret)
    house.sandbox.seed(
        {"facebook": {"pages": [{"page_id": "200", "name": "other", "page_token": "page-200"}]}}
    )
    house.watch()
    (hold,) = house.holds()
    assert (hold.name, hold.error_kind) == (f"account:{key}", "reconnect")
    assert "no longer manages its Page" in hold.reason


# --- checking ---------------------------------------------------------------------------------------------


def test_facebook_tells_when_a_pages_token_ends_and_what_it_may_do(house: House) -> None:
    key = house.account("facebook", "100", page("100"))
    assert house.watch() == [key]
    found = house.login(key)
    assert found.expires_ms is None
    assert found.data_access_ms == int((house.now_s + 90 * DAY) * 1000)
    assert "pages_manage_posts" in found.scopes
    assert found.checked_ms == int(house.now_s * 1000)
    assert house.asked("facebook", "debug_token") == 1


def test_an_app_that_facebook_does_not_know_kills_no_login(house: House) -> None:
    """Its refusal is about our app: whether the token is good is then asked with the token itself."""
    house.endpoints = {**house.endpoints, "facebook": Endpoint({}, "app", "wrong")}
    key = house.account("facebook", "100", page("100"))
    house.watch()
    assert house.holds() == []
    assert house.login(key).checked_ms == int(house.now_s * 1000)
    assert house.login(key).scopes is None


@pytest.mark.parametrize(
    ("platform", "login", "secret"),
    [
        ("facebook", "", page("7")),
        ("instagram", "instagram_login", {"access_token": "token-7"}),
        ("instagram", "facebook_login", {"access_token": "token-7"}),
        ("x", "", {"access_token": "token-7"}),
        ("tiktok", "", {"access_token": "token-7"}),
    ],
)
def test_a_login_that_died_is_found_and_held_before_its_next_post_is_due(
    house: House, platform: str, login: str, secret: dict[str, Any]
) -> None:
    key = house.account(platform, "7", secret, login)
    house.watch()
    assert house.holds() == [], "it is good"
    _die(house, platform, secret["access_token"])
    house.plan(key, 30 * HOUR)
    house.move(25 * HOUR)
    house.watch()
    (hold,) = house.holds()
    assert (hold.name, hold.until_ms) == (f"account:{key}", None)
    assert hold.error_kind in ("reconnect", "token_expired")
    ((name, sentence),) = house.open_incidents().items()
    assert name.startswith(f"held:account:{key}")
    assert f"`schedulo accounts connect {platform} 7`" in sentence
    assert house.watch() == [], "asked no more"
    assert house.audit(key)[-1] == "held"


def _die(house: House, platform: str, token: str) -> None:
    """What its owner does at the platform: the login is revoked."""
    world = house.sandbox.world
    match platform:
        case "x" | "tiktok":
            world.services[platform].access.revoke(token)  # type: ignore[attr-defined]
        case _:
            world.services[platform].store.tokens[token].subcode = 460  # type: ignore[attr-defined]


def test_a_refresh_token_that_is_refused_holds_the_account_and_says_so(house: House) -> None:
    key = house.account("x", "1", {**pair("1"), "refresh_token": "used up"})
    house.plan(key, HOUR)
    house.watch()
    (hold,) = house.holds()
    assert hold.error_kind == "reconnect"
    assert house.audit(key) == ["connected", "not renewed", "held"]


def test_a_login_that_ends_by_the_clock_is_held_without_asking(house: House) -> None:
    key = house.account("x", "1", {"access_token": "token-1", "expires_ms": int((house.now_s + HOUR) * 1000)})
    house.watch()
    house.move(HOUR)
    asked = len(house.sandbox.requests())
    assert house.watch() == []
    assert len(house.sandbox.requests()) == asked
    assert [hold.name for hold in house.holds()] == [f"account:{key}"]


def test_one_refusal_alone_convicts_nobody(house: House) -> None:
    house.account("x", "1", {"access_token": "token-1"})
    house.sandbox.fault(service="x", method="GET", route="me", mode="status:401", times=1)
    house.watch()
    assert house.holds() == []
    assert house.asked("x", "me") == 2


# --- trouble ----------------------------------------------------------------------------------------------


def test_one_account_in_trouble_costs_the_others_nothing(house: House) -> None:
    good, bad = house.account("x", "1", pair("1")), house.account("tiktok", "2", pair("2"))
    house.sandbox.fault(service="tiktok", method="POST", route="oauth_token", mode="status:429", times=-1)
    with pytest.raises(NotWatched) as caught:
        house.watch()
    assert caught.value.again
    assert bad in str(caught.value)
    assert good not in str(caught.value)
    assert house.audit(good) == ["connected", "renewed"]
    assert house.holds() == []
    assert house.login(bad).problem
    house.sandbox.world.faults.clear()
    assert house.watch() == [bad]
    assert house.login(bad).problem == ""


def test_an_app_that_is_not_set_up_is_one_incident_for_the_operator(house: House) -> None:
    house.endpoints = {**house.endpoints, "x": Endpoint({})}
    for number in range(3):
        house.account("x", str(number), pair(str(number)))
    with pytest.raises(NotWatched) as caught:
        house.watch()
    assert not caught.value.again
    assert list(house.open_incidents()) == ["logins_fail:x"]
    assert house.holds() == []
    house.endpoints = {**house.endpoints, "x": house.endpoints["tiktok"]}
    house.watch()
    assert house.open_incidents() == {}


def test_a_vault_that_does_not_open_is_told_to_the_operator_and_holds_nobody(house: House) -> None:
    house.account("facebook", "100", page("100"))
    right, house.vault = house.vault, Vault(house.ledger, Fernet.generate_key().decode())
    with pytest.raises(NotWatched, match="another SCHEDULO_VAULT_KEY"):
        house.watch()
    assert list(house.open_incidents()) == ["logins_fail:facebook"]
    assert house.holds() == []
    house.vault = right
    house.watch()
    assert house.open_incidents() == {}


def test_what_is_asked_for_twice_is_done_once(house: House) -> None:
    """A task that Airflow runs again, or two at once."""
    key = house.account("x", "1", pair("1"))
    house.plan(key, HOUR)
    keys = [wanted.key for wanted in house.survey()]

    async def twice() -> None:
        await asyncio.gather(*(look_after(house.means(), keys, house.said.append) for _ in range(2)))

    asyncio.run(twice())
    asyncio.run(look_after(house.means(), keys, house.said.append))
    assert house.asked("x", "oauth_token") == 1
    assert house.holds() == []


def test_no_secret_is_said_or_kept_in_the_clear(house: House) -> None:
    key = house.account("x", "1", pair("1"))
    gone = house.account("tiktok", "2", {**pair("2"), "refresh_token": "secret-rft"})
    house.account("facebook", "100", page("100"))
    house.watch()
    kept = house.vault.get([key, gone])
    with house.ledger.read() as connection:
        tables = "credentials", "vault_audit", "incidents", "holds"
        shown = [str(connection.exec_driver_sql(f"SELECT * FROM {name}").all()) for name in tables]
    everything = "".join([*shown, *house.said])
    secrets = [value for secret in kept.values() for name, value in secret.items() if name.endswith("_token")]
    for secret in [*secrets, "page-100", "app-secret", "secret-rft", "token-1", "refresh-1"]:
        assert secret not in everything


def test_nothing_is_asked_where_it_is_switched_off(house: House) -> None:
    house.settings = replace(house.settings, login_check_s=0)
    house.account("facebook", "100", page("100"))
    house.account("x", "1", pair("1"))
    assert house.watch() == []


# --- permissions ------------------------------------------------------------------------------------------


def test_permissions_that_planned_posts_need_and_a_login_has_not_are_told_once(house: House) -> None:
    key = house.account("x", "1", pair("1"), scopes="tweet.read tweet.write users.read offline.access")
    house.watch()
    house.plan(key, 20 * DAY)
    house.survey()
    assert house.open_incidents() == {}, "words alone need no more"
    house.plan(key, 20 * DAY, Format.IMAGE)
    for _ in range(3):
        house.survey()
        house.move(MINUTE)
    ((name, sentence),) = house.open_incidents().items()
    assert name == f"login_lacks:{key}"
    assert "media.write (for: image)" in sentence
    assert house.holds() == [], "words still go out"
    house.went_out(["d2"])
    house.survey()
    assert house.open_incidents() == {}
