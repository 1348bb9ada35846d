"""`schedulo maintain`: one round by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from commands.main import main
from schedulo.delivery import restored
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import events
from schedulo.model import State
from schedulo.settings import settings
from tests.schedulo.delivery.conftest import Books


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
    yield Books(ledger, now_ms - 500 * 86_400_000)
    ledger.close()
    settings.cache_clear()


def test_it_says_what_would_go_and_then_what_went(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    books.run(
        sa.insert(events).values(delivery_id=books.add(State.PUBLISHED), at_ms=books.now_ms, sentence="out")
    )
    with books.ledger.begin() as connection:
        marks.mark(connection, books.ledger.now_ms(connection), restored.TICK, "run")
    for arguments, expected in (
        (["--dry-run"], "events: 1 would go\n"),
        ([], "events: 1 went\nIts journal is empty.\n"),
        ([], "Nothing had to go.\nIts journal is empty.\n"),
    ):
        assert main(["maintain", *arguments]) == 0
        assert capsys.readouterr().out == expected


def test_where_nothing_may_go_it_says_why_and_the_code_tells_it(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["maintain"]) == 1
    assert "publish_due_posts has never run" in capsys.readouterr().out
