"""What TikTok accepts: the plan of chunks, a video, a photo.

Source: TikTok for Developers, "Media transfer guide" and the Content Posting API references; where MB may
mean 10^6 or 2^20 bytes, the narrower reading holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.probe import ImageFile, Probed, VideoFile
from sandbox.tiktok.answers import Body

MEBIBYTE = 1024 * 1024
LEAST_CHUNK_BYTES = 5 * MEBIBYTE
MOST_CHUNK_BYTES = 64_000_000
MOST_CHUNKS = 1000
MOST_VIDEO_BYTES = 4_000_000_000
MOST_PHOTO_BYTES = 20_000_000
MOST_PHOTO_SIDES = (1080, 1920)
"""Shorter and longer side of 1080p, in pixels."""

VIDEO_CONTAINERS = ("mp4", "mov", "webm")
VIDEO_CODECS = ("h264", "hevc", "vp8", "vp9")
PHOTO_KINDS = ("JPEG", "MPO", "WEBP")
FPS = (23, 60)
VIDEO_SIDE = (360, 4096)
MOST_VIDEO_SECONDS = 600


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How a file will arrive."""

    size_bytes: int
    chunk_bytes: int
    count: int

    def length_at(self, first: int) -> int:
        """How many bytes the chunk that begins at `first` has; the last one carries the remainder."""
        index = first // self.chunk_bytes
        return self.chunk_bytes if index < self.count - 1 else self.size_bytes - first


def chunk_plan(source: Body) -> ChunkPlan:
    """The plan that `source_info` announces, or 400."""
    size, chunk, count = (
        source.number("video_size"),
        source.number("chunk_size"),
        source.number("total_chunk_count"),
    )
    if not 0 < size <= MOST_VIDEO_BYTES:
        raise source.invalid("The video size is invalid")
    if not 0 < chunk <= size:
        raise source.invalid("The chunk size is invalid")
    if count != size // chunk or count > MOST_CHUNKS:
        raise source.invalid("The total chunk count is invalid")
    whole = count == 1
    if whole and (chunk != size or size > MOST_CHUNK_BYTES):
        raise source.invalid("The chunk size is invalid")
    if not whole and not LEAST_CHUNK_BYTES <= chunk <= MOST_CHUNK_BYTES:
        raise source.invalid("The chunk size is invalid")
    return ChunkPlan(size, chunk, count)


def video_fault(what: Probed | None, creator_seconds: int) -> str | None:
    """The fail_reason of a file, or None for a good one."""
    if not isinstance(what, VideoFile):
        return "file_format_check_failed"
    if what.container not in VIDEO_CONTAINERS or what.codec not in VIDEO_CODECS:
        return "file_format_check_failed"
    if not 0 < what.duration_s <= min(MOST_VIDEO_SECONDS, creator_seconds) + 0.5:
        return "duration_check_failed"
    # Frame rates such as 23.976 and 59.94 are meant by 23 and 60.
    if not FPS[0] <= what.fps <= FPS[1] + 0.01:
        return "frame_rate_check_failed"
    if not all(VIDEO_SIDE[0] <= side <= VIDEO_SIDE[1] for side in (what.width, what.height)):
        return "picture_size_check_failed"
    return None


def photo_fault(what: Probed | None) -> str | None:
    """The fail_reason of a photo, or None for a good one."""
    if not isinstance(what, ImageFile) or what.kind not in PHOTO_KINDS or what.size_bytes > MOST_PHOTO_BYTES:
        return "file_format_check_failed"
    shorter, longer = sorted((what.width, what.height))
    if shorter > MOST_PHOTO_SIDES[0] or longer > MOST_PHOTO_SIDES[1]:
        return "picture_size_check_failed"
    return None
