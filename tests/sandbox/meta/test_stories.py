"""Stories of a Page."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from .conftest import OTHER_PAGE, PAGE, Meta, digest, error, jpeg, mp4

DAY = 86_400


def photo(meta: Meta, **params: str) -> str:
    params = {"published": "false"} | params
    return meta.fb_upload(f"{PAGE}/photos", "source", jpeg(), **params).json()["id"]


def photo_story(meta: Meta, photo_id: str, **params: str) -> requests.Response:
    return meta.fb_post(f"{PAGE}/photo_stories", photo_id=photo_id, **params)


def video(meta: Meta, content: bytes) -> str:
    started = meta.fb_post(f"{PAGE}/video_stories", upload_phase="start").json()
    assert meta.rupload(started["upload_url"], content).json() == {"success": True}
    return started["video_id"]


def video_story(meta: Meta, video_id: str, **params: str) -> requests.Response:
    return meta.fb_post(f"{PAGE}/video_stories", upload_phase="finish", video_id=video_id, **params)


def stories(meta: Meta, **params: str) -> list[dict[str, Any]]:
    return meta.fb_get(f"{PAGE}/stories", **params).json()["data"]


def test_a_photo_becomes_a_story_and_is_in_no_list_of_posts(meta: Meta):
    photo_id = photo(meta)
    told = photo_story(meta, photo_id).json()
    assert told["success"] is True
    (live,) = meta.sandbox.posts()
    assert (live["kind"], live["post_id"], live["text"]) == ("story", told["post_id"], "")
    assert live["media"] == [digest(jpeg())]
    (story,) = stories(meta)
    assert (story["post_id"], story["media_type"], story["media_id"]) == (told["post_id"], "photo", photo_id)
    assert "id" not in story
    assert story["creation_time"].isdecimal()
    assert meta.fb_get(f"{PAGE}/published_posts").json()["data"] == []
    assert meta.fb_get(f"{PAGE}/feed").json()["data"] == []


def test_a_video_becomes_a_story_when_it_is_finished(meta: Meta):
    video_id = video(meta, mp4(3.2))
    assert meta.sandbox.posts() == []
    told = video_story(meta, video_id).json()
    (story,) = stories(meta)
    assert (story["post_id"], story["media_type"], story["media_id"]) == (told["post_id"], "video", video_id)
    assert meta.sandbox.posts()[0]["kind"] == "story"


def test_a_medium_is_for_one_post_only(meta: Meta):
    photo_id, video_id = photo(meta), video(meta, mp4(3.2))
    photo_story(meta, photo_id)
    video_story(meta, video_id)
    assert error(photo_story(meta, photo_id)) == (400, 100, 1366051)
    assert error(video_story(meta, video_id)) == (400, 100, None)
    in_feed = meta.fb_post(f"{PAGE}/feed", attached_media=f'[{{"media_fbid":"{photo_id}"}}]')
    assert error(in_feed) == (400, 100, 1366051)
    assert error(photo_story(meta, photo(meta, published="true"))) == (400, 100, 1366051)
    assert len(stories(meta)) == 2


def test_what_is_no_photo_of_this_page_is_refused(meta: Meta):
    assert error(photo_story(meta, "1")) == (400, 100, None)
    assert error(meta.fb_post(f"{PAGE}/photo_stories")) == (400, 100, None)
    assert error(photo_story(meta, photo(meta), caption="words")) == (400, 100, None)
    assert error(meta.fb_post(f"{OTHER_PAGE}/photo_stories", photo_id=photo(meta))) == (400, 100, 33)
    assert meta.sandbox.posts() == []


def test_an_unused_photo_is_gone_after_a_day(meta: Meta):
    photo_id = photo(meta)
    meta.sandbox.advance(DAY + 1)
    assert error(photo_story(meta, photo_id)) == (400, 100, None)


@pytest.mark.parametrize(
    ("film", "subcode"),
    [
        ({"seconds": 61.0}, 1363128),
        ({"seconds": 2.0}, 1363128),
        ({"seconds": 3.2, "width": 360, "height": 640}, 1363127),
        ({"seconds": 3.2, "width": 540, "height": 1200}, 1363040),
    ],
)
def test_a_video_story_is_upright_and_lasts_a_minute_at_the_most(
    meta: Meta, film: dict[str, Any], subcode: int
):
    assert error(video_story(meta, video(meta, mp4(**film)))) == (400, 100, subcode)
    assert meta.sandbox.posts() == []


def test_a_story_needs_its_bytes_and_its_phases(meta: Meta):
    started = meta.fb_post(f"{PAGE}/video_stories", upload_phase="start").json()
    assert error(video_story(meta, started["video_id"])) == (400, 100, None)
    assert error(meta.fb_post(f"{PAGE}/video_stories", upload_phase="transfer")) == (400, 100, None)
    assert error(video_story(meta, video(meta, mp4(3.2)), description="words")) == (400, 100, None)
    reel = meta.fb_post(f"{PAGE}/video_reels", upload_phase="start").json()
    meta.rupload(reel["upload_url"], mp4(3.2))
    assert error(video_story(meta, reel["video_id"])) == (400, 100, None)


def test_a_story_takes_no_comment_and_is_not_read_like_a_post(meta: Meta):
    post_id = photo_story(meta, photo(meta)).json()["post_id"]
    assert error(meta.fb_post(f"{post_id}/comments", message="first")) == (400, 100, None)
    assert error(meta.fb_get(post_id)) == (400, 100, 33)


def test_a_story_leaves_the_list_after_a_day_unless_it_is_archived(meta: Meta):
    photo_story(meta, photo(meta))
    meta.sandbox.advance(DAY + 1)
    assert stories(meta) == []
    meta.sandbox.switch(fb_story_archive="on")
    assert [story["status"] for story in stories(meta)] == ["ARCHIVED"]
    assert stories(meta, status="PUBLISHED") == []
    assert error(meta.fb_get(f"{PAGE}/stories", status="DELETED")) == (400, 100, None)


def test_a_video_story_that_cannot_be_processed_never_shows(meta: Meta):
    meta.sandbox.fault(service="facebook", route="video_stories:finish", mode="processing_fails")
    meta.sandbox.switch(fb_processing_polls="0")
    video_id = video(meta, mp4(3.2))
    assert video_story(meta, video_id).json()["success"] is True
    assert meta.fb_get(video_id, fields="status").json()["status"]["video_status"] == "error"
    assert stories(meta) == []
    assert meta.sandbox.posts() == []
