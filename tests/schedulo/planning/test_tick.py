"""From a row in Airtable to a delivery in the ledger, and back to a row."""

from __future__ import annotations

from dataclasses import replace

import sqlalchemy as sa

from schedulo.delivery.holds import set_hold
from schedulo.ledger.listening import airtable_webhooks
from schedulo.ledger.tables import accounts, deliveries, holds, incidents, outbox
from schedulo.publishing.ending import End
from tests.schedulo.planning.conftest import SCOPES, TOKEN, Office, wait_until


def test_a_ready_post_is_planned_claimed_and_told_in_one_tick(office: Office) -> None:
    office.post(office.account("1"))
    (claim,) = office.tick()
    assert claim.label == "x @user1: hello"
    assert office.told()["x @user1: hello"]["State"] == "Getting ready"


def test_a_draft_is_left_alone(office: Office) -> None:
    office.post(office.account("1"), Status="Draft")
    assert office.tick() == []
    assert office.told() == {}


def test_a_wrong_post_says_why_within_the_tick_that_reads_it(office: Office) -> None:
    account = office.account("1")
    office.post(account, "x" * 300)
    office.post(account, "fine")
    assert [claim.label for claim in office.tick()] == ["x @user1: fine"]
    row = next(cells for title, cells in office.told().items() if "fine" not in title)
    assert row["State"] == "Not planned"
    assert "280" in row["Message"]


def test_a_post_without_a_usable_account_gets_an_answer_of_its_own(office: Office) -> None:
    office.post(office.add("Accounts", Name="Nameless", Platform="X", Active=True))
    office.tick()
    (row,) = office.told().values()
    assert row["State"] == "Not planned"
    assert "Account ID" in row["Message"]


def test_an_account_that_is_mended_lets_its_posts_be_planned(office: Office) -> None:
    account = office.add("Accounts", Name="Nameless", Platform="X", Active=True)
    office.post(account)
    office.tick()
    office.change("Accounts", account, **{"Account ID": "1"})
    with office.ledger.begin() as connection:
        connection.execute(sa.text("UPDATE marks SET at_ms = 0 WHERE name = 'airtable:accounts'"))
    office.tick()
    office.tick()
    assert [row.state for row in office.rows()] == ["claimed"]


def test_a_post_on_an_account_that_is_not_active_says_so(office: Office) -> None:
    office.post(office.account("1", Active=False))
    assert office.tick() == []
    (row,) = office.told().values()
    assert "not active" in row["Message"]


def test_a_local_time_counts_in_the_zone_of_the_account(office: Office) -> None:
    account = office.account("1", **{"Time zone": "Asia/Tokyo"})
    office.post(account, **{"Publish at": None, "Publish at (local)": "2030-01-15 09:00"})
    office.tick()
    assert office.one().due_ms == 1_894_665_600_000  # 2030-01-15T00:00:00Z


def test_an_edit_gives_the_delivery_a_new_version(office: Office) -> None:
    post = office.post(office.account("1"), due_in_s=3600)
    office.tick()
    office.change("Posts", post, Text="better words")
    office.tick()
    row = office.one()
    assert (row.version, row.content["text"]) == (2, "better words")


def test_a_post_that_is_no_longer_ready_is_taken_out_and_comes_back(office: Office) -> None:
    post = office.post(office.account("1"), due_in_s=3600)
    office.tick()
    office.change("Posts", post, Status="Draft")
    office.tick()
    assert office.one().state == "cancelled"
    office.change("Posts", post, Status="Ready")
    office.tick()
    assert office.one().state == "scheduled"


def test_a_deleted_post_that_is_due_soon_is_taken_out(office: Office) -> None:
    account = office.account("1")
    post = office.post(account, "deleted", due_in_s=100)
    office.post(account, "stays", due_in_s=100)
    office.tick()
    office.delete(post)
    office.tick()
    assert [(row.title, row.state) for row in office.rows()] == [
        ("deleted", "cancelled"),
        ("stays", "claimed"),
    ]


def test_many_posts_that_vanish_at_once_are_held_and_not_cancelled(office: Office) -> None:
    account = office.account("1")
    posts = [office.post(account, f"post {number}", due_in_s=170) for number in range(6)]
    office.tick()
    for post in posts[:5]:
        office.delete(post)
    office.tick()
    assert sorted(row.state for row in office.rows()) == ["claimed"] + ["held"] * 5
    with office.ledger.read() as connection:
        kinds = connection.execute(sa.select(incidents.c.kind)).scalars().all()
    assert "airtable_missing_posts" in kinds


def test_the_same_words_from_another_row_are_held_and_a_retry_lets_them_go(office: Office) -> None:
    account = office.account("1")
    office.post(account, "twice", due_in_s=900)
    office.tick()
    office.post(account, "twice", due_in_s=1000, Title="copy")
    office.tick()
    copy = office.rows()[0]
    assert (copy.title, copy.state) == ("copy", "held")
    assert "looks like the post 'twice'" in copy.reason
    row = next(
        r
        for r in office.api().table("appPlanning000001", "Deliveries").all()
        if "copy" in r["fields"]["Delivery"]
    )
    office.change("Deliveries", row["id"], **{"Retry requested at": row["createdTime"]})
    office.tick()
    assert office.rows()[0].state == "scheduled"


def test_a_cancel_request_stops_a_post_and_counts_once(office: Office) -> None:
    office.post(office.account("1"), due_in_s=3600)
    office.tick()
    (row,) = office.api().table("appPlanning000001", "Deliveries").all()
    office.change("Deliveries", row["id"], **{"Cancel requested at": row["createdTime"]})
    office.tick()
    assert office.one().state == "cancelled"
    assert office.one().reason == "cancelled by a person"
    office.change("Deliveries", row["id"], **{"Retry requested at": "2030-01-01T00:00:00Z"})
    office.tick()
    assert office.one().state == "scheduled"


def test_a_request_on_a_row_with_numbers_is_one_about_its_post(office: Office) -> None:
    """Two rows of the outbox know such a record."""
    office.post(office.account("1"), due_in_s=3600)
    office.tick()
    (row,) = office.api().table("appPlanning000001", "Deliveries").all()
    with office.ledger.begin() as connection:
        for key in ("numbers:a", f"numbers:{office.one().id}", "zzz"):
            told = {"version": 1, "told_version": 1, "changed_ms": 1, "content": {"Views": 5}}
            connection.execute(sa.insert(outbox).values(key=key, kind="numbers", record_id=row["id"], **told))
    office.change("Deliveries", row["id"], **{"Cancel requested at": row["createdTime"], "Key": "typed over"})
    office.tick()
    assert office.one().state == "cancelled"


def test_what_a_person_saw_is_said_in_airtable_and_told_there(office: Office) -> None:
    link = "https://x.com/acme/status/17"
    office.post(office.account("1"), due_in_s=3600)
    office.tick()
    with office.ledger.begin() as connection:
        connection.execute(sa.update(deliveries).values(state="unresolved", reason="a person must look"))
    (row,) = office.api().table("appPlanning000001", "Deliveries").all()
    said = {"Resolve as": "It is out", "Resolve link": link, "Resolve requested at": row["createdTime"]}
    office.change("Deliveries", row["id"], **said)
    office.tick()
    (row,) = office.api().table("appPlanning000001", "Deliveries").all()
    assert (row["fields"]["State"], row["fields"]["Permalink"]) == ("Published", link)


def test_a_hold_stops_what_is_due_and_its_end_lets_it_go(office: Office) -> None:
    office.post(office.account("1"))
    with office.ledger.begin() as connection:
        hold = {"id": "h", "scope": "everything", "reason": "fire drill", "author": "op", "from_ms": 0}
        connection.execute(sa.insert(holds).values(**hold))
    assert office.tick() == []
    assert office.tick() == []
    assert office.one().state == "held"
    with office.ledger.begin() as connection:
        connection.execute(sa.update(holds).values(lifted_ms=1))
    assert len(office.tick()) == 1


def test_with_airtable_down_what_is_known_goes_out_and_is_told_later(office: Office) -> None:
    """Ten ticks, as ten minutes of outage would see them."""
    stage = office.stage()
    stage.seed_x("1", "2")
    for account in ("1", "2"):
        office.post(office.account(account), f"through the outage {account}", due_in_s=4)
    office.tick()
    office.settings = replace(office.settings, airtable_budget_s=0.5)
    office.sandbox.fault(service="airtable", mode="status:503", times=-1)
    publisher = stage.publisher()
    try:
        endings = [publisher.work_on("run-1", index, f"ti-{index}") for index in range(2)]
        assert [ending.result(20).end for ending in endings] == [End.SUCCESS, End.SUCCESS]
        for _ in range(10):
            office.tick()
            assert any("Airtable" in line for line in office.last.lines)
    finally:
        publisher.close()
    assert len(office.sandbox.posts()) == 2
    office.sandbox.world.faults.clear()
    office.settings = replace(office.settings, airtable_budget_s=20.0)
    assert wait_until(
        lambda: office.tick() == [] and {"Published"} == {row["State"] for row in office.told().values()}
    )
    assert all(row["Permalink"].startswith("https://x.com/") for row in office.told().values())


def test_posts_due_in_the_outage_are_claimed_by_ticks_that_cannot_read(office: Office) -> None:
    office.post(office.account("1"), due_in_s=400)
    assert office.tick() == []
    office.settings = replace(office.settings, airtable_budget_s=0.5)
    office.sandbox.fault(service="airtable", mode="drop_before", times=-1)
    with office.ledger.begin() as connection:  # four minutes pass
        connection.execute(
            sa.text("UPDATE deliveries SET due_ms = due_ms - 240000, fire_ms = fire_ms - 240000")
        )
    assert len(office.tick()) == 1


def test_a_copy_that_is_too_old_goes_nowhere(office: Office) -> None:
    office.settings = replace(office.settings, known_copy_max_s=60.0)
    office.post(office.account("1"))
    office.tick()
    office.sandbox.fault(service="airtable", mode="status:503", times=-1)
    with office.ledger.begin() as connection:
        connection.execute(sa.text("UPDATE marks SET at_ms = 1 WHERE name = 'airtable:read'"))
    assert office.tick() == []
    assert any("too long" in line for line in office.last.lines)


def test_a_tick_says_what_keeps_posts_back(office: Office) -> None:
    with office.ledger.begin() as connection:
        now_ms = office.ledger.now_ms(connection)
        set_hold(connection, now_ms, "account", "x:1", "its login was refused", "schedulo", None, "reconnect")
        set_hold(connection, now_ms, "everything", "", "wrong prices", "ann")
    office.post(office.account("1"))
    office.post(office.account("2"))
    assert office.tick() == []
    assert office.last.lines[-4:-1] == [
        "everything is held by ann: wrong prices",
        "account:x:1 is held by schedulo: its login was refused",
        "2 posts that are due wait",
    ]


def test_three_hundred_posts_cost_few_calls(office: Office) -> None:
    accounts = [office.account(str(number)) for number in range(10)]
    table = office.api().table("appPlanning000001", "Posts")
    due = {"Publish at": "2030-01-01T12:00:00Z", "Status": "Ready"}
    table.batch_create(
        [{"Title": f"p{n}", "Text": f"post {n}", "Accounts": [accounts[n % 10]], **due} for n in range(300)]
    )
    before = sum(row["count"] for row in office.sandbox.requests() if row["service"] == "airtable")
    office.tick()
    calls = sum(row["count"] for row in office.sandbox.requests() if row["service"] == "airtable") - before
    assert len(office.rows()) == 300
    assert calls <= 0.15 * 300


def test_a_long_table_of_accounts_takes_no_time_from_the_posts(office: Office) -> None:
    rows = [
        {"Name": f"Acme {n}", "Platform": "X", "Account ID": str(n), "Username": f"user{n}", "Active": True}
        for n in range(500)
    ]
    last = office.api().table("appPlanning000001", "Accounts").batch_create(rows)[-1]
    office.tick()
    with office.ledger.begin() as connection:
        connection.execute(sa.text("UPDATE marks SET at_ms = 1 WHERE name = 'airtable:accounts'"))
    office.settings = replace(office.settings, airtable_budget_s=1.2)  # six calls; this takes seven
    office.post(last["id"])
    assert len(office.tick()) == 1
    assert office.incidents() == set()


def test_what_settings_say_of_a_platforms_limits_counts_for_its_accounts(office: Office) -> None:
    office.settings = replace(office.settings, x_videos="new")
    office.post(office.account("1", Premium=True))
    office.tick()
    with office.ledger.begin() as connection:
        (options,) = connection.execute(sa.select(accounts.c.options)).scalars()
    assert options == {"premium": True, "videos": "new"}


def test_a_tick_makes_the_webhook_of_changes_and_goes_on_where_there_can_be_none(office: Office) -> None:
    office.settings = replace(office.settings, airtable_changes="poll")
    office.post(office.account("1"))
    assert len(office.tick()) == 1, "the token lacks the scope: that keeps nothing back"
    assert any("webhook:manage" in line for line in office.last.lines)
    assert office.incidents() == set()
    scopes = [*SCOPES, "webhook:manage"]
    office.sandbox.seed({"airtable": {"tokens": [{"token": TOKEN, "scopes": scopes}]}})
    with office.ledger.begin() as connection:
        connection.execute(sa.update(airtable_webhooks).values(next_ms=0))
    office.tick()
    assert "Airtable tells changes from now on: a webhook was made" in office.last.lines
    before = office.sandbox.requests()
    office.tick()
    assert [row for row in office.sandbox.requests() if "webhook" in row["route"]] == [
        row for row in before if "webhook" in row["route"]
    ]
