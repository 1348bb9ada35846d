"""What a file really is, found in its bytes."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from schedulo.media import MediaError, Probed, probe
from schedulo.model import MediaKind

Maker = Callable[..., bytes]


def looked_at(folder: Path, content: bytes, name: str = "upload.bin") -> Probed:
    path = folder / name
    path.write_bytes(content)
    return probe(path)


def refusal(folder: Path, content: bytes, name: str = "upload.bin") -> str:
    with pytest.raises(MediaError) as caught:
        looked_at(folder, content, name)
    assert caught.value.problem.value == name
    return caught.value.problem.sentence()


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("GIF", "image/gif"),
    ],
)
def test_a_picture_is_known_by_its_bytes_whatever_it_is_called(
    kind: str, content_type: str, picture: Maker, tmp_path: Path
) -> None:
    found = looked_at(tmp_path, picture(kind), "holiday.mp4")
    assert (found.kind, found.content_type) == (MediaKind.IMAGE, content_type)
    assert (found.width, found.height) == (64, 48)


def test_a_gif_that_moves_is_a_gif(picture: Maker, tmp_path: Path) -> None:
    assert looked_at(tmp_path, picture("GIF", frames=3)).kind is MediaKind.GIF


def test_a_camera_jpeg_with_a_second_picture_is_a_jpeg(picture: Maker, tmp_path: Path) -> None:
    found = looked_at(tmp_path, picture("MPO", frames=2))
    assert (found.kind, found.content_type) == (MediaKind.IMAGE, "image/jpeg")


def test_a_photo_taken_sideways_has_the_size_people_see(picture: Maker, tmp_path: Path) -> None:
    found = looked_at(tmp_path, picture("JPEG", (64, 48), orientation=6))
    assert (found.width, found.height) == (48, 64)


@pytest.mark.parametrize(
    ("container", "codec", "content_type", "codec_name"),
    [
        ("mp4", "libx264", "video/mp4", "h264"),
        ("mov", "libx264", "video/quicktime", "h264"),
        ("webm", "libvpx-vp9", "video/webm", "vp9"),
        ("matroska", "libx264", "video/x-matroska", "h264"),
    ],
)
def test_a_video_is_known_by_its_bytes(
    container: str, codec: str, content_type: str, codec_name: str, film: Maker, tmp_path: Path
) -> None:
    found = looked_at(tmp_path, film(container, codec), "picture.jpg")
    assert (found.kind, found.content_type, found.video_codec) == (MediaKind.VIDEO, content_type, codec_name)
    assert (found.width, found.height, found.duration_ms, found.fps) == (64, 48, 1000, 25.0)


def test_sound_is_named_where_there_is_some(film: Maker, tmp_path: Path) -> None:
    assert looked_at(tmp_path, film(sound=True)).audio_codec == "aac"
    assert looked_at(tmp_path, film()).audio_codec == ""


def test_a_film_taken_upright_has_the_size_people_see(film: Maker, tmp_path: Path) -> None:
    found = looked_at(tmp_path, film("mov", rotation=90))
    assert (found.width, found.height) == (48, 64)


def test_sound_alone_is_no_video(film: Maker, tmp_path: Path) -> None:
    assert "no picture" in refusal(tmp_path, film(picture=False, sound=True))


def test_half_a_video_is_refused(film: Maker, tmp_path: Path) -> None:
    content = film(frames=50)
    assert "damaged or incomplete" in refusal(tmp_path, content[: len(content) // 2])


def test_a_picture_whose_checksum_is_wrong_is_refused(picture: Maker, tmp_path: Path) -> None:
    content = bytearray(picture("PNG"))
    content[len(content) // 2] ^= 0xFF
    assert "damaged or incomplete" in refusal(tmp_path, bytes(content))


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    assert "empty" in refusal(tmp_path, b"")


@pytest.mark.parametrize(
    "content",
    [
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"PK\x03\x04",
    ],
)
def test_what_is_neither_picture_nor_video_is_refused_by_its_name(content: bytes, tmp_path: Path) -> None:
    assert "neither a picture" in refusal(tmp_path, content * 20, "menu.jpg")


def test_a_playlist_that_calls_itself_a_video_opens_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"G" * 188 * 4)
    playlist = f"#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n".encode()
    assert "neither a picture" in refusal(tmp_path, playlist, "clip.mp4")


def test_an_iphone_photo_is_refused_with_what_to_do(tmp_path: Path) -> None:
    content = struct.pack(">I", 24) + b"ftypheic" + bytes(12) + bytes(200)
    assert "Save it as JPEG" in refusal(tmp_path, content, "IMG_0001.HEIC")


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 8_500)])
def test_a_small_file_that_unfolds_to_gigabytes_is_refused_unopened(
    size: tuple[int, int], tmp_path: Path
) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    started = time.perf_counter()
    assert "million pixels" in refusal(tmp_path, bomb + chunk(b"IEND", b""))
    assert time.perf_counter() - started < 1.0


def test_what_was_found_survives_being_written_down(film: Maker, tmp_path: Path) -> None:
    found = looked_at(tmp_path, film(sound=True))
    assert Probed.from_json(found.to_json()) == found


def test_looking_at_a_video_ends_at_its_time_limit(film: Maker, tmp_path: Path) -> None:
    path = tmp_path / "slow.mp4"
    path.write_bytes(film())
    with pytest.raises(MediaError, match="took over"):
        probe(path, video_seconds=1e-9)
