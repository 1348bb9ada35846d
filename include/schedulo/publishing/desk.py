"""The books of one process: every ledger operation that publishing needs, batched by the clerk.

An operation is a function of (connection, wishes); the clerk does all that wait for the same one together.
They are attributes because the clerk tells operations apart by identity.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from schedulo.delivery import claims, commits, endings, holds, restored, rows
from schedulo.delivery.holds import Hold
from schedulo.ledger.clerk import Clerk, Operation
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries
from schedulo.model import State
from schedulo.settings import Settings


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of one delivery."""

    delivery: rows.Delivery
    steps: Mapping[str, Any]
    writes: Sequence[rows.Write]
    hold: Hold | None
    """The hold that stops it at its instant, if one is in force."""
    limit: Hold | None
    """A hold by an error that is in force now, whenever it ends: until then nothing is asked for it."""
    silent: bool
    """No tick for a long time: this may be an old ledger."""
    now_ms: int
    """The database's time when it was read."""


class Desk:
    """Ledger operations as coroutines; usable from any event loop."""

    def __init__(self, ledger: Ledger, clerk: Clerk, settings: Settings, *, fenced: bool = True) -> None:
        self._ledger = ledger
        self._clerk = clerk
        self._settings = settings
        self._fenced = fenced
        self._operations: dict[str, Operation[Any, Any]] = {
            "acquire": self._acquire,
            "case": self._case,
            "keep": self._keep,
            "arm": self._arm,
            "fence": self._fence,
            "settle": self._settle,
        }
        self._calls: dict[Callable[..., Any], Operation[Any, Any]] = {}

    async def _ask(self, name: str, wish: Any, *, urgent: bool = False) -> Any:
        return await asyncio.wrap_future(self._clerk.ask(self._operations[name], wish, urgent=urgent))

    async def acquire(self, wish: claims.Wish) -> claims.Grant:
        grant: claims.Grant = await self._ask("acquire", wish)
        return grant

    async def case(self, delivery_id: str) -> Case:
        case: Case = await self._ask("case", delivery_id)
        return case

    async def keep(self, kept: commits.Kept) -> bool:
        done: bool = await self._ask("keep", kept)
        return done

    async def arm(self, armed: endings.Armed) -> bool:
        done: bool = await self._ask("arm", armed)
        return done

    async def fence(self, intents: Sequence[commits.Intent]) -> list[commits.Fenced | None]:
        """All intents in one statement; raises what the database raises."""
        answers: list[commits.Fenced | None] = await self._ask("fence", intents, urgent=True)
        return answers

    async def settle(self, outcome: commits.Outcome) -> Any:
        return await self._ask("settle", outcome)

    async def do(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run one of `endings`' or `claims`' functions: called with (connection, now, *args, **kwargs)."""
        if function not in self._calls:
            self._calls[function] = partial(self._each, function)
        return await asyncio.wrap_future(self._clerk.ask(self._calls[function], (args, kwargs)))

    def _each(
        self, function: Callable[..., Any], connection: sa.Connection, wishes: Sequence[Any]
    ) -> list[Any]:
        now_ms = self._ledger.now_ms(connection)
        return [function(connection, now_ms, *args, **kwargs) for args, kwargs in wishes]

    def _acquire(self, connection: sa.Connection, wishes: Sequence[claims.Wish]) -> list[claims.Grant]:
        return claims.acquire(connection, self._ledger.now_ms(connection), wishes, self._settings)

    def _case(self, connection: sa.Connection, ids: Sequence[str]) -> list[Case]:
        now_ms = self._ledger.now_ms(connection)
        found = rows.load(connection, ids)
        steps = rows.kept_steps(connection, ids, now_ms)
        writes = rows.writes_of(connection, ids)
        every = holds.in_force(connection, now_ms)
        stops, limits = holds.InForce(every), holds.InForce(hold for hold in every if hold.error_kind)
        following = holds.InForce(hold for hold in every if not hold.window_id)
        silent = bool(connection.execute(sa.select(restored.silent(now_ms))).scalar_one())
        cases = []
        for id_ in ids:
            one = found[id_]
            about = (one.account.platform, one.account.key)
            stop = following if one.state is State.PUBLISHED_INCOMPLETE else stops  # as the fence does
            hold, limit = stop.on(*about, one.fire_ms, one.post_id), limits.on(*about, now_ms)
            cases.append(Case(one, steps[id_], writes[id_], hold, limit, silent, now_ms))
        return cases

    def _keep(self, connection: sa.Connection, kept: Sequence[commits.Kept]) -> list[bool]:
        return commits.keep_steps(connection, self._ledger.now_ms(connection), kept)

    def _arm(self, connection: sa.Connection, armed: Sequence[endings.Armed]) -> list[bool]:
        return endings.arm(connection, self._ledger.now_ms(connection), armed)

    def _fence(
        self, connection: sa.Connection, wishes: Sequence[Sequence[commits.Intent]]
    ) -> list[list[commits.Fenced | None]]:
        every = [intent for intents in wishes for intent in intents]
        now_ms = self._ledger.now_ms(connection)
        lead_ms = int(self._settings.fence_lead_s * 1000)
        answers = iter(commits.fence(connection, now_ms, lead_ms, every, guarded=self._fenced))
        return [[next(answers) for _ in intents] for intents in wishes]

    def _settle(self, connection: sa.Connection, found: Sequence[commits.Outcome]) -> list[Any]:
        return list(commits.settle(connection, self._ledger.now_ms(connection), found))


def sums(connection: sa.Connection, holder: str) -> tuple[Any, ...]:
    """Of what a process holds and has not begun to send: changes whenever one of them does."""
    d = deliveries.c
    query = sa.select(
        sa.func.count(), sa.func.sum(d.updated_ms), sa.func.sum(d.version), sa.func.sum(d.fire_ms)
    ).where(d.state.in_((State.CLAIMED, State.ARMED)), d.holder == holder)
    return tuple(connection.execute(query).one())


def glances(connection: sa.Connection, holder: str) -> dict[str, tuple[int, int]]:
    """Version and instant of all that a process holds and that is not out."""
    d = deliveries.c
    query = sa.select(d.id, d.version, d.fire_ms).where(
        d.state.in_((State.CLAIMED, State.ARMED, State.SENDING)), d.holder == holder
    )
    return {row.id: (row.version, row.fire_ms) for row in connection.execute(query)}
