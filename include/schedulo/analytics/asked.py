"""Which day a run of collecting is for, which accounts, and how they share the work.

What is read of an account, and when, is `collect`'s and `days`'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from schedulo.analytics.days import Due, day_of
from schedulo.clock import EPOCH
from schedulo.ledger.tables import accounts as known_accounts
from schedulo.planning import wishes
from schedulo.planning.wishes import WishError

FIRST_END = timedelta(hours=10)
"""A day is over first where clocks are 14 hours ahead: at 10:00 UTC of its own date."""
INSTANCES = 500
"""So many parts at the most: Airflow maps a task over 1024, and each part costs it seconds."""
NO_DAY = "an ISO date, such as 2026-11-25"

_A = known_accounts.c


@dataclass(frozen=True, slots=True)
class Part:
    """What one task instance collects."""

    label: str
    """Whose numbers they are, for people."""
    accounts: tuple[str, ...]
    """Account keys."""
    dates: tuple[str, ...] = ()
    """ISO dates, of days that are over."""
    young: bool = False
    """Posts that are young are read as they stand, too."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"accounts": list(self.accounts), "dates": list(self.dates)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Part:
        return cls(
            str(data["label"]), tuple(data["accounts"]), tuple(data["dates"]), young=bool(data["young"])
        )


def day_asked(partition_key: str | None, conf: Mapping[str, Any], now_ms: int) -> date:
    """The day that a run collects: its partition, else the day that its form names, else yesterday in UTC.

    :param partition_key: the run's, an ISO date
    :param conf: the run's configuration; the only field is `date`
    :raises WishError: for what is no date, for a day that cannot be over yet, for two different days
    """
    wishes.only(conf, ("date",))
    wished = wishes.text("date", conf.get("date"))
    if partition_key and wished and wished != partition_key:
        raise WishError(
            f"date ({wished}): the partition key is {partition_key}, and they must be the same day. "
            "Whoever calls gives one of them."
        )
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if not partition_key and not wished:
        return now.date() - timedelta(days=1)
    name, value = ("partition key", partition_key) if partition_key else ("date", wished)
    try:
        asked = date.fromisoformat(str(value))
    except ValueError:
        raise WishError(f"{name} ({value}): it must be {NO_DAY}. Whoever calls corrects it.") from None
    if asked.isoformat() != value or asked <= EPOCH.date():
        raise WishError(f"{name} ({value}): it must be {NO_DAY}. Whoever calls corrects it.")
    if now < datetime(asked.year, asked.month, asked.day, tzinfo=UTC) + FIRST_END:
        raise WishError(
            f"{name} ({value}): this day is not over anywhere; numbers are those of its end. "
            "Collect it after 12:00 UTC of the next day, when it is over everywhere."
        )
    return asked


def over(
    connection: sa.Connection, keys: Sequence[str], asked: date, now_ms: int
) -> tuple[list[str], list[str]]:
    """Of these accounts those whose day is over on their own clock, and those whose day is not."""
    zones = {row.key: row.timezone for row in _known(connection, keys)}
    ended = {key: day_of(zones.get(key, "UTC"), asked).end_ms <= now_ms for key in keys}
    return [key for key in keys if ended[key]], [key for key in keys if not ended[key]]


def parts(
    connection: sa.Connection, keys: Sequence[str], dates: Sequence[date], *, most: int = INSTANCES
) -> list[Part]:
    """One part an account; beyond `most` accounts each part takes several."""
    names = labels(connection, keys)
    size = math.ceil(len(keys) / most) or 1
    days = tuple(item.isoformat() for item in dates)
    shares = [tuple(keys[start : start + size]) for start in range(0, len(keys), size)]
    return [Part(_called([names[key] for key in share]), share, days) for share in shares]


def parts_of_due(connection: sa.Connection, found: Sequence[Due]) -> list[Part]:
    """The same for what is due: accounts of which the same is to be read share a part."""
    alike: dict[tuple[tuple[date, ...], bool], list[str]] = {}
    for item in found:
        alike.setdefault((item.dates, item.young), []).append(item.account_key)
    most = max(1, INSTANCES // (len(alike) or 1))
    return [
        replace(part, young=young)
        for (dates, young), keys in alike.items()
        for part in parts(connection, keys, dates, most=most)
    ]


def labels(connection: sa.Connection, keys: Sequence[str]) -> dict[str, str]:
    """What people call these accounts, by key."""
    known = {row.key: f"{row.platform} {row.name}" for row in _known(connection, keys) if row.name}
    return {key: known.get(key, key) for key in keys}


def _called(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _known(connection: sa.Connection, keys: Sequence[str]) -> list[Any]:
    chunks = [keys[start : start + 500] for start in range(0, len(keys), 500)]
    columns = (_A.key, _A.platform, _A.name, _A.timezone)
    return [
        row
        for chunk in chunks
        for row in connection.execute(sa.select(*columns).where(_A.key.in_(chunk))).all()
    ]
