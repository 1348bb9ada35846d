"""Reads deliveries as values, and what belongs to one: steps, writes, its story."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.ledger.tables import accounts, deliveries, events, steps, writes
from schedulo.model import Account, Content, Platform, Position, State, WriteState

NOT_PLANNED = "not_planned"
"""`error_kind` of a delivery that its post does not allow: a problem, not Ready, or the account taken off."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row, as it was when it was read."""

    id: str
    post_id: str
    account: Account
    occurrence: int
    title: str
    label: str
    state: State
    reason: str
    content: Content
    content_hash: str
    version: int
    armed_version: int | None
    due_ms: int
    fire_ms: int
    not_after_ms: int
    holder: str | None
    fence: int
    run_id: str
    attempts: int
    resends: int
    looks: int
    remote_id: str | None
    permalink: str | None
    accepted_ms: int | None
    published_ms: int | None
    error_kind: str
    trouble_since_ms: int | None
    approval: str
    """`needed`, or empty (`approvals`)."""
    ready: bool
    """Its media are here and fit."""


UNRESOLVED = "unresolved"
"""`error_kind` of a post that is out while nobody knows whether a later part of it is."""
LEFT_OUT = "left_out"
"""`error_kind` of a post that is out while the platform left out a part of it."""
LOST = "lost:"
"""With this begins the id of a write that stands for one which a restored ledger may have lost."""


@dataclass(frozen=True, slots=True)
class Write:
    """One irreversible request, as the ledger knows it."""

    id: str
    delivery_id: str
    name: str
    state: WriteState
    fence: int
    holder: str
    """The process that opened it."""
    request: Mapping[str, Any]
    snapshot: Mapping[str, Any]
    live: bool
    position: Position
    opened_ms: int
    sending_until_ms: int
    value: Any

    @property
    def lost(self) -> bool:
        """Nothing but the content is known of it: it must be searched for."""
        return self.id.startswith(LOST)

    @property
    def quiet_from_ms(self) -> int:
        """The quiet time counts from here: a lost write may have been sent until the loss was found."""
        return self.sending_until_ms if self.lost else self.opened_ms


def load(connection: sa.Connection, ids: Iterable[str]) -> dict[str, Delivery]:
    """The deliveries with these ids."""
    query = (
        sa.select(
            deliveries,
            accounts.c.account_id,
            accounts.c.name,
            accounts.c.timezone,
            accounts.c.options,
        )
        .join(accounts, accounts.c.key == deliveries.c.account_key)
        .where(deliveries.c.id.in_(list(ids)))
    )
    return {row.id: _delivery(row) for row in connection.execute(query)}


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        post_id=row.post_id,
        account=Account(Platform(row.platform), row.account_id, row.name, row.timezone, row.options),
        occurrence=row.occurrence,
        title=row.title,
        label=row.label,
        state=State(row.state),
        reason=row.reason,
        content=Content.from_json(row.content),
        content_hash=row.content_hash,
        version=row.version,
        armed_version=row.armed_version,
        due_ms=row.due_ms,
        fire_ms=row.fire_ms,
        not_after_ms=row.not_after_ms,
        holder=row.holder,
        fence=row.fence,
        run_id=row.run_id,
        attempts=row.attempts,
        resends=row.resends,
        looks=row.looks,
        remote_id=row.remote_id,
        permalink=row.permalink,
        accepted_ms=row.accepted_ms,
        published_ms=row.published_ms,
        error_kind=row.error_kind,
        trouble_since_ms=row.trouble_since_ms,
        approval=row.approval,
        ready=row.ready,
    )


def kept_steps(connection: sa.Connection, ids: Sequence[str], now_ms: int) -> dict[str, dict[str, Any]]:
    """The steps still valid, by delivery and name. Once a commit that may have arrived was opened, the steps
    before it are valid for good: it is looked up, and sent once more, with the same handle."""
    found: dict[str, dict[str, Any]] = {id_: {} for id_ in ids}
    maybe_sent = (WriteState.OPEN, WriteState.ACCEPTED, WriteState.UNKNOWN, WriteState.ABSENT)
    opened = {
        row.delivery_id: row.opened_ms
        for row in connection.execute(
            sa.select(writes.c.delivery_id, sa.func.max(writes.c.opened_ms).label("opened_ms"))
            .where(writes.c.delivery_id.in_(ids), writes.c.state.in_(maybe_sent))
            .group_by(writes.c.delivery_id)
        )
    }
    for row in connection.execute(sa.select(steps).where(steps.c.delivery_id.in_(ids))):
        frozen = row.kept_ms <= opened.get(row.delivery_id, -1)
        if frozen or row.expires_ms is None or row.expires_ms > now_ms:
            found[row.delivery_id][row.name] = row.value
    return found


def writes_of(
    connection: sa.Connection, ids: Sequence[str], *, after: bool = False
) -> dict[str, list[Write]]:
    """All writes that publish something of these deliveries, oldest first; `after`: those that take down or
    change what is out instead."""
    about = writes.c.position == Position.AFTER
    found: dict[str, list[Write]] = {id_: [] for id_ in ids}
    query = (
        sa.select(writes)
        .where(writes.c.delivery_id.in_(ids), about if after else ~about)
        .order_by(writes.c.opened_ms, writes.c.fence)
    )
    for row in connection.execute(query):
        found[row.delivery_id].append(
            Write(
                row.id,
                row.delivery_id,
                row.name,
                WriteState(row.state),
                row.fence,
                row.holder,
                row.request,
                row.snapshot,
                row.live,
                Position(row.position),
                row.opened_ms,
                row.sending_until_ms,
                row.value,
            )
        )
    return found


def owned(connection: sa.Connection, _now_ms: int, delivery: Delivery) -> frozenset[str]:
    """The platform's ids of posts on this account that are known to be other deliveries'."""
    query = sa.select(deliveries.c.remote_id).where(
        deliveries.c.account_key == delivery.account.key,
        deliveries.c.id != delivery.id,
        deliveries.c.remote_id.is_not(None),
    )
    return frozenset(connection.execute(query).scalars())


def tell_story(connection: sa.Connection, now_ms: int, lines: Iterable[tuple[str, str]]) -> None:
    """Append sentences, each (delivery id, sentence), to the deliveries' stories."""
    rows = [{"delivery_id": id_, "at_ms": now_ms, "sentence": sentence} for id_, sentence in lines]
    if rows:
        connection.execute(sa.insert(events), rows)


def note_in_story(connection: sa.Connection, now_ms: int, delivery_id: str, sentence: str) -> None:
    """Append one sentence to a delivery's story."""
    tell_story(connection, now_ms, [(delivery_id, sentence)])


def story_of(connection: sa.Connection, _now_ms: int, delivery_id: str) -> list[tuple[int, str]]:
    """The delivery's story so far: (milliseconds, sentence), oldest first."""
    query = (
        sa.select(events.c.at_ms, events.c.sentence)
        .where(events.c.delivery_id == delivery_id)
        .order_by(events.c.id)
    )
    return [(row.at_ms, row.sentence) for row in connection.execute(query)]
