"""What happens to a day that is late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from operators.deadline import SCHEDULED_RUN, day_is_late
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents
from schedulo.settings import settings


def test_only_a_scheduled_run_has_a_deadline_and_it_counts_from_when_it_was_made(tmp_path: Path) -> None:
    from airflow.models.dagrun import DagRun

    engine = sa.create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    DagRun.__table__.create(engine)
    kinds = ("scheduled", "backfill", "manual")
    with engine.begin() as connection:
        for kind in kinds:
            row = {"dag_id": "collect_analytics", "run_id": f"{kind}__1", "run_type": kind}
            row |= {"run_after": datetime(2026, 1, 1, tzinfo=UTC), "clear_number": 0, "log_template_id": None}
            connection.execute(sa.insert(DagRun.__table__).values(**row))
        found = {
            kind: SCHEDULED_RUN._evaluate_with(
                session=connection, dag_id="collect_analytics", run_id=f"{kind}__1"
            )
            for kind in kinds
        }
    engine.dispose()
    assert (found["backfill"], found["manual"]) == (None, None)
    assert abs(datetime.now(UTC) - found["scheduled"]) < timedelta(minutes=1)


def test_a_day_that_is_late_is_told_by_its_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", url)
    settings.cache_clear()
    ledger = Ledger(url)
    ledger.migrate()
    day_is_late(6, context={"dag_run": {"dag_run_id": "scheduled__1", "partition_key": "2026-11-25"}})
    with ledger.read() as connection:
        [sentence] = connection.execute(sa.select(incidents.c.sentence)).scalars()
    ledger.close()
    settings.cache_clear()
    assert (
        sentence == "the numbers of 2026-11-25 are not collected 6 hours after the run scheduled__1 was made"
    )
