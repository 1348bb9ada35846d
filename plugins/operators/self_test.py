"""Plans the post by which Schedulo tries itself."""

from __future__ import annotations

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowSkipException


class SelfTestOperator(BaseOperator):
    """
    Plan today's self-test: publish_due_posts publishes it, check_health says what came of it.

    Skipped where `SCHEDULO_SELF_TEST_ACCOUNT` names no account.

    :raises SelfTestError: where that account cannot be used for it.
    """

    def execute(self, context: Context) -> None:
        from hooks.ledger import LedgerHook
        from schedulo.planning.self_test import plan_self_test
        from schedulo.platforms import CONVERSATIONS
        from schedulo.settings import settings

        if not settings().self_test_account:
            raise AirflowSkipException("SCHEDULO_SELF_TEST_ACCOUNT names no account: nothing is tried.")
        ledger = LedgerHook().get_conn()
        try:
            self.log.info(plan_self_test(ledger, CONVERSATIONS, settings()))
        finally:
            ledger.close()
