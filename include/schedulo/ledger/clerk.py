"""One thread a process that writes to the ledger, many small wishes in one transaction.

A thousand posts due in one second mean thousands of small writes. Each alone costs a commit (and on SQLite an
fsync); the clerk takes many that wait for the same operation and does them at once. Urgent operations (the
fence) go before all others.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from schedulo.ledger.database import Ledger

MOST_AT_ONCE = 50
"""Wishes in one transaction at the most: what is urgent waits for the end of the one before it."""

DEADLOCK = "40P01"
"""PostgreSQL ended this transaction because two waited for each other."""

Wish = TypeVar("Wish")
Answer = TypeVar("Answer")
Operation = Callable[[sa.Connection, Sequence[Wish]], Sequence[Answer]]
"""Does all wishes in one transaction and answers each, in order."""


@dataclass(slots=True)
class _Asked:
    operation: Operation[Any, Any]
    wish: Any
    urgent: bool
    future: Future[Any] = field(default_factory=Future)


class Clerk:
    """Batches operations on one ledger. `ask` may be called from any thread.

    Wishes for one operation are done in the order they came; operations are told apart by identity. Between
    operations there is no order: who needs one waits for the first answer.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="schedulo-clerk", daemon=True)
        self._thread.start()

    def ask(self, operation: Operation[Wish, Answer], wish: Wish, *, urgent: bool = False) -> Future[Answer]:
        """Queue one wish; the future holds its answer or the operation's error."""
        asked = _Asked(operation, wish, urgent)
        self._asked.put(asked)
        return asked.future

    def close(self) -> None:
        """Do what is waiting, then stop."""
        self._asked.put(None)
        self._thread.join()

    def _work(self) -> None:
        waiting: list[_Asked] = []
        stopping = False
        while waiting or not stopping:
            if not waiting:
                stopping = self._take(waiting, block=True)
            while not stopping and not self._asked.empty():
                stopping = self._take(waiting, block=False)
            if not waiting:
                continue
            first = next((asked for asked in waiting if asked.urgent), waiting[0])
            alike = [asked for asked in waiting if asked.operation is first.operation]
            batch, later = alike[:MOST_AT_ONCE], alike[MOST_AT_ONCE:]
            waiting = [asked for asked in waiting if asked.operation is not first.operation] + later
            wanted = [asked for asked in batch if asked.future.set_running_or_notify_cancel()]
            if wanted:
                self._do(wanted)

    def _take(self, waiting: list[_Asked], *, block: bool) -> bool:
        """Move one wish to `waiting`; True when told to stop."""
        asked = self._asked.get(block=block)
        if asked is None:
            return True
        waiting.append(asked)
        return False

    def _do(self, batch: list[_Asked]) -> None:
        try:
            with self._ledger.begin() as connection:
                answers = batch[0].operation(connection, [asked.wish for asked in batch])
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            if len(batch) > 1 and getattr(error.orig, "sqlstate", None) == DEADLOCK:
                # Two batches took the same rows in another order; one wish at a time cannot.
                for asked in batch:
                    self._do([asked])
                return
            # The database is away or busy, whatever was wished: asking for each would only take longer.
            for asked in batch:
                asked.future.set_exception(error)
            return
        except Exception as error:
            if len(batch) == 1:
                batch[0].future.set_exception(error)
            else:
                # One wish must not spoil the others: each gets a transaction of its own.
                for asked in batch:
                    self._do([asked])
            return
        for asked, answer in zip(batch, answers, strict=True):
            asked.future.set_result(answer)
