"""The command `schedulo`. Each module of `SUBJECTS` adds its own subcommands with `register(subparsers)`.

A subcommand sets `run`, a function of the parsed arguments that returns the exit code. What it raises as
`CommandError` is told on the error output and ends with 1; its other exceptions are faults of the program.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Sequence
from importlib import import_module

from commands.failure import CommandError

SUBJECTS = (
    "accounts",
    "after",
    "again",
    "airtable",
    "analytics",
    "clean_airflow",
    "db",
    "errors",
    "health",
    "holds",
    "ledger",
    "maintain",
    "quotas",
    "roles",
    "watch",
    "webhooks",
)
"""Modules of this package."""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="schedulo", description="Publishes planned social-media posts.")
    subparsers = top.add_subparsers(metavar="SUBJECT", required=True)
    for subject in SUBJECTS:
        import_module(f"commands.{subject}").register(subparsers)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0 when all is well, 1 when it is not; wrong arguments exit with 2."""
    arguments = parser().parse_args(argv)
    try:
        _say_the_mode()
        code = int(arguments.run(arguments))
        sys.stdout.flush()
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        if not _reader_is_gone():
            raise
        # Who reads, such as `head`, has read enough. Python itself must find a place for what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if (said := _away(error)) is None:
            raise
        print(said, file=sys.stderr)
        return 1
    return code


def _say_the_mode() -> None:
    """Beside the answer, on the error output: it must not be taken for that of a live installation."""
    from schedulo.delivery.mode import sentence
    from schedulo.settings import SettingsError, settings

    try:
        said = sentence(settings())
    except SettingsError:
        return  # the command itself says what is wrong
    if said:
        print(said, file=sys.stderr)


def _away(error: Exception) -> str | None:
    """What to say of a database that does not answer, without its words: they name where it is."""
    from sqlalchemy.exc import OperationalError

    if not isinstance(error, OperationalError):
        return None
    return (
        f"The ledger or Airflow's database does not answer ({type(error.orig).__name__}): it was not done, "
        "or not all of it. The operator starts it, or corrects SCHEDULO_LEDGER_URL, and runs this again."
    )


def _reader_is_gone() -> bool:
    errors = select.poll()
    errors.register(sys.stdout.fileno(), 0)
    return bool(errors.poll(0))


if __name__ == "__main__":
    sys.exit(main())
