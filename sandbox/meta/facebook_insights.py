"""Insights of Page posts, of videos and reels, and of Pages; their numbers grow (`sandbox.growth`).

A Page's days are those of Pacific time, as in Meta's samples: they end at 07:00 or 08:00 UTC.

Seed of posts: `{"facebook": {"posts": [{"account_id" (the Page), "post_id", "kind": feed|photo|photos|video|
reel|story, "text"?, "published_at" (epoch s), "gone_at"?, "video_id"? (of a video or a reel), "scale"?}]}}`.
Pages take `followers` and `likes`.

Sources: Meta, references of Page insights and Video insights, guide to video insights; what clients met.
In what is true (`numbers`), a metric that is told by kinds has one row for the sum under its own name, or for
one kind under `metric.kind`.
"""

from __future__ import annotations

import re
import time
from bisect import insort
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
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
    told_until,
    window,
)
from sandbox.meta.insights import row as insight
from sandbox.meta.logins import levels
from sandbox.meta.store import Page, PagePost, PageVideo, Store, Upload

SCOPES = ("read_insights", "pages_read_engagement")
LIKES_NEEDED = 100
PACIFIC = ZoneInfo("America/Los_Angeles")
REACTIONS = ("like", "love", "wow", "haha", "sorry", "anger")
POST: Mapping[str, Number] = {
    "post_media_view": grows("views"),
    "post_total_media_view_unique": grows("reach"),
    "post_clicks": grows("clicks", "clicks_other"),
    "post_video_views": grows("views", scale=0.5),
    "post_reactions_like_total": grows("likes"),
    **{f"post_reactions_{kind}_total": grows(f"likes_{kind}", scale=0.5) for kind in REACTIONS[1:]},
}
VIDEO: Mapping[str, Number] = {
    "total_video_views": grows("views", scale=0.5),
    "total_video_views_unique": grows("reach", scale=0.5),
}
REEL: Mapping[str, Number] = {
    "fb_reels_total_plays": grows("views"),
    "post_video_avg_time_watched": Number(("watch_time",), rate=(1_500, 12_000)),
    "post_video_view_time": grows("views", scale=5_000),
}
_LIKED = {kind: POST[f"post_reactions_{kind}_total"] for kind in REACTIONS}
_LIKED_OFTEN = grows("likes", *(f"likes_{kind}" for kind in REACTIONS[1:]))
POST_KINDS: Mapping[str, Mapping[str, Number]] = {
    "post_reactions_by_type_total": _LIKED,
    "post_clicks_by_type": {"link clicks": grows("clicks"), "other clicks": grows("clicks_other")},
    "post_activity_by_action_type": {
        "like": _LIKED_OFTEN,
        "comment": grows("comments"),
        "share": grows("shares"),
    },
    "post_activity_by_action_type_unique": {
        "like": _LIKED_OFTEN,
        "comment": grows("comments", scale=0.9),
        "share": grows("shares", scale=0.9),
    },
}
REEL_KINDS: Mapping[str, Mapping[str, Number]] = {
    "post_video_likes_by_reaction_type": {f"REACTION_{kind.upper()}": one for kind, one in _LIKED.items()},
    "post_video_social_actions": {"COMMENT": grows("comments"), "SHARE": grows("shares")},
}
"""Told by kinds; a kind of which there is none is left out."""
PAGE = names(
    "page_media_view page_total_media_view_unique page_post_engagements page_follows page_daily_follows"
    " page_daily_follows_unique page_daily_unfollows_unique page_views_total page_total_actions"
    " page_video_views"
)
PERIODS = {"day": 1, "week": 7, "days_28": 28}


class Insights:
    """The edges."""

    def __init__(self, service: GraphService) -> None:
        self.service = service
        self.world = service.world
        self.store = service.store

    async def read(self, request: Request) -> dict[str, Any]:
        """`GET /{post-id}/insights` and `GET /{page-id}/insights`."""
        node = self.store.nodes.get(request.node)
        match node:
            case Page() if node.page_id in request.token.owners:
                self._need(request, node)
                return self._of_page(request, node)
            case PagePost(page=page) if page.page_id in request.token.owners and node.kind != "story":
                self._need(request, page)
                return self._of_post(request, node)
        raise self.service.no_object(request.node)

    async def video(self, request: Request) -> dict[str, Any]:
        """`GET /{video-id}/video_insights`; without `metric` all that there is."""
        video = self.store.nodes.get(request.node)
        if not isinstance(video, PageVideo) or video.page.page_id not in request.token.owners:
            raise self.service.no_object(request.node)
        self._need(request, video.page)
        only(request, self.service, "period", "since", "until")
        check_lifetime(request, self.service)
        served = _video_numbers(video)
        wanted = asked(request, self.service) if "metric" in request.params else list(served)
        known = {**VIDEO, **REEL, **REEL_KINDS}
        check(wanted, served, known, self.service, by_name=False)
        post = video.post
        if post is None or not self._told(post):
            return {"data": []}
        return {"data": lifetime(video.video_id, self._numbers(post, served, wanted), "video_insights")}

    def _need(self, request: Request, page: Page) -> None:
        self.service.need(request, SCOPES)
        if "ANALYZE" not in page.tasks:
            raise self.service.refuse(errors.PAGE_PERMISSION.saying("(#200) The ANALYZE task is missing"))

    def _told(self, post: PagePost) -> bool:
        return post.published and post.created_at <= min(self.world.now(), told_until(self.world))

    def _numbers(self, post: PagePost, served: Mapping[str, Any], wanted: list[str]) -> dict[str, Any]:
        now = self.world.now()
        return {name: _told(served[name], post, now) for name in wanted}

    def _of_post(self, request: Request, post: PagePost) -> dict[str, Any]:
        only(request, self.service, "period", "since", "until")
        check_lifetime(request, self.service)
        wanted = asked(request, self.service)
        served = _post_numbers(post)
        check(wanted, served, {**POST, **POST_KINDS}, self.service, by_name=False)
        data = lifetime(post.post_id, self._numbers(post, served, wanted)) if self._told(post) else []
        return {"data": data, "paging": self._paging(request, self.world.now() - 86_400)}

    def _of_page(self, request: Request, page: Page) -> dict[str, Any]:
        only(request, self.service, "period", "since", "until")
        wanted = asked(request, self.service)
        check(wanted, PAGE, PAGE, self.service, by_name=False)
        if request.params.get("period", "day") not in PERIODS:
            raise self.service.invalid(f"Param period must be one of {', '.join(PERIODS)}")
        periods = [request.params["period"]] if "period" in request.params else list(PERIODS)
        now = self.world.now()
        since, until = window(request, self.service) or (now - 2 * 86_400, now)
        if levels(page, now)["fan_count"] < LIKES_NEEDED:
            return {"data": []}
        first, last = (self._date(request, name, at) for name, at in (("since", since), ("until", until)))
        days = [first + timedelta(days=n) for n in range((last - first).days)]
        data = []
        for name in wanted:
            for period in periods:
                values = [
                    {
                        "value": _page_number(page, name, day, PERIODS[period]),
                        "end_time": iso(_end(day)),
                    }
                    for day in days
                    if _end(day) <= told_until(self.world)
                ]
                if values:
                    data.append(insight(page.page_id, name, period, values=values))
        return {"data": data, "paging": self._paging(request, since)}

    def _date(self, request: Request, name: str, at: float) -> date:
        """A date is one of Pacific time; an instant stands for the day that holds it."""
        given = request.params.get(name, "")
        if re.fullmatch(r"\d{4}-\d\d-\d\d", given):
            return date.fromisoformat(given)
        return datetime.fromtimestamp(at, PACIFIC).date()

    def _paging(self, request: Request, since: float) -> dict[str, str]:
        def page(at: float) -> str:
            query = request.params | {"since": str(int(at)), "until": str(int(at) + 86_400)}
            query["access_token"] = request.token.value
            return f"{request.call.base_url}{request.call.path}?{urlencode(query)}"

        return {"previous": page(since - 86_400), "next": page(since + 86_400)}


def _post_numbers(post: PagePost) -> Mapping[str, Any]:
    """A reel is told as a video only."""
    return {} if post.kind == "reel" else {**POST, **POST_KINDS}


def _video_numbers(video: PageVideo) -> Mapping[str, Any]:
    return {"video": VIDEO, "reel": {**REEL, **REEL_KINDS}}.get(video.kind, {})


def _value(number: Number, post: PagePost, at: float) -> int | float:
    return number.at(post.post_id, at - post.created_at, post.scale)


def _told(number: Number | Mapping[str, Number], post: PagePost, at: float) -> Any:
    if isinstance(number, Number):
        return _value(number, post, at)
    kinds = {kind: _value(one, post, at) for kind, one in number.items()}
    return {kind: value for kind, value in kinds.items() if value}


def _end(day: date, earlier: int = 0) -> float:
    """When a Pacific day ends, or one so many days earlier."""
    there = day + timedelta(days=1 - earlier)
    return datetime(there.year, there.month, there.day, tzinfo=PACIFIC).timestamp()


def _page_number(page: Page, name: str, day: date, days: int = 1) -> int:
    """What a Pacific day came to, or how the Page stood at its end; longer periods end with that day."""
    if name == "page_follows":
        return levels(page, _end(day))["followers_count"]
    return growth.between(page.page_id, name, _end(day, days), _end(day))


def numbers(store: Store, at: float) -> Iterator[dict[str, Any]]:
    """What is true at an instant, of all Pages and of their posts that are out then."""
    gone = [post for post in store.gone if isinstance(post, PagePost)]
    for page in [node for node in store.nodes.values() if isinstance(node, Page)]:
        about = {"platform": "facebook", "account_id": page.page_id}
        for name, value in levels(page, at).items():
            yield {**about, "post_id": None, "metric": name, "value": value}
        day = datetime.fromtimestamp(at, PACIFIC).date()
        for name in sorted(PAGE):
            counted = _page_number(page, name, day)
            yield {**about, "post_id": None, "metric": name, "value": counted, "date": day.isoformat()}
        for post in (*page.posts, *(one for one in gone if one.page is page)):
            if post.published and is_out(post, at):
                served = {**_post_numbers(post), **(_video_numbers(post.video) if post.video else {})}
                for name, number in _true(served, post, at):
                    yield {**about, "post_id": post.post_id, "metric": name, "value": number}


def _true(served: Mapping[str, Any], post: PagePost, at: float) -> Iterator[tuple[str, int | float]]:
    for name, number in served.items():
        if isinstance(number, Number):
            yield name, _value(number, post, at)
            continue
        kinds = {kind: _value(one, post, at) for kind, one in number.items()}
        yield name, sum(kinds.values())
        yield from ((f"{name}.{kind}", value) for kind, value in kinds.items())


def seed_posts(service: GraphService, rows: Iterable[Mapping[str, Any]]) -> None:
    """Posts that are on the air, with ids and times of the caller's; one of a time to come is out then."""
    for given in rows:
        page, kind = service.store.nodes.get(str(given["account_id"])), given["kind"]
        if not isinstance(page, Page) or kind not in ("feed", "photo", "photos", "video", "reel", "story"):
            raise ValueError(f"no Page {given['account_id']!r}, or no kind {kind!r}")
        post = PagePost(
            post_id=str(given["post_id"]),
            page=page,
            kind=kind,
            message=given.get("text", ""),
            link="",
            created_at=float(given["published_at"]),
            published=True,
            received_at=time.time(),
            scale=float(given.get("scale", 1.0)),
        )
        digest = sha256(post.post_id.encode())
        if kind in ("video", "reel"):
            _film(service.store, post, str(given["video_id"]), digest)
        service.store.nodes[post.post_id] = post
        leave(service.store, post, post.post_id, given)
        lists = [page.stories] if kind == "story" else [page.posts]
        if kind not in ("reel", "story"):
            lists.append(page.public)
        for among in lists:
            insort(among, post, key=lambda one: one.created_at)
        live = (page.page_id, post.post_id, kind, post.message, [] if kind == "feed" else [digest])
        service.world.publish(LivePost("facebook", *live, None, post.created_at))


def _film(store: Store, post: PagePost, video_id: str, digest: str) -> None:
    """The video of a seeded post; of its file only a name is known."""
    video = PageVideo(
        video_id,
        post.page,
        post.kind,
        post.created_at,
        Upload(done=True, digest=digest),
        finished=True,
        state="PUBLISHED",
        description=post.message,
        published_at=post.created_at,
        received_at=post.received_at,
        post=post,
    )
    post.video = store.nodes[video_id] = video
    if post.kind == "reel":
        insort(post.page.reels, video, key=lambda one: one.created_at)
