"""`schedulo hold` and `schedulo release`: the emergency stop, and its end."""

from __future__ import annotations

import argparse
import getpass
from typing import TYPE_CHECKING, Any

from commands.failure import CommandError

if TYPE_CHECKING:
    from schedulo.delivery.stops import Answer

SHOWN = 20


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    hold = subparsers.add_parser("hold", help="stop posts, also those that wait for their second")
    hold.add_argument("what", help="everything, platform:<name>, account:<platform>:<id> or post:<record id>")
    hold.add_argument("--reason", required=True, help="for people who ask why nothing goes out")
    hold.set_defaults(run=_hold)
    release = subparsers.add_parser("release", help="end a hold")
    release.add_argument("what", help="as it was held")
    release.set_defaults(run=_release)


def _hold(arguments: argparse.Namespace) -> int:
    from schedulo.delivery.stops import stop

    _print(_do(stop, arguments.what, arguments.reason, getpass.getuser()))
    print(f"End it with `schedulo release {arguments.what}`.")
    return 0


def _release(arguments: argparse.Namespace) -> int:
    from schedulo.delivery.stops import resume

    _print(_do(resume, arguments.what, getpass.getuser()))
    return 0


def _do(function: Any, *args: str) -> Answer:
    from schedulo.delivery.holds import HoldError
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings

    ledger = Ledger(settings().ledger)
    try:
        with ledger.begin() as connection:
            answer: Answer = function(connection, ledger.now_ms(connection), *args)
    except HoldError as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()
    return answer


def _print(answer: Answer) -> None:
    from schedulo.clock import iso

    print(answer.sentence)
    for item in answer.deliveries[:SHOWN]:
        print(f"  {iso(item.due_ms)}  {item.label}: {item.sentence}")
    more = answer.count - min(SHOWN, len(answer.deliveries))
    if more > 0:
        print(f"  and {more} more")
