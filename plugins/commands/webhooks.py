"""`schedulo webhooks`: who gets events."""

from __future__ import annotations

import argparse
import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from commands.failure import CommandError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from schedulo.ledger.database import Ledger
    from schedulo.vault import Vault


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    webhooks = subparsers.add_parser("webhooks", help="subscribers that get events of posts and logins")
    verbs = webhooks.add_subparsers(metavar="VERB", required=True)
    add = verbs.add_parser("add", help="add a subscriber; prints its secret, once")
    add.add_argument("url", help="where events are posted")
    add.add_argument("--name", default="", help="what people call it; its host without")
    add.add_argument("--event", action="append", default=[], help="only these events; may be repeated")
    add.add_argument("--account", action="append", default=[], help="only these accounts, as x:123")
    add.set_defaults(run=_add)
    listed = verbs.add_parser("list", help="how every subscriber stands; no secrets")
    listed.add_argument("--json", action="store_true", help="for programs")
    listed.set_defaults(run=_list)
    for name, run, words in (
        ("remove", _remove, "forget a subscriber and what waits for it"),
        ("pause", _pause, "send it nothing; events are kept for it"),
        ("resume", _resume, "send it all that waits"),
        ("rotate", _rotate, "give it a new secret; the old one counts for a day more"),
        ("test", _test, "send it an event webhook.test now, and say what came of it"),
    ):
        verb = verbs.add_parser(name, help=words)
        verb.add_argument("id", help="as list shows it")
        verb.set_defaults(run=run)
    replay = verbs.add_parser("replay", help="send events again, with the same ids: those that were given up")
    replay.add_argument("id", help="as list shows it")
    which = replay.add_mutually_exclusive_group()
    which.add_argument("--event", default="", help="this one instead")
    which.add_argument("--since", help="all since then instead, taken or not: 2026-11-26T04:00Z")
    replay.set_defaults(run=_replay)


@contextmanager
def _ledger() -> Iterator[tuple[Ledger, sa.Connection, int]]:
    """The ledger, a transaction on it, and its time."""
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings
    from schedulo.vault import VaultError
    from schedulo.webhooks.subscribers import SubscriberError

    ledger = Ledger(settings().ledger)
    try:
        with ledger.begin() as connection:
            yield ledger, connection, ledger.now_ms(connection)
    except (SubscriberError, VaultError) as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()


def _vault(ledger: Ledger) -> Vault:
    from schedulo.settings import settings
    from schedulo.vault import Vault

    return Vault(ledger, settings().vault_key)


def _add(arguments: argparse.Namespace) -> int:
    from schedulo.settings import settings
    from schedulo.webhooks.subscribers import add

    with _ledger() as (ledger, connection, now_ms):
        id_, secret = add(
            connection,
            now_ms,
            _vault(ledger),
            arguments.url,
            name=arguments.name,
            types=arguments.event,
            account_keys=arguments.account,
            author=getpass.getuser(),
            allowed_hosts=settings().webhook_hosts_allowed,
        )
    print(f"{id_} gets what happens from now on. Its secret, which is not shown again:")
    print(secret)
    return 0


def _list(arguments: argparse.Namespace) -> int:
    from schedulo.clock import spoken
    from schedulo.webhooks.subscribers import standings

    with _ledger() as (_, connection, now_ms):
        found = standings(connection)
    if arguments.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
        return 0
    for one in found:
        state = f"paused: {one.paused}" if one.paused else "active"
        took = f"took one last at {spoken(one.took_ms, now_ms)}" if one.took_ms else "took none yet"
        print(f"{one.id}  {one.name} ({one.host}): {state}")
        print(
            f"    {took}; {one.waiting} wait, {one.given_up} were given up; {one.failures} failures in a row"
        )
        print(f"    events: {', '.join(one.types) or 'all'}; accounts: {', '.join(one.accounts) or 'all'}")
    if not found:
        print("Nobody subscribes. `schedulo webhooks add URL` adds somebody.")
    return 0


def _remove(arguments: argparse.Namespace) -> int:
    from schedulo.webhooks.subscribers import remove

    with _ledger() as (_, connection, now_ms):
        remove(connection, now_ms, arguments.id)
    print(f"{arguments.id} is removed.")
    return 0


def _pause(arguments: argparse.Namespace) -> int:
    from schedulo.webhooks.subscribers import pause

    with _ledger() as (_, connection, now_ms):
        pause(connection, now_ms, arguments.id, f"by {getpass.getuser()}")
    print(f"{arguments.id} is paused. Events are kept for it, for 30 days.")
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    from schedulo.webhooks.subscribers import resume

    with _ledger() as (_, connection, now_ms):
        count = resume(connection, now_ms, arguments.id)
    print(f"{arguments.id} is resumed; {count} events are sent to it.")
    return 0


def _rotate(arguments: argparse.Namespace) -> int:
    from schedulo.webhooks.subscribers import rotate

    with _ledger() as (ledger, connection, now_ms):
        secret = rotate(connection, now_ms, _vault(ledger), arguments.id)
    print("Its new secret, which is not shown again; the old one counts for a day more:")
    print(secret)
    return 0


def _test(arguments: argparse.Namespace) -> int:
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings
    from schedulo.vault import VaultError
    from schedulo.webhooks.sending import try_now
    from schedulo.webhooks.subscribers import SubscriberError

    ledger = Ledger(settings().ledger)
    try:
        answer = try_now(ledger, _vault(ledger), arguments.id, settings().webhook_hosts_allowed)
    except (SubscriberError, VaultError) as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()
    print(answer.problem or f"It answered {answer.status}: it takes events.")
    return 1 if answer.problem else 0


def _replay(arguments: argparse.Namespace) -> int:
    from schedulo.webhooks.subscribers import replay

    since_ms = None
    if arguments.since:
        try:
            since = datetime.fromisoformat(arguments.since)
            assert since.tzinfo is not None
        except (ValueError, AssertionError):
            raise CommandError(
                f"--since ({arguments.since}): it must be an instant with its zone, as 2026-11-26T04:00Z."
            ) from None
        since_ms = int(since.timestamp() * 1000)
    with _ledger() as (_, connection, now_ms):
        count = replay(connection, now_ms, arguments.id, event=arguments.event, since_ms=since_ms)
    print(f"{count} events are sent to {arguments.id} again.")
    return 0
