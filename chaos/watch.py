"""Looks at the ledger from outside while all runs: what is under way, open, at rest since when.

The database may be away at any time; a look that fails is made again.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from chaos.verdict import End, rests
from schedulo.model import State, WriteState

UNDER_WAY = frozenset({State.CLAIMED, State.ARMED, State.SENDING, State.UNKNOWN, State.REFUSED})


@dataclass(frozen=True, slots=True)
class OpenWrite:
    write_id: str
    delivery_id: str
    platform: str
    pid: int
    fire_ms: int


@dataclass(slots=True)
class Watch:
    """`url`: the ledger's."""

    url: str
    states: dict[str, State] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    due_ms: dict[str, int] = field(default_factory=dict)
    rested_at: dict[str, float] = field(default_factory=dict)
    """Delivery -> when it was first seen at rest for good."""
    troubled_at: dict[str, float] = field(default_factory=dict)
    """Delivery -> the first kill, freeze or outage while it was under way."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _local: threading.local = field(default_factory=threading.local)

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        thread = threading.Thread(target=self._work, name="watch", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(10)

    def _work(self) -> None:
        while not self._stop.wait(1.0):
            rows = self._ask("SELECT id, title, state, error_kind, due_ms FROM deliveries")
            now = time.time()
            for row in rows or ():
                state = State(row.state)
                self.states[row.id] = state
                self.titles[row.id] = row.title
                self.due_ms[row.id] = row.due_ms
                if rests(state, row.error_kind):
                    self.rested_at.setdefault(row.id, now)
                else:
                    self.rested_at.pop(row.id, None)

    def trouble(self) -> None:
        """Something breaks now: remember what is under way."""
        now = time.time()
        for id_, state in list(self.states.items()):
            if state in UNDER_WAY:
                self.troubled_at.setdefault(id_, now)

    def moving(self, bound_to_fail: Set[str]) -> int:
        """How many are not at rest. What is held will move, but for those that nothing can help."""
        return sum(
            id_ not in self.rested_at and not (state is State.HELD and self.titles[id_] in bound_to_fail)
            for id_, state in self.states.items()
        )

    def count(self) -> Counter[State]:
        return Counter(self.states.values())

    def longest_recovery_s(self) -> float:
        """From the trouble, or for a post that met only faults from its second, to the delivery's rest."""
        began = {id_: max(due / 1000, self.troubled_at.get(id_, 0)) for id_, due in self.due_ms.items()}
        return max((at - began[id_] for id_, at in self.rested_at.items() if id_ in began), default=0.0)

    # --- single looks ---------------------------------------------------------------------------------

    def open_writes(self) -> list[OpenWrite]:
        """Writes that are open now, with the process that holds each."""
        query = (
            "SELECT w.id, w.delivery_id, w.holder, d.platform, d.fire_ms FROM writes w "
            "JOIN deliveries d ON d.id = w.delivery_id WHERE w.state = %s ORDER BY w.opened_ms DESC"
        )
        rows = self._ask(query, WriteState.OPEN) or []
        return [
            OpenWrite(row.id, row.delivery_id, row.platform, _pid(row.holder), row.fire_ms) for row in rows
        ]

    def armed_on(self, pids: set[int], within_s: float) -> int:
        """How many deliveries these processes hold ready that are due within this time."""
        query = "SELECT holder, fire_ms FROM deliveries WHERE state = %s"
        latest = (time.time() + within_s) * 1000
        rows = self._ask(query, State.ARMED) or []
        return sum(_pid(row.holder) in pids and row.fire_ms < latest for row in rows if row.holder)

    def is_open(self, write_id: str) -> bool:
        rows = self._ask("SELECT state FROM writes WHERE id = %s", write_id) or []
        return any(row.state == WriteState.OPEN for row in rows)

    def sent_again(self, pids: Set[int]) -> bool:
        """What one of these processes was about to send was given up, and taken from another."""
        query = (
            "SELECT first.holder FROM writes first JOIN writes again "
            "ON again.delivery_id = first.delivery_id AND again.name = first.name "
            "WHERE first.state = %s AND again.state = %s"
        )
        rows = self._ask(query, WriteState.ABSENT, WriteState.ACCEPTED) or []
        return any(_pid(row.holder) in pids for row in rows)

    def ends(self) -> dict[str, End]:
        """How the ledger left each delivery, by title."""
        query = "SELECT id, title, state, reason, resends, error_kind FROM deliveries"
        rows = self._ask(query, patience_s=30) or []
        return {
            row.title: End(row.id, State(row.state), row.reason, row.resends, row.error_kind) for row in rows
        }

    def story(self, delivery_id: str) -> list[str]:
        query = "SELECT at_ms, sentence FROM events WHERE delivery_id = %s ORDER BY id"
        rows = self._ask(query, delivery_id) or []
        return [f"{_clock(row.at_ms / 1000)} {row.sentence}" for row in rows]

    def _ask(self, query: str, *values: Any, patience_s: float = 0) -> list[Any] | None:
        """The rows; None where the database stays away. One connection a thread."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self._connection().execute(query, values).fetchall()
            except psycopg.Error:
                if time.monotonic() >= deadline:
                    return None
                time.sleep(0.5)

    def _connection(self) -> psycopg.Connection[Any]:
        kept: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
        if kept is None or kept.closed:
            options: Any = {"connect_timeout": 3, "autocommit": True, "row_factory": namedtuple_row}
            kept = self._local.connection = psycopg.connect(self.url, **options)
        return kept


def _pid(holder: str) -> int:
    """A holder's name is `host:pid:chance`."""
    return int(holder.split(":")[1])


def _clock(instant_s: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(instant_s)) + f".{int(instant_s * 1000) % 1000:03d}"
