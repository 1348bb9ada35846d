"""What a platform takes as a picture or a video, as data; and what is wrong with a file by these rules.

Each platform has such rules for each of its formats (`Conversation.accepts`). What is wrong with a file is
one list, whoever asks: a check tells it to people, and a conversion mends what `Mend` says can be mended.
Sizes are bytes of 1,000,000 to the MB unless a platform says MiB; ratios are width to height.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from schedulo.model import Media, MediaKind, Problem

MB = 1_000_000


class Mend(StrEnum):
    """What it takes to make a file fit."""

    CONVERT = "convert"
    """It is written anew: other format, smaller, other codec. Nothing of the picture is lost to the eye."""
    RESHAPE = "reshape"
    """Its shape must change: cropped or padded, by the author's choice."""
    PERSON = "person"
    """Only its author can: too short, too long, damaged."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Rules for still pictures (and animated GIFs) of one format. None: no rule."""

    types: tuple[str, ...]
    """Content types; a picture of another type is written anew in the first."""
    max_bytes: int
    aspect: tuple[float, float] | None = None
    min_width: int = 0
    max_width: int | None = None
    """Wider ones are scaled down, as are higher ones by `max_height`."""
    max_height: int | None = None
    either_way: bool = False
    """`max_width` and `max_height` are for upright pictures; one that lies may be as large the other way
    round (1080p)."""
    max_frames: int | None = None
    max_frame_pixels: int | None = None
    """Of an animation: width x height x frames."""
    srgb: bool = False
    """Colours must be sRGB."""
    alone: bool = False
    """A JPEG must hold no second picture (MPO), as some cameras write it."""


@dataclass(frozen=True, slots=True)
class Videos:
    """Rules for videos of one format. None: no rule."""

    types: tuple[str, ...]
    max_bytes: int
    duration_ms: tuple[int, int]
    video_codecs: tuple[str, ...] = ("h264",)
    """FFmpeg's names; the first is what a video of another codec becomes."""
    audio_codecs: tuple[str, ...] = ("aac",)
    pixel_formats: tuple[str, ...] = ("yuv420p", "yuvj420p")
    fps: tuple[float, float] | None = None
    aspect: tuple[float, float] | None = None
    min_width: int = 0
    min_height: int = 0
    max_width: int | None = None
    max_height: int | None = None
    max_bit_rate: int | None = None
    max_audio_rate_hz: int | None = None
    max_audio_channels: int | None = None
    index_first: bool = False
    """The index (moov) must come before the media, and without edit lists."""


Rules = Pictures | Videos


@dataclass(frozen=True, slots=True)
class Breach:
    """One rule that a file breaks."""

    value: str
    rule: str
    mend: Mend
    remedy: str

    def problem(self, media: Media) -> Problem:
        """In words for the author of the post."""
        name = media.filename or media.kind.value
        return Problem("Media", f"{name}: {self.value}", self.rule, self.remedy)


def problems(media: Media, rules: Rules) -> list[Problem]:
    """All that is wrong with a file that is to be sent as it is."""
    return [breach.problem(media) for breach in breaches(media, rules)]


def breaches(media: Media, rules: Rules) -> list[Breach]:
    """All rules that a file breaks. What is not known of it breaks none."""
    match rules:
        case Pictures():
            return list(_picture(media, rules))
        case Videos():
            return list(_video(media, rules))


def largest(width: int, height: int, rules: Rules) -> tuple[int | None, int | None]:
    """The most width and height that a file of this shape may have, in pixels; None: no rule."""
    turned = isinstance(rules, Pictures) and rules.either_way and width > height
    return (rules.max_height, rules.max_width) if turned else (rules.max_width, rules.max_height)


def _picture(media: Media, rules: Pictures) -> Iterator[Breach]:
    yield from _common(media, rules)
    facts = media.facts
    if facts is None:
        return
    if rules.srgb and (facts.foreign_profile or facts.color_mode in ("CMYK", "YCCK", "LAB")):
        yield Breach(facts.color_mode, "its colours must be sRGB", Mend.CONVERT, "Export it as sRGB.")
    if rules.alone and facts.second_picture:
        yield _convert("two pictures in one file", "it must hold one (JPEG, not MPO)")
    if facts.turned and media.kind is MediaKind.IMAGE:
        yield Breach("turned", "it must be stored as it is shown", Mend.CONVERT, "Export it again.")
    if media.kind is MediaKind.GIF:
        if rules.max_frames is not None and facts.frames > rules.max_frames:
            yield Breach(f"{facts.frames} frames", f"at most {rules.max_frames}", Mend.PERSON, "Shorten it.")
        volume = media.width * media.height * facts.frames
        if rules.max_frame_pixels is not None and volume > rules.max_frame_pixels:
            most = f"at most {rules.max_frame_pixels:,} pixels in all its frames"
            yield Breach(f"{volume:,} pixels", most, Mend.PERSON, "Make it smaller or shorter.")


def _video(media: Media, rules: Videos) -> Iterator[Breach]:
    yield from _common(media, rules)
    least, most = rules.duration_ms
    if media.duration_ms and not least <= media.duration_ms <= most:
        remedy = "Take a longer video." if media.duration_ms < least else "Cut it."
        rule = f"it must last {least / 1000:g} to {most / 1000:g} seconds"
        rule = rule if least else f"it may last {most / 1000:g} seconds"
        yield Breach(f"{media.duration_ms / 1000:g} seconds", rule, Mend.PERSON, remedy)
    facts = media.facts
    if facts is None:
        return
    if facts.video_codec and facts.video_codec not in rules.video_codecs:
        yield _convert(facts.video_codec, f"its picture must be {_either(rules.video_codecs)}")
    if facts.audio_codec and facts.audio_codec not in rules.audio_codecs:
        yield _convert(facts.audio_codec, f"its sound must be {_either(rules.audio_codecs)}")
    if facts.pixel_format and facts.pixel_format not in rules.pixel_formats:
        yield _convert(facts.pixel_format, f"its colours must be {rules.pixel_formats[0]}")
    if facts.interlaced:
        yield _convert("interlaced", "it must be progressive")
    if rules.fps and facts.fps and not rules.fps[0] <= facts.fps <= rules.fps[1]:
        slowest, fastest = rules.fps
        rule = f"{slowest:g} to {fastest:g}" if slowest else f"at most {fastest:g}"
        yield _convert(f"{facts.fps:g} frames a second", f"{rule} frames a second")
    if rules.max_bit_rate is not None and facts.bit_rate > rules.max_bit_rate:
        yield _convert(f"{facts.bit_rate / MB:.1f} Mbit/s", f"at most {rules.max_bit_rate / MB:g} Mbit/s")
    if rules.max_audio_rate_hz is not None and facts.audio_rate_hz > rules.max_audio_rate_hz:
        yield _convert(f"sound of {facts.audio_rate_hz:,} Hz", f"at most {rules.max_audio_rate_hz:,} Hz")
    if rules.max_audio_channels is not None and facts.audio_channels > rules.max_audio_channels:
        yield _convert(f"{facts.audio_channels} channels of sound", f"at most {rules.max_audio_channels}")
    if rules.index_first and facts.index_last:
        yield _convert("its index is at the end", "the index (moov) must come first")
    if rules.index_first and facts.edited:
        yield _convert("it has an edit list", "it must have none")


def _common(media: Media, rules: Rules) -> Iterator[Breach]:
    if media.content_type not in rules.types:
        yield _convert(_called(media.content_type), f"it must be {_either([*map(_called, rules.types)])}")
    if not media.size_bytes:
        yield Breach("an empty file", "it must hold something", Mend.PERSON, "Attach it again.")
    if media.size_bytes > rules.max_bytes:
        yield Breach(
            f"{media.size_bytes / MB:.1f} MB",
            f"at most {rules.max_bytes / MB:g} MB",
            Mend.CONVERT,
            "Save it smaller.",
        )
    if not (media.width and media.height):
        return
    size = f"{media.width}x{media.height}"
    least_height = rules.min_height if isinstance(rules, Videos) else 0
    if media.width < rules.min_width or media.height < least_height:
        rule = f"at least {rules.min_width}x{least_height} pixels" if least_height else ""
        rule = rule or f"at least {rules.min_width} pixels wide"
        yield Breach(size, rule, Mend.CONVERT, "Use a larger one.")
    max_width, max_height = largest(media.width, media.height, rules)
    if (max_width and media.width > max_width) or (max_height and media.height > max_height):
        most = f"at most {max_width or 'any'} by {max_height or 'any'} pixels"
        yield Breach(size, most, Mend.CONVERT, "Scale it down.")
    if rules.aspect and not rules.aspect[0] <= media.width / media.height <= rules.aspect[1]:
        low, high = map(ratio, rules.aspect)
        rule = f"width to height must be {low}" + ("" if low == high else f" to {high}")
        yield Breach(size, rule, Mend.RESHAPE, "Crop it, or choose in Fit what is done.")


_NAMES = {
    "image/webp": "WebP",
    "video/quicktime": "MOV",
    "video/x-matroska": "MKV",
    "video/x-msvideo": "AVI",
    "video/x-ms-wmv": "WMV",
    "video/x-flv": "FLV",
    "video/mp2t": "MPEG-TS",
    "video/webm": "WebM",
}


def _called(content_type: str) -> str:
    """What people call a type of file."""
    return _NAMES.get(content_type) or content_type.rpartition("/")[2].upper()


def _convert(value: str, rule: str) -> Breach:
    return Breach(value, rule, Mend.CONVERT, "Export it anew.")


def _either(names: tuple[str, ...] | list[str]) -> str:
    return " or ".join(dict.fromkeys(names))


_RATIOS = {0.8: "4:5", 1.0: "1:1", 9 / 16: "9:16", 16 / 9: "16:9", 1 / 3: "1:3", 3.0: "3:1"}


_WHOLE_PIXELS = 0.011
"""So far a bound may lie from the ratio that it means: whole pixels do not hit each."""


def ratio(value: float) -> str:
    """Width to height as people write it: 4:5, 16:9, 1.91:1."""
    named = (name for ratio, name in _RATIOS.items() if abs(value - ratio) < _WHOLE_PIXELS)
    return next(named, f"{value:g}:1")
