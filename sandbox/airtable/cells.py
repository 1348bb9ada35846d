"""Cell values by field type: what may be written, how `typecast` bends it, how it reads, sorts and computes.

Links and attachments need more than the value itself; writing them is `records`' part.
Source: Airtable Web API, "Field types and cell values".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.airtable import functions
from sandbox.airtable.errors import bad_value, unknown_option
from sandbox.airtable.model import Base, Field, Record

MAX_TEXT_CHARS = 100_000

# ------------------------------------------------------------------ writing


def _text(field: Field, value: Any, typecast: bool) -> str:
    if typecast and isinstance(value, bool | int | float):
        value = functions.text(value)
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
        raise bad_value(field.name)
    return value


def _number(field: Field, value: Any, typecast: bool) -> int | float | None:
    if typecast and isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise bad_value(field.name)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _checkbox(field: Field, value: Any, typecast: bool) -> bool:
    if typecast and not isinstance(value, bool):
        return functions.text(value).strip().lower() in ("1", "true", "yes", "checked")
    if not isinstance(value, bool):
        raise bad_value(field.name)
    return value


def _select(field: Field, value: Any, typecast: bool) -> str:
    if typecast and isinstance(value, bool | int | float):
        value = functions.text(value)
    if not isinstance(value, str):
        raise bad_value(field.name)
    if not typecast and value and value not in field.choices:
        raise unknown_option(value)
    return value


def _selects(field: Field, value: Any, typecast: bool) -> list[str]:
    if typecast and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list):
        raise bad_value(field.name)
    names = [_select(field, item, typecast) for item in value]
    if len(set(names)) < len(names) or "" in names:
        raise bad_value(field.name)
    return names


def _moment(field: Field, value: Any) -> datetime:
    """ISO 8601; without an offset it is in the field's own zone, of which `client` means UTC here."""
    if not isinstance(value, str):
        raise bad_value(field.name)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise bad_value(field.name) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone_of(field))
    return moment.astimezone(UTC)


def _datetime(field: Field, value: Any, typecast: bool) -> str:
    return functions.iso(_moment(field, value))


def _date(field: Field, value: Any, typecast: bool) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return _moment(field, value).date().isoformat()


ACCEPT: dict[str, Callable[[Field, Any, bool], Any]] = {
    "singleLineText": _text,
    "multilineText": _text,
    "richText": _text,
    "email": _text,
    "url": _text,
    "phoneNumber": _text,
    "number": _number,
    "checkbox": _checkbox,
    "singleSelect": _select,
    "multipleSelects": _selects,
    "date": _date,
    "dateTime": _datetime,
}
"""What makes a written value the stored one, or refuses it; None, "", [] and false empty a cell."""


def zone_of(field: Field) -> ZoneInfo:
    name = (field.options or {}).get("timeZone", "utc")
    return ZoneInfo("UTC" if name in ("utc", "client") else name)


# ------------------------------------------------------------------ computing

Reader = Callable[[Record], Any]


def watched(field: Field) -> list[str]:
    """The fields that a lastModifiedTime field follows; none means all."""
    named: list[str] = (field.options or {}).get("referencedFieldIds", [])
    return named


def _instant(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC)


def formula_reader(base: Base, field: Field) -> Reader:
    """What a formula sees in this field of a record."""
    key = field.id
    match field.type:
        case "createdTime":
            return lambda record: _instant(record.created_ms)
        case "lastModifiedTime":
            return lambda record: _instant(record.modified_ms(watched(field)))
        case "date":
            return lambda record: date.fromisoformat(v) if (v := record.cells.get(key)) else None
        case "dateTime":
            return lambda record: datetime.fromisoformat(v) if (v := record.cells.get(key)) else None
        case "multipleRecordLinks":
            linked = base.linked(field)
            primary = formula_reader(base, linked.primary)

            def names(record: Record) -> list[str]:
                return [functions.text(primary(linked.records[r])) for r in record.cells.get(key, ())]

            return names
        case "multipleAttachments":
            return lambda record: [a.filename for a in record.cells.get(key, ())]
        case _:
            return lambda record: record.cells.get(key)


# ------------------------------------------------------------------ reading as text

DATE_PATTERNS = {
    "local": "{0.month}/{0.day}/{0.year}",
    "friendly": "{0:%B} {0.day}, {0.year}",
    "us": "{0.month}/{0.day}/{0.year}",
    "european": "{0.day}/{0.month}/{0.year}",
    "iso": "{0:%Y-%m-%d}",
}


def string_reader(base: Base, field: Field, zone: ZoneInfo) -> Reader:
    """The cell as `cellFormat=string` shows it."""
    value_of = formula_reader(base, field)
    options = (field.options or {}).get("result", {}).get("options") or field.options or {}
    pattern = DATE_PATTERNS[options.get("dateFormat", {}).get("name", "iso")]
    half_day = options.get("timeFormat", {}).get("name") == "12hour"

    def shown(record: Record) -> str:
        value = value_of(record)
        match value:
            case datetime():
                local = value.astimezone(zone)
                clock = f"{local.hour % 12 or 12}:{local:%M%p}".lower() if half_day else f"{local:%H:%M}"
                return f"{pattern.format(local)} {clock}"
            case date():
                return pattern.format(value)
            case True:
                return "checked"
            case int() | float() if field.type == "number":
                return f"{value:.{options['precision']}f}"
            case _:
                return functions.text(value)

    return shown


# ------------------------------------------------------------------ sorting


def sort_key(base: Base, field: Field) -> Callable[[Record], tuple[Any, ...]]:
    """Blank first, as Airtable sorts; selects by the order of their options, text without case."""
    value_of = formula_reader(base, field)
    order = {name: i for i, name in enumerate(field.choices)}

    def key(record: Record) -> tuple[Any, ...]:
        value = value_of(record)
        if value is None or value == [] or value == "":
            return (0,)
        match field.type:
            case "singleSelect":
                return (1, order[value])
            case "multipleSelects":
                return (1, *(order[name] for name in value))
            case "number" | "checkbox" | "date" | "dateTime" | "createdTime" | "lastModifiedTime":
                return (1, value)
            case _:
                return (1, functions.text(value).casefold())

    return key


MERGEABLE = ("number", "singleLineText", "multilineText", "singleSelect", "multipleSelects", "date")
"""Field types that an upsert may match on."""


def merge_key(value: Any) -> Any:
    return tuple(sorted(value)) if isinstance(value, list) else value
