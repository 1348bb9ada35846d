"""Facebook Pages: what is told of posts, videos, reels and Pages, and how it is asked.

Sources: Meta, references of Page insights, Video insights and Page (fields), guide to video insights; answers
that clients met there. Which names are told of a reel no page of Meta's lists: all are asked for, and what is
refused is dropped alone. Of a Page's stories Meta names no numbers. The families page_impressions,
post_impressions and page_fans are gone and not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from schedulo.errors import Phase, PlatformError
from schedulo.flow import Flow, Job, Request, Response, step
from schedulo.measures import Availability, Core, Kind, Metric, Reading, Subject, Unit
from schedulo.model import Format, Platform
from schedulo.platforms import graph
from schedulo.platforms import graph_insights as insights
from schedulo.platforms.after import Out
from schedulo.platforms.facebook_after import listed
from schedulo.platforms.facebook_page import GRAPH, Page
from schedulo.platforms.graph_insights import Answers
from schedulo.platforms.measure import Day, Measure, Refused, Told, long_over, of_format, untold
from schedulo.words import word

HOUR_MS = 3_600_000
KEPT_MS = 730 * 24 * HOUR_MS
"""How far back a Page's days are told: two years."""
LIKES_NEEDED = 100

INSIGHTS = "Meta: Page insights"
VIDEO_PAGE = "Meta: Video insights"
REEL_PAGE = "Meta: Reels in the Video insights; answers that clients met"
FIELDS_PAGE = "Meta: Page, fields"

POSTS = frozenset({Format.TEXT, Format.LINK, Format.IMAGE, Format.IMAGES, Format.VIDEO})
VIDEO = frozenset({Format.VIDEO})
REEL = frozenset({Format.REEL})
REACTIONS = ("like", "love", "wow", "haha", "sorry", "anger")


def _of_post(
    name: str,
    native: str,
    description: str,
    formats: frozenset[Format] = POSTS,
    source: str = INSIGHTS,
    kind: Kind = Kind.TOTAL,
    unit: Unit = Unit.COUNT,
) -> Metric:
    return Metric(Platform.FACEBOOK, Subject.POST, name, native, kind, description, source, unit, formats)


def _of_reel(
    name: str, native: str, description: str, kind: Kind = Kind.TOTAL, unit: Unit = Unit.COUNT
) -> Metric:
    return _of_post(name, native, description, REEL, REEL_PAGE, kind, unit)


def _of_day(name: str, native: str, description: str, kind: Kind = Kind.DAY) -> Metric:
    described = f"{description}, by Meta's day of that date"
    return Metric(Platform.FACEBOOK, Subject.ACCOUNT, name, native, kind, described, INSIGHTS, by_date=True)


def _level(name: str, native: str, description: str) -> Metric:
    return Metric(Platform.FACEBOOK, Subject.ACCOUNT, name, native, Kind.LEVEL, description, FIELDS_PAGE)


ON_POSTS = (
    _of_post(Core.VIEWS, "post_media_view", "How often the post was shown or played"),
    _of_post(Core.REACH, "post_total_media_view_unique", "How many people saw it at least once, estimated"),
    _of_post(Core.LIKES, "post_reactions_by_type_total", "Reactions of all kinds"),
    _of_post(Core.COMMENTS, "post_activity_by_action_type.comment", "Comments on it and on its shares"),
    _of_post(Core.SHARES, "post_activity_by_action_type.share", "How often it was shared"),
    _of_post(Core.CLICKS, "post_clicks", "Clicks anywhere on it"),
    *(
        _of_post(
            f"post_reactions_{kind}_total", f"post_reactions_{kind}_total", f"Reactions of the kind {kind}"
        )
        for kind in REACTIONS
    ),
    _of_post("post_video_views", "post_video_views", "How often its video was played for 3 seconds", VIDEO),
)
ON_VIDEOS = (
    _of_post(
        "total_video_views",
        "total_video_views",
        "How often the video was played for 3 seconds or to its end, wherever it was posted",
        VIDEO,
        VIDEO_PAGE,
    ),
    _of_post(
        "total_video_views_unique",
        "total_video_views_unique",
        "How many people played it for 3 seconds or to its end, estimated",
        VIDEO,
        VIDEO_PAGE,
    ),
)
ON_REELS = (
    _of_reel(Core.VIEWS, "fb_reels_total_plays", "How often the reel was played, replays included"),
    _of_reel(Core.LIKES, "post_video_likes_by_reaction_type", "Reactions of all kinds"),
    _of_reel(Core.COMMENTS, "post_video_social_actions.COMMENT", "Comments on the reel"),
    _of_reel(Core.SHARES, "post_video_social_actions.SHARE", "How often it was shared"),
    _of_reel(
        "post_video_avg_time_watched",
        "post_video_avg_time_watched",
        "How long it was played on average",
        Kind.RATE,
        Unit.MILLISECONDS,
    ),
    _of_reel(
        "post_video_view_time",
        "post_video_view_time",
        "How long it was played in all",
        unit=Unit.MILLISECONDS,
    ),
)
LEVELS = (
    _level(Core.FOLLOWERS, "followers_count", "People who follow the Page"),
    _level("fan_count", "fan_count", "People who like the Page"),
)
DAYS = (
    _of_day(Core.VIEWS, "page_media_view", "How often its content was shown or played"),
    _of_day(Core.REACH, "page_total_media_view_unique", "How many people saw any of its content"),
    _of_day("page_post_engagements", "page_post_engagements", "Reactions, comments, shares and clicks"),
    _of_day("page_follows", "page_follows", "Followers at the day's end", Kind.LEVEL),
    _of_day("page_daily_follows", "page_daily_follows", "How often people began to follow it"),
    _of_day("page_daily_follows_unique", "page_daily_follows_unique", "People who began to follow it"),
    _of_day("page_daily_unfollows_unique", "page_daily_unfollows_unique", "People who ceased to follow it"),
    _of_day("page_views_total", "page_views_total", "Visits of the Page itself"),
    _of_day("page_total_actions", "page_total_actions", "Clicks on its contact details and its button"),
    _of_day("page_video_views", "page_video_views", "How often its videos were played for 3 seconds"),
)


class FacebookMeasure:
    batch = 10
    """One request each; two for a video."""
    metrics: Sequence[Metric] = (*ON_POSTS, *ON_VIDEOS, *ON_REELS, *LEVELS, *DAYS)
    prices_usd: Mapping[str, float] = {}
    shared_limits = True
    """Meta: Graph API rate limits."""

    def posts(self, job: Job, posts: Sequence[Out], now_ms: int, refused: Refused) -> Flow:
        page = Page.of(job)
        told = yield from insights.read_posts(
            GRAPH,
            posts,
            now_ms,
            refused,
            lambda out: metrics_of(out.content.format),
            partial(_post, page),
            partial(listed, page),
        )
        return Told(posts=told)

    def used(self, response: Response) -> float:
        return graph.used(response)

    def account(self, job: Job, day: Day, now_ms: int, refused: Refused) -> Flow:
        page = Page.of(job)
        stands: list[Reading] = []
        fields: Mapping[str, Any] = {}
        if not long_over(day, now_ms):
            fields = yield from _fields(page)
            stands = [insights.as_it_stands(metric, fields) for metric in LEVELS]
        days = yield from _day(page, day, now_ms, refused)
        untold_yet = [one for one in days if one.availability is Availability.NOT_YET]
        if untold_yet and all(one.value is None for one in days):
            days = yield from _with_few_likes(page, days, fields)
        return Told(account=[*stands, *days])


def metrics_of(format_: Format) -> list[Metric]:
    return of_format((*ON_POSTS, *ON_VIDEOS, *ON_REELS), format_)


# Posts.


def _post(page: Page, out: Out, refused: Refused) -> Flow:
    """The readings of one post; None where Facebook says that it is not there."""
    metrics = metrics_of(out.content.format)
    known = {metric.name: refused.get((out.content.format, metric.name)) for metric in metrics}
    wanted = [metric for metric in metrics if known[metric.name] is None]
    of_video = [metric for metric in wanted if metric in ON_VIDEOS or metric in ON_REELS]
    of_post = [metric for metric in wanted if metric not in of_video]
    told: dict[str, Reading] = {}
    try:
        video_id = (yield from _video_id(page, out)) if out.content.format in VIDEO | REEL and wanted else ""
        if of_post:
            post_id = yield from _post_id(page, out, video_id)
            told |= yield from _insights(f"insights-{out.key}", page, f"{post_id}/insights", of_post)
        if of_video:
            told |= yield from _of_video(page, out, video_id, of_video, alone=not of_post)
    except _NotThere:
        return None
    return [known[metric.name] or told[metric.name] for metric in metrics]


class _NotThere(Exception):
    """100/33."""


def _insights(name: str, page: Page, edge: str, metrics: Sequence[Metric]) -> Flow:
    def request(names: Sequence[str]) -> Request:
        return page.get(edge, metric=",".join(names), period="lifetime")

    answers = yield from insights.ask(GRAPH, name, request, insights.natives(metrics))
    if answers.missing is not None:
        raise _NotThere
    return {metric.name: insights.reading(metric, answers) for metric in metrics}


def _of_video(page: Page, out: Out, video_id: str, metrics: Sequence[Metric], *, alone: bool) -> Flow:
    """`alone`: nothing else speaks for the post, so that it is not there where its video is not."""
    try:
        return (yield from _insights(f"video-{out.key}", page, f"{video_id}/video_insights", metrics))
    except _NotThere:
        if alone:
            raise
        return {reading.metric: reading for reading in untold(metrics, *insights.HIDDEN)}


def _video_id(page: Page, out: Out) -> Flow:
    """The video of a post: what its commit came to, else what the post shows. Posts of videos are known by
    an id of their own, or by that of the video."""
    if made := word(out.values.get("post")):
        return made
    start = out.steps.get("start")
    if isinstance(start, Mapping) and (made := word(start.get("video_id"))):
        return made
    request = page.get(out.post_id, fields="attachments{target{id}}")
    found = yield from step(f"video-id-{out.key}", request, _target, keep_s=graph.LOOK_KEEP_S)
    if found is None:
        raise _NotThere
    return found or out.post_id


def _target(response: Response) -> str | None:
    """The id of the video that a post shows; None where the post is not there; "" where it is no post."""
    try:
        body = GRAPH.data(response, Phase.READ)
    except PlatformError as error:
        if graph.unreadable(error):
            return None
        if error.code == "100":
            return ""
        raise
    items = (body.get("attachments") or {}).get("data") or []
    return next((word(item["target"].get("id")) for item in items if item.get("target")), "")


def _post_id(page: Page, out: Out, video_id: str) -> Flow:
    """The post's id with its Page's before it, as insights want it."""
    if "_" in out.post_id:
        return out.post_id
    number = out.post_id
    if number == video_id:
        request = page.get(video_id, fields="post_id")
        number = yield from step(f"post-id-{out.key}", request, _number_of_post, keep_s=graph.LOOK_KEEP_S)
        if number is None:
            raise _NotThere
    return number if "_" in number else f"{page.page_id}_{number}"


def _number_of_post(response: Response) -> str | None:
    try:
        return GRAPH.text(response, "post_id", Phase.READ)
    except PlatformError as error:
        if graph.unreadable(error):
            return None
        raise


# The Page.


def _fields(page: Page) -> Flow:
    request = page.get(page.page_id, fields=",".join(metric.native for metric in LEVELS))
    return insights.fields(GRAPH, "stands", request)


def _day(page: Page, day: Day, now_ms: int, refused: Refused) -> Flow:
    """What Meta's own day of the same date came to.

    Meta's days end at midnight of its own clock, and each value says when. More than the day is asked for,
    and the value of the date is taken.
    """
    if day.start_ms < now_ms - KEPT_MS:
        return untold(DAYS, Availability.ENDED, "Facebook tells the days of a Page for two years")
    midnight = datetime.fromisoformat(day.date).replace(tzinfo=UTC)
    known = {metric.name: refused.get((None, metric.name)) for metric in DAYS}

    def request(names: Sequence[str]) -> Request:
        return page.get(
            f"{page.page_id}/insights",
            metric=",".join(names),
            period="day",
            since=int(midnight.timestamp()),
            until=int((midnight + timedelta(days=2)).timestamp()),
        )

    wanted = insights.natives([metric for metric in DAYS if known[metric.name] is None])
    answers: Answers = yield from insights.ask(GRAPH, "insights-day", request, wanted)
    if answers.missing is not None:
        raise insights.hidden_account(GRAPH, answers.missing)
    pick = partial(_of_date, day.date, now_ms)
    return [known[metric.name] or insights.reading(metric, answers, pick) for metric in DAYS]


def _of_date(date: str, now_ms: int, values: list[list[Any]]) -> Any:
    """The value of the day with this date: it ends at the midnight after it, on a clock less than twelve
    hours off UTC. One that has not ended yet is not the day's number."""
    for value, end_time in values:
        end_s = graph.epoch_s(end_time)
        if end_s is None or end_s * 1000 > now_ms:
            continue
        if datetime.fromtimestamp(end_s - 12 * 3600, UTC).date().isoformat() == date:
            return value
    return None


def _with_few_likes(page: Page, days: Sequence[Reading], fields: Mapping[str, Any]) -> Flow:
    """A Page with few likes is told nothing, as if all were late."""
    if not fields:
        fields = yield from _fields(page)
    likes = fields.get("fan_count")
    if not isinstance(likes, int) or likes >= LIKES_NEEDED:
        return days
    why = f"Facebook tells it from {LIKES_NEEDED} likes on; the Page has {likes}"
    return [
        Reading(one.metric, None, Availability.TOO_FEW, why)
        if one.availability is Availability.NOT_YET
        else one
        for one in days
    ]


MEASURE: Measure = FacebookMeasure()
