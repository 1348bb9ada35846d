"""What Airflow is told about a delivery that did not go out, and about a run that is late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.definitions.retry_policy import RetryAction
from structlog.testing import capture_logs

from operators.deadline import run_is_late
from operators.publish import DeliveryFailed, DeliveryRetryPolicy, DeliveryWaits, PublishOperator
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents
from schedulo.publishing.ending import End
from schedulo.settings import settings

STORY = ["x @acme: Hello", "12:00:00.000 UTC sent", "12:00:01.000 UTC X refused it"]


@pytest.fixture
def operator() -> PublishOperator:
    return PublishOperator(task_id="publish", delivery="x @acme: Hello")


def event(end: End, **more: Any) -> dict[str, Any]:
    """What the trigger hands on."""
    return {
        "end": end,
        "sentence": "X is down",
        "story": STORY,
        "wait_s": 0.0,
    } | more


def decide(error: BaseException, try_number: int = 1) -> Any:
    return DeliveryRetryPolicy().evaluate(error, try_number, 3)


# --- the policy -----------------------------------------------------------------------------------------


def test_a_delivery_that_waits_is_tried_again_after_its_own_pause() -> None:
    decision = decide(DeliveryWaits("X is down", 90.0))
    assert decision.action is RetryAction.RETRY
    assert decision.retry_delay == timedelta(seconds=90)
    assert decision.reason == "X is down"


def test_a_delivery_that_failed_is_not_tried_again() -> None:
    decision = decide(DeliveryFailed("the text is too long"))
    assert decision.action is RetryAction.FAIL
    assert decision.reason == "the text is too long"


def test_an_error_that_is_none_of_ours_follows_the_tasks_own_retries() -> None:
    assert decide(RuntimeError("a worker was lost")).action is RetryAction.DEFAULT


@pytest.mark.parametrize("try_number", [1, 2, 3])
def test_the_decision_does_not_depend_on_the_number_of_tries(try_number: int) -> None:
    assert decide(DeliveryWaits("X is down", 90.0), try_number) == decide(DeliveryWaits("X is down", 90.0))


# --- on the worker --------------------------------------------------------------------------------------


def test_a_retry_raises_with_its_sentence_and_pause(operator: PublishOperator) -> None:
    with pytest.raises(DeliveryWaits, match="X is down") as raised:
        operator.resume({}, event(End.RETRY, wait_s=90.0))  # type: ignore[arg-type]
    assert raised.value.wait_s == 90.0


def test_a_failure_raises_with_its_sentence(operator: PublishOperator) -> None:
    with pytest.raises(DeliveryFailed, match="X is down"):
        operator.resume({}, event(End.FAILED))  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [End.RETRY, End.FAILED])
def test_the_whole_story_is_in_the_tasks_log(operator: PublishOperator, end: End) -> None:
    with capture_logs() as logged, pytest.raises((DeliveryWaits, DeliveryFailed)):
        operator.resume({}, event(end))  # type: ignore[arg-type]
    assert [line["event"] for line in logged] == STORY


def test_the_label_is_there_for_airflow_to_render(operator: PublishOperator) -> None:
    context: dict[str, Any] = {}
    with pytest.raises(DeliveryFailed):
        operator.resume(context, event(End.FAILED))  # type: ignore[arg-type]
    assert context["label"] == "x @acme: Hello"


def test_an_event_that_ends_the_task_by_itself_raises_nothing_and_leaves_a_label(
    operator: PublishOperator,
) -> None:
    context: dict[str, Any] = {}
    operator.resume(context, "success")  # type: ignore[arg-type]
    assert context["label"] == "x @acme: Hello"


# --- a late run -----------------------------------------------------------------------------------------


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


def opened(ledger: Ledger) -> list[Any]:
    with ledger.begin() as connection:
        return list(connection.execute(sa.select(incidents)).all())


def test_one_late_run_is_one_incident_however_often_airflow_calls(ledger: Ledger) -> None:
    for _ in range(2):
        run_is_late(15, context={"dag_run": {"dag_run_id": "scheduled__2026-01-01T00:00:00"}})
    [incident] = opened(ledger)
    assert incident.kind == "late_run"
    assert incident.times == 2
    assert incident.closed_ms is None
    assert "scheduled__2026-01-01T00:00:00 is not done 15 minutes" in incident.sentence


@pytest.mark.parametrize("state", ["success", "failed"])
def test_a_run_that_has_ended_is_not_late(ledger: Ledger, state: str) -> None:
    """Airflow keeps the deadline of one that failed."""
    run_is_late(15, context={"dag_run": {"dag_run_id": "run-1", "state": state}})
    assert opened(ledger) == []


def test_many_late_runs_are_one_incident(ledger: Ledger) -> None:
    for number in (1, 2):
        run_is_late(15, context={"dag_run": {"dag_run_id": f"run-{number}"}})
    [incident] = opened(ledger)
    assert (incident.times, incident.actor) == (2, "the operator")


def test_a_late_run_is_told_also_where_airflow_does_not_say_which(ledger: Ledger) -> None:
    run_is_late(15, context={})
    assert len(opened(ledger)) == 1
