"""Maintenance planned by form or REST: a window is planned, changed or called off, and who asks is told what
that means for each post.

What a window is and what becomes of posts inside is `delivery.windows`' and `delivery.moved`'s; rows of
Airtable are read in `maintenance_rows`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.clock import ClockError, iso, parse_instant
from schedulo.clock import now_ms as local_ms
from schedulo.delivery import moved, windows
from schedulo.delivery.moved import Decision
from schedulo.delivery.stops import LISTED
from schedulo.delivery.windows import Fate, Wanted, Window, WindowError
from schedulo.ledger.database import Ledger
from schedulo.ledger.maintenance import window_posts
from schedulo.ledger.tables import deliveries
from schedulo.model import State
from schedulo.planning import wishes
from schedulo.planning.wishes import WishError
from schedulo.settings import Settings

_D, _P = deliveries.c, window_posts.c
FIELDS = ("action", "window", "from", "until", "where", "posts", "reason", "dry_run")
FLIGHT = (State.CLAIMED, State.ARMED, State.REFUSED)


class Action(StrEnum):
    PLAN = "plan"
    CHANGE = "change"
    CALL_OFF = "call_off"


@dataclass(frozen=True, slots=True)
class Maintain:
    """What somebody asks for. What is not given stays as it is; a window that is planned needs its times."""

    action: Action
    window: str = ""
    """Which one; may be left out where there is only one."""
    from_ms: int | None = None
    until_ms: int | None = None
    where: tuple[str, ...] = ()
    posts: Fate | None = None
    reason: str = ""
    dry_run: bool = False

    @classmethod
    def read(cls, conf: Mapping[str, Any]) -> Maintain:
        """Read a request. Raises `WishError`."""
        wishes.only(conf, FIELDS)
        action = wishes.words("action", conf.get("action") or Action.PLAN.value, list(Action))
        posts = wishes.words("posts", conf.get("posts") or None, list(Fate))
        read = cls(
            Action(action[0]),
            wishes.text("window", conf.get("window")),
            _instant("from", conf.get("from")),
            _instant("until", conf.get("until")),
            _targets(conf.get("where")),
            Fate(posts[0]) if posts else None,
            wishes.text("reason", conf.get("reason")),
            wishes.flag("dry_run", conf.get("dry_run", False)),
        )
        if read.action is Action.PLAN and read.window:
            raise WishError("window: one that is planned has no id yet. Whoever calls leaves it out.")
        if read.action is Action.PLAN and (read.from_ms is None or read.until_ms is None):
            raise WishError("from, until: both must be given to plan maintenance. Whoever calls adds them.")
        return read


def _instant(name: str, value: Any) -> int | None:
    text = wishes.text(name, value)
    if not text:
        return None
    try:
        return parse_instant(text)
    except ClockError:
        raise WishError(
            f"{name} ({text!r}): it must be an instant with its zone, such as 2026-12-24T17:00:00Z. "
            "Whoever calls corrects it."
        ) from None


def _targets(value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list | tuple) else [value]
    named = (wishes.text("where", item) for item in found)
    return tuple(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True, slots=True)
class Concerned:
    """One post that a window stops, or stopped."""

    delivery_id: str
    label: str
    due_ms: int
    sentence: str
    """What becomes of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    window_id: str
    sentence: str
    count: int
    """Posts concerned."""
    posts: tuple[Concerned, ...]
    """The first of them, at most `LISTED`, by the order in which they are due."""


def maintain(ledger: Ledger, wished: Maintain, by: str, settings: Settings) -> Answer:
    """Plan, change or call off, or only say what would come of it. Asked twice for the same, it is done once.

    :raises WishError: for a window that cannot be, or that nobody knows
    """
    grace_ms = int(settings.missed_after_s * 1000)
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        try:
            window, before, deed = _do(connection, now_ms, wished, by)
        except WindowError as error:
            raise WishError(f"{error} Nothing was done; whoever calls corrects it.") from None
        if wished.dry_run:
            # Only decided, not written: who sends would wait for all of it.
            decisions = moved.decide(connection, now_ms, grace_ms, windows.live(connection, now_ms))
            answer = _answer(connection, now_ms, window, before, deed, decisions)
            connection.rollback()
            sentence = f"Dry run, nothing was done. {answer.sentence}"
            if wished.action is Action.PLAN:  # its id was one for this time only
                return replace(answer, window_id="", sentence=sentence.replace(f" {window.id}", "", 1))
            return replace(answer, sentence=sentence)
    more = True
    while more:  # each part in a transaction of its own: who sends waits for none of them for long
        with ledger.begin() as connection:
            more = bool(moved.settle(connection, ledger.now_ms(connection), grace_ms))
    with ledger.read() as connection:
        return _answer(connection, now_ms, window, before, deed)


def _do(
    connection: sa.Connection, now_ms: int, wished: Maintain, by: str
) -> tuple[Window, frozenset[str], str]:
    """The window, the deliveries that it stopped before, and what was done, for people."""
    windows.heed_releases(connection, now_ms)
    if wished.action is Action.PLAN:
        wanted = _new(wished)
        for known in windows.live(connection, now_ms):
            if known.wanted == wanted:
                return known, frozenset(), "Planned already"
        return windows.plan(connection, now_ms, wanted, by), frozenset(), "Planned"
    window = _named(connection, now_ms, wished.window)
    before = frozenset(
        connection.execute(sa.select(_P.delivery_id).where(_P.window_id == window.id)).scalars()
    )
    if wished.action is Action.CALL_OFF:
        return windows.call_off(connection, now_ms, window, by), before, "Called off"
    now = window.wanted
    wanted = Wanted(
        wished.where or now.targets,
        now.from_ms if wished.from_ms is None else wished.from_ms,
        now.until_ms if wished.until_ms is None else wished.until_ms,
        wished.posts or now.posts,
        wished.reason or now.reason,
    )
    return windows.change(connection, now_ms, window, wanted, by), before, "Changed"


def refuse(connection: sa.Connection, wished: Maintain) -> None:
    """Refuse names and times that cannot be, and do nothing. What is over by now may have been asked for once
    already: that is the run's to say. Raises `WishError`."""
    now_ms = local_ms()
    if wished.action is not Action.PLAN:
        if wished.window and not windows.windows_of(connection, [wished.window]):
            _named(connection, now_ms, wished.window)
        return
    try:
        windows.check(connection, now_ms, _new(wished))
    except WindowError as error:
        raise WishError(f"{error} Nothing was done; whoever calls corrects it.") from None


def _new(wished: Maintain) -> Wanted:
    """The window that is to be planned."""
    assert wished.from_ms is not None
    assert wished.until_ms is not None
    where, posts = wished.where or ("everything",), wished.posts or Fate.MOVE
    return Wanted(where, wished.from_ms, wished.until_ms, posts, windows.kept_reason(wished.reason))


def _named(connection: sa.Connection, now_ms: int, window_id: str) -> Window:
    """The window that is meant. Raises `WishError`, which names all that there are."""
    there = windows.live(connection, now_ms)
    found = [window for window in there if window_id in ("", window.id)]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(f"{window.id}: {window.named(now_ms)}" for window in there) or "none"
    raise WishError(
        f"window ({window_id!r}): it must be the id of maintenance that is planned or goes on. There is: "
        f"{listed}. Nothing was done; whoever calls corrects it."
    )


def _answer(
    connection: sa.Connection,
    now_ms: int,
    window: Window,
    before: Iterable[str],
    deed: str,
    decisions: Iterable[Decision] = (),
) -> Answer:
    """What the deed means, with the posts that the window stops now or stopped before.

    :param decisions: of a dry run, which has not written them
    """
    fates = {
        row.delivery_id: row
        for row in connection.execute(sa.select(window_posts).where(_P.window_id == window.id))
    }
    decided = {item.row.id: item for item in decisions}
    ids = {*fates, *before, *(id_ for id_, item in decided.items() if item.window == window)}
    waiting = _D.state.in_(FLIGHT)
    stopped = sa.and_(waiting, windows.covered([] if window.over(now_ms) else [window], now_ms))
    query = sa.select(_D.id, _D.label, _D.due_ms, _D.fire_ms, _D.state, _D.reason)
    rows = connection.execute(query.where(sa.or_(_D.id.in_(ids), stopped)).order_by(_D.due_ms, _D.id)).all()
    posts = tuple(
        Concerned(
            row.id,
            row.label,
            row.due_ms,
            _would_become(decided[row.id], now_ms)
            if row.id in decided
            else _becomes(window, row, fates.get(row.id), now_ms),
        )
        for row in rows[:LISTED]
    )
    from_ms, until_ms = iso(window.from_ms), iso(window.until_ms)
    sentence = f"{deed}: maintenance {window.id} of {window.where} from {from_ms} until {until_ms}"
    sentence += f" ({window.reason}). {len(rows)} post{'' if len(rows) == 1 else 's'} concerned."
    return Answer(window.id, sentence, len(rows), posts)


def _would_become(item: Decision, now_ms: int) -> str:
    return moved.words(item, now_ms) if item.window is not None else _goes_out(item.fire_ms, now_ms)


def _goes_out(fire_ms: int, now_ms: int) -> str:
    return f"goes out at {iso(fire_ms)}" if fire_ms > now_ms else "goes out with the next run"


def _becomes(window: Window, row: Any, fate: Any, now_ms: int) -> str:
    if fate is not None and fate.fate == Fate.HOLD:
        return str(row.reason)
    if fate is not None:
        own = moved.Own(fate.due_ms, fate.fire_ms, fate.not_after_ms)
        return moved.sentence(window, fate.fate, own, now_ms)
    if row.state in FLIGHT and not window.over(now_ms):
        return "it waits for its second already; the maintenance stops it then, and it goes out after its end"
    if row.state in moved.UNSENT:
        return _goes_out(row.fire_ms, now_ms)
    return f"it is {row.state}"
