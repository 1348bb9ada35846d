"""`schedulo quotas`: what platforms allow, what is used and left, and what is planned against it."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from commands.failure import CommandError


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    quotas = subparsers.add_parser("quotas", help="what accounts may still post, and what is planned")
    quotas.add_argument("--json", action="store_true", help="for programs")
    quotas.set_defaults(run=_quotas)


def _quotas(arguments: argparse.Namespace) -> int:
    # Without this Airflow's SDK looks for Connections in the environment alone, not in its database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from hooks.ledger import LedgerHook
    from schedulo.ledger.database import LedgerError
    from schedulo.planning.standings import standings
    from schedulo.settings import SettingsError, settings

    try:
        ledger = LedgerHook().get_conn()
        chosen = settings()
    except (LedgerError, SettingsError) as error:
        raise CommandError(str(error)) from None
    try:
        with ledger.read() as connection:
            found = standings(connection, ledger.now_ms(connection), chosen)
    finally:
        ledger.close()
    print(json.dumps(found.to_json(), indent=1) if arguments.json else "\n".join(found.lines()))
    return 0
