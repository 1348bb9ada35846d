"""What people and programs ask of the workflows that are started by hand, checked before a run begins.

Each workflow reads what it is asked for itself, and has the last word; here the same readers say no in time,
and whether two requests are the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery import holds
from schedulo.ledger.database import Ledger
from schedulo.planning import maintenance, now, rehearse, take_down, wishes
from schedulo.planning.by_hand import Cancel, Resolve, Retry, Stop, Switch


@dataclass(frozen=True, slots=True)
class Workflow:
    """What one workflow takes."""

    task: str
    """Its task that answers."""
    read: Callable[[Mapping[str, Any]], Any]
    """Reads a request. Raises `WishError`."""
    known: Callable[[sa.Connection, Any], object] = lambda _connection, _wished: None
    """Refuses names that nobody knows. Raises `WishError` or `HoldError`."""


def _named(connection: sa.Connection, wished: Any) -> None:
    wishes.chosen(connection, wished.deliveries, wished.posts, wished.accounts)


def _stopped(connection: sa.Connection, wished: Stop) -> None:
    holds.parse(connection, wished.what)
    if wished.action is Switch.HOLD:
        holds.needs_reason(wished.reason)


WORKFLOWS: Mapping[str, Workflow] = {
    "publish_now": Workflow("claim", now.Wished.read),
    "rehearse_posts": Workflow("rehearse", rehearse.Wished.read),
    "retry_deliveries": Workflow("retry", Retry.read, _named),
    "cancel_posts": Workflow("cancel", Cancel.read, _named),
    "resolve_delivery": Workflow(
        "resolve",
        Resolve.read,
        lambda connection, wished: wishes.chosen(connection, [wished.delivery], [], []),
    ),
    "take_down_posts": Workflow("take_down", take_down.Wished.read, _named),
    "emergency_stop": Workflow("stop", Stop.read, _stopped),
    "plan_maintenance": Workflow("maintain", maintenance.Maintain.read, maintenance.refuse),
}
"""By the name of their Dag."""


def check(ledger: Ledger, workflow: str, conf: Mapping[str, Any]) -> None:
    """Refuse what the workflow would refuse.

    :raises WishError: for what cannot be understood, and for names that nobody knows
    :raises HoldError: the same of a stop
    """
    wanted = WORKFLOWS[workflow]
    wished = wanted.read(conf)
    with ledger.read() as connection:
        wanted.known(connection, wished)


def same(workflow: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both ask for the same, however they are written."""
    read = WORKFLOWS[workflow].read
    try:
        return bool(read(one) == read(other))
    except wishes.WishError:
        return dict(one) == dict(other)
