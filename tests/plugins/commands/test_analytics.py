"""The commands `schedulo analytics ...`, as an operator types them."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path

import pytest

from commands.main import main
from schedulo.settings import settings
from tests.plugins.commands.test_by_hand import books as books  # the same ledger, found by the environment
from tests.schedulo.analytics.figures import Figures
from tests.schedulo.conftest import fresh_postgres as fresh_postgres
from tests.schedulo.conftest import postgres_url as postgres_url
from tests.schedulo.delivery.conftest import Books

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def figures(books: Books) -> Figures:
    found = Figures(books.ledger)
    found.account("x:1", name="@acme")
    found.post("a", title="Hello")
    found.daily("a", "views", {0: 10})
    return found


@pytest.mark.usefixtures("figures")
def test_a_view_goes_to_the_output_or_to_a_file(capsys: Captured, tmp_path: Path) -> None:
    assert main(["analytics", "csv", "post_metrics_daily", "--account", "x:1", "--since", "2026-09-07"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[1] == "a,2026-09-07,views,10,measured,,10,1,2026-09-08T01:00:00Z"
    path = tmp_path / "numbers.csv"
    assert main(["analytics", "csv", "post_metrics_daily", "--to", str(path)]) == 0
    assert capsys.readouterr().out == f"1 rows in {path}\n"
    assert path.read_text(encoding="utf-8").splitlines() == printed.splitlines()


@pytest.mark.usefixtures("figures")
def test_who_has_read_enough_is_no_error(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert main(["analytics", "csv", "dates"]) == 0
    assert "roken" not in capsys.readouterr().err


@pytest.mark.usefixtures("figures")
def test_what_cannot_be_written_is_said_and_the_file_stays(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("older", encoding="utf-8")
    assert main(["analytics", "csv", "credentials", "--to", str(path)]) == 1
    assert "There are post_performance, account_trend" in capsys.readouterr().err
    assert [file.name for file in tmp_path.glob("*.csv*")] == ["numbers.csv"]
    assert path.read_text(encoding="utf-8") == "older"
    assert main(["analytics", "csv", "posts", "--to", str(tmp_path / "nowhere" / "a.csv")]) == 1
    assert "No such file or directory. Name a file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["analytics", "csv", "posts", "--since", "yesterday"])
    assert "'yesterday' is no date such as 2026-11-25" in capsys.readouterr().err


@pytest.mark.usefixtures("figures")
def test_a_copy_is_a_file_of_the_numbers(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "numbers.db"
    assert main(["analytics", "copy", str(path)]) == 0
    assert "tables, and the views, in" in capsys.readouterr().out
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT views FROM analytics_post_performance").fetchall() == [(10,)]
    connection.close()
    assert main(["analytics", "copy", str(path)]) == 1
    assert "it exists" in capsys.readouterr().err


@pytest.mark.usefixtures("figures")
def test_sqlite_has_no_roles_and_says_what_to_do_instead(capsys: Captured) -> None:
    assert main(["analytics", "grant", "analyst"]) == 1
    assert "SQLite has no roles" in capsys.readouterr().err


def test_a_ledger_that_is_not_there_says_what_to_do(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'other.db'}")
    settings.cache_clear()
    assert main(["analytics", "csv", "posts"]) == 1
    assert "run `schedulo db upgrade`" in capsys.readouterr().err
    settings.cache_clear()


@pytest.mark.postgres
def test_a_role_is_let_in_or_the_sql_for_it_printed(
    fresh_postgres: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", fresh_postgres)
    settings.cache_clear()
    assert main(["db", "upgrade"]) == 0
    capsys.readouterr()
    assert main(["analytics", "grant", "readers of numbers", "--print"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith('CREATE ROLE "readers of numbers" NOLOGIN;\nGRANT USAGE ON SCHEMA analytics')
    assert main(["analytics", "grant", "readers of numbers"]) == 0
    told = capsys.readouterr().out
    assert told == printed + '-- Done. Let a login in with: GRANT "readers of numbers" TO its_name;\n'
    assert main(["analytics", "grant", "postgres"]) == 1
    assert "Nothing was granted" in capsys.readouterr().err
    settings.cache_clear()
