"""What accounts have used of their platforms' limits, and when one more post fits.

Used is counted from what was sent; reserved is what is claimed, or waits for an instant that was found here.
So nothing is booked that could be forgotten: a post that is given up no longer counts. A claim locks the
accounts that it is about, and our app where it has limits as a whole, so two ticks never give away the same
place. The fence asks none of this: it lets
go a thousand posts in one statement, and each of them was claimed.

What others post on an account shows in what its platform says was used. A claim waits for that only where all
is used until an instant that was told; else the conversation asks before it sends.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from schedulo.clock import spoken
from schedulo.delivery.news import changed
from schedulo.delivery.rows import tell_story
from schedulo.delivery.spending import Budget
from schedulo.ledger.database import upsert
from schedulo.ledger.quotas import quotas
from schedulo.ledger.tables import accounts, deliveries, marks
from schedulo.limits import LIMITS, NAMES, Limit, span
from schedulo.model import Platform, State
from schedulo.platforms.told import USAGE
from schedulo.settings import Settings

_D, _Q = deliveries.c, quotas.c
MARGIN_MS = 2000
"""Windows are taken so much longer: a platform may have counted a post a little later than we did."""
TRUST_MS = 7 * 86_400_000
"""A number that a platform told counts for so long."""
HEAVIEST = 30
"""No post has more parts: a thread of 25, and a comment."""
SENT = (
    State.SENDING,
    State.UNKNOWN,
    State.UNRESOLVED,
    State.PROCESSING,
    State.PUBLISHED,
    State.PUBLISHED_INCOMPLETE,
    State.WAITING_IN_APP,
    State.TAKEN_DOWN,
    State.REMOVED,
)
RESERVED = (State.CLAIMED, State.ARMED, State.REFUSED)
OF_APPS = frozenset({Platform.X.value, *(limit.platform.value for limit in LIMITS if limit.by_app)})
"""Platforms on which something counts for all accounts together: our app's limits, the budget for X."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a platform told of one limit."""

    key: str
    """The account's key, or the platform where it is our app's."""
    name: str
    most: int | None
    used: int | None
    resets_ms: int | None = None
    said_ms: int = 0

    def spent(self, at_ms: int) -> bool:
        """All is used, and not free again at this instant."""
        full = self.most is not None and self.used is not None and self.used >= self.most
        return full and self.resets_ms is not None and self.resets_ms > at_ms


def hear(connection: sa.Connection, now_ms: int, told: Sequence[Said]) -> None:
    """Keep what platforms told; what was told before is replaced."""
    rows = [
        {
            "key": item.key,
            "name": item.name,
            "most": item.most,
            "used": item.used,
            "resets_ms": item.resets_ms,
            "said_ms": now_ms,
        }
        for item in told
    ]
    if rows:
        statement = upsert(connection, quotas)
        fresh = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key", "name"],
                set_={name: fresh[name] for name in ("most", "used", "resets_ms", "said_ms")},
            ),
            rows,
        )


def said(connection: sa.Connection, now_ms: int, keys: Collection[str]) -> dict[tuple[str, str], Said]:
    """What was told of these accounts and apps, by key and name, and still counts."""
    query = sa.select(quotas).where(_Q.key.in_(list(keys)), _Q.said_ms > now_ms - TRUST_MS)
    return {
        (row.key, row.name): Said(row.key, row.name, row.most, row.used, row.resets_ms, row.said_ms)
        for row in connection.execute(query)
    }


def bound(limit: Limit, told: Said | None, chosen: Mapping[str, int]) -> tuple[int, str]:
    """How much counts, 0 for no limit, and who says so. Of the platform's number and one that was set the
    smaller counts; its pages count only where it tells no number."""
    set_ = chosen.get(limit.full_name)
    if set_ == 0:
        return 0, "set"
    number = told.most if told is not None else None
    if number is not None and (number <= 0 or (limit.ceiling and number > limit.ceiling)):
        number = None
    if set_ is not None and (number is None or set_ <= number):
        return set_, "set"
    return (number, "told") if number is not None else (limit.most, "pages")


class Window:
    """A limit of one account or app: what of it is used when."""

    def __init__(self, limit: Limit, most: int) -> None:
        self.limit, self.most = limit, most
        self._length_ms = limit.window_s * 1000 + MARGIN_MS
        self._at: list[int] = []
        self._of: dict[str, list[int]] = {}

    def add(self, at_ms: int, weight: int, account_key: str) -> None:
        if not self.limit.accounts:
            for _ in range(weight):
                insort(self._at, at_ms)
        elif weight:
            insort(self._of.setdefault(account_key, []), at_ms)

    def used(self, at_ms: int) -> int:
        """Within the window that ends at this instant."""
        since = at_ms - self._length_ms
        if self.limit.accounts:
            return sum(bisect_right(at, at_ms) > bisect_right(at, since) for at in self._of.values())
        return bisect_right(self._at, at_ms) - bisect_right(self._at, since)

    def earliest(self, at_ms: int, weight: int, account_key: str) -> int:
        """The first instant from `at_ms` on at which so much more fits every window that holds it."""
        if not weight or not self.most:
            return at_ms
        if self.limit.accounts:
            return self._earliest_account(at_ms, account_key)
        if weight > self.most:
            return at_ms  # it never fits: the platform says so itself
        length = self._length_ms
        while True:
            over = self.used(at_ms) + weight - self.most
            if over > 0:
                first = bisect_right(self._at, at_ms - length)
                at_ms = self._at[first + over - 1] + length
                continue
            later = bisect_right(self._at, at_ms)
            ends = self._at[later : bisect_right(self._at, at_ms + length - 1)]
            full = next((end for end in ends if self.used(end) + weight > self.most), None)
            if full is None:
                return at_ms
            at_ms = full

    def _earliest_account(self, at_ms: int, account_key: str) -> int:
        """Of limits on accounts: at once for one that counts already."""
        length, mine = self._length_ms, self._of.get(account_key, [])
        while bisect_right(mine, at_ms) == bisect_right(mine, at_ms - length):
            last = [at[-1] for at in self._of.values() if at_ms - length < at[-1]]
            if len(last) < self.most:
                break
            at_ms = sorted(last)[len(last) - self.most] + length
        return at_ms


@dataclass(frozen=True, slots=True)
class Full:
    """Why a post waits."""

    limit: str
    """Its full name, or `x.budget`."""
    words: str


@dataclass(slots=True)
class Usage:
    """What is used and reserved of the limits of some accounts and their apps."""

    windows: dict[str, list[Window]] = field(default_factory=dict)
    """By account key or platform."""
    told: Mapping[tuple[str, str], Said] = field(default_factory=dict)
    budget: Budget | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """What people call the accounts, by key."""

    def of(self, account_key: str) -> list[tuple[str, Window]]:
        """The windows that an account's posts must fit, with whose they are."""
        platform = account_key.partition(":")[0]
        return [(key, window) for key in (account_key, platform) for window in self.windows.get(key, ())]

    def add(self, account_key: str, content: Mapping[str, Any], at_ms: int) -> None:
        for _, window in self.of(account_key):
            window.add(at_ms, window.limit.weigh(content), account_key)

    def count_others(self, now_ms: int) -> None:
        """Take in what platforms say was used beyond what we know of: by people, or by other programs. When
        that was is not told: it is taken to be as late as it can be."""
        for key, windows in self.windows.items():
            for window in windows:
                told = self.told.get((key, window.limit.name))
                if told is None or told.used is None or window.limit.accounts:
                    continue
                if told.said_ms > now_ms - window.limit.window_s * 1000:
                    others = told.used - window.used(told.said_ms)
                    window.add(told.said_ms, max(0, others), key)

    def place(self, account_key: str, content: Mapping[str, Any], at_ms: int) -> tuple[int, Full | None]:
        """When a post wished for `at_ms` may go out, and what it waits for. From now on it is counted."""
        wished_ms, why = at_ms, None
        settled = False
        while not settled:
            before_ms = at_ms
            for key, window in self.of(account_key):
                fits_ms = window.earliest(at_ms, window.limit.weigh(content), account_key)
                if (told := self.told.get((key, window.limit.name))) and told.spent(fits_ms):
                    fits_ms = max(fits_ms, (told.resets_ms or 0) + MARGIN_MS)
                if fits_ms > at_ms:
                    why = self._full(key, window, at_ms)
                    at_ms = fits_ms
            for key in (account_key, account_key.partition(":")[0]):
                if (told := self.told.get((key, USAGE))) and told.spent(at_ms):
                    at_ms = (told.resets_ms or 0) + MARGIN_MS
                    why = Full(f"{key}.{USAGE}", self._used_up(key))
            settled = at_ms == before_ms
        if self.budget is not None:
            at_ms, full = self.budget.place(account_key, content, at_ms)
            why = Full("x.budget", full) if full else why
        self.add(account_key, content, at_ms)
        return at_ms, why if at_ms > wished_ms else None

    def _used_up(self, key: str) -> str:
        """Meta's limits on calls, which it tells in percent."""
        who = f"@{self.names[key]}" if key in self.names else "our app"
        return f"Meta takes no calls for {who} until then"

    def _full(self, key: str, window: Window, at_ms: int) -> Full:
        limit, used = window.limit, window.used(at_ms)
        told = self.told.get((key, limit.name))
        if told is not None and told.spent(at_ms):
            used = max(used, told.used or 0)
        who = "our app" if limit.by_app else f"@{self.names.get(key, key)}"
        words = (
            f"{who} has used {min(used, window.most)} of {window.most} {limit.what} of "
            f"{NAMES[limit.platform]} within {span(limit.window_s)}"
        )
        return Full(limit.full_name, words)


def usage(
    connection: sa.Connection,
    now_ms: int,
    keys: Collection[str],
    settings: Settings,
    *,
    but: Collection[str] = (),
    reserved: bool = True,
    whole: bool = False,
) -> Usage:
    """What these accounts and their apps have used, without the deliveries `but`.

    :param reserved: whether what is claimed or waits counts as well
    :param whole: count our app's limits also where they are far
    """
    platforms = {key.partition(":")[0] for key in keys}
    told = said(connection, now_ms, {*keys, *platforms})
    chosen = settings.chosen_quotas
    windows: dict[str, list[Window]] = {}
    for limit in LIMITS:
        if limit.platform not in platforms:
            continue
        mine = [key for key in keys if key.startswith(f"{limit.platform}:")]
        for key in [limit.platform.value] if limit.by_app else mine:
            most, _ = bound(limit, told.get((key, limit.name)), chosen)
            far = limit.by_app and not whole
            if most and not (far and _far_from(connection, now_ms, limit, most, len(but))):
                windows.setdefault(key, []).append(Window(limit, most))
    called = sa.select(accounts.c.key, accounts.c.name).where(accounts.c.key.in_(list(keys)))
    names = {row.key: row.name for row in connection.execute(called)}
    budget = Budget.load(connection, now_ms, settings) if "x" in platforms else None
    found = Usage(windows, told, budget, names)
    apps = {key for key in windows if key in platforms}
    if budget is not None:
        apps.add(Platform.X.value)
    whose = sa.or_(_D.account_key.in_(list(keys)), _D.platform.in_(list(apps)))
    longest_ms = max((w.limit.window_s for every in windows.values() for w in every), default=0) * 1000
    # What went out has its instant in `fire_ms` too, which an index knows; a look may have moved it on.
    sent = sa.and_(_D.state.in_(SENT), _D.fire_ms > now_ms - longest_ms - 600_000)
    waits = sa.and_(_D.state == State.SCHEDULED, _D.fire_ms > _D.due_ms, _D.fire_ms > now_ms)
    counted = sa.or_(sent, _D.state.in_(RESERVED), waits) if reserved else sent
    query = sa.select(
        _D.id, _D.account_key, _D.state, _D.content, _D.fire_ms, _D.accepted_ms, _D.sent_ms
    ).where(whose, counted)
    skipped = set(but)
    for row in connection.execute(query):
        if row.id in skipped:
            continue
        was_sent = State(row.state) in SENT
        at_ms = (row.accepted_ms or row.sent_ms or row.fire_ms) if was_sent else row.fire_ms
        if at_ms <= now_ms - longest_ms - MARGIN_MS:
            continue
        # An account that is not asked for has windows of its own that nobody looks at: its app's count.
        found.add(row.account_key, row.content, at_ms)
        if not was_sent and budget is not None and at_ms < budget.ends_ms:
            budget.reserve(row.account_key, row.content)
    return found


def _far_from(connection: sa.Connection, now_ms: int, limit: Limit, most: int, coming: int) -> bool:
    """Whether so little went out by our app, and comes, that nothing needs to be counted: its posts may be
    thousands."""
    since_ms = now_ms - limit.window_s * 1000
    busy = sa.or_(sa.and_(_D.state.in_(SENT), _D.fire_ms > since_ms), _D.state.in_(RESERVED))
    query = sa.select(sa.func.count()).where(_D.platform == limit.platform, busy)
    if limit.accounts:
        return False
    return (int(connection.execute(query).scalar_one()) + coming) * HEAVIEST < most


def lock(connection: sa.Connection, keys: Collection[str]) -> None:
    """Nobody else claims for these accounts until the transaction is over, nor for others of the same app
    where it has limits as a whole."""
    apps = sorted({key.partition(":")[0] for key in keys} & OF_APPS)
    if apps:
        rows = [{"name": f"app:{app}", "value": "", "at_ms": 0} for app in apps]
        connection.execute(upsert(connection, marks).on_conflict_do_nothing(), rows)
        names = sa.select(marks.c.name).where(marks.c.name.in_([row["name"] for row in rows]))
        connection.execute(names.order_by(marks.c.name).with_for_update())
    query = sa.select(accounts.c.key).where(accounts.c.key.in_(sorted(set(keys))))
    connection.execute(query.order_by(accounts.c.key).with_for_update())


def make_room(
    connection: sa.Connection, now_ms: int, wanted: Sequence[Any], horizon_ms: int, settings: Settings
) -> dict[str, int]:
    """When each of these deliveries may go out. Those that must wait beyond the horizon are given that
    instant and its reason in the ledger, and are not in the answer.

    :param wanted: rows with id, account_key, content, fire_ms and not_after_ms, in the order in which they go
    """
    keys = {row.account_key for row in wanted}
    lock(connection, keys)
    found = usage(connection, now_ms, keys, settings, but=[row.id for row in wanted])
    fits: dict[str, int] = {}
    waiting: dict[str, str] = {}
    soon: dict[str, str] = {}
    later: list[dict[str, Any]] = []
    for row in wanted:
        at_ms, full = found.place(row.account_key, row.content, max(row.fire_ms, now_ms))
        if full is None:
            fits[row.id] = row.fire_ms
        elif at_ms <= horizon_ms:
            fits[row.id] = at_ms
            soon[row.id] = f"goes out at {spoken(at_ms, now_ms)}: {full.words}"
        else:
            late = at_ms >= row.not_after_ms
            then = (
                ". That is too late for it: it becomes missed, unless it is planned for then" if late else ""
            )
            waiting[row.id] = f"waits until {spoken(at_ms, now_ms)}: {full.words}{then}"
            later.append({"b_id": row.id, "b_at": at_ms, "b_reason": waiting[row.id]})
    if later:
        connection.execute(
            sa.update(deliveries)
            .where(_D.id == sa.bindparam("b_id"), _D.state == State.SCHEDULED)
            .values(fire_ms=sa.bindparam("b_at"), reason=sa.bindparam("b_reason"), updated_ms=now_ms),
            later,
        )
    tell_story(connection, now_ms, [*waiting.items(), *soon.items()])
    changed(connection, now_ms, waiting)
    return fits


def room_in_s(connection: sa.Connection, now_ms: int, account_key: str, window_s: int) -> float | None:
    """Seconds until the oldest of our posts leaves the window that ends now; None where none is in it."""
    since_ms = now_ms - window_s * 1000
    at = sa.func.coalesce(_D.accepted_ms, _D.sent_ms)
    query = sa.select(sa.func.min(at)).where(
        _D.account_key == account_key, _D.state.in_(SENT), _D.fire_ms > since_ms, at > since_ms
    )
    oldest_ms = connection.execute(query).scalar()
    return None if oldest_ms is None else (oldest_ms + window_s * 1000 + MARGIN_MS - now_ms) / 1000
