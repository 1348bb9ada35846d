"""Containers, publishing and reading back with Instagram Login."""

from __future__ import annotations

import json
import time

import pytest

from .conftest import IG, IG_TOKEN, Meta, digest, error, jpeg, mp4

HOUR = 3600


def test_an_image_is_published_with_the_bytes_that_were_really_fetched(meta: Meta):
    before = time.time()
    media_id = meta.published(caption="Good morning #sun")
    (live,) = meta.sandbox.posts()
    assert live["post_id"] == media_id
    assert (live["platform"], live["account_id"], live["kind"]) == ("instagram", IG, "image")
    assert (live["text"], live["media"]) == ("Good morning #sun", [digest(jpeg())])
    assert before <= live["received_at"] <= time.time()


def test_a_reel_is_published_and_reads_back_as_video_of_reels(meta: Meta):
    url = meta.file("reel.mp4", mp4(), "video/mp4")
    media_id = meta.published(media_type="REELS", video_url=url, caption="Hi")
    read = meta.get(media_id, fields="media_type,media_product_type,permalink,shortcode").json()
    assert (read["media_type"], read["media_product_type"]) == ("VIDEO", "REELS")
    assert read["permalink"] == f"https://www.instagram.com/reel/{read['shortcode']}/"
    assert meta.sandbox.posts()[0]["media"] == [digest(mp4())]


def test_a_single_feed_video_is_published_as_a_reel(meta: Meta):
    url = meta.file("reel.mp4", mp4(), "video/mp4")
    media_id = meta.published(media_type="VIDEO", video_url=url)
    assert meta.get(media_id, fields="media_product_type").json()["media_product_type"] == "REELS"


def test_a_carousel_is_published_with_its_children_in_order(meta: Meta):
    urls = [meta.file(f"{shade}.jpg", jpeg(shade=shade)) for shade in (10, 20, 30)]
    children = [meta.finished(image_url=url, is_carousel_item="true") for url in urls]
    media_id = meta.published(media_type="CAROUSEL", children=",".join(children), caption="Three")
    assert meta.sandbox.posts()[0]["media"] == [digest(jpeg(shade=shade)) for shade in (10, 20, 30)]
    read = meta.get(media_id, fields="media_type,children{id,permalink,media_type}").json()
    assert read["media_type"] == "CAROUSEL_ALBUM"
    assert [set(child) for child in read["children"]["data"]] == [{"id", "media_type"}] * 3


def test_a_carousel_mixes_images_and_videos(meta: Meta):
    image = meta.finished(image_url=meta.file("i.jpg", jpeg()), is_carousel_item="true", alt_text="A cat")
    url = meta.file("v.mp4", mp4(), "video/mp4")
    video = meta.finished(media_type="VIDEO", video_url=url, is_carousel_item="true")
    media_id = meta.published(media_type="CAROUSEL", children=f"{video},{image}")
    (live,) = meta.sandbox.posts()
    assert (live["kind"], live["media"]) == ("carousel", [digest(mp4()), digest(jpeg())])
    listed = meta.get(f"{media_id}/children", fields="media_type,alt_text").json()["data"]
    assert [row["media_type"] for row in listed] == ["VIDEO", "IMAGE"]
    assert [row.get("alt_text") for row in listed] == [None, "A cat"]


def test_a_carousel_costs_a_container_for_each_item_and_one_of_the_quota(meta: Meta):
    children = [meta.finished(is_carousel_item="true") for _ in range(2)]
    meta.published(media_type="CAROUSEL", children=",".join(children))
    account = meta.sandbox.world.services["instagram"].store.nodes[IG]
    assert (len(account.container_times), len(account.publish_times)) == (3, 1)


def test_a_dropped_item_is_missing_from_the_carousel_and_its_list(meta: Meta):
    children = [meta.finished(is_carousel_item="true") for _ in range(3)]
    carousel = meta.finished(media_type="CAROUSEL", children=",".join(children))
    meta.sandbox.fault(service="instagram", route="media_publish", mode="drop_child")
    media_id = meta.publish(carousel).json()["id"]
    read = meta.get(media_id, fields="children").json()
    assert len(read["children"]["data"]) == 2
    assert len(meta.get(f"{media_id}/children").json()["data"]) == 2


def test_a_child_that_expires_takes_its_carousel_along(meta: Meta):
    children = [meta.finished(is_carousel_item="true") for _ in range(2)]
    meta.sandbox.advance(23 * HOUR)
    carousel = meta.finished(media_type="CAROUSEL", children=",".join(children))
    meta.sandbox.advance(2 * HOUR)
    assert error(meta.publish(carousel)) == (400, -2, 2207020)


def test_a_reel_shows_the_cover_that_was_fetched(meta: Meta):
    video, cover = meta.file("r.mp4", mp4(), "video/mp4"), meta.file("c.jpg", jpeg(540, 960))
    media_id = meta.published(media_type="REELS", video_url=video, cover_url=cover)
    assert digest(jpeg(540, 960)) in meta.get(media_id, fields="thumbnail_url").json()["thumbnail_url"]


def test_a_story_takes_no_comments(meta: Meta):
    media_id = meta.published(media_type="STORIES", image_url=meta.file("s.jpg", jpeg(1080, 1920)))
    assert error(meta.post(f"{media_id}/comments", message="hello")) == (400, 100, None)


def test_a_story_is_in_the_story_list_and_not_among_the_media(meta: Meta):
    media_id = meta.published(media_type="STORIES", image_url=meta.file("s.jpg", jpeg(1080, 1920)))
    assert [row["id"] for row in meta.get(f"{IG}/stories").json()["data"]] == [media_id]
    assert meta.get(f"{IG}/media").json()["data"] == []


def test_a_story_leaves_the_list_after_24_hours(meta: Meta):
    meta.published(media_type="STORIES", image_url=meta.file("s.jpg", jpeg(1080, 1920)))
    meta.sandbox.advance(25 * HOUR)
    assert meta.get(f"{IG}/stories").json()["data"] == []


# The life of a container.


def test_an_image_too_is_in_progress_at_first(meta: Meta):
    container = meta.container()
    assert [meta.state(container)["status_code"] for _ in range(2)] == ["IN_PROGRESS", "FINISHED"]


def test_the_number_of_polls_is_a_switch(meta: Meta):
    meta.sandbox.switch(ig_processing_polls="0")
    assert meta.state(meta.container())["status_code"] == "FINISHED"


def test_processing_can_take_seconds_instead_of_polls(meta: Meta):
    meta.sandbox.switch(ig_processing_seconds="60")
    container = meta.container()
    assert meta.state(container)["status_code"] == meta.state(container)["status_code"] == "IN_PROGRESS"
    meta.sandbox.advance(61)
    assert meta.state(container)["status_code"] == "FINISHED"


def test_the_status_is_a_sentence(meta: Meta):
    told = meta.settled(meta.container())["status"]
    assert told == "Finished: Media has been uploaded and it is ready to be published."


def test_a_container_in_progress_cannot_be_published(meta: Meta):
    answer = meta.publish(meta.container())
    assert error(answer) == (400, 9007, 2207027)
    assert answer.json()["error"]["message"] == "Media ID is not available"
    assert meta.sandbox.posts() == []


def test_a_published_container_reads_published(meta: Meta):
    container = meta.finished()
    meta.publish(container)
    assert meta.state(container)["status_code"] == "PUBLISHED"


def test_a_container_expires_after_24_hours(meta: Meta):
    container = meta.finished()
    meta.sandbox.advance(24 * HOUR)
    assert meta.state(container)["status_code"] == "EXPIRED"
    assert error(meta.publish(container)) == (400, -2, 2207020)


def test_a_container_does_not_tell_the_media_id(meta: Meta):
    assert error(meta.get(meta.container(), fields="media_id")) == (400, 100, None)


def test_an_unknown_creation_id_is_refused(meta: Meta):
    assert error(meta.publish("17800000000000000")) == (400, 24, 2207008)


def test_the_containers_of_another_account_cannot_be_published(meta: Meta):
    other = {"account_id": "99", "username": "o", "name": "O", "token": "IGAA-other"}
    meta.sandbox.seed({"instagram": {"accounts": [other]}})
    container = meta.finished()
    answer = meta.call("POST", "instagram", "v25.0/99/media_publish", "IGAA-other", creation_id=container)
    assert error(answer) == (400, 24, 2207006)


def test_a_carousel_item_cannot_be_published_alone(meta: Meta):
    assert error(meta.publish(meta.finished(is_carousel_item="true"))) == (400, 100, None)


def test_publishing_takes_creation_id_and_nothing_else(meta: Meta):
    container = meta.finished()
    assert error(meta.post(f"{IG}/media_publish", creation_id=container, caption="x")) == (400, 100, None)
    assert error(meta.post(f"{IG}/media_publish")) == (400, 100, None)


def test_400_containers_a_day_and_no_more(meta: Meta):
    account = meta.sandbox.world.services["instagram"].store.nodes[IG]
    account.container_times.extend([meta.sandbox.world.now()] * 400)
    assert error(meta.create()) == (400, 9, 2207042)
    meta.sandbox.advance(25 * HOUR)
    assert meta.create().status_code == 200


# Parameters.


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"nonsense": "1"}, (400, 100, None)),
        ({"media_type": "PANORAMA"}, (400, 100, 2207023)),
        ({"media_type": "CAROUSEL", "children": "1"}, (400, 100, 2207028)),
        ({"media_type": "CAROUSEL", "children": ",".join("12345678901")}, (400, 100, 2207028)),
        ({"media_type": "CAROUSEL", "children": "1,2"}, (400, 24, 2207006)),
        ({"media_type": "CAROUSEL", "children": "1,2", "is_carousel_item": "true"}, (400, 100, None)),
        ({"media_type": "REELS", "video_url": "http://x/", "is_carousel_item": "true"}, (400, 100, None)),
        ({"video_url": "http://x/"}, (400, 100, None)),
        ({"image_url": "http://x/", "video_url": "http://x/"}, (400, 100, None)),
        ({"media_type": "REELS", "upload_type": "resumable"}, (400, 100, None)),
        ({"is_carousel_item": "true", "caption": "x"}, (400, 100, None)),
        ({"is_carousel_item": "true", "is_ai_generated": "true"}, (400, 100, None)),
        ({"is_carousel_item": "maybe"}, (400, 100, None)),
        ({"cover_url": "http://x/"}, (400, 100, None)),
        ({"alt_text": "x" * 1001}, (400, 100, None)),
        ({"collaborators": '["a","b","c","d"]'}, (400, 100, None)),
        ({"collaborators": "a,b"}, (400, 100, None)),
        ({"user_tags": '[{"username":"a"}]'}, (400, 100, None)),
        ({"user_tags": '[{"username":"a","x":2,"y":0}]'}, (400, 100, None)),
        ({"user_tags": '[{"username":"a","x":0.5,"y":0.5,"z":0}]'}, (400, 100, None)),
        ({"user_tags": '["a"]'}, (400, 100, None)),
        ({"media_type": "CAROUSEL", "children": "1,2", "alt_text": "x"}, (400, 100, None)),
        ({"media_type": "CAROUSEL", "children": "1,2", "user_tags": "[]"}, (400, 100, None)),
        ({"media_type": "STORIES", "caption": "x"}, (400, 100, None)),
        ({"media_type": "STORIES", "alt_text": "x"}, (400, 100, None)),
        ({"media_type": "STORIES", "location_id": "1"}, (400, 100, None)),
        ({"media_type": "STORIES", "collaborators": '["a"]'}, (400, 100, None)),
        ({"media_type": "REELS", "video_url": "http://x/", "alt_text": "x"}, (400, 100, None)),
        ({"is_carousel_item": "true", "location_id": "1"}, (400, 100, None)),
        ({"share_to_feed": "true"}, (400, 100, None)),
        ({"location_id": "Berlin"}, (400, 100, None)),
        ({"media_type": "REELS", "video_url": "http://x/", "thumb_offset": "-1"}, (400, 1, 2207057)),
        ({"caption": "x" * 2201}, (400, 36004, 2207010)),
        ({"caption": " ".join(f"#t{n}" for n in range(31))}, (400, 36004, 2207010)),
        ({"caption": " ".join(f"@u{n}" for n in range(21))}, (400, 36004, 2207010)),
    ],
)
def test_what_does_not_belong_is_refused(
    meta: Meta, params: dict[str, str], told: tuple[int, int, int | None]
):
    assert error(meta.create(**params)) == told


def test_the_longest_caption_is_accepted(meta: Meta):
    caption = " ".join([f"#t{n:02}" for n in range(30)] + [f"@u{n:02}" for n in range(20)])
    assert meta.create(caption=caption.ljust(2200, "x")).status_code == 200


@pytest.mark.parametrize(("unit", "status"), [("codepoints", 200), ("utf16", 400)])
def test_what_a_character_of_a_caption_is_is_a_switch(meta: Meta, unit: str, status: int):
    meta.sandbox.switch(ig_caption_unit=unit)
    assert meta.create(caption="😀" * 1101).status_code == status


def test_an_unfinished_child_is_refused_by_the_parent(meta: Meta):
    children = [meta.container(is_carousel_item="true") for _ in range(2)]
    answer = meta.create(media_type="CAROUSEL", children=",".join(children))
    assert error(answer) == (400, 9007, 2207027)


def test_a_child_without_is_carousel_item_is_refused_by_the_parent(meta: Meta):
    children = [meta.finished() for _ in range(2)]
    answer = meta.create(media_type="CAROUSEL", children=json.dumps(children))
    assert error(answer) == (400, 100, None)


def test_an_expired_child_is_refused_by_the_parent(meta: Meta):
    children = [meta.finished(is_carousel_item="true") for _ in range(2)]
    meta.sandbox.advance(24 * HOUR)
    answer = meta.create(media_type="CAROUSEL", children=json.dumps(children))
    assert error(answer) == (400, -2, 2207020)


# Media.


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (jpeg(600, 600, "PNG"), (400, 36001, 2207005)),
        (b"no picture", (400, 36001, 2207005)),
        (jpeg(1000, 500), (400, 36003, 2207009)),
        (jpeg(700, 1000), (400, 36003, 2207009)),
        (jpeg() + b"\0" * (8 * 1024 * 1024), (400, 36000, 2207004)),
    ],
)
def test_bad_images_are_refused_when_the_container_is_made(
    meta: Meta, content: bytes, told: tuple[int, int, int]
):
    assert error(meta.create(image_url=meta.file("bad.jpg", content))) == told


@pytest.mark.parametrize("size", [(1080, 1350), (1080, 566)])
def test_the_outermost_aspects_of_the_feed_are_accepted(meta: Meta, size: tuple[int, int]):
    assert meta.create(image_url=meta.file("edge.jpg", jpeg(*size))).status_code == 200


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a.jpg", "ftp://127.0.0.1/a.jpg", "http://127.0.0.1/ä.jpg"]
)
def test_media_that_cannot_be_fetched_is_refused(meta: Meta, url: str):
    assert error(meta.create(image_url=url)) == (400, 9004, 2207052)


def test_media_that_does_not_exist_is_refused(meta: Meta):
    url = f"{meta.sandbox.service('media')}/missing.jpg"
    assert error(meta.create(image_url=url)) == (400, 9004, 2207052)


def test_media_that_comes_too_slowly_is_refused(meta: Meta):
    meta.sandbox.switch(fetch_timeout_s="0.2")
    url = meta.file("slow.jpg", jpeg())
    meta.sandbox.fault(service="media", mode="delay:2")
    assert error(meta.create(image_url=url)) == (400, -2, 2207003)


@pytest.mark.parametrize(
    ("content", "subcode"),
    [
        (mp4(2), 2207026),
        (mp4(fps=10), 2207026),
        (mp4(moov_first=False), 2207026),
        (mp4(width=1922, height=64), 2207026),
        (jpeg(), 2207026),
    ],
)
def test_a_bad_video_fails_in_the_status_of_its_container(meta: Meta, content: bytes, subcode: int):
    url = meta.file("bad.mp4", content, "video/mp4")
    state = meta.settled(meta.container(media_type="REELS", video_url=url))
    assert state["status_code"] == "ERROR"
    assert state["status"] == f"Error: Media upload has failed with error code {subcode}"


def test_a_failed_container_cannot_be_published(meta: Meta):
    url = meta.file("bad.mp4", b"no video", "video/mp4")
    container = meta.container(media_type="REELS", video_url=url)
    meta.settled(container)
    assert error(meta.publish(container)) == (400, 9007, 2207027)


def test_a_bad_video_can_be_told_at_once(meta: Meta):
    meta.sandbox.switch(ig_video_errors="create")
    url = meta.file("bad.mp4", mp4(2), "video/mp4")
    assert error(meta.create(media_type="REELS", video_url=url)) == (400, 352, 2207026)


def test_a_thumbnail_after_the_end_is_refused(meta: Meta):
    meta.sandbox.switch(ig_video_errors="create")
    url = meta.file("reel.mp4", mp4(), "video/mp4")
    answer = meta.create(media_type="REELS", video_url=url, thumb_offset="3000")
    assert error(answer) == (400, 1, 2207057)


def test_a_story_video_has_a_shape_of_its_own(meta: Meta):
    url = meta.file("wide.mp4", mp4(width=960, height=64), "video/mp4")
    assert meta.settled(meta.container(media_type="STORIES", video_url=url))["status_code"] == "ERROR"


def test_a_host_that_ignores_ranges_fails_a_video(meta: Meta):
    meta.sandbox.switch(media_ranges="ignored")
    url = meta.file("reel.mp4", mp4(), "video/mp4")
    assert "2207077" in meta.settled(meta.container(media_type="REELS", video_url=url))["status"]


def test_a_bad_cover_is_refused(meta: Meta):
    video, cover = meta.file("r.mp4", mp4(), "video/mp4"), meta.file("c.png", jpeg(540, 960, "PNG"))
    answer = meta.create(media_type="REELS", video_url=video, cover_url=cover)
    assert error(answer) == (400, 36001, 2207005)


# Quota.


def test_the_quota_is_enforced_at_publishing_and_returns_after_24_hours(meta: Meta):
    limited = {"account_id": IG, "username": "c", "name": "C", "token": IG_TOKEN, "quota_total": 1}
    meta.sandbox.seed({"instagram": {"accounts": [limited]}})
    meta.published()
    waiting = meta.finished()
    assert error(meta.publish(waiting)) == (400, 9, 2207042)
    meta.sandbox.advance(25 * HOUR)
    assert meta.publish(meta.finished()).status_code == 200


@pytest.mark.parametrize("total", [25, 50, 100])
def test_the_total_of_the_quota_is_a_switch(meta: Meta, total: int):
    meta.sandbox.switch(ig_quota_total=str(total))
    meta.published()
    answer = meta.get(f"{IG}/content_publishing_limit", fields="quota_usage,config").json()
    config = {"quota_total": total, "quota_duration": 86400}
    assert answer == {"data": [{"quota_usage": 1, "config": config}]}


def test_the_limit_tells_only_the_usage_unless_asked(meta: Meta):
    assert meta.get(f"{IG}/content_publishing_limit").json() == {"data": [{"quota_usage": 0}]}


# Reading back and comments.


def test_a_medium_reads_back_what_was_asked(meta: Meta):
    media_id = meta.published(caption="Hi @you")
    read = meta.get(media_id, fields="id,caption,media_type,media_product_type,permalink,timestamp").json()
    assert (read["caption"], read["media_type"], read["media_product_type"]) == ("Hi @you", "IMAGE", "FEED")
    assert read["permalink"].startswith("https://www.instagram.com/p/")
    assert read["timestamp"].endswith("+0000")
    assert meta.get(media_id).json() == {"id": media_id}


@pytest.mark.parametrize(("side", "present"), [("present", True), ("absent", False)])
def test_whether_a_caption_is_told_with_instagram_login_is_a_switch(meta: Meta, side: str, present: bool):
    meta.sandbox.switch(ig_login_caption=side)
    read = meta.get(meta.published(caption="Hi"), fields="caption").json()
    assert ("caption" in read) is present


def test_an_unknown_field_is_refused(meta: Meta):
    assert error(meta.get(meta.published(), fields="colour")) == (400, 100, None)


def test_media_are_listed_newest_first_and_page_by_page(meta: Meta):
    made = [meta.published() for _ in range(3)]
    first = meta.get(f"{IG}/media", limit=2).json()
    assert [row["id"] for row in first["data"]] == made[:0:-1]
    second = meta.http.get(first["paging"]["next"]).json()
    assert [row["id"] for row in second["data"]] == made[:1]
    assert "next" not in second["paging"]
    after = meta.get(f"{IG}/media", limit=2, after=first["paging"]["cursors"]["after"]).json()
    assert after["data"] == second["data"]


def test_media_are_listed_within_since_and_until(meta: Meta):
    early = meta.published()
    meta.sandbox.advance(HOUR)
    between = int(meta.sandbox.world.now()) - HOUR // 2
    late = meta.published()
    assert [row["id"] for row in meta.get(f"{IG}/media", since=between).json()["data"]] == [late]
    assert [row["id"] for row in meta.get(f"{IG}/media", until=between).json()["data"]] == [early]


@pytest.mark.parametrize("params", [{"limit": "101"}, {"after": "!"}, {"since": "soon"}])
def test_a_list_refuses_bad_pages(meta: Meta, params: dict[str, str]):
    assert error(meta.get(f"{IG}/media", **params)) == (400, 100, None)


def test_a_comment_goes_live_below_its_medium(meta: Meta):
    media_id = meta.published()
    comment_id = meta.post(f"{media_id}/comments", message="First!").json()["id"]
    live = meta.sandbox.posts()[1]
    assert (live["kind"], live["text"], live["parent_id"]) == ("comment", "First!", media_id)
    assert live["post_id"] == comment_id


def test_comments_are_listed_newest_first_and_replies_are_not_among_them(meta: Meta):
    media_id = meta.published()
    ids = [meta.post(f"{media_id}/comments", message=text).json()["id"] for text in ("a", "b")]
    reply = meta.post(f"{ids[0]}/replies", message="c").json()["id"]
    rows = meta.get(f"{media_id}/comments").json()["data"]
    assert [(row["id"], row["text"]) for row in rows] == [(ids[1], "b"), (ids[0], "a")]
    assert [row["id"] for row in meta.get(f"{ids[0]}/replies").json()["data"]] == [reply]


def test_an_empty_comment_is_refused(meta: Meta):
    assert error(meta.post(f"{meta.published()}/comments", message=" ")) == (400, 100, None)


def test_me_tells_an_id_of_the_app_and_the_id_to_publish_with(meta: Meta):
    told = meta.get("me", fields="id,user_id,username").json()
    assert (told["user_id"], told["username"]) == (IG, "creator")
    assert told["id"] != IG


def test_an_account_tells_its_fields(meta: Meta):
    meta.published()
    read = meta.get(IG, fields="username,media_count").json()
    assert read == {"username": "creator", "media_count": 1, "id": IG}
