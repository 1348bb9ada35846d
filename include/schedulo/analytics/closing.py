"""How a day stands when its collecting is over: what was read, what is missing, and why.

It only reads the warehouse. What is missing may still come: what the platforms tell later, and what a later
run asks again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from schedulo.analytics.asked import labels
from schedulo.ledger.warehouse import Warehouse, warehouse_of
from schedulo.measures import Availability
from schedulo.words import counted

WORDS = {
    Availability.NOT_YET: "the platform tells it later; it is asked for again",
    Availability.TOO_FEW: "told only where more people are",
    Availability.NO_PERMISSION: "the account's login does not allow it; connect the account again",
    Availability.RETIRED: "the platform refuses it",
    Availability.ENDED: "the platform no longer tells it",
    Availability.GONE: "the post is gone",
    Availability.FAILED: "could not be read; it is asked for again",
    Availability.MISSED: "nobody asked in time, and the platform keeps no history",
}
NAMES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Closed:
    """One day, of the accounts that a run found."""

    date: date
    accounts: tuple[str, ...]
    failed: dict[str, str]
    """Accounts of which the last try failed, or that nobody tried, and why, as a sentence."""
    measured: int
    """Numbers that the day has."""
    calls: int
    cost_usd: float
    lines: tuple[str, ...]
    """What is missing, for people."""

    @property
    def in_vain(self) -> bool:
        """Nothing at all could be collected."""
        return bool(self.accounts) and len(self.failed) == len(self.accounts)

    def sentence(self) -> str:
        cost = f", {self.cost_usd:.3f} USD" if self.cost_usd else ""
        return (
            f"{self.date}: {len(self.accounts) - len(self.failed)} of {len(self.accounts)} accounts were "
            f"collected, {self.measured} numbers in all, with {self.calls} requests{cost}"
        )

    def to_json(self) -> dict[str, Any]:
        """What those who wait for the day are told."""
        return {"date": self.date.isoformat(), "accounts": len(self.accounts), "failed": len(self.failed)}


def closed(connection: sa.Connection, day: date, keys: Sequence[str]) -> Closed:
    """How a day of these accounts stands."""
    w = warehouse_of(connection)
    names = labels(connection, keys)
    c = w.collections.c
    tries = connection.execute(
        sa.select(c.account_key, c.ended_at, c.problem, c.calls, c.cost_usd)
        .where(c.date == day, c.purpose == "day")
        .order_by(c.started_at, c.id)
    ).all()
    last = {row.account_key: row for row in tries}
    failed = {
        key: f"{names[key]}: {problem}" for key in keys if (problem := _problem(last.get(key))) is not None
    }
    measured, missing = _standing(connection, w, day)
    lines = list(failed.values())
    for (key, availability), metrics in sorted(missing.items()):
        if key in names:
            lines.append(f"{names[key]}: {_listed(metrics)}: {WORDS[Availability(availability)]}")
    return Closed(
        day,
        tuple(keys),
        failed,
        measured,
        sum(row.calls for row in tries),
        float(sum(row.cost_usd for row in tries)),
        tuple(lines),
    )


def _problem(row: Any) -> str | None:
    """Why the last try of an account did not succeed; None: it did."""
    if row is None:
        return "it was not collected"
    if row.problem:
        return str(row.problem)
    return "collecting it was cut off" if row.ended_at is None else None


Missing = dict[tuple[str, str], list[tuple[str, int]]]
"""By account and availability: the metrics, each with of how many posts (0: of the account itself)."""


def _standing(connection: sa.Connection, w: Warehouse, day: date) -> tuple[int, Missing]:
    p, a = w.post_metrics_daily.c, w.account_metrics_daily.c
    of_posts = (
        sa.select(w.posts.c.account_key, p.availability, p.metric, sa.func.count().label("posts"))
        .join(w.posts, w.posts.c.post_key == p.post_key)
        .where(p.date == day)
        .group_by(w.posts.c.account_key, p.availability, p.metric)
    )
    of_accounts = sa.select(a.account_key, a.availability, a.metric, sa.literal(0).label("posts")).where(
        a.date == day
    )
    measured = 0
    missing: Missing = defaultdict(list)
    for row in connection.execute(sa.union_all(of_posts, of_accounts)):
        if row.availability == Availability.MEASURED:
            measured += row.posts or 1
        else:
            missing[row.account_key, row.availability].append((row.metric, row.posts))
    return measured, missing


def _listed(metrics: Sequence[tuple[str, int]]) -> str:
    """`followers (of the account); views, reach and 2 more (of 3 posts)`."""
    by_posts: dict[int, list[str]] = defaultdict(list)
    for name, posts in sorted(metrics):
        by_posts[posts].append(name)
    said = []
    for posts, names in sorted(by_posts.items()):
        shown = ", ".join(names[:NAMES_SHOWN])
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        of = "the account" if not posts else counted(posts)
        said.append(f"{shown}{more} (of {of})")
    return "; ".join(said)
