"""What a post's row says of approval."""

from __future__ import annotations

from schedulo.airtable.rows import PostRow
from schedulo.delivery.approvals import NEEDED
from schedulo.model import Problem
from schedulo.settings import Settings


def needed(row: PostRow, settings: Settings) -> str:
    """`needed` where the post waits for a person, else an empty text. Once approved, a change needs none."""
    waits = row.approval == "needed" or (not row.approval and settings.approval_needed)
    return NEEDED if waits else ""


def rejected(row: PostRow) -> Problem | None:
    """That the post was rejected, which keeps it from being planned."""
    if row.approval != "rejected":
        return None
    return Problem("Approval", "Rejected", "a post that was rejected is not planned", "Who may approves it.")
