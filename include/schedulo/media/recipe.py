"""What must be done with a file so that a platform takes it, as plain data; nothing is done here.

The rules are `accepts`; doing it is `convert`. A recipe is asked for by what a file breaks, and given only if
what comes of it breaks nothing. Sizes, bit rates and limits are rounded to common steps, so that platforms
whose rules are alike get one file between them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from schedulo.accepts import Breach, Mend, Pictures, Rules, Videos, breaches, largest
from schedulo.model import Facts, Media, MediaKind

VERSION = 1
"""Part of every key: raise it when the same recipe gives another file than before."""

CROP, PAD, LEAVE = "crop", "pad", "leave"

MAX_PICTURE_SIDE = 4096
"""No platform shows a larger picture; the longest side that X keeps."""
MAX_GROWTH = 4.0
"""A picture that is too small is enlarged at most so much; beyond it is mush."""
PICTURE_BYTES = tuple(int(mb * 1_000_000) for mb in (4, 2, 1, 0.5, 0.2, 0.1))
PICTURE_TYPES = ("image/jpeg", "image/png", "image/webp")
"""What pictures can become, the best first."""

COPIED_FROM = ("video/mp4", "video/quicktime", "video/x-matroska", "video/webm")
"""Containers that tell when each picture is shown, as MP4 must."""
FILM_SIDES = ((1080, 1920), (720, 1280), (540, 960), (360, 640))
"""Shorter and longer side. No platform shows more than the first; the others are for what would not fit the
size of a file otherwise."""
BITS_A_PIXEL = 0.13
"""A generous upper bound for H.264: 8 Mbit/s for 1920x1080 at 30 frames a second. What a film takes is
decided by its quality; this only cuts peaks."""
LEAST_BITS_A_PIXEL = 0.03
"""With less, a smaller picture looks better."""
FILM_BITS = tuple(int(mega * 1_000_000) for mega in (12, 10, 8, 6, 5, 4, 3, 2, 1.5, 1, 0.7, 0.5, 0.3, 0.2))
MARGIN = 0.8
"""So much of a limit is used at the most."""
OVERHEAD_BYTES = 100_000
"""The index of a film, and what else is neither picture nor sound."""
FAST_SECONDS = 600
"""Longer films are encoded in less time for each second, at some cost in size."""
GIF_SHRINK = 0.8

RATES = tuple(
    Fraction(*rate)
    for rate in (
        (15, 1),
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
    )
)
SOUND_BITS = 128_000
"""What Instagram names; enough for AAC in stereo."""


def _called(content_type: str) -> str:
    return content_type.rpartition("/")[2].upper()


@dataclass(frozen=True, slots=True)
class Box:
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Shape:
    """Width and height of what comes out, and how the picture gets there."""

    width: int
    height: int
    crop: Box | None = None
    """What is cut out of the picture, as it is shown, before it is scaled."""
    inner: tuple[int, int] | None = None
    """The size that the picture is scaled to, in the middle of a plain frame."""

    @property
    def key(self) -> str:
        parts = [f"{self.width}x{self.height}"]
        if self.crop:
            parts.append(f"crop={self.crop.width}x{self.crop.height}+{self.crop.left}+{self.crop.top}")
        if self.inner:
            parts.append(f"pad={self.inner[0]}x{self.inner[1]}")
        return " ".join(parts)

    @property
    def words(self) -> str:
        cut = ", cropped" if self.crop else ""
        return f"{self.width}x{self.height}{cut}{', padded' if self.inner else ''}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A still picture in sRGB without metadata; or, as image/gif, an animation."""

    content_type: str
    shape: Shape
    max_bytes: int

    @property
    def key(self) -> str:
        return f"{VERSION} {self.content_type} {self.shape.key} {self.max_bytes}B"

    @property
    def words(self) -> str:
        """What is made of it, for a log."""
        return f"a {_called(self.content_type)} of {self.shape.words}"

    def expected(self, media: Media) -> Media:
        """What comes of `media`, at its largest."""
        moves = self.content_type == "image/gif"
        return replace(
            media,
            kind=MediaKind.GIF if moves else MediaKind.IMAGE,
            content_type=self.content_type,
            size_bytes=self.max_bytes,
            width=self.shape.width,
            height=self.shape.height,
            facts=replace(media.facts or Facts(), turned=False) if moves else Facts(color_mode="RGB"),
        )


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the picture of a film is encoded: H.264 High, 4:2:0, closed groups, steady."""

    shape: Shape
    fps: Fraction
    max_bit_rate: int
    preset: str
    deinterlace: bool = False
    tone_map: bool = False
    """From high dynamic range to what plain screens show."""

    @property
    def key(self) -> str:
        parts = [self.shape.key, f"{self.fps}fps", f"{self.max_bit_rate}b", self.preset]
        return " ".join([*parts, *(["deinterlace"] * self.deinterlace), *(["sdr"] * self.tone_map)])


@dataclass(frozen=True, slots=True)
class Sound:
    """How sound is encoded: AAC."""

    rate_hz: int
    channels: int

    @property
    def key(self) -> str:
        return f"aac={self.rate_hz}x{self.channels}"


@dataclass(frozen=True, slots=True)
class Film:
    """An MP4 with its index first and without metadata."""

    encoding: Encoding | None
    """None: the picture is copied as it is."""
    sound: Sound | None
    """None: the sound, if there is any, is copied as it is."""
    max_bytes: int
    plays: int = 1
    """So many times an animation is shown."""
    content_type: str = "video/mp4"

    @property
    def key(self) -> str:
        picture = self.encoding.key if self.encoding else "copied"
        sound = self.sound.key if self.sound else "sound=copied"
        return f"{VERSION} {self.content_type} {picture} {sound} {self.max_bytes}B x{self.plays}"

    @property
    def words(self) -> str:
        """What is made of it, for a log."""
        made = f"an {_called(self.content_type)}"
        if self.encoding is None:
            return f"{made}, its picture as it is"
        return f"{made} of {self.encoding.shape.words}, {float(self.encoding.fps):g} frames a second"

    def expected(self, media: Media) -> Media:
        """What comes of `media`, at its largest."""
        facts = media.facts or Facts()
        size_bytes = media.size_bytes
        made = replace(media, kind=MediaKind.VIDEO, content_type=self.content_type)
        facts = replace(facts, index_last=False, frames=0, animation_ms=0)
        if self.sound is not None:
            has_sound = bool(facts.audio_codec)
            facts = replace(
                facts,
                audio_codec="aac" if has_sound else "",
                audio_rate_hz=self.sound.rate_hz if has_sound else 0,
                audio_channels=self.sound.channels if has_sound else 0,
            )
        if self.encoding is not None:
            size_bytes = self.max_bytes
            made = replace(made, width=self.encoding.shape.width, height=self.encoding.shape.height)
            facts = replace(
                facts,
                fps=round(float(self.encoding.fps), 3),
                video_codec="h264",
                pixel_format="yuv420p",
                bit_rate=round((self.encoding.max_bit_rate + SOUND_BITS) / MARGIN),
                interlaced=False,
                variable_fps=False,
                edited=False,
                turned=False,
                high_dynamic_range=False,
                color_mode="",
                foreign_profile=False,
            )
        duration_ms = _length_ms(media) * self.plays
        return replace(made, size_bytes=size_bytes, duration_ms=duration_ms, facts=facts)


Recipe = Picture | Film


def recipe_for(media: Media, rules: Rules, fit: str) -> Recipe | None:
    """What makes `media` fit `rules`.

    None where it fits already, and where no conversion can make it fit: what is wrong then stays for its
    author (`unmendable`). A still picture never becomes a video, nor an animation a still picture.

    :param fit: what is done with a shape that is not taken: "crop" (its middle is kept), "pad" (a plain frame
        around it) or "leave" (it stays a problem)
    """
    if not breaches(media, rules):
        return None
    return next((found for found in _ideas(media, rules, fit) if _fits(found, media, rules)), None)


def unmendable(media: Media, rules: Rules, fit: str) -> list[Breach]:
    """What is wrong with `media` and stays wrong, for its author; not what a conversion would have mended."""
    found = breaches(media, rules)
    if not found or recipe_for(media, rules, fit) is not None:
        return []
    theirs = [b for b in found if b.mend is Mend.PERSON or (b.mend is Mend.RESHAPE and fit == LEAVE)]
    return theirs or found


def _fits(recipe: Recipe, media: Media, rules: Rules) -> bool:
    return not breaches(recipe.expected(media), rules)


def _ideas(media: Media, rules: Rules, fit: str) -> Iterator[Recipe]:
    """What could be done, the least first."""
    match rules:
        case Pictures():
            yield from _pictures(media, rules, fit)
        case Videos() if rules_allow_ours(rules) and media.kind is not MediaKind.IMAGE:
            if media.kind is MediaKind.VIDEO:
                yield from _copies(media, rules)
            yield from _encodings(media, rules, fit)


def rules_allow_ours(rules: Videos) -> bool:
    """Whether a platform takes what we make: MP4 with H.264, 4:2:0 and AAC."""
    return (
        "video/mp4" in rules.types
        and "h264" in rules.video_codecs
        and "aac" in rules.audio_codecs
        and "yuv420p" in rules.pixel_formats
    )


def _pictures(media: Media, rules: Pictures, fit: str) -> Iterator[Picture]:
    if media.kind is MediaKind.GIF and "image/gif" in rules.types:
        most = 1.0
        if media.size_bytes > rules.max_bytes:
            most = math.sqrt(rules.max_bytes / media.size_bytes * GIF_SHRINK)
        shape = _shape(media, rules, fit, most=most)
        if shape is not None:
            yield Picture("image/gif", shape, rules.max_bytes)
    elif media.kind is MediaKind.IMAGE and not (media.facts and media.facts.frames > 1):
        content_type = next((name for name in PICTURE_TYPES if name in rules.types), None)
        shape = _shape(media, rules, fit, sides=(MAX_PICTURE_SIDE, MAX_PICTURE_SIDE))
        max_bytes = next((step for step in PICTURE_BYTES if step <= rules.max_bytes), 0)
        if content_type and shape and max_bytes:
            yield Picture(content_type, shape, max_bytes)


def _copies(media: Media, rules: Videos) -> Iterator[Film]:
    facts = media.facts
    if facts is None or facts.edited or facts.video_codec not in ("h264", "hevc"):
        return
    if media.content_type not in COPIED_FROM:
        return
    # Another index and other sound change the size by little.
    max_bytes = media.size_bytes + media.size_bytes // 50 + 1_000_000
    if facts.audio_codec in ("", "aac"):
        yield Film(None, None, max_bytes)
    yield Film(None, _sound(facts, rules), max_bytes)


def _encodings(media: Media, rules: Videos, fit: str) -> Iterator[Film]:
    facts = media.facts or Facts()
    least_ms, _ = rules.duration_ms
    once_ms = _length_ms(media)
    plays = 1
    if media.kind is MediaKind.GIF:
        if not once_ms:
            return
        plays = max(1, math.ceil(least_ms / once_ms))
    seconds = once_ms * plays / 1000
    fps = _rate(facts, rules)
    if not seconds or fps is None:
        return
    for sides in FILM_SIDES:
        shape = _shape(media, rules, fit, sides=sides, step=2)
        if shape is None:
            continue
        pixels = float(shape.width * shape.height * fps)
        bit_rate = _bit_rate(pixels, rules, seconds)
        if not bit_rate or (bit_rate < pixels * LEAST_BITS_A_PIXEL and sides != FILM_SIDES[-1]):
            continue
        preset = "fast" if seconds <= FAST_SECONDS else "veryfast"
        encoding = Encoding(shape, fps, bit_rate, preset, facts.interlaced, facts.high_dynamic_range)
        # The encoder may spend a second's worth ahead of time, which tells in a short film.
        max_bytes = math.ceil((bit_rate + SOUND_BITS) / MARGIN * (seconds + 1) / 8) + OVERHEAD_BYTES
        yield Film(encoding, _sound(facts, rules), max_bytes, plays)


def _length_ms(media: Media) -> int:
    return media.duration_ms or (media.facts.animation_ms if media.facts else 0)


def _sound(facts: Facts, rules: Videos) -> Sound:
    rates = [rate for rate in (48_000, 44_100) if rate <= (rules.max_audio_rate_hz or 48_000)]
    rate = 44_100 if facts.audio_rate_hz == 44_100 or 48_000 not in rates else 48_000
    channels = min(facts.audio_channels or 2, 2, rules.max_audio_channels or 2)
    return Sound(rate, channels)


def _rate(facts: Facts, rules: Videos) -> Fraction | None:
    """A steady rate: the source's own, rounded to a common one; more or less where the rules ask for it."""
    least, most = rules.fps or (0.0, 60.0)
    most = min(most, 60.0)
    own = facts.fps
    if facts.animation_ms:
        own = facts.frames * 1000 / facts.animation_ms
    if not own:
        own = 30.0
    allowed = [rate for rate in RATES if least <= float(rate) <= most]
    if own > most:  # a whole part of it moves evenly: 120 becomes 60
        own = own / math.ceil(own / most)
    near = min(allowed, key=lambda rate: abs(rate - own), default=None)
    if near is not None and abs(near - own) <= near / 50:
        return near
    if facts.variable_fps:
        return next((rate for rate in allowed if rate >= own and rate.denominator == 1), near)
    if own < least:  # each picture is shown a whole number of times, where that is possible

        def uneven(rate: Fraction) -> tuple[float, int, Fraction]:
            return round(abs(rate / own / round(rate / own) - 1), 2), rate.denominator, rate

        return min(allowed, key=uneven, default=None)
    if facts.animation_ms:
        return next((rate for rate in allowed if rate >= own), near)
    exact = Fraction(own).limit_denominator(1001)
    return exact if least <= exact <= most and exact > 0 else near


def _bit_rate(pixels: float, rules: Videos, seconds: float) -> int:
    """Of the picture, in bits a second, as a step; 0 where nothing decent fits."""
    most = rules.max_bytes * 8 / (seconds + 1)
    if rules.max_bit_rate is not None:
        most = min(most, rules.max_bit_rate)
    most = most * MARGIN - SOUND_BITS - OVERHEAD_BYTES * 8 / seconds
    wanted = next(
        (step for step in reversed(FILM_BITS) if step >= max(pixels * BITS_A_PIXEL, 2e6)), FILM_BITS[0]
    )
    return next((step for step in FILM_BITS if step <= min(most, wanted)), 0)


def _shape(
    media: Media,
    rules: Rules,
    fit: str,
    *,
    most: float = 1.0,
    sides: tuple[float, float] = (math.inf, math.inf),
    step: int = 1,
) -> Shape | None:
    """The largest shape by the rules that is at most `most` times the picture and within `sides` (shorter,
    longer); whole multiples of `step`. Larger than the picture only where the rules ask for it."""
    width, height = float(media.width), float(media.height)
    if not (width and height):
        return None
    low, high = rules.aspect or (0.0, math.inf)
    aspect = width / height
    reshaped = not low <= aspect <= high
    if reshaped:
        to = low if aspect < low else high
        if fit == CROP:
            width, height = min(width, height * to), min(height, width / to)
        elif fit == PAD:
            width, height = max(width, height * to), max(height, width / to)
        else:
            return None
    least_height = rules.min_height if isinstance(rules, Videos) else 0
    most_width, most_height = _most(width, height, rules)
    grow = max(rules.min_width / width, least_height / height)
    if grow > MAX_GROWTH:
        return None
    shrink = min(
        most,
        sides[0] / min(width, height),
        sides[1] / max(width, height),
        most_width / width,
        most_height / height,
    )
    scale = max(shrink, grow)
    size = _whole(width * scale, height * scale, rules, step)
    if size is None:
        return None
    if not reshaped:
        return Shape(*size)
    return (
        Shape(*size, crop=_crop(media, *size))
        if fit == CROP
        else Shape(*size, inner=_inner(media, *size, step))
    )


def _most(width: float, height: float, rules: Rules) -> tuple[float, float]:
    most_width, most_height = largest(math.ceil(width), math.ceil(height), rules)
    return most_width or math.inf, most_height or math.inf


def _whole(width: float, height: float, rules: Rules, step: int) -> tuple[int, int] | None:
    """Whole sides near to these that keep the rules to the letter: ratios such as 9:16 allow few."""
    least_height = rules.min_height if isinstance(rules, Videos) else 0
    low, high = rules.aspect or (0.0, math.inf)
    slope = height / width
    middle = round(width / step)
    for offset in sorted(range(-64, 65), key=abs):
        across = (middle + offset) * step
        for down in sorted(
            (step * (round(across * slope / step) + more) for more in (-1, 0, 1)),
            key=lambda side: abs(side - across * slope),
        ):
            if (
                across > 0
                and down > 0
                and low <= across / down <= high
                and rules.min_width <= across <= _most(across, down, rules)[0]
                and least_height <= down <= _most(across, down, rules)[1]
            ):
                return across, down
    return None


def _crop(media: Media, width: int, height: int) -> Box:
    """The middle of the picture, in the shape of width to height."""
    across = min(media.width, round(media.height * width / height))
    down = min(media.height, round(media.width * height / width))
    return Box((media.width - across) // 2, (media.height - down) // 2, across, down)


def _inner(media: Media, width: int, height: int, step: int) -> tuple[int, int]:
    scale = min(width / media.width, height / media.height)
    across, down = (round(side * scale / step) * step for side in (media.width, media.height))
    return min(max(across, step), width), min(max(down, step), height)
