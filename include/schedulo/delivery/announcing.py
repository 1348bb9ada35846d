"""Tells people of maintenance: some hours before it, once each, and when it is over and its posts are out.

Each telling before is an incident of its own, which takes the place of the one before it; the last of them is
closed when the window is, and its end says what became of the posts. A window that is changed is told anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from schedulo.delivery.incident_ends import AT_WORK
from schedulo.delivery.incidents import Trouble, incident, over, replaced
from schedulo.delivery.moved import LET_GO, MISS
from schedulo.delivery.windows import Fate, Window, unclosed
from schedulo.errors.kinds import Actor
from schedulo.ledger.maintenance import window_posts, windows
from schedulo.ledger.tables import deliveries, posts
from schedulo.model import State

_D, _P, _W = deliveries.c, window_posts.c, windows.c
HOUR_MS = 3_600_000
_FATES = {
    Fate.MOVE: "moved to its end",
    LET_GO: "let go after its end",
    Fate.HOLD: "held until a person asks for them again",
    MISS: "missed, unless they get another time",
}


def announce(connection: sa.Connection, now_ms: int, hours: Sequence[float], grace_ms: int) -> None:
    """Open what is to be told of windows now, and close what is over. Run by every tick, after `settle`.

    :param hours: so long before a window people are told of it
    :param grace_ms: so long after its end posts that it moved are waited for
    """
    for window in unclosed(connection):
        if not window.over(now_ms):
            _before(connection, now_ms, window, hours)
        elif window.called_off:
            _called_off(connection, now_ms, window)
        elif now_ms >= window.until_ms + grace_ms or not _at_work(connection, window):
            _after(connection, now_ms, window)


def stage(window: Window, now_ms: int, hours: Sequence[float]) -> float | None:
    """The telling that is due; None: none yet."""
    return min((each for each in hours if window.from_ms - now_ms <= each * HOUR_MS), default=None)


def counted(connection: sa.Connection, window: Window) -> str:
    """How many posts are inside and what becomes of them, as a sentence."""
    query = sa.select(_P.fate).where(_P.window_id == window.id)
    found = Counter(connection.execute(query).scalars())
    if not found:
        return "No post is due inside"
    parts = [f"{found[fate]} {said}" for fate, said in _FATES.items() if found[fate]]
    posts_are = "1 post is" if found.total() == 1 else f"{found.total()} posts are"
    return f"{posts_are} due inside: {', '.join(parts)}"


def _before(connection: sa.Connection, now_ms: int, window: Window, hours: Sequence[float]) -> None:
    due = stage(window, now_ms, hours)
    if due is None or (window.told_hours is not None and window.told_hours <= due):
        return
    told = f"{window.id}:{window.version}:{due:g}h"
    if window.told_about:
        replaced(connection, now_ms, Trouble.MAINTENANCE, window.told_about)
    deed = "changed" if window.told_about and window.told_hours is None else "planned"
    sentence = (
        f"{_capital(window.named(now_ms))}, {deed} by {window.author}. Nothing goes out there meanwhile. "
        f"{counted(connection, window)}"
    )
    _tell(connection, now_ms, window, told, sentence)
    connection.execute(sa.update(windows).where(_W.id == window.id).values(told_hours=due, told_about=told))
    # Their authors may say in their rows what becomes of them, and no list of changes shows that.
    inside = sa.select(_D.post_id).join(window_posts, _P.delivery_id == _D.id)
    again = posts.c.record_id.in_(inside.where(_P.window_id == window.id))
    connection.execute(sa.update(posts).where(again).values(unfinished=True))


def _called_off(connection: sa.Connection, now_ms: int, window: Window) -> None:
    assert window.ended_ms is not None
    if window.told_about:
        begun = "was ended early" if window.from_ms <= window.ended_ms else "was called off"
        sentence = (
            f"{_capital(window.named(now_ms))} {begun} by {window.ended_by}. Its posts go out at their own "
            "times, those whose second is past at once"
        )
        _tell(connection, now_ms, window, window.told_about, sentence)
        over(connection, now_ms, Trouble.MAINTENANCE, window.told_about)
    _close(connection, now_ms, window)


def _after(connection: sa.Connection, now_ms: int, window: Window) -> None:
    told = window.told_about or f"{window.id}:{window.version}:0h"
    sentence = f"{_capital(window.named(now_ms))} is over"
    _tell(connection, now_ms, window, told, sentence)
    over(connection, now_ms, Trouble.MAINTENANCE, told)
    _close(connection, now_ms, window)


def _tell(connection: sa.Connection, now_ms: int, window: Window, about: str, sentence: str) -> None:
    query = sa.select(_P.delivery_id).where(_P.window_id == window.id)
    cases = connection.execute(query).scalars().all()
    actor = Actor.OWNER if cases else Actor.OPERATOR
    incident(connection, now_ms, Trouble.MAINTENANCE, sentence, actor=actor, about=about, cases=cases)


def _at_work(connection: sa.Connection, window: Window) -> bool:
    """Whether something that it moved has not come to its end yet."""
    going = sa.or_(
        _D.state.in_((State.SCHEDULED, *AT_WORK)), sa.and_(_D.state == State.HELD, _D.error_kind == "")
    )
    query = sa.select(_P.delivery_id).join(deliveries, _D.id == _P.delivery_id)
    return connection.execute(query.where(_P.window_id == window.id, going).limit(1)).first() is not None


def _close(connection: sa.Connection, now_ms: int, window: Window) -> None:
    connection.execute(sa.update(windows).where(_W.id == window.id).values(closed_ms=now_ms))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
