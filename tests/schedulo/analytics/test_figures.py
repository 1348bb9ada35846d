"""The last numbers of posts, and what accounts got by day."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from schedulo.analytics.figures import Growth, Trend, growth, latest, read_since
from schedulo.ledger.database import Ledger
from schedulo.ledger.views import spelled
from tests.schedulo.analytics.laid_out import Numbers, at

MONDAY = date(2026, 11, 2)
DAY = timedelta(days=1)


@pytest.fixture
def numbers(ledger: Ledger) -> Numbers:
    numbers = Numbers(ledger)
    numbers.account("x:1")
    return numbers


def days(first: date, count: int) -> list[date]:
    return [first + number * DAY for number in range(count)]


def one(numbers: Numbers, until: date = MONDAY + 60 * DAY) -> Growth:
    with numbers.ledger.read() as connection:
        (found,) = growth(connection, MONDAY - 10 * DAY, until)
    return found


def last(numbers: Numbers) -> dict[str, dict[str, float | None]]:
    with numbers.ledger.read() as connection:
        return {item.post_key: dict(item.values) for item in latest(connection, read_since(connection, None))}


# --- posts ----------------------------------------------------------------------------------------------


def test_the_youngest_number_of_each_metric_is_the_last(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    numbers.read("a", at(MONDAY, 13), views=10, likes=1)
    numbers.read("a", at(MONDAY, 15), views=30, likes=2)
    numbers.read("a", at(MONDAY, 14), views=20, likes=2)
    found = last(numbers)["a"]
    assert (found["views"], found["likes"], found["reach"]) == (30, 2, None)


@pytest.mark.parametrize(
    ("why", "shown"),
    [("failed", 10), ("ended", 10), ("gone", 10), ("retired", None), ("no_permission", None)],
)
def test_a_number_stays_where_it_may_come_again_or_is_final_but_not_where_it_was_withdrawn(
    numbers: Numbers, why: str, shown: float | None
) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    numbers.read("a", at(MONDAY, 13), views=10, likes=3)
    numbers.read("a", at(MONDAY, 15), views=why, likes=4)
    found = last(numbers)["a"]
    assert (found["views"], found["likes"]) == (shown, 4)


def test_a_post_without_any_number_is_not_shown_as_zero(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    numbers.read("a", at(MONDAY, 13), views="too_few")
    assert last(numbers) == {}


def test_only_posts_that_were_read_since_are_looked_at_again(numbers: Numbers) -> None:
    for key, day in (("a", MONDAY), ("b", MONDAY + DAY)):
        numbers.post(key, "x:1", at(day))
        numbers.read(key, at(day, 13), views=10)
    with numbers.ledger.read() as connection:
        assert read_since(connection, at(MONDAY + DAY, 0)) == ["b"]


# --- accounts -------------------------------------------------------------------------------------------


def test_a_week_is_the_sum_of_what_its_posts_got(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    numbers.post("b", "x:1", at(MONDAY + 3 * DAY))
    for number, day in enumerate(days(MONDAY, 8)):
        numbers.day("a", day, views=100 + 10 * number)
        if number >= 3:
            numbers.day("b", day, views=7)
    numbers.collected("x:1", *days(MONDAY, 8))
    found = one(numbers)
    assert found.end == MONDAY + 7 * DAY
    assert found.views.total(MONDAY + 7 * DAY, 7) == 7 * 10 + 7
    assert found.views.total(MONDAY + 6 * DAY, 7) == 100 + 6 * 10 + 7  # from the first post on


def test_a_day_that_was_missed_leaves_its_weeks_without_a_sum(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    for number, day in enumerate(days(MONDAY, 20)):
        numbers.day("a", day, views="missed" if number == 2 else 100 + number)
    numbers.collected("x:1", *days(MONDAY, 20))
    views = one(numbers).views
    assert MONDAY + 2 * DAY not in views.days
    assert views.total(MONDAY + 8 * DAY, 7) is None
    # What the missed day got was counted on the next one: that is not known either.
    assert MONDAY + 3 * DAY not in views.days
    assert views.total(MONDAY + 9 * DAY, 7) is None
    assert views.total(MONDAY + 10 * DAY, 7) == 7


def test_a_day_that_nobody_collected_is_no_day_of_zero(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    collected = [day for day in days(MONDAY, 10) if day != MONDAY + 5 * DAY]
    for day in collected:
        numbers.day("a", day, views=100)
    numbers.collected("x:1", *collected)
    numbers.collected("x:1", MONDAY + 5 * DAY, problem="the login was refused")
    assert one(numbers).views.total(MONDAY + 9 * DAY, 7) is None


def test_a_post_that_is_gone_adds_nothing_and_spoils_nothing(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    for number, day in enumerate(days(MONDAY, 9)):
        numbers.day("a", day, views="gone" if number > 4 else 100 + number)
    numbers.collected("x:1", *days(MONDAY, 9))
    assert one(numbers).views.total(MONDAY + 8 * DAY, 7) == 3


def test_a_number_without_one_to_compare_with_leaves_its_week_without_a_sum(numbers: Numbers) -> None:
    numbers.post("old", "x:1", at(MONDAY - 400 * DAY))
    numbers.account_day("x:1", MONDAY, followers=5)
    for day in days(MONDAY, 9):
        numbers.day("old", day, views=100)
    with numbers.ledger.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE "
            + ("analytics_" if numbers.ledger.is_sqlite else "analytics.")
            + f"post_metrics_daily SET delta = NULL WHERE date = '{MONDAY}'"
        )
    numbers.collected("x:1", *days(MONDAY, 9))
    views = one(numbers).views
    assert views.total(MONDAY + 6 * DAY, 7) is None
    assert views.total(MONDAY + 8 * DAY, 7) == 0


def test_engagements_are_what_the_platform_tells_and_known_where_all_of_it_is(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    for number, day in enumerate(days(MONDAY, 4)):
        numbers.day("a", day, likes=10 * number, shares="failed" if number == 1 else number)
    numbers.collected("x:1", *days(MONDAY, 4))
    assert one(numbers).engagements.days == {MONDAY: 0, MONDAY + 3 * DAY: 11}


def test_followers_are_compared_between_two_days_that_are_known(numbers: Numbers) -> None:
    for number in (0, 7, 9, 14):
        numbers.account_day("x:1", MONDAY + number * DAY, followers=100 + number * number)
    followers = one(numbers).followers
    assert followers.stand(MONDAY + 9 * DAY, 7).change is None
    trend = followers.stand(MONDAY + 14 * DAY, 7)
    assert (trend.now, trend.before, trend.change) == (296, 149, 147)
    assert trend.percent == 100 * 147 / 149


def test_a_week_is_compared_with_the_week_before_and_nothing_is_said_in_percent_of_nothing(
    numbers: Numbers,
) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    for number, day in enumerate(days(MONDAY, 22)):
        numbers.day("a", day, views=100 if number < 14 else 100 + 10 * (number - 13))
    numbers.collected("x:1", *days(MONDAY, 22))
    views = one(numbers).views
    trend = views.totals(MONDAY + 20 * DAY, 7)
    assert (trend.now, trend.before, trend.change, trend.percent) == (70, 0, 70, None)
    trend = views.totals(MONDAY + 21 * DAY, 7)
    assert (trend.now, trend.before, trend.percent) == (70, 10, 600)
    assert views.totals(MONDAY + 10 * DAY, 7).before is None  # there was no such week
    assert Trend(3, -5).percent is None  # what was taken back and is more now is no fall


def test_people_are_told_the_same_as_analysts_read_in_the_views(numbers: Numbers) -> None:
    numbers.post("a", "x:1", at(MONDAY))
    numbers.post("b", "x:1", at(MONDAY + 9 * DAY))
    for number, day in enumerate(days(MONDAY, 24)):
        missed = number == 17
        numbers.day("a", day, views="missed" if missed else 100 + number**2, likes=number, shares=3)
        if number >= 9:
            numbers.day("b", day, views=50 * number, likes=1, shares="gone" if number > 20 else 2)
    numbers.collected("x:1", *days(MONDAY, 24))
    found = one(numbers)
    query = (
        "SELECT date, metric, value_7d, before_7d FROM analytics.account_trend "
        "WHERE basis = 'posts' AND metric IN ('views', 'engagement')"
    )
    with numbers.ledger.read() as connection:
        rows = connection.exec_driver_sql(spelled(query, connection.dialect.name)).all()
    known = 0
    for row in rows:
        day = row.date if isinstance(row.date, date) else date.fromisoformat(row.date)
        series = found.views if row.metric == "views" else found.engagements
        trend = series.totals(day, 7)
        assert (trend.now, trend.before) == (row.value_7d, row.before_7d), (row.metric, day)
        known += trend.now is not None
    assert known == (17 - 6) + (24 - 6)
