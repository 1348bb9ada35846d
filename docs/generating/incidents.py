"""What people are told of."""

from __future__ import annotations

from generating.markdown import page, table
from schedulo.delivery.incidents import RULES as INCIDENTS


def incidents_page() -> str:
    rows = [
        (
            f"`{trouble}`",
            rule.title,
            f"{rule.patience_s:g} s" if rule.patience_s else "at once",
            rule.doing,
            rule.todo,
            rule.until,
        )
        for trouble, rule in INCIDENTS.items()
    ]
    return page(
        "Incidents",
        "schedulo.delivery.incidents",
        "What people are told of ([get notified](../how-to/get-notified.md)). One incident is one cause: its "
        "key in the table `incidents` is the kind and what it is about (an account, a platform's answer, a "
        "hold, a channel); the posts that it hit are in `incident_cases`.",
        table(("kind", "what happened", "told", "what is being done", "what to do", "over when"), rows),
        "What needs nobody is told where it lasts longer than ten minutes.",
    )
