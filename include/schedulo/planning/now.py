"""Publishing named posts now: read as they are in Airtable at this moment, claimed for the run that asks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schedulo.airtable.client import RECORD_ID
from schedulo.delivery.planning import Asked, ask_now
from schedulo.errors.airtable import AirtableError
from schedulo.model import Platform
from schedulo.planning.tick import Tick

ACCOUNT_KEY = re.compile(rf"({'|'.join(platform.value for platform in Platform)}):\S+")
MAX_POSTS = 100


class WishError(ValueError):
    """The request cannot be understood; the message names field, value, rule and remedy."""


@dataclass(frozen=True, slots=True)
class Wished:
    """What somebody asks to publish."""

    posts: tuple[str, ...]
    accounts: tuple[str, ...]
    """Account keys (`platform:account_id`); empty for all accounts of the posts."""
    dry_run: bool

    @classmethod
    def read(cls, conf: Mapping[str, Any]) -> Wished:
        """Read a request. Raises `WishError`: also for a field that does not exist, since a mistyped
        `dry_run` would publish for real."""
        unknown = sorted(set(conf) - {"posts", "accounts", "dry_run"})
        if unknown:
            raise WishError(
                f"{', '.join(unknown)}: there is no such field; there are posts, accounts and dry_run. "
                "Nothing was published; whoever calls corrects it."
            )
        posts = _texts(
            "posts", conf.get("posts"), RECORD_ID, "record ids of Posts, such as rec0123456789ABCD"
        )
        accounts = _texts("accounts", conf.get("accounts") or [], ACCOUNT_KEY, "account keys, such as x:123")
        dry_run = conf.get("dry_run", False)
        if not isinstance(dry_run, bool):
            raise WishError(f"dry_run ({dry_run!r}): it must be true or false. Whoever calls corrects it.")
        if not 1 <= len(posts) <= MAX_POSTS:
            raise WishError(
                f"posts ({len(posts)} given): it must name 1 to {MAX_POSTS}. Whoever calls corrects it."
            )
        return cls(posts, accounts, dry_run)


def _texts(name: str, value: Any, pattern: re.Pattern[str], rule: str) -> tuple[str, ...]:
    found = value if isinstance(value, list | tuple) else [value]
    for item in found:
        if not isinstance(item, str) or not pattern.fullmatch(item.strip()):
            raise WishError(f"{name} ({item!r}): it must be a list of {rule}. Whoever calls corrects it.")
    return tuple(dict.fromkeys(item.strip() for item in found))


def plan_now(tick: Tick, posts: Sequence[str]) -> None:
    """Bring the ledger in line with these rows. Without Airtable what the ledger knows counts."""
    try:
        client = tick.client()
        with client.within(2 * tick.settings.airtable_budget_s):
            tick.plan_rows(client, client.posts_by_id(posts))
    except AirtableError as error:
        tick.lines.append(f"Airtable could not be read, the posts go out as they were last seen: {error}")


def claim_now(tick: Tick, run_id: str, wished: Wished) -> list[Asked]:
    """Claim them for this run. A retry of the same run answers what it has claimed before."""
    with tick.ledger.begin() as connection:
        now_ms = tick.ledger.now_ms(connection)
        grace_ms = int(tick.settings.missed_after_s * 1000)
        return ask_now(connection, now_ms, run_id, wished.posts, wished.accounts, grace_ms)
