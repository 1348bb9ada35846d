"""How often a post's numbers are read: more often while it is young, less while they do not move.

Pure arithmetic: what was read is told by others. Instants are milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from schedulo.settings import Band

DOUBLINGS = 3
"""So often the time between two readings of a young post that rests may double: to eight times the band's."""
PUNCTUAL = 10
"""A reading is due a tenth of its interval early: the hourly run never comes at the same millisecond."""
WEEK_DAYS = 7


def next_reading_ms(
    bands: Sequence[Band], published_ms: int, read_ms: int | None, unmoved: int
) -> int | None:
    """When a young post is to be read again; None where the ends of its days are enough.

    :param read_ms: when it was read last; None: never
    :param unmoved: readings since its numbers were others the last time
    """
    last_ms = published_ms if read_ms is None else read_ms
    band = next((band for band in bands if last_ms - published_ms < band.until_ms), None)
    if band is None:
        return None
    every_ms = band.every_ms << min(unmoved, DOUBLINGS)
    if last_ms + every_ms - published_ms >= bands[-1].until_ms:
        return None
    return last_ms + every_ms - every_ms // PUNCTUAL


def is_wanted(on: date, published_on: date, days: int, *, still: bool) -> bool:
    """Whether a post's number of a day is to be had.

    :param days: for so many days after a post went out, the first one included
    :param still: its numbers have not changed for long: once a week is enough
    """
    age = (on - published_on).days
    return 0 <= age < days and (not still or age % WEEK_DAYS == 0)
