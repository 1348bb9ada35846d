"""When an incident is over, as conditions on its row; `incidents.RULES` says which counts for which kind."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from schedulo.ledger.listening import airtable_webhooks
from schedulo.ledger.maintenance import window_posts
from schedulo.ledger.outages import breakers
from schedulo.ledger.tables import deliveries, holds, incident_cases, incidents, marks
from schedulo.model import State

_I, _C, _D, _P = incidents.c, incident_cases.c, deliveries.c, window_posts.c

Condition = Callable[[int], sa.ColumnElement[bool]]
"""SQL over a row of `incidents`, at an instant in milliseconds."""


DAY_S = 86400.0
AT_WORK = (State.CLAIMED, State.ARMED, State.SENDING, State.REFUSED, State.UNKNOWN, State.PROCESSING)
SOON_S = 900.0
"""A case that was asked for again and is due within this time is waited for: the end says how it went."""


def no_case(*states: State, let_go_s: float = 0) -> Condition:
    """No case is in any of `states` any more. After `let_go_s` without a new case nobody waits for it."""

    def over(now_ms: int) -> sa.ColumnElement[bool]:
        stands: sa.ColumnElement[bool] = _D.state.in_(states)
        if State.CLAIMED in states:
            soon = _D.fire_ms < now_ms + int(SOON_S * 1000)
            stands = sa.or_(stands, sa.and_(_D.state == State.SCHEDULED, soon))
        standing = sa.exists().where(_C.incident_key == _I.key, _D.id == _C.delivery_id, stands)
        if not let_go_s:
            return ~standing
        return sa.or_(~standing, _I.last_ms < now_ms - int(let_go_s * 1000))

    return over


def approved(_now_ms: int) -> sa.ColumnElement[bool]:
    """No case waits for approval any more."""
    waits = sa.and_(_D.state == State.HELD, _D.error_kind == "approval")
    return ~sa.exists().where(_C.incident_key == _I.key, _D.id == _C.delivery_id, waits)


def all_whole(now_ms: int) -> sa.ColumnElement[bool]:
    """Nothing is missing of any case any more (an error stands beside what is), or nobody waits for it."""
    missing = sa.and_(_D.state.in_((State.PUBLISHED, State.PUBLISHED_INCOMPLETE)), _D.error_kind != "")
    follows = sa.and_(_D.state == State.PUBLISHED_INCOMPLETE, _D.error_kind == "")
    standing = sa.exists().where(_C.incident_key == _I.key, _D.id == _C.delivery_id, sa.or_(missing, follows))
    return sa.or_(~standing, _I.last_ms < now_ms - int(7 * DAY_S * 1000))


def all_ready(_now_ms: int) -> sa.ColumnElement[bool]:
    """No case waits for its media any more."""
    waits = sa.and_(_D.state.in_((State.SCHEDULED, State.HELD)), ~_D.ready)
    return ~sa.exists().where(_C.incident_key == _I.key, _D.id == _C.delivery_id, waits)


def marked(name: str) -> Condition:
    """What failed has been done since: its mark is younger than the last failure."""
    return lambda _now_ms: sa.exists().where(marks.c.name == name, marks.c.at_ms > _I.last_ms)


def is_heard(_now_ms: int) -> sa.ColumnElement[bool]:
    return ~sa.exists().where(airtable_webhooks.c.trouble != "")


def hold_ended(now_ms: int) -> sa.ColumnElement[bool]:
    h = holds.c
    name = sa.case((h.key == "", h.scope), else_=h.scope + ":" + h.key)
    named = _I.kind + ":" + name + ":" + h.error_kind
    return ~sa.exists().where(
        named == _I.key, h.lifted_ms.is_(None), sa.or_(h.until_ms.is_(None), h.until_ms > now_ms)
    )


def no_outage(now_ms: int) -> sa.ColumnElement[bool]:
    """No platform is held or tried for this cause any more, and what waited has gone out."""
    b = breakers.c
    about = sa.case((b.cause == "network", b.cause), else_=b.platform)
    held = sa.exists().where(_I.kind + ":" + about == _I.key)
    waits = (state for state in AT_WORK if state is not State.PROCESSING)
    return sa.and_(~held, no_case(*waits)(now_ms))


def runs_go_on(now_ms: int) -> sa.ColumnElement[bool]:
    return sa.and_(marked("tick")(now_ms), no_case(State.ARMED, State.SENDING, State.REFUSED)(now_ms))


def none_late(now_ms: int) -> sa.ColumnElement[bool]:
    """No case is still to go out, or it was moved to a later second."""
    working = _D.state.in_((State.CLAIMED, State.ARMED, State.SENDING, State.REFUSED, State.UNKNOWN))
    waits = sa.or_(working, sa.and_(_D.state == State.SCHEDULED, _D.due_ms <= now_ms))
    return ~sa.exists().where(_C.incident_key == _I.key, _D.id == _C.delivery_id, waits)


def none_overtaken(_now_ms: int) -> sa.ColumnElement[bool]:
    waits = sa.and_(_D.state.in_((State.SCHEDULED, State.HELD)), _P.fate == "miss")
    return ~sa.exists().where(
        _C.incident_key == _I.key, _D.id == _C.delivery_id, _P.delivery_id == _D.id, waits
    )


def when_told(_now_ms: int) -> sa.ColumnElement[bool]:
    """Only who opened it knows: `over` is called."""
    return sa.false()
