"""Writes a picture anew: `python -I draw.py ORDER`, where ORDER is JSON; see `images`.

Upright, in sRGB, without transparency, cropped, scaled, framed, and below a number of bytes. Nothing of what
the file said beside its pixels is kept: no place, no camera, no profile.

A program of its own: it reads what nobody can trust, and a crash must not take a worker down. Nothing of
Schedulo is imported here. Sources: EXIF 2.32 (orientation), ICC.1 (profiles).
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import AvifImagePlugin, Image, ImageCms, ImageOps

DAMAGED, TOO_LARGE = 3, 4
"""Exit codes: the file cannot be read to its end; no quality makes it small enough."""

QUALITIES = (92, 88, 84, 78, 70, 60, 50, 40)
BACKGROUND = (255, 255, 255)
"""Behind what is transparent, and around what is padded."""
SAVED: dict[str, tuple[str, dict[str, Any]]] = {
    "image/jpeg": ("JPEG", {"optimize": True, "subsampling": 0}),
    "image/webp": ("WEBP", {"method": 4}),
    "image/png": ("PNG", {"optimize": True}),
}


def main() -> int:
    order = json.loads(sys.argv[1])
    pillow_heif.register_heif_opener()
    pillow_heif.options.DECODE_THREADS = AvifImagePlugin.DEFAULT_MAX_THREADS = order["threads"]
    Image.MAX_IMAGE_PIXELS = order["max_pixels"]
    try:
        with Image.open(order["source"], formats=tuple(order["formats"])) as found:
            found.load()
            image = upright(found)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise whatever a crooked file makes them trip over
        # Who started this process keeps the last of what it says.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return DAMAGED
    content = encoded(shaped(flat(srgb(image)), order), order["content_type"], order["max_bytes"])
    if content is None:
        return TOO_LARGE
    Path(order["target"]).write_bytes(content)
    return 0


def upright(image: Image.Image) -> Image.Image:
    turned = ImageOps.exif_transpose(image)
    turned.info.setdefault("icc_profile", image.info.get("icc_profile"))
    return turned


def srgb(image: Image.Image) -> Image.Image:
    """In sRGB by the picture's own profile, as RGB or RGBA."""
    profile = image.info.get("icc_profile")
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode in ("LA", "La", "PA", "RGBa"):
        image = image.convert("RGBA")
    if image.mode.startswith("I"):  # 16 bits a pixel
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha else image
    colours = by_profile(colours, profile) or colours.convert("RGB")
    if alpha:
        colours.putalpha(alpha)
    return colours


def by_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """None where there is no profile, or one that cannot be used: then its colours are the usual ones."""
    ours = ImageCms.createProfile("sRGB")
    try:
        if image.mode == "LAB":
            own = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif profile:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        else:
            return None
        return ImageCms.profileToProfile(image, own, ours, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def flat(image: Image.Image) -> Image.Image:
    """Without transparency."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, BACKGROUND)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def shaped(image: Image.Image, order: dict[str, Any]) -> Image.Image:
    size, box, inner = tuple(order["size"]), order["crop"], order["inner"]
    if box:
        image = image.crop((box[0], box[1], box[0] + box[2], box[1] + box[3]))
    wanted = tuple(inner) if inner else size
    if image.size != wanted:
        image = image.resize(wanted, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if inner:
        ground = Image.new("RGB", size, BACKGROUND)
        ground.paste(image, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
        image = ground
    return image


def encoded(image: Image.Image, content_type: str, max_bytes: int) -> bytes | None:
    """At the best quality that stays below `max_bytes`; None where none does."""
    kind, options = SAVED[content_type]
    image.info = {}
    for quality in QUALITIES if kind != "PNG" else QUALITIES[:1]:
        out = io.BytesIO()
        image.save(out, kind, quality=quality, **options)
        if out.tell() <= max_bytes:
            return out.getvalue()
    return None


if __name__ == "__main__":
    sys.exit(main())
