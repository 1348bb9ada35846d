"""Asking a platform whose answers cannot always be used: what one post costs the others, and when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.analytics.collect import Collected, collect_day
from schedulo.analytics.days import Due, due
from schedulo.analytics.posts import Post
from schedulo.analytics.refusals import Memory
from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.flow import Flow, Job, Request, Response, step
from schedulo.measures import Availability, Metric, Reading, Subject
from schedulo.measures import Kind as Grows
from schedulo.model import Format, Platform
from schedulo.platforms.after import Out
from schedulo.platforms.measure import Day, Refused, Told
from tests.schedulo.analytics.stand import Stand

NAMES = ("views", "quotes")


@dataclass(eq=False)
class Moody:
    """A platform of this test's own: X's posts of the sandbox, with answers that cannot be used at times."""

    unusable: set[str] = field(default_factory=set)
    """Posts whose answer has another shape than it should, for the whole request."""
    raises: PlatformError | None = None
    """What every request meets."""
    well: int = 0
    """So many requests meet it only after these."""
    spoilt: PlatformError | None = None
    """What requests with such posts meet instead."""
    retired: set[str] = field(default_factory=set)
    """Metrics that fail the request which names them; the flow asks again without."""
    batches: list[int] = field(default_factory=list)
    named: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    """Posts and metrics of each request."""
    batch: int = 8
    metrics: Sequence[Metric] = tuple(
        Metric(Platform.X, Subject.POST, name, name, Grows.TOTAL, name, "test") for name in NAMES
    )
    prices_usd = {"look": 0.5}  # noqa: RUF012
    shared_limits = False

    def posts(self, job: Job, posts: Sequence[Out], now_ms: int, refused: Refused) -> Flow:
        self.batches.append(len(posts))
        names = [name for name in NAMES if any((out.content.format, name) not in refused for out in posts)]
        known = {name: refused.get((posts[0].content.format, name)) for name in NAMES}

        def read(response: Response) -> Any:
            if self.raises is not None and len(self.batches) > self.well:
                raise self.raises
            shown = {post["id"]: 7 for post in response.json()["data"] if post["id"] not in self.unusable}
            if self.spoilt and any(out.post_id not in shown for out in posts):
                raise self.spoilt
            return {out.post_id: shown[out.post_id] for out in posts}

        ids = ",".join(out.post_id for out in posts)
        while True:
            self.named.append((len(posts), tuple(names)))
            numbers = yield from step(
                f"look-{len(names)}",
                Request("x", "GET", "/2/tweets", query=(("ids", ids),)),
                read,
                keep_s=0.0,
            )
            bad = self.retired & set(names)
            if not bad:
                break
            names = [name for name in names if name not in bad]
            known |= {name: Reading(name, None, Availability.RETIRED, "it is no more") for name in bad}
        told = {
            out.key: [known[name] or Reading(name, numbers[out.post_id]) for name in NAMES] for out in posts
        }
        return Told(told, billed={"look": [out.key for out in posts]})

    def used(self, response: Response) -> float:
        return 0.0

    def account(self, job: Job, day: Day, now_ms: int, refused: Refused) -> Flow:
        return Told()
        yield


def collect(stand: Stand, platform: Moody, on: str = "2026-09-02") -> Collected:
    means = replace(stand.means(), measures={Platform.X: platform})
    return asyncio.run(collect_day(means, "x:1", date.fromisoformat(on), stand.now_ms))


@pytest.fixture
def ids(stand: Stand) -> list[str]:
    """Twenty posts of a day that has just ended."""
    found = stand.posts(stand.x_account(), ["2026-09-02 08:00"] * 20)
    stand.go("2026-09-03 01:00")
    return found


def availability(stand: Stand) -> dict[str, str]:
    t = stand.house.post_metrics_daily
    rows = stand.run(sa.select(t).where(t.c.metric == "views").order_by(t.c.post_key))
    return {row.post_key: row.availability for row in rows}


def test_one_post_that_cannot_be_read_spoils_no_other(stand: Stand, ids: list[str]) -> None:
    platform = Moody(unusable={stand.remote(ids[3]), stand.remote(ids[11])})
    found = collect(stand, platform)
    assert [id_ for id_, one in availability(stand).items() if one != "measured"] == [ids[3], ids[11]]
    assert (found.posts, found.measured, found.missing) == (20, 36, 4)
    said = "\n".join(found.lines)
    assert ids[3] in said
    assert "another shape than it should (KeyError)" in said
    platform.unusable.clear()
    assert collect(stand, platform).posts == 2
    assert set(availability(stand).values()) == {"measured"}


def test_neighbours_that_cannot_be_read_spoil_no_other(stand: Stand, ids: list[str]) -> None:
    stand.settings = replace(stand.settings, analytics_parallel=1)
    for first in (0, 16):  # at both ends of the first batch, and of the last
        platform = Moody(unusable={stand.remote(id_) for id_ in ids[first : first + 2]})
        collect(stand, platform)
        spoilt = [id_ for id_, one in availability(stand).items() if one != "measured"]
        assert spoilt == ids[first : first + 2]
        stand.run(sa.delete(stand.house.post_metrics_daily))
        stand.run(sa.delete(stand.house.post_readings))


def test_where_nothing_can_be_read_it_is_not_about_the_posts(stand: Stand, ids: list[str]) -> None:
    platform = Moody(unusable={stand.remote(id_) for id_ in ids})
    with pytest.raises(PlatformError) as failed:
        collect(stand, platform)
    assert failed.value.kind is Kind.NOT_UNDERSTOOD
    assert len(platform.batches) < 20


def test_a_platform_that_goes_down_midway_is_not_asked_for_every_post(stand: Stand, ids: list[str]) -> None:
    """And the day is not taken for collected: the next hour's run goes on."""
    down = PlatformError("X", Diagnosis(Kind.PLATFORM_DOWN, refusal=False), status=503)
    platform = Moody(raises=down, well=1)
    stand.settings = replace(stand.settings, analytics_parallel=1)
    with pytest.raises(PlatformError) as failed:
        collect(stand, platform)
    assert failed.value.kind is Kind.PLATFORM_DOWN
    assert len(platform.batches) <= 1 + 4
    assert list(availability(stand).values()).count("measured") == 8
    assert [one.dates for one in due_now(stand)] == [(date(2026, 9, 2),)]
    platform.raises = None
    collect(stand, platform)
    assert set(availability(stand).values()) == {"measured"}


def due_now(stand: Stand) -> list[Due]:
    with stand.ledger.read() as connection:
        return due(connection, stand.now_ms, stand.settings)


def test_posts_that_a_platform_is_down_for_spoil_no_other(stand: Stand, ids: list[str]) -> None:
    down = PlatformError("X", Diagnosis(Kind.PLATFORM_DOWN, refusal=False), status=500)
    platform = Moody(unusable={stand.remote(ids[number]) for number in (2, 3)}, spoilt=down)
    collect(stand, platform)
    assert [id_ for id_, one in availability(stand).items() if one != "measured"] == ids[2:4]


@pytest.mark.parametrize(
    "kind", [Kind.PERMISSION, Kind.ACCOUNT_RESTRICTED, Kind.QUOTA_EXHAUSTED, Kind.BILLING]
)
def test_what_is_about_the_account_ends_the_asking_at_once(stand: Stand, ids: list[str], kind: Kind) -> None:
    platform = Moody(raises=PlatformError("X", Diagnosis(kind, refusal=True), wait_s=77.0))
    stand.settings = replace(stand.settings, analytics_parallel=1)
    with pytest.raises(PlatformError) as failed:
        collect(stand, platform)
    assert (failed.value.kind, failed.value.wait_s, len(platform.batches)) == (kind, 77.0, 1)
    assert availability(stand) == {}


def test_a_retired_metric_costs_one_request_a_day_and_comes_back_by_itself(
    stand: Stand, ids: list[str]
) -> None:
    platform = Moody(retired={"quotes"})
    stand.settings = replace(stand.settings, analytics_parallel=1)
    found = collect(stand, platform)
    both, one = NAMES, ("views",)
    assert platform.named == [(8, both), (8, one), (8, one), (4, one)]
    assert "x refuses quotes: it is no more" in found.lines
    platform.named.clear()
    stand.go("2026-09-04 01:00")
    collect(stand, platform, "2026-09-03")
    assert platform.named == [(1, both), (1, one), (8, one), (8, one), (3, one)]
    platform.named.clear()
    platform.retired.clear()
    stand.go("2026-09-05 01:00")
    collect(stand, platform, "2026-09-04")
    assert platform.named == [(1, both), (8, both), (8, both), (3, both)]
    facts = list(stand.facts(ids[0], "quotes").values())
    assert [(row.availability, row.value, row.delta, row.delta_days) for row in facts] == [
        ("retired", None, None, None),
        ("retired", None, None, None),
        ("measured", 7, 7, 3),
    ]
    assert stand.run(sa.select(stand.house.refusals)) == []


def test_what_is_refused_for_one_format_is_asked_for_of_another(stand: Stand, ids: list[str]) -> None:
    platform = Moody(retired={"quotes"})
    collect(stand, platform)
    platform.retired.clear()
    other = stand.post("x:1", "2026-09-02 09:00", Format.POLL)
    platform.named.clear()
    collect(stand, platform)
    assert platform.named == [(1, NAMES)]
    assert stand.facts(other, "quotes")["2026-09-02"].value == 7


def test_so_many_requests_are_under_way_at_once_and_no_more(stand: Stand, ids: list[str]) -> None:
    stand.settings = replace(stand.settings, analytics_parallel=2)
    stand.sandbox.fault(service="x", method="GET", route="posts", mode="delay:0.2", times=-1)
    began = asyncio.run(_timed(stand, Moody(batch=4)))
    assert began >= 0.6  # five requests, two at once


async def _timed(stand: Stand, platform: Moody) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    means = replace(stand.means(), measures={Platform.X: platform})
    await collect_day(means, "x:1", date(2026, 9, 3) - timedelta(days=1), stand.now_ms)
    return loop.time() - began


def a_post(key: str, format_: Format = Format.TEXT) -> Post:
    return Post(key, format_, 0, None, "published", None, None)


def test_what_one_post_is_refused_is_not_refused_of_others(stand: Stand) -> None:
    refused = [Reading("views", 5), Reading("quotes", None, Availability.RETIRED, "not of this one")]
    told = [Reading("views", 5), Reading("quotes", 0)]
    memory, place = Memory("x:1"), (Format.TEXT, "quotes")
    memory.learn_of_posts([a_post("a")], {"a": refused})
    memory.learn_of_posts([a_post("a"), a_post("b", Format.POLL)], {"a": refused, "b": refused})
    assert memory.refused == {}
    memory.learn_of_posts([a_post("c")], {"c": refused})
    assert set(memory.refused) == {place}
    memory.learn_of_posts([a_post("d")], {"d": told})  # it was asked meanwhile
    memory.learn_of_posts([a_post("e"), a_post("f")], {"e": refused, "f": refused})
    assert (memory.refused, memory.has_news) == ({}, False)
    memory = Memory("x:1", stale={place})
    memory.learn_of_posts([a_post("a")], {"a": refused})
    assert set(memory.refused) == {place}
