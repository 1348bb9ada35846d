"""Files of the numbers: CSV that no spreadsheet program executes, and a copy without the ledger."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.analytics.export import ExportError, Part, copy, names, write_csv
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import metadata
from schedulo.ledger.view_texts import VIEWS
from tests.schedulo.analytics.figures import FIRST, Figures


@pytest.fixture
def figures(ledger: Ledger) -> Figures:
    found = Figures(ledger)
    found.account("x:1", name="=cmd|' /C calc'!A0")
    found.account("x:2")
    found.metric("x", "followers", "level")
    found.post("a", day=0, title="-2 degrees", lateness_s=-0.5)
    found.post("b", "x:2", day=3, title='quoted "so", and\nbroken')
    found.daily("a", "views", {0: 10, 1: None, 2: 12})
    found.daily("b", "views", {3: 1})
    found.daily("x:1", "followers", {0: 5, 1: 4})
    found.reading("a", "views", datetime(2026, 9, 8, 23, 59, 59, tzinfo=UTC), 11)
    found.reading("a", "views", datetime(2026, 9, 9, tzinfo=UTC), 12)
    return found


def rows(figures: Figures, name: str, **part: Any) -> list[dict[str, str]]:
    out = io.StringIO()
    with figures.ledger.read() as connection:
        count = write_csv(connection, name, out, Part(**part))
    found = list(csv.DictReader(io.StringIO(out.getvalue(), newline="")))
    assert len(found) == count
    return found


def test_a_table_is_written_with_iso_dates_whole_numbers_and_nothing_for_unknown(figures: Figures) -> None:
    assert rows(figures, "post_metrics_daily")[:2] == [
        {
            "post_key": "a",
            "date": "2026-09-07",
            "metric": "views",
            "value": "10",
            "availability": "measured",
            "reason": "",
            "delta": "10",
            "delta_days": "1",
            "collected_at": "2026-09-08T01:00:00Z",
        },
        {
            "post_key": "a",
            "date": "2026-09-08",
            "metric": "views",
            "value": "",
            "availability": "missed",
            "reason": "nobody asked",
            "delta": "",
            "delta_days": "",
            "collected_at": "",
        },
    ]
    assert {row["active"] for row in rows(figures, "analytics.accounts")} == {"true"}


def test_a_text_that_is_a_formula_is_one_no_longer_and_a_negative_number_stays(figures: Figures) -> None:
    (post, other) = rows(figures, "post_performance")
    assert post["account_name"] == "'=cmd|' /C calc'!A0"
    assert post["title"] == "'-2 degrees"
    assert post["lateness_s"] == "-0.5"
    assert other["title"] == 'quoted "so", and\nbroken'
    deltas = [row["delta"] for row in rows(figures, "account_metrics_daily")]
    assert deltas == ["", "-1"]


@pytest.mark.parametrize("name", names())
def test_every_view_and_table_can_be_written(figures: Figures, name: str) -> None:
    assert rows(figures, name) or name not in ("posts", "accounts", "post_performance", "account_trend")


@pytest.mark.parametrize(
    ("name", "part", "count"),
    [
        ("post_metrics_daily", {"since": FIRST + timedelta(days=1)}, 3),
        ("post_metrics_daily", {"until": FIRST + timedelta(days=1)}, 2),
        ("post_metrics_daily", {"since": FIRST + timedelta(days=2), "until": FIRST + timedelta(days=2)}, 1),
        ("post_metrics_daily", {"account_key": "x:2"}, 1),
        ("post_performance", {"until": FIRST}, 1),
        ("posts", {"account_key": "x:1"}, 1),
        ("post_readings", {"until": date(2026, 9, 8)}, 1),
        ("post_readings", {"since": date(2026, 9, 9)}, 1),
        ("account_metrics_daily", {"account_key": "x:1", "since": FIRST}, 2),
        ("dates", {"since": FIRST, "until": FIRST + timedelta(days=6)}, 7),
    ],
)
def test_days_and_accounts_can_be_chosen(
    figures: Figures, name: str, part: dict[str, Any], count: int
) -> None:
    assert len(rows(figures, name, **part)) == count


@pytest.mark.parametrize(
    ("name", "part", "why"),
    [
        (
            "credentials",
            {},
            r"VIEW \(credentials\): there is none of this name\. There are post_performance, .*posts",
        ),
        ("post", {}, r"there is none of this name"),
        ("best_times", {"since": FIRST}, r"VIEW \(best_times\): its rows have no dates\. Leave out --since"),
        ("dates", {"account_key": "x:1"}, r"belong to no account\. Leave out --account"),
        ("posts", {"account_key": "x:9"}, r"--account \(x:9\): there is none"),
        (
            "posts",
            {"since": FIRST, "until": FIRST - timedelta(days=1)},
            r"--until \(2026-09-06\): it is before",
        ),
    ],
)
def test_what_cannot_be_written_is_said(figures: Figures, name: str, part: dict[str, Any], why: str) -> None:
    with pytest.raises(ExportError, match=why):
        rows(figures, name, **part)


def test_a_copy_has_the_numbers_and_views_and_nothing_of_the_ledger(figures: Figures, tmp_path: Path) -> None:
    path = tmp_path / "numbers.db"
    counts = copy(figures.ledger, path)
    assert (counts["posts"], counts["post_metrics_daily"]) == (2, 4)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("numbers")] == ["numbers.db"]
    with closing(sqlite3.connect(path)) as connection:
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        assert all(name.startswith("analytics_") for name in tables)
        assert not tables & {table.name for table in metadata.sorted_tables}
        query = "SELECT title, views FROM analytics_post_performance ORDER BY 1"
        assert connection.execute(query).fetchall() == [("-2 degrees", 12), ('quoted "so", and\nbroken', 1)]
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
        assert found == {f"analytics_{view.name}" for view in VIEWS}


def test_a_copy_says_the_same_as_what_it_was_made_of(figures: Figures, tmp_path: Path) -> None:
    copy(figures.ledger, tmp_path / "numbers.db")
    other = Ledger(f"sqlite:///{tmp_path / 'numbers.db'}")
    for name in names():
        texts = []
        for ledger in (figures.ledger, other):
            out = io.StringIO()
            with ledger.read() as connection:
                write_csv(connection, name, out)
            texts.append(sorted(out.getvalue().splitlines()))
        assert texts[0] == texts[1], name
    other.close()


def test_a_copy_replaces_no_file_and_leaves_no_half_one(figures: Figures, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine", encoding="utf-8")
    with pytest.raises(ExportError, match=r"FILE \(.*there\.db\): it exists"):
        copy(figures.ledger, there)
    with pytest.raises(ExportError, match="no such folder"):
        copy(figures.ledger, tmp_path / "nowhere" / "a.db")
    with figures.ledger.begin() as connection:
        connection.execute(sa.text("ALTER TABLE marks RENAME TO aside"))  # nothing of the ledger is read
    copy(figures.ledger, tmp_path / "new.db")
    with figures.ledger.begin() as connection:
        connection.execute(sa.text("ALTER TABLE aside RENAME TO marks"))
    assert there.read_text(encoding="utf-8") == "mine"
