"""TikTok's numbers: what is asked, what answers mean, and that the stand-in's truth is what is read."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox import garbage
from sandbox.running import RunningSandbox
from schedulo.errors import Kind, PlatformError, Scope
from schedulo.flow import Response
from schedulo.measures import Availability, Reading
from schedulo.model import Format, Platform
from schedulo.platforms import MEASURES
from schedulo.platforms.after import Out
from tests.schedulo.platforms.flows import answer, names, run_flow
from tests.schedulo.platforms.measuring import (
    DAY,
    DAY_S,
    NOW_MS,
    NOW_S,
    job,
    missing,
    natives,
    numbers,
    told_of,
)
from tests.schedulo.platforms.measuring import (
    out as any_out,
)
from tests.schedulo.platforms.over_http import OverHttp

TIKTOK = MEASURES[Platform.TIKTOK]
JOB = job(Platform.TIKTOK, "open-1")
ALL = {"views", "likes", "comments", "shares"}
OF_ACCOUNT = {"followers", "following_count", "likes_count", "video_count"}
COUNTS = {"view_count": 900, "like_count": 50, "comment_count": 4, "share_count": 3}
STATS = {"follower_count": 10, "following_count": 2, "likes_count": 77, "video_count": 5}


def out(post_id: str, format_: Format = Format.VIDEO, days: float = 1.0, privacy: str = "") -> Out:
    return any_out(post_id, format_, days, privacy_level=privacy or "PUBLIC_TO_EVERYONE")


def ok(data: Any) -> Response:
    return answer({"data": data, "error": {"code": "ok", "message": "", "log_id": "A1"}})


def videos(*ids: Any, **counts: Any) -> Response:
    return ok({"videos": [{"id": post_id, **COUNTS, **counts} for post_id in ids]})


def refusal(code: str, message: str = "", status: int = 400) -> Response:
    return answer({"data": {}, "error": {"code": code, "message": message, "log_id": "B2"}}, status)


# What is asked, and what answers mean


def test_twenty_videos_are_one_request() -> None:
    ids = [str(number) for number in range(1, 21)]
    told, [request] = told_of(JOB, [out(post_id) for post_id in ids], [videos(*ids)])
    assert (TIKTOK.batch, request.path) == (20, "/v2/video/query/")
    assert request.json == {"filters": {"video_ids": ids}}
    assert dict(request.query) == {"fields": "id,view_count,like_count,comment_count,share_count"}
    assert numbers(told.posts["d7"]) == {"views": 900, "likes": 50, "comments": 4, "shares": 3}
    assert told.billed == {}


def test_an_id_may_come_as_a_number() -> None:
    told, _ = told_of(JOB, [out("7512345678901234567")], [videos(7512345678901234567)])
    assert missing(told.posts["d7512345678901234567"]) == {}


@pytest.mark.parametrize("value", [None, -1, 1.5, True, "many", [], {}])
def test_what_is_no_number_is_missing_and_never_0(value: Any) -> None:
    told, _ = told_of(JOB, [out("1")], [videos("1", share_count=value)])
    assert missing(told.posts["d1"]) == {Availability.NOT_YET: {"shares"}}


@pytest.mark.parametrize("odd", [None, "odd", 5, [], {}, {"id": None}, {"id": ["2"]}])
def test_one_videos_odd_answer_spoils_only_that_video(odd: Any) -> None:
    told, _ = told_of(JOB, [out("1"), out("2")], [ok({"videos": [odd, {"id": "1", **COUNTS}]})])
    assert missing(told.posts["d1"]) == {}
    assert missing(told.posts["d2"]) == {Availability.FAILED: ALL}


def test_a_public_video_that_is_not_shown_beside_others_is_gone() -> None:
    told, sent = told_of(JOB, [out("1"), out("2")], [videos("1")])
    assert missing(told.posts["d2"]) == {Availability.GONE: ALL}
    assert len(sent) == 1


@pytest.mark.parametrize(("listed", "availability"), [([], Availability.NOT_YET), (["9"], Availability.GONE)])
def test_where_none_is_shown_the_list_says_whether_the_account_is_private(
    listed: list[str], availability: Availability
) -> None:
    told, sent = told_of(JOB, [out("1")], [videos(), videos(*listed)])
    assert missing(told.posts["d1"]) == {availability: ALL}
    assert [request.path for request in sent] == ["/v2/video/query/", "/v2/video/list/"]


def test_a_video_of_an_hour_is_not_called_gone() -> None:
    told, sent = told_of(JOB, [out("1", days=0.04)], [videos()])
    assert missing(told.posts["d1"]) == {Availability.NOT_YET: ALL}
    assert "less than an hour" in told.posts["d1"][0].reason
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("post", "words"),
    [
        (out("2", privacy="SELF_ONLY"), "public videos only; SELF_ONLY was asked for"),
        (any_out("2", Format.VIDEO), "public videos only; this one is not known to be"),
        (out("2", Format.IMAGES), "may tell none of pictures"),
    ],
)
def test_what_tiktok_does_not_list_is_never_called_gone(post: Out, words: str) -> None:
    told, _ = told_of(JOB, [out("1"), post], [videos("1")])
    assert missing(told.posts["d2"]) == {Availability.NOT_YET: ALL}
    assert words in told.posts["d2"][0].reason


def test_what_tiktok_shows_all_the_same_is_read() -> None:
    told, _ = told_of(JOB, [out("1", Format.IMAGES), out("2", privacy="SELF_ONLY")], [videos("1", "2")])
    assert missing(told.posts["d1"]) == missing(told.posts["d2"]) == {}


def test_an_id_that_tiktok_cannot_have_made_spoils_no_other() -> None:
    told, [request] = told_of(JOB, [out("v_pub~1"), out("1")], [videos("1")])
    assert request.json == {"filters": {"video_ids": ["1"]}}
    assert missing(told.posts["dv_pub~1"]) == {Availability.FAILED: ALL}
    assert told_of(JOB, [out("")], [])[1] == []


@pytest.mark.parametrize("code", ["invalid_params", "invalid_param"])
def test_a_field_that_is_refused_by_name_is_dropped_alone(code: str) -> None:
    told, sent = told_of(
        JOB, [out("1")], [refusal(code, "Field like_count is not known"), videos("1", like_count=None)]
    )
    assert missing(told.posts["d1"]) == {Availability.RETIRED: {"likes"}}
    assert [reading.reason for reading in told.posts["d1"] if reading.reason] == [
        f"TikTok: {code}: Field like_count is not known"
    ]
    assert dict(sent[1].query) == {"fields": "id,view_count,comment_count,share_count"}


def test_a_field_that_is_refused_without_a_name_is_found_by_asking_for_each() -> None:
    def one(name: str) -> Response:
        return ok({"videos": [{"id": "1", name: COUNTS[name]}]})

    no = refusal("invalid_params", "fields are wrong")
    flow = TIKTOK.posts(JOB, [out("1")], NOW_MS, {})
    answers = [no, one("view_count"), no, one("comment_count"), one("share_count")]
    told, sent = run_flow(flow, answers)
    assert missing(told.posts["d1"]) == {Availability.RETIRED: {"likes"}}
    assert numbers(told.posts["d1"]) == {"views": 900, "comments": 4, "shares": 3}
    assert names(sent) == ["numbers", *(f"numbers-{name}" for name in COUNTS)]


def test_where_each_field_is_refused_it_is_the_request_that_is_wrong() -> None:
    no = refusal("invalid_params", "filters are wrong")
    with pytest.raises(PlatformError) as error:
        told_of(JOB, [out("1")], [no] * 5)
    assert error.value.kind is Kind.BUG


def test_posts_are_not_gone_where_all_fields_are() -> None:
    told, _ = told_of(JOB, [out("1")], [refusal("invalid_params", f"unknown: {', '.join(COUNTS)}")])
    assert missing(told.posts["d1"]) == {Availability.RETIRED: ALL}


@pytest.mark.parametrize(
    ("code", "status"), [("scope_not_authorized", 401), ("scope_permission_missed", 400)]
)
def test_a_scope_that_is_missing_is_told_of_all_numbers(code: str, status: int) -> None:
    told, _ = told_of(JOB, [out("1")], [refusal(code, "no", status)])
    assert missing(told.posts["d1"]) == {Availability.NO_PERMISSION: ALL}
    assert told.posts["d1"][0].reason == f"TikTok: {code}: no"


@pytest.mark.parametrize(
    ("said", "kind", "wait_s"),
    [
        (refusal("access_token_invalid", status=401), Kind.TOKEN_EXPIRED, None),
        (refusal("rate_limit_exceeded", status=429), Kind.RATE_LIMITED, 60.0),
        (refusal("internal_error", status=500), Kind.PLATFORM_DOWN, None),
        (answer(b"<html>", 502), Kind.PLATFORM_DOWN, None),
        (answer(b"<html>", 403), Kind.NOT_UNDERSTOOD, None),
        (ok({"videos": "none"}), Kind.PLATFORM_DOWN, None),
        (ok(None), Kind.PLATFORM_DOWN, None),
    ],
)
def test_an_account_that_cannot_be_read_at_all_is_an_error(
    said: Response, kind: Kind, wait_s: float | None
) -> None:
    with pytest.raises(PlatformError) as error:
        told_of(JOB, [out("1")], [said])
    assert (error.value.kind, error.value.wait_s) == (kind, wait_s)


def test_what_was_refused_lately_is_not_asked_for_again() -> None:
    def refused(format_: Format | None, *metrics: str) -> dict[Any, Reading]:
        return {(format_, name): Reading(name, None, Availability.RETIRED, "no") for name in metrics}

    told, [request] = told_of(JOB, [out("1")], [videos("1")], refused(Format.VIDEO, "likes"))
    assert dict(request.query) == {"fields": "id,view_count,comment_count,share_count"}
    assert missing(told.posts["d1"]) == {Availability.RETIRED: {"likes"}}
    told, _ = told_of(JOB, [out("1")], [], refused(Format.VIDEO, *ALL))
    assert missing(told.posts["d1"]) == {Availability.RETIRED: ALL}


# The account


def of_account(*answers: Response, now_ms: int = NOW_MS, refused: Any = None) -> Any:
    told, sent = run_flow(TIKTOK.account(JOB, DAY, now_ms, refused or {}), answers)
    return told.account, [effect.request for effect in sent]


def test_a_creator_tells_how_it_stands() -> None:
    told, [request] = of_account(ok({"user": {"open_id": "open-1", **STATS}}))
    assert numbers(told) == {"followers": 10, "following_count": 2, "likes_count": 77, "video_count": 5}
    assert (request.method, request.path) == ("GET", "/v2/user/info/")
    assert dict(request.query)["fields"].split(",") == ["open_id", *STATS]


def test_a_creators_scope_and_fields_may_be_missing() -> None:
    told, _ = of_account(refusal("scope_not_authorized", "no", 401))
    assert missing(told) == {Availability.NO_PERMISSION: OF_ACCOUNT}
    left = {name: number for name, number in STATS.items() if name != "likes_count"}
    user = {"user": {"open_id": "open-1", **left}}
    told, _ = of_account(refusal("invalid_params", "unknown field likes_count"), ok(user))
    assert missing(told) == {Availability.RETIRED: {"likes_count"}}


def test_another_creators_followers_are_never_taken_for_ours() -> None:
    with pytest.raises(PlatformError, match="that of the account open-2") as error:
        of_account(ok({"user": {"open_id": "open-2", **STATS}}))
    assert (error.value.kind, error.value.scope) == (Kind.CONFIGURATION, Scope.ACCOUNT)


@pytest.mark.parametrize("user", [None, [], {}, {"open_id": ""}])
def test_an_answer_that_names_no_creator_is_none(user: Any) -> None:
    with pytest.raises(PlatformError) as error:
        of_account(ok({"user": user}))
    assert error.value.kind is Kind.PLATFORM_DOWN


def test_how_it_stands_now_is_not_asked_for_a_day_that_is_long_over() -> None:
    told, sent = of_account(now_ms=NOW_MS + 27 * 3_600_000)
    assert (missing(told), sent) == ({Availability.MISSED: OF_ACCOUNT}, [])


def test_a_creator_whose_numbers_were_all_refused_is_not_asked() -> None:
    refused = {(None, name): Reading(name, None, Availability.NO_PERMISSION, "no") for name in OF_ACCOUNT}
    told, sent = of_account(refused=refused)
    assert (missing(told), sent) == ({Availability.NO_PERMISSION: OF_ACCOUNT}, [])


# Against the strict stand-in


@pytest.fixture
def tiktok(sandbox: RunningSandbox) -> RunningSandbox:
    """Four posts of a creator, and its clock stands."""
    sandbox.stop_clock(NOW_S)
    client = {"client_key": "ck", "client_secret": "cs"}
    account = {"account_id": "open-1", "username": "ann", "token": "act.ann"}
    common = {"account_id": "open-1", "published_at": NOW_S - DAY_S, "kind": "video"}
    posts = [
        common | {"post_id": "7001"},
        common | {"post_id": "7002", "published_at": NOW_S - 80 * DAY_S},
        common | {"post_id": "7003", "kind": "photo"},
        common | {"post_id": "7004", "privacy": "SELF_ONLY"},
    ]
    sandbox.seed({"tiktok": {"clients": [client], "accounts": [account], "posts": posts}})
    return sandbox


POSTS = [out("7001"), out("7002", days=80), out("7003", Format.IMAGES), out("7004", privacy="SELF_ONLY")]


def truth(tiktok: RunningSandbox, post_id: str | None) -> dict[str, float]:
    """What the stand-in knows, by our names."""
    ours = natives(Platform.TIKTOK)
    subject = "account" if post_id is None else "post"
    rows = tiktok.numbers(NOW_S)
    return {ours[subject, row["metric"]]: row["value"] for row in rows if row["post_id"] == post_id}


@pytest.mark.parametrize("photos", ["no", "yes"])
def test_all_that_is_read_is_true(tiktok: RunningSandbox, photos: str) -> None:
    tiktok.switch(tiktok_list_photos=photos)
    told, sent = told_of(JOB, POSTS, OverHttp(tiktok, "act.ann"))
    public = POSTS[:2] if photos == "no" else POSTS[:3]
    for post in public:
        assert numbers(told.posts[post.key]) == truth(tiktok, post.post_id)
    for post in POSTS[len(public) :]:
        assert missing(told.posts[post.key]) == {Availability.NOT_YET: ALL}
    assert len(sent) == 1
    account = run_flow(TIKTOK.account(JOB, DAY, NOW_MS, {}), OverHttp(tiktok, "act.ann"))[0].account
    assert numbers(account) == truth(tiktok, None)


def test_deleted_videos_are_gone_and_those_of_a_private_account_are_not(tiktok: RunningSandbox) -> None:
    tiktok.remove("tiktok", "7001")
    told, _ = told_of(JOB, POSTS[:2], OverHttp(tiktok, "act.ann"))
    assert missing(told.posts["d7001"]) == {Availability.GONE: ALL}
    assert missing(told.posts["d7002"]) == {}
    tiktok.switch(tiktok_private_accounts="open-1")
    told, sent = told_of(JOB, POSTS[:2], OverHttp(tiktok, "act.ann"))
    assert missing(told.posts["d7001"]) == {Availability.NOT_YET: ALL}
    assert len(sent) == 2


def test_a_field_that_tiktok_retires_costs_the_others_nothing(tiktok: RunningSandbox) -> None:
    tiktok.switch(tiktok_retired_fields="share_count,following_count")
    told, _ = told_of(JOB, POSTS[:1], OverHttp(tiktok, "act.ann"))
    assert missing(told.posts["d7001"]) == {Availability.RETIRED: {"shares"}}
    account = run_flow(TIKTOK.account(JOB, DAY, NOW_MS, {}), OverHttp(tiktok, "act.ann"))[0].account
    assert missing(account) == {Availability.RETIRED: {"following_count"}}


def test_an_account_without_the_scopes_says_so(tiktok: RunningSandbox) -> None:
    account = {"account_id": "open-1", "username": "ann", "token": "act.less", "scopes": "user.info.basic"}
    tiktok.seed({"tiktok": {"accounts": [account]}})
    http = OverHttp(tiktok, "act.less")
    told, _ = told_of(JOB, POSTS[:1], http)
    assert set(missing(told.posts["d7001"])) == {Availability.NO_PERMISSION}
    told = run_flow(TIKTOK.account(JOB, DAY, NOW_MS, {}), http)[0]
    assert missing(told.account) == {Availability.NO_PERMISSION: OF_ACCOUNT}


def test_a_limit_of_tiktok_is_an_error_that_says_how_long(tiktok: RunningSandbox) -> None:
    tiktok.fault(service="tiktok", mode="rate_limit")
    with pytest.raises(PlatformError) as error:
        told_of(JOB, POSTS, OverHttp(tiktok, "act.ann"))
    assert (error.value.kind, error.value.wait_s) == (Kind.RATE_LIMITED, 60.0)


@pytest.mark.parametrize("way", garbage.WAYS)
@pytest.mark.parametrize("route", ["video_*", "user_info"])
def test_no_garbage_makes_a_number_or_a_post_that_is_gone(
    tiktok: RunningSandbox, way: str, route: str
) -> None:
    tiktok.fault(service="tiktok", route=route, mode=f"garbage_after:{way}/200", times=-1)
    if route == "user_info":
        flow = TIKTOK.account(JOB, DAY, NOW_MS, {})
    else:
        flow = TIKTOK.posts(JOB, POSTS, NOW_MS, {})
    try:
        told = run_flow(flow, OverHttp(tiktok, "act.ann"))[0]
    except (PlatformError, requests.RequestException):
        return
    for key, readings in {**told.posts, "": told.account}.items():
        true = truth(tiktok, key.removeprefix("d") or None)
        assert numbers(readings) == {name: true[name] for name in numbers(readings)}
        assert Availability.GONE not in missing(readings)
