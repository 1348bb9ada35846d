"""`schedulo ledger restored`: the ledger was put back from a backup, says a person."""

from __future__ import annotations

import argparse
from typing import Any

from commands.failure import CommandError


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    subject = subparsers.add_parser("ledger", help="what became of the ledger itself")
    verbs = subject.add_subparsers(metavar="VERB", required=True)
    restored = verbs.add_parser("restored", help="look for what may have gone out since a backup")
    restored.add_argument(
        "--backup-at", required=True, metavar="TIME", help="when it was made: 2026-12-24T17:00:00Z"
    )
    restored.set_defaults(run=_restored)


def _restored(arguments: argparse.Namespace) -> int:
    from schedulo.clock import ClockError, iso, parse_instant
    from schedulo.delivery.restored import MARGIN_MS, begin
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings

    try:
        backup_ms = parse_instant(arguments.backup_at, field="--backup-at")
    except ClockError:
        raise CommandError(
            f"--backup-at ({arguments.backup_at}): it must be a time with its zone, such as "
            "2026-12-24T17:00:00Z."
        ) from None
    ledger = Ledger(settings().ledger)
    try:
        with ledger.begin() as connection:
            now_ms = ledger.now_ms(connection)
            if backup_ms > now_ms:
                raise CommandError(f"--backup-at ({arguments.backup_at}): it is in the future.")
            span = begin(
                connection, now_ms, backup_ms - MARGIN_MS, f"a person restored the backup of {iso(backup_ms)}"
            )
    finally:
        ledger.close()
    print(
        f"Nothing goes out until the next run of publish_due_posts has read Airtable. What was due since "
        f"{iso(span.from_ms)} is looked for before it is sent. Other posts go out on time."
    )
    return 0
