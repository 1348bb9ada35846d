"""`schedulo hold` and `schedulo release`: the emergency stop, and its end."""

from __future__ import annotations

import argparse
import getpass
import secrets
from typing import Any

from commands.failure import CommandError


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    hold = subparsers.add_parser("hold", help="stop posts, also those that wait for their second")
    hold.add_argument("what", help="everything, platform:<name> or account:<platform>:<account id>")
    hold.add_argument("--reason", required=True, help="for people who ask why nothing goes out")
    hold.set_defaults(run=_hold)
    release = subparsers.add_parser("release", help="end a hold")
    release.add_argument("what", help="as it was held")
    release.set_defaults(run=_release)


def _scope(what: str) -> tuple[str, str]:
    scope, _, key = what.partition(":")
    if (scope == "everything") == bool(key) or scope not in ("everything", "platform", "account"):
        raise CommandError(f"{what!r} is not everything, platform:<name> or account:<platform>:<account id>.")
    return scope, key


def _hold(arguments: argparse.Namespace) -> int:
    import sqlalchemy as sa

    from schedulo.ledger.database import Ledger
    from schedulo.ledger.tables import holds
    from schedulo.settings import settings

    scope, key = _scope(arguments.what)
    ledger = Ledger(settings().ledger)
    with ledger.begin() as connection:
        connection.execute(
            sa.insert(holds).values(
                id=secrets.token_hex(8),
                scope=scope,
                key=key,
                reason=arguments.reason,
                author=getpass.getuser(),
                from_ms=ledger.now_ms(connection),
            )
        )
    print(f"Held: {arguments.what}. End it with `schedulo release {arguments.what}`.")
    return 0


def _release(arguments: argparse.Namespace) -> int:
    import sqlalchemy as sa

    from schedulo.ledger.database import Ledger
    from schedulo.ledger.tables import holds
    from schedulo.settings import settings

    scope, key = _scope(arguments.what)
    ledger = Ledger(settings().ledger)
    with ledger.begin() as connection:
        lifted = connection.execute(
            sa.update(holds)
            .where(holds.c.scope == scope, holds.c.key == key, holds.c.lifted_ms.is_(None))
            .values(lifted_ms=ledger.now_ms(connection))
        ).rowcount
    if not lifted:
        raise CommandError(f"Nothing holds {arguments.what}.")
    print(f"Released: {arguments.what}. What waited goes out, or becomes missed by its own rule.")
    return 0
