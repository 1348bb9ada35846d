"""What people ask for by hand, to the end: a real publisher, a real ledger, and the sandbox that counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from schedulo.delivery.again import Ask, Deed
from schedulo.planning.by_hand import Resolve, Retry, resolve, retry
from tests.schedulo.publishing.stage import PATIENT, Stage, work_off


def fault(stage: Stage, mode: str, method: str = "POST", route: str = "create_post", times: int = 1) -> None:
    stage.sandbox.fault(service="x", method=method, route=route, mode=mode, times=times)


def in_doubt(stage: Stage, mode: str) -> str:
    """A post whose commit met `mode` while nothing can be read, given up to a person."""
    stage.seed_x("1")
    fault(stage, mode)
    fault(stage, "status:403", "GET", "*", times=-1)
    id_ = stage.plan("hello", due_in_s=0.2)
    assert stage.tick("run-1") == [id_]
    stage.publisher().work_on("run-1", 0, "ti-1").result(30)
    assert stage.row(id_).state == "unknown"
    stage.change(id_, state="unresolved", holder=None)
    return id_


def say(stage: Stage, id_: str, answer: Ask, link: str = "") -> Deed:
    return resolve(stage.ledger, Resolve(id_, answer, link), "by ann", stage.settings).deed


def again(stage: Stage, ids: Sequence[str]) -> None:
    told = retry(stage.ledger, Retry(deliveries=tuple(ids)), "by ann", stage.settings).told
    assert [item.deed for item in told] == [Deed.PLANNED] * len(ids)


def test_what_is_not_out_is_sent_once_more_and_counted(stage: Stage) -> None:
    id_ = in_doubt(stage, "drop_before")
    assert stage.live("hello") == []
    assert say(stage, id_, Ask.NOT_OUT) is Deed.PLANNED
    stage.change(id_, fire_ms=1)
    work_off(stage, stage.publisher())
    row = stage.row(id_)
    assert (row.state, row.resends, len(stage.live("hello"))) == ("published", 1, 1)
    assert [write.state for write in stage.writes(id_)] == ["absent", "accepted"]


def test_what_is_out_is_never_sent_again(stage: Stage) -> None:
    id_ = in_doubt(stage, "drop_after")
    [post] = stage.live("hello")
    link = f"https://x.com/user1/status/{post['post_id']}"
    assert say(stage, id_, Ask.IS_OUT, link) is Deed.CLOSED
    assert stage.tick("run-2") == []
    row = stage.row(id_)
    assert (row.state, row.remote_id, len(stage.live("hello"))) == ("published", post["post_id"], 1)


def test_a_person_who_is_wrong_makes_no_second_post_where_the_platform_knows_the_first(stage: Stage) -> None:
    """X refuses the same text again; that refusal is no failure, since the text may be the first one's."""
    id_ = in_doubt(stage, "drop_after")
    assert say(stage, id_, Ask.NOT_OUT) is Deed.PLANNED
    stage.change(id_, fire_ms=1)
    stage.tick("run-2")
    stage.publisher().work_on("run-2", 0, "ti-2").result(30)
    assert len(stage.live("hello")) == 1
    assert stage.row(id_).state in ("unknown", "unresolved", "published")


def test_a_storm_of_retries_goes_out_once_each_in_the_order_of_their_due_times(stage: Stage) -> None:
    # The gap is what keeps their order on the wire; a busy machine is late by more than QUICK's.
    stage.settings = replace(stage.settings, account_gap_s=1.0, **PATIENT)
    stage.seed_x("1")
    ids = [stage.plan(f"post {number}", due_in_s=-60 + number, state="failed") for number in range(6)]
    again(stage, list(reversed(ids)))
    work_off(stage, stage.publisher())
    posts = sorted(stage.sandbox.posts(), key=lambda post: float(post["received_at"]))
    assert [post["text"] for post in posts] == [f"post {number}" for number in range(6)]
