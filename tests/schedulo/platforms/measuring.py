"""What tests of numbers share: posts that are out, and readings by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schedulo.flow import Job
from schedulo.measures import Availability, Reading
from schedulo.model import Account, Content, Format, Platform
from schedulo.platforms import MEASURES
from schedulo.platforms.after import Out
from schedulo.platforms.measure import Day, Told
from tests.schedulo.platforms.flows import Answers, run_flow

NOW_S = 1_800_000_000
NOW_MS = NOW_S * 1000
DAY_S = 86_400
DAY = Day("2027-01-14", NOW_MS - DAY_S * 1000, NOW_MS)
"""It ended just now."""


def job(platform: Platform, account_id: str = "11", **options: Any) -> Job:
    return Job(Account(platform, account_id, "anna"), Content(Format.TEXT), lambda _media: None, options)


def out(post_id: str, format_: Format = Format.TEXT, days: float = 1.0, **options: Any) -> Out:
    """A post that went out so many days ago; its key is `d` and its id."""
    since_ms = NOW_MS - int(days * DAY_S * 1000)
    return Out(f"d{post_id}", post_id, Content(format_, "hello", options=options), since_ms)


def told_of(
    job: Job, posts: Sequence[Out], answers: Answers, refused: Mapping[Any, Reading] | None = None
) -> tuple[Told, list[Any]]:
    """What a platform tells of posts, and the requests that were sent."""
    side = MEASURES[job.account.platform]
    told, sent = run_flow(side.posts(job, posts, NOW_MS, refused or {}), answers)
    for post in posts:  # one reading for each metric that its format has, whatever happens
        names = [reading.metric for reading in told.posts[post.key]]
        assert len(names) == len(set(names))
        assert {
            metric.name
            for metric in side.metrics
            if metric.subject == "post" and (not metric.formats or post.content.format in metric.formats)
        } == set(names)
    return told, [effect.request for effect in sent]


def numbers(readings: Sequence[Reading]) -> dict[str, float]:
    """What was measured."""
    return {reading.metric: reading.value for reading in readings if reading.value is not None}


def missing(readings: Sequence[Reading]) -> dict[Availability, set[str]]:
    """What was not, by why."""
    found: dict[Availability, set[str]] = {}
    for reading in readings:
        if reading.value is None:
            assert reading.reason
            found.setdefault(reading.availability, set()).add(reading.metric)
    return found


def natives(platform: Platform) -> dict[tuple[str, str], str]:
    """Our word for a platform's, by subject and that."""
    return {(metric.subject, metric.native): metric.name for metric in MEASURES[platform].metrics}
