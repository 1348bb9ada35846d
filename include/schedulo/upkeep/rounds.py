"""One round of upkeep: everything that `ledger_rows` and `files` remove, by the settings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from schedulo.delivery import restored
from schedulo.delivery.incidents import Trouble, incident, over
from schedulo.errors.kinds import Actor
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.media.store import MediaStore
from schedulo.model import Platform
from schedulo.platforms.after import After
from schedulo.settings import Settings
from schedulo.upkeep import files, ledger_rows

MARK = "upkeep"
"""The mark of the last whole round; its value says what went."""
ABOUT = "maintain.remove"


@dataclass(frozen=True, slots=True)
class Removed:
    """What went, or would go."""

    rows: Mapping[str, int]
    """By table; files and their bytes as well."""
    dry: bool
    why_not: str = ""
    """Why nothing was looked at; empty where all was."""

    def lines(self) -> list[str]:
        """As sentences for people."""
        if self.why_not:
            return [f"Nothing is removed: {self.why_not}."]
        word = "would go" if self.dry else "went"
        gone = [f"{name}: {count:,} {word}" for name, count in self.rows.items() if count]
        return gone or [f"Nothing {'would go' if self.dry else 'had to go'}."]


def make_round(
    ledger: Ledger, store: MediaStore, after: Mapping[Platform, After], settings: Settings, *, dry: bool
) -> Removed:
    """Remove what is over, a little at a time. It may be cut off anywhere and made again at any time.

    :param after: what platforms let be done with posts that are out
    :param dry: change nothing, and say what would go
    """
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
        why_not = restored.why_not(connection) or restored.silence(connection, now_ms)
        if not why_not and any(not span.over for span in restored.spans(connection)):
            why_not = "the ledger was restored, and posts are still looked for"
        if not why_not and marks.read(connection, restored.TICK)[0] is None:
            why_not = "publish_due_posts has never run with this ledger: it may be a wrong one"
    if why_not:
        return Removed({}, dry, why_not)
    gone: Counter[str] = Counter()

    def count(name: str, rows: int) -> None:
        gone[name] += rows

    a_round = ledger_rows.Round(ledger, now_ms, dry, count)
    ledger_rows.met_at_platforms(a_round)
    ledger_rows.old_webhooks(a_round)
    ledger_rows.heard(a_round)
    if settings.history_days:
        ledger_rows.stories(a_round, settings.history_days)
        ledger_rows.runs(a_round, settings.history_days)
        ledger_rows.told_incidents(a_round, settings.history_days)
        ledger_rows.old_troubles(a_round, settings.history_days)
        ledger_rows.silent_processes(a_round, settings.history_days)
    if settings.readings_days:
        ledger_rows.readings(a_round, settings.readings_days)
    if settings.media_days:
        shelves = files.Shelves(store, after)
        files.give_up(a_round, shelves, settings.media_days)
        files.clear(a_round, shelves, settings.media_days)
    if not dry:
        with ledger.begin() as connection:
            done_ms = ledger.now_ms(connection)
            marks.mark(connection, done_ms, MARK, json.dumps(gone))
            over(connection, done_ms, Trouble.WORKFLOW, ABOUT)
    return Removed(gone, dry)


def round_is_late(ledger: Ledger, run_id: str, minutes: int) -> None:
    """Open an incident for a round that is not made in time; the next whole one ends it."""
    sentence = f"maintain: the run {run_id} is not done {minutes} minutes after it was due"
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        incident(connection, now_ms, Trouble.WORKFLOW, sentence, actor=Actor.OPERATOR, about=ABOUT)
