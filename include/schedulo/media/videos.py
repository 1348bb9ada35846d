"""Writes films and animations anew, with the FFmpeg of imageio-ffmpeg, in a process of its own.

FFmpeg is told which reader to use and may open local files only, so that a playlist in disguise opens
nothing. What comes of a film: MP4, H.264 High, 4:2:0, closed groups of two seconds, a steady frame rate, AAC,
the index first, no edit list, no metadata. Quality is constant; the bit rate only cuts peaks.

Sources: FFmpeg 9 (ffmpeg, ffmpeg-formats, ffmpeg-filters), x264.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]

from schedulo.media import apart
from schedulo.media.apart import Ended, Limits, failed
from schedulo.media.probe import HEAD_BYTES, film_reader
from schedulo.media.recipe import SOUND_BITS, Encoding, Film, Picture, Shape, Sound
from schedulo.model import Media, MediaKind

CRF = 20
"""x264's scale of quality: 18 looks like the source, 23 is its default."""
GROUP_SECONDS = 2
PRIMING_SAMPLES = 1024
"""FFmpeg's AAC encoder puts so many samples of silence first. They are cut from the sound itself, since no
edit list says so."""
TELL_PERCENT, TELL_SECONDS = 20, 15.0
"""Progress is told when it went on so far, or after so long."""
SPARE_BYTES = 10_000_000

TONE_MAP = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,"
    "tonemap=tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"
)
WHITE = "0xFFFFFF"


def make(
    source: Path, target: Path, media: Media, recipe: Film, limits: Limits, on_progress: Callable[[str], None]
) -> None:
    """Write the film that `recipe` describes to `target`. Raises `ConversionError`."""
    length_ms = recipe.expected(media).duration_ms
    heard = _Progress(length_ms, on_progress)
    program = [
        *_ffmpeg(media, limits, "-progress", "pipe:1"),
        *(["-stream_loop", str(recipe.plays - 1)] if recipe.plays > 1 else []),
        *_input(source, media),
        *_picture(media, recipe.encoding, limits),
        *_sound(media, recipe.sound),
        *("-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn"),
        *("-max_muxing_queue_size", "4096"),
        *(["-t", f"{length_ms / 1000}"] if media.kind is MediaKind.GIF else []),
        *("-movflags", "+faststart" if recipe.encoding is None else "+faststart+negative_cts_offsets"),
        *([] if recipe.encoding is None else ["-use_editlist", "0"]),
        *("-f", "mp4", f"file:{target}"),
    ]
    _end(apart.run(program, media, limits, recipe.max_bytes + SPARE_BYTES, heard), media)


def make_gif(source: Path, target: Path, media: Media, recipe: Picture, limits: Limits) -> None:
    """Write an animation in another size to `target`. Raises `ConversionError`."""
    scale = ",".join(_shaped(recipe.shape))
    palette = target.with_suffix(".png")
    steps = (
        ["-vf", f"{scale},palettegen", "-frames:v", "1", "-update", "1", f"file:{palette}"],
        [
            *("-i", f"file:{palette}"),
            *("-lavfi", f"[0:v]{scale}[film];[film][1:v]paletteuse=dither=sierra2_4a"),
            *("-fps_mode", "passthrough", "-loop", "0", "-f", "gif", f"file:{target}"),
        ],
    )
    for step in steps:  # two, because in one all of the animation would wait in memory for its colours
        program = [*_ffmpeg(media, limits), *_input(source, media), *step]
        _end(apart.run(program, media, limits, recipe.max_bytes + SPARE_BYTES, lambda _: None), media)


def _ffmpeg(media: Media, limits: Limits, *more: str) -> list[str]:
    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError:
        raise failed(
            media,
            "there is no FFmpeg on the worker to convert it with",
            "The operator installs imageio-ffmpeg from a wheel, or names a program in IMAGEIO_FFMPEG_EXE.",
            temporary=True,
        ) from None
    return [
        program,
        *("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y"),
        *("-filter_threads", str(limits.threads), "-filter_complex_threads", str(limits.threads)),
        *more,
        *("-threads", str(limits.threads)),
    ]


def _input(source: Path, media: Media) -> list[str]:
    if media.kind is MediaKind.GIF:
        reader = "gif"
    else:
        with source.open("rb") as file:
            found = film_reader(file.read(HEAD_BYTES))
        if found is None:
            raise failed(media, "this is no video", "Upload it anew.")
        reader = found[0]
    return ["-protocol_whitelist", "file", "-f", reader, "-i", f"file:{source}"]


def _picture(media: Media, encoding: Encoding | None, limits: Limits) -> list[str]:
    if encoding is None:
        tag = ["-tag:v", "hvc1"] if media.facts and media.facts.video_codec == "hevc" else []
        return ["-map", "0:V:0", "-c:v", "copy", *tag]
    filters = [
        *(["bwdif=mode=send_frame"] if encoding.deinterlace else []),
        *_shaped(encoding.shape),
        *([TONE_MAP] if encoding.tone_map else []),
        # From 0 on, so that a picture that begins after its sound stays with it.
        f"fps={encoding.fps}:start_time=0",
        "format=yuv420p",
    ]
    graph = f"[0:V:0]{','.join(filters)}[out]"
    if media.kind is MediaKind.GIF:  # white behind what is transparent
        ground = f"color={WHITE}:size={media.width}x{media.height}:rate={encoding.fps}[ground]"
        # Its last picture stays as long as it says, which only the end of the whole film tells.
        held = "[0:v]tpad=stop_mode=clone:stop_duration=10[held]"
        over = f"[ground][held]overlay=shortest=1:format=auto,{','.join(filters)}[out]"
        graph = f"{ground};{held};{over}"
    group = max(1, round(encoding.fps * GROUP_SECONDS))
    return [
        *("-filter_complex", graph, "-map", "[out]"),
        *("-c:v", "libx264", "-profile:v", "high", "-preset", encoding.preset, "-crf", str(CRF)),
        *("-maxrate", str(encoding.max_bit_rate), "-bufsize", str(encoding.max_bit_rate)),
        *("-g", str(group), "-bf", "2", "-flags", "+cgop", "-pix_fmt", "yuv420p"),
        *("-threads", str(limits.threads)),
        *(("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709") * encoding.tone_map),
    ]


def _shaped(shape: Shape) -> list[str]:
    """Filters that crop, scale and pad. Pixels become square first where a place is counted in them."""
    found = []
    if shape.crop:
        box = shape.crop
        found += [
            "scale=iw*sar:ih",
            f"crop={box.width}:{box.height}:{box.left}:{box.top}:exact=1",
        ]
    width, height = shape.inner or (shape.width, shape.height)
    found += [f"scale={width}:{height}:flags=lanczos:out_range=tv", "setsar=1"]
    if shape.inner:
        found.append(f"pad={shape.width}:{shape.height}:(ow-iw)/2:(oh-ih)/2:black")
    return found


def _sound(media: Media, sound: Sound | None) -> list[str]:
    if media.kind is MediaKind.GIF or (media.facts and not media.facts.audio_codec):
        return ["-an"]
    if sound is None:
        return ["-map", "0:a:0?", "-c:a", "copy"]
    return [
        *("-map", "0:a:0?", "-c:a", "aac", "-b:a", str(SOUND_BITS)),
        *("-ar", str(sound.rate_hz), "-ac", str(sound.channels)),
        *("-af", f"aresample={sound.rate_hz}:async=1:first_pts=0,atrim=start_sample={PRIMING_SAMPLES}"),
    ]


def _end(ended: Ended, media: Media) -> None:
    if ended.code:
        raise failed(
            media,
            "it could not be converted: it is damaged, or made in a way that FFmpeg does not know",
            "Export it again as MP4 (H.264 and AAC).",
            detail=ended.said,
        )


class _Progress:
    """Hears FFmpeg's `-progress` (lines of name=value, a block at a time) and tells it now and then."""

    def __init__(self, duration_ms: int, tell: Callable[[str], None]) -> None:
        self._duration_ms = duration_ms
        self._tell = tell
        self._values: dict[str, str] = {}
        self._percent, self._told = 0, time.monotonic()

    def __call__(self, line: str) -> None:
        name, _, value = line.partition("=")
        self._values[name] = value.strip()
        if name == "progress":
            self._block(value == "end")

    def _block(self, end: bool) -> None:
        done_us = self._values.get("out_time_us", "")
        if not done_us.isdigit() or not self._duration_ms:
            return
        percent = 100 if end else min(99, int(done_us) // (10 * self._duration_ms))
        now = time.monotonic()
        if end or percent - self._percent >= TELL_PERCENT or now - self._told >= TELL_SECONDS:
            self._percent, self._told = percent, now
            speed = self._values.get("speed", "")
            self._tell(f"{percent} %" + (f", {speed} the speed of the film" if speed[:1].isdigit() else ""))
