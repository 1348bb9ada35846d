"""The states of a delivery and their moves."""

from __future__ import annotations

from generating.markdown import page, table
from schedulo.airtable import schema
from schedulo.delivery.transitions import OUT, RESTING, TRANSITIONS
from schedulo.model import State


def states_page() -> str:
    rows = [
        (
            f"`{state}`",
            schema.STATE_WORDS[state],
            "resting" if state in RESTING else "",
            "yes" if state in OUT else "",
            ", ".join(f"`{target}`" for target in State if target in TRANSITIONS[state]),
        )
        for state in State
    ]
    return page(
        "States of a delivery",
        "include/schedulo/delivery/transitions.py",
        "One post on one account is a *delivery*. Every change of its state is a move of this table, made "
        "by one function, `move`. Two things follow: `unknown` and `sending` never become `missed` or "
        "`cancelled`, because what may be out must be looked up first; and a late answer may lead to "
        "`published` from anywhere, because evidence counts whenever it comes.",
        table(("state", "word in Airtable", "", "the platform took it", "may become"), rows),
        "*Resting*: nobody works on it until a person asks.",
        f"*{schema.NOT_PLANNED}* in Airtable is `cancelled` with the problem of the post as its reason; it "
        "is planned again when the post is mended ([why](../decisions/0011-not-planned-is-cancelled.md)). "
        f"*{schema.UNAPPROVED}* is `held` until a person approves it "
        "([why](../decisions/0030-approval-is-a-column.md)). "
        f"*{schema.PREPARED}* is `scheduled` with its media here and fit "
        "([how posts are prepared](../how-to/prepare-posts.md)).",
    )
