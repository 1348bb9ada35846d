"""Posts that are out: takes them down, changes them, looks into what platforms told of them, and sees whether
they are still there."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow.sdk import Asset, AssetAlias, BaseOperator, Context

from operators.by_hand import ByHandOperator
from operators.mode import skip_where_nothing_is_asked

REQUESTS_URI = "schedulo://requests"
"""The asset that is updated when people asked for something that is to be done to posts that are out."""
REQUESTS_ALIAS = AssetAlias("schedulo_requests")
"""The outlet of tasks that update it only now and then."""


class TakeDownOperator(ByHandOperator):
    """
    Take posts down, or change them, as far as their platforms let that be done; at once where it can be.

    The configuration: the fields of `schedulo.planning.take_down.Wished`.

    :raises WishError: for a configuration that cannot be understood.
    """

    def act(self, ledger: Any, conf: dict[str, Any], who: str) -> tuple[str, list[dict[str, Any]]]:
        from hooks.engine import after_means
        from schedulo.planning.take_down import Wished, take_down
        from schedulo.publishing.aftercare import carry_out
        from schedulo.settings import Mode, settings

        wished = Wished.read(conf)
        answer = take_down(ledger, wished, f"by {who} with the Dag take_down_posts")
        became: dict[str, str] = {}
        if answer.requested and not wished.dry_run and settings().mode != Mode.NOTHING:
            became = asyncio.run(carry_out(after_means(ledger), answer.requested))
        return answer.sentence(wished), [
            {
                "delivery_id": item.delivery_id,
                "delivery": item.label,
                "what": item.deed.value,
                "answer": became.get(item.delivery_id, item.sentence),
                "permalink": item.permalink,
            }
            for item in answer.told
        ]


class CarryOutOperator(BaseOperator):
    """Do what people asked of posts that are out and what is due of it."""

    def execute(self, context: Context) -> None:
        from hooks.engine import after_means
        from hooks.ledger import LedgerHook
        from schedulo.publishing.aftercare import carry_out

        skip_where_nothing_is_asked()
        ledger = LedgerHook().get_conn()
        try:
            became = asyncio.run(carry_out(after_means(ledger)))
        finally:
            ledger.close()
        self.log.info("%d requests were worked on", len(became))
        for delivery_id, sentence in became.items():
            self.log.info("%s: %s", delivery_id, sentence)


class HeardOperator(BaseOperator):
    """Look into what platforms told by themselves: links of posts, permissions that were taken away."""

    def execute(self, context: Context) -> None:
        from hooks.engine import after_means
        from hooks.ledger import LedgerHook
        from operators.notify import wake_if_needed
        from schedulo.publishing import heard as posts
        from schedulo.tokens import heard as logins

        ledger = LedgerHook().get_conn()
        try:
            means = after_means(ledger)
            lines = [*asyncio.run(posts.look_into(means)), *logins.look_into(means)]
            wake_if_needed(ledger, context["outlet_events"])
        finally:
            ledger.close()
        self.log.info("%d things that platforms told were looked into", len(lines))
        for line in lines:
            self.log.info(line)


class StillThereOperator(BaseOperator):
    """Look for posts that are out, each as often as the settings say."""

    def execute(self, context: Context) -> None:
        from hooks.engine import after_means
        from hooks.ledger import LedgerHook
        from schedulo.publishing.aftercare import look

        skip_where_nothing_is_asked()
        ledger = LedgerHook().get_conn()
        try:
            looked = asyncio.run(look(after_means(ledger)))
        finally:
            ledger.close()
        self.log.info("%d posts were looked for", looked.posts)
        for line in looked.lines:
            self.log.info(line)


def wake_if_asked(ledger: Any, outlet_events: Any) -> bool:
    """Update the requests asset through its alias where something is to be carried out or looked into;
    whether it was."""
    from schedulo.delivery.amendments import anything_due
    from schedulo.delivery.heard import anything_to_look_into

    with ledger.read() as connection:
        now_ms = ledger.now_ms(connection)
        if not anything_due(connection, now_ms) and not anything_to_look_into(connection, now_ms):
            return False
    outlet_events[REQUESTS_ALIAS].add(Asset(REQUESTS_URI))
    return True
