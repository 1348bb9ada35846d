"""`schedulo watch`: looks every minute from outside whether Airflow lives, and tells people where nobody
else does.
"""

from __future__ import annotations

import argparse
import html
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.failure import CommandError

if TYPE_CHECKING:
    from schedulo.health.findings import Means
    from schedulo.health.watch import Facts

UNTOLD_ROUNDS = 4
"""What is to be told is handle_incidents'; what has waited for so many rounds is told from here."""
GONE_ROUNDS = 2
"""A ledger that is not there for so many rounds is told."""

log = logging.getLogger("schedulo.watch")


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    watch = subparsers.add_parser("watch", help="look every minute whether Airflow lives, until stopped")
    watch.add_argument("--once", action="store_true", help="look once")
    watch.add_argument("--sign", metavar="FILE", help="touch this file after each look, as a sign of life")
    watch.set_defaults(run=_watch)


def _watch(arguments: argparse.Namespace) -> int:
    # Without this Airflow's SDK looks for Connections in the environment alone, not in its database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from hooks.health import watch_means  # it sets up Airflow's logging
    from schedulo.ledger.database import LedgerError
    from schedulo.settings import SettingsError, settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    for chatty in ("alembic", "httpx", "airflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        means = watch_means()
    except (LedgerError, SettingsError) as error:
        raise CommandError(str(error)) from None
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    watchman = Watchman(means, _facts)
    while True:
        began = time.monotonic()
        for line in watchman.look():
            log.info(line)
        if arguments.sign:
            Path(arguments.sign).touch()
        if arguments.once or stopped.wait(max(0.0, settings().watch_s - (time.monotonic() - began))):
            means.ledger.close()
            return 0


class Watchman:
    """Looks, and remembers between two looks what it has told by itself."""

    def __init__(self, means: Means, facts: Callable[[], Facts | None]) -> None:
        """:param facts: asks Airflow's database; None where that does not answer"""
        self._means = means
        self._facts = facts
        self._me = f"watch:{secrets.token_hex(4)}"
        self._untold = 0
        """Rounds in which something was to be told, one after the other."""
        self._gone = 0
        """Rounds without the ledger, one after the other."""
        self._told_gone = False

    def look(self) -> Iterator[str]:
        """One round; yields what it found and did. No trouble of others ends it."""
        from sqlalchemy.exc import SQLAlchemyError

        from hooks.channels import keep_at_hand

        try:
            keep_at_hand()
            yield from self._look()
        except (SQLAlchemyError, OSError) as error:
            yield from self._without_ledger(error)
        except Exception:  # a fault of the program must not end the watch
            log.exception("this round failed")

    def _look(self) -> Iterator[str]:
        from hooks.telling import tell_people
        from schedulo.health import watch
        from schedulo.telling.letters import anything_to_tell

        ledger = self._means.ledger
        seen = watch.look(self._means, self._facts())
        yield from seen.lines
        yield from self._ledger_is_back()
        with ledger.read() as connection:
            waits = anything_to_tell(connection, ledger.now_ms(connection), self._means.settings)
        self._untold = self._untold + 1 if waits else 0
        if waits and (seen.stands_still or self._untold >= UNTOLD_ROUNDS):
            yield from tell_people(ledger, self._me)

    def _without_ledger(self, error: Exception) -> Iterator[str]:
        """Incidents are in the ledger. While the scheduler lives, check_health tells that it is gone."""
        from schedulo.health import outside
        from schedulo.health.findings import Status
        from schedulo.health.inside import unreachable

        self._gone += 1
        yield unreachable(error)
        if self._told_gone or self._gone < GONE_ROUNDS:
            return
        states = {item.name: item.status for item in outside.airflow(self._means)}
        if states.get("airflow:scheduler") is Status.GREEN:
            return
        self._told_gone = True
        body = f"{unreachable(error)} Airflow's scheduler gives no sign of life either."
        yield from _tell_operators("Schedulo has no ledger, and Airflow stands still", body)

    def _ledger_is_back(self) -> Iterator[str]:
        self._gone = 0
        if self._told_gone:
            self._told_gone = False
            yield from _tell_operators("Over: Schedulo has no ledger", "The ledger is there again.")


def _tell_operators(title: str, body: str) -> Iterator[str]:
    from hooks.telling import tell_operators
    from schedulo.telling.message import Message

    return tell_operators(Message(title, body, f"<p>{html.escape(body)}</p>"))


def _facts() -> Facts | None:
    from sqlalchemy.exc import SQLAlchemyError

    from hooks.facts import airflow_facts

    try:
        return airflow_facts()
    except (SQLAlchemyError, OSError) as error:
        log.warning("Airflow's database does not answer (%s)", type(error).__name__)
        return None
