"""Puts plans into the ledger: new deliveries, changed ones, and those that are no longer wanted.

A delivery is one post on one account, whatever row either has. Its content may change until a write was
opened. What a person wrote wrongly stands as cancelled with its problem, and comes back when it is mended.
One whose media are not all here and fitting is planned all the same, but not ready: it is not claimed, and
one that was claimed goes back to wait.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery import approvals, moved
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.news import changed
from schedulo.delivery.rows import NOT_PLANNED, tell_story
from schedulo.delivery.transitions import ON_AIR, OUT, move
from schedulo.delivery.webhook_events import happened
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import upsert
from schedulo.ledger.tables import accounts, deliveries, posts, writes
from schedulo.model import Account, Content, State, WriteState
from schedulo.words import shown

_D = deliveries.c
CONTENT_GUARD = "content_guard"
MISSING = "missing_rows"
"""`error_kind` of what is held because too many rows vanished at once."""

CHANGED_AFTER = "the post was changed after it went out: what is out is as it was"


@dataclass(frozen=True, slots=True)
class Plan:
    """One post on one account, as its row says now."""

    account: Account
    content: Content | None
    """Where it is not ready, with stand-ins for what is not here."""
    content_hash: str
    """Empty where that is not known yet."""
    fingerprint: str
    due_ms: int
    not_after_ms: int
    problem: str
    """Why it cannot be planned, as sentences; empty where it can."""
    note: str = ""
    """What people should know although it is planned."""
    approval: str = ""
    """`needed`: it waits until a person has approved it; empty: it needs none, or has it."""
    in_maintenance: str = ""
    """`move` or `hold`: what becomes of it in maintenance; empty: what that says."""
    uneditable: str = ""
    """Why it cannot be changed once it is out, as a sentence; empty where it can."""
    warnings: str = ""
    """What its author should know although it goes out, as sentences."""
    waits_for: str = ""
    """Why it is not ready to go out; empty where it is."""

    @property
    def ready(self) -> bool:
        return not self.waits_for

    @property
    def reason(self) -> str:
        """Why it stands as planned."""
        return "; ".join(part for part in (self.waits_for, self.note) if part)


@dataclass(frozen=True, slots=True)
class PostPlan:
    """One post, as its row says now."""

    record_id: str
    title: str
    plans: tuple[Plan, ...]
    problem: str
    """Why nothing at all can be planned; empty otherwise."""
    unprepared: bool
    """Some of its media are not here, or not made to fit."""
    wanted: bool
    """False: the row is a draft, or gone."""
    read_ms: int | None = None
    """The database's time before the row was read; None: just now."""


def identity(post_id: str, account_key: str, occurrence: int = 1) -> str:
    """The id of a delivery: the same for the same post and account, even for a ledger that began anew."""
    return hashlib.sha256(f"{post_id}|{account_key}|{occurrence}".encode()).hexdigest()[:24]


def register(connection: sa.Connection, now_ms: int, found: Sequence[tuple[Account, str, bool]]) -> list[str]:
    """Know these accounts: (account, Airtable record id, active). Answers what is new or changed, by key."""
    fresh = ("name", "timezone", "options", "record_id", "active")
    known = {
        row.key: {name: getattr(row, name) for name in fresh}
        for row in connection.execute(sa.select(accounts))
    }
    rows: list[dict[str, Any]] = [
        {
            "key": account.key,
            "platform": account.platform,
            "account_id": account.account_id,
            "name": account.name,
            "timezone": account.timezone,
            "options": dict(account.options),
            "record_id": record_id,
            "active": active,
            "updated_ms": now_ms,
        }
        for account, record_id, active in found
    ]
    rows = [row for row in rows if known.get(row["key"]) != {name: row[name] for name in fresh}]
    if rows:
        statement = upsert(connection, accounts)
        statement = statement.on_conflict_do_update(
            index_elements=["key"],
            set_={name: statement.excluded[name] for name in (*fresh, "updated_ms")},
        )
        connection.execute(statement, rows)
    return [str(row["key"]) for row in rows]


def plan_anew(connection: sa.Connection, account_keys: Sequence[str]) -> None:
    """These accounts changed: posts on them, and posts that have a problem, are read again."""
    if not account_keys:
        return
    on_them = sa.select(_D.post_id).where(_D.account_key.in_(account_keys), _D.state.not_in(OUT))
    connection.execute(
        sa.update(posts)
        .where(sa.or_(posts.c.problem != "", posts.c.record_id.in_(on_them)))
        .values(unfinished=True)
    )


def plan_post(connection: sa.Connection, now_ms: int, post: PostPlan, guard_ms: int) -> None:
    """Bring the post's deliveries in line with its row. A row that was read before the one that counts now
    says nothing: several read at once, and the last to plan need not have read last."""
    if not _keep_post(connection, now_ms, post):
        return
    known = {
        row.account_key: row
        for row in connection.execute(
            sa.select(deliveries).where(_D.post_id == post.record_id, _D.occurrence == 1)
        )
    }
    for plan in post.plans:
        row = known.pop(plan.account.key, None)
        if row is None:
            _insert(connection, now_ms, post, plan, guard_ms)
        else:
            _update(connection, now_ms, post, plan, row, guard_ms)
    reason = "the post is no longer Ready" if not post.wanted else "the account was taken off the post"
    if post.wanted and not post.plans and post.problem:
        reason = post.problem
    for row in known.values():
        _withdraw(connection, now_ms, row, reason)
    if any(plan.approval for plan in post.plans):
        ids = [identity(post.record_id, plan.account.key) for plan in post.plans]
        approvals.keep_waiting(connection, now_ms, ids)


def _keep_post(connection: sa.Connection, now_ms: int, post: PostPlan) -> bool:
    """False where a row that was read later is known."""
    before = connection.execute(
        sa.select(posts.c.problem).where(posts.c.record_id == post.record_id)
    ).scalar_one_or_none()
    values: dict[str, Any] = {
        "title": post.title,
        "seen_ms": now_ms,
        "read_ms": now_ms if post.read_ms is None else post.read_ms,
        "problem": post.problem,
        "unfinished": False,
        "unprepared": post.unprepared,
    }
    # What was whole and lacks something again is new to whoever prepares it.
    tried = sa.case((posts.c.unprepared, posts.c.prepared_ms), else_=None)
    kept = connection.execute(
        upsert(connection, posts)
        .values(record_id=post.record_id, **values)
        .on_conflict_do_update(
            index_elements=["record_id"],
            set_={**values, "prepared_ms": tried},
            # What claims to have been read later than now was: by a clock that was set back since.
            where=sa.or_(posts.c.read_ms <= values["read_ms"], posts.c.read_ms > now_ms),
        )
        .returning(posts.c.record_id)
    )
    if kept.first() is None:
        return False
    if post.problem != (before or ""):
        changed(connection, now_ms, [f"post:{post.record_id}"])
    return True


def _values(now_ms: int, post: PostPlan, plan: Plan) -> dict[str, Any]:
    """The columns that follow from the row."""
    return {
        "title": post.title,
        "label": f"{plan.account.platform} @{shown(plan.account.name)}: {shown(post.title) or '(no title)'}",
        "content": plan.content.to_json() if plan.content else {},
        "warnings": plan.warnings,
        "ready": plan.ready,
        "content_hash": plan.content_hash,
        "fingerprint": plan.fingerprint,
        "approval": plan.approval,
        "in_maintenance": plan.in_maintenance,
        "due_ms": plan.due_ms,
        "fire_ms": plan.due_ms,
        "not_after_ms": plan.not_after_ms,
        "seen_ms": now_ms,
        "updated_ms": now_ms,
    }


def _insert(connection: sa.Connection, now_ms: int, post: PostPlan, plan: Plan, guard_ms: int) -> None:
    if not post.wanted:
        return
    state, reason, kind = State.SCHEDULED, plan.reason, ""
    twin = None if plan.problem else _same_content(connection, now_ms, post, plan, guard_ms)
    if plan.problem:
        state, reason, kind = State.CANCELLED, plan.problem, NOT_PLANNED
    elif plan.not_after_ms <= now_ms:
        state, reason = State.MISSED, "its time was over when it was planned; ask for it again to send it now"
    elif twin is not None:
        state, reason, kind = State.HELD, _looks_like(twin), CONTENT_GUARD
    elif plan.approval:
        state, reason, kind = State.HELD, approvals.REASON, approvals.WAITS
    id_ = identity(post.record_id, plan.account.key)
    connection.execute(
        sa.insert(deliveries).values(
            id=id_,
            post_id=post.record_id,
            account_key=plan.account.key,
            platform=plan.account.platform,
            state=state,
            reason=reason,
            error_kind=kind,
            **_values(now_ms, post, plan),
        )
    )
    tell_story(connection, now_ms, [(id_, f"planned: {state}" + (f", {reason}" if reason else ""))])
    changed(connection, now_ms, [id_])
    happened(connection, [id_], state)


def _same_content(
    connection: sa.Connection, now_ms: int, post: PostPlan, plan: Plan, guard_ms: int
) -> str | None:
    """The title of another post with the same content on this account within the guard's time."""
    if not plan.content_hash:
        return None
    query = sa.select(_D.title).where(
        _D.account_key == plan.account.key,
        _D.content_hash == plan.content_hash,
        _D.post_id != post.record_id,
        _D.state.not_in((State.CANCELLED, State.FAILED, State.MISSED, State.HELD, State.TAKEN_DOWN)),
        sa.func.abs(_D.due_ms - plan.due_ms) < guard_ms,
    )
    return connection.execute(query.limit(1)).scalar_one_or_none()


def _looks_like(title: str) -> str:
    return f"it looks like the post '{title}' on this account; request a retry if it is meant to go out again"


def _guard(
    connection: sa.Connection, now_ms: int, post: PostPlan, plan: Plan, row: Any, guard_ms: int
) -> None:
    """Hold what turns out to be like another post, now that all of it is known."""
    if row.content_hash or (twin := _same_content(connection, now_ms, post, plan, guard_ms)) is None:
        return
    reason = _looks_like(twin)
    values = {"reason": reason, "error_kind": CONTENT_GUARD, "updated_ms": now_ms}
    held = move(connection, [row.id], State.HELD, _D.state == State.SCHEDULED, **values)
    if not held:  # on hold for another reason, which may end without a word of its author
        others = (_D.id == row.id, _D.state == State.HELD, _D.error_kind.in_(("", approvals.WAITS)))
        statement = sa.update(deliveries).where(*others).values(**values).returning(_D.id)
        held = set(connection.execute(statement).scalars())
    tell_story(connection, now_ms, ((id_, f"held: {reason}") for id_ in held))
    changed(connection, now_ms, held)


def _frozen(connection: sa.Connection, delivery_id: str) -> bool:
    """Its last request was looked for in vain: what is sent once more must be the same to the byte."""
    query = (
        sa.select(writes.c.state)
        .where(writes.c.delivery_id == delivery_id, writes.c.state != WriteState.UNSENT)
        .order_by(writes.c.fence.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none() == WriteState.ABSENT


def _update(
    connection: sa.Connection, now_ms: int, post: PostPlan, plan: Plan, row: Any, guard_ms: int
) -> None:
    state = State(row.state)
    if state in OUT and plan.problem and post.wanted:
        _forget_newer(connection, now_ms, row)
        return  # what keeps a row from being planned says nothing to one that is out
    if plan.problem or not post.wanted:
        _withdraw(connection, now_ms, row, plan.problem or "the post is no longer Ready")
        return
    if row.approval != plan.approval and state not in OUT:
        connection.execute(sa.update(deliveries).where(_D.id == row.id).values(approval=plan.approval))
        approvals.keep_waiting(connection, now_ms, [row.id])
    values = _values(now_ms, post, plan)
    if row.asked_ms is not None:
        if state not in (State.FAILED, State.MISSED) and row.due_ms in (row.asked_ms, plan.due_ms):
            # Asked for now, or tried again: until the author gives another time, that counts.
            for column in ("due_ms", "fire_ms", "not_after_ms"):
                values[column] = getattr(row, column)
        else:
            values["asked_ms"] = None
    elif moved.stays(connection, row, plan.due_ms, plan.not_after_ms):
        values |= {"fire_ms": row.fire_ms, "not_after_ms": row.not_after_ms}
    if row.in_maintenance != plan.in_maintenance and state not in OUT:
        wish = sa.update(deliveries).where(_D.id == row.id)
        connection.execute(wish.values(in_maintenance=plan.in_maintenance))
    as_written = (
        row.fingerprint == plan.fingerprint
        and row.due_ms == values["due_ms"]
        and row.not_after_ms == values["not_after_ms"]
    )
    if row.error_kind == MISSING:
        move(connection, [row.id], State.SCHEDULED, reason=plan.reason, error_kind="", updated_ms=now_ms)
        changed(connection, now_ms, [row.id])
    if state in (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED, State.HELD):
        told = row.ready or state is not State.SCHEDULED or row.reason == plan.reason
        as_sent = _same(row.content, values["content"]) and (row.ready, row.warnings) == (
            plan.ready,
            plan.warnings,
        )
        if as_written and as_sent and told:
            connection.execute(sa.update(deliveries).where(_D.id == row.id).values(seen_ms=now_ms))
            return
        if row.resends and _frozen(connection, row.id):
            # The platform's own filter of duplicates is on our side only while the text is the same.
            connection.execute(sa.update(deliveries).where(_D.id == row.id).values(seen_ms=now_ms))
            tell_story(connection, now_ms, [(row.id, "changed too late: it was sent, and is sent once more")])
            return
        _renew(connection, now_ms, plan, row, values, as_written=as_written)
        if (
            row.error_kind == CONTENT_GUARD
            and _same_content(connection, now_ms, post, plan, guard_ms) is None
        ):
            move(connection, [row.id], State.SCHEDULED, reason=plan.reason, error_kind="", updated_ms=now_ms)
        _guard(connection, now_ms, post, plan, row, guard_ms)
        return
    anew = row.error_kind == NOT_PLANNED or (
        state in (State.FAILED, State.MISSED) and not as_written and plan.due_ms > now_ms
    )
    if (
        anew
        and plan.not_after_ms > now_ms
        and move(
            connection,
            [row.id],
            State.SCHEDULED,
            reason=plan.reason,
            error_kind="",
            error_code="",
            attempts=0,
            trouble_since_ms=None,
            version=_D.version + 1,
            **values,
        )
    ):
        moved.forget(connection, row.id)
        tell_story(connection, now_ms, [(row.id, "planned again")])
        changed(connection, now_ms, [row.id])
        _guard(connection, now_ms, post, plan, row, guard_ms)
    elif plan.ready and row.fingerprint != plan.fingerprint:
        _keep_newer(connection, row, plan)
        then = plan.uneditable or "to give it the new text there, request an edit"
        _too_late(connection, now_ms, row, f"{CHANGED_AFTER}; {then}")
    elif row.fingerprint == plan.fingerprint:
        _forget_newer(connection, now_ms, row)


def _keep_newer(connection: sa.Connection, row: Any, plan: Plan) -> None:
    """What the row says now of a post that is out, for a request to change it there."""
    if plan.content is None or row.state not in ON_AIR:
        return
    newer = {
        "content": plan.content.to_json(),
        "fingerprint": plan.fingerprint,
        "content_hash": plan.content_hash,
    }
    if (row.newer or {}).get("fingerprint") != plan.fingerprint:
        connection.execute(sa.update(deliveries).where(_D.id == row.id).values(newer=newer))


def _forget_newer(connection: sa.Connection, now_ms: int, row: Any) -> None:
    """The row no longer says what an edit would give to what is out."""
    if row.newer is None:
        return
    values: dict[str, Any] = {"newer": sa.null(), "updated_ms": now_ms}
    if row.reason.startswith(CHANGED_AFTER):
        values["reason"] = ""
    connection.execute(sa.update(deliveries).where(_D.id == row.id).values(**values))
    changed(connection, now_ms, [row.id])


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _renew(
    connection: sa.Connection,
    now_ms: int,
    plan: Plan,
    row: Any,
    values: dict[str, Any],
    *,
    as_written: bool,
) -> None:
    """Give a delivery that was not sent what its row says now."""
    if row.due_ms == values["due_ms"]:
        del values["fire_ms"]  # what waits for a limit or a slot goes on waiting
    refitted = not _same(row.content, values["content"])
    if row.fingerprint != plan.fingerprint or refitted:
        values["version"] = _D.version + 1
    if not plan.ready:  # whoever has claimed it lets go: it must not go out as it was
        claimed = _D.state.in_((State.CLAIMED, State.ARMED, State.REFUSED))
        move(connection, [row.id], State.SCHEDULED, claimed, holder=None, updated_ms=now_ms)
    if not (row.ready and plan.ready):
        values["reason"] = sa.case((_D.state == State.SCHEDULED, plan.reason), else_=_D.reason)
    unsent = (State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED, State.HELD)
    moved = connection.execute(
        sa.update(deliveries).where(_D.id == row.id, _D.state.in_(unsent)).values(**values)
    )
    if not moved.rowcount:
        return
    if row.ready != plan.ready:
        line = "its media are here and fit: it is ready" if plan.ready else f"not ready: {plan.waits_for}"
    elif not as_written:
        line = "the post was changed; the new version goes out"
    else:
        line = "its media were made to fit anew" if refitted else ""
    if line:
        tell_story(connection, now_ms, [(row.id, line)])
    changed(connection, now_ms, [row.id])
    if row.due_ms != values["due_ms"] and row.state != State.HELD:
        happened(connection, [row.id], State.SCHEDULED)


def _too_late(connection: sa.Connection, now_ms: int, row: Any, sentence: str) -> None:
    """Say once that a wish came after the post had gone out. What is out and not whole has its own words."""
    untold = sa.and_(_D.state.in_((State.PUBLISHED, State.WAITING_IN_APP)), _D.error_kind == "")
    told = connection.execute(
        sa.update(deliveries)
        .where(_D.id == row.id, untold, ~_D.reason.startswith(sentence, autoescape=True))
        .values(reason=sentence, updated_ms=now_ms)
    )
    if told.rowcount:
        tell_story(connection, now_ms, [(row.id, sentence)])
        changed(connection, now_ms, [row.id])


def _withdraw(connection: sa.Connection, now_ms: int, row: Any, reason: str) -> None:
    """The row no longer allows it."""
    if row.state in OUT:
        _too_late(connection, now_ms, row, f"it went out before this came: {reason}")
        return
    if row.state == State.CANCELLED:
        if row.error_kind == NOT_PLANNED and row.reason != reason:
            connection.execute(
                sa.update(deliveries).where(_D.id == row.id).values(reason=reason, updated_ms=now_ms)
            )
            changed(connection, now_ms, [row.id])
        return
    wanted = _D.state.in_((State.SCHEDULED, State.CLAIMED, State.ARMED, State.REFUSED, State.HELD))
    if move(
        connection,
        [row.id],
        State.CANCELLED,
        wanted,
        reason=reason,
        error_kind=NOT_PLANNED,
        holder=None,
        updated_ms=now_ms,
    ):
        tell_story(connection, now_ms, [(row.id, f"taken out of the plan: {reason}")])
        changed(connection, now_ms, [row.id])


def gone(connection: sa.Connection, now_ms: int, post_ids: Sequence[str], looked_for: int) -> None:
    """These of `looked_for` posts no longer exist in Airtable. A few are deleted posts; many at once are a
    fault, not a wish: they are held until they are back or a person decides."""
    many = len(post_ids) > 3 and len(post_ids) > looked_for * 0.2
    rows = connection.execute(sa.select(deliveries).where(_D.post_id.in_(list(post_ids)))).all()
    if not many:
        for row in rows:
            _withdraw(connection, now_ms, row, "the post was deleted in Airtable")
        return
    sentence = f"{len(post_ids)} of {looked_for} posts that are due soon cannot be found in Airtable"
    held = move(
        connection,
        [row.id for row in rows],
        State.HELD,
        reason=f"held: {sentence}",
        error_kind=MISSING,
        holder=None,
        updated_ms=now_ms,
    )
    incident(connection, now_ms, Trouble.AIRTABLE_MISSING, sentence, actor=Actor.OPERATOR, cases=held)
    tell_story(connection, now_ms, ((id_, f"held: {sentence}") for id_ in held))
    changed(connection, now_ms, held)
