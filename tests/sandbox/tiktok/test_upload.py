"""TikTok's file upload: the plan of chunks, the PUTs, when a post is live."""

from __future__ import annotations

import time

import pytest

from sandbox.core import sha256
from tests.sandbox.tiktok.conftest import Client, code, file, large_video, video

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("size", "chunk", "count", "fine"),
    [
        (100, 100, 1, True),
        (100, 50, 2, False),
        (100, 200, 1, False),
        (100, 100, 2, False),
        (0, 0, 0, False),
        (9 * MIB, 9 * MIB, 1, True),
        (9 * MIB, 5 * MIB, 1, False),
        (12 * MIB, 5 * MIB, 2, True),
        (12 * MIB, 5 * MIB, 3, False),
        (12 * MIB, 4 * MIB, 3, False),
        (64_000_000, 64_000_000, 1, True),
        (64_000_001, 64_000_001, 1, False),
        (121_000_000, 64_000_000, 1, False),
        (158_008_374, 5_242_880, 30, True),
        (158_008_374, 5_242_880, 31, False),
        (50_000_123, 10_000_000, 5, True),
        (200_000_000, 65_000_000, 3, False),
        (4 * 1024 * MIB + 1, 60_000_000, 71, False),
    ],
)
def test_the_plan_of_chunks_follows_the_floor_rule(
    tiktok: Client, size: int, chunk: int, count: int, fine: bool
) -> None:
    answer = tiktok.video_init(file(size, chunk, count))
    assert (code(answer), answer.status_code) == (("ok", 200) if fine else ("invalid_params", 400))


def test_a_wrong_count_and_a_wrong_size_are_told_apart(tiktok: Client) -> None:
    count = tiktok.video_init(file(12 * MIB, 5 * MIB, 3)).json()["error"]["message"]
    size = tiktok.video_init(file(121_000_000, 64_000_000, 1)).json()["error"]["message"]
    assert (count, size) == ("The total chunk count is invalid", "The chunk size is invalid")


def test_the_switch_chooses_the_code_of_a_bad_parameter(tiktok: Client) -> None:
    tiktok.sandbox.switch(tiktok_invalid_code="invalid_param")
    assert code(tiktok.video_init(file(0))) == "invalid_param"


def test_init_answers_with_ids_within_their_lengths(tiktok: Client) -> None:
    begun = tiktok.begin(video())
    assert begun["publish_id"].startswith("v_pub_file~")
    assert len(begun["publish_id"]) <= 64
    assert len(begun["upload_url"]) <= 256


def test_a_post_is_live_when_its_last_byte_has_arrived(tiktok: Client) -> None:
    content = video()
    begun = tiktok.begin(content, title="a #title")
    assert tiktok.sandbox.posts() == []
    sent = time.time()
    assert tiktok.put(begun["upload_url"], content, 0, len(content)).status_code == 201
    (live,) = tiktok.sandbox.posts()
    assert (live["platform"], live["account_id"], live["kind"]) == ("tiktok", "bob", "video")
    assert (live["text"], live["media"]) == ("a #title", [sha256(content)])
    assert sent <= live["received_at"] <= time.time()


def test_chunks_come_in_order_and_the_last_carries_the_rest(tiktok: Client) -> None:
    content = large_video(11 * MIB)
    url = tiktok.video_init(file(len(content), 5 * MIB, 2)).json()["data"]["upload_url"]
    first = tiktok.put(url, content[: 5 * MIB], 0, len(content))
    assert (first.status_code, first.headers["Content-Range"]) == (206, f"bytes 0-{5 * MIB}/{11 * MIB}")
    assert tiktok.sandbox.posts() == []
    assert tiktok.put(url, content[5 * MIB :], 5 * MIB, len(content)).status_code == 201
    assert tiktok.sandbox.posts()[0]["media"] == [sha256(content)]


def test_a_chunk_out_of_order_is_told_the_progress(tiktok: Client) -> None:
    content = large_video(11 * MIB)
    url = tiktok.video_init(file(len(content), 5 * MIB, 2)).json()["data"]["upload_url"]
    answer = tiktok.put(url, content[5 * MIB :], 5 * MIB, len(content))
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes 0-0/{11 * MIB}")


def test_a_chunk_sent_twice_is_refused_and_taken_once(tiktok: Client) -> None:
    content = video()
    url = tiktok.begin(content)["upload_url"]
    tiktok.put(url, content, 0, len(content))
    assert tiktok.put(url, content, 0, len(content)).status_code == 416
    assert len(tiktok.sandbox.posts()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": "bytes 0-1/3"},
        {"Content_Range": "bytes 0-9/10"},
        {"Content_Range": "0-1/2"},
        {"Content_Type": "application/octet-stream"},
        {"Authorization": "Bearer act.bob"},
    ],
    ids=str,
)
def test_a_chunk_with_wrong_headers_is_refused(tiktok: Client, headers: dict[str, str]) -> None:
    url = tiktok.video_init(file(2)).json()["data"]["upload_url"]
    assert tiktok.put(url, b"ab", 0, 2, **headers).status_code == 400


def test_a_chunk_of_another_length_than_planned_is_refused(tiktok: Client) -> None:
    url = tiktok.video_init(file(4)).json()["data"]["upload_url"]
    assert tiktok.put(url, b"ab", 0, 4).status_code == 400


def test_an_upload_url_needs_its_signature(tiktok: Client) -> None:
    url = tiktok.video_init(file(2)).json()["data"]["upload_url"]
    assert tiktok.put(url[:-1] + "x", b"ab", 0, 2).status_code == 403


@pytest.mark.parametrize(("seconds", "status"), [(3590, 201), (3601, 403)])
def test_an_upload_url_lives_an_hour(tiktok: Client, seconds: int, status: int) -> None:
    content = video()
    url = tiktok.begin(content)["upload_url"]
    tiktok.sandbox.advance(seconds)
    assert tiktok.put(url, content, 0, len(content)).status_code == status


def test_an_upload_for_no_task_is_not_found(tiktok: Client) -> None:
    url = tiktok.sandbox.service("tiktok") + "/upload/nothing?upload_token=x"
    assert tiktok.put(url, b"ab", 0, 2).status_code == 404


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no video at all", "file_format_check_failed"),
        (video(fps=15), "frame_rate_check_failed"),
        (video(width=320), "picture_size_check_failed"),
    ],
    ids=["format", "frame rate", "size"],
)
def test_a_bad_video_fails_and_is_never_live(tiktok: Client, content: bytes, reason: str) -> None:
    status = tiktok.final(tiktok.publish(content))
    assert (status["status"], status["fail_reason"]) == ("FAILED", reason)
    assert tiktok.sandbox.posts() == []


def test_a_video_longer_than_the_creator_may_post_fails(tiktok: Client) -> None:
    cy = tiktok.as_("act.cy")
    assert cy.final(cy.publish(video(1), privacy_level="SELF_ONLY"))["status"] == "PUBLISH_COMPLETE"
    failed = cy.final(cy.publish(video(3), privacy_level="SELF_ONLY"))
    assert failed["fail_reason"] == "duration_check_failed"


def test_a_lost_answer_to_the_last_chunk_leaves_one_post(tiktok: Client) -> None:
    content = video()
    begun = tiktok.begin(content)
    tiktok.sandbox.fault(service="tiktok", mode="error_after:503", method="PUT", route="upload")
    assert tiktok.put(begun["upload_url"], content, 0, len(content)).status_code == 503
    assert tiktok.put(begun["upload_url"], content, 0, len(content)).status_code == 416
    assert tiktok.final(begun["publish_id"])["status"] == "PUBLISH_COMPLETE"
    assert len(tiktok.sandbox.posts()) == 1
