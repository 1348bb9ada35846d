"""The fence: one statement, and each of its conditions alone refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from schedulo.delivery.commits import Outcome
from schedulo.ledger.tables import deliveries, writes
from schedulo.model import State, WriteState
from tests.schedulo.delivery.conftest import LEAD_MS, Books, intent


def test_the_fence_opens_a_write_that_holds_what_was_frozen(books: Books) -> None:
    id_ = books.armed(fire_ms=books.now_ms - 5)
    (won,) = books.fence(intent(id_))
    assert won is not None
    assert (won.fence, won.opened_ms) == (1, books.now_ms)
    row = books.row(id_)
    assert (row.state, row.fence, row.sent_ms) == (State.SENDING, 1, books.now_ms)
    (write,) = books.writes(id_)
    assert (write.state, write.snapshot, write.sending_until_ms) == (
        WriteState.OPEN,
        {"text": "frozen"},
        books.now_ms + 35_000,
    )
    assert books.run(sa.select(writes.c.fire_ms)) == [(books.now_ms - 5,)]


BREAKS: dict[str, Callable[[Books, str], None]] = {
    **{
        f"state {state}": lambda books, id_, state=state: books.change(id_, state=state)
        for state in State
        if state is not State.ARMED
    },
    "another holder": lambda books, id_: books.change(id_, holder="other"),
    "no holder": lambda books, id_: books.change(id_, holder=None),
    "newer content": lambda books, id_: books.change(id_, version=2),
    "never armed": lambda books, id_: books.change(id_, armed_version=None),
    "not due": lambda books, id_: books.change(id_, fire_ms=books.now_ms + LEAD_MS + 1),
    "its window over": lambda books, id_: books.change(id_, not_after_ms=books.now_ms),
    "hold on everything": lambda books, id_: books.hold("everything"),
    "hold on the platform": lambda books, id_: books.hold("platform", "x"),
    "hold on the account": lambda books, id_: books.hold("account", "x:1"),
    "hold with an end to come": lambda books, id_: books.hold("everything", until_ms=books.now_ms + 1),
}


@pytest.mark.parametrize("spoil", BREAKS.values(), ids=BREAKS.keys())
def test_each_condition_alone_refuses(books: Books, spoil: Callable[[Books, str], None]) -> None:
    id_ = books.armed()
    spoil(books, id_)
    before = books.row(id_)
    assert books.fence(intent(id_)) == [None]
    assert books.row(id_) == before
    assert books.writes(id_) == []


HARMLESS: dict[str, Callable[[Books, str], None]] = {
    "due within the lead": lambda books, id_: books.change(id_, fire_ms=books.now_ms + LEAD_MS),
    "hold on another platform": lambda books, id_: books.hold("platform", "tiktok"),
    "hold on another account": lambda books, id_: books.hold("account", "x:2"),
    "hold that was lifted": lambda books, id_: books.hold("everything", lifted_ms=books.now_ms),
    "hold that is over": lambda books, id_: books.hold("everything", until_ms=books.now_ms),
    "hold to come": lambda books, id_: books.hold("everything", from_ms=books.now_ms + 1),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_does_not_concern_it_does_not_refuse(books: Books, change: Callable[[Books, str], None]) -> None:
    id_ = books.armed()
    change(books, id_)
    assert books.fence(intent(id_))[0] is not None


@pytest.mark.parametrize("state", [WriteState.OPEN, WriteState.ACCEPTED, WriteState.UNKNOWN])
def test_a_write_that_may_be_out_refuses_another(books: Books, state: WriteState) -> None:
    id_, write_id = books.sent()
    if state is not WriteState.OPEN:
        books.settle(Outcome(write_id, state, "said"))
    books.change(id_, state=State.ARMED)
    assert books.fence(intent(id_)) == [None]


@pytest.mark.parametrize("state", [WriteState.REFUSED, WriteState.UNSENT])
def test_a_write_that_is_proved_not_to_be_out_lets_another_be_opened(books: Books, state: WriteState) -> None:
    id_, write_id = books.sent()
    books.settle(Outcome(write_id, state, "said"))
    books.change(id_, state=State.ARMED)
    (won,) = books.fence(intent(id_))
    assert won is not None
    assert won.fence == 2


def test_a_thousand_are_fenced_by_one_call_and_the_bad_ones_left_out(books: Books) -> None:
    first = books.row(books.armed())._asdict()
    with books.ledger.begin() as connection:
        rows = [first | {"id": f"n{n}", "post_id": f"rec{n}"} for n in range(999)]
        connection.execute(sa.insert(deliveries), rows)
    ids = [row.id for row in books.run(sa.select(deliveries.c.id).order_by(deliveries.c.id))]
    assert len(ids) == 1000
    for id_ in ids[::100]:
        books.change(id_, holder="other")
    answers = books.fence(*(intent(id_) for id_ in ids))
    assert [index for index, won in enumerate(answers) if won is None] == list(range(0, 1000, 100))
    assert books.run(sa.select(sa.func.count()).select_from(writes))[0][0] == 990


def test_two_wishes_for_one_delivery_open_one_write(books: Books) -> None:
    id_ = books.armed()
    first, second = books.fence(intent(id_, "w1"), intent(id_, "w2"))
    assert (first is None) != (second is None)
    assert len(books.writes(id_)) == 1


def test_the_index_refuses_a_second_live_write_even_without_the_fences_conditions(books: Books) -> None:
    id_, _ = books.sent()
    with pytest.raises(sa.exc.IntegrityError):
        books.fence(intent(id_, "second"), guarded=False)
    assert len(books.writes(id_)) == 1
    assert books.row(id_).fence == 1
