"""Page posts, photos, videos and reels."""

from __future__ import annotations

import json

import pytest

from .conftest import (
    IG_FB,
    OTHER_PAGE,
    OTHER_PAGE_TOKEN,
    PAGE,
    PAGE_TOKEN,
    Meta,
    digest,
    error,
    jpeg,
    mp4,
)

HOUR = 3600
DAY = 24 * HOUR


def feed(meta: Meta, **params: str):
    return meta.fb_post(f"{PAGE}/feed", **params)


def photo(meta: Meta, shade: int = 90, **params: str) -> str:
    params = {"published": "false"} | params
    return meta.fb_upload(f"{PAGE}/photos", "source", jpeg(shade=shade), **params).json()["id"]


def attached(*photos: str) -> str:
    return json.dumps([{"media_fbid": photo_id} for photo_id in photos])


def in_seconds(meta: Meta, seconds: float) -> str:
    return str(int(meta.sandbox.world.now() + seconds))


# Feed.


def test_a_text_goes_live_and_is_listed(meta: Meta):
    post_id = feed(meta, message="Good morning").json()["id"]
    assert post_id.startswith(f"{PAGE}_")
    (live,) = meta.sandbox.posts()
    assert (live["post_id"], live["kind"], live["text"]) == (post_id, "feed", "Good morning")
    (row,) = meta.fb_get(f"{PAGE}/published_posts").json()["data"]
    assert (row["id"], row["message"]) == (post_id, "Good morning")


def test_what_was_written_can_be_read_in_the_same_answer(meta: Meta):
    told = feed(meta, message="Hi", fields="id,permalink_url,is_published").json()
    page_id, _, number = told["id"].partition("_")
    assert told["permalink_url"] == f"https://www.facebook.com/{page_id}/posts/{number}"
    assert told["is_published"] is True


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({}, (400, 100, None)),
        ({"message": "x", "nonsense": "1"}, (400, 100, None)),
        ({"message": "x", "published": "perhaps"}, (400, 100, None)),
        ({"message": "x" * 63207}, (400, 100, None)),
        ({"link": "example.org"}, (400, 100, None)),
        ({"link": "https://www.facebook.com/x"}, (400, 100, 1609008)),
        ({"link": "https://example.org/unreachable"}, (400, 1609005, None)),
        ({"link": "http://127.0.0.1:9/"}, (400, 1609005, None)),
        ({"message": "x", "attached_media": "photo"}, (400, 100, None)),
        ({"message": "x", "attached_media": '[{"media_fbid":"1"}]'}, (400, 100, None)),
        ({"message": "x", "unpublished_content_type": "DRAFT"}, (400, 100, None)),
        ({"message": "x", "unpublished_content_type": "SECRET", "published": "false"}, (400, 100, None)),
        ({"message": "x", "unpublished_content_type": "SCHEDULED", "published": "false"}, (400, 100, None)),
        ({"message": "x", "scheduled_publish_time": "4102444800"}, (400, 100, None)),
    ],
)
def test_bad_feed_posts_are_refused(meta: Meta, params: dict[str, str], told: tuple[int, int, int | None]):
    assert error(feed(meta, **params)) == told
    assert meta.sandbox.posts() == []


def test_a_link_to_this_machine_is_really_looked_at(meta: Meta):
    assert feed(meta, link=meta.file("page.html", b"<html>", "text/html")).status_code == 200


def test_the_same_words_twice_in_a_row_are_a_duplicate(meta: Meta):
    feed(meta, message="Again")
    assert error(feed(meta, message="Again")) == (400, 506, None)
    assert len(meta.sandbox.posts()) == 1


def test_the_same_words_after_others_are_no_duplicate(meta: Meta):
    answers = [feed(meta, message=text) for text in ("Again", "Other", "Again")]
    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize(
    ("seconds", "status"), [(9 * 60, 400), (11 * 60, 200), (29 * DAY, 200), (31 * DAY, 400)]
)
def test_a_schedule_is_10_minutes_to_30_days_ahead(meta: Meta, seconds: int, status: int):
    when = in_seconds(meta, seconds)
    answer = feed(meta, message="Later", published="false", scheduled_publish_time=when)
    assert answer.status_code == status


def test_how_far_a_schedule_reaches_is_a_switch(meta: Meta):
    meta.sandbox.switch(fb_schedule_days="75")
    when = in_seconds(meta, 74 * DAY)
    answer = feed(meta, message="Later", published="false", scheduled_publish_time=when)
    assert answer.status_code == 200
    assert len(meta.fb_get(f"{PAGE}/scheduled_posts").json()["data"]) == 1


def test_a_scheduled_post_goes_live_when_its_time_has_come(meta: Meta):
    when = in_seconds(meta, HOUR)
    post_id = feed(meta, message="Later", published="false", scheduled_publish_time=when).json()["id"]
    assert meta.fb_get(post_id, fields="is_published").json()["is_published"] is False
    meta.sandbox.advance(HOUR + 1)
    assert meta.fb_get(post_id, fields="is_published").json()["is_published"] is True
    assert [live["post_id"] for live in meta.sandbox.posts()] == [post_id]
    assert meta.fb_get(f"{PAGE}/scheduled_posts").json()["data"] == []


# Drafts.


def test_a_draft_is_not_public_until_it_is_opened(meta: Meta):
    post_id = feed(meta, message="Draft", published="false").json()["id"]
    assert meta.sandbox.posts() == []
    assert meta.fb_get(f"{PAGE}/published_posts").json()["data"] == []
    assert meta.fb_get(f"{PAGE}/feed", fields="is_published").json()["data"][0]["is_published"] is False
    assert meta.fb_post(post_id, is_published="true").json() == {"success": True}
    assert meta.sandbox.posts()[0]["post_id"] == post_id
    assert [row["id"] for row in meta.fb_get(f"{PAGE}/published_posts").json()["data"]] == [post_id]


def test_opening_a_draft_twice_makes_one_post(meta: Meta):
    post_id = feed(meta, message="Draft", published="false").json()["id"]
    answers = [meta.fb_post(post_id, is_published="true") for _ in range(2)]
    assert [answer.json() for answer in answers] == [{"success": True}] * 2
    assert len(meta.sandbox.posts()) == 1


def test_opening_a_draft_with_the_words_of_the_post_before_is_a_duplicate(meta: Meta):
    post_id = feed(meta, message="Same", published="false").json()["id"]
    feed(meta, message="Same")
    assert error(meta.fb_post(post_id, is_published="true")) == (400, 506, None)


def test_a_public_post_cannot_be_made_a_draft_again(meta: Meta):
    post_id = feed(meta, message="Hi").json()["id"]
    assert error(meta.fb_post(post_id, is_published="false")) == (400, 100, None)


@pytest.mark.parametrize(("side", "live"), [("stay", 0), ("leak", 1)])
def test_whether_drafts_with_links_stay_hidden_is_a_switch(meta: Meta, side: str, live: int):
    meta.sandbox.switch(fb_drafts=side)
    feed(meta, link="https://example.org/", published="false")
    assert len(meta.sandbox.posts()) == live


@pytest.mark.parametrize(("side", "live"), [("stay", 0), ("leak", 1)])
def test_whether_drafts_with_media_stay_hidden_is_a_switch(meta: Meta, side: str, live: int):
    meta.sandbox.switch(fb_drafts=side)
    feed(meta, attached_media=attached(photo(meta)), published="false")
    assert len(meta.sandbox.posts()) == live


def test_drafts_of_plain_text_stay_hidden_on_both_sides(meta: Meta):
    meta.sandbox.switch(fb_drafts="leak")
    feed(meta, message="Draft", published="false")
    assert meta.sandbox.posts() == []


def test_only_the_own_page_may_open_a_draft(meta: Meta):
    post_id = feed(meta, message="Draft", published="false").json()["id"]
    assert error(meta.fb_post(post_id, OTHER_PAGE_TOKEN, is_published="true")) == (400, 100, 33)


def test_a_post_is_edited_and_deleted(meta: Meta):
    post_id = feed(meta, message="Hi").json()["id"]
    assert meta.fb_post(post_id, message="Ho").json() == {"success": True}
    assert meta.fb_get(post_id, fields="message").json()["message"] == "Ho"
    assert meta.call("DELETE", "facebook", f"v25.0/{post_id}", PAGE_TOKEN).json() == {"success": True}
    assert error(meta.fb_get(post_id)) == (400, 100, 33)
    assert meta.fb_get(f"{PAGE}/published_posts").json()["data"] == []


# Photos.


def test_a_photo_by_url_goes_live_with_a_post_of_its_own(meta: Meta):
    url = meta.file("p.jpg", jpeg())
    told = meta.fb_post(f"{PAGE}/photos", url=url, caption="Look", alt_text_custom="A square").json()
    (live,) = meta.sandbox.posts()
    assert (live["post_id"], live["kind"], live["text"]) == (told["post_id"], "photo", "Look")
    assert live["media"] == [digest(jpeg())]
    read = meta.fb_get(told["id"], fields="name,alt_text,page_story_id").json()
    assert (read["name"], read["alt_text"], read["page_story_id"]) == ("Look", "A square", told["post_id"])


def test_an_unpublished_photo_has_no_post(meta: Meta):
    answer = meta.fb_upload(f"{PAGE}/photos", "source", jpeg(), published="false").json()
    assert set(answer) == {"id"}
    assert meta.sandbox.posts() == []


def test_several_photos_go_live_in_one_post(meta: Meta):
    photos = [photo(meta, shade) for shade in (10, 20)]
    post_id = feed(meta, message="Two", attached_media=attached(*photos)).json()["id"]
    (live,) = meta.sandbox.posts()
    assert (live["kind"], live["media"]) == ("photos", [digest(jpeg(shade=10)), digest(jpeg(shade=20))])
    (album,) = meta.fb_get(post_id, fields="attachments").json()["attachments"]["data"]
    assert [item["target"]["id"] for item in album["subattachments"]["data"]] == photos


def test_photos_may_be_attached_one_parameter_each(meta: Meta):
    params = {"attached_media[0]": json.dumps({"media_fbid": photo(meta)})}
    assert feed(meta, message="One", **params).status_code == 200


def test_a_photo_cannot_be_posted_twice(meta: Meta):
    photo_id = photo(meta)
    feed(meta, attached_media=attached(photo_id))
    assert error(feed(meta, attached_media=attached(photo_id))) == (400, 100, 1366051)


def test_an_unpublished_photo_is_gone_after_24_hours(meta: Meta):
    photo_id = photo(meta)
    meta.sandbox.advance(25 * HOUR)
    assert error(meta.fb_get(photo_id)) == (400, 100, 33)
    assert error(feed(meta, attached_media=attached(photo_id))) == (400, 100, None)


@pytest.mark.parametrize(("temporary", "status"), [("false", 400), ("true", 200)])
def test_photos_of_a_scheduled_post_must_be_temporary(meta: Meta, temporary: str, status: int):
    photo_id = photo(meta, temporary=temporary)
    later = {"published": "false", "scheduled_publish_time": in_seconds(meta, HOUR)}
    answer = feed(meta, attached_media=attached(photo_id), unpublished_content_type="SCHEDULED", **later)
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no picture", (400, 324, 2069019)),
        (jpeg(60, 60, "WEBP"), (400, 100, 1366046)),
        (mp4(), (400, 100, 1366046)),
    ],
)
def test_bad_photos_are_refused(meta: Meta, content: bytes, told: tuple[int, int, int]):
    assert error(meta.fb_upload(f"{PAGE}/photos", "source", content)) == told


@pytest.mark.parametrize(("limit", "status"), [("10", 200), ("4", 400)])
def test_how_big_a_photo_may_be_is_a_switch(meta: Meta, limit: str, status: int):
    meta.sandbox.switch(fb_photo_max_mb=limit)
    content = jpeg() + b"\0" * 5_000_000
    assert meta.fb_upload(f"{PAGE}/photos", "source", content).status_code == status


@pytest.mark.parametrize(
    "params", [{}, {"url": "http://127.0.0.1:9/p.jpg"}, {"url": "x", "temporary": "true"}]
)
def test_photos_without_a_file_that_can_be_had_are_refused(meta: Meta, params: dict[str, str]):
    assert meta.fb_post(f"{PAGE}/photos", **params).status_code == 400


# Videos.


def test_a_video_by_url_goes_live(meta: Meta):
    url = meta.file("v.mp4", mp4(), "video/mp4")
    video_id = meta.fb_post(f"{PAGE}/videos", file_url=url, description="Look").json()["id"]
    (live,) = meta.sandbox.posts()
    assert (live["kind"], live["text"], live["media"]) == ("video", "Look", [digest(mp4())])
    fields = "status,post_id,permalink_url,length"
    meta.fb_get(video_id, fields=fields)
    read = meta.fb_get(video_id, fields=fields).json()
    assert (read["status"]["video_status"], read["post_id"]) == ("ready", live["post_id"])
    assert read["permalink_url"] == f"/{PAGE}/videos/{video_id}/"
    assert read["length"] == 3.0


def test_a_video_that_cannot_be_fetched_is_refused(meta: Meta):
    answer = meta.fb_post(f"{PAGE}/videos", file_url="http://127.0.0.1:9/v.mp4")
    assert error(answer) == (400, 389, None)


@pytest.mark.parametrize(("content", "code"), [(b"tiny", 382), (b"x" * 5000, 6000)])
def test_bad_videos_are_refused(meta: Meta, content: bytes, code: int):
    assert error(meta.fb_upload(f"{PAGE}/videos", "source", content)) == (400, code, None)


def test_a_file_url_has_no_phases(meta: Meta):
    answer = meta.fb_post(f"{PAGE}/videos", file_url="http://x/", upload_phase="start")
    assert error(answer) == (400, 100, None)


def chunks(meta: Meta, content: bytes) -> dict:
    meta.sandbox.switch(fb_chunk_bytes="2000")
    return meta.fb_post(f"{PAGE}/videos", upload_phase="start", file_size=str(len(content))).json()


def transfer(meta: Meta, session: str, start: int, chunk: bytes):
    params = {"upload_phase": "transfer", "upload_session_id": session, "start_offset": str(start)}
    return meta.fb_upload(f"{PAGE}/videos", "video_file_chunk", chunk, **params)


def test_a_video_in_chunks_goes_live_at_finish(meta: Meta):
    content = mp4()
    told = chunks(meta, content)
    session, start, end = told["upload_session_id"], told["start_offset"], told["end_offset"]
    assert (start, end) == ("0", "2000")
    while start != end:
        answer = transfer(meta, session, int(start), content[int(start) : int(end)]).json()
        start, end = answer["start_offset"], answer["end_offset"]
    assert meta.sandbox.posts() == []
    done = meta.fb_post(f"{PAGE}/videos", upload_phase="finish", upload_session_id=session)
    assert done.json() == {"success": True}
    assert meta.sandbox.posts()[0]["media"] == [digest(content)]


@pytest.mark.parametrize(("start", "length"), [(1, 2000), (2000, 2000), (0, 1999), (0, 2001)])
def test_a_wrong_chunk_is_told_where_to_go_on(meta: Meta, start: int, length: int):
    told = chunks(meta, mp4())
    answer = transfer(meta, told["upload_session_id"], start, mp4()[:length])
    assert error(answer) == (400, 6001, 1363037)
    assert answer.json()["error"]["error_data"] == {"start_offset": "0", "end_offset": "2000"}


def test_an_incomplete_video_cannot_be_finished(meta: Meta):
    session = chunks(meta, mp4())["upload_session_id"]
    answer = meta.fb_post(f"{PAGE}/videos", upload_phase="finish", upload_session_id=session)
    assert error(answer) == (400, 6000, None)


def test_a_cancelled_upload_is_gone(meta: Meta):
    session = chunks(meta, mp4())["upload_session_id"]
    meta.fb_post(f"{PAGE}/videos", upload_phase="cancel", upload_session_id=session)
    assert error(transfer(meta, session, 0, mp4()[:2000])) == (400, 100, None)


# Reels.


def start_reel(meta: Meta, content: bytes | None = None) -> dict:
    told = meta.fb_post(f"{PAGE}/video_reels", upload_phase="start").json()
    answer = meta.rupload(told["upload_url"], mp4() if content is None else content)
    assert answer.json() == {"success": True}
    return told


def finish_reel(meta: Meta, video_id: str, state: str = "PUBLISHED", **params: str):
    phase = {"upload_phase": "finish", "video_id": video_id, "video_state": state}
    return meta.fb_post(f"{PAGE}/video_reels", **(phase | params))


def test_a_reel_goes_live_at_finish_and_is_listed(meta: Meta):
    told = start_reel(meta)
    assert told["upload_url"].endswith(f"/rupload/video-upload/v25.0/{told['video_id']}")
    assert finish_reel(meta, told["video_id"], description="Reel").json() == {"success": True}
    (live,) = meta.sandbox.posts()
    assert (live["kind"], live["text"], live["media"]) == ("reel", "Reel", [digest(mp4())])
    (row,) = meta.fb_get(f"{PAGE}/video_reels").json()["data"]
    assert (row["id"], row["description"]) == (told["video_id"], "Reel")
    assert meta.fb_get(f"{PAGE}/published_posts").json()["data"] == []
    read = meta.fb_get(told["video_id"], fields="permalink_url").json()
    assert read["permalink_url"] == f"/reel/{told['video_id']}/"


@pytest.mark.parametrize("state", ["DRAFT", "SCHEDULED"])
def test_a_reel_that_is_not_published_stays_hidden(meta: Meta, state: str):
    when = {"scheduled_publish_time": in_seconds(meta, HOUR)} if state == "SCHEDULED" else {}
    video_id = start_reel(meta)["video_id"]
    assert finish_reel(meta, video_id, state, **when).status_code == 200
    status = meta.fb_get(video_id, fields="status").json()["status"]
    assert status["publishing_phase"]["publish_status"] == state.lower()
    assert meta.sandbox.posts() == []


def test_the_status_of_a_reel_walks_through_its_phases(meta: Meta):
    told = meta.fb_post(f"{PAGE}/video_reels", upload_phase="start").json()

    def status() -> tuple[str, str, str]:
        now = meta.fb_get(told["video_id"], fields="status").json()["status"]
        return now["video_status"], now["uploading_phase"]["status"], now["publishing_phase"]["status"]

    seen = [status()]
    meta.rupload(told["upload_url"], mp4())
    seen.append(status())
    finish_reel(meta, told["video_id"])
    seen += [status(), status()]
    assert seen == [
        ("uploading", "not_started", "not_started"),
        ("upload_complete", "complete", "not_started"),
        ("processing", "complete", "not_started"),
        ("ready", "complete", "complete"),
    ]


@pytest.mark.parametrize(
    ("words", "bytes_field"), [("complete", "bytes_transfered"), ("completed", "bytes_transferred")]
)
def test_the_spelling_of_a_status_is_a_switch(meta: Meta, words: str, bytes_field: str):
    meta.sandbox.switch(fb_status_spelling=words, fb_bytes_spelling=bytes_field)
    video_id = start_reel(meta)["video_id"]
    phase = meta.fb_get(video_id, fields="status").json()["status"]["uploading_phase"]
    assert phase == {"status": words, bytes_field: len(mp4())}


@pytest.mark.parametrize(("side", "field"), [("error", "error"), ("errors", "errors")])
def test_the_spelling_of_a_video_error_is_a_switch(meta: Meta, side: str, field: str):
    meta.sandbox.switch(fb_error_spelling=side, fb_processing_polls="0")
    meta.sandbox.fault(service="facebook", mode="processing_fails")
    video_id = start_reel(meta)["video_id"]
    finish_reel(meta, video_id)
    phase = meta.fb_get(video_id, fields="status").json()["status"]["processing_phase"]
    assert set(phase) == {"status", field}


@pytest.mark.parametrize(("side", "status"), [("finish", (200, 400)), ("complete", (400, 200))])
def test_what_the_last_phase_is_called_is_a_switch(meta: Meta, side: str, status: tuple[int, int]):
    meta.sandbox.switch(fb_reel_finish=side)
    video_id = start_reel(meta)["video_id"]
    answers = [finish_reel(meta, video_id, upload_phase=phase) for phase in ("finish", "complete")]
    assert tuple(answer.status_code for answer in answers) == status


@pytest.mark.parametrize(
    ("content", "subcode"),
    [
        (mp4(width=540, height=1200), 1363040),
        (mp4(width=360, height=640), 1363127),
        (mp4(width=720, height=720), 1363127),
        (mp4(2), 1363128),
        (mp4(fps=15), 1363129),
    ],
)
def test_a_reel_out_of_specification_is_refused(meta: Meta, content: bytes, subcode: int):
    video_id = start_reel(meta, content)["video_id"]
    assert error(finish_reel(meta, video_id)) == (400, 100, subcode)
    assert meta.sandbox.posts() == []


@pytest.mark.parametrize(
    "params",
    [
        {"video_id": "1"},
        {"video_state": "PUBLIC"},
        {"title": "x" * 256},
        {"scheduled_publish_time": "4102444800"},
        {"video_state": "SCHEDULED"},
        {"nonsense": "1"},
    ],
)
def test_a_bad_finish_is_refused(meta: Meta, params: dict[str, str]):
    video_id = start_reel(meta)["video_id"]
    finish = {"upload_phase": "finish", "video_id": video_id, "video_state": "PUBLISHED"} | params
    assert error(meta.fb_post(f"{PAGE}/video_reels", **finish)) == (400, 100, None)


def test_a_reel_without_bytes_cannot_be_finished(meta: Meta):
    video_id = meta.fb_post(f"{PAGE}/video_reels", upload_phase="start").json()["video_id"]
    assert error(finish_reel(meta, video_id)) == (400, 100, None)


def test_a_page_publishes_30_reels_in_24_hours(meta: Meta):
    page = meta.sandbox.world.services["facebook"].store.nodes[PAGE]
    page.reel_times.extend([meta.sandbox.world.now()] * 30)
    video_id = start_reel(meta)["video_id"]
    assert error(finish_reel(meta, video_id)) == (400, 613, None)
    meta.sandbox.advance(25 * HOUR)
    assert finish_reel(meta, video_id).status_code == 200


# Lists and comments.


def test_posts_are_listed_page_by_page_and_100_at_most(meta: Meta):
    made = [feed(meta, message=str(n)).json()["id"] for n in range(3)]
    first = meta.fb_get(f"{PAGE}/published_posts", limit=2).json()
    rest = meta.http.get(first["paging"]["next"]).json()
    assert [row["id"] for row in first["data"] + rest["data"]] == made[::-1]
    assert error(meta.fb_get(f"{PAGE}/published_posts", limit=101)) == (400, 100, None)


def test_lists_are_of_one_page_only(meta: Meta):
    feed(meta, message="Hi")
    assert meta.fb_get(f"{OTHER_PAGE}/published_posts", OTHER_PAGE_TOKEN).json()["data"] == []


def test_a_comment_goes_live_below_its_post(meta: Meta):
    post_id = feed(meta, message="Hi").json()["id"]
    told = meta.fb_post(f"{post_id}/comments", message="First!", fields="id,permalink_url").json()
    assert told["permalink_url"].startswith("https://www.facebook.com/")
    live = meta.sandbox.posts()[1]
    assert (live["kind"], live["parent_id"], live["post_id"]) == ("comment", post_id, told["id"])
    (row,) = meta.fb_get(f"{post_id}/comments").json()["data"]
    assert (row["id"], row["message"]) == (told["id"], "First!")


def test_a_draft_takes_no_comments(meta: Meta):
    post_id = feed(meta, message="Hi", published="false").json()["id"]
    assert error(meta.fb_post(f"{post_id}/comments", message="First!")) == (400, 100, None)


def test_a_page_tells_its_instagram_account(meta: Meta):
    read = meta.fb_get(PAGE, fields="name,instagram_business_account,followers_count").json()
    assert (read["name"], read["instagram_business_account"]) == ("A Page", {"id": IG_FB})


def test_what_visitors_did_needs_a_permission_of_its_own(meta: Meta):
    row = {"page_id": "77", "name": "P", "page_token": "p"}
    row["scopes"] = ["pages_read_engagement", "pages_manage_posts"]
    meta.sandbox.seed({"facebook": {"pages": [row]}})
    post_id = meta.fb_post("77/feed", "p", message="Hi").json()["id"]
    assert error(meta.fb_get(post_id, "p", fields="reactions.summary(true)")) == (403, 200, None)
    assert meta.fb_get(post_id, "p", fields="message").status_code == 200


def test_a_video_takes_a_picture_as_its_thumbnail_at_the_end(meta: Meta):
    film = mp4(3.2)
    told = meta.fb_upload(f"{PAGE}/videos", "source", film, title="Film").json()
    assert "picture" not in meta.fb_get(told["id"], fields="picture").json()
    started = meta.fb_post(f"{PAGE}/videos", upload_phase="start", file_size=len(film)).json()
    session = {"upload_session_id": started["upload_session_id"]}
    transfer = {"upload_phase": "transfer", "start_offset": "0", **session}
    meta.fb_upload(f"{PAGE}/videos", "video_file_chunk", film, **transfer)
    finish = {"upload_phase": "finish", **session}
    assert error(meta.fb_upload(f"{PAGE}/videos", "thumb", film, **finish)) == (400, 100, 1366046)
    assert meta.fb_upload(f"{PAGE}/videos", "thumb", jpeg(), **finish).json() == {"success": True}
    assert digest(jpeg()) in meta.fb_get(started["video_id"], fields="picture").json()["picture"]
