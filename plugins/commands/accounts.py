"""`schedulo accounts`: keep tokens in the vault, and see how logins stand. `schedulo vault`: its keys.

Secrets come from a prompt or a file, never from an argument: arguments are seen by every process.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.failure import CommandError
from schedulo.model import Platform

if TYPE_CHECKING:
    from schedulo.publishing.aftercare import Means

RENEWED_BY_TOKEN = (Platform.X, Platform.TIKTOK)
"""Platforms that give a second token to renew the first with."""


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    accounts = subparsers.add_parser("accounts", help="the accounts' tokens")
    verbs = accounts.add_subparsers(metavar="VERB", required=True)
    connect = verbs.add_parser("connect", help="keep tokens: of one account by prompt, of many from a file")
    connect.add_argument("platform", nargs="?", choices=[platform.value for platform in Platform])
    connect.add_argument("account_id", nargs="?", help="the platform's own id of the account")
    connect.add_argument(
        "--file",
        type=Path,
        help='JSON: {"x:123": {"access_token": "...", "refresh_token": "..."}, ...}; delete it afterwards',
    )
    connect.add_argument(
        "--unchecked",
        action="store_true",
        help="keep them without asking the platforms whether they are good",
    )
    connect.set_defaults(run=_connect)
    listed = verbs.add_parser("list", help="how every login stands; no secrets")
    listed.add_argument("--json", action="store_true", help="for programs")
    listed.set_defaults(run=_list)

    vault = subparsers.add_parser("vault", help="the keys that encrypt tokens")
    keys = vault.add_subparsers(metavar="VERB", required=True)
    keys.add_parser("key", help="print a new key for SCHEDULO_VAULT_KEY").set_defaults(run=_key)
    rotate = keys.add_parser("rotate", help="encrypt all tokens with the newest key; may be broken off")
    rotate.set_defaults(run=_rotate)


@contextmanager
def _means() -> Iterator[Means]:
    """The vault, and how the platforms are reached. Airflow is imported here, since that takes seconds."""
    # Without this Airflow's SDK looks for Connections in the environment alone, not in its database.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    from hooks.engine import means_for_people
    from schedulo.vault import VaultError

    try:
        with means_for_people() as means:
            yield means
    except VaultError as error:
        raise CommandError(str(error)) from None


def _connect(arguments: argparse.Namespace) -> int:
    from schedulo.clock import now_ms
    from schedulo.tokens.taking_in import GivenError, read, take_in

    data = _from_file(arguments.file) if arguments.file else _asked(arguments)
    try:
        given = read(data, now_ms())
    except GivenError as error:
        raise CommandError(f"{arguments.file or 'The tokens'}: {error} Nothing was kept.") from None
    with _means() as means:
        outcomes = asyncio.run(take_in(means, given, getpass.getuser(), check=not arguments.unchecked))
    kept = [outcome for outcome in outcomes if outcome.kept]
    print(f"Kept the tokens of {len(kept)} account(s).")
    for outcome in outcomes:
        if not (outcome.kept and arguments.unchecked):
            print(f"{outcome.account_key}: {outcome.sentence}")
    for name in sorted({name for outcome in kept for name in outcome.released}):
        print(f"What waited for a login goes out with the next run: {name}.")
    return 0 if len(kept) == len(outcomes) else 1


def _asked(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    if not arguments.platform or not arguments.account_id:
        raise CommandError("Name a platform and an account id, or a --file.")
    token = getpass.getpass("Access token: ").strip()
    if not token:
        raise CommandError("Access token: it is empty; nothing was kept.")
    secret = {"access_token": token}
    if arguments.platform in RENEWED_BY_TOKEN:
        refresh_token = getpass.getpass("Refresh token (empty: none): ").strip()
        secret |= {"refresh_token": refresh_token} if refresh_token else {}
    return {f"{arguments.platform}:{arguments.account_id}": secret}


def _from_file(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} could not be read as JSON ({type(error).__name__}).") from None


def _list(arguments: argparse.Namespace) -> int:
    from schedulo.clock import spoken
    from schedulo.tokens.listing import standings

    with _means() as means, means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        assert means.logins is not None
        alone = means.logins.tokens.alone
        found = standings(connection, now_ms, means.settings, alone)
    if arguments.json:
        print(json.dumps([one.to_json() for one in found], indent=1))
        return 0
    for one in found:
        name = f" @{one.name}" if one.name else ""
        at = {what: spoken(value, now_ms) for what, value in one.instants.items() if value is not None}
        times = ", ".join(f"{what.replace('_', ' ')} {value}" for what, value in at.items())
        print(f"{one.account_key}{name}: {one.state}{f'; {one.note}' if one.note else ''}")
        if times:
            print(f"    {times}")
    return 0


def _rotate(_arguments: argparse.Namespace) -> int:
    with _means() as means:
        vault = means.logins.tokens.vault if means.logins else None
        if vault is None:
            raise CommandError("SCHEDULO_VAULT_KEY is not set; the operator sets it.")
        done = vault.rotate(getpass.getuser())
    print(f"Encrypted anew: {done.encrypted}. With the newest key already: {done.before}.")
    print("Older keys may be taken out of SCHEDULO_VAULT_KEY, once every process has the newest.")
    return 0


def _key(_arguments: argparse.Namespace) -> int:
    from cryptography.fernet import Fernet

    print(Fernet.generate_key().decode())
    return 0
