"""Instagram's and Facebook's numbers against the strict stand-ins: what is read is what is true there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sandbox.running import RunningSandbox
from schedulo.errors import Kind, PlatformError
from schedulo.flow import Job
from schedulo.measures import Availability, Core, Reading, Subject
from schedulo.model import Format, Platform
from schedulo.platforms import MEASURES
from schedulo.platforms.after import Out
from schedulo.platforms.measure import Day, Told
from tests.schedulo.platforms.flows import answer, run_flow
from tests.schedulo.platforms.measuring import DAY_S, NOW_MS, NOW_S, job, missing, numbers, out, told_of
from tests.schedulo.platforms.over_http import OverHttp

IG, IG_FB, PAGE = "17841400000000001", "17841400000000002", "100000000000001"
TOKENS = {IG: "IGAA-anna", IG_FB: "EAA-page", PAGE: "EAA-page"}
OPTIONS = {"meta_version": "v25.0"}
IG_FORMATS = (Format.IMAGE, Format.CAROUSEL, Format.REEL, Format.STORY)
FB_KINDS = {
    Format.TEXT: "feed",
    Format.LINK: "feed",
    Format.IMAGE: "photo",
    Format.IMAGES: "photos",
    Format.VIDEO: "video",
    Format.REEL: "reel",
    Format.STORY: "story",
}
AGO_DAYS = 0.2
BY_LOGIN = {"clicks", "total_views", "total_likes", "total_comments"}


def job_of(account_id: str) -> Job:
    platform = Platform.FACEBOOK if account_id == PAGE else Platform.INSTAGRAM
    plain = job(platform, account_id)
    login = "instagram_login" if account_id == IG else "facebook_login"
    return replace(plain, account=replace(plain.account, options={"login": login}), options=OPTIONS)


@pytest.fixture
def accounts(sandbox: RunningSandbox) -> RunningSandbox:
    """An account of each login and a Page, on a clock that stands."""
    sandbox.stop_clock(NOW_S)
    sandbox.seed(
        {
            "instagram": {
                "accounts": [
                    {"account_id": IG, "username": "anna", "token": TOKENS[IG], "timezone": "Asia/Tokyo"},
                    {"account_id": IG_FB, "username": "cafe", "flavour": "facebook_login"},
                ]
            },
            "facebook": {
                "pages": [
                    {
                        "page_id": PAGE,
                        "name": "Cafe",
                        "page_token": TOKENS[PAGE],
                        "instagram_account_id": IG_FB,
                    }
                ]
            },
        }
    )
    return sandbox


def lay_out(sandbox: RunningSandbox, account_id: str, *formats: Format, **more: Any) -> list[Out]:
    """A post of each of these formats that is out."""
    on_page = account_id == PAGE
    common = {"account_id": account_id, "published_at": NOW_S - AGO_DAYS * DAY_S} | more
    posts, rows = [], []
    for number, format_ in enumerate(formats):
        post_id = f"{PAGE}_{number}" if on_page else f"1790000000000{account_id[-1]}{number:03d}"
        kind = FB_KINDS[format_] if on_page else format_.value
        rows.append({"post_id": post_id, "kind": kind, "video_id": f"1230000000000{number}", **common})
        posts.append(out(post_id, format_, AGO_DAYS))
    sandbox.seed({"facebook" if on_page else "instagram": {"posts": rows}})
    return posts


def read(sandbox: RunningSandbox, account_id: str, posts: list[Out], refused: Any = None) -> tuple[Told, int]:
    """What is told, and in how many requests."""
    told, requests = told_of(job_of(account_id), posts, OverHttp(sandbox, TOKENS[account_id]), refused)
    return told, len(requests)


def read_account(
    sandbox: RunningSandbox, account_id: str, day: Day, now_ms: int = NOW_MS, refused: Any = None
) -> Mapping[str, Reading]:
    job_ = job_of(account_id)
    flow = MEASURES[job_.account.platform].account(job_, day, now_ms, refused or {})
    told, _ = run_flow(flow, OverHttp(sandbox, TOKENS[account_id]))
    return {reading.metric: reading for reading in told.account}


def true(sandbox: RunningSandbox, account_id: str, post: Out | None, at: float = NOW_S) -> dict[str, float]:
    """What is true at an instant, by our words."""
    platform = job_of(account_id).account.platform
    subject = Subject.ACCOUNT if post is None else Subject.POST
    words = {
        metric.native: metric.name
        for metric in MEASURES[platform].metrics
        if metric.subject is subject and (post is None or post.content.format in metric.formats)
    }
    return {
        words[row["metric"]]: row["value"]
        for row in sandbox.numbers(at)
        if (row["account_id"], row["post_id"]) == (account_id, post and post.post_id)
        and row["metric"] in words
    }


def day_of(date: str, zone: str = "UTC") -> Day:
    start = datetime.fromisoformat(date).replace(tzinfo=ZoneInfo(zone))
    start_ms = int(start.timestamp() * 1000)
    return Day(date, start_ms, start_ms + DAY_S * 1000)


# Posts.


@pytest.mark.parametrize("account_id", [IG, IG_FB, PAGE])
def test_what_is_read_of_every_format_is_what_is_true(accounts: RunningSandbox, account_id: str) -> None:
    posts = lay_out(accounts, account_id, *(FB_KINDS if account_id == PAGE else IG_FORMATS))
    told, calls = read(accounts, account_id, posts)
    for post in posts:
        truth = true(accounts, account_id, post)
        measured = numbers(told.posts[post.key])
        not_told = BY_LOGIN if account_id == IG else set()
        assert measured == {name: value for name, value in truth.items() if name not in not_told}
        assert bool(measured) is ((post.content.format, account_id) != (Format.STORY, PAGE))
    # One request a post, and one more for the id of a video or a reel; a video has two, a Page's story none.
    assert calls == len(posts) + (2 if account_id == PAGE else 0)


def test_metrics_of_the_other_login_are_not_asked_for_and_say_so(accounts: RunningSandbox) -> None:
    [post] = lay_out(accounts, IG, Format.REEL)
    told, calls = read(accounts, IG, [post])
    [(why, metrics)] = missing(told.posts[post.key]).items()
    assert (why, metrics, calls) == (Availability.NO_PERMISSION, BY_LOGIN - {"clicks"}, 1)


@pytest.mark.parametrize("way", ["named", "unnamed", "unknown"])
@pytest.mark.parametrize("account_id", [IG_FB, PAGE])
def test_a_metric_that_is_retired_is_dropped_alone_whatever_is_said(
    accounts: RunningSandbox, account_id: str, way: str
) -> None:
    retired = {IG_FB: "shares", PAGE: "post_clicks"}[account_id]
    ours = {IG_FB: "shares", PAGE: "clicks"}[account_id]
    accounts.switch(meta_retired_metrics=f"impressions, {retired}", meta_metric_refusal=way)
    posts = lay_out(accounts, account_id, *[Format.IMAGE] * 6)
    told, calls = read(accounts, account_id, posts)
    for post in posts:
        truth = true(accounts, account_id, post)
        assert numbers(told.posts[post.key]) == {name: value for name, value in truth.items() if name != ours}
        assert missing(told.posts[post.key]) == {Availability.RETIRED: {ours}}
    [again] = [one for one in told.posts[posts[0].key] if one.metric == ours]
    _, later = read(accounts, account_id, posts, {(Format.IMAGE, ours): again})
    assert later == len(posts) < calls


def test_what_no_page_of_metas_promises_of_a_reel_costs_the_rest_nothing(accounts: RunningSandbox) -> None:
    accounts.switch(meta_retired_metrics="fb_reels_total_plays, post_video_view_time")
    [post] = lay_out(accounts, PAGE, Format.REEL)
    told, _ = read(accounts, PAGE, [post])
    assert missing(told.posts[post.key]) == {Availability.RETIRED: {"views", "post_video_view_time"}}
    assert set(numbers(told.posts[post.key])) == {
        "likes",
        "comments",
        "shares",
        "post_video_avg_time_watched",
    }


@pytest.mark.parametrize("given", ["commit", "step"])
def test_a_video_whose_id_is_known_is_not_looked_up(accounts: RunningSandbox, given: str) -> None:
    [post] = lay_out(accounts, PAGE, Format.REEL)
    known: dict[str, Any] = {"commit": {"values": {"post": "12300000000000"}}}.get(
        given, {"steps": {"start": {"video_id": "12300000000000"}}}
    )
    told, calls = read(accounts, PAGE, [replace(post, **known)])
    assert (numbers(told.posts[post.key]), calls) == (true(accounts, PAGE, post), 1)


def test_a_video_that_is_known_by_its_own_id_alone_is_found(accounts: RunningSandbox) -> None:
    [post] = lay_out(accounts, PAGE, Format.VIDEO)
    by_video = replace(post, post_id="12300000000000", key=post.key)
    told, _ = read(accounts, PAGE, [by_video])
    assert numbers(told.posts[post.key]) == true(accounts, PAGE, post)


def test_a_video_that_is_hidden_costs_its_post_nothing(accounts: RunningSandbox) -> None:
    [post] = lay_out(accounts, PAGE, Format.VIDEO)
    accounts.fault(service="facebook", route="video_insights", mode="unreadable:page")
    told, _ = read(accounts, PAGE, [post])
    assert missing(told.posts[post.key]) == {
        Availability.FAILED: {"total_video_views", "total_video_views_unique"}
    }


def test_stories_end_and_need_viewers(accounts: RunningSandbox) -> None:
    [post] = lay_out(accounts, IG_FB, Format.STORY, scale=0)
    told, _ = read(accounts, IG_FB, [post])
    [(why, metrics)] = missing(told.posts[post.key]).items()
    assert (why, metrics) == (Availability.TOO_FEW, set(true(accounts, IG_FB, post)))
    accounts.advance(DAY_S)
    told, calls = read(accounts, IG_FB, [replace(post, since_ms=NOW_MS - DAY_S * 1000)])
    assert (set(missing(told.posts[post.key])), calls) == ({Availability.ENDED}, 0)


def test_media_from_before_the_account_was_professional_have_no_numbers(accounts: RunningSandbox) -> None:
    [post] = lay_out(accounts, IG_FB, Format.IMAGE, before_business=True)
    told, calls = read(accounts, IG_FB, [post])
    assert (set(missing(told.posts[post.key])), calls) == ({Availability.ENDED}, 1)


def test_a_login_without_the_scope_says_so_of_all_posts_in_two_calls(accounts: RunningSandbox) -> None:
    accounts.seed(
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
            }
        }
    )
    posts = lay_out(accounts, "9", *[Format.IMAGE] * 5)
    job_ = replace(job_of(IG), account=replace(job_of(IG).account, account_id="9"))
    told, requests = told_of(job_, posts, OverHttp(accounts, "IGAA-n"))
    assert {why for post in posts for why in missing(told.posts[post.key])} == {Availability.NO_PERMISSION}
    assert len(requests) == 2
    flow = MEASURES[Platform.INSTAGRAM].account(job_, day_of("2027-01-14"), NOW_MS, {})
    account, _ = run_flow(flow, OverHttp(accounts, "IGAA-n"))
    assert set(numbers(account.account)) == {"followers", "follows_count", "media_count"}
    assert set(missing(account.account)) == {Availability.NO_PERMISSION}


@pytest.mark.parametrize("account_id", [IG, PAGE])
def test_posts_that_were_taken_off_the_air_are_gone(accounts: RunningSandbox, account_id: str) -> None:
    formats = [*IG_FORMATS] if account_id == IG else [Format.TEXT, Format.VIDEO, Format.REEL]
    posts = lay_out(accounts, account_id, *formats, Format.IMAGE)
    for post in posts[:-1]:
        accounts.remove(job_of(account_id).account.platform, post.post_id)
    told, _ = read(accounts, account_id, posts)
    assert all(set(missing(told.posts[post.key])) == {Availability.GONE} for post in posts[:-1])
    assert numbers(told.posts[posts[-1].key])


def test_posts_that_are_hidden_from_the_login_are_not_called_gone(accounts: RunningSandbox) -> None:
    posts = lay_out(accounts, IG, Format.IMAGE, Format.STORY)
    accounts.fault(service="instagram", route="insights", mode="unreadable:instagram", times=2)
    told, _ = read(accounts, IG, posts)
    assert all(set(missing(told.posts[post.key])) == {Availability.FAILED} for post in posts)


def test_numbers_that_lag_are_not_told_yet(accounts: RunningSandbox) -> None:
    accounts.switch(meta_insights_lag_h="48")
    for account_id in (IG_FB, PAGE):
        [post] = lay_out(accounts, account_id, Format.IMAGE)
        told, calls = read(accounts, account_id, [post])
        assert (set(missing(told.posts[post.key])), calls) == ({Availability.NOT_YET}, 1)


def test_an_account_that_is_limited_or_logged_out_ends_the_reading(accounts: RunningSandbox) -> None:
    posts = lay_out(accounts, IG, *[Format.IMAGE] * 4)
    accounts.fault(service="instagram", route="insights", mode="rate_limit:120", after=2)
    with pytest.raises(PlatformError) as limited:
        read(accounts, IG, posts)
    assert (limited.value.kind, limited.value.wait_s) == (Kind.RATE_LIMITED, 120)
    accounts.fault(service="instagram", route="insights", mode="expire_token")
    with pytest.raises(PlatformError) as expired:
        read(accounts, IG, posts)
    assert expired.value.kind is Kind.TOKEN_EXPIRED


# Accounts.


def test_an_instagram_accounts_day_is_that_of_its_own_zone(accounts: RunningSandbox) -> None:
    lay_out(accounts, IG, *IG_FORMATS)
    day = day_of("2027-01-14", "Asia/Tokyo")
    told = read_account(accounts, IG, day)
    noon = day.start_ms / 1000 + DAY_S / 2
    truth = true(accounts, IG, None, noon) | {
        name: value
        for name, value in true(accounts, IG, None).items()
        if name in ("followers", "follows_count", "media_count")
    }
    assert {name: reading.value for name, reading in told.items()} == truth
    assert truth["media_count"] == 3


@pytest.mark.parametrize(
    ("date", "noon"), [("2027-01-14", "2027-01-14T20:00+00:00"), ("2026-03-08", "2026-03-08T20:00+00:00")]
)
def test_a_pages_day_is_metas_of_the_same_date(accounts: RunningSandbox, date: str, noon: str) -> None:
    """Also where summer time begins there and the day has 23 hours."""
    told = read_account(accounts, PAGE, day_of(date, "Asia/Tokyo"))
    truth = true(accounts, PAGE, None, datetime.fromisoformat(noon).timestamp())
    by_date = {metric.name for metric in MEASURES[Platform.FACEBOOK].metrics if metric.by_date}
    assert {name: told[name].value for name in by_date} == {name: truth[name] for name in by_date}


def test_a_pages_day_is_not_told_before_it_has_ended_at_meta(accounts: RunningSandbox) -> None:
    accounts.stop_clock(NOW_S - 3600)
    day = day_of("2027-01-14", "Asia/Tokyo")  # over there, since 16 hours
    told = read_account(accounts, PAGE, day, NOW_MS - 3_600_000)
    assert told["page_follows"].availability is Availability.NOT_YET
    assert told[Core.FOLLOWERS].value == true(accounts, PAGE, None, NOW_S - 3600)[Core.FOLLOWERS]


@pytest.mark.parametrize("account_id", [IG, IG_FB, PAGE])
def test_how_an_account_stands_is_no_number_of_a_day_long_over(
    accounts: RunningSandbox, account_id: str
) -> None:
    zone = "Asia/Tokyo" if account_id == IG else "UTC"
    told = read_account(accounts, account_id, day_of("2027-01-01", zone))
    assert Core.FOLLOWERS not in told
    that_morning = datetime(2027, 1, 1, 10, tzinfo=UTC).timestamp()
    assert told[Core.VIEWS].value == true(accounts, account_id, None, that_morning)[Core.VIEWS]


def test_a_day_that_instagram_no_longer_tells_is_not_asked_for(accounts: RunningSandbox) -> None:
    told = read_account(accounts, IG, day_of("2026-10-01"))
    assert {reading.availability for reading in told.values()} == {Availability.ENDED}
    assert not [row for row in accounts.requests() if row["route"] == "insights"]


def test_an_account_with_few_followers_and_a_page_with_few_likes_say_so(accounts: RunningSandbox) -> None:
    few = {"account_id": IG, "username": "anna", "token": TOKENS[IG], "followers": 99}
    page = {"page_id": PAGE, "name": "Cafe", "page_token": TOKENS[PAGE], "likes": 99}
    accounts.seed({"instagram": {"accounts": [few]}, "facebook": {"pages": [page]}})
    for date in ("2027-01-14", "2027-01-05"):
        told = read_account(accounts, IG, day_of(date))
        [(why, metrics)] = missing(list(told.values())).items()
        assert (why, metrics) == (Availability.TOO_FEW, {"follows_and_unfollows"})
        assert "99" in told["follows_and_unfollows"].reason
        told = read_account(accounts, PAGE, day_of(date))
        [(why, metrics)] = missing(list(told.values())).items()
        assert (why, len(metrics)) == (Availability.TOO_FEW, 10)


def test_a_day_that_lags_is_not_told_yet(accounts: RunningSandbox) -> None:
    accounts.switch(meta_insights_lag_h="48")
    for account_id in (IG, PAGE):
        told = read_account(accounts, account_id, day_of("2027-01-14"))
        assert set(missing(list(told.values()))) == {Availability.NOT_YET}
        assert told[Core.FOLLOWERS].value is not None


@pytest.mark.parametrize("account_id", [IG, PAGE])
def test_a_retired_metric_of_an_account_is_dropped_alone(accounts: RunningSandbox, account_id: str) -> None:
    retired, ours = {IG: ("saves", "saves"), PAGE: ("page_views_total",) * 2}[account_id]
    accounts.switch(meta_retired_metrics=retired)
    told = read_account(accounts, account_id, day_of("2027-01-14"))
    assert missing(list(told.values())) == {Availability.RETIRED: {ours}}
    before = sum(row["count"] for row in accounts.requests() if row["route"] == "insights")
    again = read_account(accounts, account_id, day_of("2027-01-14"), refused={(None, ours): told[ours]})
    assert again == told
    assert sum(row["count"] for row in accounts.requests() if row["route"] == "insights") == before + 1


def test_an_account_that_this_login_cannot_read_raises(accounts: RunningSandbox) -> None:
    hidden = answer({"error": {"code": 100, "error_subcode": 33, "message": "no such object"}}, 400)
    for account_id in (IG, PAGE):
        job_ = job_of(account_id)
        flow = MEASURES[job_.account.platform].account(job_, day_of("2027-01-14"), NOW_MS, {})
        with pytest.raises(PlatformError) as error:
            run_flow(flow, [hidden])
        assert error.value.kind is Kind.PERMISSION


def test_the_end_of_a_day_of_meta_may_be_told_for_another_clock() -> None:
    """A value belongs to the date before the midnight that it ends at, on any clock near UTC's day."""
    values = [{"value": n, "end_time": f"2027-01-1{n}T08:00:00+0000"} for n in (4, 5, 6)]
    rows = answer({"data": [{"name": "page_media_view", "period": "day", "values": values}]})
    others = {
        (None, metric.name): Reading(metric.name, availability=Availability.RETIRED, reason="gone")
        for metric in MEASURES[Platform.FACEBOOK].metrics
        if metric.subject is Subject.ACCOUNT and metric.name != Core.VIEWS
    }
    later_ms = int(datetime(2027, 2, 1, tzinfo=UTC).timestamp() * 1000)
    for date, expected in (("2027-01-13", 4), ("2027-01-14", 5), ("2027-01-15", 6)):
        flow = MEASURES[Platform.FACEBOOK].account(job_of(PAGE), day_of(date), later_ms, others)
        told, _ = run_flow(flow, [rows])
        assert numbers(told.account) == {Core.VIEWS: expected}
