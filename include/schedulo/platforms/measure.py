"""What a platform tells of posts and accounts: a third protocol beside `Conversation` and `After`.

For the same driver: flows of steps that are never kept (`keep_s=0`). Nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schedulo.flow import Flow, Job
from schedulo.measures import Metric, Reading
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
    billed: Mapping[str, int] = field(default_factory=dict)
    """What the platform charges for, by its own words (`post read`), and how often."""


class Measure(Protocol):
    """One platform's side, without I/O."""

    batch: int
    """So many posts of one account are asked for together at the most."""
    metrics: Sequence[Metric]
    """All that it can tell."""
    prices_usd: Mapping[str, float]
    """What it charges for each of `Told.billed`; empty where it charges nothing."""

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
