"""That a permission was taken away, as TikTok tells it: asked about at once, believed from TikTok alone."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.heard import take_in
from schedulo.ledger.heard import platform_events
from schedulo.model import Platform
from schedulo.tokens.heard import LOOKS, look_into
from tests.schedulo.platforms.tiktok_events import told
from tests.schedulo.tokens.house import House

SECRET = {
    "access_token": "token-7",
    "refresh_token": "refresh-7",
    "expires_ms": 1_800_000_000_000 + 7_200_000,
}


@pytest.fixture
def key(house: House) -> str:
    return house.account("tiktok", "7", SECRET)


def hear(house: House, account_id: str = "7") -> None:
    with house.ledger.begin() as connection:
        event = told("authorization.removed", account_id, at_s=int(house.now_s), reason=1)
        take_in(connection, house.ledger.now_ms(connection), Platform.TIKTOK, event)


def notes(house: House) -> list[Any]:
    with house.ledger.read() as connection:
        query = sa.select(platform_events.c.note, platform_events.c.next_ms)
        return list(connection.execute(query))


def test_an_account_whose_owner_took_the_permission_away_is_held_and_its_owner_told(
    house: House, key: str
) -> None:
    house.sandbox.in_app("tiktok", "remove_authorization", account_id="7")
    hear(house)
    (line,) = look_into(house.means())
    assert f"{key}: held" in line
    assert [(hold.key, hold.error_kind) for hold in house.holds()] == [(key, "reconnect")]
    assert len(house.open_incidents()) == 1
    assert notes(house)[0].next_ms is None
    assert look_into(house.means()) == [], "once is enough"


def test_one_who_has_connected_again_meanwhile_is_not_held(house: House, key: str) -> None:
    hear(house)
    for _ in range(LOOKS):
        assert look_into(house.means()) == [f"{key}: its login is good"]
        house.move(600)
    assert look_into(house.means()) == []
    assert (house.holds(), house.open_incidents()) == ([], {})


def test_a_platform_that_does_not_answer_is_asked_again_and_holds_nobody(house: House, key: str) -> None:
    house.sandbox.in_app("tiktok", "remove_authorization", account_id="7")
    house.sandbox.fault(service="tiktok", mode="status:503", times=-1)
    hear(house)
    look_into(house.means())
    assert house.holds() == []
    house.sandbox.withdraw_faults()
    house.move(600)
    look_into(house.means())
    assert [hold.key for hold in house.holds()] == [key]


def test_an_account_without_a_login_here_is_let_be(house: House) -> None:
    house.row("tiktok", "8")
    hear(house, "8")
    assert look_into(house.means()) == ["tiktok:8: no login of it is kept"]
    assert notes(house)[0].next_ms is None
