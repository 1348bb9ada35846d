"""`schedulo accounts connect`: keep an account's token in the vault. `schedulo vault key`: make its key.

Secrets come from a prompt or a file, never from an argument: arguments are seen by every process.
"""

from __future__ import annotations

import argparse
import getpass
import json
from pathlib import Path
from typing import Any

from commands.failure import CommandError
from schedulo.model import Platform

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
    connect.set_defaults(run=_connect)

    vault = subparsers.add_parser("vault", help="the key that encrypts tokens")
    key = vault.add_subparsers(metavar="VERB", required=True).add_parser(
        "key", help="print a new key for SCHEDULO_VAULT_KEY"
    )
    key.set_defaults(run=_key)


def _connect(arguments: argparse.Namespace) -> int:
    from schedulo.delivery.holds import reconnected
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings
    from schedulo.vault import Vault, VaultError

    secrets = _from_file(arguments.file) if arguments.file else _asked(arguments)
    ledger = Ledger(settings().ledger)
    try:
        vault = Vault(ledger, settings().vault_key)
        with ledger.begin() as connection:
            now_ms = ledger.now_ms(connection)
            vault.put_in(connection, now_ms, secrets)
            lifted = reconnected(connection, now_ms, secrets, getpass.getuser())
    except VaultError as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()
    print(f"Kept the tokens of {len(secrets)} account(s).")
    for name in sorted({hold.name for hold in lifted}):
        print(f"What waited for a login goes out with the next run: {name}.")
    return 0


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


def _from_file(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} could not be read as JSON ({type(error).__name__}).") from None
    platforms = {platform.value for platform in Platform}
    for key, secret in found.items() if isinstance(found, dict) else [("", None)]:
        if key.partition(":")[0] not in platforms or not key.partition(":")[2]:
            raise CommandError(f"{path}: {key!r} is not platform:account_id, such as x:123.")
        if not isinstance(secret, dict) or not secret.get("access_token"):
            raise CommandError(f"{path}: {key} has no access_token.")
    return found


def _key(_arguments: argparse.Namespace) -> int:
    from cryptography.fernet import Fernet

    print(Fernet.generate_key().decode())
    return 0
