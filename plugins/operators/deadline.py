"""Deadlines of runs: from when they count, and what happens when one is missed.

A callback runs in a process of its own on a worker. Airflow lets it read no Connection, so the ledger's
address must be in the environment (`SCHEDULO_LEDGER_URL`) or the default file. Airflow may call it twice, and
calls it for runs, too, that have failed long ago.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseDeadlineReference, DeadlineAlert, SyncCallback

if TYPE_CHECKING:
    from schedulo.ledger.database import Ledger

ENDED = ("success", "failed")


class ScheduledRun(BaseDeadlineReference):
    """
    When a scheduled run was made; none for a backfill, or one that a person started.

    Registered by the plugin; the scheduler asks it when it makes a run.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str) -> datetime | None:
        return datetime.now(UTC) if _kind(session, dag_id, run_id) == "scheduled" else None


class MadeRun(BaseDeadlineReference):
    """
    When a run was made, by its schedule, an asset, a person or a program; none for a backfill.

    A run that a program starts or an asset wakes has no logical date, and by `DAGRUN_LOGICAL_DATE` no
    deadline; with `DAGRUN_QUEUED_AT` Airflow 3.3.2 cannot clear a task any more. Registered as well.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str) -> datetime | None:
        return None if _kind(session, dag_id, run_id) == "backfill" else datetime.now(UTC)


def _kind(session: Any, dag_id: str, run_id: str) -> str | None:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select

    query = select(DagRun.run_type).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    kind = session.scalar(query)
    return None if kind is None else str(kind)


SCHEDULED_RUN = ScheduledRun()


def done_within(minutes: int, callback: str = "operators.deadline.workflow_is_late") -> DeadlineAlert:
    """
    The deadline of a DAG's runs, whoever starts them.

    :param minutes: how long a run may take, waiting for a worker included, from when it was made.
    :param callback: what says that one took longer; gets `minutes`, and from Airflow `context`.
    """
    return DeadlineAlert(
        reference=MadeRun(),
        interval=timedelta(minutes=minutes),
        callback=SyncCallback(callback, kwargs={"minutes": minutes}),
        name=f"not done within {minutes} minutes",
    )


def tell_late(context: dict[str, Any], tell: Callable[[Ledger, str], None]) -> None:
    """
    Call `tell` with the ledger and the run's id, unless the run has ended.

    Of runs that failed Airflow keeps the deadline; what became of them is told already.
    """
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings

    run = context.get("dag_run") or {}
    if run.get("state") in ENDED:
        return
    ledger = Ledger(settings().ledger)
    try:
        tell(ledger, str(run.get("dag_run_id") or run.get("run_id") or "unknown"))
    finally:
        ledger.close()


def workflow_is_late(minutes: int, context: dict[str, Any]) -> None:
    """Open an incident for a run that is not done in time; its end ends it."""
    from schedulo.delivery.workflows import late

    dag_id = str((context.get("dag_run") or {}).get("dag_id") or "unknown")

    def tell(ledger: Ledger, run_id: str) -> None:
        with ledger.begin() as connection:
            late(connection, ledger.now_ms(connection), dag_id, run_id, minutes)

    tell_late(context, tell)


def run_is_late(minutes: int, context: dict[str, Any]) -> None:
    """Look which posts of a run are not out, and tell of those of which nobody was told."""
    from schedulo.delivery.lateness import run_is_late
    from schedulo.settings import settings

    def tell(ledger: Ledger, run_id: str) -> None:
        with ledger.begin() as connection:
            run_is_late(connection, ledger.now_ms(connection), settings(), run_id, minutes)

    tell_late(context, tell)


def day_is_late(hours: int, context: dict[str, Any]) -> None:
    """Open an incident for a day whose numbers are not collected in time; closing the day ends it."""
    from schedulo.analytics.rounds import day_is_late
    from schedulo.clock import now_ms

    partition = (context.get("dag_run") or {}).get("partition_key")
    tell_late(
        context,
        lambda ledger, run_id: day_is_late(ledger, partition or run_id, run_id, hours, now_ms()),
    )


def logins_are_late(minutes: int, context: dict[str, Any]) -> None:
    """Open an incident for logins that are not looked after in time; the next run that begins ends it."""
    from schedulo.tokens.watch import run_is_late

    tell_late(context, lambda ledger, run_id: run_is_late(ledger, run_id, minutes))


def upkeep_is_late(minutes: int, context: dict[str, Any]) -> None:
    """Open an incident for a round of upkeep that is not made in time; the next whole one ends it."""
    from schedulo.upkeep.rounds import round_is_late

    tell_late(context, lambda ledger, run_id: round_is_late(ledger, run_id, minutes))
