"""The ways in which publishing to Meta was seen to go wrong, each on order."""

from __future__ import annotations

import time

import pytest
import requests

from .conftest import IG, IG_FB, PAGE, PAGE_TOKEN, USER_TOKEN, Meta, error, jpeg, mp4


def test_publishing_can_succeed_and_answer_an_error(meta: Meta):
    container = meta.finished()
    meta.sandbox.fault(service="instagram", route="media_publish", mode="error_after:403/4/2207051")
    assert error(meta.publish(container)) == (403, 4, 2207051)
    assert len(meta.sandbox.posts()) == 1
    assert meta.state(container)["status_code"] == "PUBLISHED"


def test_a_second_publish_is_an_error_by_itself(meta: Meta):
    container = meta.finished()
    meta.publish(container)
    assert error(meta.publish(container)) == (400, 24, 2207008)
    assert len(meta.sandbox.posts()) == 1


@pytest.mark.parametrize(
    ("mode", "status", "same", "live"),
    [("error", 400, False, 1), ("same", 200, True, 1), ("copy", 200, False, 2)],
)
def test_what_a_second_publish_does_can_be_ordered(meta: Meta, mode: str, status: int, same: bool, live: int):
    container = meta.finished()
    first = meta.publish(container).json()["id"]
    meta.sandbox.fault(service="instagram", route="media_publish", mode=f"republish:{mode}")
    second = meta.publish(container)
    assert second.status_code == status
    assert (second.json().get("id") == first) is same
    assert len(meta.sandbox.posts()) == live


@pytest.mark.parametrize(("mode", "status", "live"), [(None, 400, 1), ("same", 200, 1), ("copy", 200, 2)])
def test_what_a_second_finish_of_a_reel_does_can_be_ordered(
    meta: Meta, mode: str | None, status: int, live: int
):
    started = meta.fb_post(f"{PAGE}/video_reels", upload_phase="start").json()
    meta.rupload(started["upload_url"], mp4())
    finish = {"upload_phase": "finish", "video_id": started["video_id"], "video_state": "PUBLISHED"}
    meta.fb_post(f"{PAGE}/video_reels", **finish)
    if mode:
        meta.sandbox.fault(service="facebook", mode=f"republish:{mode}")
    assert meta.fb_post(f"{PAGE}/video_reels", **finish).status_code == status
    assert len(meta.sandbox.posts()) == live


def test_lists_and_container_lag_behind(meta: Meta):
    container = meta.finished()
    meta.sandbox.fault(service="instagram", mode="read_lag:0.3", times=-1)
    meta.publish(container)
    assert meta.get(f"{IG}/media").json()["data"] == []
    assert meta.state(container)["status_code"] == "FINISHED"
    time.sleep(0.35)
    assert len(meta.get(f"{IG}/media").json()["data"]) == 1
    assert meta.state(container)["status_code"] == "PUBLISHED"


def test_the_list_of_page_posts_lags_behind(meta: Meta):
    meta.sandbox.fault(service="facebook", mode="read_lag:60", times=-1)
    meta.fb_post(f"{PAGE}/feed", message="Hi")
    assert meta.fb_get(f"{PAGE}/published_posts").json()["data"] == []


def test_reads_can_fail_for_page_tokens_while_writes_work(meta: Meta):
    meta.sandbox.fault(service="facebook", mode="unreadable:page", times=-1)
    url = meta.file("a.jpg", jpeg())
    container = meta.fb_post(f"{IG_FB}/media", image_url=url).json()["id"]
    assert error(meta.fb_get(container, PAGE_TOKEN)) == (400, 100, 33)
    assert meta.fb_get(container, USER_TOKEN).status_code == 200


def test_reads_can_fail_for_instagram_tokens_while_writes_work(meta: Meta):
    container = meta.container()
    meta.sandbox.fault(service="instagram", mode="unreadable:instagram", times=1)
    assert error(meta.get(container)) == (400, 100, 33)
    assert meta.get(container).status_code == 200


def test_an_order_for_another_kind_of_token_does_nothing(meta: Meta):
    container = meta.container()
    meta.sandbox.fault(service="instagram", mode="unreadable:page", times=-1)
    assert meta.get(container).status_code == 200


def test_captions_can_come_back_mangled_but_go_live_as_written(meta: Meta):
    meta.sandbox.fault(service="instagram", mode="mangle_text", times=-1)
    media_id = meta.published(caption="Hi  @you\n\nbye")
    assert meta.get(media_id, fields="caption").json()["caption"] == "Hi you bye"
    assert meta.sandbox.posts()[0]["text"] == "Hi  @you\n\nbye"


def test_messages_can_come_back_mangled(meta: Meta):
    meta.sandbox.fault(service="facebook", mode="mangle_text", times=-1)
    post_id = meta.fb_post(f"{PAGE}/feed", message="Hi  @you").json()["id"]
    assert meta.fb_get(post_id, fields="message").json()["message"] == "Hi you"


def test_a_carousel_can_lose_a_child_without_a_word(meta: Meta):
    children = [meta.finished(is_carousel_item="true") for _ in range(3)]
    meta.sandbox.fault(service="instagram", mode="drop_child")
    media_id = meta.published(media_type="CAROUSEL", children=",".join(children))
    assert len(meta.get(media_id, fields="children").json()["children"]["data"]) == 2
    assert len(meta.sandbox.posts()[0]["media"]) == 2


@pytest.mark.parametrize(
    ("mode", "subcode"), [("processing_fails", 2207026), ("processing_fails:2207085", 2207085)]
)
def test_processing_can_fail_with_a_subcode_in_the_sentence_alone(meta: Meta, mode: str, subcode: int):
    meta.sandbox.fault(service="instagram", mode=mode)
    state = meta.settled(meta.container())
    assert (state["status_code"], state["status"]) == (
        "ERROR",
        f"Error: Media upload has failed with error code {subcode}",
    )


def test_a_page_video_can_fail_in_processing_and_is_not_public(meta: Meta):
    meta.sandbox.fault(service="facebook", mode="processing_fails")
    video = meta.fb_upload(f"{PAGE}/videos", "source", mp4()).json()["id"]
    meta.fb_get(video, fields="status")
    status = meta.fb_get(video, fields="status").json()["status"]
    assert (status["video_status"], status["processing_phase"]["status"]) == ("error", "error")
    assert meta.sandbox.posts() == []


def test_a_draft_can_go_public_by_itself(meta: Meta):
    meta.sandbox.fault(service="facebook", route="feed", mode="auto_publish")
    post_id = meta.fb_post(f"{PAGE}/feed", message="Draft", published="false").json()["id"]
    assert meta.fb_get(post_id, fields="is_published").json()["is_published"] is True
    assert len(meta.sandbox.posts()) == 1


def test_a_dropped_answer_leaves_the_post_live(meta: Meta):
    meta.sandbox.fault(service="facebook", route="feed", mode="drop_after")
    with pytest.raises(requests.ConnectionError):
        meta.fb_post(f"{PAGE}/feed", message="Hi")
    assert len(meta.sandbox.posts()) == 1


def test_the_opening_of_a_draft_can_be_cut_after_it_was_done(meta: Meta):
    post_id = meta.fb_post(f"{PAGE}/feed", message="Draft", published="false").json()["id"]
    meta.sandbox.fault(service="facebook", method="POST", route="post", mode="drop_after")
    with pytest.raises(requests.ConnectionError):
        meta.fb_post(post_id, is_published="true")
    assert meta.fb_get(post_id, fields="is_published").json()["is_published"] is True
    assert len(meta.sandbox.posts()) == 1
