"""What platforms say of logins, and what permissions posts need."""

from __future__ import annotations

from typing import Any

import pytest

from schedulo.errors import Kind, PlatformError
from schedulo.flow import Auth, Response, Step
from schedulo.model import Account, Format, Platform
from schedulo.platforms import CONVERSATIONS
from schedulo.platforms.base import Credential, Examined
from schedulo.platforms.logins import EXAMINE, needs
from tests.schedulo.platforms.flows import answer, run_flow

VERSION = {"meta_version": "v25.0"}


def credential(platform: Platform, login: str = "", app: str = "app", **secret: str) -> Credential:
    account = Account(platform, "1", "anna", options={"login": login} if login else {})
    kept = {"access_token": "tok", **secret}
    return Credential(account, app, "s" if app else "", kept, refused=False, options=VERSION)


def examine(one: Credential, *answers: Response) -> tuple[Examined, list[Step]]:
    told, sent = run_flow(EXAMINE[one.account.platform](one), list(answers))
    steps = [effect for effect in sent if isinstance(effect, Step)]
    assert all(step.keep_s == 0 for step in steps)
    return told, steps


def debugged(**data: Any) -> Response:
    return answer({"data": {"is_valid": True, "expires_at": 0, **data}})


ME = answer({"id": "1", "name": "Page"})


def test_debug_token_tells_ends_and_permissions_and_never_is_none() -> None:
    told, (debug, _me) = examine(
        credential(Platform.FACEBOOK), debugged(data_access_expires_at=99, scopes=["b", "a"]), ME
    )
    assert told == Examined("1", "Page", True, None, 99.0, ["a", "b"])
    assert debug.request.path == "/v25.0/debug_token"
    assert (debug.request.query, debug.request.auth) == ((("input_token", "tok"),), Auth.NONE)
    assert debug.request.headers == (("Authorization", "Bearer app|s"),)


def test_a_token_that_debug_token_calls_bad_is_bad() -> None:
    bad = debugged(is_valid=False, error={"code": 190, "subcode": 460, "message": "password changed"})
    with pytest.raises(PlatformError) as caught:
        examine(credential(Platform.FACEBOOK), bad)
    assert (caught.value.kind, caught.value.code) == (Kind.RECONNECT, "190/460")


@pytest.mark.parametrize("code", [190, 100, 101])
def test_what_debug_token_refuses_is_about_our_app_and_me_decides(code: int) -> None:
    refused = answer({"error": {"message": "no", "type": "OAuthException", "code": code}}, 400)
    told, steps = examine(credential(Platform.FACEBOOK), refused, ME)
    assert (told.name, told.ends_told, len(steps)) == ("Page", False, 2)


def test_without_an_app_me_alone_is_asked() -> None:
    told, steps = examine(credential(Platform.FACEBOOK, app=""), ME)
    assert (told.account_id, [step.name for step in steps]) == ("1", ["me"])


def test_a_facebook_that_is_down_says_nothing_of_a_login() -> None:
    with pytest.raises(PlatformError) as caught:
        examine(credential(Platform.FACEBOOK), answer({}, 503))
    assert caught.value.kind is Kind.PLATFORM_DOWN


def test_instagrams_two_logins_are_asked_on_their_own_hosts() -> None:
    by_instagram = answer({"user_id": "1", "id": "app-scoped", "username": "anna"})
    told, (me,) = examine(credential(Platform.INSTAGRAM, "instagram_login"), by_instagram)
    assert (told.account_id, told.name) == ("1", "anna")
    assert (me.request.service, me.request.path) == ("instagram", "/v25.0/me")
    by_page = answer({"id": "1", "username": "anna"})
    told, (_, node) = examine(credential(Platform.INSTAGRAM, "facebook_login"), debugged(), by_page)
    assert (told.account_id, told.name, node.request.path) == ("1", "anna", "/v25.0/1")


def test_a_persons_token_is_exchanged_and_the_pages_found_with_it() -> None:
    one = credential(Platform.FACEBOOK, user_token="person")
    pages = answer({"data": [{"id": "2", "access_token": "other"}, {"id": "1", "access_token": "page"}]})
    exchanged = answer({"access_token": "person 2", "token_type": "bearer", "expires_in": 5_183_944})
    renewed, sent = run_flow(CONVERSATIONS[Platform.FACEBOOK].refresh(one), [exchanged, pages])
    assert (renewed.access_token, renewed.user_token) == ("page", "person 2")
    assert (renewed.expires_in_s, renewed.refresh_expires_in_s) == (None, 5_183_944.0)
    assert dict(sent[0].request.query)["fb_exchange_token"] == "person"
    assert sent[1].request.headers == (("Authorization", "Bearer person 2"),)
    assert "person" not in repr(renewed)


def test_an_instagram_account_is_found_by_the_page_that_it_is_linked_to() -> None:
    one = credential(Platform.INSTAGRAM, "facebook_login", user_token="person")
    pages = [
        {"id": "9", "access_token": "no"},
        {"id": "8", "access_token": "page", "instagram_business_account": {"id": "1"}},
    ]
    renewed, _ = run_flow(
        CONVERSATIONS[Platform.INSTAGRAM].refresh(one),
        [answer({"access_token": "p"}), answer({"data": pages})],
    )
    assert renewed.access_token == "page"


def test_a_wrong_app_secret_is_the_operators_and_kills_no_login() -> None:
    one = credential(Platform.FACEBOOK, user_token="person")
    refused = {"error": {"message": "Error validating client secret.", "type": "OAuthException", "code": 1}}
    with pytest.raises(PlatformError) as caught:
        run_flow(CONVERSATIONS[Platform.FACEBOOK].refresh(one), [answer(refused, 400)])
    assert caught.value.kind is Kind.CONFIGURATION


@pytest.mark.parametrize(
    ("platform", "login", "format_", "comment", "scopes"),
    [
        (Platform.X, "", Format.TEXT, False, "tweet.read tweet.write users.read"),
        (Platform.X, "", Format.GIF, False, "media.write tweet.read tweet.write users.read"),
        (Platform.TIKTOK, "", Format.VIDEO, False, "video.publish"),
        (Platform.TIKTOK, "", Format.IMAGES_DRAFT, False, "video.upload"),
        (
            Platform.INSTAGRAM,
            "instagram_login",
            Format.REEL,
            True,
            "instagram_business_basic instagram_business_content_publish instagram_business_manage_comments",
        ),
        (
            Platform.INSTAGRAM,
            "facebook_login",
            Format.STORY,
            False,
            "instagram_basic instagram_content_publish pages_read_engagement",
        ),
        (
            Platform.FACEBOOK,
            "",
            Format.LINK,
            True,
            "pages_manage_engagement pages_manage_posts pages_read_engagement pages_show_list",
        ),
    ],
)
def test_what_a_post_needs(
    platform: Platform, login: str, format_: Format, comment: bool, scopes: str
) -> None:
    account = Account(platform, "1", "anna", options={"login": login} if login else {})
    assert needs(account, format_, comment=comment) == set(scopes.split())
