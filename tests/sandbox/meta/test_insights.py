"""Insights of the Meta stand-ins: what is told is what is true, and one metric too many fails the call."""

from __future__ import annotations

from typing import Any

import pytest
from pyfacebook import GraphAPI, IGBusinessApi

from sandbox.meta import facebook_insights, instagram_insights
from sandbox.meta.store import DAY_S

from .conftest import IG, IG_FB, IG_TOKEN, PAGE, PAGE_TOKEN, Meta, error
from .test_pyfacebook import keys

NOW_S = 1_800_000_000
"""Friday 15 January 2027, 08:00 UTC: midnight in Pacific time."""
IMAGE, REEL, STORY, CAROUSEL = (
    "17900000000000001",
    "17900000000000002",
    "17900000000000003",
    "17900000000000004",
)
POST, VIDEO_POST, REEL_POST = f"{PAGE}_1", f"{PAGE}_2", f"{PAGE}_3"
VIDEO, REEL_VIDEO = "12300000000000002", "12300000000000003"
FEW = "IGAA-few"


@pytest.fixture
def told(meta: Meta) -> Meta:
    """One post of each kind, five hours old, on each of two accounts of Instagram and on a Page."""
    meta.sandbox.stop_clock(NOW_S)
    account = {"account_id": IG, "username": "creator", "token": IG_TOKEN}  # its login is new on this day
    meta.sandbox.seed({"instagram": {"accounts": [account]}})
    lay_out(meta, "instagram", *((IMAGE, "image"), (REEL, "reel"), (STORY, "story"), (CAROUSEL, "carousel")))
    lay_out(meta, "facebook", (POST, "feed"))
    lay_out(meta, "facebook", (VIDEO_POST, "video"), video_id=VIDEO)
    lay_out(meta, "facebook", (REEL_POST, "reel"), video_id=REEL_VIDEO)
    return meta


def lay_out(meta: Meta, service: str, *posts: tuple[str, str], **more: Any) -> None:
    more = {
        "account_id": {"instagram": IG, "facebook": PAGE}[service],
        "published_at": NOW_S - 5 * 3600,
    } | more
    rows = [{"post_id": post_id, "kind": kind, **more} for post_id, kind in posts]
    meta.sandbox.seed({service: {"posts": rows}})


def values(answer: Any) -> dict[str, Any]:
    """The number of each row."""
    assert answer.status_code == 200, answer.text
    rows = answer.json()["data"]
    return {row["name"]: row.get("total_value", row.get("values", [None])[0])["value"] for row in rows}


def true(meta: Meta, account: str, post_id: str | None, at: float = NOW_S) -> dict[str, Any]:
    return {
        row["metric"]: row["value"]
        for row in meta.sandbox.numbers(at)
        if (row["account_id"], row["post_id"]) == (account, post_id)
    }


def insights(meta: Meta, post_id: str, *metrics: str, **more: Any) -> Any:
    return meta.get(f"{post_id}/insights", metric=",".join(metrics), **more)


# Posts.


@pytest.mark.parametrize(("post_id", "product"), [(IMAGE, "FEED"), (REEL, "REELS"), (STORY, "STORY")])
def test_what_instagram_tells_of_a_post_is_what_is_true(told: Meta, post_id: str, product: str) -> None:
    served = instagram_insights.PRODUCTS[product] - instagram_insights.FACEBOOK_LOGIN_ONLY
    truth = true(told, IG, post_id)
    assert values(insights(told, post_id, *sorted(served))) == {name: truth[name] for name in served}
    assert truth["views"] > 0


def test_the_table_of_products_is_kept_to(told: Meta) -> None:
    for post_id, product in ((IMAGE, "FEED"), (CAROUSEL, "FEED"), (REEL, "REELS"), (STORY, "STORY")):
        served = instagram_insights.PRODUCTS[product] - instagram_insights.FACEBOOK_LOGIN_ONLY
        for metric in instagram_insights.MEDIA:
            answer = insights(told, post_id, "views", metric)
            if metric in served:
                assert set(values(answer)) == {"views", metric}
            else:
                assert error(answer) == (400, 100, None)
                assert f" {metric} " in answer.json()["error"]["message"]


def test_some_metrics_are_told_with_facebook_login_only(told: Meta) -> None:
    lay_out(told, "instagram", ("17900000000000009", "reel"), account_id=IG_FB)
    answer = told.fb_get("17900000000000009/insights", metric="total_likes,views")
    assert values(answer) == {
        name: value
        for name, value in true(told, IG_FB, "17900000000000009").items()
        if name in ("total_likes", "views")
    }
    assert error(insights(told, REEL, "total_likes", "views")) == (400, 100, None)


def test_what_facebook_tells_is_what_is_true(told: Meta) -> None:
    truth = true(told, PAGE, POST)
    shown = values(told.fb_get(f"{POST}/insights", metric="post_media_view,post_reactions_by_type_total"))
    assert shown["post_media_view"] == truth["post_media_view"]
    assert sum(shown["post_reactions_by_type_total"].values()) == truth["post_reactions_by_type_total"]
    truth = true(told, PAGE, REEL_POST)
    shown = values(told.fb_get(f"{REEL_VIDEO}/video_insights"))  # all that there is
    assert shown["fb_reels_total_plays"] == truth["fb_reels_total_plays"] > 0
    assert shown["post_video_social_actions"].get("COMMENT", 0) == truth["post_video_social_actions.COMMENT"]
    assert set(shown) == {*facebook_insights.REEL, *facebook_insights.REEL_KINDS}


def test_a_reel_is_told_as_a_video_only(told: Meta) -> None:
    assert error(told.fb_get(f"{REEL_POST}/insights", metric="post_media_view")) == (400, 100, None)
    assert set(values(told.fb_get(f"{VIDEO_POST}/insights", metric="post_video_views"))) == {
        "post_video_views"
    }
    assert error(told.fb_get(f"{VIDEO}/video_insights", metric="fb_reels_total_plays")) == (400, 100, None)


@pytest.mark.parametrize(
    ("way", "code", "named"), [("named", 100, True), ("unnamed", 100, False), ("unknown", 1, False)]
)
def test_a_retired_metric_fails_the_whole_call_in_three_ways(
    told: Meta, way: str, code: int, named: bool
) -> None:
    told.sandbox.switch(meta_retired_metrics="reach, post_clicks", meta_metric_refusal=way)
    for answer in (
        insights(told, IMAGE, "views", "reach"),
        told.fb_get(f"{POST}/insights", metric="post_media_view,post_clicks"),
    ):
        said = answer.json()["error"]
        assert (said["code"], "metric[1]" in said["message"]) == (code, named)
    assert set(values(insights(told, IMAGE, "views"))) == {"views"}


@pytest.mark.parametrize("metric", ["impressions", "plays", "video_views", "engagement"])
def test_dead_metrics_of_instagram_are_refused(told: Meta, metric: str) -> None:
    assert error(insights(told, REEL, metric)) == (400, 100, None)


@pytest.mark.parametrize("metric", ["post_impressions", "post_engaged_users"])
def test_dead_metrics_of_facebook_are_refused_without_their_names(told: Meta, metric: str) -> None:
    answer = told.fb_get(f"{POST}/insights", metric=f"post_media_view,{metric}")
    assert answer.json()["error"]["message"] == "(#100) The value must be a valid insights metric"


def test_a_reel_that_is_not_on_facebook_answers_fatal(told: Meta) -> None:
    assert error(insights(told, REEL, "views", "facebook_views")) == (400, -1, 2207086)


def test_a_call_without_a_metric_says_so(told: Meta) -> None:
    for answer in (told.get(f"{IMAGE}/insights"), told.fb_get(f"{PAGE}/insights", period="day")):
        assert error(answer) == (400, 3001, 1504028)


def test_insights_need_their_scopes(told: Meta) -> None:
    told.sandbox.seed(
        {
            "instagram": {
                "accounts": [
                    {
                        "account_id": "9",
                        "username": "n",
                        "token": "IGAA-n",
                        "scopes": ["instagram_business_basic"],
                    }
                ]
            },
            "facebook": {
                "pages": [
                    {"page_id": "8", "name": "N", "page_token": "EAA-n", "scopes": ["pages_read_engagement"]},
                    {"page_id": "7", "name": "T", "page_token": "EAA-t", "tasks": ["CREATE_CONTENT"]},
                ]
            },
        }
    )
    path, day = "v25.0/9/insights", {"metric": "views", "period": "day", "metric_type": "total_value"}
    assert error(told.call("GET", "instagram", path, "IGAA-n", **day)) == (403, 10, None)
    assert error(told.fb_get("8/insights", "EAA-n", metric="page_follows")) == (403, 10, None)
    assert error(told.fb_get("7/insights", "EAA-t", metric="page_follows")) == (403, 200, None)


def test_a_story_is_told_for_a_day_and_from_five_viewers_on(told: Meta) -> None:
    lay_out(told, "instagram", ("17900000000000008", "story"), scale=0)
    answer = insights(told, "17900000000000008", "views")
    assert error(answer) == (400, 10, None)
    assert "Not enough viewers" in answer.json()["error"]["message"]
    told.sandbox.advance(DAY_S)
    assert insights(told, STORY, "views").json() == {"data": []}
    told.sandbox.switch(ig_story_over="gone")
    assert error(insights(told, STORY, "views")) == (400, 100, 33)


def test_media_from_before_the_account_was_professional_have_none(told: Meta) -> None:
    lay_out(told, "instagram", ("17900000000000007", "image"), before_business=True)
    assert error(insights(told, "17900000000000007", "views")) == (400, 100, 2108006)


def test_the_items_of_a_carousel_have_none(meta: Meta) -> None:
    children = [meta.finished(is_carousel_item="true") for _ in range(2)]
    carousel = meta.published(media_type="CAROUSEL", children=",".join(children))
    [child, _] = meta.get(f"{carousel}/children").json()["data"]
    assert error(insights(meta, child["id"], "views")) == (400, 100, None)
    assert set(values(insights(meta, carousel, "views"))) == {"views"}


def test_numbers_that_lag_are_an_empty_list(told: Meta) -> None:
    told.sandbox.switch(meta_insights_lag_h="48")
    assert insights(told, IMAGE, "views").json() == {"data": []}
    assert told.fb_get(f"{POST}/insights", metric="post_media_view").json()["data"] == []
    told.sandbox.advance(2 * DAY_S)
    assert values(insights(told, IMAGE, "views")) == {
        "views": true(told, IG, IMAGE, NOW_S + 2 * DAY_S)["views"]
    }


def test_a_post_that_is_gone_cannot_be_read_and_its_past_stays_true(told: Meta) -> None:
    lay_out(told, "instagram", ("17900000000000006", "image"), gone_at=NOW_S + 3600)
    told.sandbox.remove("facebook", POST)
    assert error(told.fb_get(f"{POST}/insights", metric="post_media_view")) == (400, 100, 33)
    assert set(values(insights(told, "17900000000000006", "views"))) == {"views"}
    told.sandbox.advance(3600)
    assert error(insights(told, "17900000000000006", "views")) == (400, 100, 33)
    for account, post_id, until in ((PAGE, POST, NOW_S), (IG, "17900000000000006", NOW_S + 3600)):
        assert true(told, account, post_id, until - 1)
        assert not true(told, account, post_id, until)


def test_a_post_of_a_time_to_come_is_not_there_yet(told: Meta) -> None:
    lay_out(told, "instagram", ("17900000000000005", "image"), published_at=NOW_S + 60)
    assert error(insights(told, "17900000000000005", "views")) == (400, 100, 33)
    listed = {row["id"] for row in told.get(f"{IG}/media").json()["data"]}
    assert listed == {IMAGE, REEL, CAROUSEL}
    told.sandbox.advance(120)
    assert set(values(insights(told, "17900000000000005", "views"))) == {"views"}
    assert told.get(f"{IG}/media").json()["data"][0]["id"] == "17900000000000005"


# Accounts.


def day(meta: Meta, *metrics: str, since: float = NOW_S - DAY_S, until: float = NOW_S, **more: Any) -> Any:
    more = {"period": "day", "metric_type": "total_value", "since": int(since), "until": int(until)} | more
    return meta.get(f"{IG}/insights", metric=",".join(metrics), **more)


def test_the_span_of_an_accounts_own_day_is_what_is_true_of_its_date(told: Meta) -> None:
    tokyo = {"account_id": "6", "username": "t", "token": "IGAA-t", "timezone": "Asia/Tokyo"}
    told.sandbox.seed({"instagram": {"accounts": [tokyo]}})
    since = NOW_S - 8 * 3600 - 9 * 3600  # 15 January there
    span = {"since": since, "until": since + DAY_S, "period": "day", "metric_type": "total_value"}
    told.sandbox.advance(DAY_S)
    answer = told.call("GET", "instagram", "v25.0/6/insights", "IGAA-t", metric="views,saves", **span)
    rows = [row for row in told.sandbox.numbers(NOW_S) if row["account_id"] == "6" and "date" in row]
    assert {row["date"] for row in rows} == {"2027-01-15"}
    assert values(answer) == {
        row["metric"]: row["value"] for row in rows if row["metric"] in ("views", "saves")
    }


def test_spans_that_adjoin_add_up(told: Meta) -> None:
    halves = [
        values(day(told, "views", since=since, until=since + DAY_S / 2))["views"]
        for since in (NOW_S - DAY_S, NOW_S - DAY_S / 2)
    ]
    assert sum(halves) == values(day(told, "views"))["views"] > 0


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"metric_type": "time_series"}, "metric_type=total_value"),
        ({"period": "week"}, "period"),
        ({"until": NOW_S + 91 * DAY_S}, "90 days"),
        ({"until": NOW_S - 2 * DAY_S}, "after since"),
        ({"breakdown": "media_product_type"}, "Unknown parameter"),
    ],
)
def test_how_an_account_is_asked_is_prescribed(told: Meta, more: dict[str, Any], why: str) -> None:
    answer = day(told, "views", **more)
    assert error(answer) == (400, 100, None)
    assert why in answer.json()["error"]["message"]


def test_an_accounts_days_are_told_for_ninety_days(told: Meta) -> None:
    assert set(values(day(told, "views", since=NOW_S - 90 * DAY_S))) == {"views"}
    assert day(told, "views", since=NOW_S - 92 * DAY_S, until=NOW_S - 91 * DAY_S).json() == {"data": []}


def test_an_account_with_few_followers_is_told_less(told: Meta) -> None:
    few = {"account_id": "5", "username": "f", "token": FEW, "followers": 99}
    told.sandbox.seed({"instagram": {"accounts": [few]}})
    span = {"period": "day", "metric_type": "total_value", "since": NOW_S - DAY_S, "until": NOW_S}
    asked = "views,follows_and_unfollows"
    answer = told.call("GET", "instagram", "v25.0/5/insights", FEW, metric=asked, **span)
    assert set(values(answer)) == {"views"}
    assert (
        told.call("GET", "instagram", "v25.0/5", FEW, fields="followers_count").json()["followers_count"]
        == 99
    )
    assert set(values(day(told, "views", "follows_and_unfollows"))) == {"views", "follows_and_unfollows"}


def test_how_accounts_stand_grows_and_is_true(told: Meta) -> None:
    before = told.get(IG, fields="followers_count,follows_count,media_count").json()
    assert (
        before.items()
        >= {"media_count": 3, "followers_count": true(told, IG, None)["followers_count"]}.items()
    )
    told.sandbox.advance(30 * DAY_S)
    after, truth = told.get(IG, fields="followers_count").json(), true(told, IG, None, NOW_S + 30 * DAY_S)
    assert after["followers_count"] == truth["followers_count"] != before["followers_count"]
    page = told.fb_get(PAGE, fields="followers_count,fan_count").json()
    assert (
        page.items()
        >= {k: v for k, v in true(told, PAGE, None, NOW_S + 30 * DAY_S).items() if k in page}.items()
    )


# Pages.


def page_days(meta: Meta, metric: str = "page_media_view", token: str = PAGE_TOKEN, **more: Any) -> list[Any]:
    more = {"period": "day", "since": "2027-01-13", "until": "2027-01-16"} | more
    answer = meta.fb_get(f"{PAGE}/insights", token, metric=metric, **more)
    assert answer.status_code == 200, answer.text
    return [(value["end_time"], value["value"]) for row in answer.json()["data"] for value in row["values"]]


def test_a_pages_days_end_at_midnight_in_pacific_time_and_only_whole_ones_are_told(told: Meta) -> None:
    days = page_days(told)
    assert [end for end, _ in days] == ["2027-01-14T08:00:00+0000", "2027-01-15T08:00:00+0000"]
    for (_, value), date, noon in zip(
        days, ("2027-01-13", "2027-01-14"), (NOW_S - 1.5 * DAY_S, NOW_S - DAY_S / 2), strict=True
    ):
        [row] = [
            row
            for row in told.sandbox.numbers(noon)
            if (row["account_id"], row["metric"]) == (PAGE, "page_media_view")
        ]
        assert (row["date"], row["value"]) == (date, value)
    told.sandbox.switch(meta_insights_lag_h="24")
    assert [end for end, _ in page_days(told)] == ["2027-01-14T08:00:00+0000"]


def test_a_page_is_told_of_from_a_hundred_likes_on(told: Meta) -> None:
    told.sandbox.seed(
        {"facebook": {"pages": [{"page_id": "4", "name": "S", "page_token": "EAA-s", "likes": 99}]}}
    )
    answer = told.fb_get("4/insights", "EAA-s", metric="page_media_view", period="day")
    assert answer.json() == {"data": []}


@pytest.mark.parametrize(
    "more",
    [
        {"metric": "page_impressions"},
        {"metric": "page_fans"},
        {"period": "month"},
        {"until": "2027-06-01"},
        {"since": "2027-02-01"},
        {"breakdown": "x"},
    ],
)
def test_how_a_page_is_asked_is_prescribed(told: Meta, more: dict[str, str]) -> None:
    asked = {
        "metric": "page_media_view",
        "period": "day",
        "since": "2027-01-13",
        "until": "2027-01-16",
    } | more
    assert error(told.fb_get(f"{PAGE}/insights", **asked)) == (400, 100, None)


# Others' clients.


def test_a_client_that_others_wrote_reads_them(told: Meta) -> None:
    api = IGBusinessApi(**keys(told, PAGE_TOKEN), instagram_business_id=IG_FB)
    lay_out(told, "instagram", ("17900000000000009", "image"), account_id=IG_FB)
    [views, saved] = api.media.get_insights("17900000000000009", metric="views,saved").data
    assert (views.name, views.period, saved.id) == (
        "views",
        "lifetime",
        "17900000000000009/insights/saved/lifetime",
    )
    assert views.values[0].value == true(told, IG_FB, "17900000000000009")["views"]
    span = {"since": NOW_S - DAY_S, "until": NOW_S, "metric_type": "total_value"}
    [reach] = api.user.get_insights(metric="reach", period="day", **span).data
    assert (reach.name, reach.period) == ("reach", "day")
    graph = GraphAPI(**keys(told, PAGE_TOKEN))
    page = graph.get_connection(PAGE, "insights", metric="page_follows", period="day")
    assert page["data"][0]["id"] == f"{PAGE}/insights/page_follows/day"
    assert set(page["paging"]) == {"previous", "next"}
    assert IG_TOKEN not in str(page)
