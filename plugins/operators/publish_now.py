"""Takes named posts for this run, due now; or only says what would be sent."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow.sdk import BaseOperator, Context

from operators.again import AskedRetryPolicy
from operators.by_hand import refusals


class ClaimNowOperator(BaseOperator):
    """
    Claim the deliveries of the posts that the run's configuration names. Posts whose media are not here or
    do not fit are prepared first, by this task, also in a dry run.

    The configuration: `posts` (record ids), `accounts` (account keys, optional), `dry_run`. Returns the label
    of each claimed delivery; the XCom `answers` says for each delivery what is done, with the link of those
    that are out already.

    :raises WishError: for a configuration that cannot be understood.
    :raises RefusedError: where no named post has a delivery.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(retry_policy=AskedRetryPolicy(), **kwargs)

    def execute(self, context: Context) -> list[str]:
        with refusals(context):
            return self._claim(context)

    def _claim(self, context: Context) -> list[str]:
        from hooks.engine import make_preparer
        from schedulo.planning.now import Wished, claim_now, plan_now, prepare_now
        from schedulo.planning.tick import Tick
        from schedulo.planning.wishes import RefusedError

        params = {name: context["params"][name] for name in ("posts", "accounts", "dry_run")}
        wished = Wished.read(params | (context["dag_run"].conf or {}))
        preparer = make_preparer(self.log.info)
        tick = Tick(preparer.planner, preparer.client)
        try:
            plan_now(tick, wished.posts)
            for prepared in prepare_now(preparer, context["run_id"], wished):
                for sentence in prepared.sentences:
                    self.log.info(sentence)
            if wished.dry_run:
                answers = self._rehearse(tick.ledger, wished)
                labels: list[str] = []
            else:
                asked = claim_now(tick, context["run_id"], wished)
                answers = [
                    {
                        "delivery_id": item.delivery_id,
                        "delivery": item.label,
                        "what": "taken" if item.taken else "refused",
                        "answer": item.sentence,
                        "permalink": item.permalink,
                    }
                    for item in asked
                ]
                labels = [item.label for item in asked if item.taken]
        finally:
            for line in tick.lines:
                self.log.info(line)
            tick.ledger.close()
        for answer in answers:
            self.log.info("%s: %s", answer["delivery"], answer["answer"])
        if not answers:
            raise RefusedError(
                f"posts ({', '.join(wished.posts)}): none has a delivery; they must be Ready in Airtable and "
                "name accounts that are known. Their rows in Deliveries say what is missing."
            )
        context["ti"].xcom_push("answers", answers)
        return labels

    def _rehearse(self, ledger: Any, wished: Any) -> list[dict[str, Any]]:
        from hooks.engine import rehearse_here
        from schedulo.publishing.rehearsal import planned

        found = planned(ledger, wished.posts, wished.accounts)
        ready = [id_ for id_, _, problem in found if not problem]
        told = {item.delivery_id: item.sentence for item in asyncio.run(rehearse_here(ledger, ready))}
        return [
            {
                "delivery_id": id_,
                "delivery": label,
                "what": "rehearsed" if id_ in told else "refused",
                "answer": told.get(id_, f"it cannot be published: {problem}"),
                "permalink": None,
            }
            for id_, label, problem in found
        ]
