"""What is to be told of incidents now: that one began, has more cases, lasts, or is over.

A cause is told at once when it begins; while it lasts, again at growing intervals, sooner where more posts
were hit. The intervals delay and gather, they drop nothing: a case stays untold until it was in a message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.incidents import RULES, Rule, Trouble
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import claims, deliveries, incident_cases, incidents, outbox
from schedulo.model import State
from schedulo.telling.recipients import Recipients

MORE_AFTER_S = (300.0, 900.0, 1800.0, 3600.0)
"""Cases that came since are told so long after the last message; the last interval goes on for ever."""
REMIND_AFTER_S = (3600.0, 4 * 3600.0, 24 * 3600.0, 24 * 3600.0, 24 * 3600.0)
"""What lasts without new cases is recalled so long after the last message; then no more."""
UNNEEDED_S = 600.0
"""What needs nobody is told only where it lasts longer than this."""
LISTED = 20
"""Posts that a message names; all are counted."""

_I, _C, _D = incidents.c, incident_cases.c, deliveries.c


class Occasion(StrEnum):
    BEGAN = "began"
    MORE = "more"
    LASTS = "lasts"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Case:
    """One delivery that an incident hit, as it stands now."""

    label: str
    state: State
    reason: str
    due_ms: int
    new: bool
    """People were not told of it yet."""
    post_record_id: str
    record_id: str | None
    """Its row in Deliveries."""
    dag_id: str | None
    run_id: str | None
    map_index: int | None
    """The task instance that worked on it last; None where none ever did."""


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told of one incident."""

    key: str
    occasion: Occasion
    rule: Rule
    sentence: str
    actor: Actor
    opened_ms: int
    closed_ms: int | None
    times: int
    states: Mapping[State, int]
    """How many of its posts are in which state now."""
    fresh: int
    """How many of its posts people were not told of yet."""
    last_out_ms: int | None
    """When the last of its posts went out."""
    latest_ms: int
    """How late the latest of those that went out was, by the second for which it was planned; 0: none was."""
    cases: Sequence[Case]
    """The first `LISTED` of its posts, the untold first."""

    @property
    def posts(self) -> int:
        return sum(self.states.values())


def waiting(connection: sa.Connection, now_ms: int, recipients: Recipients) -> dict[str, Occasion]:
    """The incidents of which somebody is to be told now, by key, oldest first."""
    untold = (
        sa.select(sa.func.count())
        .where(_C.incident_key == _I.key, _C.told_ms.is_(None))
        .scalar_subquery()
        .label("untold")
    )
    query = sa.select(incidents, untold).where(_I.end_told_ms.is_(None)).order_by(_I.opened_ms, _I.key)
    found: dict[str, Occasion] = {}
    for row in connection.execute(query):
        occasion = _occasion(row, now_ms)
        if occasion and recipients.channels(row.actor, row.key):
            found[row.key] = occasion
    return found


def still_open(connection: sa.Connection) -> list[str]:
    """A sentence for each incident that is not over, oldest first."""
    query = sa.select(_I.kind, _I.sentence).where(_I.closed_ms.is_(None)).order_by(_I.opened_ms, _I.key)
    return [f"{RULES[Trouble(row.kind)].title}: {row.sentence}" for row in connection.execute(query)]


def _occasion(row: Any, now_ms: int) -> Occasion | None:
    rule = RULES[Trouble(row.kind)]
    if not row.told_times:
        if row.closed_ms is not None and (rule.patience_s or row.actor == Actor.NOBODY):
            return None  # it was over before it was worth a message
        patience_s = max(rule.patience_s, UNNEEDED_S if row.actor == Actor.NOBODY else 0.0)
        return Occasion.BEGAN if _since(row.opened_ms, now_ms) >= patience_s else None
    if row.closed_ms is not None:
        return Occasion.OVER if _since(row.closed_ms, now_ms) >= rule.calm_s else None
    told_s = _since(row.told_ms, now_ms)
    if row.untold and rule.counts:
        return Occasion.MORE if told_s >= MORE_AFTER_S[min(row.told_times, len(MORE_AFTER_S)) - 1] else None
    if row.actor == Actor.NOBODY or not rule.reminds or row.told_times > len(REMIND_AFTER_S):
        return None
    return Occasion.LASTS if told_s >= REMIND_AFTER_S[row.told_times - 1] else None


def _since(at_ms: int, now_ms: int) -> float:
    return (now_ms - at_ms) / 1000


def take(connection: sa.Connection, now_ms: int, key: str, occasion: Occasion) -> News:
    """What is to be told of one incident; with this it counts as told. In the message's own transaction."""
    row = connection.execute(sa.select(incidents).where(_I.key == key).with_for_update()).one()
    if row.closed_ms is not None and occasion is not Occasion.BEGAN:
        occasion = Occasion.OVER  # meanwhile
    hit = sa.select(_C.delivery_id).where(_C.incident_key == key)
    stands = connection.execute(
        sa.select(
            _D.state,
            sa.func.count().label("count"),
            sa.func.max(_D.published_ms).label("last_ms"),
            sa.func.max(_D.accepted_ms - _D.due_ms).label("late_ms"),
        )
        .where(_D.id.in_(hit))
        .group_by(_D.state)
    ).all()
    last_out = [entry.last_ms for entry in stands if entry.last_ms is not None]
    news = News(
        key=key,
        occasion=occasion,
        rule=RULES[Trouble(row.kind)],
        sentence=row.sentence,
        actor=Actor(row.actor),
        opened_ms=row.opened_ms,
        closed_ms=row.closed_ms,
        times=row.times,
        states=Counter({State(entry.state): entry._mapping["count"] for entry in stands}),
        fresh=connection.execute(
            sa.select(sa.func.count()).where(_C.incident_key == key, _C.told_ms.is_(None))
        ).scalar_one(),
        last_out_ms=max(last_out, default=None),
        latest_ms=max((entry.late_ms for entry in stands if entry.late_ms is not None), default=0),
        cases=_cases(connection, key),
    )
    connection.execute(
        sa.update(incident_cases).where(_C.incident_key == key, _C.told_ms.is_(None)).values(told_ms=now_ms)
    )
    told: dict[str, Any] = {"told_ms": now_ms, "told_times": _I.told_times + 1}
    if row.closed_ms is not None:
        told["end_told_ms"] = now_ms
    connection.execute(sa.update(incidents).where(_I.key == key).values(**told))
    return news


def _cases(connection: sa.Connection, key: str) -> list[Case]:
    rows = connection.execute(
        sa.select(deliveries, _C.told_ms, outbox.c.record_id)
        .join(incident_cases, _C.delivery_id == _D.id)
        .outerjoin(outbox, outbox.c.key == _D.id)
        .where(_C.incident_key == key)
        .order_by(_C.told_ms.is_not(None), _D.due_ms, _D.id)
        .limit(LISTED)
    ).all()
    worked = {
        claim.delivery_id: claim
        for claim in connection.execute(
            sa.select(claims)
            .where(claims.c.delivery_id.in_([row.id for row in rows]))
            .order_by(claims.c.claimed_ms)
        )
    }
    return [
        Case(
            label=row.label or row.title or row.id,
            state=State(row.state),
            reason=row.reason,
            due_ms=row.due_ms,
            new=row.told_ms is None,
            post_record_id=row.post_id,
            record_id=row.record_id,
            dag_id=claim.dag_id if (claim := worked.get(row.id)) else None,
            run_id=claim.run_id if claim else None,
            map_index=claim.map_index if claim else None,
        )
        for row in rows
    ]
