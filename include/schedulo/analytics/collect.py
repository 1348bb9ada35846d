"""Reads the numbers of an account and keeps them: at the end of its day, and while its posts are young.

Repeating is harmless: what was measured stays, and only what is missing is asked for again. Time is an
argument; what is read carries the instant at which it was asked for (`Means.clock`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from schedulo.analytics import daily, posts, readings, settling
from schedulo.analytics.asking import Asking, Means, asking, limit_of
from schedulo.analytics.catalogue import Catalogue
from schedulo.analytics.daily import Facts, Number
from schedulo.analytics.days import DAY_MS, day_of
from schedulo.analytics.dimensions import catch_up
from schedulo.analytics.posts import Post, at, chunks
from schedulo.analytics.readings import AGAIN
from schedulo.analytics.refusals import REMEMBERED, Memory
from schedulo.analytics.settling import Closing
from schedulo.clock import to_ms
from schedulo.errors import PlatformError
from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability, Reading
from schedulo.model import Account
from schedulo.platforms.after import Out

__all__ = ["Collected", "Means", "collect_day", "read_young"]

FINAL_MS = 72 * 3_600_000
"""So long after a day its numbers may still come or be corrected: Meta takes up to two days, and a day of its
own clock may end 22 hours after ours."""
AGAIN_MS = 12 * 3_600_000
"""Numbers that may come or be corrected are asked for again after this time, and no sooner."""
BACK_DAYS = 31
"""So many days back an account that was not collected catches up by itself; beyond, a backfill does."""
MOST_LINES = 10
NOT_ASKED = "nobody asked while the number was to be had"

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Collected:
    """What one call came to."""

    posts: int = 0
    """Posts that the platform was asked about."""
    calls: int = 0
    """Requests to the platform."""
    cost_usd: float = 0.0
    """By the platform's price list."""
    measured: int = 0
    """Numbers that were read."""
    missing: int = 0
    """Numbers that the platform did not tell."""
    lines: tuple[str, ...] = ()
    """Sentences for the log."""


async def collect_day(means: Means, account_key: str, on: date, now_ms: int) -> Collected:
    """Collect the numbers of an account's day, and what is still missing of the days before it.

    :param account_key: `platform:account_id`
    :param on: the day, in the account's zone; it is over
    :param now_ms: the instant that counts as now, in milliseconds
    :raises PlatformError: the account could not be read, or not to the end; what was read is kept, and the
        error says how long to wait
    :raises ValueError: the account is not known, or the day is not over
    """
    account = await asyncio.to_thread(_prepare, means, account_key, now_ms)
    day = day_of(account.timezone, on)
    if day.end_ms > now_ms:
        raise ValueError(
            f"{on} is not over for {account_key} ({account.timezone}): it must have ended. "
            "Whoever asked chooses an earlier day."
        )
    if (why := _not_read(means, account)) is not None:
        return why
    async with _working(means, account, "day", on, now_ms) as work:
        await work.close_earlier(on)
        await work.close(on)
        await work.account_day(on, explicit=True)
        await work.posts_day(on)
        for earlier in await work.see(_late, account, on, work.catalogue):
            await work.account_day(earlier)
    return work.collected()


async def read_young(means: Means, account_key: str, now_ms: int) -> Collected:
    """Read the posts of an account that are young and due to be read again. Arguments and errors are those of
    `collect_day`."""
    account = await asyncio.to_thread(_prepare, means, account_key, now_ms)
    if (why := _not_read(means, account)) is not None:
        return why
    with means.ledger.read() as connection:
        due = posts.young(connection, account, now_ms, means.settings)
    if not due:
        return Collected(lines=(f"{account_key}: no young post is due to be read",))
    async with _working(means, account, "young", None, now_ms) as work:
        await work.ask(due, None)
    return work.collected()


def _prepare(means: Means, account_key: str, now_ms: int) -> Account:
    catch_up(means.ledger, now_ms)
    with means.ledger.read() as connection:
        return posts.account_of(connection, account_key)


def _not_read(means: Means, account: Account) -> Collected | None:
    """The answer for an account whose platform is not read."""
    if account.platform in means.settings.measured_platforms and account.platform in means.measures:
        return None
    chosen = "SCHEDULO_ANALYTICS_PLATFORMS leaves it out"
    return Collected(lines=(f"{account.key}: numbers of {account.platform} are not read ({chosen})",))


@asynccontextmanager
async def _working(
    means: Means, account: Account, purpose: str, on: date | None, now_ms: int
) -> AsyncIterator[_Work]:
    """Opens what asking needs, and keeps what the work came to, also where it failed."""
    with means.ledger.read() as connection:
        memory = Memory.load(connection, account.key, now_ms)
        limit = limit_of(connection, means.measures[account.platform], account, now_ms)
    async with asking(means, account, memory, limit) as platform:
        work = _Work(means, account, platform, now_ms)
        id_ = secrets.token_hex(12)
        row = {"id": id_, "account_key": account.key, "purpose": purpose, "date": on}
        await work.do(_open, row, now_ms)
        try:
            yield work
        except PlatformError as error:
            await work.finish(id_, error.while_reading())
            raise
        await work.finish(id_, "")


@dataclass(slots=True)
class _Work:
    """One call for one account."""

    means: Means
    account: Account
    platform: Asking
    now_ms: int
    lines: list[str] = field(default_factory=list)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One transaction at a time: on SQLite they would only keep others waiting, and publishing with them."""

    @property
    def catalogue(self) -> Catalogue:
        return self.platform.catalogue

    async def do(self, function: Callable[..., _Answer], *args: Any) -> _Answer:
        """A function of (connection, *args), in one transaction."""

        def run() -> _Answer:
            with self.means.ledger.begin() as connection:
                return function(connection, *args)

        async with self._turn:
            return await asyncio.to_thread(run)

    async def see(self, function: Callable[..., _Answer], *args: Any) -> _Answer:
        """The same, of one that only reads: on SQLite it waits for no writer."""

        def run() -> _Answer:
            with self.means.ledger.read() as connection:
                return function(connection, *args)

        return await asyncio.to_thread(run)

    async def closing(self, on: date) -> Closing:
        why = await self.see(_why_missed, self.account.key, on)
        return Closing(self.account, on, self.catalogue, self.now_ms, why)

    async def close_earlier(self, on: date) -> None:
        """Days before that were not collected: their time is over. After the day before was collected, its
        posts may have been read once more."""
        before = on - timedelta(days=1)
        if await self.see(_is_unsettled, self.account.key, before):
            await self.close(before)
        for earlier in await self.see(_unclosed, self.account.key, on):
            await self.close(earlier)
            await self.do(_closed, self.account.key, earlier, self.now_ms)

    async def close(self, on: date) -> None:
        """What nobody read of a day while its time lasted is missed."""
        closing = await self.closing(on)
        if closing.is_open:
            return
        await self.settle(closing, await self.see(posts.wanted_on, self.account, on, self.means.settings))
        missed = [
            closing.missed(one) for one in self.catalogue.of_account if one not in self.catalogue.by_date
        ]
        numbers = [Number(self.account.key, reading, None) for reading in missed]
        if numbers:
            await self.do(_keep_account, on, numbers, self.catalogue)

    async def account_day(self, on: date, *, explicit: bool = False) -> None:
        """The account's own numbers of a day: as they stand while its time lasts, by date at any time."""
        closing = await self.closing(on)
        lacking = await self.see(_lacking, closing, self.platform.memory, explicit)
        if not lacking:
            return
        asked_ms = self.platform.asked_ms(self.now_ms)
        told = {one.metric: one for one in await self.platform.of_account(closing.day, asked_ms)}
        in_time = closing.at(asked_ms).is_open
        numbers = [
            Number(self.account.key, told.get(metric) or _unspoken(metric), asked_ms)
            if in_time or metric in self.catalogue.by_date
            else Number(self.account.key, closing.missed(metric), None)
            for metric in lacking
        ]
        await self.do(_keep_account, on, numbers, self.catalogue)

    async def posts_day(self, on: date) -> None:
        """The numbers of the account's posts at the end of a day, if that is now."""
        closing = await self.closing(on)
        if not closing.is_open:
            return
        wanted = await self.see(posts.wanted_on, self.account, on, self.means.settings)
        await self.ask(await self.settle(closing, wanted), closing)
        afterwards = closing.at(self.platform.asked_ms(self.now_ms))
        if not afterwards.is_open:
            await self.settle(afterwards, wanted)

    async def settle(self, closing: Closing, about: Sequence[Post]) -> list[Post]:
        """Keep what is known of posts on a day; answers those that are to be asked for."""
        lacking: list[Post] = []
        for chunk in chunks(about):
            settled = await self.see(settling.settle, closing, chunk)
            if settled.numbers:
                await self.do(settling.keep, closing, chunk, settled.numbers)
            lacking += settled.lacking
        return lacking

    async def ask(self, due: Sequence[Post], closing: Closing | None) -> None:
        """Ask for posts and keep what is told; with `closing`, make it the day's numbers."""
        by_key = {post.key: post for post in due}
        self.platform.paid |= {post.key for post in due if _told_today(post, self.now_ms)}

        async def answered(
            batch: Sequence[Out], told: Mapping[str, Sequence[Reading]], asked_ms: int
        ) -> None:
            answering = [by_key[out.key] for out in batch]
            self.platform.memory.learn_of_posts(answering, told)
            for chunk in chunks(answering):
                await self.do(readings.keep, chunk, told, asked_ms)
                if closing is not None:
                    await self.settle(closing, chunk)

        probes = self.platform.memory.probes(due)
        first = {post.key for post in probes}
        for group in (probes, [post for post in due if post.key not in first]):
            outs: list[Out] = []
            for chunk in chunks(group):
                outs += (await self.see(posts.outs, chunk)).values()
            await self.platform.of_posts(_batches(outs, self.platform.measure.batch), self.now_ms, answered)

    async def finish(self, id_: str, problem: str) -> None:
        memory = self.platform.memory
        if memory.has_news:
            refused = await self.do(memory.keep, self.now_ms)
            self.lines += [f"{self.account.platform} refuses {one.metric}: {one.reason}" for one in refused]
        await self.do(_end, id_, self.collected(), self.now_ms, problem)

    def collected(self) -> Collected:
        asked = self.platform
        told = (
            f"{self.account.key}: {asked.asked} posts by {asked.calls} requests, {asked.measured} numbers, "
            f"{asked.missing} not told"
        )
        failed = asked.failures[:MOST_LINES]
        if len(asked.failures) > MOST_LINES:
            failed.append(f"and {len(asked.failures) - MOST_LINES} more could not be read")
        lines = (told, *failed, *self.lines)
        return Collected(asked.asked, asked.calls, asked.cost_usd, asked.measured, asked.missing, lines)


def _told_today(post: Post, now_ms: int) -> bool:
    """Whether its numbers were told on this day of UTC before."""
    told_ms = post.watched.told_ms if post.watched else None
    return told_ms is not None and told_ms // DAY_MS == now_ms // DAY_MS


def _batches(outs: Sequence[Out], size: int) -> list[Sequence[Out]]:
    return [outs[start : start + size] for start in range(0, len(outs), size)]


def _unspoken(metric: str) -> Reading:
    return Reading(metric, None, Availability.FAILED, "the answer does not speak of it")


# --- the account's own numbers ----------------------------------------------------------------------------


def _lacking(connection: sa.Connection, closing: Closing, memory: Memory, explicit: bool) -> list[str]:
    """The account's metrics that are to be asked for, of a day.

    :param explicit: somebody asked for this day; else it is looked at because days before it come late
    """
    facts, key = Facts.of_accounts(connection), closing.account.key
    there = daily.kept(connection, facts, [key], closing.on)
    catalogue = closing.catalogue
    final_ms = closing.day.end_ms + FINAL_MS
    found = []
    for metric in catalogue.of_account:
        old = there.get((key, metric))
        if metric not in catalogue.by_date:
            wanted = closing.is_open and (old is None or old.availability in AGAIN)
        elif old is None or old.availability in (Availability.FAILED, Availability.MISSED):
            wanted = True
        elif old.availability in REMEMBERED:
            wanted = explicit and (None, metric) not in memory.refused
        else:
            asked_ms = old.collected_ms or 0
            late = old.availability is Availability.NOT_YET and (explicit or asked_ms < final_ms)
            corrected = metric in catalogue.of_days and old.value is not None and asked_ms < final_ms
            wanted = (late or corrected) and asked_ms <= closing.now_ms - AGAIN_MS
        if wanted:
            found.append(metric)
    return found


def _keep_account(
    connection: sa.Connection, on: date, numbers: Sequence[Number], catalogue: Catalogue
) -> None:
    facts = Facts.of_accounts(connection)
    daily.keep(connection, facts, on, numbers, catalogue.account_kinds, renew=True)


def _late(connection: sa.Connection, account: Account, on: date, catalogue: Catalogue) -> list[date]:
    """Days before this one whose numbers by date may come now, oldest first: what could not be had, was not
    told yet, or may have been corrected since."""
    if not catalogue.by_date:
        return []
    t = warehouse_of(connection).account_metrics_daily.c
    first = max(_first_day(connection, account.key), on - timedelta(days=BACK_DAYS))
    query = sa.select(t.date, t.metric, t.availability, t.collected_at).where(
        t.account_key == account.key, t.date >= first, t.date < on, t.metric.in_(catalogue.by_date)
    )
    final: dict[date, set[str]] = {}
    for row in connection.execute(query):
        open_ = row.availability in (Availability.FAILED, Availability.MISSED)
        corrected = row.availability == Availability.MEASURED and row.metric in catalogue.of_days
        if corrected or row.availability == Availability.NOT_YET:
            asked_ms = 0 if row.collected_at is None else to_ms(row.collected_at)
            open_ = asked_ms < day_of(account.timezone, row.date).end_ms + FINAL_MS
        if not open_:
            final.setdefault(row.date, set()).add(row.metric)
    days = (first + timedelta(days=number) for number in range((on - first).days))
    return [day for day in days if final.get(day, set()) != catalogue.by_date]


# --- the log of collecting ---------------------------------------------------------------------------------


def _first_day(connection: sa.Connection, account_key: str) -> date:
    """The first day that the account was collected for."""
    c = warehouse_of(connection).collections.c
    query = sa.select(sa.func.min(c.date)).where(c.account_key == account_key)
    return connection.execute(query).scalar() or date.max


def _unclosed(connection: sa.Connection, account_key: str, on: date) -> list[date]:
    """Days since the account is collected that no collecting came to the end of."""
    c = warehouse_of(connection).collections.c
    since = max(_first_day(connection, account_key), on - timedelta(days=BACK_DAYS))
    done = sa.select(c.date).where(
        c.account_key == account_key, c.date >= since, c.problem == "", c.ended_at.is_not(None)
    )
    closed = set(connection.execute(done).scalars())
    days = (since + timedelta(days=number) for number in range((on - since).days))
    return [day for day in days if day not in closed]


def _is_unsettled(connection: sa.Connection, account_key: str, on: date) -> bool:
    """Some post of the day has a number that a later reading may have told."""
    house = warehouse_of(connection)
    p, f = house.posts.c, house.post_metrics_daily.c
    query = (
        sa.select(f.metric)
        .join(house.posts, p.post_key == f.post_key)
        .where(p.account_key == account_key, f.date == on, f.availability.in_(AGAIN))
        .limit(1)
    )
    return connection.execute(query).first() is not None


def _why_missed(connection: sa.Connection, account_key: str, on: date) -> str:
    c = warehouse_of(connection).collections.c
    query = (
        sa.select(c.problem)
        .where(c.account_key == account_key, c.date == on, c.problem != "")
        .order_by(c.started_at.desc())
        .limit(1)
    )
    problem = connection.execute(query).scalar()
    return f"it could not be read in time: {problem}" if problem else NOT_ASKED


def _open(connection: sa.Connection, row: Mapping[str, Any], now_ms: int) -> None:
    connection.execute(sa.insert(warehouse_of(connection).collections).values(**row, started_at=at(now_ms)))


def _end(connection: sa.Connection, id_: str, found: Collected, now_ms: int, problem: str) -> None:
    table = warehouse_of(connection).collections
    connection.execute(
        sa.update(table)
        .where(table.c.id == id_)
        .values(
            ended_at=at(now_ms),
            posts=found.posts,
            calls=found.calls,
            cost_usd=found.cost_usd,
            problem=problem,
        )
    )


def _closed(connection: sa.Connection, account_key: str, on: date, now_ms: int) -> None:
    """A day that was closed without being asked for."""
    row = {"id": secrets.token_hex(12), "account_key": account_key, "purpose": "day", "date": on}
    values = {**row, "started_at": at(now_ms), "ended_at": at(now_ms)}
    connection.execute(sa.insert(warehouse_of(connection).collections).values(**values))
