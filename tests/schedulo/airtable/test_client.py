from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import Report
from schedulo.errors.airtable import AirtableRefused
from schedulo.model import Platform

AHEAD_S = -300
"""An overlap for tests: they move the sandbox's clock ahead of the real one, which its `Date` shows."""
NEVER_MS = 4_000_000_000_000
"""No row of Deliveries was written after this."""


def post(number: int = 1, **cells: Any) -> dict[str, Any]:
    return {
        "Title": f"Post {number}",
        "Text": "Hello",
        "Publish at": "2026-12-24T17:00:00.000Z",
        "Status": "Ready",
        **cells,
    }


def report(key: str = "d1", **values: Any) -> Report:
    fixed = {
        "record_id": None,
        "title": "Post 1 -> @acme",
        "post_record_id": None,
        "account_record_id": None,
        "platform": Platform.X,
        "state": "Published",
    }
    return Report(key=key, **{**fixed, **values})


# ------------------------------------------------------------------------ reading


def test_a_thousand_posts_are_read_in_ten_calls(base: Any) -> None:
    base.add("Posts", *(post(number) for number in range(1000)))
    client = base.client()
    rows, _ = client.posts_changed_since(None)
    assert len({row.record_id for row in rows}) == 1000
    assert client.calls.count == 10


def test_accounts_come_as_the_engine_knows_them(base: Any) -> None:
    base.add(
        "Accounts",
        {
            "Name": "Acme",
            "Platform": "Instagram",
            "Account ID": "178414",
            "Login": "Facebook Login",
            "Active": True,
        },
        {"Name": "Acme on X", "Platform": "X", "Account ID": "99", "Username": "@acme", "Premium": True},
    )
    first, second = base.client().accounts()
    account = first.account("Europe/Berlin")
    assert account is not None
    assert (account.key, account.timezone, account.options) == (
        "instagram:178414",
        "Europe/Berlin",
        {"login": "facebook_login"},
    )
    assert first.active
    assert not second.active
    assert (second.username, second.options) == ("acme", {"premium": True})


def test_only_what_people_changed_since_the_cursor_is_read_again(base: Any) -> None:
    old, edited = base.add("Posts", post(1), post(2))
    client = base.client(overlap_s=AHEAD_S)
    _, cursor = client.posts_changed_since(None)
    base.sandbox.advance(600)
    base.change("Posts", edited, {"Text": "Hello again"})
    (created,) = base.add("Posts", post(3))
    rows, _ = client.posts_changed_since(cursor)
    assert {row.record_id for row in rows} == {edited, created}
    assert old not in {row.record_id for row in rows}


def test_our_own_reports_do_not_make_a_post_look_changed(base: Any) -> None:
    (record_id,) = base.add("Posts", post())
    client = base.client(overlap_s=AHEAD_S)
    _, cursor = client.posts_changed_since(None)
    base.sandbox.advance(600)
    client.write_reports([report(post_record_id=record_id)])
    assert client.posts_changed_since(cursor).rows == []


def test_the_cursor_stays_behind_airtables_clock_by_the_overlap(base: Any) -> None:
    client = base.client(overlap_s=90)
    _, cursor = client.posts_changed_since(None)
    assert client.calls.server_ms is not None
    assert json.loads(cursor)["since_ms"] == client.calls.server_ms - 90_000


def test_a_last_modified_field_of_the_base_gives_the_cursor_where_the_mapping_names_it(
    sandbox: Any, make_base: Callable[..., Any]
) -> None:
    base = make_base()
    schema = base.api().get(base.api().base(base.base_id).urls.tables)["tables"]
    posts = next(table for table in schema if table["name"] == "Posts")
    plain = [
        {"name": field["name"], "type": field["type"]}
        for field in posts["fields"]
        if field["type"] in ("singleLineText", "multilineText")
    ]
    seen = {"name": "Touched", "type": "lastModifiedTime", "options": {}}
    sandbox.seed(
        {
            "airtable": {
                "bases": [
                    {
                        "id": "appTOUCHED0000000",
                        "name": "T",
                        "tables": [
                            {"name": name, "fields": [*plain, *([seen] if name == "Posts" else [])]}
                            for name in ("Accounts", "Posts", "Deliveries")
                        ],
                    }
                ]
            }
        }
    )
    base.base_id = "appTOUCHED0000000"
    base.mapping = Mapping(fields={"Posts": {"Last modified": "Touched"}})
    (first,) = base.add("Posts", {"Title": "one"})
    client = base.client(overlap_s=0)
    rows, cursor = client.posts_changed_since(None)
    assert json.loads(cursor)["since_ms"] == rows[0].modified_ms
    base.sandbox.advance(60)
    (second,) = base.add("Posts", {"Title": "two"})
    later, _ = client.posts_changed_since(cursor)
    assert [row.record_id for row in later] == [second]
    assert first != second


def test_a_read_that_runs_out_of_time_goes_on_where_it_stopped(base: Any) -> None:
    base.add("Posts", *(post(number) for number in range(450)))
    client = base.client()
    base.sandbox.fault(service="airtable", mode="rate_limit", route="list_records", after=2)
    with client.within(10):
        first, cursor = client.posts_changed_since(None)
    assert len(first) == 200
    base.clock.sleep(31)
    client.calls.count = 0
    rest, cursor = client.posts_changed_since(cursor)
    assert client.calls.count == 3
    assert len({row.record_id for row in (*first, *rest)}) == 450
    assert json.loads(cursor)["offset"] is None


def test_a_long_read_leaves_half_of_the_time_to_what_comes_after(base: Any) -> None:
    base.add("Posts", *(post(number) for number in range(1000)))
    client, found, cursor = base.client(), set(), None
    for _ in range(4):
        with client.within(2):
            rows, cursor = client.posts_changed_since(cursor)
            assert client.calls.left_s() > 0
        assert len(rows) < 1000
        found |= {row.record_id for row in rows}
        base.clock.sleep(60)
    assert len(found) == 1000


def test_a_list_whose_offset_died_is_read_again_from_its_beginning(base: Any) -> None:
    base.add("Posts", *(post(number) for number in range(150)))
    client = base.client()
    base.sandbox.fault(service="airtable", mode="rate_limit", route="list_records", after=1)
    with client.within(10):
        _, cursor = client.posts_changed_since(None)
    base.clock.sleep(3600)
    client.calls.count = 0
    rows, cursor = client.posts_changed_since(cursor)
    assert client.calls.count == 3
    assert len(rows) == 150
    assert json.loads(cursor)["offset"] is None


@pytest.mark.parametrize("read", ["posts_changed_since", "accounts"])
def test_a_list_whose_offsets_always_die_is_given_up_after_three_restarts(base: Any, read: str) -> None:
    base.add("Posts", *(post(number) for number in range(101)))
    base.add("Accounts", *({"Name": f"Account {number}"} for number in range(101)))
    client = base.client()
    client.calls.api.session.hooks["response"].append(lambda *_, **__: base.sandbox.advance(3600))
    with pytest.raises(AirtableRefused, match="LIST_RECORDS_ITERATOR_NOT_AVAILABLE"):
        client.accounts() if read == "accounts" else client.posts_changed_since(None)
    assert client.calls.count == 8


def test_posts_are_read_by_id_a_hundred_in_one_call(base: Any) -> None:
    ids = base.add("Posts", *(post(number) for number in range(230)))
    base.delete("Posts", ids[7])
    client = base.client()
    rows = client.posts_by_id([*ids, "not an id'", "recNOSUCHRECORD00"])
    assert {row.record_id for row in rows} == set(ids) - {ids[7]}
    assert client.calls.count == 3


@pytest.mark.parametrize("shape", ["string", "object"])
def test_only_not_found_means_that_a_row_is_gone(base: Any, shape: str) -> None:
    base.sandbox.switch(airtable_404_shape=shape)
    there, gone = base.add("Posts", post(1), post(2))
    base.delete("Posts", gone)
    client = base.client()
    assert client.exists(there)
    assert not client.exists(gone)
    base.sandbox.fault(service="airtable", mode="status:403", route="get_record")
    with pytest.raises(AirtableRefused):
        client.exists(there)


def test_commands_are_what_people_asked_since_the_cursor(base: Any) -> None:
    client = base.client(overlap_s=AHEAD_S)
    client.write_reports([report("d1"), report("d2")])
    rows = {row["fields"]["Key"]: row["id"] for row in base.rows("Deliveries")}
    base.change("Deliveries", rows["d1"], {"Retry requested at": "2026-11-22T10:00:00.000Z"})
    found, _, cursor = client.deliveries_since(None, NEVER_MS)
    assert [(item.key, item.verb) for item in found] == [("d1", "retry")]
    base.sandbox.advance(600)
    client.write_reports([report("d1", record_id=rows["d1"], state="Trying again")])
    base.change("Deliveries", rows["d2"], {"Cancel requested at": "2026-11-22T11:00:00.000Z"})
    later, _, _ = client.deliveries_since(cursor, NEVER_MS)
    assert [(item.key, item.verb) for item in later] == [("d2", "cancel")]


def test_a_base_with_other_names_reads_and_writes_the_same(make_base: Callable[..., Any]) -> None:
    base = make_base(
        Mapping(
            {"Posts": "Kalender {2026}", "Deliveries": "Ergebnisse"},
            {"Posts": {"Text": "Text's copy"}, "Deliveries": {"Key": "Schlüssel", "State": "Stand"}},
        )
    )
    (record_id,) = base.add("Posts", {"Title": "x", "Text's copy": "Guten Tag"})
    client = base.client(overlap_s=AHEAD_S)
    rows, cursor = client.posts_changed_since(None)
    assert rows[0].text == "Guten Tag"
    base.sandbox.advance(600)
    base.change("Posts", record_id, {"Text's copy": "Servus"})
    assert [row.text for row in client.posts_changed_since(cursor).rows] == ["Servus"]
    client.write_reports([report()])
    client.write_reports([report(state="Failed")])
    (row,) = base.rows("Deliveries")
    assert (row["fields"]["Schlüssel"], row["fields"]["Stand"]) == ("d1", "Failed")


# ------------------------------------------------------------------------ writing


def test_a_report_fills_its_row_and_links_it(base: Any) -> None:
    (post_id,) = base.add("Posts", post())
    (account_id,) = base.add("Accounts", {"Name": "Acme", "Platform": "X", "Account ID": "99"})
    (written,) = base.client().write_reports(
        [
            report(
                post_record_id=post_id,
                account_record_id=account_id,
                due_ms=1_798_131_600_000,
                accepted_ms=1_798_131_600_250,
                lateness_ms=250,
                post_id="17",
                permalink="https://x.com/acme/status/17",
                attempts=1,
            )
        ]
    )
    (row,) = base.rows("Deliveries")
    assert written.record_id == row["id"]
    cells = {name: value for name, value in row["fields"].items() if name != "Updated at"}
    assert cells == {
        "Delivery": "Post 1 -> @acme",
        "Key": "d1",
        "Post": [post_id],
        "Account": [account_id],
        "Platform": "X",
        "State": "Published",
        "Due at": "2026-12-24T17:00:00.000Z",
        "Accepted at": "2026-12-24T17:00:00.250Z",
        "Lateness (s)": 0.25,
        "Post ID": "17",
        "Permalink": "https://x.com/acme/status/17",
        "Attempts": 1,
    }


def test_twenty_five_reports_are_three_calls(base: Any) -> None:
    client = base.client()
    written = client.write_reports([report(f"d{number}") for number in range(25)])
    assert client.calls.count == 3
    assert len({item.record_id for item in written}) == 25


def test_a_known_row_is_changed_by_its_id_and_its_old_cells_are_emptied(base: Any) -> None:
    client = base.client()
    (first,) = client.write_reports([report(message="wait", post_id="17")])
    (second,) = client.write_reports([report(record_id=first.record_id, state="Failed")])
    (row,) = base.rows("Deliveries")
    assert second.record_id == first.record_id == row["id"]
    assert row["fields"]["State"] == "Failed"
    assert "Message" not in row["fields"]
    assert "Post ID" not in row["fields"]


def test_a_report_whose_answer_was_lost_does_not_make_a_second_row(base: Any) -> None:
    base.sandbox.fault(service="airtable", mode="drop_after", route="update_records")
    client = base.client()
    (written,) = client.write_reports([report()])
    (row,) = base.rows("Deliveries")
    assert written.record_id == row["id"]
    assert client.calls.count == 2


def test_one_doubled_row_does_not_hold_up_the_other_nine(base: Any) -> None:
    client = base.client()
    client.write_reports([report("d4")])
    base.sandbox.advance(60)
    base.add("Deliveries", {"Key": "d4", "Delivery": "a copy that somebody made"})
    oldest = min(base.rows("Deliveries"), key=lambda row: row["createdTime"])["id"]
    written = client.write_reports([report(f"d{number}", state="Failed") for number in range(10)])
    assert [item.error for item in written] == [""] * 10
    by_key = {item.key: item.record_id for item in written}
    assert by_key["d4"] == oldest
    rows = {row["id"]: row["fields"] for row in base.rows("Deliveries")}
    assert len(rows) == 11
    assert all(rows[record_id]["State"] == "Failed" for record_id in by_key.values())


def test_a_deleted_row_is_written_anew_and_its_neighbours_are_not_held_up(base: Any) -> None:
    client = base.client()
    first = client.write_reports([report("d1"), report("d2")])
    base.delete("Deliveries", first[0].record_id)
    again = [report(item.key, record_id=item.record_id, state="Failed") for item in first]
    gone, kept = client.write_reports(again)
    assert gone.rewritten
    assert gone.record_id not in (None, first[0].record_id)
    assert (kept.record_id, kept.rewritten) == (first[1].record_id, False)
    assert {row["fields"]["State"] for row in base.rows("Deliveries")} == {"Failed"}


def test_a_row_deleted_twice_stays_gone(base: Any) -> None:
    client = base.client()
    (first,) = client.write_reports([report()])
    base.delete("Deliveries", first.record_id)
    (left,) = client.write_reports([report(record_id=first.record_id, rewrite=False)])
    assert left.record_id is None
    assert "deleted again" in left.error
    assert base.rows("Deliveries") == []


def test_a_report_about_a_post_that_was_deleted_is_written_without_the_link(base: Any) -> None:
    (post_id,) = base.add("Posts", post())
    base.delete("Posts", post_id)
    (written,) = base.client().write_reports([report(post_record_id=post_id, state="Cancelled")])
    (row,) = base.rows("Deliveries")
    assert written.record_id == row["id"]
    assert "Post" not in row["fields"]


def test_a_row_that_airtable_refuses_for_itself_is_reported_and_the_rest_is_written(base: Any) -> None:
    good, bad, fine = base.client().write_reports(
        [report("d1"), report("d2", permalink="x" * 100_001), report("d3")]
    )
    assert (good.error, fine.error) == ("", "")
    assert "INVALID_VALUE_FOR_COLUMN" in bad.error
    assert {row["fields"]["Key"] for row in base.rows("Deliveries")} == {"d1", "d3"}


def test_a_base_that_lacks_a_field_is_told_at_once_and_not_row_by_row(base: Any) -> None:
    base.mapping = Mapping(fields={"Deliveries": {"Message": "No such field"}})
    client = base.client()
    with pytest.raises(AirtableRefused, match="No such field"):
        client.write_reports([report(f"d{number}") for number in range(10)])
    assert client.calls.count == 1


def test_what_was_written_before_the_time_ran_out_is_told(base: Any) -> None:
    base.sandbox.fault(service="airtable", mode="rate_limit", route="update_records", after=1)
    client = base.client()
    with client.within(10):
        written = client.write_reports([report(f"d{number}") for number in range(20)])
    assert [item.key for item in written] == [f"d{number}" for number in range(10)]
