"""Asks platforms ahead what accounts may do."""

from __future__ import annotations

import asyncio

from airflow.sdk import BaseOperator, Context

from operators.mode import skip_where_nothing_is_asked


class AskAccountsOperator(BaseOperator):
    """
    Ask what accounts with posts to come may do, where a platform can be asked that and was not for an hour.

    An account that cannot be asked is named in the log; the task stays green.
    """

    def execute(self, context: Context) -> None:
        from hooks.engine import after_means
        from hooks.ledger import LedgerHook
        from schedulo.platforms import INQUIRIES
        from schedulo.publishing.inquiries import ask_ahead

        skip_where_nothing_is_asked()
        ledger = LedgerHook().get_conn()
        try:
            lines = asyncio.run(ask_ahead(after_means(ledger), INQUIRIES))
        finally:
            ledger.close()
        self.log.info("%d accounts were asked", len(lines))
        for line in lines:
            self.log.info(line)
