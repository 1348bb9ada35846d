"""TikTok's rules before posting, its statuses, photos, pulls and drafts."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from sandbox.core import sha256
from tests.sandbox.tiktok.conftest import PUBLISH, Client, code, file, video


def test_creator_info_tells_the_options(tiktok: Client) -> None:
    data = tiktok.as_("act.cy").call(f"{PUBLISH}/creator_info/query/").json()["data"]
    assert data["privacy_level_options"] == ["MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY"]
    assert data["max_video_post_duration_sec"] == 1
    assert [data[f"{name}_disabled"] for name in ("comment", "duet", "stitch")] == [False, True, False]


BAD_POSTS: dict[str, dict[str, Any]] = {
    "unknown privacy": {"privacy_level": "EVERYONE"},
    "privacy of a wrong type": {"privacy_level": 1},
    "long title": {"title": "👋" * 1101},
    "unknown member": {"caption": "a"},
    "flag as text": {"disable_duet": "true"},
    "branded and private": {"privacy_level": "SELF_ONLY", "brand_content_toggle": True},
}


@pytest.mark.parametrize("post", BAD_POSTS.values(), ids=BAD_POSTS)
def test_a_post_against_the_rules_is_refused(tiktok: Client, post: dict[str, Any]) -> None:
    answer = tiktok.video_init(file(100), **post)
    assert (answer.status_code, code(answer)) == (400, "invalid_params")
    assert answer.json()["error"]["log_id"]


def test_a_title_counts_utf16_units(tiktok: Client) -> None:
    assert code(tiktok.video_init(file(100), title="👋" * 1100)) == "ok"


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"source": "CARRIER_PIGEON"},
        {"source": "FILE_UPLOAD", "video_size": 100},
        {"source": "FILE_UPLOAD", "video_size": "100", "chunk_size": 100, "total_chunk_count": 1},
        {"source": "PULL_FROM_URL"},
        file(100) | {"video_url": "https://owned.example/a.mp4"},
    ],
    ids=str,
)
def test_a_bad_source_is_refused(tiktok: Client, source: dict[str, Any]) -> None:
    assert code(tiktok.video_init(source)) == "invalid_params"


def test_a_body_that_is_no_json_is_refused(tiktok: Client) -> None:
    url = tiktok.sandbox.service("tiktok") + f"{PUBLISH}/video/init/"
    headers = {"Authorization": "Bearer act.bob", "Content-Type": "application/json; charset=UTF-8"}
    assert requests.post(url, data="{", headers=headers, timeout=10).status_code == 400


def test_a_body_needs_its_content_type(tiktok: Client) -> None:
    url = tiktok.sandbox.service("tiktok") + f"{PUBLISH}/status/fetch/"
    answer = requests.post(url, data="{}", headers={"Authorization": "Bearer act.bob"}, timeout=10)
    assert code(answer) == "invalid_params"


def test_a_privacy_level_outside_the_options_is_a_mismatch(tiktok: Client) -> None:
    answer = tiktok.as_("act.cy").video_init(file(100))
    assert (answer.status_code, code(answer)) == (403, "privacy_level_option_mismatch")


@pytest.mark.parametrize(
    ("token", "privacy", "expected"),
    [
        ("act.eve", "SELF_ONLY", "unaudited_client_can_only_post_to_private_accounts"),
        ("act.fay", "FOLLOWER_OF_CREATOR", "unaudited_client_can_only_post_to_private_accounts"),
        ("act.fay", "SELF_ONLY", "ok"),
    ],
)
def test_an_unaudited_client_posts_privately_to_private_accounts(
    tiktok: Client, token: str, privacy: str, expected: str
) -> None:
    assert code(tiktok.as_(token).video_init(file(100), privacy_level=privacy)) == expected


def test_a_status_goes_from_upload_over_complete_without_id_to_the_id(tiktok: Client) -> None:
    publish_id = tiktok.publish(video())
    seen = [tiktok.status(publish_id) for _ in range(3)]
    assert [status["status"] for status in seen] == [
        "PROCESSING_UPLOAD",
        "PUBLISH_COMPLETE",
        "PUBLISH_COMPLETE",
    ]
    assert seen[1]["publicaly_available_post_id"] == []
    (post_id,) = seen[2]["publicaly_available_post_id"]
    assert isinstance(post_id, int)
    assert post_id > 2**53
    assert tiktok.sandbox.posts()[0]["post_id"] == str(post_id)


def test_the_switches_say_how_long_each_stage_lasts(tiktok: Client) -> None:
    tiktok.sandbox.switch(tiktok_processing_polls="0", tiktok_id_lag_polls="0")
    assert tiktok.status(tiktok.publish(video()))["publicaly_available_post_id"] != []
    tiktok.sandbox.switch(tiktok_processing_polls="2", tiktok_id_lag_polls="2")
    publish_id = tiktok.publish(video())
    seen = [tiktok.status(publish_id) for _ in range(5)]
    assert [len(s.get("publicaly_available_post_id", "no")) for s in seen] == [2, 2, 0, 0, 1]


def test_a_private_post_never_shows_an_id(tiktok: Client) -> None:
    publish_id = tiktok.publish(video(), privacy_level="SELF_ONLY")
    ids = [tiktok.status(publish_id).get("publicaly_available_post_id", []) for _ in range(5)]
    assert ids == [[]] * 5
    assert len(tiktok.sandbox.posts()) == 1


def test_a_waiting_upload_tells_how_much_has_come(tiktok: Client) -> None:
    begun = tiktok.begin(video())
    assert tiktok.status(begun["publish_id"]) == {"status": "PROCESSING_UPLOAD", "uploaded_bytes": 0}


def test_a_publish_id_is_for_its_creator_only(tiktok: Client) -> None:
    publish_id = tiktok.begin(video())["publish_id"]
    foreign = tiktok.as_("act.ann").call(f"{PUBLISH}/status/fetch/", {"publish_id": publish_id})
    unknown = tiktok.call(f"{PUBLISH}/status/fetch/", {"publish_id": "v_pub_file~x"})
    assert code(foreign) == "token_not_authorized_for_specified_publish_id"
    assert code(unknown) == "invalid_publish_id"


def test_an_upload_can_be_cancelled_until_it_is_complete(tiktok: Client) -> None:
    content = video()
    begun = tiktok.begin(content)
    cancel = f"{PUBLISH}/cancel/"
    assert code(tiktok.call(cancel, {"publish_id": begun["publish_id"]})) == "ok"
    assert tiktok.status(begun["publish_id"])["fail_reason"] == "publish_cancelled"
    assert tiktok.put(begun["upload_url"], content, 0, len(content)).status_code == 416
    published = tiktok.publish(content)
    assert code(tiktok.call(cancel, {"publish_id": published})) == "publish_not_cancellable"


def test_a_pull_that_was_cancelled_in_time_is_never_live(tiktok: Client) -> None:
    url = tiktok.hosted(video(), "a.mp4", "video/mp4")
    tiktok.sandbox.fault(service="media", mode="delay:0.3", method="GET", route="file")
    answer = tiktok.video_init({"source": "PULL_FROM_URL", "video_url": url})
    publish_id = answer.json()["data"]["publish_id"]
    assert tiktok.status(publish_id)["status"] == "PROCESSING_DOWNLOAD"
    assert code(tiktok.call(f"{PUBLISH}/cancel/", {"publish_id": publish_id})) == "ok"
    while tiktok.status(publish_id)["downloaded_bytes"] < len(video()):
        time.sleep(0.01)
    later = tiktok.video_init({"source": "PULL_FROM_URL", "video_url": url}, title="another")
    assert tiktok.final(later.json()["data"]["publish_id"])["status"] == "PUBLISH_COMPLETE"
    assert tiktok.status(publish_id)["fail_reason"] == "publish_cancelled"
    assert [live["text"] for live in tiktok.sandbox.posts()] == ["another"]


@pytest.mark.parametrize("reason", ["", "spam_risk_text"])
def test_processing_fails_on_order_with_its_reason(tiktok: Client, reason: str) -> None:
    tiktok.sandbox.fault(service="tiktok", mode=f"processing_fails:{reason}", method="PUT", route="upload")
    status = tiktok.final(tiktok.publish(video()))
    assert (status["status"], status["fail_reason"]) == ("FAILED", reason or "internal")
    assert tiktok.sandbox.posts() == []


def test_a_pulled_video_is_really_fetched(tiktok: Client) -> None:
    url = tiktok.hosted(video(), "a.mp4", "video/mp4")
    answer = tiktok.video_init({"source": "PULL_FROM_URL", "video_url": url})
    assert "upload_url" not in answer.json()["data"]
    status = tiktok.final(answer.json()["data"]["publish_id"])
    assert (status["status"], status["downloaded_bytes"]) == ("PUBLISH_COMPLETE", len(video()))
    assert tiktok.sandbox.posts()[0]["media"] == [sha256(video())]


def test_a_url_that_does_not_answer_fails_the_pull(tiktok: Client) -> None:
    url = tiktok.sandbox.service("media") + "/verified/nothing.mp4"
    answer = tiktok.video_init({"source": "PULL_FROM_URL", "video_url": url})
    assert tiktok.final(answer.json()["data"]["publish_id"])["fail_reason"] == "video_pull_failed"


@pytest.mark.parametrize(
    "host", ["http://owned.example/a", "https://other.example/a", "https://notowned.example/a"]
)
def test_a_url_that_is_not_owned_is_refused(tiktok: Client, host: str) -> None:
    answer = tiktok.video_init({"source": "PULL_FROM_URL", "video_url": host})
    assert (answer.status_code, code(answer)) == (403, "url_ownership_unverified")


def test_a_url_outside_the_verified_prefix_is_refused(tiktok: Client) -> None:
    url = tiktok.hosted(video(), "a.mp4", "video/mp4", folder="elsewhere")
    assert (
        code(tiktok.video_init({"source": "PULL_FROM_URL", "video_url": url})) == "url_ownership_unverified"
    )


def test_a_draft_goes_to_the_inbox_and_is_not_live(tiktok: Client) -> None:
    content = video()
    begun = tiktok.call(f"{PUBLISH}/inbox/video/init/", {"source_info": file(len(content))}).json()["data"]
    assert begun["publish_id"].startswith("v_inbox_file~")
    tiktok.put(begun["upload_url"], content, 0, len(content))
    assert tiktok.final(begun["publish_id"])["status"] == "SEND_TO_USER_INBOX"
    assert tiktok.sandbox.posts() == []
    inbox = requests.get(f"{tiktok.sandbox.url}/_sandbox/inbox", timeout=5).json()
    assert [(draft["post_id"], draft["media"]) for draft in inbox] == [
        (begun["publish_id"], [sha256(content)])
    ]


def test_the_sixth_pending_share_in_a_day_is_refused(tiktok: Client) -> None:
    ann = tiktok.as_("act.ann")
    body = {"source_info": file(100)}
    answers = [ann.call(f"{PUBLISH}/inbox/video/init/", body) for _ in range(6)]
    assert [code(answer) for answer in answers] == ["ok"] * 5 + ["spam_risk_too_many_pending_share"]
    assert answers[-1].status_code == 403
    tiktok.sandbox.advance(24 * 3600 + 1)
    assert code(ann.call(f"{PUBLISH}/inbox/video/init/", body)) == "ok"


def test_the_sixteenth_post_in_a_day_is_refused(tiktok: Client) -> None:
    ann = tiktok.as_("act.ann")
    for _ in range(15):
        ann.publish(video())
        tiktok.sandbox.advance(61)
    answer = ann.video_init(file(100))
    assert (answer.status_code, code(answer)) == (403, "spam_risk_too_many_posts")
    info = ann.call(f"{PUBLISH}/creator_info/query/")
    assert (info.status_code, code(info)) == (200, "spam_risk_too_many_posts")
    tiktok.sandbox.advance(24 * 3600)
    assert code(ann.video_init(file(100))) == "ok"
