"""An approval that is taken back at the last moment stops a post that waits for its second."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from schedulo.delivery import approvals
from schedulo.ledger.tables import deliveries
from tests.schedulo.publishing.stage import Stage


@pytest.mark.parametrize("told", [True, False], ids=["by planning", "by the column alone"])
def test_a_post_that_waits_for_its_second_stops_and_goes_out_once_approved(stage: Stage, told: bool) -> None:
    stage.seed_x("1")
    id_ = stage.plan("hello", due_in_s=2.0)
    stage.tick("run-1")
    ending = stage.publisher().work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "armed")
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(deliveries).values(approval=approvals.NEEDED))
        if told:
            approvals.keep_waiting(connection, stage.ledger.now_ms(connection), [id_])
    assert "it waits for approval" in ending.result(15).sentence
    row = stage.wait_for(id_, "held")
    assert (row.error_kind, row.holder) == ("approval", None)
    assert stage.sandbox.posts() == []
    stage.change(id_, approval="")
    assert stage.tick("run-2") == [id_]
    stage.publisher().work_on("run-2", 0, "ti-2").result(15)
    assert [post["text"] for post in stage.sandbox.posts()] == ["hello"]
