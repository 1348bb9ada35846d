"""One tick: claims what is due, reads Airtable, tells it what became of posts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.sdk import BaseOperator, Context

from operators.after import wake_if_asked
from operators.notify import wake_if_needed
from operators.prepare import wake_if_wanted

WAKES: dict[str, Callable[[Any, Any], bool]] = {
    "handle_incidents": wake_if_needed,
    "look_after_posts": wake_if_asked,
    "prepare_posts": wake_if_wanted,
}
"""What may update the asset that each of these Dags waits for."""


LONGEST = 250
"""Of a label, in Airflow's database."""


def _ms(moment: Any) -> int | None:
    """Epoch milliseconds; None where Airflow knows no such moment: it says so by an object that is false."""
    return int(moment.timestamp() * 1000) if moment else None


class SyncOperator(BaseOperator):
    """
    Run one tick for this DAG run.

    Returns the label of each delivery that the run claimed, in the order of their map indexes. A retry or a
    cleared sync returns the same list: a run's claims are written once. What keeps posts back is the task's
    XCom `kept_back`, a list of sentences, and its label: who sees that `publish` was skipped sees why.

    Updates the incidents asset when people are to be told something, the requests asset when posts that are
    out are to be taken down or changed, and the media asset when posts are to be prepared at once.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(map_index_template="{{ kept_back | default('') }}", **kwargs)

    def execute(self, context: Context) -> list[str]:
        from hooks.planning import make_tick

        tick = make_tick()
        try:
            claims = self.work(tick, context)
            self._tell(tick.kept_back.sentences(), context)
            self._wake(tick.ledger, context)
        finally:
            for line in tick.lines:
                self.log.info(line)
            tick.ledger.close()
        return [claim.label for claim in claims]

    def work(self, tick: Any, context: Context) -> list[Any]:
        """What is done; answers the run's claims."""
        return list(
            tick.run(
                context["run_id"],
                logical_ms=_ms(context.get("data_interval_end")),
                last_success_ms=_ms(context.get("prev_data_interval_end_success")),
            )
        )

    def _tell(self, sentences: list[str], context: Context) -> None:
        """Show in the run what keeps posts back."""
        if sentences:
            context["kept_back"] = "; ".join(sentences)[:LONGEST]  # type: ignore[typeddict-unknown-key]
            context["ti"].xcom_push("kept_back", sentences)

    def _wake(self, ledger: Any, context: Context) -> None:
        """That others could not be woken must not keep posts from going out."""
        for name, wake in WAKES.items():
            try:
                wake(ledger, context["outlet_events"])
            except Exception:
                self.log.warning("%s could not be woken", name, exc_info=True)
