"""`schedulo analytics report`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from commands.main import main
from schedulo.ledger.database import Ledger
from schedulo.settings import settings
from tests.schedulo.analytics.laid_out import Numbers


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    settings.cache_clear()
    yield tmp_path
    settings.cache_clear()


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()


def test_a_report_is_kept_with_the_others_and_its_place_is_told(
    ledger: Ledger, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = Numbers(ledger)
    numbers.account("x:1")
    numbers.post("a", "x:1", datetime.now(UTC), title="New roast")
    assert main(["analytics", "report"]) == 0
    [path] = (home / "reports").iterdir()
    assert str(path) in capsys.readouterr().out
    assert "How many posts were how late" in path.read_text()


def test_an_empty_ledger_makes_a_report_that_says_so(
    ledger: Ledger, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = home / "r.html"
    assert main(["analytics", "report", "--days", "7", "--to", str(file)]) == 0
    assert "Nothing is in it" in capsys.readouterr().out
    assert "Nothing is to be reported" in file.read_text()


def test_a_file_that_cannot_be_written_is_named(
    ledger: Ledger, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analytics", "report", "--to", str(home / "none" / "r.html")]) == 1
    assert "none/r.html: No such file or directory" in capsys.readouterr().err


def test_without_a_ledger_it_says_which_command_makes_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analytics", "report"]) == 1
    assert "schedulo db upgrade" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "-1", "367", "x"])
def test_days_that_cannot_be_are_refused(home: Path, days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["analytics", "report", f"--days={days}"])
    assert "from 1 to 366" in capsys.readouterr().err


def test_a_zone_that_is_none_is_told_in_a_sentence(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHEDULO_AIRTABLE_TIMEZONE", "Europe/Berln")
    settings.cache_clear()
    assert main(["analytics", "report"]) == 1
    said = capsys.readouterr().err
    assert "SCHEDULO_AIRTABLE_TIMEZONE (Europe/Berln)" in said
    assert "Europe/Berlin?" in said
