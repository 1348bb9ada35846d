"""What holds stop, who may name them, and what becomes of what was stopped."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from schedulo.delivery.holds import HoldError, in_force, lift, parse, set_hold
from schedulo.delivery.stops import resume, stop
from schedulo.ledger.tables import holds
from schedulo.model import State
from tests.schedulo.delivery.conftest import ME, Books, intent

S = State
MINUTE_MS = 60_000


def names(books: Books) -> list[str]:
    return [hold.name for hold in books.do(in_force)]


# --- holds ------------------------------------------------------------------------------------------------


def test_a_hold_is_set_once_and_renewed_by_the_same_cause(books: Books) -> None:
    assert books.do(set_hold, "platform", "x", "down", "schedulo", books.now_ms + 1000, "platform_down")
    assert not books.do(set_hold, "platform", "x", "down", "schedulo", books.now_ms + 9000, "platform_down")
    [hold] = books.do(in_force)
    assert (hold.until_ms, hold.error_kind) == (books.now_ms + 9000, "platform_down")


def test_a_persons_hold_and_an_errors_stand_beside_each_other(books: Books) -> None:
    books.do(set_hold, "platform", "x", "down", "schedulo", books.now_ms + 1000, "platform_down")
    assert books.do(set_hold, "platform", "x", "wrong prices", "ann")
    books.pass_s(2)
    assert [hold.author for hold in books.do(in_force)] == ["ann"]


def test_lifting_one_kind_of_error_leaves_what_a_person_held(books: Books) -> None:
    books.do(set_hold, "account", "x:1", "restricted", "schedulo", None, "restricted")
    books.do(set_hold, "account", "x:1", "wrong prices", "ann")
    assert [hold.error_kind for hold in books.do(lift, "account", "x:1", "schedulo", "restricted")] == [
        "restricted"
    ]
    assert [hold.author for hold in books.do(in_force)] == ["ann"]


def test_who_lifted_a_hold_is_kept(books: Books) -> None:
    books.do(set_hold, "everything", "", "stop", "ann")
    books.do(lift, "everything", "", "ben")
    assert books.run(sa.select(holds.c.lifted_by)) == [("ben",)]
    assert books.do(lift, "everything", "", "ben") == []


@pytest.mark.parametrize(
    ("what", "there_is"),
    [
        ("platform:twitter", "instagram, tiktok, x, facebook"),
        ("account:x:9", "x:1 (@1)"),
        ("everthing", "everything, platform:<name>"),
        ("everything:x", "everything, platform:<name>"),
        ("platform:", "instagram"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_those_that_do(
    books: Books, what: str, there_is: str
) -> None:
    books.account("x:1")
    with pytest.raises(HoldError, match=re.escape(there_is)), books.ledger.begin() as connection:
        parse(connection, what)


# --- the emergency stop -----------------------------------------------------------------------------------


def test_a_stop_says_what_waits_and_what_cannot_be_called_back(books: Books) -> None:
    going, _ = books.sent(label="going")
    later = books.add(label="later", fire_ms=books.now_ms + MINUTE_MS)
    soon = books.armed(label="soon")
    books.add(label="elsewhere", account="facebook:1")
    answer = books.do(stop, "platform:x", "wrong prices", "ann")
    assert answer.sentence == (
        "Held: platform:x. 2 planned posts wait until it is released; 1 were on their way already."
    )
    assert [(item.delivery_id, item.label) for item in answer.deliveries] == [
        (going, "going"),
        (soon, "soon"),
        (later, "later"),
    ]
    assert "cannot be called back" in answer.deliveries[0].sentence


def test_a_post_is_held_on_all_its_accounts_and_no_other_is(books: Books) -> None:
    held = [books.armed(post_id="recA"), books.add(post_id="recA", account="facebook:2")]
    other = books.armed(post_id="recB")
    answer = books.do(stop, "post:recA", "wrong picture", "ann")
    assert {item.delivery_id for item in answer.deliveries} == set(held)
    assert [books.fence(intent(id_, f"w-{id_}"))[0] is None for id_ in (held[0], other)] == [True, False]
    books.sweep()
    assert books.claim("run") == []
    assert books.row(held[1]).state == S.HELD
    assert books.row(held[1]).reason == "on hold (post:recA, by ann): wrong picture"
    books.do(resume, "post:recA", "ann")
    books.sweep()
    assert books.claim("run") == held


def test_a_stop_keeps_back_what_waits_for_its_second(books: Books) -> None:
    id_ = books.armed()
    books.do(stop, "everything", "wrong prices", "ann")
    assert books.fence(intent(id_)) == [None]


def test_what_is_stopped_says_who_stopped_it_and_why(books: Books) -> None:
    id_ = books.add()
    books.do(stop, "account:x:1", "wrong prices", "ann")
    books.sweep()
    assert books.row(id_).state == S.HELD
    assert books.row(id_).reason == "on hold (account:x:1, by ann): wrong prices"
    assert "wrong prices" in books.story(id_)


def test_a_stop_without_a_reason_is_refused(books: Books) -> None:
    with pytest.raises(HoldError, match="reason"):
        books.do(stop, "everything", " ", "ann")
    assert names(books) == []


def test_a_release_of_what_is_not_held_names_what_is(books: Books) -> None:
    books.do(stop, "platform:x", "wrong prices", "ann")
    with pytest.raises(HoldError, match="On hold is: platform:x"):
        books.do(resume, "everything", "ann")


def test_what_was_stopped_goes_out_in_its_order_one_after_another(books: Books) -> None:
    third = books.add(due_ms=books.now_ms + 3, fire_ms=books.now_ms + 3)
    first = books.add(due_ms=books.now_ms + 1, fire_ms=books.now_ms + 1)
    second = books.add(due_ms=books.now_ms + 2, fire_ms=books.now_ms + 2)
    books.do(stop, "everything", "wrong prices", "ann")
    books.sweep()
    books.pass_s(600)
    answer = books.do(resume, "everything", "ann")
    assert [item.delivery_id for item in answer.deliveries] == [first, second, third]
    books.sweep()
    assert books.claim("run") == [first, second, third]
    assert [books.row(id_).fire_ms - books.now_ms for id_ in (first, second, third)] == [0, 1000, 2000]


def test_what_is_too_late_when_it_is_released_becomes_missed_with_a_sentence(books: Books) -> None:
    late = books.add(not_after_ms=books.now_ms + MINUTE_MS)
    in_time = books.add(not_after_ms=books.now_ms + 10 * MINUTE_MS)
    books.do(stop, "everything", "wrong prices", "ann")
    books.sweep()
    books.pass_s(120)
    answer = books.do(resume, "everything", "ann")
    assert answer.sentence == (
        "Released: everything. 2 posts waited; 1 of them are too late and become missed."
    )
    assert [item.sentence.split(":")[0].split(" since")[0] for item in answer.deliveries] == [
        "too late",
        "goes out with the next run",
    ]
    books.sweep()
    assert books.row(late).state == S.MISSED
    assert "while it was on hold" in books.row(late).reason
    assert books.claim("run") == [in_time]


def test_a_post_that_another_hold_stops_goes_on_waiting(books: Books) -> None:
    id_ = books.add()
    books.do(stop, "everything", "wrong prices", "ann")
    books.do(stop, "account:x:1", "locked out", "ben")
    books.sweep()
    answer = books.do(resume, "everything", "ann")
    assert [item.sentence for item in answer.deliveries] == ["still on hold: account:x:1"]
    books.sweep()
    assert books.row(id_).state == S.HELD
    books.do(resume, "account:x:1", "ann")
    books.sweep()
    assert books.row(id_).state == S.SCHEDULED


def test_a_hold_with_an_end_lets_go_by_itself(books: Books) -> None:
    id_ = books.add()
    end_ms = books.now_ms + 10 * MINUTE_MS
    books.do(set_hold, "everything", "", "maintenance", "ann", end_ms)
    books.sweep()
    assert books.row(id_).state == S.HELD
    assert "ends at" in books.row(id_).reason
    books.pass_s(6 * 60)
    books.sweep()
    assert (books.row(id_).state, books.claim("early")) == (S.HELD, [])
    books.pass_s(2 * 60)
    books.sweep()
    assert books.claim("run") == [id_], "it is prepared ahead"
    assert books.row(id_).fire_ms == end_ms, "and leaves at the hold's end, not a minute later"


def test_a_hold_that_came_and_went_changes_nothing_for_what_waits(books: Books) -> None:
    id_ = books.armed()
    books.do(stop, "everything", "wrong prices", "ann")
    books.do(resume, "everything", "ann")
    assert books.row(id_).holder == ME
    assert books.fence(intent(id_))[0] is not None
