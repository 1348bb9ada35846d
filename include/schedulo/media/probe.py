"""What is this file really? Looks into the bytes; a name or a content type is never believed.

Images are opened with Pillow, videos with PyAV, and at most one picture is decoded. Which of these facts a
platform accepts is the platform's own business.

The first bytes choose the reader, and the reader is told which format to expect: a playlist or a script that
calls itself a video would otherwise make FFmpeg open other files and addresses.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import ExifTags, Image, UnidentifiedImageError

from schedulo.model import MediaKind, Problem

MAX_PIXELS = 80_000_000
"""Larger pictures are not opened: a few kB can unfold to gigabytes. No platform takes half of this."""

VIDEO_SECONDS = 10.0
"""How long FFmpeg may look at a file."""

HEAD_BYTES = 64

# Pillow's format names, and what the web calls them.
IMAGES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
}

HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
"""Still pictures in the box format of MP4 (ISO/IEC 23008-12): FFmpeg would call them videos."""

VIDEO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""What an MP4 or QuickTime file may begin with (ISO/IEC 14496-12)."""

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height (EXIF 2.32, tag 0x0112)."""


class MediaError(Exception):
    """The file cannot be used as media; `problem` says why, in words for the author."""

    def __init__(self, name: str, rule: str, remedy: str) -> None:
        self.problem = Problem("Media", name, rule, remedy)
        super().__init__(self.problem.sentence())


@dataclass(frozen=True, slots=True)
class Probed:
    """What a file is. Width and height are as shown, after rotation."""

    kind: MediaKind
    content_type: str
    width: int
    height: int
    duration_ms: int = 0
    fps: float = 0.0
    video_codec: str = ""
    audio_codec: str = ""
    """FFmpeg's names (h264, aac, ...); empty without sound."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(**{**data, "kind": MediaKind(data["kind"])})


def probe(path: Path, name: str = "", *, video_seconds: float = VIDEO_SECONDS) -> Probed:
    """Look at the file at `path`; `name` is what people call it. Raises `MediaError`."""
    name = name or path.name
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise MediaError(name, "the file is empty", "Upload it again.")
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS:
        raise MediaError(
            name, "HEIC and AVIF pictures are not accepted by the platforms", "Save it as JPEG or PNG."
        )
    if head[4:8] in VIDEO_BOXES:
        return _video(
            path, name, "mov", "video/quicktime" if head[8:12] == b"qt  " else "video/mp4", video_seconds
        )
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # EBML (RFC 8794); its DocType stands in the first header
        kind = "video/webm" if b"webm" in head else "video/x-matroska"
        return _video(path, name, "matroska", kind, video_seconds)
    return _image(path, name)


def _image(path: Path, name: str) -> Probed:
    broken = MediaError(name, "the picture is damaged or incomplete", "Export it again and upload it anew.")
    try:
        image = Image.open(path, formats=tuple(IMAGES))
    except UnidentifiedImageError:
        raise MediaError(
            name,
            "this is neither a picture (JPEG, PNG, GIF, WebP) nor a video (MP4, MOV, WebM)",
            "Replace it with one of these.",
        ) from None
    except Image.DecompressionBombError:
        raise _too_many_pixels(name) from None
    except Exception:  # Pillow's readers raise whatever a crooked file makes them trip over
        raise broken from None
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_many_pixels(name)
        try:
            width, height = image.size
            if image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS:
                width, height = height, width
            # A GIF that does not move is a picture like any other.
            moves = image.format == "GIF" and bool(getattr(image, "is_animated", False))
            # MPO is the JPEG of cameras that add a second picture.
            content_type = IMAGES["JPEG" if image.format == "MPO" else image.format or ""]
            image.verify()
        except Exception:
            raise broken from None
    return Probed(MediaKind.GIF if moves else MediaKind.IMAGE, content_type, width, height)


def _too_many_pixels(name: str) -> MediaError:
    return MediaError(
        name, f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels", "Make it smaller."
    )


def _video(path: Path, name: str, reader: str, content_type: str, seconds: float) -> Probed:
    again, started = "Export it again as MP4 (H.264 and AAC).", time.monotonic()
    try:
        with av.open(
            str(path.absolute()),
            format=reader,
            # FFmpeg gets the one local file and nothing else, and must not read a whole film to know it.
            options={"protocol_whitelist": "file", "probesize": "5000000", "analyzeduration": "5000000"},
            timeout=seconds,
        ) as film:
            picture = _picture_stream(film)
            if picture is None:
                raise MediaError(name, "the file has sound but no picture", "Upload a video or a picture.")
            context = picture.codec_context
            if context.width * context.height > MAX_PIXELS:
                raise _too_many_pixels(name)
            duration_ms = _duration_ms(film, picture)
            if duration_ms <= 0:
                raise MediaError(name, "the video does not say how long it is", again)
            frame = next(film.decode(picture))
            width, height = context.width, context.height
            if frame.rotation % 180:
                width, height = height, width
            return Probed(
                MediaKind.VIDEO,
                content_type,
                width,
                height,
                duration_ms,
                round(float(picture.average_rate or 0), 3),
                context.codec.canonical_name,
                film.streams.audio[0].codec_context.codec.canonical_name if film.streams.audio else "",
            )
    except (av.FFmpegError, StopIteration, OSError, ValueError):
        # FFmpeg names whatever it was doing when it was called back, not the time limit.
        late = time.monotonic() - started >= seconds
        rule = (
            f"looking at the video took over {seconds:g} seconds"
            if late
            else "the video is damaged or incomplete"
        )
        raise MediaError(name, rule, again) from None


def _picture_stream(film: InputContainer) -> VideoStream | None:
    """The first moving picture; the cover of a song is a video stream too."""
    return next((s for s in film.streams.video if not s.disposition & Disposition.attached_pic), None)


def _duration_ms(film: InputContainer, picture: VideoStream) -> int:
    if picture.duration is not None and picture.time_base is not None:
        return round(picture.duration * picture.time_base * 1000)
    return round((film.duration or 0) * 1000 / av.time_base)
