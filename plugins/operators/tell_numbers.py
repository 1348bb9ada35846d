"""Writes numbers into Airtable: the last of each post, and what accounts got in seven days."""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk import BaseOperator, Context

YOUNG_EVERY_S = 6 * 3600.0
"""Between the ends of two days numbers are told so often at the most: a base takes few calls."""


class TellNumbersOperator(BaseOperator):
    """
    Tell Airtable which numbers have changed, one call a second, so that no tick has to wait.

    A base that lacks the fields for them is an incident, not a failure. What Airtable does not take fails the
    task; what it took before is not told again.

    :param every_s: do nothing where numbers were told less than so many seconds ago.
    """

    def __init__(self, *, every_s: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.every_s = every_s

    def execute(self, context: Context) -> None:
        from hooks.airtable import AirtableHook
        from hooks.ledger import LedgerHook
        from schedulo.airtable.calls import BESIDE_PER_S
        from schedulo.analytics.shown import tell_numbers
        from schedulo.settings import settings

        ledger = LedgerHook().get_conn()
        try:
            tell_numbers(
                ledger,
                lambda: AirtableHook().client(BESIDE_PER_S),
                settings(),
                time.time_ns() // 1_000_000,
                str(context["ti"].id),
                every_s=self.every_s,
                say=self.log.info,
            )
        finally:
            ledger.close()
