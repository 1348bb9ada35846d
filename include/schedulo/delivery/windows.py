"""Maintenance: windows in which nothing goes out, planned ahead, changed, called off.

A window stops posts by holds with a beginning and an end, one for each of its targets, so that the fence
refuses inside it whatever else happens, also where no tick runs. Whoever releases such a hold ends the
window. What becomes of the posts inside is decided in `moved`, and who is told in `announcing`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from schedulo.clock import spoken
from schedulo.delivery.holds import HoldError, Scope, parse
from schedulo.ledger.maintenance import windows
from schedulo.ledger.tables import deliveries, holds
from schedulo.words import shown

_D, _H, _W = deliveries.c, holds.c, windows.c
LONGEST_MS = 31 * 86_400_000
"""A window is no longer than a month: then it is an end, not maintenance."""
REASON_CHARS = 200


class Fate(StrEnum):
    """What becomes of a post that is due inside a window."""

    MOVE = "move"
    """It goes out after the end."""
    HOLD = "hold"
    """It waits until a person asks for it again."""


class WindowError(ValueError):
    """A window that cannot be; the message names field, value and rule."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A window as people plan it."""

    targets: tuple[str, ...]
    """`everything`, `platform:x`, `account:x:123`."""
    from_ms: int
    until_ms: int
    posts: Fate
    reason: str


@dataclass(frozen=True, slots=True)
class Window:
    """One row, as it was when it was read."""

    id: str
    record_id: str | None
    targets: tuple[str, ...]
    from_ms: int
    until_ms: int
    posts: Fate
    reason: str
    author: str
    version: int
    ended_ms: int | None
    ended_by: str
    told_hours: float | None
    told_about: str
    closed_ms: int | None

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.targets, self.from_ms, self.until_ms, self.posts, self.reason)

    @property
    def where(self) -> str:
        return ", ".join(self.targets)

    @property
    def called_off(self) -> bool:
        return self.ended_ms is not None

    def over(self, now_ms: int) -> bool:
        return self.called_off or self.until_ms <= now_ms

    def about(self, platform: str, account_key: str) -> bool:
        names = ("everything", f"platform:{platform}", f"account:{account_key}")
        return any(name in self.targets for name in names)

    def stops(self, at_ms: int) -> bool:
        """Whether nothing goes out at this instant."""
        return not self.called_off and self.from_ms <= at_ms < self.until_ms

    def named(self, now_ms: int) -> str:
        """As sentences name it: `maintenance of platform:x from ... until ... (new database)`."""
        span = f"from {spoken(self.from_ms, now_ms)} until {spoken(self.until_ms, now_ms)}"
        return f"maintenance of {self.where} {span} ({self.reason})"


def check(connection: sa.Connection, now_ms: int, wanted: Wanted) -> None:
    """Refuse what is no window. Raises `WindowError`."""
    if not wanted.targets:
        raise WindowError("where: it is empty; name everything, platforms or accounts.")
    for target in wanted.targets:
        try:
            scope, _ = parse(connection, target)
        except HoldError as error:
            raise WindowError(f"where: {error}") from None
        if scope is Scope.POST:
            raise WindowError(f"where ({target}): it must be everything, platforms or accounts.")
    if wanted.until_ms <= wanted.from_ms:
        raise WindowError("until: it must be later than from.")
    if wanted.until_ms <= now_ms:
        raise WindowError("until: it is past already.")
    if wanted.until_ms - wanted.from_ms > LONGEST_MS:
        raise WindowError("until: a window lasts 31 days at the most; hold what is to stand still longer.")
    if not wanted.reason.strip():
        raise WindowError("reason: it is empty; say why, for people who ask why nothing goes out.")


def plan(
    connection: sa.Connection, now_ms: int, wanted: Wanted, author: str, record_id: str | None = None
) -> Window:
    """Plan a window. Raises `WindowError`."""
    check(connection, now_ms, wanted)
    row = {"id": secrets.token_hex(6), "record_id": record_id, "author": author, "planned_ms": now_ms}
    connection.execute(sa.insert(windows).values(**row, **_columns(wanted)))
    window = window_of(connection, str(row["id"]))
    _hold(connection, window)
    return window


def change(connection: sa.Connection, now_ms: int, window: Window, wanted: Wanted, author: str) -> Window:
    """Give a window other values. Raises `WindowError`: also for one that is over."""
    if wanted == window.wanted:
        return window
    if window.over(now_ms):
        raise WindowError(f"window ({window.id}): it is over; plan another one.")
    check(connection, now_ms, wanted)
    if window.from_ms <= now_ms and wanted.from_ms > now_ms:
        raise WindowError("from: it has begun; call it off and plan another one.")
    values = {"version": _W.version + 1, "told_hours": None, "author": author}
    connection.execute(sa.update(windows).where(_W.id == window.id).values(**_columns(wanted), **values))
    connection.execute(sa.delete(holds).where(_H.window_id == window.id))
    changed = window_of(connection, window.id)
    _hold(connection, changed)
    return changed


def call_off(connection: sa.Connection, now_ms: int, window: Window, author: str) -> Window:
    """End a window now. Raises `WindowError`: for one that is over."""
    if window.over(now_ms):
        raise WindowError(f"window ({window.id}): it is over already.")
    _end(connection, window.id, now_ms, author)
    lifted = sa.update(holds).where(_H.window_id == window.id, _H.lifted_ms.is_(None))
    connection.execute(lifted.values(lifted_ms=now_ms, lifted_by=author))
    return window_of(connection, window.id)


def heed_releases(connection: sa.Connection, now_ms: int) -> None:
    """Who releases the hold of a window ends the window, with all its targets."""
    released = (
        sa.select(_H.window_id, sa.func.max(_H.lifted_by).label("by"))
        .join(windows, _W.id == _H.window_id)
        .where(_H.lifted_ms.is_not(None), _W.ended_ms.is_(None), _W.until_ms > now_ms)
        .group_by(_H.window_id)
    )
    for row in connection.execute(released).all():
        call_off(connection, now_ms, window_of(connection, row.window_id), row.by)


def window_of(connection: sa.Connection, window_id: str) -> Window:
    [found] = _windows(connection, _W.id == window_id)
    return found


def windows_of(connection: sa.Connection, ids: Iterable[str]) -> list[Window]:
    return _windows(connection, _W.id.in_(list(ids)))


def unclosed(connection: sa.Connection) -> list[Window]:
    """All windows of which something is still to be done or told, by when they begin."""
    return _windows(connection, _W.closed_ms.is_(None))


def live(connection: sa.Connection, now_ms: int) -> list[Window]:
    """Those that stop something, or will."""
    return [window for window in unclosed(connection) if not window.over(now_ms)]


def past(connection: sa.Connection, now_ms: int, within_ms: int) -> list[Window]:
    """Those that came to their own end not longer ago than that."""
    ended = _W.until_ms.between(now_ms - within_ms, now_ms)
    return _windows(connection, _W.ended_ms.is_(None), ended)


def from_airtable(connection: sa.Connection) -> list[Window]:
    """All that came from rows of Airtable."""
    return _windows(connection, _W.record_id.is_not(None))


def _windows(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> list[Window]:
    rows = connection.execute(sa.select(windows).where(*which).order_by(_W.from_ms, _W.id))
    return [_window(row) for row in rows]


def _window(row: Any) -> Window:
    return Window(
        row.id,
        row.record_id,
        tuple(row.targets),
        row.from_ms,
        row.until_ms,
        Fate(row.posts),
        row.reason,
        row.author,
        row.version,
        row.ended_ms,
        row.ended_by,
        row.told_hours,
        row.told_about,
        row.closed_ms,
    )


def _columns(wanted: Wanted) -> dict[str, Any]:
    return {
        "targets": list(wanted.targets),
        "from_ms": wanted.from_ms,
        "until_ms": wanted.until_ms,
        "posts": wanted.posts,
        "reason": kept_reason(wanted.reason),
    }


def kept_reason(reason: str) -> str:
    """A reason as it is kept: on one line, and not too long for sentences."""
    return shown(reason, REASON_CHARS)


def _hold(connection: sa.Connection, window: Window) -> None:
    for target in window.targets:
        scope, key = parse(connection, target)
        row = {"id": secrets.token_hex(8), "scope": scope, "key": key, "window_id": window.id}
        span = {"from_ms": window.from_ms, "until_ms": window.until_ms}
        words = {"reason": window.reason, "author": window.author, "error_kind": ""}
        connection.execute(sa.insert(holds).values(**row, **span, **words))


def _end(connection: sa.Connection, window_id: str, now_ms: int, author: str) -> None:
    connection.execute(sa.update(windows).where(_W.id == window_id).values(ended_ms=now_ms, ended_by=author))


def covered(found: Sequence[Window], now_ms: int) -> sa.ColumnElement[bool]:
    """SQL: the delivery is stopped by one of these windows, or will be."""
    return sa.or_(sa.false(), *(_covers(window, now_ms) for window in found))


def _covers(window: Window, now_ms: int) -> sa.ColumnElement[bool]:
    platforms = [name.partition(":")[2] for name in window.targets if name.startswith("platform:")]
    keys = [name.partition(":")[2] for name in window.targets if name.startswith("account:")]
    about = sa.or_(
        sa.true() if "everything" in window.targets else sa.false(),
        _D.platform.in_(platforms),
        _D.account_key.in_(keys),
    )
    begun = () if window.from_ms <= now_ms else (_D.fire_ms >= window.from_ms,)
    return sa.and_(about, _D.fire_ms < window.until_ms, *begun)
