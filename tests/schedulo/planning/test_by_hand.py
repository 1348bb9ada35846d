"""What people ask for by hand: what is understood, which deliveries it means, and what is done."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from schedulo.delivery.again import Ask, Deed
from schedulo.delivery.holds import HoldError, in_force
from schedulo.ledger.database import Ledger
from schedulo.model import State
from schedulo.planning.by_hand import Cancel, Resolve, Retry, Stop, Switch, cancel, resolve, retry, stop
from schedulo.planning.wishes import WishError
from schedulo.settings import Settings
from tests.schedulo.delivery.conftest import Books

S = State
RECORD = "rec0123456789ABCD"
HOUR_MS = 3_600_000
LINK = "https://x.com/northlight/status/17"


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger, now_ms=int(time.time() * 1000))


def again(books: Books, conf: dict[str, Any]) -> dict[str, str]:
    """What a retry says of each delivery, by its id."""
    found = retry(books.ledger, Retry.read(conf), "by ann", Settings())
    return {item.delivery_id: item.deed for item in found.told}


# --- trying again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "names"),
    [
        ({"deliveries": ["d1"], "dryrun": True}, "dryrun"),
        ({"deliveries": ["d1"], "dry_run": "yes"}, "dry_run"),
        ({"deliveries": ["not an id"]}, "deliveries"),
        ({"posts": ["appX"]}, "posts"),
        ({"accounts": ["myspace:1"]}, "accounts"),
        ({"platforms": ["twitter"]}, "platforms"),
        ({"error_kinds": ["bad luck"]}, "error_kinds"),
        ({"states": ["published"]}, "states"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-12-24T17:00:00"}, "since"),
        ({"since": 2}, "since"),
        ({"platforms": ["x"], "limit": 0}, "limit"),
        ({"platforms": ["x"], "limit": True}, "limit"),
        ({"platforms": ["x"], "limit": 1001}, "limit"),
        ({}, "Nothing chooses"),
        ({"deliveries": [], "accounts": None, "since": "", "dry_run": True}, "Nothing chooses"),
    ],
)
def test_a_retry_that_cannot_be_understood_is_refused_by_name(conf: dict[str, Any], names: str) -> None:
    with pytest.raises(WishError, match=names):
        Retry.read(conf)


@pytest.mark.parametrize(
    ("since", "ago_ms"),
    [
        ("2 hours", 2 * HOUR_MS),
        ("1 hour ago", HOUR_MS),
        ("30 minutes", HOUR_MS // 2),
        ("1 day", 24 * HOUR_MS),
        ("2027-01-15T08:00:00+01:00", 1_800_000_000_000 - 1_799_996_400_000),
    ],
)
def test_since_is_an_instant_or_how_long_ago(since: str, ago_ms: int) -> None:
    now_ms = 1_800_000_000_000
    assert Retry.read({"since": since}).since_ms(now_ms) == now_ms - ago_ms


def test_each_field_chooses_and_all_together_narrow(books: Books) -> None:
    x = books.add(S.FAILED, error_kind="platform_down")
    other = books.add(S.FAILED, account="facebook:2", error_kind="bug")
    post = books.add(S.FAILED, post_id=RECORD)

    def chosen(**conf: Any) -> set[str]:
        return set(again(books, {**conf, "dry_run": True}))

    assert chosen(deliveries=[other]) == {other}
    assert chosen(posts=[RECORD]) == {post}
    assert chosen(accounts=["facebook:2"]) == {other}
    assert chosen(platforms=["x"]) == {x, post}
    assert chosen(error_kinds=["platform_down", "bug"]) == {x, other}
    assert chosen(platforms=["x"], error_kinds=["platform_down"]) == {x}
    assert chosen(platforms=["x"], error_kinds=["bug"]) == set()


def test_since_when_counts_from_when_they_came_to_rest(books: Books) -> None:
    books.add(S.FAILED, updated_ms=books.now_ms - 3 * HOUR_MS)
    young = books.add(S.FAILED, updated_ms=books.now_ms - HOUR_MS)
    assert again(books, {"since": "2 hours", "dry_run": True}) == {young: Deed.PLANNED}
    instant = datetime.fromtimestamp((books.now_ms - 2 * HOUR_MS) / 1000, UTC).isoformat()
    assert again(books, {"since": instant, "dry_run": True}) == {young: Deed.PLANNED}


def test_only_what_failed_is_chosen_where_nobody_says_otherwise(books: Books) -> None:
    ids = {state: books.add(state) for state in S}
    assert again(books, {"platforms": ["x"], "dry_run": True}) == {ids[S.FAILED]: Deed.PLANNED}
    both = again(books, {"platforms": ["x"], "states": ["missed", "unresolved"], "dry_run": True})
    assert both == {ids[S.MISSED]: Deed.PLANNED, ids[S.UNRESOLVED]: Deed.LOOKED_UP}


def test_what_is_named_is_answered_in_whatever_state_it_is(books: Books) -> None:
    out = books.add(S.PUBLISHED, post_id=RECORD)
    missed = books.add(S.MISSED, post_id=RECORD, account="facebook:2")
    assert again(books, {"posts": [RECORD]}) == {out: Deed.REFUSED, missed: Deed.PLANNED}


@pytest.mark.parametrize("field", ["deliveries", "posts", "accounts"])
def test_a_name_that_nobody_knows_stops_the_whole_request(books: Books, field: str) -> None:
    id_ = books.add(S.FAILED, post_id=RECORD)
    known = {"deliveries": id_, "posts": RECORD, "accounts": "x:1"}[field]
    stranger = {"deliveries": "d999", "posts": "rec00000000000000", "accounts": "x:999"}[field]
    with pytest.raises(WishError, match=stranger):
        again(books, {field: [known, stranger]})
    assert books.row(id_).state == S.FAILED


def test_a_dry_run_has_no_side_effect(books: Books) -> None:
    id_ = books.add(S.FAILED)
    before = books.row(id_)
    assert again(books, {"deliveries": [id_], "dry_run": True}) == {id_: Deed.PLANNED}
    assert (books.row(id_), books.story(id_), books.told()) == (before, "", {})


def test_the_limit_takes_what_was_due_first_and_says_how_many_are_left(books: Books) -> None:
    late, early = books.add(S.FAILED), books.add(S.FAILED, due_ms=books.now_ms - 1)
    found = retry(books.ledger, Retry.read({"platforms": ["x"], "limit": 1}), "by ann", Settings())
    assert [item.delivery_id for item in found.told] == [early]
    assert found.sentence(dry_run=False) == (
        "1 of 1 deliveries are tried again; 1 more than the limit are left as they are"
    )
    assert books.row(late).state == S.FAILED


# --- resolving --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "names"),
    [
        ({"delivery": "d1", "answer": "it is out", "url": LINK}, "url"),
        ({"answer": "it is out", "link": LINK}, "delivery"),
        ({"delivery": ["d1"], "answer": "it is out", "link": LINK}, "delivery"),
        ({"delivery": "d1", "answer": "yes", "link": LINK}, "answer"),
        ({"delivery": "d1", "link": LINK}, "answer"),
        ({"delivery": "d1", "answer": "it is out"}, "link"),
        ({"delivery": "d1", "answer": "it is not out, send it", "link": LINK}, "link"),
    ],
)
def test_a_resolution_that_cannot_be_understood_is_refused_by_name(conf: dict[str, Any], names: str) -> None:
    with pytest.raises(WishError, match=names):
        Resolve.read(conf)


def test_a_resolution_is_done_for_the_delivery_that_it_names(books: Books) -> None:
    id_ = books.add(S.UNRESOLVED)
    wished = Resolve.read({"delivery": id_, "answer": "it is out", "link": LINK})
    told = resolve(books.ledger, wished, "by ann", Settings())
    assert (told.deed, books.row(id_).state) == (Deed.CLOSED, S.PUBLISHED)
    with pytest.raises(WishError, match="d999"):
        resolve(books.ledger, Resolve("d999", Ask.NOT_OUT), "by ann", Settings())


@pytest.mark.parametrize("answer", ["it is out", "it is not out, send it"])
def test_resolving_that_is_only_tried_says_what_would_be_done(books: Books, answer: str) -> None:
    id_ = books.add(S.UNRESOLVED)
    link = LINK if answer == "it is out" else ""
    wished = Resolve.read({"delivery": id_, "answer": answer, "link": link, "dry_run": True})
    before = books.row(id_)
    assert resolve(books.ledger, wished, "by ann", Settings()).done
    assert books.row(id_) == before


# --- cancelling -------------------------------------------------------------------------------------------


def cancelled(books: Books, **conf: Any) -> dict[str, str]:
    """What a cancel says of each delivery, by its id."""
    found = cancel(books.ledger, Cancel.read(conf), "by ann")
    return {item.delivery_id: item.deed for item in found.told}


@pytest.mark.parametrize(
    ("conf", "names"),
    [
        ({}, "Nothing chooses"),
        ({"posts": [], "dry_run": True}, "Nothing chooses"),
        ({"posts": [RECORD], "dryrun": True}, "dryrun"),
        ({"posts": [RECORD], "dry_run": 1}, "dry_run"),
        ({"posts": ["rec1"]}, "posts"),
        ({"accounts": ["everything"]}, "accounts"),
        ({"deliveries": ["d1"] * 1001}, "deliveries"),
    ],
)
def test_a_cancel_that_cannot_be_understood_is_refused_by_name(conf: dict[str, Any], names: str) -> None:
    with pytest.raises(WishError, match=names):
        Cancel.read(conf)


def test_a_post_is_cancelled_on_all_its_accounts_or_on_some(books: Books) -> None:
    on_x = books.add(post_id=RECORD)
    on_facebook = books.add(S.ARMED, post_id=RECORD, account="facebook:2")
    assert cancelled(books, posts=[RECORD], accounts=["x:1"]) == {on_x: Deed.CANCELLED}
    assert books.row(on_facebook).state == S.ARMED
    assert cancelled(books, posts=[RECORD]) == {on_x: Deed.REFUSED, on_facebook: Deed.CANCELLED}
    assert "a cancel was requested by ann: cancelled" in books.story(on_facebook)


def test_cancelling_an_account_is_about_what_is_planned_on_it(books: Books) -> None:
    ids = {state: books.add(state) for state in S}
    books.add(account="facebook:2")
    planned = (S.SCHEDULED, S.CLAIMED, S.ARMED, S.REFUSED, S.HELD)
    foreseen = cancelled(books, accounts=["x:1"], dry_run=True)
    assert foreseen == {ids[state]: Deed.CANCELLED for state in planned}
    assert books.row(ids[S.ARMED]).state == S.ARMED
    assert cancelled(books, accounts=["x:1"]) == foreseen
    assert {books.row(ids[state]).state for state in planned} == {S.CANCELLED}


def test_a_cancelled_post_goes_out_when_somebody_asks_for_it(books: Books) -> None:
    id_ = books.add(post_id=RECORD)
    cancelled(books, posts=[RECORD])
    assert books.claim("run") == []
    assert again(books, {"posts": [RECORD]}) == {id_: Deed.PLANNED}
    assert books.claim("run") == [id_]


# --- stopping ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "names"),
    [
        ({"what": "everything", "reason": "r", "dry_run": "no"}, "dry_run"),
        ({"what": "everything", "reason": "r", "dryrun": True}, "dryrun"),
        ({"what": "everything", "action": "pause"}, "action"),
        ({"what": ["x"], "reason": "r"}, "what"),
        ({"what": "everything", "reason": 1}, "reason"),
    ],
)
def test_a_stop_that_cannot_be_understood_is_refused_by_name(conf: dict[str, Any], names: str) -> None:
    with pytest.raises(WishError, match=names):
        Stop.read(conf)


def test_a_stop_holds_and_a_release_lets_go(books: Books) -> None:
    books.add(label="hello")
    answer = stop(books.ledger, Stop.read({"what": "platform:x", "reason": "wrong prices"}), "ann")
    assert [(item.label, item.sentence) for item in answer.deliveries] == [("hello", "stopped")]
    answer = stop(books.ledger, Stop(Switch.RELEASE, "platform:x"), "ann")
    assert [item.sentence for item in answer.deliveries] == ["goes out with the next run"]
    with pytest.raises(HoldError, match="Nothing holds"):
        stop(books.ledger, Stop(Switch.RELEASE, "platform:x"), "ann")


def test_a_stop_that_is_only_tried_says_what_would_be_stopped_and_stops_nothing(books: Books) -> None:
    books.add(label="hello")
    tried = {"what": "platform:x", "reason": "wrong prices", "dry_run": True}
    answer = stop(books.ledger, Stop.read(tried), "ann")
    assert answer.sentence.startswith("Dry run, nothing was done. Held: platform:x. 1 planned posts")
    assert [item.label for item in answer.deliveries] == ["hello"]
    with pytest.raises(HoldError, match="Nothing holds"):
        stop(books.ledger, Stop.read({**tried, "action": "release"}), "ann")
    stop(books.ledger, Stop.read({**tried, "dry_run": False}), "ann")
    assert stop(books.ledger, Stop.read({**tried, "action": "release"}), "ann").count == 1
    books.pass_s(60)
    assert [hold.name for hold in books.do(in_force)] == ["platform:x"]
