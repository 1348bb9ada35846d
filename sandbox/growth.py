"""How numbers grow: the same for the same thing at the same moment, whoever asks, however often.

A post's numbers rise quickly at first and come to rest within weeks; an account's followers rise for ever,
with days on which some leave. All follows from ids and ages alone, so that a test can ask later what was true
before.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache

DAY_S = 86_400

SHARES = {
    "views": 1.0,
    "reach": 0.8,
    "likes": 0.06,
    "comments": 0.006,
    "shares": 0.004,
    "saves": 0.01,
    "clicks": 0.015,
}
"""What part of a post's views each of its numbers comes to, about."""


@lru_cache(maxsize=1 << 18)
def chance(*about: object) -> float:
    """A number from 0 up to 1 that belongs to `about`."""
    digest = hashlib.sha256("/".join(map(str, about)).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def total(post_id: str, what: str, age_s: float, scale: float = 1.0) -> int:
    """A running total of a post at an age in seconds; it never falls. `what` is a word of `SHARES`, or
    another, which then gets a small part of its own."""
    if age_s <= 0:
        return 0
    height, pace_s = _curve(post_id, what)
    return int(scale * height * -math.expm1(-age_s / pace_s))


@lru_cache(maxsize=200_000)
def _curve(post_id: str, what: str) -> tuple[float, float]:
    """What a total comes to in the end, and how soon, in seconds. Kept, since thousands are asked for again
    and again."""
    part = SHARES.get(what, 0.001 + 0.01 * chance(post_id, what, "part"))
    views = 200 * math.exp(5 * chance(post_id, "size"))  # 200 to 30,000
    pace_s = (0.2 + 2.8 * chance(post_id, "pace")) * DAY_S
    return views * part * (0.5 + chance(post_id, what)), pace_s


def level(account_id: str, what: str, at: float) -> int:
    """How an account stands at an instant (epoch seconds), such as its followers."""
    base = 100 + int(20_000 * chance(account_id, what, "base"))
    days = at / DAY_S - 20_000
    rise = 20 * chance(account_id, what, "rise") * days
    sway = 15 * math.sin(days / 3 + 6 * chance(account_id, what))
    return max(0, int(base + rise + sway))


def of_day(account_id: str, what: str, day: int) -> int:
    """What one day of an account came to. `day` counts days, in whichever zone the platform counts them."""
    usual = 50 + 2_000 * SHARES.get(what, 0.05) * chance(account_id, what, "usual")
    return int(usual * (0.5 + chance(account_id, what, day)))


def between(account_id: str, what: str, start: float, end: float) -> int:
    """What an account came to from one instant to another (epoch seconds). Spans that adjoin add up, so that
    a day may be anybody's."""
    return _so_far(account_id, what, end) - _so_far(account_id, what, start)


def _so_far(account_id: str, what: str, at: float) -> int:
    usual = 50 + 2_000 * SHARES.get(what, 0.05) * chance(account_id, what, "usual")
    days, turn = at / DAY_S - 20_000, 6 * chance(account_id, what)
    waves = sum(0.4 / pace * math.sin(pace * days + turn) for pace in (2 * math.pi / 7, 1.9))
    return math.floor(usual * (days + waves))
