"""Reads the numbers of an account and keeps them: at the end of its day, and while its posts are young.

Repeating is harmless: what was measured stays, and only what is missing is asked for again. Time is an
argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from schedulo.ledger.database import Ledger
from schedulo.model import Platform
from schedulo.platforms.base import Conversation
from schedulo.platforms.measure import Measure
from schedulo.publishing.renewal import Logins
from schedulo.settings import Settings
from schedulo.transport.wire import Wire


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
    raise NotImplementedError


async def read_young(means: Means, account_key: str, now_ms: int) -> Collected:
    """Read the posts of an account that are young and due to be read again. Arguments and errors are those of
    `collect_day`."""
    raise NotImplementedError
