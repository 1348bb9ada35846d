"""What accounts may do, as their platforms said it last: whom to ask, what to keep, how long it counts.

It is part of what a post is checked against; where it changed, the account's posts are planned again. What is
kept stops a post early. What is asked anew when the post is prepared for its instant decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.planning import plan_anew
from schedulo.delivery.rows import NOT_PLANNED
from schedulo.ledger.tables import accounts, deliveries
from schedulo.model import Account, Format, Platform, State
from schedulo.settings import Settings

ASK_EVERY_S = 3600.0
TRUST_S = 3 * ASK_EVERY_S
"""An older answer counts for nothing."""

_A, _D = accounts.c, deliveries.c


def wanted(
    connection: sa.Connection,
    now_ms: int,
    settings: Settings,
    formats: Mapping[Platform, frozenset[Format]],
) -> list[Account]:
    """The accounts to ask now: those with posts of these formats to come, planned or not for a problem."""
    waits = _D.state.in_((State.SCHEDULED, State.HELD))
    about = [
        sa.and_(_D.platform == platform, _D.content["format"].as_string().in_(sorted(kinds)))
        for platform, kinds in formats.items()
    ]
    to_come = (
        sa.select(_D.account_key)
        .where(
            sa.or_(waits, _D.error_kind == NOT_PLANNED),
            sa.or_(*about),
            _D.due_ms <= now_ms + int(settings.prepare_ahead_s * 1000),
            _D.not_after_ms > now_ms,
        )
        .distinct()
    )
    old = sa.or_(_A.allowed_ms.is_(None), _A.allowed_ms <= now_ms - int(ASK_EVERY_S * 1000))
    query = sa.select(accounts).where(_A.active, old, _A.key.in_(to_come)).order_by(_A.key)
    return [
        Account(Platform(row.platform), row.account_id, row.name, row.timezone, row.options)
        for row in connection.execute(query)
    ]


def keep(connection: sa.Connection, now_ms: int, account_key: str, allowed: Mapping[str, Any]) -> bool:
    """Keep what the platform said; whether that is something new."""
    before = connection.execute(sa.select(_A.allowed).where(_A.key == account_key)).scalar()
    values = {"allowed": dict(allowed), "allowed_ms": now_ms}
    connection.execute(sa.update(accounts).where(_A.key == account_key).values(**values))
    if before == dict(allowed):
        return False
    plan_anew(connection, [account_key])
    return True


def unknown(connection: sa.Connection, now_ms: int, account_key: str) -> None:
    """The platform does not say: what it said long ago no longer stops a post."""
    old = sa.and_(_A.key == account_key, _A.allowed_ms <= now_ms - int(TRUST_S * 1000))
    forgotten = connection.execute(
        sa.update(accounts).where(old, _A.allowed.is_not(None)).values(allowed=sa.null(), allowed_ms=None)
    )
    if forgotten.rowcount:
        plan_anew(connection, [account_key])


def account_of(row: Any, now_ms: int) -> Account:
    """The account of a row, with what its platform allows it where that is known."""
    options = dict(row.options)
    if row.allowed is not None and row.allowed_ms > now_ms - int(TRUST_S * 1000):
        options["allowed"] = row.allowed
    return Account(Platform(row.platform), row.account_id, row.name, row.timezone, options)
