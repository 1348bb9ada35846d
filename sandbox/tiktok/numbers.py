"""TikTok's numbers: how videos and creators stand at an instant.

They grow by themselves (`growth`); those that were seeded stay as they are. Source: TikTok for Developers,
Display API.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox import growth
from sandbox.tiktok.accounts import Account
from sandbox.tiktok.tasks import Video

COUNTS = {"view_count": "views", "like_count": "likes", "comment_count": "comments", "share_count": "shares"}
"""TikTok's names, and the words of `growth`."""
SERVICE = "tiktok"


def post_counts(video: Video, at: float) -> dict[str, int]:
    """Those that were seeded win."""
    age_s = at - video.published_at
    return {
        name: growth.total(str(video.post_id), word, age_s) for name, word in COUNTS.items()
    } | video.counts


def account_counts(account: Account, at: float) -> dict[str, int]:
    """Of a creator; likes are those of the videos that everybody can see."""
    followers = account.followers
    if followers is None:
        followers = growth.level(account.account_id, "followers", at)
    public = [video for video in account.videos if video.task.public and video.out_at(at)]
    return {
        "follower_count": followers,
        "following_count": growth.level(account.account_id, "following", at) // 10,
        "likes_count": sum(post_counts(video, at)["like_count"] for video in public),
        "video_count": len(public),
    }


def rows(accounts: Iterable[Account], at: float) -> list[dict[str, Any]]:
    """All that is true of what is out (`Service.numbers`)."""
    found = []
    for account in accounts:
        told: list[tuple[str | None, dict[str, int]]] = [(None, account_counts(account, at))]
        told += [(str(video.post_id), post_counts(video, at)) for video in account.videos if video.out_at(at)]
        found += [
            {
                "platform": SERVICE,
                "account_id": account.account_id,
                "post_id": post_id,
                "metric": name,
                "value": value,
            }
            for post_id, counts in told
            for name, value in counts.items()
        ]
    return found
