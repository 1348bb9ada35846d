"""What the views add up and compare is what the platform knows, read by the real collector."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.ledger.view_texts import VIEWS
from schedulo.ledger.views import view_of
from tests.schedulo.analytics.stand import DAY_S, Stand, instant

FIRST = "2026-09-01 00:00"
DAYS = 17
NATIVE = {
    "likes": "like_count",
    "comments": "reply_count",
    "shares": "repost_count",
    "saves": "bookmark_count",
}


@pytest.fixture
def collected(stand: Stand) -> tuple[Stand, str, list[str]]:
    """An account of X with two posts, read at half past midnight after each day but one."""
    key = stand.x_account()
    posts = stand.posts(key, ["2026-09-01 09:00", "2026-09-05 18:00"])
    for day in range(DAYS):
        if day != 1:
            stand.go(read_at(day))
            stand.collect(key, day_of(day).isoformat())
    return stand, key, posts


def day_of(day: int) -> date:
    return datetime.fromtimestamp(instant(FIRST) + day * DAY_S, UTC).date()


def read_at(day: int) -> float:
    return instant(FIRST) + (day + 1) * DAY_S + 1_800


def rows(stand: Stand, name: str, **where: Any) -> list[Any]:
    (view,) = [view for view in VIEWS if view.name == name]
    table = view_of(view, stand.ledger.engine.dialect.name)
    return list(stand.run(sa.select(table).where(*(table.c[one] == value for one, value in where.items()))))


def test_a_post_is_shown_with_what_the_platform_last_told(collected: tuple[Stand, str, list[str]]) -> None:
    stand, _, posts = collected
    for row in rows(stand, "post_performance"):
        assert row.post_key in posts
        assert row.views == stand.true(row.post_key)
        parts = {metric: stand.true(row.post_key, native) for metric, native in NATIVE.items()}
        assert {metric: getattr(row, metric) for metric in NATIVE} == parts
        assert row.engagement == sum(parts.values())
        assert row.numbers_at == datetime.fromtimestamp(stand.now_s, UTC)
        assert row.settled
    first = rows(stand, "post_performance", post_key=posts[0])[0]
    assert first.views_first_day == stand.true(posts[0], at=read_at(0))
    assert first.views_7_days == stand.true(posts[0], at=read_at(6))


def test_a_week_of_posts_is_what_the_platform_counted_in_it(collected: tuple[Stand, str, list[str]]) -> None:
    stand, _, posts = collected

    def between(day: int, other: int, natives: list[str]) -> float:
        """What was added after the one day until the end of the other."""
        there = {at: posts if at >= 4 else posts[:1] for at in (day, other)}
        found = {
            at: [stand.true(post, one, read_at(at)) for post in there[at] for one in natives] for at in there
        }
        return sum(found[other]) - sum(found[day])

    for metric, natives in {"views": ["impression_count"], "engagement": list(NATIVE.values())}.items():
        about = {"basis": "posts", "metric": metric}
        (row,) = rows(stand, "account_trend", date=day_of(16), **about)
        now, before = between(9, 16, natives), between(2, 9, natives)
        assert (row.value_7d, row.before_7d, row.change_7d) == (now, before, now - before)
        # What came in on the day that was missed was found on the next: that is no number of this day alone.
        (row,) = rows(stand, "account_trend", date=day_of(15), **about)
        assert (row.value_7d, row.before_7d, row.change_7d) == (between(8, 15, natives), None, None)


def test_followers_are_compared_over_a_day_that_was_missed(collected: tuple[Stand, str, list[str]]) -> None:
    stand, key, _ = collected
    levels = {day: row.value for day, row in stand.account_facts(key).items()}
    assert levels.get(day_of(1).isoformat()) is None
    (row,) = rows(stand, "account_trend", account_key=key, metric="followers", date=day_of(7))
    assert (row.basis, row.kind) == ("account", "level")
    assert row.change_7d == levels[day_of(7).isoformat()] - levels[day_of(0).isoformat()]
    assert rows(stand, "account_trend", metric="followers", date=day_of(8))[0].change_7d is None
