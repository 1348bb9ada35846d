"""One incident a cause: what belongs to it, when it is over, when it begins anew."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.endings import fail
from schedulo.delivery.incidents import DAY_S, RULES, Trouble, close_what_is_over, over
from schedulo.errors.kinds import Actor, Diagnosis, Kind, PlatformError
from schedulo.ledger import marks
from schedulo.ledger.tables import holds, incident_cases, incidents
from schedulo.model import State
from tests.schedulo.delivery.conftest import Books

S = State


def row(books: Books, key: str) -> Any:
    return books.run(sa.select(incidents).where(incidents.c.key == key))[0]


def cases(books: Books, key: str) -> set[str]:
    query = sa.select(incident_cases.c.delivery_id).where(incident_cases.c.incident_key == key)
    return {case.delivery_id for case in books.run(query)}


def closed(books: Books, key: str) -> bool:
    real, books.ledger.now = books.ledger.now, sa.literal(books.now_ms)
    close_what_is_over(books.ledger)
    books.ledger.now = real
    return row(books, key).closed_ms is not None


def test_every_kind_of_incident_has_a_rule() -> None:
    assert set(RULES) == set(Trouble)


def test_posts_that_fail_for_one_cause_are_cases_of_one_incident(books: Books) -> None:
    ids = [books.armed() for _ in range(3)]
    for id_ in ids:
        error = PlatformError("x", Diagnosis(Kind.RECONNECT, refusal=True), status=401)
        assert books.do(fail, books.delivery(id_), error)
    other = books.armed(account="x:2")
    assert books.do(fail, books.delivery(other), error)
    assert cases(books, "failed:reconnect:x:1") == set(ids)
    assert cases(books, "failed:reconnect:x:2") == {other}
    found = row(books, "failed:reconnect:x:1")
    assert (found.times, found.actor, found.kind) == (3, Actor.OWNER, Trouble.FAILED)


def test_what_the_platform_says_of_posts_of_many_accounts_is_one_cause(books: Books) -> None:
    ids = [books.armed(account=f"x:{number}") for number in range(2)]
    for id_ in ids:
        error = PlatformError("x", Diagnosis(Kind.BILLING, refusal=True), status=402, code="credits")
        assert books.do(fail, books.delivery(id_), error)
    assert cases(books, "failed:billing:x:credits") == set(ids)


def test_looking_whether_incidents_are_over_waits_for_nobody_who_writes(books: Books) -> None:
    key = books.incident(Trouble.FAILED, books.add(S.FAILED))
    with books.ledger.begin() as another:
        another.execute(sa.update(incidents).values(times=incidents.c.times + 1))
        close_what_is_over(books.ledger)  # SQLite refuses who waited too long
    assert row(books, key).closed_ms is None


@pytest.mark.parametrize(
    ("trouble", "state"),
    [
        (Trouble.FAILED, S.FAILED),
        (Trouble.MISSED, S.MISSED),
        (Trouble.UNRESOLVED, S.UNRESOLVED),
    ],
)
def test_an_incident_lasts_until_all_its_posts_have_come_to_an_end(
    books: Books, trouble: Trouble, state: State
) -> None:
    first, second = books.add(state), books.add(state)
    key = books.incident(trouble, first, second)
    books.change(first, state=S.PUBLISHED)
    assert not closed(books, key)
    books.change(second, state=S.SCHEDULED, fire_ms=books.now_ms + 60_000)  # asked for again
    assert not closed(books, key)
    books.change(second, state=S.CANCELLED)
    assert closed(books, key)


@pytest.mark.parametrize("state", [S.PUBLISHED_INCOMPLETE, S.PUBLISHED])
def test_what_is_missing_of_a_post_keeps_its_incident_open_until_it_followed(
    books: Books, state: State
) -> None:
    id_ = books.add(state, error_kind="content_rejected")
    key = books.incident(Trouble.INCOMPLETE, id_)
    assert not closed(books, key)
    books.change(id_, error_kind="", state=S.PUBLISHED_INCOMPLETE)  # asked for again
    assert not closed(books, key)
    books.change(id_, state=S.PUBLISHED)
    assert closed(books, key)


def test_a_post_that_was_moved_to_another_day_does_not_keep_an_incident_open(books: Books) -> None:
    id_ = books.add(S.SCHEDULED, fire_ms=books.now_ms + int(DAY_S * 1000))
    assert closed(books, books.incident(Trouble.FAILED, id_))


def test_posts_that_nobody_asks_for_are_let_go_some_day(books: Books) -> None:
    key = books.incident(Trouble.MISSED, books.add(S.MISSED))
    books.pass_s(DAY_S - 1)
    assert not closed(books, key)
    books.pass_s(2)
    assert closed(books, key)


def test_an_incident_of_a_hold_lasts_as_long_as_the_hold(books: Books) -> None:
    books.hold("account", "x:1", error_kind="reconnect")
    books.hold("account", "x:1")  # of a person, for another reason
    key = books.incident(Trouble.HELD, about="account:x:1:reconnect")
    assert not closed(books, key)
    books.run(sa.update(holds).where(holds.c.error_kind == "reconnect").values(lifted_ms=books.now_ms))
    assert closed(books, key)


def test_a_hold_on_everything_is_known_by_its_name(books: Books) -> None:
    books.hold("everything", error_kind="bug")
    assert not closed(books, books.incident(Trouble.HELD, about="everything:bug"))


def test_a_hold_with_an_end_is_over_at_its_end(books: Books) -> None:
    books.hold("platform", "x", error_kind="rate_limited", until_ms=books.now_ms + 60_000)
    key = books.incident(Trouble.HELD, about="platform:x:rate_limited")
    assert not closed(books, key)
    books.pass_s(61)
    assert closed(books, key)


@pytest.mark.parametrize(
    ("trouble", "mark"),
    [
        (Trouble.AIRTABLE_READ, "airtable:read"),
        (Trouble.AIRTABLE_STALE, "airtable:read"),
        (Trouble.AIRTABLE_TOLD, "airtable:told"),
        (Trouble.LATE_RUN, "tick"),
    ],
)
def test_what_works_again_is_over(books: Books, trouble: Trouble, mark: str) -> None:
    books.do(marks.mark, mark)
    books.pass_s(1)
    key = books.incident(trouble)
    assert not closed(books, key)
    books.pass_s(1)
    books.do(marks.mark, mark)
    assert closed(books, key)


def test_what_only_its_opener_knows_is_over_when_it_says_so(books: Books) -> None:
    key = books.incident(Trouble.CHANNEL, about="slack")
    books.pass_s(7 * DAY_S)
    assert not closed(books, key)
    books.do(over, Trouble.CHANNEL, "slack")
    assert row(books, key).closed_ms == books.now_ms


def test_what_comes_back_before_people_heard_of_its_end_goes_on(books: Books) -> None:
    key = books.incident(Trouble.CHANNEL, about="slack")
    books.run(sa.update(incidents).values(told_times=1, told_ms=books.now_ms))
    began = books.now_ms
    books.do(over, Trouble.CHANNEL, "slack")
    books.pass_s(10)
    books.incident(Trouble.CHANNEL, about="slack")
    found = row(books, key)
    assert (found.closed_ms, found.opened_ms, found.told_times, found.times) == (None, began, 1, 2)


@pytest.mark.parametrize("told", [True, False])
def test_what_comes_back_later_is_a_new_occurrence_with_cases_of_its_own(books: Books, told: bool) -> None:
    first, second = books.add(S.PUBLISHED), books.add(S.FAILED)
    key = books.incident(Trouble.FAILED, first)
    if told:
        books.run(sa.update(incidents).values(told_times=3, told_ms=books.now_ms, end_told_ms=books.now_ms))
    assert closed(books, key)
    books.pass_s(100)
    books.incident(Trouble.FAILED, second)
    found = row(books, key)
    assert (found.closed_ms, found.told_times, found.told_ms, found.end_told_ms) == (None, 0, None, None)
    assert (found.opened_ms, found.times) == (books.now_ms, 1)
    assert cases(books, key) == {second}


def test_a_post_that_fails_once_more_is_to_be_told_once_more(books: Books) -> None:
    key = books.incident(Trouble.FAILED, books.add(S.FAILED), id_ := books.add(S.FAILED))
    books.run(sa.update(incident_cases).values(told_ms=books.now_ms))
    books.incident(Trouble.FAILED, id_)
    untold = books.run(sa.select(incident_cases).where(incident_cases.c.told_ms.is_(None)))
    assert [(case.incident_key, case.delivery_id) for case in untold] == [(key, id_)]
