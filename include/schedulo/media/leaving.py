"""Takes files out of the store, beside all who put, find and read files.

A file is moved aside first. Then whoever stores the same content stores it anew; and whoever was told just
before that it is here has left its mark, the file's time. Only after that it is asked whether it is still
wanted: if so it comes back, else it is gone for good.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from schedulo.media.store import SHA256, MediaStore, facts_path

ASIDE = "leaving"
"""The folder of files that were moved aside."""


@dataclass(frozen=True, slots=True)
class Stored:
    sha256: str
    size_bytes: int
    used_s: float
    """When it was last put, by the clock of its disk, in seconds."""
    aside: bool = False
    """A `take_away` that died left it aside: nobody finds it until the next one has decided."""


def stored(store: MediaStore) -> Iterator[Stored]:
    """All files of the store, and those that were left aside."""
    aside = store.root / ASIDE
    for place in (*store.root.glob("??/??/*"), *aside.glob("*")):
        if not SHA256.fullmatch(place.name):
            continue
        with contextlib.suppress(FileNotFoundError):
            found = place.stat()
            yield Stored(place.name, found.st_size, found.st_mtime, place.parent == aside)


def used(store: MediaStore, sha256: str) -> None:
    """A file is given up only now: its time begins anew."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(store.path(sha256))


def take_away(
    store: MediaStore,
    sha256s: Collection[str],
    before_s: float,
    wanted: Callable[[Collection[str]], Collection[str]],
) -> tuple[int, int]:
    """Remove files that were last put before `before_s`; answers how many, and their bytes.

    :param wanted: says which of some files are wanted now; asked when nobody can find them any more
    """
    aside = store.root / ASIDE
    aside.mkdir(parents=True, exist_ok=True)
    for sha256 in sha256s:
        place = store.path(sha256)
        for path in (facts_path(place), place):  # in this order a file in its place has its facts
            with contextlib.suppress(FileNotFoundError):
                path.rename(aside / path.name)
    keep = set(wanted(sha256s))
    files = size_bytes = 0
    for sha256 in sha256s:
        left = aside / sha256
        try:
            found = left.stat()
        except FileNotFoundError:
            continue
        if sha256 in keep or found.st_mtime >= before_s:
            _bring_back(store, left)
            continue
        left.unlink()
        facts_path(left).unlink(missing_ok=True)
        files, size_bytes = files + 1, size_bytes + found.st_size
    return files, size_bytes


def left_over(store: MediaStore, before_s: float) -> list[Path]:
    """What was being stored when its process died."""
    found = []
    for path in (store.root / "incoming").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < before_s:
                found.append(path)
    return found


def _bring_back(store: MediaStore, left: Path) -> None:
    place = store.path(left.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    facts = facts_path(left)
    if facts.exists():
        facts.replace(facts_path(place))
    left.replace(place)
