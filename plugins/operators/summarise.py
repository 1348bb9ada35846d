"""Makes the week's report and tells those who look after the accounts how the week went."""

from __future__ import annotations

import time

from airflow.sdk import BaseOperator, Context

from operators.notify import wake_if_needed


def base_zone() -> str:
    """The zone in which a week begins: that of the base."""
    from schedulo.settings import settings

    return settings().airtable_timezone


def report_url(name: str) -> str:
    """Where people see a report that is kept; empty where Airflow's address is not known."""
    from airflow.configuration import conf

    airflow_url = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{airflow_url}/schedulo/reports/{name}" if airflow_url else ""


class SummariseWeekOperator(BaseOperator):
    """
    Keep the report of the last whole week and tell owners of it, once for each week.

    It wakes handle_incidents, which sends what is to be told; the DAG needs the incidents asset as an outlet.
    """

    def execute(self, context: Context) -> None:
        from hooks.ledger import LedgerHook
        from schedulo.analytics.page import page
        from schedulo.analytics.report import up_to_date
        from schedulo.analytics.shelf import Shelf
        from schedulo.analytics.summary import Week, not_out, summary, tell
        from schedulo.settings import settings
        from schedulo.telling.recipients import Recipients

        chosen, ledger = settings(), LedgerHook().get_conn()
        try:
            now_ms = time.time_ns() // 1_000_000
            week = Week.last(now_ms, chosen.airtable_timezone)
            made = up_to_date(ledger, chosen, now_ms, until=week.sunday)
            name = f"week-{week.name.lower()}.html"
            self.log.info("the report is %s", Shelf.of(chosen).keep(name, page(made)))
            url = report_url(name)
            with ledger.begin() as connection:
                message = summary(week, made, not_out(connection, week), url)
                channels: tuple[str, ...] = ()
                if message is not None:
                    at_ms = ledger.now_ms(connection)
                    channels = tell(connection, at_ms, week, message, Recipients.of(chosen))
            if message is None:
                self.log.info("nothing is told of the week %s: nothing went out or was measured", week.name)
                return
            for line in (message.title, *message.body.splitlines()):
                self.log.info(line)
            self.log.info("told on: %s", ", ".join(channels) or "no channel; or it was told before")
            wake_if_needed(ledger, context["outlet_events"])
        finally:
            ledger.close()
