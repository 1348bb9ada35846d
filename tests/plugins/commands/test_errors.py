"""`schedulo errors`: a day on the terminal, and as a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from commands.main import main
from schedulo.delivery.troubles import SINCE, note
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.settings import settings


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def test_a_day_is_told_and_written(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = datetime.now(UTC) - timedelta(days=3)
    with ledger.begin() as connection:
        marks.mark(connection, 1, SINCE)
        note(connection, int(at.timestamp() * 1000), "setup", "setup", "a wrong setting", "the operator")
    page = tmp_path / "page.html"
    assert main(["errors", "--day", str(at.date()), "--to", str(page)]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"Errors of {at.date()}, UTC: no post, 1 cause around them\n")
    assert "Something is not set up right (once, not in the week before): a wrong setting." in told
    assert "a wrong setting" in page.read_text()
    assert main(["errors"]) == 0
    assert "Nothing was wrong with any of 0 that were due" in capsys.readouterr().out


def test_what_cannot_be_done_is_told_in_a_sentence(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["errors", "--to", str(tmp_path)]) == 1
    assert "could not be written" in capsys.readouterr().err
    monkeypatch.setenv("SCHEDULO_AIRTABLE_TIMEZONE", "Nowhere/Land")
    settings.cache_clear()
    assert main(["errors"]) == 1
    assert "SCHEDULO_AIRTABLE_TIMEZONE" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["errors", "--day", "yesterday"])
