"""Answers that are none, at every request of every platform: a gateway's page, nothing, half a text, JSON of
another shape.

No post fails by them, no fault of ours is blamed, and nothing goes out twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sandbox.garbage import WAYS
from sandbox.running import RunningSandbox
from schedulo.errors import KINDS, Kind
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
    Case,
    Post,
    Result,
    together,
)
from tests.schedulo.publishing.test_every_code import Script, goes_on, looked_up

pytestmark = pytest.mark.slow

STEPS = {
    IG_IMAGE: ("media",),
    FB_TEXT: ("feed",),
    FB_IMAGE: ("photos",),
    FB_VIDEO: ("videos:start", "videos:transfer"),
    FB_REEL: ("video_reels:start", "video_upload"),
    X_IMAGE: ("upload_initialize", "upload_append", "upload_finalize", "metadata"),
    TIKTOK_FILE: ("creator_info", "video_init"),
    TIKTOK_CHUNKS: ("upload",),
}
"""The requests that prepare a post."""
COMMITS = (IG_IMAGE, FB_TEXT, FB_IMAGE, FB_VIDEO, FB_REEL, X_TEXT, X_IMAGE, TIKTOK_FILE, TIKTOK_PULL)
AFTER_A_LOST_ANSWER = (
    IG_IMAGE,
    replace(IG_IMAGE, looks="media", looks_before=0),
    FB_TEXT,
    FB_IMAGE,
    FB_VIDEO,
    X_TEXT,
    TIKTOK_FILE,
)
"""Posts whose publishing request was not answered, and the request that looks for them."""
AFTER_IT_WAS_TAKEN = (FB_VIDEO, FB_REEL, TIKTOK_FILE)
BEFORE_THE_COMMIT = (replace(IG_IMAGE, looks_before=0), replace(FB_TEXT, looks_before=0))
"""Posts that are looked at once more before they go out."""
ANY_WAY = [way for way in WAYS if way != "mislabelled"]


def prepared(seen: Result) -> None:
    """It was asked again, and went out."""
    assert (seen.last.row.state, seen.last.live) == ("published", 1), seen.last.story
    assert "unknown" not in seen.last.outcomes, seen.last.story
    assert seen.first.row.state != "failed", seen.first.story
    assert not seen.first.tells(Kind.BUG), seen.first.story


def accepted(seen: Result) -> None:
    """A 2xx says that it was taken, whatever the text after it; only the id may be missing."""
    assert seen.last.outcomes == ("accepted",), seen.last.story
    assert (seen.last.row.state, seen.last.live, seen.last.row.resends) == ("published", 1, 0)
    assert seen.first.live == 1


def scripts() -> Iterator[Script]:
    refusals = itertools.cycle(("400", "502", "403", "307"))
    for post, routes in STEPS.items():
        for route, way in itertools.product(routes, ANY_WAY):
            refusal = "502" if (post, route) == (TIKTOK_CHUNKS, "upload") else next(refusals)
            for mode in (f"garbage:{way}/200", f"garbage_after:{way}/200", f"garbage:{way}/{refusal}"):
                fault = post.begin(mode, route)
                if route == "video_upload":
                    fault["service"] = "rupload"
                yield Script(Case(f"{name(post)}, {route}: {mode}", post, (fault,)), prepared)
    for post, way in itertools.product(COMMITS, WAYS):
        mode = f"garbage_after:{way}/200"
        lost = post is TIKTOK_PULL and way != "mislabelled"
        check = looked_up(done=True) if lost else accepted
        yield Script(Case(f"{name(post)}, commit: {mode}", post, (post.commit(mode),)), check)
    for post, way in itertools.product(COMMITS, ANY_WAY):
        # The upload server says by its status alone that a chunk does not fit.
        refusal = "502" if post is TIKTOK_FILE and way != "html" else next(refusals)
        for mode, done in ((f"garbage:{way}/{refusal}", False), (f"garbage_after:{way}/503", True)):
            check = looked_up(done=done, found=post is not TIKTOK_PULL)
            yield Script(Case(f"{name(post)}, commit: {mode}", post, (post.commit(mode),)), check)
    statuses = itertools.cycle(("200", "403", "500"))
    for post, way in itertools.product(AFTER_A_LOST_ANSWER, ANY_WAY):
        faults = (post.commit("drop_after"), post.look(f"garbage:{way}/{next(statuses)}"))
        yield Script(Case(f"{name(post)}, {post.looks} after a lost answer: {way}", post, faults), goes_on)
    for post, way in itertools.product(AFTER_IT_WAS_TAKEN, ANY_WAY):
        fault = post.look(f"garbage:{way}/{next(statuses)}")
        yield Script(Case(f"{name(post)}, {post.looks} once taken: {way}", post, (fault,)), goes_on)
    for post, way in itertools.product(BEFORE_THE_COMMIT, ANY_WAY):
        fault = post.look(f"garbage:{way}/{next(statuses)}")
        yield Script(Case(f"{name(post)}, {post.looks} before: {way}", post, (fault,)), prepared)


def name(post: Post) -> str:
    return f"{post.platform} {post.form}{' pulled' if post.settings else ''}"


SCRIPTS = list(scripts())


@pytest.fixture(scope="module")
def results(sandbox_server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    sandbox_server.reset()
    cases = [script.case for script in SCRIPTS]
    assert len({case.id for case in cases}) == len(cases)
    return together(cases, tmp_path_factory.mktemp("garbage"), sandbox_server)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.case.id)
def test_no_post_is_lost_doubled_or_blamed_by_an_answer_that_is_none(
    script: Script, results: dict[str, Result]
) -> None:
    script.check(results[script.case.id])


def test_nothing_went_out_twice(results: dict[str, Result]) -> None:
    assert [id_ for id_, seen in results.items() if seen.last.live > 1] == []


def test_no_fault_of_the_program_is_told(results: dict[str, Result]) -> None:
    ours = KINDS[Kind.BUG].sentence.partition("{platform}")[2]
    assert [id_ for id_, seen in results.items() if ours in seen.last.story] == []
