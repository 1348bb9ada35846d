"""Tries posts without publishing them."""

from __future__ import annotations

import secrets
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, Context

from operators.again import AskedRetryPolicy
from operators.by_hand import refusals


class RehearsePostsOperator(BaseOperator):
    """
    Plan, check and prepare the posts that the run's configuration names, and publish them to a sandbox that
    is started for this, or to nothing. No platform is asked, and no delivery is touched.

    The configuration: `posts` (record ids), `accounts` (account keys, optional), `where` (sandbox, nothing).
    Leaves the XComs `summary`, `answers`, with an entry a delivery, and `page`, the path of the page that
    shows it.

    :raises WishError: for a configuration that cannot be understood.
    :raises RefusedError: where no named post could be tried.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(retry_policy=AskedRetryPolicy(), **kwargs)

    def execute(self, context: Context) -> None:
        with refusals(context):
            self._rehearse(context)

    def _rehearse(self, context: Context) -> None:
        from hooks.engine import rehearsal_means
        from hooks.sandbox import own_sandbox
        from schedulo.analytics.shelf import Shelf
        from schedulo.planning.rehearse import Where, Wished
        from schedulo.planning.wishes import RefusedError
        from schedulo.rehearsals.page import page
        from schedulo.rehearsals.play import rehearse
        from schedulo.settings import settings

        params = {name: context["params"][name] for name in ("posts", "accounts", "where")}
        wished = Wished.read(params | (context["dag_run"].conf or {}))
        means = rehearsal_means(self.log.info)
        try:
            with own_sandbox() if wished.where is Where.SANDBOX else nullcontext() as sandbox:
                told = rehearse(wished, means, sandbox)
        finally:
            means.real.close()
        for item in told.played:
            self.log.info("%s: %s", item.label, item.sentence)
            for line in (*item.warnings, *item.for_real, *item.steps, *item.requests):
                self.log.info("    %s", line)
        self.log.info(told.sentence())
        if not told.played:
            raise RefusedError(f"posts: nothing could be tried. {' '.join(told.missing)}")
        now = datetime.now(UTC)
        name = f"rehearsal-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}.html"
        Shelf.of(settings()).keep(name, page(told, now, settings().airtable_timezone))
        self.log.info("What was received is shown at /schedulo/reports/%s", name)
        context["ti"].xcom_push("summary", told.sentence())
        context["ti"].xcom_push("page", f"/schedulo/reports/{name}")
        context["ti"].xcom_push("answers", [_answer(item) for item in told.played])


def rehearse_options() -> dict[str, Any]:
    """Its queue, since it may fetch and convert media; and after which pause it is tried again."""
    from schedulo.settings import settings

    queue = settings().media_queue
    return {"retry_delay": timedelta(seconds=30), **({"queue": queue} if queue else {})}


def _answer(item: Any) -> dict[str, Any]:
    from schedulo.rehearsals.page import parts

    return {
        "delivery_id": item.delivery_id,
        "delivery": item.label,
        "what": "rehearsed" if item.went else "refused",
        "answer": item.sentence,
        "permalink": None,
        "warnings": list(item.warnings),
        "for_real": list(item.for_real),
        "received": [{"kind": kind, "text": text, "files": files} for kind, text, files in parts(item)],
        "steps": list(item.steps),
        "requests": list(item.requests),
    }
