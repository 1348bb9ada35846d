"""What the engine talks about: posts, accounts, media, deliveries, and their enums.

Only values live here: no I/O, no rules of any platform. Instants are integer milliseconds since the
epoch (UTC).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self

from schedulo.words import shown


class Platform(StrEnum):
    INSTAGRAM = "instagram"
    TIKTOK = "tiktok"
    X = "x"
    FACEBOOK = "facebook"


class Format(StrEnum):
    """The shape of a post on its platform."""

    TEXT = "text"
    LINK = "link"
    IMAGE = "image"
    IMAGES = "images"
    VIDEO = "video"
    GIF = "gif"
    REEL = "reel"
    CAROUSEL = "carousel"
    """Images and videos side by side, on Instagram."""
    STORY = "story"
    POLL = "poll"
    DRAFT = "draft"
    """A video handed to the creator's TikTok inbox; a person finishes it in the app."""
    IMAGES_DRAFT = "images_draft"
    """The same with pictures."""


class MediaKind(StrEnum):
    IMAGE = "image"
    GIF = "gif"
    VIDEO = "video"


class State(StrEnum):
    """Where a delivery stands. Which moves are allowed is the table in `delivery.py`."""

    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    ARMED = "armed"
    SENDING = "sending"
    UNKNOWN = "unknown"
    PROCESSING = "processing"
    REFUSED = "refused"
    HELD = "held"
    PUBLISHED = "published"
    PUBLISHED_INCOMPLETE = "published_incomplete"
    WAITING_IN_APP = "waiting_in_app"
    FAILED = "failed"
    UNRESOLVED = "unresolved"
    MISSED = "missed"
    CANCELLED = "cancelled"
    TAKEN_DOWN = "taken_down"
    """It was out, and a person asked to take it down."""
    REMOVED = "removed"
    """It was out, and its platform no longer shows it."""


class WriteState(StrEnum):
    """What is known of one irreversible request."""

    OPEN = "open"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    """The platform answered that it did nothing."""
    UNSENT = "unsent"
    """Nothing was written to the wire."""
    ABSENT = "absent"
    """Looked for after the quiet time and not there."""
    REPEATED = "repeated"
    """Its outcome is not known and no longer matters: the same was asked for once more. Only of changes to
    what is out."""


class Position(StrEnum):
    """Where an irreversible request stands among those of its delivery."""

    ONLY = "only"
    FIRST = "first"
    """Others follow: parts of a thread, a first comment."""
    LATER = "later"
    """The post is out; this adds to it."""
    AFTER = "after"
    """The post is out; this takes it down or changes it, and may be asked for again."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found inside a file beyond its size. Zero, empty and False where it is not known or has no
    meaning for the kind of file."""

    fps: float = 0.0
    video_codec: str = ""
    """FFmpeg's names (h264, hevc, vp9, ...)."""
    audio_codec: str = ""
    """Empty: no sound."""
    pixel_format: str = ""
    """FFmpeg's name (yuv420p, ...)."""
    bit_rate: int = 0
    """Of picture and sound together, bits a second."""
    audio_rate_hz: int = 0
    audio_channels: int = 0
    interlaced: bool = False
    variable_fps: bool = False
    index_last: bool = False
    """MP4 and MOV: the index (moov) comes after the media."""
    edited: bool = False
    """MP4 and MOV: an edit list that leaves out or shifts parts."""
    frames: int = 0
    """Of an animation."""
    animation_ms: int = 0
    """How long an animated GIF takes to show all its frames once."""
    color_mode: str = ""
    """Pillow's name of a picture's colours (RGB, CMYK, ...)."""
    turned: bool = False
    """It is stored otherwise than it is to be shown (EXIF orientation, rotation of a video)."""
    second_picture: bool = False
    """A JPEG that holds another one (MPO): the other eye's, or what makes it brighter."""
    foreign_profile: bool = False
    """The picture's colour profile is not sRGB."""
    high_dynamic_range: bool = False
    """A video whose brightness is beyond what plain screens show (PQ or HLG)."""


@dataclass(frozen=True, slots=True)
class Media:
    """One file of a post, kept in the media store under its hash."""

    sha256: str
    kind: MediaKind
    content_type: str
    size_bytes: int
    width: int = 0
    height: int = 0
    duration_ms: int = 0
    alt_text: str = ""
    filename: str = ""
    facts: Facts | None = field(default=None, compare=False)
    """None where nobody looked: a medium read back from a ledger needs no more checking."""

    def to_json(self) -> dict[str, Any]:
        """What identifies it and is sent with it; not what was found inside."""
        return {item.name: getattr(self, item.name) for item in fields(self) if item.name != "facts"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "kind": MediaKind(data["kind"])})


@dataclass(frozen=True, slots=True)
class Content:
    """What goes out on one account: the thing a first commit freezes."""

    format: Format
    text: str = ""
    media: tuple[Media, ...] = ()
    link: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """The platform's own choices, by its own names (`privacy_level`, `disable_comment`, ...)."""
    thread: tuple[str, ...] = ()
    """What follows the text as further posts, each a reply to the one before."""
    first_comment: str = ""
    cover: Media | None = None
    """The picture that stands for a video."""

    def to_json(self) -> dict[str, Any]:
        """Without what is empty and came later, so that older fingerprints stay as they are."""
        found = {
            "format": self.format,
            "text": self.text,
            "media": [item.to_json() for item in self.media],
            "link": self.link,
            "options": dict(self.options),
            "thread": self.thread,
            "first_comment": self.first_comment,
            "cover": self.cover.to_json() if self.cover else None,
        }
        return {name: value for name, value in found.items() if value or name not in _CAME_LATER}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            format=Format(data["format"]),
            text=data["text"],
            media=tuple(Media.from_json(item) for item in data["media"]),
            link=data["link"],
            options=dict(data["options"]),
            thread=tuple(data.get("thread", ())),
            first_comment=data.get("first_comment", ""),
            cover=Media.from_json(data["cover"]) if data.get("cover") else None,
        )


_CAME_LATER = frozenset({"thread", "first_comment", "cover"})


@dataclass(frozen=True, slots=True)
class Account:
    """One account on one platform. `account_id` is the platform's own id: it survives a reconnect."""

    platform: Platform
    account_id: str
    name: str
    timezone: str = "UTC"
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the account is and may do: `login` (instagram_login or facebook_login), `premium`, ..."""

    @property
    def key(self) -> str:
        return f"{self.platform}:{self.account_id}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a post cannot go out as it is, in words for the person who must mend it."""

    field: str
    value: str
    rule: str
    remedy: str
    warning: bool = False
    """True: the post goes out all the same, and its author should know this."""

    def sentence(self) -> str:
        value = f" ({shown(self.value)})" if self.value else ""
        return f"{self.field}{value}: {self.rule}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Published:
    """How a publishing flow ended well."""

    state: State = State.PUBLISHED
    """PUBLISHED, PUBLISHED_INCOMPLETE or WAITING_IN_APP."""
    post_id: str | None = None
    permalink: str | None = None
    published_ms: int | None = None
    note: str = ""
    """What a person should know, as a sentence; empty when there is nothing."""
    lacks: str = ""
    """What the platform left out of a post that is out, as a sentence; empty when it is whole."""
