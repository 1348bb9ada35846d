"""`schedulo take-down` and `schedulo edit`: ask for posts that are out to be taken down or changed."""

from __future__ import annotations

import argparse
import getpass
from typing import Any

from commands.failure import CommandError

LISTS = {
    "posts": ("--post", "recX", "deliveries of this post: its record id"),
    "deliveries": ("--delivery", "ID", "this delivery: the column Key of Deliveries"),
    "accounts": ("--account", "KEY", "only on this account, such as x:123"),
}
"""Options that may be given several times, by the field of `Wished` that they fill."""
ACTIONS = {
    "take-down": ("take_down", "take posts down; what is given must all be true of them"),
    "edit": ("edit", "give posts that are out the text of their rows, where the platform can"),
}


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    for name, (action, meaning) in ACTIONS.items():
        parser = subparsers.add_parser(name, help=meaning)
        for field, (option, metavar, about) in LISTS.items():
            parser.add_argument(option, dest=field, metavar=metavar, action="append", help=about)
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.set_defaults(run=_ask, action=action, command_name=name)


def _ask(arguments: argparse.Namespace) -> int:
    from schedulo.ledger.database import Ledger
    from schedulo.planning.take_down import Wished, take_down
    from schedulo.planning.wishes import WishError
    from schedulo.settings import settings

    conf = {name: getattr(arguments, name) for name in ("action", *LISTS, "dry_run")}
    ledger = Ledger(settings().ledger)
    try:
        wished = Wished.read(conf)
        answer = take_down(ledger, wished, f"by {getpass.getuser()} with `schedulo {arguments.command_name}`")
    except WishError as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()
    print(answer.sentence(wished))
    for item in answer.told:
        print(f"  {item.delivery_id}  {item.label}: {item.sentence}")
    if answer.requested and not wished.dry_run:
        print("The next run of look_after_posts does it, within two minutes.")
    return 0
