"""Numbers put straight into the warehouse, as if they had been read."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa

from schedulo.ledger import tables
from schedulo.ledger.database import Ledger, upsert
from schedulo.ledger.warehouse import warehouse_of

EPOCH = date(1970, 1, 1)


def at(day: date, hour: int = 12, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), UTC)


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@dataclass
class Numbers:
    """One ledger with its warehouse. Days are UTC's; each number is read at half past midnight after them."""

    ledger: Ledger
    _last: dict[tuple[str, str], tuple[date, float]] = field(default_factory=dict)

    def account(self, key: str, name: str = "", record_id: str = "", active: bool = True) -> str:
        platform, _, account_id = key.partition(":")
        name = name or f"name of {account_id}"
        with self.ledger.begin() as connection:
            connection.execute(
                sa.insert(tables.accounts).values(
                    key=key,
                    platform=platform,
                    account_id=account_id,
                    name=name,
                    options={},
                    record_id=record_id,
                    updated_ms=1,
                )
            )
            connection.execute(
                sa.insert(warehouse_of(connection).accounts).values(
                    account_key=key,
                    platform=platform,
                    account_id=account_id,
                    name=name,
                    timezone="UTC",
                    active=active,
                )
            )
        return key

    def post(self, key: str, account: str, published: datetime, **values: Any) -> str:
        """A post that went out; `lateness_s` and all of its columns may be given."""
        lateness_s = values.get("lateness_s", 0.004)
        row = {
            "post_key": key,
            "account_key": account,
            "post_record_id": f"rec{key}",
            "remote_id": f"remote-{key}",
            "permalink": f"https://example.com/{key}",
            "title": f"Post {key}",
            "text": "Hello",
            "text_length": 5,
            "format": "image",
            "media_kind": "image",
            "media_count": 1,
            "hashtag_count": 0,
            "due_at": published - timedelta(seconds=lateness_s),
            "published_at": published,
            "lateness_s": lateness_s,
            "published_on": published.date(),
            "published_weekday": published.isoweekday(),
            "published_hour": published.hour,
            "state": "published",
            "updated_at": published,
        }
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(warehouse_of(connection).posts).values(**row | values))
        return key

    def told(self, post: str, record_id: str) -> None:
        """Its state was told to a row of Deliveries."""
        with self.ledger.begin() as connection:
            connection.execute(
                sa.insert(tables.outbox).values(
                    key=post, record_id=record_id, version=1, told_version=1, changed_ms=1
                )
            )

    def read(self, post: str, moment: datetime, **values: float | str) -> None:
        """One reading: by metric a number, or why there is none."""
        rows = [
            {"post_key": post, "read_at": moment, "metric": metric, **_measured(value)}
            for metric, value in values.items()
        ]
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(warehouse_of(connection).post_readings), rows)

    def day(self, post: str, day: date, **values: float | str) -> None:
        """The numbers of a post's day, with their deltas; they are readings too."""
        self.read(post, at(day + timedelta(days=1), 0, 30), **values)
        self._daily("post_metrics_daily", {"post_key": post}, day, values, first=True)

    def account_day(self, account: str, day: date, **values: float | str) -> None:
        self._daily("account_metrics_daily", {"account_key": account}, day, values, first=False)

    def _daily(
        self, table: str, key: dict[str, str], day: date, values: dict[str, float | str], *, first: bool
    ) -> None:
        rows = []
        for metric, value in values.items():
            row: dict[str, Any] = {
                **key,
                "date": day,
                "metric": metric,
                **_measured(value),
                "delta": None,
                "delta_days": None,
                "collected_at": at(day + timedelta(days=1), 0, 30),
            }
            if not isinstance(value, str):
                about = (next(iter(key.values())), metric)
                before = self._last.get(about)
                if before:
                    row |= {"delta": value - before[1], "delta_days": (day - before[0]).days}
                elif first:
                    row |= {"delta": value, "delta_days": 1}
                self._last[about] = (day, value)
            rows.append(row)
        with self.ledger.begin() as connection:
            self._date(connection, day)
            connection.execute(sa.insert(getattr(warehouse_of(connection), table)), rows)

    def collected(self, account: str, *days: date, problem: str = "") -> None:
        """The account was read to the end of each of these days."""
        rows = [
            {
                "id": secrets.token_hex(8),
                "account_key": account,
                "purpose": "day",
                "date": day,
                "started_at": at(day + timedelta(days=1), 0, 30),
                "ended_at": at(day + timedelta(days=1), 0, 31),
                "problem": problem,
            }
            for day in days
        ]
        with self.ledger.begin() as connection:
            for day in days:
                self._date(connection, day)
            connection.execute(sa.insert(warehouse_of(connection).collections), rows)

    @staticmethod
    def _date(connection: sa.Connection, day: date) -> None:
        year, week, weekday = day.isocalendar()
        row = {
            "date": day,
            "day_number": (day - EPOCH).days,
            "year": day.year,
            "quarter": (day.month + 2) // 3,
            "month": day.month,
            "iso_year": year,
            "iso_week": week,
            "weekday": weekday,
            "weekday_name": f"{day:%A}",
            "weekend": weekday > 5,
        }
        connection.execute(upsert(connection, warehouse_of(connection).dates).on_conflict_do_nothing(), row)


def _measured(value: float | str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"value": None, "availability": value, "reason": f"because of {value}"}
    return {"value": value, "availability": "measured", "reason": ""}
