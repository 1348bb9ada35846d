"""The files of rows as far as they are known: here and fitting, of no use, or not here yet.

Nothing is fetched and nothing converted; that is `prepare`'s.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

import sqlalchemy as sa

from schedulo.accepts import Rules
from schedulo.airtable.cells import AttachmentRef
from schedulo.airtable.rows import PostRow
from schedulo.ledger.tables import attachments, renditions
from schedulo.media.links import EXTENSIONS
from schedulo.media.recipe import Recipe
from schedulo.media.store import MediaStore
from schedulo.model import Media, MediaKind
from schedulo.words import shown

_TYPES = {MediaKind.IMAGE: "image/jpeg", MediaKind.GIF: "image/gif", MediaKind.VIDEO: "video/mp4"}


@dataclass(frozen=True, slots=True)
class File:
    """One file of a row. Without `media` and `problem` it is not here yet."""

    ref: AttachmentRef
    media: Media | None = None
    problem: str = ""
    """Why it cannot be used, for the author of the post."""
    trouble: str = ""
    """Why it could not be fetched when that was last tried."""

    @property
    def name(self) -> str:
        return called_so(self.ref.filename)

    @property
    def missing(self) -> bool:
        return self.media is None and not self.problem


@dataclass(frozen=True, slots=True)
class Rendition:
    """What became of a file by a recipe. Without `media` and `problem` it is not made yet."""

    media: Media | None = None
    problem: str = ""
    """Why it cannot be made, for the author of the post."""
    trouble: str = ""
    """Why it could not be made when that was last tried."""


@dataclass(frozen=True, slots=True)
class Files:
    """What is known of some files."""

    known: Mapping[str, File]
    """By Airtable's ids of attachments."""
    renditions: Mapping[tuple[str, str], Rendition] = field(default_factory=dict)
    """By the source's sha256 and the recipe's key."""

    def of(self, ref: AttachmentRef) -> File:
        return self.known.get(ref.id) or File(ref)

    def rendition(self, source: Media, recipe: Recipe) -> Rendition:
        return self.renditions.get((source.sha256, recipe.key)) or Rendition()


def called_so(filename: str) -> str:
    """A file's name for people."""
    return shown(filename) or "a file"


def refs_of(row: PostRow) -> tuple[AttachmentRef, ...]:
    """All files of a row, its cover last."""
    return (*row.attachments, *((row.cover,) if row.cover else ()))


def known_files(connection: sa.Connection, store: MediaStore, rows: Iterable[PostRow]) -> Files:
    """What the ledger and the store know of the files of these rows."""
    refs = {ref.id: ref for row in rows for ref in refs_of(row)}
    found = {
        row.id: row
        for row in connection.execute(sa.select(attachments).where(attachments.c.id.in_(list(refs))))
    }
    known = {}
    for id_, ref in refs.items():
        row = found.get(id_)
        if row is None:
            known[id_] = File(ref)
            continue
        media = store.find(row.sha256, ref.filename) if row.sha256 else None
        known[id_] = File(ref, media, row.problem, row.trouble)
    sources = {file.media.sha256 for file in known.values() if file.media}
    made = connection.execute(sa.select(renditions).where(renditions.c.source.in_(sources))).all()
    return Files(
        known,
        {
            (row.source, row.recipe): Rendition(
                store.find(row.sha256) if row.sha256 else None, row.problem, row.trouble
            )
            for row in made
        },
    )


def stand_in(file: File) -> Media | None:
    """A file that is not here, as it is said to be, so that all else of its post can be checked: it has a
    kind and breaks no rule. None where not even its kind is known."""
    kind = _kind(file.ref)
    return None if kind is None else Media("", kind, _TYPES[kind], size_bytes=1, filename=file.ref.filename)


def flawless(item: Media, kind: MediaKind, rules: Rules | None) -> Media:
    """A file of the same name that breaks no rule, as a stand-in."""
    content_type = _TYPES[kind]
    if rules is not None and content_type not in rules.types:
        content_type = rules.types[0]
    return Media("", kind, content_type, 1, alt_text=item.alt_text, filename=item.filename)


def called(made: Media, source: Media) -> Media:
    """What was made of a file, with its name and what it says to those who cannot see it."""
    ending = EXTENSIONS[made.content_type]
    name = f"{PurePath(source.filename).stem}.{ending}" if source.filename else ""
    return replace(made, filename=name, alt_text=source.alt_text)


def _kind(ref: AttachmentRef) -> MediaKind | None:
    said = ref.content_type or mimetypes.guess_type(ref.filename)[0] or ""
    if said == "image/gif":
        return MediaKind.GIF
    return {"image": MediaKind.IMAGE, "video": MediaKind.VIDEO}.get(said.partition("/")[0])
