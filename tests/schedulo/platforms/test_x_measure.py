"""X's numbers: what is asked, what answers mean, and that the strict stand-in's truth is what is read."""

from __future__ import annotations

import time
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
    out,
    told_of,
)
from tests.schedulo.platforms.over_http import OverHttp

X = MEASURES[Platform.X]
JOB = job(Platform.X)
PUBLIC = {"views", "likes", "comments", "shares", "saves", "quote_count"}
PRIVATE = {"clicks", "user_profile_clicks", "engagements"}
PLAYED = {f"playback_{percent}_count" for percent in (0, 25, 50, 75, 100)}
METRICS = {
    "impression_count": 900,
    "like_count": 50,
    "reply_count": 4,
    "repost_count": 3,
    "bookmark_count": 2,
    "quote_count": 1,
}
OWN = {"impression_count": 900, "url_link_clicks": 7, "user_profile_clicks": 5, "engagements": 80}


def post(post_id: str = "1", **more: Any) -> dict[str, Any]:
    return {"id": post_id, "text": "hello", "edit_history_tweet_ids": [post_id], **more}


def public(*ids: str, **more: Any) -> Response:
    return answer({"data": [post(post_id, public_metrics=METRICS) for post_id in ids], **more})


def private(*ids: str, **more: Any) -> Response:
    return answer({"data": [post(post_id, non_public_metrics=OWN) for post_id in ids], **more})


def problem(kind: str, post_id: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "type": f"https://api.x.com/2/problems/{kind}",
        "resource_id": post_id,
        "detail": f"about {post_id}",
    } | more


def refusal(status: int, message: str) -> Response:
    return answer({"title": "Invalid Request", "errors": [{"message": message}]}, status)


UNKNOWN_WORD = refusal(400, "The query parameter [tweet.fields] is not one of [ids,post.fields,media.fields]")
ME = answer({"data": {"id": "11"}})


# What is asked, and what answers mean


def test_a_post_has_public_and_private_numbers_in_two_requests() -> None:
    told, sent = told_of(JOB, [out("1"), out("2")], [public("1", "2"), private("2", "1")])
    assert numbers(told.posts["d1"]) == {
        "views": 900,
        "likes": 50,
        "comments": 4,
        "shares": 3,
        "saves": 2,
        "quote_count": 1,
        "clicks": 7,
        "user_profile_clicks": 5,
        "engagements": 80,
    }
    assert missing(told.posts["d2"]) == {}
    assert [dict(request.query) for request in sent] == [
        {"ids": "1,2", "tweet.fields": "public_metrics"},
        {"ids": "1,2", "tweet.fields": "non_public_metrics"},
    ]


def test_a_post_that_is_read_twice_is_billed_once() -> None:
    told, _ = told_of(JOB, [out("1"), out("2")], [public("1", "2"), private("1", "2")])
    assert told.billed == {"own post read": ["d1", "d2"]}
    full_price = job(Platform.X, x_owned_reads=False)
    told, _ = told_of(full_price, [out("1")], [public("1"), private("1")])
    assert told.billed == {"post read": ["d1"]}
    assert set(X.prices_usd) >= {"own post read", "post read", "own user read"}


def test_old_words_are_read_as_well_and_new_ones_win() -> None:
    old = {"retweet_count": 9, "like_count": 50}
    told, _ = told_of(JOB, [out("1", days=40)], [answer({"data": [post(public_metrics=old)]})])
    assert numbers(told.posts["d1"]) == {"shares": 9, "likes": 50}
    both = old | {"repost_count": 8}
    told, _ = told_of(JOB, [out("1", days=40)], [answer({"data": [post(public_metrics=both)]})])
    assert numbers(told.posts["d1"])["shares"] == 8


def test_a_query_that_is_refused_for_its_spelling_is_asked_once_in_the_other() -> None:
    told, sent = told_of(JOB, [out("1")], [UNKNOWN_WORD, public("1"), private("1")])
    assert missing(told.posts["d1"]) == {}
    words = [next(name for name, _ in request.query if "." in name) for request in sent]
    assert words == ["tweet.fields", "post.fields", "post.fields"]
    with pytest.raises(PlatformError) as error:
        told_of(JOB, [out("1")], [UNKNOWN_WORD, refusal(400, "[post.fields] is not known either")])
    assert error.value.kind is Kind.BUG


def test_steps_have_names_of_their_own() -> None:
    flow = X.posts(JOB, [out("1", Format.VIDEO)], NOW_MS, {})
    no_media = refusal(400, "[media.fields] is not known")
    _, sent = run_flow(flow, [UNKNOWN_WORD, no_media, public("1"), no_media, private("1")])
    assert names(sent) == ["numbers", "numbers-1", "numbers-2", "own-numbers", "own-numbers-1"]


@pytest.mark.parametrize("history", [[""], [], None, "odd", [5]])
def test_an_odd_edit_history_spoils_nothing(history: Any) -> None:
    odd = answer({"data": [post(public_metrics=METRICS) | {"edit_history_tweet_ids": history}]})
    told, _ = told_of(JOB, [out("1", days=40)], [odd])
    assert set(numbers(told.posts["d1"])) == PUBLIC


@pytest.mark.parametrize("value", [None, -1, 1.5, True, "many", [], {}])
def test_what_is_no_number_is_missing_and_never_0(value: Any) -> None:
    odd = answer({"data": [post(public_metrics=METRICS | {"like_count": value})]})
    told, _ = told_of(JOB, [out("1", days=40)], [odd])
    assert "likes" in missing(told.posts["d1"])[Availability.NOT_YET]
    assert numbers(told.posts["d1"]).keys() == PUBLIC - {"likes"}


def test_a_number_that_comes_as_text_is_one() -> None:
    odd = answer({"data": [post(public_metrics=METRICS | {"like_count": "51"})]})
    told, _ = told_of(JOB, [out("1", days=40)], [odd])
    assert numbers(told.posts["d1"])["likes"] == 51


@pytest.mark.parametrize(
    "odd", [None, "odd", 5, [], post("2", public_metrics=[]), post("2", public_metrics=None), {"id": None}]
)
def test_one_posts_odd_answer_spoils_only_that_post(odd: Any) -> None:
    body = {"data": [odd, post(public_metrics=METRICS)]}
    told, _ = told_of(JOB, [out("1", days=40), out("2", days=40)], [answer(body)])
    assert set(numbers(told.posts["d1"])) == PUBLIC
    assert numbers(told.posts["d2"]) == {}


def test_private_numbers_are_asked_for_while_they_are_told_and_not_after() -> None:
    told, sent = told_of(JOB, [out("1", days=31), out("2", days=29)], [public("1", "2"), private("2")])
    assert missing(told.posts["d1"]) == {Availability.ENDED: PRIVATE}
    assert dict(sent[1].query)["ids"] == "2"
    told, sent = told_of(JOB, [out("1", days=31)], [public("1")])
    assert len(sent) == 1


@pytest.mark.parametrize(
    ("days", "kind", "availability"),
    [
        (29.0, "not-authorized-for-field", Availability.NO_PERMISSION),
        (29.0, "field-unauthorized", Availability.NO_PERMISSION),
        (29.99, "not-authorized-for-field", Availability.ENDED),
        (29.0, "field-hydration-failure", Availability.FAILED),
    ],
)
def test_a_field_that_is_refused_costs_the_others_nothing(
    days: float, kind: str, availability: Availability
) -> None:
    untold = answer({"data": [post("1"), post("2", non_public_metrics=OWN)], "errors": [problem(kind)]})
    posts = [out("1", days=days), out("2")]
    told, _ = told_of(JOB, posts, [public("1", "2"), untold])
    assert missing(told.posts["d1"]) == {availability: PRIVATE}
    assert told.posts["d1"][-1].reason == "X: about 1"
    assert missing(told.posts["d2"]) == {}


@pytest.mark.parametrize(
    ("said", "availability"),
    [
        (
            answer({"title": "Forbidden", "detail": "Forbidden", "status": 403}, 403),
            Availability.NO_PERMISSION,
        ),
        (
            answer({"detail": "You are not permitted to perform this action."}, 403),
            Availability.NO_PERMISSION,
        ),
        (answer(problem("usage-capped"), 403), Availability.FAILED),
        (refusal(400, "[non_public_metrics] is not one of them"), Availability.RETIRED),
        (answer({"title": "Too Many Requests"}, 429), Availability.FAILED),
        (answer({"title": "Payment Required", "detail": "credits depleted"}, 402), Availability.FAILED),
        (answer(b"<html>", 502), Availability.FAILED),
    ],
)
def test_a_refusal_of_all_private_numbers_keeps_the_public_ones(
    said: Response, availability: Availability
) -> None:
    told, _ = told_of(JOB, [out("1")], [public("1"), said])
    assert set(numbers(told.posts["d1"])) == PUBLIC
    assert missing(told.posts["d1"]) == {availability: PRIVATE}


def test_a_login_that_ran_out_between_the_two_is_renewed_and_both_are_asked_again() -> None:
    with pytest.raises(PlatformError) as error:
        told_of(JOB, [out("1")], [public("1"), answer({"title": "Unauthorized"}, 401)])
    assert error.value.kind is Kind.TOKEN_EXPIRED


@pytest.mark.parametrize(
    ("said", "kind", "scope", "wait_s"),
    [
        (answer({"detail": "credits depleted"}, 402), Kind.BILLING, Scope.PLATFORM, None),
        (answer({"title": "CreditsDepleted"}, 402), Kind.BILLING, Scope.PLATFORM, None),
        (
            answer(
                {"title": "Too Many Requests"},
                429,
                date="Thu, 14 Jan 2027 00:00:00 GMT",
                x_rate_limit_remaining="0",
                x_rate_limit_reset="1799885100",
            ),
            Kind.RATE_LIMITED,
            Scope.ACCOUNT,
            300.0,
        ),
        (answer(problem("usage-capped"), 429), Kind.QUOTA_EXHAUSTED, Scope.PLATFORM, None),
        (answer(problem("usage-capped"), 403), Kind.QUOTA_EXHAUSTED, Scope.PLATFORM, None),
        (answer({"detail": "Forbidden", "title": "Forbidden"}, 403), Kind.PERMISSION, Scope.ACCOUNT, None),
        (answer(problem("user-suspended"), 403), Kind.ACCOUNT_RESTRICTED, Scope.ACCOUNT, None),
        (answer({"data": []} | {"data": None}, 503), Kind.PLATFORM_DOWN, Scope.DELIVERY, None),
        (answer({"meta": {}}), Kind.PLATFORM_DOWN, Scope.DELIVERY, None),
        (answer(b"<html>"), Kind.PLATFORM_DOWN, Scope.DELIVERY, None),
    ],
)
def test_an_account_that_cannot_be_read_at_all_is_an_error(
    said: Response, kind: Kind, scope: Scope, wait_s: float | None
) -> None:
    with pytest.raises(PlatformError) as error:
        told_of(JOB, [out("1")], [said])
    assert (error.value.kind, error.value.scope, error.value.wait_s) == (kind, scope, wait_s)


def test_a_post_that_is_gone_is_gone_in_all_its_numbers() -> None:
    body = public("1", errors=[problem("resource-not-found", "2")])
    told, sent = told_of(JOB, [out("1"), out("2", Format.VIDEO)], [body, private("1")])
    assert missing(told.posts["d2"]) == {Availability.GONE: PUBLIC | PRIVATE | PLAYED | {"view_count"}}
    assert missing(told.posts["d1"]) == {}
    assert dict(sent[1].query)["ids"] == "1"
    assert told.billed == {"own post read": ["d1"]}


def test_where_none_is_shown_x_is_asked_who_we_are() -> None:
    none = answer({"errors": [problem("resource-not-found", "1")]})
    told, sent = told_of(JOB, [out("1")], [none, ME])
    assert set(missing(told.posts["d1"])) == {Availability.GONE}
    assert [request.path for request in sent] == ["/2/tweets", "/2/users/me"]
    assert told.billed == {}
    with pytest.raises(PlatformError) as error:
        told_of(JOB, [out("1")], [none, answer(problem("user-suspended"), 403)])
    assert error.value.kind is Kind.ACCOUNT_RESTRICTED


def test_a_post_of_an_hour_is_not_called_gone() -> None:
    told, _ = told_of(JOB, [out("1", days=0.04)], [answer({"errors": [problem("resource-not-found")]}), ME])
    assert set(missing(told.posts["d1"])) == {Availability.NOT_YET}


@pytest.mark.parametrize(
    ("kind", "availability"),
    [
        ("not-authorized-for-resource", Availability.NO_PERMISSION),
        ("resource-unavailable", Availability.FAILED),
        ("something-new", Availability.FAILED),
    ],
)
def test_a_post_that_x_hides_is_not_called_gone(kind: str, availability: Availability) -> None:
    told, _ = told_of(JOB, [out("1")], [answer({"errors": [problem(kind)]})])
    assert missing(told.posts["d1"]) == {availability: PUBLIC | PRIVATE}


def test_a_post_that_is_not_mentioned_may_be_told_next_time() -> None:
    told, _ = told_of(JOB, [out("1", days=40), out("2", days=40)], [public("1")])
    assert missing(told.posts["d2"])[Availability.FAILED] == PUBLIC


def test_an_id_that_x_cannot_have_made_spoils_no_other() -> None:
    told, sent = told_of(JOB, [out("x/1"), out("1", days=40)], [public("1")])
    assert dict(sent[0].query)["ids"] == "1"
    assert missing(told.posts["dx/1"]) == {Availability.FAILED: PUBLIC | PRIVATE}
    assert told_of(JOB, [out("")], [])[1] == []


def test_a_video_has_views_and_how_far_it_was_played() -> None:
    attached = {"attachments": {"media_keys": ["7_5"]}}
    media = {"media_key": "7_5", "type": "video"}
    played = dict.fromkeys(PLAYED, 9)
    told, sent = told_of(
        JOB,
        [out("1", Format.VIDEO)],
        [
            answer(
                {
                    "data": [post(public_metrics=METRICS, **attached)],
                    "includes": {"media": [media | {"public_metrics": {"view_count": 33}}]},
                }
            ),
            answer(
                {
                    "data": [post(non_public_metrics=OWN, **attached)],
                    "includes": {"media": [media | {"non_public_metrics": played}]},
                }
            ),
        ],
    )
    assert missing(told.posts["d1"]) == {}
    assert numbers(told.posts["d1"])["view_count"] == 33
    assert numbers(told.posts["d1"])["playback_50_count"] == 9
    assert dict(sent[1].query) == {
        "ids": "1",
        "tweet.fields": "non_public_metrics,attachments",
        "expansions": "attachments.media_keys",
        "media.fields": "non_public_metrics",
    }


def test_numbers_of_videos_that_are_refused_are_left_out_alone() -> None:
    no_media = refusal(400, "[media.fields] is not known")
    told, sent = told_of(
        JOB,
        [out("1", Format.VIDEO), out("2")],
        [no_media, public("1", "2"), answer({"title": "Forbidden"}, 403), private("1", "2")],
    )
    assert missing(told.posts["d1"]) == {
        Availability.RETIRED: {"view_count"},
        Availability.NO_PERMISSION: PLAYED,
    }
    assert missing(told.posts["d2"]) == {}
    assert "expansions" not in dict(sent[1].query)
    untold = {"type": "x/not-authorized-for-field", "resource_id": "7_5", "detail": "the video"}
    attached = {"attachments": {"media_keys": ["7_5"]}}
    told, _ = told_of(
        JOB,
        [out("1", Format.VIDEO)],
        [
            answer({"data": [post(public_metrics=METRICS, **attached)]}),
            answer({"data": [post(non_public_metrics=OWN, **attached)], "errors": [untold]}),
        ],
    )
    assert missing(told.posts["d1"]) == {
        Availability.NOT_YET: {"view_count"},
        Availability.NO_PERMISSION: PLAYED,
    }


def test_what_was_refused_lately_is_not_asked_for_again() -> None:
    why = Reading("clicks", None, Availability.NO_PERMISSION, "X: no")
    refused = {
        (Format.TEXT, name): Reading(name, None, Availability.NO_PERMISSION, "X: no") for name in PRIVATE
    }
    told, sent = told_of(JOB, [out("1"), out("2", Format.POLL)], [public("1", "2"), private("2")], refused)
    assert dict(sent[1].query)["ids"] == "2"
    assert why in told.posts["d1"]
    assert missing(told.posts["d2"]) == {}
    public_of_text = {(Format.TEXT, name): Reading(name, None, Availability.RETIRED, "no") for name in PUBLIC}
    told, sent = told_of(
        JOB, [out("1"), out("2", Format.POLL)], [public("2"), private("1", "2")], public_of_text
    )
    assert missing(told.posts["d1"]) == {Availability.RETIRED: PUBLIC}
    everything = {
        (Format.TEXT, metric.name): Reading(metric.name, None, Availability.RETIRED, "no")
        for metric in X.metrics
    }
    told, sent = told_of(JOB, [out("1")], [], everything)
    assert set(missing(told.posts["d1"])) == {Availability.RETIRED}


# The account


def of_account(*answers: Response, now_ms: int = NOW_MS, refused: Any = None) -> Any:
    return run_flow(X.account(JOB, DAY, now_ms, refused or {}), answers)[0]


@pytest.mark.parametrize("name", ["post_count", "tweet_count"])
def test_an_account_tells_how_it_stands(name: str) -> None:
    stands = {"followers_count": 10, "following_count": 2, "listed_count": 0, "like_count": 7, name: 40}
    told = of_account(answer({"data": {"id": "11", "public_metrics": stands}}))
    assert numbers(told.account) == {
        "followers": 10,
        "following_count": 2,
        "post_count": 40,
        "listed_count": 0,
        "like_count": 7,
    }
    assert told.billed == {"own user read": ["x:11"]}


def test_a_number_that_x_leaves_out_is_not_0() -> None:
    told = of_account(answer({"data": {"id": "11", "public_metrics": {"followers_count": 10}}}))
    assert missing(told.account) == {
        Availability.NOT_YET: {"following_count", "post_count", "listed_count", "like_count"}
    }


def test_how_it_stands_now_is_not_asked_for_a_day_that_is_long_over() -> None:
    told = of_account(now_ms=NOW_MS + 27 * 3_600_000)
    assert set(missing(told.account)) == {Availability.MISSED}


def test_another_accounts_followers_are_never_taken_for_ours() -> None:
    with pytest.raises(PlatformError, match="the login kept for x:11 is that of the account 12") as error:
        of_account(answer({"data": {"id": "12", "public_metrics": {"followers_count": 10}}}))
    assert (error.value.kind, error.value.scope) == (Kind.CONFIGURATION, Scope.ACCOUNT)


def test_an_account_whose_numbers_were_all_refused_is_not_asked() -> None:
    refused = {
        (None, metric.name): Reading(metric.name, None, Availability.RETIRED, "no") for metric in X.metrics
    }
    assert set(missing(of_account(refused=refused).account)) == {Availability.RETIRED}


# Against the strict stand-in

KINDS = {Format.TEXT: "text", Format.VIDEO: "video", Format.IMAGE: "photo", Format.POLL: "poll"}


@pytest.fixture
def x(sandbox: RunningSandbox) -> RunningSandbox:
    """Four posts of eleven, and its clock stands."""
    sandbox.stop_clock(NOW_S)
    account = {"account_id": "11", "username": "ann", "token": "ann-token", "limits": "off"}
    posts = [
        {
            "account_id": "11",
            "post_id": str(number),
            "kind": kind,
            "published_at": NOW_S - days * DAY_S,
        }
        for number, (kind, days) in enumerate(
            [("text", 1), ("video", 3), ("photo", 29), ("poll", 31)], start=1001
        )
    ]
    sandbox.seed({"x": {"apps": [{"client_id": "app"}], "accounts": [account], "posts": posts}})
    return sandbox


POSTS = [
    out("1001"),
    out("1002", Format.VIDEO, 3),
    out("1003", Format.IMAGE, 29),
    out("1004", Format.POLL, 31),
]


def truth(x: RunningSandbox, post_id: str | None) -> dict[str, float]:
    """What the stand-in knows, by our names."""
    ours = natives(Platform.X)
    subject = "account" if post_id is None else "post"
    return {
        ours[subject, row["metric"]]: row["value"] for row in x.numbers(NOW_S) if row["post_id"] == post_id
    }


@pytest.mark.parametrize("spelling", ["old", "new", "blank"])
@pytest.mark.parametrize("query", ["old", "new"])
def test_all_that_is_read_is_true(x: RunningSandbox, spelling: str, query: str) -> None:
    x.switch(x_spelling=spelling, x_query_spelling=query)
    told, sent = told_of(JOB, POSTS, OverHttp(x, "ann-token"))
    for number, post in enumerate(POSTS):
        true = truth(x, post.post_id)
        read = numbers(told.posts[post.key])
        assert read == {name: true[name] for name in read}
        assert true.keys() - read.keys() == (PRIVATE if number == 3 else set())
    assert missing(told.posts["d1004"]) == {Availability.ENDED: PRIVATE}
    assert len(sent) == (2 if query == "old" else 3)
    account = run_flow(X.account(JOB, DAY, NOW_MS, {}), OverHttp(x, "ann-token"))[0].account
    assert numbers(account) == truth(x, None)


@pytest.mark.parametrize("owned", [True, False])
def test_what_is_said_to_be_billed_is_what_x_charges(x: RunningSandbox, owned: bool) -> None:
    x.switch(x_owned_reads="yes" if owned else "no")
    http = OverHttp(x, "ann-token")
    x.remove("x", "1001")
    told, _ = told_of(job(Platform.X, x_owned_reads=owned), POSTS, http)
    account = run_flow(X.account(JOB, DAY, NOW_MS, {}), http)[0]
    billed = {what: len(keys) for what, keys in {**told.billed, **account.billed}.items()}
    assert {row["what"]: row["count"] for row in x.costs()} == billed
    usd = sum(count * X.prices_usd[what] for what, count in billed.items())
    assert sum(row["usd"] for row in x.costs()) == pytest.approx(usd) == (0.003 if owned else 0.015)


def test_deleted_posts_are_gone_and_those_of_another_login_keep_their_clicks(x: RunningSandbox) -> None:
    x.remove("x", "1001")
    account = {"account_id": "12", "username": "bob", "token": "bob-token"}
    x.seed({"x": {"accounts": [account]}})
    told, _ = told_of(JOB, POSTS[:2], OverHttp(x, "bob-token"))
    assert set(missing(told.posts["d1001"])) == {Availability.GONE}
    assert missing(told.posts["d1002"]) == {Availability.NO_PERMISSION: PRIVATE | PLAYED}
    assert numbers(told.posts["d1002"])["views"] == truth(x, "1002")["views"]
    reasons = {reading.reason for reading in told.posts["d1002"] if reading.reason}
    assert reasons == {"X: Sorry, you are not authorized to access 'non_public_metrics'."}


def test_a_hundred_posts_are_two_requests(x: RunningSandbox) -> None:
    more = [
        {"account_id": "11", "post_id": str(n), "kind": "text", "published_at": NOW_S - DAY_S}
        for n in range(2000, 2100)
    ]
    x.seed({"x": {"posts": more}})
    told, sent = told_of(JOB, [out(str(n)) for n in range(2000, 2100)], OverHttp(x, "ann-token"))
    assert (X.batch, len(sent), len(told.billed["own post read"])) == (100, 2, 100)


def test_a_limit_of_x_is_told_with_its_end(x: RunningSandbox) -> None:
    x.fault(service="x", mode="rate_limit:120")
    x.stop_clock(time.time())  # the header is by the clock, and so is the Date of answers
    with pytest.raises(PlatformError) as error:
        told_of(JOB, POSTS, OverHttp(x, "ann-token"))
    assert error.value.kind is Kind.RATE_LIMITED
    assert 60 < (error.value.wait_s or 0) <= 121


def test_a_scope_that_is_missing_is_an_error_of_the_account(x: RunningSandbox) -> None:
    account = {"account_id": "12", "username": "bob", "token": "bob-token", "scopes": "users.read"}
    x.seed({"x": {"accounts": [account]}})
    for flow in (X.posts(JOB, POSTS, NOW_MS, {}), X.account(JOB, DAY, NOW_MS, {})):
        with pytest.raises(PlatformError) as error:
            run_flow(flow, OverHttp(x, "bob-token"))
        assert error.value.kind is Kind.PERMISSION


@pytest.mark.parametrize("way", garbage.WAYS)
@pytest.mark.parametrize("route", ["posts", "me"])
def test_no_garbage_makes_a_number_or_a_post_that_is_gone(x: RunningSandbox, way: str, route: str) -> None:
    x.fault(service="x", route=route, mode=f"garbage_after:{way}/200", times=-1)
    flow = X.posts(JOB, POSTS, NOW_MS, {}) if route == "posts" else X.account(JOB, DAY, NOW_MS, {})
    try:
        told = run_flow(flow, OverHttp(x, "ann-token"))[0]
    except (PlatformError, requests.RequestException):
        return
    for key, readings in {**told.posts, "": told.account}.items():
        true = truth(x, key.removeprefix("d") or None)
        assert numbers(readings) == {name: true[name] for name in numbers(readings)}
        assert Availability.GONE not in missing(readings)
