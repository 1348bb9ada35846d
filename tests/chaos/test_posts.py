"""Posts of a chaos run: what is planned, and that everything can be told from everything else."""

import hashlib

import pytest

from chaos.posts import CALM_S, DOOMS, DUE_SHARE, LEAD_S, SHAPES, accounts_of, permanent, plan, unique
from sandbox.core import Faults
from sandbox.probe import probe


def test_the_same_seed_plans_the_same_posts_and_another_seed_others() -> None:
    assert plan(40, 7, 4) == plan(40, 7, 4)
    assert {post.mark for post in plan(40, 7, 4)}.isdisjoint(post.mark for post in plan(40, 8, 4))


def test_every_format_is_there_and_every_post_has_its_own_mark() -> None:
    posts = plan(500, 7, 10)
    assert {post.shape for post in posts} == set(SHAPES)
    assert len({post.mark for post in posts}) == len(posts) == 500
    assert all(post.mark in post.text for post in posts)


def test_posts_are_due_in_the_first_part_of_the_time_some_in_one_second() -> None:
    posts = plan(500, 7, 10)
    due = [post.due_s for post in posts]
    assert due == sorted(due)
    assert due[0] >= LEAD_S
    assert due[-1] <= CALM_S + 10 * 60 * DUE_SHARE + 1
    assert len(set(due)) < 450
    assert all(0 <= post.released_s < post.due_s for post in posts)


def test_what_may_fail_is_decided_before_and_concerns_nobody_else() -> None:
    posts = plan(500, 7, 10)
    doomed = [post for post in posts if post.doom]
    assert len(doomed) == 15
    assert {post.doom for post in doomed} == set(DOOMS)
    sound = {post.account.key for post in posts if not post.doom}
    assert not sound & {post.account.key for post in doomed}
    assert len({post.account.key for post in doomed}) == len(doomed)


def test_the_sandbox_understands_the_faults_that_doom_posts() -> None:
    faults = Faults()
    for order in permanent(plan(500, 7, 10)):
        faults.add(order)
    assert all(order["account_id"] and order["times"] == -1 for order in faults.listing())


@pytest.mark.parametrize("kind", ["picture", "film", "gif"])
def test_a_file_is_unlike_any_other_and_still_what_it_was(kind: str) -> None:
    first, second = unique(kind, "one"), unique(kind, "two")
    assert first != second
    found = [probe(content, hashlib.sha256(content).hexdigest()) for content in (first, second)]
    assert type(found[0]) is type(found[1])
    assert "File" in type(found[0]).__name__


def test_pacing_does_not_decide_when_posts_go_out() -> None:
    posts = plan(500, 7, 10)
    assert len(accounts_of(posts)) > 50
