"""Posts that are out: which are to be looked for on their platforms, and what follows from a look.

A post counts as gone only where two looks, an hour apart, did not find it while its account could be read.
What is gone is told, and never sent again. One that is shown again is published again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.holds import troubled
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import Delivery, load, tell_story
from schedulo.delivery.transitions import ON_AIR, move
from schedulo.errors.kinds import Actor
from schedulo.ledger.tables import accounts, deliveries
from schedulo.model import Format, State
from schedulo.platforms.after import Presence
from schedulo.settings import Settings

_D = deliveries.c

AGAIN_MS = 3_600_000
"""A post that was not found is looked for once more after this time, and none sooner after it went out."""
DAY_MS = 86_400_000
PASSING = (Format.STORY,)
"""These end by themselves after a day."""
GONE = "{platform} no longer shows it: it was removed there, by {platform} or by somebody in the app"


@dataclass(frozen=True, slots=True)
class Sought:
    """A post that is to be looked for."""

    delivery: Delivery
    post_id: str
    since_ms: int


def sought(connection: sa.Connection, now_ms: int, settings: Settings, limit: int = 2000) -> list[Sought]:
    """The posts that are due for a look, those not seen for longest first."""
    if not settings.still_there_s:
        return []
    out_ms = sa.func.coalesce(_D.accepted_ms, _D.published_ms)
    every_ms = int(settings.still_there_s * 1000)
    rests = sa.or_(_D.state.in_((State.PUBLISHED, State.REMOVED)), _D.error_kind != "")
    doubted = sa.and_(_D.state != State.REMOVED, _D.absent_ms.is_not(None))
    active = sa.exists().where(accounts.c.key == _D.account_key, accounts.c.active)
    query = (
        sa.select(_D.id, out_ms.label("out_ms"))
        .where(
            _D.state.in_((*ON_AIR, State.REMOVED)),
            rests,
            active,
            ~troubled(now_ms),
            _D.content["format"].as_string().not_in(PASSING),
            _D.remote_id.is_not(None),
            out_ms > now_ms - settings.still_there_days * DAY_MS,
            out_ms <= now_ms - AGAIN_MS,
            sa.or_(
                _D.checked_ms.is_(None),
                _D.checked_ms <= now_ms - every_ms,
                sa.and_(doubted, _D.checked_ms <= now_ms - AGAIN_MS),
            ),
        )
        .order_by(sa.func.coalesce(_D.checked_ms, 0), _D.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    found = load(connection, [row.id for row in rows])
    return [Sought(one, one.remote_id, row.out_ms) for row in rows if (one := found[row.id]).remote_id]


def looked(connection: sa.Connection, now_ms: int, found: Mapping[str, Presence]) -> list[str]:
    """Keep what a look found, by delivery id; answers what became of posts by it, as sentences."""
    rows = connection.execute(
        sa.select(_D.id, _D.label, _D.state, _D.platform, _D.account_key, _D.absent_ms)
        .where(_D.id.in_(list(found)), _D.state.in_((*ON_AIR, State.REMOVED)))
        .order_by(_D.id)
        .with_for_update()
    ).all()
    lines = []
    for row in rows:
        presence = found[row.id]
        values: dict[str, Any] = {"checked_ms": now_ms}
        if presence is Presence.THERE:
            values["absent_ms"] = sa.null()
        elif presence is Presence.ABSENT and row.absent_ms is None:
            values["absent_ms"] = now_ms
        connection.execute(sa.update(deliveries).where(_D.id == row.id).values(**values))
        if presence is Presence.THERE and row.state == State.REMOVED:
            sentence = f"{row.platform} shows it again"
            back = {"reason": sentence, "removed_ms": None, "updated_ms": now_ms}
            move(connection, [row.id], State.PUBLISHED, _D.state == State.REMOVED, **back)
        elif presence is Presence.ABSENT and row.absent_ms is None:
            note = f"{row.platform} did not show it; it is looked for once more in an hour"
            tell_story(connection, now_ms, [(row.id, note)])
            continue
        elif presence is Presence.ABSENT and row.state != State.REMOVED and _twice(row.absent_ms, now_ms):
            sentence = GONE.format(platform=row.platform)
            gone = {"reason": sentence, "removed_ms": row.absent_ms, "error_kind": "", "updated_ms": now_ms}
            move(connection, [row.id], State.REMOVED, holder=None, **gone)
            about, cases = str(row.account_key), [row.id]
            incident(
                connection, now_ms, Trouble.REMOVED, sentence, actor=Actor.AUTHOR, about=about, cases=cases
            )
        else:
            continue
        tell_story(connection, now_ms, [(row.id, sentence)])
        changed(connection, now_ms, [row.id])
        lines.append(f"{row.label}: {sentence}")
    return lines


def _twice(absent_ms: int, now_ms: int) -> bool:
    return now_ms - absent_ms >= AGAIN_MS
