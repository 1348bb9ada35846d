"""What X accepts: shapes of a post, length of its text, kinds and sizes of its media.

How a post is made is `x`. Where X's own pages differ, the stricter figure stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from schedulo.model import Account, Content, Format, Media, MediaKind, Problem
from schedulo.text import X_INVALID_CHARACTERS, X_MAX_WEIGHTED_LENGTH, x_weighted_length

MB = 1_000_000
SEGMENT_BYTES = 4 * 1024 * 1024
"""X advises at most 5 MB and takes at most 1,000 segments."""
MAX_SEGMENTS = 1000

# X: counting characters; manage posts, integration guide
MAX_WEIGHT_PREMIUM = 25_000
MAX_ALT_CHARACTERS = 1000
REPLY_SETTINGS = ("following", "mentionedUsers", "subscribers", "verified")
CASHTAG = re.compile(r"(?<![\w$])\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?(?!\w)")


@dataclass(frozen=True, slots=True)
class Limit:
    """X: media best practices. Where X's pages differ, the stricter figure."""

    category: str
    types: tuple[str, ...]
    max_bytes: int


LIMITS: dict[MediaKind, Limit] = {
    MediaKind.IMAGE: Limit("tweet_image", ("image/jpeg", "image/png", "image/webp", "image/gif"), 5 * MB),
    MediaKind.GIF: Limit("tweet_gif", ("image/gif",), 15 * MB),
    MediaKind.VIDEO: Limit(
        "tweet_video", ("video/mp4", "video/quicktime", "video/webm", "video/mp2t"), 512 * MB
    ),
}
CATEGORIES = {kind: limit.category for kind, limit in LIMITS.items()}
MAX_GIF_SIDES = (1280, 1080)
MIN_VIDEO_MS, MAX_VIDEO_MS = 500, 140_000
PREMIUM_VIDEO_BYTES = MAX_SEGMENTS * SEGMENT_BYTES
PREMIUM_VIDEO_MS = 125 * 60_000

SHAPES: dict[Format, tuple[MediaKind | None, int, int]] = {
    Format.TEXT: (None, 0, 0),
    Format.IMAGE: (MediaKind.IMAGE, 1, 1),
    Format.IMAGES: (MediaKind.IMAGE, 1, 4),
    Format.GIF: (MediaKind.GIF, 1, 1),
    Format.VIDEO: (MediaKind.VIDEO, 1, 1),
}
"""Format -> kind of its media, least and most number of them."""


def problems(account: Account, content: Content) -> Iterator[Problem]:
    """All that X would refuse."""
    yield from _shape(content)
    yield from _text(account, "Text", content.text, needed=not content.media)
    for number, text in enumerate(content.thread, start=2):
        yield from _text(account, f"Thread, part {number}", text, needed=True)
    if len({text.strip() for text in (content.text, *content.thread)}) <= len(content.thread):
        yield Problem("Thread", "", "X refuses two posts with the same text", "Write each part differently.")
    yield from _replies(content)
    for media in content.media:
        yield from _medium(account, media)


def _text(account: Account, field: str, text: str, *, needed: bool) -> Iterator[Problem]:
    premium = bool(account.options.get("premium"))
    most = MAX_WEIGHT_PREMIUM if premium else X_MAX_WEIGHTED_LENGTH
    weight = x_weighted_length(text)
    if weight > most:
        yield Problem(
            field,
            f"{weight} characters as X counts",
            f"X takes {most:,} from {'a Premium' if premium else 'this'} account; each link counts 23",
            f"Shorten it by {weight - most}.",
        )
    if needed and not text.strip():
        yield Problem(field, "", "a post without media needs a text", "Write one.")
    if any(character in text for character in X_INVALID_CHARACTERS):
        yield Problem(field, "", "it holds an invisible character that X refuses", "Type the text anew.")
    if len(tags := CASHTAG.findall(text)) > 1:
        yield Problem(field, ", ".join(tags), "X takes one cashtag in a post", "Leave one of them.")


def _replies(content: Content) -> Iterator[Problem]:
    settings = content.options.get("reply_settings")
    if settings and settings not in REPLY_SETTINGS:
        yield Problem(
            "Reply settings",
            str(settings),
            f"X knows {', '.join(REPLY_SETTINGS)}",
            "Choose one of them, or leave it empty so that everyone may reply.",
        )


def _medium(account: Account, media: Media) -> Iterator[Problem]:
    name = media.filename or media.kind.value
    limit = LIMITS[media.kind]
    premium = bool(account.options.get("premium"))
    if media.content_type not in limit.types:
        yield Problem(
            "Media", f"{name}: {media.content_type}", f"X takes {', '.join(limit.types)}", "Convert it."
        )
    video = media.kind is MediaKind.VIDEO
    most = PREMIUM_VIDEO_BYTES if video and premium else limit.max_bytes
    if not 0 < media.size_bytes <= most:
        yield Problem(
            "Media",
            f"{name}: {media.size_bytes:,} bytes",
            f"X takes 1 to {most:,} bytes for a {media.kind.value}",
            "Make the file smaller." if media.size_bytes else "Attach the file again.",
        )
    if len(media.alt_text) > MAX_ALT_CHARACTERS:
        yield Problem(
            "Alt text",
            f"{name}: {len(media.alt_text)} characters",
            f"X takes {MAX_ALT_CHARACTERS}",
            "Shorten it.",
        )
    sides = (media.width, media.height)
    if media.kind is MediaKind.GIF and any(a > b for a, b in zip(sides, MAX_GIF_SIDES, strict=True)):
        yield Problem(
            "Media", f"{name}: {sides[0]}x{sides[1]}", "X takes GIFs up to 1280x1080", "Make it smaller."
        )
    if video and all(sides) and not 1 / 3 <= sides[0] / sides[1] <= 3:
        yield Problem("Media", f"{name}: {sides[0]}x{sides[1]}", "X takes videos from 1:3 to 3:1", "Crop it.")
    longest_ms = PREMIUM_VIDEO_MS if premium else MAX_VIDEO_MS
    if video and media.duration_ms and not MIN_VIDEO_MS <= media.duration_ms <= longest_ms:
        yield Problem(
            "Media",
            f"{name}: {media.duration_ms / 1000:g} seconds",
            f"X takes videos of 0.5 to {longest_ms // 1000} seconds from this account",
            "Cut it.",
        )


def _shape(content: Content) -> Iterator[Problem]:
    if content.format not in SHAPES:
        yield Problem(
            "Format", content.format, f"X has {', '.join(SHAPES)}", "Choose one of them for this account."
        )
        return
    kind, least, most = SHAPES[content.format]
    kinds = {media.kind for media in content.media}
    if not least <= len(content.media) <= most or kinds - {kind}:
        wanted = "no media" if kind is None else f"{least} {kind.value}"
        wanted += f" to {most} {kind.value}s" if kind and most > least else ""
        given = ", ".join(media.kind.value for media in content.media) or "none"
        yield Problem(
            "Media", given, f"the format {content.format.value} has {wanted}", "Change one of both."
        )
