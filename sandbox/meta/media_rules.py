"""Which media and parameters Instagram takes for which kind of container; what is wrong with a given file.

Fetching and the life of a container are left to `containers`.
Source: Meta, "IG User: media" reference (tables of parameters, image and video specifications).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.core import World
from sandbox.media import Cause, FetchError
from sandbox.meta import errors
from sandbox.meta.errors import GraphError
from sandbox.probe import ImageFile, Probed, VideoFile

MIB = 1024 * 1024
IMAGE_BYTES = 8 * MIB
CAPTION_CHARACTERS = 2_200
CAPTION_HASHTAGS = 30
CAPTION_MENTIONS = 20
ALT_TEXT_CHARACTERS = 1_000
COLLABORATORS = 3
CHILDREN = (2, 10)

FACEBOOK_LOGIN_ONLY = frozenset(
    {
        "upload_type",
        "branded_content_sponsor_ids",
        "is_paid_partnership",
        "poll_attachment",
        "is_poll_duration_extended",
        "is_comment_prompt_used",
    }
)
_POST = frozenset(
    {"media_type", "caption", "location_id", "collaborators", "is_ai_generated", "product_tags"}
)
_LABELS = FACEBOOK_LOGIN_ONLY - {"upload_type"}
_CHILD = frozenset({"media_type", "is_carousel_item", "user_tags", "product_tags"})
_STORY = frozenset({"media_type", "user_tags", "is_ai_generated"})


@dataclass(frozen=True, slots=True)
class VideoLimits:
    size_bytes: int
    seconds: tuple[float, float]
    aspect: tuple[float, float]


REEL_LIMITS = VideoLimits(300 * MIB, (3, 15 * 60), (0.01, 10))
STORY_LIMITS = VideoLimits(100 * MIB, (3, 60), (0.1, 10))
FRAMES_PER_S = (23.0, 60.0)
PIXEL_FORMATS = ("yuv420p", "yuvj420p", "yuv420p10le")
BITS_PER_S = 25_000_000
AUDIO_HZ = 48_000
AUDIO_CHANNELS = 2
VIDEO_COLUMNS = 1_920
FEED_ASPECT = (4 / 5, 1.91)
ROUNDING = 0.01
"""Whole pixels cannot hit 1.91 exactly."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of container: its parameters, and how it reads back once it is public."""

    params: frozenset[str]
    media_type: str
    product: str
    live: str
    """`LivePost.kind`."""
    video: VideoLimits | None = None
    aspect: tuple[float, float] | None = None
    """For images."""

    @property
    def is_child(self) -> bool:
        return "is_carousel_item" in self.params


KINDS = {
    "image": Kind(
        _POST | _LABELS | {"image_url", "alt_text", "user_tags"}, "IMAGE", "FEED", "image", None, FEED_ASPECT
    ),
    "reel": Kind(
        _POST
        | _LABELS
        | {"video_url", "upload_type", "cover_url", "thumb_offset", "share_to_feed", "audio_name"}
        | {"trial_params", "user_tags"},
        "VIDEO",
        "REELS",
        "reel",
        REEL_LIMITS,
    ),
    "carousel": Kind(_POST | _LABELS | {"children"}, "CAROUSEL_ALBUM", "FEED", "carousel"),
    "carousel_image": Kind(_CHILD | {"image_url", "alt_text"}, "IMAGE", "FEED", "image", None, FEED_ASPECT),
    "carousel_video": Kind(
        _CHILD | {"video_url", "upload_type", "thumb_offset"}, "VIDEO", "FEED", "video", REEL_LIMITS
    ),
    "story_image": Kind(_STORY | {"image_url"}, "IMAGE", "STORY", "story"),
    "story_video": Kind(_STORY | {"video_url", "upload_type"}, "VIDEO", "STORY", "story", STORY_LIMITS),
}
PARAMS = frozenset().union(*(kind.params for kind in KINDS.values()))


def caption_error(caption: str, world: World) -> GraphError | None:
    """2,200 characters, 30 hashtags, 20 mentions. What a character is, Meta does not say: the switch
    `ig_caption_unit` counts "codepoints" (default) or "utf16" units."""
    in_utf16 = world.switch("ig_caption_unit", "codepoints") == "utf16"
    length = len(caption.encode("utf-16-le")) // 2 if in_utf16 else len(caption)
    if (
        length > CAPTION_CHARACTERS
        or len(re.findall(r"#\w+", caption)) > CAPTION_HASHTAGS
        or len(re.findall(r"(?<!\w)@\w+", caption)) > CAPTION_MENTIONS
    ):
        return errors.CAPTION_LENGTH
    return None


def image_error(found: Probed | None, kind: Kind) -> GraphError | None:
    """JPEG (MPO is not), 8 MiB, and for the feed 4:5 to 1.91:1."""
    if found is not None and found.size_bytes > IMAGE_BYTES:
        return errors.IMAGE_SIZE
    if not isinstance(found, ImageFile) or found.kind != "JPEG":
        return errors.IMAGE_FORMAT
    if kind.aspect and not kind.aspect[0] - ROUNDING <= found.aspect <= kind.aspect[1] + ROUNDING:
        return errors.IMAGE_ASPECT
    return None


def video_error(found: Probed | None, limits: VideoLimits, params: Mapping[str, str]) -> GraphError | None:
    """MP4 or MOV with the index first and no edits, H.264 or HEVC in 4:2:0, progressive, AAC or silent,
    and within `limits`."""
    if not isinstance(found, VideoFile):
        return errors.VIDEO_FORMAT
    accepted = (
        found.container in ("mp4", "mov")
        and found.moov_first
        and not found.cut
        and found.codec in ("h264", "hevc")
        and found.pixel_format in PIXEL_FORMATS
        and not found.interlaced
        and found.bit_rate <= BITS_PER_S
        and found.audio_codec in ("aac", None)
        and found.audio_rate_hz <= AUDIO_HZ
        and found.audio_channels <= AUDIO_CHANNELS
        and found.size_bytes <= limits.size_bytes
        and found.width <= VIDEO_COLUMNS
        and limits.aspect[0] <= found.aspect <= limits.aspect[1]
        and limits.seconds[0] - ROUNDING <= found.duration_s <= limits.seconds[1] + ROUNDING
        and FRAMES_PER_S[0] - ROUNDING <= found.fps <= FRAMES_PER_S[1] + ROUNDING
    )
    if not accepted:
        return errors.VIDEO_FORMAT
    if int(params.get("thumb_offset", 0)) >= found.duration_s * 1000:
        return errors.THUMB_OFFSET
    return None


def fetch_error(error: FetchError, too_large: GraphError) -> GraphError:
    if error.cause is Cause.TIMEOUT:
        return errors.DOWNLOAD_TIMED_OUT
    return too_large if error.cause is Cause.TOO_LARGE else errors.NOT_FETCHED
