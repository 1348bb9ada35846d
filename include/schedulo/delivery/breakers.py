"""Holds a platform that fails for everyone, until it answers again.

Posts leave a note where they meet no answer or a fault of their platform (`stumbled`), in a transaction that
is made anyway: while all is well nothing is written and nothing is asked. The tick weighs the notes (`tend`):
several posts of several accounts, and none that went out, is the platform's trouble and no account's. It is
held, asked at growing intervals with a harmless read (`look`), and tried: its first posts go out, the others
follow one after another in the order in which they were due. What is in doubt is looked up as ever.

Where nothing answers at all, it is our network: one cause, told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.schema import PLATFORM_WORDS
from schedulo.clock import iso
from schedulo.delivery import holds
from schedulo.delivery.holds import OURSELVES, Hold, covered, lift, set_hold
from schedulo.delivery.incidents import Trouble, replaced
from schedulo.delivery.news import changed
from schedulo.delivery.rows import tell_story
from schedulo.delivery.transitions import move
from schedulo.delivery.watched import NETWORK
from schedulo.errors import Kind, PlatformError, Scope
from schedulo.errors.airtable import AirtableDown
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.outages import breakers, stumbles
from schedulo.ledger.tables import IS_OUT, accounts, deliveries, incident_cases, incidents
from schedulo.model import State
from schedulo.settings import Settings

_B, _D, _S = breakers.c, deliveries.c, stumbles.c
AWAY = (Kind.PLATFORM_DOWN, Kind.NETWORK)
"""What says something of a platform, or of the way to it."""
TRIAL_POSTS = 3
TRIAL_MS = 75_000
"""What follows the first posts waits so long: until a tick has seen what became of them."""
TRIAL_ENDS_MS = 600_000
"""A trial in which no post met anything in this time was one without posts."""
ASKING_MS = 60_000
"""So long nobody else asks what is being asked."""
SLACK_MS = 5_000
"""A tick comes a little early or late."""


class Stands(StrEnum):
    """How a platform that failed for everyone stands."""

    OPEN = "open"
    """It is held."""
    TRIAL = "trial"
    """It answers again, and its first posts are let go."""


class Cause(StrEnum):
    PLATFORM = "platform"
    NETWORK = "network"
    """Nothing can be reached from here."""


class Answer(StrEnum):
    """What came of one harmless request."""

    WELL = "well"
    """It answers with anything but a fault of its own."""
    FAULT = "fault"
    SILENCE = "silence"
    """Nobody could be reached."""


Ask = Callable[[Sequence[str]], Mapping[str, Answer]]
"""Asks platforms, side by side."""


# --- what posts met ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stumble:
    """A post met no answer, or a fault of its platform."""

    delivery_id: str
    account_key: str
    kind: Kind


def counts(error: PlatformError) -> bool:
    """Whether an error may be the platform's own, and not one of this post or this process alone."""
    return error.kind in AWAY and error.diagnosis.scope is not Scope.DELIVERY


def stumbled(connection: sa.Connection, now_ms: int, found: Iterable[Stumble]) -> None:
    """Note what posts met; the last time of each counts."""
    rows = {
        item.delivery_id: {
            "delivery_id": item.delivery_id,
            "account_key": item.account_key,
            "platform": item.account_key.partition(":")[0],
            "kind": item.kind,
            "at_ms": now_ms,
        }
        for item in found
    }
    if rows:
        statement = upsert(connection, stumbles)
        latest = {"kind": statement.excluded.kind, "at_ms": statement.excluded.at_ms}
        statement = statement.on_conflict_do_update(index_elements=["delivery_id"], set_=latest)
        connection.execute(statement, [rows[id_] for id_ in sorted(rows)])


def _went_out(connection: sa.Connection, platform: str, since_ms: int) -> bool:
    """Whether the platform took a post since."""
    out = sa.and_(sa.text(IS_OUT), _D.updated_ms >= since_ms)
    taken = _D.state.in_((State.PROCESSING, State.WAITING_IN_APP))
    return any(
        connection.execute(
            sa.select(sa.exists().where(which, _D.platform == platform, _D.accepted_ms >= since_ms))
        ).scalar_one()
        for which in (out, taken)
    )


# --- holding ----------------------------------------------------------------------------------------------


def tend(connection: sa.Connection, now_ms: int, settings: Settings) -> None:
    """Hold what fails for everyone, and judge what is being tried. Run by every tick."""
    known = {row.platform: row for row in connection.execute(sa.select(breakers))}
    since_ms = now_ms - int(settings.breaker_window_s * 1000)
    notes = sa.select(
        _S.platform,
        sa.func.count().label("posts"),
        sa.func.count(_S.account_key.distinct()).label("accounts"),
    ).where(_S.at_ms > since_ms)
    for met in connection.execute(notes.group_by(_S.platform)).all():
        if met.platform not in known and _is_everyones(connection, met, since_ms, settings):
            _open(connection, now_ms, met, settings)
    for row in known.values():
        if row.state == Stands.TRIAL:
            _judge(connection, now_ms, row, settings)
        elif _hold_of(connection, now_ms, row.platform) is None:  # a person released it: with care
            let_go(connection, now_ms, row.platform, settings)


def _is_everyones(connection: sa.Connection, met: Any, since_ms: int, settings: Settings) -> bool:
    """Enough accounts, or enough posts that are not all of one account among several; and none that went."""
    if met.accounts < settings.breaker_accounts:
        if met.posts < settings.breaker_posts:
            return False
        used = sa.select(sa.func.count()).where(accounts.c.platform == met.platform, accounts.c.active)
        if met.accounts == 1 and connection.execute(used).scalar_one() > 1:
            return False
    return not _went_out(connection, met.platform, since_ms)


def _open(connection: sa.Connection, now_ms: int, met: Any, settings: Settings) -> None:
    row = {
        "platform": met.platform,
        "state": Stands.OPEN,
        "cause": Cause.PLATFORM,
        "opened_ms": now_ms,
        "asked_ms": now_ms,  # at once: is it the platform, or our network?
        "pause_ms": int(settings.breaker_probe_s * 1000),
    }
    won = upsert(connection, breakers).values(**row).on_conflict_do_nothing().returning(_B.platform)
    if connection.execute(won).first() is None:
        return  # another tick was faster
    what = f"{met.posts} posts of {met.accounts} account{'s' if met.accounts != 1 else ''}"
    reason = f"{PLATFORM_WORDS[met.platform]} fails for everyone: {what} met no answer or a fault of its own"
    _hold(connection, now_ms, met.platform, reason)
    hit = sa.select(_S.delivery_id).where(
        _S.platform == met.platform, _S.at_ms > now_ms - int(settings.breaker_window_s * 1000)
    )
    cases = set(connection.execute(hit).scalars())
    for about in (met.platform, f"unknown:{met.platform}"):  # that posts were late has this cause
        cases |= set(connection.execute(_cases(Trouble.LATE, about)).scalars())
        replaced(connection, now_ms, Trouble.LATE, about)
    _tell(connection, now_ms, met.platform, sorted(cases))


def _cases(trouble: Trouble, about: str) -> sa.Select[Any]:
    return sa.select(incident_cases.c.delivery_id).where(
        incident_cases.c.incident_key == f"{trouble}:{about}"
    )


def _hold(connection: sa.Connection, now_ms: int, platform: str, reason: str) -> None:
    set_hold(
        connection, now_ms, holds.Scope.PLATFORM, platform, reason, OURSELVES, error_kind=Kind.PLATFORM_DOWN
    )


def _hold_of(connection: sa.Connection, now_ms: int, platform: str) -> Hold | None:
    ours = (holds.Scope.PLATFORM, platform, Kind.PLATFORM_DOWN)
    found = holds.in_force(connection, now_ms)
    return next((hold for hold in found if (hold.scope, hold.key, hold.error_kind) == ours), None)


def _tell(connection: sa.Connection, now_ms: int, platform: str, cases: Sequence[str]) -> None:
    """These posts are cases of its incident."""
    if (hold := _hold_of(connection, now_ms, platform)) is not None:
        holds.cases_of(connection, now_ms, hold, cases)


def _judge(connection: sa.Connection, now_ms: int, row: Any, settings: Settings) -> None:
    """What became of the first posts: one that went out is enough, and one that failed too."""
    if _went_out(connection, row.platform, row.released_ms):
        connection.execute(sa.delete(breakers).where(_B.platform == row.platform))
        return
    met = sa.select(_S.delivery_id).where(_S.platform == row.platform, _S.at_ms > row.released_ms)
    ids = connection.execute(met).scalars().all()
    if ids:
        pause_ms = _longer(row.pause_ms, settings)
        again = {"state": Stands.OPEN, "pause_ms": pause_ms, "asked_ms": now_ms + pause_ms}
        connection.execute(sa.update(breakers).where(_B.platform == row.platform).values(**again))
        reason = f"{PLATFORM_WORDS[row.platform]} answers, and still takes no post"
        _hold(connection, now_ms, row.platform, reason)
        _tell(connection, now_ms, row.platform, ids)
    elif now_ms - row.released_ms > TRIAL_ENDS_MS:
        connection.execute(sa.delete(breakers).where(_B.platform == row.platform))


def _longer(pause_ms: int, settings: Settings) -> int:
    return min(2 * pause_ms, int(settings.breaker_probe_max_s * 1000))


# --- asking -----------------------------------------------------------------------------------------------


def look(ledger: Ledger, settings: Settings, ask: Ask) -> list[str]:
    """Ask the held platforms whose time has come, and let go what answers. What was found, as sentences.

    The others that are in use are asked too: where none of them answers, it is our network.
    """
    with ledger.read() as connection:
        if not _due(connection, ledger.now_ms(connection)):
            return []
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        due = _due(connection, now_ms, lock=True)
        taken = sa.update(breakers).where(_B.platform.in_([row.platform for row in due]))
        connection.execute(taken.values(asked_ms=now_ms + ASKING_MS))
        used = sa.select(accounts.c.platform).distinct().where(accounts.c.active)
        names = {row.platform for row in due} | set(connection.execute(used).scalars())
    lines: list[str] = []
    heard: Mapping[str, Answer] = {}
    try:
        heard = ask(sorted(names))
    except Exception as error:  # posts that can go out must
        lines.append(f"Held platforms could not be asked: {type(error).__name__}")
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        lines += [_conclude(connection, now_ms, row, heard, settings) for row in due]
        # What is due in a moment is let go here: the next tick would be too late for it.
        holds.apply_holds(connection, now_ms, now_ms + int(settings.horizon_s * 1000))
    return lines


def _due(connection: sa.Connection, now_ms: int, *, lock: bool = False) -> Sequence[Any]:
    query = sa.select(breakers).where(_B.state == Stands.OPEN, _B.asked_ms <= now_ms + SLACK_MS)
    return connection.execute(query.with_for_update() if lock else query).all()


def _conclude(
    connection: sa.Connection, now_ms: int, row: Any, heard: Mapping[str, Answer], settings: Settings
) -> str:
    answer = heard.get(row.platform, Answer.FAULT)
    nobody = companies(heard) > 1 and set(heard.values()) == {Answer.SILENCE}
    _is_because(connection, now_ms, row, Cause.NETWORK if nobody else Cause.PLATFORM)
    name = PLATFORM_WORDS[row.platform]
    first_ms = row.opened_ms + int(settings.breaker_probe_s * 1000)
    if answer is Answer.WELL and now_ms + SLACK_MS >= first_ms:
        count = let_go(connection, now_ms, row.platform, settings)
        return f"{name} answers again: {count} posts that waited go out, the first of them as a trial"
    pause_ms, asked_ms = row.pause_ms, first_ms
    if now_ms + SLACK_MS >= first_ms:
        pause_ms = _longer(row.pause_ms, settings)
        asked_ms = now_ms + pause_ms
    values = {"pause_ms": pause_ms, "asked_ms": asked_ms}
    connection.execute(sa.update(breakers).where(_B.platform == row.platform).values(**values))
    said = {Answer.WELL: "answers, and takes no post", Answer.SILENCE: "cannot be reached"}
    return f"{name} {said.get(answer, 'answers with a fault')}; it is asked again at {iso(asked_ms)}"


def companies(platforms: Iterable[str]) -> int:
    """Whose they are, counted: Instagram and Facebook are one company's and fail together, so that both
    silent say nothing of our network."""
    return len({"meta" if name in ("instagram", "facebook") else name for name in platforms})


def _is_because(connection: sa.Connection, now_ms: int, row: Any, cause: Cause) -> None:
    """Tell people of another cause than so far, with all posts that wait for it."""
    if row.cause == cause:
        return
    before = Trouble.OUTAGE, row.platform if row.cause == Cause.PLATFORM else Cause.NETWORK
    cases = _cases(*before).join(deliveries, _D.id == incident_cases.c.delivery_id)
    ids = list(connection.execute(cases.where(_D.platform == row.platform)).scalars())
    connection.execute(sa.update(breakers).where(_B.platform == row.platform).values(cause=cause))
    if cause is Cause.NETWORK:
        replaced(connection, now_ms, *before)
        replaced(connection, now_ms, Trouble.AIRTABLE_READ, AirtableDown.__name__)
        reason = "Nothing can be reached from here: our network is away"
    else:
        reason = f"{PLATFORM_WORDS[row.platform]} fails for everyone"
    _hold(connection, now_ms, row.platform, reason)
    _tell(connection, now_ms, row.platform, ids)


def network_is_away(connection: sa.Connection) -> bool:
    """Whether people are told that nothing can be reached from here."""
    told = sa.exists().where(incidents.c.key.in_(NETWORK), incidents.c.closed_ms.is_(None))
    held = sa.exists().where(_B.cause == Cause.NETWORK)
    return bool(connection.execute(sa.select(sa.or_(told, held))).scalar_one())


# --- letting go -------------------------------------------------------------------------------------------


def let_go(connection: sa.Connection, now_ms: int, platform: str, settings: Settings) -> int:
    """End the hold and give each post that is past due its turn: a few at once, the others when a tick has
    seen what became of those, `breaker_gap_s` apart, in the order in which they were due. Answers how many.

    What an outage cost a post does not count against it. What is not due yet keeps its second. What is only
    looked up has turns of its own: reads do not delay posts.
    """
    lift(connection, now_ms, holds.Scope.PLATFORM, platform, OURSELVES, Kind.PLATFORM_DOWN)
    trial = {"state": Stands.TRIAL, "released_ms": now_ms}
    connection.execute(sa.update(breakers).where(_B.platform == platform).values(**trial))
    held_back = sa.and_(_D.state == State.HELD, _D.error_kind == "")
    may_go = (_D.not_after_ms > now_ms, _D.ready, _D.approval == "")  # the others would waste a turn
    unsent = sa.and_(sa.or_(held_back, _D.state == State.SCHEDULED), *may_go)
    in_doubt = sa.and_(_D.state.in_((State.UNKNOWN, State.PROCESSING)), _D.holder.is_(None))
    past_due = (_D.platform == platform, _D.due_ms <= now_ms, ~covered(now_ms))
    gap_ms = int(settings.breaker_gap_s * 1000)
    posts, looks = (
        connection.execute(
            sa.select(_D.id).where(*past_due, which).order_by(_D.due_ms, _D.id).with_for_update()
        )
        .scalars()
        .all()
        for which in (unsent, in_doubt)
    )
    turns = {
        id_: now_ms + _turn_ms(number, gap_ms) for ids in (posts, looks) for number, id_ in enumerate(ids)
    }
    if not turns:
        return 0
    for start in range(0, len(posts), 5000):
        chunk = posts[start : start + 5000]
        move(connection, chunk, State.SCHEDULED, held_back, reason="", updated_ms=now_ms)
        anew = {"reason": "", "attempts": 0, "trouble_since_ms": None, "updated_ms": now_ms}
        connection.execute(sa.update(deliveries).where(_D.id.in_(chunk)).values(**anew))
    connection.execute(
        sa.update(deliveries).where(_D.id == sa.bindparam("b_id")).values(fire_ms=sa.bindparam("b_at")),
        [{"b_id": id_, "b_at": at_ms} for id_, at_ms in turns.items()],
    )
    back = f"{PLATFORM_WORDS[platform]} answers again; it goes out in its turn, at "
    tell_story(connection, now_ms, ((id_, back + iso(turns[id_])) for id_ in posts))
    changed(connection, now_ms, posts)
    return len(posts)


def _turn_ms(number: int, gap_ms: int) -> int:
    """How long after the release."""
    later = 0 if number < TRIAL_POSTS else max(0, TRIAL_MS - TRIAL_POSTS * gap_ms)
    return later + number * gap_ms
