"""Logins of Meta: what Facebook says of a token, and how a person's token gives a new one for a Page.

A Page's token that was made with a long-lived user token has no end of its own, but what Meta calls data
access ends about 90 days after the person was last active: only logging in again gives more (Meta: long-lived
tokens, debug_token).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from schedulo.errors import Diagnosis, Kind, Phase, PlatformError, Scope
from schedulo.flow import Auth, Flow, Request, Response, step
from schedulo.platforms import graph
from schedulo.platforms.base import Credential, Examined, Renewed, cannot_renew, scopes_of, seconds
from schedulo.platforms.graph import Graph
from schedulo.words import word

# --- what Facebook says of a token ------------------------------------------------------------------------


def examine(credential: Credential, me: Request, whose: Callable[[dict[str, Any]], dict[str, str]]) -> Flow:
    """Asks `debug_token` about the login where our app can, and then who it is; ends with `Examined`.

    An app that Facebook does not know says nothing of the login: `me` alone decides then.

    :param me: a read that shows whose login it is
    :param whose: reads `account_id` and `name` in its answer
    """
    reader = Graph(credential.account.platform)
    told: dict[str, Any] = {}
    if credential.app_id and credential.app_secret:
        request = _debug(credential)
        told = yield from step("debug", request, lambda answer: _told(reader, answer), keep_s=0.0)
    shown = yield from step("me", me, lambda answer: whose(reader.data(answer, Phase.READ)), keep_s=0.0)
    return Examined(**told, **shown)


def _debug(credential: Credential) -> Request:
    """The app's token travels in a header; the one that is asked about has no other place."""
    header = ("Authorization", f"Bearer {credential.app_id}|{credential.app_secret}")
    query = (("input_token", str(credential.secret["access_token"])),)
    path = f"/{credential.options['meta_version']}/debug_token"
    return Request("facebook", "GET", path, Auth.NONE, query=query, headers=(header,))


def _told(reader: Graph, answer: Response) -> dict[str, Any]:
    """What `debug_token` says. Raises `PlatformError` for a token that is no longer good."""
    try:
        data = reader.data(answer, Phase.READ).get("data")
    except PlatformError as error:
        if error.kind in (Kind.RATE_LIMITED, Kind.PLATFORM_DOWN):
            raise
        return {}  # about our app, not about the login
    if not isinstance(data, dict) or not isinstance(data.get("is_valid"), bool):
        raise reader.unfit(answer, "debug_token says nothing")
    if not data["is_valid"]:
        why = data.get("error")
        said = why if isinstance(why, dict) else {}
        code, subcode = word(said.get("code")) or "190", word(said.get("subcode"))
        raise reader.error(Phase.READ, 400, code, subcode, word(said.get("message")))
    return {
        "ends_told": True,
        "expires_s": seconds(data.get("expires_at")),
        "data_access_s": seconds(data.get("data_access_expires_at")),
        "scopes": scopes_of(data.get("scopes")),
    }


# --- a Page's token from a person's -----------------------------------------------------------------------


def renew(credential: Credential, fields: str, ours: Callable[[dict[str, Any]], bool]) -> Flow:
    """60 more days for the person's token, and a Page's token made with it; ends with `Renewed`.

    :param fields: what is asked about Pages, besides their token
    :param ours: which Page it is
    """
    reader, account = Graph(credential.account.platform), credential.account
    version = credential.options["meta_version"]
    query = graph.pairs(
        grant_type="fb_exchange_token",
        client_id=credential.app_id,
        client_secret=credential.app_secret,
        fb_exchange_token=str(credential.secret["user_token"]),
    )
    exchange = Request("facebook", "GET", f"/{version}/oauth/access_token", Auth.NONE, query=query)
    new = yield from step("exchange", exchange, lambda answer: _exchanged(reader, answer), keep_s=0.0)
    request = replace(
        graph.get("facebook", f"/{version}/me/accounts", fields=f"id,access_token,{fields}", limit=100),
        auth=Auth.NONE,
        headers=(("Authorization", f"Bearer {new['user_token']}"),),
    )
    pages = yield from reader.items("pages", request)
    found = next((page for page in pages or () if ours(page) and word(page.get("access_token"))), None)
    if found is None:
        raise cannot_renew(account, "the person who connected it no longer manages its Page")
    return Renewed(word(found["access_token"]), None, None, new["expires_in_s"], user_token=new["user_token"])


def _exchanged(reader: Graph, answer: Response) -> dict[str, Any]:
    try:
        body = reader.data(answer, Phase.ARM)
    except PlatformError as error:
        if "secret" in error.message.lower() or "client" in error.message.lower():
            diagnosis = Diagnosis(Kind.CONFIGURATION, refusal=False, scope=Scope.ACCOUNT)
            raise PlatformError(reader.platform, diagnosis, code=error.code, message=error.message) from None
        raise
    token = word(body.get("access_token"))
    if not token:
        raise reader.unfit(answer, "no field 'access_token'")
    return {"user_token": token, "expires_in_s": seconds(body.get("expires_in"))}
