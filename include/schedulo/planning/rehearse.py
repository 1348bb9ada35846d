"""Trying posts without publishing them: what may be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schedulo.airtable.client import RECORD_ID
from schedulo.planning import wishes
from schedulo.planning.wishes import WishError

MAX_POSTS = 20
"""They are tried one after the other, some seconds each."""


class Where(StrEnum):
    """Where a rehearsal publishes."""

    SANDBOX = "sandbox"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Wished:
    """Which posts to try, and where."""

    posts: tuple[str, ...]
    accounts: tuple[str, ...]
    """Account keys (`platform:account_id`); empty for all accounts of the posts."""
    where: Where

    @classmethod
    def read(cls, conf: Mapping[str, Any]) -> Wished:
        """Read a request. Raises `WishError`."""
        wishes.only(conf, ("posts", "accounts", "where"))
        posts = wishes.texts("posts", conf.get("posts"), RECORD_ID, wishes.RECORDS)
        accounts = wishes.texts("accounts", conf.get("accounts"), wishes.ACCOUNT_KEY, wishes.ACCOUNTS)
        if not 1 <= len(posts) <= MAX_POSTS:
            raise WishError(
                f"posts ({len(posts)} given): it must name 1 to {MAX_POSTS}. Whoever calls corrects it."
            )
        where = wishes.text("where", conf.get("where")) or Where.SANDBOX.value
        if where not in set(Where):
            raise WishError(
                f"where ({where!r}): it must be {' or '.join(Where)}; a rehearsal goes nowhere else. "
                "Whoever calls corrects it."
            )
        return cls(posts, accounts, Where(where))
