"""TikTok's numbers: they grow, and only those of public videos are told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.tiktok.conftest import Client, code

NOW_S = 1_800_000_000
DAY_S = 86_400
COUNTS = "view_count,like_count,comment_count,share_count"
STATS = "follower_count,following_count,likes_count,video_count"


def lay_out(tiktok: Client, *posts: dict[str, Any]) -> None:
    """Posts of bob, a day old unless they say otherwise; the world's clock stands."""
    tiktok.sandbox.stop_clock(NOW_S)
    common = {"account_id": "bob", "kind": "video", "published_at": NOW_S - DAY_S}
    tiktok.sandbox.seed({"tiktok": {"posts": [common | post for post in posts]}})


def query(tiktok: Client, *ids: str, fields: str = f"id,{COUNTS}") -> dict[str, dict[str, int]]:
    answer = tiktok.call("/v2/video/query/", {"filters": {"video_ids": list(ids)}}, fields=fields)
    assert code(answer) == "ok", answer.text
    return {video.pop("id"): video for video in answer.json()["data"]["videos"]}


def stats(tiktok: Client) -> dict[str, int]:
    answer = tiktok.call("/v2/user/info/", method="GET", fields=STATS)
    return answer.json()["data"]["user"]


def true(tiktok: Client, post_id: str | None, at: float = NOW_S) -> dict[str, int]:
    return {
        row["metric"]: row["value"]
        for row in tiktok.sandbox.numbers(at)
        if (row["platform"], row["account_id"], row["post_id"]) == ("tiktok", "bob", post_id)
    }


def test_what_is_read_is_what_is_true(tiktok: Client) -> None:
    lay_out(tiktok, {"post_id": "7001"}, {"post_id": "7002", "privacy": "SELF_ONLY"})
    assert query(tiktok, "7001", "7002") == {"7001": true(tiktok, "7001")}
    assert true(tiktok, "7001")["view_count"] > true(tiktok, "7001")["like_count"] > 0
    assert set(true(tiktok, "7002")) == set(COUNTS.split(","))
    assert stats(tiktok) == true(tiktok, None)
    assert stats(tiktok)["video_count"] == 1
    assert stats(tiktok)["likes_count"] == true(tiktok, "7001")["like_count"]


def test_numbers_grow_with_the_worlds_clock_unless_they_were_seeded(tiktok: Client) -> None:
    lay_out(tiktok, {"post_id": "7001"})
    tiktok.sandbox.seed({"tiktok": {"metrics": {"7001": {"like_count": 5}}}})
    young = query(tiktok, "7001")["7001"]
    tiktok.sandbox.advance(DAY_S)
    old = query(tiktok, "7001")["7001"]
    assert old["view_count"] > young["view_count"]
    assert old["like_count"] == young["like_count"] == 5


def test_followers_that_were_given_stay(tiktok: Client) -> None:
    account = {"account_id": "gus", "username": "gus", "token": "act.gus", "followers": 12}
    tiktok.sandbox.seed({"tiktok": {"accounts": [account]}})
    assert stats(tiktok.as_("act.gus"))["follower_count"] == 12
    assert stats(tiktok)["follower_count"] != 12


def test_a_seeded_post_is_on_the_air_from_its_time_until_it_goes(tiktok: Client) -> None:
    lay_out(tiktok, {"post_id": "7001", "published_at": NOW_S + 100, "gone_at": NOW_S + 200})
    assert query(tiktok, "7001") == {}
    tiktok.sandbox.advance(150)
    assert set(query(tiktok, "7001")) == {"7001"}
    tiktok.sandbox.advance(50)
    assert query(tiktok, "7001") == {}
    assert [bool(true(tiktok, "7001", NOW_S + age)) for age in (0, 150, 200)] == [False, True, False]


def test_a_removed_video_was_there_before(tiktok: Client) -> None:
    lay_out(tiktok, {"post_id": "7001"})
    tiktok.sandbox.remove("tiktok", "7001")
    assert (query(tiktok, "7001"), true(tiktok, "7001")) == ({}, {})
    assert true(tiktok, "7001", NOW_S - 1)


def test_seeded_videos_are_listed_newest_first(tiktok: Client) -> None:
    lay_out(
        tiktok,
        {"post_id": "7001", "published_at": NOW_S - 5},
        {"post_id": "7002", "published_at": NOW_S - 9},
        {"post_id": "7003", "published_at": NOW_S - 7, "kind": "photo"},
    )
    videos = tiktok.call("/v2/video/list/", {}, fields="id").json()["data"]["videos"]
    assert [video["id"] for video in videos] == ["7001", "7002"]
    assert [post["kind"] for post in tiktok.sandbox.posts()] == ["video", "video", "photo"]


def test_an_account_that_went_private_shows_none(tiktok: Client) -> None:
    lay_out(tiktok, {"post_id": "7001"})
    tiktok.sandbox.switch(tiktok_private_accounts="ann,bob")
    assert query(tiktok, "7001") == {}


def test_a_retired_field_fails_the_whole_call(tiktok: Client) -> None:
    lay_out(tiktok, {"post_id": "7001"})
    tiktok.sandbox.switch(tiktok_retired_fields="share_count,likes_count")
    for path, body, fields in (
        ("/v2/video/query/", {"filters": {"video_ids": ["7001"]}}, COUNTS),
        ("/v2/user/info/", None, STATS),
    ):
        answer = tiktok.call(path, body, method="POST" if body else "GET", fields=fields)
        assert (answer.status_code, code(answer)) == (400, "invalid_params")
    assert set(query(tiktok, "7001", fields="id,view_count")["7001"]) == {"view_count"}


@pytest.mark.parametrize(
    "wrong", [{"account_id": "zed"}, {"post_id": "v1"}, {"kind": "reel"}, {"privacy": "all"}], ids=str
)
def test_a_seed_that_cannot_be_is_refused(tiktok: Client, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the id must be new"):
        lay_out(tiktok, {"post_id": "7001"} | wrong)


def test_a_number_that_tiktok_does_not_have_cannot_be_seeded(tiktok: Client) -> None:
    lay_out(tiktok, {"post_id": "7001"})
    with pytest.raises(ValueError, match="TikTok has no number views"):
        tiktok.sandbox.seed({"tiktok": {"metrics": {"7001": {"views": 3}}}})
