"""A window that comes up while a post waits for its second: it goes out after it, and once."""

from __future__ import annotations

import time

import pytest

from schedulo.delivery.moved import HELD_BY_MAINTENANCE
from schedulo.delivery.windows import Fate, Wanted, plan
from tests.schedulo.publishing.stage import Stage


@pytest.mark.parametrize("length_s", [3, 600], ids=["ends soon", "ends later"])
def test_a_post_that_waits_for_its_second_goes_out_after_the_end(stage: Stage, length_s: int) -> None:
    stage.seed_x("1")
    id_ = stage.plan("hello", due_in_s=3.0)
    stage.tick("run-1")
    ending = stage.publisher().work_on("run-1", 0, "ti-1")
    row = stage.wait_for(id_, "armed")
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        until_ms = row.due_ms + length_s * 1000
        wanted = Wanted(("platform:x",), row.due_ms - 1000, until_ms, Fate.MOVE, "new database")
        plan(connection, now_ms, wanted, "ann")
    ending.result(30)
    if length_s > 60:
        assert stage.wait_for(id_, "held").reason.startswith("maintenance of platform:x until ")
        assert stage.sandbox.posts() == []
        stage.tick("run-2")
        row = stage.row(id_)
        assert (row.state, row.fire_ms) == ("scheduled", until_ms)
        return
    [post] = stage.live("hello")
    assert post["received_at"] * 1000 >= until_ms
    assert "maintenance of platform:x" in stage.story(id_)


def test_a_post_that_a_short_window_is_to_hold_waits_for_a_person_beyond_its_end(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("hello", due_in_s=3.0)
    stage.tick("run-1")
    ending = stage.publisher().work_on("run-1", 0, "ti-1")
    row = stage.wait_for(id_, "armed")
    with stage.ledger.begin() as connection:
        span = (row.due_ms - 1000, row.due_ms + 3000)
        wanted = Wanted(("platform:x",), *span, Fate.HOLD, "new database")
        plan(connection, stage.ledger.now_ms(connection), wanted, "ann")
    ending.result(30)
    assert stage.wait_for(id_, "held").error_kind == HELD_BY_MAINTENANCE
    time.sleep(max(0.0, row.due_ms / 1000 + 3.1 - time.time()))
    stage.tick("run-2")
    assert (stage.row(id_).state, stage.sandbox.posts()) == ("held", [])
