"""What Facebook Pages take, and the problems of a post that breaks it. How a post is made is in `facebook`.

Sources: Meta's references of Page feed, photos and videos, the video API's guide to reels, the Page Stories
API, and Meta's older page on video uploads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from schedulo import accepts
from schedulo.accepts import MB, Pictures, Rules, Videos
from schedulo.model import Account, Content, Format, Media, MediaKind, Problem
from schedulo.platforms import graph
from schedulo.text import utf16_length
from schedulo.text_rules import FACEBOOK, too_long

TITLE_CHARS = 255

# Page photos. Meta's page says 10 MB; publishers saw photos above 4 refused (1366046): a setting chooses.
PHOTOS = Pictures(
    types=("image/jpeg", "image/png", "image/bmp", "image/gif", "image/tiff"),
    max_bytes=10 * MB,
    alone=True,
)
THUMBNAIL = Pictures(types=("image/jpeg", "image/png"), max_bytes=10 * MB, alone=True)
"""Meta names no rules for a thumbnail: this much of those for photos is surely taken."""

# Video uploads: 10 GB and 4 hours, many containers. Codecs are said for reels only; for other videos those
# stand here too, since what they are not is not known to be taken.
VIDEOS = Videos(
    types=("video/mp4", "video/quicktime", "video/x-matroska"),
    max_bytes=10_000 * MB,
    duration_ms=(0, 4 * 3_600_000),
    video_codecs=("h264", "hevc", "vp9", "av1"),
)
# Reels: 9:16. The refusal (1363040) speaks of 9:16 to 16:9; the stricter one stands here, and whole pixels
# need some room.
REELS = replace(
    VIDEOS,
    types=("video/mp4", "video/quicktime"),
    duration_ms=(3_000, 90_000),
    fps=(24, 60),
    aspect=(9 / 16 - 0.001, 9 / 16 + 0.002),
    min_width=540,
    min_height=960,
    max_audio_rate_hz=48_000,
    max_audio_channels=2,
)
STORIES = replace(REELS, duration_ms=(3_000, 60_000))
"""Page Stories API: its table says 90 seconds as for reels, its text 60 at the most."""

ACCEPTS: Mapping[Format, Mapping[MediaKind, Rules]] = {
    Format.IMAGE: {MediaKind.IMAGE: PHOTOS, MediaKind.GIF: PHOTOS},
    Format.IMAGES: {MediaKind.IMAGE: PHOTOS, MediaKind.GIF: PHOTOS},
    Format.VIDEO: {MediaKind.VIDEO: VIDEOS},
    Format.REEL: {MediaKind.VIDEO: REELS},
    Format.STORY: {MediaKind.IMAGE: PHOTOS, MediaKind.VIDEO: STORIES},
}
"""What the files that a format shows must be like; a kind that is not named is not taken."""
NUMBERS: Mapping[Format, tuple[int, int | None]] = {
    Format.TEXT: (0, 0),
    Format.LINK: (0, 0),
    Format.IMAGE: (1, 1),
    Format.IMAGES: (2, None),
    Format.VIDEO: (1, 1),
    Format.REEL: (1, 1),
    Format.STORY: (1, 1),
}
"""How many media a format has."""


def rules(account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
    """What files of a format must be like on this account, a video's cover among them; its option `photo_mb`
    makes photos smaller."""
    photo_mb = account.options.get("photo_mb")
    photos = PHOTOS if photo_mb is None else replace(PHOTOS, max_bytes=int(photo_mb) * MB)
    found = {kind: photos if taken is PHOTOS else taken for kind, taken in ACCEPTS.get(format_, {}).items()}
    return found | ({MediaKind.IMAGE: THUMBNAIL} if format_ is Format.VIDEO else {})


def problems(account: Account, content: Content) -> Iterator[Problem]:
    """All that Facebook would refuse in `content` on `account`, and warnings for what it leaves out."""
    if content.format not in NUMBERS:
        yield Problem("Format", content.format, "not possible on Facebook", "Choose another format.")
        return
    yield from _story(content) if content.format is Format.STORY else _words(content)
    least, most = NUMBERS[content.format]
    if len(content.media) < least or (most is not None and len(content.media) > most):
        rule = f"{content.format} needs " + (f"exactly {least}" if least == most else f"at least {least}")
        yield Problem("Media", f"{len(content.media)} files", rule, "Add or remove files.")
    shown = ACCEPTS.get(content.format, {})
    taken = {kind: found for kind, found in rules(account, content.format).items() if kind in shown}
    for media in content.media if most != 0 else ():
        if media.kind in taken:
            yield from accepts.problems(media, taken[media.kind])
        else:
            rule = f"{content.format} takes {' or '.join(taken)} only"
            yield Problem("Media", media.filename or media.kind, rule, "Replace the file.")
        if media.kind is MediaKind.VIDEO and media.alt_text:
            rule = "Facebook takes it for photos only; it is left out"
            name = media.filename or media.kind.value
            yield Problem("Alt text", name, rule, "Nothing need be done.", warning=True)
    yield from _cover(content)


def thumbnail(content: Content) -> Media | None:
    """The picture that goes out as a video's thumbnail, or None."""
    cover = content.cover
    usable = cover and content.format is Format.VIDEO and cover.kind is MediaKind.IMAGE
    return cover if cover and usable and not accepts.breaches(cover, THUMBNAIL) else None


def _words(content: Content) -> Iterator[Problem]:
    if problem := too_long("Text", content.text, FACEBOOK):
        yield problem
    if content.format is Format.TEXT and not content.text.strip():
        yield Problem("Text", "", "a text post needs text", "Write the text.")
    title = str(content.options.get("title") or "")
    if utf16_length(title) > TITLE_CHARS:
        shown = f"{utf16_length(title)} characters"
        yield Problem("Facebook title", shown, f"Facebook takes {TITLE_CHARS} characters", "Shorten it.")
    yield from _link(content)
    yield from graph.comment_problems(content)


def _link(content: Content) -> Iterator[Problem]:
    if content.link is None:
        if content.format is Format.LINK:
            yield Problem("Link", "", "a link post needs a link", "Add the link.")
        return
    try:
        parts = urlsplit(content.link)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        whole = False
    if not whole:
        yield Problem("Link", content.link, "must be a whole http(s) address", "Copy it from the browser.")
    elif not content.link.isascii():
        remedy = "Copy it from the browser's address bar."
        yield Problem("Link", content.link, "must be written in plain ASCII", remedy)
    elif content.format is Format.LINK:
        rule = "Facebook makes the preview itself from the page, and refuses a page that it cannot open"
        yield Problem("Link", content.link, rule, "See that the page is public by then.", warning=True)
    if content.format not in (Format.TEXT, Format.LINK):
        rule = f"{content.format} cannot carry a link of its own"
        yield Problem("Link", content.link, rule, "Put it into the text.")


def _story(content: Content) -> Iterator[Problem]:
    """What a story cannot carry goes out with the row's other posts, and is left out here."""
    left_out = {"Text": content.text, "Link": content.link, "First comment": content.first_comment}
    for field, said in left_out.items():
        if said and said.strip():
            rule = "a story on Facebook carries no words; this is left out"
            yield Problem(field, said, rule, "Put it into the picture, if it is to be seen.", warning=True)


def _cover(content: Content) -> Iterator[Problem]:
    cover = content.cover
    if cover is None or thumbnail(content):
        return
    if content.format is Format.VIDEO:
        rule = f"Facebook takes a JPEG or PNG of at most {THUMBNAIL.max_bytes // MB} MB; this one is left out"
    elif content.format in (Format.REEL, Format.STORY):
        rule = f"Facebook chooses the cover of a {content.format} itself; this one is left out"
    else:
        return
    yield Problem("Cover", cover.filename or cover.kind, rule, "Nothing need be done.", warning=True)
