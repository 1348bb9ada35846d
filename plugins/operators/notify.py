"""Tells people of incidents, and says to Airflow that there is something to tell."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset, AssetAlias, BaseOperator, Context

INCIDENTS_URI = "schedulo://incidents"
"""The asset that is updated when people are to be told something."""
INCIDENTS_ALIAS = AssetAlias("schedulo_incidents")
"""The outlet of tasks that update it only now and then."""


class NotifyOperator(BaseOperator):
    """
    Tell people of what began, lasts and ended, on their channels.

    A channel that fails is tried again by a later run and does not fail the task.
    """

    def execute(self, context: Context) -> None:
        from hooks.channels import send
        from hooks.ledger import LedgerHook
        from hooks.places import places
        from schedulo.ledger import marks
        from schedulo.settings import settings
        from schedulo.telling.letters import LEASE_S, send_letters, write_notices
        from schedulo.telling.news import still_open
        from schedulo.telling.recipients import Recipients

        ledger = LedgerHook().get_conn()
        me = str(context["ti"].id)
        try:
            with ledger.begin() as connection:
                now_ms = ledger.now_ms(connection)
                if not marks.lease(connection, now_ms, "telling", me, LEASE_S):
                    self.log.info("another run is telling people")
                    return
            where = places(ledger)
            count = write_notices(ledger, Recipients.of(settings()), where)
            with ledger.read() as connection:
                lines = still_open(connection)
            self.log.info("%d incidents are open, news of %d", len(lines), count)
            for line in lines:
                self.log.info(line)
            if lines and not settings().notify_operator:
                self.log.warning("nobody is told: SCHEDULO_NOTIFY_OPERATOR names no channel")
            for line in send_letters(ledger, settings(), send):
                self.log.info(line)
            with ledger.begin() as connection:
                marks.release(connection, ledger.now_ms(connection), "telling", me)
        finally:
            ledger.close()


def wake_if_needed(ledger: Any, outlet_events: Any) -> bool:
    """Update the incidents asset through its alias where people are to be told something; whether it was."""
    from schedulo.settings import settings
    from schedulo.telling.letters import anything_to_tell

    with ledger.read() as connection:
        if not anything_to_tell(connection, ledger.now_ms(connection), settings()):
            return False
    outlet_events[INCIDENTS_ALIAS].add(Asset(INCIDENTS_URI))
    return True
