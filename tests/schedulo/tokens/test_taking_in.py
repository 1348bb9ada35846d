"""Tokens that people bring: understood strictly, shown to their platforms first, and told by nobody again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schedulo.delivery.holds import set_hold
from schedulo.tokens.taking_in import GivenError, Outcome, read, take_in
from tests.schedulo.tokens.house import DAY, HOUR, House

NOW = 1_000


def bring(house: House, data: dict[str, Any], **options: Any) -> dict[str, Outcome]:
    given = read(data, int(house.now_s * 1000))
    outcomes = asyncio.run(take_in(house.means(), given, "ann", **options))
    return {outcome.account_key: outcome for outcome in outcomes}


# --- what is understood -----------------------------------------------------------------------------------


def test_what_a_platforms_token_endpoint_answers_may_be_pasted_as_it_is() -> None:
    answer = {
        "token_type": "bearer",
        "expires_in": 7200,
        "access_token": "a",
        "scope": "tweet.read users.read",
        "refresh_token": "r",
    }
    given = read({"x:1": answer}, NOW)["x:1"]
    assert given.secret == {
        "access_token": "a",
        "refresh_token": "r",
        "expires_ms": NOW + 7_200_000,
        "scopes": ["tweet.read", "users.read"],
    }
    assert "'a'" not in repr(given)


SECRET = "very-secret-token-0123456789-0123456789-0123456789"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "It must be an object by account"),
        ({}, "It must be an object by account"),
        ({"x": {"access_token": SECRET}}, "'x' is not platform:account_id"),
        ({"twitter:1": {"access_token": SECRET}}, "platforms are instagram, tiktok, x, facebook"),
        ({SECRET: {}}, "a name of 50 characters is not platform:account_id"),
        ({"x:1": SECRET}, "x:1: it must be an object"),
        ({"x:1": {}}, "x:1 has no access_token"),
        ({"x:1": {"access_token": ""}}, "x:1 has no access_token"),
        ({"x:1": {"access_token": 5}}, "x:1: access_token: it must be a text"),
        ({"x:1": {"access_token": f"{SECRET} {SECRET}"}}, "one word of at most 4096 plain characters"),
        ({"x:1": {"access_token": SECRET * 100}}, "one word of at most 4096 plain characters"),
        ({"x:1": {"access_token": SECRET, "acces_token": "b"}}, "x:1: 'acces_token': there is no such field"),
        ({"x:1": {"access_token": SECRET, SECRET: "b"}}, "a name of 50 characters: there is no such field"),
        ({"x:1": {"access_token": SECRET, "expires_in": "soon"}}, "expires_in (soon): it must be a number"),
        ({"x:1": {"access_token": SECRET, "expires_in": True}}, "expires_in (True): it must be a number"),
        ({"x:1": {"access_token": SECRET, "scope": 5}}, "x:1: scope: it must be a text or a list"),
        ({"x:1": {"access_token": SECRET, "user_token": SECRET}}, "x:1: user_token: only accounts"),
        ({"facebook:1": {"access_token": SECRET, "refresh_token": SECRET}}, "Meta gives none"),
        (
            {"instagram:1": {"access_token": SECRET, "login": "google"}},
            "login: it must be instagram_login or",
        ),
        ({f"x:{n}": {"access_token": SECRET} for n in range(501)}, "500 are taken at once"),
    ],
)
def test_what_cannot_be_understood_is_named_without_any_token(data: Any, words: str) -> None:
    with pytest.raises(GivenError) as caught:
        read(data, NOW)
    assert words in str(caught.value)
    assert SECRET[:12] not in str(caught.value)


# --- what is kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "login", "token"),
    [
        ("x", "", "token-7"),
        ("tiktok", "", "token-7"),
        ("facebook", "", "page-7"),
        ("instagram", "instagram_login", "token-7"),
    ],
)
def test_a_good_token_is_kept_with_what_its_platform_says(
    house: House, platform: str, login: str, token: str
) -> None:
    key = house.account(platform, "7", None, login)
    outcome = bring(house, {key: {"access_token": token}})[key]
    assert (outcome.kept, outcome.name) == (True, "user7")
    assert house.vault.token(key) == token
    assert house.login(key).checked_ms == int(house.now_s * 1000)
    assert token not in outcome.sentence + str(outcome.to_json())


@pytest.mark.parametrize("login", ["instagram_login", "facebook_login"])
def test_an_instagram_account_without_a_row_is_asked_for_by_both_logins(house: House, login: str) -> None:
    row = {"account_id": "17", "username": "user17", "token": "token-17", "flavour": login}
    house.sandbox.seed({"instagram": {"accounts": [row]}})
    outcome = bring(house, {"instagram:17": {"access_token": "token-17"}})["instagram:17"]
    assert (outcome.kept, outcome.name) == (True, "user17")


def test_another_accounts_token_is_not_kept(house: House) -> None:
    house.account("x", "1")
    key = house.account("x", "2")
    outcome = bring(house, {key: {"access_token": "token-1"}})[key]
    assert not outcome.kept
    assert outcome.sentence == "not kept: the token belongs to @user1 (1), not to account 2"
    assert house.vault.get([key]) == {}


def test_a_persons_token_in_the_place_of_a_pages_is_named(house: House) -> None:
    key = house.account("facebook", "100", user_token="person")
    outcome = bring(house, {key: {"access_token": "person"}})[key]
    assert not outcome.kept
    assert outcome.sentence.endswith("A person's token is given as user_token")


def test_a_persons_token_alone_makes_the_pages(house: House) -> None:
    key = house.account("facebook", "100", user_token="person")
    outcome = bring(house, {key: {"user_token": "person"}})[key]
    assert outcome.kept
    kept = house.vault.get([key])[key]
    assert kept["access_token"] == "page-100"
    assert kept["user_token"] not in ("", "person")
    assert house.login(key).renewable
    assert "its owner must log in again by 2027-04-15" in outcome.sentence


def test_a_token_that_its_platform_refuses_costs_the_old_one_nothing(house: House) -> None:
    key = house.account("facebook", "100", {"access_token": "page-100"})
    outcome = bring(house, {key: {"access_token": "wrong"}})[key]
    assert not outcome.kept
    assert outcome.sentence.startswith("not kept: facebook does not accept it (190, Invalid OAuth")
    assert house.vault.token(key) == "page-100"


def test_an_old_access_token_is_kept_for_its_refresh_token(house: House) -> None:
    key = house.account("x", "1")
    house.move(3 * HOUR)
    outcome = bring(house, {key: {"access_token": "token-1", "refresh_token": "refresh-1"}})[key]
    assert outcome.kept
    assert "looked at within the hour" in outcome.sentence
    assert house.watch() == [key]
    assert house.vault.token(key) != "token-1"


def test_a_platform_that_does_not_answer_keeps_nothing_out(house: House) -> None:
    key = house.account("x", "1")
    house.sandbox.fault(service="x", method="GET", route="me", mode="status:429", times=-1)
    outcome = bring(house, {key: {"access_token": "token-1"}})[key]
    assert outcome.kept
    assert "could not be checked" in outcome.sentence
    assert [wanted.key for wanted in house.survey()] == [key]


def test_each_token_answers_for_its_own_account(house: House) -> None:
    keys = [house.account("x", str(number)) for number in range(20)]
    data = {key: {"access_token": f"token-{number}"} for number, key in enumerate(keys)}
    data["x:19"] = {"access_token": "wrong"}
    outcomes = bring(house, data)
    assert [key for key, outcome in outcomes.items() if not outcome.kept] == ["x:19"]
    assert {key: house.vault.token(key) for key in keys[:19]} == {
        key: f"token-{number}" for number, key in enumerate(keys[:19])
    }


def test_a_new_login_lets_go_what_waited_for_it(house: House) -> None:
    key = house.account("facebook", "100", {"access_token": "old", "data_access_ms": 5})
    house.survey()
    with house.ledger.begin() as connection:
        set_hold(connection, int(house.now_s * 1000), "account", key, "prices", "ben")
    outcome = bring(house, {key: {"access_token": "page-100"}})[key]
    assert outcome.released == (f"account:{key}",)
    assert [hold.author for hold in house.holds()] == ["ben"], "what a person held stays"
    assert house.audit(key) == ["connected", "held", "connected"]


def test_nothing_is_asked_where_that_is_not_wanted(house: House) -> None:
    key = house.account("x", "1")
    outcome = bring(house, {key: {"access_token": "anything", "expires_in": DAY}}, check=False)[key]
    assert outcome.kept
    assert house.sandbox.requests() == []
    assert "it ends at 2027-01-16" in outcome.sentence
