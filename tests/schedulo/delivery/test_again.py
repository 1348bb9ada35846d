"""What a person may ask of a delivery once more, by whichever way, and what each state answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import sqlalchemy as sa

from schedulo.delivery import hurry, planning
from schedulo.delivery.again import RULES, Ask, Deed, Request, Told, ask, foresee
from schedulo.delivery.commits import Outcome
from schedulo.delivery.rows import NOT_PLANNED, UNRESOLVED
from schedulo.delivery.transitions import TRANSITIONS
from schedulo.ledger.tables import events, outcomes, steps
from schedulo.model import Account, Content, Format, Platform, Position, State, WriteState
from schedulo.settings import Settings
from tests.schedulo.delivery.conftest import ME, Books, intent

S, D = State, Deed
GRACE_MS = 3_600_000
QUIET_MS = 300_000
LINK = "https://x.com/northlight/status/17"
RETRY = Request(Ask.RETRY, "by ann", GRACE_MS)
CLEAR = Request(Ask.CLEAR, "in Airflow", GRACE_MS, run_id="run-2", holder=ME)
IS_OUT = Request(Ask.IS_OUT, "by ann", GRACE_MS, link=LINK)
NOT_OUT = Request(Ask.NOT_OUT, "by ann", GRACE_MS, QUIET_MS)
CANCEL = Request(Ask.CANCEL, "by ann", GRACE_MS)
REQUESTS = {request.ask: request for request in (RETRY, CLEAR, IS_OUT, NOT_OUT, CANCEL)}


def one(books: Books, id_: str, request: Request) -> Told:
    [told] = books.do(ask, [id_], request)
    return told


def unresolved(books: Books, **values: object) -> tuple[str, str]:
    """A delivery of which nobody knows whether it is out, and its write; the quiet time is over."""
    id_, write_id = books.unknown(**values)
    books.pass_s(400)
    books.change(id_, state=S.UNRESOLVED, holder=None, reason="a person must look")
    return id_, write_id


# --- the table ------------------------------------------------------------------------------------------

EXPECTED: Mapping[Ask, Mapping[State, tuple[Deed, State]]] = {
    Ask.RETRY: {
        S.FAILED: (D.PLANNED, S.SCHEDULED),
        S.MISSED: (D.PLANNED, S.SCHEDULED),
        S.CANCELLED: (D.PLANNED, S.SCHEDULED),
        S.UNRESOLVED: (D.LOOKED_UP, S.UNKNOWN),
        S.PUBLISHED_INCOMPLETE: (D.CONTINUED, S.PUBLISHED_INCOMPLETE),
    },
    Ask.CLEAR: {
        S.FAILED: (D.TAKEN, S.CLAIMED),
        S.SCHEDULED: (D.TAKEN, S.CLAIMED),
        S.UNRESOLVED: (D.LOOKED_UP, S.UNKNOWN),
        S.PUBLISHED_INCOMPLETE: (D.CONTINUED, S.PUBLISHED_INCOMPLETE),
    },
    Ask.IS_OUT: {S.UNRESOLVED: (D.CLOSED, S.PUBLISHED)},
    Ask.NOT_OUT: {S.UNRESOLVED: (D.PLANNED, S.SCHEDULED)},
    Ask.CANCEL: dict.fromkeys(
        (S.SCHEDULED, S.CLAIMED, S.ARMED, S.REFUSED, S.HELD, S.FAILED, S.MISSED), (D.CANCELLED, S.CANCELLED)
    ),
}
"""All else is refused and changes nothing."""


def test_the_table_has_an_answer_for_every_state() -> None:
    assert all(set(rules) == set(State) for rules in RULES.values())
    assert set(RULES) == set(Ask)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("asked", Ask)
def test_each_state_answers_what_is_asked_of_it(books: Books, asked: Ask, state: State) -> None:
    kind = "bug" if state is S.PUBLISHED_INCOMPLETE else ""
    id_ = books.add(state, error_kind=kind, permalink=None)
    before = books.row(id_)
    deed, after = EXPECTED[asked].get(state, (D.REFUSED, state))
    told = one(books, id_, REQUESTS[asked])
    row = books.row(id_)
    assert (told.deed, row.state) == (deed, after)
    if deed is D.REFUSED:
        assert row == before
    if deed is not D.REFUSED or asked is not Ask.CLEAR:
        assert told.sentence in books.story(id_)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("asked", Ask)
def test_foreseeing_says_the_same_and_does_nothing(books: Books, asked: Ask, state: State) -> None:
    id_ = books.add(state)
    before = books.row(id_)
    foreseen = books.do(foresee, [id_], REQUESTS[asked])
    assert books.row(id_) == before
    assert books.run(sa.select(events)) == []
    assert books.told() == {}
    assert foreseen == books.do(ask, [id_], REQUESTS[asked])


def test_each_deed_is_a_move_that_the_states_allow() -> None:
    moves = [(state, after) for rules in EXPECTED.values() for state, (_, after) in rules.items()]
    assert [(a, b) for a, b in moves if a is not b and b not in TRANSITIONS[a]] == []


def test_answers_come_in_the_order_of_the_question_and_without_strangers(books: Books) -> None:
    first, second = books.add(S.FAILED), books.add(S.MISSED)
    told = books.do(ask, [second, "nobody", first, second], RETRY)
    assert [item.delivery_id for item in told] == [second, first]


# --- trying again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [RETRY, CLEAR], ids=["retry", "clear"])
def test_what_failed_begins_anew_with_time_to_go_out(books: Books, request_: Request) -> None:
    failed = {"attempts": 5, "reason": "r", "error_kind": "bug", "error_code": "1", "trouble_since_ms": 1}
    id_ = books.add(S.FAILED, **failed)
    books.pass_s(9000)
    one(books, id_, request_)
    row = books.row(id_)
    assert (row.attempts, row.reason, row.error_kind, row.error_code) == (0, "", "", "")
    assert (row.trouble_since_ms, row.fire_ms) == (None, books.now_ms)
    assert row.not_after_ms == books.now_ms + GRACE_MS


def test_who_asked_and_how_is_in_the_story(books: Books) -> None:
    id_ = books.add(S.FAILED)
    one(books, id_, replace(RETRY, by="by ann with the Dag retry_deliveries"))
    assert books.story(id_) == "a retry was requested by ann with the Dag retry_deliveries: planned again"
    assert books.told() == {id_: 1}


def test_a_post_for_later_that_failed_early_goes_out_when_it_is_due(books: Books) -> None:
    due_ms = books.now_ms + 600_000
    id_ = books.add(S.FAILED, due_ms=due_ms, fire_ms=due_ms)
    one(books, id_, RETRY)
    assert (books.row(id_).fire_ms, books.row(id_).asked_ms) == (due_ms, None)


def test_a_storm_of_retries_goes_out_in_the_order_of_their_due_times_with_gaps(books: Books) -> None:
    ids = [books.add(S.FAILED, due_ms=books.now_ms - offset) for offset in (1, 3, 2)]
    books.do(ask, ids, RETRY)
    claimed = books.claim("run")
    assert claimed == [ids[1], ids[2], ids[0]]
    assert [books.row(id_).fire_ms - books.now_ms for id_ in claimed] == [0, 1000, 2000]


def test_clearing_never_sends_what_was_missed_or_cancelled(books: Books) -> None:
    for state in (S.MISSED, S.CANCELLED):
        told = one(books, books.add(state), CLEAR)
        assert told.sentence == f"refused, it is {state}: plan it anew, or request a retry"


def test_clearing_takes_up_what_waits_only_when_its_time_has_come(books: Books) -> None:
    later = books.add(fire_ms=books.now_ms + 600_000)
    assert "planned for 2027-01-15T08:10:00.000Z" in one(books, later, CLEAR).sentence
    now = books.add(attempts=2)
    one(books, now, CLEAR)
    row = books.row(now)
    assert (row.state, row.run_id, row.holder, row.attempts) == (S.CLAIMED, "run-2", ME, 2)


def test_clearing_says_nothing_in_the_story_while_it_is_refused(books: Books) -> None:
    id_ = books.add(S.SENDING)
    one(books, id_, CLEAR)
    assert books.story(id_) == ""


def test_what_is_out_is_refused_with_its_link(books: Books) -> None:
    id_ = books.add(S.PUBLISHED, permalink=LINK)
    told = one(books, id_, RETRY)
    assert (told.sentence, told.permalink) == (f"refused, it is out: {LINK}", LINK)


@pytest.mark.parametrize("request_", [RETRY, CLEAR], ids=["retry", "clear"])
def test_a_wrong_post_is_mended_first(books: Books, request_: Request) -> None:
    id_ = books.add(S.CANCELLED, error_kind=NOT_PLANNED, reason="Text: too long.")
    told = one(books, id_, request_)
    assert told.sentence == "refused, the post must be mended first: Text: too long."


def test_what_a_hold_stops_waits_for_its_release(books: Books) -> None:
    books.hold("everything")
    id_ = books.add()
    books.sweep()
    assert one(books, id_, RETRY).sentence == "refused, on hold (everything, by a): r; release the hold"


def test_what_a_rule_holds_is_let_go_by_a_person(books: Books) -> None:
    id_ = books.add(S.HELD, error_kind=planning.CONTENT_GUARD)
    assert one(books, id_, RETRY).deed is D.PLANNED
    assert books.row(id_).error_kind == ""


def test_what_is_out_in_part_goes_on_with_what_is_missing(books: Books) -> None:
    id_ = books.add(S.PUBLISHED_INCOMPLETE, error_kind="bug", reason="stopped at 3 of 5")
    books.pass_s(9000)
    one(books, id_, RETRY)
    row = books.row(id_)
    assert (row.state, row.error_kind, row.fire_ms) == (S.PUBLISHED_INCOMPLETE, "", books.now_ms)
    assert row.not_after_ms > books.now_ms


def test_an_unresolved_post_is_looked_up_in_a_later_run_and_nothing_is_sent(books: Books) -> None:
    id_, _ = unresolved(books)
    one(books, id_, RETRY)
    assert books.claim("run") == [id_]
    assert [write.state for write in books.writes(id_)] == [WriteState.UNKNOWN]


# --- what a person asked for stands against the row -------------------------------------------------------


def _post(books: Books, due_ms: int, text: str = "hello") -> planning.PostPlan:
    account = Account(Platform.X, "1", "acme", "UTC", {})
    late_ms = due_ms + GRACE_MS
    plan = planning.Plan(account, Content(Format.TEXT, text), text, text, due_ms, late_ms, "")
    return planning.PostPlan("rec1", "t", (plan,), "", unprepared=False, wanted=True)


def _failed_and_retried(books: Books) -> tuple[str, int]:
    books.account("x:1")
    due_ms = books.now_ms + 1000
    books.do(planning.plan_post, _post(books, due_ms), 0)
    id_ = planning.identity("rec1", "x:1")
    books.change(id_, state=S.MISSED)
    books.pass_s(9000)
    one(books, id_, RETRY)
    return id_, due_ms


def test_reading_the_row_again_does_not_make_a_retry_too_late(books: Books) -> None:
    id_, due_ms = _failed_and_retried(books)
    books.do(planning.plan_post, _post(books, due_ms), 0)
    books.sweep()
    row = books.row(id_)
    assert (row.state, row.due_ms, row.fire_ms) == (S.SCHEDULED, due_ms, books.now_ms)


def test_a_new_time_in_the_row_counts_more_than_an_older_retry(books: Books) -> None:
    id_, _ = _failed_and_retried(books)
    tomorrow_ms = books.now_ms + 86_400_000
    books.do(planning.plan_post, _post(books, tomorrow_ms), 0)
    row = books.row(id_)
    assert (row.due_ms, row.fire_ms, row.asked_ms) == (tomorrow_ms, tomorrow_ms, None)


def test_a_post_that_was_asked_for_now_and_failed_may_be_planned_for_later(books: Books) -> None:
    books.account("x:1")
    books.do(planning.plan_post, _post(books, books.now_ms + 5000), 0)
    id_ = planning.identity("rec1", "x:1")
    books.do(hurry.ask_now, "run", ["rec1"], [], Settings(missed_after_s=GRACE_MS / 1000))
    books.change(id_, state=S.FAILED)
    books.pass_s(9000)
    later_ms = books.now_ms + 5000
    books.do(planning.plan_post, _post(books, later_ms), 0)
    row = books.row(id_)
    assert (row.state, row.due_ms, row.fire_ms) == (S.SCHEDULED, later_ms, later_ms)


# --- resolving --------------------------------------------------------------------------------------------


def test_it_is_out_keeps_link_id_and_who_said_so(books: Books) -> None:
    id_, write_id = unresolved(books)
    told = one(books, id_, IS_OUT)
    row = books.row(id_)
    assert (row.state, row.permalink, row.remote_id, row.reason) == (S.PUBLISHED, LINK, "17", "")
    assert told.permalink == LINK
    assert f"'it is out' was said by ann: published, as a person says: {LINK}" in books.story(id_)
    said = books.run(sa.select(outcomes.c.note).where(outcomes.c.state == "said:accepted"))
    assert said == [("'it is out' was said by ann",)]
    assert [(write.id, write.state, write.value) for write in books.writes(id_)] == [
        (write_id, WriteState.ACCEPTED, "17")
    ]


def test_no_instant_is_made_up_for_what_a_person_says_is_out(books: Books) -> None:
    id_, _ = unresolved(books)
    one(books, id_, IS_OUT)
    assert (books.row(id_).accepted_ms, books.row(id_).published_ms) == (None, None)


@pytest.mark.parametrize("link", ["", "https://www.instagram.com/p/abc", "https://x.com/northlight"])
def test_it_is_out_needs_the_link_of_a_post_on_that_platform(books: Books, link: str) -> None:
    id_, _ = unresolved(books)
    told = one(books, id_, replace(IS_OUT, link=link))
    assert told.deed is D.REFUSED
    assert "it is not the link of a post on x" in told.sentence
    assert books.row(id_).state == S.UNRESOLVED


def test_what_a_person_says_is_out_is_not_sent_again(books: Books) -> None:
    id_, _ = unresolved(books)
    one(books, id_, IS_OUT)
    assert one(books, id_, NOT_OUT).sentence == f"refused, it is out: {LINK}"
    books.change(id_, state=S.ARMED, holder=ME, armed_version=1)
    assert books.fence(intent(id_, "second")) == [None]


def test_it_is_not_out_is_armed_anew_sent_and_counted(books: Books) -> None:
    id_, write_id = unresolved(books)
    kept = [
        {"delivery_id": id_, "name": name, "value": 1, "kept_ms": 0, "expires_ms": expires_ms}
        for name, expires_ms in (("dead", books.now_ms - 1), ("alive", books.now_ms + 1), ("for good", None))
    ]
    books.run(sa.insert(steps).values(kept))
    one(books, id_, NOT_OUT)
    row = books.row(id_)
    assert (row.state, row.resends, row.armed_version, row.fire_ms) == (S.SCHEDULED, 1, None, books.now_ms)
    assert [write.state for write in books.writes(id_)] == [WriteState.ABSENT]
    assert {name for (name,) in books.run(sa.select(steps.c.name))} == {"alive", "for good"}
    assert books.claim("run") == [id_]
    books.change(id_, state=S.ARMED, holder=ME, armed_version=1)
    assert books.fence(intent(id_, "second"))[0] is not None
    said = books.run(sa.select(outcomes.c.note).where(outcomes.c.write_id == write_id))
    assert said[-1] == ("'it is not out, send it' was said by ann",)


def _in_part(books: Books) -> tuple[str, str]:
    """The first part of a thread is out, nobody knows it of the second."""
    id_ = books.armed()
    assert books.fence(replace(intent(id_, "w-first", name="post"), position=Position.FIRST))[0] is not None
    books.settle(Outcome("w-first", WriteState.ACCEPTED, "taken", value="16"))
    part = replace(intent(id_, "w-part", name="part-2"), position=Position.LATER)
    assert books.fence(part)[0] is not None
    books.settle(Outcome("w-part", WriteState.UNKNOWN, "silence"))
    books.pass_s(1000)
    books.change(id_, error_kind=UNRESOLVED, reason="a person must look", holder=None)
    return id_, "w-part"


@pytest.mark.parametrize(
    ("request_", "state", "value", "resends"),
    [
        (RETRY, WriteState.UNKNOWN, None, 0),
        (IS_OUT, WriteState.ACCEPTED, "17", 0),
        (NOT_OUT, WriteState.ABSENT, None, 1),
    ],
    ids=["retry", "out", "not out"],
)
def test_a_later_part_in_doubt_is_answered_for_and_the_post_goes_on(
    books: Books, request_: Request, state: WriteState, value: str | None, resends: int
) -> None:
    id_, write_id = _in_part(books)
    assert one(books, id_, request_).deed is D.CONTINUED
    row = books.row(id_)
    assert (row.state, row.error_kind, row.resends) == (S.PUBLISHED_INCOMPLETE, "", resends)
    assert (row.remote_id, row.permalink) == ("16", None)
    writes = {write.id: write for write in books.writes(id_)}
    assert (writes[write_id].state, writes[write_id].value) == (state, value)
    assert writes["w-first"].state == WriteState.ACCEPTED
    assert books.claim("run") == [id_]


def test_what_belongs_to_a_post_follows_once_a_person_says_that_it_is_out(books: Books) -> None:
    id_ = books.armed()
    assert books.fence(replace(intent(id_, "w-first"), position=Position.FIRST))[0] is not None
    books.settle(Outcome("w-first", WriteState.UNKNOWN, "silence"))
    books.pass_s(9000)
    books.change(id_, state=S.UNRESOLVED, holder=None)
    assert one(books, id_, IS_OUT).sentence.endswith("; what belongs to it follows")
    row = books.row(id_)
    assert (row.state, row.permalink) == (S.PUBLISHED_INCOMPLETE, LINK)
    assert row.not_after_ms > books.now_ms
    assert books.claim("run") == [id_]


def test_a_request_that_may_still_arrive_is_waited_for(books: Books) -> None:
    id_, _ = books.unknown()
    opened_ms = books.now_ms
    books.change(id_, state=S.UNRESOLVED, holder=None)
    books.pass_s(10)
    one(books, id_, NOT_OUT)
    assert books.row(id_).fire_ms == opened_ms + QUIET_MS


@pytest.mark.parametrize("request_", [IS_OUT, NOT_OUT], ids=["out", "not out"])
def test_a_request_that_is_still_open_has_the_first_word(books: Books, request_: Request) -> None:
    id_, _ = books.sent()
    books.change(id_, state=S.UNRESOLVED)
    told = one(books, id_, request_)
    assert (told.deed, books.row(id_).state) == (D.REFUSED, S.UNRESOLVED)
    assert "still open" in told.sentence


def test_a_late_answer_before_the_second_sending_makes_it_needless(books: Books) -> None:
    id_, write_id = unresolved(books)
    one(books, id_, NOT_OUT)
    books.settle(Outcome(write_id, WriteState.ACCEPTED, "it was taken after all", value="17"))
    assert (books.row(id_).state, books.row(id_).remote_id) == (S.PUBLISHED, "17")
    assert books.claim("run") == []
    assert books.incidents() == set()


def test_a_late_answer_after_the_second_sending_is_an_incident(books: Books) -> None:
    id_, write_id = unresolved(books)
    one(books, id_, NOT_OUT)
    books.claim("run")
    books.change(id_, state=S.ARMED, holder=ME, armed_version=1)
    assert books.fence(intent(id_, "second"))[0] is not None
    books.settle(Outcome("second", WriteState.ACCEPTED, "taken", value="18"))
    books.settle(Outcome(write_id, WriteState.ACCEPTED, "it was taken after all", value="17"))
    assert books.incidents() == {"on_air_twice"}
    assert (books.row(id_).state, books.row(id_).remote_id) == (S.PUBLISHED, "18")


def test_evidence_counts_more_than_a_persons_word(books: Books) -> None:
    id_, write_id = unresolved(books)
    one(books, id_, IS_OUT)
    books.settle(Outcome(write_id, WriteState.ACCEPTED, "taken", value="18", answered_ms=books.now_ms))
    row = books.row(id_)
    assert (row.remote_id, row.accepted_ms) == ("18", books.now_ms)
