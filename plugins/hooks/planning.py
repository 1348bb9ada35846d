"""Builds what a tick works with, and loads no more than that: it runs every minute, and while people wait."""

from __future__ import annotations

from collections.abc import Sequence

from hooks.airtable import AirtableHook
from hooks.ledger import LedgerHook
from schedulo.delivery.breakers import Answer
from schedulo.delivery.mode import agree
from schedulo.media import MediaStore, look_apart
from schedulo.planning.rows import Planner
from schedulo.planning.tick import Tick
from schedulo.platforms import CONVERSATIONS
from schedulo.settings import settings


def make_tick() -> Tick:
    """One sync. A Connection to Airtable that is missing or wrong is the tick's trouble, not its end."""
    planner = make_planner()
    agree(planner.ledger, settings())

    def ask(platforms: Sequence[str]) -> dict[str, Answer]:
        from hooks.engine import ask_platforms

        return ask_platforms(planner.ledger, platforms)

    return Tick(planner, AirtableHook().client, ask)


def make_planner() -> Planner:
    """What plans rows."""
    store = MediaStore(settings().media, look_apart)
    return Planner(LedgerHook().get_conn(), store, settings(), CONVERSATIONS)
