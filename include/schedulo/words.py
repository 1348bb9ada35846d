"""What may be kept of what a service says: texts that every database takes, words where they are promised."""

from __future__ import annotations

from typing import Any


def storable(text: str) -> str:
    """Text without what databases refuse: half a surrogate pair, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def word(value: Any) -> str:
    """An id, a code or a text of an answer; "" for what is none (null, objects, lists, true)."""
    return storable(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""
