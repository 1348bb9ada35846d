"""What the views say: sums and comparisons of what was measured, and nothing where something is missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from schedulo.ledger.database import Ledger
from schedulo.measures import Availability
from tests.schedulo.analytics.figures import FIRST, Figures, Told

TOO_FEW = ("too_few", "fewer than 5 people saw it")


@pytest.fixture
def figures(ledger: Ledger) -> Figures:
    return Figures(ledger)


def numbers(figures: Figures, key: str, day: int = 0, **metrics: Told) -> None:
    for metric, told in metrics.items():
        figures.daily(key, metric, {day: told})


# --- post_performance -------------------------------------------------------------------------------------


def test_a_post_has_the_newest_of_its_numbers_whether_of_a_day_or_of_an_hour(figures: Figures) -> None:
    figures.account("x:1", name="@acme")
    figures.post("a", day=0)
    figures.daily("a", "views", {0: 10, 1: 25, 2: None})
    figures.daily("a", "likes", {0: 1, 1: 2})
    late = datetime.combine(FIRST + timedelta(days=2), datetime.min.time(), UTC) + timedelta(hours=5)
    figures.reading("a", "likes", late - timedelta(days=2), 7)  # before the ends of both days
    figures.reading("a", "views", late, 31)
    (row,) = figures.rows("post_performance")
    assert (row["views"], row["likes"], row["numbers_at"]) == (31, 2, late)
    assert (row["account_name"], row["platform"], row["published_on"]) == ("@acme", "x", FIRST)
    assert (row["views_first_day"], row["days_measured"], row["settled"]) == (10, 2, False)


def test_a_post_without_numbers_is_there_and_says_none(figures: Figures) -> None:
    figures.account("x:1")
    figures.post("a")
    figures.post("b", published_at=None, published_on=None, published_weekday=None, published_hour=None)
    for row in figures.rows("post_performance"):
        named = ("views", "engagement", "engagement_by_reach", "views_7_days", "days_measured", "numbers_at")
        assert {row[name] for name in named} == {None}
        assert row["settled"] is False


@pytest.mark.parametrize(
    ("told", "engagement", "by_reach", "by_views"),
    [
        ({"likes": 6, "comments": 2, "shares": 1, "saves": 0, "reach": 60, "views": 90}, 9, 15, 10),
        ({"likes": 6, "comments": 2, "views": 100}, 8, None, 8),  # its platform has no more
        ({"likes": 6, "saves": TOO_FEW, "views": 100}, None, None, None),  # it has, and did not tell
        ({"likes": 0, "reach": 0, "views": 0}, 0, None, None),
        ({"views": 5}, None, None, None),
    ],
)
def test_engagement_is_the_sum_of_what_the_platform_has_and_unknown_where_a_part_is(
    figures: Figures,
    told: Mapping[str, Told],
    engagement: float | None,
    by_reach: float | None,
    by_views: float | None,
) -> None:
    figures.account("x:1")
    figures.post("a")
    numbers(figures, "a", **told)
    (row,) = figures.rows("post_performance")
    found = row["engagement"], row["engagement_by_reach"], row["engagement_by_views"]
    assert found == (engagement, by_reach, by_views)


@pytest.mark.parametrize("word", [word for word in Availability if word is not Availability.MEASURED])
def test_the_last_number_stays_unless_the_platform_withholds_it_since(
    figures: Figures, word: Availability
) -> None:
    figures.account("x:1")
    figures.post("a")
    figures.daily("a", "likes", {0: 4, 1: (word.value, "why")})
    figures.daily("a", "comments", {0: 1, 1: 2})
    (row,) = figures.rows("post_performance")
    withheld = word in (Availability.TOO_FEW, Availability.NO_PERMISSION, Availability.RETIRED)
    assert (row["likes"], row["engagement"]) == ((None, None) if withheld else (4, 6))


def test_numbers_after_a_week_are_those_of_the_seventh_day(figures: Figures) -> None:
    figures.account("x:1")
    for key in "abc":
        figures.post(key, day=1)
    figures.daily("a", "views", {1: 10, 7: 70, 8: 80})
    figures.daily("a", "likes", {7: 5, 8: 9})
    figures.daily("a", "comments", {7: 1})
    figures.daily("b", "views", {6: 60, 8: 80})
    figures.daily("c", "likes", {7: 5})
    figures.daily("c", "saves", {7: None})
    found = {
        r["post_key"]: (r["views_7_days"], r["engagement_7_days"]) for r in figures.rows("post_performance")
    }
    assert found == {"a": (70, 6), "b": (None, None), "c": (None, None)}


# --- account_trend ----------------------------------------------------------------------------------------


def trend(figures: Figures, day: int, metric: str, basis: str = "account") -> dict[str, object]:
    rows = figures.rows("account_trend", date=FIRST + timedelta(days=day), metric=metric, basis=basis)
    (row,) = rows
    return row


def changes(
    figures: Figures, day: int, metric: str, basis: str = "account", days: int = 7
) -> tuple[object, ...]:
    row = trend(figures, day, metric, basis)
    return tuple(row[f"{name}_{days}d"] for name in ("value", "before", "change", "percent"))


def test_days_are_added_up_and_compared_with_as_many_before(figures: Figures) -> None:
    figures.account("instagram:1")
    figures.metric("instagram", "views", "day")
    figures.daily("instagram:1", "views", {day: 10 if day < 7 else 15 for day in range(14)}, "day")
    assert changes(figures, 13, "views") == (105, 70, 35, 50)
    assert changes(figures, 12, "views") == (100, None, None, None)
    assert changes(figures, 5, "views") == (None, None, None, None)
    assert changes(figures, 13, "views", days=28) == (None, None, None, None)
    assert trend(figures, 13, "views")["day_value"] == 15


def test_four_weeks_are_compared_with_four_weeks(figures: Figures) -> None:
    figures.account("instagram:1")
    figures.metric("instagram", "views", "day")
    figures.daily("instagram:1", "views", {day: 4 if day < 28 else 3 for day in range(56)}, "day")
    assert changes(figures, 55, "views", days=28) == (84, 112, -28, -25)


@pytest.mark.parametrize(("missing", "told"), [(3, "gap"), (3, "row"), (10, "gap"), (10, "row")])
def test_one_missing_day_in_either_week_makes_them_incomparable(
    figures: Figures, missing: int, told: str
) -> None:
    figures.account("instagram:1")
    figures.metric("instagram", "views", "day")
    days: dict[int, Told] = dict.fromkeys(range(21), 10)
    if told == "row":
        days[missing] = None
    else:
        del days[missing]
    figures.daily("instagram:1", "views", days, "day")
    value, before, change, percent = changes(figures, 13, "views")
    assert (value, before) == ((70, None) if missing == 3 else (None, 70))
    assert (change, percent) == (None, None)
    assert changes(figures, 20, "views")[2] == (0 if missing == 3 else None)


def test_nothing_is_a_percentage_of_nothing(figures: Figures) -> None:
    figures.account("instagram:1")
    figures.metric("instagram", "views", "day")
    figures.daily("instagram:1", "views", {day: 0 if day < 7 else 5 for day in range(14)}, "day")
    assert changes(figures, 13, "views") == (35, 0, 35, None)


def test_nothing_is_a_percentage_of_less_than_nothing(figures: Figures) -> None:
    """What is taken back may be more than what was added."""
    figures.account("instagram:1")
    figures.metric("instagram", "likes", "day")
    figures.daily("instagram:1", "likes", {day: -1 if day < 7 else 2 for day in range(14)}, "day")
    assert changes(figures, 13, "likes") == (14, -7, 21, None)


def test_what_came_together_over_several_days_is_not_of_the_last_of_them(figures: Figures) -> None:
    figures.account("tiktok:1")
    figures.metric("tiktok", "likes", "total")
    figures.daily("tiktok:1", "likes", {0: 1_000, 1: 1_002, 3: 1_010, 4: 1_011})
    figures.account("x:1")
    figures.post("a", day=0)
    figures.daily("a", "views", {0: 4, 3: 40, 4: 41})
    for key, metric, basis in (("tiktok:1", "likes", "account"), ("x:1", "views", "posts")):
        rows = figures.rows("account_trend", account_key=key, metric=metric, basis=basis)
        found = {(row["date"] - FIRST).days: row["day_value"] for row in rows}  # type: ignore[operator]
        assert (found[3], found[4]) == (None, 1)


def test_levels_are_compared_at_the_ends_whatever_is_missing_between(figures: Figures) -> None:
    figures.account("instagram:1")
    figures.metric("instagram", "followers", "level")
    figures.daily("instagram:1", "followers", {0: 200, 4: None, 7: 190, 8: None, 14: 209})
    assert changes(figures, 7, "followers") == (190, 200, -10, -5)
    assert changes(figures, 8, "followers") == (None, None, None, None)
    assert changes(figures, 14, "followers") == (209, 190, 19, 10)
    assert trend(figures, 14, "followers")["kind"] == "level"


def test_a_total_adds_what_its_days_added_and_only_where_each_is_known(figures: Figures) -> None:
    figures.account("tiktok:1")
    figures.metric("tiktok", "likes", "total")
    figures.daily("tiktok:1", "likes", {day: 1_000 + 2 * day for day in range(16) if day != 4})
    assert changes(figures, 15, "likes")[0] == 14
    assert changes(figures, 14, "likes") == (14, None, None, None)  # the fourth day is not known
    assert changes(figures, 7, "likes")[0] is None  # nor what the first one added


def test_posts_add_up_to_what_their_account_gained(figures: Figures) -> None:
    figures.account("x:1")
    figures.post("a", day=0)
    figures.post("b", day=7)
    for metric, step in (("views", 10), ("likes", 2), ("comments", 1)):
        figures.daily("a", metric, {day: step * (day + 1) for day in range(14)})
        figures.daily("b", metric, {day: step * (day - 6) for day in range(7, 14)})
    assert changes(figures, 13, "views", "posts") == (140, 70, 70, 100)
    assert changes(figures, 13, "engagement", "posts") == (42, 21, 21, 100)


def test_a_post_that_was_not_told_makes_the_day_unknown_and_one_that_is_over_does_not(
    figures: Figures,
) -> None:
    figures.account("x:1")
    for key in ("a", "b", "c"):
        figures.post(key)
    figures.daily("a", "views", dict.fromkeys(range(14), 5))
    figures.daily(
        "b", "views", {0: 3, 1: ("gone", "deleted"), **dict.fromkeys(range(2, 14), ("ended", "24 h"))}
    )
    assert changes(figures, 13, "views", "posts") == (0, 8, -8, -100)
    figures.daily("c", "views", {0: 1, 9: TOO_FEW})
    assert changes(figures, 13, "views", "posts") == (None, 9, None, None)


def test_what_came_together_over_several_days_counts_where_all_of_them_are_in_the_week(
    figures: Figures,
) -> None:
    """A post that nothing moves is read once a week: no news is news of each of those days."""
    figures.account("x:1")
    figures.post("still")
    figures.post("a")
    figures.daily("a", "views", {day: day + 1 for day in range(22)})
    figures.daily("still", "views", {0: 4, 7: 4, 14: 4, 21: 8})
    assert changes(figures, 13, "views", "posts") == (7, 11, -4, -36.36)
    assert changes(figures, 20, "views", "posts") == (7, 7, 0, 0)
    # The four that came between the 15th day and the 21st are of that week; of another they may be or not.
    assert changes(figures, 21, "views", "posts")[0] == 11


# --- best_times and content_breakdown ---------------------------------------------------------------------


def settled(figures: Figures, key: str, engagement: Told, account: str = "x:1", **values: object) -> None:
    day = int(values.pop("day", 0))  # type: ignore[call-overload]
    figures.post(key, account, day=day, **values)  # type: ignore[arg-type]
    figures.daily(key, "likes", {day: 0, day + 2: engagement})


def test_an_hour_says_something_when_three_posts_are_behind_it(figures: Figures) -> None:
    figures.account("x:1")
    for number, engagement in enumerate((10, 500, 20)):
        settled(figures, f"nine{number}", engagement, day=7 * number, hour=9)
    for number, engagement in enumerate((40, 60)):
        settled(figures, f"noon{number}", engagement, day=1 + 7 * number, hour=12)
    cells = {
        (row["scope"], row["weekday"], row["hour"]): (row["posts"], row["engagement"], row["against_usual"])
        for row in figures.rows("best_times")
    }
    assert cells == {
        ("account", 1, 9): (3, 20, 0.5),  # of 10, 20, 40, 60, 500 the median is 40
        ("account", 2, 12): (2, None, None),
        ("platform", 1, 9): (3, 20, 0.5),
        ("platform", 2, 12): (2, None, None),
    }


def test_a_platforms_hours_weigh_large_and_small_accounts_alike(figures: Figures) -> None:
    for account, size in (("x:1", 1), ("x:2", 1_000)):
        figures.account(account)
        for number in range(3):
            settled(figures, f"a{size}-{number}", 10 * size, account, day=number * 7)
            settled(figures, f"a{size}-{number}-late", 30 * size, account, day=number * 7, hour=20)
    found = {
        row["hour"]: (row["posts"], row["against_usual"])
        for row in figures.rows("best_times", scope="platform")
    }
    assert found == {9: (6, 0.5), 20: (6, 1.5)}


def test_posts_that_are_young_or_of_unknown_engagement_are_not_compared(figures: Figures) -> None:
    figures.account("x:1")
    for number in range(3):
        settled(figures, f"a{number}", 10)
    figures.post("young")
    figures.daily("young", "likes", {0: 1, 1: 1})
    settled(figures, "unknown", 1)
    figures.daily("unknown", "saves", {2: TOO_FEW})
    figures.post("story", format="story")
    figures.daily("story", "likes", {0: 1})
    figures.post(
        "timeless", published_at=None, published_on=None, published_weekday=None, published_hour=None
    )
    figures.daily("timeless", "likes", {5: 1})
    (cell,) = figures.rows("best_times", scope="account")
    assert (cell["posts"], cell["engagement"]) == (4, 10)


def test_where_engagement_is_usually_nothing_nothing_is_divided_by_it(figures: Figures) -> None:
    figures.account("x:1")
    for number in range(3):
        settled(figures, f"a{number}", 0)
    (cell,) = figures.rows("best_times", scope="account")
    assert (cell["engagement"], cell["against_usual"]) == (0, None)


def test_content_is_broken_down_against_what_is_usual_on_the_account(figures: Figures) -> None:
    figures.account("x:1")
    figures.account("x:2")
    for number in range(3):
        settled(figures, f"i{number}", 10, format="image", media_kind="image", text_length=0)
        settled(
            figures,
            f"v{number}",
            30,
            format="video",
            media_kind="video",
            text_length=281,
            hashtags=["coffee"],
        )
    settled(figures, "other", 7, "x:2", hashtags=["coffee"])
    found = {
        (row["account_key"], row["dimension"], row["value"]): (
            row["posts"],
            row["engagement"],
            row["usual"],
            row["against_usual"],
        )
        for row in figures.rows("content_breakdown")
    }
    assert found == {
        ("x:1", "format", "image"): (3, 10, 20, 0.5),
        ("x:1", "format", "video"): (3, 30, 20, 1.5),
        ("x:1", "media_kind", "image"): (3, 10, 20, 0.5),
        ("x:1", "media_kind", "video"): (3, 30, 20, 1.5),
        ("x:1", "length", "no text"): (3, 10, 20, 0.5),
        ("x:1", "length", "281 to 1000"): (3, 30, 20, 1.5),
        ("x:1", "hashtag", "coffee"): (3, 30, 20, 1.5),
        ("x:2", "format", "text"): (1, None, None, None),
        ("x:2", "media_kind", "none"): (1, None, None, None),
        ("x:2", "length", "1 to 80"): (1, None, None, None),
        ("x:2", "hashtag", "coffee"): (1, None, None, None),
    }


def test_days_of_views_are_dates_on_both_databases(figures: Figures) -> None:
    figures.account("instagram:1")
    figures.metric("instagram", "followers", "level")
    figures.daily("instagram:1", "followers", {0: 1})
    assert trend(figures, 0, "followers")["date"] == date(2026, 9, 7)
