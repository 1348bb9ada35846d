"""Incidents in a ledger on each database, at a clock that the test moves, and channels that keep messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from schedulo.delivery.incidents import close_what_is_over
from schedulo.ledger.database import Ledger
from schedulo.settings import Settings
from schedulo.telling.letters import ChannelFailed, anything_to_tell, send_letters, write_notices
from schedulo.telling.message import Message, Places
from schedulo.telling.recipients import Recipients
from tests.schedulo.delivery.conftest import Books, ledger, shelf

__all__ = ["ledger", "shelf"]

PLACES = Places("http://airflow.test", "appBase", "tblPosts", "tblDeliveries")


@dataclass
class Desk(Books):
    """Tells by `settings`; a channel in `broken` takes nothing."""

    settings: Settings = field(default_factory=lambda: Settings(notify_operator="ops"))
    sent: list[tuple[str, Message]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    refused: int = 0

    def __post_init__(self) -> None:
        self.pass_s(0)

    def pass_s(self, seconds: float) -> None:
        super().pass_s(seconds)
        self.ledger.now = sa.literal(self.now_ms)

    def tell(self) -> list[str]:
        """One run: the titles that went out in it."""
        write_notices(self.ledger, Recipients.of(self.settings), PLACES)
        before = len(self.sent)
        send_letters(self.ledger, self.settings, self._send)
        return [message.title for _, message in self.sent[before:]]

    def _send(self, channel: str, message: Message) -> None:
        if channel in self.broken:
            self.refused += 1
            raise ChannelFailed("it is not there")
        self.sent.append((channel, message))

    def anything(self) -> bool:
        """Whether a tick finds that a run would tell something now."""
        close_what_is_over(self.ledger)
        return bool(self.do(anything_to_tell, self.settings))

    def got(self, channel: str) -> list[str]:
        """The titles that a channel got."""
        return [message.title for at, message in self.sent if at == channel]


@pytest.fixture
def desk(ledger: Ledger) -> Iterator[Desk]:
    real = ledger.now
    yield Desk(ledger)
    ledger.now = real
