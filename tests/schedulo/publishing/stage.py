"""A stage for publishing: a real ledger, a real sandbox, real media, and deliveries put straight into the
ledger."""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.delivery.claims import claim_due, sweep
from schedulo.delivery.holds import Hold, in_force
from schedulo.delivery.stops import resume
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries, events, incident_cases, incidents, writes
from schedulo.media import MediaStore
from schedulo.model import Content, Format, Media, State
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.publisher import Publisher
from schedulo.settings import Settings
from schedulo.transport.wire import Wire

SERVICES = ("instagram", "facebook", "rupload", "x", "tiktok")
PATIENT = {"window_s": 20.0, "quiet_s": 21.0}
"""For tests that count requests or look at their order: on a busy machine a window of a second may be spent
before anything is sent, and what was not sent goes again, later than others."""
QUICK = Settings(
    window_s=1.0,
    kernel_s=0.1,
    late_s=0.2,
    lag_s=0.2,
    quiet_s=2.0,
    holder_silent_s=3.0,
    beat_s=0.3,
    look_s=0.3,
    account_gap_s=0.05,
)
"""The law Q > W + K + S + L, scaled down as a whole."""


def token_of(account_key: str) -> str:
    """The token of every account in these tests."""
    return f"token-{account_key.partition(':')[2]}"


def wire_to(sandbox_url: str, store: MediaStore) -> Wire:
    """All services of a sandbox."""
    return Wire({name: f"{sandbox_url}/{name}" for name in SERVICES}, token_of, store.open_slice)


@dataclass
class Stage:
    ledger: Ledger
    sandbox: RunningSandbox
    settings: Settings = QUICK
    _numbers: int = 0
    publishers: list[Publisher] = field(default_factory=list)
    _folder: tempfile.TemporaryDirectory[str] = field(default_factory=tempfile.TemporaryDirectory)

    @property
    def store(self) -> MediaStore:
        return MediaStore(Path(self._folder.name))

    def wire(self) -> Wire:
        return wire_to(self.sandbox.url, self.store)

    def media_url(self, media: Media) -> str:
        return f"{self.sandbox.service('media')}/{media.sha256}"

    def publisher(
        self, wire: Wire | None = None, settings: Settings | None = None, **options: Any
    ) -> Publisher:
        """A publisher of this process, closed after the test."""
        made = Publisher(
            self.ledger,
            wire or self.wire(),
            settings or self.settings,
            CONVERSATIONS,
            self.media_url,
            **options,
        )
        self.publishers.append(made)
        return made

    def seed_x(self, *account_ids: str) -> None:
        self.sandbox.seed(
            {
                "x": {
                    "accounts": [
                        {
                            "account_id": id_,
                            "username": f"user{id_}",
                            "token": f"token-{id_}",
                            "limits": "off",
                        }
                        for id_ in account_ids
                    ]
                }
            }
        )

    def file(self, content: bytes) -> Media:
        """Keep a file, and show it on the media host."""
        media = self.store.put(content)
        row = {
            "path": media.sha256,
            "content_type": media.content_type,
            "base64": base64.b64encode(content).decode(),
        }
        self.sandbox.seed({"media": {"files": [row]}})
        return media

    def plan(
        self,
        text: str,
        account_id: str = "1",
        due_in_s: float = 1.0,
        platform: str = "x",
        content: Content | None = None,
        account_options: dict[str, Any] | None = None,
        **values: Any,
    ) -> str:
        """A scheduled delivery; answers its id."""
        self._numbers += 1
        id_ = f"d{self._numbers}"
        due_ms = int((time.time() + due_in_s) * 1000)
        key = f"{platform}:{account_id}"
        body = (content or Content(Format.TEXT, text)).to_json()
        with self.ledger.begin() as connection:
            if not connection.execute(sa.select(accounts.c.key).where(accounts.c.key == key)).first():
                connection.execute(
                    sa.insert(accounts).values(
                        key=key,
                        platform=platform,
                        account_id=account_id,
                        name=f"user{account_id}",
                        options=account_options or {},
                        updated_ms=0,
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
                        "content": body,
                        "content_hash": hashlib.sha256(json.dumps(body).encode()).hexdigest(),
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

    def change(self, delivery_id: str, **values: Any) -> None:
        """Write into a delivery's row what time, a person or another process would have."""
        with self.ledger.begin() as connection:
            connection.execute(sa.update(deliveries).where(deliveries.c.id == delivery_id).values(**values))

    def writes(self, delivery_id: str) -> list[Any]:
        with self.ledger.begin() as connection:
            query = sa.select(writes).where(writes.c.delivery_id == delivery_id).order_by(writes.c.fence)
            return list(connection.execute(query))

    def story(self, delivery_id: str) -> str:
        with self.ledger.begin() as connection:
            query = sa.select(events.c.sentence).where(events.c.delivery_id == delivery_id)
            return "\n".join(connection.execute(query.order_by(events.c.id)).scalars())

    def incidents(self) -> set[str]:
        with self.ledger.begin() as connection:
            return set(connection.execute(sa.select(incidents.c.kind)).scalars())

    def holds(self) -> list[Hold]:
        with self.ledger.begin() as connection:
            return in_force(connection, self.ledger.now_ms(connection))

    def release(self, what: str) -> None:
        """What an operator does when the cause of a hold is mended."""
        with self.ledger.begin() as connection:
            resume(connection, self.ledger.now_ms(connection), what, "ann")

    def cases(self, incident_key: str) -> set[str]:
        """The deliveries that are cases of an incident."""
        cases = incident_cases.c
        with self.ledger.begin() as connection:
            query = sa.select(cases.delivery_id).where(cases.incident_key == incident_key)
            return set(connection.execute(query).scalars())

    def wait_until(self, condition: Callable[[], Any], limit_s: float = 15.0) -> None:
        until = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.02)

    def wait_for(self, delivery_id: str, *states: str, limit_s: float = 15.0) -> Any:
        """The delivery's row once it is in one of `states`."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            row = self.row(delivery_id)
            if row.state in states:
                return row
            time.sleep(0.02)
        raise AssertionError(f"still {row.state}: {self.story(delivery_id)}")

    def live(self, text: str) -> list[dict[str, Any]]:
        return [post for post in self.sandbox.posts() if post["text"] == text]

    def close(self) -> None:
        for publisher in self.publishers:
            publisher.close()
        self._folder.cleanup()


def work_off(stage: Stage, publisher: Any, rounds: int = 30) -> None:
    """Ticks until no run claims anything any more."""
    for number in range(100, 100 + rounds):
        claims = stage.tick(f"run-{number}")
        if not claims:
            return
        for ending in [publisher.work_on(f"run-{number}", n, f"ti-{number}-{n}") for n in range(len(claims))]:
            ending.result(30)
    raise AssertionError("there is always more")
