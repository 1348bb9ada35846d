"""How each platform renews a login: what it is asked, and what its answers mean."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from schedulo.errors import Kind, PlatformError, Scope
from schedulo.flow import Auth, Request, Response, Step
from schedulo.model import Account, Platform
from schedulo.platforms import CONVERSATIONS
from schedulo.platforms.base import Credential, Renewed
from tests.schedulo.platforms.flows import answer, run_flow

PAIR = {"access_token": "old", "refresh_token": "r1"}
NEW = {"access_token": "new", "expires_in": 7200, "refresh_token": "r2", "refresh_expires_in": 15_552_000}


def credential(
    platform: Platform, secret: dict[str, Any] = PAIR, *, app_secret: str = "s:1", refused: bool = True
) -> Credential:
    options = {"login": "instagram_login"} if platform is Platform.INSTAGRAM else {}
    return Credential(Account(platform, "1", "anna", options=options), "app", app_secret, secret, refused)


def renew(one: Credential, *answers: Response) -> tuple[Renewed | None, Request | None]:
    """What a renewal ends with, and what was asked."""
    result, sent = run_flow(CONVERSATIONS[one.account.platform].refresh(one), list(answers))
    steps = [effect for effect in sent if isinstance(effect, Step)]
    assert len(steps) == len(answers)
    assert all(step.keep_s == 0 for step in steps), "a login is never kept among the steps of a post"
    return result, steps[0].request if steps else None


def refused(one: Credential, *answers: Response) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        renew(one, *answers)
    assert not caught.value.diagnosis.refusal, "it says nothing of a post"
    return caught.value


def test_x_trades_the_refresh_token_for_a_new_pair() -> None:
    renewed, request = renew(credential(Platform.X), answer(NEW))
    assert renewed == Renewed("new", 7200.0, "r2")
    assert request is not None
    assert (request.method, request.path, request.auth) == ("POST", "/2/oauth2/token", Auth.NONE)
    assert request.form == (("grant_type", "refresh_token"), ("refresh_token", "r1"))
    assert dict(request.headers)["Authorization"] == f"Basic {base64.b64encode(b'app:s%3A1').decode()}"


def test_a_public_client_of_x_names_itself() -> None:
    _, request = renew(credential(Platform.X, app_secret=""), answer(NEW))
    assert request is not None
    assert ("client_id", "app") in (request.form or ())
    assert request.headers == ()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_request", "error_description": "Value passed was invalid."}, Kind.RECONNECT),
        (400, {"error": "invalid_grant"}, Kind.RECONNECT),
        (401, {"error": "unauthorized_client", "error_description": "Missing header"}, Kind.CONFIGURATION),
        (401, {"error": "invalid_client"}, Kind.CONFIGURATION),
        (429, {"status": 429, "title": "Too Many Requests"}, Kind.RATE_LIMITED),
        (503, {"status": 503, "title": "Service Unavailable"}, Kind.PLATFORM_DOWN),
        (200, {"token_type": "bearer"}, Kind.PLATFORM_DOWN),
    ],
)
def test_what_xs_token_endpoint_refuses(status: int, body: Any, kind: Kind) -> None:
    error = _any_error(credential(Platform.X), answer(body, status))
    assert error.kind is kind
    assert error.scope is not Scope.PLATFORM, "accounts whose tokens live go on"


def _any_error(one: Credential, *answers: Response) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        renew(one, *answers)
    return caught.value


@pytest.mark.parametrize("platform", [Platform.X, Platform.TIKTOK])
def test_without_a_refresh_token_only_a_person_can(platform: Platform) -> None:
    error = refused(credential(platform, {"access_token": "old"}))
    assert (error.kind, error.message) == (Kind.RECONNECT, "no refresh token is kept for this account")


def test_tiktok_answers_flatly() -> None:
    renewed, request = renew(credential(Platform.TIKTOK), answer({**NEW, "open_id": "1"}))
    assert renewed == Renewed("new", 7200.0, "r2", 15_552_000.0)
    assert request is not None
    assert dict(request.form or ()) == {
        "client_key": "app",
        "client_secret": "s:1",
        "grant_type": "refresh_token",
        "refresh_token": "r1",
    }


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("code", "kind"), [("invalid_grant", Kind.RECONNECT), ("invalid_client", Kind.CONFIGURATION)]
)
def test_tiktok_may_refuse_under_http_200(status: int, code: str, kind: Kind) -> None:
    body = {"error": code, "error_description": "no", "log_id": "L"}
    assert _any_error(credential(Platform.TIKTOK), answer(body, status)).kind is kind


def test_instagram_renews_only_what_is_still_valid() -> None:
    one = credential(Platform.INSTAGRAM, {"access_token": "old"}, refused=False)
    renewed, request = renew(one, answer({"access_token": "new", "expires_in": 5_184_000}))
    assert renewed == Renewed("new", 5_184_000.0)
    assert request is not None
    assert (request.service, request.path) == ("instagram", "/refresh_access_token")
    assert request.query == (("grant_type", "ig_refresh_token"),), "the token travels in a header"
    assert refused(credential(Platform.INSTAGRAM)).kind is Kind.RECONNECT


def test_a_pages_token_has_no_end_and_cannot_be_renewed() -> None:
    assert renew(credential(Platform.FACEBOOK, refused=False)) == (None, None)
    assert refused(credential(Platform.FACEBOOK)).kind is Kind.RECONNECT


def test_no_secret_shows_when_a_login_is_printed() -> None:
    shown = repr(credential(Platform.X)) + repr(Renewed("new", 1.0, "r2"))
    assert not {"old", "r1", "s:1", "new", "r2"} & set(shown.replace("'", " ").split())
