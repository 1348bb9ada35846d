"""Who works on what: claims of runs, what a process holds, and what is taken from one that fell silent."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.claims import claim_due, claimed, release, release_orphans
from schedulo.delivery.commits import Outcome
from schedulo.ledger.tables import deliveries, holds
from schedulo.model import State, WriteState
from tests.schedulo.delivery.conftest import ME, Books, intent

S = State


# What a run claims


def test_a_run_claims_what_is_due_within_the_horizon_in_the_order_of_dues(books: Books) -> None:
    later = books.add(fire_ms=books.now_ms + 180_000)
    overdue = books.add(account="x:2", fire_ms=books.now_ms - 5)
    books.add(account="x:3", fire_ms=books.now_ms + 180_001)
    for state in set(S) - {S.SCHEDULED, S.PROCESSING, S.UNKNOWN, S.PUBLISHED_INCOMPLETE}:
        books.add(state)
    assert books.claim("run") == [overdue, later]
    assert books.row(later).state == S.CLAIMED
    assert (books.row(later).run_id, books.row(later).holder) == ("run", None)


def test_a_run_that_asks_again_gets_the_same_list_and_what_became_due(books: Books) -> None:
    first = books.add()
    assert books.claim("run") == [first]
    second = books.add(fire_ms=books.now_ms - 50)
    assert books.claim("run") == [first, second]
    assert books.claim("run") == [first, second]
    assert books.do(claimed, "run", 1) == second
    assert books.do(claimed, "run", 2) is None


def test_a_second_run_gets_nothing_of_the_first(books: Books) -> None:
    books.add()
    books.claim("run-1")
    assert books.claim("run-2") == []


def test_a_run_claims_no_more_than_it_may(books: Books) -> None:
    books.settings = replace(books.settings, max_claims=3)
    ids = [books.add(account=f"x:{number}") for number in range(5)]
    assert books.claim("run-1") == ids[:3]
    assert books.claim("run-1") == ids[:3]
    assert books.claim("run-2") == ids[3:]


def crowd(books: Books, number: int, minutes: int) -> list[str]:
    """Posts on as many accounts, all due so long after they come within the horizon."""
    books.settings = replace(books.settings, max_claims=3)
    fire_ms = books.now_ms + int(books.settings.horizon_s * 1000) + minutes * 60_000
    return [books.add(account=f"x:{number}", fire_ms=fire_ms) for number in range(number)]


def test_of_a_crowd_a_run_claims_what_the_next_ones_have_no_room_for(books: Books) -> None:
    ids = crowd(books, 8, minutes=2)
    assert books.claim("now") == ids[:2]  # two more runs of three come before it is within the horizon
    assert books.claim("now") == ids[:2]
    books.now_ms += 60_000
    assert books.claim("in a minute") == ids[2:5]
    books.now_ms += 60_000
    assert books.claim("in two minutes") == ids[5:]


def test_a_crowd_for_which_the_next_runs_have_room_waits_for_them(books: Books) -> None:
    crowd(books, 6, minutes=2)
    assert books.claim("run") == []


def test_what_is_within_the_horizon_goes_before_a_crowd_that_comes_later(books: Books) -> None:
    ids = crowd(books, 7, minutes=1)
    soon = [books.add(account=f"tiktok:{number}", fire_ms=books.now_ms + number) for number in range(2)]
    assert books.claim("run") == [*soon, ids[0]]


def test_a_crowd_that_is_held_takes_no_room(books: Books) -> None:
    crowd(books, 8, minutes=2)
    books.hold("platform", "x")
    assert books.claim("run") == []


def test_of_a_crowd_what_still_waits_for_its_media_is_left_room_for(books: Books) -> None:
    ids = crowd(books, 8, minutes=2)
    with books.ledger.begin() as connection:
        some = deliveries.c.id.in_(ids[:4])
        connection.execute(sa.update(deliveries).where(some).values(ready=False))
    assert books.claim("run") == ids[4:6]


def test_without_a_reach_for_crowds_nothing_beyond_the_horizon_is_claimed(books: Books) -> None:
    crowd(books, 8, minutes=2)
    books.settings = replace(books.settings, crowd_horizon_s=0.0)
    assert books.claim("run") == []


@pytest.mark.parametrize("state", [S.PROCESSING, S.UNKNOWN])
def test_what_needs_a_look_is_claimed_when_its_time_comes_and_stays_what_it_is(
    books: Books, state: State
) -> None:
    soon = books.add(state, fire_ms=books.now_ms + 30_000)
    books.add(state, fire_ms=books.now_ms + 30_001)
    books.add(state, holder="somebody")
    books.hold("everything")
    assert books.claim("run") == [soon]
    assert books.row(soon).state == state


@pytest.mark.parametrize("state", [S.PROCESSING, S.UNKNOWN, S.PUBLISHED_INCOMPLETE])
def test_a_run_that_looks_again_after_reading_claims_what_needs_a_look_once(
    books: Books, state: State
) -> None:
    looked_up = books.add(state)
    assert books.claim("run") == [looked_up]
    fresh = books.add(account="x:2")
    assert books.claim("run") == [looked_up, fresh]
    books.acquire("run")
    books.do(release, ME)
    assert books.claim("run") == [looked_up, fresh], "cleared, the run has the same list"
    assert books.claim("run-2") == [looked_up], "the next run looks again"


def test_what_is_held_is_not_claimed(books: Books) -> None:
    books.add()
    free = books.add(account="tiktok:1")
    books.hold("platform", "x")
    assert books.claim("run") == [free]


def test_two_runs_at_once_share_the_posts_and_none_is_claimed_twice(books: Books) -> None:
    for number in range(120):
        books.add(account=f"x:{number % 9}")
    found: dict[str, list[str]] = {}
    together = threading.Barrier(3)

    def run(name: str) -> None:
        together.wait()
        with books.ledger.begin() as connection:
            found[name] = [
                item.delivery_id for item in claim_due(connection, books.now_ms, name, books.settings)
            ]

    threads = [threading.Thread(target=run, args=(f"run-{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    every = [id_ for ids in found.values() for id_ in ids]
    late = books.claim("run-4")
    assert len(every + late) == len({*every, *late}) == 120


# Pacing


def test_posts_due_together_on_one_account_are_spaced_out(books: Books) -> None:
    ids = [books.add() for _ in range(3)]
    alone = books.add(account="x:2")
    books.claim("run")
    assert [books.row(id_).fire_ms - books.now_ms for id_ in ids] == [0, 1000, 2000]
    assert books.row(alone).fire_ms == books.now_ms


def test_a_later_run_keeps_the_distance_to_what_was_claimed_before(books: Books) -> None:
    books.add()
    books.claim("run-1")
    second = books.add(fire_ms=books.now_ms + 300)
    books.claim("run-2")
    assert books.row(second).fire_ms == books.now_ms + 1000


def test_what_is_due_earlier_is_not_put_behind_what_was_claimed_before(books: Books) -> None:
    """A post saved late but due first goes out on its second."""
    books.add(fire_ms=books.now_ms + 170_000)
    books.claim("run-1")
    first = books.add(fire_ms=books.now_ms + 60_000)
    books.claim("run-2")
    assert books.row(first).fire_ms == books.now_ms + 60_000


def test_a_slot_between_two_taken_ones_is_found(books: Books) -> None:
    for offset_ms in (0, 1500, 5000):
        books.add(fire_ms=books.now_ms + offset_ms)
    books.claim("run-1")
    between = books.add(fire_ms=books.now_ms + 200)
    books.claim("run-2")
    assert books.row(between).fire_ms == books.now_ms + 2500


# The sweep


def _claimed_by(books: Books, holder: str | None = "dead", state: State = S.CLAIMED, **values: Any) -> str:
    return books.add(state, holder=holder, armed_version=1, **values)


@pytest.mark.parametrize("state", [S.CLAIMED, S.ARMED, S.REFUSED])
def test_what_a_silent_process_held_is_free_again(books: Books, state: State) -> None:
    books.beat("dead")
    id_ = _claimed_by(books, state=state)
    books.pass_s(29)
    books.sweep()
    assert books.row(id_).state == state
    books.pass_s(2)
    books.sweep()
    assert (books.row(id_).state, books.row(id_).holder) == (S.SCHEDULED, None)
    assert books.claim("next") == [id_]


@pytest.mark.parametrize("state", [S.CLAIMED, S.ARMED, S.REFUSED])
def test_a_claim_that_nobody_took_up_is_free_again(books: Books, state: State) -> None:
    id_ = _claimed_by(books, holder=None, state=state)
    books.pass_s(119)
    books.sweep()
    assert books.row(id_).state == state
    books.pass_s(2)
    books.sweep()
    assert books.row(id_).state == S.SCHEDULED


def test_a_claim_that_waits_for_a_retry_of_its_task_is_left_alone(books: Books) -> None:
    id_ = _claimed_by(books, holder=None, fire_ms=books.now_ms + 500_000)
    books.pass_s(300)
    books.sweep()
    assert books.row(id_).state == S.CLAIMED


def test_a_commit_that_ran_out_of_time_becomes_unknown_and_is_looked_up(books: Books) -> None:
    id_, _ = books.sent()
    books.pass_s(35)
    books.sweep()
    assert books.row(id_).state == S.SENDING
    books.pass_s(1)
    books.sweep()
    assert (books.row(id_).state, books.row(id_).holder) == (S.UNKNOWN, None)
    assert books.writes(id_)[0].state is WriteState.UNKNOWN
    assert books.claim("next") == [id_]


def test_looking_up_goes_on_when_its_process_dies(books: Books) -> None:
    id_, _ = books.unknown()
    books.pass_s(31)
    assert books.claim("too early") == []
    books.sweep()
    assert books.claim("next") == [id_]


@pytest.mark.parametrize("state", [S.SCHEDULED, S.HELD])
def test_what_is_too_late_is_missed_with_an_incident(books: Books, state: State) -> None:
    id_ = books.add(state, not_after_ms=books.now_ms)
    books.sweep()
    assert books.row(id_).state == S.MISSED
    assert books.incidents() == {"missed"}
    assert id_ in books.told()
    assert books.claim("run") == []


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.PROCESSING, S.PUBLISHED])
def test_what_may_be_out_is_never_missed(books: Books, state: State) -> None:
    id_ = books.add(state, not_after_ms=books.now_ms - 1)
    books.sweep()
    assert books.row(id_).state == state


def test_a_hold_stops_what_is_due_soon_and_lets_it_go_when_it_is_lifted(books: Books) -> None:
    id_ = books.add(fire_ms=books.now_ms + 1000)
    far = books.add(fire_ms=books.now_ms + 200_000)
    books.hold("account", "x:1")
    books.sweep()
    assert (books.row(id_).state, books.row(far).state) == (S.HELD, S.SCHEDULED)
    books.pass_s(60)
    books.run(sa.update(holds).values(lifted_ms=books.now_ms))
    books.sweep()
    row = books.row(id_)
    assert (row.state, row.reason, row.fire_ms) == (S.SCHEDULED, "", books.now_ms)


def test_what_a_rule_holds_is_not_let_go_by_the_sweep(books: Books) -> None:
    id_ = books.add(S.HELD, error_kind="content_guard")
    books.sweep()
    assert books.row(id_).state == S.HELD


# What a process holds


def _one(books: Books, **values: Any) -> str:
    id_ = books.add(**values)
    assert books.claim("run") == [id_]
    return id_


def test_an_instance_takes_what_its_run_claimed(books: Books) -> None:
    id_ = _one(books)
    grant = books.acquire("run")
    assert (grant.delivery_id, grant.mine, grant.asked_again) == (id_, True, False)
    assert books.row(id_).holder == ME
    assert books.acquire("run", 7).delivery_id is None
    assert books.acquire("run").mine


def test_a_living_process_keeps_what_it_holds(books: Books) -> None:
    _one(books)
    books.beat()
    books.acquire("run")
    books.pass_s(29)
    assert not books.acquire("run", holder="other").mine
    books.pass_s(2)
    assert books.acquire("run", holder="other").mine


def test_a_late_instance_of_an_earlier_run_takes_what_nobody_has_begun(books: Books) -> None:
    """Else a slow Airflow would keep claims going round: freed, claimed by a later run, freed again."""
    id_ = _one(books)
    books.change(id_, run_id="later run")
    assert books.acquire("run").mine
    assert books.row(id_).run_id == "run"


@pytest.mark.parametrize("state", [S.UNKNOWN, S.PROCESSING])
def test_late_instances_of_earlier_runs_do_not_all_look_again(books: Books, state: State) -> None:
    id_ = _one(books)
    books.change(id_, run_id="later run", state=state)
    assert not books.acquire("run").mine


def test_what_a_process_holds_for_a_later_run_is_left_to_it_even_when_it_is_silent(books: Books) -> None:
    id_ = _one(books)
    books.change(id_, run_id="later run", holder="other")
    books.pass_s(60)
    assert not books.acquire("run").mine
    assert books.row(id_).holder == "other"


RESTS = sorted(set(S) - {S.CLAIMED, S.ARMED, S.PROCESSING, S.UNKNOWN})


@pytest.mark.parametrize("state", RESTS)
def test_what_rests_or_is_being_sent_is_not_taken(books: Books, state: State) -> None:
    id_ = _one(books)
    books.change(id_, state=state, error_kind="content_rejected")
    assert not books.acquire("run").mine


def test_another_try_of_the_same_instance_is_recognised(books: Books) -> None:
    _one(books)
    assert not books.acquire("run", ti_id="first").asked_again
    assert not books.acquire("run", ti_id="first").asked_again
    assert books.acquire("run", ti_id="second").asked_again


def test_letting_go_frees_all_that_is_not_being_sent(books: Books) -> None:
    states = [S.CLAIMED, S.ARMED, S.REFUSED, S.PROCESSING, S.UNKNOWN, S.SENDING]
    ids = [books.add(state, holder=ME) for state in states]
    other = books.add(S.ARMED, holder="other")
    books.do(release, ME)
    assert [(books.row(id_).state, books.row(id_).holder) for id_ in ids] == [
        (S.CLAIMED, None),
        (S.CLAIMED, None),
        (S.CLAIMED, None),
        (S.PROCESSING, None),
        (S.UNKNOWN, None),
        (S.SENDING, ME),
    ]
    assert books.row(other).holder == "other"


def test_what_a_process_holds_without_working_on_it_is_let_go_after_a_while(books: Books) -> None:
    worked_on, orphan, sending = books.armed(), books.armed(), books.sent()[0]
    books.do(release_orphans, ME, {worked_on}, books.settings)
    assert books.row(orphan).holder == ME
    books.pass_s(31)
    books.do(release_orphans, ME, {worked_on}, books.settings)
    assert [books.row(id_).holder for id_ in (worked_on, orphan, sending)] == [ME, None, ME]


def test_a_take_over_makes_the_old_holders_fence_worthless(books: Books) -> None:
    id_ = _one(books)
    books.beat()
    books.acquire("run")
    books.change(id_, state=S.ARMED, armed_version=1)
    books.pass_s(31)
    assert books.acquire("run", holder="other").mine
    assert books.fence(intent(id_)) == [None]
    assert books.fence(intent(id_, "w2", holder="other"))[0] is not None
    books.settle(Outcome("w2", WriteState.ACCEPTED, "201"))
    assert books.row(id_).state == S.PUBLISHED
