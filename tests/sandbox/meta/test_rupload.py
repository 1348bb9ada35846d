"""Bytes for Instagram containers and reels."""

from __future__ import annotations

import json

import pytest
import requests

from .conftest import IG_FB, IG_TOKEN, OTHER_PAGE_TOKEN, PAGE, PAGE_TOKEN, Meta, V, digest, error, jpeg, mp4


def resumable(meta: Meta) -> dict[str, str]:
    return meta.fb_post(f"{IG_FB}/media", media_type="REELS", upload_type="resumable", caption="Hi").json()


def reel(meta: Meta) -> str:
    return meta.fb_post(f"{PAGE}/video_reels", upload_phase="start").json()["upload_url"]


def refused(answer: requests.Response) -> tuple[int, str, bool]:
    told = answer.json()["debug_info"]
    json.loads(told["message"])
    return answer.status_code, told["type"], told["retriable"]


def test_a_reel_on_instagram_is_published_from_uploaded_bytes(meta: Meta):
    made = resumable(meta)
    assert made["uri"].endswith(f"/rupload/ig-api-upload/{V}/{made['id']}")
    assert meta.rupload(made["uri"], mp4()).json()["success"] is True
    states = [meta.fb_get(made["id"], fields="status_code").json()["status_code"] for _ in range(2)]
    assert states == ["IN_PROGRESS", "FINISHED"]
    meta.fb_post(f"{IG_FB}/media_publish", creation_id=made["id"])
    (live,) = meta.sandbox.posts()
    assert (live["account_id"], live["kind"], live["media"]) == (IG_FB, "reel", [digest(mp4())])


def test_a_container_waits_for_its_bytes(meta: Meta):
    made = resumable(meta)
    states = [meta.fb_get(made["id"], fields="status_code").json()["status_code"] for _ in range(3)]
    assert states == ["IN_PROGRESS"] * 3
    answer = meta.fb_post(f"{IG_FB}/media_publish", creation_id=made["id"])
    assert error(answer) == (400, 9007, 2207027)


def test_the_status_of_a_container_tells_how_many_bytes_arrived(meta: Meta):
    made = resumable(meta)
    meta.rupload(made["uri"], mp4()[:1000], file_size=str(len(mp4())))
    phase = meta.fb_get(made["id"], fields="video_status").json()["video_status"]["uploading_phase"]
    expected = {"status": "in_progress", "bytes_transferred": 1000, "source_file_size": len(mp4())}
    assert phase == expected


def test_an_upload_that_was_cut_goes_on_at_its_offset(meta: Meta):
    url, size = reel(meta), str(len(mp4()))
    cut = meta.rupload(url, mp4()[:1000], file_size=size)
    assert refused(cut) == (400, "PartialRequestError", True)
    assert meta.rupload(url, mp4()[1000:], offset=1000, file_size=size).json() == {"success": True}


def test_a_wrong_offset_is_refused(meta: Meta):
    answer = meta.rupload(reel(meta), mp4(), offset=5)
    assert refused(answer) == (400, "OffsetInvalidError", True)


def test_more_bytes_than_promised_are_refused(meta: Meta):
    answer = meta.rupload(reel(meta), mp4(), file_size="1000")
    assert refused(answer) == (400, "PartialRequestError", False)


def test_bytes_without_a_size_are_refused(meta: Meta):
    assert refused(meta.rupload(reel(meta), mp4(), file_size="")) == (400, "PartialRequestError", False)


def test_a_file_that_is_no_video_may_be_uploaded_again(meta: Meta):
    url = reel(meta)
    assert refused(meta.rupload(url, jpeg())) == (400, "ProcessingFailedError", False)
    assert meta.rupload(url, mp4()).json() == {"success": True}


def test_a_bad_video_for_instagram_is_refused_with_its_subcode(meta: Meta):
    answer = meta.rupload(resumable(meta)["uri"], mp4(2))
    assert refused(answer) == (400, "ProcessingFailedError", False)
    assert json.loads(answer.json()["debug_info"]["message"])["error_subcode"] == 2207026


def test_a_hosted_file_is_fetched(meta: Meta):
    url = meta.file("v.mp4", mp4(), "video/mp4")
    assert meta.rupload(reel(meta), b"", file_url=url).json() == {"success": True}


def test_a_hosted_file_that_is_missing_is_refused(meta: Meta):
    url = f"{meta.sandbox.service('media')}/missing.mp4"
    assert refused(meta.rupload(reel(meta), b"", file_url=url))[:2] == (400, "ProcessingFailedError")


def test_a_complete_upload_takes_no_more(meta: Meta):
    url = reel(meta)
    meta.rupload(url, mp4())
    assert refused(meta.rupload(url, mp4()))[:2] == (400, "ProcessingFailedError")


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {PAGE_TOKEN}", 401),
        ("OAuth made-up", 401),
        (f"OAuth {IG_TOKEN}", 401),
        (f"OAuth {OTHER_PAGE_TOKEN}", 403),
    ],
)
def test_uploads_need_the_owners_token_as_oauth(meta: Meta, authorization: str, status: int):
    answer = meta.rupload(reel(meta), mp4(), Authorization=authorization)
    assert refused(answer) == (status, "NotAuthorizedError", False)


def test_an_unknown_upload_is_refused(meta: Meta):
    url = f"{meta.sandbox.service('rupload')}/video-upload/{V}/1"
    assert meta.rupload(url, mp4()).status_code == 403


def test_an_ordered_outage_speaks_this_hosts_language(meta: Meta):
    url = reel(meta)
    meta.sandbox.fault(service="rupload", mode="status:503")
    assert refused(meta.rupload(url, mp4())) == (503, "ProcessingFailedError", True)
