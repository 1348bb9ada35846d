"""How MP4, MOV, Matroska and GIF files are laid out: read from their own structure, nothing is decoded.

Boxes and blocks are walked by their sizes, so that a film of any length costs a few small readings. A file
that lies about its sizes ends the walk; whether it can be played is for others to find out.

Sources: ISO/IEC 14496-12 (boxes, edit lists), RFC 8794 (EBML), GIF89a (blocks, delays).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

MAX_BOXES = 4096
"""Of one level; fragmented films have thousands, but their index comes among the first."""
MAX_EDITS = 64
MAX_GIF_FRAMES = 100_000

HARMLESS_S = 0.1
"""Encoders hide the delay of B-frames and the first silence of AAC in an edit list. What shifts less than
this beyond the first picture's own delay leaves nothing out that anybody would see or hear."""
DEFAULT_DELAY_MS = 100
"""What browsers make of a GIF's frame that has no delay, or one of a hundredth of a second."""


@dataclass(frozen=True, slots=True)
class FilmLayout:
    index_last: bool
    """The media (mdat) come before the index (moov)."""
    edited: bool
    """An edit list leaves out, delays, repeats or slows something."""
    complete: bool
    """The media end where they say, not with the file."""


@dataclass(frozen=True, slots=True)
class GifLayout:
    frames: int
    duration_ms: int
    complete: bool
    """The file ends with its trailer."""


class _Box(NamedTuple):
    kind: bytes
    start: int
    """Of its content."""
    end: int
    """Of what is there of it."""
    complete: bool = True


def film_layout(file: BinaryIO) -> FilmLayout:
    """Of an MP4 or MOV file, open for reading in binary."""
    index: _Box | None = None
    index_last, complete = False, True
    for box in _boxes(file, 0, file.seek(0, 2)):
        if box.kind == b"moov":
            index = box
        elif box.kind == b"mdat":
            index_last = index_last or index is None
            complete = complete and box.complete
    return FilmLayout(index_last, index is not None and _edited(file, index), complete)


def matroska_complete(file: BinaryIO) -> bool:
    """Whether a Matroska or WebM file is as long as it says; one that does not say is."""
    end, at = file.seek(0, 2), 0
    for _ in range(2):  # the header, and the segment, which is all the rest
        file.seek(at)
        head = file.read(12)
        if len(head) < 5:
            return False
        width = 9 - head[4].bit_length()  # of the number; its leading bits say how many bytes it has
        size = int.from_bytes(head[4 : 4 + width]) & (1 << 7 * width) - 1
        if width > 8 or size == (1 << 7 * width) - 1:
            return True
        at += 4 + width + size
    return at <= end


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[_Box]:
    for _ in range(MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if at + 8 > end or len(head) < 8:
            return
        size, kind, start = int.from_bytes(head[:4]), head[4:8], at + 8
        if size == 1:
            size, start = int.from_bytes(head[8:16]), at + 16
        until = end if size == 0 else at + size
        if until < start:
            return
        yield _Box(kind, start, min(until, end), until <= end)
        at = until


def _find(file: BinaryIO, box: _Box, *path: bytes) -> _Box | None:
    for kind in path:
        found = next((inner for inner in _boxes(file, box.start, box.end) if inner.kind == kind), None)
        if found is None:
            return None
        box = found
    return box


def _read(file: BinaryIO, box: _Box | None, most: int) -> bytes:
    if box is None:
        return b""
    file.seek(box.start)
    return file.read(min(most, box.end - box.start))


def _edited(file: BinaryIO, moov: _Box) -> bool:
    film_scale, _ = _scale(_read(file, _find(file, moov, b"mvhd"), 32))
    tracks = [box for box in _boxes(file, moov.start, moov.end) if box.kind == b"trak"]
    try:
        return any(_track_edited(file, track, film_scale) for track in tracks)
    except struct.error:  # cut short: FFmpeg says whether it can be read
        return False


def _track_edited(file: BinaryIO, track: _Box, film_scale: int) -> bool:
    handler = _read(file, _find(file, track, b"mdia", b"hdlr"), 12)[8:12]
    edits = _edits(_read(file, _find(file, track, b"edts", b"elst"), 8 + 20 * MAX_EDITS))
    scale, length = _scale(_read(file, _find(file, track, b"mdia", b"mdhd"), 36))
    if handler not in (b"vide", b"soun") or not edits or not scale or not film_scale:
        return False
    shown = [edit for edit in edits if edit.media_time >= 0]
    if len(shown) != 1 or any(edit.rate != 0x10000 for edit in edits):
        return True
    late_s = sum(edit.duration for edit in edits if edit.media_time < 0) / film_scale
    skipped_s = (shown[0].media_time - _first_delay(file, track)) / scale
    # An edit of length 0 lasts to the end.
    lost_s = (length - shown[0].media_time) / scale - shown[0].duration / film_scale
    return (
        late_s > HARMLESS_S
        or skipped_s > HARMLESS_S
        or (shown[0].duration > 0 and lost_s > max(HARMLESS_S, _first_span(file, track) / scale))
    )


class _Edit(NamedTuple):
    duration: int
    media_time: int
    """-1: nothing is shown."""
    rate: int


def _edits(data: bytes) -> list[_Edit]:
    if len(data) < 8:
        return []
    long = data[0] == 1
    layout, size = (">QqI", 20) if long else (">IiI", 12)
    count = min(int.from_bytes(data[4:8]), MAX_EDITS, (len(data) - 8) // size)
    return [_Edit(*struct.unpack_from(layout, data, 8 + size * number)) for number in range(count)]


def _scale(header: bytes) -> tuple[int, int]:
    """(units a second, length in these units) of an mvhd or mdhd box."""
    if len(header) < 20:
        return 0, 0
    if header[0] == 1:
        scale, length = struct.unpack_from(">IQ", header, 20)
    else:
        scale, length = struct.unpack_from(">II", header, 12)
    return scale, length


def _first_delay(file: BinaryIO, track: _Box) -> int:
    """How much later than it is decoded the first picture is shown, in units of the track."""
    table = _read(file, _find(file, track, b"mdia", b"minf", b"stbl", b"ctts"), 16)
    return max(0, struct.unpack_from(">i", table, 12)[0]) if len(table) == 16 else 0


def _first_span(file: BinaryIO, track: _Box) -> int:
    """How long the first picture is shown, in units of the track."""
    table = _read(file, _find(file, track, b"mdia", b"minf", b"stbl", b"stts"), 16)
    return int(struct.unpack_from(">I", table, 12)[0]) if len(table) == 16 else 0


def gif_layout(file: BinaryIO) -> GifLayout:
    """Of a GIF file, open for reading in binary. Counts pictures and adds up their delays."""
    frames = duration_ms = delay_ms = 0
    file.seek(0)
    header = file.read(13)
    if len(header) == 13:
        file.seek(_table_bytes(header[10]), 1)
    while frames < MAX_GIF_FRAMES:
        match file.read(1):
            case b"\x21":  # an extension
                if file.read(1) == b"\xf9":  # graphic control: how long the next picture stays
                    control = file.read(6)
                    hundredths = int.from_bytes(control[2:4], "little")
                    delay_ms = hundredths * 10 if hundredths > 1 else DEFAULT_DELAY_MS
                    file.seek(-1, 1)
                if not _skip_blocks(file):
                    break
            case b"\x2c":  # a picture
                place = file.read(9)
                if len(place) < 9:
                    break
                file.seek(_table_bytes(place[8]) + 1, 1)
                if not _skip_blocks(file):
                    break
                frames, duration_ms = frames + 1, duration_ms + (delay_ms or DEFAULT_DELAY_MS)
                delay_ms = 0
            case b"\x3b":
                return GifLayout(frames, duration_ms, True)
            case _:
                break
    return GifLayout(frames, duration_ms, False)


def _table_bytes(packed: int) -> int:
    """Size of a colour table by the flags before it."""
    return 3 * 2 ** ((packed & 7) + 1) if packed & 0x80 else 0


def _skip_blocks(file: BinaryIO) -> bool:
    """Past a chain of blocks, each with its length before it. False where the file ends first."""
    while length := file.read(1):
        if length == b"\0":
            return True
        file.seek(length[0], 1)
    return False
