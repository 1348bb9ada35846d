"""What platforms say of logins, and what permissions posts need. No I/O.

`EXAMINE` asks a platform whether a login is good, whose it is, when it ends and what it may do; `who_is_it`
is the one harmless read among that; `needs` is the table of permissions by format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schedulo.errors import Phase
from schedulo.flow import Flow, Request, Response, step
from schedulo.model import Account, Format, Platform
from schedulo.platforms import graph, graph_login, tiktok_calls, x_answers
from schedulo.platforms.base import Credential, Examined
from schedulo.platforms.graph import Graph
from schedulo.platforms.instagram_accepts import Login
from schedulo.words import word

# --- is it good? ------------------------------------------------------------------------------------------


def _instagram(credential: Credential) -> Flow:
    """Instagram Login has no `debug_token`: `/me` shows whether it is good, and nothing of its end."""
    account, version = credential.account, credential.options["meta_version"]
    if account.options.get("login") != Login.INSTAGRAM:
        return graph_login.examine(credential, _me_of_meta(account, version), _named("id", "username"))
    return who_is_it(account, version)


def _facebook(credential: Credential) -> Flow:
    request = _me_of_meta(credential.account, credential.options["meta_version"])
    return graph_login.examine(credential, request, _named("id", "name"))


def _me_of_meta(account: Account, version: str) -> Request:
    if account.platform is Platform.FACEBOOK:
        return graph.get("facebook", f"/{version}/me", fields="id,name")
    if account.options.get("login") != Login.INSTAGRAM:
        return graph.get("facebook", f"/{version}/{account.account_id}", fields="id,username")
    return graph.get("instagram", f"/{version}/me", fields="user_id,username")


def who_is_it(account: Account, meta_version: str) -> Flow:
    """One harmless read with an account's login; ends with `Examined`, or raises what the platform says."""
    match account.platform:
        case Platform.X:
            return _x_me()
        case Platform.TIKTOK:
            return _tiktok_me()
        case _:
            reader = Graph(account.platform)
            by_instagram = account.options.get("login") == Login.INSTAGRAM
            id_field = "user_id" if by_instagram and account.platform is Platform.INSTAGRAM else "id"
            whose = _named(id_field, "name" if account.platform is Platform.FACEBOOK else "username")
            request = _me_of_meta(account, meta_version)
            return _me(request, lambda answer: whose(reader.data(answer, Phase.READ)))


def _named(id_field: str, name_field: str) -> Callable[[dict[str, Any]], dict[str, str]]:
    return lambda body: {"account_id": word(body.get(id_field)), "name": word(body.get(name_field))}


def _me(request: Request, read: Callable[[Response], dict[str, str]]) -> Flow:
    return Examined(**(yield from step("me", request, read, keep_s=0.0)))


def _x_me() -> Flow:
    def read(response: Response) -> dict[str, str]:
        body = response.json() if response.ok else None
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise x_answers.raise_for(response, Phase.READ)
        return _named("id", "username")(body["data"])

    return _me(Request("x", "GET", "/2/users/me"), read)


def _tiktok_me() -> Flow:
    def read(response: Response) -> dict[str, str]:
        user = tiktok_calls.data_of(response, Phase.READ).get("user")
        return _named("open_id", "display_name")(user if isinstance(user, dict) else {})

    query = (("fields", "open_id,display_name"),)
    return _me(Request("tiktok", "GET", "/v2/user/info/", query=query), read)


EXAMINE: Mapping[Platform, Callable[[Credential], Flow]] = {
    Platform.INSTAGRAM: _instagram,
    Platform.FACEBOOK: _facebook,
    Platform.X: lambda _credential: _x_me(),
    Platform.TIKTOK: lambda _credential: _tiktok_me(),
}
"""Asks whether a login is good; ends with `Examined`, or raises what the platform says of it."""


# --- what posts need --------------------------------------------------------------------------------------

_MEDIA_OF_X = frozenset({Format.IMAGE, Format.IMAGES, Format.GIF, Format.VIDEO})
_DRAFTS = frozenset({Format.DRAFT, Format.IMAGES_DRAFT})


def needs(account: Account, format_: Format, *, comment: bool = False) -> frozenset[str]:
    """The permissions that publishing a format takes, by the platforms' own names.

    Sources: Meta, content publishing and Page posts; X, OAuth 2.0 scopes by endpoint; TikTok, Content Posting
    API.

    :param comment: the post has a first comment
    """
    match account.platform:
        case Platform.INSTAGRAM if account.options.get("login") == Login.INSTAGRAM:
            found = {"instagram_business_basic", "instagram_business_content_publish"}
            return frozenset(found | ({"instagram_business_manage_comments"} if comment else set()))
        case Platform.INSTAGRAM:
            found = {"instagram_basic", "instagram_content_publish", "pages_read_engagement"}
            return frozenset(found | ({"instagram_manage_comments"} if comment else set()))
        case Platform.FACEBOOK:
            found = {"pages_manage_posts", "pages_read_engagement", "pages_show_list"}
            return frozenset(found | ({"pages_manage_engagement"} if comment else set()))
        case Platform.X:
            found = {"tweet.read", "tweet.write", "users.read"}
            return frozenset(found | ({"media.write"} if format_ in _MEDIA_OF_X else set()))
        case Platform.TIKTOK:
            return frozenset({"video.upload" if format_ in _DRAFTS else "video.publish"})
