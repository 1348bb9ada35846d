"""What is planned until the end of tomorrow, against what the platforms take."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.quotas import Said, hear
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries, incident_cases, incidents
from schedulo.model import Content, Format, Media, MediaKind, State
from schedulo.planning.standings import standings
from schedulo.planning.tomorrow import Forecast, forecast, sentence_of, tell
from schedulo.settings import Settings

NOON_MS = 1_795_694_400_000  # 26 November 2026, 12:00 UTC
HOUR_MS = 3_600_000
IG = "instagram:1"
PICTURE = Content(Format.IMAGE, "hello", (Media("a" * 64, MediaKind.IMAGE, "image/jpeg", 9),)).to_json()
TEXT = Content(Format.TEXT, "hello").to_json()


class Calendar:
    """Posts in a ledger whose time the test says."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.number = 0

    def account(self, key: str, name: str, zone: str = "Europe/Berlin") -> None:
        platform, _, id_ = key.partition(":")
        row = {"key": key, "platform": platform, "account_id": id_, "name": name, "timezone": zone}
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(accounts).values(**row, options={}, updated_ms=0))

    def post(self, hours: float, key: str = IG, state: State = State.SCHEDULED, **values: Any) -> str:
        """`hours` from noon on."""
        self.number += 1
        at_ms = NOON_MS + int(hours * HOUR_MS)
        row = {
            "id": f"d{self.number:03}",
            "post_id": f"rec{self.number}",
            "account_key": key,
            "platform": key.partition(":")[0],
            "title": f"Post {self.number}",
            "state": state,
            "content": PICTURE if key == IG else TEXT,
            "content_hash": "h",
            "due_ms": at_ms,
            "fire_ms": at_ms,
            "not_after_ms": at_ms + HOUR_MS,
            "seen_ms": 0,
            "updated_ms": 0,
        }
        if state is State.PUBLISHED:
            row |= {"sent_ms": at_ms, "accepted_ms": at_ms}
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(deliveries).values(**row | values))
        return str(row["id"])

    def look(self, settings: Settings, *, now_ms: int = NOON_MS) -> tuple[Forecast, list[str]]:
        with self.ledger.begin() as connection:
            found = forecast(connection, now_ms, settings)
            return found, tell(connection, now_ms, found)

    def rows(self) -> list[Any]:
        with self.ledger.read() as connection:
            return list(connection.execute(sa.select(incidents).order_by(incidents.c.key)))

    def cases(self) -> set[str]:
        with self.ledger.read() as connection:
            return set(connection.execute(sa.select(incident_cases.c.delivery_id)).scalars())


@pytest.fixture
def calendar(ledger: Ledger) -> Calendar:
    return Calendar(ledger)


def test_thirty_posts_and_room_for_twenty_five_are_told_today_with_those_that_do_not_fit(
    calendar: Calendar,
) -> None:
    calendar.account(IG, "acme")
    ids = [calendar.post(18 + n / 5) for n in range(30)]  # from 7 in the morning in Berlin
    found, (line,) = calendar.look(Settings(quotas="instagram.posts=25"))
    (day,) = found.days
    assert (str(day.date), day.planned, day.fits) == ("2026-11-27", 30, 25)
    assert line.startswith(
        "@acme on Instagram has 30 posts planned for tomorrow, 27 Nov, and room for 25 of them (by then it "
        "will have used 25 of 25 posts of Instagram within 24 hours). These 5 do not fit: Post 26 (12:00), "
    )
    assert "could go out on 28 Nov at 07:00 (Europe/Berlin); 5 would be missed. Move as many" in line
    (row,) = calendar.rows()
    assert (row.key, row.actor) == (
        "quota:instagram:1:instagram.posts:2026-11-27",
        "the account's owner",
    )
    assert calendar.cases() == set(ids[25:])


def test_it_is_told_once_and_over_when_posts_were_moved(calendar: Calendar) -> None:
    calendar.account(IG, "acme")
    settings = Settings(quotas="instagram.posts=1")
    calendar.post(20)
    second = calendar.post(21)
    calendar.look(settings)
    calendar.look(settings, now_ms=NOON_MS + HOUR_MS)
    (row,) = calendar.rows()
    assert (row.times, row.closed_ms) == (1, None), "an hour later nothing is new"
    third = calendar.post(22)
    calendar.look(settings, now_ms=NOON_MS + 2 * HOUR_MS)
    assert calendar.rows()[0].times == 2, "one more post is"
    assert calendar.cases() == {second, third}
    with calendar.ledger.begin() as connection:
        gone = sa.update(deliveries).where(deliveries.c.id.in_([second, third]))
        connection.execute(gone.values(state=State.CANCELLED))
    calendar.look(settings, now_ms=NOON_MS + 3 * HOUR_MS)
    assert calendar.rows()[0].closed_ms is not None


def test_what_went_out_today_and_what_others_posted_takes_room_from_tomorrow(calendar: Calendar) -> None:
    calendar.account(IG, "acme")
    calendar.post(-2, state=State.PUBLISHED)
    calendar.post(21)
    settings = Settings(quotas="instagram.posts=3")
    assert calendar.look(settings)[0].days[0].fits == 1
    with calendar.ledger.begin() as connection:
        hear(connection, NOON_MS - HOUR_MS, [Said(IG, "posts", 50, 3)])
    found, (line,) = calendar.look(settings)
    assert found.days[0].fits == 0
    assert "has 1 post planned for tomorrow" in line
    assert found.days[0].waiting[0].at_ms > NOON_MS + 21 * HOUR_MS


def test_a_day_is_a_day_of_the_accounts_clock_and_what_comes_after_tomorrow_is_left_for_later(
    calendar: Calendar,
) -> None:
    calendar.account("x:1", "acme", "Pacific/Auckland")
    for hours in (12.5, 36, 48):  # at noon UTC it is one in the night of the 27th there
        calendar.post(hours, "x:1")
    found, lines = calendar.look(Settings())
    assert [(str(day.date), day.planned) for day in found.days] == [("2026-11-27", 1), ("2026-11-28", 1)]
    assert lines == []


def test_a_budget_is_warned_of_at_four_fifths_and_again_when_it_is_used_up(calendar: Calendar) -> None:
    calendar.account("x:1", "acme")
    for n in range(4):
        calendar.post(20 + n / 2, "x:1")
    settings = Settings(x_budget_usd=0.07)
    _, (line,) = calendar.look(settings)
    assert "X has cost about 0.00 of 0.07 USD this month" in line
    assert "another 0.06; posts beyond it wait for the next month" in line
    assert [row.key for row in calendar.rows()] == ["quota:x.budget:2026-11:80"]
    late = calendar.post(23, "x:1")
    _, (line,) = calendar.look(settings)
    assert "1 post of those must wait for the next month" in line
    open_ = [row.key for row in calendar.rows() if row.closed_ms is None]
    assert open_ == ["quota:x.budget:2026-11:100"]
    assert late in calendar.cases()


def test_all_quotas_are_listed_with_what_is_used_left_and_planned(calendar: Calendar) -> None:
    calendar.account(IG, "acme")
    calendar.account("x:1", "acme_x")
    calendar.post(-2, state=State.PUBLISHED)
    calendar.post(20)
    with calendar.ledger.begin() as connection:
        hear(connection, NOON_MS - 1000, [Said("x:1", "posts", 200, 40), Said("facebook", "usage", 100, 83)])
        found = standings(connection, NOON_MS, Settings(x_budget_usd=10.0))
    lines = " ".join("\n".join(found.lines()).split())
    assert "acme (instagram:1)" in lines
    assert "instagram.posts 1 of 50 posts used within 24 hours, 49 left (as its pages say)" in lines
    assert "x.posts 40 of 200 posts used within 15 minutes, 160 left (as it was told)" in lines
    assert "x.budget 0.00 of 10.00 USD used within the month, 10.00 left" in lines
    assert "@acme (instagram:1) on 2026-11-27: 1 planned, 1 fit" in lines
    whole = found.to_json()
    assert {one["limit"] for one in whole["quotas"]} >= {"instagram.containers", "x.app_day", "x.budget"}
    assert whole["planned"][0]["planned"] == 1


def test_the_sentence_says_today_where_it_is_today(calendar: Calendar) -> None:
    calendar.account(IG, "acme")
    calendar.post(1)
    calendar.post(2)
    found, _ = calendar.look(Settings(quotas="instagram.posts=1"))
    (day,) = found.days
    said = sentence_of(day, "instagram.posts", day.date)
    assert "2 posts planned for today, 26 Nov, and room for 1 of them" in said
