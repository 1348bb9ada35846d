"""How all quotas stand, and what is planned against them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.standings import Standing, usages
from schedulo.ledger.tables import accounts
from schedulo.planning.tomorrow import Day, forecast
from schedulo.settings import Settings

_A = accounts.c


@dataclass(frozen=True, slots=True)
class Standings:
    quotas: tuple[Standing, ...]
    days: tuple[Day, ...]
    now_ms: int

    def lines(self) -> list[str]:
        """For people: by account, what is used; then what is planned."""
        found: list[str] = []
        last = ""
        for one in self.quotas:
            if one.key != last:
                found.append(f"{one.name} ({one.key})" if one.name != one.key else one.key)
                last = one.key
            found.append(f"    {one.line(self.now_ms)}")
        found.append("Planned until the end of tomorrow:")
        found += [
            f"    @{day.name} ({day.account_key}) on {day.date}: {day.planned} planned, {day.fits} fit"
            for day in self.days
        ] or ["    nothing"]
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "quotas": [asdict(one) for one in self.quotas],
            "planned": [
                {
                    "account": day.account_key,
                    "date": day.date.isoformat(),
                    "planned": day.planned,
                    "fit": day.fits,
                    "waiting": [
                        {"delivery": one.delivery_id, "due_ms": one.due_ms, "at_ms": one.at_ms}
                        for one in day.waiting
                    ],
                }
                for day in self.days
            ],
        }


def standings(connection: sa.Connection, now_ms: int, settings: Settings) -> Standings:
    """All of them, by account."""
    query = sa.select(_A.key, _A.name).where(_A.active).order_by(_A.key)
    names = {row.key: row.name or row.key for row in connection.execute(query)}
    found = usages(connection, now_ms, settings, names)
    return Standings(tuple(found), forecast(connection, now_ms, settings).days, now_ms)
