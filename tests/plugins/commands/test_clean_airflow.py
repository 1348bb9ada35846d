"""`schedulo clean-airflow`: what it leaves behind. That Airflow takes its arguments, test_compose sees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands.main import main
from schedulo.health.daily import CLEANED
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.settings import settings

Airflow = Callable[[int], Path]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


@pytest.fixture
def airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Airflow:
    """Puts a program `airflow` first on the path that ends with a code; its arguments are in the file."""

    def put(code: int) -> Path:
        folder, asked = tmp_path / "bin", tmp_path / "asked"
        folder.mkdir()
        program = folder / "airflow"
        program.write_text(f'#!/bin/sh\necho "$@" > {asked}\nexit {code}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return asked

    return put


def noted(ledger: Ledger) -> bool:
    with ledger.read() as connection:
        return bool(marks.read(connection, CLEANED)[1])


def test_it_notes_that_the_database_was_cleaned(ledger: Ledger, airflow: Airflow) -> None:
    asked = airflow(0)
    assert main(["clean-airflow", "--keep-days", "7"]) == 0
    assert asked.read_text().startswith(
        "db clean --skip-archive --yes --error-on-cleanup-failure --clean-before"
    )
    assert noted(ledger)


def test_where_airflow_could_not_clean_nothing_is_noted_and_old_logs_go_all_the_same(
    ledger: Ledger, airflow: Airflow, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, young = tmp_path / "logs" / "run=1" / "old.log", tmp_path / "logs" / "run=2" / "young.log"
    for file in (old, young):
        file.parent.mkdir(parents=True)
        file.write_text("line")
    os.utime(old, (1_000_000_000, 1_000_000_000))
    airflow(1)
    assert main(["clean-airflow", "--logs", str(tmp_path / "logs")]) == 1
    told = capsys.readouterr()
    assert "1 log files deleted" in told.out
    assert "was not cleaned" in told.err
    assert not noted(ledger)
    assert [path for path in (tmp_path / "logs").rglob("*") if path.is_file()] == [young]
    assert not old.parent.exists()


def test_a_ledger_that_is_not_there_is_said_and_its_address_is_not(
    airflow: Airflow, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", "postgresql://schedulo:sesame@127.0.0.1:1/ledger")
    settings.cache_clear()
    airflow(0)
    assert main(["clean-airflow"]) == 1
    told = capsys.readouterr().err
    settings.cache_clear()
    assert "could not be noted in the ledger (OperationalError)" in told
    assert "sesame" not in told


@pytest.mark.parametrize("days", ["0", "0.5", "-1", "nan", "inf", "many"])
def test_nobody_cleans_away_what_is_needed_by_a_slip(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["clean-airflow", "--keep-days", days])
    assert "from 1 to 10000" in capsys.readouterr().err
