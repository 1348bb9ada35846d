"""Watches over the logins of accounts: who is to be asked, and each of them."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow.sdk import BaseOperator, Context

from operators.again import accounts_options
from operators.mode import skip_where_nothing_is_asked

LONGEST_S = 1200.0
"""What waits longer is left to the next hour's run."""
MOST_PARTS = 100
"""Beyond so many accounts an instance takes several."""


def login_options() -> dict[str, Any]:
    """How a task that looks after logins tries again, and what it is called; for `partial`."""
    return accounts_options(2, LONGEST_S)


class FindLoginsOperator(BaseOperator):
    """
    Warn owners, hold accounts whose login has ended, and find those whose platforms are to be asked.

    Returns the parts for `LookAfterLoginsOperator`; none where nothing is due. Nobody is asked here.
    """

    def execute(self, context: Context) -> list[dict[str, Any]]:
        from hooks.ledger import LedgerHook
        from operators.notify import wake_if_needed
        from schedulo.settings import settings
        from schedulo.tokens.watch import survey

        ledger = LedgerHook().get_conn()
        try:
            wanted = survey(ledger, settings(), self.log.info)
            wake_if_needed(ledger, context["outlet_events"])
        finally:
            ledger.close()
        self.log.info("%d logins are to be renewed or checked", len(wanted))
        for one in wanted:
            self.log.info("%s: %s", one.key, one.why)
        size = max(1, -(-len(wanted) // MOST_PARTS))
        groups = [wanted[first : first + size] for first in range(0, len(wanted), size)]
        return [
            {"accounts": [one.key for one in group], "label": ", ".join(one.label for one in group)[:250]}
            for group in groups
        ]


class LookAfterLoginsOperator(BaseOperator):
    """
    Renew or check some logins, each for itself, where that is still due.

    A login that is no longer accepted holds its account; people are told, and the task stays green.

    :param part: what `FindLoginsOperator` found.

    :raises NotWatched: a platform did not answer, or our app is not set up; the others were looked after.
    """

    def __init__(self, *, part: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.part = part

    def execute(self, context: Context) -> None:
        from hooks.engine import after_means
        from hooks.ledger import LedgerHook
        from operators.notify import wake_if_needed
        from schedulo.tokens.watch import look_after

        skip_where_nothing_is_asked()
        context["label"] = self.part["label"]  # type: ignore[typeddict-unknown-key]
        ledger = LedgerHook().get_conn()
        try:
            asyncio.run(look_after(after_means(ledger), self.part["accounts"], self.log.info))
        finally:
            wake_if_needed(ledger, context["outlet_events"])
            ledger.close()
