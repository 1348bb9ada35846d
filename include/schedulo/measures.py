"""What is measured of posts and accounts: the words for it, and what one reading says.

A number that a platform did not tell is never 0: it has no value, an `Availability` and a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schedulo.model import Format, Platform


class Subject(StrEnum):
    POST = "post"
    ACCOUNT = "account"


class Core(StrEnum):
    """What is comparable across platforms, as far as anything is. All else keeps the platform's name."""

    VIEWS = "views"
    """How often it was shown or played, as the platform counts that."""
    REACH = "reach"
    """How many different people it was shown to."""
    LIKES = "likes"
    """Likes; on Facebook all reactions."""
    COMMENTS = "comments"
    """Comments; on X replies."""
    SHARES = "shares"
    """Shares; on X reposts."""
    SAVES = "saves"
    """Saves; on X bookmarks."""
    CLICKS = "clicks"
    """Clicks on what leads away: links; on Facebook all clicks on the post."""
    FOLLOWERS = "followers"
    """Of an account."""


class Kind(StrEnum):
    """What a metric's number is, and with it what a day adds to it."""

    TOTAL = "total"
    """All since the beginning; a day adds the difference to the number before."""
    LEVEL = "level"
    """How it stands; it may fall. A day adds the difference to the number before."""
    DAY = "day"
    """Of one day alone; it is what the day adds."""
    RATE = "rate"
    """An average or a share; nothing adds up."""


class Unit(StrEnum):
    COUNT = "count"
    MILLISECONDS = "ms"
    PERCENT = "percent"


class Availability(StrEnum):
    """Whether there is a number, and if not, why."""

    MEASURED = "measured"
    NOT_YET = "not_yet"
    """The platform answered without it; it may tell it later."""
    TOO_FEW = "too_few"
    """The platform tells it only of posts or accounts that more people see."""
    NO_PERMISSION = "no_permission"
    """The account's login does not allow it; a person reconnects the account."""
    RETIRED = "retired"
    """The platform refuses the metric."""
    ENDED = "ended"
    """The platform tells it for some time only, and that is over."""
    GONE = "gone"
    """The post is no longer there."""
    FAILED = "failed"
    """The platform could not be asked, or did not answer; the next reading may succeed."""
    MISSED = "missed"
    """Nobody asked while the number was to be had, and the platform keeps no history."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one platform."""

    platform: Platform
    subject: Subject
    name: str
    """A word of `Core`, else the platform's own."""
    native: str
    """What the platform calls it, in its API."""
    kind: Kind
    description: str
    """What it counts, as a sentence without its end."""
    source: str
    """Where the platform says so."""
    unit: Unit = Unit.COUNT
    formats: frozenset[Format] = frozenset()
    """Of posts: the formats that have it; empty: all."""
    by_date: bool = False
    """The platform tells it of past days too, so that a day can be collected later."""

    @property
    def core(self) -> bool:
        return self.name in set(Core)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a platform said of one metric."""

    metric: str
    """`Metric.name`."""
    value: float | None = None
    availability: Availability = Availability.MEASURED
    reason: str = ""
    """Why there is no value, as a sentence, with the platform's own words where it gave any."""

    def __post_init__(self) -> None:
        if (self.value is None) is (self.availability is Availability.MEASURED):
            raise ValueError(f"{self.metric}: {self.value} cannot be {self.availability}")
