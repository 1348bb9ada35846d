"""Writes pictures anew, with Pillow, in a process of its own (`draw`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from schedulo.media import apart
from schedulo.media.apart import Limits, failed
from schedulo.media.draw import DAMAGED, TOO_LARGE
from schedulo.media.probe import IMAGES, MAX_PIXELS
from schedulo.media.recipe import Picture
from schedulo.model import Media

DRAW = Path(__file__).with_name("draw.py")


def make(source: Path, target: Path, media: Media, recipe: Picture, limits: Limits) -> None:
    """Write the picture that `recipe` describes to `target`. Raises `ConversionError`."""
    shape = recipe.shape
    box = shape.crop
    order = {
        "source": str(source),
        "target": str(target),
        "formats": list(IMAGES),
        "max_pixels": MAX_PIXELS,
        "content_type": recipe.content_type,
        "size": [shape.width, shape.height],
        "crop": [box.left, box.top, box.width, box.height] if box else None,
        "inner": shape.inner,
        "max_bytes": recipe.max_bytes,
        "threads": limits.threads,
    }
    program = [sys.executable, "-I", str(DRAW), json.dumps(order)]
    ended = apart.run(program, media, limits, recipe.max_bytes + apart.MB, lambda _: None)
    match ended.code:
        case 0:
            return
        case code if code == TOO_LARGE:
            rule = f"it cannot be brought below {recipe.max_bytes / apart.MB:g} MB"
            raise failed(media, rule, "Save it smaller.", detail=ended.said)
        case code if code == DAMAGED:
            raise failed(
                media,
                "the picture is damaged or incomplete",
                "Export it again and upload it anew.",
                detail=ended.said,
            )
        case _:
            raise failed(
                media,
                "it could not be converted",
                "Save it as JPEG, and tell the operator.",
                detail=ended.said,
            )
