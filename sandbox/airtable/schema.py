"""Creating and renaming tables and fields, with the checks of Airtable's meta API.

Source: Airtable Web API, "Create table", "Create field", "Field types and cell values".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from sandbox.airtable.errors import invalid_request, refused
from sandbox.airtable.model import ATTACHMENTS, COMPUTED, LINKS, Base, Field, Table, new_id
from sandbox.core import Refused

MAX_DESCRIPTION_CHARS = 20_000
DATE_FORMATS = {
    "local": "l",
    "friendly": "LL",
    "us": "M/D/YYYY",
    "european": "D/M/YYYY",
    "iso": "YYYY-MM-DD",
}
TIME_FORMATS = {"12hour": "h:mma", "24hour": "HH:mm"}
COLORS = ("blueLight2", "cyanLight2", "tealLight2", "greenLight2", "yellowLight2", "orangeLight2",
          "redLight2", "pinkLight2", "purpleLight2", "grayLight2")  # fmt: skip
CHECKBOX_ICONS = ("check", "xCheckbox", "star", "heart", "thumbsUp", "flag", "dot")
PRIMARY_TYPES = (
    "singleLineText",
    "multilineText",
    "email",
    "url",
    "phoneNumber",
    "number",
    "date",
    "dateTime",
)
NOT_CREATABLE = (
    "formula", "rollup", "count", "multipleLookupValues", "createdTime", "createdBy", "lastModifiedTime",
    "lastModifiedBy", "autoNumber", "button", "externalSyncSource", "aiText",
)  # fmt: skip
"""Field types that exist but that the API does not create (January 2025)."""

Options = dict[str, Any]
_zones = cache(available_timezones)


def _bad_options(why: str) -> Refused:
    return refused(422, "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE", f"Invalid options for field: {why}")


def _only(options: Options, *known: str) -> None:
    for name in options:
        if name not in known:
            raise _bad_options(f"{name} is not known")


def _no_options(options: Options, _: Base) -> None:
    _only(options)


def _attachments(options: Options, _: Base) -> Options:
    _only(options)
    return {"isReversed": False}


def _number(options: Options, _: Base) -> Options:
    _only(options, "precision")
    precision = options.get("precision")
    if not isinstance(precision, int) or isinstance(precision, bool) or not 0 <= precision <= 8:
        raise _bad_options("precision must be a whole number from 0 to 8")
    return {"precision": precision}


def _checkbox(options: Options, _: Base) -> Options:
    _only(options, "icon", "color")
    if options.get("icon") not in CHECKBOX_ICONS or not isinstance(options.get("color"), str):
        raise _bad_options("icon and color are required")
    return dict(options)


def choice(name: str, number: int, color: str | None = None) -> dict[str, str]:
    """One select option, as the meta API shows it."""
    return {"id": new_id("sel"), "name": name, "color": color or COLORS[number % len(COLORS)]}


def _choices(options: Options, _: Base) -> Options:
    _only(options, "choices")
    given = options.get("choices")
    if not isinstance(given, list):
        raise _bad_options("choices is required")
    names: list[str] = []
    for item in given:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name or name in names:
            raise _bad_options("choices must have names, each its own")
        names.append(name)
    return {"choices": [choice(name, i, given[i].get("color")) for i, name in enumerate(names)]}


def _format(options: Options, key: str, formats: dict[str, str]) -> Options:
    given = options.get(key)
    shown = dict(given) if isinstance(given, dict) else {}
    name = str(shown.pop("name", None))
    if name not in formats or shown not in ({}, {"format": formats[name]}):
        raise _bad_options(f"{key} is required, with one of the names {', '.join(formats)}")
    return {"name": name, "format": formats[name]}


def _date(options: Options, _: Base) -> Options:
    _only(options, "dateFormat")
    return {"dateFormat": _format(options, "dateFormat", DATE_FORMATS)}


def _datetime(options: Options, _: Base) -> Options:
    _only(options, "dateFormat", "timeFormat", "timeZone")
    zone = options.get("timeZone")
    if zone not in ("utc", "client") and str(zone) not in _zones():
        raise _bad_options("timeZone is required: utc, client or an IANA zone")
    return {
        "dateFormat": _format(options, "dateFormat", DATE_FORMATS),
        "timeFormat": _format(options, "timeFormat", TIME_FORMATS),
        "timeZone": zone,
    }


def _links(options: Options, base: Base) -> Options:
    _only(options, "linkedTableId", "viewIdForRecordSelection")
    if str(options.get("linkedTableId")) not in base.tables:
        raise _bad_options("linkedTableId must be the id of a table of this base")
    return {**options, "isReversed": False, "prefersSingleRecordLink": False}


CREATABLE: dict[str, Callable[[Options, Base], Options | None]] = {
    "singleLineText": _no_options,
    "multilineText": _no_options,
    "richText": _no_options,
    "email": _no_options,
    "url": _no_options,
    "phoneNumber": _no_options,
    "number": _number,
    "checkbox": _checkbox,
    "singleSelect": _choices,
    "multipleSelects": _choices,
    "date": _date,
    "dateTime": _datetime,
    LINKS: _links,
    ATTACHMENTS: _attachments,
}
"""Field types that the API creates here, and what reads their options."""

INSTANT_RESULT = {
    "type": "dateTime",
    "options": {
        "dateFormat": {"name": "iso", "format": "YYYY-MM-DD"},
        "timeFormat": {"name": "24hour", "format": "HH:mm"},
        "timeZone": "utc",
    },
}


def _name(data: dict[str, Any], taken: list[str], kind: str) -> str:
    name = data.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > 255:
        raise invalid_request("a name of 1 to 255 characters is required")
    if name.strip().lower() in (other.lower() for other in taken):
        raise refused(422, kind, f'There is already one with the name "{name.strip()}"')
    return name.strip()


def _description(data: dict[str, Any]) -> str | None:
    description = data.get("description")
    if description is not None and not isinstance(description, str):
        raise invalid_request("description must be a text")
    if description and len(description) > MAX_DESCRIPTION_CHARS:
        raise invalid_request(f"description must not exceed {MAX_DESCRIPTION_CHARS} characters")
    return description


def _keys(data: Any, *known: str) -> None:
    if not isinstance(data, dict):
        raise invalid_request("an object is required")
    for key in data:
        if key not in known:
            raise invalid_request(f"{key} is not known")


def create_field(base: Base, table: Table, data: Any) -> Field:
    """A new field of `table`; a link field gets its twin in the linked table."""
    _keys(data, "name", "type", "description", "options")
    kind = str(data.get("type"))
    name = _name(data, [f.name for f in table.fields.values()], "DUPLICATE_OR_EMPTY_FIELD_NAME")
    if kind in NOT_CREATABLE:
        raise refused(
            422, "UNSUPPORTED_FIELD_TYPE_FOR_CREATE", f"Creating {kind} fields is not supported at this time"
        )
    if kind not in CREATABLE:
        raise invalid_request(f"{kind!r} is not a field type that this stand-in has")
    options = data.get("options") or {}
    if not isinstance(options, dict):
        raise _bad_options("options must be an object")
    field = Field(name, kind, CREATABLE[kind](options, base), _description(data))
    if kind == LINKS:
        _add_twin(base, table, field)
    table.add(field)
    return field


def _add_twin(base: Base, table: Table, field: Field) -> None:
    linked = base.linked(field)
    if linked is table:
        return  # a link inside one table has no other side
    names = {f.name for f in linked.fields.values()}
    name = next(
        n for i in range(1, 1000) if (n := table.name if i == 1 else f"{table.name} {i}") not in names
    )
    twin = Field(name, LINKS, {"linkedTableId": table.id, "isReversed": True,
                               "prefersSingleRecordLink": False, "inverseLinkFieldId": field.id})  # fmt: skip
    assert field.options is not None
    field.options["inverseLinkFieldId"] = twin.id
    linked.add(twin)


def create_computed(table: Table, data: dict[str, Any]) -> Field:
    """A createdTime or lastModifiedTime field, as a person would add it by hand."""
    assert data["type"] in COMPUTED
    options: Options = {"result": INSTANT_RESULT}
    if data["type"] == "lastModifiedTime":
        watched = [table.field(name) for name in (data.get("options") or {}).get("referencedFieldIds", [])]
        if None in watched:
            raise ValueError(f"{data['name']}: referencedFieldIds names a field that does not exist")
        options |= {"isValid": True, "referencedFieldIds": [f.id for f in watched if f]}
    field = Field(data["name"], data["type"], options, data.get("description"))
    table.add(field)
    return field


def create_table(base: Base, data: Any) -> Table:
    """A new table with its fields, all or nothing."""
    _keys(data, "name", "description", "fields")
    name = _name(data, [t.name for t in base.tables.values()], "DUPLICATE_TABLE_NAME")
    fields = data.get("fields")
    if not isinstance(fields, list) or not fields:
        raise invalid_request("a table needs at least one field")
    if not isinstance(fields[0], dict) or fields[0].get("type") not in PRIMARY_TYPES:
        raise refused(422, "INVALID_PRIMARY_FIELD_TYPE", "The first field's type cannot be a primary field's")
    table = Table(name, _description(data))
    before = {t.id: dict(t.fields) for t in base.tables.values()}
    try:
        for field in fields:
            create_field(base, table, field)
    except Refused:
        for other in base.tables.values():
            other.fields = before[other.id]
            other.index()
        raise
    base.tables[table.id] = table
    return table


def rename_table(base: Base, table: Table, data: Any) -> None:
    _keys(data, "name", "description")
    others = [t.name for t in base.tables.values() if t is not table]
    name = _name(data, others, "DUPLICATE_TABLE_NAME") if "name" in data else table.name
    description = _description(data) if "description" in data else table.description
    table.name, table.description = name, description


def rename_field(table: Table, field: Field, data: Any) -> None:
    _keys(data, "name", "description")
    others = [f.name for f in table.fields.values() if f is not field]
    name = _name(data, others, "DUPLICATE_OR_EMPTY_FIELD_NAME") if "name" in data else field.name
    description = _description(data) if "description" in data else field.description
    field.name, field.description = name, description
    table.index()
