"""One delivery's session of work: arm, wait, fire, find out, and say how it ended.

A session begins with what the ledger says and looks there again whenever something was lost; it never trusts
its own memory about what may be sent. What cannot go on now is brought to `rest`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.exc import InterfaceError, OperationalError

from schedulo.delivery import approvals, claims, conclusions, endings, heard, holds, readiness
from schedulo.delivery.endings import Armed
from schedulo.delivery.holds import Hold
from schedulo.delivery.rows import Delivery, Write, note_in_story, owned
from schedulo.delivery.transitions import OUT
from schedulo.errors import Diagnosis, Kind, PlatformError, Scope, Strategy
from schedulo.flow import Commit, Finding, Job, Look, Lost, Sent
from schedulo.flow import Request as FlowRequest
from schedulo.model import Content, Media, Platform, Position, Published, State, WriteState
from schedulo.platforms.base import Conversation
from schedulo.publishing.desk import Case, Desk
from schedulo.publishing.driver import Driver, NotOurs, OutcomeUnknown, StillWorking, Work
from schedulo.publishing.ending import End, Ending, ending_of
from schedulo.publishing.renewal import Renewal
from schedulo.publishing.rest import HERE_S, LIMITS, LOOK_AGAIN_S, Rest, exhausted, pause_s
from schedulo.publishing.sender import Order, Result, Sender
from schedulo.settings import Settings

_NETWORK = Diagnosis(Kind.NETWORK, refusal=True)
_BUG = Diagnosis(Kind.BUG, refusal=False)
ROUNDS = 60
"""A session that has not come to an end after so many looks at the ledger gives the delivery back."""
FAR_S = 60.0
"""What is due later than the horizon and this is left to a later run."""


class _Changed(Exception):
    """The fence was not won or the order withdrawn: look at the ledger again."""


class _TimeOver(Exception):
    """What follows a post is too late to follow by itself."""


class _NothingSent(Exception):
    """The request never left: it may be sent again at once."""


class Session:
    """Works on one delivery, on the publisher's working loop."""

    def __init__(
        self,
        desk: Desk,
        driver: Driver,
        sender: Sender,
        settings: Settings,
        conversations: Mapping[Platform, Conversation],
        media_url: Callable[[Media], str | None],
        calm: Callable[[], Any],
        renewal: Renewal | None = None,
    ) -> None:
        self._desk = desk
        self._rest = Rest(desk, settings)
        self._driver = driver
        self._sender = sender
        self._settings = settings
        self._conversations = conversations
        self._media_url = media_url
        self._calm = calm
        self._renewal = renewal
        self._renewed: set[str] = set()
        """Deliveries for which this session renewed the login: once is all."""

    async def run(self, wish: claims.Wish, delivery_id: str) -> Ending:
        """Work on a delivery that this process holds, until it rests or is given back."""
        try:
            return await self._run(wish, delivery_id)
        finally:
            self._renewed.discard(delivery_id)

    async def _run(self, wish: claims.Wish, delivery_id: str) -> Ending:
        case: Case | None = None
        for number in range(ROUNDS):
            # The first look anew comes at once; who has to look often has time.
            await asyncio.sleep(0 if number < 2 else min(2.0, 0.02 * 2**number))
            try:
                case = await self._desk.case(delivery_id)
                ending = await self._round(case, wish)
            except (OperationalError, InterfaceError):
                continue  # a ledger that is away for a moment knows as much afterwards
            except Exception as error:
                if case is None:
                    raise
                said = PlatformError(case.delivery.account.platform, _BUG, message=type(error).__name__)
                ending = await self._after_error(case.delivery, said, taken=False)
            if ending is not None:
                return ending
        if case is None:
            return Ending(End.SKIPPED, "the ledger could not be reached; a later run takes it", delivery_id)
        reason = "it changed too often while it was prepared"
        rested = await self._rest.give_back(case.delivery, 5.0, reason, attempt=True)
        return rested or ending_of(case.delivery)

    async def _round(self, case: Case, wish: claims.Wish) -> Ending | None:
        """What the ledger's word asks for. None: look there again."""
        delivery = case.delivery
        if delivery.holder != wish.holder and delivery.state is not State.PUBLISHED:
            return ending_of(delivery)
        match delivery.state:
            case State.CLAIMED | State.ARMED if delivery.approval:
                await self._desk.do(approvals.keep_waiting, [delivery.id])
                return None
            case State.CLAIMED | State.ARMED if not delivery.ready:  # looked for in vain after a restore
                await self._desk.do(readiness.wait, [delivery.id])
                return None
            case State.CLAIMED | State.ARMED:
                if (hold := self._stopped(case)) is not None:
                    return await self._rest.held(delivery, hold, case.now_ms)
                if case.limit is not None:  # it ends before the post is due; it is prepared then
                    await asyncio.sleep(min(LOOK_AGAIN_S, case.limit.left_s(case.now_ms)))
                    return None
                return await self._not_now(case) or await self._publish(case, wish)
            case State.PROCESSING | State.PUBLISHED:
                return await self._publish(case, wish)
            case State.PUBLISHED_INCOMPLETE if not delivery.error_kind:
                return await self._go_on(case, wish)
            case State.REFUSED:
                return await self._rest.give_back(delivery, 1.0, delivery.reason, attempt=False)
            case State.UNKNOWN:
                return await self._look_up(case)
            case State.SENDING:
                await asyncio.sleep(1.0)
                return None
            case _:
                return ending_of(delivery)

    def _stopped(self, case: Case) -> Hold | None:
        """The hold for which it must not go on. What an error holds is not even prepared: asking meanwhile
        prolongs some limits. What a person holds may be released before its instant."""
        due_ms = case.now_ms + self._settings.fence_lead_s * 1000
        hold = case.hold
        return hold if hold is not None and (hold.error_kind or case.delivery.fire_ms <= due_ms) else None

    async def _not_now(self, case: Case) -> Ending | None:
        """Give back what the fence would refuse whenever it is asked; None: work on it."""
        delivery = case.delivery
        if delivery.not_after_ms <= case.now_ms:
            reason = "its time is over"
        elif case.silent:
            reason = "publish_due_posts has not run for ten minutes, and the ledger may be an old one"
        elif delivery.fire_ms > case.now_ms + (self._settings.reach_s + FAR_S) * 1000:
            reason = "it is due later than this run reaches"
        else:
            return None
        return await self._rest.give_back(delivery, 0.0, reason, attempt=False)

    # --- publishing -----------------------------------------------------------------------------------

    async def _publish(self, case: Case, wish: claims.Wish) -> Ending | None:
        """One run of the flow. None: look at the ledger again."""
        delivery = case.delivery
        live = live_writes(case.writes)
        if any(write.state is not WriteState.ACCEPTED for write in live.values()):
            return None if delivery.state is State.UNKNOWN else await self._doubt(delivery)
        if not live and delivery.armed_version not in (None, delivery.version):
            await self._desk.do(endings.rearm, delivery, "its content changed; prepared again")
            return None
        content = Content.from_json(next(iter(live.values())).snapshot) if live else delivery.content
        conversation = self._conversations[delivery.account.platform]
        following: list[Commit] = []
        work = self._work(case, live, content, following, wish)
        try:
            published: Published = await self._driver.run(
                conversation.publish(self._job(delivery, content)), work
            )
        except (_Changed, NotOurs, OutcomeUnknown):
            return None
        except _NothingSent as nothing:
            error = PlatformError(delivery.account.platform, _NETWORK, message=str(nothing))
            if following:
                return await self._follow_later(case, following[-1], error)
            return await self._after_error(delivery, error, taken=False)
        except StillWorking as working:
            return await self._still_working(delivery, working)
        except _TimeOver:
            return await self._stop_following(delivery, following[-1], "its time is over", State.MISSED)
        except PlatformError as error:
            if following:
                return await self._follow_later(case, following[-1], error)
            return await self._after_error(delivery, error, bool(live))
        await self._desk.do(endings.finish, delivery.id, published)
        return Ending(
            End.SUCCESS,
            published.note or f"it is out: {published.permalink or 'no link yet'}",
            delivery.id,
            delivery.label,
        )

    def _work(
        self,
        case: Case,
        live: Mapping[str, Write],
        content: Content,
        following: list[Commit],
        wish: claims.Wish,
    ) -> Work:
        """`following` is told each later commit that is begun: the post is out by then."""
        delivery = case.delivery

        async def until_due() -> None:
            if live:
                return
            if not await self._desk.arm(Armed(delivery.id, wish.holder, delivery.version)):
                raise _Changed

        async def fire(commit: Commit) -> Any:
            later = commit.position is Position.LATER
            if later:
                assert commit.out is not None, "what follows a post says what is known of it"
                if not following and not await self._desk.do(endings.is_out, delivery, commit.out):
                    raise _Changed
                following.append(commit)
                if delivery.state is State.PUBLISHED_INCOMPLETE and delivery.not_after_ms <= case.now_ms:
                    raise _TimeOver
            order = Order(
                delivery_id=delivery.id,
                account_key=delivery.account.key,
                name=commit.name,
                request=commit.request,
                read=commit.read,
                live=commit.live,
                snapshot=content.to_json(),
                version=delivery.version,
                fire_ms=int(time.time() * 1000) if later else delivery.fire_ms,
                tried_before=any(write.name == commit.name for write in case.writes),
                position=commit.position,
            )
            verdict = await asyncio.wrap_future(self._sender.submit(order))
            match verdict.result:
                case Result.ACCEPTED:
                    # What follows only completes the picture; posts that are due now come first.
                    await self._calm()
                    return verdict.value
                case Result.REFUSED if verdict.error is not None:
                    raise verdict.error
                case Result.UNSENT:
                    if verdict.error is not None:
                        raise verdict.error
                    raise _NothingSent(verdict.note)
                case _:
                    raise _Changed

        return Work(
            delivery.id,
            delivery.account.key,
            dict(case.steps),
            live,
            self._settings.arm_patience_s,
            until_due,
            fire,
            delivery.holder,
        )

    def _job(self, delivery: Delivery, content: Content) -> Job:
        return Job(delivery.account, content, self._media_url, platform_options(self._settings))

    # --- what follows a post --------------------------------------------------------------------------

    async def _go_on(self, case: Case, wish: claims.Wish) -> Ending | None:
        """The post is out, and more belongs to it: parts of a thread, a comment."""
        delivery = case.delivery
        if any(write.state is WriteState.UNKNOWN for write in case.writes):
            return await self._look_up(case)
        if any(write.state is WriteState.OPEN for write in case.writes):
            return await self._rest.look_again(delivery, 15.0, "a request for what follows is still open")
        over = delivery.not_after_ms <= case.now_ms
        if over and await self._desk.do(endings.follow_longer, delivery):
            return None
        if case.hold is not None and not over:
            left_s = case.hold.left_s(case.now_ms)
            reason = f"what follows waits: {case.hold.sentence()}"
            if left_s > HERE_S:
                wait_s = left_s if math.isfinite(left_s) else HERE_S
                return await self._rest.look_again(delivery, wait_s, reason)
            await self._desk.do(note_in_story, delivery.id, reason)
            await asyncio.sleep(left_s)
            return None
        return await self._publish(case, wish)

    async def _follow_later(self, case: Case, commit: Commit, error: PlatformError) -> Ending | None:
        """What follows a post met an error: again in a while, or not at all. The post itself stays out."""
        if error.kind is Kind.TOKEN_EXPIRED:
            found = await self._renew(case.delivery, error)
            if found is None:
                return None
            error = found
        tries = 1 + sum(write.name == commit.name for write in case.writes)
        wait_s = pause_s(error, tries)
        now = await self._desk.case(case.delivery.id)
        if overtaken(case.delivery, now):
            return None
        current = now.delivery
        if error.scope is not Scope.DELIVERY and error.info.strategy in (Strategy.STOP, Strategy.WAIT):
            until_s = None if error.info.strategy is Strategy.STOP else wait_s
            await self._desk.do(holds.hold_for, current, error, until_s)
            return None
        worn_out = error.info.strategy is not Strategy.WAIT and tries >= error.info.max_attempts
        over = current.not_after_ms <= (time.time() + wait_s) * 1000
        if error.info.strategy is Strategy.STOP or worn_out or over:
            return await self._stop_following(current, commit, error.sentence(), error.kind, error.code)
        reason = f"the post is out, {commit.title} waits: {error.sentence()}"
        if wait_s > HERE_S:
            return await self._rest.look_again(current, wait_s, reason)
        await self._desk.do(note_in_story, current.id, f"{reason}; tried again in {wait_s:.0f} s")
        await asyncio.sleep(wait_s)
        return None

    async def _stop_following(
        self, delivery: Delivery, commit: Commit, why: str, kind: str, code: str = ""
    ) -> Ending | None:
        reason = f"the post is out, {commit.title} is not: {why}"
        values = {"kind": kind, "code": code, "reason": reason, "vital": commit.vital}
        if not await self._desk.do(endings.stop_following, delivery, **values):
            return None
        end = End.FAILED if commit.vital else End.SUCCESS
        return Ending(end, reason, delivery.id, delivery.label, kind)

    async def _doubt(self, delivery: Delivery) -> Ending | None:
        """A write is open although nobody is sending: only its own sender or the sweep may say more."""
        reason = "an earlier request is still open; looked at again"
        return await self._rest.give_back(delivery, 15.0, reason, attempt=False)

    async def _still_working(self, delivery: Delivery, working: StillWorking) -> Ending | None:
        case = await self._desk.case(delivery.id)
        if overtaken(delivery, case):
            return None
        current = case.delivery
        wait_s = max(working.wait_s, 15.0)
        if current.state in (State.PROCESSING, State.PUBLISHED_INCOMPLETE):
            return await self._rest.look_again(current, wait_s, working.note)
        if current.state in OUT:
            return ending_of(current)
        return await self._rest.give_back(current, wait_s, working.note, attempt=False)

    # --- after an error -------------------------------------------------------------------------------

    async def _after_error(self, delivery: Delivery, error: PlatformError, taken: bool) -> Ending | None:
        """Decide by the kind of error and by what it is about; `taken`: a commit was accepted before."""
        if error.kind is Kind.TOKEN_EXPIRED:
            found = await self._renew(delivery, error)
            if found is None:
                return None
            error = found
        case = await self._desk.case(delivery.id)
        current = case.delivery
        if current.state in (State.PUBLISHED, State.WAITING_IN_APP, State.PUBLISHED_INCOMPLETE):
            await self._desk.do(endings.finish, current.id, Published(state=current.state))
            return Ending(
                End.SUCCESS,
                f"it is out; its link is not known yet ({error.sentence()})",
                current.id,
                current.label,
            )
        if overtaken(delivery, case):
            return None
        if taken or current.state is State.PROCESSING:
            if not error.diagnosis.refusal:
                look_s = await self._rest.blinded(current, error) or 30.0
                return await self._rest.look_again(current, look_s, error.sentence())
            if error.info.strategy is Strategy.STOP and error.scope is Scope.DELIVERY:
                return await self._rest.fail(current, error)
            if not await self._desk.do(endings.start_over, current, error.sentence()):
                return None
        info = error.info
        wait_s = None if info.strategy is Strategy.STOP else await self._rest.lasts_s(current, error)
        if error.scope is not Scope.DELIVERY and info.strategy in (Strategy.STOP, Strategy.WAIT):
            hold = await self._desk.do(holds.hold_for, current, error, wait_s)
            return await self._rest.held(current, hold, case.now_ms)
        if wait_s is None:
            return await self._rest.fail(current, error)
        if info.strategy is Strategy.WAIT:
            return await self._rest.wait(current, wait_s, error, attempt=False)
        if exhausted(current, info, case.now_ms):
            return await self._rest.fail(current, error)
        if info.strategy is Strategy.REARM:
            await self._desk.do(endings.rearm, current, error.sentence())
        return await self._rest.wait(current, pause_s(error, current.attempts), error, attempt=True)

    async def _renew(self, delivery: Delivery, error: PlatformError) -> PlatformError | None:
        """Renew the login, once. None: it has a new token, look at the ledger and go on; else the error that
        counts now. What was refused for the token is sent again as an attempt of its own."""
        if self._renewal is None or delivery.id in self._renewed:
            return error
        try:
            await self._renewal.renew(delivery.account, delivery.id)
        except PlatformError as failed:
            self._renewed.add(delivery.id)
            return failed
        self._renewed.add(delivery.id)
        current = (await self._desk.case(delivery.id)).delivery
        if current.state in (State.CLAIMED, State.ARMED, State.REFUSED):
            values = {"fire_ms": current.fire_ms, "reason": "", "attempt": True}
            await self._desk.do(endings.again, current, **values)
        note = "the login had expired and was renewed"
        await self._desk.do(note_in_story, current.id, note)
        return None

    # --- looking up -----------------------------------------------------------------------------------

    async def _look_up(self, case: Case) -> Ending | None:
        """Find out what became of a write whose outcome is not known."""
        delivery = case.delivery
        write = next(
            (item for item in reversed(case.writes) if item.state in (WriteState.OPEN, WriteState.UNKNOWN)),
            None,
        )
        if write is None:
            await self._desk.do(conclusions.no_doubt_left, delivery)
            return None
        if case.limit is not None and case.limit.error_kind == Kind.PLATFORM_DOWN:
            reason = f"looked up later: {case.limit.reason}"
            return await self._rest.look_again(delivery, HERE_S, reason, counted=False)
        content = Content.from_json(write.snapshot)
        job, conversation = self._job(delivery, content), self._conversations[delivery.account.platform]
        others = await self._desk.do(owned, delivery)
        if write.lost:
            look = conversation.search(job, Lost(content, write.opened_ms, case.steps, others))
        else:
            request = FlowRequest.from_json(write.request)
            told = await self._desk.do(heard.hints, delivery, write.opened_ms)
            look = conversation.reconcile(
                job, Sent(write.name, request, content, case.steps, write.opened_ms, others, told)
            )
        work = Work(delivery.id, delivery.account.key, {}, {}, 10.0, holder=delivery.holder)
        try:
            finding = await self._driver.run(look, work)
        except StillWorking as working:
            finding = Finding(Look.UNCLEAR, note=working.note)
        except PlatformError as error:
            found = await self._renew(delivery, error) if error.kind is Kind.TOKEN_EXPIRED else error
            if found is None:
                return None
            if (wait_s := await self._rest.blinded(delivery, found)) is not None:
                counted = found.kind not in LIMITS
                return await self._rest.look_again(delivery, wait_s, _unseen(found), counted=counted)
            finding = Finding(Look.UNCLEAR, note=_unseen(found))
        state = await self._desk.do(
            conclusions.conclude, delivery, write, finding, self._settings, looked_ms=case.now_ms
        )
        if state is State.UNKNOWN or (state is State.PUBLISHED_INCOMPLETE and finding.look is not Look.FOUND):
            case = await self._desk.case(delivery.id)
            if case.delivery.holder == delivery.holder:
                return None  # it is to be sent once more
            if case.delivery.error_kind:
                return ending_of(case.delivery)
            return Ending(
                End.SKIPPED, f"not known yet whether it went out: {finding.note}", delivery.id, delivery.label
            )
        return None


def _unseen(error: PlatformError) -> str:
    return f"the look failed: {error.sentence()}"


def overtaken(before: Delivery, case: Case) -> bool:
    """Another process holds the delivery now, or has sent something since `before` was read: what was met
    meanwhile belongs to the past, and nothing is decided by it."""
    others = (write for write in case.writes if write.fence > before.fence and write.holder != before.holder)
    return case.delivery.holder != before.holder or any(others)


def live_writes(writes: Any) -> dict[str, Write]:
    """The write of each name that may be out."""
    return {
        write.name: write
        for write in writes
        if write.state in (WriteState.OPEN, WriteState.ACCEPTED, WriteState.UNKNOWN)
    }


def platform_options(settings: Settings) -> dict[str, Any]:
    """The settings that platforms may know, by the names they use."""
    return {
        "meta_version": settings.meta_version,
        "facebook_two_phase": settings.facebook_two_phase,
        "tiktok_chunk_bytes": settings.tiktok_chunk_bytes,
        "tiktok_source": settings.tiktok_source,
        "tiktok_app_alone": settings.tiktok_app_alone,
        "ig_upload": settings.ig_upload,
        "x_owned_reads": settings.x_owned_reads,
    }
