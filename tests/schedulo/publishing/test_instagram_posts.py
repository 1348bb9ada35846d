"""Instagram's stories, carousels and quota with a real publisher: what is decided beyond one conversation."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from schedulo.model import Content, Format
from schedulo.publishing.ending import End
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.publishing.stage import Stage
from tests.schedulo.publishing.test_following import finish, let_time_pass, run

IG = "17841400000000001"


def plan(stage: Stage, content: Content, due_in_s: float = 0.2) -> str:
    return stage.plan(
        content.text or content.format,
        IG,
        platform="instagram",
        content=content,
        account_options={"login": "instagram_login"},
        due_in_s=due_in_s,
    )


def seed(stage: Stage, **account: Any) -> None:
    row = {"account_id": IG, "username": "anna", "token": f"token-{IG}"} | account
    stage.sandbox.seed({"instagram": {"accounts": [row]}})
    stage.sandbox.switch(ig_processing_polls="0")


def story(stage: Stage, shade: int) -> Content:
    return Content(Format.STORY, "", (stage.file(jpeg(540, 960, shade=shade)),))


def test_a_story_that_did_not_arrive_is_sent_again_although_another_of_the_account_is_out(
    stage: Stage,
) -> None:
    """The other is another delivery's: it cannot be the one that is looked for."""
    seed(stage)
    plan(stage, story(stage, 10))
    assert run(stage).end is End.SUCCESS
    id_ = plan(stage, story(stage, 20))
    stage.sandbox.fault(service="*", method="POST", route="media_publish", mode="drop_before")
    run(stage, number=2)
    let_time_pass(stage, id_, 10)
    assert finish(stage, id_, first=3).state == "published"
    assert stage.row(id_).resends == 1
    assert len(stage.sandbox.posts()) == 2


def test_an_account_without_quota_waits_until_its_oldest_post_is_a_day_old(stage: Stage) -> None:
    """Where it is not seen before the post is claimed: the flow asks once more."""
    stage.settings = replace(stage.settings, quotas="instagram.posts=0")
    seed(stage, quota_total=1)
    image = Content(Format.IMAGE, "one", (stage.file(jpeg(540, 540)),))
    plan(stage, image)
    assert run(stage).end is End.SUCCESS
    id_ = plan(stage, replace(image, text="two"))
    assert run(stage, number=2).end is End.SKIPPED
    (hold,) = stage.holds()
    assert (hold.scope, hold.key, hold.error_kind) == ("account", f"instagram:{IG}", "quota_exhausted")
    assert hold.until_ms is not None
    left_s = hold.until_ms / 1000 - time.time()
    assert 86_000 < left_s < 86_600, "what went out a moment ago counts for a day"
    assert "1 of 1 posts within a day" in stage.row(id_).reason
    rows = {(row["method"], row["route"]): row["count"] for row in stage.sandbox.requests()}
    assert rows["POST", "media"] == 1, "nothing is prepared that cannot go out"
    stage.sandbox.advance(86_401)
    stage.release(f"account:instagram:{IG}")
    assert finish(stage, id_, first=3).state == "published"
    assert [post["text"] for post in stage.sandbox.posts()] == ["one", "two"]


@pytest.mark.slow
def test_an_item_that_instagram_drops_is_told_and_the_post_stays_published(stage: Stage) -> None:
    seed(stage)
    files = tuple(stage.file(jpeg(540, 540, shade=shade)) for shade in (10, 20, 30))
    id_ = plan(stage, Content(Format.CAROUSEL, "three", files), due_in_s=3.0)
    stage.sandbox.fault(service="*", method="POST", route="media_publish", mode="drop_child")
    assert run(stage).end is End.SUCCESS
    row = stage.row(id_)
    assert (row.state, row.reason) == ("published", "Instagram shows 2 of 3 files of this carousel")
    assert row.permalink
    assert stage.incidents() == {"incomplete"}
    assert len(stage.live("three")) == 1
