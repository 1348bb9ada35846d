"""What must be done with a file so that a platform takes it, as plain data; nothing is done here.

The rules are `accepts`; doing it is `convert`.
"""

from __future__ import annotations

from dataclasses import dataclass

from schedulo.accepts import Rules
from schedulo.model import Media, MediaKind


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a file becomes. Equal recipes of one file give the same file, so it is made once."""

    kind: MediaKind
    content_type: str
    width: int
    height: int

    @property
    def key(self) -> str:
        """All of the recipe as text: what the ledger keeps results under."""
        return f"1 {self.content_type} {self.width}x{self.height}"


def recipe_for(media: Media, rules: Rules, fit: str) -> Recipe | None:
    """What makes `media` fit `rules`; None where it fits already, and where no conversion can make it fit.

    :param fit: what is done with a shape that is not taken: "crop", "pad" or "leave"
    """
    return None
