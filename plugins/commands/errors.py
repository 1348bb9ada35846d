"""`schedulo errors`: what went wrong on a day, why, and against other days."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import Any

from commands.failure import CommandError


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    errors = subparsers.add_parser("errors", help="what went wrong on a day, and why")
    errors.add_argument("--day", type=_day, metavar="DATE", help="such as 2026-11-25 (default: yesterday)")
    errors.add_argument("--to", type=Path, metavar="FILE", help="write the page there as well")
    errors.set_defaults(run=_errors)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: it must be a date, such as 2026-11-25") from None


def _errors(arguments: argparse.Namespace) -> int:
    from schedulo.clock import ClockError
    from schedulo.error_report.figures import error_report, yesterday
    from schedulo.error_report.page import page
    from schedulo.error_report.words import headline, lines
    from schedulo.ledger.database import Ledger, LedgerError
    from schedulo.settings import settings

    chosen = settings()
    ledger = Ledger(chosen.ledger)
    try:
        ledger.check()
        with ledger.read() as connection:
            now_ms = ledger.now_ms(connection)
            on = arguments.day or yesterday(now_ms, chosen.airtable_timezone)
            made = error_report(connection, now_ms, on, chosen.airtable_timezone, chosen.history_days)
    except (LedgerError, ClockError) as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()
    if arguments.to:
        try:
            arguments.to.write_text(page(made), encoding="utf-8")
        except OSError as error:
            raise CommandError(
                f"The page could not be written to {error.filename}: {error.strerror}."
            ) from None
    print(f"Errors of {made.on}, {made.zone}: {headline(made)}")
    for line in lines(made):
        print(line)
    return 0
