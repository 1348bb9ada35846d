"""Outcomes: evidence is kept whenever it comes, decisions follow what is known best."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from schedulo.delivery.commits import Outcome
from schedulo.ledger.tables import outcomes, writes
from schedulo.model import State, WriteState
from tests.schedulo.delivery.conftest import Books, intent

W, S = WriteState, State


def evidence(books: Books, write_id: str) -> list[str]:
    query = sa.select(outcomes.c.state).where(outcomes.c.write_id == write_id).order_by(outcomes.c.id)
    return [row.state for row in books.run(query)]


@pytest.mark.parametrize(
    ("said", "live", "state"),
    [
        (W.ACCEPTED, True, S.PUBLISHED),
        (W.ACCEPTED, False, S.PROCESSING),
        (W.REFUSED, True, S.REFUSED),
        (W.UNSENT, True, S.ARMED),
        (W.UNKNOWN, True, S.UNKNOWN),
        (W.UNKNOWN, False, S.UNKNOWN),
    ],
)
def test_an_outcome_moves_its_delivery(books: Books, said: WriteState, live: bool, state: State) -> None:
    id_, write_id = books.sent(live=live)
    assert list(books.settle(Outcome(write_id, said, "said", value="77"))) == [state]
    assert (books.row(id_).state, books.writes(id_)[0].state) == (state, said)
    assert books.story(id_) == "said"
    assert id_ in books.told()


def test_an_accepted_write_says_when_and_what(books: Books) -> None:
    id_, write_id = books.sent()
    books.settle(Outcome(write_id, W.ACCEPTED, "201", value="77", answered_ms=books.now_ms + 5))
    row = books.row(id_)
    assert (row.remote_id, row.accepted_ms, row.published_ms) == ("77", books.now_ms + 5, books.now_ms + 5)


def test_an_accepted_write_whose_id_is_not_text_keeps_it_in_the_write(books: Books) -> None:
    id_, write_id = books.sent()
    books.settle(Outcome(write_id, W.ACCEPTED, "201", value={"id": "77", "photo": "78"}))
    assert books.row(id_).remote_id is None
    assert books.writes(id_)[0].value == {"id": "77", "photo": "78"}


def _sent_again(books: Books) -> tuple[str, str]:
    """A delivery whose first write was looked for in vain, and which was sent once more."""
    id_, first = books.unknown()
    books.run(sa.update(writes).where(writes.c.id == first).values(state=W.ABSENT))
    books.change(id_, state=S.ARMED)
    assert books.fence(intent(id_, "second"))[0] is not None
    return id_, first


@pytest.mark.parametrize("second", [W.OPEN, W.ACCEPTED, W.UNKNOWN])
def test_a_late_yes_for_an_older_write_is_kept_and_told_as_a_second_copy(
    books: Books, second: WriteState
) -> None:
    id_, first = _sent_again(books)
    if second is not W.OPEN:
        books.settle(Outcome("second", second, "said"))
    state = books.row(id_).state
    books.settle(Outcome(first, W.ACCEPTED, "201 after all", value="1"))
    assert evidence(books, first) == [W.UNKNOWN, W.ACCEPTED]
    assert books.incidents() == {"on_air_twice"}
    assert books.row(id_).state == state
    assert "201 after all" in books.story(id_)


def test_a_late_yes_before_the_second_was_sent_publishes_and_stops_it(books: Books) -> None:
    id_, first = books.unknown()
    books.run(sa.update(writes).where(writes.c.id == first).values(state=W.ABSENT))
    books.change(id_, state=S.ARMED)
    books.settle(Outcome(first, W.ACCEPTED, "201 after all", value="1"))
    assert (books.row(id_).state, books.row(id_).remote_id) == (S.PUBLISHED, "1")
    assert books.fence(intent(id_, "second")) == [None]
    assert books.incidents() == set()


@pytest.mark.parametrize(
    "state",
    [
        s
        for s in S
        if s not in (S.PUBLISHED, S.PROCESSING, S.PUBLISHED_INCOMPLETE, S.WAITING_IN_APP, S.TAKEN_DOWN)
    ],
)
def test_a_late_yes_publishes_from_every_state(books: Books, state: State) -> None:
    id_, write_id = books.unknown()
    books.change(id_, state=state)
    books.settle(Outcome(write_id, W.ACCEPTED, "201", value="1"))
    assert (books.row(id_).state, books.row(id_).remote_id) == (S.PUBLISHED, "1")


@pytest.mark.parametrize("said", [W.REFUSED, W.UNSENT, W.UNKNOWN])
def test_a_late_no_for_an_older_write_is_kept_and_changes_nothing(books: Books, said: WriteState) -> None:
    id_, first = _sent_again(books)
    before = books.row(id_)
    assert list(books.settle(Outcome(first, said, "said"))) == [None]
    assert books.row(id_) == before
    assert evidence(books, first)[-1] == said


@pytest.mark.parametrize("said", [W.REFUSED, W.UNSENT, W.UNKNOWN])
def test_nothing_takes_back_a_yes(books: Books, said: WriteState) -> None:
    id_, write_id = books.sent()
    books.settle(Outcome(write_id, W.ACCEPTED, "201", value="1"))
    assert list(books.settle(Outcome(write_id, said, "said"))) == [None]
    assert (books.row(id_).state, books.writes(id_)[0].state) == (S.PUBLISHED, W.ACCEPTED)


def test_doubt_that_comes_late_does_not_undo_a_conclusion(books: Books) -> None:
    """A process frozen while it waited for the answer says 'unknown' after the post was found absent."""
    id_, write_id = books.unknown()
    books.run(sa.update(writes).where(writes.c.id == write_id).values(state=W.ABSENT))
    books.change(id_, state=S.CLAIMED)
    books.settle(Outcome(write_id, W.UNKNOWN, "silence"))
    books.change(id_, state=S.ARMED)
    assert books.fence(intent(id_, "second"))[0] is not None


@pytest.mark.parametrize(("said", "state"), [(W.UNSENT, S.CLAIMED), (W.REFUSED, S.REFUSED)])
def test_a_proof_that_it_did_not_go_out_ends_the_doubt_and_somebody_takes_it_up(
    books: Books, said: WriteState, state: State
) -> None:
    """The sweep gave its sender up, then the sender says after all that nothing was published."""
    id_, write_id = books.sent()
    books.pass_s(36)
    books.sweep()
    assert (books.row(id_).state, books.row(id_).holder) == (S.UNKNOWN, None)
    assert list(books.settle(Outcome(write_id, said, "said"))) == [state]
    books.pass_s(121)
    books.sweep()
    assert books.row(id_).state == S.SCHEDULED
    assert books.claim("next") == [id_]


def test_an_outcome_of_a_fence_that_was_never_taken_moves_nothing(books: Books) -> None:
    id_ = books.armed()
    before = books.row(id_)
    assert list(books.settle(Outcome("never", W.UNSENT, "the ledger broke"))) == [None]
    assert books.row(id_) == before


def test_many_outcomes_are_settled_together(books: Books) -> None:
    sent = [books.sent(account=f"x:{number}") for number in range(30)]
    said = [W.ACCEPTED, W.REFUSED, W.UNKNOWN]
    answers = books.settle(
        *(Outcome(write_id, said[n % 3], "said", value=str(n)) for n, (_, write_id) in enumerate(sent))
    )
    assert list(answers) == [S.PUBLISHED, S.REFUSED, S.UNKNOWN] * 10
    assert [books.row(id_).state for id_, _ in sent] == list(answers)
    assert [books.row(id_).remote_id for id_, _ in sent[:4]] == ["0", None, None, "3"]
