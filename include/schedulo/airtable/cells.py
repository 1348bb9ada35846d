"""Single cells of a record as values of the kinds that we use.

Cells may hold anything: people retype fields, Bubble writes what it likes. What cannot be read becomes a
`Problem` under the base's own field name, and counts as empty.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from typing import Any, TypeVar

from schedulo.airtable.mapping import Mapping
from schedulo.clock import ClockError, parse_instant, time_zone
from schedulo.model import Problem
from schedulo.words import shown, storable

T = TypeVar("T")
END_MS = 253_370_764_800_000
"""The beginning of the year 9999."""
EXACT = 2**53
"""Numbers from here on Airtable keeps only nearly."""


@dataclass(frozen=True, slots=True)
class AttachmentRef:
    """A file of a row. The address dies two hours after Airtable handed it out: fetch, never store."""

    id: str
    url: str = field(repr=False)
    filename: str = ""
    content_type: str = ""
    size_bytes: int = 0
    width: int = 0
    height: int = 0


class Cells:
    """The cells of one record, by our names."""

    def __init__(self, table: str, record: Dict[str, Any], mapping: Mapping, who: str) -> None:
        self._table, self._mapping, self._who = table, mapping, who
        found = record.get("fields")
        given = found if isinstance(found, dict) else {}
        self._fields: Dict[str, Any] = {name: _storable(value) for name, value in given.items()}
        self._marred = {
            name for name, value in given.items() if isinstance(value, str) and value != self._fields[name]
        }
        self.problems: list[Problem] = []

    def name(self, field: str) -> str:
        return self._mapping.field(self._table, field)

    def raw(self, field: str) -> Any:
        return self._fields.get(self.name(field))

    def problem(self, field: str, value: Any, rule: str, remedy: str = "") -> None:
        self.problems.append(Problem(self.name(field), _shown(value), rule, remedy or self._who))

    def text(self, field: str) -> str:
        """A text, or a number as people write it: whole, and only where Airtable keeps all its digits."""
        value = self.raw(field)
        if isinstance(value, str):
            if self.name(field) in self._marred:
                self.problem(field, value, "holds characters that nobody can show (NUL or half an emoji)")
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            if abs(value) < EXACT:
                return f"{value:g}" if value != int(value) else str(int(value))
            self.problem(field, _shown(value), "is a number too large to be exact; the field must be text")
        elif value is not None:
            self.problem(field, value, "must be text")
        return ""

    def checked(self, field: str) -> bool:
        value = self.raw(field)
        if value in (None, True, False, 0, 1):
            return bool(value)
        self.problem(field, value, "must be a checkbox")
        return False

    def choice(self, field: str, choices: Dict[str, T]) -> T | None:
        """What the chosen word stands for; None for an empty cell and for words that are no choice."""
        return self._word(field, self.text(field), choices)

    def chosen(self, field: str, choices: Dict[str, str]) -> set[str]:
        value = self.raw(field)
        words = value if isinstance(value, list) else [] if value is None else [value]
        found = (
            self._word(field, word if isinstance(word, str) else _shown(word), choices) for word in words
        )
        return {item for item in found if item is not None}

    def _word(self, field: str, word: str, choices: Dict[str, T]) -> T | None:
        if not word.strip():
            return None
        by_folded = {choice.casefold(): value for choice, value in choices.items()}
        if word.strip().casefold() in by_folded:
            return by_folded[word.strip().casefold()]
        self.problem(field, word, f"must be one of {', '.join(choices)}")
        return None

    def instant_ms(self, field: str) -> int | None:
        value = self.raw(field)
        if value is None or value == "":
            return None
        try:
            ms = parse_instant(value if isinstance(value, str) else _shown(value), field=self.name(field))
        except ClockError as error:
            self.problems.append(error.problem)
            return None
        return ms if self.sane(field, value, ms) else None

    def sane(self, field: str, value: Any, ms: int) -> bool:
        """Whether an instant is one that every zone and every service can write; else it is a problem."""
        if 0 <= ms < END_MS:
            return True
        self.problem(field, value, "must be between 1970 and 9998")
        return False

    def zone(self, field: str) -> str:
        name = self.text(field).strip()
        if not name:
            return ""
        try:
            time_zone(name, field=self.name(field))
        except ClockError as error:
            self.problems.append(error.problem)
            return ""
        return name

    def seconds_as_ms(self, field: str) -> int | None:
        value = self.raw(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 86400:
            self.problem(field, value, "must be seconds, 0 or more")
            return None
        return round(value * 1000)

    def whole(self, field: str, least: int, most: int) -> int | None:
        """A count; None for an empty cell and for what is no whole number from `least` to `most`."""
        value = self.raw(field)
        if value is None:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and least <= value <= most and value == int(value):
            return int(value)
        self.problem(field, value, f"must be a whole number from {least} to {most}")
        return None

    def links(self, field: str) -> tuple[str, ...]:
        value = self.raw(field)
        if value is None:
            return ()
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(dict.fromkeys(value))
        self.problem(field, value, "must be links to rows")
        return ()

    def attachments(self, field: str) -> tuple[AttachmentRef, ...]:
        value = self.raw(field)
        files = value if isinstance(value, list) else [] if value is None else [value]
        found = []
        for item in files:
            if (
                isinstance(item, dict)
                and isinstance(item.get("id"), str)
                and isinstance(item.get("url"), str)
            ):
                found.append(_attachment(item))
            else:
                self.problem(
                    field, "", "holds something that is not a finished upload", "Upload the file again."
                )
        return tuple(found)


def _attachment(item: Dict[str, Any]) -> AttachmentRef:
    def number(name: str) -> int:
        value = item.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < EXACT:
            return 0
        return int(value)

    def text(name: str) -> str:
        value = item.get(name)
        return value if isinstance(value, str) else ""

    return AttachmentRef(
        id=item["id"],
        url=item["url"],
        filename=text("filename"),
        content_type=text("type"),
        size_bytes=number("size"),
        width=number("width"),
        height=number("height"),
    )


def _shown(value: Any) -> str:
    """A cell for a sentence: short, and never an attachment with its address."""
    if isinstance(value, str | float | bool):
        return shown(str(value))
    if isinstance(value, int):
        return str(value) if abs(value) < EXACT**4 else "a number"  # Python writes no number of any length
    return "a list" if isinstance(value, list) else "an object"


def _storable(value: Any) -> Any:
    """A cell of which every text can be stored."""
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(item) for item in value]
        case dict():
            return {storable(name): _storable(item) for name, item in value.items()}
        case _:
            return value
