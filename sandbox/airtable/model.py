"""What a base holds: tables, fields, records, attachments. Plain data; the rules are elsewhere.

Instants are integer milliseconds on the world's clock. Empty cells are absent from `Record.cells`.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

LINKS = "multipleRecordLinks"
ATTACHMENTS = "multipleAttachments"
SELECTS = ("singleSelect", "multipleSelects")
COMPUTED = ("createdTime", "lastModifiedTime")
"""Computed field types that a seed can make; no request can."""


def new_id(prefix: str) -> str:
    """An id like Airtable's own: three letters and 14 letters or digits."""
    letters = string.ascii_letters + string.digits
    return prefix + "".join(secrets.choice(letters) for _ in range(14))


@dataclass(slots=True)
class Field:
    name: str
    type: str
    options: dict[str, Any] | None = None
    description: str | None = None
    id: str = field(default_factory=lambda: new_id("fld"))

    @property
    def computed(self) -> bool:
        return self.type in COMPUTED

    @property
    def choices(self) -> list[str]:
        """Names of a select's options, in order."""
        return [choice["name"] for choice in (self.options or {}).get("choices", [])]

    def describe(self) -> dict[str, Any]:
        """The field as the meta API shows it."""
        shown: dict[str, Any] = {"id": self.id, "name": self.name, "type": self.type}
        if self.description:
            shown["description"] = self.description
        if self.options is not None:
            shown["options"] = self.options
        return shown


@dataclass(slots=True)
class Attachment:
    """A file in a cell; `data` is None until it has been fetched."""

    filename: str
    source_url: str | None = None
    data: bytes | None = None
    type: str = "application/octet-stream"
    width: int | None = None
    height: int | None = None
    id: str = field(default_factory=lambda: new_id("att"))


@dataclass(slots=True)
class Record:
    created_ms: int
    id: str = field(default_factory=lambda: new_id("rec"))
    cells: dict[str, Any] = field(default_factory=dict)
    modified: dict[str, int] = field(default_factory=dict)
    """When each field last changed, by field id."""

    def modified_ms(self, field_ids: Collection[str]) -> int | None:
        """The latest change of these fields; with no fields, of the record, its creation included."""
        if not field_ids:
            return max(self.created_ms, *self.modified.values(), 0)
        return max((self.modified[f] for f in field_ids if f in self.modified), default=None)


@dataclass(slots=True)
class Table:
    name: str
    description: str | None = None
    id: str = field(default_factory=lambda: new_id("tbl"))
    fields: dict[str, Field] = field(default_factory=dict)
    """By id; the first is the primary one."""
    records: dict[str, Record] = field(default_factory=dict)
    views: list[dict[str, str]] = field(
        default_factory=lambda: [{"id": new_id("viw"), "name": "Grid view", "type": "grid"}]
    )
    ids: dict[str, str] = field(default_factory=dict)
    """Field ids by id and by name."""

    def add(self, new: Field) -> None:
        self.fields[new.id] = new
        self.index()

    def index(self) -> None:
        """To be called after fields came or were renamed; a name that looks like an id loses to the id."""
        self.ids = {f.name: f.id for f in self.fields.values()} | {f: f for f in self.fields}

    def arrange(self, names: list[str]) -> None:
        """Put the fields in this order; what is not named comes last."""
        place = {name: i for i, name in enumerate(names)}
        ordered = sorted(self.fields.values(), key=lambda f: place.get(f.name, len(names)))
        self.fields = {f.id: f for f in ordered}

    def field(self, name_or_id: Any) -> Field | None:
        return self.fields.get(self.ids.get(name_or_id, "")) if isinstance(name_or_id, str) else None

    @property
    def primary(self) -> Field:
        return next(iter(self.fields.values()))

    def describe(self) -> dict[str, Any]:
        """The table as the meta API shows it."""
        shown: dict[str, Any] = {"id": self.id, "name": self.name, "primaryFieldId": self.primary.id}
        if self.description:
            shown["description"] = self.description
        shown["fields"] = [f.describe() for f in self.fields.values()]
        shown["views"] = self.views
        return shown


@dataclass(slots=True)
class Base:
    name: str
    id: str = field(default_factory=lambda: new_id("app"))
    tables: dict[str, Table] = field(default_factory=dict)
    transactions: int = 0
    """How many changes webhooks were asked about, which is the number of the last one."""

    def table(self, name_or_id: str) -> Table | None:
        found = self.tables.get(name_or_id)
        return found or next((t for t in self.tables.values() if t.name == name_or_id), None)

    def linked(self, link: Field) -> Table:
        """The table that a link field points to."""
        assert link.options is not None
        return self.tables[link.options["linkedTableId"]]
