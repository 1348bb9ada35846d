"""Makes the report of yesterday's errors and tells the operators of it."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context

from operators.notify import wake_if_needed
from operators.summarise import report_url


class ReportErrorsOperator(BaseOperator):
    """
    Keep the report of yesterday's errors, by the operator's clock, and tell operators of it, once a day.

    Where nothing went wrong a page is kept and nobody is told. It wakes handle_incidents, which sends what is
    to be told; the DAG needs the incidents asset as an outlet.
    """

    def execute(self, context: Context) -> None:
        from hooks.ledger import LedgerHook
        from schedulo.analytics.shelf import Shelf
        from schedulo.error_report.figures import error_report, yesterday
        from schedulo.error_report.page import page
        from schedulo.error_report.words import message, tell
        from schedulo.settings import settings
        from schedulo.telling.recipients import Recipients

        chosen, ledger = settings(), LedgerHook().get_conn()
        try:
            with ledger.read() as connection:
                now_ms = ledger.now_ms(connection)
                on = yesterday(now_ms, chosen.airtable_timezone)
                made = error_report(connection, now_ms, on, chosen.airtable_timezone, chosen.history_days)
            name = f"errors-{on}.html"
            self.log.info("the report is %s", Shelf.of(chosen).keep(name, page(made)))
            told = message(made, report_url(name))
            if told is None:
                self.log.info("nobody is told of %s: nothing went wrong for which somebody must act", on)
                return
            for line in (told.title, *told.body.splitlines()):
                self.log.info(line)
            with ledger.begin() as connection:
                channels = tell(connection, ledger.now_ms(connection), on, told, Recipients.of(chosen))
            self.log.info("told on: %s", ", ".join(channels) or "no channel; or it was told before")
            wake_if_needed(ledger, context["outlet_events"])
        finally:
            ledger.close()
