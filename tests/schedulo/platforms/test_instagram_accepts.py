"""What Instagram would refuse, and what an author should know, found without the network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schedulo.model import Content, Facts, Format, Problem
from schedulo.platforms.instagram import CONVERSATION
from tests.schedulo.platforms.test_instagram import CLIP, IMAGE, PHOTO, REEL, account
from tests.schedulo.platforms.test_instagram_formats import CAROUSEL, COVER, STORY

UPRIGHT = replace(STORY, text="", media=(replace(COVER, sha256=PHOTO.sha256),))


def found(content: Content, login: str = "instagram_login", public: bool = True) -> list[Problem]:
    return list(CONVERSATION.check(account(login), content, public_media=public))


def fields(content: Content, login: str = "instagram_login", public: bool = True) -> list[str]:
    return [problem.field for problem in found(content, login, public) if not problem.warning]


def warnings(content: Content) -> list[str]:
    problems = found(content)
    assert all(problem.warning for problem in problems), problems
    return [problem.sentence() for problem in problems]


def with_media(content: Content, **changes: Any) -> Content:
    return replace(content, media=(replace(content.media[0], **changes),))


@pytest.mark.parametrize("content", [IMAGE, REEL, replace(IMAGE, text=""), CAROUSEL, UPRIGHT])
def test_a_good_post_has_no_problem(content: Content) -> None:
    assert fields(content) == []


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a" * 2200, []),
        ("a" * 2201, ["Text"]),
        ("🎉" * 1101, ["Text"]),
        (" ".join(f"#tag{n}" for n in range(30)), []),
        (" ".join(f"#tag{n}" for n in range(31)), ["Text"]),
        (" ".join(f"@anna{n}" for n in range(20)), []),
        (" ".join(f"@anna{n}" for n in range(21)), ["Text"]),
    ],
)
def test_captions_have_three_limits(text: str, problems: list[str]) -> None:
    assert fields(replace(IMAGE, text=text)) == problems


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"content_type": "image/png"}, ["Media"]),
        ({"size_bytes": 8_000_000}, []),
        ({"size_bytes": 8_000_001}, ["Media"]),
        ({"width": 800, "height": 1000}, []),
        ({"width": 799, "height": 1000}, ["Media"]),
        ({"width": 1910, "height": 1000}, []),
        ({"width": 1911, "height": 1000}, ["Media"]),
        ({"width": 0, "height": 0}, []),
        ({"alt_text": "a" * 1001}, ["Alt text"]),
    ],
)
def test_images_have_limits(changes: dict[str, Any], problems: list[str]) -> None:
    assert fields(with_media(IMAGE, **changes)) == problems


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"content_type": "video/webm"}, ["Media"]),
        ({"size_bytes": 300_000_001}, ["Media"]),
        ({"duration_ms": 3_000}, []),
        (
            {"duration_ms": 2_999},
            ["Media"],
        ),
        ({"duration_ms": 900_001}, ["Media"]),
        ({"width": 1921, "height": 1080}, ["Media"]),
        ({"width": 1000, "height": 99}, ["Media"]),
    ],
)
def test_reels_have_limits(changes: dict[str, Any], problems: list[str]) -> None:
    assert fields(with_media(REEL, **changes)) == problems


def test_a_cover_is_a_moment_of_the_video() -> None:
    for offset, problems in ((0, []), (11_999, []), (12_000, ["Cover at (s)"]), (-1, ["Cover at (s)"])):
        assert fields(replace(REEL, options={"thumb_offset": offset})) == problems


def test_formats_and_media_must_belong_together() -> None:
    assert fields(replace(IMAGE, format=Format.TEXT)) == ["Format"]
    assert fields(replace(IMAGE, media=(PHOTO, PHOTO))) == ["Media"]
    assert fields(replace(IMAGE, media=())) == ["Media"]
    assert fields(replace(IMAGE, media=(CLIP,))) == ["Media"]


@pytest.mark.parametrize(
    ("content", "login", "problems"),
    [
        (IMAGE, "instagram_login", ["Media"]),
        (IMAGE, "facebook_login", ["Media"]),
        (REEL, "instagram_login", ["Media"]),
        (REEL, "facebook_login", []),
        (CAROUSEL, "facebook_login", ["Media"]),
        (replace(CAROUSEL, media=(CLIP, CLIP)), "facebook_login", []),
        (UPRIGHT, "facebook_login", ["Media"]),
        (replace(UPRIGHT, media=(CLIP,)), "facebook_login", []),
        (replace(REEL, cover=COVER), "facebook_login", ["Media"]),
    ],
)
def test_a_public_address_is_needed_but_for_videos_with_facebook_login(
    content: Content, login: str, problems: list[str]
) -> None:
    assert fields(content, login, public=False) == problems


def test_an_account_must_say_how_it_is_connected() -> None:
    assert fields(IMAGE, "carrier pigeon") == ["account"]


@pytest.mark.parametrize(
    ("media", "problems"),
    [
        ((PHOTO,), ["Media"]),
        ((PHOTO, PHOTO), []),
        ((PHOTO, CLIP) * 5, []),
        ((PHOTO,) * 11, ["Media"]),
        ((PHOTO, replace(PHOTO, content_type="image/png")), ["Media"]),
        ((PHOTO, replace(CLIP, duration_ms=1_000)), ["Media"]),
        ((PHOTO, replace(PHOTO, alt_text="a" * 1001)), ["Alt text"]),
    ],
)
def test_a_carousel_has_two_to_ten_files_that_each_fit(media: tuple[Any, ...], problems: list[str]) -> None:
    assert fields(replace(CAROUSEL, media=media)) == problems


@pytest.mark.parametrize(
    ("media", "problems"),
    [
        (replace(CLIP, duration_ms=60_000), []),
        (replace(CLIP, duration_ms=60_001), ["Media"]),
        (replace(CLIP, size_bytes=100_000_001), ["Media"]),
        (replace(PHOTO, width=500, height=4000), []),
        (replace(PHOTO, size_bytes=8_000_001), ["Media"]),
    ],
)
def test_stories_have_limits_of_their_own(media: Any, problems: list[str]) -> None:
    assert fields(replace(UPRIGHT, media=(media,))) == problems


def test_what_is_inside_a_video_counts() -> None:
    good = Facts(
        fps=30,
        video_codec="hevc",
        audio_codec="aac",
        pixel_format="yuv420p",
        bit_rate=25_000_000,
        audio_rate_hz=48_000,
        audio_channels=2,
    )
    bad = Facts(
        fps=22,
        video_codec="vp9",
        audio_codec="opus",
        pixel_format="yuv444p",
        bit_rate=25_000_001,
        audio_rate_hz=96_000,
        audio_channels=6,
        interlaced=True,
        index_last=True,
        edited=True,
    )
    assert fields(with_media(REEL, facts=good)) == []
    assert fields(with_media(REEL, facts=bad)) == ["Media"] * 10


def test_a_story_takes_no_comment_and_shows_no_text() -> None:
    told = warnings(replace(UPRIGHT, text="Hello", first_comment="and more"))
    assert told == [
        "Text (Hello): Instagram takes none with a story; it is left out. Nothing need be done.",
        "First comment (and more): Instagram takes none with a story; it is left out. Nothing need be done.",
    ]


@pytest.mark.parametrize("content", [replace(UPRIGHT, cover=COVER), replace(IMAGE, cover=COVER)])
def test_a_cover_of_what_is_no_reel_is_left_out_and_said(content: Content) -> None:
    (said,) = warnings(content)
    assert said.startswith("Cover (image): Instagram takes one for a reel; it is left out")


@pytest.mark.parametrize("content", [REEL, UPRIGHT])
def test_an_alt_text_of_what_is_no_picture_of_the_feed_is_left_out_and_said(content: Content) -> None:
    (said,) = warnings(with_media(content, alt_text="A cat"))
    assert said.startswith("Alt text (")


def test_shapes_that_will_be_cropped_are_told_and_not_refused() -> None:
    assert warnings(replace(CAROUSEL, media=(PHOTO, PHOTO))) == []
    (said,) = warnings(CAROUSEL)
    assert "1 of 2 files have another shape" in said
    assert "to the shape of the first, 1080x1080" in said
    assert warnings(UPRIGHT) == []
    (said,) = warnings(with_media(UPRIGHT, height=1080))
    assert said.startswith("Media (1080x1080): only 9:16 fills the screen of a story")
    assert warnings(replace(REEL, cover=COVER)) == []
    (said,) = warnings(replace(REEL, cover=replace(COVER, height=1080)))
    assert said.startswith("Cover (1080x1080): Instagram crops a cover to 9:16")


def test_a_cover_is_a_jpeg_and_the_moment_then_does_not_matter() -> None:
    late = {"thumb_offset": 99_000}
    assert fields(replace(REEL, options=late)) == ["Cover at (s)"]
    assert fields(replace(REEL, options=late, cover=COVER)) == []
    assert fields(replace(REEL, cover=replace(COVER, content_type="image/png"))) == ["Cover"]
    assert fields(replace(REEL, cover=replace(COVER, size_bytes=8_000_001))) == ["Cover"]


@pytest.mark.parametrize(
    ("content", "index", "place", "good"),
    [
        (IMAGE, 0, (0.5, 1), True),
        (IMAGE, 0, (0.5, 1.1), False),
        (IMAGE, 0, (None, None), False),
        (IMAGE, 1, (0.5, 0.5), False),
        (IMAGE, -1, (0.5, 0.5), False),
        (CAROUSEL, 1, (None, None), True),
        (REEL, 0, (None, None), True),
        (UPRIGHT, 0, (None, None), True),
        (UPRIGHT, 0, (0.5, 2), False),
    ],
)
def test_tagged_people_have_a_place_where_instagram_wants_one(
    content: Content, index: int, place: tuple[Any, Any], good: bool
) -> None:
    tags = [{"index": index, "username": "bob", "x": place[0], "y": place[1]}]
    assert fields(replace(content, options={"user_tags": tags})) == ([] if good else ["Tagged people"])
