"""Our names of tables and fields -> the base's own, and whether a base has all of them with fitting types.

A mapping file is JSON: `{"tables": {"Posts": "Calendar"}, "fields": {"Posts": {"Text": "Copy"}}}`. What it
does not name is called as in `schema`. Creating what is missing is left to `base`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schedulo.airtable.schema import BY_NAME, POSTS, READY, TABLES, Field, Table, Type, Writer
from schedulo.errors.airtable import AirtableSetupError


class MappingError(AirtableSetupError):
    """A mapping file that cannot be used; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Mapping:
    tables: Dict[str, str] = field(default_factory=dict)
    fields: Dict[str, Dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _known("tables", self.tables, BY_NAME)
        _known("fields", self.fields, BY_NAME)
        for name, names in self.fields.items():
            _known(f"fields.{name}", names, [item.name for item in BY_NAME[name].fields])
        _distinct("tables", [self.table(name) for name in BY_NAME])
        for table in TABLES:
            _distinct(f"fields.{table.name}", [self.field(table.name, item.name) for item in table.fields])

    def table(self, name: str) -> str:
        """The base's own name of one of our tables."""
        return self.tables.get(name, name)

    def field(self, table: str, name: str) -> str:
        """The base's own name of one of our fields."""
        return self.fields.get(table, {}).get(name, name)

    def cells(self, table: str, values: Dict[str, Any]) -> dict[str, Any]:
        """Our names -> the base's names, for writing."""
        return {self.field(table, name): value for name, value in values.items()}

    @classmethod
    def load(cls, path: str | Path | None) -> Mapping:
        """Read a mapping file; no path, no renaming. Raises MappingError."""
        if not path:
            return cls()
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise MappingError(f"Mapping file {path}: cannot be read ({error.strerror}).") from None
        except ValueError as error:
            raise MappingError(f"Mapping file {path}: is not JSON ({error}).") from None
        if not isinstance(data, dict) or not set(data) <= {"tables", "fields"}:
            raise MappingError(f'Mapping file {path}: must be {{"tables": {{...}}, "fields": {{...}}}}.')
        return cls(tables=data.get("tables", {}), fields=data.get("fields", {}))


def check(base_schema: Dict[str, Any], mapping: Mapping) -> list[str]:
    """One sentence for every table or field that the base lacks or has with a type that does not serve.

    :param base_schema: the answer of the meta API's `GET /meta/bases/{base}/tables`
    """
    theirs = {table["name"]: table for table in base_schema["tables"]}
    ids = {name: theirs[own]["id"] for name in BY_NAME if (own := mapping.table(name)) in theirs}
    sentences: list[str] = []
    for table in TABLES:
        own = mapping.table(table.name)
        if own in theirs:
            sentences += _table(table, theirs[own], mapping, ids)
        elif table.demanded or table.name in mapping.tables:
            sentences.append(f"Table '{own}' is missing{_nearest(own, theirs)}.")
    return sentences


def _table(table: Table, theirs: Dict[str, Any], mapping: Mapping, ids: Dict[str, str]) -> list[str]:
    own_fields = {item["name"]: item for item in theirs["fields"]}
    sentences = []
    for item in table.fields:
        own = mapping.field(table.name, item.name)
        where = f"Table '{theirs['name']}': field '{own}'"
        if own in own_fields:
            sentences += [f"{where} {fault}." for fault in _faults(table, item, own_fields[own], ids)]
        elif (item.required and item.demanded) or item.name in mapping.fields.get(table.name, {}):
            spare = [name for name in own_fields if name not in _in_use(table, mapping)]
            sentences.append(f"{where} is missing{_nearest(own, spare)}.")
    return sentences


def _faults(table: Table, ours: Field, theirs: Dict[str, Any], ids: Dict[str, str]) -> list[str]:
    if theirs["type"] not in ours.accepted:
        return [f"has the type {theirs['type']} and must have {ours.type}"]
    options = theirs.get("options") or {}
    if ours.type is Type.LINKS and options.get("linkedTableId") != ids.get(ours.link):
        return [f"must link to the table of {ours.link}"]
    # What people choose from is theirs; what we write must exist, and without Ready nothing is ever planned.
    needed = ours.choices if ours.by is Writer.SCHEDULO else ()
    if (table.name, ours.name) == (POSTS, "Status"):
        needed = (READY,)
    if "choices" in options:
        there = {choice["name"] for choice in options["choices"]}
        return [f"lacks the option '{name}'" for name in needed if name not in there]
    return []


def _in_use(table: Table, mapping: Mapping) -> set[str]:
    return {mapping.field(table.name, item.name) for item in table.fields}


def _nearest(name: str, names: Dict[str, Any] | Sequence[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return (
        f"; was it renamed to '{near[0]}'? Then rename it back, or name it in the mapping file"
        if near
        else ""
    )


def _known(where: str, given: Any, known: Any) -> None:
    if not isinstance(given, dict):
        raise MappingError(f"Mapping, {where}: must be an object.")
    for name, value in given.items():
        if name not in known:
            raise MappingError(f"Mapping, {where}: '{name}' is none of {', '.join(known)}.")
        if where != "fields" and not (isinstance(value, str) and value):
            raise MappingError(f"Mapping, {where}: the name for '{name}' must be text.")


def _distinct(where: str, names: Sequence[str]) -> None:
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise MappingError(f"Mapping, {where}: '{double}' is used for two of our names.")
