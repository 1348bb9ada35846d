"""The week in plain words, told once."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.analytics.report import report
from schedulo.analytics.summary import Week, not_out, summary, tell
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries, notices
from schedulo.model import State
from schedulo.settings import Settings
from schedulo.telling.letters import letters
from schedulo.telling.message import Message
from schedulo.telling.recipients import Recipients
from tests.schedulo.analytics.laid_out import Numbers, at, ms

MONDAY = date(2026, 11, 16)
DAY = timedelta(days=1)
WEEK = Week(MONDAY, "UTC")
NEXT_MONDAY_MS = ms(at(MONDAY + 7 * DAY, 7))
CHANNELS = Settings(notify_operator="ops@example.com", notify_owner="owner@example.com, team")


@pytest.fixture
def numbers(ledger: Ledger) -> Numbers:
    numbers = Numbers(ledger)
    numbers.account("x:1", "northlight")
    return numbers


def said(numbers: Numbers, report_url: str = "") -> Message | None:
    with numbers.ledger.read() as connection:
        made = report(connection, NEXT_MONDAY_MS, 28, "UTC", WEEK.sunday)
        return summary(WEEK, made, not_out(connection, WEEK), report_url)


def lines(numbers: Numbers) -> list[str]:
    message = said(numbers)
    assert message is not None
    return message.body.splitlines()


def delivery(numbers: Numbers, key: str, state: State, due: Any) -> None:
    instants = dict.fromkeys(("due_ms", "fire_ms", "not_after_ms", "seen_ms", "updated_ms"), ms(due))
    row = {"id": key, "post_id": key, "account_key": "x:1", "platform": "x", "state": state}
    with numbers.ledger.begin() as connection:
        connection.execute(sa.insert(deliveries).values(**row, content={}, content_hash="", **instants))


def measure(numbers: Numbers, key: str, first: date, count: int, views: int, missed: int = -1) -> None:
    """A post that gets so many views a day."""
    numbers.post(key, "x:1", at(first))
    for place in range(count):
        day = first + place * DAY
        numbers.day(key, day, views="missed" if place == missed else views * (place + 1), likes=place + 1)
        numbers.account_day("x:1", day, followers=1000 + place)
        numbers.collected("x:1", day)


@pytest.mark.parametrize(
    ("now", "zone", "monday"),
    [
        ("2026-11-23T06:00:00Z", "Europe/Berlin", "2026-11-16"),
        ("2026-11-22T22:30:00Z", "UTC", "2026-11-09"),
        ("2026-11-22T23:30:00Z", "Europe/Berlin", "2026-11-16"),  # there it is Monday
        ("2026-11-29T12:00:00Z", "UTC", "2026-11-16"),
        ("2027-01-04T12:00:00Z", "UTC", "2026-12-28"),
    ],
)
def test_the_week_is_the_last_whole_one_on_the_bases_clock(now: str, zone: str, monday: str) -> None:
    from schedulo.clock import parse_instant

    assert Week.last(parse_instant(now), zone).monday.isoformat() == monday


def test_a_week_is_named_by_the_iso_calendar() -> None:
    assert Week(date(2026, 12, 28), "UTC").name == "2026-W53"


def test_it_tells_what_went_out_how_punctual_and_what_did_not(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY), lateness_s=0.004)
    numbers.post("b", "x:1", at(MONDAY + 6 * DAY), lateness_s=75.0)
    numbers.post("next week", "x:1", at(MONDAY + 7 * DAY, 1))
    delivery(numbers, "f", State.FAILED, at(MONDAY + 2 * DAY))
    delivery(numbers, "long ago", State.FAILED, at(MONDAY - DAY))
    message = said(numbers)
    assert message is not None
    assert message.title == "The week 2026-W47: 2 posts out, 1 not"
    found = message.body.splitlines()
    assert "- 2 posts went out, 1 within a second of their time; the latest was 1 min 15 s late." in found
    assert "- Failed: 1 post of the week; a person must act." in found


def test_growth_is_compared_with_the_week_before_where_both_are_known(numbers: Numbers) -> None:
    measure(numbers, "a", MONDAY - 7 * DAY, 14, views=100)
    assert "- X northlight: 1,013 followers (+7), 700 views (±0.0 %), 7 engagements (±0.0 %)" in lines(
        numbers
    )


def test_a_day_that_is_not_known_leaves_its_week_unsaid(numbers: Numbers) -> None:
    measure(numbers, "a", MONDAY - 7 * DAY, 14, views=100, missed=9)
    assert "- X northlight: 1,013 followers (+7), – views, 7 engagements (±0.0 %)" in lines(numbers)


def test_where_sunday_is_not_over_yet_the_week_is_told_until_saturday(numbers: Numbers) -> None:
    measure(numbers, "a", MONDAY - 8 * DAY, 14, views=100)
    assert any(line.startswith("- X northlight (until Saturday): ") for line in lines(numbers))


def test_it_names_the_best_posts_with_links_and_what_is_not_known(numbers: Numbers) -> None:
    for key, likes in (("a", 1), ("b", 9), ("c", 5), ("d", 3)):
        numbers.post(key, "x:1", at(MONDAY))
        numbers.read(key, at(MONDAY + DAY), likes=likes, views=10)
    numbers.day("a", MONDAY + 2 * DAY, saves="no_permission")
    found = lines(numbers)
    start = found.index("Best posts:")
    assert found[start + 1 : start + 7 : 2] == [
        "- Post b (X northlight): 9 engagements, 10 views",
        "- Post c (X northlight): 5 engagements, 10 views",
        "- Post d (X northlight): 3 engagements, 10 views",
    ]
    assert found[start + 2] == "  https://example.com/b"
    assert "- X northlight: saves: not allowed. Who looks after the account connects it again." in found


def test_it_links_to_the_report_and_what_people_wrote_is_escaped(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY), title="<b>@everyone\nhi</b>")
    numbers.read("a", at(MONDAY + DAY), likes=3)
    message = said(numbers, "https://airflow.example.com/schedulo/reports/week-2026-w47.html")
    assert message is not None
    assert 'href="https://airflow.example.com/schedulo/reports/week-2026-w47.html"' in message.html
    assert "The report: https://airflow.example.com/" in message.body
    assert "<b>@everyone" not in message.html
    assert "@everyone" not in message.body  # a chat would call everybody


def test_a_week_in_which_nothing_was_is_not_told(numbers: Numbers) -> None:
    assert said(numbers) is None


def test_owners_are_told_once_a_week_however_often_it_runs(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    message = said(numbers)
    assert message is not None
    with numbers.ledger.begin() as connection:
        recipients = Recipients.of(CHANNELS)
        assert tell(connection, NEXT_MONDAY_MS, WEEK, message, recipients) == ("owner@example.com", "team")
        assert tell(connection, NEXT_MONDAY_MS + 1000, WEEK, message, recipients) == ()
        waiting = letters(connection, NEXT_MONDAY_MS, CHANNELS)
        assert [(letter.channel, letter.message.title) for letter in waiting] == [
            ("owner@example.com", message.title),
            ("team", message.title),
        ]
        connection.execute(sa.delete(notices))  # as what was sent goes after a month
        assert tell(connection, NEXT_MONDAY_MS, WEEK, message, recipients) == ()
        assert tell(connection, NEXT_MONDAY_MS, Week(MONDAY + 7 * DAY, "UTC"), message, recipients)


def test_with_no_channel_the_week_is_not_taken_for_told(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    message = said(numbers)
    assert message is not None
    with numbers.ledger.begin() as connection:
        assert tell(connection, NEXT_MONDAY_MS, WEEK, message, Recipients.of(Settings())) == ()
        assert tell(connection, NEXT_MONDAY_MS, WEEK, message, Recipients.of(CHANNELS))
