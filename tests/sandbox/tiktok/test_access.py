"""TikTok's tokens, per-minute limits, reads, and refusals on order."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox.tiktok.conftest import PUBLISH, Client, code, file, video

LIST = "/v2/video/list/"


def refresh(tiktok: Client, token: str, **more: str) -> requests.Response:
    form = {"client_key": "audited", "client_secret": "secret", "grant_type": "refresh_token"}
    url = tiktok.sandbox.service("tiktok") + "/v2/oauth/token/"
    return requests.post(url, data=form | {"refresh_token": token} | more, timeout=10)


def test_an_unknown_token_is_refused(tiktok: Client) -> None:
    answer = tiktok.as_("act.nobody").video_init(file(100))
    assert (answer.status_code, code(answer)) == (401, "access_token_invalid")
    assert answer.json()["error"]["log_id"]


def test_a_token_without_the_scope_is_refused(tiktok: Client) -> None:
    dee = tiktok.as_("act.dee")
    assert code(dee.video_init(file(100))) == "scope_not_authorized"
    assert code(dee.photos(["https://owned.example/a"])) == "scope_not_authorized"
    assert code(dee.call(f"{PUBLISH}/inbox/video/init/", {"source_info": file(100)})) == "ok"


@pytest.mark.parametrize(
    ("path", "body", "most"),
    [
        ("creator_info/query/", None, 20),
        ("video/init/", {}, 6),
        ("inbox/video/init/", {}, 6),
        ("content/init/", {}, 6),
        ("status/fetch/", {"publish_id": "x"}, 30),
    ],
)
def test_calls_of_one_minute_are_limited_per_token(tiktok: Client, path: str, body: Any, most: int) -> None:
    ann = tiktok.as_("act.ann")
    codes = [code(ann.call(f"{PUBLISH}/{path}", body)) for _ in range(most + 1)]
    assert "rate_limit_exceeded" not in codes[:-1]
    assert codes[-1] == "rate_limit_exceeded"
    tiktok.sandbox.advance(61)
    assert ann.call(f"{PUBLISH}/{path}", body).status_code != 429


def test_a_refresh_answers_flat(tiktok: Client) -> None:
    pair = refresh(tiktok, "rft.ann").json()
    assert (pair["open_id"], pair["token_type"]) == ("ann", "Bearer")
    assert code(tiktok.as_(pair["access_token"]).call(f"{PUBLISH}/creator_info/query/")) == "ok"


@pytest.mark.parametrize(
    ("profile", "access", "life", "rotates"),
    [("2026", 7_200, 15_552_000, True), ("older", 86_400, 31_536_000, False)],
)
def test_lifetimes_and_rotation_follow_the_profile(
    tiktok: Client, profile: str, access: int, life: int, rotates: bool
) -> None:
    tiktok.sandbox.switch(tiktok_token_profile=profile)
    pair = refresh(tiktok, "rft.ann").json()
    assert (pair["expires_in"], pair["refresh_expires_in"]) == (access, life)
    assert (pair["refresh_token"] != "rft.ann") is rotates
    assert ("error" in refresh(tiktok, "rft.ann").json()) is rotates


def test_an_access_token_dies_with_its_time(tiktok: Client) -> None:
    ann = tiktok.as_(refresh(tiktok, "rft.ann").json()["access_token"])
    tiktok.sandbox.advance(7201)
    assert code(ann.call(f"{PUBLISH}/creator_info/query/")) == "access_token_invalid"


@pytest.mark.parametrize("status", [400, 200])
def test_a_bad_refresh_is_a_flat_error(tiktok: Client, status: int) -> None:
    tiktok.sandbox.switch(tiktok_oauth_error_status=str(status))
    answer = refresh(tiktok, "rft.nobody")
    assert answer.status_code == status
    assert answer.json()["error"] == "invalid_grant"
    assert answer.json()["log_id"]


def test_a_refresh_needs_the_client_secret(tiktok: Client) -> None:
    assert refresh(tiktok, "rft.ann", client_secret="wrong").json()["error"] == "invalid_client"


def test_user_info_gives_the_fields_asked_for(tiktok: Client) -> None:
    answer = tiktok.call("/v2/user/info/", method="GET", fields="open_id,username")
    assert answer.json()["data"]["user"] == {"open_id": "bob", "username": "bob"}


@pytest.mark.parametrize("fields", ["", "shoe_size"])
def test_user_info_refuses_unknown_fields(tiktok: Client, fields: str) -> None:
    assert code(tiktok.call("/v2/user/info/", method="GET", fields=fields)) == "invalid_params"


def test_the_list_shows_public_videos_newest_first_in_pages(tiktok: Client) -> None:
    for number in range(3):
        tiktok.publish(video(), title=f"video {number}")
    tiktok.publish(video(), title="private", privacy_level="SELF_ONLY")
    first = tiktok.call(LIST, {"max_count": 2}, fields="id,title,duration").json()["data"]
    second = tiktok.call(LIST, {"cursor": first["cursor"]}, fields="title").json()["data"]
    assert [one["title"] for one in first["videos"] + second["videos"]] == ["video 2", "video 1", "video 0"]
    assert (first["has_more"], second["has_more"]) == (True, False)


@pytest.mark.parametrize("body", [{"max_count": 21}, {"max_count": 0}, {"page": 1}], ids=str)
def test_a_bad_list_request_is_refused(tiktok: Client, body: dict[str, Any]) -> None:
    assert code(tiktok.call(LIST, body, fields="id")) == "invalid_params"


def test_a_query_finds_own_videos_with_their_seeded_counts(tiktok: Client) -> None:
    tiktok.publish(video())
    post_id = tiktok.sandbox.posts()[0]["post_id"]
    tiktok.sandbox.seed({"tiktok": {"metrics": {post_id: {"view_count": 9}}}})
    body = {"filters": {"video_ids": [post_id, "1"]}}
    found = tiktok.call("/v2/video/query/", body, fields="id,view_count").json()["data"]["videos"]
    assert found == [{"id": post_id, "view_count": 9}]
    foreign = tiktok.as_("act.ann").call("/v2/video/query/", body, fields="id").json()["data"]["videos"]
    assert foreign == []


def test_a_video_that_is_removed_is_neither_found_nor_listed(tiktok: Client) -> None:
    tiktok.publish(video())
    post_id = tiktok.sandbox.posts()[0]["post_id"]
    tiktok.sandbox.remove("tiktok", post_id)
    body = {"filters": {"video_ids": [post_id]}}
    assert tiktok.call("/v2/video/query/", body, fields="id").json()["data"]["videos"] == []
    assert tiktok.call(LIST, {}, fields="id").json()["data"]["videos"] == []


def test_read_lag_hides_what_is_young(tiktok: Client) -> None:
    tiktok.publish(video())
    tiktok.sandbox.fault(service="tiktok", mode="read_lag:20")
    assert tiktok.call(LIST, {}, fields="id").json()["data"]["videos"] == []


def test_unreadable_refuses_reads_and_lets_writes_pass(tiktok: Client) -> None:
    tiktok.sandbox.fault(service="tiktok", mode="unreadable:user", times=-1)
    tiktok.publish(video())
    assert code(tiktok.call(LIST, {}, fields="id")) == "scope_permission_missed"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "access_token_invalid"),
        (429, "rate_limit_exceeded"),
        (500, "internal_error"),
        (503, "internal_error"),
    ],
)
def test_a_refusal_on_order_speaks_tiktok(tiktok: Client, status: int, expected: str) -> None:
    tiktok.sandbox.fault(service="tiktok", mode=f"status:{status}", route="video_init")
    answer = tiktok.video_init(file(100))
    assert (answer.status_code, code(answer)) == (status, expected)


def test_an_order_may_choose_the_word_of_a_refusal(tiktok: Client) -> None:
    tiktok.sandbox.fault(service="tiktok", mode="status:403/reached_active_user_cap", route="video_init")
    assert code(tiktok.video_init(file(100))) == "reached_active_user_cap"


def test_a_refused_chunk_on_order_can_be_sent_again(tiktok: Client) -> None:
    content = video()
    url = tiktok.begin(content)["upload_url"]
    tiktok.sandbox.fault(service="tiktok", mode="status:503", route="upload", account_id="bob")
    assert tiktok.put(url, content, 0, len(content)).status_code == 503
    assert tiktok.put(url, content, 0, len(content)).status_code == 201


def test_a_token_expires_on_order(tiktok: Client) -> None:
    tiktok.sandbox.fault(service="tiktok", mode="expire_token", route="status")
    ann = tiktok.as_("act.ann")
    assert code(ann.call(f"{PUBLISH}/status/fetch/", {"publish_id": "x"})) == "access_token_invalid"
    assert code(ann.call(f"{PUBLISH}/creator_info/query/")) == "access_token_invalid"
