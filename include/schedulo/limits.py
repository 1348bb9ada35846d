"""How much platforms take of an account, or of our app, within a span of time: one row a limit.

All are counted as windows that roll. Where a platform's own window is fixed, that is the stricter reading:
what fits any span fits a fixed one. What an account has used is `delivery.quotas`' part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from schedulo.model import Format, Platform

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
NAMES = {
    Platform.INSTAGRAM: "Instagram",
    Platform.TIKTOK: "TikTok",
    Platform.X: "X",
    Platform.FACEBOOK: "Facebook",
}
Weigh = Callable[[Mapping[str, Any]], int]
"""How much a post takes of a limit, by its content as JSON."""


@dataclass(frozen=True, slots=True)
class Limit:
    platform: Platform
    name: str
    what: str
    """What is counted, for people: "posts"."""
    most: int
    """What the platform's pages say; 0: nothing is counted unless a number is set or told."""
    window_s: int
    source: str
    weigh: Weigh
    by_app: bool = False
    """All accounts share it: it is our app's."""
    accounts: bool = False
    """It is accounts that are counted, not posts."""
    ceiling: int = 0
    """A number beyond this that the platform tells is not the bound; 0: any is."""

    @property
    def full_name(self) -> str:
        return f"{self.platform}.{self.name}"


def _post(_content: Mapping[str, Any]) -> int:
    return 1


def _containers(content: Mapping[str, Any]) -> int:
    return len(content["media"]) + 1 if content["format"] == Format.CAROUSEL else 1


def _reel(content: Mapping[str, Any]) -> int:
    return int(content["format"] == Format.REEL)


def _parts(content: Mapping[str, Any]) -> int:
    return 1 + len(content.get("thread") or ()) + bool(content.get("first_comment"))


def _direct(content: Mapping[str, Any]) -> int:
    return int(content["format"] not in (Format.DRAFT, Format.IMAGES_DRAFT))


def _pictures(content: Mapping[str, Any]) -> int:
    """Pictures are posted by the request that is limited; a file is announced long before it is due."""
    return int(content["format"] in (Format.IMAGE, Format.IMAGES, Format.IMAGES_DRAFT))


GUIDE = "Meta: content publishing guide; the reference says 50 or what the account is told"
REELS = "Meta: video_reels, publishing limit"
RATES = "X: rate limits"
PLANS = "X: rate limits of 2025 by plan (Free 17, Basic 100)"
INTEGRATE = "X: manage posts, integration guide (300)"
CAPS = "TikTok: content sharing guidelines"
LIMITS: tuple[Limit, ...] = (
    Limit(Platform.INSTAGRAM, "posts", "posts", 50, DAY_S, GUIDE, _post),
    Limit(Platform.INSTAGRAM, "containers", "containers", 400, DAY_S, GUIDE, _containers),
    Limit(Platform.FACEBOOK, "reels", "reels", 30, DAY_S, REELS, _reel),
    Limit(Platform.X, "posts", "posts", 100, 15 * MINUTE_S, RATES, _parts, ceiling=1000),
    Limit(Platform.X, "posts_3h", "posts", 0, 3 * HOUR_S, INTEGRATE, _parts),
    Limit(Platform.X, "posts_day", "posts", 0, DAY_S, PLANS, _parts),
    Limit(Platform.X, "app_day", "posts", 10_000, DAY_S, RATES, _parts, by_app=True),
    Limit(Platform.TIKTOK, "pictures_minute", "posts of pictures", 6, MINUTE_S, CAPS, _pictures),
    Limit(Platform.TIKTOK, "posts", "posts", 15, DAY_S, CAPS, _direct),
    Limit(Platform.TIKTOK, "creators", "accounts", 0, DAY_S, CAPS, _direct, by_app=True, accounts=True),
)
BY_NAME = {limit.full_name: limit for limit in LIMITS}


def span(seconds: int) -> str:
    """A window as people say it: "24 hours"."""
    for size, word in ((HOUR_S, "hour"), (MINUTE_S, "minute")):
        if seconds >= size and seconds % size == 0:
            number = seconds // size
            return f"{number} {word}s" if number > 1 else f"{'an' if word == 'hour' else 'a'} {word}"
    return f"{seconds} seconds"
