"""Writing records: a request is checked whole, then done whole, and both sides of a link stay in step.

Source: Airtable Web API, "Create records", "Update multiple records", "Delete multiple records".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.airtable.attachments import Files
from sandbox.airtable.cells import ACCEPT, MERGEABLE, merge_key
from sandbox.airtable.errors import (
    bad_value,
    computed,
    invalid_request,
    no_such_row,
    refused,
    unknown_field,
)
from sandbox.airtable.model import ATTACHMENTS, LINKS, SELECTS, Attachment, Base, Field, Record, Table
from sandbox.airtable.schema import choice

EMPTY: tuple[Any, ...] = (None, "", [], False)
MAX_MERGE_FIELDS = 3


def _is_empty(value: Any) -> bool:
    return any(value is empty or (value == empty and type(value) is type(empty)) for empty in EMPTY)


@dataclass(slots=True)
class _Change:
    record: Record | None
    """None where a new one is to be made."""
    cells: dict[str, Any]


@dataclass(slots=True)
class Writer:
    """The writes of one request. Nothing changes before `apply`."""

    base: Base
    table: Table
    files: Files
    now_ms: int
    typecast: bool = False
    _changes: list[_Change] = field(default_factory=list)
    _new_choices: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _new_linked: list[tuple[Table, Record]] = field(default_factory=list)

    def create(self, fields: Any) -> None:
        self._changes.append(_Change(None, self._accept(fields, None)))

    def update(self, record: Record, fields: Any, *, replace: bool) -> None:
        """Change a record; `replace` also empties every writable field that `fields` leaves out."""
        if any(change.record is record for change in self._changes):
            raise invalid_request(f"record {record.id} is named twice")
        cells = self._accept(fields, record)
        if replace:
            cells = {f.id: None for f in self.table.fields.values() if not f.computed} | cells
        self._changes.append(_Change(record, cells))

    def upsert(self, items: Iterable[Mapping[str, Any]], merge_on: Any, *, replace: bool) -> None:
        """Update by id or by the values of `merge_on`; create where nothing matches."""
        key_fields = self._merge_fields(merge_on)
        existing: dict[Any, list[Record]] = defaultdict(list)
        for record in self.table.records.values():
            existing[tuple(merge_key(record.cells.get(f.id)) for f in key_fields)].append(record)
        seen = set()
        for item in items:
            if "id" in item:
                self.update(self.existing(item["id"]), item.get("fields"), replace=replace)
                continue
            cells = self._accept(item.get("fields"), None)
            key = tuple(merge_key(cells.get(f.id)) for f in key_fields)
            if None in key:
                raise invalid_request("each record needs a value for every field of fieldsToMergeOn")
            if key in seen:
                raise invalid_request("two records of the request have the same values in fieldsToMergeOn")
            seen.add(key)
            matches = existing.get(key, [])
            if len(matches) > 1:
                raise invalid_request(f"{len(matches)} records match fieldsToMergeOn, where one may")
            if matches:
                self.update(matches[0], item.get("fields"), replace=replace)
            else:
                self._changes.append(_Change(None, cells))

    def existing(self, record_id: Any) -> Record:
        if not isinstance(record_id, str) or record_id not in self.table.records:
            raise no_such_row(str(record_id))
        return self.table.records[record_id]

    def apply(self) -> tuple[list[Record], list[str]]:
        """Do it. Returns the records in the order of the request, and the ids of those that are new."""
        for field_id, names in self._new_choices.items():
            options = self.table.fields[field_id].options
            assert options is not None
            for name in dict.fromkeys(names):
                options["choices"].append(choice(name, len(options["choices"])))
        for table, linked in self._new_linked:
            table.records[linked.id] = linked
        written: list[Record] = []
        created: list[str] = []
        for change in self._changes:
            record = change.record
            if record is None:
                record = Record(self.now_ms)
                self.table.records[record.id] = record
                created.append(record.id)
            for field_id, value in change.cells.items():
                self._store(record, self.table.fields[field_id], value)
            written.append(record)
        return written, created

    # -------------------------------------------------------------- checking

    def _accept(self, fields: Any, record: Record | None) -> dict[str, Any]:
        if not isinstance(fields, dict):
            raise invalid_request("fields must be an object")
        cells: dict[str, Any] = {}
        for name, value in fields.items():
            found = self.table.field(name)
            if found is None:
                raise unknown_field(name)
            if found.computed:
                raise computed(found.name)
            cells[found.id] = None if value is None else self._accept_value(found, value, record)
        return cells

    def _accept_value(self, field: Field, value: Any, record: Record | None) -> Any:
        if field.type == LINKS:
            return self._accept_links(field, value)
        if field.type == ATTACHMENTS:
            return self.files.accept(field, value, record)
        accepted = ACCEPT[field.type](field, value, self.typecast)
        if self.typecast and field.type in SELECTS:
            named = accepted if isinstance(accepted, list) else [accepted]
            self._new_choices[field.id] += [n for n in named if n and n not in field.choices]
        return accepted

    def _accept_links(self, field: Field, value: Any) -> list[str]:
        if self.typecast and isinstance(value, str):
            value = [part.strip() for part in value.split(",") if part.strip()]
        if not isinstance(value, list):
            raise bad_value(field.name)
        linked = self.base.linked(field)
        found = []
        for item in value:
            given = item.get("id") if isinstance(item, dict) else item
            if not isinstance(given, str):
                raise bad_value(field.name)
            if given in linked.records:
                found.append(given)
            elif re.fullmatch(r"rec\w{14}", given):
                raise refused(422, "ROW_DOES_NOT_EXIST", f"Record ID {given} does not exist")
            elif self.typecast:
                found.append(self._linked_by_name(linked, given))
            else:
                raise refused(422, "INVALID_RECORD_ID", f'Value "{given}" is not a valid record ID.')
        if len(set(found)) < len(found):
            raise bad_value(field.name)
        return found

    def _linked_by_name(self, linked: Table, name: str) -> str:
        key = linked.primary.id
        pending = [record for table, record in self._new_linked if table is linked]
        for record in (*linked.records.values(), *pending):
            if str(record.cells.get(key)) == name:
                return record.id
        value = ACCEPT[linked.primary.type](linked.primary, name, True)
        record = Record(self.now_ms, cells={key: value}, modified={key: self.now_ms})
        self._new_linked.append((linked, record))
        return record.id

    def _merge_fields(self, merge_on: Any) -> list[Field]:
        if not isinstance(merge_on, list) or not 1 <= len(merge_on) <= MAX_MERGE_FIELDS:
            raise invalid_request("fieldsToMergeOn must name one to three fields")
        found = []
        for name in merge_on:
            key_field = self.table.field(name)
            if key_field is None:
                raise unknown_field(name)
            if key_field.type not in MERGEABLE:
                raise invalid_request(f"records cannot be merged on a field of type {key_field.type}")
            found.append(key_field)
        return found

    # -------------------------------------------------------------- doing

    def _store(self, record: Record, field: Field, value: Any) -> None:
        before = record.cells.get(field.id)
        set_cell(self.base, record, field, value, self.now_ms)
        if field.type == ATTACHMENTS:
            for attachment in value or []:
                if attachment.data is None and attachment not in (before or []):
                    self._fetch(record, field, attachment)

    def _fetch(self, record: Record, field: Field, attachment: Attachment) -> None:
        def forget() -> None:
            rest = [a for a in record.cells.get(field.id, []) if a is not attachment]
            set_cell(self.base, record, field, rest, self.now_ms)

        self.files.fetch_later(attachment, forget)


def set_cell(base: Base, record: Record, field: Field, value: Any, now_ms: int) -> None:
    """Store a checked value; a value that is there already does not count as a change."""
    before = record.cells.get(field.id)
    after = None if _is_empty(value) else value
    if before == after:
        return
    _put(record, field.id, after, now_ms)
    twin = (field.options or {}).get("inverseLinkFieldId") if field.type == LINKS else None
    if twin is None:
        return
    others = base.linked(field).records
    for gone in set(before or []) - set(after or []):
        _put(others[gone], twin, [r for r in others[gone].cells[twin] if r != record.id] or None, now_ms)
    for new in after or []:
        if new not in (before or []):
            _put(others[new], twin, [*others[new].cells.get(twin, []), record.id], now_ms)


def _put(record: Record, field_id: str, value: Any, now_ms: int) -> None:
    if value is None:
        record.cells.pop(field_id, None)
    else:
        record.cells[field_id] = value
    record.modified[field_id] = now_ms


def delete(base: Base, table: Table, records: Iterable[Record], now_ms: int) -> None:
    """Remove records, and every link to them."""
    for record in records:
        for other_table in base.tables.values():
            for link in other_table.fields.values():
                if link.type != LINKS or base.linked(link) is not table:
                    continue
                for other in other_table.records.values():
                    if record.id in other.cells.get(link.id, ()):
                        rest = [r for r in other.cells[link.id] if r != record.id]
                        _put(other, link.id, rest or None, now_ms)
        del table.records[record.id]
