"""Instagram: what it tells of posts and accounts, and how it is asked.

Sources: Meta, references of IG Media insights, IG User insights and IG User (fields); answers that clients
met there. Metrics that were deprecated (impressions, plays, video_views and their like) are not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from schedulo.flow import Flow, Job, Response
from schedulo.measures import Availability, Core, Kind, Metric, Reading, Subject, Unit
from schedulo.model import Account, Format, Platform
from schedulo.platforms import graph
from schedulo.platforms import graph_insights as insights
from schedulo.platforms.after import Out, Presence
from schedulo.platforms.graph_insights import Answers
from schedulo.platforms.instagram_accepts import Login
from schedulo.platforms.instagram_after import listed
from schedulo.platforms.instagram_container import GRAPH, Place
from schedulo.platforms.measure import Day, Measure, Refused, Told, long_over, of_format, untold

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
STORY_MS = DAY_MS
"""A story's numbers are told while it is shown."""
ACCOUNT_DAYS_MS = 90 * DAY_MS
"""How far back an account's days are told."""
FOLLOWERS_NEEDED = 100
NEEDS_FOLLOWERS = frozenset({"follows_and_unfollows"})

MEDIA_PAGE = "Meta: IG Media insights"
USER_PAGE = "Meta: IG User insights"
FIELDS_PAGE = "Meta: IG User, fields"

FEED = frozenset({Format.IMAGE, Format.CAROUSEL})
REEL = frozenset({Format.REEL})
STORY = frozenset({Format.STORY})


def _of_post(
    name: str,
    native: str,
    formats: frozenset[Format],
    description: str,
    kind: Kind = Kind.TOTAL,
    unit: Unit = Unit.COUNT,
) -> Metric:
    return Metric(
        Platform.INSTAGRAM, Subject.POST, name, native, kind, description, MEDIA_PAGE, unit, formats
    )


def _of_day(name: str, native: str, description: str) -> Metric:
    return Metric(
        Platform.INSTAGRAM,
        Subject.ACCOUNT,
        name,
        native,
        Kind.DAY,
        description,
        USER_PAGE,
        by_date=True,
    )


def _level(name: str, native: str, description: str) -> Metric:
    return Metric(Platform.INSTAGRAM, Subject.ACCOUNT, name, native, Kind.LEVEL, description, FIELDS_PAGE)


POST_METRICS = (
    _of_post(Core.VIEWS, "views", FEED | REEL | STORY, "How often it was shown or played"),
    _of_post(Core.REACH, "reach", FEED | REEL | STORY, "How many accounts saw it at least once, estimated"),
    _of_post(Core.LIKES, "likes", FEED | REEL, "Likes on the post"),
    _of_post(Core.COMMENTS, "comments", FEED | REEL, "Comments on the post"),
    _of_post(Core.SAVES, "saved", FEED | REEL, "How often people saved it"),
    _of_post(Core.SHARES, "shares", FEED | REEL | STORY, "How often it was shared"),
    _of_post("reposts", "reposts", FEED | REEL | STORY, "How often people reposted it"),
    _of_post(
        "total_interactions",
        "total_interactions",
        FEED | REEL | STORY,
        "Likes, saves, comments and shares, less what was taken back",
    ),
    _of_post("profile_visits", "profile_visits", FEED | STORY, "Visits of the profile that began at it"),
    _of_post("follows", "follows", FEED | STORY, "Accounts that began to follow from it"),
    _of_post(
        "profile_activity", "profile_activity", FEED | STORY, "What people did on the profile coming from it"
    ),
    _of_post(
        "ig_reels_avg_watch_time",
        "ig_reels_avg_watch_time",
        REEL,
        "How long it was played on average",
        Kind.RATE,
        Unit.MILLISECONDS,
    ),
    _of_post(
        "ig_reels_video_view_total_time",
        "ig_reels_video_view_total_time",
        REEL,
        "How long it was played in all, replays included",
        unit=Unit.MILLISECONDS,
    ),
    _of_post(
        "reels_skip_rate",
        "reels_skip_rate",
        REEL,
        "The share of views that were skipped within the first seconds",
        Kind.RATE,
        Unit.PERCENT,
    ),
    _of_post("navigation", "navigation", STORY, "Taps that led on, back or out of the story"),
    _of_post("replies", "replies", STORY, "Replies to the story"),
    _of_post(Core.CLICKS, "link_clicks", STORY, "Clicks on links of the story; only with Facebook Login"),
    _of_post(
        "total_views",
        "total_views",
        FEED | REEL | STORY,
        "Views with those where it was crossposted; only with Facebook Login",
    ),
    _of_post(
        "total_likes",
        "total_likes",
        FEED | REEL,
        "Likes with those where it was crossposted; only with Facebook Login",
    ),
    _of_post(
        "total_comments",
        "total_comments",
        FEED | REEL,
        "Comments with those where it was crossposted; only with Facebook Login",
    ),
)
BY_FACEBOOK_LOGIN = frozenset({"link_clicks", "total_views", "total_likes", "total_comments"})
LEVELS = (
    _level(Core.FOLLOWERS, "followers_count", "Accounts that follow it"),
    _level("follows_count", "follows_count", "Accounts that it follows"),
    _level("media_count", "media_count", "Posts on its profile"),
)
DAYS = (
    _of_day(Core.VIEWS, "views", "How often its content was shown or played on the day"),
    _of_day(Core.REACH, "reach", "How many accounts saw any of its content on the day, estimated"),
    _of_day(Core.LIKES, "likes", "Likes on its content on the day"),
    _of_day(Core.COMMENTS, "comments", "Comments on its content on the day"),
    _of_day(Core.SHARES, "shares", "Shares of its content on the day"),
    _of_day(Core.SAVES, "saves", "Saves of its content on the day"),
    _of_day("replies", "replies", "Replies to its stories on the day"),
    _of_day("reposts", "reposts", "Reposts of its content on the day"),
    _of_day("accounts_engaged", "accounts_engaged", "Accounts that did anything with its content on the day"),
    _of_day("total_interactions", "total_interactions", "Interactions with its content on the day"),
    _of_day(
        "follows_and_unfollows",
        "follows_and_unfollows",
        "Accounts that began or ceased to follow on the day, as Instagram sums them; told from 100 "
        "followers on",
    ),
    _of_day("profile_links_taps", "profile_links_taps", "Taps on the contact buttons of its profile"),
)


class InstagramMeasure:
    batch = 10
    """One request each; a batch that has begun is read to its end."""
    metrics: Sequence[Metric] = (*POST_METRICS, *LEVELS, *DAYS)
    prices_usd: Mapping[str, float] = {}
    shared_limits = True
    """Meta: Graph API rate limits."""

    def posts(self, job: Job, posts: Sequence[Out], now_ms: int, refused: Refused) -> Flow:
        told = yield from insights.read_posts(
            GRAPH,
            posts,
            now_ms,
            refused,
            lambda out: metrics_of(out.content.format),
            partial(_post, Place.of(job), job.account, now_ms),
            partial(_look, Place.of(job)),
        )
        return Told(posts=told)

    def used(self, response: Response) -> float:
        return graph.used(response)

    def account(self, job: Job, day: Day, now_ms: int, refused: Refused) -> Flow:
        place = Place.of(job)
        stands: list[Reading] = []
        if not long_over(day, now_ms):
            request = place.get(place.user, fields=",".join(metric.native for metric in LEVELS))
            fields = yield from insights.fields(GRAPH, "stands", request)
            stands = [insights.as_it_stands(metric, fields) for metric in LEVELS]
        days = yield from _day(place, day, now_ms, refused)
        if any(one.metric in NEEDS_FOLLOWERS and one.availability is Availability.NOT_YET for one in days):
            days = yield from _with_few_followers(place, days, stands)
        return Told(account=[*stands, *days])


def metrics_of(format_: Format) -> list[Metric]:
    return of_format(POST_METRICS, format_)


def _post(place: Place, account: Account, now_ms: int, out: Out, refused: Refused) -> Flow:
    """The readings of one post; None where Instagram says that it is not there."""
    metrics = metrics_of(out.content.format)
    if out.content.format is Format.STORY and now_ms >= out.since_ms + STORY_MS:
        why = "Instagram tells the numbers of a story for 24 hours"
        return untold(metrics, Availability.ENDED, why)
    known = {metric.name: refused.get((out.content.format, metric.name)) for metric in metrics}
    if account.options.get("login") != Login.FACEBOOK:
        known |= {
            metric.name: known[metric.name]
            or Reading(
                metric.name,
                availability=Availability.NO_PERMISSION,
                reason="Instagram tells it only of accounts that are connected by Facebook Login",
            )
            for metric in metrics
            if metric.native in BY_FACEBOOK_LOGIN
        }
    wanted = insights.natives([metric for metric in metrics if known[metric.name] is None])
    answers = yield from insights.ask(
        GRAPH,
        f"insights-{out.key}",
        lambda names: place.get(f"{out.post_id}/insights", metric=",".join(names)),
        wanted,
    )
    if answers.missing is not None:
        return None
    return [known[metric.name] or insights.reading(metric, answers) for metric in metrics]


def _look(place: Place, posts: Sequence[Out]) -> Flow:
    """What the account's lists say of posts that are said not to be there. Stories are in a list of their
    own, which shows the last 24 hours."""
    stories = [out for out in posts if out.content.format is Format.STORY]
    others = [out for out in posts if out.content.format is not Format.STORY]
    there: dict[str, Presence] = {}
    if others:
        there |= yield from listed(place, others)
    if stories:
        items = yield from GRAPH.items("look-stories", place.get(f"{place.user}/stories", fields="id"))
        names = {str(item["id"]) for item in items or ()}
        absent = Presence.UNSEEN if items is None else Presence.ABSENT
        there |= {out.key: Presence.THERE if out.post_id in names else absent for out in stories}
    return there


# The account.


def _day(place: Place, day: Day, now_ms: int, refused: Refused) -> Flow:
    """What the day came to, from the account's own midnight to the next."""
    if day.start_ms < now_ms - ACCOUNT_DAYS_MS:
        return untold(DAYS, Availability.ENDED, "Instagram tells the days of an account for 90 days")
    if now_ms < day.end_ms:
        return untold(DAYS, Availability.NOT_YET, "the day is not over")
    known = {metric.name: refused.get((None, metric.name)) for metric in DAYS}
    answers: Answers = yield from insights.ask(
        GRAPH,
        "insights-day",
        lambda names: place.get(
            f"{place.user}/insights",
            metric=",".join(names),
            period="day",
            metric_type="total_value",
            since=day.start_ms // 1000,
            until=day.end_ms // 1000,
        ),
        insights.natives([metric for metric in DAYS if known[metric.name] is None]),
    )
    if answers.missing is not None:
        raise insights.hidden_account(GRAPH, answers.missing)
    return [known[metric.name] or insights.reading(metric, answers) for metric in DAYS]


def _with_few_followers(place: Place, days: Sequence[Reading], stands: Sequence[Reading]) -> Flow:
    """Some metrics are left out for an account with few followers, as if they were late."""
    if all(one.value is None for one in days):
        return days
    followers = next((one.value for one in stands if one.metric == Core.FOLLOWERS), None)
    if followers is None:
        request = place.get(place.user, fields="followers_count")
        fields = yield from insights.fields(GRAPH, "followers", request)
        followers = insights.as_it_stands(LEVELS[0], fields).value
    if followers is None or followers >= FOLLOWERS_NEEDED:
        return days
    why = f"Instagram tells it from {FOLLOWERS_NEEDED} followers on; the account has {followers:.0f}"
    return [
        Reading(one.metric, availability=Availability.TOO_FEW, reason=why)
        if one.metric in NEEDS_FOLLOWERS and one.availability is Availability.NOT_YET
        else one
        for one in days
    ]


MEASURE: Measure = InstagramMeasure()
