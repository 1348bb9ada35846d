"""Collects the accounts of one part, each for itself: what becomes of one costs the others nothing.

Says what is done about an account that could not be read: whether asking again may help, when, and who is
told. How an account is read is `collect`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa

from schedulo.analytics.asked import Part, labels
from schedulo.analytics.closing import Closed
from schedulo.analytics.collect import Collected, Means, collect_day, read_young
from schedulo.clock import now_ms
from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.errors import Actor, PlatformError, Strategy
from schedulo.errors.partly import NotAllDone
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, incidents

ACCOUNT_S = 900.0
"""Reading one account takes seconds, a thousand posts of it minutes. Longer than this it does not hold its
place; what was read is kept."""

DAY = "day:"
"""What the incident of a day that is not closed in time is about, before its date; else it is an account."""


class NotCollected(NotAllDone):
    """Accounts could not be read; the message names each, and why."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one account could not be read."""

    sentence: str
    again: bool
    wait_s: float | None
    actor: Actor
    cause: Exception


@dataclass
class Done:
    """What one part came to."""

    posts: int = 0
    calls: int = 0
    cost_usd: float = 0.0
    measured: int = 0
    missing: int = 0
    failures: dict[str, Failure] = field(default_factory=dict)
    """By account key."""

    def add(self, collected: Collected) -> None:
        self.posts += collected.posts
        self.calls += collected.calls
        self.cost_usd += collected.cost_usd
        self.measured += collected.measured
        self.missing += collected.missing

    def sentence(self) -> str:
        cost = f", {self.cost_usd:.3f} USD" if self.cost_usd else ""
        return (
            f"{self.measured} numbers of {self.posts} posts and their accounts were read in {self.calls} "
            f"requests{cost}; {self.missing} could not be had"
        )

    def to_json(self) -> dict[str, Any]:
        names = ("posts", "calls", "cost_usd", "measured", "missing")
        return {name: getattr(self, name) for name in names}


async def collect_part(
    means: Means, part: Part, say: Callable[[str], None], clock: Callable[[], int] = now_ms
) -> Done:
    """Read the accounts of a part, one after another.

    :param say: takes what was done, as sentences
    :param clock: tells the instant that counts as now, in milliseconds
    :raises NotCollected: where an account could not be read; the others were
    """
    done = Done()
    with means.ledger.read() as connection:
        names = labels(connection, part.accounts)
    for key in part.accounts:
        try:
            async with asyncio.timeout(ACCOUNT_S):
                await _account(means, part, key, done, say, clock)
        except Exception as error:  # whatever it is, it is this account's
            failure = done.failures[key] = failure_of(error)
            say(f"{names[key]}: {failure.sentence}")
            _tell(means.ledger, clock(), key, names[key], failure)
        else:
            _end(means.ledger, clock(), key)
    say(done.sentence())
    if done.failures:
        raise _not_collected(done.failures, names)
    return done


async def _account(
    means: Means, part: Part, key: str, done: Done, say: Callable[[str], None], clock: Callable[[], int]
) -> None:
    for day in part.dates:
        _count(await collect_day(means, key, date.fromisoformat(day), clock()), done, say)
    if part.young:
        _count(await read_young(means, key, clock()), done, say)


def _count(collected: Collected, done: Done, say: Callable[[str], None]) -> None:
    done.add(collected)
    for line in collected.lines:
        say(line)


def failure_of(error: Exception) -> Failure:
    """What an error means for collecting."""
    if isinstance(error, PlatformError):
        again = error.info.strategy is not Strategy.STOP
        wait_s = error.wait_s
        if error.info.strategy is Strategy.WAIT and wait_s is None:
            wait_s = error.info.base_wait_s
        return Failure(error.while_reading(), again, wait_s, error.info.actor, error)
    if isinstance(error, TimeoutError):
        sentence = f"it was not read within {ACCOUNT_S:.0f} s; what was read is kept"
        return Failure(sentence, True, None, Actor.OPERATOR, error)
    sentence = f"it could not be read: an unexpected {type(error).__name__}, which the task's log shows"
    return Failure(sentence, True, None, Actor.OPERATOR, error)


def _not_collected(failures: dict[str, Failure], names: dict[str, str]) -> NotCollected:
    """One error for all of them: the task tries again where that may help any of them."""
    hopeful = [failure for failure in failures.values() if failure.again]
    waits = [failure.wait_s for failure in hopeful]
    known = [wait_s for wait_s in waits if wait_s is not None]
    sentence = "; ".join(f"{names[key]}: {failure.sentence}" for key, failure in failures.items())
    told = min(known) if known and len(known) == len(waits) else None
    error = NotCollected(sentence, again=bool(hopeful), wait_s=told)
    error.__cause__ = next(iter(failures.values())).cause
    return error


# --- who is told ------------------------------------------------------------------------------------------


def _tell(ledger: Ledger, now_ms: int, key: str, name: str, failure: Failure) -> None:
    """People are told at once of what only they can mend."""
    if failure.again or failure.actor is Actor.NOBODY:
        return
    sentence = f"{name}: {failure.sentence}"
    with ledger.begin() as connection:
        incident(connection, now_ms, Trouble.NUMBERS, sentence, actor=failure.actor, about=key)


def close_day(ledger: Ledger, told: Closed, now_ms: int) -> None:
    """What might have passed has not when the day is closed: people are told of that, too."""
    for key, sentence in told.failed.items():
        with ledger.begin() as connection:
            if not _is_open(connection, key):
                incident(connection, now_ms, Trouble.NUMBERS, sentence, actor=Actor.OPERATOR, about=key)
    _end(ledger, now_ms, f"{DAY}{told.date}")
    for key in _given_up(ledger, told):
        _end(ledger, now_ms, key)


def _given_up(ledger: Ledger, told: Closed) -> list[str]:
    """Accounts that people took out while they could not be read: nobody asks for them any more, so nothing
    else would ever end what is told of them."""
    known = sa.select(accounts.c.key).where(
        accounts.c.active.is_(False), incidents.c.key == sa.literal(f"{Trouble.NUMBERS}:") + accounts.c.key
    )
    with ledger.read() as connection:
        keys = connection.execute(known.where(incidents.c.closed_ms.is_(None))).scalars()
        return [key for key in keys if key not in told.accounts]


def day_is_late(ledger: Ledger, day: str, run_id: str, hours: int, now_ms: int) -> None:
    """A run that should have closed a day has not. May be called more than once."""
    sentence = f"the numbers of {day} are not collected {hours} hours after the run {run_id} was made"
    with ledger.begin() as connection:
        incident(connection, now_ms, Trouble.NUMBERS, sentence, actor=Actor.OPERATOR, about=DAY + day)


def _end(ledger: Ledger, now_ms: int, key: str) -> None:
    with ledger.read() as connection:
        if not _is_open(connection, key):
            return
    with ledger.begin() as connection:
        over(connection, now_ms, Trouble.NUMBERS, key)


def _is_open(connection: sa.Connection, key: str) -> bool:
    named = incidents.c.key == f"{Trouble.NUMBERS}:{key}"
    query = sa.select(incidents.c.key).where(named, incidents.c.closed_ms.is_(None))
    return connection.execute(query).first() is not None
