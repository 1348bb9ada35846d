"""What an error says about an account or our app holds it: one hold, not a hundred failures."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.ledger.tables import holds, incidents
from schedulo.model import Content, Format
from schedulo.publishing.ending import End
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.publishing.stage import PATIENT, Stage, work_off


def fault(stage: Stage, mode: str, route: str = "create_post", **more: Any) -> None:
    stage.sandbox.fault(service="*", method="POST", route=route, mode=mode, **more)


def run_all(stage: Stage, publisher: Any, run_id: str) -> dict[str, End]:
    """A run's tick and all its instances; how each delivery's ended."""
    claims = stage.tick(run_id)
    futures = [publisher.work_on(run_id, n, f"{run_id}-{n}") for n in range(len(claims))]
    return dict(zip(claims, (future.result(60).end for future in futures), strict=True))


def every_hold(stage: Stage) -> list[Any]:
    with stage.ledger.begin() as connection:
        return list(connection.execute(sa.select(holds)))


def open_incidents(stage: Stage) -> list[Any]:
    with stage.ledger.begin() as connection:
        return list(connection.execute(sa.select(incidents).where(incidents.c.closed_ms.is_(None))))


def asked(stage: Stage, route: str = "create_post") -> int:
    return sum(row["count"] for row in stage.sandbox.requests() if row["route"] == route)


@pytest.mark.slow
def test_fifty_posts_of_a_limited_account_are_one_hold_and_keep_nobody_else_up(stage: Stage) -> None:
    stage.settings = replace(stage.settings, account_gap_s=0.02, **PATIENT)
    stage.seed_x("1", "2")
    fault(stage, "rate_limit:1200", account_id="1", times=-1)
    limited = [stage.plan(f"limited {n}", "1", due_in_s=2.0) for n in range(50)]
    free = [stage.plan(f"free {n}", "2", due_in_s=3.5) for n in range(5)]
    publisher = stage.publisher()
    ended = run_all(stage, publisher, "run-1")
    assert {ended[id_] for id_ in limited} == {End.SKIPPED}
    assert {ended[id_] for id_ in free} == {End.SUCCESS}
    (hold,) = every_hold(stage)
    assert (hold.scope, hold.key, hold.error_kind, hold.author) == (
        "account",
        "x:1",
        "rate_limited",
        "schedulo",
    )
    for id_ in limited:
        row = stage.row(id_)
        assert (row.state, row.attempts, row.holder) == ("held", 0, None)
        assert row.reason.startswith("waiting until ")
        assert "asks us to slow down" in row.reason
    assert stage.tick("run-2") == [], "what waits for its limit is nobody's work"
    assert open_incidents(stage) == [], "nobody has to act"
    assert len(stage.sandbox.posts()) == len(free)


@pytest.mark.slow
def test_what_waited_for_a_limit_goes_out_at_its_end_one_after_another(stage: Stage) -> None:
    stage.settings = replace(stage.settings, account_gap_s=0.7)
    stage.seed_x("1")
    ids = [stage.plan(f"post {n}", due_in_s=0.5) for n in range(4)]
    fault(stage, "rate_limit:5")
    ended = run_all(stage, stage.publisher(), "run-1")
    assert set(ended.values()) == {End.SUCCESS}
    (hold,) = every_hold(stage)
    posts = stage.sandbox.posts()
    assert [post["text"] for post in posts] == [f"post {n}" for n in range(4)]
    instants = [post["received_at"] for post in posts]
    assert min(instants) * 1000 >= hold.until_ms
    assert instants[-1] - instants[0] > 3 * 0.7 - 0.5, "not in a storm"
    assert [stage.row(id_).attempts for id_ in ids] == [0] * 4, "waits do not count"


@pytest.mark.slow
def test_nothing_is_prepared_for_an_account_while_it_is_limited(stage: Stage) -> None:
    stage.seed_x("1")
    media = stage.file(jpeg(540, 540))
    first = stage.plan("first", due_in_s=60.0, content=Content(Format.IMAGE, "first", (media,)))
    second = stage.plan("second", due_in_s=60.0, content=Content(Format.IMAGE, "second", (media,)))
    fault(stage, "rate_limit:4", "upload_initialize")
    publisher = stage.publisher()
    stage.tick("run-1")
    publisher.work_on("run-1", 0, "ti-0")
    stage.wait_until(lambda: every_hold(stage))
    publisher.work_on("run-1", 1, "ti-1")
    time.sleep(0.5)
    assert asked(stage, "upload_initialize") == 1
    stage.wait_for(first, "armed")
    stage.wait_for(second, "armed")
    assert asked(stage, "upload_initialize") == 3


def test_a_used_up_quota_waits_for_its_window_without_an_incident(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("first")
    other = stage.plan("second", due_in_s=3.0)
    fault(stage, "status:429/usage-capped")
    ended = run_all(stage, stage.publisher(), "run-1")
    assert {ended[id_], ended[other]} == {End.SKIPPED}
    (hold,) = every_hold(stage)
    assert (hold.scope, hold.key, hold.error_kind) == ("platform", "x", "quota_exhausted")
    assert hold.until_ms - time.time() * 1000 == pytest.approx(3_600_000, abs=30_000)
    assert open_incidents(stage) == []
    assert stage.sandbox.posts() == []


@pytest.mark.slow
def test_a_restricted_account_is_one_hold_and_one_incident_and_goes_on_when_released(stage: Stage) -> None:
    stage.settings = replace(stage.settings, account_gap_s=0.25)
    stage.seed_x("1", "2")
    fault(stage, "status:403/user-suspended", account_id="1", times=-1)
    ids = [stage.plan(f"post {n}", "1", due_in_s=1.0) for n in range(20)]
    free = stage.plan("free", "2", due_in_s=1.5)
    publisher = stage.publisher()
    ended = run_all(stage, publisher, "run-1")
    assert {ended[id_] for id_ in ids} == {End.SKIPPED}
    assert ended[free] is End.SUCCESS
    assert len(every_hold(stage)) == 1
    (incident,) = open_incidents(stage)
    assert (incident.key, incident.actor) == ("held:account:x:1:account_restricted", "the account's owner")
    assert "schedulo release account:x:1" in incident.sentence
    assert stage.cases(incident.key) == set(ids)
    for id_ in ids:
        assert stage.row(id_).state == "held"
        assert "X has restricted this account" in stage.row(id_).reason
    assert asked(stage) < 20, "the account is left alone"
    stage.sandbox.world.faults.clear()
    stage.release("account:x:1")
    work_off(stage, publisher)
    posts = [post for post in stage.sandbox.posts() if post["text"] != "free"]
    assert sorted(post["text"] for post in posts) == sorted(f"post {n}" for n in range(20))
    assert posts[-1]["received_at"] - posts[0]["received_at"] > 19 * 0.25 - 1.0, "not in a storm"
    assert {stage.row(id_).attempts for id_ in ids} == {0}


def test_what_is_too_late_when_its_account_is_released_is_missed(stage: Stage) -> None:
    stage.seed_x("1")
    fault(stage, "status:403/user-suspended")
    id_ = stage.plan("too late")
    publisher = stage.publisher()
    run_all(stage, publisher, "run-1")
    stage.change(id_, not_after_ms=int(time.time() * 1000))
    stage.release("account:x:1")
    work_off(stage, publisher)
    assert (stage.row(id_).state, stage.sandbox.posts()) == ("missed", [])


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("status:402", "billing"), ("status:403/client-forbidden", "configuration")],
)
def test_what_is_wrong_with_our_app_holds_the_platform(stage: Stage, mode: str, kind: str) -> None:
    stage.seed_x("1", "2")
    fault(stage, mode)
    first = stage.plan("first", "1", due_in_s=0.5)
    second = stage.plan("second", "2", due_in_s=2.0)
    publisher = stage.publisher()
    assert set(run_all(stage, publisher, "run-1").values()) == {End.SKIPPED}
    (hold,) = every_hold(stage)
    assert (hold.scope, hold.key, hold.error_kind, hold.until_ms) == ("platform", "x", kind, None)
    (incident,) = open_incidents(stage)
    assert incident.actor == "the operator"
    assert {stage.row(id_).state for id_ in (first, second)} == {"held"}
    assert asked(stage) == 1
    stage.release("platform:x")
    work_off(stage, publisher)
    assert {stage.row(id_).state for id_ in (first, second)} == {"published"}


def test_a_post_that_keeps_meeting_trouble_for_too_long_is_given_up(stage: Stage) -> None:
    stage.seed_x("1")
    content = Content(Format.IMAGE, "long trouble", (stage.file(jpeg(540, 540)),))
    id_ = stage.plan("long trouble", content=content)
    stage.tick("run-1")
    stage.change(id_, attempts=1, trouble_since_ms=int(time.time() * 1000) - 3_700_000)
    fault(stage, "status:503", "upload_initialize", times=-1)
    publisher = stage.publisher(settings=replace(stage.settings, arm_patience_s=1.0))
    ending = publisher.work_on("run-1", 0, "ti-1").result(20)
    assert (ending.end, ending.kind) == (End.FAILED, "platform_down")
    assert stage.row(id_).state == "failed"


def test_a_limit_on_reading_is_waited_for_and_stops_nobody_from_posting(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("lost answer")
    stage.sandbox.fault(service="x", method="POST", route="create_post", mode="drop_after")
    stage.sandbox.fault(service="x", method="GET", route="timeline", mode="rate_limit:600")
    publisher = stage.publisher()
    assert set(run_all(stage, publisher, "run-1").values()) == {End.SKIPPED}
    row = stage.row(id_)
    assert (row.state, row.looks) == ("unknown", 0), "it could not even look"
    assert row.fire_ms / 1000 - time.time() == pytest.approx(600, abs=20)
    assert every_hold(stage) == []
    other = stage.plan("goes out meanwhile")
    assert run_all(stage, publisher, "run-2") == {other: End.SUCCESS}
    stage.change(id_, fire_ms=int(time.time() * 1000))
    work_off(stage, publisher)
    assert stage.row(id_).state == "published"
    assert len(stage.live("lost answer")) == 1
