"""X's media uploads."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sandbox.x.media import MEGABYTE
from tests.sandbox.x.conftest import Client, image, video


def begun(x: Client, content: bytes, media_type: str = "image/png", category: str = "tweet_image") -> str:
    return x.initialize(content, media_type, category).json()["data"]["id"]


def test_an_image_is_ready_when_it_is_finalized(x: Client) -> None:
    content = image("PNG")
    media_id = begun(x, content)
    x.append(media_id, 0, content)
    data = x.finalize(media_id).json()["data"]
    assert data["media_key"] == f"3_{media_id}"
    assert data["image"] == {"w": 64, "h": 48, "image_type": "image/png"}
    assert data["size"] == len(content)
    assert "processing_info" not in data


def test_a_segment_may_come_as_json(x: Client) -> None:
    content = image("PNG")
    media_id = begun(x, content)
    body = {"segment_index": 0, "media": base64.b64encode(content).decode()}
    answer = x.send("POST", f"/2/media/upload/{media_id}/append", json=body)
    assert answer.json()["data"]["expires_at"] > 0
    assert x.finalize(media_id).status_code == 200


def test_segments_are_joined_by_index_not_by_arrival(x: Client) -> None:
    content = image("PNG")
    media_id = begun(x, content)
    x.append(media_id, 1, content[50:])
    x.append(media_id, 0, content[:50])
    assert x.finalize(media_id).status_code == 200


@pytest.mark.parametrize(
    ("media_type", "category", "size"),
    [
        ("video/mp4", "tweet_image", 10),
        ("image/png", "tweet_gif", 10),
        ("image/png", "tweet_video", 10),
        ("image/xyz", "tweet_image", 10),
        ("image/png", "tweet_avatar", 10),
        ("image/png", "tweet_image", 5 * MEGABYTE + 1),
        ("image/gif", "tweet_gif", 15 * MEGABYTE + 1),
        ("video/mp4", "tweet_video", 512 * MEGABYTE + 1),
        ("video/mp4", "tweet_video", -1),
    ],
)
def test_an_upload_that_cannot_end_well_is_not_begun(
    x: Client, media_type: str, category: str, size: int
) -> None:
    body = {"media_type": media_type, "total_bytes": size, "media_category": category}
    assert x.send("POST", "/2/media/upload/initialize", json=body).status_code == 400


def test_an_unknown_member_at_initialize_is_refused(x: Client) -> None:
    body = {"media_type": "image/png", "total_bytes": 1, "media_category": "tweet_image", "name": "a"}
    assert x.send("POST", "/2/media/upload/initialize", json=body).status_code == 400


def test_the_newer_limits_let_a_larger_video_begin(x: Client) -> None:
    x.sandbox.switch(x_video_limits="new")
    body = {
        "media_type": "video/mp4",
        "total_bytes": 512 * MEGABYTE + 1,
        "media_category": "tweet_video",
    }
    assert x.send("POST", "/2/media/upload/initialize", json=body).status_code == 200


@pytest.mark.parametrize(("most", "status"), [("5", 400), ("8", 200)])
def test_the_switch_says_how_large_a_segment_may_be(x: Client, most: str, status: int) -> None:
    x.sandbox.switch(x_segment_max=most)
    content = b"\0" * (6 * MEGABYTE)
    media_id = begun(x, content, "video/mp4", "tweet_video")
    assert x.append(media_id, 0, content).status_code == status


def test_a_segment_comes_once(x: Client) -> None:
    media_id = begun(x, image("PNG"))
    assert x.append(media_id, 0, b"a").status_code == 200
    assert x.append(media_id, 0, b"a").status_code == 400


def test_segments_with_a_gap_are_refused(x: Client) -> None:
    media_id = begun(x, b"ab")
    x.append(media_id, 0, b"a")
    x.append(media_id, 2, b"b")
    assert x.finalize(media_id).status_code == 400


def test_segments_counted_from_one_are_refused(x: Client) -> None:
    content = image("PNG")
    media_id = begun(x, content)
    x.append(media_id, 1, content)
    assert x.finalize(media_id).status_code == 400


def test_segments_that_do_not_add_up_are_refused(x: Client) -> None:
    media_id = begun(x, image("PNG"))
    x.append(media_id, 0, image("PNG")[:-1])
    answer = x.finalize(media_id)
    assert answer.status_code == 400
    assert "do not add up" in answer.json()["errors"][0]["message"]


def test_an_image_that_is_something_else_is_refused(x: Client) -> None:
    content = image("JPEG")
    media_id = begun(x, content, "image/png")
    x.append(media_id, 0, content)
    assert x.finalize(media_id).status_code == 400


def test_another_account_cannot_append(x: Client) -> None:
    media_id = begun(x, image("PNG"))
    assert x.as_("bob-token").append(media_id, 0, b"a").status_code == 400


def test_a_video_is_pending_then_in_progress_then_ready(x: Client) -> None:
    media_id = begun(x, video(1), "video/mp4", "tweet_video")
    x.append(media_id, 0, video(1))
    states = [x.finalize(media_id).json()["data"], x.status(media_id), x.status(media_id)]
    assert [data["processing_info"]["state"] for data in states] == ["pending", "in_progress", "succeeded"]


@pytest.mark.parametrize(
    "shape",
    [
        {"fps": 61},
        {"width": 200, "height": 64},
        {"width": 64, "height": 200},
        {"height": 16},
        {"pixels": "yuv444p"},
        {"flags": "+ildct+ilme"},
    ],
)
def test_a_video_out_of_specification_is_not_processed(x: Client, shape: dict[str, Any]) -> None:
    media_id = x.upload(video(1, **shape), "video/mp4", "tweet_video", ready=False)
    states = [x.status(media_id)["processing_info"]["state"] for _ in range(2)]
    assert states[-1] == "failed"


@pytest.mark.parametrize("polls", [0, 3])
def test_the_switch_says_how_often_processing_is_still_going_on(x: Client, polls: int) -> None:
    x.sandbox.switch(x_processing_polls=str(polls))
    media_id = begun(x, video(1), "video/mp4", "tweet_video")
    x.append(media_id, 0, video(1))
    first = x.finalize(media_id).json()["data"]["processing_info"]["state"]
    assert first == ("pending" if polls else "succeeded")
    states = [x.status(media_id)["processing_info"]["state"] for _ in range(polls + 1)]
    assert states == ["in_progress"] * polls + ["succeeded"]


def test_processing_ends_with_time_too(x: Client) -> None:
    x.sandbox.switch(x_processing_polls="9")
    media_id = x.upload(video(1), "video/mp4", "tweet_video", ready=False)
    x.sandbox.advance(60)
    assert x.status(media_id)["processing_info"]["state"] == "succeeded"


def test_bytes_that_are_no_video_fail_in_processing(x: Client) -> None:
    media_id = x.upload(b"\0" * 100, "video/mp4", "tweet_video", ready=False)
    x.status(media_id)
    info = x.status(media_id)["processing_info"]
    assert (info["state"], info["error"]["name"]) == ("failed", "InvalidMedia")


def test_processing_fails_on_order(x: Client) -> None:
    x.sandbox.fault(service="x", mode="processing_fails:codec", method="POST", route="upload_finalize")
    media_id = x.upload(video(1), "video/mp4", "tweet_video", ready=False)
    x.status(media_id)
    info = x.status(media_id)["processing_info"]
    assert (info["state"], info["error"]["message"]) == ("failed", "codec")
    assert x.post(media={"media_ids": [media_id]}).status_code == 400


def test_a_small_image_may_go_in_one_request(x: Client) -> None:
    parts = {"media": ("a.png", image("PNG")), "media_category": (None, "tweet_image")}
    media_id = x.send("POST", "/2/media/upload", files=parts).json()["data"]["id"]
    assert x.post(media={"media_ids": [media_id]}).status_code == 201


def test_one_request_needs_a_category(x: Client) -> None:
    assert x.send("POST", "/2/media/upload", files={"media": ("a", image("PNG"))}).status_code == 400


def test_a_video_in_one_request_is_refused(x: Client) -> None:
    parts = {"media": ("a.mp4", video(1)), "media_category": (None, "tweet_video")}
    assert x.send("POST", "/2/media/upload", files=parts).status_code == 400


def test_the_old_command_verbs_are_refused(x: Client) -> None:
    answer = x.send("POST", "/2/media/upload", params={"command": "INIT"})
    assert answer.status_code == 400


def test_alt_text_reads_back(x: Client) -> None:
    media_id = x.photo()
    body = {"id": media_id, "metadata": {"alt_text": {"text": "a blue square"}}}
    assert x.send("POST", "/2/media/metadata", json=body).status_code == 200
    post_id = x.post_id(media={"media_ids": [media_id]})
    answer = x.get(
        "/2/tweets", ids=post_id, expansions="attachments.media_keys", **{"media.fields": "alt_text"}
    )
    assert answer.json()["includes"]["media"][0]["alt_text"] == "a blue square"


def test_a_long_alt_text_is_refused(x: Client) -> None:
    body = {"id": x.photo(), "metadata": {"alt_text": {"text": "a" * 1001}}}
    assert x.send("POST", "/2/media/metadata", json=body).status_code == 400
