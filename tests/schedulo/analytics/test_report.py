"""What a report says, and the page that it becomes."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest

from schedulo.analytics import charts
from schedulo.analytics.figures import Series
from schedulo.analytics.page import number, page, percent, seconds, signed, weblink
from schedulo.analytics.report import Report, Spread, report
from schedulo.ledger.database import Ledger
from tests.schedulo.analytics.laid_out import Numbers, at, ms

TODAY = date(2026, 11, 26)
DAY = timedelta(days=1)
NASTY = '<script>alert("x")</script> & $\\alpha$'


@pytest.fixture
def numbers(ledger: Ledger) -> Numbers:
    numbers = Numbers(ledger)
    numbers.account("x:1", NASTY)
    return numbers


def made(numbers: Numbers, days: int = 28) -> Report:
    with numbers.ledger.read() as connection:
        return report(connection, ms(at(TODAY)), days, "Europe/Berlin")


def post(numbers: Numbers, key: str, days_ago: int = 1, hour: int = 12, **values: float | str) -> str:
    """A post with its last numbers."""
    day = TODAY - days_ago * DAY
    columns = {name: values.pop(name) for name in ("lateness_s", "title", "permalink") if name in values}
    numbers.post(key, "x:1", at(day, hour), **columns)
    if values:
        numbers.read(key, at(TODAY, 1), **values)
    return key


# --- figures --------------------------------------------------------------------------------------------


def test_lateness_is_told_as_what_so_many_of_a_hundred_did_not_exceed() -> None:
    spread = Spread.of([second / 1000 for second in range(1, 101)])
    assert (spread.posts, spread.p50, spread.p90, spread.p99, spread.worst) == (100, 0.05, 0.09, 0.099, 0.1)
    assert Spread.of([3.0]) == Spread(1, 3.0, 3.0, 3.0, 3.0)


def test_posts_are_counted_by_how_late_they_were_and_the_late_ones_are_named(numbers: Numbers) -> None:
    for key, lateness_s in (("a", 0.003), ("b", 0.02), ("c", 75.0), ("d", 400.0)):
        post(numbers, key, lateness_s=lateness_s)
    found = made(numbers).punctuality
    assert found is not None
    assert dict(found.bands)["to 10 ms"] == 1
    assert dict(found.bands)["to 10 min"] == 2
    assert sum(count for _, count in found.bands) == 4
    assert [item.key for item in found.late] == ["d", "c"]
    assert [(day, spread.posts) for day, spread in found.by_day] == [(TODAY - DAY, 4)]


def test_only_posts_of_its_days_are_in_a_report(numbers: Numbers) -> None:
    post(numbers, "today", 0, hour=8)
    post(numbers, "inside", 6)
    post(numbers, "before", 7)
    assert [item.key for item in made(numbers, 7).posts] == ["inside", "today"]


def test_the_best_posts_are_those_with_most_engagements_that_are_known(numbers: Numbers) -> None:
    post(numbers, "liked", views=10, likes=5, shares=1)
    post(numbers, "shared", views=10, likes=1, shares=9)
    post(numbers, "seen", views=10_000, likes=0)
    post(numbers, "unread")
    post(numbers, "in part", views=10, likes=500, shares="no_permission")
    assert [item.key for item in made(numbers).best] == ["shared", "liked"]


def test_an_hour_with_fewer_than_three_posts_says_nothing(numbers: Numbers) -> None:
    for place in range(3):
        post(numbers, f"evening{place}", 7 * (place + 1), hour=19, likes=30)
    for place in range(2):
        post(numbers, f"noon{place}", 7 * (place + 1), hour=12, likes=10)
    post(numbers, "young", 1, hour=19, likes=1000)
    found = made(numbers)
    cells = {cell.hour: cell for cell in found.times}
    assert (cells[18].posts, cells[18].times_usual) == (3, 1.0)
    assert (cells[12].posts, cells[12].times_usual) == (2, None)
    assert found.times_posts == 5


def test_a_post_that_was_read_in_its_first_hour_only_says_nothing_of_best_times(numbers: Numbers) -> None:
    post(numbers, "settled", 7, hour=19, likes=30)
    for key, format_ in (("early", "image"), ("ended", "story")):
        numbers.post(key, "x:1", at(TODAY - 7 * DAY, 12), format=format_)
        numbers.read(key, at(TODAY - 7 * DAY, 13), likes=1)
    assert [(cell.hour, cell.posts) for cell in made(numbers).times] == [(12, 1), (18, 1)]


def test_what_is_unknown_is_told_once_for_each_reason_with_all_its_metrics(numbers: Numbers) -> None:
    post(numbers, "a", 3)
    for days_ago in (3, 2, 1):
        day = TODAY - days_ago * DAY
        numbers.day("a", day, likes=1, saves="no_permission", reach="no_permission", views="ended")
        numbers.account_day("x:1", day, followers="failed" if days_ago == 2 else 5)
    found = made(numbers).missing
    assert [(str(item.availability), list(item.metrics), item.numbers) for item in found] == [
        ("failed", ["followers"], 1),
        ("no_permission", ["reach", "saves"], 6),
    ]
    assert (found[1].since, found[1].until) == (TODAY - 3 * DAY, TODAY - DAY)


def test_what_ended_long_ago_is_not_told_as_an_accounts_last_week(numbers: Numbers) -> None:
    post(numbers, "a", 20)
    for days_ago in range(20, 9, -1):
        numbers.day("a", TODAY - days_ago * DAY, views=100 * (21 - days_ago))
        numbers.account_day("x:1", TODAY - days_ago * DAY, followers=100)
        numbers.collected("x:1", TODAY - days_ago * DAY)
    (account,) = made(numbers).accounts
    assert account.views[7].now is None
    assert account.followers[7].change is None
    assert account.growth.views.days[TODAY - 15 * DAY] == 100


# --- the page -------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Reads a page as a browser does: its tags, and what loads or runs anything."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name in ("href", "src"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def filled(numbers: Numbers) -> str:
    numbers.account("facebook:2", "quiet")
    post(numbers, "a", 10, title=NASTY, permalink="javascript:alert(1)", views=5, likes=3)
    post(numbers, "b", 5, lateness_s=100.0, permalink="https://x.com/i/status/1", views=7, likes=2)
    for days_ago in range(10, 0, -1):
        numbers.day("a", TODAY - days_ago * DAY, views="missed" if days_ago == 4 else 50 - days_ago)
        for key in ("x:1", "facebook:2"):
            numbers.account_day(key, TODAY - days_ago * DAY, followers=1000 - days_ago)
            numbers.collected(key, TODAY - days_ago * DAY)
    return page(made(numbers))


_made: dict[bool, str] = {}


@pytest.fixture
def text(numbers: Numbers) -> str:
    """The page, made once for each database: drawing takes its time."""
    if numbers.ledger.is_sqlite not in _made:
        _made[numbers.ledger.is_sqlite] = filled(numbers)
    return _made[numbers.ledger.is_sqlite]


def test_the_page_needs_no_network_and_runs_nothing(text: str) -> None:
    reader = Reader(text)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(reader.tags)
    assert reader.tags.count("svg") == 4
    outside = [link for link in reader.links if not link.startswith("#")]
    assert set(outside) == {"https://x.com/i/status/1"}


def test_what_people_wrote_is_text_on_the_page_and_never_part_of_it(text: str) -> None:
    assert "<script" not in text
    assert "javascript:" not in text
    assert text.count("&lt;script&gt;") >= 3  # a post's title, an account's name in table and chart


def test_no_two_parts_of_the_page_have_one_id(text: str) -> None:
    """What a chart cuts out or repeats is named by an id: two of them would draw each other's."""
    ids = Reader(text).ids
    assert len(ids) == len(set(ids))


def test_every_chart_has_a_name_and_a_table_beside_it(text: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
    assert len(figures) == 4
    assert all("<title>" in figure and "<table>" in figure and 'role="img"' in figure for figure in figures)


def test_an_empty_ledger_makes_a_page_that_says_so(ledger: Ledger) -> None:
    with ledger.read() as connection:
        found = report(connection, ms(at(TODAY)), 28)
    assert found.empty
    text = page(found)
    assert "no post went out, and no number was read" in text
    assert "<svg" not in text


def test_posts_without_any_numbers_make_a_page_too(numbers: Numbers) -> None:
    post(numbers, "a")
    text = page(made(numbers))
    assert "No number of an account was read" in text
    assert text.count("<svg") == 2


def test_an_account_of_which_one_day_is_known_is_in_the_table_without_a_chart(numbers: Numbers) -> None:
    numbers.account_day("x:1", TODAY - DAY, followers=1234)
    numbers.collected("x:1", TODAY - DAY)
    text = page(made(numbers))
    assert "1,234" in text
    assert "<svg" not in text


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (number(None), "–"),
        (number(0), "0"),
        (number(12345), "12,345"),
        (number(2.5), "2.5"),
        (signed(None), "–"),
        (signed(-7), "−7"),
        (signed(0), "±0"),
        (seconds(0.0042), "4 ms"),
        (seconds(59.94), "59.9 s"),
        (seconds(190), "3 min 10 s"),
        (seconds(7500), "2 h 5 min"),
        (weblink("ftp://x"), ""),
        (charts.short(1_234), "1,234"),
        (charts.short(5_620_000), "5.62M"),
    ],
)
def test_numbers_are_said_as_people_say_them(said: str, words: str) -> None:
    assert said == words


def test_a_percentage_needs_something_before() -> None:
    series = Series({TODAY: 30.0, TODAY - DAY: 20.0, TODAY - 2 * DAY: 0.0})
    assert percent(series.stand(TODAY, 1)) == "+50.0 %"
    assert percent(series.stand(TODAY - DAY, 1)) == ""
    assert percent(series.stand(TODAY, 5)) == ""


def test_a_line_stops_before_a_day_that_is_not_known() -> None:
    """A line through a gap would be an invented number."""
    whole = Series({TODAY - number * DAY: 5.0 + number for number in range(10)})
    gap = Series({day: value for day, value in whole.days.items() if day != TODAY - 5 * DAY})
    since = TODAY - 9 * DAY

    def moves(series: Series) -> int:
        svg = charts.growth("x:1", "a", series, Series({}), since, TODAY)
        lines = re.findall(r'<path d="([^"]+)"[^>]*style="fill: none; stroke: var\(--one', svg)
        return max(line.count("M") for line in lines)

    assert (moves(whole), moves(gap)) == (1, 2)
