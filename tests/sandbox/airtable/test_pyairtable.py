"""A third-party client, pyairtable, works against the stand-in as it does against Airtable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from pyairtable import Api, Base, Table
from pyairtable.formulas import AND, EQ, Field, match
from requests.adapters import HTTPAdapter

from sandbox.running import RunningSandbox

from .conftest import BASE, TOKEN


class ContentHost(HTTPAdapter):
    """Leads https://content.airtable.com, whose name pyairtable holds fixed, to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._netloc = urlsplit(url).netloc

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        assert request.url is not None
        request.url = urlunsplit(urlsplit(request.url)._replace(netloc=self._netloc))
        return super().send(request, *args, **kwargs)


@pytest.fixture
def api(seeded: RunningSandbox) -> Iterator[Api]:
    api = Api(TOKEN, endpoint_url=f"{seeded.url}/airtable", timeout=(5, 10), retry_strategy=None)
    api.session.mount("http://content.airtable.com", ContentHost(seeded.url))
    yield api
    api.session.close()


@pytest.fixture
def base(api: Api) -> Base:
    return api.base(BASE)


@pytest.fixture
def posts(base: Base) -> Table:
    return base.table("Posts")


def test_batch_create_splits_into_tens_and_all_reads_every_page(posts: Table) -> None:
    created = posts.batch_create([{"Title": f"post {i}", "Count": i} for i in range(250)])
    assert len({record["id"] for record in created}) == 250
    assert len(posts.all()) == 250


def test_all_takes_formula_sort_fields_and_max_records(posts: Table) -> None:
    posts.batch_create([{"Title": f"p{i}", "Count": i, "Status": "Ready"} for i in range(6)])
    posts.create({"Title": "other", "Count": 9, "Status": "Draft"})
    found = posts.all(
        formula=AND(EQ(Field("Status"), "Ready"), Field("Count").gt(1)),
        sort=["-Count"],
        fields=["Title"],
        max_records=3,
    )
    assert [record["fields"] for record in found] == [{"Title": "p5"}, {"Title": "p4"}, {"Title": "p3"}]


def test_match_escapes_quotes_that_the_stand_in_understands(posts: Table) -> None:
    posts.create({"Title": 'Jane\'s "best" \\ day'})
    assert posts.first(formula=match({"Title": 'Jane\'s "best" \\ day'})) is not None


def test_a_formula_over_16000_characters_goes_through_list_records(
    posts: Table, seeded: RunningSandbox
) -> None:
    record = posts.create({"Title": "needle"})
    many = (
        "OR(" + ",".join(f"RECORD_ID()='rec{i:014d}'" for i in range(700)) + f",RECORD_ID()='{record['id']}')"
    )
    assert [r["id"] for r in posts.all(formula=many)] == [record["id"]]
    counted = {(r["method"], r["route"]) for r in seeded.requests()}
    assert ("POST", "list_records") in counted


def test_batch_update_changes_only_what_is_named(posts: Table) -> None:
    record = posts.create({"Title": "one", "Text": "kept"})
    [changed] = posts.batch_update([{"id": record["id"], "fields": {"Title": "two"}}])
    assert changed["fields"]["Title"] == "two"
    assert changed["fields"]["Text"] == "kept"


def test_batch_upsert_creates_once_and_updates_afterwards(posts: Table) -> None:
    row = {"fields": {"Title": "key", "Text": "first"}}
    first = posts.batch_upsert([row], key_fields=["Title"])
    again = posts.batch_upsert([{"fields": {"Title": "key", "Text": "second"}}], key_fields=["Title"])
    assert first["createdRecords"] == again["updatedRecords"] == [posts.all()[0]["id"]]
    assert posts.all()[0]["fields"]["Text"] == "second"


def test_batch_delete_removes_the_records(posts: Table) -> None:
    created = posts.batch_create([{"Title": str(i)} for i in range(12)])
    assert all(gone["deleted"] for gone in posts.batch_delete([r["id"] for r in created]))
    assert posts.all() == []


def test_create_table_create_field_and_schema_agree(base: Base) -> None:
    fields = [
        {"name": "Key", "type": "singleLineText"},
        {"name": "N", "type": "number", "options": {"precision": 2}},
    ]
    table = base.create_table("Deliveries", fields, description="What became of each post")
    posts_id = base.schema().table("Posts").id
    link = table.create_field("Post", "multipleRecordLinks", options={"linkedTableId": posts_id})
    schema = base.schema(force=True)
    assert [f.name for f in schema.table("Deliveries").fields] == ["Key", "N", "Post"]
    assert schema.table("Posts").field(link.options.inverse_link_field_id).name == "Deliveries"


def test_create_base_is_listed_and_usable(api: Api) -> None:
    tables = [{"name": "T", "fields": [{"name": "Name", "type": "singleLineText"}]}]
    made = api.create_base("wspTest0000000001", "New base", tables)
    assert made.id in [base.id for base in api.bases(force=True)]
    assert made.table("T").create({"Name": "x"})["fields"] == {"Name": "x"}


def test_whoami_names_the_user(api: Api) -> None:
    assert api.whoami()["id"].startswith("usr")


def test_upload_attachment_can_be_downloaded_again(posts: Table) -> None:
    record = posts.create({"Title": "with media"})
    posts.upload_attachment(record["id"], "Media", "note.txt", b"hello", "text/plain")
    [attachment] = posts.get(record["id"])["fields"]["Media"]
    assert attachment["size"] == 5
    assert requests.get(attachment["url"], timeout=5).content == b"hello"


def test_use_field_ids_reads_and_writes_by_id(posts: Table) -> None:
    title = posts.schema().field("Title").id
    record = posts.create({title: "by id"}, use_field_ids=True)
    assert record["fields"][title] == "by id"
    assert posts.all(use_field_ids=True)[0]["fields"][title] == "by id"


def test_cell_format_string_needs_and_uses_a_time_zone(posts: Table) -> None:
    posts.create({"Title": "t", "Due": datetime(2026, 7, 1, 12, tzinfo=UTC).isoformat(), "Count": 3})
    [record] = posts.all(cell_format="string", time_zone="Europe/Berlin", user_locale="en")
    assert record["fields"]["Due"] == "2026-07-01 14:00"
    assert record["fields"]["Count"] == "3"


def test_a_rate_limit_reaches_the_caller_as_429(posts: Table, seeded: RunningSandbox) -> None:
    seeded.switch(airtable_requests_per_s="1")
    posts.first()
    with pytest.raises(requests.HTTPError) as caught:
        posts.first()
    assert caught.value.response.status_code == 429
