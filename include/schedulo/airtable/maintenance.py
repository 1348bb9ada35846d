"""Rows of the table Maintenance as values: when nothing is to go out, where, and what the row shows of it."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Any

from schedulo.airtable import schema
from schedulo.airtable.cells import Cells
from schedulo.airtable.mapping import Mapping
from schedulo.airtable.schema import MAINTENANCE
from schedulo.model import Problem

PLANNER = "Who plans the maintenance corrects it."
_WHERE: Dict[str, str] = {
    schema.EVERYTHING: "everything",
    **{word: f"platform:{name}" for word, name in schema.PLATFORMS.items()},
}


@dataclass(frozen=True, slots=True)
class MaintenanceRow:
    record_id: str
    reason: str
    from_ms: int | None
    until_ms: int | None
    where: str
    """`everything`, `platform:x`, or empty where it names accounts."""
    account_record_ids: tuple[str, ...]
    posts: str
    """`move`, `hold`, or empty."""
    called_off: bool
    state: str
    """What it shows, as are the next: to be written only where that changes."""
    message: str
    problems: tuple[Problem, ...] = ()

    @property
    def empty(self) -> bool:
        """Nobody has filled anything in yet."""
        filled = (self.reason, self.from_ms, self.until_ms, self.where, self.account_record_ids, self.state)
        return not any(filled) and not any(problem.value for problem in self.problems)


def maintenance_row(record: Dict[str, Any], mapping: Mapping) -> MaintenanceRow:
    """One record of Maintenance."""
    cells = Cells(MAINTENANCE, record, mapping, PLANNER)
    reason = cells.text("Reason").strip()
    from_ms, until_ms = cells.instant_ms("From"), cells.instant_ms("Until")
    where = cells.choice("Where", _WHERE) or ""
    accounts = cells.links("Accounts")
    posts = cells.choice("Posts inside", schema.IN_MAINTENANCE) or ""
    called_off = cells.checked("Called off")
    for name in ("Reason", "From", "Until"):
        if not cells.raw(name):
            cells.problem(name, "", "is empty")
    if where and accounts:
        cells.problem("Where", "", f"and '{cells.name('Accounts')}' are both filled", "Empty one of them.")
    elif not (cells.raw("Where") or cells.raw("Accounts")):
        rule = f"and '{cells.name('Accounts')}' are both empty, so nobody knows what stands still"
        cells.problem("Where", "", rule)
    problems = tuple(cells.problems)
    return MaintenanceRow(
        record_id=str(record.get("id", "")),
        reason=reason,
        from_ms=from_ms,
        until_ms=until_ms,
        where=where,
        account_record_ids=accounts,
        posts=posts,
        called_off=called_off,
        state=cells.text("State"),
        message=cells.text("Message"),
        problems=problems,
    )
