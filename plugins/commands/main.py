"""The command `schedulo`. Each module of `SUBJECTS` adds its own subcommands with `register(subparsers)`.

A subcommand sets `run`, a function of the parsed arguments that returns the exit code. What it raises as
`CommandError` is told on the error output and ends with 1; its other exceptions are faults of the program.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from commands import (
    accounts,
    after,
    again,
    airtable,
    analytics,
    clean_airflow,
    db,
    errors,
    health,
    holds,
    ledger,
    maintain,
    quotas,
    watch,
)
from commands.failure import CommandError

SUBJECTS = (
    accounts,
    after,
    again,
    airtable,
    analytics,
    clean_airflow,
    db,
    errors,
    health,
    holds,
    ledger,
    maintain,
    quotas,
    watch,
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="schedulo", description="Publishes planned social-media posts.")
    subparsers = top.add_subparsers(metavar="SUBJECT", required=True)
    for subject in SUBJECTS:
        subject.register(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0 when all is well, 1 when it is not; wrong arguments exit with 2."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
