"""Who is told of maintenance, when, and that nobody is told twice."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.moved import settle
from schedulo.delivery.windows import Fate, Wanted, Window, call_off, change, plan
from schedulo.ledger.tables import posts
from schedulo.model import State
from schedulo.settings import Settings, SettingsError
from tests.schedulo.telling.conftest import Desk

S = State
HOUR_S, HOUR = 3600, 3_600_000


@pytest.fixture
def desk(desk: Desk) -> Desk:
    desk.settings = Settings(notify_operator="ops", notify_owner="owners", notify_author="authors")
    return desk


def wanted(desk: Desk, from_h: float, until_h: float, **more: Any) -> Wanted:
    span = (desk.now_ms + int(from_h * HOUR), desk.now_ms + int(until_h * HOUR))
    return Wanted(("everything",), *span, **{"posts": Fate.MOVE, "reason": "new database", **more})


def planned(desk: Desk, from_h: float = 30, until_h: float = 32, **more: Any) -> Window:
    window: Window = desk.do(plan, wanted(desk, from_h, until_h, **more), "ann")
    return window


def due(desk: Desk, in_h: float, **more: Any) -> str:
    at_ms = desk.now_ms + int(in_h * HOUR)
    return desk.add(
        **{"due_ms": at_ms, "fire_ms": at_ms, "not_after_ms": at_ms + HOUR, "label": "a post"} | more
    )


def later(desk: Desk, hours: float = 0) -> list[tuple[str, str]]:
    """What is said after so long, by ticks and runs of handle_incidents: (channel, title)."""
    before = len(desk.sent)
    desk.pass_s(hours * HOUR_S)
    for _ in range(2):
        desk.sweep()
        desk.tell()
        desk.pass_s(301)
    return sorted((channel, message.title) for channel, message in desk.sent[before:])


def test_people_are_told_a_day_and_an_hour_before_and_when_it_is_over(desk: Desk) -> None:
    moved, held = due(desk, 30.5), due(desk, 31, in_maintenance="hold")
    missed = due(desk, 31, not_after_ms=desk.now_ms + 31 * HOUR + 1)
    window = planned(desk)
    assert [at for at, _ in later(desk)] == ["authors"], "of the post that it makes them miss"
    assert later(desk, 4) == []
    both = [("ops", "Maintenance (3 posts)"), ("owners", "Maintenance (3 posts)")]
    assert later(desk, 2) == both
    body = desk.sent[-1][1].body
    assert (
        "Nothing goes out there meanwhile. 3 posts are due inside: 1 moved to its end, 1 held until" in body
    )
    assert "planned by ann" in body
    assert later(desk, 20) == []
    assert later(desk, 3) == both
    [(who, _)] = later(desk, 1.5)
    assert who == "authors"
    assert "none of 1 post went out; Missed: 1" in desk.sent[-1][1].body
    desk.now_ms = window.until_ms - 1000
    later(desk)
    assert desk.row(missed).state == S.MISSED
    desk.change(moved, state=S.PUBLISHED, published_ms=window.until_ms + 1, error_kind="")
    told = later(desk)
    assert told == [("ops", "Over: Maintenance (3 posts)"), ("owners", "Over: Maintenance (3 posts)")]
    assert "1 of 3 posts went out" in desk.sent[-1][1].body
    assert "Missed: 1" in desk.sent[-1][1].body
    assert desk.row(held).state == S.HELD
    assert later(desk, 30) == []


def test_the_end_is_told_when_what_was_moved_is_out(desk: Desk) -> None:
    id_ = due(desk, 1.5)
    planned(desk, 1, 2)
    later(desk)
    assert later(desk, 2) == []
    desk.change(id_, state=S.PUBLISHED, published_ms=desk.now_ms)
    assert [title for _, title in later(desk)] == ["Over: Maintenance (1 post): a post"] * 2


def test_maintenance_without_posts_is_the_operators_alone(desk: Desk) -> None:
    planned(desk, 1, 2)
    assert later(desk) == [("ops", "Maintenance")]
    assert later(desk, 2) == [("ops", "Over: Maintenance")]


def test_who_is_operator_and_owner_is_told_once(desk: Desk) -> None:
    desk.settings = Settings(notify_operator="ops")
    due(desk, 1.5)
    planned(desk, 1, 2)
    assert [at for at, _ in later(desk)] == ["ops"]


def test_a_change_is_told_to_those_who_knew_the_old_times(desk: Desk) -> None:
    due(desk, 30.5)
    window = planned(desk)
    assert later(desk, 7) != []
    desk.do(change, window, wanted(desk, 20, 30), "bob")
    told = later(desk)
    assert {title for _, title in told} == {"Maintenance (1 post): a post"}
    assert "changed by bob" in desk.sent[-1][1].body


def test_a_window_that_is_called_off_is_taken_back(desk: Desk) -> None:
    due(desk, 30.5)
    window = planned(desk)
    later(desk, 7)
    desk.do(call_off, window, "bob")
    told = later(desk)
    assert {title for _, title in told} == {"Over: Maintenance (1 post): a post"}
    assert "was called off by bob" in desk.sent[-1][1].body
    assert later(desk, 4) == []


def test_what_nobody_was_told_of_is_called_off_in_silence(desk: Desk) -> None:
    window = planned(desk)
    later(desk)
    desk.do(call_off, window, "bob")
    assert later(desk, 40) == []


def test_posts_inside_are_read_again_when_their_window_is_told(desk: Desk) -> None:
    """What their rows say of maintenance shows in no list of changes."""
    id_ = due(desk, 1.5)
    desk.run(sa.insert(posts).values(record_id=f"rec-{id_}", seen_ms=0))
    planned(desk, 1, 2)
    desk.do(settle, HOUR)
    desk.sweep()
    assert [row.unfinished for row in desk.run(sa.select(posts.c.unfinished))] == [True]


@pytest.mark.parametrize("text", ["soon", "24, -1", "0", "nan", "9999"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="SCHEDULO_MAINTENANCE_TOLD"):
        Settings(maintenance_told=text)
