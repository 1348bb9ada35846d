"""What Facebook Pages take, and the problems of a post that breaks it. How a post is made is in `facebook`.

Sources: Meta's references of Page feed, photos and videos, and the video API's guide to reels.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from schedulo.model import Content, Format, Media, MediaKind, Problem
from schedulo.platforms import graph
from schedulo.text import utf16_length

MB = 1_000_000
MESSAGE_CHARS = 63_206
"""On no page of Meta's; what other publishers observe."""
TITLE_CHARS = 255
PHOTO_TYPES = ("image/jpeg", "image/bmp", "image/png", "image/gif", "image/tiff")
PHOTO_BYTES = 10 * MB
REEL_MS = (3_000, 90_000)
REEL_PIXELS = (540, 960)
REEL_ASPECT = 9 / 16
ASPECT_TOLERANCE = 0.01

# How many media of which kinds a format has.
PHOTOS = (MediaKind.IMAGE, MediaKind.GIF)
VIDEOS = (MediaKind.VIDEO,)
MEDIA: dict[Format, tuple[int, int | None, tuple[MediaKind, ...]]] = {
    Format.TEXT: (0, 0, ()),
    Format.LINK: (0, 0, ()),
    Format.IMAGE: (1, 1, PHOTOS),
    Format.IMAGES: (2, None, PHOTOS),
    Format.VIDEO: (1, 1, VIDEOS),
    Format.REEL: (1, 1, VIDEOS),
}


def problems(content: Content) -> Iterator[Problem]:
    """All that Facebook would refuse in `content`."""
    if content.format not in MEDIA:
        yield Problem("format", content.format, "not possible on Facebook", "Choose another format")
        return
    yield from _text(content)
    yield from _link(content)
    yield from graph.comment_problems(content)
    least, most, kinds = MEDIA[content.format]
    if len(content.media) < least or (most is not None and len(content.media) > most):
        rule = f"{content.format} needs " + (f"exactly {least}" if least == most else f"at least {least}")
        yield Problem("media", f"{len(content.media)} files", rule, "Add or remove files")
    for media in content.media if most != 0 else ():
        if media.kind not in kinds:
            rule = f"{content.format} takes {' or '.join(kinds)} only"
            yield Problem("media", media.filename or media.kind, rule, "Replace the file")
        elif media.kind in PHOTOS:
            yield from _photo(media)
        elif content.format is Format.REEL:
            yield from _reel(media)


def _text(content: Content) -> Iterator[Problem]:
    length = utf16_length(content.text)
    if length > MESSAGE_CHARS:
        shown = f"{length:,} characters"
        yield Problem("text", shown, f"at most {MESSAGE_CHARS:,} characters", "Shorten the text")
    if content.format is Format.TEXT and not content.text.strip():
        yield Problem("text", "", "a text post needs text", "Write the text")
    title = str(content.options.get("title") or "")
    if utf16_length(title) > TITLE_CHARS:
        yield Problem(
            "title", f"{utf16_length(title)} characters", f"at most {TITLE_CHARS} characters", "Shorten it"
        )


def _link(content: Content) -> Iterator[Problem]:
    if content.link is None:
        if content.format is Format.LINK:
            yield Problem("link", "", "a link post needs a link", "Add the link")
        return
    parts = urlsplit(content.link)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield Problem("link", content.link, "must be a whole http(s) address", "Copy it from the browser")
    elif not content.link.isascii():
        remedy = "Copy it from the browser's address bar"
        yield Problem("link", content.link, "must be written in plain ASCII", remedy)
    if content.format not in (Format.TEXT, Format.LINK):
        rule = f"{content.format} cannot carry a link of its own"
        yield Problem("link", content.link, rule, "Put it into the text")


def _photo(media: Media) -> Iterator[Problem]:
    if media.content_type not in PHOTO_TYPES:
        rule = "must be JPEG, PNG, GIF, BMP or TIFF"
        yield Problem("media", media.content_type, rule, "Export it as JPEG")
    if media.size_bytes > PHOTO_BYTES:
        shown, rule = f"{media.size_bytes / MB:.1f} MB", f"at most {PHOTO_BYTES // MB} MB"
        yield Problem("media", shown, rule, "Save it smaller")


def _reel(media: Media) -> Iterator[Problem]:
    if media.duration_ms and not REEL_MS[0] <= media.duration_ms <= REEL_MS[1]:
        shown = f"{media.duration_ms / 1000:g} s"
        yield Problem("media", shown, "a reel lasts from 3 to 90 seconds", "Cut the video")
    if not (media.width and media.height):
        return
    shown = f"{media.width}x{media.height}"
    if abs(media.width / media.height - REEL_ASPECT) > ASPECT_TOLERANCE:
        yield Problem("media", shown, "a reel is upright, 9:16", "Crop the video")
    elif media.width < REEL_PIXELS[0] or media.height < REEL_PIXELS[1]:
        yield Problem("media", shown, "a reel has at least 540x960 pixels", "Use a larger video")
