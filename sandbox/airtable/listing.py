"""Reading records: what a list request may ask, filtering, sorting, pages whose offsets die, cell formats.

Source: Airtable Web API, "List records".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sandbox.airtable import formula
from sandbox.airtable.attachments import Files
from sandbox.airtable.cells import Reader, formula_reader, sort_key, string_reader, watched
from sandbox.airtable.errors import invalid_request, refused, unknown_field
from sandbox.airtable.functions import iso
from sandbox.airtable.model import ATTACHMENTS, Base, Field, Record, Table, new_id

MAX_PAGE = 100
OFFSET_LIFE_S = 300
OFFSET = re.compile(r"(itr\w{14})/(rec\w{14})")
TRUE_WORDS = ("true", "1")


@dataclass(slots=True)
class ListOptions:
    """A list request, from a query string or from the JSON body of listRecords; names are Airtable's."""

    pageSize: int = MAX_PAGE  # noqa: N815
    maxRecords: int | None = None  # noqa: N815
    offset: str | None = None
    view: str | None = None
    sort: list[dict[str, str]] = field(default_factory=list)
    filterByFormula: str = ""  # noqa: N815
    fields: list[str] | None = None
    cellFormat: str = "json"  # noqa: N815
    timeZone: str | None = None  # noqa: N815
    userLocale: str | None = None  # noqa: N815
    returnFieldsByFieldId: bool = False  # noqa: N815
    recordMetadata: list[str] = field(default_factory=list)  # noqa: N815

    def __post_init__(self) -> None:
        self.pageSize = _whole("pageSize", self.pageSize)
        if not 1 <= self.pageSize <= MAX_PAGE:
            raise invalid_request("pageSize must be from 1 to 100")
        if self.maxRecords is not None:
            self.maxRecords = _whole("maxRecords", self.maxRecords)
            if self.maxRecords < 1:
                raise invalid_request("maxRecords must be 1 or more")
        self.returnFieldsByFieldId = flag(self.returnFieldsByFieldId)
        if self.cellFormat not in ("json", "string"):
            raise invalid_request("cellFormat must be json or string")
        if self.cellFormat == "string" and not (self.timeZone and self.userLocale):
            raise invalid_request("cellFormat string needs timeZone and userLocale")
        for name in ("fields", "recordMetadata", "sort"):
            if not isinstance(getattr(self, name), list | None):
                raise invalid_request(f"{name} must be a list")
        if any(wanted != "commentCount" for wanted in self.recordMetadata):
            raise invalid_request("recordMetadata may be commentCount only")
        for name in ("filterByFormula", "view", "timeZone"):
            if not isinstance(getattr(self, name), str | None):
                raise invalid_request(f"{name} must be a text")

    @property
    def zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.timeZone or "UTC")
        except (ValueError, OSError, KeyError):
            raise invalid_request(f"timeZone {self.timeZone!r} is not known") from None


KNOWN = {f.name for f in fields(ListOptions)}


def _whole(name: str, value: Any) -> int:
    try:
        if isinstance(value, bool):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise invalid_request(f"{name} must be a whole number") from None


def flag(value: Any) -> bool:
    return value is True or str(value).lower() in TRUE_WORDS


def list_options(query: Iterable[tuple[str, str]], body: Any = None) -> ListOptions:
    """Options from the query string (`sort[0][field]`, `fields[]`) and, for listRecords, from the body."""
    given: dict[str, Any] = {}
    sort: dict[int, dict[str, str]] = {}
    for name, value in query:
        if match := re.fullmatch(r"sort\[(\d+)\]\[(\w+)\]", name):
            sort.setdefault(int(match[1]), {})[match[2]] = value
        elif match := re.fullmatch(r"(fields|recordMetadata)(\[\d*\])?", name):
            given.setdefault(match[1], []).append(value)
        else:
            given[name] = value
    if sort:
        given["sort"] = [sort[number] for number in sorted(sort)]
    if body is not None:
        if not isinstance(body, dict):
            raise invalid_request("an object is required")
        given |= body
    for name in given:
        if name not in KNOWN:
            raise invalid_request(f"{name} is not known")
    return ListOptions(**{name: value for name, value in given.items() if value is not None})


class _Row:
    """The record that a compiled formula is looking at; one object for all rows of a request."""

    __slots__ = ("_readers", "_record", "created_ms", "record_id")

    def __init__(self, readers: dict[str, Reader]) -> None:
        self._readers = readers

    def on(self, record: Record) -> _Row:
        self._record = record
        self.record_id = record.id
        self.created_ms = record.created_ms
        return self

    def value(self, field_id: str) -> Any:
        return self._readers[field_id](self._record)

    def modified_ms(self, field_ids: Sequence[str]) -> int | None:
        return self._record.modified_ms(field_ids)


def select(base: Base, table: Table, options: ListOptions, now: float) -> list[Record]:
    """The records that the request means, in its order."""
    if options.view is not None and not any(options.view in (v["id"], v["name"]) for v in table.views):
        raise refused(422, "VIEW_NAME_NOT_FOUND", f"View {options.view} not found")
    records = list(table.records.values())
    if options.filterByFormula:
        scope = formula.Scope(table.ids, datetime.fromtimestamp(now, UTC))
        try:
            compiled = formula.compile_formula(options.filterByFormula, scope)
        except formula.BadFormula as bad:
            raise refused(
                422, "INVALID_FILTER_BY_FORMULA", f"The formula for filtering records is invalid: {bad}"
            ) from None
        row = _Row({f.id: formula_reader(base, f) for f in table.fields.values()})
        records = [record for record in records if formula.keeps(compiled, row.on(record))]
    for rule in reversed(options.sort):
        if not isinstance(rule, dict) or rule.get("direction", "asc") not in ("asc", "desc"):
            raise invalid_request("sort is a list of {field, direction: asc or desc}")
        records.sort(key=sort_key(base, _field(table, rule.get("field"))),
                     reverse=rule.get("direction") == "desc")  # fmt: skip
    return records[: options.maxRecords]


def _field(table: Table, name: Any) -> Field:
    found = table.field(name)
    if found is None:
        raise unknown_field(str(name))
    return found


@dataclass(slots=True)
class _Iterator:
    table_id: str
    record_ids: list[str]
    used_at: float


class Pages:
    """Lists under way. Which records belong to one is fixed by its first page; their cells are read late."""

    def __init__(self) -> None:
        self._iterators: dict[str, _Iterator] = {}

    def clear(self) -> None:
        self._iterators.clear()

    def page(
        self, base: Base, table: Table, options: ListOptions, now: float
    ) -> tuple[list[Record], str | None]:
        """One page, and the offset of the next one if there is one."""
        for key in [k for k, it in self._iterators.items() if now - it.used_at > OFFSET_LIFE_S]:
            del self._iterators[key]
        if options.offset is None:
            records = select(base, table, options, now)
            if len(records) <= options.pageSize:
                return records, None
            key, start = new_id("itr"), 0
            self._iterators[key] = _Iterator(table.id, [r.id for r in records], now)
        else:
            key, start = self._resume(table, options.offset)
        iterator = self._iterators[key]
        iterator.used_at = now
        end = start + options.pageSize
        wanted = iterator.record_ids[start:end]
        following = f"{key}/{iterator.record_ids[end]}" if end < len(iterator.record_ids) else None
        return [table.records[r] for r in wanted if r in table.records], following

    def _resume(self, table: Table, offset: Any) -> tuple[str, int]:
        match = OFFSET.fullmatch(offset) if isinstance(offset, str) else None
        iterator = self._iterators.get(match[1]) if match else None
        if match and iterator is None:
            raise refused(
                422,
                "LIST_RECORDS_ITERATOR_NOT_AVAILABLE",
                "The list is no longer available; begin again with the first page",
            )
        if match is None or iterator is None or iterator.table_id != table.id:
            raise refused(422, "INVALID_OFFSET_VALUE", "The value of offset is invalid")
        if match[2] not in iterator.record_ids:
            raise refused(422, "INVALID_OFFSET_VALUE", "The value of offset is invalid")
        return match[1], iterator.record_ids.index(match[2])


def renderer(
    base: Base, table: Table, options: ListOptions, files: Files, base_url: str
) -> Callable[[Record], dict[str, Any]]:
    """What shows a record as the request wants it; empty cells are left out."""
    chosen = list(table.fields.values())
    if options.fields is not None:
        named = {_field(table, name).id for name in options.fields}
        chosen = [f for f in chosen if f.id in named]
    columns = [
        (f.id if options.returnFieldsByFieldId else f.name, f.id, _shown(base, f, options, files, base_url))
        for f in chosen
    ]
    comments = {"commentCount": 0} if options.recordMetadata else {}

    def show(record: Record) -> dict[str, Any]:
        cells = {}
        for key, field_id, read in columns:
            value = record.cells.get(field_id) if read is None else read(record)
            if value is not None and value != "" and value != []:
                cells[key] = value
        return {"id": record.id, "createdTime": _iso(record.created_ms), "fields": cells} | comments

    return show


def _shown(base: Base, f: Field, options: ListOptions, files: Files, base_url: str) -> Reader | None:
    """What reads a field for an answer; None where the stored value is the answer."""
    if options.cellFormat == "string":
        return string_reader(base, f, options.zone)
    match f.type:
        case "createdTime":
            return lambda record: _iso(record.created_ms)
        case "lastModifiedTime":
            return lambda record: _iso(record.modified_ms(watched(f)))
        case kind if kind == ATTACHMENTS:
            return lambda record: [files.public(a, base_url) for a in record.cells.get(f.id, ())]
        case _:
            return None


def _iso(epoch_ms: int | None) -> str | None:
    return None if epoch_ms is None else iso(datetime.fromtimestamp(epoch_ms / 1000, UTC))
