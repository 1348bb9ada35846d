"""Sends subscribers the events that wait for them, and is woken when there are any."""

from __future__ import annotations

from airflow.sdk import Asset, AssetWatcher, BaseOperator, Context

from operators.notify import wake_if_needed
from triggers.webhooks import WebhooksTrigger

WEBHOOKS = Asset(
    "schedulo://webhooks",
    watchers=[AssetWatcher(name="schedulo_webhooks", trigger=WebhooksTrigger())],
)
"""Updated when subscribers are to be told something."""


class SendWebhooksOperator(BaseOperator):
    """
    Send what waits for subscribers, for a minute at the most.

    A subscriber that takes nothing does not fail the task: it is tried again, paused at last, and told of by
    handle_incidents; the DAG needs the incidents asset as an outlet.
    """

    def execute(self, context: Context) -> None:
        from hooks.ledger import LedgerHook
        from hooks.webhooks import send_events

        ledger = LedgerHook().get_conn()
        try:
            for line in send_events(ledger, str(context["ti"].id)):
                self.log.info(line)
            wake_if_needed(ledger, context["outlet_events"])
        finally:
            ledger.close()
