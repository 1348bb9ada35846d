"""Pictures and videos made by code: small, real files within every platform's limits.

JPEGs are of 4:5 to 1.91:1 (Instagram's narrowest rule); other pictures are there to be converted. Videos are
H.264 in MP4, upright 9:16 with 540x960 pixels (Facebook reels), 24 pictures a second (TikTok and Instagram
take 23 to 60) and 4 seconds long (reels begin at 3), with the index in front (Instagram).
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import av
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

VIDEO_SIZE = (540, 960)
FRAMES_PER_S = 24
VIDEO_S = 4
_PAPER: Colour = (250, 246, 238)


def picture(words: str, colour: Colour, size: tuple[int, int] = (1080, 1080), kind: str = "JPEG") -> bytes:
    """A picture: a sun over a sea, and a line of words. `kind` is Pillow's name of its format."""
    out = io.BytesIO()
    _scene(words, colour, size, 0.35).save(out, kind, quality=85)
    return out.getvalue()


def animation(words: str, colour: Colour) -> bytes:
    """A GIF in which the sun sets."""
    out = io.BytesIO()
    first, *more = [_scene(words, colour, (240, 240), sun).quantize(16) for sun in (0.2, 0.35, 0.5)]
    first.save(out, "GIF", save_all=True, append_images=more, duration=200, loop=0)
    return out.getvalue()


def video(words: str, colour: Colour) -> bytes:
    """An MP4 in which the sun sets."""
    frames = FRAMES_PER_S * VIDEO_S
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made.mp4"
        with av.open(str(path), "w", options={"movflags": "+faststart"}) as file:
            stream = file.add_stream(
                "libx264", rate=FRAMES_PER_S, options={"preset": "ultrafast", "crf": "32"}
            )
            stream.width, stream.height = VIDEO_SIZE
            stream.pix_fmt = "yuv420p"
            for number in range(frames):
                image = _scene(words, colour, VIDEO_SIZE, 0.2 + 0.5 * number / frames)
                file.mux(stream.encode(av.VideoFrame.from_image(image)))
            file.mux(stream.encode())
        return path.read_bytes()


def _scene(words: str, colour: Colour, size: tuple[int, int], sun: float) -> Image.Image:
    """`sun`: how far down the sun stands, 0 top to 1 bottom; the sea begins at 0.65."""
    width, height = size
    image = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(image)
    radius = min(size) // 5
    centre = int(height * sun)
    draw.ellipse((width // 2 - radius, centre - radius, width // 2 + radius, centre + radius), fill=colour)
    draw.rectangle((0, int(height * 0.65), width, height), fill=(38, 70, 83))
    font = ImageFont.load_default(size=min(size) // 14)
    draw.text((width // 2, int(height * 0.82)), words, fill=_PAPER, font=font, anchor="mm")
    return image
