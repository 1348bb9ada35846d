"""How deliveries stand, for programs that ask: a page of those of some posts or accounts, and one with its
story. Only reads.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery.rows import story_of
from schedulo.delivery.transitions import OUT, RESTING
from schedulo.ledger.tables import deliveries
from schedulo.model import State

_D = deliveries.c
MOST = 200
"""Deliveries on a page."""
CURSOR = re.compile(r"(\d{1,15})-(\w{1,64})")


@dataclass(frozen=True, slots=True)
class Which:
    """Which deliveries are asked for: those for which all that is given is true."""

    posts: Sequence[str] = ()
    accounts: Sequence[str] = ()
    states: Sequence[str] = ()
    limit: int = 50
    after: str = ""
    """Where the page before ended: its `next`."""


@dataclass(frozen=True, slots=True)
class Page:
    deliveries: list[dict[str, Any]]
    next: str | None
    """For the next page; None: there is none."""


def page(connection: sa.Connection, which: Which) -> Page:
    """Deliveries in the order in which they are due."""
    chosen = ((which.posts, _D.post_id), (which.accounts, _D.account_key), (which.states, _D.state))
    conditions: list[sa.ColumnElement[bool]] = [column.in_(names) for names, column in chosen if names]
    if match := CURSOR.fullmatch(which.after):
        due_ms, id_ = int(match[1]), match[2]
        conditions.append(sa.or_(_D.due_ms > due_ms, sa.and_(_D.due_ms == due_ms, _D.id > id_)))
    query = sa.select(deliveries).where(*conditions).order_by(_D.due_ms, _D.id).limit(which.limit + 1)
    rows = connection.execute(query).all()
    told = rows[: which.limit]
    more = f"{told[-1].due_ms}-{told[-1].id}" if len(rows) > len(told) else None
    return Page([_told(row) for row in told], more)


def some(connection: sa.Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """These deliveries, in the order in which they are due. Unknown ids are left out."""
    query = sa.select(deliveries).where(_D.id.in_(list(ids))).order_by(_D.due_ms, _D.id)
    return [_told(row) for row in connection.execute(query)]


def one(connection: sa.Connection, id_: str) -> dict[str, Any] | None:
    """One delivery with its story; None where there is none of this id."""
    row = connection.execute(sa.select(deliveries).where(_D.id == id_)).first()
    if row is None:
        return None
    story = [{"at": iso(at_ms), "what": sentence} for at_ms, sentence in story_of(connection, 0, id_)]
    return {**_told(row), "story": story}


def _told(row: Any) -> dict[str, Any]:
    state = State(row.state)
    late_ms = row.accepted_ms - row.due_ms if row.accepted_ms is not None else None
    return {
        "id": row.id,
        "post": row.post_id,
        "account": row.account_key,
        "platform": row.platform,
        "title": row.title,
        "state": state.value,
        "reason": row.reason,
        "warnings": row.warnings,
        "rests": state in RESTING,
        "out": state in OUT,
        "due_at": iso(row.due_ms),
        "published_at": None if row.published_ms is None else iso(row.published_ms),
        "late_ms": late_ms,
        "permalink": row.permalink,
        "attempts": row.attempts,
        "error": row.error_kind or None,
        "updated_at": iso(row.updated_ms),
    }
