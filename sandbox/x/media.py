"""X's media uploads: initialize, append, finalize, processing, and whether an id may be posted.

Source: openapi.json 2.167; pages "Chunked media upload" and "Media best practices". Switches: `x_segment_max`
5|8 (MB), `x_video_limits` old|new (140 s and 512 MB, or 20 min and 8 GB), `x_processing_polls` (STATUS
answers that still say in_progress; 0 means that finalize answers succeeded).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sandbox.core import World, sha256
from sandbox.probe import ImageFile, Probed, VideoFile, probe
from sandbox.x.access import Account
from sandbox.x.errors import BAD_MEDIA, forbidden, invalid

MEGABYTE = 1024 * 1024
LIFE_SECONDS = 24 * 3600
PROCESSING_SECONDS = 30
"""On the world's clock processing is over after this, looked at or not."""
MAX_SEGMENTS = 1000
MOST_FPS = 60
LEAST_SIDE = 32
PIXEL_FORMATS = ("yuv420p", "yuvj420p")
AUDIO_CHANNELS = 2
ROUNDING = 0.01
UNTOLD = "untold"
"""Processing fails with this reason: why is not said."""

FAMILY_OF_CATEGORY = {
    "tweet_image": "image",
    "dm_image": "image",
    "tweet_gif": "gif",
    "dm_gif": "gif",
    "tweet_video": "video",
    "amplify_video": "video",
    "dm_video": "video",
    "subtitles": "text",
}
KEY_PREFIX = {"tweet_image": "3", "tweet_video": "7", "amplify_video": "13", "tweet_gif": "16"}
ONE_SHOT_CATEGORIES = ("tweet_image", "dm_image", "subtitles")
POSTABLE = ("tweet_image", "tweet_gif", "tweet_video", "amplify_video")
PILLOW_KINDS = {
    "image/jpeg": ("JPEG", "MPO"),
    "image/pjpeg": ("JPEG", "MPO"),
    "image/png": ("PNG",),
    "image/gif": ("GIF",),
    "image/webp": ("WEBP",),
    "image/bmp": ("BMP",),
    "image/tiff": ("TIFF",),
}


@dataclass(frozen=True, slots=True)
class VideoLimits:
    seconds: int
    premium_seconds: int
    size_bytes: int
    premium_size_bytes: int
    words: str


VIDEO_LIMITS = {
    "old": VideoLimits(140, 125 * 60, 512 * MEGABYTE, 8192 * MEGABYTE, "2 minutes"),
    "new": VideoLimits(20 * 60, 125 * 60, 8192 * MEGABYTE, 16384 * MEGABYTE, "20 minutes"),
}
FIXED_SIZE_LIMITS = {"image": 5 * MEGABYTE, "gif": 15 * MEGABYTE, "text": MEGABYTE}


@dataclass(slots=True)
class Medium:
    media_id: str
    owners: frozenset[str]
    media_type: str
    category: str
    total_bytes: int
    expires_at: float
    segments: dict[int, bytes] = field(default_factory=dict)
    digest: str = ""
    what: Probed | None = None
    state: str = "uploading"
    """uploading, pending, in_progress, succeeded or failed."""
    fails: str | None = None
    polls_left: int = 0
    done_at: float = 0.0
    alt_text: str | None = None

    @property
    def family(self) -> str:
        return FAMILY_OF_CATEGORY[self.category]

    @property
    def kind(self) -> str:
        """What the API calls it in reads."""
        return {"image": "photo", "gif": "animated_gif"}.get(self.family, self.family)

    @property
    def media_key(self) -> str:
        return f"{KEY_PREFIX.get(self.category, '3')}_{self.media_id}"


class MediaStore:
    """All uploads, by id."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._media: dict[str, Medium] = {}

    def clear(self) -> None:
        self._media.clear()

    def begin(self, media_id: str, account: Account, asked: dict[str, Any]) -> Medium:
        """Open an upload; `asked` has passed the schema."""
        category, media_type = asked["media_category"], asked["media_type"]
        family = FAMILY_OF_CATEGORY[category]
        fits = media_type == "image/gif" if family == "gif" else media_type.startswith(family + "/")
        if not fits:
            raise invalid("media_category", category, f"media type {media_type} does not fit {category}")
        if asked["total_bytes"] > self._most_bytes(family, account):
            raise invalid("total_bytes", asked["total_bytes"], "File size exceeds the maximum")
        owners = frozenset([account.account_id, *asked.get("additional_owners", [])])
        expires_at = self._world.now() + LIFE_SECONDS
        medium = Medium(media_id, owners, media_type, category, asked["total_bytes"], expires_at)
        self._media[media_id] = medium
        return medium

    def _limits(self) -> VideoLimits:
        return VIDEO_LIMITS[self._world.switch("x_video_limits", "old")]

    def _most_bytes(self, family: str, account: Account) -> int:
        limits = self._limits()
        if family == "video":
            return limits.premium_size_bytes if account.premium else limits.size_bytes
        return FIXED_SIZE_LIMITS[family]

    def of(self, media_id: str, account: Account) -> Medium:
        """The caller's own upload, or 400."""
        medium = self._media.get(media_id)
        if medium is None or account.account_id not in medium.owners or self._expired(medium):
            raise invalid("id", media_id, "Media id is invalid or has expired")
        return medium

    def _expired(self, medium: Medium) -> bool:
        return self._world.now() >= medium.expires_at

    def append(self, medium: Medium, index: int, content: bytes) -> None:
        most = int(self._world.switch("x_segment_max", "5")) * MEGABYTE
        if medium.state != "uploading":
            raise invalid("id", medium.media_id, "Media upload is already finalized")
        if not 0 <= index < MAX_SEGMENTS:
            raise invalid("segment_index", index, f"[$.segment_index] must be from 0 to {MAX_SEGMENTS - 1}")
        if index in medium.segments:
            raise invalid("segment_index", index, "Segment was uploaded before")
        if not 0 < len(content) <= most:
            raise invalid("media", len(content), f"Segment size must be from 1 to {most} bytes")
        medium.segments[index] = content

    async def finalize(self, medium: Medium, fails: str | None) -> None:
        """Put the segments together and look at them; `fails` is why processing shall fail."""
        if medium.state != "uploading":
            raise invalid("id", medium.media_id, "Media upload is already finalized")
        content = b"".join(medium.segments[index] for index in sorted(medium.segments))
        whole = sorted(medium.segments) == list(range(len(medium.segments)))
        if not whole or len(content) != medium.total_bytes or not content:
            raise invalid("id", medium.media_id, "Segments do not add up to provided total file size.")
        medium.digest = sha256(content)
        if medium.family != "text":
            medium.what = await asyncio.to_thread(probe, content, medium.digest)
        fault = self._fault_in(medium)
        medium.segments.clear()
        if medium.family in ("image", "text"):
            if fault:
                raise invalid("id", medium.media_id, fault)
            medium.state = "succeeded"
            return
        medium.fails = fails or fault
        medium.polls_left = int(self._world.switch("x_processing_polls", "1"))
        medium.done_at = self._world.now() + PROCESSING_SECONDS
        medium.state = "pending"
        if medium.polls_left == 0:
            self._finish(medium)

    @staticmethod
    def _fault_in(medium: Medium) -> str | None:
        """Why these bytes are not what their upload claims, or are beyond the fixed limits."""
        what = medium.what
        match medium.family:
            case "image" | "gif":
                if not isinstance(what, ImageFile) or what.kind not in PILLOW_KINDS.get(
                    medium.media_type, ()
                ):
                    return "media type unrecognized."
                pixels = what.width * what.height * what.frames
                if medium.family == "gif" and (
                    what.width > 1280 or what.height > 1080 or what.frames > 350 or pixels > 300_000_000
                ):
                    return "GIF is larger than 1280x1080, 350 frames or 300 million pixels"
            case "video":
                if not isinstance(what, VideoFile):
                    return "InvalidMedia"
                if what.duration_s < 0.5:
                    return "Video is shorter than half a second"
                if what.codec != "h264" or what.audio_codec not in ("aac", None):
                    return "Unsupported codec"
                if what.pixel_format not in PIXEL_FORMATS or what.interlaced:
                    return "Video is not progressive 4:2:0"
                if what.audio_channels > AUDIO_CHANNELS:
                    return "Audio is neither mono nor stereo"
                if what.fps > MOST_FPS + ROUNDING or min(what.width, what.height) < LEAST_SIDE:
                    return "Video is smaller than 32x32 or faster than 60 frames a second"
                if not 1 / 3 - ROUNDING <= what.aspect <= 3 + ROUNDING:
                    return "Aspect ratio is not between 1:3 and 3:1"
        return None

    @staticmethod
    def _finish(medium: Medium) -> None:
        medium.state = "failed" if medium.fails else "succeeded"

    def look(self, medium: Medium) -> None:
        """One STATUS request: processing moves on."""
        if medium.state not in ("pending", "in_progress"):
            return
        if medium.polls_left <= 0 or self._world.now() >= medium.done_at:
            self._finish(medium)
            return
        medium.polls_left -= 1
        medium.state = "in_progress"

    def shown(self, medium: Medium) -> dict[str, Any]:
        """The `data` of finalize, one-shot and STATUS."""
        data: dict[str, Any] = {
            "id": medium.media_id,
            "media_key": medium.media_key,
            "size": medium.total_bytes,
            "expires_after_secs": max(0, int(medium.expires_at - self._world.now())),
        }
        if isinstance(medium.what, ImageFile):
            size = {"w": medium.what.width, "h": medium.what.height}
            data["image"] = {**size, "image_type": medium.media_type}
        elif medium.family == "video":
            data["video"] = {"video_type": medium.media_type}
        match medium.state:
            case "pending":
                data["processing_info"] = {"state": "pending", "check_after_secs": 1}
            case "in_progress":
                data["processing_info"] = {
                    "state": "in_progress",
                    "check_after_secs": 1,
                    "progress_percent": 50,
                }
            case "failed":
                error = {"code": 1, "name": "InvalidMedia", "message": medium.fails}
                untold = medium.fails == UNTOLD  # the 2026 description of the API has no member for it
                data["processing_info"] = {"state": "failed"} | ({} if untold else {"error": error})
            case "succeeded" if medium.family in ("gif", "video"):
                data["processing_info"] = {"state": "succeeded", "progress_percent": 100}
        return data

    def for_post(self, ids: list[str], account: Account) -> list[Medium]:
        """The media of a post: all usable, of a permitted mix, no video too long."""
        media = []
        for media_id in ids:
            medium = self._media.get(media_id)
            if (
                medium is None
                or medium.state != "succeeded"
                or medium.category not in POSTABLE
                or account.account_id not in medium.owners
                or self._expired(medium)
            ):
                raise invalid("media.media_ids", ids, BAD_MEDIA)
            media.append(medium)
        if len({medium.media_id for medium in media}) < len(media):
            raise invalid("media.media_ids", ids, BAD_MEDIA)
        if len(media) > 1 and any(medium.family != "image" for medium in media):
            raise forbidden()
        limits = self._limits()
        most_s = limits.premium_seconds if account.premium else limits.seconds
        for medium in media:
            if isinstance(medium.what, VideoFile) and medium.what.duration_s > most_s:
                words = "125 minutes" if account.premium else limits.words
                raise forbidden(f"This user is not allowed to post a video longer than {words}.")
        return media
