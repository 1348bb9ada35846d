"""What is told of a run that is late, and how accounts are shared out among instances."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from operators.deadline import logins_are_late
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents
from schedulo.settings import Settings, settings
from schedulo.tokens.watch import survey


def test_a_run_that_is_late_is_told_and_the_next_one_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", url)
    settings.cache_clear()
    ledger = Ledger(url)
    ledger.migrate()
    logins_are_late(45, context={"dag_run": {"dag_run_id": "scheduled__1"}})
    with ledger.read() as connection:
        [sentence] = connection.execute(sa.select(incidents.c.sentence)).scalars()
    assert "scheduled__1 is not done 45 minutes after it was due" in sentence
    assert survey(ledger, Settings(), print) == []
    with ledger.read() as connection:
        assert connection.execute(sa.select(incidents.c.closed_ms)).scalar_one() is not None
    ledger.close()
    settings.cache_clear()
