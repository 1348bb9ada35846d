"""Owners are warned 14, 7, 3 and 1 days before they are needed: once each, also after restarts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schedulo.delivery.holds import reconnected
from schedulo.errors import Actor
from schedulo.ledger.tables import accounts, credentials
from schedulo.telling.news import Occasion, take, waiting
from schedulo.telling.recipients import Recipients
from schedulo.tokens.telling import connected, stage
from tests.schedulo.tokens.house import DAY, HOUR, House

EVERYONE = Recipients(dict.fromkeys(Actor, ("channel",)))


@pytest.fixture
def silent(house: House) -> House:
    """Nobody is asked: what is known in the ledger is enough."""
    house.settings = replace(house.settings, login_check_s=0)
    return house


def page(house: House, days: float) -> str:
    """A Page whose person must log in again in so many days."""
    ends = int((house.now_s + days * DAY) * 1000)
    return house.row("facebook", "100", {"access_token": "t", "data_access_ms": ends})


def messages(house: House) -> list[tuple[str, Occasion]]:
    """What people are told now, as the run that tells them would."""
    with house.ledger.begin() as connection:
        now_ms = house.ledger.now_ms(connection)
        found = waiting(connection, now_ms, EVERYONE)
        return [(key, take(connection, now_ms, key, occasion).occasion) for key, occasion in found.items()]


def test_the_warning_that_is_due_is_the_nearest() -> None:
    day_ms = DAY * 1000
    found = {days: stage(int(days * day_ms), 0) for days in (15, 14, 8, 7, 3.5, 3, 2, 1, 0.1)}
    assert found == {15: None, 14: 14, 8: 14, 7: 7, 3.5: 7, 3: 3, 2: 3, 1: 1, 0.1: 1}


def test_four_warnings_are_told_once_each_and_in_time(silent: House) -> None:
    key = page(silent, 20)
    told: list[tuple[float, str]] = []
    for sixth in range(20 * 6):
        silent.survey()
        told += [(20 - sixth / 6, name) for name, _ in messages(silent)]
        silent.move(4 * HOUR)
    assert told == [(days, f"login_ends:{key}:{days}") for days in (14, 7, 3, 1)]
    assert silent.audit(key) == ["connected"] + ["warned"] * 4


def test_a_warning_says_when_and_how(silent: House) -> None:
    key = page(silent, 7)
    silent.survey()
    sentence = silent.open_incidents()[f"login_ends:{key}:7"]
    assert "facebook @user100: its login ends at 2027-01-22" in sentence
    assert "7 days from now" in sentence
    assert "`schedulo accounts connect facebook 100`" in sentence


def test_after_a_pause_only_the_nearest_warning_is_told(silent: House) -> None:
    key = page(silent, 20)
    silent.survey()
    silent.move(18 * DAY)
    silent.survey()
    assert list(silent.open_incidents()) == [f"login_ends:{key}:3"]


def test_an_end_that_moves_by_hours_is_the_same_end(silent: House) -> None:
    key = page(silent, 10)
    silent.survey()
    _end(silent, key, 10 + 0.9)
    silent.survey()
    assert silent.audit(key) == ["connected", "warned"]


def test_an_end_that_moves_far_takes_the_warning_back_and_warns_anew_for_the_next(silent: House) -> None:
    key = page(silent, 10)
    silent.survey()
    messages(silent)
    _end(silent, key, 60)
    silent.survey()
    assert silent.open_incidents() == {}
    assert messages(silent) == [(f"login_ends:{key}:14", Occasion.OVER)]
    silent.move(50 * DAY)
    silent.survey()
    assert list(silent.open_incidents()) == [f"login_ends:{key}:14"]


def _end(house: House, key: str, days: float) -> None:
    ends = int((house.now_s + days * DAY) * 1000)
    with house.ledger.begin() as connection:
        same = credentials.c.account_key == key
        connection.execute(credentials.update().where(same).values(data_access_ms=ends))


def test_connecting_again_ends_the_warning_and_people_are_told_so(silent: House) -> None:
    key = page(silent, 10)
    silent.survey()
    messages(silent)
    with silent.ledger.begin() as connection:
        now_ms = silent.ledger.now_ms(connection)
        silent.vault.put_in(connection, now_ms, {key: {"access_token": "new"}}, "ann")
        connected(connection, now_ms, [key])
    silent.survey()
    assert messages(silent) == [(f"login_ends:{key}:14", Occasion.OVER)]
    assert silent.login(key).warned_days is None


def test_the_end_replaces_the_warning_by_a_hold(silent: House) -> None:
    key = page(silent, 2)
    silent.survey()
    messages(silent)
    silent.move(2 * DAY)
    silent.survey()
    silent.move(HOUR)
    assert messages(silent) == [(f"held:account:{key}:reconnect", Occasion.BEGAN)]
    with silent.ledger.begin() as connection:
        now_ms = silent.ledger.now_ms(connection)
        silent.vault.put_in(connection, now_ms, {key: {"access_token": "new"}}, "ann")
        assert len(reconnected(connection, now_ms, [key], "ann")) == 1


def test_nobody_is_warned_of_what_is_renewed_without_them(silent: House) -> None:
    ends = int((silent.now_s + 10 * DAY) * 1000)
    secret = {"access_token": "t", "refresh_token": "r", "expires_ms": int(silent.now_s * 1000) + 1}
    silent.row("x", "1", secret)
    silent.row("tiktok", "1", {**secret, "refresh_expires_ms": ends + 5 * DAY * 1000})
    silent.survey()
    assert silent.open_incidents() == {}


def test_nobody_is_warned_for_an_account_that_is_not_active(silent: House) -> None:
    page(silent, 10)
    with silent.ledger.begin() as connection:
        connection.execute(accounts.update().values(active=False))
    silent.survey()
    assert silent.open_incidents() == {}
