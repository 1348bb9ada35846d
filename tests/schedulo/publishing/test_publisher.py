"""Whole deliveries through a publisher, on both databases, against the sandbox."""

from __future__ import annotations

import shutil
import time

from schedulo.model import Content, Format
from schedulo.publishing.ending import End
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.publishing.stage import Stage


def test_a_due_post_goes_out_once_and_not_early(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("hello")
    assert stage.tick("run-1") == [id_]
    ending = stage.publisher().work_on("run-1", 0, "ti-1").result(20)
    assert ending.end is End.SUCCESS
    (post,) = stage.live("hello")
    row = stage.row(id_)
    assert row.state == "published"
    assert row.remote_id == post["post_id"]
    assert 0 <= post["received_at"] * 1000 - row.due_ms < 1000


def test_the_same_instance_twice_in_two_processes_sends_once(stage: Stage) -> None:
    stage.seed_x("1")
    stage.plan("only once")
    stage.tick("run-1")
    first, second = stage.publisher(), stage.publisher()
    endings = [publisher.work_on("run-1", 0, "ti-1") for publisher in (first, second)]
    assert [ending.result(20).end for ending in endings] == [End.SUCCESS, End.SUCCESS]
    assert len(stage.live("only once")) == 1


def test_a_lost_answer_is_looked_up_and_not_sent_again(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("lost answer")
    stage.tick("run-1")
    stage.sandbox.fault(service="x", method="POST", route="*", mode="drop_after")
    ending = stage.publisher().work_on("run-1", 0, "ti-1").result(20)
    assert ending.end is End.SUCCESS
    assert len(stage.live("lost answer")) == 1
    assert stage.row(id_).state == "published"


def test_a_post_that_never_arrived_is_sent_once_more_after_the_quiet_time(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("second try")
    stage.tick("run-1")
    publisher = stage.publisher()
    stage.sandbox.fault(service="x", method="POST", route="*", mode="drop_before")
    publisher.work_on("run-1", 0, "ti-1").result(20)
    for number in range(2, 20):
        if stage.row(id_).state == "published":
            break
        time.sleep(0.5)
        for index, _ in enumerate(stage.tick(f"run-{number}")):
            publisher.work_on(f"run-{number}", index, f"ti-{number}").result(20)
    row = stage.row(id_)
    assert (row.state, row.resends) == ("published", 1)
    assert len(stage.live("second try")) == 1


def test_a_file_that_the_media_store_has_lost_stops_its_post_alone_before_anything_is_sent(
    stage: Stage,
) -> None:
    stage.seed_x("1", "2")
    picture = Content(Format.IMAGE, "with a picture", (stage.file(jpeg(540, 540)),))
    lost = stage.plan("with a picture", "1", content=picture)
    whole = stage.plan("whole", "2")
    shutil.rmtree(stage.store.root)
    stage.store.root.mkdir()
    publisher = stage.publisher()
    for number, _ in enumerate(stage.tick("run-1")):
        publisher.work_on("run-1", number, f"ti-{number}")
    stage.wait_for(whole, "published")
    assert (stage.live("with a picture"), stage.writes(lost)) == ([], [])
