"""What a platform refused to tell of an account: it is left out, and tried again once a day.

A retired metric fails whole calls on some platforms. It costs one more call a day to see whether it is back,
not one for each post.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from schedulo.analytics.posts import Post, at
from schedulo.clock import to_ms
from schedulo.ledger.database import upsert
from schedulo.ledger.warehouse import warehouse_of
from schedulo.measures import Availability, Reading
from schedulo.model import Format

REMEMBERED = (Availability.RETIRED, Availability.NO_PERMISSION)
TRY_AGAIN_MS = 20 * 3_600_000
"""Less than a day, so that each day's collecting tries."""

Where = tuple[Format | None, str]
"""Format (None: of the account) and metric."""


def _place(where: Where) -> tuple[str, str]:
    """All write in one order: two that hold each other's rows would wait for ever."""
    return (where[0] or "", where[1])


@dataclass(slots=True)
class Memory:
    """What is known of one account while it is read; `refused` grows while it is."""

    account_key: str
    refused: dict[Where, Reading] = field(default_factory=dict)
    """For the flows: not to be asked for."""
    stale: set[Where] = field(default_factory=set)
    """Refused long ago: asked for once more."""
    _suspected: defaultdict[Where, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Posts that were refused it."""
    _learned: dict[Where, Reading] = field(default_factory=dict)
    _told: set[Where] = field(default_factory=set)

    @classmethod
    def load(cls, connection: sa.Connection, account_key: str, now_ms: int) -> Memory:
        memory = cls(account_key)
        table = warehouse_of(connection).refusals
        for row in connection.execute(sa.select(table).where(table.c.account_key == account_key)):
            where = (Format(row.format) if row.format else None, row.metric)
            if to_ms(row.asked_at) > now_ms - TRY_AGAIN_MS:
                memory.refused[where] = Reading(row.metric, None, Availability(row.availability), row.reason)
            else:
                memory.stale.add(where)
        return memory

    def probes(self, posts: Iterable[Post]) -> list[Post]:
        """One post of each format of which something is tried again: what it is told saves the others a
        call."""
        formats = {format_ for format_, _ in self.stale}
        first = {post.format: post for post in posts if post.format in formats}
        return list(first.values())

    def learn_of_posts(self, posts: Sequence[Post], told: Mapping[str, Sequence[Reading]]) -> None:
        """A metric counts as refused for a format where no post of it told it, and two that told something
        else were refused it; one is enough where it was refused before. A post that tells nothing at all
        says nothing of others."""
        for post in posts:
            readings = told[post.key]
            if any(one.value is not None for one in readings):
                self._learn(post.format, post.key, readings)

    def learn_of_account(self, readings: Sequence[Reading]) -> None:
        self._learn(None, self.account_key, readings)

    def _learn(self, format_: Format | None, key: str, readings: Sequence[Reading]) -> None:
        for one in readings:
            where = (format_, one.metric)
            if one.value is not None:
                self._told.add(where)
                if self._learned.pop(where, None):
                    del self.refused[where]
            elif one.availability in REMEMBERED and where not in self._told and where not in self.refused:
                self._suspected[where].add(key)
                if format_ is None or where in self.stale or len(self._suspected[where]) > 1:
                    self.refused[where] = one
                    self._learned[where] = one

    @property
    def has_news(self) -> bool:
        """There is something to keep."""
        return bool(self._learned or self._told & self.stale)

    def keep(self, connection: sa.Connection, now_ms: int) -> list[Reading]:
        """Keep what was learned; answers what is refused for the first time."""
        table = warehouse_of(connection).refusals
        t = table.c
        mine = t.account_key == self.account_key
        for format_, metric in sorted(self._told & self.stale, key=_place):
            told = sa.and_(mine, t.format == (format_ or ""), t.metric == metric)
            connection.execute(sa.delete(table).where(told))
        rows = [
            {
                "account_key": self.account_key,
                "format": format_.value if format_ else "",
                "metric": str(metric),
                "availability": reading.availability.value,
                "reason": reading.reason,
                "since": at(now_ms),
                "asked_at": at(now_ms),
            }
            for (format_, metric), reading in sorted(self._learned.items(), key=lambda item: _place(item[0]))
        ]
        if rows:
            statement = upsert(connection, table)
            new = {name: statement.excluded[name] for name in ("availability", "reason", "asked_at")}
            keys = ["account_key", "format", "metric"]
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new), rows)
        first = [reading for where, reading in self._learned.items() if where not in self.stale]
        self._learned.clear()
        return first
