"""Numbers put into the warehouse by a test: what was read of which post on which day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from schedulo.analytics.dimensions import refresh
from schedulo.ledger.database import Ledger
from schedulo.ledger.view_texts import VIEWS
from schedulo.ledger.views import view_of
from schedulo.ledger.warehouse import Warehouse, warehouse_of

FIRST = date(2026, 9, 7)
"""A Monday."""
NO_NUMBER = ("missed", "nobody asked")
Told = float | None | tuple[str, str]
"""A number, None for one that was missed, or availability and reason."""


@dataclass
class Figures:
    """The warehouse, filled by hand. Days are counted from `FIRST`, which is 0."""

    ledger: Ledger

    def __post_init__(self) -> None:
        with self.ledger.begin() as connection:
            refresh(connection, int(datetime(2026, 12, 1, tzinfo=UTC).timestamp() * 1000))

    @property
    def house(self) -> Warehouse:
        return warehouse_of(self.ledger.engine)

    def run(self, statement: sa.Executable) -> list[Any]:
        with self.ledger.begin() as connection:
            result = connection.execute(statement)
            return list(result) if result.returns_rows else []

    def rows(self, view: str, **where: Any) -> list[dict[str, Any]]:
        """What a view says, where columns have these values."""
        (found,) = [one for one in VIEWS if one.name == view]
        table = view_of(found, self.ledger.engine.dialect.name)
        query = sa.select(table).where(*(table.c[name] == value for name, value in where.items()))
        return [dict(row._mapping) for row in self.run(query)]

    def account(self, key: str, name: str = "Acme", timezone: str = "UTC") -> None:
        platform, _, account_id = key.partition(":")
        row = {"account_key": key, "platform": platform, "account_id": account_id, "name": name}
        self.run(sa.insert(self.house.accounts).values(**row, timezone=timezone, active=True))

    def metric(self, platform: str, metric: str, kind: str, subject: str = "account") -> None:
        row = {"platform": platform, "metric": metric, "kind": kind, "subject": subject, "native": metric}
        more = {"unit": "count", "formats": "", "by_date": False, "description": "", "source": ""}
        self.run(
            sa.delete(self.house.metrics).where(
                *(self.house.metrics.c[name] == row[name] for name in ("platform", "subject", "metric"))
            )
        )
        self.run(sa.insert(self.house.metrics).values(**row, **more, core=True))

    def post(
        self,
        key: str,
        account: str = "x:1",
        day: int = 0,
        hour: int = 9,
        hashtags: Sequence[str] = (),
        **values: Any,
    ) -> str:
        at = datetime.combine(FIRST + timedelta(days=day), time(hour), UTC)
        row = {
            "post_key": key,
            "account_key": account,
            "post_record_id": f"rec{key}",
            "remote_id": f"remote-{key}",
            "permalink": f"https://example.com/{key}",
            "title": f"Post {key}",
            "text": "hello",
            "text_length": 5,
            "format": "text",
            "media_kind": "none",
            "media_count": 0,
            "hashtag_count": len(hashtags),
            "due_at": at,
            "published_at": at,
            "lateness_s": 0,
            "published_on": at.date(),
            "published_weekday": at.isoweekday(),
            "published_hour": at.hour,
            "state": "published",
            "updated_at": at,
        }
        self.run(sa.insert(self.house.posts).values(**row | values))
        for tag in hashtags:
            self.run(sa.insert(self.house.post_hashtags).values(post_key=key, hashtag=tag))
        return key

    def daily(self, key: str, metric: str, numbers: Mapping[int, Told], kind: str = "total") -> None:
        """The numbers of a post at the end of days, or of an account where the key is one (`platform:id`)."""
        table = self.house.account_metrics_daily if ":" in key else self.house.post_metrics_daily
        name = "account_key" if ":" in key else "post_key"
        before: tuple[int, float] | None = None if ":" in key else (min(numbers) - 1, 0)
        rows = []
        for day, told in sorted(numbers.items()):
            value = told if isinstance(told, (int, float)) else None
            availability, reason = told if isinstance(told, tuple) else NO_NUMBER
            delta, days = (value, 1) if kind == "day" and value is not None else (None, None)
            if kind != "day" and value is not None:
                if before is not None:
                    delta, days = value - before[1], day - before[0]
                before = (day, value)
            at = datetime.combine(FIRST + timedelta(days=day + 1), time(1), UTC)
            rows.append(
                {
                    name: key,
                    "date": FIRST + timedelta(days=day),
                    "metric": metric,
                    "value": value,
                    "availability": "measured" if value is not None else availability,
                    "reason": "" if value is not None else reason,
                    "delta": delta,
                    "delta_days": days,
                    "collected_at": at if value is not None else None,
                }
            )
        self.run(sa.insert(table).values(rows))

    def reading(self, key: str, metric: str, at: datetime, value: float) -> None:
        row = {"post_key": key, "metric": metric, "read_at": at, "value": value, "availability": "measured"}
        self.run(sa.insert(self.house.post_readings).values(**row))
