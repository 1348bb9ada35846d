"""How fast media are converted: a film through `convert`, against FFmpeg called by hand with its settings.

Both run at the lowest priority and with the same number of threads, in turns. Beside it: what a file costs
that fits already, and what a photo and a film cost that only needs another wrapping.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pillow_heif
from PIL import Image

from benchmarks.rig import say
from schedulo.accepts import Pictures, Rules, Videos
from schedulo.media import Limits, MediaStore, convert, recipe_for
from schedulo.media.recipe import SOUND_BITS, Film
from schedulo.media.videos import CRF, GROUP_SECONDS
from schedulo.model import Account, Format, Media, MediaKind
from schedulo.platforms import CONVERSATIONS

SECONDS, ROUNDS = 20, 3
LIMITS = Limits(seconds=1800, memory_mb=2048, threads=2)
FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y"]


def measure(quick: bool) -> dict[str, Any]:
    """Figures of this part; `quick`: a shorter film, once."""
    seconds, rounds = (5, 1) if quick else (SECONDS, ROUNDS)
    with tempfile.TemporaryDirectory(prefix="schedulo-media-") as folder:
        place = Path(folder)
        store = MediaStore(place / "media")
        found = _films(place, store, seconds, rounds)
        found |= _untouched(place, store)
        found |= _others(place, store)
    return found


def _films(place: Path, store: MediaStore, seconds: int, rounds: int) -> dict[str, Any]:
    source = _film(place / "source.mkv", seconds, "yuv422p")
    media = store.put(source, source.name)
    recipe = recipe_for(media, _rules(Format.REEL), "crop")
    assert isinstance(recipe, Film)
    ours, plain, cpu = [], [], []
    for number in range(rounds):
        times = [_cpu_s()]
        plain.append(_timed(lambda: _by_hand(source, place / "by hand.mp4", recipe)))
        times.append(_cpu_s())
        ours.append(_timed(lambda: convert(store, media, recipe, LIMITS, lambda _: None)))
        times.append(_cpu_s())
        cpu.append((times[2] - times[1]) / (times[1] - times[0]))
        say(f"a film of {seconds} s, round {number + 1}: {ours[-1]:.1f} s, by hand {plain[-1]:.1f} s")
    return {
        "film_s": seconds,
        "media_s_per_s": seconds / statistics.median(ours),
        "by_hand_media_s_per_s": seconds / statistics.median(plain),
        "ratio": statistics.median(ours) / statistics.median(plain),
        "cpu_ratio": statistics.median(cpu),
    }


def _cpu_s() -> float:
    """Processor time of this process and of all that it has waited for."""
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _by_hand(source: Path, target: Path, recipe: Film) -> None:
    encoding, sound = recipe.encoding, recipe.sound
    assert encoding is not None
    assert sound is not None
    command = [
        *("nice", "-n", "19", *FFMPEG, "-i", str(source)),
        *("-vf", f"fps={encoding.fps}", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-profile:v", "high"),
        *("-preset", encoding.preset, "-crf", str(CRF), "-threads", str(LIMITS.threads), "-bf", "2"),
        *("-maxrate", str(encoding.max_bit_rate), "-bufsize", str(encoding.max_bit_rate)),
        *("-g", str(round(encoding.fps * GROUP_SECONDS)), "-c:a", "aac", "-b:a", str(SOUND_BITS)),
        *("-ar", str(sound.rate_hz), "-ac", str(sound.channels), "-movflags", "+faststart", str(target)),
    ]
    subprocess.run(command, check=True)


def _untouched(place: Path, store: MediaStore) -> dict[str, Any]:
    """A film that fits everywhere, held against all rules of all platforms."""
    media = store.put(_film(place / "fits.mp4", 4, "yuv420p", "1080x1920"), "fits.mp4")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    asked = [
        rules
        for platform, conversation in CONVERSATIONS.items()
        for format_ in Format
        for kind, rules in conversation.accepts(Account(platform, "1", "northlight"), format_).items()
        if kind is MediaKind.VIDEO
    ]
    began = time.perf_counter()
    needed = [recipe for rules in asked if (recipe := recipe_for(media, rules, "crop"))]
    return {
        "untouched_formats": len(asked),
        "untouched_encodings": len(needed),
        "untouched_s": time.perf_counter() - began,
        "untouched_encoder_cpu_s": resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before,
    }


def _others(place: Path, store: MediaStore) -> dict[str, Any]:
    """A photo of a phone, and a film whose index is at the end."""
    pillow_heif.register_heif_opener()
    photo = place / "photo.heic"
    Image.effect_noise((4032, 3024), 20).convert("RGB").save(photo, "HEIF", quality=60)
    film = _film(place / "index last.mp4", 10, "yuv420p", more=())
    return {
        "photo_12_megapixels_s": _seconds(store, store.put(photo, photo.name), _rules(Format.IMAGE)),
        "rewrapped_s": _seconds(store, store.put(film, film.name), _rules(Format.REEL)),
    }


def _rules(format_: Format) -> Rules:
    """Instagram's, the strictest."""
    kind: type[Rules] = Pictures if format_ is Format.IMAGE else Videos
    conversation = next(c for platform, c in CONVERSATIONS.items() if platform == "instagram")
    accepted = conversation.accepts(Account(conversation.platform, "1", "northlight"), format_)
    return next(rules for rules in accepted.values() if isinstance(rules, kind))


def _seconds(store: MediaStore, media: Media, rules: Rules) -> float:
    recipe = recipe_for(media, rules, "crop")
    assert recipe is not None
    return _timed(lambda: convert(store, media, recipe, LIMITS, lambda _: None))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _film(
    path: Path,
    seconds: int,
    pixel_format: str,
    size: str = "1920x1080",
    more: tuple[str, ...] = ("-movflags", "+faststart"),
) -> Path:
    """A moving test picture with some noise and a tone."""
    picture = f"testsrc2=size={size}:rate=30:duration={seconds},noise=alls=8:allf=t"
    tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
    command = [
        *(*FFMPEG, "-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone),
        *("-c:v", "libx264", "-preset", "ultrafast", "-b:v", "12M", "-pix_fmt", pixel_format),
        *("-c:a", "aac", "-ac", "2", *(more if path.suffix == ".mp4" else ()), str(path)),
    ]
    subprocess.run(command, check=True)
    return path
