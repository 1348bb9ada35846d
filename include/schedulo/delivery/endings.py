"""What a delivery's session of work comes to: armed, put back, failed, finished, looked up.

Each function moves deliveries by the table and tells Airtable; all take the database's time in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.news import changed, incident
from schedulo.delivery.rows import Write, tell_story
from schedulo.delivery.transitions import move, sources
from schedulo.errors import PlatformError
from schedulo.flow import Finding, Look
from schedulo.ledger.tables import deliveries, outcomes, steps, writes
from schedulo.model import Published, State, WriteState
from schedulo.settings import Settings

_D = deliveries.c


@dataclass(frozen=True, slots=True)
class Armed:
    """The delivery was prepared in this version."""

    delivery_id: str
    holder: str
    version: int


def arm(connection: sa.Connection, now_ms: int, armed: Sequence[Armed]) -> list[bool]:
    """Mark as prepared; False where it is no longer this process's or no longer to be sent."""
    answers = []
    for item in armed:
        mine = (_D.holder == item.holder, _D.state.in_((State.CLAIMED, State.ARMED)))
        moved = connection.execute(
            sa.update(deliveries)
            .where(_D.id == item.delivery_id, *mine)
            .values(state=State.ARMED, armed_version=item.version, updated_ms=now_ms)
        )
        answers.append(moved.rowcount == 1)
    return answers


def rearm(connection: sa.Connection, now_ms: int, delivery_id: str, note: str) -> None:
    """Forget what was prepared: it belongs to an older content, or the platform no longer knows it."""
    values = {"armed_version": None, "updated_ms": now_ms}
    move(connection, [delivery_id], State.CLAIMED, **values) or _stay(
        connection, delivery_id, State.CLAIMED, values
    )
    connection.execute(sa.delete(steps).where(steps.c.delivery_id == delivery_id))
    tell_story(connection, now_ms, [(delivery_id, note)])


def put_back(
    connection: sa.Connection,
    now_ms: int,
    delivery_id: str,
    *,
    fire_ms: int,
    reason: str,
    attempt: bool,
    state: State = State.SCHEDULED,
) -> None:
    """Give it back until `fire_ms`: to the ledger (SCHEDULED), or to a retry of the same task (CLAIMED)."""
    values = {
        "fire_ms": fire_ms,
        "reason": reason,
        "holder": None,
        "updated_ms": now_ms,
        "attempts": _D.attempts + int(attempt),
    }
    if move(connection, [delivery_id], state, **values) or _stay(connection, delivery_id, state, values):
        tell_story(connection, now_ms, [(delivery_id, reason)])
        changed(connection, now_ms, [delivery_id])


def _stay(connection: sa.Connection, delivery_id: str, state: State, values: Mapping[str, Any]) -> bool:
    """Set `values` on a delivery that is in `state` already."""
    statement = sa.update(deliveries).where(_D.id == delivery_id, _D.state == state).values(**values)
    return connection.execute(statement).rowcount == 1


def again(
    connection: sa.Connection, now_ms: int, delivery_id: str, *, fire_ms: int, reason: str, attempt: bool
) -> None:
    """The process that holds it tries it again at `fire_ms`; what was prepared stays."""
    values = {
        "fire_ms": fire_ms,
        "reason": reason,
        "attempts": _D.attempts + int(attempt),
        "updated_ms": now_ms,
    }
    if move(connection, [delivery_id], State.CLAIMED, **values) or _stay(
        connection, delivery_id, State.CLAIMED, values
    ):
        tell_story(connection, now_ms, [(delivery_id, reason)])
        changed(connection, now_ms, [delivery_id])


def start_over(connection: sa.Connection, now_ms: int, delivery_id: str, reason: str) -> None:
    """The platform took it and then gave up on it for good: nothing is out, prepare everything anew."""
    connection.execute(
        sa.update(writes)
        .where(writes.c.delivery_id == delivery_id, writes.c.state == WriteState.ACCEPTED)
        .values(state=WriteState.ABSENT)
    )
    connection.execute(sa.delete(steps).where(steps.c.delivery_id == delivery_id))
    move(
        connection,
        [delivery_id],
        State.CLAIMED,
        armed_version=None,
        accepted_ms=None,
        remote_id=None,
        reason=reason,
        updated_ms=now_ms,
    )
    tell_story(connection, now_ms, [(delivery_id, f"{reason}; prepared anew")])
    changed(connection, now_ms, [delivery_id])


def look_later(
    connection: sa.Connection, now_ms: int, delivery_id: str, *, fire_ms: int, reason: str
) -> None:
    """Leave a delivery that is being processed or looked up as it is until `fire_ms`."""
    connection.execute(
        sa.update(deliveries)
        .where(_D.id == delivery_id, _D.state.in_((State.PROCESSING, State.UNKNOWN)))
        .values(fire_ms=fire_ms, reason=reason, holder=None, looks=_D.looks + 1, updated_ms=now_ms)
    )
    tell_story(connection, now_ms, [(delivery_id, reason)])
    changed(connection, now_ms, [delivery_id])


def fail(connection: sa.Connection, now_ms: int, delivery_id: str, error: PlatformError) -> None:
    """It cannot go out; a person must act."""
    moved = move(
        connection,
        [delivery_id],
        State.FAILED,
        reason=error.sentence(),
        error_kind=error.kind,
        error_code=error.code,
        holder=None,
        attempts=_D.attempts + 1,
        updated_ms=now_ms,
    )
    if moved:
        sentence = f"failed: {error.sentence()}; {error.info.actor} must act"
        tell_story(connection, now_ms, [(delivery_id, sentence)])
        incident(connection, now_ms, f"failed:{delivery_id}", error.kind, error.sentence(), delivery_id)
        changed(connection, now_ms, moved)


def finish(connection: sa.Connection, now_ms: int, delivery_id: str, published: Published) -> None:
    """The conversation ended well: keep what it found out. Never takes back what is already known."""
    values: dict[str, Any] = {
        "remote_id": sa.func.coalesce(published.post_id, _D.remote_id),
        "permalink": sa.func.coalesce(published.permalink, _D.permalink),
        "reason": published.note,
        "holder": None,
        "updated_ms": now_ms,
        "accepted_ms": sa.func.coalesce(_D.accepted_ms, now_ms),
    }
    if published.state is not State.WAITING_IN_APP:
        values["published_ms"] = sa.func.coalesce(published.published_ms, _D.published_ms, now_ms)
    if move(connection, [delivery_id], published.state, **values) or _stay(
        connection, delivery_id, published.state, values
    ):
        link = published.permalink or "no link yet"
        tell_story(connection, now_ms, [(delivery_id, published.note or f"it is out: {link}")])
        changed(connection, now_ms, [delivery_id])


def cancel(connection: sa.Connection, now_ms: int, delivery_id: str, reason: str) -> bool:
    """Stop a delivery of which nothing was sent. False: too late, or nothing to stop."""
    moved = move(connection, [delivery_id], State.CANCELLED, reason=reason, holder=None, updated_ms=now_ms)
    if moved:
        tell_story(connection, now_ms, [(delivery_id, reason)])
        changed(connection, now_ms, moved)
    return bool(moved)


def reopen(
    connection: sa.Connection, now_ms: int, delivery_id: str, run_id: str, holder: str, who: str
) -> bool:
    """Try a failed delivery again in the instance that asks; False where it did not fail."""
    moved = move(
        connection,
        [delivery_id],
        State.CLAIMED,
        _D.state == State.FAILED,
        run_id=run_id,
        holder=holder,
        attempts=0,
        error_kind="",
        error_code="",
        reason="",
        not_after_ms=sa.case((_D.not_after_ms > now_ms, _D.not_after_ms), else_=now_ms + 600_000),
        updated_ms=now_ms,
    )
    if moved:
        tell_story(connection, now_ms, [(delivery_id, f"tried again: {who} asked")])
        changed(connection, now_ms, moved)
    return bool(moved)


def look_anew(connection: sa.Connection, now_ms: int, delivery_id: str, run_id: str, holder: str) -> bool:
    """Look once more what became of an unresolved delivery; nothing is sent for it."""
    moved = move(
        connection,
        [delivery_id],
        State.UNKNOWN,
        _D.state == State.UNRESOLVED,
        run_id=run_id,
        holder=holder,
        updated_ms=now_ms,
    )
    return bool(moved)


def take_scheduled(
    connection: sa.Connection, now_ms: int, delivery_id: str, run_id: str, holder: str
) -> bool:
    """Take what waits in the ledger into the instance that asks, if its time has come."""
    return bool(
        move(
            connection,
            [delivery_id],
            State.CLAIMED,
            _D.state == State.SCHEDULED,
            _D.fire_ms <= now_ms + 60_000,
            run_id=run_id,
            holder=holder,
            updated_ms=now_ms,
        )
    )


def conclude(
    connection: sa.Connection, now_ms: int, write: Write, finding: Finding, settings: Settings
) -> State:
    """Draw the conclusion from a look at a write whose outcome is not known; answers the new state.

    Presence counts at once. Absence counts only after the quiet time Q, and allows one resend ever; the
    second doubt goes to a person.
    """
    connection.execute(
        sa.insert(outcomes),
        [
            {
                "write_id": write.id,
                "at_ms": now_ms,
                "state": f"look:{finding.look}",
                "note": finding.note,
                "value": finding.value,
            }
        ],
    )
    quiet_over = now_ms >= write.opened_ms + int(settings.quiet_s * 1000)
    row = connection.execute(
        sa.select(_D.resends, _D.looks, _D.fire_ms).where(_D.id == write.delivery_id)
    ).one()
    if finding.look is Look.FOUND:
        target = State.PUBLISHED if write.live else State.PROCESSING
        _close(connection, now_ms, write, WriteState.ACCEPTED, finding)
        _found(connection, now_ms, write, finding, target)
        return target
    if not quiet_over or (finding.look is Look.UNCLEAR and row.looks < 20):
        wait_ms = min(30_000, int(settings.quiet_s * 200))
        look_later(
            connection,
            now_ms,
            write.delivery_id,
            fire_ms=now_ms + wait_ms,
            reason=f"not known yet whether it went out: {finding.note}; looked at again",
        )
        return State.UNKNOWN
    again = finding.look in (Look.UNUSED, Look.ABSENT, Look.DEAD) and finding.resend and row.resends == 0
    if again:
        _close(connection, now_ms, write, WriteState.ABSENT, finding)
        target = State.CLAIMED
        move(
            connection,
            [write.delivery_id],
            target,
            resends=_D.resends + 1,
            fire_ms=now_ms,
            reason="it did not arrive; sent once more",
            updated_ms=now_ms,
        )
        if finding.look is Look.DEAD:
            connection.execute(sa.delete(steps).where(steps.c.delivery_id == write.delivery_id))
        tell_story(connection, now_ms, [(write.delivery_id, f"{finding.note}: sent once more")])
        changed(connection, now_ms, [write.delivery_id])
        return target
    reason = f"a person must look: {finding.note}"
    move(connection, [write.delivery_id], State.UNRESOLVED, reason=reason, holder=None, updated_ms=now_ms)
    tell_story(connection, now_ms, [(write.delivery_id, reason)])
    incident(connection, now_ms, f"unresolved:{write.delivery_id}", "unresolved", reason, write.delivery_id)
    changed(connection, now_ms, [write.delivery_id])
    return State.UNRESOLVED


def _close(connection: sa.Connection, now_ms: int, write: Write, state: WriteState, finding: Finding) -> None:
    connection.execute(
        sa.update(writes)
        .where(writes.c.id == write.id)
        .values(state=state, value=finding.value, settled_ms=now_ms)
    )


def _found(connection: sa.Connection, now_ms: int, write: Write, finding: Finding, target: State) -> None:
    remote_id = finding.value if isinstance(finding.value, str) else None
    move(
        connection,
        [write.delivery_id],
        target,
        _D.state.in_(sources(target)),
        accepted_ms=sa.func.coalesce(_D.accepted_ms, write.opened_ms),
        published_ms=_D.published_ms
        if target is State.PROCESSING
        else sa.func.coalesce(_D.published_ms, write.opened_ms),
        remote_id=sa.func.coalesce(remote_id, _D.remote_id),
        reason="",
        fire_ms=now_ms,
        updated_ms=now_ms,
    )
    tell_story(connection, now_ms, [(write.delivery_id, f"found at the platform: {finding.note}")])
    changed(connection, now_ms, [write.delivery_id])
