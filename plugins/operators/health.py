"""Makes all checks, keeps what they found, and says it to people and to monitors."""

from __future__ import annotations

import html
from datetime import datetime
from typing import Any

from airflow.sdk import BaseOperator, Context

from operators.notify import wake_if_needed

EVERY_S = 300
NO_LEDGER = "The ledger is not there."
HOURLY = 12
"""Runs between two messages about a ledger that is not there."""


class LedgerGone(Exception):
    """What was found cannot be kept, and nobody can be told the usual way."""


class CheckBroken(Exception):
    """Checks themselves failed: a fault of the program."""


class CheckHealthOperator(BaseOperator):
    """
    Make all checks now.

    A red check is an incident and no failure of the task: it fails where checking did. It wakes
    handle_incidents; the DAG needs the incidents asset as an outlet. Incidents are in the ledger: when that
    is gone, the operators' channels are told from here, at once and then every hour.
    """

    def execute(self, context: Context) -> None:
        from airflow.sdk.observability import stats

        from hooks.health import health_means
        from schedulo.health.checks import run
        from schedulo.health.history import record
        from schedulo.health.metrics import gauges

        means = health_means()
        try:
            report = run(means)
            for item in sorted(report.findings, key=lambda item: item.name):
                self.log.info("%-7s %s: %s", item.status, item.name, item.sentence)
            for name, value in gauges(report.findings):
                stats.gauge(name, value)
            if not report.ledger_is_there:
                gone = next((item.sentence for item in report.findings if item.name == "ledger"), NO_LEDGER)
                self._tell(gone, context)
                raise LedgerGone(gone)
            for line in record(means.ledger, report.findings, means.settings.health_days):
                self.log.warning(line)
            wake_if_needed(means.ledger, context["outlet_events"])
            for name, error in report.broken:
                self.log.error("the check %s failed", name, exc_info=error)
            if report.broken:
                raise CheckBroken(f"failed: {', '.join(name for name, _ in report.broken)}; see the log")
        finally:
            means.ledger.close()

    def _tell(self, gone: str, context: Context) -> None:
        from hooks.telling import tell_operators
        from schedulo.telling.message import Message

        if not _is_time_to_tell(context):
            return
        body = f"{gone} This is told every hour until it is there again."
        message = Message("Schedulo has no ledger", body, f"<p>{html.escape(body)}</p>")
        for line in tell_operators(message):
            self.log.info(line)


def _is_time_to_tell(context: Any) -> bool:
    """The first run that fails, then one an hour; Airflow knows when the last went well. Not once more at a
    retry."""
    if context["ti"].try_number > 1:
        return False
    now, last = _moment(context, "data_interval_end"), _moment(context, "prev_data_interval_end_success")
    if now is None:
        return True  # a person started it
    if last is None:
        return now.minute * 60 < EVERY_S
    runs = round((now - last).total_seconds() / EVERY_S)
    return runs <= 1 or runs % HOURLY == 1


def _moment(context: Any, name: str) -> datetime | None:
    """An instant of Airflow's; it says "none" by an object that is false."""
    return context.get(name) or None


def check_is_late(minutes: int, context: dict[str, Any]) -> None:
    """Open an incident: checks are not done in time. The next that is done ends it."""
    from operators.deadline import tell_late
    from schedulo.health.history import late

    tell_late(context, lambda ledger, run_id: late(ledger, run_id, minutes))
