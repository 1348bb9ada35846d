"""Looking up what became of a write, and what may be decided by a process that held the delivery once."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from schedulo.delivery import conclusions, endings
from schedulo.delivery.commits import Kept, Outcome, keep_steps
from schedulo.delivery.rows import Delivery, Write, kept_steps
from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.flow import Finding, Look
from schedulo.ledger.tables import instances, steps
from schedulo.model import Published, State, WriteState
from tests.schedulo.delivery.conftest import ME, Books, intent

S, W = State, WriteState
Q = 300


def conclude(books: Books, delivery: Delivery, write: Write, finding: Finding, ago_s: float = 0.0) -> State:
    """The conclusion from a look that began `ago_s` ago."""
    looked_ms = books.now_ms - int(ago_s * 1000)
    return books.do(conclusions.conclude, delivery, write, finding, books.settings, looked_ms=looked_ms)


def look(books: Books, id_: str, what: Look, ago_s: float = 0.0, **more: object) -> State:
    """One look at the newest write, by the process that holds the delivery."""
    books.change(id_, holder=ME)
    return conclude(books, books.delivery(id_), books.writes(id_)[-1], Finding(what, **more), ago_s)


def test_presence_counts_at_once(books: Books) -> None:
    id_, _ = books.unknown()
    assert look(books, id_, Look.FOUND, value="77") is S.PUBLISHED
    row = books.row(id_)
    assert (row.state, row.remote_id, row.published_ms) == (S.PUBLISHED, "77", books.now_ms)
    assert books.writes(id_)[0].state is W.ACCEPTED


def test_what_was_found_counts_from_its_second_and_not_from_the_fence_ahead_of_it(books: Books) -> None:
    id_ = books.armed(fire_ms=books.now_ms + 200)
    (won,) = books.fence(intent(id_))
    assert won is not None
    books.settle(Outcome(won.write_id, W.UNKNOWN, "the connection broke"))
    assert look(books, id_, Look.FOUND, value="77") is S.PUBLISHED
    row = books.row(id_)
    assert (row.accepted_ms, row.published_ms) == (won.opened_ms + 200, won.opened_ms + 200)


def test_presence_of_what_the_platform_works_on_is_processing(books: Books) -> None:
    id_, _ = books.unknown(live=False)
    assert look(books, id_, Look.FOUND) is S.PROCESSING
    assert books.row(id_).published_ms is None


@pytest.mark.parametrize("what", [Look.ABSENT, Look.UNUSED, Look.DEAD, Look.UNCLEAR])
def test_absence_counts_only_after_the_quiet_time(books: Books, what: Look) -> None:
    id_, _ = books.unknown()
    for _ in range(5):
        books.pass_s(Q / 5 - 0.001)
        assert look(books, id_, what) is S.UNKNOWN
        assert books.row(id_).state == S.UNKNOWN
        assert books.row(id_).holder is None
    assert books.writes(id_)[0].state is W.UNKNOWN


@pytest.mark.parametrize("what", [Look.UNUSED, Look.DEAD])
def test_a_handle_that_was_not_used_allows_one_resend_after_the_quiet_time(books: Books, what: Look) -> None:
    id_, _ = books.unknown()
    books.pass_s(Q)
    assert look(books, id_, what) is S.CLAIMED
    assert books.writes(id_)[0].state is W.ABSENT
    assert (books.row(id_).resends, books.row(id_).holder) == (1, ME)


@pytest.mark.parametrize("what", [Look.UNUSED, Look.ABSENT, Look.DEAD])
def test_a_process_that_slept_since_its_look_concludes_nothing_from_absence(books: Books, what: Look) -> None:
    id_, _ = books.unknown()
    for _ in range(2):
        look(books, id_, Look.ABSENT)
    books.pass_s(2 * Q)
    assert look(books, id_, what, ago_s=Q + 1) is S.UNKNOWN
    assert look(books, id_, what) is S.CLAIMED


def test_a_list_that_does_not_show_it_counts_after_three_looks(books: Books) -> None:
    id_, _ = books.unknown()
    books.pass_s(Q)
    assert [look(books, id_, Look.ABSENT) for _ in range(3)] == [S.UNKNOWN, S.UNKNOWN, S.CLAIMED]


def test_it_is_sent_once_more_at_the_most(books: Books) -> None:
    id_, _ = books.unknown()
    books.pass_s(Q)
    assert look(books, id_, Look.UNUSED) is S.CLAIMED
    books.change(id_, state=S.ARMED)
    assert books.fence(intent(id_, "second"))[0] is not None
    books.settle(Outcome("second", W.UNKNOWN, "silence again"))
    books.pass_s(Q)
    assert look(books, id_, Look.UNUSED) is S.UNRESOLVED
    assert books.incidents() == {"unresolved"}
    assert books.row(id_).holder is None


def test_what_may_never_be_sent_again_goes_to_a_person(books: Books) -> None:
    id_, _ = books.unknown()
    books.pass_s(Q)
    for _ in range(3):
        state = look(books, id_, Look.ABSENT, resend=False)
    assert state is S.UNRESOLVED


def test_a_platform_that_never_says_goes_to_a_person_in_the_end(books: Books) -> None:
    id_, _ = books.unknown()
    books.pass_s(Q)
    states = [look(books, id_, Look.UNCLEAR) for _ in range(21)]
    assert states == [S.UNKNOWN] * 20 + [S.UNRESOLVED]


def test_a_late_answer_is_faster_than_a_look(books: Books) -> None:
    id_, write_id = books.unknown()
    delivery, write = books.delivery(id_), books.writes(id_)[0]
    books.pass_s(Q)
    books.settle(Outcome(write_id, W.ACCEPTED, "201", value="77"))
    finding = Finding(Look.UNUSED)
    assert conclude(books, delivery, write, finding) is S.PUBLISHED
    assert books.writes(id_)[0].state is W.ACCEPTED
    assert books.row(id_).resends == 0


def test_the_same_look_by_two_processes_sends_once_more_only_once(books: Books) -> None:
    id_, _ = books.unknown()
    books.pass_s(Q)
    old = books.delivery(id_)
    write = books.writes(id_)[0]
    books.change(id_, holder="other")
    finding = Finding(Look.UNUSED)
    other = books.delivery(id_)
    assert conclude(books, other, write, finding) is S.CLAIMED
    assert conclude(books, old, write, finding) is S.CLAIMED
    assert (books.row(id_).resends, books.row(id_).holder) == (1, "other")


# Handles


def _keep(books: Books, id_: str, value: str, keep_s: float | None = 60, holder: str | None = ME) -> bool:
    (kept,) = books.do(keep_steps, [Kept(id_, holder, "container", value, keep_s)])
    return kept


def _kept(books: Books, id_: str) -> dict[str, object]:
    with books.ledger.begin() as connection:
        return kept_steps(connection, [id_], books.now_ms)[id_]


def test_a_handle_lives_as_long_as_the_platform_says(books: Books) -> None:
    id_ = books.armed()
    _keep(books, id_, "first")
    _keep(books, id_, "second")
    books.pass_s(59)
    assert _kept(books, id_) == {"container": "second"}
    books.pass_s(2)
    assert _kept(books, id_) == {}


def test_a_handle_that_a_commit_used_is_valid_for_good_even_when_it_is_sent_once_more(books: Books) -> None:
    id_ = books.armed()
    _keep(books, id_, "used")
    books.fence(intent(id_, "w1"))
    books.settle(Outcome("w1", W.UNKNOWN, "silence"))
    books.pass_s(Q)
    assert _kept(books, id_) == {"container": "used"}
    assert look(books, id_, Look.UNUSED) is S.CLAIMED
    assert _kept(books, id_) == {"container": "used"}


def test_a_dead_handle_is_forgotten(books: Books) -> None:
    id_ = books.armed()
    _keep(books, id_, "dead")
    books.fence(intent(id_, "w1"))
    books.settle(Outcome("w1", W.UNKNOWN, "silence"))
    books.pass_s(Q)
    assert look(books, id_, Look.DEAD) is S.CLAIMED
    assert _kept(books, id_) == {}


def test_a_process_that_lost_the_delivery_cannot_replace_the_handles_of_its_successor(books: Books) -> None:
    id_ = books.armed(holder="other")
    assert _keep(books, id_, "theirs", holder="other")
    assert not _keep(books, id_, "mine")
    assert _kept(books, id_) == {"container": "theirs"}


# Who decides

ERROR = PlatformError("x", Diagnosis(Kind.CONTENT_REJECTED, refusal=True))
DECISIONS = {
    "rearm": (endings.rearm, ("note",), {}),
    "put back": (endings.put_back, (), {"fire_ms": 1, "reason": "r", "attempt": True}),
    "again": (endings.again, (), {"fire_ms": 1, "reason": "r", "attempt": True}),
    "start over": (endings.start_over, ("note",), {}),
    "look later": (endings.look_later, (), {"fire_ms": 1, "reason": "r"}),
    "fail": (endings.fail, (ERROR,), {}),
}


@pytest.mark.parametrize("decision", DECISIONS.values(), ids=DECISIONS.keys())
@pytest.mark.parametrize("state", [S.CLAIMED, S.ARMED, S.PROCESSING, S.UNKNOWN, S.REFUSED])
def test_a_process_that_was_frozen_decides_nothing(books: Books, decision: tuple, state: State) -> None:
    function, args, kwargs = decision
    id_ = books.add(state, holder=ME, armed_version=1)
    books.run(sa.insert(steps).values(delivery_id=id_, name="container", value=1, kept_ms=0))
    frozen = books.delivery(id_)
    books.change(id_, holder="other")
    before = books.row(id_)
    assert not books.do(function, frozen, *args, **kwargs)
    assert books.row(id_) == before
    assert books.story(id_) == ""
    assert len(books.run(sa.select(steps))) == 1


@pytest.mark.parametrize("decision", ["rearm", "put back", "again"])
@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.PROCESSING])
def test_what_may_be_out_is_not_planned_again_even_by_its_own_process(
    books: Books, decision: str, state: State
) -> None:
    function, args, kwargs = DECISIONS[decision]
    id_ = books.add(state, holder=ME, armed_version=1)
    before = books.row(id_)
    assert not books.do(function, books.delivery(id_), *args, **kwargs)
    assert books.row(id_) == before


def test_starting_over_concerns_the_write_that_was_seen_and_no_later_one(books: Books) -> None:
    id_, write_id = books.sent(live=False)
    books.settle(Outcome(write_id, W.ACCEPTED, "200"))
    old: Delivery = replace(books.delivery(id_), fence=0)
    assert not books.do(endings.start_over, old, "the platform gave up")
    assert books.writes(id_)[0].state is W.ACCEPTED
    assert books.do(endings.start_over, books.delivery(id_), "the platform gave up")
    assert books.writes(id_)[0].state is W.ABSENT
    assert books.row(id_).state == S.CLAIMED


def test_what_a_flow_found_out_is_kept_whoever_holds_the_delivery(books: Books) -> None:
    id_, write_id = books.sent()
    books.settle(Outcome(write_id, W.ACCEPTED, "201", value="77"))
    books.change(id_, holder="other")
    books.do(endings.finish, id_, Published(permalink="https://x.test/77"))
    assert books.row(id_).permalink == "https://x.test/77"


def test_a_post_of_which_the_platform_left_something_out_stays_published_and_a_person_is_told(
    books: Books,
) -> None:
    id_, write_id = books.sent()
    books.settle(Outcome(write_id, W.ACCEPTED, "201", value="77"))
    lacks = "Instagram shows 6 of 7 files of this carousel"
    books.do(endings.finish, id_, Published(permalink="https://x.test/77", lacks=lacks))
    row = books.row(id_)
    assert (row.state, row.reason, row.error_kind) == (S.PUBLISHED, lacks, "left_out")
    assert books.incidents() == {"incomplete"}
    assert lacks in books.story(id_)


def test_a_doubt_that_a_late_answer_ended_is_worked_on_again(books: Books) -> None:
    id_, write_id = books.unknown()
    books.change(id_, state=S.UNRESOLVED)
    books.settle(Outcome(write_id, W.REFUSED, "403"))
    books.change(id_, state=S.UNKNOWN)
    assert books.do(conclusions.no_doubt_left, books.delivery(id_))
    assert books.row(id_).state == S.CLAIMED


def test_the_same_task_has_three_tries_and_then_a_later_run_takes_it(books: Books) -> None:
    id_ = books.add(S.CLAIMED, run_id="run")
    states = []
    for number in range(4):
        books.change(id_, state=S.CLAIMED, holder=ME)
        try_of_it = {"ti_id": f"ti-{number}", "run_id": "run", "map_index": 0, "delivery_id": id_}
        books.run(sa.insert(instances).values(**try_of_it, started_ms=0))
        options = {"fire_ms": 1, "reason": "busy", "attempt": False, "by_task": True}
        states.append(books.do(endings.put_back, books.delivery(id_), **options))
    assert states == [S.CLAIMED, S.CLAIMED, S.SCHEDULED, S.SCHEDULED]
