"""Changes are heard when there may be some, and remembered until their rows were read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.airtable.schema import ACCOUNTS, DELIVERIES, MAINTENANCE, MENTIONS, POSTS
from schedulo.airtable.webhooks import Webhooks
from schedulo.clock import iso
from schedulo.ledger import changes
from schedulo.ledger.database import Ledger
from schedulo.ledger.listening import airtable_webhooks
from schedulo.planning.ear import LONGEST_REST_S, Ear
from schedulo.settings import Settings
from tests.schedulo.airtable.conftest import OneBase, base, clock, make_base  # noqa: F401

URL = "https://schedulo.example/schedulo/hooks/airtable"
POLL = Settings(airtable_changes="poll", airtable_changes_poll_s=5.0)
PING = Settings(airtable_changes="ping", airtable_ping_url=URL)


@dataclass
class Room:
    """An ear at a base with a webhook, and a clock that is moved by hand."""

    base: OneBase
    ledger: Ledger
    now_s: float = 0.0
    webhook_id: str = ""
    asked: list[int] = field(default_factory=list)

    def webhook(self) -> None:
        webhooks = Webhooks(self.base.client())
        watched = webhooks.watched()
        self.webhook_id = webhooks.make(watched, "").id
        row = {"base_id": self.base.base_id, "webhook_id": self.webhook_id, "watched": watched, "cursor": 1}
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(airtable_webhooks).values(**row))

    def ear(self, settings: Settings = POLL) -> Ear:
        return Ear(self.ledger, settings, self.base.client(), clock=lambda: self.now_s)

    def heard(self) -> set[tuple[str, str]]:
        with self.ledger.read() as connection:
            return set(changes.heard(connection))

    def ping(self, at_ms: int) -> None:
        with self.ledger.begin() as connection:
            connection.execute(sa.update(airtable_webhooks).values(pinged_ms=at_ms))

    def payload_calls(self) -> int:
        return sum(row["count"] for row in self.base.sandbox.requests() if "payloads" in row["route"])


@pytest.fixture
def room(base: OneBase, ledger: Ledger) -> Room:  # noqa: F811
    made = Room(base, ledger)
    made.webhook()
    return made


def test_rows_that_people_change_wait_to_be_read(room: Room) -> None:
    ear = room.ear()
    (post,) = room.base.add(POSTS, {"Title": "One"})
    (account,) = room.base.add(ACCOUNTS, {"Name": "North"})
    (row,) = room.base.add(DELIVERIES, {"Delivery": "One", "Cancel requested at": iso(1_800_000_000_000)})
    waiting = ear.look()
    assert room.heard() == {(POSTS, post), (ACCOUNTS, account), (DELIVERIES, row)}
    assert waiting.rows == 3
    assert waiting.heard_ms > 0


def test_what_we_write_waits_for_nobody(room: Room) -> None:
    ear = room.ear()
    room.base.add(DELIVERIES, {"Delivery": "One", "State": "Published", "Message": "It is out"})
    assert ear.look().rows == 0
    assert room.payload_calls() == 1


def test_maintenance_and_mentions_are_read_as_wholes(room: Room) -> None:
    ear = room.ear()
    room.base.add(MENTIONS, {"Name": "Cafe"})
    ear.look()
    assert room.heard() == {(ACCOUNTS, ""), (MAINTENANCE, "")}


def test_it_asks_as_often_as_the_settings_say(room: Room) -> None:
    ear = room.ear()
    for room.now_s in (0.0, 1.0, 4.9, 5.0, 9.0, 10.5):
        ear.look()
    assert room.payload_calls() == 3


def test_with_pings_it_asks_at_its_start_and_when_one_came(room: Room) -> None:
    ear = room.ear(PING)
    for room.now_s in range(10):
        ear.look()
    assert room.payload_calls() == 1
    (post,) = room.base.add(POSTS, {"Title": "One"})
    assert ear.look().rows == 0
    room.ping(1)
    assert ear.look().rows == 1
    ear.look()
    assert room.payload_calls() == 2
    assert room.heard() == {(POSTS, post)}


def test_all_pages_are_read_at_once(room: Room) -> None:
    ear = room.ear()
    for number in range(60):  # a payload each
        room.base.add(POSTS, {"Title": str(number)})
    assert ear.look().rows == 60
    assert room.payload_calls() == 2


def test_an_airtable_that_is_away_is_asked_ever_more_seldom_and_nothing_is_lost(room: Room) -> None:
    ear = room.ear()
    (post,) = room.base.add(POSTS, {"Title": "One"})
    room.base.sandbox.fault(service="airtable", mode="status:503", times=-1)
    tried = []
    for room.now_s in range(0, 1200, 5):
        before = room.payload_calls()
        ear.look()
        if room.payload_calls() > before:
            tried.append(room.now_s)
    waits = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert waits == sorted(waits)
    assert max(waits) <= LONGEST_REST_S
    room.base.sandbox.withdraw_faults()
    room.now_s += LONGEST_REST_S
    assert ear.look().rows == 1
    assert room.heard() == {(POSTS, post)}


def test_without_a_webhook_nothing_is_asked(room: Room) -> None:
    with room.ledger.begin() as connection:
        connection.execute(sa.delete(airtable_webhooks))
    before = room.base.sandbox.requests()
    assert room.ear().look().rows == 0
    assert room.base.sandbox.requests() == before


def test_changes_that_may_have_been_missed_are_all_to_be_read(room: Room) -> None:
    with room.ledger.begin() as connection:
        connection.execute(sa.update(airtable_webhooks).values(lost=True))
    room.ear().look()
    assert room.heard() == {changes.EVERYTHING}


def test_what_was_told_is_remembered_or_told_again(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends between the answer and the end of the transaction."""
    (post,) = room.base.add(POSTS, {"Title": "One"})

    def dies(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(changes, "hear", dies)
        with pytest.raises(MemoryError):
            room.ear().look()
    assert room.heard() == set()
    assert room.ear().look().rows == 1
    assert room.heard() == {(POSTS, post)}
