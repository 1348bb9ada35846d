"""Nothing that a client can send makes the stand-in stumble: it takes or refuses it in Airtable's words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import ACCOUNTS, BASE, POSTS, Client

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "url", "filename", "x"]), inner)
    ),
)
cells = st.dictionaries(st.sampled_from([f["name"] for f in POSTS + ACCOUNTS]), values, max_size=3)
records = st.lists(st.fixed_dictionaries({}, optional={"id": values, "fields": cells | values}), max_size=3)
writes = st.fixed_dictionaries(
    {},
    optional={
        "records": records | values,
        "fields": cells | values,
        "typecast": st.booleans() | values,
        "returnFieldsByFieldId": values,
        "performUpsert": values | st.fixed_dictionaries({"fieldsToMergeOn": st.just(["Title"]) | values}),
    },
)
lists = st.dictionaries(
    st.sampled_from(["pageSize", "maxRecords", "offset", "view", "sort", "filterByFormula", "fields",
                     "cellFormat", "timeZone", "userLocale", "recordMetadata"]),
    values | st.sampled_from(["json", "string"]),
)  # fmt: skip
names = st.sampled_from(["name", "type", "options", "description", "fields", "choices", "linkedTableId"])
schemas = st.dictionaries(
    names, values | st.sampled_from(["number", "singleSelect", "dateTime", "multipleRecordLinks"]), max_size=4
)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def answer(client: Client, method: str, path: str, body: Any) -> None:
    status, data = client.call(method, path, json=body)
    assert status in (200, 422), data
    assert status == 200 or set(data["error"]) == {"type", "message"}


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT"])
@quick
@given(body=writes | values)
def test_any_write_is_taken_or_refused(client: Client, method: str, body: Any) -> None:
    answer(client, method, f"{BASE}/Posts", body)


@quick
@given(body=lists | values)
def test_any_list_is_taken_or_refused(client: Client, body: Any) -> None:
    answer(client, "POST", f"{BASE}/Posts/listRecords", body)


@quick
@given(body=schemas | values)
def test_any_table_or_field_is_taken_or_refused(client: Client, body: Any) -> None:
    answer(client, "POST", f"meta/bases/{BASE}/tables", body)
    table = client.sandbox.world.services["airtable"].bases[BASE].table("Posts")  # type: ignore[attr-defined]
    answer(client, "POST", f"meta/bases/{BASE}/tables/{table.id}/fields", body)
