"""Real files made by code: pictures by Pillow, films by PyAV; and a corpus of what people upload."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()


def picture_bytes(
    kind: str = "JPEG", size: tuple[int, int] = (64, 48), *, frames: int = 1, orientation: int = 1
) -> bytes:
    image = Image.effect_noise(size, 40).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    more: dict[str, Any] = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
    if frames > 1:
        more |= {"save_all": True, "append_images": [image.rotate(90 * n) for n in range(1, frames)]}
    image.save(out, kind, **more)
    return out.getvalue()


def film_bytes(
    container: str = "mp4",
    codec: str = "libx264",
    *,
    size: tuple[int, int] = (64, 48),
    frames: int = 25,
    sound: bool = False,
    picture: bool = True,
    rotation: int = 0,
    spans: list[int] | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
) -> bytes:
    """`spans`: for how many 25ths of a second each picture stays, over and over; 1 where it is not given."""
    with tempfile.NamedTemporaryFile() as out, av.open(out.name, "w", container, options or {}) as film:
        stream = film.add_stream(codec, rate=25, options=codec_options or {}) if picture else None
        tone = film.add_stream("aac", rate=44100) if sound else None
        if stream is not None:
            stream.width, stream.height, stream.pix_fmt = *size, pixel_format
            if rotation:
                stream.set_display_rotation(rotation)
            at = 0
            for number in range(frames):
                shade = av.VideoFrame.from_image(Image.new("RGB", size, (number * 9 % 256, 80, 160)))
                shade.pts, shade.time_base = at, Fraction(1, 25)
                shade.duration = spans[number % len(spans)] if spans else 1
                at += shade.duration
                film.mux(stream.encode(shade))
            film.mux(stream.encode())
        if tone is not None:
            for number in range(20):
                silence = av.AudioFrame("fltp", "stereo", 1024)
                for plane in silence.planes:
                    plane.update(bytes(plane.buffer_size))
                silence.sample_rate, silence.pts = 44100, number * 1024
                silence.time_base = Fraction(1, 44100)
                film.mux(tone.encode(silence))
            film.mux(tone.encode())
        film.close()
        return Path(out.name).read_bytes()


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def shaded(width: int, height: int) -> Image.Image:
    """Smooth, so that large pictures are small files."""
    return Image.linear_gradient("L").resize((width, height)).convert("RGB")


def with_edits(content: bytes, edits: list[tuple[int, int, int]]) -> bytes:
    """A film whose index is last, with another first edit list: (length, start, rate) of each."""
    at = content.index(b"elst")
    table = struct.pack(">II", 0, len(edits))
    table += b"".join(struct.pack(">IiI", length, start, rate << 16) for length, start, rate in edits)
    size = int.from_bytes(content[at - 4 : at])
    grown = len(table) - (size - 8)
    found = bytearray(content)
    found[at + 4 : at - 4 + size] = table
    for name in (b"elst", b"edts", b"trak", b"moov"):
        where = content.rindex(name, 0, at + 4)
        found[where - 4 : where] = struct.pack(">I", int.from_bytes(found[where - 4 : where]) + grown)
    return bytes(found)


def bomb_bytes(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it has so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def zip_bytes() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cat.jpg", b"no cat")
    return out.getvalue()


def _sideways() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(shaded(900, 1080), "JPEG", exif=exif)


FAST = {"preset": "ultrafast"}
FRONT = {"movflags": "faststart"}

GOOD: dict[str, Callable[[], bytes]] = {
    "photo.jpg": lambda: saved(shaded(1080, 1080), "JPEG"),
    "upright.mp4": lambda: film_bytes(
        size=(1080, 1920), frames=100, sound=True, options=FRONT, codec_options=FAST
    ),
}
"""What every platform takes as it is."""

MIXED: dict[str, Callable[[], bytes]] = {
    "phone.heic": lambda: saved(shaded(1200, 900), "HEIF"),
    "web.webp": lambda: saved(shaded(1000, 1000), "WEBP"),
    "print.jpg": lambda: saved(shaded(1000, 1000).convert("CMYK"), "JPEG"),
    "sideways.jpg": _sideways,
    "panorama.jpg": lambda: saved(shaded(12_000, 2_000), "JPEG"),
    "two in one.jpg": lambda: picture_bytes("MPO", (1000, 1000), frames=2),
    "spin.gif": lambda: picture_bytes("GIF", (320, 240), frames=8),
    "hour.mp4": lambda: film_bytes(size=(640, 360), frames=61, spans=[25 * 60], codec_options=FAST),
    "phone.mov": lambda: film_bytes(
        "mov", size=(1280, 720), frames=80, spans=[1, 1, 2, 1, 3], rotation=90, sound=True, codec_options=FAST
    ),
    "trimmed.mov": lambda: with_edits(
        film_bytes("mov", size=(720, 1280), frames=125, codec_options=FAST), [(4000, 512 * 25, 1)]
    ),
    "silent.mp4": lambda: film_bytes(size=(720, 1280), frames=100, options=FRONT, codec_options=FAST),
    "odd.mp4": lambda: film_bytes(
        size=(721, 1281), frames=100, options=FRONT, codec_options=FAST, pixel_format="yuv444p"
    ),
    "screen.webm": lambda: film_bytes(
        "webm",
        "libvpx-vp9",
        size=(1280, 720),
        frames=100,
        codec_options={"deadline": "realtime", "cpu-used": "8"},
    ),
}
"""What comes out differs from platform to platform."""

BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "half.jpg": (lambda: saved(shaded(1000, 1000), "JPEG")[:5000], "the picture is damaged or incomplete"),
    "half.mp4": (lambda: film_bytes(options=FRONT, frames=50)[:-500], "the video is damaged or incomplete"),
    "menu.jpg": (lambda: b"%PDF-1.7 and more" * 50, "this is neither a picture"),
    "logo.svg": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "this is neither a picture"),
    "cats.zip": (zip_bytes, "this is neither a picture"),
    "list.mp4": (lambda: b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.ts\n", "this is neither a picture"),
    "bomb.png": (lambda: bomb_bytes(30_000, 30_000), "the picture has more than 80 million pixels"),
    "nothing.jpg": (lambda: b"", "the file is empty"),
    "song.mp4": (lambda: film_bytes(picture=False, sound=True), "the file has sound but no picture"),
}
"""What is refused wherever it goes, and the rule that is told."""
