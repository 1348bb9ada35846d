"""What the body of POST /2/tweets may hold: one table, and the walk that compares a body with it.

Rules that need the account, its media or its posts are the service's business.
Source: openapi.json 2.167, schema of the create-post request (no additional members at any level); the
exclusions are from 2.161.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.core import Call
from sandbox.x.errors import invalid

Check = Callable[[str, Any], None]

_ID = re.compile(r"[0-9]{1,19}")


def text(path: str, value: Any) -> None:
    if not isinstance(value, str):
        raise invalid(path, value, f"[$.{path}] must be a string")


def flag(path: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise invalid(path, value, f"[$.{path}] must be a boolean")


def identifier(path: str, value: Any) -> None:
    text(path, value)
    if not _ID.fullmatch(value):
        raise invalid(path, value, f"[$.{path}] does not match ^[0-9]{{1,19}}$")


def whole(least: int, most: int) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise invalid(path, value, f"[$.{path}] must be an integer from {least} to {most}")

    return check


def sized(least: int, most: int) -> Check:
    def check(path: str, value: Any) -> None:
        text(path, value)
        if not least <= len(value) <= most:
            raise invalid(path, value, f"[$.{path}] must have {least} to {most} characters")

    return check


def choice(*options: str) -> Check:
    def check(path: str, value: Any) -> None:
        if value not in options:
            raise invalid(path, value, f"[$.{path}] is not one of {', '.join(options)}")

    return check


def many(check_one: Check, least: int, most: int) -> Check:
    def check(path: str, value: Any) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise invalid(path, value, f"[$.{path}] must be an array of {least} to {most}")
        for one in value:
            check_one(path, one)

    return check


@dataclass(frozen=True)
class Members:
    """An object: its members and which of them must be there; nothing else may be."""

    members: dict[str, Check]
    required: tuple[str, ...] = ()

    def __call__(self, path: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise invalid(path or "body", value, f"[$.{path}] must be an object")
        for name, inner in value.items():
            where = f"{path}.{name}" if path else name
            if name not in self.members:
                raise invalid(where, inner, f"[$.{where}] is not defined in the schema")
            self.members[name](where, inner)
        for name in self.required:
            if name not in value:
                raise invalid(f"{path}.{name}".lstrip("."), "", f"[$.{path}] lacks required member {name}")


CREATE_POST = Members(
    {
        "text": text,
        "media": Members(
            {
                "media_ids": many(identifier, 1, 4),
                "tagged_user_ids": many(identifier, 0, 10),
                "title": text,
                "description": text,
                "embeddable": flag,
                "preview_media_id": identifier,
                "call_to_actions": Members(
                    {
                        "app_install": Members({"app_store_id": text, "play_store_id": text}),
                        "visit_site": Members({"url": text}, ("url",)),
                        "watch_now": Members({"url": text}, ("url",)),
                    }
                ),
            },
            ("media_ids",),
        ),
        "poll": Members(
            {
                "options": many(sized(1, 25), 2, 4),
                "duration_minutes": whole(5, 10080),
                "reply_settings": choice("following", "mentionedUsers", "subscribers", "verified"),
            },
            ("options", "duration_minutes"),
        ),
        "reply": Members(
            {
                "in_reply_to_tweet_id": identifier,
                "exclude_reply_user_ids": many(identifier, 0, 100),
                "auto_populate_reply_metadata": flag,
            },
            ("in_reply_to_tweet_id",),
        ),
        "quote_tweet_id": identifier,
        "reply_settings": choice("following", "mentionedUsers", "subscribers", "verified"),
        "for_super_followers_only": flag,
        "geo": Members({"place_id": text}, ("place_id",)),
        "community_id": identifier,
        "share_with_followers": flag,
        "made_with_ai": flag,
        "paid_partnership": flag,
        "edit_options": Members({"previous_post_id": identifier}, ("previous_post_id",)),
        "nullcast": flag,
        "card_uri": text,
        "direct_message_deep_link": text,
    }
)
EXCLUSIVE = (("media", "poll", "quote_tweet_id", "card_uri"), ("direct_message_deep_link", "card_uri"))

INITIALIZE = Members(
    {
        "media_type": choice(
            *("video/mp4", "video/webm", "video/mp2t", "video/quicktime", "text/srt", "text/vtt"),
            *("image/jpeg", "image/gif", "image/bmp", "image/png", "image/webp", "image/pjpeg", "image/tiff"),
            *("model/gltf-binary", "model/vnd.usdz+zip"),
        ),
        "total_bytes": whole(0, 17_179_869_184),
        "media_category": choice(
            *("amplify_video", "tweet_gif", "tweet_image", "tweet_video"),
            *("dm_gif", "dm_image", "dm_video", "subtitles"),
        ),
        "additional_owners": many(identifier, 0, 100),
        "shared": flag,
    },
    ("media_type", "total_bytes", "media_category"),
)
METADATA = Members(
    {
        "id": identifier,
        "metadata": Members({"alt_text": Members({"text": sized(0, 1000)}, ("text",))}),
    },
    ("id",),
)


def check_post(body: Any) -> None:
    """Refuse (400) what the schema does not allow."""
    CREATE_POST("", body)
    for group in EXCLUSIVE:
        given = [name for name in group if name in body]
        if len(given) > 1:
            raise invalid(given[1], "", f"[$.{given[1]}] cannot be combined with [$.{given[0]}]")
    if not body.get("text") and "media" not in body:
        raise invalid("text", "", "[$.text] is required where there is no media")


def json_body(call: Call) -> Any:
    """The JSON body, or 400."""
    if call.content_type != "application/json":
        raise invalid("Content-Type", call.content_type, "Content-Type must be application/json")
    try:
        return call.json()
    except ValueError:
        raise invalid("body", "", "Invalid JSON") from None
