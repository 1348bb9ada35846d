"""What a channel gets: each message once, so many an hour, the rest in digests; what fails is kept."""

from __future__ import annotations

import pytest

from schedulo.delivery.incidents import Trouble
from schedulo.model import State
from schedulo.settings import Settings, SettingsError
from schedulo.telling.letters import TRY_AGAIN_S
from tests.schedulo.telling.conftest import Desk


def many(desk: Desk, count: int, first: int = 0) -> None:
    """Incidents of so many causes."""
    for number in range(first, first + count):
        desk.incident(
            Trouble.FAILED,
            desk.add(State.FAILED, label=f"post {number}"),
            about=f"bug:x:{number}",
            sentence=f"cause {number}.",
        )


def test_so_many_messages_an_hour_and_not_one_more(desk: Desk) -> None:
    times = []
    for number in range(130):
        many(desk, 1, first=number)
        for _ in desk.tell():
            times.append(desk.now_ms)
        desk.pass_s(60)
    for at_ms in times:
        assert sum(at_ms <= other < at_ms + 3_600_000 for other in times) <= 12


def test_what_is_beyond_the_hour_is_in_digests_and_nothing_is_left_out(desk: Desk) -> None:
    for number in range(40):
        many(desk, 1, first=number)
        desk.tell()
        desk.pass_s(90)
    desk.pass_s(3600)
    desk.tell()
    text = "\n".join(message.body for _, message in desk.sent)
    assert [number for number in range(40) if f"cause {number}." not in text] == []
    assert any(title.endswith("...") and "messages: " in title for title in desk.got("ops"))


def test_many_causes_at_once_are_one_digest(desk: Desk) -> None:
    many(desk, 30)
    (title,) = desk.tell()
    assert title.startswith("30 messages: Posts could not be published (1 post): post ")
    assert not desk.anything()


def test_a_digest_has_every_title_however_many_there_are(desk: Desk) -> None:
    many(desk, 300)
    desk.tell()
    ((_, message),) = desk.sent
    assert [n for n in range(300) if f"post {n}" not in message.body] == []
    assert [n for n in range(300) if f"post {n}<" not in message.html] == []
    assert len(message.body) < 60_000


def test_a_channel_that_fails_touches_no_other_and_gets_it_later(desk: Desk) -> None:
    desk.settings = Settings(notify_operator="ops, slack")
    desk.broken = {"ops"}
    many(desk, 1)
    desk.tell()
    assert (len(desk.got("ops")), len(desk.got("slack"))) == (0, 1)
    desk.broken = set()
    assert not desk.anything()
    desk.pass_s(TRY_AGAIN_S[0])
    assert desk.anything()
    desk.tell()
    assert desk.got("ops") == desk.got("slack")
    assert not desk.anything()


def test_a_channel_that_fails_is_tried_at_growing_intervals(desk: Desk) -> None:
    desk.broken = {"ops"}
    many(desk, 1)
    desk.tell()
    for number, wait_s in enumerate((*TRY_AGAIN_S, TRY_AGAIN_S[-1]), start=1):
        desk.pass_s(wait_s - 1)
        desk.tell()
        assert desk.refused == number
        desk.pass_s(1)
        desk.tell()
        assert desk.refused == number + 1


def test_a_channel_that_fails_is_told_on_the_others_and_its_mending_too(desk: Desk) -> None:
    desk.settings = Settings(notify_operator="ops, slack")
    desk.broken = {"ops"}
    many(desk, 1)
    for _ in range(4):
        desk.tell()
        desk.pass_s(60)
    (_, told) = [message for channel, message in desk.sent if channel == "slack"]
    assert told.title == "A channel of notifications does not work"
    assert "ops does not take messages: it is not there" in told.body
    desk.broken = set()
    for _ in range(20):
        desk.tell()
        desk.pass_s(60)
    assert desk.got("slack")[-1] == "Over: A channel of notifications does not work"
    assert not any("channel" in title for title in desk.got("ops"))


def test_a_channel_that_comes_back_after_long_gets_one_digest(desk: Desk) -> None:
    desk.broken = {"ops"}
    for number in range(40):
        many(desk, 1, first=number)
        desk.tell()
        desk.pass_s(60)
    desk.broken = set()
    desk.pass_s(3600)
    (title,) = desk.tell()
    assert title.startswith("40 messages: ")


def test_a_channel_that_was_taken_out_of_the_settings_is_forgotten(desk: Desk) -> None:
    desk.settings = Settings(notify_operator="ops, slack")
    desk.broken = {"slack"}
    many(desk, 1)
    desk.tell()
    desk.settings, desk.broken = Settings(notify_operator="ops"), set()
    desk.pass_s(600)
    desk.tell()
    desk.settings = Settings(notify_operator="ops, slack")
    desk.tell()
    assert desk.got("slack") == []


def test_fewer_messages_an_hour_than_digests_are_refused() -> None:
    with pytest.raises(SettingsError, match="SCHEDULO_NOTIFY_AN_HOUR is 4"):
        Settings(notify_an_hour=4)
