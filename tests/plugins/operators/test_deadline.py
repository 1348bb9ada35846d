"""What a missed deadline of a run comes to: an incident for a workflow, until its run has ended."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from operators.deadline import done_within, workflow_is_late
from schedulo.delivery import workflows
from schedulo.delivery.incidents import Trouble, incident
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents
from schedulo.settings import settings

LATE = {"dag_run": {"dag_id": "take_down_posts", "dag_run_id": "manual__1", "state": "running"}}


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The ledger that the environment names, as a callback of Airflow finds it."""
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def open_ones(ledger: Ledger) -> list[Any]:
    with ledger.begin() as connection:
        return list(connection.execute(sa.select(incidents).where(incidents.c.closed_ms.is_(None))))


def test_a_deadline_counts_from_when_the_run_was_made_and_hands_its_minutes_on() -> None:
    alert = done_within(30)
    assert alert.interval == timedelta(minutes=30)
    assert alert.callback.kwargs == {"minutes": 30}
    assert alert.callback.path == "operators.deadline.workflow_is_late"


def test_a_run_that_is_late_is_one_incident_of_its_dag_until_it_has_ended(ledger: Ledger) -> None:
    for _ in range(2):
        workflow_is_late(30, LATE)
    [found] = open_ones(ledger)
    assert found.key == "workflow:take_down_posts.run"
    assert found.sentence == "the run manual__1 of take_down_posts is not done 30 minutes after it was made"
    with ledger.begin() as connection:
        assert workflows.told_late(connection) == {"take_down_posts": found.last_ms}
        workflows.ended(connection, ledger.now_ms(connection), "take_down_posts")
        assert workflows.told_late(connection) == {}
    assert open_ones(ledger) == []


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_run_that_has_ended_is_not_late(ledger: Ledger, state: str) -> None:
    workflow_is_late(30, {"dag_run": LATE["dag_run"] | {"state": state}})
    assert open_ones(ledger) == []


def test_where_nothing_runs_at_all_no_single_run_is_told(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        about = "workflow:publish_due_posts"
        incident(
            connection, ledger.now_ms(connection), Trouble.HEALTH, "-", actor=Actor.OPERATOR, about=about
        )
    workflow_is_late(30, LATE)
    assert [row.key for row in open_ones(ledger)] == [f"health:{about}"]
