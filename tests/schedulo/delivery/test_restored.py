"""When a ledger is taken for an old one, and what is in doubt then. The whole story is in planning/."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.airtable.rows import Told
from schedulo.delivery import restored
from schedulo.delivery.claims import claim_due
from schedulo.ledger import marks
from schedulo.ledger.tables import outbox, writes
from schedulo.model import State, WriteState
from tests.schedulo.delivery.conftest import Books, intent

HOUR_S, MINUTE_S = 3600, 60


def tick(books: Books, logical: int | None, last_success: int | None) -> str:
    """A tick begins; answers why it may not claim."""
    books.do(restored.watch, "run", logical, last_success)
    books.do(restored.doubt)
    with books.ledger.read() as connection:
        return restored.why_not(connection)


def settled(books: Books) -> None:
    """A ledger that has ticked for a while and was confirmed by Airtable."""
    tick(books, 1, None)
    books.do(restored.weigh, [], complete=True)
    books.pass_s(MINUTE_S)


def row_of(id_: str, state: State, **cells: Any) -> Told:
    return Told(id_, "rec" + "1" * 14, state, f"as told: {state}", 1_800_000_000_500, **cells)


def test_ticks_that_airflow_remembers_are_no_reason_for_doubt(books: Books) -> None:
    settled(books)
    for logical in (2, 3, 4):
        assert tick(books, logical, logical - 1) == ""
        books.pass_s(MINUTE_S)
    assert tick(books, 3, 2) == "", "an older run that was cleared"
    assert tick(books, None, None) == "", "a run by hand"
    assert tick(books, 5, 4) == "", "and the next one"
    assert books.incidents() == set()


def test_a_run_that_only_airflow_remembers_stops_all_claims(books: Books) -> None:
    settled(books)
    soon = books.add(due_ms=books.now_ms + 5000, fire_ms=books.now_ms + 5000)
    late = books.add(due_ms=books.now_ms - 5000)
    assert "restored" in tick(books, 9, 8)
    assert books.incidents() == {"ledger_restored"}
    assert (books.row(soon).state, books.row(late).state) == (State.SCHEDULED, State.UNKNOWN)
    books.do(restored.weigh, [], complete=True)
    assert tick(books, 10, 9) == ""
    assert books.claim("run-10") == [late, soon]


@pytest.mark.parametrize(
    ("state", "due_s", "doubted"),
    [
        (State.SCHEDULED, -HOUR_S - 2 * MINUTE_S, False),
        (State.SCHEDULED, -HOUR_S, True),
        (State.CLAIMED, -10, True),
        (State.ARMED, -10, True),
        (State.REFUSED, -10, True),
        (State.MISSED, -10, True),
        (State.SCHEDULED, 10, False),
        (State.HELD, -10, False),
        (State.FAILED, -10, False),
        (State.CANCELLED, -10, False),
        (State.PUBLISHED, -10, False),
    ],
)
def test_what_was_due_since_an_hour_before_the_loss_is_in_doubt(
    books: Books, state: State, due_s: int, doubted: bool
) -> None:
    settled(books)
    due_ms = books.now_ms + due_s * 1000
    id_ = books.add(state, due_ms=due_ms, not_after_ms=due_ms + HOUR_S * 1000)
    tick(books, 9, 8)
    assert (books.row(id_).state == State.UNKNOWN) is doubted
    assert [write.lost for write in books.writes(id_)] == [True] * doubted


def test_what_cannot_be_looked_for_since_its_files_are_not_known_is_a_persons(books: Books) -> None:
    settled(books)
    id_ = books.add(due_ms=books.now_ms - 1000, content={}, ready=False)
    tick(books, 9, 8)
    row = books.row(id_)
    assert (row.state, row.holder) == (State.UNRESOLVED, None)
    assert "a person must look" in row.reason
    assert "unresolved" in books.incidents()
    books.do(restored.weigh, [], complete=True)
    assert books.claim("run-10") == []


def test_what_may_be_late_for_longer_is_in_doubt_for_longer(books: Books) -> None:
    settled(books)
    due_ms = books.now_ms - 5 * HOUR_S * 1000
    id_ = books.add(due_ms=due_ms, not_after_ms=due_ms + 6 * HOUR_S * 1000)
    tick(books, 9, 8)
    assert books.row(id_).state == State.UNKNOWN


def test_a_delivery_is_in_doubt_once_for_each_loss(books: Books) -> None:
    settled(books)
    id_ = books.add(due_ms=books.now_ms - 1000)
    tick(books, 9, 8)
    books.run(sa.update(writes).values(state=WriteState.ABSENT))
    books.change(id_, state=State.SCHEDULED)
    tick(books, 10, 9)
    assert books.row(id_).state == State.SCHEDULED
    books.pass_s(MINUTE_S)
    tick(books, 20, 19)
    assert books.row(id_).state == State.UNKNOWN


def test_a_retry_that_the_lost_ledger_saw_is_in_doubt_whenever_it_was_due(books: Books) -> None:
    settled(books)
    due_ms = books.now_ms - 9 * HOUR_S * 1000
    id_ = books.add(State.FAILED, due_ms=due_ms, not_after_ms=due_ms + HOUR_S * 1000)
    tick(books, 9, 8)
    assert books.row(id_).state == State.FAILED
    books.change(id_, state=State.SCHEDULED, commanded_ms=books.now_ms - 1000)
    assert books.do(restored.doubt) == 1


def test_what_airtable_was_told_counts(books: Books) -> None:
    settled(books)
    out, failed, gone, looked, missed = (books.add(due_ms=books.now_ms + HOUR_S * 1000) for _ in range(5))
    books.run(sa.insert(outbox).values(key=out, changed_ms=1))
    told = [
        row_of(out, State.PUBLISHED, post_id="17", permalink="https://x.com/i/status/17", accepted_ms=5),
        row_of(failed, State.FAILED),
        row_of(gone, State.CANCELLED),
        row_of(looked, State.SENDING),
        row_of(missed, State.MISSED),
        row_of("of another base", State.PUBLISHED),
    ]
    books.do(restored.weigh, told, complete=True)
    states = [books.row(id_).state for id_ in (out, failed, gone, looked, missed)]
    assert states == [State.PUBLISHED, State.FAILED, State.CANCELLED, State.UNKNOWN, State.MISSED]
    row = books.row(out)
    assert (row.remote_id, row.permalink, row.accepted_ms) == ("17", "https://x.com/i/status/17", 5)
    assert books.run(sa.select(outbox.c.record_id).where(outbox.c.key == out))[0][0] == "rec" + "1" * 14
    assert books.incidents() == {"ledger_restored"}


def test_airtable_never_takes_back_what_the_ledger_knows(books: Books) -> None:
    settled(books)
    id_ = books.add(State.PUBLISHED, remote_id="17")
    for state in (State.FAILED, State.MISSED, State.SENDING, State.SCHEDULED):
        books.do(restored.weigh, [row_of(id_, state)], complete=True)
    assert (books.row(id_).state, books.row(id_).remote_id) == (State.PUBLISHED, "17")


@pytest.mark.parametrize(
    "before", [State.SCHEDULED, State.FAILED, State.PUBLISHED, State.PUBLISHED_INCOMPLETE]
)
@pytest.mark.parametrize("state", [State.TAKEN_DOWN, State.REMOVED])
def test_what_airtable_was_told_to_be_down_or_gone_is_not_sent_again(
    books: Books, before: State, state: State
) -> None:
    settled(books)
    id_ = books.add(before)
    books.do(restored.weigh, [row_of(id_, state, post_id="17")], complete=True)
    books.do(restored.doubt)
    assert (books.row(id_).state, books.row(id_).remote_id) == (state, "17")
    assert books.claim("run") == []


def test_of_doubled_rows_the_one_that_says_it_is_out_counts(books: Books) -> None:
    settled(books)
    id_ = books.add()
    told = [row_of(id_, State.FAILED), row_of(id_, State.PUBLISHED), row_of(id_, State.MISSED)]
    books.do(restored.weigh, told, complete=True)
    assert books.row(id_).state == State.PUBLISHED


def test_nothing_is_taken_over_before_all_posts_were_read(books: Books) -> None:
    settled(books)
    id_ = books.add()
    books.do(restored.weigh, [row_of(id_, State.PUBLISHED)], complete=False)
    with books.ledger.read() as connection:
        assert restored.why_not(connection)
    assert books.row(id_).state == State.SCHEDULED
    books.do(restored.weigh, [row_of(id_, State.PUBLISHED)], complete=True)
    assert books.row(id_).state == State.PUBLISHED


def test_after_a_long_silence_nothing_is_sent_before_airtable_was_read(books: Books) -> None:
    settled(books)
    armed = books.armed(due_ms=books.now_ms + 11 * MINUTE_S * 1000)
    books.pass_s(11 * MINUTE_S)
    assert books.fence(intent(armed)) == [None], "what waits for its second, when the machine wakes up"
    assert "silent" in tick(books, 2, 1)
    books.do(restored.weigh, [], complete=True)
    assert tick(books, 3, 2) == ""
    assert books.fence(intent(armed))[0] is not None
    assert books.incidents() == set(), "it was only switched off"


def test_a_new_ledger_goes_back_to_where_airtable_was_told_last(books: Books) -> None:
    told_ms = 1_800_000_000_500
    books.now_ms = told_ms + 3 * HOUR_S * 1000
    old, lately = (
        books.add(State.MISSED, due_ms=told_ms + s * 1000, not_after_ms=told_ms + (s + HOUR_S) * 1000)
        for s in (-2 * HOUR_S, MINUTE_S)
    )
    tick(books, 9, 8)
    books.do(restored.weigh, [row_of("another", State.PUBLISHED)], complete=True)
    books.do(restored.doubt)
    assert (books.row(old).state, books.row(lately).state) == (State.MISSED, State.UNKNOWN)


def test_a_new_ledger_beside_an_empty_base_begins_without_a_word(books: Books) -> None:
    assert tick(books, 1, None) != ""
    books.do(restored.weigh, [], complete=True)
    assert tick(books, 2, 1) == ""
    assert books.incidents() == set()


def test_the_end_says_what_was_found_and_closes_the_incident(books: Books) -> None:
    settled(books)
    ids = [books.add(due_ms=books.now_ms - 1000) for _ in range(3)]
    tick(books, 9, 8)
    books.do(restored.weigh, [], complete=True)
    assert books.do(restored.conclude) == []
    for id_, state, found in zip(
        ids,
        (State.PUBLISHED, State.MISSED, State.UNRESOLVED),
        (WriteState.ACCEPTED, WriteState.ABSENT, WriteState.UNKNOWN),
        strict=True,
    ):
        books.change(id_, state=state)
        books.run(sa.update(writes).where(writes.c.delivery_id == id_).values(state=found))
    (sentence,) = books.do(restored.conclude)
    assert "3 posts were looked for; 1 were out, 1 were not" in sentence
    assert "1 need a person" in sentence
    assert books.do(restored.conclude) == [], "it says so once"


def test_a_lost_write_keeps_the_fence_shut(books: Books) -> None:
    settled(books)
    id_ = books.armed(due_ms=books.now_ms - 1000)
    tick(books, 9, 8)
    books.change(id_, state=State.ARMED, holder="me", armed_version=1)
    assert books.fence(intent(id_)) == [None]


def test_marks_of_an_older_schedulo_are_no_reason_for_doubt(books: Books) -> None:
    """It kept no logical dates."""
    books.do(marks.mark, "tick", "run")
    assert tick(books, 2, 1) == ""
    assert books.do(claim_due, "run-2", books.settings) == []
