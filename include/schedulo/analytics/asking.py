"""Asks a platform for the numbers of one account: batch by batch, some at once, and stops where it must.

One post that spoils its batch is found by halving, and costs only itself. An error that is about the account
ends the asking; what was answered before is kept by who asked for it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from schedulo.analytics.catalogue import Catalogue
from schedulo.analytics.refusals import Memory
from schedulo.delivery.holds import InForce, in_force
from schedulo.errors import Diagnosis, Kind, PlatformError, Scope
from schedulo.flow import Flow, Job, Request, Response
from schedulo.ledger.clerk import Clerk
from schedulo.ledger.database import Ledger
from schedulo.measures import Availability, Reading
from schedulo.model import Account, Content, Format, Platform
from schedulo.platforms.after import Out
from schedulo.platforms.base import Conversation
from schedulo.platforms.measure import Day, Measure, Told
from schedulo.publishing.desk import Desk
from schedulo.publishing.driver import Driver, StillWorking, Work
from schedulo.publishing.renewal import Logins, Renewal
from schedulo.publishing.session import platform_options
from schedulo.settings import Settings
from schedulo.transport.calls import Caller
from schedulo.transport.wire import Wire

FINISH_S = 35.0
"""How long the end waits for a login that is being renewed: half done, it is lost."""
HOPELESS = 3
"""So many posts that cannot be read, and nothing that could: it is not about the posts. Nor is it where the
platform is down for so many of them in a row."""
NOTHING = Content(Format.TEXT)

UNEXPECTED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a flow raises over an answer of another shape than the platform promises."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the work needs, as the operator has set it up."""

    ledger: Ledger
    wire: Wire
    settings: Settings
    measures: Mapping[Platform, Measure]
    conversations: Mapping[Platform, Conversation]
    """They renew logins."""
    logins: Logins | None = None
    patience_s: float = 30.0
    """How long a platform that stumbles is asked again."""
    clock: Callable[[], int] | None = None
    """Tells the instant while the work goes on, in milliseconds; None: it is `now_ms` all the time."""


class Thrifty(Caller):
    """A caller that notes how much of the platform's limits is used up."""

    def __init__(self, wire: Wire, connections: int, measure: Measure) -> None:
        super().__init__(wire, connections)
        self.used = 0.0
        """1 is all."""
        self._measure = measure

    async def call(self, request: Request, account_key: str) -> Response:
        response = await super().call(request, account_key)
        self.used = max(self.used, self._measure.used(response))
        return response


Answered = Callable[[Sequence[Out], Mapping[str, Sequence[Reading]], int], Awaitable[None]]
"""Called with posts, what was told of each, by key (all metrics that its format has), and when it was asked
for, in milliseconds."""


@dataclass(slots=True)
class Asking:
    """One account, for as long as it is read."""

    account: Account
    measure: Measure
    catalogue: Catalogue
    memory: Memory
    settings: Settings
    patience_s: float
    driver: Driver
    caller: Thrifty
    renewal: Renewal | None
    clock: Callable[[], int] | None = None
    """As `Means.clock`."""
    limit: PlatformError | None = None
    """Nothing may be asked for, for this reason."""
    paid: set[str] = field(default_factory=set)
    """Keys of posts that were paid for on this day of UTC."""
    billed: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """What is charged for, by the platform's words (`Told.billed`)."""
    asked: int = 0
    """Posts."""
    measured: int = 0
    missing: int = 0
    failures: list[str] = field(default_factory=list)
    """What could not be read, as sentences."""
    _successes: int = 0
    _failed_posts: int = 0
    _down: int = 0
    """Posts in a row that the platform was down for."""
    _spoiled: PlatformError | None = None
    """It is about the account: nothing more is asked for."""

    @property
    def calls(self) -> int:
        return self.caller.counts[self.account.key]

    @property
    def cost_usd(self) -> float:
        prices = self.measure.prices_usd
        return sum(prices.get(what, 0.0) * len(keys - self.paid) for what, keys in self.billed.items())

    def asked_ms(self, now_ms: int) -> int:
        """The instant of what is asked for now, in work that began at `now_ms`: with a post a request, an
        account may take many minutes."""
        return now_ms if self.clock is None else max(now_ms, self.clock())

    async def of_account(self, day: Day, now_ms: int) -> Sequence[Reading]:
        """The numbers of the account; empty where the platform's answer could not be used. Raises
        `PlatformError` where the account cannot be read."""
        if (spared := self._spared()) is not None:
            raise spared
        job = self._job()
        try:
            told = await self._run(
                lambda: self.measure.account(job, day, now_ms, self.memory.refused), self.patience_s
            )
        except PlatformError as error:
            if _spoils_account(error):
                raise
            self.failures.append(f"{self.account.key}: {error.while_reading()}")
            return _failed(self.catalogue.of_account, error)
        self._successes += 1
        self._count(told.account)
        self.memory.learn_of_account(told.account)
        return told.account

    async def of_posts(self, batches: Sequence[Sequence[Out]], now_ms: int, answered: Answered) -> None:
        """The numbers of posts, some batches at once. Raises `PlatformError` where the account cannot be
        read (any further)."""
        waiting = list(reversed(batches))

        async def work() -> None:
            while waiting and not self._stopped():
                await self._batch(waiting.pop(), now_ms, answered, self.patience_s)

        workers = min(self.settings.analytics_parallel, len(waiting))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(work())
        except ExceptionGroup as several:  # the ledger, or a fault of ours: one of them says enough
            raise several.exceptions[0] from None
        if self._spoiled is not None:
            raise self._spoiled

    async def _batch(self, batch: Sequence[Out], now_ms: int, answered: Answered, patience_s: float) -> None:
        """One request, or as many as the platform needs for so many posts. What fails is halved."""
        job = self._job()
        asked_ms = self.asked_ms(now_ms)
        try:
            told = await self._run(
                lambda: self.measure.posts(job, batch, asked_ms, self.memory.refused), patience_s
            )
        except PlatformError as error:
            if _spoils_account(error):
                self._spoiled = self._spoiled or error
            elif len(batch) > 1:
                for part in self._parts(batch, error):
                    if self._spoiled is None:
                        await self._batch(part, now_ms, answered, 0.0)
            else:
                await self._post_failed(batch[0], error, answered, asked_ms)
            return
        self._successes += 1
        self._down = 0
        self.asked += len(batch)
        readings = {out.key: self._whole(out, told) for out in batch}
        for one in readings.values():
            self._count(one)
        await answered(batch, readings, asked_ms)

    def _parts(self, batch: Sequence[Out], error: PlatformError) -> list[Sequence[Out]]:
        """Halves; where it may not be about posts, single ones that lie apart come first: neighbours may have
        one fault in common."""
        last, middle = len(batch) - 1, len(batch) // 2
        about_posts = self._successes and error.kind is not Kind.PLATFORM_DOWN
        if about_posts or len(batch) <= HOPELESS:
            return [batch[:middle], batch[middle:]]
        parts = [
            batch[:1],
            batch[middle : middle + 1],
            batch[last:],
            batch[1:middle],
            batch[middle + 1 : last],
        ]
        return [part for part in parts if part]

    async def _post_failed(self, out: Out, error: PlatformError, answered: Answered, asked_ms: int) -> None:
        self.asked += 1
        self.failures.append(f"{out.key} ({out.post_id}): {error.while_reading()}")
        self._failed_posts += 1
        self._down = self._down + 1 if error.kind is Kind.PLATFORM_DOWN else 0
        if self._down >= HOPELESS or (not self._successes and self._failed_posts >= HOPELESS):
            self._spoiled = self._spoiled or error
            return
        readings = _failed(self.catalogue.of_posts(out.content.format), error)
        self._count(readings)
        await answered([out], {out.key: readings}, asked_ms)

    def _whole(self, out: Out, told: Told) -> list[Reading]:
        """One reading for each metric of the post's format, whatever the flow said."""
        by_metric = {reading.metric: reading for reading in told.posts.get(out.key, ())}
        return [
            by_metric.get(metric)
            or Reading(metric, None, Availability.FAILED, "the answer does not speak of it")
            for metric in self.catalogue.of_posts(out.content.format)
        ]

    async def _run(self, flow: Callable[[], Flow], patience_s: float) -> Told:
        """Raises `PlatformError` only."""
        for renewed in (False, True):
            work = Work("", self.account.key, {}, {}, patience_s)
            try:
                told: Told = await self.driver.run(flow(), work)
            except PlatformError as error:
                if error.kind is not Kind.TOKEN_EXPIRED or self.renewal is None or renewed:
                    raise
                await self.renewal.renew(self.account)
            except StillWorking as working:
                raise self._error(Kind.PLATFORM_DOWN, working.note) from None
            except UNEXPECTED as error:
                note = f"its answer has another shape than it should ({type(error).__name__})"
                raise self._error(Kind.NOT_UNDERSTOOD, note) from error
            else:
                for what, keys in told.billed.items():
                    self.billed[what].update(keys)
                return told
        raise AssertionError("the second try ends it")

    def _stopped(self) -> bool:
        self._spoiled = self._spoiled or self._spared()
        return self._spoiled is not None

    def _spared(self) -> PlatformError | None:
        """Publishing has the same limits: what is left of them is its own."""
        if self.limit is not None:
            return self.limit
        if self.caller.used < self.settings.analytics_share:
            return None
        used, share = self.caller.used, self.settings.analytics_share
        note = (
            f"{used:.0%} of what it allows is used up; beyond {share:.0%} numbers wait, so that posts go out"
        )
        return self._error(Kind.RATE_LIMITED, note)

    def _error(self, kind: Kind, note: str) -> PlatformError:
        return PlatformError(self.account.platform, Diagnosis(kind, refusal=False), message=note)

    def _count(self, readings: Sequence[Reading]) -> None:
        told = sum(reading.value is not None for reading in readings)
        self.measured += told
        self.missing += len(readings) - told

    def _job(self) -> Job:
        return Job(self.account, NOTHING, lambda _media: None, platform_options(self.settings))


@asynccontextmanager
async def asking(
    means: Means, account: Account, memory: Memory, limit: PlatformError | None = None
) -> AsyncIterator[Asking]:
    """For as long as the block lasts."""
    clerk = Clerk(means.ledger)
    parallel = means.settings.analytics_parallel
    measure = means.measures[account.platform]
    caller = Thrifty(means.wire, parallel, measure)
    driver = Driver(Desk(means.ledger, clerk, means.settings), caller, parallel)
    renewal = None
    if means.logins is not None:
        renewal = Renewal(means.ledger, driver, means.conversations, means.logins, lambda _account: None)
    tools = (driver, caller, renewal, means.clock, limit)
    try:
        yield Asking(account, measure, Catalogue(measure), memory, means.settings, means.patience_s, *tools)
    finally:
        if renewal is not None:
            await renewal.finish(FINISH_S)
        await caller.close()
        clerk.close()


def limit_of(
    connection: sa.Connection, measure: Measure, account: Account, now_ms: int
) -> PlatformError | None:
    """Why an account is not to be asked for anything now: posts wait for the end of a limit that they
    share with reading, and asking would prolong it. What else holds posts may be about publishing only."""
    if not measure.shared_limits:
        return None
    limits = InForce(hold for hold in in_force(connection, now_ms) if hold.error_kind == Kind.RATE_LIMITED)
    hold = limits.on(account.platform, account.key, now_ms)
    if hold is None:
        return None
    wait_s = None if hold.until_ms is None else hold.left_s(now_ms)
    note = "its posts wait for the end of a limit; asking would prolong it"
    diagnosis = Diagnosis(Kind.RATE_LIMITED, refusal=False)
    return PlatformError(account.platform, diagnosis, message=note, wait_s=wait_s)


def _failed(metrics: Sequence[str], error: PlatformError) -> list[Reading]:
    return [Reading(metric, None, Availability.FAILED, error.while_reading()) for metric in metrics]


def _spoils_account(error: PlatformError) -> bool:
    """It says something about the account, the platform or the way there, not about a post."""
    return error.scope is not Scope.DELIVERY or error.kind is Kind.NETWORK
