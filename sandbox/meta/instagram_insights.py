"""Insights of Instagram media and accounts, for both logins; their numbers grow (`sandbox.growth`).

Seed of posts: `{"instagram": {"posts": [{"account_id", "post_id", "kind": image|reel|carousel|story, "text"?,
"published_at" (epoch s), "gone_at"?, "scale"?, "before_business"?}]}}`. Accounts take `followers` and
`timezone`.

Sources: Meta, references of IG Media insights and IG User insights; errors that clients met there.
Switch: `ig_story_over` "empty" (default) | "gone": what a story's insights say after its 24 hours, which Meta
does not say.
"""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sandbox import growth
from sandbox.core import LivePost, sha256
from sandbox.meta import errors
from sandbox.meta.graph import GraphService, Request, iso, names
from sandbox.meta.insights import (
    Number,
    asked,
    check,
    check_lifetime,
    grows,
    is_out,
    leave,
    lifetime,
    only,
    row,
    told_until,
    window,
)
from sandbox.meta.media_rules import KINDS
from sandbox.meta.readback import INSTAGRAM_LOGIN, Reading, levels
from sandbox.meta.store import DAY_S, Account, Medium, Store

STORY_VIEWERS = 5
FOLLOWERS_NEEDED = 100
KEPT_S = 90 * DAY_S
"""How far back an account's days are told."""
MEDIA: Mapping[str, Number] = {
    "views": grows("views"),
    "reach": grows("reach"),
    "likes": grows("likes"),
    "comments": grows("comments"),
    "saved": grows("saves"),
    "shares": grows("shares"),
    "reposts": grows("reposts"),
    "total_interactions": grows("likes", "comments", "saves", "shares"),
    "profile_visits": grows("profile_visits"),
    "follows": grows("follows"),
    "profile_activity": grows("profile_activity"),
    "ig_reels_avg_watch_time": Number(("watch_time",), rate=(1_500, 12_000)),
    "ig_reels_video_view_total_time": grows("views", scale=5_000),
    "reels_skip_rate": Number(("skip_rate",), rate=(10, 60)),
    "navigation": grows("navigation"),
    "replies": grows("replies"),
    "link_clicks": grows("clicks"),
    "total_views": grows("views", "views_elsewhere"),
    "total_likes": grows("likes", "likes_elsewhere"),
    "total_comments": grows("comments", "comments_elsewhere"),
}
EVERYWHERE = names("views reach shares total_interactions reposts total_views")
LIKED = names("likes comments saved total_likes total_comments")
VISITED = names("profile_visits follows profile_activity")
PRODUCTS = {
    "FEED": EVERYWHERE | LIKED | VISITED,
    "REELS": EVERYWHERE
    | LIKED
    | names("ig_reels_avg_watch_time ig_reels_video_view_total_time reels_skip_rate"),
    "STORY": EVERYWHERE | VISITED | names("navigation replies link_clicks"),
}
FACEBOOK_LOGIN_ONLY = names("link_clicks total_views total_likes total_comments")
CROSSPOSTED = names("crossposted_views facebook_views")
ACCOUNT = names(
    "reach views accounts_engaged total_interactions likes comments shares saves replies reposts"
    " follows_and_unfollows profile_links_taps"
)
NEEDS_FOLLOWERS = names("follows_and_unfollows follower_count")
"""Left out of the answer for an account with fewer than 100."""
SERIES = names("reach follower_count")


class Insights:
    """The two edges of one host."""

    def __init__(self, service: GraphService, edges: Reading) -> None:
        self.service = service
        self.world = service.world
        self.store = service.store
        self.edges = edges

    async def read(self, request: Request) -> dict[str, Any]:
        """`GET /{ig-media-id}/insights` and `GET /{ig-user-id}/insights`."""
        node = self.store.nodes.get(request.node)
        if not isinstance(node, Medium):
            account = self.edges.account(request)
            self.service.need(request, self.edges.login.insights)
            return self._of_account(request, account)
        if node.account.account_id not in request.token.owners or node.created_at > self.world.now():
            raise self.service.no_object(request.node)
        self.service.need(request, self.edges.login.insights)
        return self._of_medium(request, node)

    def _of_medium(self, request: Request, medium: Medium) -> dict[str, Any]:
        only(request, self.service, "period", "metric_type")
        check_lifetime(request, self.service)
        wanted, product = asked(request, self.service), KINDS[medium.kind].product
        if medium.parent is not None:
            raise self.service.invalid("An item of a carousel has no insights")
        if medium.before_business:
            raise self.service.refuse(errors.BEFORE_BUSINESS)
        if product == "REELS" and CROSSPOSTED & set(wanted):
            raise self.service.refuse(errors.NOT_CROSSPOSTED)
        served = PRODUCTS[product]
        if self.edges.login is INSTAGRAM_LOGIN:
            served -= FACEBOOK_LOGIN_ONLY
        check(wanted, served, MEDIA, self.service, by_name=True)
        if product == "STORY":
            if self.world.now() >= medium.created_at + DAY_S:
                if self.world.switch("ig_story_over", "empty") == "gone":
                    raise self.service.no_object(request.node)
                return {"data": []}
            if _of(medium, "reach", self.world.now()) < STORY_VIEWERS:
                raise self.service.refuse(errors.FEW_VIEWERS)
        if medium.created_at > told_until(self.world):
            return {"data": []}
        numbers = {name: _of(medium, name, self.world.now()) for name in wanted}
        return {"data": lifetime(medium.media_id, numbers)}

    def _of_account(self, request: Request, account: Account) -> dict[str, Any]:
        only(request, self.service, "period", "metric_type", "since", "until")
        wanted = asked(request, self.service)
        check(wanted, ACCOUNT | SERIES, ACCOUNT | SERIES, self.service, by_name=True)
        if request.params.get("period") != "day":
            raise self.service.invalid("Param period must be day for these metrics")
        kind = request.params.get("metric_type", "time_series")
        if kind not in ("total_value", "time_series"):
            raise self.service.invalid("Param metric_type must be one of total_value, time_series")
        wrong = set(wanted) - (ACCOUNT if kind == "total_value" else SERIES)
        if wrong:
            other = "time_series" if kind == "total_value" else "total_value"
            listed = ", ".join(sorted(wrong))
            raise self.service.invalid(
                f"The following metrics ({listed}) should be specified with metric_type={other}"
            )
        now = self.world.now()
        since, until = window(request, self.service) or (now - DAY_S, now)
        lags = told_until(self.world) < min(until, now)
        if lags or not now - KEPT_S <= since < now:
            return {"data": []}
        few = levels(account, now)["followers_count"] < FOLLOWERS_NEEDED
        data = []
        for name in wanted:
            if few and name in NEEDS_FOLLOWERS:
                continue
            value = growth.between(account.account_id, name, since, min(until, now))
            shown: dict[str, Any] = {"total_value": {"value": value}}
            if kind == "time_series":
                shown = {"values": [{"value": value, "end_time": iso(until)}]}
            data.append(row(account.account_id, name, "day", **shown))
        return {"data": data}


def _of(medium: Medium, name: str, at: float) -> int | float:
    return MEDIA[name].at(medium.media_id, at - medium.created_at, medium.scale)


def numbers(store: Store, at: float) -> Iterator[dict[str, Any]]:
    """What is true at an instant, of all accounts and of their posts that are out then."""
    gone = [medium for medium in store.gone if isinstance(medium, Medium)]
    for account in [node for node in store.nodes.values() if isinstance(node, Account)]:
        media = (*account.media, *account.stories, *(one for one in gone if one.account is account))
        out = [medium for medium in media if is_out(medium, at)]
        stands = levels(account, at)
        stands["media_count"] = sum(KINDS[medium.kind].product != "STORY" for medium in out)
        about = {"platform": "instagram", "account_id": account.account_id}
        for name, value in stands.items():
            yield {**about, "post_id": None, "metric": name, "value": value}
        date, since, until = _day(account.timezone, at)
        for name in sorted(ACCOUNT):
            value = growth.between(account.account_id, name, since, until)
            yield {**about, "post_id": None, "metric": name, "value": value, "date": date}
        for medium in out:
            for name in PRODUCTS[KINDS[medium.kind].product]:
                number = _of(medium, name, at)
                yield {**about, "post_id": medium.media_id, "metric": name, "value": number}


def _day(zone: str, at: float) -> tuple[str, float, float]:
    """The day of a zone that holds an instant: its date, its first instant and the next day's."""
    local = datetime.fromtimestamp(at, ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return local.date().isoformat(), local.timestamp(), (local + timedelta(days=1)).timestamp()


def seed_posts(service: GraphService, rows: Iterable[Mapping[str, Any]]) -> None:
    """Posts that are on the air, with ids and times of the caller's; one of a time to come is out then."""
    for given in rows:
        account = service.store.nodes.get(str(given["account_id"]))
        kind = {"story": "story_image"}.get(given["kind"], given["kind"])
        if not isinstance(account, Account) or kind not in KINDS or KINDS[kind].is_child:
            raise ValueError(f"no Instagram account {given['account_id']!r}, or no kind {given['kind']!r}")
        medium = Medium(
            media_id=str(given["post_id"]),
            account=account,
            kind=kind,
            caption=given.get("text", ""),
            created_at=float(given["published_at"]),
            received_at=time.time(),
            digests=[sha256(str(given["post_id"]).encode())],
            scale=float(given.get("scale", 1.0)),
            before_business=bool(given.get("before_business", False)),
        )
        service.store.nodes[medium.media_id] = medium
        leave(service.store, medium, medium.media_id, given)
        among = account.stories if KINDS[kind].product == "STORY" else account.media
        insort(among, medium, key=lambda one: one.created_at)
        live = (account.account_id, medium.media_id, KINDS[kind].live, medium.caption, list(medium.digests))
        service.world.publish(LivePost("instagram", *live, None, medium.created_at))
