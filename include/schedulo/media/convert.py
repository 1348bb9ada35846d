"""Makes of a stored file another one that a platform takes, by a recipe."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

from schedulo.media import apart, images, videos
from schedulo.media.apart import ConversionError, Limits, failed
from schedulo.media.links import EXTENSIONS
from schedulo.media.probe import MediaError
from schedulo.media.recipe import Film, Picture, Recipe
from schedulo.media.store import MediaStore, MissingMedia
from schedulo.model import Media

__all__ = ["ConversionError", "Limits", "convert"]

PREFIX = "convert-"
FORGOTTEN_S = 86_400.0
"""A folder of a conversion that was killed is removed after so long."""
SHORTER = 0.02
SHORTER_MS = 250
"""What comes out may be so much shorter than the source: a part of it, or in milliseconds."""


def convert(
    store: MediaStore,
    media: Media,
    recipe: Recipe,
    limits: Limits,
    on_progress: Callable[[str], None],
) -> Media:
    """Make the file that `recipe` describes, put it into `store` and say what it is.

    Name (with the ending of its new type) and alt text are those of `media`. `on_progress` gets a short
    sentence now and then. Blocks; for worker tasks. Raises `ConversionError`, and `MissingMedia` where the
    store does not hold the source.
    """
    if not store.has(media.sha256):
        raise MissingMedia(f"{media.sha256} is not in the media store")
    try:
        made = _make(store, media, recipe, limits, on_progress)
    except OSError as error:
        raise apart.without_room(media, error) from error
    _check(media, recipe, made)
    return replace(made, alt_text=media.alt_text)


def _make(
    store: MediaStore,
    media: Media,
    recipe: Recipe,
    limits: Limits,
    on_progress: Callable[[str], None],
) -> Media:
    incoming = store.root / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    _sweep(incoming)
    source = store.path(media.sha256)
    ending = EXTENSIONS[recipe.content_type]
    name = f"{PurePath(media.filename).stem}.{ending}" if media.filename else ""
    with tempfile.TemporaryDirectory(dir=incoming, prefix=PREFIX) as folder:
        target = Path(folder) / f"made.{ending}"
        match recipe:
            case Film():
                videos.make(source, target, media, recipe, limits, on_progress)
            case Picture(content_type="image/gif"):
                videos.make_gif(source, target, media, recipe, limits)
            case Picture():
                images.make(source, target, media, recipe, limits)
        try:
            return store.put(target, name)
        except MediaError as error:
            raise _ours(media, error.problem.sentence()) from None


def _check(media: Media, recipe: Recipe, made: Media) -> None:
    """A file that is not what the recipe says is not used: better no post than half a film."""
    wanted = recipe.expected(media)
    ours, theirs = made.facts, wanted.facts
    if made.size_bytes > recipe.max_bytes:
        raise failed(media, f"it cannot be brought below {recipe.max_bytes / 1e6:g} MB", "Save it smaller.")
    spare_ms = max(SHORTER_MS, wanted.duration_ms * SHORTER)
    if made.duration_ms < wanted.duration_ms - spare_ms:
        raise failed(
            media,
            f"only {made.duration_ms / 1000:g} of its {wanted.duration_ms / 1000:g} seconds can be read",
            "It is damaged or incomplete: export it again and upload it anew.",
        )
    if (made.kind, made.content_type, made.width, made.height) != (
        wanted.kind,
        wanted.content_type,
        wanted.width,
        wanted.height,
    ):
        raise _ours(media, f"{made.content_type} {made.width}x{made.height}")
    if isinstance(recipe, Film) and ours and theirs:
        for name in ("video_codec", "audio_codec", "pixel_format", "index_last", "edited", "interlaced"):
            if getattr(ours, name) != getattr(theirs, name):
                raise _ours(media, f"{name} {getattr(ours, name)}, not {getattr(theirs, name)}")


def _ours(media: Media, detail: str) -> ConversionError:
    return failed(
        media,
        "converting it gave something else than it should",
        "Convert it yourself, and tell the operator: this is a fault of Schedulo.",
        detail=detail,
    )


def _sweep(incoming: Path) -> None:
    for folder in incoming.glob(f"{PREFIX}*"):
        try:
            if time.time() - folder.stat().st_mtime > FORGOTTEN_S:
                shutil.rmtree(folder, ignore_errors=True)
        except FileNotFoundError:  # another conversion's, done
            continue
