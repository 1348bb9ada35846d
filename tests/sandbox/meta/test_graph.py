"""What all Graph hosts share: versions, tokens, scopes, parameters, the envelope, rate limits."""

from __future__ import annotations

import json

import pytest

from sandbox.meta.graph import app_proof

from .conftest import APP_ID, APP_SECRET, IG, IG_FB, IG_TOKEN, PAGE, PAGE_TOKEN, USER_TOKEN, Meta, V, error

DAY = 86_400


def test_a_refusal_has_the_whole_envelope_and_its_headers(meta: Meta):
    answer = meta.get("1", fields="id")
    told = answer.json()["error"]
    assert error(answer) == (400, 100, 33)
    assert told["type"] == "GraphMethodException"
    assert told["fbtrace_id"].startswith("A")
    assert answer.headers["WWW-Authenticate"].startswith('OAuth "Facebook Platform" "invalid_request" "')
    assert json.loads(answer.headers["X-App-Usage"]) == {"call_count": 0, "total_time": 0, "total_cputime": 0}
    assert answer.headers["Cache-Control"] == "no-store"


def test_users_are_told_in_fields_of_their_own(meta: Meta):
    told = meta.create(caption="x" * 2201).json()["error"]
    assert told["error_user_title"]
    assert told["error_user_msg"]


def test_the_type_of_a_bad_parameter_is_the_hosts_own(meta: Meta):
    assert meta.create(nonsense="1").json()["error"]["type"] == "IGApiException"
    assert meta.fb_post(f"{PAGE}/feed", nonsense="1").json()["error"]["type"] == "OAuthException"


@pytest.mark.parametrize("version", ["", "v27.0/", "v26.1/", "25.0/", "latest/"])
def test_a_path_without_a_version_that_exists_is_refused(meta: Meta, version: str):
    answer = meta.call("GET", "instagram", f"{version}{IG}/media", IG_TOKEN)
    assert error(answer) == (400, 2500, None)


@pytest.mark.parametrize(("asked", "served"), [("v26.0", "v26.0"), ("v25.0", "v25.0"), ("v18.0", "v21.0")])
def test_an_ended_version_is_served_by_the_oldest_that_lives(meta: Meta, asked: str, served: str):
    answer = meta.call("GET", "facebook", f"{asked}/{PAGE}", PAGE_TOKEN)
    assert answer.headers["Facebook-API-Version"] == served


# Tokens.


@pytest.mark.parametrize(
    ("service", "token"),
    [
        ("facebook", IG_TOKEN),
        ("instagram", PAGE_TOKEN),
        ("instagram", USER_TOKEN),
        ("facebook", "made-up"),
        ("instagram", None),
    ],
)
def test_a_token_of_another_host_or_none_is_refused(meta: Meta, service: str, token: str | None):
    assert error(meta.call("GET", service, f"{V}/me", token)) == (400, 190, None)


@pytest.mark.parametrize("status", [400, 401])
def test_the_http_status_of_a_dead_token_is_a_switch(meta: Meta, status: int):
    meta.sandbox.switch(meta_190_status=str(status))
    assert error(meta.call("GET", "facebook", f"{V}/me", "made-up")) == (status, 190, None)


def test_an_expired_token_is_refused(meta: Meta):
    meta.sandbox.advance(60 * DAY + 1)
    assert error(meta.get("me")) == (400, 190, 463)


def test_a_token_may_be_a_query_parameter(meta: Meta):
    url = f"{meta.sandbox.service('facebook')}/{V}/{PAGE}/feed?access_token={PAGE_TOKEN}&message=query"
    assert meta.http.post(url).status_code == 200


def test_a_token_and_parameters_may_be_json(meta: Meta):
    url = f"{meta.sandbox.service('facebook')}/{V}/{PAGE}/feed"
    body = {"access_token": PAGE_TOKEN, "message": "json", "published": False}
    post_id = meta.http.post(url, json=body).json()["id"]
    assert meta.fb_get(post_id, fields="is_published").json()["is_published"] is False


def test_a_token_may_be_a_bearer(meta: Meta):
    url = f"{meta.sandbox.service('instagram')}/{V}/me"
    answer = meta.http.get(url, headers={"Authorization": f"Bearer {IG_TOKEN}"})
    assert answer.status_code == 200


def test_a_token_reaches_its_own_accounts_only(meta: Meta):
    other = {"account_id": "99", "username": "o", "name": "O", "token": "IGAA-other"}
    meta.sandbox.seed({"instagram": {"accounts": [other]}})
    assert error(meta.call("GET", "instagram", f"{V}/{IG}/media", "IGAA-other")) == (400, 100, 33)
    assert error(meta.fb_get(f"{PAGE}/published_posts", "EAA-other-page")) == (400, 100, 33)


@pytest.mark.parametrize("token", [PAGE_TOKEN, USER_TOKEN])
def test_facebook_login_reaches_instagram_with_both_tokens(meta: Meta, token: str):
    assert meta.fb_get(IG_FB, token, fields="username").json()["username"] == "shop"


def test_an_account_of_one_login_is_unknown_to_the_other(meta: Meta):
    assert error(meta.fb_get(IG)) == (400, 100, 33)
    assert error(meta.get(IG_FB)) == (400, 100, 33)


def test_publishing_needs_the_scope(meta: Meta):
    row = {"account_id": "99", "username": "o", "name": "O", "token": "t"}
    row["scopes"] = ["instagram_business_basic"]
    meta.sandbox.seed({"instagram": {"accounts": [row]}})
    answer = meta.call("POST", "instagram", f"{V}/99/media", "t", image_url="http://x/")
    assert error(answer) == (403, 10, None)


def test_a_page_post_needs_the_scope(meta: Meta):
    row = {"page_id": "77", "name": "P", "page_token": "p", "scopes": ["pages_read_engagement"]}
    meta.sandbox.seed({"facebook": {"pages": [row]}})
    assert error(meta.fb_post("77/feed", "p", message="Hi")) == (403, 200, None)


def test_a_page_post_needs_the_task(meta: Meta):
    row = {"page_id": "77", "name": "P", "page_token": "p", "tasks": ["ANALYZE"]}
    meta.sandbox.seed({"facebook": {"pages": [row]}})
    assert error(meta.fb_post("77/feed", "p", message="Hi")) == (403, 200, None)


def test_a_page_post_needs_a_page_token(meta: Meta):
    assert error(meta.fb_post(f"{PAGE}/feed", USER_TOKEN, message="Hi")) == (403, 200, None)


# appsecret_proof.


def test_a_wrong_proof_is_refused(meta: Meta):
    answer = meta.fb_get("me", appsecret_proof="0" * 64)
    assert error(answer) == (400, 100, None)
    assert answer.json()["error"]["type"] == "GraphMethodException"
    assert answer.json()["error"]["message"] == "Invalid appsecret_proof provided in the API argument"


def test_a_right_proof_is_accepted(meta: Meta):
    assert meta.fb_get("me", appsecret_proof=app_proof(APP_SECRET, PAGE_TOKEN)).status_code == 200


@pytest.mark.parametrize(("required", "status"), [(True, 400), (False, 200)])
def test_an_app_may_require_a_proof(meta: Meta, required: bool, status: int):
    app = {"app_id": APP_ID, "app_secret": APP_SECRET, "require_proof": required}
    meta.sandbox.seed({"facebook": {"apps": [app]}})
    assert meta.fb_get("me").status_code == status


# Token calls.


def test_an_instagram_token_is_refreshed_after_24_hours(meta: Meta):
    meta.sandbox.advance(DAY)
    told = refresh(meta).json()
    assert (told["token_type"], told["expires_in"]) == ("bearer", 60 * DAY)
    assert meta.call("GET", "instagram", f"{V}/me", told["access_token"]).status_code == 200
    assert meta.get("me").status_code == 200


def test_an_instagram_token_younger_than_24_hours_is_not_refreshed(meta: Meta):
    assert error(refresh(meta)) == (400, 100, None)


def test_an_expired_instagram_token_is_not_refreshed(meta: Meta):
    meta.sandbox.advance(61 * DAY)
    assert error(refresh(meta)) == (400, 190, 463)


def test_refreshing_has_no_version_in_its_path(meta: Meta):
    path = f"{V}/refresh_access_token"
    answer = meta.call("GET", "instagram", path, IG_TOKEN, grant_type="ig_refresh_token")
    assert error(answer) == (400, 100, 33)


def test_the_old_token_may_die_at_a_refresh(meta: Meta):
    meta.sandbox.switch(ig_refresh="new_old_dead")
    meta.sandbox.advance(DAY)
    refresh(meta)
    assert error(meta.get("me")) == (400, 190, 467)


def test_a_refresh_may_return_the_same_token(meta: Meta):
    meta.sandbox.switch(ig_refresh="same")
    meta.sandbox.advance(59 * DAY)
    assert refresh(meta).json()["access_token"] == IG_TOKEN
    meta.sandbox.advance(59 * DAY)
    assert meta.get("me").status_code == 200


def refresh(meta: Meta):
    path = "refresh_access_token"
    return meta.call("GET", "instagram", path, IG_TOKEN, grant_type="ig_refresh_token")


def test_a_short_instagram_token_is_exchanged_with_the_secret(meta: Meta):
    asked = {"grant_type": "ig_exchange_token", "client_secret": APP_SECRET}
    answer = meta.call("GET", "instagram", "access_token", IG_TOKEN, **asked)
    assert answer.json()["expires_in"] == 60 * DAY
    asked["client_secret"] = "wrong"
    assert error(meta.call("GET", "instagram", "access_token", IG_TOKEN, **asked)) == (400, 1, None)


def exchange(meta: Meta, **params: str):
    asked = {"grant_type": "fb_exchange_token", "client_id": APP_ID, "client_secret": APP_SECRET} | params
    return meta.call("GET", "facebook", f"{V}/oauth/access_token", **asked)


def test_a_user_token_is_exchanged_for_a_long_one(meta: Meta):
    told = exchange(meta, fb_exchange_token=USER_TOKEN).json()
    assert (told["token_type"], told["expires_in"]) == ("bearer", 60 * DAY)
    assert meta.fb_get("me/accounts", told["access_token"]).json()["data"][0]["id"] == PAGE


def test_an_expired_user_token_is_not_exchanged(meta: Meta):
    meta.sandbox.advance(61 * DAY)
    assert error(exchange(meta, fb_exchange_token=USER_TOKEN)) == (400, 190, 463)


def test_a_wrong_client_secret_is_refused(meta: Meta):
    assert error(exchange(meta, fb_exchange_token=USER_TOKEN, client_secret="x")) == (400, 1, None)


def test_the_accounts_of_a_person_come_with_their_page_tokens(meta: Meta):
    fields = "id,name,access_token,instagram_business_account"
    (row,) = meta.fb_get("me/accounts", USER_TOKEN, fields=fields).json()["data"]
    assert row["access_token"] == PAGE_TOKEN
    assert row["instagram_business_account"] == {"id": IG_FB}


def debug(meta: Meta, token: str) -> dict:
    asked = {"input_token": token, "access_token": f"{APP_ID}|{APP_SECRET}"}
    return meta.call("GET", "facebook", "debug_token", **asked).json()["data"]


def test_debug_token_tells_kind_expiry_and_scopes(meta: Meta):
    told = debug(meta, PAGE_TOKEN)
    assert (told["type"], told["is_valid"], told["expires_at"]) == ("PAGE", True, 0)
    assert told["profile_id"] == PAGE
    assert "pages_manage_posts" in told["scopes"]
    assert told["data_access_expires_at"] - told["issued_at"] == 90 * DAY


def test_debug_token_tells_why_a_token_is_dead(meta: Meta):
    meta.sandbox.advance(61 * DAY)
    told = debug(meta, USER_TOKEN)
    assert told["is_valid"] is False
    assert (told["error"]["code"], told["error"]["subcode"]) == (190, 463)
    assert debug(meta, "made-up")["is_valid"] is False


def test_debug_token_is_not_for_strangers(meta: Meta):
    answer = meta.call("GET", "facebook", "debug_token", "nobody", input_token=PAGE_TOKEN)
    assert error(answer) == (400, 190, None)


# Limits and ordered faults.


@pytest.mark.parametrize(
    ("service", "path", "token", "code", "owner"),
    [
        ("instagram", f"{IG}/media", IG_TOKEN, 80002, IG),
        ("facebook", f"{IG_FB}/media", PAGE_TOKEN, 80002, IG_FB),
        ("facebook", f"{PAGE}/feed", PAGE_TOKEN, 80001, PAGE),
        ("facebook", f"{PAGE}/feed", USER_TOKEN, 32, PAGE),
    ],
)
def test_a_rate_limit_is_a_400_with_the_minutes_to_wait(
    meta: Meta, service: str, path: str, token: str, code: int, owner: str
):
    meta.sandbox.switch(meta_rate_limit_minutes="7")
    meta.sandbox.fault(service=service, mode="rate_limit")
    answer = meta.call("GET", service, f"{V}/{path}", token)
    assert error(answer) == (400, code, None)
    (usage,) = json.loads(answer.headers["X-Business-Use-Case-Usage"])[owner]
    assert (usage["call_count"], usage["estimated_time_to_regain_access"]) == (100, 7)


def test_the_code_of_a_rate_limit_is_a_switch(meta: Meta):
    meta.sandbox.switch(meta_rate_limit_code="4")
    meta.sandbox.fault(service="instagram", mode="rate_limit")
    assert error(meta.get("me")) == (400, 4, None)


def test_the_budget_of_the_app_is_told_and_enforced(meta: Meta):
    meta.sandbox.switch(meta_calls_per_hour="2")
    usage = [json.loads(meta.get("me").headers["X-App-Usage"])["call_count"] for _ in range(2)]
    assert usage == [50, 100]
    assert error(meta.get("me")) == (400, 4, None)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("500", (500, 2, None)),
        ("503", (503, 2, None)),
        ("403", (403, 10, None)),
        ("400", (400, -1, 2207001)),
        ("403/4/2207051", (403, 4, 2207051)),
        ("400/190/460", (400, 190, 460)),
        ("403/10", (403, 10, None)),
    ],
)
def test_an_ordered_refusal_speaks_metas_language(meta: Meta, mode: str, told: tuple[int, int, int | None]):
    meta.sandbox.fault(service="instagram", mode=f"status:{mode}")
    assert error(meta.get("me")) == told


def test_an_ordered_outage_says_that_it_passes(meta: Meta):
    meta.sandbox.fault(service="facebook", mode="status:503")
    assert meta.fb_get("me").json()["error"]["is_transient"] is True


def test_a_token_that_expires_on_order_stays_expired(meta: Meta):
    meta.sandbox.fault(service="instagram", mode="expire_token")
    assert [error(meta.get("me")) for _ in range(2)] == [(400, 190, 463)] * 2


def test_faults_can_be_aimed_at_one_account(meta: Meta):
    meta.sandbox.fault(service="facebook", mode="status:500", account_id=PAGE, times=-1)
    assert meta.fb_get(PAGE).status_code == 500
    assert meta.fb_get("100000000000002", "EAA-other-page").status_code == 200


def test_faults_can_be_aimed_at_one_phase_of_an_upload(meta: Meta):
    meta.sandbox.fault(service="facebook", route="video_reels:finish", mode="status:500")
    assert meta.fb_post(f"{PAGE}/video_reels", upload_phase="start").status_code == 200
    assert meta.fb_post(f"{PAGE}/video_reels", upload_phase="finish").status_code == 500


def test_reads_are_counted_by_what_is_read(meta: Meta):
    meta.get(meta.container())
    counted = {row["route"] for row in meta.sandbox.requests() if row["service"] == "instagram"}
    assert counted == {"media", "container"}


def test_an_unknown_path_is_refused_in_metas_language(meta: Meta):
    assert error(meta.get(f"{IG}/nowhere/at/all")) == (400, 2500, None)
