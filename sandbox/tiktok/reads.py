"""TikTok's reads: the profile, the list of public videos, videos by id.

Switches: `tiktok_list_photos`, whether posts of pictures are among them, no (default; no page says so) or
yes; `tiktok_private_accounts`, ids of accounts whose videos nobody sees any more; `tiktok_retired_fields`,
fields that are not known any more; both with commas between them. Source: TikTok for Developers, Display API.
"""

from __future__ import annotations

from typing import Any

from sandbox.core import Call, Reply, World
from sandbox.tiktok import numbers
from sandbox.tiktok.accounts import Token
from sandbox.tiktok.answers import Body, ok, refused
from sandbox.tiktok.numbers import SERVICE
from sandbox.tiktok.tasks import Video

MOST_LISTED = 20

USER_FIELDS = {
    "open_id": "user.info.basic",
    "union_id": "user.info.basic",
    "avatar_url": "user.info.basic",
    "avatar_url_100": "user.info.basic",
    "avatar_large_url": "user.info.basic",
    "display_name": "user.info.basic",
    "bio_description": "user.info.profile",
    "profile_deep_link": "user.info.profile",
    "is_verified": "user.info.profile",
    "username": "user.info.profile",
    "follower_count": "user.info.stats",
    "following_count": "user.info.stats",
    "likes_count": "user.info.stats",
    "video_count": "user.info.stats",
}
VIDEO_FIELDS = (
    *(
        "id",
        "create_time",
        "cover_image_url",
        "share_url",
        "video_description",
        "duration",
        "height",
        "width",
    ),
    *("title", "embed_html", "embed_link", "like_count", "comment_count", "share_count", "view_count"),
)


class Reads:
    """The handlers, and everything that was posted."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.videos: dict[int, Video] = {}

    def remove(self, post_id: str) -> bool:
        """Take a video off the air."""
        video = self.videos.get(int(post_id)) if post_id.isdecimal() else None
        if video is None or not video.out_at(self._world.now()):
            return False
        video.gone_at = self._world.now()
        return True

    def _named(self, switch: str) -> list[str]:
        return [name for name in self._world.switch(switch, "").split(",") if name]

    def _fields(self, call: Call, known: tuple[str, ...]) -> list[str]:
        fields = [name for name in (call.query_value("fields") or "").split(",") if name]
        if not fields or not set(fields) <= set(known).difference(self._named("tiktok_retired_fields")):
            raise refused("invalid_params", "fields must name known fields")
        return fields

    async def user_info(self, call: Call, token: Token) -> Reply:
        fields = self._fields(call, tuple(USER_FIELDS))
        if any(USER_FIELDS[name] not in token.scopes for name in fields):
            raise refused("scope_not_authorized")
        account = token.account
        known: dict[str, Any] = {
            "open_id": account.account_id,
            "union_id": f"union-{account.account_id}",
            "display_name": account.username,
            "username": account.username,
            "is_verified": False,
        }
        if any(name.endswith("_count") for name in fields):
            known |= numbers.account_counts(account, self._world.now())
        return ok({"user": {name: known.get(name, "") for name in fields}})

    def _listed(self, video: Video, fields: list[str]) -> dict[str, Any]:
        what, username = video.what, video.task.account.username
        known: dict[str, Any] = {
            "id": str(video.post_id),
            "create_time": int(video.received_at),
            "share_url": f"https://www.tiktok.com/@{username}/{video.task.kind}/{video.post_id}",
            "video_description": video.task.text,
            "title": video.task.title or video.task.text,
            "duration": int(what.duration_s) if what else 0,
            "height": what.height if what else 0,
            "width": what.width if what else 0,
        }
        known |= numbers.post_counts(video, self._world.now())
        return {name: known.get(name, "") for name in fields}

    def _visible(self, video: Video) -> bool:
        listed = video.task.kind == "video" or self._world.switch("tiktok_list_photos", "no") == "yes"
        hidden = video.task.account.account_id in self._named("tiktok_private_accounts")
        seen = video.seeded or video.received_at < self._world.visible_before(SERVICE)
        return listed and video.task.public and not hidden and seen and video.out_at(self._world.now())

    def _refuse_if_unreadable(self) -> None:
        if self._world.faults.argument("unreadable", SERVICE) is not None:
            raise refused("scope_permission_missed")

    async def video_list(self, call: Call, token: Token) -> Reply:
        """Public videos, newest first; the cursor is a time in milliseconds."""
        self._refuse_if_unreadable()
        fields = self._fields(call, VIDEO_FIELDS)
        body = Body.of(self._world, call)
        body.allow("cursor", "max_count")
        count = body.number("max_count", 10)
        if not 1 <= count <= MOST_LISTED:
            raise body.invalid(f"max_count must be from 1 to {MOST_LISTED}")
        cursor = body.number("cursor", 0) or None
        page: list[Video] = []
        more = False
        for video in reversed(token.account.videos):
            if not self._visible(video) or (cursor is not None and video.received_at * 1000 >= cursor):
                continue
            if len(page) == count:
                more = True
                break
            page.append(video)
        following = int(page[-1].received_at * 1000) if page else 0
        videos = [self._listed(video, fields) for video in page]
        return ok({"videos": videos, "cursor": following, "has_more": more})

    async def video_query(self, call: Call, token: Token) -> Reply:
        self._refuse_if_unreadable()
        fields = self._fields(call, VIDEO_FIELDS)
        body = Body.of(self._world, call)
        body.allow("filters")
        ids = body.inner("filters").texts("video_ids", 1, MOST_LISTED)
        found = [
            video
            for one in ids
            if one.isdecimal()
            and (video := self.videos.get(int(one)))
            and video.task.account is token.account
            and self._visible(video)
        ]
        return ok({"videos": [self._listed(video, fields) for video in found]})
