"""What answers say of limits, as the platforms' pages show them."""

from __future__ import annotations

import json

from schedulo.flow import Request, Response
from schedulo.platforms.told import Told, told

DATE = "Thu, 26 Nov 2026 12:00:00 GMT"
NOON = 1_795_694_400
POST = Request("x", "POST", "/2/tweets")


def answer(body: object = None, **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(200, {"date": DATE, **named}, json.dumps(body).encode())


def test_x_tells_three_limits_with_their_resets() -> None:
    response = answer(
        x_rate_limit_limit="100",
        x_rate_limit_remaining="40",
        x_rate_limit_reset=str(NOON + 300),
        x_user_limit_24hour_limit="17",
        x_user_limit_24hour_remaining="0",
        x_user_limit_24hour_reset=str(NOON + 3600),
        x_app_limit_24hour_limit="17",
        x_app_limit_24hour_remaining="16",
    )
    assert told(POST, response) == [
        Told("posts", 100, 60, 300.0),
        Told("posts_day", 17, 17, 3600.0),
        Told("app_day", 17, 1, None, by_app=True),
    ]


def test_what_x_says_of_uploads_is_not_about_posts() -> None:
    response = answer(x_rate_limit_limit="500", x_rate_limit_remaining="0")
    assert told(Request("x", "POST", "/2/media/upload"), response) == []
    assert told(Request("x", "GET", "/2/tweets"), response) == []
    assert told(POST, answer(x_rate_limit_limit="many", x_rate_limit_remaining="?")) == []


def test_meta_tells_percents_of_our_app_and_of_the_account_which_may_be_blocked() -> None:
    row = {"type": "pages", "call_count": 100, "total_time": 3, "estimated_time_to_regain_access": 7}
    response = answer(
        x_app_usage=json.dumps({"call_count": 28, "total_time": 85.5, "total_cputime": 2}),
        x_business_use_case_usage=json.dumps({"1": [row]}),
    )
    assert told(Request("facebook", "POST", "/v25.0/1/feed"), response) == [
        Told("usage", 100, 85, by_app=True),
        Told("usage", 100, 100, 420.0),
    ]


def test_instagrams_quota_is_what_the_whole_day_says() -> None:
    body = {"data": [{"quota_usage": 12, "config": {"quota_total": 25, "quota_duration": 86_400}}]}
    path = "/v25.0/1/content_publishing_limit"
    assert told(Request("instagram", "GET", path), answer(body)) == [Told("posts", 25, 12)]
    part = Request("instagram", "GET", path, query=(("since", "1"),))
    assert told(part, answer(body)) == []
    assert told(Request("facebook", "GET", path), answer({"data": []})) == []


def test_answers_of_other_shapes_say_nothing() -> None:
    wild = answer(["?"], x_app_usage="{", x_business_use_case_usage='{"1": "?", "2": [3]}')
    assert told(Request("instagram", "GET", "/v25.0/1/content_publishing_limit"), wild) == []
    assert told(Request("", "PUT", "/elsewhere"), wild) == []
