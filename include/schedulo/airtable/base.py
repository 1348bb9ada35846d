"""Makes a base what Schedulo needs, and says what one lacks. Adds tables and fields; changes nothing else.

Source: Airtable Web API, "Create base", "Create table", "Create field", "Get base schema".
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Any

from pyairtable import Api

from schedulo.airtable.calls import Calls
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.mapping import Mapping, check
from schedulo.airtable.schema import TABLES, Field, Table, Type
from schedulo.errors.airtable import AirtableRefused

NEEDED_SCOPES = ("data.records:read", "data.records:write", "schema.bases:read")


@dataclass(frozen=True, slots=True)
class Created:
    """What `create_base` did."""

    base_id: str
    tables: tuple[str, ...]
    """The tables that were made, by the base's own names."""
    fields: tuple[str, ...]
    """The fields that were added to tables, as `Table.Field`."""
    problems: tuple[str, ...]
    """What is still wrong and only people can mend, as `check` says it."""


def create_base(
    api: Api,
    base_id: str | None = None,
    *,
    workspace_id: str = "",
    name: str = "Schedulo",
    mapping: Mapping | None = None,
    calls: Calls | None = None,
) -> Created:
    """Add what is missing to a base, or make a new one in a workspace. Running it again does no harm.

    :param api: with a token that has schema.bases:read and schema.bases:write
    :raises AirtableError: as `Calls.send` says; then run it again
    """
    names, calls = mapping or Mapping(), calls or Calls(api)
    tables: list[str] = []
    fields: list[str] = []
    with calls.within():
        if base_id is None:
            first = _table_body(TABLES[0], names)
            body = {"name": name, "workspaceId": workspace_id, "tables": [first]}
            base_id = str(calls.send("POST", api.urls.bases, json=body, repeatable=False)["id"])
            tables.append(first["name"])
        url = api.base(base_id).urls.tables
        there = {table["name"]: table for table in calls.send("GET", url)["tables"]}
        for table in TABLES:
            own = names.table(table.name)
            if own not in there:
                there[own] = calls.send("POST", url, json=_table_body(table, names), repeatable=False)
                tables.append(own)
        ids = {table.name: there[names.table(table.name)]["id"] for table in TABLES}
        for table in TABLES:
            own = names.table(table.name)
            have = {field["name"] for field in there[own]["fields"]}
            for field in table.fields:
                body = _field_body(table, field, names, ids)
                if field.required and body["name"] not in have:
                    calls.send("POST", f"{url}/{ids[table.name]}/fields", json=body, repeatable=False)
                    fields.append(f"{own}.{body['name']}")
        problems = check_base(api, base_id, mapping=names, calls=calls)
    return Created(base_id, tuple(tables), tuple(fields), tuple(problems))


def check_base(
    api: Api, base_id: str, *, mapping: Mapping | None = None, calls: Calls | None = None
) -> list[str]:
    """One sentence for everything that a base lacks; none where it fits.

    :raises AirtableError: as `Calls.send` says
    """
    calls = calls or Calls(api)
    return check(calls.send("GET", api.base(base_id).urls.tables), mapping or Mapping())


def try_base(client: AirtableClient) -> list[str]:
    """One sentence for everything that stands between us and working with the base: what `check_base` finds,
    tables that cannot be read, rights that the token lacks as far as Airtable tells them.

    :raises AirtableError: as `Calls.send` says, where the base as a whole cannot be reached
    """
    with client.calls.within():
        sentences = check_base(client.calls.api, client.base_id, mapping=client.mapping, calls=client.calls)
        for table in TABLES:
            own = client.mapping.table(table.name)
            missing = f"Table '{own}' is missing"
            if not table.demanded or any(sentence.startswith(missing) for sentence in sentences):
                continue
            try:
                client.knock(table.name)
            except AirtableRefused as error:
                sentences.append(f"Table '{own}' cannot be read: {error}.")
        told = client.calls.send("GET", client.calls.api.urls.whoami).get("scopes")
    lacking = [scope for scope in NEEDED_SCOPES if told is not None and scope not in told]
    return sentences + [f"The token lacks the scope {scope}; the operator adds it." for scope in lacking]


def _table_body(table: Table, names: Mapping) -> dict[str, Any]:
    """A table without its links, which need the ids of tables that may not be there yet."""
    plain = [field for field in table.fields if field.required and field.type is not Type.LINKS]
    return {
        "name": names.table(table.name),
        "description": table.description,
        "fields": [_field_body(table, field, names, {}) for field in plain],
    }


def _field_body(table: Table, field: Field, names: Mapping, ids: Dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": names.field(table.name, field.name),
        "type": field.type.value,
        "description": field.description,
    }
    if (options := field.options(ids)) is not None:
        body["options"] = options
    return body
