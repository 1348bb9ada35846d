"""What a check finds, and what it needs to look: plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from schedulo.airtable.client import AirtableClient
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import Ledger
from schedulo.settings import Settings


class Status(StrEnum):
    GREEN = "green"
    YELLOW = "yellow"
    """Not as it should be, and posts go out."""
    RED = "red"
    """Posts do not go out, or soon will not, or nobody would learn of it. Somebody must act."""
    UNKNOWN = "unknown"
    """It could not be looked at; the check that found out why is red."""


WORST_FIRST = (Status.RED, Status.YELLOW, Status.GREEN)


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of what is known; green where nothing is."""
    found = set(statuses)
    return next((status for status in WORST_FIRST if status in found), Status.GREEN)


@dataclass(frozen=True, slots=True)
class Limits:
    """From which value on it is yellow, and red. Where less is worse, red lies below yellow."""

    yellow: float
    red: float
    unit: str

    def status(self, value: float) -> Status:
        sign = -1 if self.red < self.yellow else 1
        if sign * value >= sign * self.red:
            return Status.RED
        return Status.YELLOW if sign * value >= sign * self.yellow else Status.GREEN


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says of one thing."""

    name: str
    """The check's name; where it looks at several things, `check:thing`."""
    status: Status
    sentence: str
    """How it stands, for people; where it is red, with what is to be done. Never a secret."""
    value: float | None = None
    unit: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Further numbers, by name."""
    actor: Actor = Actor.OPERATOR
    """Who must act where it is red."""
    told: bool = False
    """Other incidents tell people of all of it."""


@dataclass(frozen=True, slots=True)
class Means:
    """What checks need to look, from whoever knows the Connections. Secrets are in the client alone."""

    ledger: Ledger
    settings: Settings
    airtable: Callable[[], AirtableClient]
    """May raise `AirtableError`."""
    platforms: Mapping[str, str]
    """Where each platform answers, without a slash at the end."""
    airflow_url: str
    """Where Airflow's API server answers within the installation; empty: not known."""
    with_token: frozenset[str] = frozenset()
    """The accounts whose token is in a Connection, by key."""
    retry_s: float = 2.0
    """What does not answer is asked once more after so long."""
