"""What is planned until the end of tomorrow against what platforms will take: told today.

Every planned post is placed as the claims will place it, in the order in which it is due. Which day a post
belongs to is said by its account's clock. Nothing is moved here: people decide which posts give way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from schedulo.clock import EPOCH, month_of
from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.delivery.quotas import Full, Usage, usage
from schedulo.delivery.spending import Budget, cost_usd
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import accounts, deliveries, incident_cases, incidents
from schedulo.limits import NAMES
from schedulo.model import Platform, State
from schedulo.settings import Settings
from schedulo.words import counted, shown

_D, _I = deliveries.c, incidents.c
PLANNED = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED, State.HELD)
LONGEST_AHEAD_MS = 3 * 86_400_000
"""Tomorrow is over everywhere by then."""
NAMED = 5
"""So many posts are named in a sentence; a message lists more."""
BUDGET_WARNING = 0.8


@dataclass(frozen=True, slots=True)
class Waits:
    """A planned post that will not fit at its instant."""

    delivery_id: str
    title: str
    due_ms: int
    at_ms: int
    """When it may go out."""
    missed: bool
    """That is too late for it."""
    full: Full


@dataclass(slots=True)
class Day:
    """One account's posts of one day by its own clock."""

    account_key: str
    name: str
    zone: str
    date: date
    planned: int = 0
    waiting: list[Waits] = field(default_factory=list)

    @property
    def fits(self) -> int:
        return self.planned - len(self.waiting)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will become of the posts until the end of tomorrow."""

    days: tuple[Day, ...]
    """Of each account with posts: by account and date."""
    budget: Budget | None
    """X's, with what was spent before these posts."""
    planned_usd: float
    """What the posts of this month among them will cost on X."""


def forecast(connection: sa.Connection, now_ms: int, settings: Settings) -> Forecast:
    """Place all that is planned until the end of tomorrow."""
    query = (
        sa.select(
            _D.id,
            _D.account_key,
            _D.title,
            _D.content,
            _D.due_ms,
            _D.fire_ms,
            _D.not_after_ms,
            accounts.c.name,
            accounts.c.timezone,
        )
        .join(accounts, accounts.c.key == _D.account_key)
        .where(
            _D.state.in_(PLANNED),
            _D.fire_ms < now_ms + LONGEST_AHEAD_MS,
            _D.not_after_ms > now_ms,
        )
        .order_by(_D.fire_ms, _D.due_ms, _D.id)
    )
    rows = connection.execute(query).all()
    used = usage(connection, now_ms, {row.account_key for row in rows}, settings, reserved=False)
    used.count_others(now_ms)
    budget = Budget.load(connection, now_ms, settings)
    days: dict[tuple[str, date], Day] = {}
    planned_usd = 0.0
    for row in rows:
        zone = _zone(row.timezone)
        today, on = _date(now_ms, zone), _date(row.due_ms, zone)
        if on > today + timedelta(days=1):
            continue
        day = days.setdefault(
            (row.account_key, on), Day(row.account_key, row.name or row.account_key, str(zone), on)
        )
        day.planned += 1
        if row.account_key.startswith(f"{Platform.X}:") and month_of(row.fire_ms) == month_of(now_ms):
            planned_usd += cost_usd(row.content)
        if (waits := _placed(used, row, now_ms)) is not None:
            day.waiting.append(waits)
    return Forecast(tuple(days[key] for key in sorted(days)), budget, planned_usd)


def _placed(used: Usage, row: Any, now_ms: int) -> Waits | None:
    at_ms, full = used.place(row.account_key, row.content, max(row.fire_ms, now_ms))
    if full is None:
        return None
    return Waits(row.id, row.title, row.due_ms, at_ms, at_ms >= row.not_after_ms, full)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _date(ms: int, zone: ZoneInfo) -> date:
    return _local(ms, zone).date()


def _local(ms: int, zone: ZoneInfo) -> datetime:
    return (EPOCH + timedelta(milliseconds=ms)).astimezone(zone)


# --- telling ----------------------------------------------------------------------------------------------


def tell(connection: sa.Connection, now_ms: int, found: Forecast) -> list[str]:
    """Tell owners of days that are too full, once a day and limit, and of X's budget; close what has been
    solved. Answers what is so, as sentences."""
    lines: list[str] = []
    standing: set[str] = set()
    for day in found.days:
        for limit in sorted({waits.full.limit for waits in day.waiting if waits.full.limit != BUDGET}):
            about = f"{day.account_key}:{limit}:{day.date}"
            sentence = sentence_of(day, limit, _date(now_ms, ZoneInfo(day.zone)))
            cases = [waits.delivery_id for waits in day.waiting if waits.full.limit == limit]
            standing.add(about)
            lines.append(sentence)
            _tell(connection, now_ms, about, sentence, Actor.OWNER, cases)
    if found.budget is not None and (said := _of_budget(found, found.budget)) is not None:
        about, sentence = f"{BUDGET}:{month_of(now_ms)}:{said[0]}", said[1]
        standing.add(about)
        lines.append(sentence)
        cases = [w.delivery_id for day in found.days for w in day.waiting if w.full.limit == BUDGET]
        _tell(connection, now_ms, about, sentence, Actor.OPERATOR, cases)
    for about in _open(connection) - standing:
        over(connection, now_ms, Trouble.QUOTA, about)
    return lines


BUDGET = "x.budget"


def sentence_of(day: Day, limit: str, today: date) -> str:
    """What is to be told of one account's day and one of its limits."""
    waiting = [waits for waits in day.waiting if waits.full.limit == limit]
    zone = ZoneInfo(day.zone)
    platform = NAMES[Platform(day.account_key.partition(":")[0])]
    when = {0: "today", 1: "tomorrow"}.get((day.date - today).days, "then")
    missed = sum(waits.missed for waits in waiting)
    named = ", ".join(
        f"{shown(waits.title, 40) or '(no title)'} ({_local(waits.due_ms, zone):%H:%M})"
        for waits in waiting[:NAMED]
    )
    more = f" and {len(waiting) - NAMED} more" if len(waiting) > NAMED else ""
    first = _local(min(waits.at_ms for waits in waiting), zone)
    becomes = f"; {missed} would be missed" if missed else ""
    one = len(waiting) == 1
    these = "This does" if one else f"These {len(waiting)} do"
    advice = "Move it to another day or account, or take it out"
    if not one:
        advice = "Move as many to another day or account, or take some out"
    return (
        f"@{day.name} on {platform} has {counted(day.planned)} planned for {when}, {day.date:%d %b}, and "
        f"room for {day.planned - len(waiting)} of them ({_plainly(waiting[0].full.words)}). {these} not "
        f"fit: {named}{more}. The first could go out on {first:%d %b at %H:%M} ({day.zone}){becomes}. "
        f"{advice}"
    )


def _plainly(words: str) -> str:
    """Why, without who: that was said."""
    return "by then it will have used " + words.split(" has used ", 1)[1] if " has used " in words else words


def _of_budget(found: Forecast, budget: Budget) -> tuple[int, str] | None:
    """How much of X's budget is used, as 80 or 100 percent, with a sentence; None: less."""
    share = (budget.spent_usd + found.planned_usd) / budget.budget_usd
    if share < BUDGET_WARNING:
        return None
    stage = 100 if share >= 1 else 80
    waits = sum(waits.full.limit == BUDGET for day in found.days for waits in day.waiting)
    then = {
        True: f"{counted(waits)} of those must wait for the next month"
        if waits
        else "posts beyond it wait for the next month",
        False: "posts go out all the same, as SCHEDULO_X_BUDGET_FULL says",
    }[budget.holds]
    return stage, (
        f"X has cost about {budget.spent_usd:.2f} of {budget.budget_usd:.2f} USD this month, and what is "
        f"planned until tomorrow another {found.planned_usd:.2f}; {then}. Raise SCHEDULO_X_BUDGET_USD, or "
        "plan fewer posts, above all with links, which cost most"
    )


def _open(connection: sa.Connection) -> set[str]:
    """What the open incidents of this kind are about."""
    query = sa.select(_I.key).where(_I.kind == Trouble.QUOTA, _I.closed_ms.is_(None))
    return {key.partition(":")[2] for key in connection.execute(query).scalars()}


def _tell(
    connection: sa.Connection, now_ms: int, about: str, sentence: str, actor: Actor, cases: Iterable[str]
) -> None:
    """Once: what was told is told again only where it hits more posts."""
    key = f"{Trouble.QUOTA}:{about}"
    standing = sa.select(_I.key).where(_I.key == key, _I.closed_ms.is_(None))
    known = set(
        connection.execute(
            sa.select(incident_cases.c.delivery_id).where(incident_cases.c.incident_key == key)
        ).scalars()
    )
    fresh = set(cases) - known
    if fresh or connection.execute(standing).first() is None:
        incident(connection, now_ms, Trouble.QUOTA, sentence, actor=actor, about=about, cases=sorted(fresh))
