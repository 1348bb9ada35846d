"""Whether posts go out, and what keeps them back. One place that answers it.

The tick asks before it claims, and says the answer in its run; what it finds is what people set, what errors
and failing platforms set, and what the ledger itself does not allow.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from schedulo.clock import iso
from schedulo.delivery import restored
from schedulo.delivery.holds import Hold, Scope, held, in_force
from schedulo.ledger import marks
from schedulo.ledger.tables import deliveries
from schedulo.model import State
from schedulo.settings import Settings
from schedulo.words import counted

_D = deliveries.c
LISTED = 5
"""So many accounts are named."""


@dataclass(frozen=True, slots=True)
class KeptBack:
    """What keeps posts back."""

    stale: str = ""
    """Airtable was not read for too long: nothing is claimed, nor shown again."""
    restored: str = ""
    """The ledger may be an old one: nothing new is claimed."""
    holds: tuple[Hold, ...] = ()
    """What is held, everything first, then platforms, then accounts."""
    waiting: int = 0
    """Posts that are due soon and held."""

    def sentences(self) -> list[str]:
        """Why posts do not go out, for people; empty where none is kept back."""
        said = [reason for reason in (self.stale, self.restored) if reason]
        wide = [hold for hold in self.holds if hold.scope is not Scope.ACCOUNT]
        narrow = [hold for hold in self.holds if hold.scope is Scope.ACCOUNT]
        said += [_sentence(hold) for hold in wide + narrow[:LISTED]]
        if len(narrow) > LISTED:
            said.append(f"{len(narrow) - LISTED} more accounts are held")
        if self.waiting:
            wait = "is due waits" if self.waiting == 1 else "are due wait"
            said.append(f"{counted(self.waiting)} that {wait}")
        return said


def _sentence(hold: Hold) -> str:
    end = f", until {iso(hold.until_ms)}" if hold.until_ms else ""
    return f"{hold.name} is held by {hold.author}{end}: {hold.reason}"


def kept_back(connection: sa.Connection, now_ms: int, settings: Settings) -> KeptBack:
    """What keeps posts back now."""
    _, read_ms = marks.read(connection, "airtable:read")
    stale = ""
    if read_ms and now_ms - read_ms > settings.known_copy_max_s * 1000:
        stale = "Airtable was not read for too long: what is known may be old, nothing goes out"
    order = list(Scope)
    found = sorted(in_force(connection, now_ms), key=lambda hold: order.index(hold.scope))
    waiting = 0
    if found:
        due = (_D.fire_ms <= now_ms + int(settings.horizon_s * 1000), held(now_ms))
        waits = sa.or_(sa.and_(_D.state == State.HELD, _D.error_kind == ""), _D.state == State.SCHEDULED)
        waiting = connection.execute(sa.select(sa.func.count()).where(waits, *due)).scalar_one()
    return KeptBack(stale, restored.why_not(connection), tuple(found), waiting)
