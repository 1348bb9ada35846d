"""What a task ends with that works on several accounts, where it failed for some of them."""

from __future__ import annotations


class NotAllDone(Exception):
    """Some accounts could not be worked on, the others were; the message names each, and why."""

    def __init__(self, sentence: str, *, again: bool, wait_s: float | None = None) -> None:
        super().__init__(sentence)
        self.again = again
        """Trying again may help, before a later run does."""
        self.wait_s = wait_s
        """Seconds until then; None where nobody knows."""
