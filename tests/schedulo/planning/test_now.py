"""Wishes to publish now: what is understood, and what is refused before anything is claimed."""

from __future__ import annotations

from typing import Any

import pytest

from schedulo.delivery.stops import stop
from schedulo.planning.now import MAX_POSTS, Wished, claim_now
from schedulo.planning.wishes import WishError
from tests.schedulo.planning.conftest import Office

RECORD = "rec0123456789ABCD"


def test_a_wish_names_posts_and_accounts_once_each() -> None:
    wished = Wished.read({"posts": [RECORD, RECORD], "accounts": ["x:1"], "dry_run": True})
    assert wished == Wished((RECORD,), ("x:1",), dry_run=True)


@pytest.mark.parametrize(
    ("conf", "names"),
    [
        ({"posts": [RECORD], "dryrun": True}, "dryrun"),
        ({"posts": [RECORD], "dry_run": "yes"}, "dry_run"),
        ({"posts": []}, "posts"),
        ({}, "posts"),
        ({"posts": ["appX"]}, "posts"),
        ({"posts": [RECORD], "accounts": ["myspace:1"]}, "accounts"),
        ({"posts": [f"rec{number:014d}" for number in range(MAX_POSTS + 1)]}, "posts"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(conf: dict[str, Any], names: str) -> None:
    with pytest.raises(WishError, match=names):
        Wished.read(conf)


def test_a_post_for_next_week_is_taken_now_and_the_next_reading_leaves_it_so(office: Office) -> None:
    post = office.post(office.account("1"), due_in_s=600_000)
    assert office.tick() == []
    (asked,) = claim_now(office.last, "manual-1", Wished((post,), (), dry_run=False))
    assert asked.taken
    due_ms = office.one().due_ms
    office.tick()
    row = office.one()
    assert (row.state, row.due_ms, row.run_id) == ("claimed", due_ms, "manual-1")


def test_the_answer_of_a_post_that_is_held_says_so(office: Office) -> None:
    post = office.post(office.account("1"), due_in_s=600_000)
    office.tick()
    with office.ledger.begin() as connection:
        stop(connection, office.ledger.now_ms(connection), "account:x:1", "wrong prices", "Ada")
    (asked,) = claim_now(office.last, "manual-1", Wished((post,), (), dry_run=False))
    assert asked.taken
    assert asked.sentence == "it goes out when it is let go: on hold (account:x:1, by Ada): wrong prices"


def test_only_the_named_accounts_are_taken(office: Office) -> None:
    accounts = [office.account("1"), office.account("2")]
    post = office.post(accounts[0], due_in_s=600_000, Accounts=accounts)
    office.tick()
    (asked,) = claim_now(office.last, "manual-1", Wished((post,), ("x:2",), dry_run=False))
    assert asked.label.startswith("x @user2")


def test_a_post_with_a_problem_is_answered_with_it(office: Office) -> None:
    post = office.post(office.account("1"), "x" * 300, due_in_s=600_000)
    office.tick()
    (asked,) = claim_now(office.last, "manual-1", Wished((post,), (), dry_run=False))
    assert not asked.taken
    assert "280" in asked.sentence
