"""What people hold: on purpose, so nobody is alarmed, and still to be seen by who looks at the health."""

from __future__ import annotations

from collections.abc import Iterator

from schedulo.clock import iso
from schedulo.delivery.holds import Scope, in_force
from schedulo.health.findings import Finding, Means, Status

SHOWN = 5
"""Holds that are named at the most."""


def holds(means: Means) -> Iterator[Finding]:
    """Holds of people that are in force. Those of errors, of platforms that fail and of maintenance are told
    elsewhere."""
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        found = [hold for hold in in_force(connection, now_ms) if not hold.error_kind and not hold.window_id]
    if not found:
        yield Finding("holds", Status.GREEN, "Nobody holds anything.", 0.0, "s", {"holds": 0})
        return
    wide = (Scope.EVERYTHING, Scope.PLATFORM)
    found.sort(key=lambda hold: (hold.scope not in wide, hold.from_ms))
    said = [
        f"{hold.name} is held by {hold.author} since {iso(hold.from_ms)}: {hold.reason}."
        for hold in found[:SHOWN]
    ]
    if len(found) > SHOWN:
        said.append(f"{len(found) - SHOWN} more holds.")
    said.append(f"It goes on with `schedulo release {found[0].name}`.")
    status = Status.YELLOW if found[0].scope in wide else Status.GREEN
    age_s = round((now_ms - min(hold.from_ms for hold in found)) / 1000, 1)
    yield Finding("holds", status, " ".join(said), age_s, "s", {"holds": len(found)})
