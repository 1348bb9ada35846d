"""What a file really is."""

from __future__ import annotations

import io

import av
import pytest
from PIL import Image

from sandbox.probe import ImageFile, VideoFile, probe


def picture(kind: str, frames: int = 1) -> bytes:
    out = io.BytesIO()
    first, *rest = [Image.new("RGB", (40, 30), (shade * 50, 0, 0)) for shade in range(frames)]
    first.save(out, kind, **({"save_all": True, "append_images": rest} if rest else {}))
    return out.getvalue()


def film(container: str, codec: str, *, sound: bool = False, **options: str) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        audio = file.add_stream("aac", rate=48000) if sound else None
        for number in range(25):
            frame = av.VideoFrame(64, 32, "yuv420p")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if audio is not None:
            silence = av.AudioFrame(format="fltp", layout="stereo", samples=1024)
            silence.sample_rate = 48000
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            file.mux(audio.encode(silence))
            file.mux(audio.encode())
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_an_image_tells_its_kind_and_size(kind: str):
    content = picture(kind)
    assert probe(content) == ImageFile(kind, 40, 30, 1, len(content))


def test_an_animation_tells_its_frames():
    found = probe(picture("GIF", 3))
    assert isinstance(found, ImageFile)
    assert found.frames == 3


@pytest.mark.parametrize(
    ("container", "codec", "told"),
    [
        ("mp4", "libx264", ("mp4", "h264")),
        ("mov", "libx264", ("mov", "h264")),
        ("webm", "libvpx-vp9", ("webm", "vp9")),
    ],
)
def test_a_video_tells_its_container_codec_size_and_length(container: str, codec: str, told: tuple[str, str]):
    found = probe(film(container, codec))
    assert isinstance(found, VideoFile)
    assert (found.container, found.codec) == told
    assert (found.width, found.height, round(found.fps), found.audio_codec) == (64, 32, 25, None)
    assert found.duration_s == pytest.approx(1.0, abs=0.05)


def test_a_video_tells_its_sound():
    found = probe(film("mp4", "libx264", sound=True))
    assert isinstance(found, VideoFile)
    assert (found.audio_codec, found.audio_rate_hz, found.audio_channels) == ("aac", 48000, 2)
    assert found.pixel_format == "yuv420p"


def test_a_video_tells_that_its_pictures_come_in_halves():
    found = [probe(film("mp4", "libx264", **options)) for options in ({"flags": "+ildct+ilme"}, {})]
    assert [getattr(video, "interlaced", None) for video in found] == [True, False]


def test_a_video_tells_that_an_edit_list_cuts_it():
    """The list that each encoder writes begins with the media; this one begins seconds into them."""
    whole = film("mp4", "libx264")
    at = whole.index(b"elst") + 16
    cut = whole[:at] + (200_000).to_bytes(4) + whole[at + 4 :]
    assert [getattr(probe(content), "cut", None) for content in (whole, cut)] == [False, True]


def test_a_video_tells_that_its_index_comes_last():
    found = probe(film("mp4", "libx264"))
    assert isinstance(found, VideoFile)
    assert found.moov_first is False


@pytest.mark.parametrize("content", [b"", b"text", picture("JPEG")[:200], film("mp4", "libx264")[:500]])
def test_what_cannot_be_read_is_nothing(content: bytes):
    assert probe(content) is None
