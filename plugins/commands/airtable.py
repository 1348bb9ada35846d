"""`schedulo airtable`: make a base, say what one lacks, have it tell changes at once."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from commands.failure import CommandError

if TYPE_CHECKING:
    from hooks.airtable import AirtableHook
    from schedulo.airtable.client import AirtableClient
    from schedulo.ledger.database import Ledger


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    subject = subparsers.add_parser("airtable", help="make and check the Airtable base")
    verbs = subject.add_subparsers(metavar="VERB", required=True)

    create = verbs.add_parser("create", help="make a base, or add what one lacks; changes nothing else")
    where = create.add_mutually_exclusive_group()
    where.add_argument("--base", metavar="appX", help="this base; else the one that the Connection names")
    where.add_argument("--workspace", metavar="wspX", help="make a new base in this workspace")
    create.add_argument("--name", default="Schedulo", help="name of a new base (default: %(default)s)")
    create.set_defaults(run=_create)

    check = verbs.add_parser("check", help="say what the Connection's base lacks")
    check.set_defaults(run=_check)

    listen = verbs.add_parser("listen", help="have Airtable tell changes at once, as the settings say")
    listen.set_defaults(run=_listen)

    unlisten = verbs.add_parser("unlisten", help="remove the webhook by which Airtable tells changes")
    unlisten.set_defaults(run=_unlisten)

    webhooks = verbs.add_parser("webhooks", help="say how that stands, and which webhooks the base has")
    webhooks.set_defaults(run=_webhooks)

    for verb in (create, check, listen, unlisten, webhooks):
        verb.add_argument("--conn-id", default="airtable_default", help="Connection (default: %(default)s)")


def _create(arguments: argparse.Namespace) -> int:
    from schedulo.airtable.base import create_base

    with _hook(arguments.conn_id) as hook:
        base_id = None if arguments.workspace else arguments.base or hook.base_id()
        made = create_base(
            hook.get_conn(),
            base_id,
            workspace_id=arguments.workspace or "",
            name=arguments.name,
            mapping=hook.mapping(),
        )
    for table in made.tables:
        print(f"made the table {table}")
    for field in made.fields:
        print(f"added the field {field}")
    for problem in made.problems:
        print(problem)
    if base_id is None:
        print(f"Put the base's id into the Connection {arguments.conn_id}: {made.base_id}")
    print(f"{made.base_id}: " + _verdict(made.problems))
    return 1 if made.problems else 0


def _check(arguments: argparse.Namespace) -> int:
    from schedulo.airtable.base import try_base

    with _hook(arguments.conn_id) as hook:
        client = hook.client()
        problems = try_base(client)
    for problem in problems:
        print(problem)
    print(f"{client.base_id}: " + _verdict(problems))
    return 1 if problems else 0


def _listen(arguments: argparse.Namespace) -> int:
    from schedulo.delivery.listening import keep, told, too_slow
    from schedulo.settings import settings

    if settings().airtable_changes == "off":
        raise CommandError("SCHEDULO_AIRTABLE_CHANGES is off: the operator sets it to poll or ping first.")
    if why := too_slow(settings()):
        raise CommandError(why)
    with _listening(arguments.conn_id) as (ledger, client):
        for line in keep(ledger, client, settings(), at_once=True):
            print(line)
        stands = told(ledger, client.base_id, settings())
    print(stands.sentence)
    return 0 if stands.well else 1


def _unlisten(arguments: argparse.Namespace) -> int:
    from schedulo.delivery.listening import remove
    from schedulo.settings import settings

    with _listening(arguments.conn_id) as (ledger, client):
        print(remove(ledger, client))
    if settings().airtable_changes != "off":
        print("The next run of publish_due_posts makes another, unless SCHEDULO_AIRTABLE_CHANGES is off.")
    return 0


def _webhooks(arguments: argparse.Namespace) -> int:
    from schedulo.airtable.changes import webhook_of
    from schedulo.airtable.webhooks import Webhooks
    from schedulo.clock import iso
    from schedulo.delivery.listening import told, why_not
    from schedulo.errors.airtable import AirtableRefused
    from schedulo.settings import settings

    with _listening(arguments.conn_id) as (ledger, client):
        stands = told(ledger, client.base_id, settings())
        print(stands.sentence)
        row = webhook_of(ledger, client.base_id)
        try:
            there = Webhooks(client).all()
        except AirtableRefused as error:
            raise CommandError(why_not(error)) from None
    for one in there:
        whose = "ours" if row is not None and one.id == row.webhook_id else "another's"
        until = f"until {iso(one.expires_ms)}" if one.expires_ms else "without an end"
        state = "" if one.enabled else ", dead"
        print(f"{one.id}  {whose}{state}, {until}  {one.url or 'sends no pings'}")
    return 0 if stands.well else 1


@contextmanager
def _listening(conn_id: str) -> Iterator[tuple[Ledger, AirtableClient]]:
    with _hook(conn_id) as hook:
        from hooks.ledger import LedgerHook

        ledger = LedgerHook().get_conn()
        try:
            yield ledger, hook.client()
        finally:
            ledger.close()


def _verdict(problems: list[str] | tuple[str, ...]) -> str:
    return f"{len(problems)} to mend." if problems else "every table and field is there."


@contextmanager
def _hook(conn_id: str) -> Iterator[AirtableHook]:
    """The Connection's hook; what goes wrong with it becomes a CommandError. Airflow is imported only here,
    since that takes seconds."""
    # Without this Airflow's SDK looks for Connections in the environment alone, not in its database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from hooks.airtable import AirtableHook
    from schedulo.errors.airtable import AirtableError
    from schedulo.settings import SettingsError

    try:
        yield AirtableHook(conn_id)
    except (AirtableError, SettingsError) as error:
        raise CommandError(str(error)) from None
