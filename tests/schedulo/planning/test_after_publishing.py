"""Approval, taking down and changing as people do it in Airtable."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.ledger.tables import amendments
from schedulo.planning.take_down import Wished
from schedulo.planning.wishes import WishError
from schedulo.platforms import AFTER, CONVERSATIONS
from schedulo.publishing.aftercare import Means, carry_out
from schedulo.publishing.rehearsal import planned
from tests.schedulo.planning.conftest import BASE, Office
from tests.schedulo.publishing.stage import Stage

PAGE = "100000000000001"


def publish(office: Office) -> Stage:
    """One tick, and its claims to their ends."""
    stage = office.stage()
    claims = office.tick()
    publisher = stage.publisher()
    for claim in claims:
        publisher.work_on(f"run-{office.runs}", claim.map_index, f"ti-{claim.map_index}").result(30)
    office.tick()
    stage.close()
    return stage


def request(office: Office, field: str) -> None:
    """Set a request on the only row of Deliveries."""
    [row] = office.api().table(BASE, "Deliveries").all()
    office.change("Deliveries", row["id"], **{field: datetime.now(UTC).isoformat()})


def do_it(office: Office, stage: Stage) -> Sequence[str]:
    """What look_after_posts does between two ticks."""
    office.tick()
    # A busy machine may take longer than a second from the fence to the request.
    patient = replace(office.settings, window_s=20.0, quiet_s=21.0)
    parts = (office.ledger, stage.wire(), patient, CONVERSATIONS, AFTER, stage.media_url)
    became = asyncio.run(carry_out(Means(*parts, patience_s=0.2)))
    office.tick()
    return list(became.values())


def told(office: Office) -> tuple[str, str]:
    [row] = office.told().values()
    return row["State"], row.get("Message", "")


def test_a_post_that_needs_approval_says_so_and_is_claimed_once_it_has_it(office: Office) -> None:
    post = office.post(office.account("1"), Approval="Needed")
    assert office.tick() == []
    assert told(office)[0] == "Waiting for approval"
    assert "sets Approval to Approved" in told(office)[1]
    office.change("Posts", post, Approval="Approved")
    assert len(office.tick()) == 1
    assert told(office) == ("Getting ready", "")


def test_a_dry_run_of_publishing_now_says_that_it_waits(office: Office) -> None:
    post = office.post(office.account("1"), Approval="Needed")
    office.tick()
    [(_, _, problem)] = planned(office.ledger, (post,), ())
    assert problem.startswith("it waits for approval")


def test_approval_can_be_the_rule_for_posts_that_say_nothing(office: Office) -> None:
    office.settings = replace(office.settings, approval_needed=True)
    post = office.post(office.account("1"))
    assert office.tick() == []
    office.change("Posts", post, Approval="Approved")
    assert len(office.tick()) == 1


def test_a_change_after_the_approval_needs_no_other(office: Office) -> None:
    post = office.post(office.account("1"), due_in_s=900, Approval="Approved")
    office.tick()
    office.change("Posts", post, Text="better")
    office.tick()
    assert (office.one().state, office.one().content["text"]) == ("scheduled", "better")


def test_a_rejected_post_is_not_planned_and_says_why(office: Office) -> None:
    office.post(office.account("1"), Approval="Rejected")
    assert office.tick() == []
    state, message = told(office)
    assert state == "Not planned"
    assert "a post that was rejected is not planned" in message


def test_a_take_down_that_is_requested_in_airtable_is_carried_out_and_told(office: Office) -> None:
    office.stage().seed_x("1")
    office.post(office.account("1"), due_in_s=0)
    stage = publish(office)
    request(office, "Take down requested at")
    assert do_it(office, stage) == ["taken down"]
    assert told(office) == ("Taken down", "taken down, as was asked in Airtable")
    assert do_it(office, stage) == []


def test_a_change_of_a_post_that_is_out_says_how_it_gets_there_and_is_carried_out(office: Office) -> None:
    page = {"page_id": PAGE, "name": "Cafe", "page_token": f"token-{PAGE}"}
    office.sandbox.seed({"facebook": {"pages": [page]}})
    post = office.post(office.account(PAGE, "Facebook"), due_in_s=0)
    stage = publish(office)
    office.change("Posts", post, Text="better")
    office.tick()
    assert told(office)[1].endswith("to give it the new text there, request an edit")
    request(office, "Edit requested at")
    assert do_it(office, stage) == ["changed"]
    assert told(office) == ("Published", "changed, as was asked in Airtable")
    assert office.sandbox.world.services["facebook"].store.nodes[office.one().remote_id].message == "better"
    office.tick()
    assert told(office)[1] == "changed, as was asked in Airtable"


def test_where_a_change_is_not_possible_the_row_says_what_is(office: Office) -> None:
    office.stage().seed_x("1")
    post = office.post(office.account("1"), due_in_s=0)
    stage = publish(office)
    office.change("Posts", post, Text="better")
    office.tick()
    assert "X cannot change a post" in told(office)[1]
    request(office, "Edit requested at")
    assert do_it(office, stage) == []
    assert re.search(r"Your request: refused, X cannot change a post.*take it down", told(office)[1])


@pytest.mark.parametrize(
    ("conf", "why"),
    [
        ({}, "Nothing chooses the posts"),
        ({"accounts": ["x:1"]}, "Nothing chooses the posts"),
        ({"posts": ["rec0123456789ABCD"], "dryrun": True}, "there is no such field"),
        ({"posts": ["rec0123456789ABCD"], "action": "delete"}, "take_down, edit"),
        ({"posts": ["rec0123456789ABCD"], "dry_run": "yes"}, "must be true or false"),
    ],
)
def test_a_request_that_cannot_be_understood_does_nothing(conf: dict[str, Any], why: str) -> None:
    with pytest.raises(WishError, match=why):
        Wished.read(conf)


def test_no_request_is_lost_between_two_ticks(office: Office) -> None:
    office.stage().seed_x("1")
    office.post(office.account("1"), due_in_s=0)
    publish(office)
    request(office, "Take down requested at")
    office.tick()
    office.tick()
    with office.ledger.read() as connection:
        assert [row.state for row in connection.execute(sa.select(amendments))] == ["open"]
