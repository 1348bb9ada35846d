"""Reads what somebody asks for by form, REST or command: every field checked, an unknown one refused.

Airflow checks a run's configuration only in part and lets unknown fields pass, and a mistyped `dry_run` would
act for real.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.client import RECORD_ID
from schedulo.ledger.tables import accounts as known_accounts
from schedulo.ledger.tables import deliveries as known_deliveries
from schedulo.model import Platform

ACCOUNT_KEY = re.compile(rf"({'|'.join(platform.value for platform in Platform)}):\S+")
DELIVERY_ID = re.compile(r"\w{1,64}")
RECORDS = "record ids of Posts, such as rec0123456789ABCD"
ACCOUNTS = "account keys, such as x:123"
MOST = 1000
"""Names that a list may hold."""
DELIVERIES = "ids of deliveries, as the column Key of Deliveries shows them"


class RefusedError(ValueError):
    """The request was understood, and cannot be fulfilled; the message says why, and nothing was done."""


class WishError(RefusedError):
    """The request cannot be understood; the message names field, value, rule and remedy."""


def only(conf: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse fields that do not exist. Raises `WishError`."""
    unknown = sorted(set(conf) - set(names))
    if unknown:
        raise WishError(
            f"{', '.join(unknown)}: there is no such field; there are {', '.join(names)}. "
            "Nothing was done; whoever calls corrects it."
        )


def texts(name: str, value: Any, pattern: re.Pattern[str], rule: str, most: int = MOST) -> tuple[str, ...]:
    """A list of at most so many texts of one form, each once; nothing for none. Raises `WishError`."""
    if value is None:
        return ()
    found = value if isinstance(value, list | tuple) else [value]
    if len(found) > most:
        raise WishError(
            f"{name} ({len(found)} given): it may name at most {most}. Whoever calls corrects it."
        )
    for item in found:
        # PostgreSQL takes no text with a NUL in it.
        if not isinstance(item, str) or "\0" in item or not pattern.fullmatch(item.strip()):
            raise WishError(f"{name} ({item!r}): it must be a list of {rule}. Whoever calls corrects it.")
    return tuple(dict.fromkeys(item.strip() for item in found))


def named(conf: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The deliveries, posts and accounts that a request names. Raises `WishError`."""
    return (
        texts("deliveries", conf.get("deliveries"), DELIVERY_ID, DELIVERIES),
        texts("posts", conf.get("posts"), RECORD_ID, RECORDS),
        texts("accounts", conf.get("accounts"), ACCOUNT_KEY, ACCOUNTS),
    )


def words(name: str, value: Any, known: Collection[str]) -> tuple[str, ...]:
    """A list of words that there are, each once; nothing for none. Raises `WishError`."""
    pattern = re.compile("|".join(re.escape(word) for word in known))
    return texts(name, value, pattern, f"some of {', '.join(known)}")


def flag(name: str, value: Any) -> bool:
    """True or false. Raises `WishError`."""
    if not isinstance(value, bool):
        raise WishError(f"{name} ({value!r}): it must be true or false. Whoever calls corrects it.")
    return value


def text(name: str, value: Any) -> str:
    """A text, without the blanks around it; empty for none. Raises `WishError`."""
    if value is not None and not isinstance(value, str):
        raise WishError(f"{name} ({value!r}): it must be a text. Whoever calls corrects it.")
    return (value or "").strip()


def chosen(
    connection: sa.Connection, deliveries: Sequence[str], posts: Sequence[str], accounts: Sequence[str]
) -> list[sa.ColumnElement[bool]]:
    """What is true of the deliveries that these names choose; a kind without names chooses among all.

    :raises WishError: where a name is one that nobody knows
    """
    d = known_deliveries.c
    named = {
        "deliveries": (deliveries, d.id, d.id),
        "posts": (posts, d.post_id, d.post_id),
        "accounts": (accounts, known_accounts.c.key, d.account_key),
    }
    conditions: list[sa.ColumnElement[bool]] = []
    for name, (wanted, place, column) in named.items():
        known = set(connection.execute(sa.select(place).where(place.in_(wanted)).distinct()).scalars())
        if strangers := [item for item in wanted if item not in known]:
            raise WishError(
                f"{name} ({', '.join(strangers)}): nobody knows them. Nothing was done; "
                "whoever calls corrects it."
            )
        if wanted:
            conditions.append(column.in_(wanted))
    return conditions
