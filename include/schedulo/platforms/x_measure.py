"""X: the numbers of posts and accounts, a hundred posts at a time.

What everybody may see and what only the author may see are asked for apart, so that a refusal of the one
costs nothing of the other. X renamed words in 2026: a query that is refused for its spelling is asked once
more in the other, and of numbers that come under both names the new one counts. A thread's numbers are those
of its first post. Sources: X API, metrics, posts lookup, users lookup, pricing; response codes and errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from schedulo.errors import Diagnosis, Kind, Phase, PlatformError, Scope
from schedulo.flow import Flow, Job, Read, Request, Response, step
from schedulo.measures import Availability, Core, Metric, Reading, Subject
from schedulo.measures import Kind as Grows
from schedulo.model import Account, Format, Platform
from schedulo.platforms.after import Out
from schedulo.platforms.measure import (
    SETTLES_MS,
    Day,
    Measure,
    Refused,
    Told,
    count,
    long_over,
    of_format,
    untold,
)
from schedulo.platforms.x import NEW_SPELLING, OLD_SPELLING
from schedulo.platforms.x_after import ourselves
from schedulo.platforms.x_answers import raise_for
from schedulo.words import shown, word

PRIVATE_MS = 30 * 86_400_000
"""What only the author may see is told for 30 days (X: metrics)."""
CLOCK_MARGIN_MS = 3_600_000
"""A refusal this near to their end is taken for it."""
OLD_NAMES = {"repost_count": "retweet_count", "post_count": "tweet_count"}
"""By new name, the one that was used until 2026 and still is at places."""
POST_ID = re.compile(r"[0-9]{1,19}")
OF_ONE = re.compile(r" (?:on|of|for) the \w+ with id\s*:\s*\[[^\]]*\]")
"""A refused field is refused for all posts alike: the words are kept without the one that was asked for."""
METRICS = "X API: metrics"
USERS = "X API: users lookup, and its OpenAPI description"
_VIDEO = frozenset({Format.VIDEO})


def _post(name: str, native: str, description: str, formats: frozenset[Format] = frozenset()) -> Metric:
    return Metric(Platform.X, Subject.POST, name, native, Grows.TOTAL, description, METRICS, formats=formats)


def _account(name: str, native: str, description: str) -> Metric:
    return Metric(Platform.X, Subject.ACCOUNT, name, native, Grows.LEVEL, description, USERS)


PUBLIC = (
    _post(
        Core.VIEWS,
        "impression_count",
        "how often the post was shown on a screen, to the same person as often as it was; of a thread its "
        "first post, as in all numbers",
    ),
    _post(Core.LIKES, "like_count", "likes"),
    _post(
        Core.COMMENTS, "reply_count", "replies, the next part of a thread and other replies of one's own too"
    ),
    _post(Core.SHARES, "repost_count", "reposts, without those that add words; retweet_count until 2026"),
    _post(Core.SAVES, "bookmark_count", "bookmarks"),
    _post("quote_count", "quote_count", "reposts that add words"),
)
PRIVATE = (
    _post(Core.CLICKS, "url_link_clicks", "clicks on links of the post; told to its author for 30 days"),
    _post(
        "user_profile_clicks",
        "user_profile_clicks",
        "clicks from the post to its author's profile; told to the author for 30 days",
    ),
    _post(
        "engagements",
        "engagements",
        "what people did with the post, of all kinds together; told to its author for 30 days",
    ),
)
VIDEO = (_post("view_count", "view_count", "views of the video, in all posts that show it", _VIDEO),)
VIDEO_PRIVATE = tuple(
    _post(
        f"playback_{percent}_count",
        f"playback_{percent}_count",
        f"people who played the video up to {percent} percent of it; told to its author for 30 days",
        _VIDEO,
    )
    for percent in (0, 25, 50, 75, 100)
)
POSTS = (*PUBLIC, *VIDEO, *PRIVATE, *VIDEO_PRIVATE)
_OF_VIDEOS = frozenset(metric.name for metric in (*VIDEO, *VIDEO_PRIVATE))
_OF_AUTHORS = frozenset(metric.name for metric in (*PRIVATE, *VIDEO_PRIVATE))
ACCOUNT = (
    _account(Core.FOLLOWERS, "followers_count", "followers"),
    _account("following_count", "following_count", "accounts that it follows"),
    _account(
        "post_count",
        "post_count",
        "posts that it has made and not deleted, replies too; tweet_count until 2026",
    ),
    _account("listed_count", "listed_count", "lists of other people that it stands on"),
    _account("like_count", "like_count", "posts that it has liked"),
)

Answer = dict[str, Any]
"""What a lookup came to, as JSON: `numbers` by post id and native name; `problems`, what X said of posts that
it does not show, `[kind, text]` by post id; `fields`, the same of fields, by post id and by `post` or
`video`. `whole` and `dropped` say why nothing was told, of all or of videos, as `[availability, reason]`;
`spelling` is the one that X took."""


class XMeasure:
    """X's side of `Measure`."""

    batch = 100
    """X: posts lookup, ids."""
    metrics: Sequence[Metric] = (*POSTS, *ACCOUNT)
    prices_usd: Mapping[str, float] = {"post read": 0.005, "own post read": 0.001, "own user read": 0.0}
    """X: pricing; what asking who one is costs (nothing), its staff say."""
    shared_limits = False
    """X: rate limits are those of one endpoint."""

    def posts(self, job: Job, posts: Sequence[Out], now_ms: int, refused: Refused) -> Flow:
        """One or two requests: what all may see, and of posts up to 30 days old what their author may."""
        good = [out for out in posts if POST_ID.fullmatch(out.post_id)]
        try:
            public = yield from _lookup("numbers", good, "public_metrics", (*PUBLIC, *VIDEO), refused)
        except PlatformError as error:
            if error.status == 403 and error.scope is Scope.DELIVERY:  # it is not about one of the posts
                error.diagnosis = replace(error.diagnosis, scope=Scope.ACCOUNT)
            raise
        problems, spelling = (public["problems"], public["spelling"]) if public else ({}, OLD_SPELLING[0])
        fresh = [out for out in good if now_ms - out.since_ms < PRIVATE_MS and out.post_id not in problems]
        own = (*PRIVATE, *VIDEO_PRIVATE)
        try:
            private = yield from _lookup("own-numbers", fresh, "non_public_metrics", own, refused, spelling)
        except PlatformError as error:
            if error.kind in (Kind.TOKEN_EXPIRED, Kind.RECONNECT):
                raise
            private = {"numbers": {}, "problems": {}, "fields": {}, "whole": _why(error)}
        answers = [answer for answer in (public, private) if answer]
        read = {post_id for answer in answers for post_id in answer["numbers"]}
        if not read and any(
            kind == _NOT_FOUND for answer in answers for kind, _ in answer["problems"].values()
        ):
            # A suspended account shows none of its posts: they are not gone.
            yield from step("ourselves", Request("x", "GET", "/2/users/me"), ourselves, keep_s=0.0)
        told = {out.key: _readings(out, public, private, now_ms, refused) for out in posts}
        what = "own post read" if job.options.get("x_owned_reads", True) else "post read"
        billed = [out.key for out in good if out.post_id in read]
        return Told(told, billed={what: billed} if billed else {})

    def used(self, response: Response) -> float:
        return 0.0

    def account(self, job: Job, day: Day, now_ms: int, refused: Refused) -> Flow:
        """How the account stands. X tells nothing of past days."""
        if long_over(day, now_ms):
            reason = "X tells how an account stands, not how it stood, and nobody asked when the day ended"
            return Told(account=untold(ACCOUNT, Availability.MISSED, reason))
        left_out = {
            metric.name: refused[None, metric.name] for metric in ACCOUNT if (None, metric.name) in refused
        }
        if len(left_out) == len(ACCOUNT):
            return Told(account=list(left_out.values()))
        request = Request("x", "GET", "/2/users/me", query=(("user.fields", "public_metrics"),))
        numbers = yield from step("account", request, _stands(job.account), keep_s=0.0)
        told = [left_out.get(metric.name) or _reading(metric, numbers) for metric in ACCOUNT]
        return Told(account=told, billed={"own user read": [job.account.key]})


# Asking


def _lookup(
    name: str,
    posts: Sequence[Out],
    field: str,
    metrics: Sequence[Metric],
    refused: Refused,
    spelling: str = OLD_SPELLING[0],
) -> Flow:
    """`Answer` for the posts of which any of the metrics is to be asked for; None where there are none."""
    wanted: list[Out] = []
    videos = False
    for out in posts:
        asked = [
            metric.name
            for metric in of_format(metrics, out.content.format)
            if (out.content.format, metric.name) not in refused
        ]
        wanted += [out] if asked else []
        videos = videos or not _OF_VIDEOS.isdisjoint(asked)
    if not wanted:
        return None
    again, dropped = 0, None
    while True:
        fields = f"{field},attachments" if videos else field
        query = [("ids", ",".join(out.post_id for out in wanted)), (spelling, fields)]
        query += [("expansions", "attachments.media_keys"), ("media.fields", field)] if videos else []
        request = Request("x", "GET", "/2/tweets", query=tuple(query))
        try:
            answer: Answer = yield from step(
                f"{name}-{again}" if again else name, request, _looked(field, metrics), keep_s=0.0
            )
        except PlatformError as error:
            if error.status == 400 and spelling == OLD_SPELLING[0] and spelling in error.message:
                spelling = NEW_SPELLING[0]
            elif videos and _about_videos(error, field):
                videos, dropped = False, _why(error)
            else:
                raise
            again += 1
        else:
            return {**answer, "dropped": dropped, "spelling": spelling}


def _about_videos(error: PlatformError, field: str) -> bool:
    """Whether the rest may be had without asking about videos. A 403 seldom says what it is about."""
    if error.status == 403:
        return field == "non_public_metrics" and error.scope is Scope.DELIVERY
    return error.status == 400 and bool(re.search(r"media\.fields|expansions|media_keys", error.message))


def _why(error: PlatformError) -> list[str]:
    """What a refusal means for the numbers that were asked for: `[availability, reason]`."""
    availability = Availability.FAILED
    if error.status == 403 and error.kind in (Kind.PERMISSION, Kind.CONTENT_REJECTED):
        availability = Availability.NO_PERMISSION
    elif error.status == 400 and re.search(r"metrics|fields|expansions|media_keys", error.message):
        availability = Availability.RETIRED
    return [availability, _said(error.message or str(error.status or error.kind))]


def _said(text: str) -> str:
    return f"X: {shown(text, 200)}"


_NOT_FOUND = "resource-not-found"
_OF_FIELDS = frozenset({"not-authorized-for-field", "field-unauthorized", "field-hydration-failure"})


def _looked(field: str, metrics: Sequence[Metric]) -> Read:
    """Reads an `Answer`. What is of another shape than it should be is left out: it spoils its post alone."""

    def read(response: Response) -> Answer:
        body = response.json() if response.ok else None
        if not isinstance(body, dict) or not ("data" in body or "errors" in body):
            raise raise_for(response, Phase.READ)
        includes = body.get("includes")
        media = {
            word(medium.get("media_key")): medium.get(field)
            for medium in _objects(includes.get("media") if isinstance(includes, dict) else None)
        }
        numbers, post_of = {}, {}
        for post in _objects(body.get("data")):
            post_id, attachments = word(post.get("id")), post.get("attachments")
            keys = attachments.get("media_keys") if isinstance(attachments, dict) else None
            found = _counts(post.get(field), metrics)
            for key in map(word, keys if isinstance(keys, list) else ()):
                post_of[key] = post_id
                found = _counts(media.get(key), metrics) | found
            numbers[post_id] = found
        problems: dict[str, list[str]] = {}
        fields: dict[str, dict[str, list[str]]] = {}
        for error in _objects(body.get("errors")):
            kind = word(error.get("type")).rpartition("/")[2]
            about = word(error.get("resource_id") or error.get("value"))
            said = [kind, word(error.get("detail") or error.get("title")) or kind]
            if kind in _OF_FIELDS:
                part = "video" if about in post_of else "post"
                fields.setdefault(post_of.get(about, about), {})[part] = said
            else:
                problems[about] = said
        return {"numbers": numbers, "problems": problems, "fields": fields}

    return read


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _counts(values: Any, metrics: Iterable[Metric]) -> dict[str, int]:
    """The numbers that are there, by native name; under its new name one counts before its old one."""
    if not isinstance(values, dict):
        return {}
    found = {}
    for native in (metric.native for metric in metrics):
        told = [count(values.get(name)) for name in (native, OLD_NAMES.get(native, native))]
        number = next((number for number in told if number is not None), None)
        if number is not None:
            found[native] = number
    return found


def _stands(account: Account) -> Read:
    """The numbers of the account itself, by native name."""

    def read(response: Response) -> dict[str, int]:
        body = response.json() if response.ok else None
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict) or not word(data.get("id")):
            raise raise_for(response, Phase.READ)
        if word(data["id"]) != account.account_id:
            message = f"the login kept for {account.key} is that of the account {shown(word(data['id']))}"
            raise PlatformError(
                "X",
                Diagnosis(Kind.CONFIGURATION, refusal=False, scope=Scope.ACCOUNT),
                status=response.status,
                message=message,
            )
        return _counts(data.get("public_metrics"), ACCOUNT)

    return read


# What it says


def _readings(
    out: Out, public: Answer | None, private: Answer | None, now_ms: int, refused: Refused
) -> list[Reading]:
    """One reading for each metric that the post has."""
    metrics = of_format(POSTS, out.content.format)
    if not POST_ID.fullmatch(out.post_id):
        reason = (
            f"X names posts by a number of up to 19 digits, and this one is kept as {shown(out.post_id)!r}"
        )
        return untold(metrics, Availability.FAILED, reason)
    answers = [answer for answer in (public, private) if answer]
    problem = next(
        (answer["problems"][out.post_id] for answer in answers if out.post_id in answer["problems"]), None
    )
    if problem and not any(out.post_id in answer["numbers"] for answer in answers):
        return untold(metrics, *_not_shown(problem, now_ms - out.since_ms))
    told = []
    for metric in metrics:
        left_out = refused.get((out.content.format, metric.name))
        of_author = metric.name in _OF_AUTHORS
        if left_out is not None:
            told.append(left_out)
        elif of_author and now_ms - out.since_ms >= PRIVATE_MS:
            told.append(Reading(metric.name, None, Availability.ENDED, "X tells it for 30 days only"))
        else:
            told.append(_of_post(metric, out, (private if of_author else public) or {}, now_ms))
    return told


def _not_shown(problem: Sequence[str], age_ms: int) -> tuple[Availability, str]:
    """Why a whole post has no numbers."""
    kind, text = problem
    if kind == _NOT_FOUND and age_ms < SETTLES_MS:
        return Availability.NOT_YET, f"{_said(text)} It is less than an hour old"
    availability = {
        _NOT_FOUND: Availability.GONE,
        "not-authorized-for-resource": Availability.NO_PERMISSION,
    }.get(kind, Availability.FAILED)
    return availability, _said(text)


def _of_post(metric: Metric, out: Out, answer: Answer, now_ms: int) -> Reading:
    numbers = answer.get("numbers", {}).get(out.post_id)
    of_video = metric.name in _OF_VIDEOS
    if numbers is not None and metric.native in numbers:
        return Reading(metric.name, numbers[metric.native])
    refusal = answer.get("whole") or (of_video and answer.get("dropped"))
    problem = answer.get("fields", {}).get(out.post_id, {}).get("video" if of_video else "post")
    if refusal:
        availability, reason = refusal
        return Reading(metric.name, None, Availability(availability), reason)
    if problem:
        kind, text = problem
        availability = Availability.NO_PERMISSION
        if kind == "field-hydration-failure":
            availability = Availability.FAILED
        elif metric.name in _OF_AUTHORS and now_ms - out.since_ms >= PRIVATE_MS - CLOCK_MARGIN_MS:
            availability = Availability.ENDED
        return Reading(metric.name, None, availability, _said(OF_ONE.sub("", text)))
    if numbers is None:
        return Reading(metric.name, None, Availability.FAILED, "X's answer does not mention the post")
    return _reading(metric, numbers)


def _reading(metric: Metric, numbers: Mapping[str, int]) -> Reading:
    if metric.native in numbers:
        return Reading(metric.name, numbers[metric.native])
    return Reading(metric.name, None, Availability.NOT_YET, f"X answered without {metric.native}")


MEASURE: Measure = XMeasure()
