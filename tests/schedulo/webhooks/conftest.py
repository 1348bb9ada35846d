"""Subscribers on a real web server, and a ledger on each database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from standardwebhooks.webhooks import Webhook

from schedulo.delivery.transitions import move
from schedulo.ledger.database import Ledger
from schedulo.ledger.subscribers import subscriber_events, subscriber_sendings, subscribers
from schedulo.model import State
from schedulo.vault import Vault
from schedulo.webhooks.sending import flush
from schedulo.webhooks.subscribers import Standing, add, standings
from tests.receivers import Web, running_web
from tests.schedulo.delivery.conftest import Books

KEY = Fernet.generate_key().decode()


@dataclass
class Exchange(Books):
    """Deliveries at the time of the database, a vault, and one web server that receives."""

    web: Web = field(default_factory=lambda: Web(0))
    path: str = "/hook?token=hush"

    def __post_init__(self) -> None:
        self.vault = Vault(self.ledger, KEY)
        with self.ledger.read() as connection:
            self.now_ms = self.ledger.now_ms(connection) - 10_000

    @property
    def hosts(self) -> frozenset[str]:
        return frozenset({self.web.address})

    def subscribe(self, path: str = "", **wanted: Any) -> tuple[str, str]:
        url = f"http://{self.web.address}{path or self.path}"
        with self.ledger.begin() as connection:
            return add(
                connection, self.now_ms, self.vault, url, author="ann", allowed_hosts=self.hosts, **wanted
            )

    def goes(self, id_: str, state: State, **values: Any) -> None:
        with self.ledger.begin() as connection:
            assert move(connection, [id_], state, updated_ms=self.now_ms, **values)

    def flush(self) -> list[str]:
        return list(flush(self.ledger, self.vault, "me", self.hosts))

    def pass_s(self, seconds: float) -> None:
        """Let time pass for what waits: the database's clock cannot be moved, its instants can."""
        ms = int(seconds * 1000)
        self.run(sa.update(subscriber_sendings).values(next_ms=subscriber_sendings.c.next_ms - ms))
        self.run(sa.update(subscribers).values(next_ms=subscribers.c.next_ms - ms))

    @property
    def types(self) -> list[str]:
        """What was received."""
        return [body["type"] for body in self.web.got]

    def written(self) -> list[Any]:
        return list(self.run(sa.select(subscriber_events).order_by(subscriber_events.c.number)))

    def sendings(self) -> list[Any]:
        return list(self.run(sa.select(subscriber_sendings).order_by(subscriber_sendings.c.number)))

    def standing(self) -> Standing:
        with self.ledger.read() as connection:
            (one,) = standings(connection)
        return one


@pytest.fixture
def exchange(ledger: Ledger) -> Iterator[Exchange]:
    with running_web() as web:
        yield Exchange(ledger, web=web)


def verified(secret: str, headers: dict[str, str], body: bytes) -> Any:
    """What the library of Standard Webhooks makes of a request; it raises where a signature is not good."""
    return Webhook(secret).verify(body, headers)


def now_s() -> int:
    return int(time.time())
