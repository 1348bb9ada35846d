"""Windows of maintenance: what they stop, what becomes of posts inside, and what gives it back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import again, hurry
from schedulo.delivery.holds import in_force
from schedulo.delivery.moved import AT_ONCE, Decision, _new, _under, decide, sentences, settle
from schedulo.delivery.stops import resume, stop
from schedulo.delivery.windows import (
    Fate,
    Wanted,
    Window,
    WindowError,
    call_off,
    change,
    live,
    plan,
    window_of,
)
from schedulo.ledger.maintenance import window_posts
from schedulo.ledger.tables import incident_cases, incidents
from schedulo.model import Position, State
from schedulo.settings import Settings
from tests.schedulo.delivery.conftest import ME, Books, intent
from tests.schedulo.delivery.test_planning import post, put

S = State
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def wanted(books: Books, from_ms: int = 2 * HOUR, until_ms: int = 4 * HOUR, **more: Any) -> Wanted:
    """A window that begins and ends so long from now."""
    span = {"from_ms": books.now_ms + from_ms, "until_ms": books.now_ms + until_ms}
    return Wanted(
        **{"targets": ("everything",), "posts": Fate.MOVE, "reason": "new database", **span, **more}
    )


def planned(books: Books, *args: int, **more: Any) -> Window:
    window: Window = books.do(plan, wanted(books, *args, **more), "ann")
    settled(books)
    return window


def settled(books: Books) -> set[str]:
    """What a tick changes. It leaves out what has not changed since it was decided; here all is decided, and
    nothing of what was left out may come out otherwise."""
    found: set[str] = books.do(settle, HOUR)
    if len(found) < AT_ONCE:
        assert [item for item in all_decided(books) if _new(item)] == []
    return found


def all_decided(books: Books, since: str = "") -> list[Decision]:
    decisions: list[Decision] = books.do(
        lambda connection, now_ms: decide(connection, now_ms, HOUR, live(connection, now_ms), since)
    )
    return decisions


def due(books: Books, in_ms: int, **more: Any) -> str:
    at_ms = books.now_ms + in_ms
    return books.add(**{"due_ms": at_ms, "fire_ms": at_ms, "not_after_ms": at_ms + HOUR, **more})


def in_hours(books: Books, hours: float) -> None:
    books.now_ms += int(hours * HOUR)


def retried(books: Books, id_: str) -> str:
    [told] = books.do(again.ask, [id_], again.Request(again.Ask.RETRY, "by ann", HOUR))
    return str(told.deed)


def look(books: Books, window: Window) -> Window:
    with books.ledger.read() as connection:
        return window_of(connection, window.id)


def said(books: Books, id_: str) -> str:
    return str(books.do(sentences, [id_]).get(id_, ""))


def statements(books: Books, work: Callable[[], Any]) -> int:
    """How many statements that takes."""
    count = itertools.count()
    sa.event.listen(books.ledger.engine, "before_cursor_execute", hear := lambda *_: next(count))
    work()
    sa.event.remove(books.ledger.engine, "before_cursor_execute", hear)
    return next(count)


def test_deciding_of_many_posts_takes_no_more_statements_than_of_few(books: Books) -> None:
    """On SQLite who sends waits for all of them."""
    wishes = ({}, {"in_maintenance": "hold"}, {"not_after_ms": books.now_ms + 4 * HOUR})
    for number in range(6):
        due(books, 3 * HOUR, **wishes[number % 3])
    books.do(plan, wanted(books), "ann")
    few = statements(books, lambda: settled(books))
    for number in range(60):
        due(books, 3 * HOUR, **wishes[number % 3])
    assert statements(books, lambda: settled(books)) <= few
    assert len(books.run(sa.select(window_posts))) == 66


def test_a_tick_inside_a_window_decides_only_of_what_has_changed(books: Books) -> None:
    moved, held, missed = (
        due(books, 3 * HOUR, in_maintenance="move"),
        due(books, 3 * HOUR, in_maintenance="hold"),
        due(books, 3 * HOUR, not_after_ms=books.now_ms + 4 * HOUR),
    )
    window = planned(books)

    def looked_at() -> set[str]:
        found = books.do(lambda connection, now_ms: live(connection, now_ms))
        return {item.row.id for item in all_decided(books, _under(found, HOUR))}

    in_hours(books, 2.5)
    settled(books)
    assert looked_at() == set()
    fresh = due(books, HOUR)
    books.change(moved, in_maintenance="hold")
    assert looked_at() == {fresh, moved}
    assert settled(books) == {fresh, moved}
    retried(books, held)
    assert looked_at() == {held}
    assert settled(books) == {held}
    books.do(change, window, replace(window.wanted, until_ms=window.until_ms + HOUR), "bob")
    assert looked_at() == {moved, held, missed, fresh}
    settled(books)
    assert looked_at() == set()


# --- the fence --------------------------------------------------------------------------------------------


def test_the_fence_refuses_inside_a_window_and_not_before_or_after(books: Books) -> None:
    early, inside, late = (books.armed(not_after_ms=books.now_ms + DAY) for _ in range(3))
    books.do(plan, wanted(books, MINUTE, HOUR), "ann")
    assert books.fence(intent(early)) != [None]
    books.now_ms += 2 * MINUTE
    assert books.fence(intent(inside)) == [None]
    books.now_ms += HOUR
    assert books.fence(intent(late)) != [None]


def test_a_window_stops_its_targets_alone(books: Books) -> None:
    ours, theirs, other = books.armed(), books.armed(account="x:2"), books.armed(account="facebook:1")
    books.do(plan, wanted(books, 0, HOUR, targets=("account:x:1", "platform:facebook")), "ann")
    answers = books.fence(intent(ours), intent(theirs, "w2"), intent(other, "w3"))
    assert [answer is not None for answer in answers] == [False, True, False]


def test_a_thread_that_was_begun_before_goes_on_inside(books: Books) -> None:
    id_ = books.add(S.PUBLISHED_INCOMPLETE, holder=ME)
    planned(books, 0, HOUR)
    assert books.fence(replace(intent(id_), position=Position.LATER)) != [None]


def test_an_emergency_stop_inside_a_window_outlasts_it(books: Books) -> None:
    window = planned(books, 0, HOUR)
    books.do(stop, "everything", "wrong prices", "bob")
    in_hours(books, 2)
    assert [hold.reason for hold in books.do(in_force)] == ["wrong prices"]
    assert look(books, window).until_ms < books.now_ms


# --- moving -----------------------------------------------------------------------------------------------


def test_what_is_due_inside_is_moved_ahead_and_its_row_says_so(books: Books) -> None:
    before, inside, after = due(books, HOUR), due(books, 3 * HOUR), due(books, 5 * HOUR)
    window = planned(books)
    assert [books.row(id_).fire_ms for id_ in (before, after)] == [
        books.now_ms + HOUR,
        books.now_ms + 5 * HOUR,
    ]
    row = books.row(inside)
    assert (row.state, row.due_ms, row.fire_ms) == (S.SCHEDULED, books.now_ms + 3 * HOUR, window.until_ms)
    assert row.not_after_ms == window.until_ms + HOUR
    assert said(books, inside).startswith("moved by maintenance of everything until ")
    assert "(new database)" in said(books, inside)
    assert set(books.told()) == {inside}
    assert settled(books) == set(), "once"


def test_what_was_moved_goes_out_after_the_end_in_order_of_due_with_the_gap_of_its_account(
    books: Books,
) -> None:
    ids = [due(books, 3 * HOUR - n * MINUTE) for n in range(4)]
    window = planned(books)
    books.now_ms = window.until_ms - 2 * MINUTE
    books.sweep()
    assert books.claim("run") == list(reversed(ids))
    fires = [books.row(id_).fire_ms - window.until_ms for id_ in reversed(ids)]
    assert fires == [0, 1000, 2000, 3000]


def test_what_waits_for_its_second_when_a_window_comes_up_is_moved_once_it_is_stopped(books: Books) -> None:
    at_ms = books.now_ms + MINUTE
    id_ = books.armed(due_ms=at_ms, fire_ms=at_ms, not_after_ms=at_ms + HOUR)
    window = planned(books, 0, 3 * HOUR)
    assert books.row(id_).state == S.ARMED
    books.now_ms += MINUTE
    assert books.fence(intent(id_)) == [None]
    books.change(id_, state=S.HELD, reason="maintenance", holder=None)  # as its process does
    books.sweep()
    row = books.row(id_)
    assert (row.state, row.fire_ms, row.not_after_ms) == (
        S.SCHEDULED,
        window.until_ms,
        window.until_ms + HOUR,
    )


def test_a_post_that_is_tried_again_inside_is_moved_too(books: Books) -> None:
    id_ = due(books, HOUR)
    window = planned(books)
    in_hours(books, 1.5)
    books.change(id_, fire_ms=books.now_ms + HOUR, not_after_ms=books.now_ms + HOUR + MINUTE)
    settled(books)
    assert books.row(id_).fire_ms == window.until_ms


def test_two_windows_in_a_row_move_a_post_behind_both(books: Books) -> None:
    id_ = due(books, 3 * HOUR)
    planned(books)
    second = planned(books, 4 * HOUR, 6 * HOUR, targets=("platform:x",))
    assert books.row(id_).fire_ms == second.until_ms
    books.do(call_off, second, "ann")
    settled(books)
    assert books.row(id_).fire_ms == second.from_ms


def test_a_person_who_gives_a_post_another_time_takes_it_out(books: Books) -> None:
    id_ = put(books, post(books, due_s=3 * 3600))
    window = planned(books)
    put(books, post(books, due_s=3 * 3600))
    assert books.row(id_).fire_ms == window.until_ms, "a row that says the same changes nothing"
    put(books, post(books, due_s=5 * 3600))
    assert (books.row(id_).fire_ms, said(books, id_)) == (books.now_ms + 5 * HOUR, "")
    assert books.row(id_).not_after_ms == books.now_ms + 6 * HOUR
    put(books, post(books, due_s=2.5 * 3600))
    settled(books)
    assert books.row(id_).fire_ms == window.until_ms, "and another one inside is moved as well"


def test_a_changed_text_leaves_a_moved_post_where_it_is(books: Books) -> None:
    id_ = put(books, post(books, due_s=3 * 3600))
    window = planned(books)
    put(books, post(books, "better words", due_s=3 * 3600))
    row = books.row(id_)
    assert (row.content["text"], row.fire_ms, row.not_after_ms) == (
        "better words",
        window.until_ms,
        window.until_ms + HOUR,
    )


def test_what_a_person_wants_out_now_waits_for_the_end_of_the_window(books: Books) -> None:
    window = planned(books, 0, 3 * HOUR)
    id_ = due(books, DAY)
    [asked] = books.do(hurry.ask_now, "run", [f"rec-{id_}"], [], Settings(missed_after_s=3600))
    assert asked.taken
    books.change(id_, state=S.HELD, reason="maintenance")  # as its process does
    books.sweep()
    assert (books.row(id_).state, books.row(id_).fire_ms) == (S.SCHEDULED, window.until_ms)


# --- what cannot be moved -----------------------------------------------------------------------------------


def test_what_may_not_go_out_after_the_end_reaches_its_author_ahead_and_once(books: Books) -> None:
    id_ = due(books, 3 * HOUR, not_after_ms=books.now_ms + 3 * HOUR + MINUTE)
    window = planned(books)
    assert "it will be missed; give it another time" in said(books, id_)
    [told] = books.run(sa.select(incidents))
    assert (told.kind, told.actor, told.key) == (
        "maintenance_misses",
        "the author",
        f"maintenance_misses:{window.id}",
    )
    in_hours(books, 3.5)
    books.sweep()
    assert books.row(id_).state == S.MISSED
    cases = books.run(sa.select(incident_cases.c.incident_key).where(incident_cases.c.delivery_id == id_))
    keys = {case.incident_key for case in cases}
    assert told.key in keys
    assert "missed" not in keys, "its author was told"


def test_a_post_with_a_not_after_behind_the_end_is_moved_and_keeps_it(books: Books) -> None:
    limit_ms = books.now_ms + 4 * HOUR + MINUTE
    id_ = due(books, 3 * HOUR + 2 * MINUTE, not_after_ms=limit_ms)
    window = planned(books)
    assert (books.row(id_).fire_ms, books.row(id_).not_after_ms) == (window.until_ms, limit_ms)


# --- holding ------------------------------------------------------------------------------------------------


def test_a_held_post_waits_for_a_person_beyond_the_end(books: Books) -> None:
    id_ = due(books, 3 * HOUR)
    planned(books, posts=Fate.HOLD)
    row = books.row(id_)
    assert (row.state, row.error_kind) == (S.HELD, "maintenance")
    assert row.reason.startswith("held by maintenance of everything from ")
    in_hours(books, 3 * 24)
    books.sweep()
    assert books.row(id_).state == S.HELD
    assert retried(books, id_) == "planned"
    books.sweep()
    assert books.claim("run") == [id_]


def test_a_held_post_that_a_person_lets_go_before_goes_out_after_the_end(books: Books) -> None:
    id_ = due(books, 3 * HOUR)
    window = planned(books, posts=Fate.HOLD)
    retried(books, id_)
    books.sweep()
    row = books.row(id_)
    assert (row.state, row.fire_ms) == (S.SCHEDULED, window.until_ms)
    assert settled(books) == set()


def test_a_post_says_itself_what_becomes_of_it(books: Books) -> None:
    held, moved = due(books, 3 * HOUR, in_maintenance="hold"), due(books, 3 * HOUR, in_maintenance="move")
    planned(books)
    window = planned(books, posts=Fate.HOLD)
    assert books.row(held).error_kind == "maintenance"
    assert books.row(moved).fire_ms == window.until_ms


def test_an_author_who_changes_the_wish_is_obeyed(books: Books) -> None:
    wish = post(books, due_s=3 * 3600)
    id_ = put(books, wish)
    window = planned(books)
    put(books, replace(wish, plans=tuple(replace(one, in_maintenance="hold") for one in wish.plans)))
    settled(books)
    assert books.row(id_).error_kind == "maintenance"
    put(books, replace(wish, plans=tuple(replace(one, in_maintenance="move") for one in wish.plans)))
    settled(books)
    assert (books.row(id_).state, books.row(id_).fire_ms) == (S.SCHEDULED, window.until_ms)


def test_a_held_post_that_gets_a_time_outside_is_free(books: Books) -> None:
    id_ = put(books, post(books, due_s=3 * 3600))
    planned(books, posts=Fate.HOLD)
    put(books, post(books, due_s=5 * 3600))
    books.sweep()
    row = books.row(id_)
    assert (row.state, row.fire_ms) == (S.SCHEDULED, books.now_ms + 5 * HOUR)


def test_a_held_post_stays_held_when_another_window_would_move_it(books: Books) -> None:
    id_ = due(books, 3 * HOUR)
    planned(books, posts=Fate.HOLD)
    in_hours(books, 5)
    other = planned(books, 0, HOUR)
    assert books.row(id_).error_kind == "maintenance"
    books.do(call_off, other, "bob")
    settled(books)
    assert books.row(id_).error_kind == "maintenance"


def test_a_post_that_the_first_of_two_windows_holds_waits_through_both(books: Books) -> None:
    id_ = due(books, 3 * HOUR)
    books.do(plan, wanted(books, 4 * HOUR, 6 * HOUR), "ann")
    first = planned(books, posts=Fate.HOLD)
    in_hours(books, 5)
    settled(books)
    assert (look(books, first).until_ms, books.row(id_).state) == (books.now_ms - HOUR, S.HELD)
    in_hours(books, 5)
    settled(books)
    assert books.row(id_).state == S.HELD
    retried(books, id_)
    settled(books)
    assert books.row(id_).state == S.SCHEDULED


def test_what_another_rule_holds_is_left_to_it(books: Books) -> None:
    id_ = due(books, 3 * HOUR, state=S.HELD, error_kind="content_guard", reason="a twin")
    window = planned(books)
    assert (books.row(id_).reason, books.row(id_).fire_ms) == ("a twin", window.until_ms)
    retried(books, id_)
    settled(books)
    assert books.row(id_).fire_ms == window.until_ms


# --- changing -----------------------------------------------------------------------------------------------


def test_calling_off_gives_posts_their_own_second_back(books: Books) -> None:
    moved = due(books, 3 * HOUR)
    held = due(books, 3 * HOUR, in_maintenance="hold")
    window = planned(books)
    books.do(call_off, window, "bob")
    settled(books)
    for id_ in (moved, held):
        row = books.row(id_)
        assert (row.state, row.error_kind, row.fire_ms) == (S.SCHEDULED, "", books.now_ms + 3 * HOUR)
        assert row.not_after_ms == books.now_ms + 4 * HOUR
        assert said(books, id_) == ""
    assert books.run(sa.select(window_posts)) == []
    in_hours(books, 3)
    assert books.do(in_force) == []


def test_calling_off_inside_lets_go_at_once_what_is_past_its_second(books: Books) -> None:
    past, to_come = due(books, 2 * HOUR + MINUTE), due(books, 3.5 * HOUR)
    window = planned(books)
    in_hours(books, 3.2)
    books.do(call_off, window, "bob")
    books.sweep()
    assert books.claim("run") == [past]
    assert books.row(past).not_after_ms == books.now_ms + HOUR
    assert books.row(to_come).fire_ms == window.from_ms + 1.5 * HOUR


def test_a_shorter_window_gives_back_what_it_no_longer_covers(books: Books) -> None:
    early, late = due(books, 2.5 * HOUR), due(books, 3.5 * HOUR)
    window = planned(books)
    shorter = books.do(change, window, wanted(books, 2 * HOUR, 3 * HOUR), "bob")
    settled(books)
    assert books.row(early).fire_ms == shorter.until_ms
    assert books.row(late).fire_ms == books.now_ms + 3.5 * HOUR
    in_hours(books, 3.1)
    assert books.do(in_force) == []


def test_a_longer_window_moves_its_posts_once_more(books: Books) -> None:
    id_ = due(books, 3 * HOUR)
    window = planned(books)
    longer = books.do(change, window, wanted(books, 2 * HOUR, 6 * HOUR), "bob")
    settled(books)
    assert (books.row(id_).fire_ms, longer.version) == (longer.until_ms, 2)


def test_who_releases_a_stop_inside_a_window_ends_the_stop_and_not_the_maintenance(books: Books) -> None:
    id_ = due(books, HOUR)
    window = planned(books, 0, 2 * HOUR)
    books.do(stop, "everything", "wrong prices", "bob")
    in_hours(books, 1.5)
    assert "Its maintenance goes on" in books.do(resume, "everything", "bob").sentence
    books.sweep()
    assert not look(books, window).called_off
    assert books.claim("run") == []
    in_hours(books, 0.5)
    books.sweep()
    assert books.claim("run") == [id_]


def test_who_releases_the_hold_of_a_window_ends_it(books: Books) -> None:
    id_ = due(books, 2.5 * HOUR)
    window = planned(books)
    in_hours(books, 3)
    books.do(resume, "everything", "carol")
    books.sweep()
    ended = look(books, window)
    assert (ended.called_off, ended.ended_by) == (True, "carol")
    assert books.claim("run") == [id_]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"targets": ()}, "where: it is empty"),
        ({"targets": ("platform:myspace",)}, "there is no such platform"),
        ({"targets": ("account:x:77",)}, "there is no such account"),
        ({"until_ms": 0}, "until: it must be later than from"),
        ({"reason": "  "}, "reason: it is empty"),
    ],
)
def test_what_is_no_window_is_refused_with_the_reason(books: Books, more: dict[str, Any], says: str) -> None:
    with pytest.raises(WindowError, match=says):
        books.do(plan, replace(wanted(books), **more), "ann")


@pytest.mark.parametrize(
    ("from_ms", "until_ms", "says"),
    [(-2 * HOUR, -HOUR, "past already"), (0, 32 * DAY, "31 days at the most")],
)
def test_a_window_is_to_come_and_ends(books: Books, from_ms: int, until_ms: int, says: str) -> None:
    with pytest.raises(WindowError, match=says):
        books.do(plan, wanted(books, from_ms, until_ms), "ann")


def test_a_window_that_is_over_is_not_changed(books: Books) -> None:
    window = planned(books, 0, HOUR)
    in_hours(books, 2)
    with pytest.raises(WindowError, match="is over"):
        books.do(change, window, wanted(books), "bob")
    with pytest.raises(WindowError, match="is over"):
        books.do(call_off, window, "bob")
