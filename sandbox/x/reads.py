"""X's reads: posts by id, an account's timeline, who one is, what was used.

Switches: `x_spelling` old|new|blank (how answers are spelt), `x_query_spelling` both|old|new (which parameter
for fields of posts is taken), `x_owned_reads` yes|no (whether posts that their own author reads cost less).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sandbox.core import Call, Reply, World
from sandbox.x import errors, numbers, schema
from sandbox.x.access import Access, Account, Token, user_of
from sandbox.x.errors import forbidden, invalid
from sandbox.x.posts import (
    EXPANSIONS,
    MEDIA_FIELDS,
    POLL_FIELDS,
    POST_FIELDS,
    USER_FIELDS,
    Post,
    old_spelling,
    shown_medium,
    shown_post,
    spelt,
)

SERVICE = "x"
MOST_IDS = 100
TIMELINE_DEPTH = 3200
FIELDS_OF_POSTS = {"old": "tweet.fields", "new": "post.fields"}
READ_PARAMETERS = frozenset(
    (
        *FIELDS_OF_POSTS.values(),
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
ME_EXPANSIONS = frozenset(("pinned_tweet_id", "most_recent_tweet_id", "affiliation.user_id"))
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")

Wanted = dict[str, frozenset[str]]


class Reads:
    """The handlers, and all posts there are."""

    def __init__(self, world: World, access: Access) -> None:
        self._world = world
        self.access = access
        self.posts: dict[str, Post] = {}
        self.bill = numbers.Bill()

    def spelling(self) -> str:
        return self._world.switch("x_spelling", "old")

    def there(self, post: Post) -> bool:
        """Whether reads show it: `received_at`, and with it a lag, is on the real clock."""
        seen = post.seeded or post.received_at < self._world.visible_before(SERVICE)
        return seen and post.out_at(self._world.now())

    def wanted(self, call: Call, allowed: frozenset[str], expansions: frozenset[str] = EXPANSIONS) -> Wanted:
        """The lists in the query, checked, in the old spelling."""
        side = self._world.switch("x_query_spelling", "both")
        refused = {"both": "", "old": FIELDS_OF_POSTS["new"], "new": FIELDS_OF_POSTS["old"]}[side]
        for name, value in call.query:
            if name not in READ_PARAMETERS | allowed or name == refused:
                raise invalid(name, value, f"The query parameter [{name}] is not known")
        lists = {
            "fields": (tuple(FIELDS_OF_POSTS.values()), POST_FIELDS),
            "expansions": (("expansions",), expansions),
            "media": (("media.fields",), MEDIA_FIELDS),
            "polls": (("poll.fields",), POLL_FIELDS),
            "users": (("user.fields",), USER_FIELDS),
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

    def _private(
        self, post: Post, token: Token, fields: Iterable[str], resource: tuple[str, str]
    ) -> tuple[list[str], list[dict[str, Any]]]:
        """Of some fields those that this caller may read of a post or its video, and the problems."""
        kind, resource_id = resource
        asked = [name for name in numbers.PRIVATE if name in fields]
        fresh = self._world.now() - post.published_at < numbers.PRIVATE_SECONDS
        allowed = asked if token.account is post.author and fresh else []
        allowed = [name for name in allowed if numbers.PRIVATE[name]]  # nothing here is promoted
        problems = [
            errors.field_not_authorized(name, resource_id, kind) for name in asked if name not in allowed
        ]
        return allowed, problems

    def _post(self, post: Post, token: Token, wanted: Wanted) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A post with its numbers, and what of it is not told."""
        now = self._world.now()
        shown = shown_post(
            post, wanted["fields"], self._world.faults.argument("mangle_text", SERVICE) is not None
        )
        if "public_metrics" in wanted["fields"]:
            shown["public_metrics"] = numbers.post_counts(post, numbers.PUBLIC, now)
        allowed, problems = self._private(post, token, wanted["fields"], ("tweet", post.post_id))
        for name in allowed:
            shown[name] = numbers.post_counts(post, numbers.PRIVATE[name], now)
        return shown, problems

    def _media(self, posts: list[Post], token: Token, wanted: Wanted) -> tuple[list[Any], list[Any]]:
        """`includes.media`, and what of it is not told."""
        shown: dict[str, Any] = {}
        problems = []
        for post in posts:
            for medium in post.media:
                one = shown[medium.media_id] = shown_medium(medium, wanted["media"])
                if not post.is_video:
                    continue
                counts = numbers.video_counts(post, self._world.now())
                if "public_metrics" in wanted["media"]:
                    one["public_metrics"] = {"view_count": counts.pop("view_count")}
                about = ("media", medium.media_key)
                allowed, untold = self._private(post, token, wanted["media"], about)
                problems += untold
                for name in allowed:
                    one[name] = {name: n for name, n in counts.items() if name != "view_count"}
        return list(shown.values()), problems

    def _answer(self, posts: list[Post], wanted: Wanted, token: Token, more: dict[str, Any]) -> Reply:
        """`data`, `includes` and partial `errors` for these posts."""
        problems: list[dict[str, Any]] = more.pop("errors", [])
        data = []
        owned = self._world.switch("x_owned_reads", "yes") == "yes"
        for post in posts:
            shown, untold = self._post(post, token, wanted)
            data.append(shown)
            problems += untold
            own = owned and token.account is post.author
            self.bill.charge("own post read" if own else "post read", post.post_id, self._world.now())
        includes: dict[str, list[Any]] = {}
        if "attachments.media_keys" in wanted["expansions"]:
            includes["media"], untold_media = self._media(posts, token, wanted)
            problems += untold_media
        if "attachments.poll_ids" in wanted["expansions"]:
            now = self._world.now()
            includes["polls"] = [post.poll.shown(wanted["polls"], now) for post in posts if post.poll]
        if "author_id" in wanted["expansions"]:
            authors = {post.author.account_id: post.author for post in posts}
            includes["users"] = [self._account(author, wanted["users"]) for author in authors.values()]
        if "referenced_tweets.id" in wanted["expansions"]:
            parents = {post.parent.number: post.parent for post in posts if post.parent}
            includes["tweets"] = [self._post(post, token, wanted)[0] for post in parents.values()]
        body: dict[str, Any] = {"data": data} if data else {}
        if included := {name: values for name, values in includes.items() if values}:
            body["includes"] = included
        if problems:
            body["errors"] = problems
        return Reply(200, spelt(body | more, self.spelling()))

    def _refuse_if_unreadable(self) -> None:
        if self._world.faults.argument("unreadable", SERVICE) is not None:
            raise forbidden()

    async def posts_by_id(self, call: Call, token: Token) -> Reply:
        self._refuse_if_unreadable()
        wanted = self.wanted(call, frozenset(["ids"]))
        ids = (call.query_value("ids") or "").split(",")
        if len(ids) > MOST_IDS:
            raise invalid(
                "ids", len(ids), f"The number of values in the `ids` query parameter must be 1 to {MOST_IDS}"
            )
        for post_id in ids:
            schema.identifier("ids", post_id)
        found = [post for i in ids if (post := self.posts.get(i)) and self.there(post)]
        shown = {post.post_id for post in found}
        missing = [errors.not_found("tweet", "ids", i) for i in ids if i not in shown]
        return self._answer(found, wanted, token, {"errors": missing})

    async def timeline(self, call: Call, token: Token) -> Reply:
        self._refuse_if_unreadable()
        wanted = self.wanted(call, TIMELINE_PARAMETERS)
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

        posts = account.posts
        low = max(0, len(posts) - (800 if "replies" in excluded else TIMELINE_DEPTH))
        high = len(posts)
        if since := call.query_value("since_id"):
            schema.identifier("since_id", since)
            low = max(low, bisect_right(posts, int(since), key=number))
        for name in ("until_id", "pagination_token"):
            if bound := call.query_value(name):
                schema.identifier(name, bound)
                high = min(high, bisect_left(posts, int(bound), key=number))
        page: list[Post] = []
        following = False
        for index in range(high - 1, low - 1, -1):
            post = posts[index]
            second = int(post.received_at)
            if start is not None and second < start:
                break
            if not self.there(post) or (end is not None and second >= end):
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

    def _account(self, account: Account, fields: frozenset[str]) -> dict[str, Any]:
        """A user, in the old spelling."""
        everything: dict[str, Any] = {
            "id": account.account_id,
            "name": account.username,
            "username": account.username,
            "protected": False,
            "verified": account.premium,
            "verified_type": "blue" if account.premium else "none",
            "subscription_type": "Premium" if account.premium else "None",
        }
        shown = {
            name: value for name, value in everything.items() if name in fields | {"id", "name", "username"}
        }
        if "public_metrics" in fields:
            shown["public_metrics"] = numbers.account_counts(account, self._world.now())
        return shown

    async def me(self, call: Call, token: Token) -> Reply:
        wanted = self.wanted(call, frozenset(), ME_EXPANSIONS)
        account = user_of(token)
        self.bill.charge("own user read", account.account_id, self._world.now())
        return Reply(200, spelt({"data": self._account(account, wanted["users"])}, self.spelling()))

    async def usage(self, call: Call, token: Token) -> Reply:
        days = call.query_value("days") or "7"
        if not days.isdecimal() or not 1 <= int(days) <= 90:
            raise invalid("days", days, "The `days` query parameter must be from 1 to 90")
        data = {
            "project_id": "1",
            "project_cap": "3000000",
            "project_usage": str(self.bill.post_reads),
            "cap_reset_day": 1,
        }
        return Reply(200, {"data": data})


def number(post: Post) -> int:
    return post.number
