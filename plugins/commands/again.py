"""`schedulo retry`, `cancel` and `resolve`: try posts again, do not send them, say what became of one."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from commands.failure import CommandError

if TYPE_CHECKING:
    from schedulo.delivery.again import Told
    from schedulo.ledger.database import Ledger
    from schedulo.settings import Settings

LISTS = {
    "deliveries": ("--delivery", "ID", "this delivery: the column Key of Deliveries"),
    "posts": ("--post", "recX", "deliveries of this post: its record id"),
    "accounts": ("--account", "KEY", "on this account, such as x:123"),
    "platforms": ("--platform", "NAME", "on this platform"),
    "error_kinds": ("--error-kind", "KIND", "that failed for this kind of error"),
    "states": ("--state", "STATE", "in this state; else what failed, or what is named"),
}
"""Options that may be given several times, by the field of `Retry` that they fill."""
NAMES = ("deliveries", "posts", "accounts")
"""Those by which posts are named."""


def register(subparsers: Any) -> None:
    """Add this module's subcommands."""
    retry = subparsers.add_parser("retry", help="try posts again; what is given must all be true of them")
    for name, (option, metavar, meaning) in LISTS.items():
        retry.add_argument(option, dest=name, metavar=metavar, action="append", help=meaning)
    retry.add_argument("--since", help="came to rest since: 2026-12-24T17:00:00Z, or '2 hours'")
    retry.add_argument("--limit", type=int, help="at most so many (default 100)")
    retry.add_argument("--dry-run", action="store_true", help="only say what would be done")
    retry.set_defaults(run=_retry)

    cancel = subparsers.add_parser(
        "cancel", help="posts that are not to go out; all that is given must be true"
    )
    for name in NAMES:
        option, metavar, meaning = LISTS[name]
        cancel.add_argument(option, dest=name, metavar=metavar, action="append", help=meaning)
    cancel.add_argument("--dry-run", action="store_true", help="only say what would be done")
    cancel.set_defaults(run=_cancel)

    resolve = subparsers.add_parser("resolve", help="say what became of a post that nobody knows")
    resolve.add_argument("delivery", help="its id: the column Key of Deliveries")
    said = resolve.add_mutually_exclusive_group(required=True)
    said.add_argument("--out", metavar="LINK", help="it is out, and can be seen here")
    said.add_argument("--not-out", action="store_true", help="it is not out, send it")
    resolve.set_defaults(run=_resolve)


def _retry(arguments: argparse.Namespace) -> int:
    from schedulo.planning.by_hand import Retry, retry

    conf = {name: getattr(arguments, name) for name in (*LISTS, "since", "limit", "dry_run")}

    def work(ledger: Ledger, by: str, chosen: Settings) -> Any:
        return retry(ledger, Retry.read(conf), by, chosen)

    found = _do(work, "retry")
    print(found.sentence(dry_run=arguments.dry_run))
    for item in found.told:
        _print(item)
    return 0


def _cancel(arguments: argparse.Namespace) -> int:
    from schedulo.planning.by_hand import Cancel, cancel

    conf = {name: getattr(arguments, name) for name in (*NAMES, "dry_run")}
    found = _do(lambda ledger, by, _chosen: cancel(ledger, Cancel.read(conf), by), "cancel")
    print(found.sentence(dry_run=arguments.dry_run))
    for item in found.told:
        _print(item)
    return 0


def _resolve(arguments: argparse.Namespace) -> int:
    from schedulo.delivery.again import Ask
    from schedulo.planning.by_hand import Resolve, resolve

    said = Resolve(arguments.delivery, Ask.NOT_OUT if arguments.not_out else Ask.IS_OUT, arguments.out or "")
    told = _do(lambda ledger, by, chosen: resolve(ledger, said, by, chosen), "resolve")
    if not told.done:
        raise CommandError(f"{told.label}: {told.sentence}")
    _print(told)
    return 0


def _do(work: Callable[[Ledger, str, Settings], Any], verb: str) -> Any:
    from schedulo.ledger.database import Ledger
    from schedulo.planning.wishes import WishError
    from schedulo.settings import settings

    ledger = Ledger(settings().ledger)
    try:
        return work(ledger, f"by {getpass.getuser()} with `schedulo {verb}`", settings())
    except WishError as error:
        raise CommandError(str(error)) from None
    finally:
        ledger.close()


def _print(item: Told) -> None:
    print(f"  {item.delivery_id}  {item.label}: {item.sentence}")
