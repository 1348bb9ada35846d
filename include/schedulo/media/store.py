"""Keeps the files of posts by their sha256, each with what it is beside it.

A file is there whole or not at all: it is written elsewhere, flushed to the disk, looked into, and moved into
place in one step. Where files come from is `fetch`'s business, who may see them is `links`'.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schedulo.flow import Slice
from schedulo.media.probe import MediaError, Probed, probe
from schedulo.model import Media

CHUNK_BYTES = 64 * 1024
"""Small enough that nothing else on an event loop waits long for one."""

SHA256 = re.compile(r"[0-9a-f]{64}")


class MissingMedia(Exception):
    """The store does not hold the file, or no longer holds all of it."""


@dataclass(frozen=True, slots=True)
class SliceReader:
    """Bytes of a stored file in chunks of at most 64 KiB; each iteration begins anew.

    Iterate it plainly, or with `async for`, where a thread does the reading. Both raise `MissingMedia` when
    the file is not as long as it was when it was stored.
    """

    path: Path
    file_bytes: int
    offset: int
    length: int

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        with self._open() as file:
            while left:
                chunk = self._next(file, left)
                left -= len(chunk)
                yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self.length
        file = await asyncio.to_thread(self._open)
        try:
            while left:
                chunk = await asyncio.to_thread(self._next, file, left)
                left -= len(chunk)
                yield chunk
        finally:
            file.close()

    def _open(self) -> Any:
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            raise MissingMedia(f"{self.path.name} is not in the media store") from None
        found_bytes = os.fstat(file.fileno()).st_size
        if found_bytes != self.file_bytes:
            file.close()
            raise MissingMedia(f"{self.path.name} has {found_bytes} of its {self.file_bytes} bytes")
        file.seek(self.offset)
        return file

    def _next(self, file: Any, left: int) -> bytes:
        chunk: bytes = file.read(min(CHUNK_BYTES, left))
        if not chunk:
            raise MissingMedia(f"{self.path.name} ended {left} bytes early")
        return chunk


class MediaStore:
    """Files under `root`/ab/cd/<sha256>, what each is in <sha256>.json beside it."""

    def __init__(self, root: Path, look: Callable[[Path, str], Probed] | None = None) -> None:
        """`look`: how files are looked into, where it is not done in this process (`look.look_apart`)."""
        self.root = root
        self._look = look

    def put(
        self, source: bytes | Path | Iterable[bytes], filename: str = "", content_type: str = ""
    ) -> Media:
        """Store a file and say what it is.

        `content_type` is what the sender calls it; it only helps a person to recognise the file in the text
        of a `MediaError`, which is raised for what is no usable picture or video. Storing a file again costs
        one reading and no second look into it.
        """
        incoming = self.root / "incoming"
        incoming.mkdir(parents=True, exist_ok=True)
        digest, size_bytes = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=incoming, delete=False) as file:
            part = Path(file.name)
            try:
                for chunk in _chunks(source):
                    file.write(chunk)
                    digest.update(chunk)
                    size_bytes += len(chunk)
                file.flush()
                known = self.find(digest.hexdigest(), filename)
                if known is not None and self._used(known.sha256):
                    return known
                os.fsync(file.fileno())
                called = f"{filename or 'file'}, {content_type}" if content_type else filename or "file"
                return self._keep(
                    part, digest.hexdigest(), size_bytes, (self._look or probe)(part, called), filename
                )
            finally:
                part.unlink(missing_ok=True)

    def find(self, sha256: str, filename: str = "") -> Media | None:
        """What a stored file is, or None where the store does not hold all of it.

        A file that was stored by a version that looked for less is looked at again, once.
        """
        facts = self._facts(sha256)
        if facts is None or not self._is_whole(sha256, facts["size_bytes"]):
            return None
        probed = Probed.from_json(facts["probed"])
        if probed.facts is None:
            probed = self._look_again(sha256, facts["size_bytes"], probed)
        return _media(sha256, facts["size_bytes"], probed, filename)

    def has(self, sha256: str) -> bool:
        return self.find(sha256) is not None

    def path(self, sha256: str) -> Path:
        """Where a file is or would be. Raises ValueError for what is no sha256 in lower-case hex."""
        if not SHA256.fullmatch(sha256):
            raise ValueError("not a sha256 in lower-case hex")
        return self.root / sha256[:2] / sha256[2:4] / sha256

    def probed(self, sha256: str) -> Probed:
        """All that was found in a stored file. Raises `MissingMedia`."""
        facts = self._facts(sha256)
        if facts is None:
            raise MissingMedia(f"{sha256} is not in the media store")
        return Probed.from_json(facts["probed"])

    def open_slice(self, part: Slice) -> SliceReader:
        """A reader for a request's body. Raises `MissingMedia`, and ValueError for bytes outside the file."""
        facts = self._facts(part.sha256)
        if facts is None or not self._is_whole(part.sha256, facts["size_bytes"]):
            raise MissingMedia(f"{part.sha256} is not whole in the media store")
        size_bytes = int(facts["size_bytes"])
        if part.offset < 0 or part.length < 0 or part.offset + part.length > size_bytes:
            raise ValueError(f"bytes {part.offset}+{part.length} are outside of a file of {size_bytes} bytes")
        return SliceReader(self.path(part.sha256), size_bytes, part.offset, part.length)

    def _used(self, sha256: str) -> bool:
        """Say that a file was wanted now (see `leaving`); False where it went away meanwhile."""
        try:
            os.utime(self.path(sha256))
        except FileNotFoundError:
            return False
        return True

    def _keep(self, part: Path, sha256: str, size_bytes: int, probed: Probed, filename: str) -> Media:
        place = self.path(sha256)
        place.parent.mkdir(parents=True, exist_ok=True)
        # The facts go first: a file in its place always has them.
        self._write_facts(place, size_bytes, probed)
        part.replace(place)
        for folder in (place.parent, place.parent.parent, self.root):
            _flush_folder(folder)
        return _media(sha256, size_bytes, probed, filename)

    def _look_again(self, sha256: str, size_bytes: int, known: Probed) -> Probed:
        """What is found now; what was `known` where it would be refused today, or cannot be written down."""
        try:
            found = (self._look or probe)(self.path(sha256), sha256)
            self._write_facts(self.path(sha256), size_bytes, found)
        except (MediaError, OSError):
            return known
        return found

    def _write_facts(self, place: Path, size_bytes: int, probed: Probed) -> None:
        facts = json.dumps({"size_bytes": size_bytes, "probed": probed.to_json()})
        with tempfile.NamedTemporaryFile("w", dir=self.root / "incoming", delete=False) as file:
            file.write(facts)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(facts_path(place))

    def _facts(self, sha256: str) -> dict[str, Any] | None:
        try:
            facts: dict[str, Any] = json.loads(facts_path(self.path(sha256)).read_text())
        except FileNotFoundError:
            return None
        return facts

    def _is_whole(self, sha256: str, size_bytes: int) -> bool:
        try:
            return self.path(sha256).stat().st_size == size_bytes
        except FileNotFoundError:
            return False


def _media(sha256: str, size_bytes: int, probed: Probed, filename: str) -> Media:
    return Media(
        sha256=sha256,
        kind=probed.kind,
        content_type=probed.content_type,
        size_bytes=size_bytes,
        width=probed.width,
        height=probed.height,
        duration_ms=probed.duration_ms,
        filename=filename,
        facts=probed.facts,
    )


def facts_path(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def _chunks(source: bytes | Path | Iterable[bytes]) -> Iterator[bytes]:
    if isinstance(source, bytes):
        yield source
    elif isinstance(source, Path):
        with source.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    else:
        yield from source


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
