"""A strict stand-in for X API v2 (https://api.x.com): posts, uploads, reads, tokens, rate windows.

Seed: `{"apps": [{client_id, client_secret?, bearer_token?, consumer_key?, consumer_secret?}], "accounts":
[{account_id, username, token, refresh_token?, scopes?, premium?, token_expires_at?, limits?, client_id?,
followers?, oauth1?: {token, token_secret}}], "posts": [{account_id, post_id, kind, text?, published_at,
gone_at?}], "metrics": {post id: {name: number}}}`; `limits: "off"` lifts the windows, `followers` stay as
given, and a post's kind is text, photo, gif, video or poll.
Switches here: `x_429_shape` title|errors88, `x_402_shape` problem|legacy, `x_duplicate_hours` (24); others
are in `reads` and `media`.
Source: X API documentation (docs.x.com) and openapi.json 2.167.
"""

from __future__ import annotations

import re
from bisect import insort
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sandbox.core import Call, Refused, Reply, Service, World, route, sha256
from sandbox.x import errors, numbers, schema
from sandbox.x.access import DAY_SECONDS, WINDOW_SECONDS, Access, Account, Token, oauth_error, user_of
from sandbox.x.errors import forbidden, invalid
from sandbox.x.media import Medium
from sandbox.x.posts import SHORT_POST, Poll, Post, normalised, rewritten, spelt
from sandbox.x.reads import Reads, number
from sandbox.x.snowflakes import Snowflakes
from sandbox.x.uploads import Uploads
from schedulo.text import X_INVALID_CHARACTERS, x_weighted_length

LONG_POST = 25_000
SEEDED_MEDIA = {
    "photo": ("image/jpeg", "tweet_image"),
    "gif": ("image/gif", "tweet_gif"),
    "video": ("video/mp4", "tweet_video"),
}
SEEDED_KINDS = ("text", "poll", *SEEDED_MEDIA)
_CASHTAG = re.compile(r"(?<![\w$])\$[A-Za-z]{1,6}(?:[._][A-Za-z]{1,2})?(?!\w)")

Work = Callable[[Call, Token], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who may call, and how often (page "Rate limits": one table for all self-serve apps)."""

    scopes: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("oauth2", "oauth1")
    per_user: int | None = None
    """In 15 minutes."""
    per_app: int | None = None
    app_seconds: int = DAY_SECONDS


_READ = ("tweet.read", "users.read")
_WRITE = (*_READ, "tweet.write")
_UPLOAD = ("media.write",)
_ANYBODY = ("oauth2", "oauth1", "app")
ENDPOINTS = {
    "create_post": Endpoint(_WRITE, per_user=100, per_app=10_000),
    "delete_post": Endpoint(_WRITE, per_user=50),
    "posts": Endpoint(_READ, _ANYBODY, 5_000, 3_500, WINDOW_SECONDS),
    "timeline": Endpoint(_READ, _ANYBODY, 900, 10_000, WINDOW_SECONDS),
    "me": Endpoint(_READ, per_user=75),
    "usage": Endpoint(kinds=("app",), per_app=50, app_seconds=WINDOW_SECONDS),
    "upload": Endpoint(_UPLOAD, per_user=500, per_app=50_000),
    "upload_status": Endpoint(_UPLOAD, per_user=1_000, per_app=100_000),
    "upload_initialize": Endpoint(_UPLOAD, per_user=1_875, per_app=180_000),
    "upload_append": Endpoint(_UPLOAD, per_user=1_875, per_app=180_000),
    "upload_finalize": Endpoint(_UPLOAD, per_user=1_875, per_app=180_000),
    "metadata": Endpoint(_UPLOAD, per_user=500, per_app=50_000),
}


class X(Service):
    """X API v2."""

    name = "x"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.access = Access()
        self.reads = Reads(world, self.access)
        self._ids = Snowflakes()
        self.uploads = Uploads(world)
        self.routes = [
            self._route("POST", "/2/tweets", "create_post", self.create_post),
            self._route("DELETE", "/2/tweets/{id}", "delete_post", self.delete_post),
            self._route("GET", "/2/tweets", "posts", self._posts_by_id),
            self._route("GET", "/2/users/me", "me", self._me),
            self._route("GET", "/2/users/{id}/tweets", "timeline", self._timeline),
            self._route("GET", "/2/usage/tweets", "usage", self._usage),
            self._route("POST", "/2/media/upload", "upload", self.uploads.upload_at_once),
            self._route("GET", "/2/media/upload", "upload_status", self.uploads.upload_status),
            self._route("POST", "/2/media/upload/initialize", "upload_initialize", self.uploads.initialize),
            self._route("POST", "/2/media/upload/{id}/append", "upload_append", self.uploads.append),
            self._route("POST", "/2/media/upload/{id}/finalize", "upload_finalize", self.uploads.finalize),
            self._route("POST", "/2/media/metadata", "metadata", self.uploads.metadata),
            route("POST", "/2/oauth2/token", "oauth_token", self.oauth_token),
            route("POST", "/2/oauth2/revoke", "oauth_revoke", self.oauth_revoke),
        ]

    # --- what the frame asks ---

    def reset(self) -> None:
        self.access = Access()
        self.reads = Reads(self.world, self.access)
        self.uploads.media.clear()

    @property
    def posts(self) -> dict[str, Post]:
        return self.reads.posts

    def seed(self, data: dict[str, Any]) -> None:
        self.access.seed(data)
        for one in data.get("posts", []):
            self._seed_post(**one)
        for post_id, counts in data.get("metrics", {}).items():
            self.posts[post_id].counts.update(numbers.seeded(counts))

    def _seed_post(
        self,
        account_id: str,
        post_id: str,
        kind: str,
        published_at: float,
        text: str = "",
        gone_at: float | None = None,
    ) -> None:
        """A post that went on the air, or will, without having been sent."""
        author = self.access.accounts.get(account_id)
        if author is None or not post_id.isdecimal() or post_id in self.posts or kind not in SEEDED_KINDS:
            kinds = ", ".join(SEEDED_KINDS)
            raise ValueError(
                f"post {post_id!r}, account {account_id!r}, kind {kind!r}: the id must be new and a number, "
                f"the account known, the kind one of {kinds}"
            )
        media = []
        if kind in SEEDED_MEDIA:
            medium = Medium(post_id, frozenset([account_id]), *SEEDED_MEDIA[kind], 0, 0.0)
            medium.state, medium.digest = "succeeded", sha256(post_id.encode())
            media.append(medium)
        shown, links = rewritten(text, int(post_id), author, media)
        poll = Poll(post_id, ("yes", "no"), 1440, published_at) if kind == "poll" else None
        post = Post(
            number=int(post_id),
            author=author,
            sent=text,
            shown=shown,
            links=links,
            received_at=published_at,
            media=media,
            poll=poll,
            parent=None,
            reply_settings="everyone",
            long=x_weighted_length(text) > SHORT_POST,
            published_at=published_at,
            seeded=True,
            conversation=int(post_id),
            gone_at=gone_at,
        )
        self.posts[post_id] = post
        insort(author.posts, post, key=number)
        self.world.publish(post.live())

    def remove(self, post_id: str) -> bool:
        post = self._out(post_id)
        if post is None:
            return False
        post.gone_at = self.world.now()
        return True

    def _out(self, post_id: str) -> Post | None:
        """The post, if it is on the air."""
        post = self.posts.get(post_id)
        return post if post is not None and post.out_at(self.world.now()) else None

    def numbers(self, at: float) -> list[dict[str, Any]]:
        return numbers.rows(self.access.accounts.values(), at)

    def costs(self) -> list[dict[str, Any]]:
        return self.reads.bill.rows()

    def account_of(self, call: Call) -> str | None:
        token = self.access.named(call)
        return token.account.account_id if token and token.account else None

    def refusal(self, status: int, call: Call, code: str = "", subcode: str = "") -> Reply:
        """`code` is a problem type, such as `403/user-suspended`, a word of `errors.WORDS` for a 403 that
        only its text tells from others, or a number of API v1.1."""
        match status, code:
            case 402, _:
                side = "legacy" if code == "credits" else self.world.switch("x_402_shape", "problem")
                return errors.credits_depleted(side)
            case _, "187":
                return errors.old(status, 187, "Status is a duplicate.")
            case _, "88":
                return errors.too_many_requests("errors88")
            case _, "invalid-media-ids":
                return invalid("media.media_ids", ["1"], errors.BAD_MEDIA).reply
            case _, "invalid-request":
                return invalid("text", "", "One or more parameters to your request was invalid.").reply
            case _, "segments":
                return errors.plain(status, "Segments do not add up to provided total file size.")
            case _, "user-suspended":
                return errors.suspended()
            case _, "client-forbidden":
                return errors.client_forbidden()
            case _, "unsupported-authentication":
                return errors.unsupported_authentication().reply
            case _, "usage-capped":
                return errors.usage_capped()
            case _, code if code in errors.WORDS:
                return errors.plain(status, errors.WORDS[code])
            case _, code if code:
                return errors.problem(status, code)
            case 403, _:
                return errors.plain(403, errors.NOT_PERMITTED)
            case 429, _:
                return errors.too_many_requests(self.world.switch("x_429_shape", "title"))
            case 502, _:
                return errors.bad_gateway()
        return errors.plain(status)

    def rate_limited(self, call: Call, wait_s: float | None = None) -> Reply:
        reply = self.refusal(429, call)
        limit = ENDPOINTS[call.route].per_user if call.route in ENDPOINTS else None
        reply.headers |= {
            "x-rate-limit-limit": str(limit or 1),
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(int(self.world.now() + (WINDOW_SECONDS if wait_s is None else wait_s))),
        }
        return reply

    def expire_token(self, call: Call) -> None:
        token = self.access.named(call)
        if token is not None:
            token.expires_at = self.world.now()

    # --- who, and how often ---

    def _route(self, method: str, path: str, name: str, work: Work) -> Any:
        endpoint = ENDPOINTS[name]

        async def handler(call: Call) -> Reply:
            token = self.access.valid(call, self.world.now())
            if token is None:
                raise Refused(errors.plain(401))
            if token.kind not in endpoint.kinds:
                raise errors.unsupported_authentication() if token.kind == "app" else forbidden("Forbidden")
            headers = self._count(name, endpoint, token)
            try:
                if token.kind == "oauth2" and not token.scopes.issuperset(endpoint.scopes):
                    raise forbidden("Forbidden")
                reply = await work(call, token)
            except Refused as refused:
                reply = refused.reply
            reply.headers |= headers
            return reply

        return route(method, path, name, handler)

    def _count(self, name: str, endpoint: Endpoint, token: Token) -> dict[str, str]:
        """Count this request in its windows; the headers of the user's window, else of the app's."""
        if token.account is not None and token.account.unlimited:
            return {}
        shown: dict[str, str] = {}
        now = self.world.now()
        windows: list[tuple[tuple[str, ...], int | None, int]] = [
            ((name, "app", token.client_id), endpoint.per_app, endpoint.app_seconds)
        ]
        if token.account is not None:
            windows.append(((name, "user", token.account.account_id), endpoint.per_user, WINDOW_SECONDS))
        for key, limit, seconds in windows:
            if limit is None:
                continue
            allowed, shown = self.access.windows.take(key, limit, seconds, now)
            if not allowed:
                reply = errors.too_many_requests(self.world.switch("x_429_shape", "title"))
                reply.headers |= shown
                raise Refused(reply)
        return shown

    # --- posts ---

    async def create_post(self, call: Call, token: Token) -> Reply:
        body = schema.json_body(call)
        schema.check_post(body)
        account = user_of(token)
        text = body.get("text", "")
        if any(character in text for character in X_INVALID_CHARACTERS):
            raise invalid("text", text, "[$.text] has characters that are not allowed")
        length = x_weighted_length(text)
        if length > (LONG_POST if account.premium else SHORT_POST):
            raise forbidden()
        if len(_CASHTAG.findall(text)) > 1:
            raise forbidden("Posts may have one cashtag at most.")
        if "quote_tweet_id" in body:
            raise forbidden()
        media = self.uploads.media.for_post(body.get("media", {}).get("media_ids", []), account)
        parent = self._parent(body, account)
        now, said = self.world.now(), normalised(text)
        hours = float(self.world.switch("x_duplicate_hours", "24"))
        if said and now - account.said.get(said, -1e12) < hours * 3600:
            raise forbidden(errors.DUPLICATE)

        number = self._ids.next(call.received_at)
        shown, links = rewritten(text, number, account, media)
        poll = None
        if "poll" in body:
            asked = body["poll"]
            poll_id = str(self.uploads.ids.next(call.received_at))
            poll = Poll(poll_id, tuple(asked["options"]), asked["duration_minutes"], now)
        post = Post(
            number=number,
            author=account,
            sent=text,
            shown=shown,
            links=links,
            received_at=call.received_at,
            media=media,
            poll=poll,
            parent=parent,
            reply_settings=body.get("reply_settings", "everyone"),
            long=length > SHORT_POST,
            published_at=now,
            conversation=parent.conversation if parent else number,
        )
        self.posts[post.post_id] = post
        account.posts.append(post)
        if said:
            account.said[said] = now
        self.world.publish(post.live())
        data = {"id": post.post_id, "text": shown, "edit_history_tweet_ids": [post.post_id]}
        location = f"https://api.twitter.com/2/tweets/{post.post_id}"
        return Reply(201, spelt({"data": data}, self.reads.spelling()), {"location": location})

    def _parent(self, body: dict[str, Any], account: Account) -> Post | None:
        """The post that is replied to; others' posts only if they name the caller (rule of 2026-02-23)."""
        if "reply" not in body:
            return None
        parent_id = body["reply"]["in_reply_to_tweet_id"]
        parent = self._out(parent_id)
        if parent is None:
            raise Refused(Reply(404, errors.not_found("tweet", "in_reply_to_tweet_id", parent_id)))
        own = parent.author.account_id == account.account_id
        if not own and f"@{account.username}".lower() not in parent.sent.lower():
            raise forbidden()
        return parent

    async def delete_post(self, call: Call, token: Token) -> Reply:
        post = self._out(call.args["id"])
        if post is None:
            raise Refused(Reply(404, errors.not_found("tweet", "id", call.args["id"])))
        if post.author.account_id != user_of(token).account_id:
            raise forbidden()
        post.gone_at = self.world.now()
        post.author.said.pop(normalised(post.sent), None)
        return Reply(200, {"data": {"deleted": True}})

    # --- reads; a reset makes them anew ---

    async def _posts_by_id(self, call: Call, token: Token) -> Reply:
        return await self.reads.posts_by_id(call, token)

    async def _timeline(self, call: Call, token: Token) -> Reply:
        return await self.reads.timeline(call, token)

    async def _me(self, call: Call, token: Token) -> Reply:
        return await self.reads.me(call, token)

    async def _usage(self, call: Call, token: Token) -> Reply:
        return await self.reads.usage(call, token)

    # --- tokens ---

    async def oauth_token(self, call: Call) -> Reply:
        if call.content_type != "application/x-www-form-urlencoded":
            return oauth_error(400, "invalid_request", "Content-Type must be a form.")
        form = dict(call.form())
        app = self.access.client_of(call, form)
        if app is None:
            return oauth_error(401, "unauthorized_client", "Missing valid authorization header")
        if form.get("grant_type") != "refresh_token":
            return oauth_error(400, "unsupported_grant_type", "This stand-in has no browser to consent in.")
        return self.access.refresh(form.get("refresh_token", ""), app.client_id, self.world.now())

    async def oauth_revoke(self, call: Call) -> Reply:
        form = dict(call.form())
        if self.access.client_of(call, form) is None:
            return oauth_error(401, "unauthorized_client", "Missing valid authorization header")
        self.access.revoke(form.get("token", ""))
        return Reply(200, {"revoked": True})
