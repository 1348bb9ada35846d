"""Where links in messages lead: Airflow's page, and the rows of the Airtable base."""

from __future__ import annotations

import json

from airflow.configuration import conf

from hooks.airtable import AirtableHook
from schedulo.airtable.schema import DELIVERIES, POSTS
from schedulo.errors.airtable import AirtableError
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.telling.message import Places

MARK = "airtable:tables"
KEPT_S = 86_400.0
ASK_FOR_S = 10.0


def places(ledger: Ledger) -> Places:
    """Never raises for Airtable: a message without links is better than none."""
    airflow_url = conf.get("api", "base_url", fallback="") or ""
    try:
        hook = AirtableHook()
        base_id = hook.base_id()
        tables = _tables(ledger, hook, base_id)
    except AirtableError:
        return Places(airflow_url)
    return Places(airflow_url, base_id, tables.get(POSTS, ""), tables.get(DELIVERIES, ""))


def _tables(ledger: Ledger, hook: AirtableHook, base_id: str) -> dict[str, str]:
    """The ids of the base's tables, asked for once a day."""
    with ledger.read() as connection:
        value, at_ms = marks.read(connection, MARK)
        kept = json.loads(value) if value else {}
        fresh = ledger.now_ms(connection) - at_ms < KEPT_S * 1000
    if kept.get("base") == base_id and fresh:
        return dict(kept["tables"])
    client = hook.client()
    with client.within(ASK_FOR_S):
        tables = client.table_ids()
    with ledger.begin() as connection:
        value = json.dumps({"base": base_id, "tables": tables})
        marks.mark(connection, ledger.now_ms(connection), MARK, value)
    return tables
