"""X's posts: how one is kept, and how reads show it.

Reads show links as t.co addresses and one more t.co address for attached media. Words changed in 2026
(openapi.json 2.166 -> 2.167); switch `x_spelling` chooses how answers are spelt: old, new, or blank (old,
with an empty string in the edit history, as seen on the wire). Queries are taken in both spellings.
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.core import LivePost
from sandbox.x.access import Account
from sandbox.x.media import Medium
from schedulo.text import urls

SHORT_POST = 280

NEW_NAMES = {
    "edit_history_tweet_ids": "edit_history_post_ids",
    "referenced_tweets": "referenced_posts",
    "referenced_tweets.id": "referenced_posts.id",
    "note_tweet": "note_post",
    "retweet_count": "repost_count",
    "tweet_count": "post_count",
    "pinned_tweet_id": "pinned_post_id",
    "most_recent_tweet_id": "most_recent_post_id",
    "tweets": "posts",
}
OLD_NAMES = {new: old for old, new in NEW_NAMES.items()}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


POST_FIELDS = _words(
    "id text edit_history_tweet_ids created_at author_id entities attachments referenced_tweets "
    "conversation_id "
    "in_reply_to_user_id public_metrics non_public_metrics organic_metrics promoted_metrics note_tweet "
    "lang possibly_sensitive reply_settings source edit_controls context_annotations geo withheld card_uri "
    "community_id display_text_range media_metadata scopes article suggested_source_links"
)
EXPANSIONS = _words(
    "attachments.media_keys attachments.poll_ids author_id referenced_tweets.id "
    "referenced_tweets.id.author_id in_reply_to_user_id entities.mentions.username geo.place_id "
    "edit_history_tweet_ids "
    "attachments.media_source_tweet article.cover_media article.media_entities"
)
MEDIA_FIELDS = _words(
    "media_key type url duration_ms width height public_metrics non_public_metrics organic_metrics "
    "promoted_metrics alt_text preview_image_url variants"
)
POLL_FIELDS = _words("id options duration_minutes end_datetime voting_status")
USER_FIELDS = _words(
    "id name username affiliation confirmed_email connection_status created_at description entities "
    "is_identity_verified location most_recent_tweet_id parody pinned_tweet_id profile_banner_url "
    "profile_image_url protected public_metrics receives_your_dm subscription subscription_type url verified "
    "verified_followers_count verified_type withheld"
)


@dataclass(frozen=True, slots=True)
class Poll:
    poll_id: str
    options: tuple[str, ...]
    minutes: int
    begun_at: float
    """Epoch seconds."""

    def shown(self, fields: frozenset[str], now: float) -> dict[str, Any]:
        """An element of `includes.polls`."""
        ends_at = self.begun_at + self.minutes * 60
        everything = {
            "id": self.poll_id,
            "options": [
                {"position": place, "label": label, "votes": 0} for place, label in enumerate(self.options, 1)
            ],
            "duration_minutes": self.minutes,
            "end_datetime": datetime.fromtimestamp(int(ends_at), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "voting_status": "open" if now < ends_at else "closed",
        }
        return {name: value for name, value in everything.items() if name in fields | {"id", "options"}}


@dataclass(slots=True)
class Post:
    number: int
    author: Account
    sent: str
    """The text as its author wrote it."""
    shown: str
    """The text as X shows it."""
    links: list[dict[str, Any]]
    received_at: float
    media: list[Medium]
    poll: Poll | None
    parent: Post | None
    reply_settings: str
    long: bool
    """Longer than a plain account may write: reads cut the text and have the whole in a note."""
    published_at: float
    """On the world's clock."""
    seeded: bool = False
    conversation: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    """Numbers that were seeded, by their old names; they do not grow."""
    gone_at: float | None = None
    """When it was deleted, or is to be, on the world's clock."""

    @property
    def post_id(self) -> str:
        return str(self.number)

    @property
    def deleted(self) -> bool:
        return self.gone_at is not None

    @property
    def is_video(self) -> bool:
        return bool(self.media) and self.media[0].family == "video"

    def out_at(self, at: float) -> bool:
        """Whether it is on the air at an instant of the world's clock."""
        return self.published_at <= at and (self.gone_at is None or at < self.gone_at)

    @property
    def created_at(self) -> str:
        return datetime.fromtimestamp(int(self.received_at), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def live(self) -> LivePost:
        kind = "text"
        if self.parent is not None:
            kind = "reply"
        elif self.poll is not None:
            kind = "poll"
        elif self.media:
            kind = {"image": "photo"}.get(self.media[0].family, self.media[0].family)
        return LivePost(
            platform="x",
            account_id=self.author.account_id,
            post_id=self.post_id,
            kind=kind,
            text=self.sent,
            media=[medium.digest for medium in self.media],
            parent_id=self.parent.post_id if self.parent else None,
            received_at=self.received_at,
        )


def normalised(text: str) -> str:
    """What the duplicate check compares."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFC", text)).strip()


def _short_link(number: int, order: int) -> str:
    return "https://t.co/" + hashlib.sha256(f"{number}/{order}".encode()).hexdigest()[:10]


def rewritten(
    text: str, number: int, author: Account, media: list[Medium]
) -> tuple[str, list[dict[str, Any]]]:
    """The text with t.co addresses, and `entities.urls` for it."""
    text = unicodedata.normalize("NFC", text)
    out, links, at = "", [], 0
    for order, url in enumerate(urls(text)):
        written = text[url.start : url.end]
        out += text[at : url.start]
        short = _short_link(number, order)
        expanded = written if "://" in written else f"http://{written}"
        display = expanded.partition("://")[2]
        links.append(
            {
                "start": len(out),
                "end": len(out) + len(short),
                "url": short,
                "expanded_url": expanded,
                "display_url": display if len(display) <= 27 else display[:26] + "…",
            }
        )
        out += short
        at = url.end
    out += text[at:]
    if media:
        short = _short_link(number, -1)
        out = f"{out} {short}" if out else short
        what = {"image": "photo"}.get(media[0].family, "video")
        where = f"x.com/{author.username}/status/{number}/{what}/1"
        for medium in media:
            links.append(
                {
                    "start": len(out) - len(short),
                    "end": len(out),
                    "url": short,
                    "expanded_url": f"https://{where}",
                    "display_url": f"pic.x.com/{short[-10:]}",
                    "media_key": medium.media_key,
                }
            )
    return out, links


def old_spelling(names: list[str]) -> list[str]:
    return [OLD_NAMES.get(name, name) for name in names]


def spelt(value: Any, spelling: str) -> Any:
    """An answer in the spelling that the switch asks for; answers are made in the old one."""
    if spelling == "old":
        return value
    if isinstance(value, list):
        return [spelt(one, spelling) for one in value]
    if not isinstance(value, dict):
        return value
    if spelling == "new":
        return {NEW_NAMES.get(name, name): spelt(inner, spelling) for name, inner in value.items()}
    return {k: [""] if k == "edit_history_tweet_ids" else spelt(v, spelling) for k, v in value.items()}


def shown_post(post: Post, fields: frozenset[str], mangled: bool) -> dict[str, Any]:
    """A post in a read, in the old spelling, without its numbers."""
    text = post.shown if not post.long else post.shown[: SHORT_POST - 3] + "…"
    if mangled:
        text = re.sub(r"[ \t]+", " ", html.escape(text, quote=False))
    attachments: dict[str, Any] = {}
    if post.media:
        attachments["media_keys"] = [medium.media_key for medium in post.media]
    if post.poll:
        attachments["poll_ids"] = [post.poll.poll_id]
    everything: dict[str, Any] = {
        "id": post.post_id,
        "text": text,
        "edit_history_tweet_ids": [post.post_id],
        "created_at": post.created_at,
        "author_id": post.author.account_id,
        "conversation_id": str(post.conversation),
        "lang": "und",
        "possibly_sensitive": False,
        "reply_settings": post.reply_settings,
        "edit_controls": {"edits_remaining": 5, "is_edit_eligible": False, "editable_until": post.created_at},
        "entities": {"urls": post.links} if post.links else None,
        "attachments": attachments or None,
        "note_tweet": {"text": post.shown} if post.long else None,
        "in_reply_to_user_id": post.parent.author.account_id if post.parent else None,
        "referenced_tweets": [{"type": "replied_to", "id": post.parent.post_id}] if post.parent else None,
    }
    wanted = fields | {"id", "text", "edit_history_tweet_ids"}
    return {name: value for name, value in everything.items() if name in wanted and value is not None}


def shown_medium(medium: Medium, fields: frozenset[str]) -> dict[str, Any]:
    """An element of `includes.media`, without its numbers."""
    what = medium.what
    everything = {
        "media_key": medium.media_key,
        "type": medium.kind,
        "width": getattr(what, "width", None),
        "height": getattr(what, "height", None),
        "duration_ms": int(what.duration_s * 1000)
        if what is not None and hasattr(what, "duration_s")
        else None,
        "url": f"https://pbs.twimg.com/media/{medium.digest[:15]}.jpg" if medium.family == "image" else None,
        "alt_text": medium.alt_text,
    }
    wanted = fields | {"media_key", "type"}
    return {name: value for name, value in everything.items() if name in wanted and value is not None}
