"""What `@Name` in a text becomes on each platform, as the table Mentions says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import sqlalchemy as sa

from schedulo.airtable.rows import MentionRow
from schedulo.airtable.schema import PLATFORM_WORDS
from schedulo.ledger import marks
from schedulo.model import Platform, Problem

_MARK = "airtable:mentions"
"""The table is small, and is always read as a whole."""


@dataclass(frozen=True)
class Mentions:
    """The names that people use, whatever their case.

    `@Name` of an unknown name stays as it is written: it may be a handle. A known name without a handle on a
    platform becomes the plain name there.
    """

    handles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Name in lower case -> platform -> handle without its sign; empty where the table names several, or
    something that is no handle."""

    @classmethod
    def of(cls, rows: Iterable[MentionRow]) -> Mentions:
        found: dict[str, dict[str, str]] = {}
        for row in rows:
            if not row.name:
                continue
            known = found.setdefault(row.name.casefold(), {})
            for platform, handle in row.handles.items():
                differs = known.get(platform, handle).casefold() != handle.casefold()
                known[platform] = "" if differs else handle
        return cls(found)

    @classmethod
    def load(cls, text: str | None) -> Mentions:
        """What `dump` has written; none where nothing was."""
        return cls(json.loads(text)) if text else cls()

    def dump(self) -> str:
        return json.dumps(self.handles, sort_keys=True, ensure_ascii=False)

    def mapped(self, text: str, platform: Platform, field: str) -> tuple[str, list[Problem]]:
        """`text` as `platform` knows the people in it, and a warning for each who has no handle there.

        :param field: the name of the field that the text is in
        """
        missing: dict[str, Problem] = {}

        def handle(match: re.Match[str]) -> str:
            name = match["name"]
            known = self.handles.get(" ".join(name.split()).casefold())
            if known is None:
                return match[0]
            if known.get(platform):
                return f"@{known[platform]}"
            why = "two handles or none that can be one" if platform in known else "no handle"
            rule = f"the table Mentions has {why} for {PLATFORM_WORDS[platform]}, so the plain name goes out"
            remedy = "Enter one there, or write the name without @."
            missing.setdefault(name.casefold(), Problem(field, f"@{name}", rule, remedy, warning=True))
            return name

        if self.handles and "@" in text:
            text = self._pattern.sub(handle, text)
        return text, list(missing.values())

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        names = sorted(self.handles, key=lambda name: (-len(name), name))
        spelled = "|".join(r"[ \xa0]+".join(map(re.escape, name.split())) for name in names)
        # Not in mail addresses and links; 'acme.berlin' is another handle than 'acme'.
        return re.compile(rf"(?<![\w.@/])@(?P<name>{spelled})(?![\w@]|\.\w)", re.IGNORECASE)


NOBODY = Mentions()


def known(connection: sa.Connection) -> Mentions:
    """As the table was when it was last read."""
    return Mentions.load(marks.read(connection, _MARK)[0])


def keep(connection: sa.Connection, now_ms: int, rows: Iterable[MentionRow]) -> bool:
    """Know what the table says. Answers whether that is something else than before."""
    before, now = known(connection).dump(), Mentions.of(rows).dump()
    marks.mark(connection, now_ms, _MARK, now)
    return before != now
