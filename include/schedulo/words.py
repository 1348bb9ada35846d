"""What may be kept of what a service says: texts that every database takes, words where they are promised.
And posts, counted."""

from __future__ import annotations

from typing import Any

JOINER = "\u200d"
"""It makes one emoji of several."""


def storable(text: str) -> str:
    """Text without what databases refuse: half a surrogate pair, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "")


def shown(text: str, most: int = 80) -> str:
    """Text as a part of a sentence: short, on one line, without what turns its direction or hides in it."""
    line = " ".join(storable(text[: 4 * most]).split())
    plain = "".join(sign for sign in line if sign.isprintable() or sign == JOINER)
    return plain if len(plain) <= most and len(text) <= 4 * most else f"{plain[: most - 1]}…"


def shortened(text: str, most: int) -> str:
    """Text of several lines that every service takes: cut, and storable."""
    plain = storable(text)
    return plain if len(plain) <= most else f"{plain[: most - 2]} …"


def word(value: Any) -> str:
    """An id, a code or a text of an answer; "" for what is none (null, objects, lists, true)."""
    return storable(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def counted(count: int) -> str:
    """So many posts, in words for people."""
    return "1 post" if count == 1 else f"{count} posts"
