"""`schedulo db upgrade`: bring the ledger's schema up to date."""

from __future__ import annotations

import argparse
from typing import Any

from commands.failure import CommandError


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    subject = subparsers.add_parser("db", help="the ledger's schema")
    verbs = subject.add_subparsers(metavar="VERB", required=True)
    upgrade = verbs.add_parser("upgrade", help="make the schema, or bring it up to date")
    upgrade.set_defaults(run=_upgrade)


def _upgrade(_arguments: argparse.Namespace) -> int:
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings

    try:
        ledger = Ledger(settings().ledger)
        ledger.migrate()
        ledger.check()
    except Exception as error:
        raise CommandError(f"The ledger could not be upgraded: {error}") from error
    print(f"The ledger at {ledger.url.render_as_string()} is up to date.")
    return 0
