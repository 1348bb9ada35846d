"""Posts that somebody wants out now, whatever their rows say of the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.clock import spoken
from schedulo.delivery import approvals
from schedulo.delivery.holds import InForce, in_force
from schedulo.delivery.news import changed
from schedulo.delivery.quotas import Usage, lock, usage
from schedulo.delivery.rows import NOT_PLANNED, tell_story
from schedulo.delivery.transitions import OUT, move
from schedulo.ledger.tables import claims, deliveries
from schedulo.model import State
from schedulo.settings import Settings

_D = deliveries.c


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of the wish to publish one delivery now."""

    delivery_id: str
    label: str
    taken: bool
    """The run that asked publishes it."""
    sentence: str
    permalink: str | None = None


HURRIED_STATES = (State.SCHEDULED, State.HELD, State.FAILED, State.MISSED, State.CANCELLED)
LEAD_MS = 3000
"""Time to prepare what is small before the new due second."""


def ask_now(
    connection: sa.Connection,
    now_ms: int,
    run_id: str,
    post_ids: Sequence[str],
    account_keys: Sequence[str],
    settings: Settings,
) -> list[Asked]:
    """Claim the deliveries of these posts (on all accounts, or on `account_keys`) for `run_id`, due now.

    One that waits for its second already is moved to now; what is out is answered with its link, and what its
    platform would refuse, since the account has used up what it may post, with when it could go out.
    """
    chosen = [_D.account_key.in_(list(account_keys))] if account_keys else []
    query = sa.select(deliveries).where(_D.post_id.in_(list(post_ids)), *chosen).order_by(_D.post_id, _D.id)
    answers: list[Asked] = []
    rows = connection.execute(query.with_for_update()).all()
    keys = {row.account_key for row in rows}
    lock(connection, keys)
    used = usage(connection, now_ms, keys, settings, but=[row.id for row in rows])
    stops = InForce(in_force(connection, now_ms))
    for row in rows:
        sentence = _take_now(connection, now_ms, run_id, row, settings, used)
        taken = sentence == ""
        if taken:
            hold = stops.on(row.platform, row.account_key, now_ms + LEAD_MS, row.post_id)
            sentence = f"it goes out when it is let go: {hold.sentence()}" if hold else "published now"
        answers.append(Asked(row.id, row.label, taken, sentence, row.permalink))
    claimed = [
        {
            "run_id": run_id,
            "map_index": index,
            "delivery_id": answer.delivery_id,
            "dag_id": "publish_now",
            "claimed_ms": now_ms,
        }
        for index, answer in enumerate(answer for answer in answers if answer.taken)
    ]
    if claimed:
        connection.execute(sa.insert(claims), claimed)
    return answers


def _take_now(
    connection: sa.Connection, now_ms: int, run_id: str, row: Any, settings: Settings, used: Usage
) -> str:
    """Move one delivery to now; answers why not, or nothing."""
    state = State(row.state)
    if state in (State.TAKEN_DOWN, State.REMOVED):
        return f"it was out: {row.reason}; to publish it again, make a new row"
    if state in OUT:
        return f"it is out: {row.permalink or row.remote_id or 'no link yet'}"
    if row.error_kind == NOT_PLANNED:
        return f"it cannot be published: {row.reason}"
    if row.approval:
        return f"it cannot be published: {approvals.REASON}"
    if not row.ready:
        return f"it cannot be published yet: {row.reason or 'its media are not here'}"
    due_ms = now_ms + LEAD_MS
    free_ms, full = used.place(row.account_key, row.content, due_ms)
    if full is not None:
        return f"it cannot be published now: {full.words}; it could go out at {spoken(free_ms, now_ms)}"
    values = {
        "run_id": run_id,
        "asked_ms": due_ms,
        "due_ms": due_ms,
        "fire_ms": due_ms,
        "not_after_ms": due_ms + int(settings.missed_after_s * 1000),
        "updated_ms": now_ms,
    }
    fresh = {
        "attempts": 0,
        "trouble_since_ms": None,
        "reason": "",
        "error_kind": "",
        "error_code": "",
        "holder": None,
    }
    if state in (State.CLAIMED, State.ARMED):
        waiting = (_D.id == row.id, _D.state.in_((State.CLAIMED, State.ARMED)))
        taken = connection.execute(sa.update(deliveries).where(*waiting).values(**values)).rowcount == 1
    else:
        hurried = _D.state.in_(HURRIED_STATES)
        scheduled = state is State.SCHEDULED or bool(
            move(connection, [row.id], State.SCHEDULED, hurried, updated_ms=now_ms)
        )
        taken = scheduled and bool(move(connection, [row.id], State.CLAIMED, **values, **fresh))
    if not taken:
        return f"it is {state}: {row.reason or 'it is being worked on'}"
    tell_story(connection, now_ms, [(row.id, "a person asked to publish it now")])
    changed(connection, now_ms, [row.id])
    return ""
