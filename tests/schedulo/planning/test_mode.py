"""An installation in test mode: what becomes of posts, and what their rows say."""

from __future__ import annotations

from dataclasses import replace

from schedulo.delivery.stops import resume
from tests.schedulo.planning.conftest import Office


def test_in_the_mode_nothing_posts_are_planned_and_held_and_their_rows_say_why(office: Office) -> None:
    live, office.settings = office.settings, replace(office.settings, mode="nothing")
    post = office.post(office.account("1"), "hello", due_in_s=60)
    assert office.tick() == []
    assert office.last.lines[0].startswith("Test mode: nothing is sent")
    office.tick()
    row = office.one()
    assert (row.post_id, row.state) == (post, "held")
    (told,) = office.told().values()
    assert told["State"] == "On hold"
    assert told["Message"].startswith("Test mode: nothing is sent")
    office.settings = live
    assert office.tick() == [], "the end of the test mode lets nothing go by itself"
    with office.ledger.begin() as connection:
        resume(connection, office.ledger.now_ms(connection), "everything", "ann")
    assert [claim.delivery_id for claim in office.tick()] == [row.id]


def test_in_the_mode_sandbox_a_row_says_that_nothing_was_published(office: Office) -> None:
    office.settings = replace(office.settings, mode="sandbox", sandbox_url="http://sandbox:8090")
    office.post(office.account("1"), "hello", due_in_s=600_000)
    office.tick()
    (told,) = office.told().values()
    assert told["Message"].startswith("Test mode: posts go to the sandbox at http://sandbox:8090")
