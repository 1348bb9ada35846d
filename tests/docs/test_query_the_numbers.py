"""The queries of the page run on both databases, and answer what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

from schedulo.ledger.database import Ledger
from schedulo.ledger.views import spelled
from tests.schedulo.analytics.figures import Figures
from tests.schedulo.analytics.small_house import fill
from tests.schedulo.conftest import fresh_postgres as fresh_postgres
from tests.schedulo.conftest import ledger as ledger
from tests.schedulo.conftest import migrated_postgres as migrated_postgres
from tests.schedulo.conftest import migrated_sqlite as migrated_sqlite
from tests.schedulo.conftest import postgres_url as postgres_url

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "query-the-numbers.md"
QUESTION = re.compile(
    r"^## (?P<title>[^\n]+)\n+```sql\n(?P<sql>.*?)```\n+(?P<answer>(?:\|[^\n]*\n)*)", re.M | re.S
)


def questions() -> list[tuple[str, str, list[list[str]]]]:
    """Title, query and answer, as rows of cells with the names of the columns first."""
    found = []
    for match in QUESTION.finditer(PAGE.read_text(encoding="utf-8")):
        lines = match["answer"].splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        found.append((match["title"], match["sql"], rows[:1] + rows[2:]))
    return found


def answers(ledger: Ledger) -> dict[str, list[list[str]]]:
    found = {}
    with ledger.read() as connection:
        for title, sql, _ in questions():
            query = spelled(sql, connection.dialect.name).strip().rstrip(";")
            result = connection.execute(sa.text(query))
            found[title] = [list(result.keys()), *([_cell(value) for value in row] for row in result)]
    return found


def _cell(value: object) -> str:
    """As the page writes it. SQLite has no dates and decimals of its own."""
    if value is None:
        return ""
    try:
        return f"{float(str(value)):g}" if abs(float(str(value))) < 1e6 else str(int(float(str(value))))
    except ValueError:
        return str(value)


def test_every_question_of_the_page_is_answered_as_the_page_says(ledger: Ledger) -> None:
    fill(Figures(ledger))
    told = {title: rows for title, _, rows in questions()}
    found = answers(ledger)
    for title, rows in told.items():
        assert found[title] == rows, title


def test_there_are_at_least_ten_of_them_and_they_are_short() -> None:
    assert len(questions()) >= 10
    assert PAGE.read_text(encoding="utf-8").count("```sql") == len(questions())
    assert [title for title, sql, _ in questions() if len(sql.splitlines()) > 10] == []
