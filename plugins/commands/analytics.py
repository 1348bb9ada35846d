"""`schedulo analytics`: who may read the numbers, and files of them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands import report
from commands.failure import CommandError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from schedulo.analytics.export import Part
    from schedulo.ledger.database import Ledger


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    subject = subparsers.add_parser("analytics", help="the numbers of posts and accounts")
    verbs = subject.add_subparsers(metavar="VERB", required=True)
    grant = verbs.add_parser("grant", help="let a role of PostgreSQL read the numbers, and nothing else")
    grant.add_argument("role", metavar="ROLE", help="made where there is none, without a login of its own")
    grant.add_argument("--print", action="store_true", dest="only_print", help="print the SQL; do nothing")
    grant.set_defaults(run=_grant)
    to_csv = verbs.add_parser("csv", help="a view or table as CSV")
    to_csv.add_argument("view", metavar="VIEW", help="such as post_performance; a wrong one lists them")
    to_csv.add_argument("--since", type=_date, metavar="DATE", help="2026-11-25 and later")
    to_csv.add_argument("--until", type=_date, metavar="DATE", help="2026-11-25 and earlier")
    to_csv.add_argument("--account", metavar="KEY", help="of one account: platform:id")
    to_csv.add_argument("--to", metavar="FILE", type=Path, help="instead of the output")
    to_csv.set_defaults(run=_csv)
    copy = verbs.add_parser("copy", help="a SQLite file of the numbers, without the ledger")
    copy.add_argument("file", metavar="FILE", type=Path)
    copy.set_defaults(run=_copy)
    report.add(verbs)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2026-11-25") from None


@contextmanager
def _ledger() -> Iterator[Ledger]:
    from schedulo.ledger.database import Ledger, LedgerError
    from schedulo.settings import settings

    ledger = Ledger(settings().ledger)
    try:
        ledger.check()
        yield ledger
    except LedgerError as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()


def _grant(arguments: argparse.Namespace) -> int:
    import sqlalchemy as sa

    from schedulo.ledger.access import AccessError, grant, statements

    with _ledger() as ledger:
        try:
            with ledger.begin() as connection:
                if arguments.only_print:
                    lines = statements(connection, arguments.role)
                else:
                    lines = grant(connection, arguments.role)
        except AccessError as error:
            raise CommandError(str(error)) from None
        except sa.exc.DBAPIError as error:
            raise CommandError(
                f"PostgreSQL refused it: {str(error.orig).strip()}. An administrator of the database runs "
                f"what `schedulo analytics grant {arguments.role} --print` prints."
            ) from None
    print(*(f"{line};" for line in lines), sep="\n")
    if not arguments.only_print:
        print(f"-- Done. Let a login in with: GRANT {lines[-1].rpartition(' TO ')[2]} TO its_name;")
    return 0


def _csv(arguments: argparse.Namespace) -> int:
    from schedulo.analytics.export import ExportError, Part, write_csv

    part = Part(arguments.since, arguments.until, arguments.account)
    with _ledger() as ledger, ledger.read() as connection:
        try:
            if arguments.to is None:
                return _print_csv(connection, arguments.view, part)
            half = arguments.to.with_name(arguments.to.name + ".part")
            try:
                with half.open("w", encoding="utf-8", newline="") as file:
                    count = write_csv(connection, arguments.view, file, part)
                half.replace(arguments.to)
            finally:
                half.unlink(missing_ok=True)
        except ExportError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(
                f"--to ({arguments.to}): {error.strerror}. Name a file in a folder of yours."
            ) from None
    print(f"{count} rows in {arguments.to}")
    return 0


def _print_csv(connection: sa.Connection, view: str, part: Part) -> int:
    from schedulo.analytics.export import write_csv

    try:
        write_csv(connection, view, sys.stdout, part)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has enough, such as `head`
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())  # what is left in the buffer goes there at the end
        os.close(nothing)
    return 0


def _copy(arguments: argparse.Namespace) -> int:
    import sqlalchemy as sa

    from schedulo.analytics.export import ExportError, copy

    with _ledger() as ledger:
        try:
            counts = copy(ledger, arguments.file)
        except ExportError as error:
            raise CommandError(str(error)) from None
        except (OSError, sa.exc.OperationalError) as error:
            raise CommandError(f"FILE ({arguments.file}): it cannot be written: {error}") from None
    print(f"{sum(counts.values())} rows of {len(counts)} tables, and the views, in {arguments.file}")
    return 0
