"""Maintenance as people ask for it by form or REST: what is understood, and what they are told."""

from __future__ import annotations

import time
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.windows import live
from schedulo.ledger.database import Ledger
from schedulo.ledger.maintenance import windows
from schedulo.model import State
from schedulo.planning.maintenance import Answer, Maintain, maintain
from schedulo.planning.requests import check
from schedulo.planning.wishes import WishError
from schedulo.settings import Settings
from tests.schedulo.delivery.conftest import Books

S = State
HOUR = 3_600_000


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger, now_ms=int(time.time() * 1000))


def conf(books: Books, from_h: float = 2, until_h: float = 4, **more: Any) -> dict[str, Any]:
    span = {"from": iso(books.now_ms + int(from_h * HOUR)), "until": iso(books.now_ms + int(until_h * HOUR))}
    return {"action": "plan", "reason": "new database", **span, **more}


def asked(books: Books, wished: dict[str, Any]) -> Answer:
    return maintain(books.ledger, Maintain.read(wished), "ann", Settings())


def due(books: Books, in_h: float, **more: Any) -> str:
    at_ms = books.now_ms + int(in_h * HOUR)
    return books.add(**{"due_ms": at_ms, "fire_ms": at_ms, "not_after_ms": at_ms + HOUR, **more})


def becomes(answer: Answer) -> dict[str, str]:
    return {item.delivery_id: item.sentence for item in answer.posts}


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"dryrun": True}, "dryrun"),
        ({"action": "cancel"}, "action"),
        ({"from": None}, "from, until"),
        ({"from": "2026-12-24 17:00"}, "from"),
        ({"until": "soon"}, "until"),
        ({"until": 3}, "until"),
        ({"posts": "delete"}, "posts"),
        ({"where": "myspace"}, "where"),
        ({"where": ["platform:myspace"]}, "where"),
        ({"where": ["account:x:1"]}, "where"),
        ({"where": ["post:rec0123456789ABCD"]}, "where"),
        ({"window": "abc"}, "window"),
        ({"reason": " "}, "reason"),
        ({"dry_run": "yes"}, "dry_run"),
    ],
)
def test_what_is_not_understood_is_refused_by_name_and_nothing_is_done(
    books: Books, more: dict[str, Any], names: str
) -> None:
    with pytest.raises(WishError, match=names):
        asked(books, conf(books, **more))
    assert books.run(sa.select(windows)) == []


def test_planning_answers_what_becomes_of_each_post(books: Books) -> None:
    outside, moved = due(books, 1), due(books, 2.5)
    held = due(books, 3, in_maintenance="hold")
    missed = due(books, 3.5, not_after_ms=books.now_ms + int(3.6 * HOUR))
    waiting = due(books, 3.7, state=S.ARMED)
    answer = asked(books, conf(books))
    assert "Planned: maintenance " in answer.sentence
    assert "4 posts concerned" in answer.sentence
    told = becomes(answer)
    assert outside not in told
    assert list(told) == [moved, held, missed, waiting]
    assert told[moved].startswith("moved by maintenance of everything until ")
    assert told[held].startswith("held by maintenance of everything from ")
    assert "it will be missed" in told[missed]
    assert "waits for its second already" in told[waiting]
    assert books.row(moved).fire_ms == books.now_ms + 4 * HOUR


def test_a_dry_run_answers_the_same_and_does_nothing(books: Books) -> None:
    id_, held = due(books, 3), due(books, 3.2, in_maintenance="hold")
    missed = due(books, 3.5, not_after_ms=books.now_ms + int(3.6 * HOUR))
    dry = asked(books, conf(books, dry_run=True))
    assert list(becomes(dry)) == [id_, held, missed]
    assert dry.sentence.startswith("Dry run, nothing was done. Planned: maintenance of everything from ")
    assert (dry.window_id, books.run(sa.select(windows)), books.told()) == ("", [], {})
    assert [books.row(post).state for post in (id_, held, missed)] == [S.SCHEDULED] * 3
    assert becomes(asked(books, conf(books))) == becomes(dry)
    dry = asked(books, {"action": "call_off", "dry_run": True})
    assert becomes(dry)[id_] == f"goes out at {iso(books.now_ms + 3 * HOUR)}"
    assert becomes(dry)[held] == f"goes out at {iso(books.now_ms + int(3.2 * HOUR))}"
    assert books.row(id_).fire_ms == books.now_ms + 4 * HOUR


def test_who_asks_twice_plans_one_window(books: Books) -> None:
    first, second = asked(books, conf(books)), asked(books, conf(books))
    assert first.window_id == second.window_id
    assert "Planned already" in second.sentence
    assert len(books.run(sa.select(windows))) == 1


def test_a_change_keeps_what_is_not_given(books: Books) -> None:
    books.account("x:1")
    window = asked(books, conf(books, where=["account:x:1"], posts="hold")).window_id
    asked(books, {"action": "change", "until": iso(books.now_ms + 6 * HOUR)})
    with books.ledger.read() as connection:
        [now] = live(connection, books.now_ms)
    assert (now.id, now.targets, now.posts, now.reason) == (window, ("account:x:1",), "hold", "new database")
    assert now.until_ms == books.now_ms + 6 * HOUR


def test_calling_off_answers_when_posts_go_out(books: Books) -> None:
    id_ = due(books, 3)
    window = asked(books, conf(books)).window_id
    answer = asked(books, {"action": "call_off", "window": window})
    assert becomes(answer) == {id_: f"goes out at {iso(books.now_ms + 3 * HOUR)}"}
    with pytest.raises(WishError, match="There is: none"):
        asked(books, {"action": "call_off", "window": window})


def test_of_several_windows_one_must_be_named(books: Books) -> None:
    first = asked(books, conf(books)).window_id
    second = asked(books, conf(books, 5, 6)).window_id
    with pytest.raises(WishError, match=f"{first}.*{second}"):
        asked(books, {"action": "call_off"})
    assert asked(books, {"action": "call_off", "window": second}).window_id == second


def test_more_posts_than_one_transaction_takes_are_all_moved(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("schedulo.delivery.moved.AT_ONCE", 2)
    ids = [due(books, 3) for _ in range(5)]
    asked(books, conf(books))
    assert {books.row(id_).fire_ms for id_ in ids} == {books.now_ms + 4 * HOUR}


def test_what_would_be_refused_is_refused_before_a_run_begins(books: Books) -> None:
    for wished, says in (
        (conf(books, where=["account:x:9"]), "there is no such account"),
        (conf(books, until_h=1), "later than from"),
        ({"action": "call_off", "window": "abc"}, "There is: none"),
    ):
        with pytest.raises(WishError, match=says):
            check(books.ledger, "plan_maintenance", wished)
    check(books.ledger, "plan_maintenance", conf(books))
    assert books.run(sa.select(windows)) == []
