"""X's numbers: how posts, their videos and accounts stand at an instant, and what reading them costs.

Numbers grow by themselves (`growth`); those that were seeded stay as they are. Posts are never promoted here,
so that their organic numbers are all there are. Source: X API documentation, "Metrics", "Pricing".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sandbox import growth
from sandbox.x.access import Account
from sandbox.x.posts import NEW_NAMES, OLD_NAMES, Post

PRIVATE_SECONDS = 30 * growth.DAY_S
"""What only authors may read, they may read for so long."""
PUBLIC = {
    "retweet_count": "shares",
    "reply_count": "comments",
    "like_count": "likes",
    "quote_count": "quotes",
    "bookmark_count": "saves",
    "impression_count": "views",
}
"""X's names, old spelling, and the words of `growth`."""
CLICKS = {"url_link_clicks": "clicks", "user_profile_clicks": "profile clicks"}
ENGAGEMENTS = {"engagements": "engagements"}
PRIVATE = {
    "non_public_metrics": ("impression_count", *CLICKS, *ENGAGEMENTS),
    "organic_metrics": ("impression_count", "like_count", "reply_count", "retweet_count", *CLICKS),
    "promoted_metrics": (),
}
"""Fields for authors alone; `promoted_metrics` is for posts that were promoted."""
WORDS = PUBLIC | CLICKS | ENGAGEMENTS
PLAYED = {0: 1.0, 25: 0.7, 50: 0.5, 75: 0.35, 100: 0.2}
"""Which part of a video's viewers see so many percent of it."""

PRICES_USD = {"post read": 0.005, "own post read": 0.001, "user read": 0.010, "own user read": 0.0}
"""Of one. X's staff say that asking who one is costs nothing."""


def seeded(counts: dict[str, int]) -> dict[str, int]:
    """Numbers of a post that are to stay, by their old names."""
    old = {OLD_NAMES.get(name, name): value for name, value in counts.items()}
    if unknown := old.keys() - {*WORDS, "view_count"}:
        raise ValueError(f"X has no number {', '.join(sorted(unknown))} of a post")
    return old


def post_counts(post: Post, names: Iterable[str], at: float) -> dict[str, int]:
    age_s = at - post.published_at
    return {
        name: post.counts[name] if name in post.counts else growth.total(post.post_id, WORDS[name], age_s)
        for name in names
    }


def video_counts(post: Post, at: float) -> dict[str, int]:
    """Of the video of a post: `view_count` for all, the others for its author."""
    views = post.counts.get("view_count")
    if views is None:
        views = growth.total(post.post_id, "video views", at - post.published_at)
    return {"view_count": views} | {
        f"playback_{percent}_count": int(views * part) for percent, part in PLAYED.items()
    }


def account_counts(account: Account, at: float) -> dict[str, int]:
    """`public_metrics` of an account, old spelling."""
    followers = account.followers
    if followers is None:
        followers = growth.level(account.account_id, "followers", at)
    return {
        "followers_count": followers,
        "following_count": growth.level(account.account_id, "following", at),
        "tweet_count": sum(post.out_at(at) for post in account.posts),
        "listed_count": growth.level(account.account_id, "listed", at) // 100,
        "like_count": growth.level(account.account_id, "liked", at),
    }


def rows(accounts: Iterable[Account], at: float) -> list[dict[str, Any]]:
    """All that is true of what is out, in the new spelling (`Service.numbers`)."""
    found = []
    for account in accounts:
        told: list[tuple[str | None, dict[str, int]]] = [(None, account_counts(account, at))]
        for post in account.posts:
            if post.out_at(at):
                videos = video_counts(post, at) if post.is_video else {}
                told.append((post.post_id, post_counts(post, WORDS, at) | videos))
        found += [
            {
                "platform": "x",
                "account_id": account.account_id,
                "post_id": post_id,
                "metric": NEW_NAMES.get(name, name),
                "value": value,
            }
            for post_id, counts in told
            for name, value in counts.items()
        ]
    return found


class Bill:
    """What was read: the same thing is charged for once a UTC day."""

    def __init__(self) -> None:
        self._charged: set[tuple[int, str, str]] = set()
        self.counts: Counter[str] = Counter()

    def charge(self, what: str, resource_id: str, now: float) -> None:
        """`what` is a word of `PRICES_USD`."""
        key = (int(now // growth.DAY_S), what.removeprefix("own "), resource_id)
        if key not in self._charged:
            self._charged.add(key)
            self.counts[what] += 1

    @property
    def post_reads(self) -> int:
        return self.counts["post read"] + self.counts["own post read"]

    def rows(self) -> list[dict[str, Any]]:
        """As `Service.costs` tells them."""
        return [
            {"service": "x", "what": what, "count": count, "usd": count * PRICES_USD[what]}
            for what, count in sorted(self.counts.items())
        ]
