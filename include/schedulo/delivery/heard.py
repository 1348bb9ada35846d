"""What platforms told by themselves, and what follows for deliveries.

What is told is a reason to look, never the proof: it may be late, old, or about another program's post. So
nothing here says that a post is out, or gone, or that a login has ended. It brings the look forward that will
say so, or leaves the event to be looked into by a task (`publishing.heard`, `tokens.heard`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from schedulo.delivery.rows import Delivery, tell_story
from schedulo.delivery.transitions import ON_AIR
from schedulo.flow import Hint
from schedulo.ledger.database import upsert
from schedulo.ledger.heard import platform_events
from schedulo.ledger.tables import accounts, deliveries, steps, writes
from schedulo.model import Platform, State, WriteState
from schedulo.platforms.tiktok_hooks import Told, What

_D, _E = deliveries.c, platform_events.c

FIRST_MS, LONGEST_MS = 60_000, 6 * 3_600_000
"""Between two looks into an event: the first pause, which doubles, and the longest."""
GIVEN_UP_MS = 72 * 3_600_000
"""TikTok sends an event for so long; what concerns nothing of ours by then never does."""
EARLY_MS = 60_000
"""An event may be from a little before the write that it is about: clocks differ."""
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Event:
    """One that is to be looked into."""

    key: str
    account_key: str
    event: str
    what: What
    handle: str
    heard_ms: int
    tries: int


def take_in(connection: sa.Connection, now_ms: int, platform: Platform, told: Told) -> bool:
    """Keep what was told, and bring forward what it is a reason for. False: it was told before."""
    key, account_key = f"{platform}:{told.key}", f"{platform}:{told.account_id}"
    row = {
        "key": key,
        "platform": platform,
        "app": told.app,
        "account_key": account_key,
        "event": told.event,
        "what": told.what,
        "handle": told.handle,
        "direct": told.direct,
        "post_id": told.post_id,
        "reason": told.reason,
        "at_ms": told.at_ms,
        "heard_ms": now_ms,
    }
    times = connection.execute(
        upsert(connection, platform_events)
        .values(**row)
        .on_conflict_do_update(index_elements=["key"], set_={"times": _E.times + 1})
        .returning(_E.times)
    ).scalar_one()
    if times > 1:
        return False
    note, next_ms = _act(connection, now_ms, account_key, told)
    connection.execute(sa.update(platform_events).where(_E.key == key).values(note=note, next_ms=next_ms))
    return True


def _act(connection: sa.Connection, now_ms: int, account_key: str, told: Told) -> tuple[str, int | None]:
    """What becomes of it: a sentence, and when it is to be looked into, if it is."""
    if told.what is What.OTHER:
        return "nothing follows from it", None
    if connection.execute(sa.select(accounts.c.key).where(accounts.c.key == account_key)).first() is None:
        return "the account is none of ours", None
    if told.what is What.LOGIN_ENDED:
        return "", now_ms
    if told.what is What.HIDDEN:
        return _look_for(connection, now_ms, account_key, told)
    found = by_handle(connection, account_key, told.handle)
    ids = [found] if found else _in_doubt(connection, account_key)
    said = f"TikTok told {told.event}{f' ({told.reason})' if told.reason else ''}; it is looked at now"
    _look_now(connection, now_ms, ids, said)
    if told.what is What.NAMED:
        return ("", None) if found and _named(connection, found) else ("", now_ms)
    return ("", None) if found else ("no post of ours is known by it yet", None)


def by_handle(connection: sa.Connection, account_key: str, handle: str) -> str | None:
    """The delivery of an account that a publish_id belongs to."""
    if not handle:
        return None
    begun = sa.exists().where(
        steps.c.delivery_id == _D.id,
        steps.c.name == "init",
        steps.c.value["publish_id"].as_string() == handle,
    )
    sent = sa.exists().where(
        writes.c.delivery_id == _D.id, writes.c.value["publish_id"].as_string() == handle
    )
    query = sa.select(_D.id).where(_D.account_key == account_key, sa.or_(begun, sent)).limit(1)
    return connection.execute(query).scalar()


def _in_doubt(connection: sa.Connection, account_key: str) -> list[str]:
    query = sa.select(_D.id).where(_D.account_key == account_key, _D.state == State.UNKNOWN)
    return list(connection.execute(query).scalars())


def _named(connection: sa.Connection, delivery_id: str) -> bool:
    query = sa.select(_D.remote_id).where(_D.id == delivery_id)
    return connection.execute(query).scalar() is not None


def _look_now(connection: sa.Connection, now_ms: int, ids: Iterable[str], said: str) -> None:
    """Bring the next look forward where nobody is at it; who is looks every few seconds."""
    sooner = connection.execute(
        sa.update(deliveries)
        .where(
            _D.id.in_(list(ids)),
            _D.state.in_((State.PROCESSING, State.UNKNOWN)),
            _D.holder.is_(None),
            _D.fire_ms > now_ms,
        )
        .values(fire_ms=now_ms)
        .returning(_D.id)
    ).scalars()
    tell_story(connection, now_ms, [(id_, said) for id_ in sooner])


def _look_for(connection: sa.Connection, now_ms: int, account_key: str, told: Told) -> tuple[str, int | None]:
    """A post that is said not to be public any more is looked for as though it had never been."""
    ours = (_D.account_key == account_key, _D.remote_id == told.post_id, _D.state.in_(ON_AIR))
    found = list(
        connection.execute(
            sa.update(deliveries).where(*ours).values(checked_ms=None).returning(_D.id)
        ).scalars()
    )
    tell_story(connection, now_ms, [(id_, "TikTok told that it is not public any more") for id_ in found])
    return ("", now_ms) if found else ("no post of ours that is out has this id", None)


# --- looking into events ----------------------------------------------------------------------------------


def anything_to_look_into(connection: sa.Connection, now_ms: int) -> bool:
    query = sa.select(_E.key).where(_E.next_ms <= now_ms).limit(1)
    return connection.execute(query).first() is not None


def to_look_into(connection: sa.Connection, now_ms: int, *what: What) -> list[Event]:
    """Events of these kinds whose time has come, oldest first."""
    query = (
        sa.select(_E.key, _E.account_key, _E.event, _E.what, _E.handle, _E.heard_ms, _E.tries)
        .where(_E.next_ms <= now_ms, _E.what.in_(what))
        .order_by(_E.heard_ms, _E.key)
        .limit(AT_ONCE)
    )
    return [Event(**{**row._mapping, "what": What(row.what)}) for row in connection.execute(query)]


def looked_into(connection: sa.Connection, _now_ms: int, event: Event, note: str) -> None:
    """It is done with."""
    connection.execute(sa.update(platform_events).where(_E.key == event.key).values(note=note, next_ms=None))


def look_later(connection: sa.Connection, now_ms: int, event: Event, note: str) -> None:
    """It could not be said yet; in the end it is given up."""
    pause_ms = min(LONGEST_MS, FIRST_MS * 2**event.tries)
    over = now_ms + pause_ms - event.heard_ms > GIVEN_UP_MS
    values = {"note": note, "next_ms": None if over else now_ms + pause_ms, "tries": event.tries + 1}
    connection.execute(sa.update(platform_events).where(_E.key == event.key).values(**values))


def hints(connection: sa.Connection, _now_ms: int, delivery: Delivery, opened_ms: int) -> tuple[Hint, ...]:
    """What was told, since a write of unknown outcome was opened, of posts of its account that no answer
    belongs to. None where another one of the account is unknown too: it might be that one's."""
    query = (
        sa.select(_E.handle, _E.direct)
        .where(_E.account_key == delivery.account.key, _E.heard_ms >= opened_ms - EARLY_MS, _E.handle != "")
        .distinct()
        .order_by(_E.handle)
    )
    told = connection.execute(query).all()
    if not told or _another_in_doubt(connection, delivery):
        return ()
    return tuple(
        Hint(row.handle, row.direct)
        for row in told
        if by_handle(connection, delivery.account.key, row.handle) is None
    )


def _another_in_doubt(connection: sa.Connection, delivery: Delivery) -> bool:
    w = writes.c
    query = (
        sa.select(w.id)
        .join(deliveries, _D.id == w.delivery_id)
        .where(
            _D.account_key == delivery.account.key,
            _D.id != delivery.id,
            w.state.in_((WriteState.OPEN, WriteState.UNKNOWN)),
        )
        .limit(1)
    )
    return connection.execute(query).first() is not None
