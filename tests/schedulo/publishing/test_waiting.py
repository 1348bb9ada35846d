"""Deliveries that wait: for a platform, a limit, their second, and for people who change their minds."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import endings
from schedulo.ledger.tables import deliveries, holds
from schedulo.model import Content, Format
from schedulo.publishing.ending import End
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.publishing.stage import Stage, work_off

IG = "17841400000000001"


def fault(stage: Stage, mode: str, route: str = "create_post", **more: Any) -> None:
    stage.sandbox.fault(service="*", method="POST", route=route, mode=mode, **more)


# The platform is not done, or wants to be left alone


def test_a_container_that_is_not_ready_goes_back_to_the_ledger_and_comes_again(stage: Stage) -> None:
    stage.sandbox.seed(
        {"instagram": {"accounts": [{"account_id": IG, "username": "anna", "token": f"token-{IG}"}]}}
    )
    stage.sandbox.switch(ig_processing_seconds="60")
    content = Content(Format.IMAGE, "slow", (stage.file(jpeg(540, 540)),))
    id_ = stage.plan(
        "slow", IG, platform="instagram", content=content, account_options={"login": "instagram_login"}
    )
    stage.tick("run-1")
    impatient = replace(stage.settings, arm_patience_s=1.0)
    publisher = stage.publisher(settings=impatient)
    ending = publisher.work_on("run-1", 0, "ti-1").result(20)
    assert ending.end is End.SKIPPED
    row = stage.row(id_)
    assert (row.state, row.holder, row.attempts) == ("scheduled", None, 0)
    assert row.fire_ms > time.time() * 1000 + 5_000
    assert "waiting until" in row.reason
    stage.sandbox.advance(61)
    stage.change(id_, fire_ms=int(time.time() * 1000))
    work_off(stage, publisher)
    assert stage.row(id_).state == "published"
    assert len(stage.live("slow")) == 1
    creations = [row["count"] for row in stage.sandbox.requests() if row["route"] == "media"]
    assert creations == [1], "the container that was made is used"


def test_a_short_rate_limit_is_waited_for_in_place(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("short limit", due_in_s=0.2)
    stage.tick("run-1")
    fault(stage, "rate_limit:3")
    began = time.monotonic()
    assert stage.publisher().work_on("run-1", 0, "ti-1").result(30).end is End.SUCCESS
    assert time.monotonic() - began > 2
    assert (stage.row(id_).attempts, len(stage.live("short limit"))) == (0, 1)


def test_a_long_rate_limit_goes_to_the_ledger_with_its_reason(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("long limit", due_in_s=0.2)
    stage.tick("run-1")
    fault(stage, "rate_limit:900")
    publisher = stage.publisher()
    ending = publisher.work_on("run-1", 0, "ti-1").result(20)
    assert ending.end is End.SKIPPED
    row = stage.row(id_)
    assert (row.state, row.attempts, row.holder) == ("held", 0, None)
    (hold,) = stage.holds()
    assert (hold.name, hold.error_kind) == ("account:x:1", "rate_limited")
    assert hold.end_ms - time.time() * 1000 == pytest.approx(900_000, abs=15_000)
    assert "waiting until" in row.reason
    assert "slow down" in row.reason
    assert stage.tick("run-2") == []
    stage.release("account:x:1")
    work_off(stage, publisher)
    assert len(stage.live("long limit")) == 1


def test_a_pause_of_some_minutes_is_a_retry_of_the_task(stage: Stage) -> None:
    stage.seed_x("1")
    content = Content(Format.IMAGE, "medium pause", (stage.file(jpeg(540, 540)),))
    id_ = stage.plan("medium pause", due_in_s=0.2, content=content, attempts=5)
    stage.tick("run-1")
    fault(stage, "status:503", "upload_initialize")
    publisher = stage.publisher(settings=replace(stage.settings, arm_patience_s=1.0))
    ending = publisher.work_on("run-1", 0, "ti-1").result(20)
    assert (ending.end, ending.kind) == (End.RETRY, "platform_down")
    assert 80 <= ending.wait_s <= 160
    row = stage.row(id_)
    assert (row.state, row.holder, row.attempts) == ("claimed", None, 6)
    assert row.trouble_since_ms is not None
    stage.change(id_, fire_ms=int(time.time() * 1000))
    assert publisher.work_on("run-1", 0, "ti-2").result(20).end is End.SUCCESS
    assert len(stage.live("medium pause")) == 1
    assert stage.row(id_).trouble_since_ms is None


@pytest.mark.slow
def test_twenty_minutes_of_rate_limiting_on_fifty_posts_keep_nobody_else_up(stage: Stage) -> None:
    slow, quick = [f"s{n}" for n in range(50)], [f"q{n}" for n in range(20)]
    stage.seed_x(*slow, *quick)
    for account in slow:
        fault(stage, "rate_limit:1200", account_id=account)
    limited = [stage.plan(f"limited {account}", account, due_in_s=2.0) for account in slow]
    free = [stage.plan(f"free {account}", account, due_in_s=2.0) for account in quick]
    claims = stage.tick("run-1")
    assert len(claims) == 70
    publisher = stage.publisher()
    endings = [publisher.work_on("run-1", n, f"ti-{n}") for n in range(70)]
    by_id = dict(zip(claims, (ending.result(60).end for ending in endings), strict=True))
    assert {by_id[id_] for id_ in free} == {End.SUCCESS}
    assert {by_id[id_] for id_ in limited} == {End.SKIPPED}
    for post in stage.sandbox.posts():
        assert post["text"].startswith("free")
    assert stage.tick("run-2") == [], "what waits for its limit is nobody's work"
    assert all(stage.row(id_).reason for id_ in limited)
    for account in slow:
        stage.release(f"account:x:{account}")
    work_off(stage, publisher)
    texts = [post["text"] for post in stage.sandbox.posts()]
    assert sorted(texts) == sorted([f"limited {a}" for a in slow] + [f"free {a}" for a in quick])


def test_a_refused_text_fails_with_who_must_act_and_is_not_tried_again(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("x" * 400, due_in_s=0.2)
    stage.tick("run-1")
    publisher = stage.publisher()
    ending = publisher.work_on("run-1", 0, "ti-1").result(20)
    assert (ending.end, ending.kind) == (End.FAILED, stage.row(id_).error_kind)
    assert stage.row(id_).state == "failed"
    assert "must act" in ending.sentence
    assert stage.incidents()
    assert stage.tick("run-2") == []
    assert stage.sandbox.posts() == []


def test_a_cleared_task_of_a_failed_post_tries_it_again(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("cleared", due_in_s=0.2)
    stage.tick("run-1")
    fault(stage, "status:403")
    publisher = stage.publisher()
    assert publisher.work_on("run-1", 0, "ti-1").result(20).end is End.FAILED
    assert publisher.work_on("run-1", 0, "ti-2").result(20).end is End.SUCCESS
    assert stage.row(id_).state == "published"


def test_an_account_without_a_token_is_held_before_anything_is_sent(stage: Stage) -> None:
    id_ = stage.plan("nobody knows this account", "99", due_in_s=0.2)
    stage.tick("run-1")
    ending = stage.publisher().work_on("run-1", 0, "ti-1").result(20)
    assert (ending.end, ending.kind) == (End.SKIPPED, "token_expired")
    assert stage.row(id_).state == "held"


# Somebody changes it while it waits


def waiting(stage: Stage, text: str = "first text", due_in_s: float = 60.0) -> tuple[str, Any, Any]:
    stage.seed_x("1")
    id_ = stage.plan(text, due_in_s=due_in_s)
    stage.tick("run-1")
    publisher = stage.publisher()
    future = publisher.work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "armed")
    return id_, publisher, future


def test_an_instant_moved_forward_is_kept_to(stage: Stage) -> None:
    id_, _, future = waiting(stage)
    due_ms = int(time.time() * 1000) + 1500
    stage.change(id_, due_ms=due_ms, fire_ms=due_ms)
    assert future.result(10).end is End.SUCCESS
    (post,) = stage.live("first text")
    assert post["received_at"] * 1000 >= due_ms


def test_an_instant_moved_back_is_waited_for(stage: Stage) -> None:
    id_, _, future = waiting(stage, due_in_s=3.0)
    due_ms = stage.row(id_).fire_ms + 2000
    stage.change(id_, due_ms=due_ms, fire_ms=due_ms)
    assert future.result(15).end is End.SUCCESS
    (post,) = stage.live("first text")
    assert post["received_at"] * 1000 >= due_ms


def test_an_instant_moved_far_away_gives_it_back_without_an_attempt(stage: Stage) -> None:
    id_, publisher, future = waiting(stage)
    far_ms = int(time.time() * 1000) + 3_600_000
    stage.change(id_, due_ms=far_ms, fire_ms=far_ms)
    assert future.result(10).end is End.SKIPPED
    row = stage.row(id_)
    assert (row.state, row.holder, row.attempts, row.fire_ms) == ("scheduled", None, 0, far_ms)
    assert stage.live("first text") == []
    stage.change(id_, fire_ms=int(time.time() * 1000))
    work_off(stage, publisher)
    assert len(stage.live("first text")) == 1


def test_an_edit_while_it_waits_is_what_goes_out(stage: Stage) -> None:
    id_, _, future = waiting(stage)
    content = Content(Format.TEXT, "second text").to_json()
    stage.change(id_, content=content, version=2, fire_ms=int(time.time() * 1000) + 1500)
    assert future.result(15).end is End.SUCCESS
    assert [post["text"] for post in stage.sandbox.posts()] == ["second text"]
    assert stage.row(id_).armed_version == 2
    assert stage.writes(id_)[0].snapshot["text"] == "second text"


def test_two_posts_that_change_places_go_out_in_their_new_order(stage: Stage) -> None:
    """Together their instants are as before."""
    stage.seed_x("1", "2")
    ids = [stage.plan(f"post {n}", str(n), due_in_s=due_in_s) for n, due_in_s in ((1, 4.0), (2, 60.0))]
    stage.tick("run-1")
    publisher = stage.publisher()
    futures = [publisher.work_on("run-1", n, f"ti-{n}") for n in range(2)]
    for id_ in ids:
        stage.wait_for(id_, "armed")
    soon_ms, later_ms = (stage.row(id_).fire_ms for id_ in ids)
    with stage.ledger.begin() as connection:
        for id_, at_ms in zip(ids, (later_ms, soon_ms), strict=True):
            values = {"fire_ms": at_ms, "updated_ms": stage.ledger.now_ms(connection)}
            connection.execute(sa.update(deliveries).where(deliveries.c.id == id_).values(**values))
    assert futures[1].result(30).end is End.SUCCESS
    assert [post["text"] for post in stage.sandbox.posts()] == ["post 2"]


def test_one_look_is_for_all_that_wait(stage: Stage) -> None:
    stage.settings = replace(stage.settings, beat_s=60.0, holder_silent_s=120.0, look_s=0.1)
    stage.seed_x(*map(str, range(20)))
    ids = [stage.plan(f"post {n}", str(n), due_in_s=60.0) for n in range(20)]
    stage.tick("run-1")
    publisher = stage.publisher()
    for n in range(20):
        publisher.work_on("run-1", n, f"ti-{n}")
    for id_ in ids:
        stage.wait_for(id_, "armed")
    time.sleep(1.0)
    asked: list[str] = []
    sa.event.listen(stage.ledger.engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    time.sleep(1.0)
    looks = [statement for statement in asked if "deliveries" in statement]
    assert 1 <= len(looks) <= 11
    assert all("sum(" in statement for statement in looks), "nothing changed: no row is read"


def test_an_edit_in_the_last_moment_is_seen_by_the_fence(stage: Stage) -> None:
    """Nobody looks in between: the fence alone compares the versions."""
    stage.settings = replace(stage.settings, look_s=60.0)
    id_, _, future = waiting(stage, due_in_s=3.0)
    stage.change(id_, content=Content(Format.TEXT, "second text").to_json(), version=2)
    assert future.result(15).end is End.SUCCESS
    assert [post["text"] for post in stage.sandbox.posts()] == ["second text"]


def test_a_cancelled_post_does_not_go_out(stage: Stage) -> None:
    id_, publisher, future = waiting(stage)
    assert publisher.cancel("run-1", 0, "a person said no").result(5)
    assert future.result(10).end is End.SKIPPED
    assert stage.row(id_).state == "cancelled"
    assert stage.tick("run-2") == []
    assert stage.sandbox.posts() == []


def test_a_cancel_from_elsewhere_is_noticed(stage: Stage) -> None:
    id_, _, future = waiting(stage)
    with stage.ledger.begin() as connection:
        assert endings.cancel(connection, int(time.time() * 1000), id_, "cancelled in Airtable")
    assert future.result(10).end is End.SKIPPED
    assert stage.sandbox.posts() == []


def test_a_hold_while_it_waits_keeps_it_back_until_it_is_lifted(stage: Stage) -> None:
    id_, publisher, future = waiting(stage)
    with stage.ledger.begin() as connection:
        connection.execute(
            sa.insert(holds).values(id="h", scope="everything", reason="stop", author="ann", from_ms=0)
        )
    stage.change(id_, fire_ms=int(time.time() * 1000) + 1000)
    ending = future.result(10)
    assert ending.end is End.SKIPPED
    assert ending.sentence == stage.row(id_).reason == "on hold (everything, by ann): stop"
    assert stage.tick("run-2") == []
    assert (stage.row(id_).state, stage.sandbox.posts()) == ("held", [])
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(holds).values(lifted_ms=1))
    work_off(stage, publisher)
    assert len(stage.live("first text")) == 1
    assert stage.row(id_).attempts == 0


def test_what_is_too_late_is_given_back_and_missed(stage: Stage) -> None:
    id_, _, future = waiting(stage)
    now_ms = int(time.time() * 1000)
    stage.change(id_, fire_ms=now_ms, not_after_ms=now_ms)
    assert future.result(10).end is End.SKIPPED
    stage.tick("run-2")
    assert (stage.row(id_).state, stage.sandbox.posts()) == ("missed", [])
