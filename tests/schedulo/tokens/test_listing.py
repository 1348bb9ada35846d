"""How every login stands, for people and programs."""

from __future__ import annotations

from schedulo.model import Format
from schedulo.tokens.listing import Standing, standings
from tests.schedulo.tokens.house import DAY, House


def listed(house: House, alone: frozenset[str] = frozenset()) -> dict[str, Standing]:
    with house.ledger.read() as connection:
        found = standings(connection, int(house.now_s * 1000), house.settings, alone)
    return {one.account_key: one for one in found}


def test_every_account_is_listed_by_what_it_needs(house: House) -> None:
    ms = house.now_s * 1000
    house.row("facebook", "good", {"access_token": "t", "data_access_ms": int(ms + 60 * DAY * 1000)})
    house.row("facebook", "soon", {"access_token": "t", "data_access_ms": int(ms + 5 * DAY * 1000)})
    house.row("facebook", "dead", {"access_token": "t", "data_access_ms": int(ms)})
    house.row("x", "nothing")
    house.vault.put({"x:stranger": {"access_token": "t"}})
    house.survey()
    with house.ledger.begin() as connection:
        connection.exec_driver_sql(f"UPDATE credentials SET checked_ms = {int(ms)}")
    found = listed(house, frozenset({"x:alone"}))
    assert {key: one.state for key, one in found.items()} == {
        "facebook:dead": "dead",
        "facebook:good": "good",
        "facebook:soon": "ends soon",
        "x:alone": "in the Connection",
        "x:nothing": "no token",
        "x:stranger": "no row",
    }
    assert "schedulo accounts connect facebook dead" in found["facebook:dead"].note
    assert "a person is needed by 2027-01-20" in found["facebook:soon"].note
    assert found["facebook:good"].to_json()["data_access_ends"] == "2027-03-16T08:00:00.000Z"


def test_what_a_login_lacks_and_what_is_done_next_is_said(house: House) -> None:
    key = house.row(
        "x", "1", {"access_token": "secret", "scopes": ["tweet.read", "tweet.write", "users.read"]}
    )
    house.plan(key, DAY, Format.IMAGE)
    one = listed(house)[key]
    assert one.state == "not looked at"
    assert "it lacks media.write" in one.note
    assert "to check with the next run" in one.note
    assert "secret" not in str(one.to_json())
