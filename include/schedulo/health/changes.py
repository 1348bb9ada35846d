"""Whether changes in Airtable are heard at once, where they should be."""

from __future__ import annotations

from collections.abc import Iterator

from schedulo.delivery.listening import told
from schedulo.health.findings import Finding, Means, Status


def changes(means: Means) -> Iterator[Finding]:
    """How it stands with Airtable's webhook. Without one the minute's reading goes on: never red."""
    stands = told(means.ledger, None, means.settings)
    yield Finding("airtable_changes", Status.GREEN if stands.well else Status.YELLOW, stands.sentence)
