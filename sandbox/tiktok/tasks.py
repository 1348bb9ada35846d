"""One publishing task of TikTok: from init to what status/fetch tells about it, and the post it ends in.

Upload URLs are signed and live one hour; chunks come in order and whole. Switches: `tiktok_processing_polls`
(status answers after the last byte that still say PROCESSING_*, default 1) and `tiktok_id_lag_polls`
(PUBLISH_COMPLETE answers that still lack the id, default 1). Source: TikTok for Developers, "Media transfer
guide", "Get post status".
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from sandbox.core import Call, Reply, World
from sandbox.probe import VideoFile
from sandbox.tiktok.accounts import PUBLIC, Account, Client
from sandbox.tiktok.rules import ChunkPlan

UPLOAD_URL_SECONDS = 3600
VIDEO_TYPES = ("video/mp4", "video/quicktime", "video/webm")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_SIGNING_KEY = secrets.token_bytes(32)


@dataclass(slots=True)
class Task:
    publish_id: str
    account: Account
    client: Client
    direct: bool
    """Posted by us; otherwise a draft in the creator's inbox."""
    kind: str
    """video or photo."""
    text: str
    privacy: str
    began_at: float
    title: str = ""
    """Of pictures, where they have a description as well."""
    plan: ChunkPlan | None = None
    """None where TikTok pulls."""
    uploaded: int = 0
    downloaded: int = 0
    chunks: list[bytes] = field(default_factory=list)
    state: str = "transfer"
    """transfer, done or failed."""
    fail_reason: str = ""
    post_id: int = 0
    shared: bool = False
    """A draft that its creator posted."""
    processing_polls: int = 0
    id_lag_polls: int = 0

    @property
    def public(self) -> bool:
        return self.privacy == PUBLIC

    def end(self, world: World, fail_reason: str | None) -> None:
        """All bytes are here; what became of them shows after some status requests."""
        self.state = "failed" if fail_reason else "done"
        self.fail_reason = fail_reason or ""
        self.processing_polls = int(world.switch("tiktok_processing_polls", "1"))
        self.id_lag_polls = int(world.switch("tiktok_id_lag_polls", "1"))
        self.chunks.clear()
        if fail_reason:
            self.account.pending_shares.pop(self.publish_id, None)

    def status(self) -> dict[str, Any]:
        """The `data` of one status/fetch."""
        bytes_moved = (
            {"uploaded_bytes": self.uploaded} if self.plan else {"downloaded_bytes": self.downloaded}
        )
        waiting = self.state == "transfer" or self.processing_polls > 0
        if waiting and self.fail_reason != "publish_cancelled":
            if self.state != "transfer":
                self.processing_polls -= 1
            return {"status": "PROCESSING_UPLOAD" if self.plan else "PROCESSING_DOWNLOAD", **bytes_moved}
        if self.state == "failed":
            return {"status": "FAILED", "fail_reason": self.fail_reason, **bytes_moved}
        if not self.direct and not self.shared:
            return {"status": "SEND_TO_USER_INBOX", **bytes_moved}
        ids = [self.post_id] if self.public and self.id_lag_polls <= 0 else []
        self.id_lag_polls -= 1
        return {"status": "PUBLISH_COMPLETE", "publicaly_available_post_id": ids, **bytes_moved}


@dataclass(slots=True)
class Video:
    """Something that was posted: a video, or pictures."""

    post_id: int
    task: Task
    received_at: float
    what: VideoFile | None
    published_at: float
    """On the world's clock."""
    seeded: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    """Numbers that were seeded; they do not grow."""
    gone_at: float | None = None
    """When it was deleted, or is to be, on the world's clock."""

    def out_at(self, at: float) -> bool:
        """Whether it is on the air at an instant of the world's clock."""
        return self.published_at <= at and (self.gone_at is None or at < self.gone_at)


def signature(publish_id: str) -> str:
    return hmac.new(_SIGNING_KEY, publish_id.encode(), hashlib.sha256).hexdigest()[:32]


def upload_url(base_url: str, task: Task) -> str:
    return f"{base_url}/upload/{task.publish_id}?upload_token={signature(task.publish_id)}"


def take_chunk(task: Task, call: Call, now: float) -> Reply:
    """One PUT: 206 taken, 201 all taken, 416 out of order, 400 wrong headers, 403 expired or unsigned."""
    plan = task.plan
    assert plan is not None
    if not hmac.compare_digest(call.query_value("upload_token") or "", signature(task.publish_id)):
        return Reply(403)
    if now >= task.began_at + UPLOAD_URL_SECONDS:
        return Reply(403)
    match = _RANGE.fullmatch(call.headers.get("Content-Range", ""))
    if "Authorization" in call.headers or call.content_type not in VIDEO_TYPES or match is None:
        return Reply(400)
    first, last, total = map(int, match.groups())
    if call.headers.get("Content-Length") != str(last - first + 1) or len(call.body) != last - first + 1:
        return Reply(400)
    if total != plan.size_bytes:
        return Reply(400)
    if task.state != "transfer" or first != task.uploaded:
        return Reply(416, headers=_progress(task, plan))
    if len(call.body) != plan.length_at(first):
        return Reply(400)
    task.chunks.append(call.body)
    task.uploaded = last + 1
    return Reply(201 if task.uploaded == total else 206, headers=_progress(task, plan))


def _progress(task: Task, plan: ChunkPlan) -> dict[str, str]:
    """How much has arrived, in the documentation's form: `bytes 0-{UPLOADED}/{TOTAL}`."""
    return {"Content-Range": f"bytes 0-{task.uploaded}/{plan.size_bytes}"}
