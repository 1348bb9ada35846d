"""What can be read from Instagram: accounts, containers, media, lists, comments, the publishing limit.

Writing is in `containers`.

Sources: Meta, references of IG Container, IG Media, IG User media, content_publishing_limit, comments.
Switches: `ig_quota_total` 25|50|100 (default 50, where the account was seeded without its own);
`ig_login_caption` present|absent (does the media node have a caption for Instagram Login).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox import growth
from sandbox.core import sha256
from sandbox.meta.graph import GraphService, Request, iso, listing, names, read_int, select
from sandbox.meta.media_rules import KINDS
from sandbox.meta.store import DAY_S, Account, Comment, Container, Medium, within

COMMENTS_SHOWN = 50
MEDIA_SHOWN = 10_000
SENTENCES = {
    "IN_PROGRESS": "In Progress: Media is still being processed.",
    "FINISHED": "Finished: Media has been uploaded and it is ready to be published.",
    "PUBLISHED": "Published: Media has been published.",
    "EXPIRED": "Expired: Media was not published within 24 hours.",
}
CONTAINER_FIELDS = names("id status_code status copyright_check_status video_status")
MEDIA_FIELDS = names(
    "id caption media_type media_product_type media_url owner permalink shortcode thumbnail_url"
    " timestamp username children comments comments_count like_count is_comment_enabled is_shared_to_feed"
    " alt_text ig_id"
)
COMMENT_FIELDS = names("id text timestamp username like_count from media parent_id replies hidden")
ACCOUNT_FIELDS = names(
    "id user_id username name biography website account_type profile_picture_url ig_id"
    " followers_count follows_count media_count"
)


@dataclass(frozen=True, slots=True)
class Login:
    """One of the two ways to an Instagram account, with its scopes."""

    flavour: str
    read: tuple[str, ...]
    publish: tuple[str, ...]
    comment: tuple[str, ...]
    insights: tuple[str, ...]


INSTAGRAM_LOGIN = Login(
    "instagram_login",
    ("instagram_business_basic",),
    ("instagram_business_basic", "instagram_business_content_publish"),
    ("instagram_business_basic", "instagram_business_manage_comments"),
    ("instagram_business_basic", "instagram_business_manage_insights"),
)
FACEBOOK_LOGIN = Login(
    "facebook_login",
    ("instagram_basic", "pages_read_engagement"),
    ("instagram_basic", "instagram_content_publish", "pages_read_engagement"),
    ("instagram_basic", "instagram_manage_comments", "pages_read_engagement"),
    ("instagram_basic", "instagram_manage_insights", "pages_read_engagement"),
)


class Reading:
    """The Instagram edges of one host that read."""

    def __init__(self, service: GraphService, login: Login) -> None:
        self.service = service
        self.world = service.world
        self.store = service.store
        self.login = login

    def account(self, request: Request) -> Account:
        """The account of `/{ig-user-id}` (or `/me` with Instagram Login), if the token may act for it."""
        node = request.token.owners[0] if request.node == "me" else request.node
        account = self.store.nodes.get(node)
        if not isinstance(account, Account) or account.flavour != self.login.flavour:
            raise self.service.no_object(request.node)
        self._need_owner(account, request)
        return account

    def _need_owner(self, account: Account, request: Request) -> None:
        if account.account_id not in request.token.owners:
            raise self.service.no_object(request.node)

    def state(self, container: Container) -> str:
        """`status_code`. With `read_lag`, a published container still reads FINISHED for that long."""
        if container.media_id is not None:
            lags = container.published_at > self.world.visible_before(self.service.name)
            return "FINISHED" if lags else "PUBLISHED"
        if self.world.now() >= container.created_at + DAY_S:
            return "EXPIRED"
        uploading = container.upload is not None and not container.upload.done
        busy = container.fetching or uploading or container.ready_at > self.world.now()
        if busy or container.polls_left > 0:
            return "IN_PROGRESS"
        if container.failed is None:
            return "FINISHED"
        return "EXPIRED" if container.failed == "EXPIRED" else "ERROR"

    async def read_container(self, request: Request, container: Container) -> dict[str, Any]:
        self._need_owner(container.account, request)
        self.service.need(request, self.login.read)
        state = self.state(container)
        if state == "IN_PROGRESS" and container.polls_left:
            container.polls_left -= 1
        failed = "Error: Media upload has failed"
        if (container.failed or "").isdigit():
            failed += f" with error code {container.failed}"
        values = {
            "id": container.container_id,
            "status_code": state,
            "status": SENTENCES.get(state, failed),
            "copyright_check_status": {"matches_found": False, "status": "completed"},
            "video_status": _upload_status(container),
        }
        return select(values, request.params.get("fields"), CONTAINER_FIELDS, ("id",), self.service)

    def quota_total(self, account: Account) -> int:
        return account.quota_total or int(self.world.switch("ig_quota_total", "50"))

    async def limit(self, request: Request) -> dict[str, Any]:
        """`GET /{ig-user-id}/content_publishing_limit`."""
        account = self.account(request)
        self.service.need(request, self.login.read)
        now = self.world.now()
        since = read_int(request.params, "since", self.service)
        if since is not None and since < now - DAY_S:
            raise self.service.invalid("Param since must be within the last 24 hours")
        within(account.publish_times, now)
        used = sum(1 for at in account.publish_times if since is None or at >= since)
        total = self.quota_total(account)
        values = {"id": "", "quota_usage": used, "config": {"quota_total": total, "quota_duration": DAY_S}}
        known = frozenset(values)
        row = select(values, request.params.get("fields"), known, ("quota_usage",), self.service)
        return {"data": [{name: value for name, value in row.items() if name != "id"}]}

    async def read_account(self, request: Request, account: Account) -> dict[str, Any]:
        self._need_owner(account, request)
        self.service.need(request, self.login.read)
        by_me = request.node == "me"
        scoped = str(int(sha256(account.account_id.encode())[:14], 16))
        values = {
            # With Instagram Login `id` is scoped to the app; `user_id` is the one to publish with.
            "id": scoped if by_me else account.account_id,
            "user_id": account.account_id,
            "username": account.username,
            "name": account.name,
            "account_type": "BUSINESS",
            **levels(account, self.world.now()),
        }
        return select(values, request.params.get("fields"), ACCOUNT_FIELDS, ("id",), self.service)

    async def read_medium(self, request: Request, medium: Medium) -> dict[str, Any]:
        self._need_owner(medium.account, request)
        self.service.need(request, self.login.read)
        return self._describe_medium(request)(medium)

    async def media(self, request: Request) -> dict[str, Any]:
        """`GET /{ig-user-id}/media`: stories excluded."""
        account = self.account(request)
        self.service.need(request, self.login.read)
        return listing(request, self.service, account.media[-MEDIA_SHOWN:], self._describe_medium(request))

    async def stories(self, request: Request) -> dict[str, Any]:
        """`GET /{ig-user-id}/stories`: those of the last 24 hours."""
        account = self.account(request)
        self.service.need(request, self.login.read)
        young = [story for story in account.stories if story.created_at > self.world.now() - DAY_S]
        return listing(request, self.service, young, self._describe_medium(request))

    def _describe_medium(self, request: Request) -> Callable[[Medium], dict[str, Any]]:
        mangles = self.world.faults.take(
            ("mangle_text",), request.call, self.service.account_of(request.call)
        )
        hides = self.login is INSTAGRAM_LOGIN and self.world.switch("ig_login_caption", "present") == "absent"

        def values(medium: Medium) -> dict[str, Any]:
            kind = KINDS[medium.kind]
            caption = mangled(medium.caption) if mangles else medium.caption
            return {
                "id": medium.media_id,
                "caption": None if hides else caption or None,
                "media_type": kind.media_type,
                "media_product_type": kind.product,
                "owner": {"id": medium.account.account_id},
                "username": medium.account.username,
                "permalink": _permalink(medium),
                "shortcode": medium.shortcode,
                "alt_text": medium.alt_text or None,
                "thumbnail_url": f"https://scontent.cdninstagram.com/{medium.cover or medium.digests[0]}.jpg"
                if kind.media_type == "VIDEO"
                else None,
                "timestamp": iso(medium.created_at),
                "comments_count": len(medium.comments),
                "like_count": growth.total(
                    medium.media_id, "likes", self.world.now() - medium.created_at, medium.scale
                ),
                "children": {"data": [values(c) for c in medium.children]} if medium.children else None,
                "comments": {"data": [_comment(c) for c in reversed(medium.comments)]},
            }

        asked = request.params.get("fields")
        return lambda medium: select(values(medium), asked, MEDIA_FIELDS, ("id",), self.service)

    async def children(self, request: Request) -> dict[str, Any]:
        """`GET /{ig-media-id}/children`: the items of a carousel in their order."""
        medium = self.store.nodes.get(request.node)
        if not isinstance(medium, Medium):
            raise self.service.no_object(request.node)
        self._need_owner(medium.account, request)
        self.service.need(request, self.login.read)
        return {"data": [self._describe_medium(request)(child) for child in medium.children]}

    async def comments(self, request: Request, parent: Medium | Comment) -> dict[str, Any]:
        """At most 50, newest first, top level only."""
        if self.store.owner_of(request.node) not in request.token.owners:
            raise self.service.no_object(request.node)
        self.service.need(request, self.login.comment)
        asked, default = request.params.get("fields"), ("id", "text", "timestamp")
        request.params.setdefault("limit", str(COMMENTS_SHOWN))
        return listing(
            request,
            self.service,
            parent.comments,
            lambda comment: select(_comment(comment), asked, COMMENT_FIELDS, default, self.service),
            max_limit=COMMENTS_SHOWN,
        )

    async def read_comment(self, request: Request, comment: Comment) -> dict[str, Any]:
        if comment.account_id not in request.token.owners:
            raise self.service.no_object(request.node)
        asked = request.params.get("fields")
        return select(_comment(comment), asked, COMMENT_FIELDS, ("id", "text", "timestamp"), self.service)


def levels(account: Account, at: float) -> dict[str, int]:
    """How an account stands at an instant of the world's clock, by the names of its fields."""
    followers = account.followers
    return {
        "followers_count": growth.level(account.account_id, "followers", at)
        if followers is None
        else followers,
        "follows_count": growth.level(account.account_id, "follows", at),
        "media_count": sum(medium.created_at <= at for medium in account.media),
    }


def mangled(text: str) -> str:
    """As captions were seen to come back: without the @ sign, spaces collapsed."""
    return re.sub(r"\s+", " ", text.replace("@", "")).strip()


def _comment(comment: Comment) -> dict[str, Any]:
    return {
        "id": comment.comment_id,
        "text": comment.text,
        "timestamp": iso(comment.created_at),
        "username": comment.author,
        "from": {"id": comment.account_id, "username": comment.author},
        "like_count": 0,
        "parent_id": comment.parent_id,
        "hidden": False,
    }


def _permalink(medium: Medium) -> str | None:
    """Children have none."""
    if medium.parent is not None:
        return None
    if KINDS[medium.kind].product == "STORY":
        return f"https://www.instagram.com/stories/{medium.account.username}/{medium.media_id}"
    folder = "reel" if KINDS[medium.kind].product == "REELS" else "p"
    return f"https://www.instagram.com/{folder}/{medium.shortcode}/"


def _upload_status(container: Container) -> dict[str, Any] | None:
    upload = container.upload
    if upload is None:
        return None
    return {
        "uploading_phase": {
            "status": "complete" if upload.done else "in_progress" if upload.content else "not_started",
            "bytes_transferred": len(upload.content),
            "source_file_size": upload.size_bytes or 0,
        },
        "processing_phase": {
            "status": "error" if container.failed else "in_progress" if upload.done else "not_started"
        },
    }
