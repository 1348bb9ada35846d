"""What one request changed in a base: looked up by comparing, told as the payloads of webhooks tell it.

Source: Airtable Web API, "Webhooks payload" and "Webhooks specification".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.airtable.functions import iso
from sandbox.airtable.model import ATTACHMENTS, LINKS, SELECTS, Base, Field, Record, Table

Cells = dict[str, Any]


@dataclass(slots=True)
class TableChange:
    """What a request did to one table; cells as they are stored, by field id."""

    added: dict[str, Record] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    updated: dict[str, tuple[Cells, Cells]] = field(default_factory=dict)
    """What changed in each record: before, and after; None stands for empty."""
    new_fields: list[Field] = field(default_factory=list)
    fields: dict[str, tuple[dict[str, str], dict[str, str]]] = field(default_factory=dict)
    """Fields that were renamed: name and type, before and after."""
    metadata: tuple[dict[str, Any], dict[str, Any]] | None = None
    """Name and description of a table that was renamed, before and after."""

    def __bool__(self) -> bool:
        return bool(
            self.added or self.removed or self.updated or self.new_fields or self.fields or self.metadata
        )


@dataclass(slots=True)
class Transaction:
    """All that one request did to a base."""

    number: int
    source: str
    user_id: str
    at_ms: int
    tables: dict[str, TableChange] = field(default_factory=dict)
    new_tables: list[Table] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.tables or self.new_tables)


@contextmanager
def recorded(base: Base, source: str, user_id: str, at_ms: int) -> Iterator[Transaction]:
    """Compares the base before and after the block; the transaction is filled when the block ends."""
    before = {table.id: _Seen(table) for table in base.tables.values()}
    done = Transaction(base.transactions + 1, source, user_id, at_ms)
    yield done
    for table in base.tables.values():
        if table.id not in before:
            done.new_tables.append(table)
        elif change := before[table.id].compared(table):
            done.tables[table.id] = change
    if done:
        base.transactions = done.number


class _Seen:
    """A table as it was. Cells are never changed in place, so that a copy of each record's dict will do."""

    def __init__(self, table: Table) -> None:
        self._cells = {record.id: dict(record.cells) for record in table.records.values()}
        self._fields = {f.id: _outline(f) for f in table.fields.values()}
        self._metadata = _metadata(table)

    def compared(self, table: Table) -> TableChange:
        change = TableChange(removed=[rid for rid in self._cells if rid not in table.records])
        for record in table.records.values():
            before = self._cells.get(record.id)
            if before is None:
                change.added[record.id] = record
            elif before != record.cells:
                names = {f for f in (*before, *record.cells) if before.get(f) != record.cells.get(f)}
                change.updated[record.id] = (
                    {f: before.get(f) for f in names},
                    {f: record.cells.get(f) for f in names},
                )
        for f in table.fields.values():
            if f.id not in self._fields:
                change.new_fields.append(f)
            elif self._fields[f.id] != _outline(f):
                change.fields[f.id] = (self._fields[f.id], _outline(f))
        if self._metadata != _metadata(table):
            change.metadata = (self._metadata, _metadata(table))
        return change


def _outline(f: Field) -> dict[str, str]:
    return {"name": f.name, "type": f.type}


def _metadata(table: Table) -> dict[str, Any]:
    return {"name": table.name, "description": table.description}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a webhook wants to hear of. Where it names no change types, sources or fields, it wants all."""

    data_types: frozenset[str]
    table_id: str | None
    change_types: frozenset[str]
    sources: frozenset[str]
    watched: frozenset[str]
    watched_schemas: frozenset[str]
    included: frozenset[str] | None
    """Cells that are told along although they did not change, none where it is empty; None: all."""
    previous: bool
    previous_fields: bool
    whole_rows: bool
    """Rows that come or go are told of whichever cells are watched. Airtable's documents do not say."""

    def payload(self, base: Base, done: Transaction, timestamp: str) -> dict[str, Any] | None:
        """The payload of a transaction; None where nothing of it is wanted."""
        if self.sources and done.source not in self.sources:
            return None
        tables = {
            table_id: shown
            for table_id, change in done.tables.items()
            if self.table_id in (None, table_id)
            and (shown := self._table(base, base.tables[table_id], change))
        }
        told: dict[str, Any] = {"changedTablesById": tables} if tables else {}
        if self.table_id is None and "tableMetadata" in self.data_types and self._kind("add"):
            new = {table.id: self._new_table(base, table) for table in done.new_tables}
            told |= {"createdTablesById": new} if new else {}
        if not told:
            return None
        metadata: dict[str, Any] = (
            {"user": {"id": done.user_id}} if done.source in ("client", "publicApi") else {}
        )
        return {
            "timestamp": timestamp,
            "baseTransactionNumber": done.number,
            "payloadFormat": "v0",
            "actionMetadata": {"source": done.source, "sourceMetadata": metadata},
            **told,
        }

    def _kind(self, change_type: str) -> bool:
        return not self.change_types or change_type in self.change_types

    def _table(self, base: Base, table: Table, change: TableChange) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if "tableData" in self.data_types:
            shown |= self._records(base, table, change)
        if "tableFields" in self.data_types:
            shown |= self._fields(change)
        if "tableMetadata" in self.data_types and change.metadata and self._kind("update"):
            shown["changedMetadata"] = {"previous": change.metadata[0], "current": change.metadata[1]}
        return shown

    def _records(self, base: Base, table: Table, change: TableChange) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if self._kind("add"):
            added = {r.id: self._new_record(base, table, r) for r in change.added.values()}
            if not self.whole_rows:
                added = {rid: one for rid, one in added.items() if one["cellValuesByFieldId"]}
            shown |= {"createdRecordsById": added} if added else {}
        if self._kind("remove") and change.removed and (self.whole_rows or not self.watched):
            shown["destroyedRecordIds"] = change.removed
        if self._kind("update"):
            updated = {}
            for record_id, (before, after) in change.updated.items():
                names = self._wanted(after)
                if not names:
                    continue
                one = {"current": _values(base, table, {f: after[f] for f in names})}
                if self.previous:
                    one["previous"] = _values(base, table, {f: before[f] for f in names})
                cells = table.records[record_id].cells
                still = {f: v for f, v in cells.items() if f not in after and self._included(f)}
                if still:
                    one["unchanged"] = _values(base, table, still)
                updated[record_id] = one
            shown |= {"changedRecordsById": updated} if updated else {}
        return shown

    def _fields(self, change: TableChange) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if self._kind("add") and change.new_fields:
            shown["createdFieldsById"] = {f.id: _outline(f) for f in change.new_fields}
        if self._kind("update"):
            renamed = {
                field_id: {"current": after} | ({"previous": before} if self.previous_fields else {})
                for field_id, (before, after) in change.fields.items()
                if not self.watched_schemas or field_id in self.watched_schemas
            }
            shown |= {"changedFieldsById": renamed} if renamed else {}
        return shown

    def _wanted(self, field_ids: Collection[str]) -> list[str]:
        return [f for f in field_ids if not self.watched or f in self.watched]

    def _included(self, field_id: str) -> bool:
        return self.included is None or field_id in self.included

    def _new_record(self, base: Base, table: Table, record: Record) -> dict[str, Any]:
        cells = {f: record.cells[f] for f in self._wanted(record.cells)}
        return {"createdTime": iso_ms(record.created_ms), **_values(base, table, cells)}

    def _new_table(self, base: Base, table: Table) -> dict[str, Any]:
        return {
            "metadata": _metadata(table),
            "fieldsById": {f.id: _outline(f) for f in table.fields.values()},
            "recordsById": {r.id: self._new_record(base, table, r) for r in table.records.values()},
        }


def _values(base: Base, table: Table, cells: Mapping[str, Any]) -> dict[str, Any]:
    return {"cellValuesByFieldId": {f: _value(base, table.fields[f], value) for f, value in cells.items()}}


def _value(base: Base, f: Field, value: Any) -> Any:
    """A cell as payloads show it: options of selects and linked records as objects, empty cells as null."""
    if value is None:
        return None
    if f.type in SELECTS:
        options = {
            c["name"]: {k: c[k] for k in ("id", "name", "color")} for c in (f.options or {})["choices"]
        }
        return [options[name] for name in value] if isinstance(value, list) else options[value]
    if f.type == LINKS:
        linked = base.linked(f)
        names = {
            rid: linked.records[rid].cells.get(linked.primary.id, "")
            for rid in value
            if rid in linked.records
        }
        return [{"id": rid, "name": str(names.get(rid, ""))} for rid in value]
    if f.type == ATTACHMENTS:
        return [{"id": a.id, "filename": a.filename, "url": a.source_url, "type": a.type} for a in value]
    return value


def iso_ms(epoch_ms: int) -> str:
    """An instant as Airtable writes it."""
    return iso(datetime.fromtimestamp(epoch_ms / 1000, UTC))
