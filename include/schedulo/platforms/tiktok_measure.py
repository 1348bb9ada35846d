"""TikTok: the numbers of videos and creators, twenty videos at a time.

TikTok shows public videos only, and says nothing of the others: what is not shown is not gone, unless the
looks would say so that see whether posts are still there (`tiktok_after`). Whether it shows posts of
pictures, no page of it says; they are asked for all the same. Source: TikTok, Display API (video query, video
list, user info), error handling.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from schedulo.errors import Diagnosis, Kind, Phase, PlatformError, Scope
from schedulo.flow import Flow, Job, Read, Request, Response, step
from schedulo.measures import Availability, Core, Metric, Reading, Subject
from schedulo.measures import Kind as Grows
from schedulo.model import Account, Format, Platform
from schedulo.platforms.after import Out
from schedulo.platforms.measure import SETTLES_MS, Day, Measure, Refused, Told, count, long_over, untold
from schedulo.platforms.tiktok_accepts import PHOTOS
from schedulo.platforms.tiktok_after import PUBLIC, is_public, list_videos
from schedulo.platforms.tiktok_calls import ask, data_of, error_of
from schedulo.words import shown, word

VIDEOS = "TikTok: Display API, video query"
USER = "TikTok: Display API, user info"
LOG_ID = re.compile(r" \(log id \w+\)$")
POST_ID = re.compile(r"[0-9]{1,20}")

Numbers = dict[str, dict[str, int]]
"""By post id and native name; an entry that cannot be read stands under no id."""
Refusals = Mapping[str, str]
"""Why a field is not told, in TikTok's words, by its name."""


def _post(name: str, native: str, description: str) -> Metric:
    return Metric(Platform.TIKTOK, Subject.POST, name, native, Grows.TOTAL, description, VIDEOS)


def _account(name: str, native: str, description: str) -> Metric:
    return Metric(Platform.TIKTOK, Subject.ACCOUNT, name, native, Grows.LEVEL, description, USER)


POSTS = (
    _post(Core.VIEWS, "view_count", "views of the video; TikTok tells numbers of public videos only"),
    _post(Core.LIKES, "like_count", "likes"),
    _post(Core.COMMENTS, "comment_count", "comments"),
    _post(Core.SHARES, "share_count", "shares"),
)
ACCOUNT = (
    _account(Core.FOLLOWERS, "follower_count", "followers"),
    _account("following_count", "following_count", "accounts that it follows"),
    _account("likes_count", "likes_count", "likes of all its videos together"),
    _account("video_count", "video_count", "its public videos"),
)


class TikTokMeasure:
    """TikTok's side of `Measure`."""

    batch = 20
    """TikTok: video query, video_ids."""
    metrics: Sequence[Metric] = (*POSTS, *ACCOUNT)
    prices_usd: Mapping[str, float] = {}
    shared_limits = False
    """TikTok: rate limits are those of one endpoint."""

    def posts(self, job: Job, posts: Sequence[Out], now_ms: int, refused: Refused) -> Flow:
        """One request; one more where none is shown, to tell posts that are gone from an account that went
        private."""
        wanted, fields = _asked(posts, refused)
        if not wanted:
            return Told({out.key: _readings(out, {}, {}, refused) for out in posts})

        def query(natives: Sequence[str]) -> Request:
            body = {"filters": {"video_ids": [out.post_id for out in wanted]}}
            return ask("/v2/video/query/", body, query=(("fields", ",".join(["id", *natives])),))

        try:
            numbers, dropped = yield from _fields("numbers", fields, query, _videos(fields))
        except PlatformError as error:
            if error.kind is not Kind.PERMISSION or not error.code:
                raise
            return Told({out.key: untold(POSTS, Availability.NO_PERMISSION, _said(error)) for out in posts})
        nothing_told = len(dropped) == len(fields)
        others = bool(numbers)
        if not numbers and not nothing_told and any(_may_be_gone(out, now_ms) for out in wanted):
            others = bool((yield from list_videos("look-list")))
        told = {}
        for out in posts:
            if out not in wanted or out.post_id in numbers or nothing_told:
                told[out.key] = _readings(out, numbers.get(out.post_id, {}), dropped, refused)
            elif "" in numbers:
                told[out.key] = untold(POSTS, Availability.FAILED, "TikTok's answer could not all be read")
            else:
                told[out.key] = untold(POSTS, *_not_shown(out, others, now_ms))
        return Told(told)

    def used(self, response: Response) -> float:
        return 0.0

    def account(self, job: Job, day: Day, now_ms: int, refused: Refused) -> Flow:
        """How the creator stands. TikTok tells nothing of past days."""
        if long_over(day, now_ms):
            reason = (
                "TikTok tells how an account stands, not how it stood, and nobody asked when the day ended"
            )
            return Told(account=untold(ACCOUNT, Availability.MISSED, reason))
        fields = [metric.native for metric in ACCOUNT if (None, metric.name) not in refused]
        numbers: dict[str, int] = {}
        dropped: Refusals = {}

        def user(natives: Sequence[str]) -> Request:
            query = (("fields", ",".join(["open_id", *natives])),)
            return Request("tiktok", "GET", "/v2/user/info/", query=query)

        if fields:
            try:
                found, dropped = yield from _fields("account", fields, user, _creator(job.account, fields))
                numbers = found.get(job.account.account_id, {})
            except PlatformError as error:
                if error.kind is not Kind.PERMISSION or not error.code:
                    raise
                return Told(account=untold(ACCOUNT, Availability.NO_PERMISSION, _said(error)))
        told = [refused.get((None, metric.name)) or _reading(metric, numbers, dropped) for metric in ACCOUNT]
        return Told(account=told)


# Asking


def _asked(posts: Sequence[Out], refused: Refused) -> tuple[list[Out], list[str]]:
    """The posts to ask for, and the fields: those that any of them still lacks."""
    wanted, names = [], set()
    for out in posts:
        left = {metric.native for metric in POSTS if (out.content.format, metric.name) not in refused}
        if left and POST_ID.fullmatch(out.post_id):
            wanted.append(out)
            names |= left
    return wanted, [metric.native for metric in POSTS if metric.native in names]


def _fields(
    name: str, fields: Sequence[str], request: Callable[[Sequence[str]], Request], read: Read
) -> Flow:
    """`Numbers`, and `Refusals` of fields. One field that TikTok does not know fails the whole request: those
    that it names are left out; where it names none, each is asked for alone."""
    left, again = list(fields), 0
    dropped: dict[str, str] = {}
    while left:
        try:
            numbers: Numbers = yield from step(
                f"{name}-{again}" if again else name, request(left), read, keep_s=0.0
            )
            return numbers, dropped
        except PlatformError as error:
            if not _about_fields(error):
                raise
            named = [field for field in left if re.search(rf"\b{field}\b", error.message)]
            if not named:
                return (yield from _one_by_one(name, left, request, read, dropped, error))
            dropped |= {field: _said(error) for field in named}
            left = [field for field in left if field not in named]
            again += 1
    return {}, dropped


def _one_by_one(
    name: str,
    fields: Sequence[str],
    request: Callable[[Sequence[str]], Request],
    read: Read,
    dropped: dict[str, str],
    first: PlatformError,
) -> Flow:
    """The same, each field alone. Where all are refused, it is not they that are wrong: raises `first`."""
    merged: Numbers = {}
    refused = {}
    for field in fields:
        try:
            numbers: Numbers = yield from step(f"{name}-{field}", request([field]), read, keep_s=0.0)
        except PlatformError as error:
            if not _about_fields(error):
                raise
            refused[field] = _said(error)
        else:
            for about, values in numbers.items():
                merged[about] = merged.get(about, {}) | values
    if len(refused) == len(fields):
        raise first
    return merged, dropped | refused


def _about_fields(error: PlatformError) -> bool:
    return error.code.startswith("invalid_param")  # pages and wire differ in the s


def _videos(fields: Sequence[str]) -> Read:
    """The numbers of the videos that are shown."""

    def read(response: Response) -> Numbers:
        videos = data_of(response, Phase.READ).get("videos") or []
        if not isinstance(videos, list):
            raise _unreadable(response)
        entries = [video if isinstance(video, dict) else {} for video in videos]
        return {word(video.get("id")): _counts(video, fields) for video in entries}

    return read


def _creator(account: Account, fields: Sequence[str]) -> Read:
    """The numbers of the creator, by its id."""

    def read(response: Response) -> Numbers:
        user = data_of(response, Phase.READ).get("user")
        if not isinstance(user, dict) or not word(user.get("open_id")):
            raise _unreadable(response)
        if word(user["open_id"]) != account.account_id:
            message = (
                f"the login kept for {account.key} is that of the account {shown(word(user['open_id']))}"
            )
            diagnosis = Diagnosis(Kind.CONFIGURATION, refusal=False, scope=Scope.ACCOUNT)
            raise error_of(diagnosis, response, "", message)
        return {account.account_id: _counts(user, fields)}

    return read


def _unreadable(response: Response) -> PlatformError:
    return error_of(
        Diagnosis(Kind.PLATFORM_DOWN, refusal=False), response, "", "the answer could not be read"
    )


def _counts(values: Mapping[str, Any], fields: Sequence[str]) -> dict[str, int]:
    return {field: number for field in fields if (number := count(values.get(field))) is not None}


# What it says


def _said(error: PlatformError) -> str:
    """TikTok's words, without the id of the request: it is another one each time."""
    words = LOG_ID.sub("", error.message)
    return f"TikTok: {shown(': '.join(part for part in (error.code, words) if part), 200)}"


def _may_be_gone(out: Out, now_ms: int) -> bool:
    """Whether it would be shown, were it there."""
    return is_public(out.content) and now_ms - out.since_ms >= SETTLES_MS


def _not_shown(out: Out, others: bool, now_ms: int) -> tuple[Availability, str]:
    """Why a post that was asked for is not among the answers. `others` of the account are shown.

    Only what `tiktok_after.look` calls absent is gone. All else may be told another time, as when a person
    makes a video public, so it is asked for again.
    """
    if out.content.format in PHOTOS:
        reason = "TikTok answered without the post; it tells numbers of videos, and may tell none of pictures"
    elif not is_public(out.content):
        level = word(out.content.options.get("privacy_level"))
        seen = f"{level} was asked for" if level and level != PUBLIC else "this one is not known to be"
        reason = f"TikTok tells numbers of public videos only; {seen}"
    elif now_ms - out.since_ms < SETTLES_MS:
        reason = "TikTok does not show the video, which is less than an hour old"
    elif others:
        return Availability.GONE, "TikTok shows videos of the account, and not this one"
    else:
        reason = "TikTok shows none of the account's videos: it may have gone private"
    return Availability.NOT_YET, reason


def _readings(out: Out, numbers: Mapping[str, int], dropped: Refusals, refused: Refused) -> list[Reading]:
    """One reading for each metric."""
    if not POST_ID.fullmatch(out.post_id):
        reason = f"TikTok names posts by numbers, and this one is kept as {shown(out.post_id)!r}"
        return untold(POSTS, Availability.FAILED, reason)
    format_: Format = out.content.format
    return [refused.get((format_, metric.name)) or _reading(metric, numbers, dropped) for metric in POSTS]


def _reading(metric: Metric, numbers: Mapping[str, int], dropped: Refusals) -> Reading:
    if metric.native in numbers:
        return Reading(metric.name, numbers[metric.native])
    if metric.native in dropped:
        return Reading(metric.name, None, Availability.RETIRED, dropped[metric.native])
    return Reading(metric.name, None, Availability.NOT_YET, f"TikTok answered without {metric.native}")


MEASURE: Measure = TikTokMeasure()
