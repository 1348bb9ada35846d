"""A stage for publishing: a real ledger, a real sandbox, and deliveries put straight into the ledger."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.delivery.claims import claim_due, sweep
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries
from schedulo.model import Content, Format, State
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.publisher import Publisher
from schedulo.settings import Settings
from schedulo.transport.wire import Wire

SERVICES = ("instagram", "facebook", "rupload", "x", "tiktok")
QUICK = Settings(
    window_s=1.0, kernel_s=0.1, late_s=0.2, lag_s=0.2, quiet_s=2.0, holder_silent_s=3.0, beat_s=0.3, account_gap_s=0.05
)
"""The law Q > W + K + S + L, scaled down as a whole."""


@dataclass
class Stage:
    ledger: Ledger
    sandbox: RunningSandbox
    settings: Settings = QUICK
    _numbers: int = 0
    publishers: list[Publisher] = field(default_factory=list)

    def wire(self) -> Wire:
        return Wire(
            {name: self.sandbox.service(name) for name in SERVICES},
            lambda key: f"token-{key.partition(':')[2]}",
            lambda part: (_ for _ in ()).throw(FileNotFoundError(part.sha256)),
        )

    def publisher(self, **options: Any) -> Publisher:
        made = Publisher(
            self.ledger, self.wire(), self.settings, CONVERSATIONS, lambda media: None, **options
        )
        self.publishers.append(made)
        return made

    def seed_x(self, *account_ids: str) -> None:
        self.sandbox.seed(
            {"x": {"accounts": [
                {"account_id": id_, "username": f"user{id_}", "token": f"token-{id_}", "limits": "off"}
                for id_ in account_ids
            ]}}
        )

    def plan(
        self, text: str, account_id: str = "1", due_in_s: float = 1.0, platform: str = "x", **values: Any
    ) -> str:
        """A scheduled delivery; answers its id."""
        self._numbers += 1
        id_ = f"d{self._numbers}"
        due_ms = int((time.time() + due_in_s) * 1000)
        key = f"{platform}:{account_id}"
        content = Content(Format.TEXT, text).to_json()
        with self.ledger.begin() as connection:
            if not connection.execute(sa.select(accounts.c.key).where(accounts.c.key == key)).first():
                connection.execute(
                    sa.insert(accounts).values(
                        key=key, platform=platform, account_id=account_id, name=f"user{account_id}", options={}, updated_ms=0
                    )
                )
            connection.execute(
                sa.insert(deliveries).values(
                    **{
                        "id": id_,
                        "post_id": f"rec{id_}",
                        "account_key": key,
                        "platform": platform,
                        "title": text,
                        "label": f"{platform} @user{account_id}: {text}",
                        "state": State.SCHEDULED,
                        "content": content,
                        "content_hash": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
                        "due_ms": due_ms,
                        "fire_ms": due_ms,
                        "not_after_ms": due_ms + 3_600_000,
                        "seen_ms": due_ms,
                        "updated_ms": int(time.time() * 1000),
                    }
                    | values
                )
            )
        return id_

    def tick(self, run_id: str) -> list[str]:
        """What a run's sync does with the ledger; answers the claimed deliveries."""
        with self.ledger.begin() as connection:
            sweep(connection, self.ledger.now_ms(connection), self.settings)
        with self.ledger.begin() as connection:
            found = claim_due(connection, self.ledger.now_ms(connection), run_id, self.settings)
        return [claim.delivery_id for claim in found]

    def row(self, delivery_id: str) -> Any:
        with self.ledger.begin() as connection:
            return connection.execute(sa.select(deliveries).where(deliveries.c.id == delivery_id)).one()

    def live(self, text: str) -> list[dict[str, Any]]:
        return [post for post in self.sandbox.posts() if post["text"] == text]
