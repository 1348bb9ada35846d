"""What TikTok takes: told before anybody is asked, in words that say what to do."""

from __future__ import annotations

from typing import Any

import pytest

from schedulo.model import Account, Content, Facts, Format, Media, MediaKind, Platform, Problem
from schedulo.platforms.tiktok import CONVERSATION
from schedulo.platforms.tiktok_accepts import creator_problems

ACCOUNT = Account(Platform.TIKTOK, "open-1", "ours")
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}


def video(**more: Any) -> Media:
    media = {
        "width": 1080,
        "height": 1920,
        "duration_ms": 5000,
        "size_bytes": 9,
        "content_type": "video/mp4",
    }
    return Media("e" * 64, MediaKind.VIDEO, **{**media, **more})


def photo(**more: Any) -> Media:
    media = {"width": 1080, "height": 1350, "size_bytes": 9, "content_type": "image/jpeg"}
    return Media("f" * 64, MediaKind.IMAGE, **{**media, **more})


def clip(text: str = "", options: dict[str, Any] | None = None, **more: Any) -> Content:
    return Content(Format.VIDEO, text, (video(**more),), options={**PUBLIC, **(options or {})})


def photos(*media: Media, text: str = "", **options: Any) -> Content:
    return Content(Format.IMAGES, text, media or (photo(),), options={**PUBLIC, **options})


def found(content: Content, *, public_media: bool = True) -> list[Problem]:
    return list(CONVERSATION.check(ACCOUNT, content, public_media=public_media))


TAKEN = {
    "a video": clip(),
    "a film of a phone": clip(content_type="video/quicktime", facts=Facts(video_codec="hevc", fps=30)),
    "a text as long as may be": clip("😀" * 1100),
    "a video of which little is known": clip(width=0, height=0, duration_ms=0),
    "a video for friends": clip(options={"privacy_level": "MUTUAL_FOLLOW_FRIENDS"}),
    "a draft": Content(Format.DRAFT, "", (video(),)),
    "one picture": photos(),
    "as many pictures as may be": photos(*[photo()] * 35, photo_cover_index=34),
    "a picture that lies": photos(photo(width=1920, height=1080)),
    "a picture of WebP": photos(photo(content_type="image/webp")),
    "texts as long as may be": photos(text="a" * 4000, title="😀" * 45),
    "a draft of pictures": Content(Format.IMAGES_DRAFT, "Hello", (photo(), photo())),
}


@pytest.mark.parametrize("content", TAKEN.values(), ids=TAKEN)
def test_what_tiktok_takes_has_no_problem(content: Content) -> None:
    assert found(content) == []


SELF = {"privacy_level": "SELF_ONLY"}
REFUSED: dict[str, tuple[Content, str, str]] = {
    "no audience": (Content(Format.VIDEO, "", (video(),)), "Privacy level", "Everyone, Friends"),
    "an audience that is none": (clip(options={"privacy_level": "ALL"}), "Privacy level", "Choose one"),
    "private and branded": (
        clip(options={**SELF, "brand_content_toggle": True}),
        "Branded content",
        "no bra",
    ),
    "a long text": (clip("😀" * 1101), "Text", "Shorten it by 2"),
    "no video": (Content(Format.VIDEO, "", (), options=PUBLIC), "Media", "one video"),
    "two videos": (Content(Format.DRAFT, "", (video(), video())), "Media", "one video"),
    "a picture for a draft of a video": (Content(Format.DRAFT, "", (photo(),)), "Media", "one video"),
    "another container": (clip(content_type="video/x-msvideo"), "Media", "MP4"),
    "another codec": (clip(facts=Facts(video_codec="mpeg4")), "Media", "h264"),
    "too few frames a second": (clip(facts=Facts(video_codec="h264", fps=15)), "Media", "23 to 60"),
    "a large file": (clip(size_bytes=4_000_000_001), "Media", "4000 MB"),
    "an empty file": (clip(size_bytes=0), "Media", "again"),
    "a long video": (clip(duration_ms=600_001), "Media", "600 seconds"),
    "a narrow video": (clip(width=359), "Media", "360x360"),
    "a high video": (clip(height=4097), "Media", "4096"),
    "no pictures": (Content(Format.IMAGES, "", (), options=PUBLIC), "Media", "1 to 35"),
    "too many pictures": (photos(*[photo()] * 36), "Media", "1 to 35"),
    "pictures and a video": (photos(photo(), video()), "Media", "1 to 35"),
    "PNG": (photos(photo(content_type="image/png")), "Media", "must be JPEG"),
    "a large picture": (photos(photo(size_bytes=20_000_001)), "Media", "20 MB"),
    "a high picture": (photos(photo(height=1921)), "Media", "1080 by 1920"),
    "a broad picture that lies": (photos(photo(width=1921, height=1080)), "Media", "1920 by 1080"),
    "a square of more than 1080": (photos(photo(width=1081, height=1081)), "Media", "1080 by 1920"),
    "a long text of pictures": (photos(text="a" * 4001), "Text", "Shorten it by 1"),
    "a long headline": (photos(title="a" * 91), "TikTok title", "Shorten it by 1"),
    "a cover that is none of them": (photos(photo(), photo_cover_index=1), "Cover picture", "1 pictures"),
    "a text alone": (Content(Format.TEXT, "Hello"), "Format", "one video, or pictures"),
}


@pytest.mark.parametrize(("content", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_what_tiktok_would_refuse_is_told_before(content: Content, field: str, words: str) -> None:
    (problem,) = found(content)
    assert (problem.field, problem.warning) == (field, False)
    assert words in problem.sentence()


def test_pictures_need_a_public_address_and_a_video_does_not() -> None:
    (problem,) = found(photos(), public_media=False)
    assert "SCHEDULO_MEDIA_BASE_URL" in problem.remedy
    assert found(clip(), public_media=False) == []


WARNED = {
    "a very short video": (clip(duration_ms=2999), "Media"),
    "a cover after the end": (clip(options={"video_cover_timestamp_ms": 5000}), "Cover at (s)"),
}


@pytest.mark.parametrize(("content", "field"), WARNED.values(), ids=WARNED)
def test_what_the_author_should_know_stops_nothing(content: Content, field: str) -> None:
    assert [(problem.field, problem.warning) for problem in found(content)] == [(field, True)]


CREATOR: dict[str, Any] = {
    "levels": ["FOLLOWER_OF_CREATOR", "SELF_ONLY"],
    "max_s": 4,
    "off": ["comment", "duet"],
}


def test_what_the_account_does_not_allow_is_told_with_what_to_do() -> None:
    options = {"disable_comment": False, "disable_duet": False}
    level, length, allowed = creator_problems(clip(options=options), CREATOR)
    assert "allows this account only Followers, Only me" in level.sentence()
    assert "takes 4 seconds from this account" in length.sentence()
    assert "comments and duets" in allowed.sentence()
    assert [problem.warning for problem in (level, length, allowed)] == [False, False, True]


def test_pictures_can_only_be_commented_on() -> None:
    options = {**SELF, "disable_comment": False, "disable_duet": False}
    (allowed,) = creator_problems(photos(**options), CREATOR)
    assert (allowed.value, allowed.warning) == ("comments", True)


def test_nothing_is_said_where_nothing_was_wished() -> None:
    assert list(creator_problems(clip(options=SELF, duration_ms=4000), CREATOR)) == []


def test_what_the_account_said_ahead_is_part_of_the_check() -> None:
    account = Account(Platform.TIKTOK, "open-1", "ours", options={"allowed": CREATOR})
    checks = {
        content.format: [problem.field for problem in CONVERSATION.check(account, content, public_media=True)]
        for content in (clip(), photos(), Content(Format.DRAFT, "", (video(),)))
    }
    assert checks == {
        Format.VIDEO: ["Privacy level", "Media"],
        Format.IMAGES: ["Privacy level"],
        Format.DRAFT: [],
    }


def test_a_post_without_an_audience_is_told_that_once() -> None:
    account = Account(Platform.TIKTOK, "open-1", "ours", options={"allowed": CREATOR})
    (problem,) = CONVERSATION.check(account, photos(privacy_level=None), public_media=True)
    assert "chosen by a person" in problem.rule
