"""A strict stand-in for X API v2 (https://api.x.com): posts, uploads, reads, tokens, rate windows.

Seed: `{"apps": [{client_id, client_secret?, bearer_token?, consumer_key?, consumer_secret?}], "accounts":
[{account_id, username, token, refresh_token?, scopes?, premium?, token_expires_at?, limits?, client_id?,
oauth1?: {token, token_secret}}], "metrics": {post id: {name: number}}}`; `limits: "off"` lifts the windows.
Switches here: `x_429_shape` title|errors88, `x_402_shape` problem|legacy, `x_spelling` old|new|blank,
`x_duplicate_hours` (24); those of uploads are in `media`.
Source: X API documentation (docs.x.com) and openapi.json 2.167.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sandbox.core import Call, Refused, Reply, Service, World, route
from sandbox.x import errors, schema
from sandbox.x.access import DAY_SECONDS, WINDOW_SECONDS, Access, Account, Token, oauth_error, user_of
from sandbox.x.errors import forbidden, invalid
from sandbox.x.posts import (
    EXPANSIONS,
    MEDIA_FIELDS,
    POLL_FIELDS,
    POST_FIELDS,
    PRIVATE_COUNTS,
    PRIVATE_METRICS_SECONDS,
    SHORT_POST,
    Poll,
    Post,
    normalised,
    old_spelling,
    rewritten,
    shown_medium,
    shown_post,
    spelt,
)
from sandbox.x.snowflakes import Snowflakes
from sandbox.x.uploads import Uploads
from schedulo.text import X_INVALID_CHARACTERS, x_weighted_length

LONG_POST = 25_000
TIMELINE_DEPTH = 3200
READ_PARAMETERS = frozenset(
    (
        "tweet.fields",
        "post.fields",
        "expansions",
        "media.fields",
        "poll.fields",
        "user.fields",
        "place.fields",
    )
)
TIMELINE_PARAMETERS = frozenset(
    ("max_results", "pagination_token", "since_id", "until_id", "start_time", "end_time", "exclude")
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
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
        self.posts: dict[str, Post] = {}
        self._ids = Snowflakes()
        self.uploads = Uploads(world)
        self._reads = 0
        self.routes = [
            self._route("POST", "/2/tweets", "create_post", self.create_post),
            self._route("DELETE", "/2/tweets/{id}", "delete_post", self.delete_post),
            self._route("GET", "/2/tweets", "posts", self.read_posts),
            self._route("GET", "/2/users/me", "me", self.me),
            self._route("GET", "/2/users/{id}/tweets", "timeline", self.timeline),
            self._route("GET", "/2/usage/tweets", "usage", self.usage),
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
        self.uploads.media.clear()
        self.posts.clear()
        self._reads = 0

    def seed(self, data: dict[str, Any]) -> None:
        self.access.seed(data)
        for post_id, counts in data.get("metrics", {}).items():
            self.posts[post_id].counts.update(counts)

    def remove(self, post_id: str) -> bool:
        post = self.posts.get(post_id)
        if post is None or post.deleted:
            return False
        post.deleted = True
        return True

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

    def _spelling(self) -> str:
        return self.world.switch("x_spelling", "old")

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
            conversation=parent.conversation if parent else number,
        )
        self.posts[post.post_id] = post
        account.posts.append(post)
        if said:
            account.said[said] = now
        self.world.publish(post.live())
        data = {"id": post.post_id, "text": shown, "edit_history_tweet_ids": [post.post_id]}
        location = f"https://api.twitter.com/2/tweets/{post.post_id}"
        return Reply(201, spelt({"data": data}, self._spelling()), {"location": location})

    def _parent(self, body: dict[str, Any], account: Account) -> Post | None:
        """The post that is replied to; others' posts only if they name the caller (rule of 2026-02-23)."""
        if "reply" not in body:
            return None
        parent_id = body["reply"]["in_reply_to_tweet_id"]
        parent = self.posts.get(parent_id)
        if parent is None or parent.deleted:
            raise Refused(Reply(404, errors.not_found("tweet", "in_reply_to_tweet_id", parent_id)))
        own = parent.author.account_id == account.account_id
        if not own and f"@{account.username}".lower() not in parent.sent.lower():
            raise forbidden()
        return parent

    async def delete_post(self, call: Call, token: Token) -> Reply:
        post = self.posts.get(call.args["id"])
        if post is None or post.deleted:
            raise Refused(Reply(404, errors.not_found("tweet", "id", call.args["id"])))
        if post.author.account_id != user_of(token).account_id:
            raise forbidden()
        post.deleted = True
        post.author.said.pop(normalised(post.sent), None)
        return Reply(200, {"data": {"deleted": True}})

    # --- reads ---

    def _wanted(self, call: Call, allowed: frozenset[str]) -> dict[str, frozenset[str]]:
        """The lists in the query, checked, in the old spelling."""
        for name, value in call.query:
            if name not in READ_PARAMETERS | allowed:
                raise invalid(name, value, f"The query parameter [{name}] is not known")
        lists = {
            "fields": (("tweet.fields", "post.fields"), POST_FIELDS),
            "expansions": (("expansions",), EXPANSIONS),
            "media": (("media.fields",), MEDIA_FIELDS),
            "polls": (("poll.fields",), POLL_FIELDS),
        }
        wanted = {}
        for key, (parameters, known) in lists.items():
            given = [v for p in parameters if (text := call.query_value(p)) for v in text.split(",")]
            names = old_spelling(given)
            for name in names:
                if name not in known:
                    raise invalid(parameters[0], name, f"[{name}] is not one of {parameters[0]}")
            wanted[key] = frozenset(names)
        return wanted

    def _answer(
        self, posts: list[Post], wanted: dict[str, frozenset[str]], token: Token, more: dict[str, Any]
    ) -> Reply:
        """`data`, `includes` and partial `errors` for these posts."""
        mangled = self.world.faults.argument("mangle_text", self.name) is not None
        problems: list[dict[str, Any]] = more.pop("errors", [])
        data = []
        for post in posts:
            shown = shown_post(post, wanted["fields"], mangled)
            for name, counts in PRIVATE_COUNTS.items():
                if name not in wanted["fields"]:
                    continue
                fresh = self.world.now() - post.received_at < PRIVATE_METRICS_SECONDS
                if token.account is post.author and fresh:
                    shown[name] = {count: post.counts.get(count, 0) for count in counts}
                else:
                    problems.append(errors.field_not_authorized(name, post.post_id))
            data.append(shown)
        self._reads += len(posts)
        includes: dict[str, list[Any]] = {}
        if "attachments.media_keys" in wanted["expansions"]:
            media = {medium.media_id: medium for post in posts for medium in post.media}
            includes["media"] = [shown_medium(medium, wanted["media"]) for medium in media.values()]
        if "attachments.poll_ids" in wanted["expansions"]:
            now = self.world.now()
            includes["polls"] = [post.poll.shown(wanted["polls"], now) for post in posts if post.poll]
        if "author_id" in wanted["expansions"]:
            authors = {post.author.account_id: post.author for post in posts}
            includes["users"] = [_shown_account(author) for author in authors.values()]
        if "referenced_tweets.id" in wanted["expansions"]:
            parents = {post.parent.number: post.parent for post in posts if post.parent}
            includes["tweets"] = [shown_post(post, wanted["fields"], mangled) for post in parents.values()]
        body: dict[str, Any] = {"data": data} if data else {}
        if included := {name: values for name, values in includes.items() if values}:
            body["includes"] = included
        if problems:
            body["errors"] = problems
        return Reply(200, spelt(body | more, self._spelling()))

    def _refuse_if_unreadable(self) -> None:
        if self.world.faults.argument("unreadable", self.name) is not None:
            raise forbidden()

    async def read_posts(self, call: Call, token: Token) -> Reply:
        self._refuse_if_unreadable()
        wanted = self._wanted(call, frozenset(["ids"]))
        ids = (call.query_value("ids") or "").split(",")
        if len(ids) > 100:
            raise invalid(
                "ids", len(ids), "The number of values in the `ids` query parameter must be 1 to 100"
            )
        for post_id in ids:
            schema.identifier("ids", post_id)
        before = self.world.visible_before(self.name)
        found = [
            post
            for i in ids
            if (post := self.posts.get(i)) and not post.deleted and post.received_at < before
        ]
        there = {post.post_id for post in found}
        missing = [errors.not_found("tweet", "ids", i) for i in ids if i not in there]
        return self._answer(found, wanted, token, {"errors": missing})

    async def timeline(self, call: Call, token: Token) -> Reply:
        self._refuse_if_unreadable()
        wanted = self._wanted(call, TIMELINE_PARAMETERS)
        account = self.access.accounts.get(call.args["id"])
        if account is None:
            return Reply(200, {"errors": [errors.not_found("user", "id", call.args["id"])]})
        asked = call.query_value("max_results") or "10"
        if not asked.isdecimal() or not 5 <= int(asked) <= 100:
            raise invalid("max_results", asked, "The `max_results` query parameter must be from 5 to 100")
        excluded = set(filter(None, (call.query_value("exclude") or "").split(",")))
        if not excluded <= {"replies", "retweets"}:
            raise invalid("exclude", ",".join(sorted(excluded)), "exclude takes replies and retweets")
        start, end = self._time(call, "start_time"), self._time(call, "end_time")
        before = self.world.visible_before(self.name)

        posts = account.posts
        low = max(0, len(posts) - (800 if "replies" in excluded else TIMELINE_DEPTH))
        high = len(posts)
        if since := call.query_value("since_id"):
            schema.identifier("since_id", since)
            low = max(low, bisect_right(posts, int(since), key=_number))
        for name in ("until_id", "pagination_token"):
            if bound := call.query_value(name):
                schema.identifier(name, bound)
                high = min(high, bisect_left(posts, int(bound), key=_number))
        page: list[Post] = []
        following = False
        for index in range(high - 1, low - 1, -1):
            post = posts[index]
            second = int(post.received_at)
            if start is not None and second < start:
                break
            if post.deleted or post.received_at >= before or (end is not None and second >= end):
                continue
            if "replies" in excluded and post.parent is not None:
                continue
            if len(page) == int(asked):
                following = True
                break
            page.append(post)
        meta: dict[str, Any] = {"result_count": len(page)}
        if page:
            meta |= {"newest_id": page[0].post_id, "oldest_id": page[-1].post_id}
        if following:
            meta["next_token"] = page[-1].post_id
        return self._answer(page, wanted, token, {"meta": meta})

    @staticmethod
    def _time(call: Call, name: str) -> float | None:
        value = call.query_value(name)
        if value is None:
            return None
        if not _TIME.fullmatch(value):
            raise invalid(name, value, f"[{name}] must be a time such as 2026-01-31T12:00:00Z")
        return datetime.fromisoformat(value).timestamp()

    async def me(self, call: Call, token: Token) -> Reply:
        return Reply(200, spelt({"data": _shown_account(user_of(token))}, self._spelling()))

    async def usage(self, call: Call, token: Token) -> Reply:
        days = call.query_value("days") or "7"
        if not days.isdecimal() or not 1 <= int(days) <= 90:
            raise invalid("days", days, "The `days` query parameter must be from 1 to 90")
        data = {
            "project_id": "1",
            "project_cap": "3000000",
            "project_usage": str(self._reads),
            "cap_reset_day": 1,
        }
        return Reply(200, {"data": data})

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


def _number(post: Post) -> int:
    return post.number


def _shown_account(account: Account) -> dict[str, Any]:
    return {
        "id": account.account_id,
        "name": account.username,
        "username": account.username,
        "verified_type": "blue" if account.premium else "none",
        "subscription_type": "Premium" if account.premium else "None",
        "public_metrics": {
            "followers_count": 0,
            "following_count": 0,
            "tweet_count": len(account.posts),
            "listed_count": 0,
        },
    }
