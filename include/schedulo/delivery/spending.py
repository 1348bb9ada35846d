"""What X charges for posts, the month's spend, and what of the budget is left.

All is an estimate by X's price list, for X tells what posts cost nowhere but on its bill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import sqlalchemy as sa

from schedulo.clock import EPOCH, month_of, to_ms
from schedulo.ledger.tables import deliveries, writes
from schedulo.ledger.warehouse import warehouse_of
from schedulo.model import Platform, WriteState
from schedulo.settings import Settings
from schedulo.text import urls

POST_USD, LINK_USD, ALT_USD = 0.015, 0.20, 0.005
"""For a post, for one with a link, for a medium's alt text. Each medium is billed as one more post, its staff
says. Source: X, pricing, April 2026."""
_D = deliveries.c


def cost_usd(content: Mapping[str, Any]) -> float:
    """What X charges for a post with all of its parts. :param content: as JSON"""
    texts = [content["text"], *(content.get("thread") or ())]
    if content.get("link"):
        texts[0] = f"{texts[0]} {content['link']}"
    if content.get("first_comment"):
        texts.append(content["first_comment"])
    media = content["media"]
    posts = sum(LINK_USD if urls(text) else POST_USD for text in texts)
    return posts + len(media) * POST_USD + sum(ALT_USD for item in media if item.get("alt_text"))


def month_begins_ms(now_ms: int) -> int:
    """The first instant of the month (UTC) that this instant is in."""
    year, month = month_of(now_ms).split("-")
    return to_ms(datetime(int(year), int(month), 1, tzinfo=UTC))


def month_ends_ms(now_ms: int) -> int:
    """The first instant of the next month (UTC)."""
    later = EPOCH + timedelta(milliseconds=month_begins_ms(now_ms), days=31)
    return month_begins_ms(to_ms(later))


def spent_usd(connection: sa.Connection, now_ms: int) -> float:
    """What posts of this month and readings of numbers cost on X so far."""
    since_ms = month_begins_ms(now_ms)
    # Each request that may have been taken was paid for, whatever became of the post.
    paid = (WriteState.OPEN, WriteState.ACCEPTED, WriteState.UNKNOWN)
    sent = sa.exists().where(writes.c.delivery_id == _D.id, writes.c.state.in_(paid))
    query = sa.select(_D.content).where(_D.platform == Platform.X, _D.sent_ms >= since_ms, sent)
    posts = sum(cost_usd(content) for content in connection.execute(query).scalars())
    c = warehouse_of(connection).collections.c
    since = EPOCH + timedelta(milliseconds=since_ms)
    of_x = c.account_key.startswith(f"{Platform.X}:", autoescape=True)
    read = sa.select(sa.func.sum(c.cost_usd)).where(of_x, c.started_at >= since)
    return posts + float(connection.execute(read).scalar() or 0.0)


@dataclass(slots=True)
class Budget:
    """What of a month's budget is left for posts on X."""

    budget_usd: float
    spent_usd: float
    """With what is reserved."""
    holds: bool
    """Posts beyond it wait."""
    begins_ms: int
    ends_ms: int

    @classmethod
    def load(cls, connection: sa.Connection, now_ms: int, settings: Settings) -> Self | None:
        """None where no budget is set."""
        if not settings.x_budget_usd:
            return None
        return cls(
            settings.x_budget_usd,
            spent_usd(connection, now_ms),
            settings.x_budget_full == "hold",
            month_begins_ms(now_ms),
            month_ends_ms(now_ms),
        )

    def reserve(self, account_key: str, content: Mapping[str, Any]) -> None:
        if account_key.startswith(f"{Platform.X}:"):
            self.spent_usd += cost_usd(content)

    def place(self, account_key: str, content: Mapping[str, Any], at_ms: int) -> tuple[int, str]:
        """When a post may go out, taken into account; and why not sooner, empty where it may."""
        if not account_key.startswith(f"{Platform.X}:") or at_ms >= self.ends_ms:
            return at_ms, ""
        cost = cost_usd(content)
        if self.holds and self.spent_usd + cost > self.budget_usd:
            month = f"{EPOCH + timedelta(milliseconds=self.begins_ms):%B}"
            return self.ends_ms, (
                f"the budget of {self.budget_usd:.2f} USD for X in {month} is used up "
                f"({self.spent_usd:.2f} spent or planned, {cost:.3f} for this post)"
            )
        self.spent_usd += cost
        return at_ms, ""
