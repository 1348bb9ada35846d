"""A strict stand-in for TikTok's API v2 (https://open.tiktokapis.com): posting, profile, lists, tokens.

Seed: `{"clients": [{client_key, client_secret, audited, verified_prefixes,
hook_url?}], "accounts": [{account_id
(open_id), username, token, refresh_token?, scopes?, privacy_options?, max_video_post_duration_sec?,
comment_disabled?, duet_disabled?, stitch_disabled?, client_key?, limits?, followers?, token_expires_at?}],
"posts": [{account_id, post_id, kind, text?, privacy?, published_at, gone_at?}], "metrics": {post id: {name:
number}}}`; `limits: "off"` lifts minute and day limits, `followers` stay as given, a post's kind is video or
photo. A post goes live when its last byte has arrived. Switches: see `answers`, `accounts`, `hooks`, `reads`,
`tasks`. In the app (`POST /_sandbox/in_app/tiktok/<verb>`): `remove_authorization` {account_id, reason?},
`post_draft` {publish_id}.
Source: TikTok for Developers, Content Posting API v2, Display API.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from bisect import insort
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sandbox.core import Call, LivePost, Refused, Reply, Route, Service, World, route, sha256
from sandbox.media import FetchError, fetch
from sandbox.probe import VideoFile, probe
from sandbox.tiktok import numbers
from sandbox.tiktok.accounts import ALL_PRIVACY, ALLOWANCES, PUBLIC, Access, Account, Client, Token
from sandbox.tiktok.answers import CODE_OF_STATUS, Body, error, log_id, ok, refused
from sandbox.tiktok.hooks import REASONS, Hooks
from sandbox.tiktok.reads import Reads
from sandbox.tiktok.rules import chunk_plan, photo_fault, video_fault
from sandbox.tiktok.tasks import Task, Video, take_chunk, upload_url
from schedulo.text import utf16_length

DAY_SECONDS = 24 * 3600
MOST_DIRECT_POSTS = 15
MOST_PENDING_SHARES = 5
MOST_TITLE = 2200
MOST_PHOTO_TITLE, MOST_PHOTO_DESCRIPTION = 90, 4000
"""UTF-16 code units."""
MOST_PHOTOS = 35
SEEDED_KINDS = {"video": "v_pub_file", "photo": "p_pub_url"}
"""And how their publish ids begin."""
LOOPBACK = ("127.0.0.1", "localhost")

Work = Callable[[Call, Token], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who may call, and how often."""

    scopes: tuple[str, ...]
    """One of these is enough."""
    per_minute: int
    """Per token."""


PUBLISH, UPLOAD = "video.publish", "video.upload"
ENDPOINTS = {
    "creator_info": Endpoint((PUBLISH,), 20),
    "video_init": Endpoint((PUBLISH,), 6),
    "inbox_init": Endpoint((UPLOAD,), 6),
    "content_init": Endpoint((PUBLISH, UPLOAD), 6),
    "status": Endpoint((PUBLISH, UPLOAD), 30),
    "cancel": Endpoint((PUBLISH, UPLOAD), 30),
    "user_info": Endpoint(("user.info.basic", "user.info.profile", "user.info.stats"), 600),
    "video_list": Endpoint(("video.list",), 600),
    "video_query": Endpoint(("video.list",), 600),
}


class TikTok(Service):
    """TikTok's API v2."""

    name = "tiktok"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.access = Access(world)
        self._tasks: dict[str, Task] = {}
        self._inbox: list[dict[str, Any]] = []
        self.reads = Reads(world)
        self.hooks = Hooks(world)
        self._last_post_id = 0
        publish = "/v2/post/publish"
        self.routes = [
            self._route("POST", f"{publish}/creator_info/query/", "creator_info", self.creator_info),
            self._route("POST", f"{publish}/video/init/", "video_init", self.video_init),
            self._route("POST", f"{publish}/inbox/video/init/", "inbox_init", self.inbox_init),
            self._route("POST", f"{publish}/content/init/", "content_init", self.content_init),
            self._route("POST", f"{publish}/status/fetch/", "status", self.status),
            self._route("POST", f"{publish}/cancel/", "cancel", self.cancel),
            self._route("GET", "/v2/user/info/", "user_info", self.reads.user_info),
            self._route("POST", "/v2/video/list/", "video_list", self.reads.video_list),
            self._route("POST", "/v2/video/query/", "video_query", self.reads.video_query),
            route("PUT", "/upload/{publish_id}", "upload", self.upload),
            route("POST", "/v2/oauth/token/", "oauth_token", self.oauth_token),
            route("POST", "/v2/oauth/revoke/", "oauth_revoke", self.oauth_revoke),
        ]

    # --- what the frame asks ---

    def reset(self) -> None:
        self.access = Access(self.world)
        self._tasks.clear()
        self._inbox.clear()
        self.reads.videos.clear()
        self.hooks.reset()

    def seed(self, data: dict[str, Any]) -> None:
        self.access.seed(data)
        for one in data.get("posts", []):
            self._seed_post(**one)
        for post_id, counts in data.get("metrics", {}).items():
            if unknown := counts.keys() - numbers.COUNTS:
                raise ValueError(f"TikTok has no number {', '.join(sorted(unknown))} of a video")
            self.reads.videos[int(post_id)].counts.update(counts)

    def _seed_post(
        self,
        account_id: str,
        post_id: str,
        kind: str,
        published_at: float,
        text: str = "",
        privacy: str = PUBLIC,
        gone_at: float | None = None,
    ) -> None:
        """A post that went on the air, or will, without having been sent."""
        token = next(
            (one for one in self.access.tokens.values() if one.account.account_id == account_id), None
        )
        new = post_id.isdecimal() and int(post_id) not in self.reads.videos
        if token is None or not new or kind not in SEEDED_KINDS or privacy not in ALL_PRIVACY:
            raise ValueError(
                f"post {post_id!r}, account {account_id!r}, kind {kind!r}, privacy {privacy!r}: the id must "
                f"be new and a number, the account known, the kind one of {', '.join(SEEDED_KINDS)}"
            )
        publish_id = f"{SEEDED_KINDS[kind]}~v2-1.seeded-{post_id}"
        task = Task(publish_id, token.account, token.client, True, kind, text, privacy, published_at)
        task.state, task.post_id = "done", int(post_id)
        self._tasks[publish_id] = task
        video = Video(task.post_id, task, published_at, None, published_at, seeded=True, gone_at=gone_at)
        self._on_air(video, [sha256(post_id.encode())])

    def _on_air(self, video: Video, digests: list[str]) -> None:
        task = video.task
        self.reads.videos[video.post_id] = video
        insort(task.account.videos, video, key=_received_at)
        self.world.publish(
            LivePost(
                platform=self.name,
                account_id=task.account.account_id,
                post_id=str(video.post_id),
                kind=task.kind,
                text=task.text,
                media=digests,
                parent_id=None,
                received_at=video.received_at,
            )
        )

    def numbers(self, at: float) -> list[dict[str, Any]]:
        return numbers.rows(self.access.accounts.values(), at)

    def remove(self, post_id: str) -> bool:
        gone = self.reads.remove(post_id)
        if gone:
            self.hooks.hidden(self.reads.videos[int(post_id)].task)
        return gone

    def in_app(self, verb: str, data: dict[str, Any]) -> None:
        match verb:
            case "remove_authorization":
                reason = int(data.get("reason", 1))
                if reason not in REASONS:
                    raise ValueError(f"reason {reason}: it must be from 0 to 5")
                for key in self.access.remove(data["account_id"]):
                    client = self.access.clients[key]
                    self.hooks.authorization_removed(client, data["account_id"], reason)
            case "post_draft":
                self._post_draft(self._tasks[data["publish_id"]])
            case _:
                super().in_app(verb, data)

    def _post_draft(self, task: Task) -> None:
        draft = next((one for one in self._inbox if one["post_id"] == task.publish_id), None)
        if draft is None:
            raise ValueError(f"no draft {task.publish_id} waits in an inbox")
        self._inbox.remove(draft)
        task.account.pending_shares.pop(task.publish_id, None)
        task.shared, task.privacy = True, PUBLIC
        now = self.world.now()
        self._post(task, draft["media"], time.time(), None, now)

    def inbox(self) -> list[dict[str, Any]]:
        return self._inbox

    def account_of(self, call: Call) -> str | None:
        if call.route == "upload":
            task = self._tasks.get(call.args["publish_id"])
            return task.account.account_id if task else None
        token = self.access.tokens.get(call.bearer() or "")
        return token.account.account_id if token else None

    def refusal(self, status: int, call: Call, code: str = "", subcode: str = "") -> Reply:
        """`code` is one of TikTok's words, such as `403/reached_active_user_cap`."""
        if call.route == "upload":
            return Reply(status)
        return error(code or CODE_OF_STATUS.get(status, "internal_error"), status=status)

    def expire_token(self, call: Call) -> None:
        token = self.access.tokens.get(call.bearer() or "")
        if token is not None:
            token.expires_at = self.world.now()

    def not_found(self, call: Call) -> Reply:
        return Reply(404, "Unsupported path(Janus)", {"Content-Type": "text/plain"})

    # --- who, and how often ---

    def _route(self, method: str, path: str, name: str, work: Work) -> Route:
        endpoint = ENDPOINTS[name]

        async def handler(call: Call) -> Reply:
            token = self.access.tokens.get(call.bearer() or "")
            if token is None or (token.expires_at is not None and self.world.now() >= token.expires_at):
                raise refused(
                    "access_token_invalid", "The access token is invalid or not found in the request."
                )
            if token.scopes.isdisjoint(endpoint.scopes):
                raise refused("scope_not_authorized")
            if not self.access.allowed(token, name, endpoint.per_minute):
                raise refused("rate_limit_exceeded")
            return await work(call, token)

        return route(method, path, name, handler)

    # --- before posting ---

    def _posts_today(self, account: Account) -> int:
        while account.direct_posts and account.direct_posts[0] <= self.world.now() - DAY_SECONDS:
            account.direct_posts.popleft()
        return len(account.direct_posts)

    def _day_is_full(self, account: Account) -> bool:
        return not account.unlimited and self._posts_today(account) >= MOST_DIRECT_POSTS

    async def creator_info(self, call: Call, token: Token) -> Reply:
        account = token.account
        if self._day_is_full(account):
            return error("spam_risk_too_many_posts", status=200)
        return ok(
            {
                "creator_avatar_url": f"{call.base_url}/avatar/{account.username}",
                "creator_username": account.username,
                "creator_nickname": account.username,
                "privacy_level_options": list(account.privacy_options),
                **{f"{name}_disabled": name in account.off for name in ALLOWANCES},
                "max_video_post_duration_sec": account.max_duration_s,
            }
        )

    def _check_direct(self, token: Token, post: Body) -> str:
        """The rules of a direct post; its privacy level."""
        account = token.account
        privacy = post.choice("privacy_level", *ALL_PRIVACY)
        branded = post.flag("brand_content_toggle")
        post.flag("brand_organic_toggle")
        post.flag("disable_comment")
        if branded and privacy == "SELF_ONLY":
            raise post.invalid("Branded content visibility cannot be set to private")
        if not token.client.audited and (privacy != "SELF_ONLY" or PUBLIC in account.privacy_options):
            raise refused("unaudited_client_can_only_post_to_private_accounts")
        if privacy not in account.privacy_options:
            raise refused("privacy_level_option_mismatch")
        if self._day_is_full(account):
            raise refused("spam_risk_too_many_posts")
        return privacy

    def _check_share(self, account: Account) -> None:
        since = self.world.now() - DAY_SECONDS
        account.pending_shares = {key: at for key, at in account.pending_shares.items() if at > since}
        if len(account.pending_shares) >= MOST_PENDING_SHARES and not account.unlimited:
            raise refused("spam_risk_too_many_pending_share")

    @staticmethod
    def _limited_text(post: Body, name: str, most: int) -> str:
        value = post.text(name, "")
        if utf16_length(value) > most:
            raise post.invalid(f"{name} is longer than {most} UTF-16 code units")
        return value

    def _owned_url(self, client: Client, url: str) -> str:
        """Only https, except to this machine; only under what the client has proved to own."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise refused("url_ownership_unverified")
        for owned in client.verified_prefixes:
            if "://" in owned:
                if url.startswith(owned):
                    return url
            elif parts.hostname == owned or (parts.hostname or "").endswith("." + owned):
                return url
        raise refused("url_ownership_unverified")

    # --- init ---

    def _open(self, token: Token, prefix: str, task: dict[str, Any]) -> Task:
        publish_id = f"{prefix}~v2-1.{secrets.randbelow(10**19):019d}"
        made = Task(publish_id, token.account, token.client, began_at=self.world.now(), **task)
        self._tasks[publish_id] = made
        if not made.direct:
            token.account.pending_shares[publish_id] = made.began_at
        return made

    def _open_video(self, call: Call, token: Token, source: Body, task: dict[str, Any]) -> Reply:
        prefix = "v_pub" if task["direct"] else "v_inbox"
        if source.choice("source", "FILE_UPLOAD", "PULL_FROM_URL") == "FILE_UPLOAD":
            source.allow("source", "video_size", "chunk_size", "total_chunk_count")
            made = self._open(token, f"{prefix}_file", {**task, "plan": chunk_plan(source)})
            return ok({"publish_id": made.publish_id, "upload_url": upload_url(call.base_url, made)})
        source.allow("source", "video_url")
        url = self._owned_url(token.client, source.text("video_url"))
        made = self._open(token, f"{prefix}_url", task)
        self.world.later(0, lambda: self._pull(made, [url], call))
        return ok({"publish_id": made.publish_id})

    async def video_init(self, call: Call, token: Token) -> Reply:
        body = Body.of(self.world, call)
        body.allow("post_info", "source_info")
        post = body.inner("post_info")
        post.allow(
            *("privacy_level", "title", "disable_duet", "disable_stitch", "disable_comment", "is_aigc"),
            *("video_cover_timestamp_ms", "brand_content_toggle", "brand_organic_toggle"),
        )
        title = self._limited_text(post, "title", MOST_TITLE)
        for name in ("disable_duet", "disable_stitch", "is_aigc"):
            post.flag(name)
        post.number("video_cover_timestamp_ms", 0)
        privacy = self._check_direct(token, post)
        task = {"direct": True, "kind": "video", "text": title, "privacy": privacy}
        return self._open_video(call, token, body.inner("source_info"), task)

    async def inbox_init(self, call: Call, token: Token) -> Reply:
        body = Body.of(self.world, call)
        body.allow("source_info", "post_info")
        title = (
            self._limited_text(body.inner("post_info"), "title", MOST_TITLE) if body.has("post_info") else ""
        )
        self._check_share(token.account)
        task = {"direct": False, "kind": "video", "text": title, "privacy": ""}
        return self._open_video(call, token, body.inner("source_info"), task)

    async def content_init(self, call: Call, token: Token) -> Reply:
        body = Body.of(self.world, call)
        body.allow("media_type", "post_mode", "post_info", "source_info", "is_aigc")
        body.choice("media_type", "PHOTO")
        direct = body.choice("post_mode", "DIRECT_POST", "MEDIA_UPLOAD") == "DIRECT_POST"
        body.flag("is_aigc")
        if (PUBLISH if direct else UPLOAD) not in token.scopes:
            raise refused("scope_not_authorized")
        post = body.inner("post_info")
        post.allow(
            *("title", "description", "privacy_level", "disable_comment", "auto_add_music"),
            *("brand_content_toggle", "brand_organic_toggle"),
        )
        title = self._limited_text(post, "title", MOST_PHOTO_TITLE)
        description = self._limited_text(post, "description", MOST_PHOTO_DESCRIPTION)
        post.flag("auto_add_music")
        source = body.inner("source_info")
        source.allow("source", "photo_images", "photo_cover_index")
        source.choice("source", "PULL_FROM_URL")
        images = source.texts("photo_images", 1, MOST_PHOTOS)
        if not 0 <= source.number("photo_cover_index") < len(images):
            raise source.invalid("photo_cover_index is not the index of a photo")
        privacy = ""
        if direct:
            privacy = self._check_direct(token, post)
        else:
            self._check_share(token.account)
        urls = [self._owned_url(token.client, url) for url in images]
        task = {"direct": direct, "kind": "photo", "text": description or title, "privacy": privacy}
        task["title"] = title if description else ""
        made = self._open(token, "p_pub_url", task)
        self.world.later(0, lambda: self._pull(made, urls, call))
        return ok({"publish_id": made.publish_id})

    # --- bytes ---

    async def upload(self, call: Call) -> Reply:
        """PUT of one chunk."""
        task = self._tasks.get(call.args["publish_id"])
        if task is None or task.plan is None:
            return Reply(404)
        reply = take_chunk(task, call, self.world.now())
        if reply.status == 201:
            await self._arrived(task, [b"".join(task.chunks)], call, call.received_at)
        return reply

    async def _pull(self, task: Task, urls: list[str], call: Call) -> None:
        """Fetch what the caller named; no redirects."""
        contents = []
        try:
            for url in urls:
                fetched = await fetch(self.world, url)
                contents.append(fetched.content)
                task.downloaded += len(fetched.content)
        except FetchError:
            if task.state == "transfer":
                self._failed(task, f"{task.kind}_pull_failed")
            return
        await self._arrived(task, contents, call, call.received_at)

    async def _arrived(self, task: Task, contents: list[bytes], call: Call, received_at: float) -> None:
        """All bytes are here: look at them, then post, deliver the draft, or fail."""
        digests = [sha256(content) for content in contents]
        found = [
            await asyncio.to_thread(probe, content, digest)
            for content, digest in zip(contents, digests, strict=True)
        ]
        if task.state != "transfer":
            return  # cancelled meanwhile
        account = task.account
        fault = self.world.faults.take(("processing_fails",), call, account.account_id)
        if fault is not None:
            reason: str | None = fault.argument or "internal"
        elif task.kind == "video":
            reason = video_fault(found[0], account.max_duration_s)
        else:
            reason = next((bad for what in found if (bad := photo_fault(what))), None)
        if reason is None and task.direct and self._day_is_full(account):
            reason = "spam_risk_too_many_posts"
        if reason is not None:
            self._failed(task, reason)
            return
        task.end(self.world, None)
        if not task.direct:
            self._inbox.append(
                {
                    "platform": self.name,
                    "account_id": account.account_id,
                    "post_id": task.publish_id,
                    "kind": task.kind,
                    "text": task.text,
                    "media": digests,
                    "received_at": received_at,
                }
            )
            self.hooks.ended(task)
            return
        what = found[0] if isinstance(found[0], VideoFile) else None
        now = self.world.now()
        account.direct_posts.append(now)
        self._post(task, digests, received_at, what, now)

    def _failed(self, task: Task, reason: str) -> None:
        task.end(self.world, reason)
        self.hooks.ended(task)

    def _post(
        self, task: Task, digests: list[str], received_at: float, what: VideoFile | None, now: float
    ) -> None:
        # Ids are seconds shifted left by 32, as the real ones: far above 2^53.
        self._last_post_id = max(self._last_post_id + 1, int(received_at) << 32)
        task.post_id = self._last_post_id
        self._on_air(Video(task.post_id, task, received_at, what, now), digests)
        self.hooks.ended(task)

    # --- afterwards ---

    def _task(self, call: Call, token: Token) -> Task:
        body = Body.of(self.world, call)
        body.allow("publish_id")
        task = self._tasks.get(body.text("publish_id"))
        if task is None:
            raise refused("invalid_publish_id")
        if task.account is not token.account:
            raise refused("token_not_authorized_for_specified_publish_id")
        return task

    async def status(self, call: Call, token: Token) -> Reply:
        return ok(self._task(call, token).status())

    async def cancel(self, call: Call, token: Token) -> Reply:
        task = self._task(call, token)
        if task.state != "transfer":
            raise refused("publish_not_cancellable")
        self._failed(task, "publish_cancelled")
        return ok({})

    # --- tokens ---

    async def oauth_token(self, call: Call) -> Reply:
        if call.content_type != "application/x-www-form-urlencoded":
            answer = {"error": "invalid_request", "error_description": "Only forms.", "log_id": log_id()}
            raise Refused(Reply(400, answer))
        return self.access.token_request(dict(call.form()))

    async def oauth_revoke(self, call: Call) -> Reply:
        form = dict(call.form())
        client = self.access.clients.get(form.get("client_key", ""))
        if client is None or client.client_secret != form.get("client_secret"):
            answer = {"error": "invalid_client", "error_description": "Unknown.", "log_id": log_id()}
            raise Refused(Reply(400, answer))
        token = self.access.revoke(form.get("token", ""))
        if token is not None:
            self.hooks.authorization_removed(client, token.account.account_id, 5)
        return Reply(200, {})


def _received_at(video: Video) -> float:
    return video.received_at
