"""`schedulo clean-airflow`: drops from Airflow's database and logs what is old, and notes that it did.

Airflow gives its database to no task, so no Dag can do it: a service or cron does, and the health is yellow
when it no longer does. The ledger is left alone: it must remember at least as long as Airflow does, or a
cleared old task would not know what was published.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from commands.failure import CommandError

CLEAN = ("airflow", "db", "clean", "--skip-archive", "--yes", "--error-on-cleanup-failure")
KEEP_DAYS = 30.0


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    clean = subparsers.add_parser("clean-airflow", help="drop old runs from Airflow's database, and old logs")
    clean.add_argument(
        "--keep-days", type=_days, default=KEEP_DAYS, help="younger ones stay (default: %(default)g)"
    )
    clean.add_argument("--logs", type=Path, metavar="FOLDER", help="delete older files there as well")
    clean.set_defaults(run=_clean)


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = 0.0
    if not 1 <= days <= 10_000:
        raise argparse.ArgumentTypeError(f"{text!r}: it must be a number of days from 1 to 10000")
    return days


def _clean(arguments: argparse.Namespace) -> int:
    before = datetime.now(UTC) - timedelta(days=arguments.keep_days)
    done = subprocess.run([*CLEAN, "--clean-before-timestamp", before.isoformat()], check=False)
    deleted = clean_logs(arguments.logs, before) if arguments.logs else 0
    if arguments.logs:
        print(f"{deleted} log files deleted")
    if done.returncode:
        raise CommandError(
            "Airflow's database was not cleaned, or not all of it: `airflow db clean` says why above. The "
            "operator mends that and runs this again."
        )
    print("Airflow's database is cleaned")
    return _noted()


def _noted() -> int:
    """Leave the mark that the health looks at."""
    # Without this Airflow's SDK looks for Connections in the environment alone, not in its database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    import sqlalchemy as sa

    from hooks.ledger import LedgerHook
    from schedulo.health.daily import CLEANED
    from schedulo.ledger import marks
    from schedulo.ledger.database import LedgerError

    try:
        ledger = LedgerHook().get_conn()
        try:
            with ledger.begin() as connection:
                marks.mark(connection, ledger.now_ms(connection), CLEANED)
        finally:
            ledger.close()
    except LedgerError as error:
        raise CommandError(f"It could not be noted in the ledger: {error}") from None
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise CommandError(
            f"It could not be noted in the ledger ({type(error).__name__}): the health will say that nobody "
            "cleans. The operator starts the ledger's database, or corrects SCHEDULO_LEDGER_URL."
        ) from None
    return 0


def clean_logs(folder: Path, before: datetime) -> int:
    """Delete files last written before that, and folders left empty; answers how many files."""
    deleted = 0
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            file = Path(place) / name
            with contextlib.suppress(FileNotFoundError):
                if file.lstat().st_mtime < before.timestamp():
                    file.unlink()
                    deleted += 1
        if Path(place) != folder:
            with contextlib.suppress(OSError):  # not empty
                Path(place).rmdir()
    return deleted
