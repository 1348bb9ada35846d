"""Brings a delivery that cannot go on to rest: waits, gives it back, looks again later, or gives it up.

Short waits happen in the session; longer ones go back to the ledger, where they are visible and hold nobody
up. What may be out is never planned again: it is looked at.
"""

from __future__ import annotations

import asyncio
import random
import time

from schedulo.delivery import endings, holds, moved, quotas
from schedulo.delivery.holds import Hold
from schedulo.delivery.rows import Delivery
from schedulo.errors import Kind, KindInfo, PlatformError, Strategy
from schedulo.limits import DAY_S
from schedulo.model import Platform, State
from schedulo.publishing.desk import Desk
from schedulo.publishing.ending import End, Ending
from schedulo.settings import Settings

HERE_S = 60.0
"""Waits up to this long happen in the session."""
TASK_S = 600.0
"""Waits up to this long are a retry of the same task; longer ones go back to the ledger."""
LONGEST_BLIND_S = 3600.0
"""A limit on reading is asked about again after this time at the latest."""
RECONNECTING_S = 300.0
"""How often what the platform works on is looked at while its account waits to be connected again."""
LOOK_AGAIN_S = 5.0
"""How often a session that waits for the end of a limit looks at the ledger."""
DAYS_FULL = ("spam_risk_too_many_posts",)
"""TikTok: the account has posted what it may within a day."""
LIMITS = (Kind.RATE_LIMITED, Kind.QUOTA_EXHAUSTED)


class Rest:
    """The ways to rest. Each answers how the instance ends; None: look at the ledger again, since the wait is
    over or the delivery is no longer ours."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self._desk = desk
        self._settings = settings

    async def held(self, delivery: Delivery, hold: Hold, now_ms: int) -> Ending | None:
        """Wait for a hold's end: here where it is near, else in the ledger, where it keeps nobody up."""
        if hold.end_ms <= delivery.fire_ms and delivery.state is not State.REFUSED:
            return None
        kept = bool(hold.window_id) and await self._desk.do(moved.waits_for_a_person, delivery.id)
        if (left_s := hold.left_s(now_ms)) <= HERE_S and not kept:
            gap_ms = int(self._settings.account_gap_s * 1000)
            if await self._desk.do(endings.stand_by, delivery, hold, gap_ms):
                await asyncio.sleep(max(0.0, left_s - 0.5))
            return None
        if not await self._desk.do(endings.set_aside, delivery, hold):
            return None
        if kept:  # at once: the window may be over when the next tick decides of what it stopped
            await self._desk.do(moved.settle, int(self._settings.missed_after_s * 1000))
        return Ending(End.SKIPPED, hold.sentence(), delivery.id, delivery.label, hold.error_kind)

    async def wait(
        self, delivery: Delivery, wait_s: float, error: PlatformError, *, attempt: bool
    ) -> Ending | None:
        """Wait here, in the task, or in the ledger, by how long it takes."""
        if wait_s > HERE_S:
            return await self.give_back(delivery, wait_s, error.sentence(), attempt=attempt, kind=error.kind)
        fire_ms = int((time.time() + wait_s) * 1000)
        reason = f"{error.sentence()}; tried again in {wait_s:.0f} s"
        if await self._desk.do(
            endings.again, delivery, fire_ms=max(fire_ms, delivery.fire_ms), reason=reason, attempt=attempt
        ):
            await asyncio.sleep(max(0.0, wait_s - 0.5))
        return None

    async def give_back(
        self, delivery: Delivery, wait_s: float, reason: str, *, attempt: bool, kind: str = ""
    ) -> Ending | None:
        """Put it back, to a retry of the task or to the ledger. None: it is no longer ours to put back."""
        if delivery.state in (State.PROCESSING, State.UNKNOWN):  # what may be out is not planned again
            return await self.look_again(delivery, wait_s, reason)
        fire_ms = max(int((time.time() + wait_s) * 1000), delivery.fire_ms)
        by_task = bool(kind) and wait_s <= TASK_S
        until = time.strftime("%H:%M:%S UTC", time.gmtime(fire_ms / 1000))
        sentence = f"waiting until {until}: {reason}"
        options = {"fire_ms": fire_ms, "reason": sentence, "attempt": attempt, "by_task": by_task}
        state = await self._desk.do(endings.put_back, delivery, **options)
        if state is None:
            return None
        end = End.RETRY if state is State.CLAIMED else End.SKIPPED
        return Ending(end, sentence, delivery.id, delivery.label, kind, wait_s)

    async def lasts_s(self, delivery: Delivery, error: PlatformError) -> float:
        """How long what an error says goes on, in seconds. TikTok names no end of its limit of a day: there
        is room when the oldest post of ours has left that day; all of it is waited for only without one."""
        if error.code in DAYS_FULL and delivery.account.platform is Platform.TIKTOK:
            free_s: float | None = await self._desk.do(quotas.room_in_s, delivery.account.key, DAY_S)
            if free_s is not None:
                return max(free_s, HERE_S)
        return error.wait_s or error.info.base_wait_s

    async def blinded(self, delivery: Delivery, error: PlatformError) -> float | None:
        """For how long nothing can be seen at the platform: until its limit on reading is over, which stops
        nobody from posting, or until the account is connected again. None: the look may go on soon."""
        if error.kind in LIMITS:
            return min(max(error.wait_s or error.info.base_wait_s, LOOK_AGAIN_S), LONGEST_BLIND_S)
        if error.kind in (Kind.TOKEN_EXPIRED, Kind.RECONNECT):
            await self._desk.do(holds.hold_for, delivery, error, None)
            return RECONNECTING_S
        return None

    async def look_again(
        self, delivery: Delivery, wait_s: float, note: str, *, counted: bool = True
    ) -> Ending | None:
        """`counted`: it is one of the looks after which a person is asked."""
        fire_ms = int((time.time() + wait_s) * 1000)
        working = "the platform is working on it: " if delivery.state is State.PROCESSING else ""
        reason = f"{working}{note}"
        if not await self._desk.do(
            endings.look_later, delivery, fire_ms=fire_ms, reason=reason, counted=counted
        ):
            return None
        return Ending(
            End.SKIPPED, f"{reason}; looked at again in {wait_s:.0f} s", delivery.id, delivery.label
        )

    async def fail(self, delivery: Delivery, error: PlatformError) -> Ending | None:
        if not await self._desk.do(endings.fail, delivery, error):
            return None
        sentence = f"{error.sentence()}; {error.info.actor} must act"
        return Ending(End.FAILED, sentence, delivery.id, delivery.label, error.kind)


def exhausted(delivery: Delivery, info: KindInfo, now_ms: int) -> bool:
    """One more failed attempt is the last: by how many there were, or since when it fails."""
    if info.max_attempts and delivery.attempts + 1 >= info.max_attempts:
        return True
    since_ms = delivery.trouble_since_ms
    return bool(info.max_elapsed_s and since_ms and now_ms - since_ms >= info.max_elapsed_s * 1000)


def pause_s(error: PlatformError, tries: int) -> float:
    """How long to wait after an error: as the platform says, else by its kind, growing with the tries."""
    info = error.info
    if info.strategy is Strategy.WAIT:
        return info.base_wait_s if error.wait_s is None else error.wait_s
    backoff_s: float = info.base_wait_s * 2**tries
    return max(error.wait_s or 0.0, backoff_s * random.uniform(0.5, 1.0))
