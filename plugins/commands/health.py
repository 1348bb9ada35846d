"""`schedulo health`: makes all checks now, and says what they found."""

from __future__ import annotations

import argparse
import json
import logging
import os
from typing import Any

from commands.failure import CommandError

MARKS = {"green": "ok", "yellow": "!", "red": "RED", "unknown": "?"}


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    health = subparsers.add_parser("health", help="check everything that publishing needs, now")
    health.add_argument("--json", action="store_true", help="the document that /schedulo/health shows")
    health.set_defaults(run=_health)


def _health(arguments: argparse.Namespace) -> int:
    # Without this Airflow's SDK looks for Connections in the environment alone, not in its database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from hooks.health import health_means  # it sets up Airflow's logging, which prints
    from schedulo.clock import now_ms
    from schedulo.health.checks import run
    from schedulo.health.document import made_now
    from schedulo.health.findings import Status
    from schedulo.ledger.database import LedgerError
    from schedulo.settings import SettingsError

    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        means = health_means()
    except (LedgerError, SettingsError) as error:
        raise CommandError(str(error)) from None
    try:
        report = run(means)
    finally:
        means.ledger.close()
    if arguments.json:
        print(json.dumps(made_now(report.findings, now_ms()).whole(), indent=2, ensure_ascii=False))
    else:
        for item in sorted(report.findings, key=lambda item: item.name):
            print(f"{MARKS[item.status]:>3}  {item.name:<28} {item.sentence}")
        print(f"All in all: {report.status}.")
    return 1 if report.status is Status.RED or report.broken else 0
