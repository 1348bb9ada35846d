"""`python -m chaos.broken GUARD triggerer`: Airflow's triggerer with one guard of the engine taken out.

The engine has no switch for this: the harness starts its triggerers through this module, which changes the
code in memory first. It shows that chaos would find the duplicates which the guard prevents.

fence      the fence asks for nothing; its unique index is dropped by the harness (either alone holds)
intent     nothing is stored before a request; what was sent is written down with the answer
window     sending may begin however long after the fence
reconcile  an unknown outcome counts as "not out" at once
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partialmethod
from typing import Any

import sqlalchemy as sa

from schedulo.delivery import commits, conclusions
from schedulo.delivery.rows import Delivery, Write
from schedulo.flow import Finding, Look
from schedulo.ledger.tables import deliveries
from schedulo.publishing.publisher import Publisher
from schedulo.settings import Settings


def by_argument(guard: str) -> None:
    """The publisher itself can leave these out, for tests."""
    Publisher.__init__ = partialmethod(Publisher.__init__, broken=frozenset({guard}))  # type: ignore[method-assign, assignment]


def without_intent() -> None:
    fence, settle = commits.fence, commits.settle
    unwritten: dict[str, tuple[commits.Intent, int]] = {}

    def ask_only(
        connection: sa.Connection, now_ms: int, lead_ms: int, intents: Sequence[commits.Intent], **_: Any
    ) -> list[commits.Fenced | None]:
        answers: list[commits.Fenced | None] = []
        for intent in intents:
            allowed = connection.execute(
                sa.select(deliveries.c.fence).where(
                    deliveries.c.id == intent.delivery_id,
                    *commits._may_send(now_ms, lead_ms, intent.holder),
                )
            ).scalar_one_or_none()
            if allowed is None:
                answers.append(None)
            else:
                unwritten[intent.write_id] = (intent, lead_ms)
                answers.append(commits.Fenced(intent.write_id, allowed + 1, now_ms))
        return answers

    def write_down_now(connection: sa.Connection, now_ms: int, found: Sequence[commits.Outcome]) -> Any:
        for item in found:
            intent, lead_ms = unwritten.pop(item.write_id, (None, 0))
            if intent is not None:
                fence(connection, now_ms, lead_ms, [intent])
        return settle(connection, now_ms, found)

    commits.fence = ask_only
    commits.settle = write_down_now


def without_reconcile() -> None:
    conclude: Callable[..., Any] = conclusions.conclude

    def absent_at_once(
        connection: sa.Connection,
        now_ms: int,
        delivery: Delivery,
        write: Write,
        _finding: Finding,
        settings: Settings,
        *,
        looked_ms: int,
    ) -> Any:
        impatient = Settings(window_s=1, fence_lead_s=0.5, kernel_s=0, late_s=0, lag_s=0, quiet_s=1.1)
        finding = Finding(Look.UNUSED, note="not looked for: sent again", resend=True)
        later_ms = max(now_ms, looked_ms, write.opened_ms + 1200)
        return conclude(connection, later_ms, delivery, write, finding, impatient, looked_ms=later_ms)

    conclusions.conclude = absent_at_once  # type: ignore[assignment]


GUARDS: dict[str, Callable[[], None]] = {
    "fence": lambda: by_argument("fence"),
    "intent": without_intent,
    "window": lambda: by_argument("window"),
    "reconcile": without_reconcile,
}


def main() -> None:
    guard, *command = sys.argv[1:]
    GUARDS[guard]()
    sys.argv = ["airflow", *command]
    from airflow.__main__ import main as airflow

    airflow()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
