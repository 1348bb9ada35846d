"""Who subscribes: added, paused, resumed and removed by people, and paused by us where nobody takes anything.

What events are signed with is encrypted like logins and shown once, when it is made. While a secret is
replaced, the old one counts for a day more, so that the receiver can be changed without losing an event.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from schedulo.delivery.incidents import Trouble, over
from schedulo.delivery.webhook_events import GIVEN_UP, SENT, TYPES, WAITING
from schedulo.ledger.subscribers import subscriber_events, subscriber_sendings, subscribers
from schedulo.ledger.tables import accounts
from schedulo.outward import OutwardError, check
from schedulo.vault import Vault, VaultError
from schedulo.webhooks.signing import new_secret

OLD_SECRET_MS = 86_400_000

_S, _E, _T = subscribers.c, subscriber_events.c, subscriber_sendings.c


class SubscriberError(ValueError):
    """It cannot be done; the message names the field, its value, the rule and who mends it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a subscriber stands, without its secret."""

    id: str
    name: str
    host: str
    types: Sequence[str]
    accounts: Sequence[str]
    paused: str
    """Why it is paused; empty: it is not."""
    failures: int
    took_ms: int | None
    waiting: int
    given_up: int


def add(
    connection: sa.Connection,
    now_ms: int,
    vault: Vault,
    url: str,
    *,
    name: str = "",
    types: Sequence[str] = (),
    account_keys: Sequence[str] = (),
    author: str,
    allowed_hosts: frozenset[str],
) -> tuple[str, str]:
    """Add a subscriber; answers its id and its secret, which is never shown again.

    It gets what happens from now on.

    :param types: the events it wants; none: all
    :param account_keys: the accounts it wants; none: all
    :param allowed_hosts: `host:port` of those that may be private and use plain http
    :raises SubscriberError: where an address or a name cannot be used
    """
    _check(connection, url, types, account_keys, allowed_hosts)
    id_, secret = f"sub_{secrets.token_hex(6)}", new_secret()
    connection.execute(
        sa.insert(subscribers).values(
            id=id_,
            name=name or host_of(url),
            url=url,
            secret=vault.seal({"secrets": [{"secret": secret, "until_ms": None}]}),
            types=sorted(set(types)),
            accounts=sorted(set(account_keys)),
            made_ms=now_ms,
            made_by=author,
        )
    )
    return id_, secret


def _check(
    connection: sa.Connection,
    url: str,
    types: Sequence[str],
    account_keys: Sequence[str],
    allowed_hosts: frozenset[str],
) -> None:
    try:
        check(url, allowed_hosts, "subscriber")
    except OutwardError as error:
        raise SubscriberError(
            f"URL: {error}. Give a public https address, or have the operator name its host and port in "
            "SCHEDULO_WEBHOOK_HOSTS."
        ) from None
    for type_ in types:
        if type_ not in TYPES:
            raise SubscriberError(f"events ({type_}): it must be one of {', '.join(TYPES)}.")
    known = set(connection.execute(sa.select(accounts.c.key)).scalars()) if account_keys else set()
    for key in account_keys:
        if key not in known:
            raise SubscriberError(
                f"accounts ({key}): there is no such account. `schedulo accounts list` names them, as x:123."
            )


def host_of(url: str) -> str:
    """What may be said of an address: the rest may be a secret."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def secrets_of(vault: Vault, row: Any, now_ms: int) -> list[str]:
    """All secrets that count now, newest first. `row` is one of `subscribers`."""
    kept = vault.open(f"the subscriber {row.id}", row.secret)["secrets"]
    return [item["secret"] for item in kept if item["until_ms"] is None or item["until_ms"] > now_ms]


def rotate(connection: sa.Connection, now_ms: int, vault: Vault, id_: str) -> str:
    """Give it a new secret, which is answered; the old one counts for a day more, unless no key opens it."""
    row = find(connection, id_, lock=True)
    secret = new_secret()
    kept: list[dict[str, Any]] = [{"secret": secret, "until_ms": None}]
    with contextlib.suppress(VaultError):
        newest, *_ = secrets_of(vault, row, now_ms)
        kept.append({"secret": newest, "until_ms": now_ms + OLD_SECRET_MS})
    _set(connection, id_, secret=vault.seal({"secrets": kept}))
    return secret


def find(connection: sa.Connection, id_: str, *, lock: bool = False) -> Any:
    """The row of a subscriber. Raises `SubscriberError` where there is none."""
    query = sa.select(subscribers).where(_S.id == id_)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise SubscriberError(
            f"ID ({id_}): there is no such subscriber. `schedulo webhooks list` names them all."
        )
    return row


def _set(connection: sa.Connection, id_: str, **values: Any) -> None:
    connection.execute(sa.update(subscribers).where(_S.id == id_).values(**values))


def remove(connection: sa.Connection, now_ms: int, id_: str) -> None:
    """Forget it, with all that it was sent or is still to get."""
    find(connection, id_)
    connection.execute(sa.delete(subscriber_sendings).where(_T.subscriber_id == id_))
    connection.execute(sa.delete(subscribers).where(_S.id == id_))
    for trouble in (Trouble.SUBSCRIBER_PAUSED, Trouble.SUBSCRIBER_REFUSES):
        over(connection, now_ms, trouble, id_)


def pause(connection: sa.Connection, now_ms: int, id_: str, why: str) -> None:
    """Send it nothing; what happens is kept for it."""
    find(connection, id_)
    _set(connection, id_, paused_ms=now_ms, paused_why=why)


def resume(connection: sa.Connection, now_ms: int, id_: str) -> int:
    """Send it again, at once, all that waits; answers how much that is."""
    find(connection, id_)
    _set(connection, id_, paused_ms=None, paused_why="", failures=0, next_ms=None)
    over(connection, now_ms, Trouble.SUBSCRIBER_PAUSED, id_)
    return _anew(connection, now_ms, id_, _T.state == WAITING)


def replay(
    connection: sa.Connection, now_ms: int, id_: str, *, event: str = "", since_ms: int | None = None
) -> int:
    """Send it events again, with the ids and bodies that they had; answers how many.

    :param event: one event by its id; without it, and without `since_ms`, all that were given up
    :param since_ms: all that happened since, taken or not
    """
    find(connection, id_)
    which: sa.ColumnElement[bool]
    if event:
        about = sa.select(_E.number).where(_E.id == event)
        which = _T.number.in_(about)
    elif since_ms is not None:
        which = _T.number.in_(sa.select(_E.number).where(_E.at_ms >= since_ms))
    else:
        which = _T.state == GIVEN_UP
    count = _anew(connection, now_ms, id_, which)
    if event and not count:
        raise SubscriberError(f"event ({event}): {id_} was never to get one with this id.")
    over(connection, now_ms, Trouble.SUBSCRIBER_REFUSES, id_)
    return count


def _anew(connection: sa.Connection, now_ms: int, id_: str, which: sa.ColumnElement[bool]) -> int:
    values = {"state": WAITING, "tries": 0, "next_ms": now_ms, "problem": ""}
    written = sa.update(subscriber_sendings).where(_T.subscriber_id == id_, which).values(**values)
    return connection.execute(written).rowcount


def standings(connection: sa.Connection) -> list[Standing]:
    """All subscribers, in the order in which they were added."""
    counts: dict[tuple[str, str], int] = {}
    query = (
        sa.select(_T.subscriber_id, _T.state, sa.func.count().label("number"))
        .where(_T.state != SENT)
        .group_by(_T.subscriber_id, _T.state)
    )
    for row in connection.execute(query):
        counts[row.subscriber_id, row.state] = row.number
    return [
        Standing(
            row.id,
            row.name,
            host_of(row.url),
            row.types,
            row.accounts,
            row.paused_why if row.paused_ms is not None else "",
            row.failures,
            row.took_ms,
            counts.get((row.id, WAITING), 0),
            counts.get((row.id, GIVEN_UP), 0),
        )
        for row in connection.execute(sa.select(subscribers).order_by(_S.made_ms, _S.id))
    ]
