"""X's tokens, rate windows and refusals on order."""

from __future__ import annotations

import time

import pytest
import requests

from tests.sandbox.x.conftest import Client


def refresh(x: Client, token: str, auth: tuple[str, str] | None = ("app", "app-secret"), **more: str):
    form = {"grant_type": "refresh_token", "refresh_token": token, **more}
    return requests.post(x.sandbox.service("x") + "/2/oauth2/token", data=form, auth=auth, timeout=10)


def test_an_unknown_token_is_refused(x: Client) -> None:
    answer = x.as_("nobody").post(text="hello")
    assert answer.status_code == 401
    assert answer.json() == {
        "title": "Unauthorized",
        "detail": "Unauthorized",
        "type": "about:blank",
        "status": 401,
    }


def test_an_app_only_token_cannot_post(x: Client) -> None:
    answer = x.as_("app-only").post(text="hello")
    assert answer.status_code == 403
    assert answer.json()["type"].endswith("/unsupported-authentication")


def test_an_app_only_token_reads_a_timeline(x: Client) -> None:
    x.post_id(text="hello")
    assert len(x.as_("app-only").get("/2/users/11/tweets").json()["data"]) == 1


def test_a_token_without_the_scope_cannot_post(x: Client) -> None:
    assert x.as_("dee-token").post(text="hello").status_code == 403


def test_a_token_without_the_scope_cannot_upload(x: Client) -> None:
    assert x.as_("dee-token").initialize(b"a", "image/png", "tweet_image").status_code == 403


def test_a_refresh_gives_a_new_pair_for_7200_seconds(x: Client) -> None:
    pair = refresh(x, "ann-refresh").json()
    assert (pair["token_type"], pair["expires_in"]) == ("bearer", 7200)
    assert pair["refresh_token"] != "ann-refresh"
    assert x.as_(pair["access_token"]).post(text="hello").status_code == 201


@pytest.mark.parametrize(("seconds", "status"), [(7199, 201), (7201, 401)])
def test_an_access_token_dies_with_its_time(x: Client, seconds: int, status: int) -> None:
    token = refresh(x, "ann-refresh").json()["access_token"]
    x.sandbox.advance(seconds)
    assert x.as_(token).post(text="hello").status_code == status


def test_a_refresh_token_used_twice_revokes_its_family(x: Client) -> None:
    pair = refresh(x, "ann-refresh").json()
    again = refresh(x, "ann-refresh")
    assert (again.status_code, again.json()["error"]) == (400, "invalid_request")
    assert x.as_(pair["access_token"]).post(text="hello").status_code == 401
    assert refresh(x, pair["refresh_token"]).status_code == 400


def test_a_chain_of_refreshes_stays_alive(x: Client) -> None:
    token = "ann-refresh"
    for _ in range(3):
        token = refresh(x, token).json()["refresh_token"]
    assert refresh(x, token).status_code == 200


@pytest.mark.parametrize("auth", [None, ("app", "wrong"), ("nobody", "app-secret")])
def test_a_refresh_without_the_right_client_is_refused(x: Client, auth: tuple[str, str] | None) -> None:
    answer = refresh(x, "ann-refresh", auth, client_id="app")
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized_client")


def test_a_refresh_token_belongs_to_its_client(x: Client) -> None:
    assert refresh(x, "ann-refresh", None, client_id="public-app").status_code == 400


def test_a_token_request_is_a_form(x: Client) -> None:
    url = x.sandbox.service("x") + "/2/oauth2/token"
    assert requests.post(url, json={}, auth=("app", "app-secret"), timeout=10).status_code == 400


def test_a_revoked_token_opens_nothing(x: Client) -> None:
    url = x.sandbox.service("x") + "/2/oauth2/revoke"
    requests.post(url, data={"token": "ann-token"}, auth=("app", "app-secret"), timeout=10)
    assert x.post(text="hello").status_code == 401


def test_every_answer_tells_the_rate_window(x: Client) -> None:
    good, bad = x.post(text="hello"), x.post(text="")
    assert good.headers["x-rate-limit-limit"] == "100"
    assert good.headers["x-rate-limit-remaining"] == "99"
    assert bad.headers["x-rate-limit-remaining"] == "98"
    assert int(bad.headers["x-rate-limit-reset"]) > 0


@pytest.mark.parametrize("side", ["title", "errors88"])
def test_the_101st_post_in_15_minutes_is_refused_until_the_reset(x: Client, side: str) -> None:
    x.sandbox.switch(x_429_shape=side)
    for n in range(100):
        x.post_id(text=f"post {n}")
    answer = x.post(text="one more")
    assert answer.status_code == 429
    assert ("errors" in answer.json()) == (side == "errors88")
    assert answer.headers["x-rate-limit-remaining"] == "0"
    assert x.as_("bob-token").post(text="mine").status_code == 201
    x.sandbox.advance(15 * 60)
    assert x.post(text="one more").status_code == 201


def test_an_account_without_limits_is_never_refused(x: Client) -> None:
    cy = x.as_("cy-token")
    assert {cy.post(text=f"post {n}").status_code for n in range(120)} == {201}


@pytest.mark.parametrize(
    ("side", "kind"), [("problem", "problems/credits-depleted"), ("legacy", "problems/credits")]
)
def test_missing_credits_have_two_shapes(x: Client, side: str, kind: str) -> None:
    x.sandbox.switch(x_402_shape=side)
    x.sandbox.fault(service="x", mode="status:402", route="create_post")
    answer = x.post(text="hello")
    assert answer.status_code == 402
    assert answer.json()["type"].endswith(kind)


def test_a_503_is_json_and_nothing_was_done(x: Client) -> None:
    x.sandbox.fault(service="x", mode="status:503", route="create_post")
    assert x.post(text="hello").json()["title"] == "Service Unavailable"
    assert x.sandbox.posts() == []


def test_a_502_is_html(x: Client) -> None:
    x.sandbox.fault(service="x", mode="error_after:502", route="create_post")
    answer = x.post(text="hello")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert len(x.sandbox.posts()) == 1


def test_an_order_can_ask_for_the_duplicate_refusal(x: Client) -> None:
    x.sandbox.fault(service="x", mode="error_after:403/duplicate", route="create_post")
    assert "duplicate content" in x.post(text="hello").json()["detail"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("user-suspended", "problems/user-suspended"),
        ("locked", "about:blank"),
        ("client-forbidden", "problems/client-forbidden"),
        ("resource-unavailable", "problems/resource-unavailable"),
    ],
)
def test_an_order_can_ask_for_a_refusal_of_the_account_or_the_app(x: Client, code: str, kind: str) -> None:
    x.sandbox.fault(service="x", mode=f"status:403/{code}", route="create_post")
    assert x.post(text="hello").json()["type"].endswith(kind)


def test_an_answer_can_be_lost_after_the_post_is_out(x: Client) -> None:
    x.sandbox.fault(service="x", mode="drop_after", route="create_post")
    with pytest.raises(requests.ConnectionError):
        x.post(text="hello")
    assert len(x.sandbox.posts()) == 1
    assert x.post(text="hello").status_code == 403


def test_a_rate_limit_on_order_tells_its_reset(x: Client) -> None:
    x.sandbox.fault(service="x", mode="rate_limit", route="create_post")
    answer = x.post(text="hello")
    assert (answer.status_code, answer.headers["x-rate-limit-remaining"]) == (429, "0")


def test_a_rate_limit_on_order_ends_when_ordered(x: Client) -> None:
    x.sandbox.fault(service="x", mode="rate_limit:15", route="create_post")
    before = time.time()
    reset = int(x.post(text="hello").headers["x-rate-limit-reset"])
    assert before + 14 <= reset <= time.time() + 15


def test_a_token_expires_on_order(x: Client) -> None:
    x.sandbox.fault(service="x", mode="expire_token", account_id="11")
    assert x.post(text="hello").status_code == 401
    assert x.get("/2/users/me").status_code == 401
    assert x.as_(refresh(x, "ann-refresh").json()["access_token"]).post(text="hello").status_code == 201


def test_a_fault_on_one_account_spares_the_others(x: Client) -> None:
    x.sandbox.fault(service="x", mode="status:503", times=-1, account_id="11")
    assert x.as_("bob-token").post(text="hello").status_code == 201
    assert x.post(text="hello").status_code == 503
