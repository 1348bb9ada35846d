"""POST and DELETE /2/tweets: what is refused, what goes live, how it is answered."""

from __future__ import annotations

import time
from typing import Any

import pytest

from sandbox.core import sha256
from sandbox.x.snowflakes import SNOWFLAKE_EPOCH_MS
from tests.sandbox.x.conftest import Client, image, video


def test_a_post_is_created_with_a_location(x: Client) -> None:
    answer = x.post(text="hello")
    data = answer.json()["data"]
    assert answer.status_code == 201
    assert data == {"id": data["id"], "text": "hello", "edit_history_tweet_ids": [data["id"]]}
    assert answer.headers["location"].endswith(f"/2/tweets/{data['id']}")


def test_a_post_goes_live_once_with_its_text_and_time(x: Client) -> None:
    began = time.time()
    post_id = x.post_id(text="see a.co now")
    (live,) = x.sandbox.posts()
    assert (live["post_id"], live["kind"], live["text"]) == (post_id, "text", "see a.co now")
    assert began <= live["received_at"] <= time.time()


def test_an_id_tells_when_it_was_made(x: Client) -> None:
    post_id = int(x.post_id(text="hello"))
    made = ((post_id >> 22) + SNOWFLAKE_EPOCH_MS) / 1000
    assert abs(made - x.sandbox.posts()[0]["received_at"]) < 0.01


def test_links_come_back_as_short_links(x: Client) -> None:
    text = x.post(text="see https://example.com/a and b.co.").json()["data"]["text"]
    assert "example.com" not in text
    assert text.count("https://t.co/") == 2
    assert text.endswith(".")


def test_media_adds_one_short_link_at_the_end(x: Client) -> None:
    ids = [x.photo(1), x.photo(2)]
    text = x.post(text="two", media={"media_ids": ids}).json()["data"]["text"]
    assert text.startswith("two https://t.co/")
    assert text.count("https://t.co/") == 1


@pytest.mark.parametrize(
    ("side", "name", "values"),
    [
        ("old", "edit_history_tweet_ids", None),
        ("new", "edit_history_post_ids", None),
        ("blank", "edit_history_tweet_ids", [""]),
    ],
)
def test_the_answer_is_spelt_as_the_switch_says(x: Client, side: str, name: str, values: Any) -> None:
    x.sandbox.switch(x_spelling=side)
    data = x.post(text="hello").json()["data"]
    assert data[name] == (values or [data["id"]])


BAD_BODIES: dict[str, Any] = {
    "unknown member": {"text": "a", "txt": "b"},
    "unknown inner member": {"text": "a", "reply": {"in_reply_to_tweet_id": "1", "x": 1}},
    "unknown deep member": {
        "media": {"media_ids": ["1"], "call_to_actions": {"visit_site": {"url": "u", "x": 1}}}
    },
    "text of a wrong type": {"text": 1},
    "nothing": {},
    "empty text": {"text": ""},
    "not an object": [],
    "no media ids": {"media": {}},
    "empty media ids": {"media": {"media_ids": []}},
    "five media ids": {"media": {"media_ids": ["1", "2", "3", "4", "5"]}},
    "a media id that is no number": {"media": {"media_ids": ["7_1"]}},
    "a media id as a number": {"media": {"media_ids": [1]}},
    "one poll option": {"text": "a", "poll": {"options": ["a"], "duration_minutes": 5}},
    "five poll options": {"text": "a", "poll": {"options": list("abcde"), "duration_minutes": 5}},
    "a long poll option": {"text": "a", "poll": {"options": ["a", "b" * 26], "duration_minutes": 5}},
    "a short poll": {"text": "a", "poll": {"options": ["a", "b"], "duration_minutes": 4}},
    "a long poll": {"text": "a", "poll": {"options": ["a", "b"], "duration_minutes": 10081}},
    "a poll without an end": {"text": "a", "poll": {"options": ["a", "b"]}},
    "media and poll": {
        "media": {"media_ids": ["1"]},
        "poll": {"options": ["a", "b"], "duration_minutes": 5},
    },
    "media and quote": {"media": {"media_ids": ["1"]}, "quote_tweet_id": "1"},
    "card and deep link": {"text": "a", "card_uri": "c", "direct_message_deep_link": "d"},
    "unknown reply settings": {"text": "a", "reply_settings": "everyone"},
    "flag as text": {"text": "a", "made_with_ai": "true"},
    "forbidden character": {"text": "a\ufeff"},
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_body_against_the_schema_is_refused(x: Client, body: Any) -> None:
    answer = x.send("POST", "/2/tweets", json=body)
    assert answer.status_code == 400
    assert answer.json()["title"] == "Invalid Request"
    assert x.sandbox.posts() == []


def test_a_body_that_is_not_json_is_refused(x: Client) -> None:
    answer = x.send("POST", "/2/tweets", data="{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


@pytest.mark.parametrize("extra", ["made_with_ai", "paid_partnership", "for_super_followers_only"])
def test_the_known_flags_are_taken(x: Client, extra: str) -> None:
    assert x.post(**{"text": "a", extra: True}).status_code == 201


def test_a_text_too_long_for_a_plain_account_is_refused(x: Client) -> None:
    assert x.post(text="x" * 280).status_code == 201
    answer = x.post(text="x" * 281)
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "You are not permitted to perform this action.",
    )


def test_a_premium_account_may_write_25000(x: Client) -> None:
    bob = x.as_("bob-token")
    assert bob.post(text="x" * 25_000).status_code == 201
    assert bob.post(text="y" * 25_001).status_code == 403


def test_two_cashtags_are_refused(x: Client) -> None:
    assert x.post(text="$AAA and $5").status_code == 201
    assert x.post(text="$AAA and $BBB").status_code == 403


def test_a_quote_is_refused_to_a_self_serve_app(x: Client) -> None:
    assert x.post(text="a", quote_tweet_id="1").status_code == 403


def test_the_same_text_again_is_a_duplicate(x: Client) -> None:
    x.post_id(text="Good morning ")
    answer = x.post(text="Good  morning")
    assert answer.status_code == 403
    assert "duplicate content" in answer.json()["detail"]
    assert len(x.sandbox.posts()) == 1


def test_the_same_text_from_another_account_is_no_duplicate(x: Client) -> None:
    x.post_id(text="hello")
    assert x.as_("bob-token").post(text="hello").status_code == 201


@pytest.mark.parametrize(("hours", "status"), [(23, 403), (25, 201)])
def test_the_duplicate_window_is_a_day(x: Client, hours: int, status: int) -> None:
    x.post_id(text="hello")
    x.sandbox.advance(hours * 3600)
    assert x.post(text="hello").status_code == status


def test_a_deleted_text_may_be_posted_again(x: Client) -> None:
    post_id = x.post_id(text="hello")
    assert x.send("DELETE", f"/2/tweets/{post_id}").json() == {"data": {"deleted": True}}
    assert x.post(text="hello").status_code == 201


def test_only_the_author_deletes(x: Client) -> None:
    post_id = x.post_id(text="hello")
    assert x.as_("bob-token").send("DELETE", f"/2/tweets/{post_id}").status_code == 403


def test_what_is_gone_cannot_be_deleted(x: Client) -> None:
    assert x.send("DELETE", "/2/tweets/1").status_code == 404


def test_a_thread_is_a_chain_of_replies(x: Client) -> None:
    first = x.post_id(text="1")
    second = x.post_id(text="2", reply={"in_reply_to_tweet_id": first})
    live = x.sandbox.posts()[1]
    assert (live["post_id"], live["kind"], live["parent_id"]) == (second, "reply", first)


def test_a_reply_to_nothing_is_refused(x: Client) -> None:
    answer = x.post(text="a", reply={"in_reply_to_tweet_id": "1"})
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found Error")


def test_a_reply_to_a_stranger_is_refused(x: Client) -> None:
    post_id = x.post_id(text="hello")
    assert x.as_("bob-token").post(text="hi", reply={"in_reply_to_tweet_id": post_id}).status_code == 403


def test_a_reply_to_who_named_you_is_taken(x: Client) -> None:
    post_id = x.post_id(text="hello @bob")
    assert x.as_("bob-token").post(text="hi", reply={"in_reply_to_tweet_id": post_id}).status_code == 201


def test_a_poll_goes_live_as_poll(x: Client) -> None:
    x.post_id(text="which?", poll={"options": ["a", "b"], "duration_minutes": 5})
    assert x.sandbox.posts()[0]["kind"] == "poll"


def test_four_photos_go_live_in_order_with_their_hashes(x: Client) -> None:
    ids = [x.photo(shade) for shade in range(4)]
    x.post_id(media={"media_ids": ids})
    (live,) = x.sandbox.posts()
    assert live["kind"] == "photo"
    assert live["media"] == [sha256(image("PNG", shade)) for shade in range(4)]


@pytest.mark.parametrize(
    ("content", "media_type", "category", "kind"),
    [
        (image("GIF"), "image/gif", "tweet_gif", "gif"),
        (video(1), "video/mp4", "tweet_video", "video"),
    ],
)
def test_one_moving_medium_goes_live_as_what_it_is(
    x: Client, content: bytes, media_type: str, category: str, kind: str
) -> None:
    x.post_id(media={"media_ids": [x.upload(content, media_type, category)]})
    assert x.sandbox.posts()[0]["kind"] == kind


def test_a_mix_of_photo_and_video_is_refused(x: Client) -> None:
    ids = [x.photo(), x.upload(video(1), "video/mp4", "tweet_video")]
    assert x.post(media={"media_ids": ids}).status_code == 403


def bad_media(x: Client, case: str) -> str:
    match case:
        case "unknown":
            return "123"
        case "foreign":
            return x.as_("bob-token").photo()
        case "unfinished":
            return x.initialize(image("PNG"), "image/png", "tweet_image").json()["data"]["id"]
        case "processing":
            return x.upload(video(1), "video/mp4", "tweet_video", ready=False)
        case "direct message":
            return x.upload(image("PNG"), "image/png", "dm_image")
        case "expired":
            media_id = x.photo()
            x.sandbox.advance(24 * 3600)
            return media_id
    raise AssertionError(case)


@pytest.mark.parametrize(
    "case", ["unknown", "foreign", "unfinished", "processing", "direct message", "expired"]
)
def test_an_unusable_media_id_is_refused(x: Client, case: str) -> None:
    media_id = bad_media(x, case)
    answer = x.post(media={"media_ids": [media_id]})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"parameters": {"media.media_ids": [media_id]}, "message": "Your media IDs are invalid."}
    ]


@pytest.mark.parametrize(("side", "status"), [("old", 403), ("new", 201)])
def test_the_length_of_a_video_is_checked_when_it_is_posted(x: Client, side: str, status: int) -> None:
    x.sandbox.switch(x_video_limits=side)
    media_id = x.upload(video(141, fps=2), "video/mp4", "tweet_video")
    answer = x.post(media={"media_ids": [media_id]})
    assert answer.status_code == status
    if status == 403:
        words = "This user is not allowed to post a video longer than 2 minutes."
        assert answer.json()["detail"] == words
