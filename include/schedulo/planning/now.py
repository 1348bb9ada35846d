"""Publishing named posts now: read as they are in Airtable at this moment, claimed for the run that asks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.airtable.client import RECORD_ID
from schedulo.delivery import restored
from schedulo.delivery.hurry import Asked, ask_now
from schedulo.errors.airtable import AirtableError
from schedulo.ledger.tables import posts
from schedulo.planning import wishes
from schedulo.planning.prepare import NotPrepared, Prepared, Preparer
from schedulo.planning.tick import Tick
from schedulo.planning.wishes import WishError

MAX_POSTS = 100
PATIENCE_S = 300.0
"""How long a wish waits for another run that prepares its post."""


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
        wishes.only(conf, ("posts", "accounts", "dry_run"))
        posts = wishes.texts("posts", conf.get("posts"), RECORD_ID, wishes.RECORDS)
        accounts = wishes.texts("accounts", conf.get("accounts"), wishes.ACCOUNT_KEY, wishes.ACCOUNTS)
        dry_run = wishes.flag("dry_run", conf.get("dry_run", False))
        if not 1 <= len(posts) <= MAX_POSTS:
            raise WishError(
                f"posts ({len(posts)} given): it must name 1 to {MAX_POSTS}. Whoever calls corrects it."
            )
        return cls(posts, accounts, dry_run)


def plan_now(tick: Tick, record_ids: Sequence[str]) -> None:
    """Bring the ledger in line with these rows. Without Airtable what the ledger knows counts."""
    try:
        client = tick.client()
        with client.within(2 * tick.settings.airtable_budget_s):
            read_ms = tick.planner.moment()
            tick.planner.plan(client, client.posts_by_id(record_ids), read_ms)
    except AirtableError as error:
        tick.lines.append(f"Airtable could not be read, the posts go out as they were last seen: {error}")


def prepare_now(
    preparer: Preparer, run_id: str, wished: Wished, patience_s: float = PATIENCE_S
) -> list[Prepared]:
    """Prepare those of the wished posts that lack something. What cannot be prepared now says so when it is
    claimed.

    :param patience_s: how long to wait for another run that prepares the same post, seconds
    """
    ledger, columns = preparer.planner.ledger, posts.c
    lacking = sa.select(columns.record_id).where(columns.record_id.in_(wished.posts), columns.unprepared)
    with ledger.read() as connection:
        wanted = list(connection.execute(lacking.order_by(columns.record_id)).scalars())
    deadline = time.monotonic() + patience_s
    done = []
    for record_id in wanted:
        try:
            prepared = preparer.prepare(record_id, run_id)
            while prepared.busy and time.monotonic() < deadline:
                time.sleep(1.0)
                prepared = preparer.prepare(record_id, run_id)
        except (NotPrepared, AirtableError) as error:
            prepared = Prepared(record_id, (f"not prepared: {error}",))
        done.append(prepared)
    return done


def claim_now(tick: Tick, run_id: str, wished: Wished) -> list[Asked]:
    """Claim them for this run. A retry of the same run answers what it has claimed before.

    :raises WishError: where the ledger may be an old one
    """
    with tick.ledger.begin() as connection:
        now_ms = tick.ledger.now_ms(connection)
        if reason := restored.why_not(connection) or restored.silence(connection, now_ms):
            raise WishError(
                f"Nothing was published: {reason}. Ask again after the next run of publish_due_posts."
            )
        restored.doubt(connection, now_ms)
        return ask_now(connection, now_ms, run_id, wished.posts, wished.accounts, tick.settings)
