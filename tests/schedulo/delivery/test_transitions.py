"""The table of moves."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schedulo.delivery import planning
from schedulo.delivery.transitions import OUT, RESTING, TRANSITIONS, UNSENT, move, sources
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries
from schedulo.model import State
from tests.schedulo.delivery.conftest import Books

LATE = {State.PUBLISHED, State.PUBLISHED_INCOMPLETE, State.WAITING_IN_APP, State.PROCESSING}
"""Where a late answer leads, from everywhere."""


def reachable(start: State) -> set[State]:
    found, ahead = {start}, [start]
    while ahead:
        for state in TRANSITIONS[ahead.pop()] - found:
            found.add(state)
            ahead.append(state)
    return found


def test_every_state_has_its_row_and_can_be_reached_by_a_planned_post() -> None:
    assert set(TRANSITIONS) == set(State)
    assert reachable(State.SCHEDULED) == set(State)


def test_what_is_out_never_comes_back_to_be_sent_again() -> None:
    for state in (State.PUBLISHED, State.PUBLISHED_INCOMPLETE, State.WAITING_IN_APP):
        assert reachable(state) <= {State.PUBLISHED, State.TAKEN_DOWN, State.REMOVED, state}
    assert reachable(State.TAKEN_DOWN) == {State.TAKEN_DOWN}


@pytest.mark.parametrize("state", [State.SENDING, State.UNKNOWN])
def test_what_may_be_out_is_never_missed_cancelled_or_planned_again(state: State) -> None:
    forbidden = {State.MISSED, State.CANCELLED, State.SCHEDULED, State.HELD, State.FAILED}
    assert not TRANSITIONS[state] & forbidden


def test_only_an_armed_delivery_is_sent() -> None:
    assert sources(State.SENDING) == [State.ARMED]


def test_a_late_answer_counts_from_every_state_that_is_not_out() -> None:
    for state in set(State) - OUT:
        assert TRANSITIONS[state] >= LATE, state


def test_resting_states_are_left_only_by_evidence_or_by_a_persons_wish() -> None:
    by_wish = {State.SCHEDULED, State.CLAIMED, State.CANCELLED, State.UNKNOWN, State.TAKEN_DOWN}
    for state in RESTING:
        assert TRANSITIONS[state] <= by_wish | LATE | {State.REMOVED}, state
    assert not RESTING & {State.SENDING, State.UNKNOWN, State.PROCESSING}


def test_content_may_change_only_where_nothing_was_sent() -> None:
    assert {State.SENDING, State.UNKNOWN, State.UNRESOLVED}.isdisjoint(UNSENT)
    assert OUT.isdisjoint(UNSENT)
    assert planning.OUT is OUT


@pytest.fixture(scope="module")
def one_delivery(tmp_path_factory: pytest.TempPathFactory) -> Books:
    folder: Path = tmp_path_factory.mktemp("ledger")
    ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
    ledger.migrate()
    books = Books(ledger)
    books.add()
    return books


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(State), st.lists(st.sampled_from(State), max_size=8))
def test_move_makes_no_move_outside_of_the_table(
    one_delivery: Books, start: State, wishes: list[State]
) -> None:
    one_delivery.change("d1", state=start)
    at = start
    with one_delivery.ledger.begin() as connection:
        for wish in wishes:
            moved = move(connection, ["d1"], wish, reason=str(wish))
            assert moved == ({"d1"} if wish in TRANSITIONS[at] else set())
            at = wish if moved else at
            assert connection.execute(sa.select(deliveries.c.state)).scalar_one() == at


def test_move_meets_its_conditions_and_answers_who_moved(books: Books) -> None:
    mine, other, gone = books.add(holder="me"), books.add(holder="other"), "no such delivery"
    condition = deliveries.c.holder == "me"
    moved = books.do(lambda connection, _now: move(connection, [mine, other, gone], State.CLAIMED, condition))
    assert moved == {mine}
    assert books.row(other).state == State.SCHEDULED
