"""TikTok's posts of pictures: what is refused, what is fetched, what goes live, what is listed."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.core import sha256
from tests.sandbox.tiktok.conftest import PUBLISH, Client, code, image

INIT = f"{PUBLISH}/content/init/"
OWNED = "https://owned.example/a.jpg"


def body(**more: Any) -> dict[str, Any]:
    """A good request for a direct post of one picture; `more` replaces members, None leaves one out."""
    post = {"privacy_level": "PUBLIC_TO_EVERYONE", "description": "hello"}
    source = {"source": "PULL_FROM_URL", "photo_images": [OWNED], "photo_cover_index": 0}
    found = {
        "media_type": "PHOTO",
        "post_mode": "DIRECT_POST",
        "post_info": post,
        "source_info": source,
        **more,
    }
    return {name: value for name, value in found.items() if value is not None}


def test_photos_are_pulled_and_go_live_in_order(tiktok: Client) -> None:
    files = [("JPEG", "a.jpg", "image/jpeg"), ("WEBP", "b.webp", "image/webp")]
    urls = [tiktok.hosted(image(kind), name, mime) for kind, name, mime in files]
    publish_id = tiktok.photos(urls, description="two photos").json()["data"]["publish_id"]
    assert publish_id.startswith("p_pub_url~")
    assert tiktok.final(publish_id)["status"] == "PUBLISH_COMPLETE"
    (live,) = tiktok.sandbox.posts()
    assert (live["kind"], live["text"]) == ("photo", "two photos")
    assert live["media"] == [sha256(image("JPEG")), sha256(image("WEBP"))]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (image("PNG"), "file_format_check_failed"),
        (image("JPEG", 2000, 2000), "picture_size_check_failed"),
    ],
    ids=["png", "large"],
)
def test_a_bad_photo_fails(tiktok: Client, content: bytes, reason: str) -> None:
    url = tiktok.hosted(content, "a", "image/jpeg")
    assert tiktok.final(tiktok.photos([url]).json()["data"]["publish_id"])["fail_reason"] == reason


def test_a_missing_photo_fails_the_pull(tiktok: Client) -> None:
    url = tiktok.sandbox.service("media") + "/verified/nothing.jpg"
    publish_id = tiktok.photos([url]).json()["data"]["publish_id"]
    assert tiktok.final(publish_id)["fail_reason"] == "photo_pull_failed"


@pytest.mark.parametrize(
    ("images", "more"),
    [
        ([], {}),
        (["https://owned.example/a"] * 36, {}),
        (["https://owned.example/a"], {"cover": 1}),
        (["https://owned.example/a"], {"title": "x" * 91}),
        (["https://owned.example/a"], {"description": "x" * 4001}),
        (["https://owned.example/a"], {"mode": "DIRECT POST"}),
    ],
    ids=["none", "36", "cover", "title", "description", "mode"],
)
def test_photos_against_the_rules_are_refused(
    tiktok: Client, images: list[str], more: dict[str, Any]
) -> None:
    assert code(tiktok.photos(images, **more)) == "invalid_params"


SOURCE: dict[str, Any] = body()["source_info"]
BAD_BODIES = {
    "no media type": body(media_type=None),
    "videos": body(media_type="VIDEO"),
    "no mode": body(post_mode=None),
    "no post": body(post_info=None),
    "no source": body(source_info=None),
    "a file": body(source_info=SOURCE | {"source": "FILE_UPLOAD"}),
    "no cover": body(source_info={name: SOURCE[name] for name in ("source", "photo_images")}),
    "a negative cover": body(source_info=SOURCE | {"photo_cover_index": -1}),
    "a cover as text": body(source_info=SOURCE | {"photo_cover_index": "0"}),
    "one address as text": body(source_info=SOURCE | {"photo_images": OWNED}),
    "no audience": body(post_info={"description": "hello"}),
    "stitches": body(post_info=body()["post_info"] | {"disable_stitch": True}),
    "the AI label of videos": body(post_info=body()["post_info"] | {"is_aigc": True}),
    "an unknown member": body(caption="hello"),
    "music as text": body(post_info=body()["post_info"] | {"auto_add_music": "true"}),
}


@pytest.mark.parametrize("sent", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_against_the_rules_is_refused(tiktok: Client, sent: dict[str, Any]) -> None:
    answer = tiktok.call(INIT, sent)
    assert (answer.status_code, code(answer)) == (400, "invalid_params")


def test_the_ai_label_stands_at_the_top(tiktok: Client) -> None:
    url = tiktok.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    labelled = body(is_aigc=True, source_info=SOURCE | {"photo_images": [url]})
    assert code(tiktok.call(INIT, labelled)) == "ok"


def test_pictures_from_a_domain_that_is_not_owned_are_refused(tiktok: Client) -> None:
    answer = tiktok.photos([OWNED, "https://other.example/b.jpg"])
    assert (answer.status_code, code(answer)) == (403, "url_ownership_unverified")
    assert tiktok.sandbox.posts() == []


def test_a_direct_post_and_a_draft_need_different_scopes(tiktok: Client) -> None:
    dee = tiktok.as_("act.dee")  # may upload, and not publish
    url = tiktok.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    answer = dee.photos([url])
    assert (answer.status_code, code(answer)) == (401, "scope_not_authorized")
    assert code(dee.photos([url], mode="MEDIA_UPLOAD")) == "ok"


def test_a_file_too_large_fails(tiktok: Client) -> None:
    content = image("JPEG") + bytes(20_000_000)
    url = tiktok.hosted(content, "large.jpg", "image/jpeg")
    status = tiktok.final(tiktok.photos([url]).json()["data"]["publish_id"])
    assert status["fail_reason"] == "file_format_check_failed"


def test_pictures_may_stand_and_lie_within_1080p(tiktok: Client) -> None:
    sizes = [(1080, 1920), (1920, 1080)]
    urls = [tiktok.hosted(image("JPEG", *size), f"{size[0]}.jpg", "image/jpeg") for size in sizes]
    publish_id = tiktok.photos(urls).json()["data"]["publish_id"]
    assert tiktok.final(publish_id)["status"] == "PUBLISH_COMPLETE"


def test_one_bad_picture_spoils_the_post(tiktok: Client) -> None:
    urls = [tiktok.hosted(image(kind), kind, "image/jpeg") for kind in ("JPEG", "PNG")]
    publish_id = tiktok.photos(urls).json()["data"]["publish_id"]
    assert tiktok.final(publish_id)["status"] == "FAILED"
    assert tiktok.sandbox.posts() == []


def test_a_status_says_that_pictures_are_fetched_and_then_their_id(tiktok: Client) -> None:
    url = tiktok.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    tiktok.sandbox.fault(service="media", mode="delay:0.3", method="GET", route="file")
    publish_id = tiktok.photos([url]).json()["data"]["publish_id"]
    assert tiktok.status(publish_id) == {"status": "PROCESSING_DOWNLOAD", "downloaded_bytes": 0}
    complete = tiktok.final(publish_id)
    assert (complete["status"], complete["publicaly_available_post_id"]) == ("PUBLISH_COMPLETE", [])
    (live,) = tiktok.sandbox.posts()
    assert tiktok.status(publish_id)["publicaly_available_post_id"] == [int(live["post_id"])]


@pytest.mark.parametrize("listed", ["no", "yes"])
def test_the_switch_says_whether_pictures_are_listed(tiktok: Client, listed: str) -> None:
    tiktok.sandbox.switch(tiktok_list_photos=listed)
    url = tiktok.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    publish_id = tiktok.photos([url], title="Cups", description="Two").json()["data"]["publish_id"]
    tiktok.final(publish_id)
    fields = "title,video_description,share_url"
    videos = tiktok.call("/v2/video/list/", {}, fields=fields).json()["data"]["videos"]
    (live,) = tiktok.sandbox.posts()
    share_url = f"https://www.tiktok.com/@bob/photo/{live['post_id']}"
    shown = {"title": "Cups", "video_description": "Two", "share_url": share_url}
    assert videos == ([shown] if listed == "yes" else [])


def test_photos_can_be_a_draft(tiktok: Client) -> None:
    url = tiktok.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    publish_id = tiktok.photos([url], mode="MEDIA_UPLOAD").json()["data"]["publish_id"]
    assert tiktok.final(publish_id)["status"] == "SEND_TO_USER_INBOX"
    inbox = requests.get(f"{tiktok.sandbox.url}/_sandbox/inbox", timeout=5).json()
    assert [(draft["kind"], draft["text"], draft["media"]) for draft in inbox] == [
        ("photo", "hello", [sha256(image("JPEG"))])
    ]
    assert tiktok.sandbox.posts() == []


def test_drafts_of_pictures_count_among_the_five(tiktok: Client) -> None:
    ann = tiktok.as_("act.ann")
    url = tiktok.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    answers = [ann.photos([url], mode="MEDIA_UPLOAD") for _ in range(6)]
    assert [code(answer) for answer in answers] == ["ok"] * 5 + ["spam_risk_too_many_pending_share"]


def test_posts_of_pictures_count_among_the_fifteen_of_a_day(tiktok: Client) -> None:
    ann = tiktok.as_("act.ann")
    url = tiktok.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    for _ in range(15):
        tiktok.sandbox.advance(61)
        ann.final(ann.photos([url]).json()["data"]["publish_id"])
    assert code(ann.photos([url])) == "spam_risk_too_many_posts"


def test_six_requests_a_minute_are_taken(tiktok: Client) -> None:
    ann = tiktok.as_("act.ann")
    answers = [ann.photos([OWNED], mode="DIRECT POST") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [400] * 6 + [429]
