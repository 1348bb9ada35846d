"""The command `schedulo ledger restored`, as an operator types it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.main import main
from schedulo.delivery import restored
from schedulo.ledger.database import Ledger
from schedulo.settings import settings

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", url)
    settings.cache_clear()
    ledger = Ledger(url)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def test_a_restored_backup_stops_what_was_due_since_an_hour_before_it(
    ledger: Ledger, capsys: Captured
) -> None:
    assert main(["ledger", "restored", "--backup-at", "2026-01-02T03:00:00Z"]) == 0
    assert "due since 2026-01-02T02:00:00.000Z" in capsys.readouterr().out
    with ledger.read() as connection:
        assert "nothing goes out until Airtable" in restored.why_not(connection)


@pytest.mark.parametrize("time", ["yesterday", "2026-01-02T03:00:00", "2999-01-01T00:00:00Z"])
def test_a_time_that_means_nothing_is_refused_with_a_sentence(
    ledger: Ledger, capsys: Captured, time: str
) -> None:
    assert main(["ledger", "restored", "--backup-at", time]) == 1
    assert f"--backup-at ({time}):" in capsys.readouterr().err
    with ledger.read() as connection:
        assert restored.spans(connection) == []
