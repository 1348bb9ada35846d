"""X's numbers: they grow, they are told to whom they belong, and reading them costs what X charges."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.growth import DAY_S
from tests.sandbox.x.conftest import Client

PUBLIC = {"tweet.fields": "public_metrics"}
PRIVATE = {"tweet.fields": "non_public_metrics,organic_metrics"}
VIDEO = {"expansions": "attachments.media_keys", "media.fields": "public_metrics,non_public_metrics"}


def lay_out(x: Client, *posts: dict[str, Any]) -> None:
    """Posts of ann, a day old unless they say otherwise."""
    common = {"account_id": "11", "kind": "text", "published_at": x.sandbox.world.now() - DAY_S}
    x.sandbox.seed({"x": {"posts": [common | post for post in posts]}})


def read(x: Client, *ids: str, **query: str) -> Any:
    return x.get("/2/tweets", ids=",".join(ids), **query).json()


def true(x: Client, post_id: str | None = None, account: str = "11") -> dict[str, int]:
    return {
        row["metric"]: row["value"]
        for row in x.sandbox.numbers(x.sandbox.world.now())
        if (row["platform"], row["account_id"], row["post_id"]) == ("x", account, post_id)
    }


def test_what_is_read_is_what_is_true(x: Client) -> None:
    x.sandbox.stop_clock(1_800_000_000)
    lay_out(x, {"post_id": "1001"})
    x.sandbox.switch(x_spelling="new")
    [post] = read(x, "1001", **{"post.fields": "public_metrics,non_public_metrics"})["data"]
    told, truth = post["public_metrics"] | post["non_public_metrics"], true(x, "1001")
    assert told == truth
    assert told["impression_count"] > told["like_count"] > 0


def test_numbers_grow_with_the_worlds_clock(x: Client) -> None:
    lay_out(x, {"post_id": "1001"})
    young = read(x, "1001", **PUBLIC)["data"][0]["public_metrics"]["impression_count"]
    x.sandbox.advance(DAY_S)
    assert read(x, "1001", **PUBLIC)["data"][0]["public_metrics"]["impression_count"] > young


def test_followers_come_and_go_unless_they_were_given(x: Client) -> None:
    x.sandbox.seed({"x": {"accounts": [{"account_id": "5", "username": "e", "token": "e", "followers": 7}]}})
    for token, account in (("e", "5"), ("ann-token", "11")):
        told = x.as_(token).get("/2/users/me", **{"user.fields": "public_metrics"}).json()["data"]
        truth = true(x, account=account)
        assert told["public_metrics"]["followers_count"] == truth["followers_count"]
        assert told["public_metrics"]["tweet_count"] == truth["post_count"] == 0
    assert true(x, account="5")["followers_count"] == 7


def test_a_seeded_post_is_on_the_air_from_its_time_until_it_goes(x: Client) -> None:
    now = x.sandbox.world.now()
    lay_out(x, {"post_id": "1001", "published_at": now + 100, "gone_at": now + 200})
    assert ("data" in read(x, "1001"), true(x, "1001")) == (False, {})
    x.sandbox.advance(150)
    assert ("data" in read(x, "1001"), bool(true(x, "1001"))) == (True, True)
    x.sandbox.advance(60)
    assert ("data" in read(x, "1001"), true(x, "1001")) == (False, {})
    assert [row for row in x.sandbox.numbers(now + 150) if row["post_id"] == "1001"]


def test_seeded_posts_stand_in_the_timeline_and_among_all_posts(x: Client) -> None:
    lay_out(x, {"post_id": "1002", "kind": "poll"}, {"post_id": "1001", "kind": "gif"})
    assert [post["id"] for post in x.get("/2/users/11/tweets").json()["data"]] == ["1002", "1001"]
    assert [(post["post_id"], post["kind"]) for post in x.sandbox.posts()] == [
        ("1002", "poll"),
        ("1001", "gif"),
    ]


@pytest.mark.parametrize("wrong", [{"account_id": "99"}, {"post_id": "x1"}, {"kind": "reel"}], ids=str)
def test_a_seed_that_cannot_be_is_refused(x: Client, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the id must be new"):
        lay_out(x, {"post_id": "1001"} | wrong)


def test_a_video_has_views_for_all_and_quarters_for_its_author(x: Client) -> None:
    lay_out(x, {"post_id": "1001", "kind": "video"}, {"post_id": "1002", "kind": "photo"})
    body = read(x, "1001", "1002", **VIDEO)
    video, photo = body["includes"]["media"]
    assert "errors" not in body
    assert video["public_metrics"]["view_count"] == video["non_public_metrics"]["playback_0_count"] > 0
    assert (
        video["non_public_metrics"]["playback_100_count"] < video["non_public_metrics"]["playback_50_count"]
    )
    assert "public_metrics" not in photo
    body = read(x.as_("bob-token"), "1001", **VIDEO)
    assert set(body["includes"]["media"][0]) == {"media_key", "type", "public_metrics"}
    assert [error["field"] for error in body["errors"]] == ["non_public_metrics"]


def test_private_numbers_end_after_30_days_and_promoted_ones_never_began(x: Client) -> None:
    lay_out(x, {"post_id": "1001", "published_at": x.sandbox.world.now() - 30 * DAY_S + 60})
    assert "errors" not in read(x, "1001", **PRIVATE)
    x.sandbox.advance(61)
    old = read(x, "1001", **PRIVATE)
    assert [error["field"] for error in old["errors"]] == ["non_public_metrics", "organic_metrics"]
    assert set(old["data"][0]) == {"id", "text", "edit_history_tweet_ids"}
    lay_out(x, {"post_id": "1002"})
    body = read(x, "1002", **{"tweet.fields": "promoted_metrics"})
    assert body["errors"][0]["type"].endswith("/not-authorized-for-field")


def test_only_one_spelling_of_a_query_may_be_taken(x: Client) -> None:
    lay_out(x, {"post_id": "1001"})
    for side, taken in (("old", "tweet.fields"), ("new", "post.fields")):
        x.sandbox.switch(x_query_spelling=side)
        for name in ("tweet.fields", "post.fields"):
            answer = x.get("/2/tweets", ids="1001", **{name: "public_metrics"})
            assert answer.status_code == (200 if name == taken else 400)
            assert name == taken or name in answer.text


def test_the_same_post_costs_once_a_day_of_utc_and_less_to_its_author(x: Client) -> None:
    x.sandbox.advance(DAY_S - x.sandbox.world.now() % DAY_S + 3600)  # an hour into a day
    lay_out(x, {"post_id": "1001"}, {"post_id": "1002"})
    for ids in (["1001"], ["1001", "1002"], ["1", "1002"]):
        read(x, *ids, **PUBLIC)
    x.get("/2/users/me")
    assert x.sandbox.costs() == [
        {"service": "x", "what": "own post read", "count": 2, "usd": 0.002},
        {"service": "x", "what": "own user read", "count": 1, "usd": 0.0},
    ]
    x.sandbox.advance(DAY_S)
    read(x, "1001")
    read(x.as_("bob-token"), "1001", "1002")
    counts = {row["what"]: row["count"] for row in x.sandbox.costs()}
    assert counts == {"own post read": 3, "own user read": 1, "post read": 1}


def test_a_switch_charges_authors_like_everybody(x: Client) -> None:
    lay_out(x, {"post_id": "1001"})
    x.sandbox.switch(x_owned_reads="no")
    read(x, "1001")
    assert x.sandbox.costs() == [{"service": "x", "what": "post read", "count": 1, "usd": 0.005}]


def test_who_one_is_takes_known_words_only(x: Client) -> None:
    assert x.get("/2/users/me", **{"user.fields": "shoe_size"}).status_code == 400
    assert x.get("/2/users/me", ids="1").status_code == 400


def test_seeded_numbers_stay_under_either_name_and_others_are_none(x: Client) -> None:
    lay_out(x, {"post_id": "1001"})
    x.sandbox.seed({"x": {"metrics": {"1001": {"repost_count": 3, "like_count": 9}}}})
    x.sandbox.advance(DAY_S)
    told = read(x, "1001", **PUBLIC)["data"][0]["public_metrics"]
    assert (told["retweet_count"], told["like_count"], true(x, "1001")["repost_count"]) == (3, 9, 3)
    with pytest.raises(ValueError, match="X has no number views"):
        x.sandbox.seed({"x": {"metrics": {"1001": {"views": 3}}}})
