"""`schedulo analytics report`: what was published and what came of it, as one HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from commands.failure import CommandError

MOST_DAYS = 366


def add(verbs: Any) -> None:
    """Add the verb to `schedulo analytics`."""
    report = verbs.add_parser("report", help="one HTML page: punctuality, growth, best posts, best times")
    report.add_argument("--to", type=Path, metavar="FILE", help="default: among the reports that are kept")
    report.add_argument(
        "--days", type=_days, default=28, help="so many days, today included (default: %(default)s)"
    )
    report.set_defaults(run=_report)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r}: it must be a number of days from 1 to {MOST_DAYS}")
    return int(text)


def _report(arguments: argparse.Namespace) -> int:
    from schedulo.analytics.page import page
    from schedulo.analytics.report import up_to_date
    from schedulo.analytics.shelf import Shelf
    from schedulo.clock import ClockError, now_ms
    from schedulo.ledger.database import Ledger, LedgerError
    from schedulo.settings import settings

    chosen, instant_ms = settings(), now_ms()
    ledger = Ledger(chosen.ledger)
    try:
        ledger.check()
        made = up_to_date(ledger, chosen, instant_ms, arguments.days)
    except (LedgerError, ClockError) as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()
    html = page(made)
    try:
        if arguments.to:
            arguments.to.write_text(html, encoding="utf-8")
            path = arguments.to
        else:
            path = Shelf.of(chosen).keep(f"report-{made.until}.html", html)
    except OSError as error:
        raise CommandError(
            f"The report could not be written to {error.filename}: {error.strerror}."
        ) from None
    print(f"The report of {made.since} to {made.until} is {path}")
    if made.empty:
        print("Nothing is in it: no post went out in these days, and no number was read.")
    return 0
