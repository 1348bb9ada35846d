"""One tick: claims what is due, reads Airtable, tells it what became of posts."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, Context

from operators.notify import wake_if_needed


def _ms(moment: Any) -> int | None:
    """Epoch milliseconds; None where Airflow knows no such moment: it says so by an object that is false."""
    return int(moment.timestamp() * 1000) if moment else None


class SyncOperator(BaseOperator):
    """
    Run one tick for this DAG run.

    Returns the label of each delivery that the run claimed, in the order of their map indexes. A retry or a
    cleared sync returns the same list: a run's claims are written once. Updates the incidents asset when
    people are to be told something.
    """

    def execute(self, context: Context) -> list[str]:
        from hooks.engine import make_tick

        tick = make_tick()
        try:
            claims = tick.run(
                context["run_id"],
                logical_ms=_ms(context.get("data_interval_end")),
                last_success_ms=_ms(context.get("prev_data_interval_end_success")),
            )
            self._wake(tick.ledger, context)
        finally:
            for line in tick.lines:
                self.log.info(line)
            tick.ledger.close()
        return [claim.label for claim in claims]

    def _wake(self, ledger: Any, context: Context) -> None:
        """That people could not be told must not keep posts from going out."""
        try:
            wake_if_needed(ledger, context["outlet_events"])
        except Exception:
            self.log.warning("handle_incidents could not be woken", exc_info=True)
