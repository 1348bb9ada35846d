"""What follows a post that is out: parts of a thread, a first comment.

Each goes out once and in its order; what fails or is in doubt changes nothing of the post."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.flow import Request
from schedulo.ledger.tables import holds, writes
from schedulo.model import Content, Format, Position
from schedulo.publishing.ending import End, Ending
from schedulo.publishing.publisher import Publisher
from schedulo.publishing.sender import Order
from tests.sandbox.meta.conftest import jpeg, mp4
from tests.schedulo.publishing.stage import QUICK, Stage

IG, PAGE = "17841400000000001", "100000000000001"
PARTS = ("one", "two", "three")


def seed_meta(stage: Stage) -> None:
    instagram = {"account_id": IG, "username": "anna", "token": f"token-{IG}"}
    page = {"page_id": PAGE, "name": "Cafe", "page_token": f"token-{PAGE}"}
    stage.sandbox.seed({"instagram": {"accounts": [instagram]}, "facebook": {"pages": [page]}})
    stage.sandbox.switch(ig_processing_polls="0", fb_processing_polls="0")


def fault(stage: Stage, mode: str, route: str = "create_post", **more: Any) -> None:
    stage.sandbox.fault(service="*", method="POST", route=route, mode=mode, **more)


def thread(stage: Stage, parts: Sequence[str] = PARTS) -> str:
    stage.seed_x("1")
    return stage.plan(parts[0], content=Content(Format.TEXT, parts[0], thread=tuple(parts[1:])))


def run(stage: Stage, publisher: Publisher | None = None, number: int = 1) -> Ending:
    """One tick, and its only instance to the end."""
    assert len(stage.tick(f"run-{number}")) == 1
    return (publisher or stage.publisher()).work_on(f"run-{number}", 0, f"ti-{number}").result(30)


def finish(stage: Stage, id_: str, first: int = 2, rounds: int = 40) -> Any:
    """Ticks until it rests; answers its row."""
    publisher = stage.publisher()
    for number in range(first, first + rounds):
        row = stage.row(id_)
        if row.state == "published" or row.error_kind:
            return row
        stage.change(id_, fire_ms=1)
        for index, _ in enumerate(stage.tick(f"run-{number}")):
            publisher.work_on(f"run-{number}", index, f"ti-{number}").result(30)
        time.sleep(0.2)
    raise AssertionError(stage.story(id_))


def texts(stage: Stage) -> list[str]:
    return [post["text"] for post in stage.sandbox.posts()]


def let_time_pass(stage: Stage, id_: str, seconds: float) -> None:
    """What was written for it becomes older."""
    shift_ms = int(seconds * 1000)
    older = {
        "opened_ms": writes.c.opened_ms - shift_ms,
        "sending_until_ms": writes.c.sending_until_ms - shift_ms,
    }
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(writes).where(writes.c.delivery_id == id_).values(**older))


def test_a_thread_goes_out_in_order_each_part_a_reply_to_the_one_before(stage: Stage) -> None:
    id_ = thread(stage)
    assert run(stage).end is End.SUCCESS
    posts = stage.sandbox.posts()
    assert texts(stage) == list(PARTS)
    assert [post["parent_id"] for post in posts] == [None, posts[0]["post_id"], posts[1]["post_id"]]
    row = stage.row(id_)
    assert (row.state, row.remote_id) == ("published", posts[0]["post_id"])
    assert [(write.name, write.state, write.position) for write in stage.writes(id_)] == [
        ("post", "accepted", "first"),
        ("part-2", "accepted", "later"),
        ("part-3", "accepted", "later"),
    ]


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("mode", ["drop_after", "error_after:503", "garbage_2xx"])
def test_a_part_whose_answer_is_lost_is_found_and_the_thread_goes_on(
    stage: Stage, part: int, mode: str
) -> None:
    id_ = thread(stage)
    fault(stage, mode, after=part)
    run(stage)
    assert finish(stage, id_).state == "published"
    assert texts(stage) == list(PARTS)
    assert stage.row(id_).resends == 0


@pytest.mark.slow
def test_a_part_that_never_arrived_is_sent_once_more_after_the_quiet_time(stage: Stage) -> None:
    id_ = thread(stage)
    fault(stage, "drop_before", after=1)
    run(stage)
    assert stage.row(id_).state == "published_incomplete"
    assert stage.row(id_).permalink
    let_time_pass(stage, id_, 10)
    assert finish(stage, id_).state == "published"
    assert texts(stage) == list(PARTS)
    assert stage.row(id_).resends == 1


@pytest.mark.slow
def test_a_part_in_doubt_for_the_second_time_is_for_a_person(stage: Stage) -> None:
    id_ = thread(stage)
    fault(stage, "drop_before", after=1, times=2)
    run(stage)
    for _ in range(2):
        let_time_pass(stage, id_, 10)
        row = finish(stage, id_, first=int(time.time()))
    assert (row.state, row.error_kind) == ("published_incomplete", "unresolved")
    assert "the post is out; part-2 of it may be" in row.reason
    assert texts(stage) == ["one"]


def test_a_refused_part_leaves_the_post_published_in_part_and_says_which(stage: Stage) -> None:
    id_ = thread(stage)
    fault(stage, "status:403/64", after=1)
    ending = run(stage)
    assert ending.end is End.FAILED
    row = stage.row(id_)
    assert row.state == "published_incomplete"
    assert row.permalink
    assert row.reason.startswith("the post is out, part 2 of 3 is not: ")
    assert texts(stage) == ["one"]
    assert "incomplete" in stage.incidents()
    assert stage.tick("run-2") == []


def test_a_part_that_meets_a_limit_waits_and_follows(stage: Stage) -> None:
    id_ = thread(stage)
    fault(stage, "rate_limit:1", after=1)
    assert run(stage).end is End.SUCCESS
    assert texts(stage) == list(PARTS)
    assert "what follows waits" in stage.story(id_)


def test_a_long_limit_sends_the_rest_back_to_the_ledger(stage: Stage) -> None:
    id_ = thread(stage)
    fault(stage, "rate_limit:300", after=1)
    assert run(stage).end is End.SKIPPED
    row = stage.row(id_)
    assert (row.state, row.holder, row.error_kind) == ("published_incomplete", None, "")
    assert row.fire_ms > time.time() * 1000 + 200_000
    assert stage.tick("run-2") == []
    stage.sandbox.advance(301)
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(holds).values(until_ms=1))
    assert finish(stage, id_, first=3).state == "published"
    assert texts(stage) == list(PARTS)


def test_another_process_goes_on_with_the_part_that_is_missing(stage: Stage) -> None:
    id_ = thread(stage)
    fault(stage, "delay:2", after=1)
    publisher = stage.publisher()
    stage.tick("run-1")
    publisher.work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "published_incomplete")
    publisher.close()
    assert finish(stage, id_).state == "published"
    assert texts(stage) == list(PARTS)


def test_a_hold_stops_what_follows_and_its_end_lets_it_go(stage: Stage) -> None:
    id_ = thread(stage)
    hold = {"id": "h", "scope": "everything", "reason": "stop", "author": "anna", "from_ms": 0}
    fault(stage, "rate_limit:3", after=1)
    publisher = stage.publisher()
    stage.tick("run-1")
    work = publisher.work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "published_incomplete")
    with stage.ledger.begin() as connection:
        connection.execute(sa.insert(holds).values(**hold))
    assert work.result(30).end is End.SKIPPED
    assert texts(stage) == ["one"]
    assert stage.row(id_).reason == "what follows waits: on hold (everything, by anna): stop"
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(holds).values(lifted_ms=1))
    assert finish(stage, id_).state == "published"
    assert texts(stage) == list(PARTS)


def test_what_is_too_late_to_follow_does_not_follow_by_itself(stage: Stage) -> None:
    id_ = thread(stage)
    fault(stage, "rate_limit:300", after=1)
    run(stage)
    with stage.ledger.begin() as connection:
        connection.execute(sa.delete(holds))
    stage.change(id_, not_after_ms=1)
    row = finish(stage, id_)
    assert (row.state, row.error_kind) == ("published_incomplete", "missed")
    assert "part 2 of 3 is not: its time is over" in row.reason
    assert texts(stage) == ["one"]


@pytest.mark.parametrize("scope", ["account", "platform"])
def test_what_an_outage_kept_back_follows_when_it_is_over_though_its_time_is(
    stage: Stage, scope: str
) -> None:
    """An hour of it: the first part is known, and nothing is in doubt."""
    id_ = thread(stage)
    fault(stage, "rate_limit:300", after=1)
    run(stage)
    stage.sandbox.advance(301)
    an_hour_ago, now_ms = int((time.time() - 3600) * 1000), int(time.time() * 1000)
    key = {"account": "x:1", "platform": "x"}[scope]
    times = {"from_ms": an_hour_ago + 60_000, "until_ms": None, "lifted_ms": now_ms}
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(holds).values(scope=scope, key=key, **times))
    stage.change(id_, accepted_ms=an_hour_ago, not_after_ms=an_hour_ago + 900_000)
    assert finish(stage, id_).state == "published"
    assert texts(stage) == list(PARTS)


@pytest.mark.parametrize(("hours", "began_after_s"), [(3, 60), (1, 1000)], ids=["too long", "too late"])
def test_what_an_outage_kept_back_for_too_long_or_only_later_is_for_a_person(
    stage: Stage, hours: int, began_after_s: int
) -> None:
    id_ = thread(stage)
    fault(stage, "rate_limit:300", after=1)
    run(stage)
    stage.sandbox.advance(301)
    accepted_ms = int((time.time() - hours * 3600) * 1000)
    began_ms = accepted_ms + began_after_s * 1000
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(holds).values(from_ms=began_ms, lifted_ms=int(time.time() * 1000)))
    stage.change(id_, accepted_ms=accepted_ms, not_after_ms=accepted_ms + 900_000)
    row = finish(stage, id_)
    assert (row.state, row.error_kind) == ("published_incomplete", "missed")
    assert texts(stage) == ["one"]


def plan_with_comment(stage: Stage, where: str) -> str:
    seed_meta(stage)
    comment = {"text": "hello", "first_comment": "and a comment"}
    match where:
        case "instagram image":
            content = Content(Format.IMAGE, media=(stage.file(jpeg(540, 540)),), **comment)
        case "instagram reel":
            content = Content(Format.REEL, media=(stage.file(mp4(3.2)),), **comment)
        case "facebook photo":
            content = Content(Format.IMAGE, media=(stage.file(jpeg(540, 540)),), **comment)
        case "facebook video":
            content = Content(Format.VIDEO, media=(stage.file(mp4(3.2)),), **comment)
        case _:
            content = Content(Format.TEXT, **comment)
    platform, _, _ = where.partition(" ")
    account = {"instagram": IG, "facebook": PAGE}[platform]
    options = {"login": "instagram_login"} if platform == "instagram" else None
    return stage.plan(
        "hello", account, platform=platform, content=content, account_options=options, due_in_s=2
    )


PLACES = ["instagram image", "instagram reel", "facebook text", "facebook photo", "facebook video"]


@pytest.mark.parametrize("where", PLACES)
def test_a_first_comment_is_written_once_under_the_post(stage: Stage, where: str) -> None:
    id_ = plan_with_comment(stage, where)
    run(stage)
    assert finish(stage, id_).state == "published"
    post, comment = stage.sandbox.posts()
    assert (post["text"], comment["text"], comment["kind"]) == ("hello", "and a comment", "comment")
    assert stage.row(id_).reason == ""


@pytest.mark.parametrize("where", PLACES)
def test_a_comment_whose_answer_is_lost_is_found(stage: Stage, where: str) -> None:
    id_ = plan_with_comment(stage, where)
    fault(stage, "drop_after", route="comments")
    run(stage)
    assert finish(stage, id_).state == "published"
    assert texts(stage) == ["hello", "and a comment"]


def test_a_comment_that_fails_leaves_the_post_published_and_is_told(stage: Stage) -> None:
    id_ = plan_with_comment(stage, "facebook text")
    fault(stage, "status:400/100", route="comments", times=-1)
    assert run(stage).end is End.SUCCESS
    row = stage.row(id_)
    assert row.state == "published"
    assert row.reason.startswith("the post is out, the first comment is not: ")
    assert texts(stage) == ["hello"]
    assert "incomplete" in stage.incidents()


def test_an_edit_after_the_first_part_changes_nothing_of_what_follows(stage: Stage) -> None:
    id_ = thread(stage)
    fault(stage, "rate_limit:2", after=1)
    publisher = stage.publisher()
    stage.tick("run-1")
    work = publisher.work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "published_incomplete")
    changed = Content(Format.TEXT, "one", thread=("changed", "too late"))
    stage.change(id_, content=changed.to_json(), version=2)
    assert work.result(30).end is End.SUCCESS
    assert texts(stage) == list(PARTS)


def test_a_look_for_changes_takes_back_nothing_that_follows_a_post(stage: Stage) -> None:
    stage.seed_x("1")
    sender, far_ms = stage.publisher()._sender, int(time.time() * 1000) + 600_000
    request = Request("x", "POST", "/2/tweets", json={"text": "two"})
    order = Order("post", "x:1", "post", request, lambda _response: None, True, {}, 1, far_ms, False)
    sender.submit(replace(order, delivery_id="rest", name="part-2", position=Position.LATER))
    sender.submit(order)
    stage.wait_until(sender.expected)
    assert set(sender.expected()) == {"post"}


def test_two_processes_that_both_hold_the_rest_send_it_once(stage: Stage) -> None:
    """Every process seems dead to the other; the fence and the index keep the parts single."""
    stage.settings = replace(QUICK, holder_silent_s=0.2, beat_s=60.0)
    id_ = thread(stage)
    fault(stage, "rate_limit:3", after=1)
    stage.sandbox.switch(x_duplicate_hours="0")
    stage.tick("run-1")
    first = stage.publisher().work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "published_incomplete")
    stage.change(id_, fire_ms=1)
    time.sleep(0.5)
    assert stage.tick("run-2") == [id_]
    second = stage.publisher().work_on("run-2", 0, "ti-2")
    first.result(30), second.result(30)
    assert finish(stage, id_, first=3).state == "published"
    assert texts(stage) == list(PARTS)
