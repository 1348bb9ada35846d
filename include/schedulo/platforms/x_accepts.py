"""What X accepts: shapes of a post, length of its text, kinds and sizes of its media, polls.

How a post is made is `x`. Where X's own pages differ, the stricter figure stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from schedulo import accepts
from schedulo.accepts import MB, Pictures, Rules, Videos
from schedulo.model import Account, Content, Format, Media, MediaKind, Problem
from schedulo.text import X_INVALID_CHARACTERS, utf16_length
from schedulo.text_rules import X_PREMIUM, X, too_long

SEGMENT_BYTES = 4 * 1024 * 1024
"""X advises at most 5 MB and takes at most 1,000 segments."""
MAX_SEGMENTS = 1000

# X: counting characters; manage posts, integration guide
MAX_ALT_CHARACTERS = 1000
REPLY_SETTINGS = ("following", "mentionedUsers", "subscribers", "verified")
CASHTAG = re.compile(r"(?<![\w$])\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?(?!\w)")

# X: manage posts, create. What a character of an answer is, X does not say: UTF-16 units count the most.
POLL_ANSWERS = (2, 4)
POLL_ANSWER_CHARACTERS = 25
POLL_MINUTES = (5, 7 * 24 * 60)

# X: media best practices, and the account's class. X's older page says 140 seconds and 512 MB for every
# account, its newer one 20 minutes and 8 GB, and 16 GB for Premium: a setting chooses.
PICTURES = Pictures(types=("image/jpeg", "image/png", "image/webp", "image/gif"), max_bytes=5 * MB)
GIFS = Pictures(
    types=("image/gif",),
    max_bytes=15 * MB,
    max_width=1280,
    max_height=1080,
    max_frames=350,
    max_frame_pixels=300_000_000,
)
VIDEOS = Videos(
    types=("video/mp4", "video/quicktime", "video/mp2t"),
    max_bytes=512 * MB,
    duration_ms=(500, 140_000),
    fps=(0, 60),
    aspect=(1 / 3, 3),
    min_width=32,
    min_height=32,
    max_audio_channels=2,
)
UPLOAD_BYTES = MAX_SEGMENTS * SEGMENT_BYTES
"""What our segments can carry; X takes more where it takes 8 GB and above."""
NEW_VIDEOS = replace(VIDEOS, max_bytes=UPLOAD_BYTES, duration_ms=(500, 20 * 60_000))
PREMIUM_VIDEOS = replace(VIDEOS, max_bytes=UPLOAD_BYTES, duration_ms=(500, 125 * 60_000))
CATEGORIES = {
    MediaKind.IMAGE: "tweet_image",
    MediaKind.GIF: "tweet_gif",
    MediaKind.VIDEO: "tweet_video",
}

SHAPES: dict[Format, tuple[MediaKind | None, int, int]] = {
    Format.TEXT: (None, 0, 0),
    Format.POLL: (None, 0, 0),
    Format.IMAGE: (MediaKind.IMAGE, 1, 1),
    Format.IMAGES: (MediaKind.IMAGE, 1, 4),
    Format.GIF: (MediaKind.GIF, 1, 1),
    Format.VIDEO: (MediaKind.VIDEO, 1, 1),
}
"""Format -> kind of its media, least and most number of them."""


def rules(account: Account, format_: Format) -> Mapping[MediaKind, Rules]:
    """What files of a format must be like on this account."""
    kind = SHAPES[format_][0] if format_ in SHAPES else None
    match kind:
        case MediaKind.IMAGE:
            return {kind: PICTURES}
        case MediaKind.GIF:
            return {kind: GIFS}
        case MediaKind.VIDEO:
            plain = NEW_VIDEOS if account.options.get("videos") == "new" else VIDEOS
            return {kind: PREMIUM_VIDEOS if account.options.get("premium") else plain}
    return {}


def problems(account: Account, content: Content) -> Iterator[Problem]:
    """All that X would refuse."""
    yield from _shape(content)
    yield from _text(account, "Text", content.text, needed=not content.media)
    for number, text in enumerate(content.thread, start=2):
        yield from _text(account, f"Thread, part {number}", text, needed=True)
    if len({text.strip() for text in (content.text, *content.thread)}) <= len(content.thread):
        yield Problem("Thread", "", "X refuses two posts with the same text", "Write each part differently.")
    yield from _replies(content)
    yield from _poll(content)
    taken = rules(account, content.format)
    for media in content.media:
        if media.kind in taken:
            yield from accepts.problems(media, taken[media.kind])
        yield from _alt_text(media)
    if content.cover is not None:
        name = content.cover.filename or content.cover.kind
        rule = "X chooses the cover of a video itself; this one is left out"
        yield Problem("Cover", name, rule, "Nothing need be done.", warning=True)


def _text(account: Account, field: str, text: str, *, needed: bool) -> Iterator[Problem]:
    if problem := too_long(field, text, X_PREMIUM if account.options.get("premium") else X):
        yield problem
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


def _poll(content: Content) -> Iterator[Problem]:
    poll: Mapping[str, Any] | None = content.options.get("poll")
    if poll is None:
        if content.format is Format.POLL:
            yield Problem("Poll", "", "a poll needs answers", "Write two to four, a line for each.")
        return
    if content.format is not Format.POLL:
        rule = "X takes a poll or media in a post, not both"
        yield Problem("Poll", "", rule, "Empty the poll, or take the media out of this post.")
        return
    answers = poll["options"]
    least, most = POLL_ANSWERS
    if not least <= len(answers) <= most:
        remedy = "Add one." if len(answers) < least else "Leave the best."
        yield Problem("Poll", f"{len(answers)} answers", f"X takes {least} to {most}", remedy)
    for answer in answers:
        length = utf16_length(answer)
        if not answer.strip() or length > POLL_ANSWER_CHARACTERS:
            rule = f"X takes 1 to {POLL_ANSWER_CHARACTERS} characters in an answer; an emoji counts as two"
            yield Problem("Poll", f"{answer}: {length} characters", rule, "Shorten it.")
    low, high = POLL_MINUTES
    if not low <= poll["duration_minutes"] <= high:
        rule = f"a poll on X lasts from {low} minutes to {high // 60} hours"
        yield Problem("Poll lasts (h)", f"{poll['duration_minutes'] / 60:g}", rule, "Choose another time.")


def _alt_text(media: Media) -> Iterator[Problem]:
    name = media.filename or media.kind.value
    if media.kind is MediaKind.VIDEO and media.alt_text:
        rule = "X takes it for pictures only; it is left out"
        yield Problem("Alt text", name, rule, "Nothing need be done.", warning=True)
    elif (length := len(media.alt_text)) > MAX_ALT_CHARACTERS:
        yield Problem(
            "Alt text", f"{name}: {length} characters", f"X takes {MAX_ALT_CHARACTERS}", "Shorten it."
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
