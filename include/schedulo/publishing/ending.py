"""How one instance's work on a delivery ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schedulo.delivery.rows import Delivery
from schedulo.model import State


class End(StrEnum):
    SUCCESS = "success"
    SKIPPED = "skipped"
    """Nothing for this instance to do, or it goes on later in another."""
    RETRY = "retry"
    """The same task is to try again after `wait_s`."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ending:
    end: End
    sentence: str
    delivery_id: str | None = None
    label: str = ""
    kind: str = ""
    """The error's kind, for RETRY and FAILED, and for SKIPPED where an error holds it."""
    wait_s: float = 0.0


def ending_of(delivery: Delivery) -> Ending:
    """What an instance says about a delivery that rests, or that another works on."""
    label = delivery.label
    match delivery.state:
        case State.PUBLISHED_INCOMPLETE if delivery.error_kind:
            return Ending(End.FAILED, delivery.reason, delivery.id, label, delivery.error_kind)
        case State.PUBLISHED_INCOMPLETE:
            return Ending(End.SKIPPED, delivery.reason or "the rest of it follows", delivery.id, label)
        case State.PUBLISHED | State.WAITING_IN_APP:
            return Ending(
                End.SUCCESS, f"it is out: {delivery.permalink or 'no link yet'}", delivery.id, label
            )
        case State.FAILED | State.UNRESOLVED:
            return Ending(
                End.FAILED, delivery.reason, delivery.id, label, delivery.error_kind or delivery.state
            )
        case State.MISSED | State.CANCELLED | State.HELD | State.TAKEN_DOWN | State.REMOVED:
            return Ending(End.SKIPPED, f"{delivery.state}: {delivery.reason}", delivery.id, label)
        case _:
            note = delivery.reason or "a later run or another process works on it"
            return Ending(End.SKIPPED, f"{delivery.state}: {note}", delivery.id, label)
