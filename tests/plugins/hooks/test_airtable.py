"""The Airtable hook against the sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest
from pyairtable import Api

from hooks.airtable import AirtableHook
from hooks.provider_info import get_provider_info
from sandbox.running import RunningSandbox
from schedulo.airtable.base import create_base
from schedulo.errors.airtable import AirtableSetupError
from schedulo.settings import settings
from tests.skipping import calls_at_once

TOKEN = "patHOOK.very-secret"


@pytest.fixture(autouse=True)
def fresh_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCHEDULO_AIRTABLE_MAPPING", raising=False)
    settings.cache_clear()


@pytest.fixture
def base_id(sandbox: RunningSandbox) -> str:
    sandbox.switch(airtable_requests_per_s="0")
    sandbox.seed({"airtable": {"tokens": [{"token": TOKEN}]}})
    api = Api(TOKEN, endpoint_url=sandbox.service("airtable"))
    return create_base(api, workspace_id="wspTEST0000000000", calls=calls_at_once(api)).base_id


def connect(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, **parts: Any) -> AirtableHook:
    whole = {"conn_type": "airtable", "host": sandbox.service("airtable"), "password": TOKEN, **parts}
    monkeypatch.setenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", json.dumps(whole))
    return AirtableHook()


def table(api: Api, base_id: str, name: str) -> dict[str, Any]:
    return next(t for t in api.get(api.base(base_id).urls.tables)["tables"] if t["name"] == name)


def rename(api: Api, base_id: str, table_name: str, field: str, name: str) -> None:
    found = table(api, base_id, table_name)
    field_id = next(item["id"] for item in found["fields"] if item["name"] == field)
    api.patch(f"{api.base(base_id).urls.tables}/{found['id']}/fields/{field_id}", json={"name": name})


def test_a_base_that_fits_passes_the_test(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, base_id: str
) -> None:
    hook = connect(monkeypatch, sandbox, extra={"base_id": base_id})
    assert hook.test_connection() == (True, f"Base {base_id}: every table and field is there.")
    read = [row for row in sandbox.requests() if row["route"] == "list_records"]
    assert sum(row["count"] for row in read) == 4


def test_the_test_names_every_renamed_and_mistyped_field(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, base_id: str
) -> None:
    hook = connect(monkeypatch, sandbox, extra={"base_id": base_id})
    api = hook.get_conn()
    rename(api, base_id, "Posts", "Text", "Texts")
    rename(api, base_id, "Accounts", "Active", "Old")
    api.post(api.table(base_id, "Accounts").urls.fields, json={"name": "Active", "type": "singleLineText"})
    good, says = hook.test_connection()
    assert not good
    assert "Table 'Posts': field 'Text' is missing; was it renamed to 'Texts'?" in says
    assert "Table 'Accounts': field 'Active' has the type singleLineText and must have checkbox." in says


def test_a_mapping_file_gives_the_bases_own_names(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, base_id: str, tmp_path: Path
) -> None:
    hook = connect(monkeypatch, sandbox, extra={"base_id": base_id})
    rename(hook.get_conn(), base_id, "Posts", "Text", "Copy")
    assert not hook.test_connection()[0]
    file = tmp_path / "names.json"
    file.write_text('{"fields": {"Posts": {"Text": "Copy"}}}')
    monkeypatch.setenv("SCHEDULO_AIRTABLE_MAPPING", str(file))
    settings.cache_clear()
    assert hook.test_connection()[0]


def test_a_right_that_the_token_lacks_is_named(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, base_id: str
) -> None:
    scopes = ["data.records:read", "schema.bases:read"]
    sandbox.seed({"airtable": {"tokens": [{"token": "patREAD", "scopes": scopes}]}})
    hook = connect(monkeypatch, sandbox, password="patREAD", extra={"base_id": base_id})
    assert hook.test_connection() == (
        False,
        "The token lacks the scope data.records:write; the operator adds it.",
    )


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"password": ""}, "Password is empty"),
        ({"extra": {}}, "Base ID (empty) must begin with app"),
        ({"extra": {"base_id": "tblX"}}, "Base ID (tblX) must begin with app"),
        ({"extra": {"base_id": "appNOSUCHBASE0000"}}, "no such base"),
        ({"password": "patWRONG.other-secret"}, "does not accept the token"),
        ({"host": "http://127.0.0.1:1"}, "could not be reached"),
    ],
)
def test_what_is_wrong_with_the_connection_is_said_without_its_token(
    monkeypatch: pytest.MonkeyPatch,
    sandbox: RunningSandbox,
    base_id: str,
    parts: dict[str, Any],
    says: str,
) -> None:
    monkeypatch.setattr("hooks.airtable.TEST_SECONDS", 2.0)
    hook = connect(monkeypatch, sandbox, **{"extra": {"base_id": base_id}, **parts})
    good, message = hook.test_connection()
    assert not good
    assert says in message
    assert "secret" not in message + repr(hook)


def test_a_client_reads_through_the_connection(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, base_id: str
) -> None:
    hook = connect(monkeypatch, sandbox, extra={"base_id": base_id})
    hook.get_conn().table(base_id, "Posts").create({"Title": "Hello"})
    assert [row.title for row in hook.client().posts_changed_since(None).rows] == ["Hello"]


def test_a_connection_without_token_gives_no_client(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox
) -> None:
    with pytest.raises(AirtableSetupError, match="airtable_default"):
        connect(monkeypatch, sandbox, password=None).get_conn()


def test_an_empty_host_means_airtables_own(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox) -> None:
    assert connect(monkeypatch, sandbox, host=None).get_conn().endpoint_url == "https://api.airtable.com"


def test_the_form_is_one_that_airflow_accepts_and_leads_to_this_hook() -> None:
    schema = json.loads((Path(airflow.__file__).parent / "provider.yaml.schema.json").read_text())
    form = next(
        item for item in get_provider_info()["connection-types"] if item["connection-type"] == "airtable"
    )
    jsonschema.validate([form], schema["properties"]["connection-types"])
    assert form["connection-type"] == AirtableHook.conn_type
    assert form["hook-class-name"] == f"{AirtableHook.__module__}.{AirtableHook.__qualname__}"
