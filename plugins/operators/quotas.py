"""Looks ahead: whether what is planned fits what the platforms take."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context


class PlanTomorrowOperator(BaseOperator):
    """Tell owners today what of today's and tomorrow's posts does not fit. Asks the ledger alone."""

    def execute(self, context: Context) -> None:
        from hooks.ledger import LedgerHook
        from operators.notify import wake_if_needed
        from schedulo.planning.tomorrow import forecast, tell
        from schedulo.settings import settings

        ledger = LedgerHook().get_conn()
        try:
            with ledger.begin() as connection:
                now_ms = ledger.now_ms(connection)
                found = forecast(connection, now_ms, settings())
                lines = tell(connection, now_ms, found)
            for day in found.days:
                self.log.info("@%s, %s: %d planned, %d fit", day.name, day.date, day.planned, day.fits)
            for line in lines:
                self.log.warning("%s", line)
            wake_if_needed(ledger, context["outlet_events"])
        finally:
            ledger.close()
