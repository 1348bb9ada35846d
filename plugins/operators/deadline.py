"""What happens when a run misses its deadline (Airflow's successor of the SLA callback)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseDeadlineReference


class ScheduledRun(BaseDeadlineReference):
    """
    When a scheduled run was made; none for a backfill, or one that a person started.

    For Dags with partitions: their runs have no logical date, and with `DAGRUN_QUEUED_AT` Airflow 3.3.2
    cannot clear a task any more. Registered by the plugin; the scheduler asks it when it makes a run.
    """

    required_kwargs = frozenset({"dag_id", "run_id"})

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str) -> datetime | None:
        from airflow.models.dagrun import DagRun
        from sqlalchemy import select

        query = select(DagRun.run_type).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        return datetime.now(UTC) if session.scalar(query) == "scheduled" else None


SCHEDULED_RUN = ScheduledRun()


def run_is_late(minutes: int, context: dict[str, Any]) -> None:
    """
    Open an incident in the ledger. May be called more than once for one deadline.

    The ledger's address must be in the environment (`SCHEDULO_LEDGER_URL`) or the default file: Airflow lets
    no callback of this kind read Connections.

    :param minutes: the deadline that was missed, counted from when the run was queued.
    :param context: Airflow's; holds the run.
    """
    from schedulo.delivery.claims import claims_of
    from schedulo.delivery.incidents import Trouble, incident
    from schedulo.errors.kinds import Actor
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings

    run = context.get("dag_run") or {}
    run_id = run.get("dag_run_id") or run.get("run_id") or "unknown"
    ledger = Ledger(settings().ledger)
    with ledger.begin() as connection:
        sentence = f"the run {run_id} is not done {minutes} minutes after it was queued"
        incident(
            connection,
            ledger.now_ms(connection),
            Trouble.LATE_RUN,
            sentence,
            actor=Actor.OPERATOR,
            cases=[claim.delivery_id for claim in claims_of(connection, run_id)],
        )
    ledger.close()


def day_is_late(hours: int, context: dict[str, Any]) -> None:
    """
    Open an incident for a day whose numbers are not collected in time; closing the day ends it.

    :param hours: the deadline that was missed, counted from when the run was made.
    :param context: as above.
    """
    from schedulo.analytics.rounds import day_is_late
    from schedulo.clock import now_ms
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings

    run = context.get("dag_run") or {}
    run_id = run.get("dag_run_id") or "unknown"
    ledger = Ledger(settings().ledger)
    day_is_late(ledger, run.get("partition_key") or run_id, run_id, hours, now_ms())
    ledger.close()


def logins_are_late(minutes: int, context: dict[str, Any]) -> None:
    """
    Open an incident for logins that are not looked after in time; the next run that begins ends it.

    :param minutes: the deadline that was missed, counted from when the run was due.
    :param context: as above.
    """
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings
    from schedulo.tokens.watch import run_is_late

    run = context.get("dag_run") or {}
    ledger = Ledger(settings().ledger)
    run_is_late(ledger, run.get("dag_run_id") or run.get("run_id") or "unknown", minutes)
    ledger.close()


def upkeep_is_late(minutes: int, context: dict[str, Any]) -> None:
    """
    Open an incident for a round of upkeep that is not made in time; the next whole one ends it.

    :param minutes: the deadline that was missed, counted from when the run was due.
    :param context: as above.
    """
    from schedulo.ledger.database import Ledger
    from schedulo.settings import settings
    from schedulo.upkeep.rounds import round_is_late

    run = context.get("dag_run") or {}
    ledger = Ledger(settings().ledger)
    round_is_late(ledger, run.get("dag_run_id") or run.get("run_id") or "unknown", minutes)
    ledger.close()
