"""What is wrong with a file by a platform's rules, and who can mend it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schedulo.accepts import Mend, Pictures, Rules, Videos, breaches, problems
from schedulo.model import Facts, Media, MediaKind

PHOTO = Media("a" * 64, MediaKind.IMAGE, "image/jpeg", 400_000, 1200, 1000, facts=Facts(color_mode="RGB"))
FILM = Media(
    "b" * 64,
    MediaKind.VIDEO,
    "video/mp4",
    5_000_000,
    1080,
    1920,
    10_000,
    filename="clip.mp4",
    facts=Facts(fps=30, video_codec="h264", audio_codec="aac", pixel_format="yuv420p", bit_rate=4_000_000),
)
PICTURES = Pictures(
    ("image/jpeg", "image/webp"), 8_000_000, aspect=(0.8, 1.91), min_width=320, srgb=True, alone=True
)
VIDEOS = Videos(
    ("video/mp4", "video/quicktime"),
    100_000_000,
    (3000, 60_000),
    fps=(23, 60),
    max_width=1920,
    max_bit_rate=25_000_000,
    max_audio_rate_hz=48_000,
    max_audio_channels=2,
    index_first=True,
)


def with_facts(media: Media, **facts: object) -> Media:
    assert media.facts is not None
    return replace(media, facts=replace(media.facts, **facts))  # type: ignore[arg-type]


CASES: dict[str, tuple[Media, Rules, str, Mend]] = {
    "type": (replace(PHOTO, content_type="image/heic"), PICTURES, "HEIC", Mend.CONVERT),
    "size": (replace(PHOTO, size_bytes=9_000_000), PICTURES, "9.0 MB", Mend.CONVERT),
    "nothing": (replace(PHOTO, size_bytes=0), PICTURES, "an empty file", Mend.PERSON),
    "shape": (replace(PHOTO, width=3000), PICTURES, "3000x1000", Mend.RESHAPE),
    "too small": (replace(PHOTO, width=200, height=200), PICTURES, "200x200", Mend.CONVERT),
    "CMYK": (with_facts(PHOTO, color_mode="CMYK"), PICTURES, "CMYK", Mend.CONVERT),
    "profile": (with_facts(PHOTO, foreign_profile=True), PICTURES, "RGB", Mend.CONVERT),
    "turned": (with_facts(PHOTO, turned=True), PICTURES, "turned", Mend.CONVERT),
    "MPO": (with_facts(PHOTO, second_picture=True), PICTURES, "two pictures in one file", Mend.CONVERT),
    "short": (replace(FILM, duration_ms=2000), VIDEOS, "2 seconds", Mend.PERSON),
    "long": (replace(FILM, duration_ms=61_000), VIDEOS, "61 seconds", Mend.PERSON),
    "codec": (with_facts(FILM, video_codec="vp9"), VIDEOS, "vp9", Mend.CONVERT),
    "sound": (with_facts(FILM, audio_codec="mp3"), VIDEOS, "mp3", Mend.CONVERT),
    "pixels": (with_facts(FILM, pixel_format="yuv444p"), VIDEOS, "yuv444p", Mend.CONVERT),
    "interlaced": (with_facts(FILM, interlaced=True), VIDEOS, "interlaced", Mend.CONVERT),
    "frames": (with_facts(FILM, fps=12.0), VIDEOS, "12 frames a second", Mend.CONVERT),
    "bits": (with_facts(FILM, bit_rate=30_000_000), VIDEOS, "30.0 Mbit/s", Mend.CONVERT),
    "hertz": (with_facts(FILM, audio_rate_hz=96_000), VIDEOS, "sound of 96,000 Hz", Mend.CONVERT),
    "channels": (with_facts(FILM, audio_channels=6), VIDEOS, "6 channels of sound", Mend.CONVERT),
    "index": (with_facts(FILM, index_last=True), VIDEOS, "its index is at the end", Mend.CONVERT),
    "edits": (with_facts(FILM, edited=True), VIDEOS, "it has an edit list", Mend.CONVERT),
    "wide": (replace(FILM, width=3840, height=2160), VIDEOS, "3840x2160", Mend.CONVERT),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_rule_that_is_broken_is_told_with_who_can_mend_it(case: tuple[Media, Rules, str, Mend]) -> None:
    media, rules, value, mend = case
    assert [(breach.value, breach.mend) for breach in breaches(media, rules)] == [(value, mend)]


def test_what_keeps_the_rules_breaks_none() -> None:
    assert breaches(PHOTO, PICTURES) == breaches(FILM, VIDEOS) == []


def test_what_is_not_known_of_a_file_breaks_no_rule() -> None:
    assert breaches(replace(FILM, facts=None), VIDEOS) == []
    assert breaches(replace(PHOTO, width=0, height=0, facts=None), PICTURES) == []


def test_a_problem_names_the_file_its_value_and_the_types_as_people_call_them() -> None:
    (problem,) = problems(replace(FILM, content_type="video/x-matroska"), VIDEOS)
    assert problem.sentence() == "Media (clip.mp4: MKV): it must be MP4 or MOV. Export it anew."


def test_a_picture_that_lies_may_be_as_large_the_other_way_round() -> None:
    rules = Pictures(("image/jpeg",), 8_000_000, max_width=1080, max_height=1920, either_way=True)
    assert breaches(replace(PHOTO, width=1920, height=1080), rules) == []
    assert breaches(replace(PHOTO, width=1920, height=1081), rules) != []
