"""Whether quotas are nearly used up: of accounts, our apps, Airtable's month, X's budget."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from schedulo.delivery.standings import usages
from schedulo.health.findings import Finding, Means, Status
from schedulo.ledger.tables import accounts

NEARLY = 0.8
LISTED = 5
_A = accounts.c


def quotas(means: Means) -> Iterator[Finding]:
    """What is used of the limits on a day or longer; those on minutes come and go. No platform is asked."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        rows = connection.execute(sa.select(_A.key, _A.name).where(_A.active))
        names = {row.key: row.name or row.key for row in rows}
        found = [one for one in usages(connection, now_ms, means.settings, names) if one.lasts]
    used = sorted(found, key=lambda one: -one.share)
    near = [one for one in used if one.share >= NEARLY]
    highest = round(used[0].share * 100, 1) if used else 0.0
    if not near:
        sentence = f"No quota is used up by more than {highest:.0f} %."
        yield Finding("quotas", Status.GREEN, sentence, highest, "%", {"near": 0})
        return
    listed = ", ".join(
        f"{one.name} {one.used:g} of {one.most:g} {one.unit} within {one.window}" for one in near[:LISTED]
    )
    more = f" and {len(near) - LISTED} more" if len(near) > LISTED else ""
    sentence = f"Nearly used up: {listed}{more}. `schedulo quotas` shows all; posts beyond them wait."
    yield Finding("quotas", Status.YELLOW, sentence, highest, "%", {"near": len(near)})
