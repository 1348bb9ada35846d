"""What a report of errors says of a day: which posts did not go out as planned, why, and against other days.

A day is one on the operator's clock (`SCHEDULO_AIRTABLE_TIMEZONE`). What went wrong is counted by what was
noted when it happened, so a post that was mended since still counts for its day. Of days whose notes are
removed, or that were before noting began, nothing is known: that is None, never 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.analytics.days import day_of
from schedulo.clock import time_zone
from schedulo.delivery.incidents import RULES, Trouble
from schedulo.delivery.self_tests import of_people
from schedulo.delivery.transitions import OUT
from schedulo.delivery.troubles import RETRIED, known_since
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import accounts, deliveries, incidents
from schedulo.ledger.troubles import troubles
from schedulo.model import State

BEFORE_DAYS = 14
"""So many days before the day of the report are looked at."""
WEEK = 7
LATE_MS = 1000
"""What was tried again and is out within a second of its own counts as nothing."""

_T, _D, _I = troubles.c, deliveries.c, incidents.c
_DAY = timedelta(days=1)


class Group(StrEnum):
    """What became of a post that something was wrong with, the worst first. A post counts in one."""

    NOT_OUT = "not out"
    NOT_RIGHT = "out, not right"
    DELAYED = "late or held"


GROUPS: Mapping[str, Group] = {
    Trouble.FAILED: Group.NOT_OUT,
    Trouble.MISSED: Group.NOT_OUT,
    Trouble.UNRESOLVED: Group.NOT_OUT,
    Trouble.TWICE: Group.NOT_RIGHT,
    Trouble.INCOMPLETE: Group.NOT_RIGHT,
    Trouble.REMOVED: Group.NOT_RIGHT,
    Trouble.UNCHANGED: Group.NOT_RIGHT,
    Trouble.HELD: Group.DELAYED,
    Trouble.LATE: Group.DELAYED,
    Trouble.LATE_RUN: Group.DELAYED,
    Trouble.MEDIA: Group.DELAYED,
    Trouble.AIRTABLE_MISSING: Group.DELAYED,
    RETRIED: Group.DELAYED,
}
"""By the kind of what happened. Other kinds hit no post, or are nobody's error."""
QUIET = (Trouble.UNAPPROVED, Trouble.MAINTENANCE, Trouble.MAINTENANCE_MISSES)
"""What people do or wait for on purpose is no error."""
_ORDER = list(Group)


@dataclass(frozen=True, slots=True)
class OneDay:
    """A day in short."""

    on: date
    due: int
    """Posts that were due in it, without those that were cancelled."""
    counts: Mapping[Group, int] | None
    """Posts that something was wrong with; None: not known."""

    @property
    def hit(self) -> int | None:
        return None if self.counts is None else sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause, on the day of the report."""

    key: str
    title: str
    sentence: str
    actor: Actor
    todo: str
    group: Group | None
    """The group of its posts; None: it hit none."""
    posts: int
    times: int
    first_ms: int
    last_ms: int
    stands: bool
    """It is not over."""
    before: float | None
    """Posts a day (times, where it hits none) in the week before, on average; None: not known."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One post that something was wrong with, as it stands now."""

    label: str
    platform: str
    account: str
    group: Group
    kind: str
    sentence: str
    due_ms: int
    state: State
    late_ms: int | None
    """How late it went out; None: it is not out."""
    attempts: int


@dataclass(frozen=True, slots=True)
class Part:
    """The posts of a platform or an account."""

    platform: str
    account: str
    """Empty: all of the platform."""
    due: int
    counts: Mapping[Group, int]


@dataclass(frozen=True, slots=True)
class ErrorReport:
    on: date
    zone: str
    made_at: datetime
    days: Sequence[OneDay]
    """The days before and that of the report, oldest first."""
    causes: Sequence[Cause]
    """The worst first."""
    hits: Sequence[Hit]
    """The worst first, then by when they were due."""
    kinds: Sequence[tuple[str, int, float | None]]
    """Each kind in words, its posts, and how many a day in the week before."""
    platforms: Sequence[Part]
    accounts: Sequence[Part]
    known_since: datetime
    """Of what was before nothing is known."""
    whole: bool
    """All of the day is known."""
    standing: Mapping[State, int] = field(default_factory=dict)
    """How the posts that something was wrong with stand now."""

    @property
    def day(self) -> OneDay:
        return self.days[-1]

    @property
    def day_before(self) -> OneDay:
        return self.days[-2]

    @property
    def week_before(self) -> float | None:
        """Posts a day that something was wrong with, on average of the seven days before; None: not all are
        known."""
        return mean([item.hit for item in self.days[-1 - WEEK : -1]])

    @property
    def same_day(self) -> OneDay:
        """The same weekday, a week before."""
        return self.days[-1 - WEEK]

    @property
    def out_by_now(self) -> int:
        """How many of the posts that something was wrong with are out."""
        return sum(count for state, count in self.standing.items() if state in OUT)

    @property
    def around(self) -> list[Cause]:
        """Causes that hit no post by themselves."""
        return [cause for cause in self.causes if cause.group is None]

    @property
    def of_posts(self) -> list[Cause]:
        return [cause for cause in self.causes if cause.group is not None]

    @property
    def empty(self) -> bool:
        """There is nothing to say."""
        return not (self.hits or self.causes)


def mean(values: Sequence[float | None]) -> float | None:
    """None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def yesterday(now_ms: int, zone: str) -> date:
    """The last whole day on a clock. :raises ClockError: for a zone that is not known"""
    local = time_zone(zone, field="SCHEDULO_AIRTABLE_TIMEZONE")
    return datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(local).date() - _DAY


def error_report(
    connection: sa.Connection, now_ms: int, on: date, zone: str = "UTC", history_days: int = 0
) -> ErrorReport:
    """The report of one day.

    :param now_ms: the database's time, in milliseconds
    :param zone: IANA name of the clock that the day is on
    :param history_days: notes older than this are removed; 0: never
    :raises ClockError: for a zone that is not known
    """
    time_zone(zone, field="SCHEDULO_AIRTABLE_TIMEZONE")
    dates = [on - number * _DAY for number in range(BEFORE_DAYS, -1, -1)]
    spans = [day_of(zone, one) for one in dates]
    since_ms = known_since(connection, now_ms, history_days)
    noted = _noted(connection, [(span.start_ms, span.end_ms) for span in spans])
    names = {row.key: row.name for row in connection.execute(sa.select(accounts.c.key, accounts.c.name))}
    due = _due(connection, [(span.start_ms, span.end_ms) for span in spans])
    known = [span.start_ms >= since_ms for span in spans]
    hits = _hits(noted[-1], names)
    last = len(dates) - 1
    days = [
        OneDay(
            one,
            sum(due[place].values()),
            _counts(noted[place]) if known[place] or (place == last and noted[place]) else None,
        )
        for place, one in enumerate(dates)
    ]
    week_known = all(known[-1 - WEEK : -1])
    return ErrorReport(
        on=on,
        zone=zone,
        made_at=datetime.fromtimestamp(now_ms / 1000, UTC),
        days=days,
        causes=_causes(connection, spans, week_known),
        hits=hits,
        kinds=_kinds(noted, week_known),
        platforms=_parts(hits, due[-1], by_account=False, names=names),
        accounts=_parts(hits, due[-1], by_account=True, names=names),
        known_since=datetime.fromtimestamp(since_ms / 1000, UTC),
        whole=known[-1],
        standing=Counter(hit.state for hit in hits),
    )


# --- posts ----------------------------------------------------------------------------------------------


def _place(instant: sa.ColumnElement[int], spans: Sequence[tuple[int, int]]) -> sa.ColumnElement[int]:
    """SQL: in which of these days an instant lies, by its place."""
    return sa.case(*((instant < end_ms, place) for place, (_, end_ms) in enumerate(spans)), else_=-1)


def _noted(connection: sa.Connection, spans: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """By day: what was worst about each post, by the post's id."""
    place = _place(_T.quarter_ms, spans).label("place")
    query = (
        sa.select(
            place,
            _T.kind,
            _T.sentence,
            _D.id,
            _D.label,
            _D.platform,
            _D.account_key,
            _D.due_ms,
            _D.state,
            _D.accepted_ms,
            _D.asked_ms,
            _D.attempts,
        )
        .join(deliveries, _D.id == _T.delivery_id)
        .where(
            _T.quarter_ms >= spans[0][0],
            _T.quarter_ms < spans[-1][1],
            _T.kind.in_(GROUPS),
            of_people(_D.post_id),
        )
        .order_by(_T.last_ms)
    )
    found: list[dict[str, Any]] = [{} for _ in spans]
    for row in connection.execute(query):
        if row.kind == RETRIED and not _cost_time(row):
            continue
        known = found[row.place].get(row.id)
        if known is None or _rank(row.kind) <= _rank(known.kind):
            found[row.place][row.id] = row
    return found


def _cost_time(row: Any) -> bool:
    """A post that was tried again came late by it, or is not out."""
    return row.accepted_ms is None or (row.asked_ms is None and row.accepted_ms - row.due_ms >= LATE_MS)


def _rank(kind: str) -> tuple[int, int]:
    """The worse the smaller; what was tried again by itself comes last."""
    return _ORDER.index(GROUPS[kind]), kind == RETRIED


def _counts(noted: Mapping[str, Any]) -> dict[Group, int]:
    counted = Counter(GROUPS[row.kind] for row in noted.values())
    return {group: counted[group] for group in Group}


def _due(connection: sa.Connection, spans: Sequence[tuple[int, int]]) -> list[dict[str, int]]:
    """By day: how many posts were due on each account."""
    place = _place(_D.due_ms, spans).label("place")
    query = (
        sa.select(place, _D.account_key, sa.func.count().label("posts"))
        .where(
            _D.due_ms >= spans[0][0],
            _D.due_ms < spans[-1][1],
            _D.state != State.CANCELLED,
            of_people(_D.post_id),
        )
        .group_by(place, _D.account_key)
    )
    found: list[dict[str, int]] = [{} for _ in spans]
    for row in connection.execute(query):
        found[row.place][row.account_key] = row.posts
    return found


def _hits(noted: Mapping[str, Any], names: Mapping[str, str]) -> list[Hit]:
    rows = sorted(noted.values(), key=lambda row: (_rank(row.kind), row.due_ms, row.id))
    return [
        Hit(
            label=row.label or row.id,
            platform=row.platform,
            account=names.get(row.account_key) or row.account_key,
            group=GROUPS[row.kind],
            kind=title_of(row.kind),
            sentence=row.sentence,
            due_ms=row.due_ms,
            state=State(row.state),
            late_ms=row.accepted_ms - row.due_ms
            if row.state in OUT and row.accepted_ms is not None
            else None,
            attempts=row.attempts,
        )
        for row in rows
    ]


def _parts(
    hits: Sequence[Hit], due: Mapping[str, int], *, by_account: bool, names: Mapping[str, str]
) -> list[Part]:
    counted: defaultdict[tuple[str, str], Counter[Group]] = defaultdict(Counter)
    for hit in hits:
        counted[hit.platform, hit.account if by_account else ""][hit.group] += 1
    planned: Counter[tuple[str, str]] = Counter()
    for key, posts in due.items():
        platform = key.partition(":")[0]
        planned[platform, (names.get(key) or key) if by_account else ""] += posts
    parts = [
        Part(platform, account, planned[platform, account], {group: counts[group] for group in Group})
        for (platform, account), counts in counted.items()
    ]
    return sorted(parts, key=lambda part: (*(-part.counts[group] for group in Group), part.platform))


# --- kinds and causes -----------------------------------------------------------------------------------


def title_of(kind: str) -> str:
    """A kind in words."""
    return "Tried again by itself, and late" if kind == RETRIED else RULES[Trouble(kind)].title


def _kinds(noted: Sequence[Mapping[str, Any]], week_known: bool) -> list[tuple[str, int, float | None]]:
    now = Counter(row.kind for row in noted[-1].values())
    before: Counter[str] = Counter()
    for one in noted[-1 - WEEK : -1]:
        before.update(row.kind for row in one.values())
    return [
        (title_of(kind), now[kind], before[kind] / WEEK if week_known else None)
        for kind in sorted(now, key=lambda kind: (_rank(kind), -now[kind], kind))
    ]


def _causes(connection: sa.Connection, spans: Sequence[Any], week_known: bool) -> list[Cause]:
    """What was noted on the last day, by its cause."""
    start_ms, end_ms = spans[-1].start_ms, spans[-1].end_ms
    tests = sa.select(_D.id).where(~of_people(_D.post_id))
    late = sa.exists().where(
        _D.id == _T.delivery_id,
        sa.or_(
            _D.accepted_ms.is_(None),
            sa.and_(_D.asked_ms.is_(None), _D.accepted_ms - _D.due_ms >= LATE_MS),
        ),
    )
    counted = (
        sa.select(
            _T.cause,
            sa.func.min(_T.kind).label("kind"),
            sa.func.count(sa.distinct(sa.func.nullif(_T.delivery_id, ""))).label("posts"),
            sa.func.sum(_T.times).label("times"),
            sa.func.min(_T.first_ms).label("first_ms"),
            sa.func.max(_T.last_ms).label("last_ms"),
        )
        .where(
            _T.kind.not_in(QUIET),
            _T.delivery_id.not_in(tests),
            sa.or_(_T.kind != RETRIED, late),
        )
        .group_by(_T.cause)
    )
    today = connection.execute(counted.where(_T.quarter_ms >= start_ms, _T.quarter_ms < end_ms)).all()
    week_ms = spans[-1 - WEEK].start_ms
    before = {
        row.cause: row
        for row in connection.execute(counted.where(_T.quarter_ms >= week_ms, _T.quarter_ms < start_ms))
    }
    said = _said(connection, [row.cause for row in today], start_ms, end_ms)
    open_ = set(connection.execute(sa.select(_I.key).where(_I.closed_ms.is_(None))).scalars())
    found = []
    for row in today:
        sentence, actor = said[row.cause]
        past = before.get(row.cause)
        count = 0 if past is None else past.posts or past.times
        found.append(
            Cause(
                key=row.cause,
                title=title_of(row.kind),
                sentence=sentence,
                actor=Actor(actor),
                todo="" if row.kind == RETRIED else RULES[Trouble(row.kind)].todo,
                group=GROUPS.get(row.kind) if row.posts else None,
                posts=row.posts,
                times=int(row.times),
                first_ms=row.first_ms,
                last_ms=row.last_ms,
                stands=row.cause in open_,
                before=int(count) / WEEK if week_known else None,
            )
        )

    def worst_first(cause: Cause) -> tuple[int, bool, int, int, str]:
        group = len(_ORDER) if cause.group is None else _ORDER.index(cause.group)
        return group, cause.actor is Actor.NOBODY, -cause.posts, -cause.times, cause.key

    return sorted(found, key=worst_first)


def _said(
    connection: sa.Connection, causes: Sequence[str], start_ms: int, end_ms: int
) -> dict[str, tuple[str, str]]:
    """How each cause was told last on the day, and who must act."""
    query = (
        sa.select(_T.cause, _T.sentence, _T.actor)
        .where(_T.cause.in_(causes), _T.quarter_ms >= start_ms, _T.quarter_ms < end_ms)
        .order_by(_T.last_ms)
    )
    return {row.cause: (row.sentence, row.actor) for row in connection.execute(query)}
