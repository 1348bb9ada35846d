"""A stand for collecting: a real ledger and a real sandbox whose posts and clock the test chooses.

Posts are put on the air and into the ledger as though they had been published at that instant.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from sandbox.running import RunningSandbox
from schedulo.analytics.collect import Collected, Means, collect_day, read_young
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries
from schedulo.ledger.warehouse import Warehouse, warehouse_of
from schedulo.model import Content, Format, State
from schedulo.platforms import CONVERSATIONS, MEASURES
from schedulo.settings import Settings
from schedulo.transport.wire import Wire

SERVICES = ("instagram", "facebook", "rupload", "x", "tiktok")
HOUR_S, DAY_S = 3600.0, 86_400.0


def instant(text: str) -> float:
    """Epoch seconds of `2026-09-01 12:30`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@dataclass
class Stand:
    ledger: Ledger
    sandbox: RunningSandbox
    settings: Settings = field(default_factory=Settings)
    now_s: float = 0.0
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.go("2026-09-01 00:00")

    @property
    def house(self) -> Warehouse:
        return warehouse_of(self.ledger.engine)

    @property
    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def go(self, to: str | float) -> None:
        """Move the world's clock, and ours, to an instant, where both stand."""
        self.now_s = instant(to) if isinstance(to, str) else to
        self.sandbox.stop_clock(self.now_s)

    def run(self, statement: sa.Executable) -> Any:
        with self.ledger.begin() as connection:
            result = connection.execute(statement)
            return result.all() if result.returns_rows else result.rowcount

    def x_account(self, account_id: str = "1", zone: str = "UTC", **more: Any) -> str:
        row = {"account_id": account_id, "username": f"user{account_id}", "limits": "off"}
        self.sandbox.seed({"x": {"accounts": [row | {"token": f"token-{account_id}"} | more]}})
        return self.account("x", account_id, zone)

    def account(self, platform: str, account_id: str, zone: str, **options: Any) -> str:
        """An account of the ledger; answers its key."""
        key = f"{platform}:{account_id}"
        self.run(
            sa.insert(accounts).values(
                key=key,
                platform=platform,
                account_id=account_id,
                name=f"user{account_id}",
                timezone=zone,
                options=options,
                updated_ms=0,
            )
        )
        return key

    def post(self, account_key: str, at: str | float, format_: Format = Format.TEXT, **values: Any) -> str:
        """A post that went out at an instant; answers its delivery's id."""
        return self.posts(account_key, [at], format_, **values)[0]

    def posts(
        self, account_key: str, ats: Sequence[str | float], format_: Format = Format.TEXT, **values: Any
    ) -> list[str]:
        """Posts that went out at these instants; answers their deliveries' ids."""
        platform, _, account_id = account_key.partition(":")
        seeded, rows = [], []
        for at in ats:
            self._numbers += 1
            at_s = instant(at) if isinstance(at, str) else at
            post_id = str(1_900_000_000_000_000_000 + self._numbers)
            about = {"account_id": account_id, "post_id": post_id, "kind": format_.value}
            seeded.append(about | {"published_at": at_s})
            id_ = f"d{self._numbers:05}"
            rows.append(delivery(id_, account_key, at_s, format_, post_id, **values))
        self.sandbox.seed({platform: {"posts": seeded}})
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(deliveries), rows)
        return [row["id"] for row in rows]

    def change(self, id_: str, **values: Any) -> None:
        values.setdefault("updated_ms", self.now_ms)
        self.run(sa.update(deliveries).where(deliveries.c.id == id_).values(**values))

    def remote(self, id_: str) -> str:
        return str(self.run(sa.select(deliveries.c.remote_id).where(deliveries.c.id == id_))[0].remote_id)

    def means(self, **more: Any) -> Means:
        wire = Wire(
            {name: self.sandbox.service(name) for name in SERVICES},
            lambda key: f"token-{key.partition(':')[2]}",
            lambda _slice: None,
        )
        values = {"patience_s": 0.2} | more
        return Means(self.ledger, wire, self.settings, MEASURES, CONVERSATIONS, **values)

    def collect(self, account_key: str, on: str, **more: Any) -> Collected:
        return asyncio.run(collect_day(self.means(**more), account_key, date.fromisoformat(on), self.now_ms))

    def read(self, account_key: str, **more: Any) -> Collected:
        return asyncio.run(read_young(self.means(**more), account_key, self.now_ms))

    def facts(self, id_: str, metric: str = "views") -> dict[str, Any]:
        """Rows of a post's metric, by date."""
        t = self.house.post_metrics_daily
        query = sa.select(t).where(t.c.post_key == id_, t.c.metric == metric).order_by(t.c.date)
        return {row.date.isoformat(): row for row in self.run(query)}

    def account_facts(self, account_key: str, metric: str = "followers") -> dict[str, Any]:
        t = self.house.account_metrics_daily
        query = sa.select(t).where(t.c.account_key == account_key, t.c.metric == metric).order_by(t.c.date)
        return {row.date.isoformat(): row for row in self.run(query)}

    def true(self, id_: str, native: str = "impression_count", at: str | float | None = None) -> float:
        """What the sandbox knows of a post's number at an instant."""
        at_s = self.now_s if at is None else instant(at) if isinstance(at, str) else at
        post_id = self.remote(id_)
        [value] = {
            row["value"]
            for row in self.sandbox.numbers(at_s)
            if row["post_id"] == post_id and row["metric"] == native
        }
        return float(value)

    def everything(self) -> dict[str, list[Any]]:
        """All rows of what was measured, to compare."""
        house = self.house
        tables = (house.post_metrics_daily, house.account_metrics_daily, house.post_readings, house.refusals)
        return {
            table.name: [tuple(row) for row in self.run(sa.select(table).order_by(*table.primary_key))]
            for table in tables
        }


def delivery(
    id_: str, account_key: str, at_s: float, format_: Format, remote_id: str, **values: Any
) -> dict[str, Any]:
    """The ledger's row of a post that went out."""
    at_ms = int(at_s * 1000)
    return {
        "id": id_,
        "post_id": f"rec{id_}",
        "account_key": account_key,
        "platform": account_key.partition(":")[0],
        "title": id_,
        "label": id_,
        "state": State.PUBLISHED,
        "content": Content(format_, f"text of {id_}").to_json(),
        "content_hash": id_,
        "due_ms": at_ms,
        "fire_ms": at_ms,
        "not_after_ms": at_ms + 3_600_000,
        "remote_id": remote_id,
        "accepted_ms": at_ms,
        "published_ms": at_ms,
        "seen_ms": at_ms,
        "updated_ms": at_ms,
    } | values
