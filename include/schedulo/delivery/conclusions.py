"""What is concluded from looks at a write whose outcome is not known.

Only here may a commit be allowed once more after nobody knew what became of it. Like `endings`, all functions
take the database's time in milliseconds, and what a process decides counts only while it holds the delivery.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from schedulo.delivery.commits import FOLLOW_S, after_acceptance
from schedulo.delivery.endings import look_later, not_whole, stay, tell
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import UNRESOLVED, Delivery, Write, tell_story
from schedulo.delivery.transitions import move, sources
from schedulo.errors.kinds import Actor
from schedulo.flow import Finding, Look
from schedulo.ledger.tables import deliveries, outcomes, steps, writes
from schedulo.model import Content, Position, Published, State, WriteState
from schedulo.settings import Settings

_D = deliveries.c


def no_doubt_left(connection: sa.Connection, now_ms: int, delivery: Delivery) -> bool:
    """A late answer has settled the last write in doubt: go on by what it said."""
    undecided = (_D.holder == delivery.holder, _D.state == State.UNKNOWN)
    return bool(move(connection, [delivery.id], State.CLAIMED, *undecided, updated_ms=now_ms))


LOOKS = 3
"""So often a list must not show a post before that counts."""


def conclude(
    connection: sa.Connection,
    now_ms: int,
    delivery: Delivery,
    write: Write,
    finding: Finding,
    settings: Settings,
    *,
    looked_ms: int,
) -> State:
    """Draw the conclusion from a look at a write whose outcome is not known; answers the new state.

    `looked_ms`: the ledger's time before the look began. What a process saw and concludes only after a long
    sleep is as old as its look.

    Presence counts at once. Absence counts only after the quiet time Q and, where it is only a list that does
    not show it, after three looks; it allows one resend ever. The second doubt goes to a person.
    """
    connection.execute(
        sa.insert(outcomes),
        [
            {
                "write_id": write.id,
                "at_ms": looked_ms,
                "state": f"look:{finding.look}",
                "note": finding.note,
                "value": finding.value,
            }
        ],
    )
    row = connection.execute(
        sa.select(_D.state, _D.holder, _D.resends, _D.looks).where(_D.id == delivery.id).with_for_update()
    ).one()
    later = write.position is Position.LATER
    stands = State.PUBLISHED_INCOMPLETE if later else State.UNKNOWN
    if row.state != stands:
        return State(row.state)  # a late answer was faster
    if finding.look is Look.FOUND:
        _close(connection, now_ms, write, WriteState.ACCEPTED, finding)
        if finding.published is not None:
            return _searched(connection, now_ms, write, finding, finding.published)
        if later:
            tell(connection, now_ms, write.delivery_id, f"found at the platform: {finding.note}")
            return stands
        target = after_acceptance(write.live, write.position)
        _found(connection, now_ms, write, finding, target)
        return target
    if row.holder != delivery.holder:
        return stands  # who holds it now concludes
    quiet_over = looked_ms >= write.quiet_from_ms + int(settings.quiet_s * 1000)
    once_more = (finding.look is Look.UNCLEAR and row.looks < 20) or (
        finding.look is Look.ABSENT and _looks(connection, write) < LOOKS
    )
    if not quiet_over or once_more:
        wait_ms = min(30_000, int(settings.quiet_s * 200))
        look_later(
            connection,
            now_ms,
            delivery,
            fire_ms=now_ms + wait_ms,
            reason=f"not known yet whether it went out: {finding.note}; looked at again",
        )
        return stands
    may_go_again = finding.look in (Look.UNUSED, Look.ABSENT, Look.DEAD) and finding.resend
    if may_go_again and not _sent_again(connection, write):
        return _send_once_more(connection, now_ms, write, finding)
    return _ask_a_person(connection, now_ms, delivery, write, f"a person must look: {finding.note}")


def _send_once_more(connection: sa.Connection, now_ms: int, write: Write, finding: Finding) -> State:
    """It did not arrive: its commit may be fenced again."""
    _close(connection, now_ms, write, WriteState.ABSENT, finding)
    values = {
        "resends": _D.resends + 1,
        "fire_ms": now_ms,
        "reason": "it did not arrive; sent once more",
        "updated_ms": now_ms,
    }
    later = write.position is Position.LATER
    target = State.PUBLISHED_INCOMPLETE if later else State.CLAIMED
    if later:
        values["not_after_ms"] = now_ms + int(FOLLOW_S * 1000)
        stay(connection, write.delivery_id, target, values)
    else:
        move(connection, [write.delivery_id], target, **values)
    if finding.look is Look.DEAD or write.lost:  # older handles may be used up
        connection.execute(sa.delete(steps).where(steps.c.delivery_id == write.delivery_id))
    tell_story(connection, now_ms, [(write.delivery_id, f"{finding.note}: sent once more")])
    changed(connection, now_ms, [write.delivery_id])
    return target


def _ask_a_person(
    connection: sa.Connection, now_ms: int, delivery: Delivery, write: Write, reason: str
) -> State:
    """Nothing more is sent before somebody has looked."""
    if write.position is Position.LATER:
        reason = f"the post is out; {write.name} of it may be, or not: {reason}"
        values = {"reason": reason, "error_kind": UNRESOLVED, "holder": None, "updated_ms": now_ms}
        stay(connection, write.delivery_id, State.PUBLISHED_INCOMPLETE, values)
        not_whole(connection, now_ms, delivery.account.key, delivery.id, reason)
        tell(connection, now_ms, write.delivery_id, reason)
        return State.PUBLISHED_INCOMPLETE
    move(connection, [write.delivery_id], State.UNRESOLVED, reason=reason, holder=None, updated_ms=now_ms)
    tell_story(connection, now_ms, [(write.delivery_id, reason)])
    incident(
        connection,
        now_ms,
        Trouble.UNRESOLVED,
        reason,
        actor=Actor.OPERATOR,
        about=delivery.account.key,
        cases=[write.delivery_id],
    )
    changed(connection, now_ms, [write.delivery_id])
    return State.UNRESOLVED


def _sent_again(connection: sa.Connection, write: Write) -> bool:
    """Whether this commit was looked for in vain and sent once more before."""
    query = sa.select(writes.c.id).where(
        writes.c.delivery_id == write.delivery_id,
        writes.c.name == write.name,
        writes.c.state == WriteState.ABSENT,
    )
    return connection.execute(query.limit(1)).first() is not None


def _searched(
    connection: sa.Connection, now_ms: int, write: Write, finding: Finding, published: Published
) -> State:
    """A search found the post. When it was accepted only the platform can say; nothing else is known."""
    content = Content.from_json(write.snapshot)
    whole = not (content.thread or content.first_comment)
    target = published.state if whole else State.PUBLISHED_INCOMPLETE
    reason = "found again after the ledger was restored"
    values: dict[str, Any] = {
        "remote_id": published.post_id,
        "permalink": published.permalink,
        "accepted_ms": published.published_ms,
        "published_ms": published.published_ms,
        "reason": reason if whole else f"{reason}; a person must look whether what follows it is out too",
        "error_kind": "" if whole else UNRESOLVED,
        "holder": None,
        "updated_ms": now_ms,
    }
    move(connection, [write.delivery_id], target, **values)
    tell(connection, now_ms, write.delivery_id, f"found at the platform: {finding.note}")
    return target


def _looks(connection: sa.Connection, write: Write) -> int:
    """How often this write was looked for in a list that did not show it."""
    query = sa.select(sa.func.count()).where(
        outcomes.c.write_id == write.id, outcomes.c.state == f"look:{Look.ABSENT}"
    )
    return connection.execute(query).scalar_one()


def _close(connection: sa.Connection, now_ms: int, write: Write, state: WriteState, finding: Finding) -> None:
    connection.execute(
        sa.update(writes)
        .where(writes.c.id == write.id)
        .values(state=state, value=finding.value, settled_ms=now_ms)
    )


def _found(connection: sa.Connection, now_ms: int, write: Write, finding: Finding, target: State) -> None:
    remote_id = finding.value if isinstance(finding.value, str) else None
    # The fence is taken a little ahead, and nothing leaves before its second.
    began = sa.case((writes.c.fire_ms > writes.c.opened_ms, writes.c.fire_ms), else_=writes.c.opened_ms)
    began_ms = sa.select(began).where(writes.c.id == write.id).scalar_subquery()
    move(
        connection,
        [write.delivery_id],
        target,
        _D.state.in_(sources(target)),
        accepted_ms=sa.func.coalesce(_D.accepted_ms, began_ms),
        published_ms=_D.published_ms
        if target is State.PROCESSING
        else sa.func.coalesce(_D.published_ms, began_ms),
        not_after_ms=now_ms + int(FOLLOW_S * 1000)
        if target is State.PUBLISHED_INCOMPLETE
        else _D.not_after_ms,
        remote_id=sa.func.coalesce(remote_id, _D.remote_id),
        reason="",
        fire_ms=now_ms,
        updated_ms=now_ms,
    )
    tell_story(connection, now_ms, [(write.delivery_id, f"found at the platform: {finding.note}")])
    changed(connection, now_ms, [write.delivery_id])
