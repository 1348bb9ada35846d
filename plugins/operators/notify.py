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
        from hooks.ledger import LedgerHook
        from hooks.telling import tell_people

        ledger = LedgerHook().get_conn()
        try:
            for line in tell_people(ledger, str(context["ti"].id)):
                self.log.info(line)
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
