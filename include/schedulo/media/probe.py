"""What is this file really? Looks into the bytes; a name or a content type is never believed.

Images are opened with Pillow, videos with PyAV. Of a video one picture is decoded and never more than a few
megabytes are read; of a picture as much as it takes to know that it is whole. Which of these facts a platform
accepts is the platform's own business, and told by `accepts`.

The first bytes choose the reader, and the reader is told which format to expect: a playlist or a script that
calls itself a video would otherwise make FFmpeg open other files and addresses.
"""

from __future__ import annotations

import contextlib
import io
import struct
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, Self

import av
import pillow_heif
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from schedulo.media.layout import film_layout, gif_layout, matroska_complete
from schedulo.model import Facts, MediaKind, Problem

pillow_heif.register_heif_opener()

MAX_PIXELS = 80_000_000
"""Larger pictures are not opened: a few kB can unfold to gigabytes. No platform takes half of this."""

MAX_SCANS = 200
"""A JPEG that builds up slowly comes in a dozen scans. Each is a pass over all its pixels."""

MAX_IMAGE_BYTES = 500_000_000
"""Twice what the largest such picture takes uncompressed."""

VIDEO_SECONDS = 10.0
"""How long FFmpeg may look at a file."""

HEAD_BYTES = 512
MAX_TIMES = 5000
"""To see whether a frame rate varies, so many times of pictures are looked at where the index has them;"""
MAX_PACKETS = 60
"""and so many packets where they must be read."""
MAX_REORDERED = 16
"""H.264 and HEVC show a picture at most so many pictures after it was decoded."""

# Pillow's format names, and what the web calls them.
IMAGES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "HEIF": "image/heic",
    "AVIF": "image/avif",
}

HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
"""Still pictures in the box format of MP4 (ISO/IEC 23008-12): FFmpeg would call them videos."""

VIDEO_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""What an MP4 or QuickTime file may begin with (ISO/IEC 14496-12)."""

FILM_STARTS = (
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ("asf", "video/x-ms-wmv")),  # ASF header object
    (b"FLV\x01", ("flv", "video/x-flv")),
)

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations that swap width and height (EXIF 2.32, tag 0x0112)."""

UNKNOWN = "unknown"
"""Sound of a codec that FFmpeg does not know: there is some, and it is not left out in silence."""

PQ, HLG = 16, 18
"""Transfer characteristics of high dynamic range (ITU-T H.273, table 3: SMPTE ST 2084, ARIB STD-B67)."""
INTERLACED = (2, 3, 4, 5)
"""FFmpeg's AVFieldOrder: top or bottom first, coded or shown."""


class MediaError(Exception):
    """The file cannot be used as media; `problem` says why, in words for the author."""

    def __init__(self, name: str, rule: str, remedy: str) -> None:
        self.problem = Problem("Media", name, rule, remedy)
        super().__init__(self.problem.sentence())


@dataclass(frozen=True, slots=True)
class Probed:
    """What a file is. Width and height are as shown, after rotation and with square pixels."""

    kind: MediaKind
    content_type: str
    width: int
    height: int
    duration_ms: int = 0
    facts: Facts | None = None
    """None: written down before all of these facts were looked for."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` wrote, of this version or an older one."""
        facts = data.get("facts") or {}
        complete = facts.keys() == {item.name for item in fields(Facts)}
        return cls(
            MediaKind(data["kind"]),
            data["content_type"],
            data["width"],
            data["height"],
            data["duration_ms"],
            Facts(**facts) if complete else None,
        )


def probe(path: Path, name: str = "", *, video_seconds: float = VIDEO_SECONDS) -> Probed:
    """Look at the file at `path`; `name` is what people call it. Raises `MediaError`."""
    name = name or path.name
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise MediaError(name, "the file is empty", "Upload it again.")
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS:
        return _image(path, name, is_heif=True)
    if reader := film_reader(head):
        return _video(path, name, *reader, video_seconds)
    return _image(path, name)


def film_reader(head: bytes) -> tuple[str, str] | None:
    """(FFmpeg's reader, content type) of a video by its first bytes; None for what is none."""
    if head[4:8] in VIDEO_BOXES:
        return "mov", "video/quicktime" if head[8:12] == b"qt  " else "video/mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # EBML (RFC 8794); its DocType stands in the first header
        return "matroska", "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi", "video/x-msvideo"
    if head[::188][:3] == b"GGG":  # each packet of 188 bytes begins with 0x47 (ISO/IEC 13818-1)
        return "mpegts", "video/mp2t"
    return next((found for start, found in FILM_STARTS if head.startswith(start)), None)


def _image(path: Path, name: str, *, is_heif: bool = False) -> Probed:
    broken = MediaError(name, "the picture is damaged or incomplete", "Export it again and upload it anew.")
    if path.stat().st_size > MAX_IMAGE_BYTES:
        rule = f"a picture has at most {MAX_IMAGE_BYTES // 1_000_000} MB"
        raise MediaError(name, rule, "Save it smaller.")
    try:
        image = Image.open(path, formats=tuple(IMAGES))
    except UnidentifiedImageError:
        if is_heif:
            raise broken from None
        raise MediaError(
            name,
            "this is neither a picture (JPEG, PNG, GIF, WebP, HEIC) nor a video (MP4, MOV, WebM)",
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
            return _picture(path, image)
        except Exception:
            raise broken from None


def _picture(path: Path, image: Image.Image) -> Probed:
    width, height = image.size
    # Pillow unpacks all of a PNG to look for EXIF behind its pixels, where nobody writes it.
    exif = image.getexif() if image.format != "PNG" or "exif" in image.info else Image.Exif()
    orientation = exif.get(ExifTags.Base.Orientation, 1)
    if orientation in SIDEWAYS:
        width, height = height, width
    frames = animation_ms = 0
    if image.format == "GIF":
        with path.open("rb") as file:
            found = gif_layout(file)
        if not found.complete:
            raise ValueError
        frames, animation_ms = found.frames, found.duration_ms if found.frames > 1 else 0
    elif image.format != "MPO":
        frames = int(getattr(image, "n_frames", 1))
    facts = Facts(
        frames=frames if frames > 1 else 0,
        animation_ms=animation_ms,
        color_mode=image.mode,
        second_picture=image.format == "MPO",
        turned=2 <= orientation <= 8,
        foreign_profile=is_foreign(image.info.get("icc_profile")),
    )
    # A GIF that does not move is a picture like any other.
    moves = image.format == "GIF" and frames > 1
    # MPO is the JPEG of cameras that add a second picture.
    content_type = IMAGES["JPEG" if image.format == "MPO" else image.format or ""]
    _read_through(path, image)
    return Probed(MediaKind.GIF if moves else MediaKind.IMAGE, content_type, width, height, 0, facts)


def _read_through(path: Path, image: Image.Image) -> None:
    """Trip over what is missing or damaged, as cheaply as the format allows. HEIC and AVIF are left to the
    conversion, which runs apart and which every platform needs."""
    match image.format:
        case "PNG":  # checksums of all its parts; nothing is unpacked
            image.verify()
        case "JPEG" | "MPO":  # unpacked at an eighth of its size
            if _scans(path) > MAX_SCANS:
                raise ValueError
            image.draft("L", (1, 1))
            image.load()
        case "HEIF" | "AVIF" | "GIF":
            pass
        case _:
            image.load()


def _scans(path: Path) -> int:
    """How often a JPEG says "start of scan"; within its pixels these two bytes do not occur."""
    with path.open("rb") as file:
        count = ahead = 0
        while chunk := file.read(1 << 20):
            count += chunk.count(b"\xff\xda") + (ahead == 0xFF and chunk[0] == 0xDA)
            ahead = chunk[-1]
    return count


def is_foreign(profile: bytes | None) -> bool:
    """Whether a colour profile is there, can be read, and is not sRGB by its own description."""
    if not profile:
        return False
    try:
        described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return False
    # "c2" is the small sRGB profile that Facebook and many web tools embed.
    return "srgb" not in described.lower() and described.strip() != "c2"


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
            if picture.codec_context is None:
                raise MediaError(name, "its picture is stored in a way that FFmpeg does not know", again)
            if picture.codec_context.width * picture.codec_context.height > MAX_PIXELS:
                raise _too_many_pixels(name)
            duration_ms = _duration_ms(film, picture)
            if duration_ms <= 0:
                raise MediaError(name, "the video does not say how long it is", again)
            frame = next(film.decode(picture))
            width, height = _shown_size(picture)
            if frame.rotation % 180:
                width, height = height, width
            facts = _film_facts(path, reader, film, picture, frame, duration_ms)
            if facts is None:
                raise ValueError
            return Probed(MediaKind.VIDEO, content_type, width, height, duration_ms, facts)
    except (av.FFmpegError, StopIteration, OSError, ValueError, ArithmeticError, LookupError, struct.error):
        # FFmpeg names whatever it was doing when it was called back, not the time limit.
        late = time.monotonic() - started >= seconds
        rule = (
            f"looking at the video took over {seconds:g} seconds"
            if late
            else "the video is damaged or incomplete"
        )
        raise MediaError(name, rule, again) from None


def _film_facts(
    path: Path,
    reader: str,
    film: InputContainer,
    picture: VideoStream,
    frame: av.VideoFrame,
    duration_ms: int,
) -> Facts | None:
    """None for a file that ends before its media do."""
    context = picture.codec_context
    sound = film.streams.audio[0].codec_context if film.streams.audio else None
    index_last = edited = False
    with path.open("rb") as file:
        if reader == "mov":
            layout = film_layout(file)
            index_last, edited, complete = layout.index_last, layout.edited, layout.complete
        else:
            complete = reader != "matroska" or matroska_complete(file)
    if not complete:
        return None
    return Facts(
        fps=round(float(picture.average_rate or picture.guessed_rate or 0), 3),
        video_codec=context.codec.canonical_name,
        audio_codec=sound.codec.canonical_name if sound else UNKNOWN if film.streams.audio else "",
        pixel_format=context.pix_fmt or "",
        bit_rate=path.stat().st_size * 8000 // duration_ms,
        audio_rate_hz=sound.sample_rate if sound else 0,
        audio_channels=sound.layout.nb_channels if sound else 0,
        interlaced=frame.interlaced_frame or context.field_order in INTERLACED,
        variable_fps=_varies(_times(reader, film, picture)),
        index_last=index_last,
        edited=edited,
        turned=bool(frame.rotation % 360),
        high_dynamic_range=frame.color_trc in (PQ, HLG),
    )


def _shown_size(picture: VideoStream) -> tuple[int, int]:
    """Width and height with square pixels: old cameras and discs store narrow ones."""
    context = picture.codec_context
    shape = picture.sample_aspect_ratio
    return max(1, round(context.width * float(shape or 1))), context.height


def _times(reader: str, film: InputContainer, picture: VideoStream) -> Iterator[int]:
    """When pictures are shown or, by the index, decoded: steady or not, both are. In the stream's units."""
    if reader == "mov":
        yield from (entry.timestamp for entry in islice(picture.index_entries, MAX_TIMES))
        return
    with contextlib.suppress(av.FFmpegError):
        film.seek(0)
        packets = islice(film.demux(picture), MAX_PACKETS)
        times = sorted(packet.pts for packet in packets if packet.pts is not None)
        # Pictures come in the order of decoding: of the last ones some are still to come.
        yield from times[:-MAX_REORDERED] if len(times) == MAX_PACKETS else times


def _varies(times: Iterator[int]) -> bool:
    """Whether more than one picture in fifty stays a quarter longer or shorter than most. Clocks of a
    millisecond make even the steadiest video uneven by a little."""
    spans = sorted(later - earlier for earlier, later in pairwise(times))
    if len(spans) < 2:
        return False
    usual = spans[len(spans) // 2]
    uneven = sum(abs(span - usual) > max(usual / 4, 1) for span in spans)
    return uneven > len(spans) / 50


def _picture_stream(film: InputContainer) -> VideoStream | None:
    """The first moving picture; the cover of a song is a video stream too."""
    return next((s for s in film.streams.video if not s.disposition & Disposition.attached_pic), None)


def _duration_ms(film: InputContainer, picture: VideoStream) -> int:
    if picture.duration is not None and picture.time_base is not None:
        return round(picture.duration * picture.time_base * 1000)
    return round((film.duration or 0) * 1000 / av.time_base)
