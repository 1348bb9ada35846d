"""What a platform tells of posts and accounts: a third protocol beside `Conversation` and `After`.

For the same driver: flows of steps that are never kept (`keep_s=0`). Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from schedulo.flow import Flow, Job, Response
from schedulo.measures import Availability, Metric, Reading
from schedulo.model import Format
from schedulo.platforms.after import Out

Refused = Mapping[tuple[Format | None, str], Reading]
"""By format (None: of the account) and metric: what was refused lately, and is not to be asked for again.
The reading says why, and is what the flow answers for it."""


@dataclass(frozen=True, slots=True)
class Day:
    """One day of an account, on the clock of its zone. Instants are milliseconds; the end is outside."""

    date: str
    """ISO 8601, such as 2026-11-25."""
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Told:
    """What a flow ends with."""

    posts: Mapping[str, Sequence[Reading]] = field(default_factory=dict)
    """By `Out.key`: one reading for each metric that its format has. A post that is not there any more has
    `Availability.GONE` in all of them."""
    account: Sequence[Reading] = ()
    billed: Mapping[str, Collection[str]] = field(default_factory=dict)
    """What the platform charges for, by its own words (`post read`): `Out.key` of the posts, `Account.key` of
    the account. What is read again on the same day of UTC is not charged for again (X: pricing)."""


class Measure(Protocol):
    """One platform's side, without I/O."""

    batch: int
    """So many posts of one account are asked for together at the most."""
    metrics: Sequence[Metric]
    """All that it can tell."""
    prices_usd: Mapping[str, float]
    """What it charges for one thing of `Told.billed`; empty where it charges nothing."""
    shared_limits: bool
    """Reading and publishing are counted together."""

    def posts(self, job: Job, posts: Sequence[Out], now_ms: int, refused: Refused) -> Flow:
        """The numbers of posts of one account as they stand; ends with `Told`.

        The job's content says nothing. A metric that is refused costs the others nothing: it is asked again
        without it. An account that cannot be read at all raises `PlatformError`.
        """
        ...

    def account(self, job: Job, day: Day, now_ms: int, refused: Refused) -> Flow:
        """The numbers of the account: of the day where the platform tells them by date (`Metric.by_date`),
        else as they stand; ends with `Told`. Where the day is long over (`now_ms`), what only stands is not
        asked for."""
        ...

    def used(self, response: Response) -> float:
        """How much of the shared limits an answer says is used up; 1 is all, 0 where it does not say."""
        ...


SETTLES_MS = 3_600_000
"""A post that is younger and not shown may just not be listed yet: nothing follows from that. Looks whether
posts are still there keep to the same."""
LONG_OVER_MS = 26 * 3_600_000
"""What stands only is asked for until the end of the next day, and no day lasts longer."""


def long_over(day: Day, now_ms: int) -> bool:
    """Whether what an account only stands at cannot be a number of that day any more."""
    return now_ms >= day.end_ms + LONG_OVER_MS


def of_format(metrics: Iterable[Metric], format_: Format) -> list[Metric]:
    """Those that posts of a format have."""
    return [metric for metric in metrics if not metric.formats or format_ in metric.formats]


def untold(metrics: Iterable[Metric], availability: Availability, reason: str) -> list[Reading]:
    """Readings without a value, all for one reason."""
    return [Reading(metric.name, None, availability, reason) for metric in metrics]


def count(value: Any) -> int | None:
    """A number of an answer, also where it came as text; None for what is none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
