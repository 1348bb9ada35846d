"""Looks after posts that are out: takes them down, changes them, and sees whether they are still there.

Runs in a worker task and ends. What is sent is a write of its own, kept before and after; whoever comes after
a process that died may send it again. Errors put a request off or end it; they never hold an account.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from schedulo.delivery import amending, amendments, presence
from schedulo.delivery.amendments import Amendment, Verb
from schedulo.delivery.presence import Sought
from schedulo.delivery.rows import kept_steps, writes_of
from schedulo.errors import Actor, Diagnosis, Kind, PlatformError, Strategy
from schedulo.flow import Commit, Flow, Job
from schedulo.ledger.clerk import Clerk
from schedulo.ledger.database import Ledger
from schedulo.model import Media, Platform, State, WriteState
from schedulo.platforms.after import TAKE_DOWN, After, Ended, Out, Presence
from schedulo.platforms.base import Conversation
from schedulo.publishing.desk import Desk
from schedulo.publishing.driver import Driver, StillWorking, Work
from schedulo.publishing.renewal import Logins, Renewal
from schedulo.publishing.session import platform_options
from schedulo.settings import Settings
from schedulo.transport.calls import Caller
from schedulo.transport.commits import Committer, NoAnswer, NotSent
from schedulo.transport.window import Window
from schedulo.transport.wire import Wire

FINISH_S = 35.0
"""How long the end waits for a login that is being renewed: half done, it is lost."""
TRIES = 8
NOT_NOW_S = 60.0


class _NotNow(Exception):
    """The ledger did not allow the request; it may later."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the work needs, as the operator has set it up."""

    ledger: Ledger
    wire: Wire
    settings: Settings
    conversations: Mapping[Platform, Conversation]
    after: Mapping[Platform, After]
    media_url: Callable[[Media], str | None]
    logins: Logins | None = None
    patience_s: float = 30.0
    """How long a platform that stumbles at a look is asked again."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What speaks with platforms, outside of publishing."""

    means: Means
    desk: Desk
    driver: Driver
    committer: Committer
    renewal: Renewal | None
    process: str

    def job(self, account: Any, content: Any) -> Job:
        return Job(account, content, self.means.media_url, platform_options(self.means.settings))

    async def renewed(self, error: PlatformError, account: Any, delivery_id: str) -> PlatformError | None:
        """Renew a login that is refused. None: it is new, go on; else the error that counts now."""
        if error.kind is not Kind.TOKEN_EXPIRED or self.renewal is None:
            return error
        try:
            await self.renewal.renew(account, delivery_id)
        except PlatformError as failed:
            return failed
        return None


@asynccontextmanager
async def open_tools(means: Means) -> AsyncIterator[Tools]:
    """For as long as the block lasts."""
    clerk = Clerk(means.ledger)
    desk = Desk(means.ledger, clerk, means.settings)
    caller = Caller(means.wire, means.settings.connections)
    driver = Driver(desk, caller, means.settings.arm_parallel)
    committer = Committer(means.wire, means.settings.connections, means.settings.kernel_s)
    renewal = None
    if means.logins is not None:
        renewal = Renewal(means.ledger, driver, means.conversations, means.logins, lambda _account: None)
    try:
        yield Tools(means, desk, driver, committer, renewal, secrets.token_hex(8))
    finally:
        if renewal is not None:
            await renewal.finish(FINISH_S)
        await committer.close()
        await caller.close()
        clerk.close()


# --- taking down and changing -----------------------------------------------------------------------------


async def carry_out(means: Means, delivery_ids: Sequence[str] | None = None) -> dict[str, str]:
    """Do what people asked of posts that are out, or of these deliveries alone; answers what became of each,
    as a sentence."""
    async with open_tools(means) as tools:
        taken = await tools.desk.do(amendments.take, tools.process, delivery_ids)
        return {amendment.delivery.id: await _guarded(tools, amendment) for amendment in taken}


async def _guarded(tools: Tools, amendment: Amendment) -> str:
    """A fault of ours ends one request and spoils no other. A ledger that is away spoils them all."""
    try:
        return await _tried(tools, amendment)
    except SQLAlchemyError:
        raise
    except Exception as error:
        why = f"a fault of the program ({type(error).__name__})"
        await tools.desk.do(amendments.fail, amendment, why, actor=Actor.OPERATOR, kind=Kind.BUG)
        return why


async def _tried(tools: Tools, amendment: Amendment) -> str:
    """Carry it out, or put it off, or end it."""
    desk = tools.desk
    if not await desk.do(amendments.ready, amendment):
        return "not now, or nothing to do; its story says more"
    amendment = replace(amendment, delivery=(await desk.case(amendment.delivery.id)).delivery)
    account = amendment.delivery.account
    for renewed in (False, True):
        try:
            ended: Ended = await _run(tools, amendment)
        except _NotNow:
            await desk.do(amendments.later, amendment, NOT_NOW_S, "another request of it is on its way")
            return "put off: another request of it is on its way"
        except PlatformError as error:
            found = error if renewed else await tools.renewed(error, account, amendment.delivery.id)
            if found is not None:
                return await _after_error(tools, amendment, found)
        else:
            if not ended.done:
                await desk.do(amendments.fail, amendment, ended.note)
                return ended.note
            await desk.do(amendments.done, amendment, ended.note)
            return amendments.WORDS[amendment.verb]
    raise AssertionError("the second try ends it")


async def _after_error(tools: Tools, amendment: Amendment, error: PlatformError) -> str:
    info, sentence = error.info, error.sentence()
    worn_out = info.strategy is not Strategy.WAIT and amendment.tries + 1 >= TRIES
    if info.strategy is Strategy.STOP or worn_out:
        await tools.desk.do(amendments.fail, amendment, sentence, actor=info.actor, kind=error.kind)
        return f"failed: {sentence}"
    wait_s = max(error.wait_s or 0.0, info.base_wait_s or 1.0)
    if info.strategy is not Strategy.WAIT:
        wait_s = max(error.wait_s or 0.0, min(900.0, (info.base_wait_s or 1.0) * 2**amendment.tries))
    await tools.desk.do(amendments.later, amendment, wait_s, sentence)
    return f"again in {wait_s:.0f} s: {sentence}"


async def _run(tools: Tools, amendment: Amendment) -> Ended:
    """One run of the platform's flow; what was done of it already is not done again."""
    delivery = amendment.delivery
    with tools.means.ledger.read() as connection:
        now_ms = tools.means.ledger.now_ms(connection)
        published = writes_of(connection, [delivery.id])[delivery.id]
        before = writes_of(connection, [delivery.id], after=True)[delivery.id]
        steps = kept_steps(connection, [delivery.id], now_ms)[delivery.id]
    out = Out(
        delivery.id,
        str(delivery.remote_id),
        delivery.content,
        delivery.accepted_ms or delivery.due_ms,
        {write.name: write.value for write in published if write.state is WriteState.ACCEPTED},
        steps,
        delivery.state is State.PUBLISHED and not delivery.error_kind,
    )
    name = TAKE_DOWN if amendment.verb is Verb.TAKE_DOWN else amendment.name
    work = Work(
        delivery.id,
        delivery.account.key,
        {},
        {
            write.name: write
            for write in before
            if write.state is WriteState.ACCEPTED and write.name.startswith(name)
        },
        tools.means.patience_s,
        fire=lambda commit: _send(tools, amendment, commit),
    )
    after = tools.means.after[delivery.account.platform]
    job = tools.job(delivery.account, amendment.content or delivery.content)
    takes_down = amendment.verb is Verb.TAKE_DOWN
    flow: Flow = after.take_down(job, out) if takes_down else after.edit(job, out, name)
    try:
        ended: Ended = await tools.driver.run(flow, work)
    except StillWorking as working:
        raise _down(delivery.account.platform, working.note) from None
    return ended


async def _send(tools: Tools, amendment: Amendment, commit: Commit) -> Any:
    """Send one request that changes what is out: its write before, its outcome after."""
    settings, request = tools.means.settings, commit.request
    wish = amending.Wish(
        write_id=secrets.token_hex(12),
        delivery_id=amendment.delivery.id,
        verb=amendment.verb,
        name=commit.name,
        holder=tools.process,
        request=request.to_json(),
        snapshot=(amendment.content or amendment.delivery.content).to_json(),
        allowance_ms=int((settings.window_s + request.timeout_s) * 1000),
        quiet_ms=int(settings.quiet_s * 1000),
    )
    prepared = await tools.committer.prepare(request, amendment.delivery.account.key)
    window = Window.begin(settings.window_s)
    if not await tools.desk.do(amending.open_write, wish):
        raise _NotNow
    began = time.monotonic()
    sent = f"{request.method} {request.path} to {request.service} was sent ({commit.name})"
    try:
        response = await tools.committer.commit(prepared, window)
    except NotSent as nothing:
        await _close(tools, wish, WriteState.UNSENT, f"nothing was sent: {nothing}")
        raise _network(request.service, str(nothing), refusal=True) from None
    except NoAnswer as silence:
        await _close(tools, wish, WriteState.UNKNOWN, f"{sent}; {silence}")
        raise _network(request.service, str(silence), refusal=False) from None
    heard = f"{sent} and answered {response.status} after {time.monotonic() - began:.2f} s"
    try:
        value = commit.read(response)
    except PlatformError as error:
        state = WriteState.REFUSED if error.diagnosis.refusal else WriteState.UNKNOWN
        await _close(tools, wish, state, f"{heard}: {error.sentence()}", response.status)
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        note = f"its answer has another shape than it should ({type(error).__name__})"
        await _close(tools, wish, WriteState.UNKNOWN, f"{heard}: {note}", response.status)
        raise _down(amendment.delivery.account.platform, note) from error
    await _close(tools, wish, WriteState.ACCEPTED, f"{heard}: done", response.status, value)
    return value


async def _close(
    tools: Tools,
    wish: amending.Wish,
    state: WriteState,
    note: str,
    status: int | None = None,
    value: Any = None,
) -> None:
    await tools.desk.do(amending.close_write, wish, state, note, status, value)


def _network(service: str, note: str, *, refusal: bool) -> PlatformError:
    return PlatformError(service, Diagnosis(Kind.NETWORK, refusal=refusal), message=note)


def _down(platform: Platform, note: str) -> PlatformError:
    return PlatformError(platform, Diagnosis(Kind.PLATFORM_DOWN, refusal=False), message=note)


# --- still there? -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Looked:
    """How many posts were looked for, and what was found otherwise than expected, as sentences."""

    posts: int
    lines: Sequence[str] = ()


async def look(means: Means) -> Looked:
    """Look for posts that are out, where that is due."""
    with means.ledger.read() as connection:
        wanted = presence.sought(connection, means.ledger.now_ms(connection), means.settings)
    if not wanted:
        return Looked(0)
    async with open_tools(means) as tools:
        by_account = groupby(
            sorted(wanted, key=lambda one: one.delivery.account.key), key=lambda one: one.delivery.account.key
        )
        looks = [_account(tools, list(posts)) for _, posts in by_account]
        return Looked(len(wanted), [line for lines in await asyncio.gather(*looks) for line in lines])


async def _account(tools: Tools, posts: Sequence[Sought]) -> list[str]:
    """The posts of one account, batch by batch. An account that cannot be read says nothing of its posts."""
    account = posts[0].delivery.account
    after = tools.means.after[account.platform]
    lines: list[str] = []
    for first in range(0, len(posts), after.batch):
        batch = posts[first : first + after.batch]
        for renewed in (False, True):
            try:
                found = await _looked(tools, after, batch)
            except (StillWorking, ArithmeticError, LookupError, TypeError, ValueError) as error:
                why = error.note if isinstance(error, StillWorking) else type(error).__name__
                return [*lines, f"{account.key} cannot be looked at now: {why}"]
            except PlatformError as error:
                left = error if renewed else await tools.renewed(error, account, "")
                if left is None:
                    continue
                return [*lines, f"{account.key} cannot be looked at now: {left.sentence()}"]
            lines += await tools.desk.do(presence.looked, found)
            break
    return lines


async def _looked(tools: Tools, after: After, batch: Sequence[Sought]) -> Mapping[str, Presence]:
    first = batch[0].delivery
    posts = [Out(one.delivery.id, one.post_id, one.delivery.content, one.since_ms) for one in batch]
    flow = after.look(tools.job(first.account, first.content), posts)
    found: Mapping[str, Presence] = await tools.driver.run(
        flow, Work("", first.account.key, {}, {}, tools.means.patience_s)
    )
    return found
