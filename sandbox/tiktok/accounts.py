"""Who is calling TikTok: clients, creators, tokens, per-minute windows.

Source: TikTok for Developers, "Manage user access tokens", "Rate limits". Switch `tiktok_token_profile`:
"2026" (access 2 h, refresh 180 d, rotating) or "older" (24 h, 365 d, the refresh token stays).
"""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sandbox.core import Reply, World
from sandbox.tiktok.answers import log_id

ALL_SCOPES = "video.publish,video.upload,video.list,user.info.basic,user.info.profile,user.info.stats"
PUBLIC = "PUBLIC_TO_EVERYONE"
ALL_PRIVACY = (PUBLIC, "MUTUAL_FOLLOW_FRIENDS", "FOLLOWER_OF_CREATOR", "SELF_ONLY")
ALLOWANCES = ("comment", "duet", "stitch")
MINUTE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class TokenProfile:
    access_seconds: int
    refresh_seconds: int
    rotates: bool


TOKEN_PROFILES = {
    "2026": TokenProfile(7_200, 15_552_000, True),
    "older": TokenProfile(86_400, 31_536_000, False),
}


@dataclass(frozen=True, slots=True)
class Client:
    client_key: str
    client_secret: str
    audited: bool
    verified_prefixes: tuple[str, ...]
    hook_url: str = ""
    """Where webhooks are sent; empty: none are."""


@dataclass(slots=True)
class Account:
    """A creator. Private accounts are those without PUBLIC_TO_EVERYONE among their options."""

    account_id: str
    username: str
    privacy_options: tuple[str, ...]
    max_duration_s: int
    unlimited: bool
    off: frozenset[str] = frozenset()
    """What the creator has switched off: comment, duet, stitch."""
    followers: int | None = None
    """None: they come and go by themselves."""
    videos: list[Any] = field(default_factory=list)
    """What it posted, oldest first."""
    direct_posts: deque[float] = field(default_factory=deque)
    pending_shares: dict[str, float] = field(default_factory=dict)
    """Unfinished drafts: publish id -> when its share began."""


@dataclass(slots=True)
class Token:
    account: Account
    client: Client
    scopes: frozenset[str]
    expires_at: float | None
    windows: dict[str, deque[float]] = field(default_factory=dict)


@dataclass(slots=True)
class Refresh:
    token: Token
    expires_at: float | None = None


class Access:
    def __init__(self, world: World) -> None:
        self._world = world
        self.clients: dict[str, Client] = {}
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self._refresh: dict[str, Refresh] = {}

    def seed(self, data: dict[str, Any]) -> None:
        for one in data.get("clients", []):
            client = Client(
                one["client_key"],
                one["client_secret"],
                bool(one.get("audited", True)),
                tuple(one.get("verified_prefixes", ())),
                _hook_url(one.get("hook_url", "")),
            )
            self.clients[client.client_key] = client
        for one in data.get("accounts", []):
            account = Account(
                str(one["account_id"]),
                one["username"],
                tuple(one.get("privacy_options", ALL_PRIVACY)),
                int(one.get("max_video_post_duration_sec", 600)),
                one.get("limits") == "off",
                frozenset(name for name in ALLOWANCES if one.get(f"{name}_disabled")),
                one.get("followers"),
            )
            self.accounts[account.account_id] = account
            client = self.clients[one.get("client_key") or next(iter(self.clients))]
            given = one.get("scopes", ALL_SCOPES)
            scopes = frozenset(given.split(",") if isinstance(given, str) else given)
            token = Token(account, client, scopes, one.get("token_expires_at"))
            self.tokens[one["token"]] = token
            if one.get("refresh_token"):
                self._refresh[one["refresh_token"]] = Refresh(token)

    def allowed(self, token: Token, name: str, per_minute: int) -> bool:
        """Count one call in the token's sliding minute."""
        if token.account.unlimited:
            return True
        now = self._world.now()
        window = token.windows.setdefault(name, deque())
        while window and window[0] <= now - MINUTE_SECONDS:
            window.popleft()
        if len(window) >= per_minute:
            return False
        window.append(now)
        return True

    def token_request(self, form: dict[str, str]) -> Reply:
        """POST /v2/oauth/token/: flat answers, flat errors."""
        client = self.clients.get(form.get("client_key", ""))
        if client is None or client.client_secret != form.get("client_secret"):
            return self._error("invalid_client", "Client key or secret is incorrect.")
        if form.get("grant_type") != "refresh_token":
            return self._error("unsupported_grant_type", "This stand-in has no browser to consent in.")
        value = form.get("refresh_token", "")
        old = self._refresh.get(value)
        now = self._world.now()
        expired = old is not None and old.expires_at is not None and now >= old.expires_at
        if old is None or expired or old.token.client is not client:
            return self._error("invalid_grant", "Refresh token is invalid or expired.")
        profile = TOKEN_PROFILES[self._world.switch("tiktok_token_profile", "2026")]
        new = Token(old.token.account, client, old.token.scopes, now + profile.access_seconds)
        access = "act." + secrets.token_urlsafe(32)
        self.tokens[access] = new
        if profile.rotates:
            del self._refresh[value]
            value = "rft." + secrets.token_urlsafe(32)
        self._refresh[value] = Refresh(new, now + profile.refresh_seconds)
        answer = {
            "open_id": new.account.account_id,
            "scope": ",".join(sorted(new.scopes)),
            "access_token": access,
            "expires_in": profile.access_seconds,
            "refresh_token": value,
            "refresh_expires_in": profile.refresh_seconds,
            "token_type": "Bearer",
        }
        return Reply(200, answer)

    def _error(self, code: str, description: str) -> Reply:
        """Some callers saw HTTP 200 here: switch `tiktok_oauth_error_status`, 400 (default) or 200."""
        status = int(self._world.switch("tiktok_oauth_error_status", "400"))
        return Reply(status, {"error": code, "error_description": description, "log_id": log_id()})

    def revoke(self, value: str) -> Token | None:
        token = self.tokens.pop(value, None)
        refresh = self._refresh.pop(value, None)
        return token or (refresh.token if refresh else None)

    def remove(self, account_id: str) -> set[str]:
        """All tokens of an account are no more; answers the keys of the clients that had them."""
        ours = {key: one for key, one in self.tokens.items() if one.account.account_id == account_id}
        for key in ours:
            del self.tokens[key]
        kept = self._refresh.items()
        self._refresh = {key: one for key, one in kept if one.token.account.account_id != account_id}
        return {one.client.client_key for one in ours.values()}


def _hook_url(url: str) -> str:
    """HTTPS only, except to this machine; raises ValueError."""
    parts = urlsplit(url)
    if url and parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost"):
        raise ValueError(f"hook_url {url!r}: it must begin with https")
    return url
