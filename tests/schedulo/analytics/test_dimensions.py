"""What the warehouse knows of accounts, posts and days is what the ledger says, also after it changed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.analytics import dimensions
from schedulo.analytics.dimensions import catch_up, refresh
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries
from schedulo.ledger.warehouse import Warehouse, warehouse_of
from schedulo.measures import Core
from schedulo.model import Content, Format, Media, MediaKind, State
from schedulo.platforms import MEASURES
from tests.schedulo.delivery.conftest import Books

MONDAY = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000  # 2027-01-15 00:00:00 UTC
HOUR = 3_600_000


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger, now_ms=MONDAY + 30 * HOUR)


@pytest.fixture
def house(ledger: Ledger) -> Warehouse:
    return warehouse_of(ledger.engine)


def published(books: Books, at_ms: int = MONDAY, **values: Any) -> str:
    state = values.pop("state", State.PUBLISHED)
    return books.add(state, **{"due_ms": at_ms, "accepted_ms": at_ms, "remote_id": "17"} | values)


def rows(books: Books, table: sa.Table) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in books.run(sa.select(table).order_by(*table.primary_key))]


def test_a_post_is_told_with_the_local_time_at_which_it_went_out(books: Books, house: Warehouse) -> None:
    books.account("x:1")
    books.run(sa.update(accounts).values(timezone="America/New_York", name="@acme"))
    id_ = published(
        books, MONDAY + 1_250, due_ms=MONDAY, permalink="https://x.com/i/status/17", title="Hello"
    )
    assert books.do(refresh)
    (account,) = rows(books, house.accounts)
    assert (account["account_key"], account["name"], account["active"]) == ("x:1", "@acme", True)
    (post,) = rows(books, house.posts)
    assert post["post_key"] == id_
    assert post["published_at"] == datetime(2027, 1, 15, 0, 0, 1, 250_000, tzinfo=UTC)
    assert post["lateness_s"] == 1.25
    local = post["published_on"], post["published_weekday"], post["published_hour"]
    assert local == (date(2027, 1, 14), 4, 19)
    assert (post["state"], post["gone_at"], post["remote_id"]) == ("published", None, "17")


def test_only_what_is_out_or_was_is_a_post(books: Books, house: Warehouse) -> None:
    out = {
        published(books, state=state)
        for state in (State.PUBLISHED, State.PUBLISHED_INCOMPLETE, State.TAKEN_DOWN, State.REMOVED)
    }
    for state in set(State) - {State.PUBLISHED, State.PUBLISHED_INCOMPLETE, State.TAKEN_DOWN, State.REMOVED}:
        books.add(state)
    books.do(refresh)
    assert {row["post_key"] for row in rows(books, house.posts)} == out


def test_its_text_media_and_hashtags_are_described(books: Books, house: Warehouse) -> None:
    picture = Media("a", MediaKind.IMAGE, "image/jpeg", 1)
    videos = [Media("b", MediaKind.VIDEO, "video/mp4", 1, duration_ms=length) for length in (4_000, 2_500)]
    content = Content(
        Format.CAROUSEL,
        "New #Roast, see example.com/#part",
        (picture, *videos),
        thread=("and #kaffee",),
        first_comment="#roast #Größe",
    )
    published(books, content=content.to_json())
    books.do(refresh)
    (post,) = rows(books, house.posts)
    assert post["text"] == "New #Roast, see example.com/#part\n\nand #kaffee"
    assert post["text_length"] == len(post["text"])
    assert (post["format"], post["media_kind"], post["media_count"]) == ("carousel", "mixed", 3)
    assert (post["video_s"], post["hashtag_count"]) == (6.5, 3)
    assert {row["hashtag"] for row in rows(books, house.post_hashtags)} == {"roast", "kaffee", "größe"}


def test_a_change_after_it_went_out_replaces_what_was_told(books: Books, house: Warehouse) -> None:
    id_ = published(books, content=Content(Format.TEXT, "#one #two").to_json())
    other = published(books)
    books.do(refresh)
    books.change(
        id_, content=Content(Format.TEXT, "#two now").to_json(), updated_ms=books.now_ms + 1, permalink="l"
    )
    books.change(other, state=State.TAKEN_DOWN, removed_ms=books.now_ms, updated_ms=books.now_ms + 1)
    books.do(refresh)
    post, gone = rows(books, house.posts)
    assert (post["text"], post["permalink"], post["hashtag_count"]) == ("#two now", "l", 1)
    assert [row["hashtag"] for row in rows(books, house.post_hashtags)] == ["two"]
    assert gone["state"] == "taken_down"
    assert gone["gone_at"] == datetime.fromtimestamp(books.now_ms / 1000, UTC)


def test_an_account_with_another_name_or_clock_takes_its_posts_along(books: Books, house: Warehouse) -> None:
    published(books, MONDAY)
    books.do(refresh)
    books.run(sa.update(accounts).values(name="new", timezone="Pacific/Honolulu", active=False))
    books.do(refresh)
    (account,) = rows(books, house.accounts)
    assert (account["name"], account["timezone"], account["active"]) == ("new", "Pacific/Honolulu", False)
    (post,) = rows(books, house.posts)
    assert (post["published_on"], post["published_hour"]) == (date(2027, 1, 14), 14)


def test_posts_of_an_account_that_moved_come_along_in_short_steps(books: Books, house: Warehouse) -> None:
    """Publishing waits for none of them on SQLite."""
    ids = [published(books, MONDAY) for _ in range(5)]
    books.do(refresh)
    books.run(sa.update(accounts).values(timezone="Pacific/Honolulu"))
    new = published(books, MONDAY, updated_ms=books.now_ms + 1)
    left = []
    with books.ledger.begin() as connection:
        while not refresh(connection, books.now_ms, 2):
            found = connection.execute(sa.select(house.posts.c.published_hour)).scalars()
            left.append(sum(hour == 0 for hour in found))
    assert left[:2] == [4, 2]
    assert {(post["post_key"], post["published_hour"]) for post in rows(books, house.posts)} == {
        (id_, 14) for id_ in (*ids, new)
    }


def test_a_post_of_which_nobody_knows_when_it_went_out_has_no_time(books: Books, house: Warehouse) -> None:
    published(books, accepted_ms=None, remote_id=None)
    books.do(refresh)
    (post,) = rows(books, house.posts)
    names = ("published_at", "lateness_s", "published_on", "published_weekday", "published_hour")
    assert {post[name] for name in names} == {None}
    assert post["remote_id"] == ""


def test_what_was_committed_late_is_not_overlooked(books: Books, house: Warehouse) -> None:
    """Its instant is older than that of a row which was read before."""
    published(books)
    books.do(refresh)
    late = published(books, updated_ms=books.now_ms - dimensions.LATE_MS + 1)
    books.do(refresh)
    assert late in {row["post_key"] for row in rows(books, house.posts)}


def test_nothing_is_written_where_nothing_changed(books: Books, house: Warehouse) -> None:
    published(books)
    books.do(refresh)
    before = {table.name: rows(books, table) for table in house.metadata.sorted_tables}
    written: Counter[str] = Counter()

    @sa.event.listens_for(books.ledger.engine, "before_cursor_execute")
    def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        written[statement.split()[0]] += 1

    books.do(refresh)
    assert set(written) <= {"SELECT", "BEGIN"}, written
    sa.event.remove(books.ledger.engine, "before_cursor_execute", count)
    assert {table.name: rows(books, table) for table in house.metadata.sorted_tables} == before


def test_many_posts_are_read_in_short_transactions_and_all_of_them(
    books: Books, house: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dimensions, "AT_ONCE", 4)
    for number in range(10):  # some of one instant, so that an instant alone is no place to go on from
        published(books, updated_ms=books.now_ms + number // 6)
    with books.ledger.begin() as connection:
        assert not refresh(connection, books.now_ms, 4)
        assert connection.execute(sa.select(sa.func.count()).select_from(house.posts)).scalar() == 4
    catch_up(books.ledger, books.now_ms)
    assert len(rows(books, house.posts)) == 10
    assert books.do(refresh)


def test_a_warehouse_that_was_emptied_is_filled_again(books: Books, house: Warehouse) -> None:
    published(books, content=Content(Format.TEXT, "#a").to_json())
    books.do(refresh)
    before = rows(books, house.posts), rows(books, house.post_hashtags)
    for table in reversed(house.metadata.sorted_tables):
        books.run(sa.delete(table))
    books.do(dimensions.forget)
    books.do(refresh)
    assert (rows(books, house.posts), rows(books, house.post_hashtags)) == before


def test_the_calendar_has_every_day_once_around_the_posts_and_today(books: Books, house: Warehouse) -> None:
    books.do(refresh)
    published(books, int(datetime(2021, 5, 1, tzinfo=UTC).timestamp() * 1000))
    books.do(refresh)
    days = rows(books, house.dates)
    assert (days[0]["date"], days[-1]["date"]) == (date(2021, 1, 1), date(2028, 12, 31))
    assert [row["day_number"] for row in days] == list(range(18_628, 18_628 + len(days)))
    (leap,) = [row for row in days if row["date"] == date(2024, 12, 30)]
    assert (leap["iso_year"], leap["iso_week"], leap["weekday_name"]) == (2025, 1, "Monday")
    assert (leap["quarter"], leap["month"], leap["weekend"]) == (4, 12, False)


def test_the_metrics_of_all_platforms_are_described_once(books: Books, house: Warehouse) -> None:
    books.do(refresh)
    assert rows(books, house.metrics) == sorted(
        dimensions.catalogue(), key=lambda row: (row["platform"], row["subject"], row["metric"])
    )
    assert all(row["core"] == (row["metric"] in set(Core)) for row in rows(books, house.metrics))


def test_a_metric_that_platforms_call_differently_by_format_is_of_one_kind() -> None:
    """Or its numbers could not stand in one column."""
    found: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
    for measure in MEASURES.values():
        for metric in measure.metrics:
            about = (metric.platform.value, metric.subject.value, metric.name)
            found.setdefault(about, set()).add((metric.kind.value, metric.unit.value))
    assert {about: kinds for about, kinds in found.items() if len(kinds) > 1} == {}
    assert set(found) == {(row["platform"], row["subject"], row["metric"]) for row in dimensions.catalogue()}


def test_the_index_of_what_is_out_serves_the_question_what_changed(books: Books) -> None:
    if not books.ledger.is_sqlite:
        pytest.skip("PostgreSQL chooses by what is in the table")
    query = sa.select(deliveries.c.id, deliveries.c.updated_ms).where(*dimensions._lately(MONDAY))
    text = str(query.compile(books.ledger.engine, compile_kwargs={"literal_binds": True}))
    plan = books.run(sa.text(f"EXPLAIN QUERY PLAN {text}"))
    assert "USING INDEX ix_deliveries_out (updated_ms>?)" in plan[0].detail
