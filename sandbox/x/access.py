"""Who is calling X, with what right, and how often: apps, accounts, tokens, rate windows.

OAuth 2.0 user tokens live 7,200 s; refresh tokens are single-use and rotate, and using one twice revokes its
whole family. Source: X API documentation, "OAuth 2.0 Authorization Code Flow with PKCE", "Rate limits"; the
family rule is X staff's word (devcommunity.x.com).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from sandbox.core import Call, Reply
from sandbox.x.errors import unsupported_authentication

ACCESS_SECONDS = 7200
ALL_SCOPES = "tweet.read tweet.write users.read media.write offline.access"
WINDOW_SECONDS = 15 * 60
DAY_SECONDS = 24 * 3600


@dataclass(slots=True)
class Family:
    """All tokens that descend from one consent."""

    revoked: bool = False


@dataclass(frozen=True, slots=True)
class App:
    client_id: str
    client_secret: str | None
    """None for a public client, which names itself in the form instead of a Basic header."""


@dataclass(slots=True)
class Account:
    account_id: str
    username: str
    premium: bool
    unlimited: bool
    followers: int | None = None
    """None: they come and go by themselves."""
    posts: list[Any] = field(default_factory=list)
    """Its posts, oldest first."""
    said: dict[str, float] = field(default_factory=dict)
    """Normalised text -> when it was last posted, on the world's clock."""


@dataclass(slots=True)
class Token:
    kind: str
    """oauth2, oauth1 or app."""
    account: Account | None
    client_id: str
    scopes: frozenset[str]
    expires_at: float | None
    family: Family
    secret: str = ""


@dataclass(slots=True)
class Window:
    opened_at: float
    used: int = 0


class RateWindows:
    """Fixed windows, one per key."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, ...], Window] = {}

    def clear(self) -> None:
        self._windows.clear()

    def take(self, key: tuple[str, ...], limit: int, seconds: int, now: float) -> tuple[bool, dict[str, str]]:
        """Whether one more request is allowed, and the x-rate-limit headers that say so."""
        window = self._windows.get(key)
        if window is None or now >= window.opened_at + seconds:
            window = self._windows[key] = Window(now)
        allowed = window.used < limit
        if allowed:
            window.used += 1
        return allowed, {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(limit - window.used),
            "x-rate-limit-reset": str(int(window.opened_at + seconds) + 1),
        }


class Access:
    """The apps, accounts and tokens that were seeded, and what became of them."""

    def __init__(self) -> None:
        self.apps: dict[str, App] = {}
        self.accounts: dict[str, Account] = {}
        self.tokens: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        self._spent: dict[str, Family] = {}
        self._consumers: dict[str, str] = {}
        self.windows = RateWindows()

    def seed(self, data: dict[str, Any]) -> None:
        for one in data.get("apps", []):
            app = App(one["client_id"], one.get("client_secret"))
            self.apps[app.client_id] = app
            if "bearer_token" in one:
                self.tokens[one["bearer_token"]] = Token(
                    "app", None, app.client_id, frozenset(), None, Family()
                )
            if "consumer_key" in one:
                self._consumers[one["consumer_key"]] = one["consumer_secret"]
        for one in data.get("accounts", []):
            account = Account(
                str(one["account_id"]),
                one["username"],
                bool(one.get("premium")),
                one.get("limits") == "off",
                one.get("followers"),
            )
            self.accounts[account.account_id] = account
            client_id = one.get("client_id") or next(iter(self.apps), "")
            given = one.get("scopes", ALL_SCOPES)
            scopes = frozenset(given.split() if isinstance(given, str) else given)
            token = Token("oauth2", account, client_id, scopes, one.get("token_expires_at"), Family())
            self.tokens[one["token"]] = token
            if one.get("refresh_token"):
                self._refresh[one["refresh_token"]] = token
            if one.get("oauth1"):
                pair = one["oauth1"]
                self.tokens[pair["token"]] = Token(
                    "oauth1", account, client_id, scopes, None, Family(), pair["token_secret"]
                )

    def named(self, call: Call) -> Token | None:
        """The token that a request shows, valid or not."""
        scheme, _, rest = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.tokens.get(rest.strip())
        if scheme.lower() == "oauth":
            return self.tokens.get(_oauth1_fields(rest).get("oauth_token", ""))
        return None

    def valid(self, call: Call, now: float) -> Token | None:
        """The token of a request, if it still opens doors."""
        token = self.named(call)
        if token is None or token.family.revoked:
            return None
        if token.expires_at is not None and now >= token.expires_at:
            return None
        signed = call.headers.get("Authorization", "").lower().startswith("oauth ")
        if signed != (token.kind == "oauth1") or (signed and not self._signature_fits(call, token)):
            return None
        return token

    def _signature_fits(self, call: Call, token: Token) -> bool:
        """OAuth 1.0a (RFC 5849), HMAC-SHA1; JSON and multipart bodies are not signed."""
        fields = _oauth1_fields(call.headers["Authorization"].partition(" ")[2])
        consumer_secret = self._consumers.get(fields.get("oauth_consumer_key", ""))
        if consumer_secret is None:
            return False
        signature = fields.pop("oauth_signature", "")
        fields.pop("realm", None)
        pairs = sorted((_encode(k), _encode(v)) for k, v in [*fields.items(), *call.query])
        parameters = "&".join(f"{k}={v}" for k, v in pairs)
        base = "&".join(map(_encode, (call.method, call.url.partition("?")[0], parameters)))
        key = f"{_encode(consumer_secret)}&{_encode(token.secret)}"
        expected = base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()
        return hmac.compare_digest(expected, signature)

    # --- the token endpoint ---

    def client_of(self, call: Call, form: dict[str, str]) -> App | None:
        """The client that a request to the token endpoint proves to be."""
        scheme, _, rest = call.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                client_id, _, secret = base64.b64decode(rest).decode().partition(":")
            except ValueError:
                return None
            app = self.apps.get(unquote(client_id))
            return app if app and app.client_secret == unquote(secret) else None
        app = self.apps.get(form.get("client_id", ""))
        return app if app and app.client_secret is None else None

    def refresh(self, refresh_token: str, client_id: str, now: float) -> Reply:
        """Trade a refresh token for a new pair; one that was traded before revokes its family."""
        if refresh_token in self._spent:
            self._spent[refresh_token].revoked = True
        old = self._refresh.get(refresh_token)
        if old is None or old.family.revoked or old.client_id != client_id:
            return oauth_error(400, "invalid_request", "Value passed for the token was invalid.")
        del self._refresh[refresh_token]
        self._spent[refresh_token] = old.family
        new = Token("oauth2", old.account, old.client_id, old.scopes, now + ACCESS_SECONDS, old.family)
        access, following = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.tokens[access] = new
        self._refresh[following] = new
        answer = {
            "token_type": "bearer",
            "expires_in": ACCESS_SECONDS,
            "access_token": access,
            "scope": " ".join(sorted(new.scopes)),
            "refresh_token": following,
        }
        return Reply(200, answer)

    def revoke(self, value: str) -> None:
        self.tokens.pop(value, None)
        token = self._refresh.pop(value, None)
        if token is not None:
            token.family.revoked = True


def user_of(token: Token) -> Account:
    """The account that a token speaks for; app-only tokens speak for none."""
    if token.account is None:
        raise unsupported_authentication()
    return token.account


def oauth_error(status: int, error: str, description: str) -> Reply:
    return Reply(status, {"error": error, "error_description": description})


def _oauth1_fields(header: str) -> dict[str, str]:
    return {unquote(k): unquote(v) for k, v in re.findall(r'(\w+)="([^"]*)"', header)}


def _encode(value: str) -> str:
    return quote(value, safe="-._~")
