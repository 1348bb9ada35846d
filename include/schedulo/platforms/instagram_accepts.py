"""What Instagram takes, as data, and the problems of a post that breaks it.

How a post is made is in `instagram`. Sources: Meta's IG User media reference (tables of parameters, of images
and of videos), its content publishing guide and its error codes. Where these differ (MB and MiB), the smaller
figure stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schedulo import accepts
from schedulo.accepts import Pictures, Rules, Videos
from schedulo.model import Account, Content, Format, Media, MediaKind, Problem
from schedulo.platforms import graph
from schedulo.text import hashtags, mentions
from schedulo.text_rules import INSTAGRAM, too_long

MB = 1_000_000
ALT_TEXT_CHARS = 1000
UPRIGHT = 9 / 16
"""The shape that stories and covers are shown in."""
SHAPE_TOLERANCE = 0.01
"""Whole pixels cannot hit a shape exactly."""

_JPEG = ("image/jpeg",)
_FILMS = ("video/mp4", "video/quicktime")

# Wider pictures than 1440 pixels are scaled by Instagram, not refused.
FEED_IMAGE = Pictures(_JPEG, 8 * MB, aspect=(0.8, 1.91), srgb=True, alone=True)
STORY_IMAGE = Pictures(_JPEG, 8 * MB, srgb=True, alone=True)
COVER = Pictures(_JPEG, 8 * MB, srgb=True, alone=True)


def _videos(max_bytes: int, duration_ms: tuple[int, int], aspect: tuple[float, float]) -> Videos:
    return Videos(
        _FILMS,
        max_bytes,
        duration_ms,
        video_codecs=("h264", "hevc"),
        pixel_formats=("yuv420p", "yuvj420p", "yuv420p10le"),  # 4:2:0, of whatever depth
        fps=(23.0, 60.0),
        aspect=aspect,
        max_width=1920,
        max_bit_rate=25 * MB,
        max_audio_rate_hz=48_000,
        max_audio_channels=2,
        index_first=True,
    )


REEL = _videos(300 * MB, (3_000, 15 * 60_000), (0.01, 10.0))
STORY_VIDEO = _videos(100 * MB, (3_000, 60_000), (0.1, 10.0))

RULES: Mapping[Format, Mapping[MediaKind, Rules]] = {
    Format.IMAGE: {MediaKind.IMAGE: FEED_IMAGE},
    Format.REEL: {MediaKind.VIDEO: REEL, MediaKind.IMAGE: COVER},
    # Meta gives no figures of their own for the items of a carousel.
    Format.CAROUSEL: {MediaKind.IMAGE: FEED_IMAGE, MediaKind.VIDEO: REEL},
    Format.STORY: {MediaKind.IMAGE: STORY_IMAGE, MediaKind.VIDEO: STORY_VIDEO},
}


class Login(StrEnum):
    INSTAGRAM = "instagram_login"
    FACEBOOK = "facebook_login"

    @property
    def service(self) -> str:
        return "instagram" if self is Login.INSTAGRAM else "facebook"


@dataclass(frozen=True, slots=True)
class Shape:
    """How many files of which kinds a format has, and what else belongs to it."""

    kinds: tuple[MediaKind, ...]
    least: int = 1
    most: int = 1
    captioned: bool = True
    """It has a text, and comments under it."""
    alt_texts: bool = False
    """Of its pictures."""

    def words(self) -> str:
        kinds = " or ".join(self.kinds)
        if self.most == 1:
            return f"exactly one {kinds}"
        return f"{self.least} to {self.most} files, each one {kinds}"


SHAPES: Mapping[Format, Shape] = {
    Format.IMAGE: Shape((MediaKind.IMAGE,), alt_texts=True),
    Format.REEL: Shape((MediaKind.VIDEO,)),
    Format.CAROUSEL: Shape((MediaKind.IMAGE, MediaKind.VIDEO), 2, 10, alt_texts=True),
    Format.STORY: Shape((MediaKind.IMAGE, MediaKind.VIDEO), captioned=False),
}


def problems(account: Account, content: Content, public_media: bool) -> Iterator[Problem]:
    """All that Instagram would refuse, and what the author should know.

    :param public_media: whether stored media have a public address
    """
    login = account.options.get("login")
    if login not in set(Login):
        remedy = "The operator sets how the account is connected."
        yield Problem("account", str(login), f"login must be {' or '.join(Login)}", remedy)
    shape = SHAPES.get(content.format)
    if shape is None:
        choices = ", ".join(SHAPES)
        yield Problem("Format", content.format, "not possible on Instagram", f"Choose one of {choices}.")
        return
    yield from _words(content, shape)
    kinds = [media.kind for media in content.media]
    if not shape.least <= len(kinds) <= shape.most or not set(kinds) <= set(shape.kinds):
        shown = ", ".join(kinds) or "nothing"
        yield Problem("Media", shown, f"a {content.format} is {shape.words()}", "Add or remove files.")
        return
    for media in content.media:
        yield from accepts.problems(media, RULES[content.format][media.kind])
        if shape.alt_texts and media.kind is MediaKind.IMAGE:
            yield from _most("Alt text", len(media.alt_text), ALT_TEXT_CHARS, "characters")
        elif media.alt_text:
            name, rule = (
                media.filename or media.kind,
                "Instagram takes it for pictures of the feed; it is left out",
            )
            yield Problem("Alt text", name, rule, "Nothing need be done.", warning=True)
    yield from _tags(content)
    if content.format is Format.REEL:
        yield from _cover(content)
    yield from _looks(content)
    fetched = [media for media in content.media if media.kind is MediaKind.IMAGE or login != Login.FACEBOOK]
    fetched += [content.cover] if content.cover and content.format is Format.REEL else []
    if fetched and not public_media:
        yield Problem(
            "Media",
            fetched[0].filename,
            "Instagram fetches this from a public address and none is set up",
            "The operator sets SCHEDULO_MEDIA_BASE_URL.",
        )


def _words(content: Content, shape: Shape) -> Iterator[Problem]:
    if shape.captioned:
        if problem := too_long("Text", content.text, INSTAGRAM):
            yield problem
        yield from _most("Text", len(hashtags(content.text)), INSTAGRAM.hashtags, "hashtags")
        yield from _most("Text", len(mentions(content.text)), INSTAGRAM.mentions, "mentions")
        yield from graph.comment_problems(content)
        return
    for field, said in {"Text": content.text, "First comment": content.first_comment}.items():
        if said.strip():
            rule = f"Instagram takes none with a {content.format}; it is left out"
            yield Problem(field, said, rule, "Nothing need be done.", warning=True)


def _most(field: str, number: int, most: int | None, what: str) -> Iterator[Problem]:
    if most is not None and number > most:
        yield Problem(field, f"{number:,} {what}", f"at most {most:,} {what}", "Shorten it.")


def _tags(content: Content) -> Iterator[Problem]:
    """Tagged people: a picture of the feed needs the place of each, a story may have it, a video has none."""
    for tag in content.options.get("user_tags") or ():
        shown = f"@{tag['username']}"
        if not 0 <= tag["index"] < len(content.media):
            rule = f"is on file {tag['index'] + 1} of {len(content.media)}"
            yield Problem("Tagged people", shown, rule, "Correct the number.")
            continue
        place = [tag["x"], tag["y"]]
        if content.media[tag["index"]].kind is MediaKind.VIDEO:
            continue
        if place == [None, None]:
            if content.format is not Format.STORY:
                remedy = "Write it as '@name 0.5 0.8', from the left and from the top."
                yield Problem("Tagged people", shown, "needs its place in the picture", remedy)
        elif not all(isinstance(part, int | float) and 0 <= part <= 1 for part in place):
            rule = "its place must be two numbers from 0 to 1"
            yield Problem("Tagged people", f"{shown} {place[0]} {place[1]}", rule, "Correct them.")


def _cover(content: Content) -> Iterator[Problem]:
    if content.cover is not None:
        for problem in accepts.problems(content.cover, COVER):
            yield Problem("Cover", problem.value, problem.rule, problem.remedy)
        return  # it wins over a moment of the video
    offset, lasts_ms = content.options.get("thumb_offset"), content.media[0].duration_ms or float("inf")
    if offset is not None and not (isinstance(offset, int) and 0 <= offset < lasts_ms):
        shown = f"{offset / 1000:g} s" if isinstance(offset, int) else str(offset)
        yield Problem("Cover at (s)", shown, "must be within the video", "Choose a moment of the video.")


def _looks(content: Content) -> Iterator[Problem]:
    """What goes out and will not be shown as it is."""
    if content.format is Format.CAROUSEL:
        shapes = [_ratio(media) for media in content.media]
        if others := sum(not _alike(shape, shapes[0]) for shape in shapes[1:]):
            first = content.media[0]
            shown = f"{others} of {len(shapes)} files have another shape"
            rule = f"Instagram crops all of them to the shape of the first, {first.width}x{first.height}"
            yield Problem("Media", shown, rule, "Give them one shape, or put another first.", warning=True)
    if content.format is Format.STORY:
        yield from _upright("Media", content.media[0], "only 9:16 fills the screen of a story")
    if content.cover and content.format is not Format.REEL:
        rule = "Instagram takes one for a reel; it is left out"
        name = content.cover.filename or content.cover.kind
        yield Problem("Cover", name, rule, "Nothing need be done.", warning=True)
    elif content.cover:
        yield from _upright("Cover", content.cover, "Instagram crops a cover to 9:16")


def _upright(field: str, media: Media, rule: str) -> Iterator[Problem]:
    if not _alike(_ratio(media), UPRIGHT):
        yield Problem(field, f"{media.width}x{media.height}", rule, "Take an upright one.", warning=True)


def _ratio(media: Media) -> float | None:
    return media.width / media.height if media.width and media.height else None


def _alike(one: float | None, other: float | None) -> bool:
    """Whether two shapes are the same to the eye; what is not known is."""
    return one is None or other is None or abs(one / other - 1) <= SHAPE_TOLERANCE


def tags_on(content: Content, index: int) -> list[dict[str, Any]]:
    """The tagged people of a file, as `user_tags` takes them; places are not used for videos."""
    on_video = content.media[index].kind is MediaKind.VIDEO
    return [
        {"username": tag["username"]}
        if on_video or tag["x"] is None
        else {"username": tag["username"], "x": tag["x"], "y": tag["y"]}
        for tag in content.options.get("user_tags") or ()
        if tag["index"] == index
    ]
