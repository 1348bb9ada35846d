"""Every answer of `facts`, given by the sandbox to a real publisher: what becomes of the post.

While preparing, at the request that publishes (not done and done), and while looking what became of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.running import RunningSandbox
from schedulo.errors import KINDS, Kind, Phase, Rule, Scope, Strategy
from schedulo.errors.meta import META_RULES
from schedulo.errors.tiktok import TIKTOK_RULES
from schedulo.errors.x import X_RULES
from tests.schedulo.publishing import facts
from tests.schedulo.publishing.crowd import (
    FB_IMAGE,
    FB_REEL,
    FB_TEXT,
    FB_VIDEO,
    IG_IMAGE,
    TIKTOK_CHUNKS,
    TIKTOK_FILE,
    TIKTOK_PULL,
    X_IMAGE,
    X_TEXT,
    X_VIDEO,
    Case,
    Post,
    Result,
    together,
)
from tests.schedulo.publishing.facts import ARM, COMMIT, READ, Answer

pytestmark = pytest.mark.slow

Check = Callable[[Result], None]


@dataclass(frozen=True, slots=True)
class Script:
    """A case and what must become of it."""

    case: Case
    check: Check


def dealt_with(kind: Kind, about: Scope) -> Check:
    """It is known that nothing is public: the catalogue's plan for the kind is carried out."""

    def check(seen: Result) -> None:
        first, last = seen.first, seen.last
        assert first.tells(kind), first.story
        assert "unknown" not in last.outcomes
        strategy = KINDS[kind].strategy
        stopped = strategy in (Strategy.STOP, Strategy.WAIT)
        if strategy is Strategy.STOP and about is Scope.DELIVERY:
            assert (first.row.state, first.row.error_kind, first.live) == ("failed", kind, 0)
            assert (last.row.state, last.live) == ("failed", 0)
            return
        if stopped and about is not Scope.DELIVERY:
            assert first.hold is not None, first.story
            assert (first.hold.error_kind, first.hold.scope.value, first.live) == (kind, about.value, 0)
            assert (first.hold.until_ms is None) == (strategy is Strategy.STOP)
        if strategy is Strategy.WAIT:
            assert first.row.attempts == 0, "waits do not count"
            assert first.live == 1 or max(first.row.fire_ms, _end_ms(first)) > first.at_ms
        assert (last.row.state, last.live) == ("published", 1), last.story

    return check


def _end_ms(seen: Any) -> int:
    return seen.hold.until_ms or 0 if seen.hold else 0


def looked_up(*, done: bool, found: bool = True) -> Check:
    """Unknown, and then found out: published once, by this request or by one resend. Without anything to find
    it by it is a person's to decide, and nothing is sent again."""

    def check(seen: Result) -> None:
        last = seen.last
        assert last.outcomes[0] == "unknown", last.story
        if not done and not found:
            assert (last.row.state, last.live, len(last.writes)) == ("unresolved", 0, 1), last.story
            return
        assert (last.row.state, last.live) == ("published", 1), last.story
        assert last.row.resends == (0 if done else 1)

    return check


def goes_on(seen: Result) -> None:
    """It is out, whatever was answered when that was asked: nothing is taken back and nothing sent again."""
    last = seen.last
    assert seen.first.live == 1
    assert (last.row.state, last.live, last.row.resends) == ("published", 1, 0), last.story
    assert last.row.error_kind == ""
    assert seen.first.row.state != "failed"


# The scripts


def general(answers: Iterable[Answer], posts: dict[Phase, Post], name: str) -> Iterator[Script]:
    """Each answer in each phase that it is known in."""
    for answer in answers:
        for phase in answer.phases:
            post = posts.get(phase)
            if post is None:
                continue
            id_ = f"{name}, {phase}: {answer.words} ({answer.said})"
            mode = f"status:{answer.said}"
            alone = answer.about is Scope.PLATFORM
            match phase:
                case Phase.ARM:
                    faults = (post.begin(mode, answer.route),)
                    yield Script(Case(id_, post, faults, alone), dealt_with(answer.kind, answer.about))
                case Phase.COMMIT if answer.proves:
                    case_ = Case(id_, post, (post.commit(mode),), alone)
                    yield Script(case_, dealt_with(answer.kind, answer.about))
                case Phase.COMMIT:
                    found = post is not TIKTOK_PULL
                    done = f"error_after:{answer.said}"
                    yield Script(Case(id_, post, (post.commit(mode),)), looked_up(done=False, found=found))
                    yield Script(Case(f"{id_}, done", post, (post.commit(done),)), looked_up(done=True))
                case Phase.READ:
                    lost = () if post is TIKTOK_FILE else (post.commit("drop_after"),)
                    yield Script(Case(id_, post, (*lost, post.look(mode))), goes_on)


def failing(reasons: dict[str, Kind], post: Post, route: str, name: str) -> Iterator[Script]:
    """Media or posts that the platform gives up on after it had taken them."""
    for reason, kind in reasons.items():
        fault = {"service": post.service, "route": route, "mode": f"processing_fails:{reason}".rstrip(":")}
        yield Script(
            Case(f"{name}: {reason or 'untold'}", post, (fault,)), dealt_with(kind, KINDS[kind].scope)
        )


def silent(post: Post, name: str) -> Iterator[Script]:
    """No answer at all: the connection breaks before anything was done, or after."""
    for mode in ("drop_before", "drop_after"):
        done = mode == "drop_after"
        if post.begins:
            begun = Case(f"{name}, arm: {mode}", post, (post.begin(mode),))
            yield Script(begun, dealt_with(Kind.NETWORK, Scope.DELIVERY))
        sent = Case(f"{name}, commit: {mode}", post, (post.commit(mode),))
        yield Script(sent, looked_up(done=done, found=post is not TIKTOK_PULL))
        faults = (post.commit("drop_after"), post.look(mode))
        if post is not TIKTOK_PULL:
            yield Script(Case(f"{name}, read: {mode}", post, faults), goes_on)
    late = Case(f"{name}, commit: an error, and done a moment later", post, (post.commit("late:0.1"),))
    yield Script(late, looked_up(done=True))


def on_rupload(script: Script) -> Script:
    faults = tuple({**fault, "service": "rupload"} for fault in script.case.faults)
    return Script(Case(script.case.id, script.case.post, faults), script.check)


TIKTOK_POSTS = {ARM: TIKTOK_FILE, COMMIT: TIKTOK_PULL, READ: TIKTOK_FILE}
SCRIPTS = [
    *general(facts.GRAPH, dict.fromkeys(Phase, IG_IMAGE), "Instagram"),
    *general(facts.INSTAGRAM, dict.fromkeys(Phase, IG_IMAGE), "Instagram"),
    *failing(facts.CONTAINERS, IG_IMAGE, "media", "Instagram, container"),
    *general(facts.GRAPH, dict.fromkeys(Phase, FB_TEXT), "Facebook"),
    *general(facts.PAGES, dict.fromkeys(Phase, FB_TEXT), "Facebook"),
    *general(facts.VIDEOS, dict.fromkeys(Phase, FB_VIDEO), "Facebook, video"),
    *map(on_rupload, general(facts.UPLOADS, {ARM: FB_REEL}, "Facebook, reel")),
    *failing(facts.VIDEO_STATUSES, FB_VIDEO, "videos:finish", "Facebook, video status"),
    *general(facts.X, {ARM: X_IMAGE, COMMIT: X_TEXT, READ: X_TEXT}, "X"),
    *failing(facts.X_PROCESSING, X_VIDEO, "upload_finalize", "X, processing"),
    *general(facts.TIKTOK, TIKTOK_POSTS, "TikTok"),
    *general(facts.CHUNKS, {ARM: TIKTOK_CHUNKS, COMMIT: TIKTOK_FILE}, "TikTok, upload"),
    *silent(IG_IMAGE, "Instagram"),
    *silent(FB_TEXT, "Facebook"),
    *silent(FB_IMAGE, "Facebook, photo"),
    *silent(FB_VIDEO, "Facebook, video"),
    *silent(X_TEXT, "X"),
    *silent(TIKTOK_FILE, "TikTok"),
    *silent(TIKTOK_PULL, "TikTok, pulled"),
    *failing(facts.FAIL_REASONS, TIKTOK_FILE, "upload", "TikTok, fail_reason"),
]


@pytest.fixture(scope="module")
def results(sandbox_server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    sandbox_server.reset()
    cases = [script.case for script in SCRIPTS]
    assert len({case.id for case in cases}) == len(cases)
    return together(cases, tmp_path_factory.mktemp("every_code"), sandbox_server)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.case.id)
def test_every_answer_leads_to_what_the_catalogue_says(script: Script, results: dict[str, Result]) -> None:
    script.check(results[script.case.id])


def test_no_post_went_out_twice_whatever_was_answered(results: dict[str, Result]) -> None:
    assert [id_ for id_, seen in results.items() if seen.last.live > 1] == []


def test_every_row_of_the_catalogue_is_met_here() -> None:
    """No rule without an answer that it was written for."""
    known = {
        "Meta": [facts.GRAPH, facts.INSTAGRAM, facts.PAGES, facts.VIDEOS, facts.UPLOADS],
        "X": [facts.X],
        "TikTok": [facts.TIKTOK, facts.CHUNKS],
    }
    said = {
        service: {part for answers in tables for answer in answers for part in answer.said.split("/")}
        for service, tables in known.items()
    }
    said["Meta"] |= {*facts.CONTAINERS, *facts.VIDEO_STATUSES, "VIDEO_FAILED"}
    said["X"] |= {"processing", "initialize", "metadata"}
    said["TikTok"] |= {*facts.FAIL_REASONS, "upload", "failed"}
    # What token endpoints say is met in tests of renewing: platforms/test_refresh.py.
    said["X"] |= {"token", "invalid_client", "unauthorized_client"}
    said["TikTok"] |= {"invalid_client", "invalid_grant"}
    # One number of 200-299 stands for all.
    said["Meta"] |= {str(number) for number in range(200, 300)}

    def missing(rules: Iterable[Rule], service: str) -> set[str]:
        words = {word for rule in rules for word in (rule.code, rule.subcode) if word}
        return words - said[service]

    assert missing(META_RULES, "Meta") == set()
    assert missing(X_RULES, "X") == set()
    assert missing(TIKTOK_RULES, "TikTok") == set()
