"""One tick: claims what is due, reads Airtable, tells it what became of posts."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context


class SyncOperator(BaseOperator):
    """
    Run one tick for this DAG run.

    Returns the label of each delivery that the run claimed, in the order of their map indexes. A retry or a
    cleared sync returns the same list: a run's claims are written once.
    """

    def execute(self, context: Context) -> list[str]:
        from hooks.engine import make_tick

        tick = make_tick()
        try:
            claims = tick.run(context["run_id"])
        finally:
            for line in tick.lines:
                self.log.info(line)
            tick.ledger.close()
        return [claim.label for claim in claims]
