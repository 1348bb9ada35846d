"""When people are told: at once, then at growing intervals, of every post, and of the end."""

from __future__ import annotations

import threading
import time

import pytest
import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import incident_cases
from schedulo.model import State
from schedulo.telling.news import MORE_AFTER_S, REMIND_AFTER_S
from tests.schedulo.telling.conftest import Desk


def fail(desk: Desk, count: int = 1) -> list[str]:
    ids = [desk.add(State.FAILED, label=f"x @acme: post {number}") for number in range(count)]
    desk.incident(Trouble.FAILED, *ids)
    return ids


def untold(desk: Desk) -> int:
    return len(desk.run(sa.select(incident_cases).where(incident_cases.c.told_ms.is_(None))))


def test_two_hundred_posts_of_one_cause_are_one_message(desk: Desk) -> None:
    for _ in range(4):
        fail(desk, 50)
    assert desk.tell() == ["Posts could not be published (200 posts)"]
    assert not desk.anything()


def test_a_post_that_fails_later_is_told_later_with_what_came_meanwhile(desk: Desk) -> None:
    fail(desk)
    desk.tell()
    fail(desk)
    desk.pass_s(MORE_AFTER_S[0] - 1)
    fail(desk)
    assert not desk.anything()
    assert desk.tell() == []
    desk.pass_s(1)
    assert desk.anything()
    assert desk.tell() == ["Posts could not be published: 2 more (3 posts)"]
    assert untold(desk) == 0


def test_every_failure_is_told_however_often_the_cause_was_told(desk: Desk) -> None:
    for _ in range(12):
        fail(desk)
        desk.pass_s(max(MORE_AFTER_S))
        assert len(desk.tell()) == 1
        assert untold(desk) == 0


def test_a_post_that_fails_while_people_are_being_told_is_told_too(desk: Desk) -> None:
    fail(desk)
    second = desk.add(State.FAILED)
    teller = threading.Thread(target=desk.tell)
    with desk.ledger.begin() as connection:
        words = {"actor": Actor.OPERATOR, "cases": [second]}
        incident(connection, desk.now_ms, Trouble.FAILED, "it is so", **words)
        teller.start()
        time.sleep(0.5)  # now it waits for the row of the incident
        assert desk.sent == []
    teller.join()
    assert [message.title for _, message in desk.sent] == ["Posts could not be published (2 posts)"]
    assert untold(desk) == 0


def test_what_lasts_is_recalled_at_growing_intervals_and_then_no_more(desk: Desk) -> None:
    fail(desk)
    desk.tell()
    for wait_s in REMIND_AFTER_S:
        desk.pass_s(wait_s - 1)
        assert desk.tell() == []
        desk.pass_s(1)
        assert desk.tell() == ["Still: Posts could not be published (1 post): x @acme: post 0"]
    desk.pass_s(2 * max(REMIND_AFTER_S))
    assert desk.tell() == []


def test_the_end_says_what_became_of_the_posts(desk: Desk) -> None:
    ids = fail(desk, 3)
    desk.tell()
    for id_ in ids[:2]:
        desk.change(id_, state=State.PUBLISHED, published_ms=1_800_000_660_000)
    desk.change(ids[2], state=State.CANCELLED)
    assert desk.anything()
    assert desk.tell() == ["Over: Posts could not be published (3 posts)"]
    assert "2 of 3 posts went out, the last at 2027-01-15 08:11 UTC; Cancelled: 1" in desk.sent[-1][1].body
    desk.pass_s(7 * 86400)
    assert not desk.anything()


def test_what_comes_back_is_told_again(desk: Desk) -> None:
    (first,) = fail(desk)
    desk.tell()
    desk.change(first, state=State.PUBLISHED)
    desk.tell()
    fail(desk)
    assert desk.tell() == ["Posts could not be published (1 post): x @acme: post 0"]


def test_a_failure_that_was_mended_before_it_was_told_is_told_with_its_end(desk: Desk) -> None:
    (id_,) = fail(desk)
    desk.change(id_, state=State.PUBLISHED)
    assert len(desk.tell()) == 1
    assert "1 post went out" in desk.sent[0][1].body
    assert not desk.anything()


def test_a_hiccup_of_airtable_is_not_worth_a_message(desk: Desk) -> None:
    desk.incident(Trouble.AIRTABLE_READ, about="AirtableDown")
    desk.pass_s(200)
    desk.do(over, Trouble.AIRTABLE_READ, "AirtableDown")
    desk.pass_s(600)
    assert not desk.anything()
    assert desk.tell() == []


def test_what_goes_and_comes_is_one_incident_until_it_is_calm(desk: Desk) -> None:
    desk.incident(Trouble.CHANNEL, about="elsewhere")
    desk.pass_s(90)
    assert len(desk.tell()) == 1
    for _ in range(5):
        desk.do(over, Trouble.CHANNEL, "elsewhere")
        desk.pass_s(30)
        assert desk.tell() == []
        desk.incident(Trouble.CHANNEL, about="elsewhere")
    desk.do(over, Trouble.CHANNEL, "elsewhere")
    desk.pass_s(60)
    assert desk.tell() == ["Over: A channel of notifications does not work"]


def test_what_needs_nobody_is_told_only_where_it_lasts(desk: Desk) -> None:
    desk.hold("account", "x:1", error_kind="rate_limited")
    desk.incident(Trouble.HELD, about="account:x:1:rate_limited", actor=Actor.NOBODY)
    desk.pass_s(599)
    assert desk.tell() == []
    desk.pass_s(1)
    assert desk.tell() == ["Posts are held"]
    assert "Who must act: nobody" in desk.sent[0][1].body
    desk.pass_s(86400)
    assert desk.tell() == []


def test_who_must_act_is_told_and_who_has_no_channel_is_the_operators(desk: Desk) -> None:
    desk.settings = type(desk.settings)(notify_operator="ops, boss@example.com", notify_owner="owners")
    desk.incident(Trouble.HELD, about="everything:bug", actor=Actor.OWNER)
    desk.hold("everything", error_kind="bug")
    desk.incident(Trouble.MISSED, desk.add(State.MISSED), actor=Actor.AUTHOR)
    desk.pass_s(60)
    desk.tell()
    assert desk.got("owners") == ["Posts are held"]
    assert desk.got("ops") == desk.got("boss@example.com")
    assert [title.partition(" (")[0] for title in desk.got("ops")] == ["Posts were not sent in time"]


def test_without_a_channel_nothing_counts_as_told(desk: Desk) -> None:
    settings, desk.settings = desk.settings, type(desk.settings)()
    fail(desk)
    assert not desk.anything()
    assert desk.tell() == []
    desk.settings = settings
    assert len(desk.tell()) == 1


@pytest.mark.parametrize("trouble", [Trouble.FAILED, Trouble.MISSED, Trouble.UNRESOLVED, Trouble.INCOMPLETE])
def test_what_became_of_a_post_is_told_at_once(desk: Desk, trouble: Trouble) -> None:
    desk.incident(trouble, desk.add(State.FAILED))
    assert len(desk.tell()) == 1
