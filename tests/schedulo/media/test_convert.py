"""Files are made anew as their recipes say, apart, within limits; and whatever goes wrong is told."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import pytest
from PIL import Image, ImageCms

from schedulo.accepts import Pictures, Rules, Videos, breaches
from schedulo.media import ConversionError, Limits, MediaStore, MissingMedia, apart, convert, recipe_for
from schedulo.media.recipe import Film
from schedulo.model import Media, MediaKind

Maker = Callable[..., bytes]

LIMITS = Limits(seconds=120, memory_mb=2048, threads=1)
FEED = Pictures(("image/jpeg",), 8 * 1024**2, aspect=(4 / 5, 1.91), srgb=True)
REEL = Videos(
    ("video/mp4",),
    300 * 1024**2,
    (1000, 900_000),
    fps=(23, 60),
    aspect=(0.01, 10),
    max_width=1920,
    max_bit_rate=25_000_000,
    max_audio_rate_hz=48_000,
    max_audio_channels=2,
    index_first=True,
)


def made_of(
    store: MediaStore, content: bytes, name: str, rules: Rules, fit: str = "crop", **more: Any
) -> Media:
    media = replace(store.put(content, name), **more)
    recipe = recipe_for(media, rules, fit)
    assert recipe is not None
    made = convert(store, media, recipe, LIMITS, lambda _: None)
    assert not breaches(made, rules)
    return made


def picture_of(store: MediaStore, media: Media) -> Image.Image:
    image = Image.open(store.path(media.sha256))
    image.load()
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def failure(store: MediaStore, content: bytes, rules: Rules, limits: Limits = LIMITS) -> ConversionError:
    media = store.put(content, "clip.mp4")
    recipe = recipe_for(media, rules, "crop")
    assert recipe is not None
    with pytest.raises(ConversionError) as caught:
        convert(store, media, recipe, limits, lambda _: None)
    assert caught.value.problem.value == "clip.mp4"
    assert not list((store.root / "incoming").iterdir())
    return caught.value


def test_a_phone_photo_becomes_a_jpeg_with_its_name_and_alternative_text(store: MediaStore) -> None:
    content = saved(Image.linear_gradient("L").resize((300, 200)).convert("RGB"), "HEIF")
    made = made_of(store, content, "IMG_0001.HEIC", FEED, alt_text="A wall")
    assert (made.content_type, made.width, made.height) == ("image/jpeg", 300, 200)
    assert (made.filename, made.alt_text) == ("IMG_0001.jpg", "A wall")
    assert store.find(made.sha256) == replace(made, filename="", alt_text="")


def test_a_photo_taken_sideways_stands_upright_and_forgets_where_it_was_taken(store: MediaStore) -> None:
    image = Image.new("RGB", (200, 200), "white")
    image.paste((255, 0, 0), (0, 0, 200, 50))  # a red sky
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    exif.get_ifd(0x8825)[1] = "N"
    made = made_of(store, saved(image, "JPEG", exif=exif), "sky.jpg", FEED)
    found = picture_of(store, made)
    assert found.getpixel((190, 100))[0] > 200 > found.getpixel((190, 100))[1]  # type: ignore[index]
    assert not dict(found.getexif())
    assert b"Exif" not in store.path(made.sha256).read_bytes()


def test_colours_of_another_profile_look_the_same(store: MediaStore) -> None:
    lab = ImageCms.createProfile("LAB")
    srgb = ImageCms.createProfile("sRGB")
    green = Image.new("RGB", (40, 40), (30, 200, 60))
    image = ImageCms.profileToProfile(green, srgb, lab, outputMode="LAB")
    assert image is not None
    made = made_of(store, saved(image, "TIFF"), "green.tif", FEED)
    red, rest, blue = picture_of(store, made).getpixel((20, 20))  # type: ignore[misc]
    assert abs(red - 30) < 12
    assert abs(rest - 200) < 12
    assert abs(blue - 60) < 12


def test_a_cmyk_jpeg_becomes_rgb(store: MediaStore) -> None:
    made = made_of(store, saved(Image.new("CMYK", (40, 40), (0, 255, 255, 0)), "JPEG"), "ad.jpg", FEED)
    found = picture_of(store, made)
    assert found.mode == "RGB"
    assert found.getpixel((20, 20))[0] > 200 > found.getpixel((20, 20))[2]  # type: ignore[index]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_becomes_white(mode: str, store: MediaStore) -> None:
    image = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 20, 40))
    made = made_of(store, saved(image.convert(mode), "PNG"), "logo.png", FEED)
    found = picture_of(store, made)
    assert found.getpixel((35, 20)) == (255, 255, 255)
    assert max(found.getpixel((5, 20))) < 20  # type: ignore[arg-type]


def test_sixteen_bits_of_grey_keep_their_brightness(store: MediaStore) -> None:
    image = Image.new("I;16", (40, 40), 128 * 256)
    made = made_of(store, saved(image, "PNG"), "scan.png", FEED)
    assert abs(picture_of(store, made).getpixel((20, 20))[0] - 128) < 3  # type: ignore[index]


def test_the_middle_is_kept_or_a_frame_is_put_around_it(store: MediaStore) -> None:
    image = Image.new("RGB", (400, 100), "blue")
    image.paste((255, 0, 0), (150, 0, 250, 100))
    content = saved(image, "PNG")
    cropped = picture_of(store, made_of(store, content, "wide.png", FEED))
    assert cropped.size == (191, 100)
    assert cropped.getpixel((95, 50))[0] > 200  # type: ignore[index]
    padded = picture_of(store, made_of(store, content, "wide.png", FEED, "pad"))
    assert padded.width / padded.height <= 1.91
    assert min(padded.getpixel((200, 5))) > 250  # type: ignore[arg-type]
    assert padded.getpixel((10, padded.height // 2))[2] > 200  # type: ignore[index]


def test_a_noisy_picture_loses_quality_until_it_is_small_enough(store: MediaStore) -> None:
    content = saved(Image.effect_noise((500, 500), 90).convert("RGB"), "PNG")
    made = made_of(store, content, "noise.png", replace(FEED, max_bytes=100_000))
    assert 20_000 < made.size_bytes <= 100_000
    assert (made.width, made.height) == (500, 500)


def test_a_picture_that_no_quality_makes_small_enough_is_told(store: MediaStore, picture: Maker) -> None:
    content = saved(Image.effect_noise((900, 900), 90).convert("RGB"), "PNG")
    error = failure(store, content, replace(FEED, max_bytes=100_000))
    assert error.problem.rule == "it cannot be brought below 0.1 MB"
    assert not error.temporary


def test_half_a_phone_photo_is_called_damaged(store: MediaStore) -> None:
    content = saved(Image.effect_noise((300, 200), 60).convert("RGB"), "HEIF")
    error = failure(store, content[: len(content) // 2], FEED)
    assert error.problem.rule == "the picture is damaged or incomplete"
    assert not error.temporary


def test_a_video_is_encoded_as_every_platform_takes_it(store: MediaStore, film: Maker) -> None:
    content = film("webm", "libvpx-vp9", size=(66, 50), frames=50)
    heard: list[str] = []
    media = store.put(content, "clip.webm")
    recipe = recipe_for(media, REEL, "crop")
    assert recipe is not None
    made = convert(store, media, recipe, LIMITS, heard.append)
    assert not breaches(made, REEL)
    assert (made.kind, made.content_type, made.filename) == (MediaKind.VIDEO, "video/mp4", "clip.mp4")
    assert (made.width, made.height, made.duration_ms) == (66, 50, 2000)
    assert made.facts is not None
    assert (made.facts.video_codec, made.facts.fps, made.facts.audio_codec) == ("h264", 25.0, "")
    assert heard[-1].startswith("100 %")
    with av.open(str(store.path(made.sha256))) as found:
        assert found.streams.video[0].codec_context.profile == "High"
    assert b"elst" not in store.path(made.sha256).read_bytes()


@pytest.mark.parametrize(("container", "codec"), [("avi", "mpeg4"), ("mpegts", "libx264"), ("asf", "wmv2")])
def test_older_kinds_of_video_are_encoded(container: str, codec: str, store: MediaStore, film: Maker) -> None:
    made = made_of(store, film(container, codec, frames=50, sound=True), "clip", REEL)
    assert (made.content_type, made.facts is not None and made.facts.audio_codec) == ("video/mp4", "aac")
    assert made.duration_ms == pytest.approx(2000, abs=250)


def test_a_video_that_only_lacks_its_index_in_front_is_copied(store: MediaStore, film: Maker) -> None:
    content = film(frames=50, sound=True)
    made = made_of(store, content, "clip.mp4", REEL)
    with av.open(io.BytesIO(content)) as before, av.open(str(store.path(made.sha256))) as after:
        packets = [[bytes(packet) for packet in file.demux(video=0)] for file in (before, after)]
    assert packets[0] == packets[1]


def test_sound_stays_with_its_picture_through_an_edit_list(store: MediaStore, tmp_path: Path) -> None:
    """A flash and a tone a second into the film, in a copy whose edit list leaves out half a second."""
    whole, cut = tmp_path / "whole.mov", tmp_path / "cut.mov"
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error"]
    flash = "color=black:s=64x48:r=25:d=2,drawbox=c=white:t=fill:enable=gte(t\\,1)"
    tone = "sine=frequency=1000:duration=2:sample_rate=48000,volume=4,volume=0:enable=lt(t\\,1)"
    codecs = ["-c:v", "libx264", "-g", "250", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run(
        [*ffmpeg, "-f", "lavfi", "-i", flash, "-f", "lavfi", "-i", tone, *codecs, str(whole)], check=True
    )
    subprocess.run([*ffmpeg, "-ss", "0.5", "-i", str(whole), "-c", "copy", str(cut)], check=True)
    made = made_of(store, cut.read_bytes(), "cut.mov", REEL)
    path = str(store.path(made.sha256))
    with av.open(path) as found:
        shown = next(
            frame.time
            for frame in found.decode(video=0)
            if sum(bytes(frame.reformat(format="gray").planes[0])) > 64 * 48 * 100
        )
    with av.open(path) as found:
        resampler = av.AudioResampler("s16", "mono", 48000)
        frames = (part for frame in found.decode(audio=0) for part in resampler.resample(frame))
        heard = next(
            frame.time
            for frame in frames
            if max(memoryview(bytes(frame.planes[0])).cast("h")[: frame.samples]) > 4000
        )
    assert shown == pytest.approx(0.5, abs=0.05)
    assert heard == pytest.approx(0.5, abs=0.05)


def test_an_upright_video_stands_upright_without_being_turned(store: MediaStore, film: Maker) -> None:
    made = made_of(
        store, film("mov", size=(96, 64), frames=50, rotation=90), "phone.mov", replace(REEL, fps=(30, 60))
    )
    assert (made.width, made.height) == (64, 96)
    assert made.facts is not None
    assert not made.facts.turned


def ffmpeg_made(folder: Path, name: str, picture: str, *more: str) -> bytes:
    """A film of one second, of FFmpeg's own making, where PyAV cannot say what is wanted."""
    path = folder / name
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-f", "lavfi", "-i", picture]
    subprocess.run([*command, "-c:v", "libx264", *more, str(path)], check=True)
    return path.read_bytes()


def first_picture(store: MediaStore, media: Media) -> Image.Image:
    with av.open(str(store.path(media.sha256))) as film:
        return next(film.decode(video=0)).to_image()


def test_an_upright_video_is_cropped_as_people_see_it(store: MediaStore, tmp_path: Path) -> None:
    """Red at the left of what is stored, which is turned: red ends up at the top, and is cut off."""
    bars = "color=blue:s=96x64:r=25:d=2,drawbox=w=16:h=64:c=red:t=fill"
    flat = tmp_path / "flat.mov"
    flat.write_bytes(ffmpeg_made(tmp_path, "bars.mov", bars, "-pix_fmt", "yuv420p"))
    turned = tmp_path / "turned.mov"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-display_rotation", "-90"]
    subprocess.run([*command, "-i", str(flat), "-c", "copy", str(turned)], check=True)
    whole = made_of(store, turned.read_bytes(), "phone.mov", replace(REEL, fps=(30, 60)))
    assert (whole.width, whole.height) == (64, 96)
    red, _, blue = first_picture(store, whole).getpixel((32, 8))  # type: ignore[misc]
    assert red > 150 > blue
    made = made_of(store, turned.read_bytes(), "phone.mov", replace(REEL, aspect=(1.0, 1.0)))
    assert (made.width, made.height) == (64, 64)
    for place in ((32, 4), (32, 60)):
        red, _, blue = first_picture(store, made).getpixel(place)  # type: ignore[misc]
        assert blue > 150 > red


def test_a_video_gets_a_black_frame_where_its_author_wants_one(store: MediaStore, film: Maker) -> None:
    made = made_of(store, film(size=(96, 64), frames=30), "clip.mp4", replace(REEL, aspect=(1.0, 1.0)), "pad")
    assert (made.width, made.height) == (96, 96)
    assert max(first_picture(store, made).getpixel((48, 4))) < 20  # type: ignore[type-var]


def test_high_dynamic_range_becomes_plain(store: MediaStore, tmp_path: Path) -> None:
    tags = "color_primaries=bt2020:color_trc=arib-std-b67:colorspace=bt2020nc"
    grey = f"color=gray:s=64x48:r=25:d=1,format=yuv420p10le,setparams={tags}"
    content = ffmpeg_made(tmp_path, "hdr.mov", grey, "-pix_fmt", "yuv420p10le")
    facts = store.put(content).facts
    assert facts is not None
    assert facts.high_dynamic_range
    made = made_of(store, content, "hdr.mov", REEL)
    assert made.facts is not None
    assert (made.facts.high_dynamic_range, made.facts.pixel_format) == (False, "yuv420p")
    assert 40 < sum(first_picture(store, made).getpixel((32, 24))) / 3 < 220  # type: ignore[arg-type]


def test_an_interlaced_video_of_narrow_pixels_becomes_whole_with_square_ones(
    store: MediaStore, tmp_path: Path
) -> None:
    moving = "testsrc2=s=72x60:r=50:d=1,interlace"
    content = ffmpeg_made(
        tmp_path, "tape.mp4", moving, "-flags", "+ildct+ilme", "-pix_fmt", "yuv420p", "-aspect", "16:9"
    )
    made = made_of(store, content, "tape.mp4", REEL)
    assert (made.width, made.height) == (108, 60)
    assert made.facts is not None
    assert not made.facts.interlaced


def test_an_uneven_video_becomes_steady(store: MediaStore, film: Maker) -> None:
    content = film(frames=40, spans=[1, 1, 3, 1, 2])
    made = made_of(store, content, "phone.mp4", replace(REEL, fps=(30, 60)))
    assert made.facts is not None
    assert (made.facts.variable_fps, made.facts.fps) == (False, 30.0)


def test_an_animation_becomes_a_video_with_white_behind_it(store: MediaStore) -> None:
    frames = [Image.new("RGBA", (60, 40), (0, 0, 0, 0)) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame.paste((255, 0, 0, 255), (number * 5, 0, number * 5 + 20, 40))
    content = saved(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=200, loop=0, disposal=2
    )
    made = made_of(store, content, "spin.gif", replace(REEL, duration_ms=(2000, 60_000)))
    assert made.filename == "spin.mp4"
    assert made.duration_ms == 2400
    with av.open(str(store.path(made.sha256))) as found:
        shown = next(found.decode(video=0)).to_image()
    assert min(shown.getpixel((55, 20))) > 240  # type: ignore[type-var]


def test_a_large_animation_is_made_smaller(store: MediaStore, picture: Maker) -> None:
    made = made_of(
        store, picture("GIF", (120, 90), frames=4), "spin.gif", Pictures(("image/gif",), 10**7, max_width=60)
    )
    assert (made.kind, made.width, made.height) == (MediaKind.GIF, 60, 45)
    assert made.facts is not None
    assert made.facts.frames == 4


def test_a_video_of_which_half_cannot_be_read_is_not_passed_on(store: MediaStore, film: Maker) -> None:
    content = bytearray(film("matroska", "libx264", frames=100, codec_options={"g": "10"}))
    content[len(content) // 3 :] = bytes(len(content) - len(content) // 3)
    error = failure(store, bytes(content), REEL)
    assert "of its" in error.problem.rule
    assert not error.temporary


def test_a_conversion_ends_at_its_time_limit(store: MediaStore, film: Maker) -> None:
    error = failure(store, film("webm", "libvpx-vp9"), REEL, replace(LIMITS, seconds=0.01))
    assert "SCHEDULO_CONVERT_S" in error.problem.remedy
    assert error.temporary


def test_a_conversion_gets_no_more_memory_than_it_may_use(store: MediaStore) -> None:
    content = saved(Image.new("RGB", (5000, 5000)), "PNG")
    error = failure(store, content, FEED, replace(LIMITS, memory_mb=120))
    assert "SCHEDULO_CONVERT_MEMORY_MB" in error.problem.remedy
    assert not error.temporary


def test_what_converts_sees_neither_our_environment_nor_our_priority(
    store: MediaStore, picture: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULO_VAULT_KEY", "secret")
    program = ["/bin/sh", "-c", "env; ulimit -t; ulimit -c; nice"]
    heard: list[str] = []
    apart.run(program, store.put(picture()), Limits(7, 500, 2), 1000, heard.append)
    assert not [line for line in heard if "SCHEDULO" in line]
    assert heard[-3:] == ["15", "0", "19"]


def test_what_was_started_ends_with_who_waits_for_it(store: MediaStore, picture: Maker) -> None:
    def interrupt(line: str) -> None:
        numbers.append(int(line))
        raise KeyboardInterrupt

    numbers: list[int] = []
    program = ["/bin/sh", "-c", "sleep 60 & echo $!; wait"]
    with pytest.raises(KeyboardInterrupt):
        apart.run(program, store.put(picture()), LIMITS, 1000, interrupt)
    ends = time.monotonic() + 20
    while _runs(numbers[0]) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not _runs(numbers[0])


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
        return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_source_that_is_gone_is_missing(store: MediaStore, film: Maker) -> None:
    media = store.put(film("webm", "libvpx-vp9"), "clip.webm")
    recipe = recipe_for(media, REEL, "crop")
    assert isinstance(recipe, Film)
    store.path(media.sha256).unlink()
    with pytest.raises(MissingMedia):
        convert(store, media, recipe, LIMITS, lambda _: None)


def test_folders_that_a_killed_conversion_left_are_swept_up(store: MediaStore) -> None:
    left = store.root / "incoming" / "convert-dead"
    left.mkdir(parents=True)
    (left / "made.mp4").write_bytes(b"half a film")
    os.utime(left, (1, 1))
    made_of(store, saved(Image.new("RGB", (40, 40)), "PNG"), "a.png", FEED)
    assert not left.exists()


def test_a_full_disk_is_no_fault_of_the_file(
    store: MediaStore, picture: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = store.put(picture("PNG"), "a.png")
    recipe = recipe_for(media, FEED, "crop")
    assert recipe is not None

    def full(*_: Any) -> Media:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(ConversionError, match="No space left on device") as caught:
        convert(store, media, recipe, LIMITS, lambda _: None)
    assert caught.value.temporary


def test_a_file_that_crashes_its_reader_is_told_and_takes_nothing_down(
    store: MediaStore, picture: Maker
) -> None:
    media = store.put(picture("PNG"), "a.png")
    with pytest.raises(ConversionError, match="SIGSEGV") as caught:
        apart.run(["/bin/sh", "-c", "kill -SEGV $$"], media, LIMITS, 1000, lambda _: None)
    assert not caught.value.temporary


def test_what_writes_without_end_is_stopped(store: MediaStore, picture: Maker, tmp_path: Path) -> None:
    endless = f"while :; do echo more and more >> '{tmp_path}/endless'; done"
    with pytest.raises(ConversionError, match="grows beyond"):
        apart.run(["/bin/sh", "-c", endless], store.put(picture("PNG")), LIMITS, 10_000, lambda _: None)
    assert (tmp_path / "endless").stat().st_size == 10_000


def test_a_worker_without_ffmpeg_says_who_installs_it(
    store: MediaStore, film: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", none)
    error = failure(store, film("webm", "libvpx-vp9"), REEL)
    assert "The operator installs imageio-ffmpeg" in error.problem.remedy
    assert error.temporary


def test_of_a_program_that_says_without_end_the_last_is_kept_and_no_disk_is_filled() -> None:
    talk = "head -c 5000000 /dev/zero | tr '\\0' x >&2; echo the end >&2"
    ended = apart.outcome(["/bin/sh", "-c", talk], LIMITS, 1000, lambda _: None)
    assert ended.code == 0
    assert ended.said.endswith("the end")
    assert len(ended.said) <= apart.LAST_BYTES
