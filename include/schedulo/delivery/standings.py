"""How quotas stand: of accounts, of our app at each platform, of Airtable's bases, of X's budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from schedulo.airtable.pace import calls_of_month
from schedulo.clock import spoken
from schedulo.delivery.quotas import Usage, bound, usage
from schedulo.delivery.spending import Budget, month_ends_ms
from schedulo.limits import DAY_S, span
from schedulo.platforms.told import USAGE
from schedulo.settings import Settings

WHO = {"set": "as SCHEDULO_QUOTAS says", "told": "as it was told", "pages": "as its pages say"}

PERCENT_MS = 3_600_000
"""What Meta tells in percent is about the last hour."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One limit of one account, app or base."""

    key: str
    """The account's key, a platform's name for our app there, or the base's id."""
    name: str
    """What people call it."""
    limit: str
    """Its full name, as settings take it."""
    most: float
    used: float
    """With what is claimed; of accounts also what others used, as far as their platform told it."""
    unit: str
    window: str
    source: str
    """Who says how much: `set`, `told` or `pages`."""
    lasts: bool = True
    """It is about a day or more."""
    free_ms: int | None = None
    """When more of it is free; None: now, or it is not known."""

    @property
    def share(self) -> float:
        return self.used / self.most if self.most else 0.0

    def line(self, now_ms: int) -> str:
        number = ".2f" if self.unit == "USD" else "g"
        left = max(0.0, self.most - self.used)
        free = f"; more at {spoken(self.free_ms, now_ms)}" if self.free_ms is not None else ""
        return (
            f"{self.limit:<26} {self.used:{number}} of {self.most:{number}} {self.unit} used within "
            f"{self.window}, {left:{number}} left{free} ({WHO[self.source]})"
        )


def usages(
    connection: sa.Connection, now_ms: int, settings: Settings, names: Mapping[str, str]
) -> list[Standing]:
    """What is used of every limit of these accounts, and of what they share; by account, app and base.

    :param names: what people call the accounts, by key
    """
    used = usage(connection, now_ms, names, settings, whole=True)
    used.count_others(now_ms)
    found = [*_of_windows(used, now_ms, settings, names), *_in_percent(used, now_ms, names)]
    budget = Budget.load(connection, now_ms, settings)
    if budget is not None:
        spent, full = round(budget.spent_usd, 3), budget.spent_usd >= budget.budget_usd
        until = month_ends_ms(now_ms) if full else None
        most = budget.budget_usd
        found.append(
            Standing("x", _app("x"), "x.budget", most, spent, "USD", "the month", "set", free_ms=until)
        )
    if most := settings.airtable_monthly_calls:
        found += [
            Standing(base_id, "Airtable", "airtable.month", most, calls, "calls", "the month", "set")
            for base_id, calls in calls_of_month(connection, now_ms).items()
        ]
    return sorted(found, key=lambda one: one.key)


def _of_windows(used: Usage, now_ms: int, settings: Settings, names: Mapping[str, str]) -> Iterator[Standing]:
    for key, windows in used.windows.items():
        for window in windows:
            limit, told = window.limit, used.told.get((key, window.limit.name))
            count, free_ms = window.used(now_ms), None
            if told is not None and told.spent(now_ms):
                count, free_ms = max(count, window.most), told.resets_ms
            elif count >= window.most:
                free_ms = window.earliest(now_ms, 1, "")
            yield Standing(
                key,
                names.get(key, _app(key)),
                limit.full_name,
                window.most,
                count,
                limit.what,
                span(limit.window_s),
                bound(limit, told, settings.chosen_quotas)[1],
                limit.window_s >= DAY_S,
                free_ms,
            )


def _in_percent(used: Usage, now_ms: int, names: Mapping[str, str]) -> Iterator[Standing]:
    """Meta's limits on calls, where it told of them lately."""
    for (key, name), told in used.told.items():
        if name == USAGE and told.used is not None and told.said_ms > now_ms - PERCENT_MS:
            limit, who = f"{key.partition(':')[0]}.{USAGE}", names.get(key, _app(key))
            yield Standing(
                key, who, limit, 100, told.used, "% of calls", "an hour", "told", free_ms=told.resets_ms
            )


def _app(platform: str) -> str:
    return f"our app at {platform}"
