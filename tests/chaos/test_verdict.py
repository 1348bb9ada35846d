"""How a chaos run is counted: by what is at the platforms, with the ledger as the explanation."""

from collections import Counter
from dataclasses import replace

import pytest

from chaos.posts import Planned, plan
from chaos.verdict import End, Verdict, judge, seen
from schedulo.model import State

POSTS = [post for post in plan(60, 7, 4) if not post.doom and not post.shape.hidden][:10]
DOOMED = next(post for post in plan(60, 7, 4) if post.doom and not post.shape.hidden)
DRAFT = next(post for post in plan(60, 7, 4) if post.shape.hidden)


def end(state: State, resends: int = 0) -> End:
    return End("id", state, "its reason", resends)


def judged(posts: list[Planned], times: dict[str, int], states: dict[str, State]) -> Verdict:
    """All posts are out once and published, but those named."""
    found: Counter[str] = Counter()
    ends = {}
    for post in posts:
        key = post.digests()[0] if post.shape.hidden else post.mark
        found.update(post.marks[1:])
        found[key] = times.get(post.title, 1)
        ends[post.title] = end(states.get(post.title, State.PUBLISHED))
    return judge(posts, found, ends)


def test_all_out_once_passes() -> None:
    verdict = judged(POSTS, {}, {})
    assert verdict.faults() == []
    assert verdict.published == 10


def test_a_copy_is_a_duplicate_whatever_the_ledger_says() -> None:
    verdict = judged(POSTS, {POSTS[0].title: 3}, {})
    assert verdict.duplicates == 2
    assert "2 duplicates" in verdict.faults()


def test_a_post_that_the_ledger_calls_published_and_is_nowhere_is_lost() -> None:
    verdict = judged(POSTS, {POSTS[0].title: 0}, {})
    assert verdict.lost == (POSTS[0].title,)
    assert verdict.published == 9


def test_a_post_that_was_never_planned_is_lost() -> None:
    verdict = judge(POSTS, Counter(mark for post in POSTS[1:] for mark in post.marks), {})
    assert verdict.lost == (POSTS[0].title,)


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (State.FAILED, "failed_unplanned"),
        (State.MISSED, "missed"),
        (State.HELD, "held"),
        (State.CANCELLED, "lost"),
        (State.SENDING, "stuck"),
        (State.SCHEDULED, "stuck"),
    ],
)
def test_what_is_not_out_has_a_name_and_does_not_pass(state: State, name: str) -> None:
    title = POSTS[0].title
    verdict = judged(POSTS, {title: 0}, {title: state})
    assert getattr(verdict, name) == (title,)
    assert verdict.faults()


def test_a_post_that_is_out_while_the_ledger_still_works_on_it_is_stuck() -> None:
    verdict = judged(POSTS, {}, {POSTS[0].title: State.UNKNOWN})
    assert verdict.stuck == (POSTS[0].title,)
    assert verdict.published == 10


def test_what_was_bound_to_fail_passes_when_it_did() -> None:
    posts = [*POSTS, DOOMED]
    verdict = judged(posts, {DOOMED.title: 0}, {DOOMED.title: State.FAILED})
    assert verdict.faults() == []
    assert (verdict.published, verdict.planned_failures) == (10, 1)


def test_an_unresolved_post_counts_once_whether_it_is_out_or_not() -> None:
    posts = POSTS * 1
    title = posts[0].title
    for times in (0, 1):
        verdict = judged(posts, {title: times}, {title: State.UNRESOLVED})
        assert (verdict.published, len(verdict.unresolved), verdict.unresolved_out) == (9, 1, times)
        assert verdict.faults() == ["1 unresolved, more than 2%"]


def test_a_draft_is_told_by_its_file() -> None:
    assert judged([DRAFT], {}, {DRAFT.title: State.WAITING_IN_APP}).published == 1
    assert judged([DRAFT], {DRAFT.title: 2}, {}).duplicates == 1


def test_a_part_that_is_missing_is_lost_unless_the_ledger_says_so() -> None:
    thread = next(post for post in plan(60, 7, 4) if post.shape.follows and not post.doom)
    assert len(thread.marks) == 1 + thread.shape.follows
    found = Counter(thread.marks[:-1])
    for state, reason, incomplete in (
        (State.PUBLISHED_INCOMPLETE, "part 3 is missing", 1),
        (State.PUBLISHED, "its first comment was refused", 1),
        (State.PUBLISHED, "", 0),
    ):
        verdict = judge([thread], found, {thread.title: End("id", state, reason, 0, "part_missing")})
        assert verdict.published == 1
        assert verdict.published_incomplete == incomplete
        assert verdict.lost == (() if incomplete else (thread.title,))


def test_a_thread_that_still_goes_on_is_stuck() -> None:
    thread = next(post for post in plan(60, 7, 4) if post.shape.follows and not post.doom)
    going_on = End("id", State.PUBLISHED_INCOMPLETE, "", 0, error_kind="")
    verdict = judge([thread], Counter(thread.marks[:1]), {thread.title: going_on})
    assert verdict.stuck == (thread.title,)


def test_a_part_that_is_out_twice_is_a_duplicate() -> None:
    thread = next(post for post in plan(60, 7, 4) if post.shape.follows and not post.doom)
    found = Counter(thread.marks) + Counter(thread.marks[-1:])
    verdict = judge([thread], found, {thread.title: end(State.PUBLISHED)})
    assert verdict.duplicates == 1


def test_marks_are_counted_where_they_stand_alone() -> None:
    mark = POSTS[0].mark
    live = [{"text": f"one {mark}"}, {"text": f"{mark} {mark}"}, {"text": f"a{mark}"}]
    inbox = [{"media": ["f" * 64]}]
    assert seen(live, inbox) == Counter({mark: 2, "f" * 64: 1})


def test_what_has_no_text_is_told_by_its_file() -> None:
    story = {"text": "", "media": ["e" * 64]}
    assert seen([story, {"text": "other words", "media": ["d" * 64]}], []) == Counter({"e" * 64: 1})


def test_resends_are_added_up() -> None:
    ends = {post.title: end(State.PUBLISHED, resends=1) for post in POSTS}
    assert judge(POSTS, Counter(mark for post in POSTS for mark in post.marks), ends).resends == 10
    assert replace(ends[POSTS[0].title], resends=0).resends == 0
