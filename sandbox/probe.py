"""What is this file really? Looks into the bytes and never believes a name or a content type.

Images are read with Pillow, videos with PyAV; answers are kept by sha256, so a file is opened once. Which of
these facts a platform accepts is the business of its stand-in.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from dataclasses import dataclass

import av
from PIL import Image, UnidentifiedImageError

from sandbox.core import sha256

KEPT = 4096
CONTAINERS = {"mov": "mp4", "matroska": "webm"}
"""FFmpeg's first name of a format -> ours."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image. `kind` is Pillow's name: JPEG, PNG, GIF, WEBP, MPO, BMP, TIFF."""

    kind: str
    width: int
    height: int
    frames: int
    size_bytes: int

    @property
    def aspect(self) -> float:
        return self.width / self.height


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video with at least one picture stream."""

    container: str
    """mp4, mov (the QuickTime brand), webm, avi, ..."""
    codec: str
    """FFmpeg's name: h264, hevc, vp9, av1, ..."""
    audio_codec: str | None
    width: int
    height: int
    duration_s: float
    fps: float
    moov_first: bool
    """The index stands before the pictures, so that playing may begin before the download ends."""
    size_bytes: int
    pixel_format: str = ""
    """FFmpeg's name: yuv420p, ..."""
    bit_rate: int = 0
    """Of the picture, bits a second; 0 where it is not told."""
    audio_rate_hz: int = 0
    audio_channels: int = 0
    cut: bool = False
    """An edit list shows only parts of it."""
    interlaced: bool = False

    @property
    def aspect(self) -> float:
        return self.width / self.height


Probed = ImageFile | VideoFile

FIELDS = (2, 3, 4, 5)
"""FFmpeg's AVFieldOrder of pictures in two halves."""
LATEST_START = 90_000
"""In units of a track, which are mostly 12,800 to 90,000 a second."""

_known: OrderedDict[str, Probed | None] = OrderedDict()


def probe(content: bytes, digest: str | None = None) -> Probed | None:
    """The image or video that `content` is, or None; `digest` is its sha256 where the caller has it."""
    key = digest or sha256(content)
    if key not in _known:
        _known[key] = _image(content) or _video(content)
        if len(_known) > KEPT:
            _known.popitem(last=False)
    return _known[key]


def _image(content: bytes) -> ImageFile | None:
    try:
        with Image.open(io.BytesIO(content)) as image:
            found = ImageFile(
                kind=image.format or "",
                width=image.width,
                height=image.height,
                frames=getattr(image, "n_frames", 1),
                size_bytes=len(content),
            )
            image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return found


def _video(content: bytes) -> VideoFile | None:
    try:
        with av.open(io.BytesIO(content), "r") as file:
            if not file.streams.video:
                return None
            picture = file.streams.video[0]
            if picture.codec_context.name in ("png", "mjpeg", "gif", "bmp", "webp"):
                return None
            seconds = _duration_s(file, picture)
            sound = file.streams.audio[0].codec_context if file.streams.audio else None
            return VideoFile(
                container=_container(file, content),
                codec=picture.codec_context.name,
                audio_codec=sound.name if sound else None,
                width=picture.codec_context.width,
                height=picture.codec_context.height,
                duration_s=seconds,
                fps=float(picture.average_rate or 0),
                moov_first=_moov_first(content),
                size_bytes=len(content),
                pixel_format=picture.codec_context.pix_fmt or "",
                bit_rate=picture.bit_rate or 0,
                audio_rate_hz=sound.sample_rate if sound else 0,
                audio_channels=sound.layout.nb_channels if sound else 0,
                cut=_cut(content),
                interlaced=picture.codec_context.field_order in FIELDS,
            )
    except (av.FFmpegError, ValueError, IndexError):
        return None


def _container(file: av.container.InputContainer, content: bytes) -> str:
    if content[8:12] == b"qt  ":
        return "mov"
    name = file.format.name.split(",")[0]
    return CONTAINERS.get(name, name)


def _duration_s(file: av.container.InputContainer, picture: av.VideoStream) -> float:
    if picture.duration is not None and picture.time_base is not None:
        return float(picture.duration * picture.time_base)
    return (file.duration or 0) / av.time_base


def _cut(content: bytes) -> bool:
    """An edit list (ISO 14496-12: elst) of several parts, or one that begins seconds after the media do. The
    small shift by which encoders hide a delay cuts nothing."""
    at = 0
    while (at := content.find(b"elst", at)) >= 0:
        wide, entries = content[at + 4] == 1, int.from_bytes(content[at + 8 : at + 12])
        size, number = (20, 8) if wide else (12, 4)
        starts = [
            int.from_bytes(content[place + number : place + 2 * number], signed=True)
            for place in range(at + 12, min(at + 12 + entries * size, len(content) - size + 1), size)
        ]
        if sum(start >= 0 for start in starts) > 1 or max(starts, default=0) > LATEST_START:
            return True
        at += 4
    return False


def _moov_first(content: bytes) -> bool:
    """Walk the top-level boxes of ISO 14496-12 until `moov` or `mdat`."""
    at = 0
    while at + 8 <= len(content):
        size, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        if kind in (b"moov", b"mdat"):
            return kind == b"moov"
        if size == 1:
            size = int.from_bytes(content[at + 8 : at + 16])
        if size < 8:
            return False
        at += size
    return False
