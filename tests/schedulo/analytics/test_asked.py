"""Which day a run is for, which accounts it finds, and how they share the work."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.analytics.asked import Part, day_asked, labels, over, parts, parts_of_due
from schedulo.analytics.days import Due
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts
from schedulo.planning.wishes import WishError

DAY = date(2026, 11, 25)


def at(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def known(ledger: Ledger, **zones: str) -> list[str]:
    rows = [
        {"key": f"x:{name}", "platform": "x", "account_id": name, "name": name, "timezone": zone}
        | {"options": {}, "updated_ms": 0}
        for name, zone in zones.items()
    ]
    with ledger.begin() as connection:
        connection.execute(sa.insert(accounts), rows)
    return [row["key"] for row in rows]


@pytest.mark.parametrize(
    ("key", "conf", "day"),
    [
        ("2026-11-24", {}, date(2026, 11, 24)),
        ("2026-11-24", {"date": "2026-11-24"}, date(2026, 11, 24)),
        ("2026-11-24", {"date": ""}, date(2026, 11, 24)),
        (None, {"date": "2026-10-01"}, date(2026, 10, 1)),
        (None, {"date": None}, DAY),
        (None, {}, DAY),
    ],
)
def test_the_day_is_the_partition_or_that_of_the_form_or_yesterday(
    key: str | None, conf: dict[str, Any], day: date
) -> None:
    assert day_asked(key, conf, at(26, 9)) == day


@pytest.mark.parametrize(
    ("key", "conf", "words"),
    [
        ("2026-11-5", {}, "partition key (2026-11-5): it must be an ISO date"),
        ("20261105", {}, "partition key (20261105): it must be an ISO date"),
        (None, {"date": "yesterday"}, "date (yesterday): it must be an ISO date"),
        (None, {"date": 20261105}, "date (20261105): it must be a text"),
        (None, {"day": "2026-11-05"}, "day: there is no such field; there are date."),
        ("2026-11-24", {"date": "2026-11-23"}, "the partition key is 2026-11-24"),
        (None, {"date": "2026-11-26"}, "this day is not over anywhere"),
        ("9999-12-31", {}, "Collect it after 12:00 UTC of the next day"),
        ("0001-01-01", {}, "partition key (0001-01-01): it must be an ISO date"),
    ],
)
def test_what_is_no_day_that_is_over_is_refused_with_its_field(
    key: str | None, conf: dict[str, Any], words: str
) -> None:
    with pytest.raises(WishError) as refused:
        day_asked(key, conf, at(26, 9))
    assert words in str(refused.value)


def test_today_may_be_collected_once_it_is_over_somewhere() -> None:
    assert day_asked(None, {"date": "2026-11-26"}, at(26, 10)) == date(2026, 11, 26)


def test_an_account_whose_clock_is_behind_is_left_out_until_its_day_is_over(ledger: Ledger) -> None:
    keys = known(ledger, line="Pacific/Kiritimati", berlin="Europe/Berlin", samoa="Pacific/Pago_Pago")
    with ledger.read() as connection:
        assert over(connection, keys, DAY, at(25, 23)) == (["x:line", "x:berlin"], ["x:samoa"])
        assert over(connection, keys, DAY, at(26, 11)) == (keys, [])


def test_a_part_is_one_account_under_its_name(ledger: Ledger) -> None:
    keys = known(ledger, acme="UTC", zoo="UTC")
    with ledger.read() as connection:
        assert parts(connection, [*keys, "x:gone"], [DAY]) == [
            Part("x acme", ("x:acme",), ("2026-11-25",)),
            Part("x zoo", ("x:zoo",), ("2026-11-25",)),
            Part("x:gone", ("x:gone",), ("2026-11-25",)),
        ]


def test_of_very_many_accounts_each_part_takes_several_and_none_is_lost(ledger: Ledger) -> None:
    keys = known(ledger, **{f"a{number:04}": "UTC" for number in range(1201)})
    with ledger.read() as connection:
        found = parts(connection, keys, [DAY])
        assert len(labels(connection, keys)) == 1201
    assert len(found) <= 500
    assert found[0].label == "x a0000 and 2 more"
    assert [key for part in found for key in part.accounts] == keys


def test_what_is_due_keeps_its_days_and_never_becomes_too_many_parts(ledger: Ledger) -> None:
    keys = known(ledger, **{f"a{number:04}": "UTC" for number in range(900)})
    found = [Due(key, (DAY,) if number % 3 else (), young=number % 2 == 0) for number, key in enumerate(keys)]
    with ledger.read() as connection:
        shared = parts_of_due(connection, found)
    assert len(shared) <= 504
    again = {
        key: (tuple(map(date.fromisoformat, part.dates)), part.young)
        for part in shared
        for key in part.accounts
    }
    assert again == {item.account_key: (item.dates, item.young) for item in found}


def test_nothing_due_is_no_part(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert parts_of_due(connection, []) == []
        assert parts(connection, [], [DAY]) == []


def test_a_part_survives_json() -> None:
    part = Part("x acme", ("x:1", "x:2"), ("2026-11-25",), young=True)
    assert Part.from_json(part.to_json()) == part
