"""What a file really is, found in its bytes."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from schedulo.media import MediaError, Probed, probe
from schedulo.model import Facts, MediaKind
from tests.schedulo.media.corpus import bomb_bytes, with_edits

Maker = Callable[..., bytes]


def looked_at(folder: Path, content: bytes, name: str = "upload.bin") -> Probed:
    path = folder / name
    path.write_bytes(content)
    return probe(path)


def facts_of(found: Probed) -> Facts:
    assert found.facts is not None
    return found.facts


def read_bytes() -> int:
    """What this process has read so far."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar")))


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
    assert (found.kind, found.content_type) == (MediaKind.VIDEO, content_type)
    assert (found.width, found.height, found.duration_ms) == (64, 48, 1000)
    facts = facts_of(found)
    assert (facts.video_codec, facts.pixel_format, facts.fps) == (codec_name, "yuv420p", 25.0)
    assert not any((facts.interlaced, facts.variable_fps, facts.edited, facts.turned))
    assert facts.bit_rate > 0


@pytest.mark.parametrize(
    ("container", "codec", "content_type"),
    [
        ("avi", "mpeg4", "video/x-msvideo"),
        ("mpegts", "libx264", "video/mp2t"),
        ("asf", "wmv2", "video/x-ms-wmv"),
        ("flv", "libx264", "video/x-flv"),
    ],
)
def test_older_kinds_of_video_are_known_too(
    container: str, codec: str, content_type: str, film: Maker, tmp_path: Path
) -> None:
    found = looked_at(tmp_path, film(container, codec, frames=50), "clip")
    assert (found.kind, found.content_type, found.width, found.height) == (
        MediaKind.VIDEO,
        content_type,
        64,
        48,
    )
    assert found.duration_ms == pytest.approx(2000, abs=250)  # their headers know no better


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_unpacked(
    picture: Maker, tmp_path: Path
) -> None:
    content = picture("JPEG")
    scans = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 1000
    assert "damaged" in refusal(tmp_path, content[:-2] + scans + b"\xff\xd9")


def test_sound_is_named_where_there_is_some(film: Maker, tmp_path: Path) -> None:
    with_sound = facts_of(looked_at(tmp_path, film(sound=True)))
    assert (with_sound.audio_codec, with_sound.audio_rate_hz, with_sound.audio_channels) == ("aac", 44100, 2)
    without = facts_of(looked_at(tmp_path, film()))
    assert (without.audio_codec, without.audio_rate_hz, without.audio_channels) == ("", 0, 0)


def test_a_film_taken_upright_has_the_size_people_see(film: Maker, tmp_path: Path) -> None:
    found = looked_at(tmp_path, film("mov", rotation=90))
    assert (found.width, found.height) == (48, 64)


def test_sound_alone_is_no_video(film: Maker, tmp_path: Path) -> None:
    assert "no picture" in refusal(tmp_path, film(picture=False, sound=True))


@pytest.mark.parametrize(
    ("container", "options"),
    [("mp4", {}), ("mp4", {"movflags": "faststart"}), ("mov", {}), ("matroska", {})],
)
def test_half_a_video_is_refused(
    container: str, options: dict[str, str], film: Maker, tmp_path: Path
) -> None:
    content = film(container, frames=50, options=options)
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


@pytest.mark.parametrize(("kind", "content_type"), [("HEIF", "image/heic"), ("AVIF", "image/avif")])
def test_pictures_of_phones_are_pictures(
    kind: str, content_type: str, picture: Maker, tmp_path: Path
) -> None:
    found = looked_at(tmp_path, picture(kind, (64, 48)), "IMG_0001.JPG")
    assert (found.kind, found.content_type) == (MediaKind.IMAGE, content_type)
    assert (found.width, found.height) == (64, 48)


def test_a_box_that_says_heic_and_holds_nothing_is_damaged(tmp_path: Path) -> None:
    content = struct.pack(">I", 24) + b"ftypheic" + bytes(12) + bytes(200)
    assert "damaged" in refusal(tmp_path, content, "IMG_0001.HEIC")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_half_a_picture_is_refused(kind: str, picture: Maker, tmp_path: Path) -> None:
    content = picture(kind, (200, 150))
    assert "damaged or incomplete" in refusal(tmp_path, content[: len(content) * 2 // 3])


def test_the_colours_of_a_picture_are_told(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("CMYK", (40, 30)).save(out, "JPEG")
    assert facts_of(looked_at(tmp_path, out.getvalue())).color_mode == "CMYK"


def test_a_profile_that_is_not_srgb_is_foreign(tmp_path: Path) -> None:
    def with_profile(profile: bytes) -> bool:
        out = io.BytesIO()
        Image.new("RGB", (40, 30)).save(out, "JPEG", icc_profile=profile)
        return facts_of(looked_at(tmp_path, out.getvalue())).foreign_profile

    def made(name: str) -> bytes:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()  # type: ignore[arg-type]

    assert not with_profile(made("sRGB"))
    assert with_profile(made("LAB"))
    assert not with_profile(b"no profile at all")


def test_a_photo_taken_sideways_is_turned(picture: Maker, tmp_path: Path) -> None:
    assert facts_of(looked_at(tmp_path, picture("JPEG", orientation=6))).turned
    assert not facts_of(looked_at(tmp_path, picture("JPEG"))).turned


def test_the_frames_of_a_gif_are_counted_and_its_time_added_up(tmp_path: Path) -> None:
    out = io.BytesIO()
    shades = [Image.new("L", (20, 20), number * 80) for number in range(3)]
    shades[0].save(out, "GIF", save_all=True, append_images=shades[1:], duration=[200, 0, 350])
    facts = facts_of(looked_at(tmp_path, out.getvalue()))
    assert facts.frames == 3
    assert facts.animation_ms == 200 + 100 + 350


def test_an_index_at_the_end_is_seen(film: Maker, tmp_path: Path) -> None:
    assert facts_of(looked_at(tmp_path, film())).index_last
    assert not facts_of(looked_at(tmp_path, film(options={"movflags": "faststart"}))).index_last


def test_an_edit_list_that_only_hides_what_the_encoder_added_is_none(film: Maker, tmp_path: Path) -> None:
    content = film(sound=True, frames=50)
    assert b"elst" in content
    assert not facts_of(looked_at(tmp_path, content)).edited


@pytest.mark.parametrize(
    "edits",
    [
        [(1000, 512 * 20, 1)],
        [(500, 1024, 1)],
        [(500, 1024, 1), (500, 1024, 1)],
        [(800, -1, 1), (2000, 1024, 1)],
    ],
    ids=["begins late", "ends early", "twice", "waits first"],
)
def test_an_edit_list_that_leaves_out_or_moves_something_is_seen(
    edits: list[tuple[int, int, int]], film: Maker, tmp_path: Path
) -> None:
    assert facts_of(looked_at(tmp_path, with_edits(film("mov", frames=50), edits), "cut.mov")).edited


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_frame_rate_that_varies_is_seen(container: str, film: Maker, tmp_path: Path) -> None:
    uneven = film(container, spans=[1, 1, 3, 1, 2])
    assert facts_of(looked_at(tmp_path, uneven)).variable_fps


def test_what_an_interlaced_video_is(film: Maker, tmp_path: Path) -> None:
    content = film("mp4", codec_options={"x264-params": "tff=1"})
    assert facts_of(looked_at(tmp_path, content)).interlaced


def test_an_hour_costs_no_more_than_a_second(film: Maker, tmp_path: Path) -> None:
    path = tmp_path / "hour.mp4"
    path.write_bytes(film(frames=61, spans=[25 * 60]))
    read_before = read_bytes()
    assert probe(path).duration_ms == 3_600_040
    assert read_bytes() - read_before < 5_000_000


@pytest.mark.parametrize("size", [(30_000, 30_000), (10_000, 8_500)])
def test_a_small_file_that_unfolds_to_gigabytes_is_refused_unopened(
    size: tuple[int, int], tmp_path: Path
) -> None:
    started = time.perf_counter()
    assert "million pixels" in refusal(tmp_path, bomb_bytes(*size))
    assert time.perf_counter() - started < 1.0


def test_what_was_found_survives_being_written_down(film: Maker, tmp_path: Path) -> None:
    found = looked_at(tmp_path, film(sound=True))
    assert Probed.from_json(found.to_json()) == found


def test_looking_at_a_video_ends_at_its_time_limit(film: Maker, tmp_path: Path) -> None:
    path = tmp_path / "slow.mp4"
    path.write_bytes(film())
    with pytest.raises(MediaError, match="took over"):
        probe(path, video_seconds=1e-9)


def test_a_film_in_a_codec_that_nobody_knows_is_refused_with_these_words(film: Maker, tmp_path: Path) -> None:
    path = tmp_path / "raw.mov"
    path.write_bytes(film().replace(b"avc1", b"zzzz"))
    with pytest.raises(MediaError, match="its picture is stored in a way that FFmpeg does not know"):
        probe(path)


def test_sound_in_a_codec_that_nobody_knows_is_sound_all_the_same(film: Maker, tmp_path: Path) -> None:
    path = tmp_path / "spatial.mov"
    path.write_bytes(film(sound=True).replace(b"mp4a", b"zzzz").replace(b"esds", b"free"))
    facts = probe(path).facts
    assert facts is not None
    assert facts.audio_codec == "unknown"
