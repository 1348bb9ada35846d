"""The clerk: many small wishes in few transactions, and none spoils the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.troubles import SINCE
from schedulo.ledger.clerk import Clerk
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import marks


class Operations:
    """Operations that record their batches; the first one holds the clerk up until it is told to go on."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[Any]]] = []
        self.go_on = threading.Event()
        self.busy = threading.Event()

    def block(self, _connection: sa.Connection, wishes: Sequence[Any]) -> list[None]:
        self.busy.set()
        assert self.go_on.wait(10)
        return [None] * len(wishes)

    def mark(self, connection: sa.Connection, wishes: Sequence[str]) -> list[str]:
        self.batches.append(("mark", list(wishes)))
        for wish in wishes:
            if wish == "spoilt":
                raise ValueError(wish)
            connection.execute(sa.insert(marks).values(name=wish, value="", at_ms=1))
        return [wish.upper() for wish in wishes]

    def fence(self, _connection: sa.Connection, wishes: Sequence[int]) -> list[int]:
        self.batches.append(("fence", list(wishes)))
        return list(wishes)

    def away(self, _connection: sa.Connection, wishes: Sequence[int]) -> list[int]:
        self.batches.append(("away", list(wishes)))
        raise sa.exc.OperationalError("select", {}, Exception("gone"))


@pytest.fixture
def clerk(ledger: Ledger) -> Iterator[Clerk]:
    clerk = Clerk(ledger)
    yield clerk
    clerk.close()


@pytest.fixture
def desk(clerk: Clerk) -> Operations:
    """The clerk is busy; what is asked now waits."""
    made = Operations()
    clerk.ask(made.block, None)
    assert made.busy.wait(5)
    return made


def names(ledger: Ledger) -> set[str]:
    with ledger.begin() as connection:
        return set(connection.execute(sa.select(marks.c.name)).scalars()) - {SINCE}


def test_what_waits_for_one_operation_is_done_at_once_and_in_order(clerk: Clerk, desk: Operations) -> None:
    mark = desk.mark
    futures = [clerk.ask(mark, f"m{number}") for number in range(50)]
    desk.go_on.set()
    assert [future.result(5) for future in futures] == [f"M{number}" for number in range(50)]
    assert desk.batches == [("mark", [f"m{number}" for number in range(50)])]


def test_an_error_of_one_wish_spares_the_others(ledger: Ledger, clerk: Clerk, desk: Operations) -> None:
    mark = desk.mark
    futures = [clerk.ask(mark, wish) for wish in ("a", "spoilt", "b")]
    desk.go_on.set()
    assert [futures[0].result(5), futures[2].result(5)] == ["A", "B"]
    with pytest.raises(ValueError, match="spoilt"):
        futures[1].result(5)
    assert names(ledger) == {"a", "b"}


def test_a_database_that_is_away_is_asked_once_and_not_for_each(clerk: Clerk, desk: Operations) -> None:
    away = desk.away
    futures = [clerk.ask(away, number) for number in range(20)]
    desk.go_on.set()
    for future in futures:
        with pytest.raises(sa.exc.OperationalError):
            future.result(5)
    assert desk.batches == [("away", list(range(20)))]


def test_the_fence_goes_first(clerk: Clerk, desk: Operations) -> None:
    mark, fence = desk.mark, desk.fence
    first, second = clerk.ask(mark, "early"), clerk.ask(fence, 1, urgent=True)
    third = clerk.ask(fence, 2, urgent=True)
    desk.go_on.set()
    for future in (first, second, third):
        future.result(5)
    assert desk.batches == [("fence", [1, 2]), ("mark", ["early"])]


def test_closing_does_what_is_waiting(ledger: Ledger) -> None:
    clerk, desk = Clerk(ledger), Operations()
    clerk.ask(desk.block, None)
    mark = desk.mark
    futures = [clerk.ask(mark, f"m{number}") for number in range(5)]
    desk.go_on.set()
    clerk.close()
    assert all(future.done() for future in futures)
    assert len(names(ledger)) == 5


def test_a_wish_that_was_cancelled_is_not_done(ledger: Ledger, clerk: Clerk, desk: Operations) -> None:
    mark = desk.mark
    kept, dropped = clerk.ask(mark, "kept"), clerk.ask(mark, "dropped")
    assert dropped.cancel()
    desk.go_on.set()
    kept.result(5)
    assert names(ledger) == {"kept"}


def test_many_threads_may_ask(ledger: Ledger, clerk: Clerk) -> None:
    mark = Operations().mark

    def ask(number: int) -> None:
        for item in range(20):
            clerk.ask(mark, f"{number}-{item}").result(10)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(names(ledger)) == 160


@pytest.mark.postgres
def test_wishes_of_a_batch_that_another_process_waits_for_crosswise_are_all_done(fresh_postgres: str) -> None:
    ledger = Ledger(fresh_postgres)
    ledger.migrate()
    desk, clerk = Operations(), Clerk(ledger)
    with ledger.begin() as connection:
        desk.mark(connection, ["a", "b"])

    def touch(connection: sa.Connection, wishes: Sequence[str]) -> list[str]:
        for name in wishes:
            connection.execute(sa.update(marks).where(marks.c.name == name).values(at_ms=marks.c.at_ms + 1))
        return list(wishes)

    clerk.ask(desk.block, None)
    assert desk.busy.wait(5)
    asked = [clerk.ask(touch, name) for name in ("a", "b")]
    with ledger.begin() as other:
        other.exec_driver_sql("SET LOCAL deadlock_timeout = '1min'")  # it is the clerk that is to give way
        touch(other, ["b"])
        desk.go_on.set()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with ledger.begin() as watch:
                if watch.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one():
                    break
        touch(other, ["a"])
    assert [future.result(30) for future in asked] == ["a", "b"]
    with ledger.begin() as connection:
        assert connection.execute(sa.select(marks.c.at_ms).where(marks.c.name != SINCE)).scalars().all() == [
            3,
            3,
        ]
    clerk.close()
    ledger.close()
