"""What TikTok takes: media of each format as data, choices that a person must make, what an account may do.

How long a text may be is `text_rules`, how a post is made is `tiktok`. Where TikTok's pages leave a unit
open, the narrower reading stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schedulo import accepts
from schedulo.accepts import MB, Pictures, Rules, Videos
from schedulo.model import Account, Content, Format, MediaKind, Problem
from schedulo.text import utf16_length
from schedulo.text_rules import text_rule, too_long

# TikTok: Content Posting API, media transfer guide (video and image restrictions). It names neither sound,
# pixel format nor shape; sound is what its containers mostly hold, pixels are what every player shows.
VIDEO = Videos(
    types=("video/mp4", "video/quicktime", "video/webm"),
    max_bytes=4_000 * MB,
    duration_ms=(0, 600_000),
    video_codecs=("h264", "hevc", "vp8", "vp9"),
    audio_codecs=("aac", "mp3", "opus", "vorbis"),
    fps=(23.0, 60.0),
    min_width=360,
    min_height=360,
    max_width=4096,
    max_height=4096,
)
PHOTO = Pictures(
    types=("image/jpeg", "image/webp"),
    max_bytes=20 * MB,
    max_width=1080,
    max_height=1920,
    either_way=True,
)
SHORT_MS = 3_000
"""TikTok's pages name no least duration; others report that it refuses shorter videos."""

PHOTOS = (Format.IMAGES, Format.IMAGES_DRAFT)
DRAFTS = (Format.DRAFT, Format.IMAGES_DRAFT)
ACCEPTS: Mapping[Format, Mapping[MediaKind, Rules]] = {
    Format.VIDEO: {MediaKind.VIDEO: VIDEO},
    Format.DRAFT: {MediaKind.VIDEO: VIDEO},
    Format.IMAGES: {MediaKind.IMAGE: PHOTO},
    Format.IMAGES_DRAFT: {MediaKind.IMAGE: PHOTO},
}

# TikTok: Content Posting API reference, photo, post_info.title and photo_images; post_info.privacy_level.
TITLE_UNITS = 90
"""UTF-16 units."""
MAX_PHOTOS = 35
PRIVACY_LEVELS: Mapping[str, str] = {
    "PUBLIC_TO_EVERYONE": "Everyone",
    "MUTUAL_FOLLOW_FRIENDS": "Friends",
    "FOLLOWER_OF_CREATOR": "Followers",
    "SELF_ONLY": "Only me",
}
"""In people's words."""
ALLOWANCES: Mapping[str, str] = {"comment": "comments", "duet": "duets", "stitch": "stitches"}
"""What may be done with a post, by TikTok's names: off until a person turns it on (content sharing
guidelines)."""


def problems(account: Account, content: Content, *, public_media: bool) -> Iterator[Problem]:
    """All that TikTok would refuse, and what the author should know besides."""
    if content.format not in ACCEPTS:
        yield Problem("Format", content.format, "TikTok takes one video, or pictures", "Attach either.")
        return
    if content.format not in DRAFTS:
        yield from _choices(content)
        allowed = account.options.get("allowed")
        if allowed and content.options.get("privacy_level") in PRIVACY_LEVELS:
            yield from creator_problems(content, allowed)
    yield from _texts(account, content)
    yield from _media(content, public_media)


def _choices(content: Content) -> Iterator[Problem]:
    level = content.options.get("privacy_level")
    if level not in PRIVACY_LEVELS:
        yield Problem(
            "Privacy level",
            str(level or ""),
            "TikTok wants each post's audience chosen by a person",
            f"Choose one of {', '.join(PRIVACY_LEVELS.values())}.",
        )
    if level == "SELF_ONLY" and content.options.get("brand_content_toggle"):
        yield Problem(
            "Branded content",
            PRIVACY_LEVELS[level],
            "branded content cannot be private on TikTok",
            "Choose another privacy level, or say that it is no branded content.",
        )


def _texts(account: Account, content: Content) -> Iterator[Problem]:
    rule = text_rule(account, content.format)
    if rule is not None and (problem := too_long("Text", content.text, rule)):
        yield problem
    units = utf16_length(str(content.options.get("title") or ""))
    if content.format in PHOTOS and units > TITLE_UNITS:
        yield Problem(
            "TikTok title",
            f"{units} characters as TikTok counts",
            f"TikTok takes {TITLE_UNITS}",
            f"Shorten it by {units - TITLE_UNITS}.",
        )


def _media(content: Content, public_media: bool) -> Iterator[Problem]:
    wanted = ACCEPTS[content.format]
    (kind,) = wanted
    most = MAX_PHOTOS if content.format in PHOTOS else 1
    if not 1 <= len(content.media) <= most or any(media.kind not in wanted for media in content.media):
        given = ", ".join(media.kind for media in content.media) or "none"
        rule = f"1 to {most} pictures" if most > 1 else "one video"
        yield Problem("Media", given, f"TikTok takes {rule} in such a post", f"Attach {rule}.")
        return
    for media in content.media:
        yield from accepts.problems(media, wanted[kind])
    if kind is MediaKind.VIDEO:
        yield from _video(content)
        return
    cover = content.options.get("photo_cover_index")
    if cover is not None and not 0 <= cover < len(content.media):
        yield Problem(
            "Cover picture",
            str(cover + 1),
            f"the post has {len(content.media)} pictures",
            "Name one of them, or leave it empty for the first.",
        )
    if not public_media:
        yield Problem(
            "Media",
            "",
            "TikTok fetches pictures from a public address and none is set up",
            "The operator sets SCHEDULO_MEDIA_BASE_URL and has its domain verified at TikTok.",
        )


def _video(content: Content) -> Iterator[Problem]:
    media = content.media[0]
    if 0 < media.duration_ms < SHORT_MS:
        yield Problem(
            "Media",
            f"{media.filename or 'video'}: {media.duration_ms / 1000:g} seconds",
            f"TikTok is said to refuse videos shorter than {SHORT_MS / 1000:g} seconds",
            "Take a longer one to be sure.",
            warning=True,
        )
    cover_ms = content.options.get("video_cover_timestamp_ms")
    if content.format in DRAFTS or cover_ms is None:  # a draft's cover is chosen in the app
        return
    if media.duration_ms and cover_ms >= media.duration_ms:
        yield Problem(
            "Cover at (s)",
            f"{cover_ms / 1000:g}",
            f"the video ends at {media.duration_ms / 1000:g}, so TikTok shows its first frame",
            "Choose a second within the video.",
            warning=True,
        )


# What the creator's own account allows. TikTok: query creator info.


def creator_problems(content: Content, creator: Mapping[str, Any]) -> Iterator[Problem]:
    """What this account does not allow now; `creator` as `tiktok` keeps it (`levels`, `max_s`, `off`).

    What the account has switched off stays off: TikTok does so itself, and the post goes out.
    """
    level, levels = content.options.get("privacy_level"), creator["levels"]
    if level not in levels:
        open_to = ", ".join(PRIVACY_LEVELS.get(one, one) for one in levels)
        yield Problem(
            "Privacy level",
            PRIVACY_LEVELS.get(str(level), str(level)),
            f"TikTok allows this account only {open_to}",
            "Choose one of these, or change the account's privacy in the app.",
        )
    for media in content.media:
        if media.kind is MediaKind.VIDEO and creator["max_s"] and media.duration_ms > creator["max_s"] * 1000:
            yield Problem(
                "Media",
                f"{media.filename or 'video'}: {media.duration_ms / 1000:g} seconds",
                f"TikTok takes {creator['max_s']} seconds from this account",
                "Cut it.",
            )
    options = content.options
    in_vain = [
        ALLOWANCES[name]
        for name in allowances(content.format)
        if name in creator["off"] and not options.get(f"disable_{name}", True)
    ]
    if in_vain:
        yield Problem(
            "Allowed",
            " and ".join(in_vain),
            "the account has this switched off at TikTok, and it stays off for the post",
            "Switch it on in the app's privacy settings first, if it is wanted.",
            warning=True,
        )


def allowances(format_: Format) -> tuple[str, ...]:
    """Which of `ALLOWANCES` a format has: pictures can be commented on, and nothing else."""
    return ("comment",) if format_ in PHOTOS else tuple(ALLOWANCES)
