"""Makes of a stored file another one that a platform takes, by a recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from schedulo.media.recipe import Recipe
from schedulo.media.store import MediaStore
from schedulo.model import Media, Problem
from schedulo.settings import Settings


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversion may use."""

    seconds: float
    memory_mb: int
    threads: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.convert_s, settings.convert_memory_mb, settings.convert_threads)


class ConversionError(Exception):
    """The file could not be converted. `problem` says so to the author of the post; `temporary`: the file may
    be good, and trying again later may help."""

    def __init__(self, problem: Problem, *, temporary: bool = False) -> None:
        super().__init__(problem.sentence())
        self.problem = problem
        self.temporary = temporary


def convert(
    store: MediaStore,
    media: Media,
    recipe: Recipe,
    limits: Limits,
    on_progress: Callable[[str], None],
) -> Media:
    """Make the file that `recipe` describes, put it into `store` and say what it is.

    Name (with the ending of its new type) and alt text are those of `media`. `on_progress` gets a short
    sentence now and then. Blocks; for worker tasks. Raises `ConversionError`, and `MissingMedia` where the
    store does not hold the source.
    """
    raise NotImplementedError
