"""Real files made by code: pictures by Pillow, films by PyAV."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pillow_heif
import pytest
from PIL import Image

from schedulo.media import MediaStore

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
) -> bytes:
    """`spans`: for how many 25ths of a second each picture stays, over and over; 1 where it is not given."""
    with tempfile.NamedTemporaryFile() as out, av.open(out.name, "w", container, options or {}) as film:
        stream = film.add_stream(codec, rate=25, options=codec_options or {}) if picture else None
        tone = film.add_stream("aac", rate=44100) if sound else None
        if stream is not None:
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
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


@pytest.fixture
def picture() -> Callable[..., bytes]:
    return picture_bytes


@pytest.fixture
def film() -> Callable[..., bytes]:
    return film_bytes


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media")
