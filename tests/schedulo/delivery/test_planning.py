"""From a row to deliveries: new, changed, withdrawn, wished for again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import commands, planning
from schedulo.delivery.commits import Outcome
from schedulo.delivery.planning import Plan, PostPlan
from schedulo.delivery.rows import NOT_PLANNED
from schedulo.ledger.tables import deliveries, writes
from schedulo.model import Account, Content, Format, Platform, State, WriteState
from schedulo.planning.content import content_hash, fingerprint
from tests.schedulo.delivery.conftest import Books, intent

S = State
DAY_MS = 86_400_000
ACCOUNT = Account(Platform.X, "1", "ann")


def post(
    books: Books, text: str = "hello", record_id: str = "rec1", due_s: float = 3600, **more: object
) -> PostPlan:
    books.account("x:1")
    content = Content(Format.TEXT, text)
    due_ms = books.now_ms + int(due_s * 1000)
    plan = Plan(
        ACCOUNT, content, content_hash(content), fingerprint(content), due_ms, due_ms + 3_600_000, problem=""
    )
    plan = replace(plan, **{key: value for key, value in more.items() if key in ("problem", "note")})
    rest = {key: value for key, value in more.items() if key not in ("problem", "note")}
    wanted = PostPlan(record_id, text, (plan,), "", unprepared=False, wanted=True)
    return replace(wanted, **rest)


def put(books: Books, wanted: PostPlan) -> str:
    books.do(planning.plan_post, wanted, DAY_MS)
    return planning.identity(wanted.record_id, ACCOUNT.key)


def test_a_new_post_is_scheduled_once_however_often_it_is_read(books: Books) -> None:
    id_ = put(books, post(books))
    put(books, post(books))
    assert [row.id for row in books.run(sa.select(deliveries))] == [id_]
    row = books.row(id_)
    assert (row.state, row.due_ms, row.fire_ms, row.version) == (
        S.SCHEDULED,
        books.now_ms + 3_600_000,
        books.now_ms + 3_600_000,
        1,
    )
    assert books.told() == {id_: 1}


def test_a_changed_text_is_a_new_version(books: Books) -> None:
    id_ = put(books, post(books))
    put(books, post(books, "hello again"))
    row = books.row(id_)
    assert (row.version, row.content["text"]) == (2, "hello again")


def test_a_changed_instant_moves_it_and_a_same_one_does_not_end_a_wait(books: Books) -> None:
    id_ = put(books, post(books))
    books.change(id_, fire_ms=books.now_ms + 9_000_000)
    put(books, post(books, "other"))
    assert books.row(id_).fire_ms == books.now_ms + 9_000_000
    put(books, post(books, "other", due_s=7200))
    assert books.row(id_).fire_ms == books.now_ms + 7_200_000


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.PROCESSING, S.PUBLISHED, S.UNRESOLVED])
def test_what_may_be_out_keeps_its_content(books: Books, state: State) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=state)
    put(books, post(books, "too late"))
    row = books.row(id_)
    assert (row.state, row.version, row.content["text"]) == (state, 1, "hello")


@pytest.mark.parametrize("state", [S.PUBLISHED, S.WAITING_IN_APP])
@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (
            {"text": "too late"},
            "the post was changed after it went out: what is out is as it was; "
            "to give it the new text there, request an edit",
        ),
        ({"wanted": False}, "it went out before this came: the post is no longer Ready"),
    ],
)
def test_people_are_told_once_that_a_wish_came_after_the_post(
    books: Books, state: State, wish: dict[str, Any], sentence: str
) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=state, reason="")
    for _ in range(2):
        put(books, post(books, **wish))
    assert (books.row(id_).state, books.row(id_).reason) == (state, sentence)
    assert books.story(id_).count(sentence) == 1


def test_a_problem_of_its_row_says_nothing_to_a_post_that_is_out(books: Books) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=S.PUBLISHED, reason="")
    row = post(books)
    put(books, replace(row, plans=tuple(replace(plan, problem="broken") for plan in row.plans)))
    assert (books.row(id_).state, books.row(id_).reason) == (S.PUBLISHED, "")


def test_what_is_sent_once_more_is_the_same_to_the_byte(books: Books) -> None:
    id_ = put(books, post(books, due_s=0))
    books.change(id_, state=S.ARMED, holder="me", armed_version=1)
    books.fence(intent(id_, "w1"))
    books.settle(Outcome("w1", WriteState.UNKNOWN, "silence"))
    books.run(sa.update(writes).values(state=WriteState.ABSENT))
    books.change(id_, state=S.CLAIMED, resends=1)
    put(books, post(books, "changed meanwhile", due_s=0))
    assert books.row(id_).content["text"] == "hello"
    assert "too late" in books.story(id_)


def test_a_post_that_is_no_longer_ready_is_taken_out_and_comes_back(books: Books) -> None:
    id_ = put(books, post(books))
    put(books, post(books, wanted=False, plans=()))
    assert (books.row(id_).state, books.row(id_).error_kind) == (S.CANCELLED, NOT_PLANNED)
    put(books, post(books))
    assert (books.row(id_).state, books.row(id_).error_kind) == (S.SCHEDULED, "")


def test_a_wrong_post_stands_with_its_problem_and_is_planned_when_it_is_mended(books: Books) -> None:
    id_ = put(books, post(books, problem="Text: too long. Shorten it."))
    assert (books.row(id_).state, books.row(id_).reason) == (S.CANCELLED, "Text: too long. Shorten it.")
    put(books, post(books, problem="Text: still too long. Shorten it."))
    assert books.row(id_).reason.startswith("Text: still")
    put(books, post(books))
    assert books.row(id_).state == S.SCHEDULED


def test_an_account_that_was_taken_off_the_post_gets_nothing(books: Books) -> None:
    id_ = put(books, post(books))
    put(books, post(books, plans=()))
    assert books.row(id_).state == S.CANCELLED


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.PROCESSING, S.PUBLISHED])
def test_withdrawing_what_may_be_out_changes_nothing(books: Books, state: State) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=state)
    put(books, post(books, wanted=False, plans=()))
    assert books.row(id_).state == state


def test_a_post_planned_after_its_window_is_missed_and_never_sent_late(books: Books) -> None:
    id_ = put(books, post(books, due_s=-7200))
    assert books.row(id_).state == S.MISSED


@pytest.mark.parametrize("state", [S.FAILED, S.MISSED])
def test_a_failed_post_with_a_new_instant_is_planned_again(books: Books, state: State) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=state, attempts=3, error_kind="bug")
    put(books, post(books))
    assert books.row(id_).state == state
    put(books, post(books, due_s=7200))
    row = books.row(id_)
    assert (row.state, row.attempts, row.error_kind) == (S.SCHEDULED, 0, "")


# The content guard


def test_the_same_content_from_another_row_is_held_until_a_person_means_it(books: Books) -> None:
    put(books, post(books))
    twin = put(books, post(books, "hello ", record_id="rec2", due_s=7200))
    row = books.row(twin)
    assert (row.state, row.error_kind) == (S.HELD, planning.CONTENT_GUARD)
    assert "'hello'" in row.reason
    books.sweep()
    assert books.row(twin).state == S.HELD
    books.do(commands.command, twin, "retry", books.now_ms, 3_600_000)
    assert books.row(twin).state == S.SCHEDULED


def test_a_twin_whose_text_is_changed_is_let_go(books: Books) -> None:
    put(books, post(books))
    twin = put(books, post(books, record_id="rec2"))
    put(books, post(books, "something else", record_id="rec2"))
    assert (books.row(twin).state, books.row(twin).error_kind) == (S.SCHEDULED, "")


@pytest.mark.parametrize("state", [S.CANCELLED, S.FAILED, S.MISSED])
def test_a_twin_of_what_did_not_go_out_is_no_twin(books: Books, state: State) -> None:
    books.change(put(books, post(books)), state=state)
    assert books.row(put(books, post(books, record_id="rec2"))).state == S.SCHEDULED


def test_the_same_content_a_day_later_is_meant(books: Books) -> None:
    put(books, post(books))
    assert books.row(put(books, post(books, record_id="rec2", due_s=3600 + 86400))).state == S.SCHEDULED


# Rows that vanished


def _many(books: Books, count: int) -> list[str]:
    for number in range(count):
        put(books, post(books, f"text {number}", record_id=f"rec{number}"))
    return [f"rec{number}" for number in range(count)]


def test_a_few_deleted_rows_are_wishes(books: Books) -> None:
    records = _many(books, 10)
    books.do(planning.gone, records[:2], 10)
    assert books.row(planning.identity("rec0", ACCOUNT.key)).state == S.CANCELLED
    assert books.row(planning.identity("rec2", ACCOUNT.key)).state == S.SCHEDULED


def test_many_deleted_rows_are_a_fault_and_come_back_with_their_rows(books: Books) -> None:
    records = _many(books, 10)
    books.do(planning.gone, records[:4], 10)
    id_ = planning.identity("rec0", ACCOUNT.key)
    assert (books.row(id_).state, books.row(id_).error_kind) == (S.HELD, planning.MISSING)
    assert books.incidents() == {"airtable_missing_posts"}
    books.sweep()
    assert books.row(id_).state == S.HELD
    put(books, post(books, "text 0", record_id="rec0"))
    assert (books.row(id_).state, books.row(id_).error_kind) == (S.SCHEDULED, "")


# Commands


def ask(books: Books, id_: str, verb: str) -> str:
    books.pass_s(1)
    books.do(commands.command, id_, verb, books.now_ms, 3_600_000)
    return books.story(id_).splitlines()[-1]


def test_a_command_is_done_once_for_each_time_it_is_given(books: Books) -> None:
    id_ = put(books, post(books))
    asked_ms = books.now_ms
    books.do(commands.command, id_, "cancel", asked_ms, 0)
    assert books.row(id_).state == S.CANCELLED
    ask(books, id_, "retry")
    books.do(commands.command, id_, "cancel", asked_ms, 0)
    assert books.row(id_).state == S.SCHEDULED


def test_two_wishes_of_one_minute_are_both_done_once(books: Books) -> None:
    id_ = put(books, post(books))
    for _ in range(2):
        for verb in ("edit", "cancel"):
            books.do(commands.command, id_, verb, books.now_ms, 0)
    assert books.row(id_).state == S.CANCELLED
    said = books.story(id_).splitlines()
    assert len([line for line in said if "requested" in line]) == 2


def test_retry_is_answered_as_wherever_else_it_is_asked(books: Books) -> None:
    id_ = put(books, post(books))
    books.pass_s(9000)
    books.change(id_, state=S.FAILED, attempts=5, reason="r", error_kind="bug")
    assert ask(books, id_, "retry") == "a retry was requested in Airtable: planned again"
    row = books.row(id_)
    assert (row.state, row.attempts, row.error_kind, row.fire_ms) == (S.SCHEDULED, 0, "", books.now_ms)
    assert row.not_after_ms == books.now_ms + 3_600_000


@pytest.mark.parametrize("state", [S.SCHEDULED, S.CLAIMED, S.ARMED, S.HELD, S.REFUSED, S.FAILED, S.MISSED])
def test_cancel_stops_what_was_not_sent(books: Books, state: State) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=state, holder="me")
    ask(books, id_, "cancel")
    assert (books.row(id_).state, books.row(id_).holder) == (S.CANCELLED, None)


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.PUBLISHED, S.PROCESSING, S.UNRESOLVED])
def test_cancel_comes_too_late_for_what_may_be_out(books: Books, state: State) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=state)
    ask(books, id_, "cancel")
    assert books.row(id_).state == state


@pytest.mark.parametrize("verb", ["edit", "dance"])
def test_a_wish_that_nobody_can_fulfil_cancels_nothing(books: Books, verb: str) -> None:
    id_ = put(books, post(books))
    ask(books, id_, verb)
    assert books.row(id_).state == S.SCHEDULED
    assert f"{verb} was requested in Airtable" in books.story(id_)


def test_a_take_down_of_what_is_not_out_cancels_it(books: Books) -> None:
    id_ = put(books, post(books))
    ask(books, id_, "take_down")
    assert books.row(id_).state == S.CANCELLED
    assert "it was not out yet; cancelled" in books.row(id_).reason


def test_the_new_text_of_a_post_that_is_out_is_kept_for_an_edit(books: Books) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=S.PUBLISHED, reason="", remote_id="1")
    ask(books, id_, "edit")
    assert "nothing to do, its row has no other text that could go out" in books.row(id_).reason
    put(books, post(books, "better"))
    assert books.row(id_).newer["content"]["text"] == "better"
    ask(books, id_, "edit")
    assert "it is out, and is to be changed" in books.row(id_).reason


def test_a_text_that_its_row_no_longer_has_is_not_given_to_a_post_that_is_out(books: Books) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=S.PUBLISHED, reason="", remote_id="1")
    put(books, post(books, "better"))
    put(books, post(books))
    assert (books.row(id_).newer, books.row(id_).reason) == (None, "")
    put(books, post(books, "better"))
    put(books, post(books, "far too long", problem="Text: far too long"))
    ask(books, id_, "edit")
    assert "nothing to do" in books.row(id_).reason


def test_why_a_platform_cannot_change_a_post_stands_in_its_row(books: Books) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=S.PUBLISHED, reason="")
    row = post(books, "better")
    put(books, replace(row, plans=tuple(replace(plan, uneditable="X changes no post") for plan in row.plans)))
    assert books.row(id_).reason.endswith("what is out is as it was; X changes no post")


# Resolving in Airtable


def resolve(books: Books, id_: str, resolution: str, link: str = "") -> Any:
    books.pass_s(1)
    said = {"quiet_ms": 300_000, "resolution": resolution, "link": link}
    books.do(commands.command, id_, "resolve", books.now_ms, 3_600_000, **said)
    return books.row(id_)


def test_a_person_resolves_in_airtable_as_anywhere_else(books: Books) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=S.UNRESOLVED)
    assert resolve(books, id_, "not_out").state == S.SCHEDULED
    books.change(id_, state=S.UNRESOLVED)
    row = resolve(books, id_, "out", "https://x.com/acme/status/17")
    assert (row.state, row.permalink) == (S.PUBLISHED, "https://x.com/acme/status/17")
    assert "'it is out' was said in Airtable" in books.story(id_)


@pytest.mark.parametrize(
    ("resolution", "link", "told"),
    [
        ("out", "https://www.tiktok.com/@acme/video/1", "it is not the link of a post on x"),
        ("out", "", "it is not the link of a post on x"),
        ("", "https://x.com/acme/status/17", "'Resolve as' must be one of It is out, It is not out, send it"),
    ],
)
def test_an_answer_that_is_refused_is_told_in_the_row_once(
    books: Books, resolution: str, link: str, told: str
) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=S.UNRESOLVED, reason="a person must look")
    for _ in range(2):
        row = resolve(books, id_, resolution, link)
        assert row.state == S.UNRESOLVED
        assert row.reason.startswith("a person must look\nYour answer was refused, ")
        assert row.reason.count(told) == 1
        assert told in books.story(id_)


def test_an_answer_counts_once_for_each_time_it_is_given(books: Books) -> None:
    id_ = put(books, post(books))
    books.change(id_, state=S.UNRESOLVED)
    asked_ms = books.now_ms + 1000
    assert resolve(books, id_, "not_out").state == S.SCHEDULED
    books.change(id_, state=S.UNRESOLVED)
    books.do(commands.command, id_, "resolve", asked_ms, 0, resolution="not_out")
    assert books.row(id_).state == S.UNRESOLVED
