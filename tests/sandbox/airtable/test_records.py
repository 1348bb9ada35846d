"""Writing records: what is refused, what is stored, what both sides of a link say, when a change counts."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import BASE, Client, kind


def account(client: Client, name: str) -> str:
    return client.create({"Name": name}, "Accounts")[1]["id"]


@pytest.mark.parametrize(
    ("field", "written", "read"),
    [
        ("Text", "two\nlines", "two\nlines"),
        ("Count", 7, 7),
        ("Count", 0, 0),
        ("Done", True, True),
        ("Status", "Ready", "Ready"),
        ("Tags", ["b", "a"], ["b", "a"]),
        ("Day", "2026-11-22", "2026-11-22"),
        ("Due", "2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00.000Z"),
        ("Due", "2026-11-22T12:00:00", "2026-11-22T12:00:00.000Z"),
        ("Due", "2026-11-22T12:00:00.5Z", "2026-11-22T12:00:00.500Z"),
    ],
)
def test_a_value_reads_as_airtable_stores_it(client: Client, field: str, written: Any, read: Any) -> None:
    status, record = client.create({field: written})
    assert status == 200
    assert record["fields"][field] == read
    assert client.get(record["id"])[field] == read


@pytest.mark.parametrize("empty", [None, "", [], False])
def test_empty_cells_are_left_out(client: Client, empty: Any) -> None:
    field = {"": "Title", "[]": "Tags", "False": "Done"}.get(str(empty), "Count")
    status, record = client.create({field: empty})
    assert status == 200
    assert field not in record["fields"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Title", 5),
        ("Title", "x" * 100_001),
        ("Count", "5"),
        ("Count", True),
        ("Done", "yes"),
        ("Status", ["Ready"]),
        ("Tags", "a"),
        ("Tags", ["a", "a"]),
        ("Day", "22.11.2026"),
        ("Due", "soon"),
        ("Due", 1_700_000_000),
        ("Accounts", "recAccount0000001"),
        ("Media", "http://127.0.0.1/a.png"),
        ("Created", "2026-11-22T12:00:00Z"),
        ("Edited", "2026-11-22T12:00:00Z"),
    ],
)
def test_a_wrong_type_or_a_computed_field_is_refused(client: Client, field: str, value: Any) -> None:
    assert kind(client.create({field: value})) == (422, "INVALID_VALUE_FOR_COLUMN")


def test_an_unknown_field_is_refused_by_name(client: Client) -> None:
    answer = client.create({"Titel": "x"})
    assert kind(answer) == (422, "UNKNOWN_FIELD_NAME")
    assert '"Titel"' in answer[1]["error"]["message"]


@pytest.mark.parametrize(("field", "value"), [("Status", "New"), ("Tags", ["a", "c"])])
def test_an_unknown_option_is_refused_and_typecast_makes_it(client: Client, field: str, value: Any) -> None:
    assert kind(client.create({field: value})) == (422, "INVALID_MULTIPLE_CHOICE_OPTIONS")
    status, record = client.create({field: value}, typecast=True)
    assert status == 200
    assert record["fields"][field] == value
    assert client.create({field: value})[0] == 200


@pytest.mark.parametrize(
    ("field", "text", "read"),
    [("Count", "12.0", 12), ("Done", "true", True), ("Tags", "a, z", ["a", "z"]), ("Title", 5, "5")],
)
def test_typecast_converts_texts(client: Client, field: str, text: Any, read: Any) -> None:
    assert client.create({field: text}, typecast=True)[1]["fields"][field] == read


def test_typecast_links_by_name_and_makes_what_is_missing(client: Client) -> None:
    known = account(client, "known")
    linked = client.create({"Accounts": "known, fresh"}, typecast=True)[1]["fields"]["Accounts"]
    assert linked[0] == known
    assert client.get(linked[1], "Accounts")["Name"] == "fresh"


def test_both_sides_of_a_link_stay_in_step(client: Client) -> None:
    one, other = account(client, "one"), account(client, "other")
    post = client.create({"Title": "p", "Accounts": [one]})[1]["id"]
    assert client.get(one, "Accounts")["Posts"] == [post]
    client.update(post, {"Accounts": [other]})
    assert "Posts" not in client.get(one, "Accounts")
    assert client.get(other, "Accounts")["Posts"] == [post]
    client.update(other, {"Posts": []}, "Accounts")
    assert "Accounts" not in client.get(post)


def test_deleting_a_record_takes_the_links_to_it_away(client: Client) -> None:
    one = account(client, "one")
    post = client.create({"Accounts": [one]})[1]["id"]
    assert client.call("DELETE", f"{BASE}/Accounts/{one}") == (200, {"id": one, "deleted": True})
    assert "Accounts" not in client.get(post)


def test_a_link_must_lead_to_a_record_that_exists(client: Client) -> None:
    assert kind(client.create({"Accounts": ["rec00000000000000"]})) == (422, "ROW_DOES_NOT_EXIST")
    assert kind(client.create({"Accounts": ["somebody"]})) == (422, "INVALID_RECORD_ID")


def test_a_batch_is_all_or_nothing(client: Client) -> None:
    records = [{"fields": {"Title": "good"}}, {"fields": {"Title": "new", "Status": "Nope"}}]
    assert client.call("POST", f"{BASE}/Posts", json={"records": records})[0] == 422
    assert client.list()[1]["records"] == []


def test_typecast_leaves_nothing_behind_when_its_batch_fails(client: Client) -> None:
    records = [{"fields": {"Status": "New", "Accounts": "new"}}, {"fields": {"Nope": 1}}]
    assert client.call("POST", f"{BASE}/Posts", json={"records": records, "typecast": True})[0] == 422
    assert kind(client.create({"Status": "New"})) == (422, "INVALID_MULTIPLE_CHOICE_OPTIONS")
    assert client.list("Accounts")[1]["records"] == []


def test_more_than_ten_records_are_refused(client: Client) -> None:
    records = [{"fields": {}} for _ in range(11)]
    assert kind(client.call("POST", f"{BASE}/Posts", json={"records": records}))[0] == 422


def test_patch_merges_and_put_clears_what_is_not_named(client: Client) -> None:
    record = client.create({"Title": "t", "Text": "x"})[1]["id"]
    assert client.update(record, {"Title": "u"})[1]["fields"]["Text"] == "x"
    status, after = client.call("PUT", f"{BASE}/Posts/{record}", json={"fields": {"Title": "v"}})
    assert status == 200
    assert "Text" not in after["fields"]


def test_a_missing_record_is_404_alone_and_422_in_a_batch(client: Client) -> None:
    gone = "rec00000000000000"
    assert client.update(gone, {}) == (404, {"error": "NOT_FOUND"})
    batch = {"records": [{"id": gone, "fields": {}}]}
    assert kind(client.call("PATCH", f"{BASE}/Posts", json=batch)) == (422, "ROW_DOES_NOT_EXIST")
    assert client.call("DELETE", f"{BASE}/Posts", params={"records[]": gone})[0] == 422


def test_a_404_has_the_shape_that_the_switch_says(client: Client) -> None:
    client.sandbox.switch(airtable_404_shape="object")
    assert kind(client.call("GET", f"{BASE}/Posts/rec00000000000000")) == (404, "NOT_FOUND")


def test_a_body_that_is_not_json_is_400(client: Client) -> None:
    assert kind(client.call("POST", f"{BASE}/Posts", data="{")) == (400, "INVALID_REQUEST_BODY")


def test_a_create_without_fields_is_refused(client: Client) -> None:
    assert client.call("POST", f"{BASE}/Posts", json={"typecast": True})[0] == 422


def test_a_misspelt_key_of_a_write_is_refused(client: Client) -> None:
    assert kind(client.create({}, typeCast=True)) == (422, "INVALID_REQUEST_UNKNOWN")


# ------------------------------------------------------------------ upsert


def upsert(client: Client, *fields: dict[str, Any], on: tuple[str, ...] = ("Title",)) -> tuple[int, Any]:
    body = {"performUpsert": {"fieldsToMergeOn": list(on)}, "records": [{"fields": f} for f in fields]}
    return client.call("PATCH", f"{BASE}/Posts", json=body)


def test_an_upsert_creates_without_a_match_and_updates_with_one(client: Client) -> None:
    old = client.create({"Title": "old"})[1]["id"]
    status, data = upsert(client, {"Title": "old", "Count": 1}, {"Title": "new", "Count": 2})
    assert status == 200
    assert data["updatedRecords"] == [old]
    assert [r["fields"]["Count"] for r in data["records"]] == [1, 2]
    assert data["createdRecords"] == [data["records"][1]["id"]]


def test_an_upsert_with_two_matches_fails_as_a_whole(client: Client) -> None:
    for _ in range(2):
        client.create({"Title": "twin"})
    assert upsert(client, {"Title": "fresh"}, {"Title": "twin"})[0] == 422
    assert len(client.list()[1]["records"]) == 2


def test_an_upsert_may_match_on_several_fields(client: Client) -> None:
    client.create({"Title": "t", "Tags": ["a", "b"]})
    data = upsert(client, {"Title": "t", "Tags": ["b", "a"], "Count": 5}, on=("Title", "Tags"))[1]
    assert len(data["updatedRecords"]) == 1
    data = upsert(client, {"Title": "t", "Tags": ["a"]}, on=("Title", "Tags"))[1]
    assert len(data["createdRecords"]) == 1


def test_an_upsert_by_id_ignores_the_merge_fields(client: Client) -> None:
    record = client.create({"Title": "t"})[1]["id"]
    body = {
        "performUpsert": {"fieldsToMergeOn": ["Title"]},
        "records": [{"id": record, "fields": {"Count": 1}}],
    }
    assert client.call("PATCH", f"{BASE}/Posts", json=body)[1]["updatedRecords"] == [record]


@pytest.mark.parametrize("on", [(), ("Media",), ("Created",), ("Title", "Text", "Count", "Day")])
def test_an_upsert_takes_one_to_three_plain_fields(client: Client, on: tuple[str, ...]) -> None:
    assert upsert(client, {"Title": "t"}, on=on)[0] == 422


def test_an_upsert_without_a_value_to_match_on_is_refused(client: Client) -> None:
    assert upsert(client, {"Count": 1})[0] == 422


# ------------------------------------------------------------------ last modified


def test_last_modified_follows_the_watched_fields_only(client: Client) -> None:
    record = client.create({"Title": "t"})[1]
    client.sandbox.advance(60)
    assert client.update(record["id"], {"Count": 1})[1]["fields"]["Edited"] == record["fields"]["Edited"]
    assert client.update(record["id"], {"Text": "x"})[1]["fields"]["Edited"] > record["fields"]["Edited"]


def test_a_filter_finds_what_changed_since_in_the_named_fields(client: Client) -> None:
    for title in ("a", "b"):
        client.create({"Title": title})
    ids = {r["fields"]["Title"]: r["id"] for r in client.list()[1]["records"]}
    client.sandbox.advance(60)
    since = client.update(ids["a"], {"Text": "new"})[1]["fields"]["Edited"]
    client.update(ids["b"], {"Count": 5})
    assert client.titles(f"NOT(IS_BEFORE(LAST_MODIFIED_TIME({{Title}}, {{Text}}), '{since}'))") == ["a"]
    assert sorted(client.titles(f"NOT(IS_BEFORE(LAST_MODIFIED_TIME(), '{since}'))")) == ["a", "b"]


def test_writing_what_is_there_already_is_no_change(client: Client) -> None:
    record = client.create({"Title": "t"})[1]
    client.sandbox.advance(60)
    assert client.update(record["id"], {"Title": "t"})[1]["fields"]["Edited"] == record["fields"]["Edited"]
