"""`schedulo maintain`: removes what nothing needs any more and gives back the room, or says what would go."""

from __future__ import annotations

import argparse
import logging
import os
from typing import Any

from commands.failure import CommandError


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    maintain = subparsers.add_parser("maintain", help="remove old rows and files that nothing needs")
    maintain.add_argument("--dry-run", action="store_true", help="change nothing, and say what would go")
    maintain.set_defaults(run=_maintain)


def _maintain(arguments: argparse.Namespace) -> int:
    # Without this Airflow's SDK looks for Connections in the environment alone, not in its database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from hooks.engine import upkeep  # it sets up Airflow's logging, which prints
    from hooks.ledger import LedgerHook
    from schedulo.ledger.database import LedgerError
    from schedulo.settings import SettingsError
    from schedulo.upkeep.vacuum import vacuum

    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        removed = upkeep(dry=arguments.dry_run)
        done = list(removed.lines())
        if not arguments.dry_run:
            ledger = LedgerHook().get_conn()
            done += vacuum(ledger)
            ledger.close()
    except (LedgerError, SettingsError) as error:
        raise CommandError(str(error)) from None
    for line in done:
        print(line)
    return 1 if removed.why_not else 0
