from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.running import RunningSandbox
from schedulo.airtable.base import check_base, create_base
from schedulo.airtable.calls import Calls
from schedulo.airtable.mapping import Mapping
from schedulo.airtable.schema import TABLES
from schedulo.errors.airtable import AirtableRefused


def patch_meta(base: Any, table: str, field: str | None, **change: Any) -> None:
    api = base.api()
    schema = api.get(api.base(base.base_id).urls.tables)
    found = next(item for item in schema["tables"] if item["name"] == table)
    url = f"{api.base(base.base_id).urls.tables}/{found['id']}"
    if field is not None:
        url += f"/fields/{next(item['id'] for item in found['fields'] if item['name'] == field)}"
    api.patch(url, json=change)


def check(base: Any) -> list[str]:
    return check_base(base.api(), base.base_id, mapping=base.mapping)


def test_a_new_base_has_every_table_and_field_and_fits(base: Any) -> None:
    tables = base.api().get(base.api().base(base.base_id).urls.tables)["tables"]
    assert [table["name"] for table in tables] == [table.name for table in TABLES]
    for ours, theirs in zip(TABLES, tables, strict=True):
        names = {field["name"] for field in theirs["fields"]}
        assert {field.name for field in ours.fields if field.required} <= names
    assert check(base) == []


def test_creating_again_changes_nothing(base: Any) -> None:
    again = create_base(base.api(), base.base_id)
    assert (again.tables, again.fields, again.problems) == ((), (), ())


def test_creating_adds_what_a_half_made_base_lacks(
    sandbox: RunningSandbox, make_base: Callable[..., Any]
) -> None:
    sandbox.seed(
        {
            "airtable": {
                "tokens": [{"token": "patTEST.secret"}],
                "bases": [
                    {
                        "id": "appHALF0000000000",
                        "name": "Half",
                        "tables": [
                            {"name": "Posts", "fields": [{"name": "Title", "type": "singleLineText"}]}
                        ],
                    }
                ],
            }
        }
    )
    base = make_base()
    base.base_id = "appHALF0000000000"
    calls = Calls(base.api(), clock=base.clock, sleep=base.clock.sleep)
    made = create_base(calls.api, base.base_id, calls=calls)
    assert made.tables == ("Accounts", "Mentions", "Deliveries", "Maintenance")
    assert "Posts.Text" in made.fields
    assert "Posts.Title" not in made.fields
    assert made.problems == ()


def test_a_renamed_field_is_named_with_its_likely_new_name(base: Any) -> None:
    patch_meta(base, "Posts", "Publish at (local)", name="Publish at (Berlin)")
    assert check(base) == [
        "Table 'Posts': field 'Publish at (local)' is missing; was it renamed to 'Publish at (Berlin)'? "
        "Then rename it back, or name it in the mapping file."
    ]


def test_a_renamed_table_is_named(base: Any) -> None:
    patch_meta(base, "Deliveries", None, name="Results")
    assert check(base) == ["Table 'Deliveries' is missing."]


def test_a_mistyped_field_is_named_with_both_types(
    sandbox: RunningSandbox, make_base: Callable[..., Any]
) -> None:
    base = make_base()
    patch_meta(base, "Posts", "Not after", name="Old")
    url = base.api().table(base.base_id, "Posts").urls.fields
    base.api().post(url, json={"name": "Not after", "type": "singleLineText"})
    assert check(base) == [
        "Table 'Posts': field 'Not after' has the type singleLineText and must have dateTime."
    ]


def test_a_missing_option_of_a_field_that_we_write_is_named(base: Any) -> None:
    patch_meta(base, "Deliveries", "State", name="Old")
    url = base.api().table(base.base_id, "Deliveries").urls.fields
    base.api().post(
        url, json={"name": "State", "type": "singleSelect", "options": {"choices": [{"name": "Published"}]}}
    )
    sentences = check(base)
    assert "Table 'Deliveries': field 'State' lacks the option 'Failed'." in sentences
    assert not any("'Published'" in sentence for sentence in sentences)


def test_a_link_to_the_wrong_table_is_named(base: Any) -> None:
    patch_meta(base, "Deliveries", "Post", name="Old")
    api = base.api()
    tables = api.get(api.base(base.base_id).urls.tables)["tables"]
    accounts = next(table["id"] for table in tables if table["name"] == "Accounts")
    api.post(
        api.table(base.base_id, "Deliveries").urls.fields,
        json={"name": "Post", "type": "multipleRecordLinks", "options": {"linkedTableId": accounts}},
    )
    assert check(base) == ["Table 'Deliveries': field 'Post' must link to the table of Posts."]


def test_a_base_with_other_names_is_made_and_checked_by_the_mapping(make_base: Callable[..., Any]) -> None:
    mapping = Mapping(
        {"Posts": "Calendar"}, {"Posts": {"Text": "Copy"}, "Deliveries": {"Key": "Schedulo key"}}
    )
    base = make_base(mapping)
    tables = base.api().get(base.api().base(base.base_id).urls.tables)["tables"]
    calendar = next(table for table in tables if table["name"] == "Calendar")
    assert "Copy" in {field["name"] for field in calendar["fields"]}
    assert check(base) == []


def test_a_token_without_the_right_to_make_tables_is_told_what_it_needs(
    sandbox: RunningSandbox, base: Any
) -> None:
    sandbox.seed({"airtable": {"tokens": [{"token": "patREAD.x", "scopes": ["schema.bases:read"]}]}})
    patch_meta(base, "Posts", "Not after", name="Old")
    with pytest.raises(AirtableRefused, match="may not do this") as caught:
        create_base(base.api("patREAD.x"), base.base_id)
    assert "patREAD.x" not in str(caught.value)
