"""What a row means on one account: which format, and what of the row goes out there."""

from __future__ import annotations

from typing import Any

import pytest

from schedulo.airtable.mapping import Mapping
from schedulo.airtable.rows import post_row
from schedulo.model import Account, Format, Media, MediaKind, Platform
from schedulo.planning.content import Fitted, content_hash, fit
from schedulo.planning.files import Files
from schedulo.platforms import CONVERSATIONS
from tests.schedulo.planning.attached import attached

PICTURE = Media("a" * 64, MediaKind.IMAGE, "image/jpeg", 1000, 540, 960)
FILM = Media("b" * 64, MediaKind.VIDEO, "video/mp4", 1000, 540, 960, 10_000)


def fitted(platform: Platform, *media: Media, **cells: Any) -> Fitted:
    """What a row with these cells and files is on an account of the platform."""
    row, files = attached(media, **{"Text": "Which roast?", **cells})
    account = Account(platform, "1", "ours", options={"login": "instagram_login"})
    return fit(row, files, account, CONVERSATIONS[platform], public_media=True)


def errors(found: Fitted) -> list[str]:
    return [problem.field for problem in found.problems if not problem.warning]


def test_answers_without_media_are_a_poll_on_x() -> None:
    found = fitted(Platform.X, Poll="Light\nDark", Thread="Tell us why")
    assert found.content is not None
    assert found.content.format is Format.POLL
    assert found.content.options["poll"] == {"options": ["Light", "Dark"], "duration_minutes": 1440}
    assert found.content.thread == ("Tell us why",)
    assert errors(found) == []


def test_a_poll_with_media_is_a_problem_and_not_half_a_post() -> None:
    assert errors(fitted(Platform.X, PICTURE, Poll="Light\nDark")) == ["Poll"]


@pytest.mark.parametrize("platform", [Platform.INSTAGRAM, Platform.FACEBOOK])
def test_a_poll_changes_nothing_elsewhere(platform: Platform) -> None:
    assert fitted(platform, PICTURE, Poll="Light\nDark").content == fitted(platform, PICTURE).content


@pytest.mark.parametrize("medium", [PICTURE, FILM])
def test_a_story_on_facebook_is_one_picture_or_one_video(medium: Media) -> None:
    found = fitted(Platform.FACEBOOK, medium, Format="Story")
    assert found.content is not None
    assert found.content.format is Format.STORY
    assert errors(found) == []
    assert [problem.field for problem in found.problems] == ["Text"]


@pytest.mark.parametrize("media", [(), (PICTURE, PICTURE)])
def test_what_cannot_be_a_story_does_not_become_another_post(media: tuple[Media, ...]) -> None:
    found = fitted(Platform.FACEBOOK, *media, Format="Story")
    assert (found.content, errors(found)) == (None, ["Media"])


def test_where_there_are_no_stories_the_post_is_an_ordinary_one() -> None:
    found = fitted(Platform.X, PICTURE, Format="Story")
    assert found.content is not None
    assert found.content.format is Format.IMAGE


@pytest.mark.parametrize(
    ("media", "wish", "format_"),
    [
        ((FILM,), "", Format.VIDEO),
        ((FILM,), "Draft to inbox", Format.DRAFT),
        ((PICTURE,), "", Format.IMAGES),
        ((PICTURE,), "Post", Format.IMAGES),
        ((PICTURE, PICTURE), "", Format.IMAGES),
        ((PICTURE,), "Draft to inbox", Format.IMAGES_DRAFT),
        ((PICTURE, PICTURE), "Draft to inbox", Format.IMAGES_DRAFT),
    ],
)
def test_the_files_and_the_wish_make_the_format_on_tiktok(
    media: tuple[Media, ...], wish: str, format_: Format
) -> None:
    found = fitted(Platform.TIKTOK, *media, Format=wish, TikTok_privacy="Everyone")
    assert found.content is not None
    assert found.content.format is format_


@pytest.mark.parametrize("media", [(PICTURE, FILM), (FILM, FILM)])
def test_pictures_and_a_video_together_are_no_post_on_tiktok(media: tuple[Media, ...]) -> None:
    found = fitted(Platform.TIKTOK, *media)
    assert found.content is None
    assert errors(found) == ["Media"]


def test_a_row_of_pictures_says_all_that_tiktok_is_told() -> None:
    cells = {"TikTok privacy": "Only me", "TikTok title": "Cups", "Cover picture": 2, "TikTok music": True}
    found = fitted(Platform.TIKTOK, PICTURE, PICTURE, **cells)
    assert errors(found) == []
    assert found.content is not None
    options = found.content.options
    said = [options[name] for name in ("privacy_level", "title", "photo_cover_index", "auto_add_music")]
    assert said == ["SELF_ONLY", "Cups", 1, True]


def test_several_files_are_a_carousel_on_instagram() -> None:
    found = fitted(Platform.INSTAGRAM, PICTURE, FILM)
    assert found.written is not None
    assert (found.written.format, found.written.media) == (Format.CAROUSEL, (PICTURE, FILM))
    assert errors(fitted(Platform.INSTAGRAM, *[PICTURE] * 11)) == ["Media"]


@pytest.mark.parametrize("medium", [PICTURE, FILM])
def test_a_story_on_instagram_is_one_picture_or_one_video(medium: Media) -> None:
    found = fitted(Platform.INSTAGRAM, medium, Format="Story")
    assert found.content is not None
    assert found.content.format is Format.STORY
    assert errors(found) == []


@pytest.mark.parametrize("wish", ["Story", "Reel"])
def test_several_files_are_no_story_and_no_reel_on_instagram(wish: str) -> None:
    found = fitted(Platform.INSTAGRAM, FILM, FILM, Format=wish)
    assert (found.content, errors(found)) == (None, ["Media"])


def test_a_picture_whose_format_says_reel_is_an_image() -> None:
    found = fitted(Platform.INSTAGRAM, PICTURE, Format="Reel")
    assert found.content is not None
    assert found.content.format is Format.IMAGE


NOT_HERE = ("photo.jpg", "photo.heic", "film.mov", "loop.gif")


@pytest.mark.parametrize("platform", Platform)
@pytest.mark.parametrize("filename", NOT_HERE)
@pytest.mark.parametrize("wish", ["", "Reel", "Story", "Draft to inbox"])
def test_what_is_not_here_is_waited_for_and_no_problem(platform: Platform, filename: str, wish: str) -> None:
    """It is said to be a picture, a film or an animation, and may well be a good one."""
    media = [{"id": "att1", "url": "https://files.example/1", "filename": filename}]
    cells = {"Text": "Look", "Media": media, "TikTok privacy": "Everyone", "Format": wish}
    row = post_row({"id": "rec1", "fields": cells}, Mapping())
    account = Account(platform, "1", "ours", options={"login": "instagram_login"})
    found = fit(row, Files({}), account, CONVERSATIONS[platform], public_media=True)
    assert errors(found) == []
    assert not found.ready
    assert found.written is not None
    assert content_hash(found.written) == ""


def test_a_file_that_may_be_anything_is_waited_for() -> None:
    media = [{"id": "att1", "url": "https://files.example/1", "filename": "file"}]
    row = post_row({"id": "rec1", "fields": {"Text": "Look", "Media": media}}, Mapping())
    found = fit(
        row, Files({}), Account(Platform.X, "1", "ours"), CONVERSATIONS[Platform.X], public_media=True
    )
    assert (found.content, errors(found), found.ready) == (None, [], False)
