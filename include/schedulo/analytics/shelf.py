"""Keeps the last reports as files, for the page that shows them."""

from __future__ import annotations

import os
import re
import secrets
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from schedulo.settings import Settings

KEPT = 60
"""Files of each kind; the oldest go."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.html")
"""What a file here may be called."""


def kind_of(name: str) -> str:
    """What a report is of: `week` of `week-2026-w48.html`."""
    return name.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of reports."""

    folder: Path

    @classmethod
    def of(cls, settings: Settings) -> Shelf:
        return cls(settings.reports)

    def keep(self, name: str, page: str) -> Path:
        """Write a report; one of the same name is replaced, and who reads meanwhile sees one whole.

        :raises ValueError: for a name that is no plain file name
        """
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a report")
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        part = self.folder / f".{name}.{secrets.token_hex(4)}"
        try:
            part.write_text(page, encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._tidy()
        return path

    def find(self, name: str) -> Path | None:
        """The file of a report; None where there is none of that name."""
        if not NAME.fullmatch(name):
            return None
        path = self.folder / name
        return path if path.is_file() and not path.is_symlink() else None

    def names(self) -> list[str]:
        """All that are there, the youngest first."""
        if not self.folder.is_dir():
            return []
        found = [entry for entry in os.scandir(self.folder) if NAME.fullmatch(entry.name)]
        found.sort(key=lambda entry: (entry.stat().st_mtime_ns, entry.name), reverse=True)
        return [entry.name for entry in found]

    def _tidy(self) -> None:
        kept: Counter[str] = Counter()
        for name in self.names():
            kind = kind_of(name)
            kept[kind] += 1
            if kept[kind] > KEPT:
                (self.folder / name).unlink(missing_ok=True)
