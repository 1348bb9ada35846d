"""The meta API and the seed: making bases, tables and fields, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.airtable.schema import NOT_CREATABLE

from .conftest import BASE, TOKEN, Client, kind

TEXT = {"name": "Name", "type": "singleLineText"}


def tables(client: Client) -> dict[str, Any]:
    status, data = client.call("GET", f"meta/bases/{BASE}/tables")
    assert status == 200
    return {table["name"]: table for table in data["tables"]}


def fields(client: Client, table: str) -> dict[str, Any]:
    return {field["name"]: field for field in tables(client)[table]["fields"]}


def new_field(client: Client, field: dict[str, Any], table: str = "Posts") -> tuple[int, Any]:
    return client.call("POST", f"meta/bases/{BASE}/tables/{tables(client)[table]['id']}/fields", json=field)


def test_a_table_shows_its_fields_options_and_views(client: Client) -> None:
    posts = tables(client)["Posts"]
    assert posts["primaryFieldId"] == posts["fields"][0]["id"]
    assert posts["views"][0]["type"] == "grid"
    status = fields(client, "Posts")["Status"]
    assert [choice["name"] for choice in status["options"]["choices"]] == ["Ready", "Draft"]
    assert all(choice["id"].startswith("sel") for choice in status["options"]["choices"])


def test_a_link_field_gets_its_twin_in_the_other_table(client: Client) -> None:
    link, twin = fields(client, "Posts")["Accounts"], fields(client, "Accounts")["Posts"]
    assert link["options"]["inverseLinkFieldId"] == twin["id"]
    assert twin["options"]["inverseLinkFieldId"] == link["id"]
    assert twin["options"]["linkedTableId"] == tables(client)["Posts"]["id"]


def test_a_second_link_to_the_same_table_gets_a_twin_with_a_free_name(client: Client) -> None:
    linked = tables(client)["Accounts"]["id"]
    assert new_field(client, {"name": "Backup", "type": "multipleRecordLinks",
                              "options": {"linkedTableId": linked}})[0] == 200  # fmt: skip
    assert "Posts 2" in fields(client, "Accounts")


def test_a_link_inside_one_table_has_no_twin(client: Client) -> None:
    before = set(fields(client, "Posts"))
    itself = tables(client)["Posts"]["id"]
    field = {"name": "Parent", "type": "multipleRecordLinks", "options": {"linkedTableId": itself}}
    assert "inverseLinkFieldId" not in new_field(client, field)[1]["options"]
    assert set(fields(client, "Posts")) == before | {"Parent"}


@pytest.mark.parametrize("type_", NOT_CREATABLE)
def test_a_computed_field_cannot_be_created(client: Client, type_: str) -> None:
    refused = kind(new_field(client, {"name": "X", "type": type_}))
    assert refused == (422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE")


@pytest.mark.parametrize(
    ("type_", "options"),
    [("number", {}), ("number", {"precision": 9}), ("checkbox", {}), ("singleSelect", {}),
     ("singleSelect", {"choices": [{"name": "a"}, {"name": "a"}]}), ("date", {}),
     ("date", {"dateFormat": {"name": "iso", "format": "D/M/YYYY"}}),
     ("dateTime", {"dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}, "timeZone": "Mars/One"}),
     ("multipleRecordLinks", {"linkedTableId": "tbl00000000000000"}), ("singleLineText", {"precision": 1}),
     ("multipleRecordLinks", {})],
)  # fmt: skip
def test_options_that_do_not_fit_the_type_are_refused(client: Client, type_: str, options: Any) -> None:
    field = {"name": "X", "type": type_, "options": options}
    assert kind(new_field(client, field)) == (422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE")
    assert "X" not in fields(client, "Posts")


@pytest.mark.parametrize("name", ["Title", "title", "", None])
def test_a_field_needs_a_name_of_its_own(client: Client, name: Any) -> None:
    assert new_field(client, TEXT | {"name": name})[0] == 422


def test_a_table_is_made_whole_or_not_at_all(client: Client) -> None:
    linked = tables(client)["Posts"]["id"]
    link = {"name": "Post", "type": "multipleRecordLinks", "options": {"linkedTableId": linked}}
    body = {"name": "Half", "fields": [TEXT, link, {"name": "Sum", "type": "formula"}]}
    assert client.call("POST", f"meta/bases/{BASE}/tables", json=body)[0] == 422
    assert set(tables(client)) == {"Posts", "Accounts"}
    assert "Half" not in fields(client, "Posts")


@pytest.mark.parametrize(
    ("body", "error"),
    [({"name": "posts", "fields": [TEXT]}, "DUPLICATE_TABLE_NAME"),
     ({"name": "New", "fields": []}, "INVALID_REQUEST_UNKNOWN"),
     ({"name": "New", "fields": [TEXT | {"type": "multipleAttachments"}]}, "INVALID_PRIMARY_FIELD_TYPE")],
)  # fmt: skip
def test_a_table_needs_a_free_name_and_a_primary_field(
    client: Client, body: dict[str, Any], error: str
) -> None:
    assert kind(client.call("POST", f"meta/bases/{BASE}/tables", json=body)) == (422, error)


def test_a_renamed_field_keeps_its_id_and_its_cells(client: Client) -> None:
    record = client.create({"Title": "t"})[1]["id"]
    posts = tables(client)["Posts"]
    path = f"meta/bases/{BASE}/tables/{posts['id']}/fields/{posts['primaryFieldId']}"
    assert client.call("PATCH", path, json={"name": "Headline"})[1]["id"] == posts["primaryFieldId"]
    assert client.get(record)["Headline"] == "t"
    assert kind(client.create({"Title": "x"})) == (422, "UNKNOWN_FIELD_NAME")


def test_a_renamed_table_answers_to_its_new_name_and_its_id(client: Client) -> None:
    table_id = tables(client)["Posts"]["id"]
    assert client.call("PATCH", f"meta/bases/{BASE}/tables/{table_id}", json={"name": "Plan"})[0] == 200
    assert client.list("Plan")[0] == client.list(table_id)[0] == 200
    assert client.list("Posts")[0] == 403


def test_a_new_base_belongs_to_the_token_that_made_it(client: Client) -> None:
    tokens = [{"token": "patOwn", "bases": []}, {"token": "patOther", "bases": []}]
    client.sandbox.seed({"airtable": {"tokens": tokens}})
    client.token = "patOwn"
    body = {"name": "B", "workspaceId": "wsp1", "tables": [{"name": "T", "fields": [TEXT]}]}
    base = client.call("POST", "meta/bases", json=body)[1]["id"]
    assert [b["id"] for b in client.call("GET", "meta/bases")[1]["bases"]] == [base]
    client.token = "patOther"
    assert client.call("GET", "meta/bases")[1]["bases"] == []


def test_seeded_records_may_link_forwards_and_keep_their_ids_and_times(client: Client) -> None:
    link = {"name": "Of", "type": "multipleRecordLinks", "options": {"linkedTableId": "B"}}
    a = {"fields": {"Name": "a", "Of": ["recB0000000000001"]}, "createdTime": "2020-01-01T00:00:00.000Z"}
    b = {"id": "recB0000000000001", "fields": {"Name": "b"}}
    seeded = [{"name": "A", "fields": [TEXT, link], "records": [a]}]
    seeded += [{"name": "B", "fields": [TEXT], "records": [b]}]
    base = {"id": "appSeed0000000001", "name": "S", "tables": seeded}
    client.sandbox.seed({"airtable": {"tokens": [{"token": TOKEN}], "bases": [base]}})
    [record] = client.call("GET", "appSeed0000000001/A")[1]["records"]
    assert record["createdTime"] == "2020-01-01T00:00:00.000Z"
    back = client.call("GET", "appSeed0000000001/B/recB0000000000001")[1]
    assert back["fields"]["A"] == [record["id"]]


def test_a_seed_with_a_wrong_cell_is_refused_with_the_reason(client: Client) -> None:
    base = {"name": "S", "tables": [{"name": "A", "fields": [TEXT], "records": [{"fields": {"Nam": 1}}]}]}
    with pytest.raises(ValueError, match="UNKNOWN_FIELD_NAME"):
        client.sandbox.seed({"airtable": {"bases": [base]}})
