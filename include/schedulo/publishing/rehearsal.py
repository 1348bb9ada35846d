"""A dry run: everything up to the first commit, which is told and not sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.approvals import WAITS
from schedulo.delivery.rows import NOT_PLANNED, Delivery
from schedulo.errors import PlatformError
from schedulo.flow import Commit, Job
from schedulo.ledger.clerk import Clerk
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries
from schedulo.model import Media, Platform
from schedulo.platforms.base import Conversation
from schedulo.publishing.desk import Desk
from schedulo.publishing.driver import Driver, NotOurs, OutcomeUnknown, StillWorking, Work
from schedulo.publishing.session import live_writes, platform_options
from schedulo.settings import Settings
from schedulo.transport.calls import Caller
from schedulo.transport.wire import Wire


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What would happen to one delivery."""

    delivery_id: str
    label: str
    sentence: str


class _WouldSend(Exception):
    def __init__(self, commit: Commit) -> None:
        self.commit = commit


async def rehearse(
    ledger: Ledger,
    wire: Wire,
    settings: Settings,
    conversations: Mapping[Platform, Conversation],
    media_url: Callable[[Media], str | None],
    delivery_ids: list[str],
) -> list[Rehearsed]:
    """Prepare these deliveries at their platforms and say what their commits would be.

    What is prepared (containers, uploads) stays kept, and a real run in time uses it.
    """
    clerk = Clerk(ledger)
    desk = Desk(ledger, clerk, settings)
    caller = Caller(wire, settings.connections)
    driver = Driver(desk, caller, settings.arm_parallel)

    async def one(delivery_id: str) -> Rehearsed:
        case = await desk.case(delivery_id)
        delivery = case.delivery
        job = Job(delivery.account, delivery.content, media_url, platform_options(settings))
        work = Work(
            delivery_id,
            delivery.account.key,
            dict(case.steps),
            live_writes(case.writes),
            settings.arm_patience_s,
            _not_waiting,
            _not_sending,
        )
        try:
            await driver.run(conversations[delivery.account.platform].publish(job), work)
        except _WouldSend as would:
            return Rehearsed(delivery_id, delivery.label, _told(would.commit, delivery))
        except (PlatformError, StillWorking) as error:
            return Rehearsed(delivery_id, delivery.label, f"it would not go out now: {error}")
        except NotOurs:
            return Rehearsed(delivery_id, delivery.label, "it is being published right now")
        except OutcomeUnknown:
            pass
        return Rehearsed(delivery_id, delivery.label, "it is out, or may be; nothing would be sent")

    try:
        return [await one(delivery_id) for delivery_id in delivery_ids]
    finally:
        await caller.close()
        clerk.close()


async def _not_waiting() -> None:
    return None


async def _not_sending(commit: Commit) -> Any:
    raise _WouldSend(commit)


def _told(commit: Commit, delivery: Delivery) -> str:
    request = commit.request
    body = json.dumps(dict(request.form) if request.form else request.json, ensure_ascii=False)
    sent = "the file" if request.raw else body
    return f"would send to {delivery.account.platform}: {request.method} {request.path} {sent}"


def planned(
    ledger: Ledger, posts: tuple[str, ...], account_keys: tuple[str, ...]
) -> list[tuple[str, str, str]]:
    """The deliveries of these posts: (id, label, problem)."""
    columns = deliveries.c
    chosen = [columns.account_key.in_(account_keys)] if account_keys else []
    query = (
        sa.select(columns.id, columns.label, columns.reason, columns.error_kind, columns.ready)
        .where(columns.post_id.in_(posts), *chosen)
        .order_by(columns.post_id, columns.id)
    )
    with ledger.begin() as connection:
        rows = connection.execute(query).all()
    stopped = (NOT_PLANNED, WAITS)
    return [
        (row.id, row.label, row.reason if row.error_kind in stopped or not row.ready else "") for row in rows
    ]
