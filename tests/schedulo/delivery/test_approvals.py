"""Posts that wait for approval: nothing but an approval lets them go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import again, hurry
from schedulo.delivery.holds import set_hold
from schedulo.delivery.stops import resume
from schedulo.ledger.tables import incident_cases, incidents
from schedulo.model import State
from schedulo.settings import Settings
from tests.schedulo.delivery.conftest import Books, intent
from tests.schedulo.delivery.test_planning import post, put

S = State
HOUR_S = 3600


def planned(books: Books, approval: str = "needed", **more: Any) -> str:
    row = post(books, **more)
    return put(books, replace(row, plans=tuple(replace(plan, approval=approval) for plan in row.plans)))


def swept(books: Books) -> None:
    books.sweep()


def test_a_post_that_needs_approval_waits_for_it_and_then_is_scheduled(books: Books) -> None:
    id_ = planned(books)
    row = books.row(id_)
    assert (row.state, row.error_kind) == (S.HELD, "approval")
    assert "it waits for approval" in row.reason
    planned(books, "")
    row = books.row(id_)
    assert (row.state, row.error_kind, row.reason, row.version) == (S.SCHEDULED, "", "", 1)
    assert "it is approved" in books.story(id_)


@pytest.mark.parametrize("state", [S.SCHEDULED, S.CLAIMED, S.ARMED, S.REFUSED])
def test_an_approval_that_is_taken_back_stops_what_was_not_sent(books: Books, state: State) -> None:
    id_ = planned(books, "")
    books.change(id_, state=state, holder="me")
    planned(books)
    row = books.row(id_)
    assert (row.state, row.error_kind, row.holder) == (S.HELD, "approval", None)


def test_the_fence_asks_for_the_approval_itself(books: Books) -> None:
    id_ = books.armed()
    books.change(id_, approval="needed")
    assert books.fence(intent(id_)) == [None]
    books.change(id_, approval="")
    assert books.fence(intent(id_)) != [None]


def test_what_waits_is_not_claimed(books: Books) -> None:
    id_ = planned(books, due_s=60)
    books.change(id_, state=S.SCHEDULED, error_kind="")
    assert books.claim("run") == []


def test_the_end_of_a_hold_lets_nothing_go_that_is_not_approved(books: Books) -> None:
    id_ = planned(books, due_s=60)
    books.do(set_hold, "everything", "", "fire", "ann")
    swept(books)
    books.do(resume, "everything", "ann")
    swept(books)
    assert (books.row(id_).state, books.row(id_).error_kind) == (S.HELD, "approval")


def test_neither_a_retry_nor_publishing_now_goes_round_the_approval(books: Books) -> None:
    id_ = planned(books)
    [told] = books.do(again.ask, [id_], again.Request(again.Ask.RETRY, "by ann", 1000))
    assert told.sentence.startswith("refused, it waits for approval")
    [asked] = books.do(hurry.ask_now, "run", ["rec1"], [], Settings(missed_after_s=1))
    assert (asked.taken, "it waits for approval" in asked.sentence) == (False, True)


def test_its_author_is_told_once_an_hour_before_it_is_due(books: Books) -> None:
    id_ = planned(books, due_s=2 * HOUR_S)
    swept(books)
    assert books.incidents() == set()
    books.pass_s(HOUR_S + 1)
    swept(books)
    assert books.incidents() == {"unapproved"}
    swept(books)
    [found] = books.run(sa.select(incidents))
    assert (found.times, found.actor) == (1, "the author")
    assert "the first at 2027-" in found.sentence
    assert [case.delivery_id for case in books.run(sa.select(incident_cases))] == [id_]


def test_what_is_not_approved_in_time_is_missed_for_that_reason(books: Books) -> None:
    id_ = planned(books, due_s=60)
    books.pass_s(60 + HOUR_S + 1)
    swept(books)
    assert books.row(id_).state == S.MISSED
    assert "not approved in time" in books.row(id_).reason


def test_a_post_that_looks_like_another_waits_for_its_approval_after_a_retry(books: Books) -> None:
    planned(books, "")
    twin = planned(books, record_id="rec2")
    assert books.row(twin).error_kind == "content_guard"
    books.do(again.ask, [twin], again.Request(again.Ask.RETRY, "by ann", 1000))
    swept(books)
    assert books.row(twin).error_kind == "approval"
