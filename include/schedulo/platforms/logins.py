"""What platforms say of logins, and what permissions posts need. No I/O.

`EXAMINE` asks a platform whether a login is good, whose it is, when it ends and what it may do; `needs` is
the table of permissions by format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from schedulo.errors import Phase
from schedulo.flow import Flow, Request, Response, step
from schedulo.model import Account, Format, Platform
from schedulo.platforms import graph, graph_login, tiktok_calls, x
from schedulo.platforms.base import Credential, Examined
from schedulo.platforms.graph import Graph
from schedulo.platforms.instagram_accepts import Login
from schedulo.words import word

# --- is it good? ------------------------------------------------------------------------------------------


def _instagram(credential: Credential) -> Flow:
    """Instagram Login has no `debug_token`: `/me` shows whether it is good, and nothing of its end."""
    version = credential.options["meta_version"]
    if credential.account.options.get("login") != Login.INSTAGRAM:
        path = f"/{version}/{credential.account.account_id}"
        request = graph.get("facebook", path, fields="id,username")
        return graph_login.examine(credential, request, _named("id", "username"))
    request = graph.get("instagram", f"/{version}/me", fields="user_id,username")
    whose, reader = _named("user_id", "username"), Graph(Platform.INSTAGRAM)
    return _me(request, lambda answer: whose(reader.data(answer, Phase.READ)))


def _facebook(credential: Credential) -> Flow:
    request = graph.get("facebook", f"/{credential.options['meta_version']}/me", fields="id,name")
    return graph_login.examine(credential, request, _named("id", "name"))


def _named(id_field: str, name_field: str) -> Callable[[dict[str, Any]], dict[str, str]]:
    return lambda body: {"account_id": word(body.get(id_field)), "name": word(body.get(name_field))}


def _me(request: Request, read: Callable[[Response], dict[str, str]]) -> Flow:
    return Examined(**(yield from step("me", request, read, keep_s=0.0)))


def _x(_credential: Credential) -> Flow:
    def read(response: Response) -> dict[str, str]:
        body = response.json() if response.ok else None
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise x.raise_for(response, Phase.READ)
        return _named("id", "username")(body["data"])

    return _me(Request("x", "GET", "/2/users/me"), read)


def _tiktok(_credential: Credential) -> Flow:
    def read(response: Response) -> dict[str, str]:
        user = tiktok_calls.data_of(response, Phase.READ).get("user")
        return _named("open_id", "display_name")(user if isinstance(user, dict) else {})

    query = (("fields", "open_id,display_name"),)
    return _me(Request("tiktok", "GET", "/v2/user/info/", query=query), read)


EXAMINE: Mapping[Platform, Callable[[Credential], Flow]] = {
    Platform.INSTAGRAM: _instagram,
    Platform.FACEBOOK: _facebook,
    Platform.X: _x,
    Platform.TIKTOK: _tiktok,
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
