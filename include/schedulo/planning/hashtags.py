"""Hashtags: as people list them in a cell, as they stand in a text, and how the two become one list."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_SIGN = re.compile(r"(?<![\w&/])[#＃]")
_BETWEEN = re.compile(r"[\s,;、，]+|(?=[#＃])")
_JOINERS = "_·\u200c\u200d"


def belongs(character: str) -> bool:
    """Whether a hashtag may go on with it: letters, digits, and the marks of scripts that need them."""
    return character in _JOINERS or unicodedata.category(character)[0] in "LMN"


def listed(cell: str) -> tuple[list[str], list[str]]:
    """The hashtags of a cell, with or without their sign in it; and what cannot be one. Both without sign."""
    good: list[str] = []
    bad: list[str] = []
    for word in filter(None, _BETWEEN.split(cell)):
        tag = word.lstrip("#＃")
        is_one = all(map(belongs, tag)) and any(unicodedata.category(sign)[0] == "L" for sign in tag)
        (good if is_one else bad).append(tag or word)
    return good, bad


def standing(text: str) -> list[str]:
    """The hashtags in a text, in order, without their sign."""
    found = []
    for match in _SIGN.finditer(text):
        end = match.end()
        while end < len(text) and belongs(text[end]):
            end += 1
        if end > match.end():
            found.append(text[match.end() : end])
    return found


def missing(tags: Iterable[str], texts: Iterable[str]) -> list[str]:
    """Each tag once, in order, but for those that stand in one of the texts; case is no difference."""
    seen = {tag.casefold() for text in texts for tag in standing(text)}
    found = []
    for tag in tags:
        if tag.casefold() not in seen:
            seen.add(tag.casefold())
            found.append(tag)
    return found


def joined(tags: Iterable[str]) -> str:
    return " ".join(f"#{tag}" for tag in tags)
