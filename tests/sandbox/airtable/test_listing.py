"""Lists: filters, order, pages, formats."""

from __future__ import annotations

import time
from typing import Any

import pytest

from .conftest import BASE, TOKEN, Client, a_base, kind


def fill(client: Client, count: int) -> None:
    posts = [{"fields": {"Title": f"p{i:04d}", "Count": i}} for i in range(count)]
    client.sandbox.reset()
    client.sandbox.seed({"airtable": {"tokens": [{"token": TOKEN}], "bases": [a_base(posts=posts)]}})
    client.sandbox.switch(airtable_requests_per_s="0")


def test_pages_lead_through_all_records_once(client: Client) -> None:
    fill(client, 230)
    seen: list[str] = []
    params: dict[str, Any] = {}
    while True:
        page = client.list(**params)[1]
        seen += [record["fields"]["Title"] for record in page["records"]]
        if "offset" not in page:
            break
        params = {"offset": page["offset"]}
    assert seen == [f"p{i:04d}" for i in range(230)]


def test_an_offset_dies_after_five_minutes(client: Client) -> None:
    fill(client, 150)
    offset = client.list()[1]["offset"]
    client.sandbox.advance(299)
    assert client.list(offset=offset)[0] == 200
    client.sandbox.advance(301)
    assert kind(client.list(offset=offset)) == (422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE")


@pytest.mark.parametrize("offset", ["nonsense", "itr/rec", "rec00000000000000"])
def test_a_malformed_offset_is_refused(client: Client, offset: str) -> None:
    assert kind(client.list(offset=offset)) == (422, "INVALID_OFFSET_VALUE")


def test_the_same_offset_gives_the_same_page_again(client: Client) -> None:
    fill(client, 250)
    offset = client.list()[1]["offset"]
    assert client.list(offset=offset) == client.list(offset=offset)


def test_max_records_and_page_size_work_together(client: Client) -> None:
    fill(client, 30)
    page = client.list(maxRecords=12, pageSize=10)[1]
    assert len(page["records"]) == 10
    assert len(client.list(offset=page["offset"], pageSize=10)[1]["records"]) == 2


@pytest.mark.parametrize("params", [{"pageSize": 101}, {"pageSize": 0}, {"pageSize": "x"}, {"maxRecords": 0},
                                    {"filterByFormla": "1"}, {"cellFormat": "string"}, {"cellFormat": "xml"},
                                    {"recordMetadata[]": "views"}])  # fmt: skip
def test_a_parameter_out_of_bounds_is_refused(client: Client, params: dict[str, Any]) -> None:
    assert kind(client.list(**params)) == (422, "INVALID_REQUEST_UNKNOWN")


def test_sorting_puts_blanks_first_and_options_in_their_own_order(client: Client) -> None:
    for title, status in (("a", "Draft"), ("b", "Ready"), ("c", None)):
        client.create({"Title": title, "Status": status})
    params = {"sort[0][field]": "Status", "sort[0][direction]": "asc"}
    assert [r["fields"]["Title"] for r in client.list(**params)[1]["records"]] == ["c", "b", "a"]


def test_a_later_sort_rule_breaks_ties_of_an_earlier_one(client: Client) -> None:
    for title, count in (("a", 1), ("b", 2), ("c", 1)):
        client.create({"Title": title, "Count": count})
    params = {"sort[0][field]": "Count", "sort[1][field]": "Title", "sort[1][direction]": "desc"}
    assert [r["fields"]["Title"] for r in client.list(**params)[1]["records"]] == ["c", "a", "b"]


@pytest.mark.parametrize("params", [{"fields[]": "Nope"}, {"sort[0][field]": "Nope"}])
def test_an_unknown_field_in_a_list_is_refused(client: Client, params: dict[str, str]) -> None:
    client.create({"Title": "a"})
    assert kind(client.list(**params)) == (422, "UNKNOWN_FIELD_NAME")


def test_a_view_must_exist(client: Client) -> None:
    assert client.list(view="Grid view")[0] == 200
    assert kind(client.list(view="Kanban")) == (422, "VIEW_NAME_NOT_FOUND")


@pytest.mark.parametrize("formula", ["{Title", "{Nope}='x'", "NOSUCH()"])
def test_a_bad_formula_is_refused(client: Client, formula: str) -> None:
    assert kind(client.list(filterByFormula=formula)) == (422, "INVALID_FILTER_BY_FORMULA")


def test_links_compute_as_the_names_of_their_records(client: Client) -> None:
    one = client.create({"Name": "Anna"}, "Accounts")[1]["id"]
    client.create({"Title": "hers", "Accounts": [one]})
    client.create({"Title": "nobody's"})
    assert client.titles("FIND('Anna', ARRAYJOIN({Accounts}))") == ["hers"]
    assert client.titles("{Accounts}='Anna'") == ["hers"]
    assert client.titles("{Accounts}") == ["hers"]


def test_list_records_by_post_takes_the_same_options(client: Client) -> None:
    fill(client, 5)
    body = {
        "filterByFormula": "{Count}>1",
        "sort": [{"field": "Count", "direction": "desc"}],
        "fields": ["Title"],
    }
    status, data = client.call("POST", f"{BASE}/Posts/listRecords", json=body)
    assert status == 200
    assert [r["fields"] for r in data["records"]] == [
        {"Title": "p0004"},
        {"Title": "p0003"},
        {"Title": "p0002"},
    ]


def test_a_url_over_16000_characters_is_refused(client: Client) -> None:
    assert client.list(filterByFormula="1" + " " * 5000)[0] == 200
    assert kind(client.list(filterByFormula=" " * 16_000))[0] == 414


def test_comment_counts_come_when_asked_for(client: Client) -> None:
    client.create({"Title": "a"})
    assert client.list(**{"recordMetadata[]": "commentCount"})[1]["records"][0]["commentCount"] == 0


def test_five_thousand_rows_are_filtered_in_well_under_a_second(client: Client) -> None:
    fill(client, 5000)
    formula = "AND({Count}>=100, {Count}<200, IS_AFTER(LAST_MODIFIED_TIME({Title},{Text}), '2020-01-01'))"
    began = time.perf_counter()
    assert len(client.titles(formula)) == 100
    assert time.perf_counter() - began < 0.5
