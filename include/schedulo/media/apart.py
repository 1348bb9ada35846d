"""Runs a program that reads a file nobody can trust, apart: limited, watched, and ended whatever happens.

A decoder that crashes, loops or eats memory takes its own process down and no worker. The program gets
neither our environment, where keys may stand, nor a terminal; and what converts has the lowest priority,
because posts go out meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from schedulo.model import Media, Problem
from schedulo.settings import Settings

CONFINE = Path(__file__).with_name("confine.py")
NICE = 19
LAST_BYTES = 2000
"""So much of what a program said is kept."""
MB = 1_000_000
# glibc sets 64 MB of addresses aside for each thread that allocates, and addresses are what is limited.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one conversion may use."""

    seconds: float
    memory_mb: int
    threads: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.convert_s, settings.convert_memory_mb, settings.convert_threads)


class ConversionError(Exception):
    """The file could not be converted.

    `problem` says so to the author of the post. `temporary`: the file may be good, and trying again later may
    help. `detail` is what the program said last, for a log.
    """

    def __init__(self, problem: Problem, *, temporary: bool = False, detail: str = "") -> None:
        super().__init__(problem.sentence())
        self.problem = problem
        self.temporary = temporary
        self.detail = detail


def failed(
    media: Media, rule: str, remedy: str, *, temporary: bool = False, detail: str = ""
) -> ConversionError:
    """A `ConversionError` about this file."""
    problem = Problem("Media", media.filename or media.kind.value, rule, remedy)
    return ConversionError(problem, temporary=temporary, detail=detail)


def without_room(media: Media, error: OSError) -> ConversionError:
    """The machine had no room, or no process, left for it."""
    return failed(
        media,
        f"the machine could not convert it ({error.strerror or type(error).__name__})",
        "It is tried again; the operator makes room in SCHEDULO_MEDIA_DIR, or memory.",
        temporary=True,
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    """Negative: the signal that ended it."""
    said: str
    """The last of what it wrote to its standard error."""
    late: bool = False
    """Ended by us, when its time was over."""

    @property
    def lacked_memory(self) -> bool:
        return "Cannot allocate memory" in self.said or "MemoryError" in self.said


def run(
    program: list[str], media: Media, limits: Limits, file_bytes: int, on_line: Callable[[str], None]
) -> Ended:
    """Run `program`, which converts `media`, and judge how it ended; see `outcome`.

    :raises ConversionError: out of time, memory or disk, or ended by a signal
    """
    try:
        ended = outcome(program, limits, file_bytes, on_line)
    except OSError as error:
        raise without_room(media, error) from None
    _judge(ended, media, limits)
    return ended


def outcome(
    program: list[str],
    limits: Limits,
    file_bytes: int,
    on_line: Callable[[str], None],
    nice: int = NICE,
) -> Ended:
    """Run `program` (an absolute path and its arguments) within `limits`, wait for it, and say how it ended.

    :param file_bytes: the largest file it may write
    :param on_line: gets each line of its standard output
    :param nice: how far it steps back behind other programs (0 to 19)
    :raises OSError: it could not be started
    """
    late = threading.Event()
    confined = {
        "memory_bytes": limits.memory_mb * MB,
        "cpu_s": int(limits.seconds * limits.threads) + 1,
        "file_bytes": file_bytes,
        "nice": nice,
    }
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(CONFINE), json.dumps(confined), *program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None

    def end() -> None:
        late.set()
        _kill(process)

    said = bytearray()
    listener = threading.Thread(target=_keep_last, args=(process.stderr, said), daemon=True)
    timer = threading.Timer(limits.seconds, end)
    timer.daemon = True
    with process.stdout, process.stderr:
        try:
            listener.start()
            timer.start()
            for line in process.stdout:
                on_line(line.decode(errors="replace").rstrip("\n"))
            code = process.wait()
        finally:
            timer.cancel()
            _kill(process)
            process.wait()
            listener.join()
    return Ended(code, said.decode(errors="replace").strip(), late.is_set())


def _keep_last(stream: IO[bytes], said: bytearray) -> None:
    """Hear all that a program says and keep the last of it: on a broken film FFmpeg may say gigabytes."""
    while chunk := os.read(stream.fileno(), 65_536):
        said += chunk
        del said[:-LAST_BYTES]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The program and all it started: it leads a group of its own. Not once it was waited for: its number may
    be somebody else's by then."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _judge(ended: Ended, media: Media, limits: Limits) -> None:
    if ended.late or ended.code == -signal.SIGXCPU:
        raise failed(
            media,
            f"converting it took more than the {limits.seconds:g} seconds that it may take",
            "Make it shorter or smaller, or the operator raises SCHEDULO_CONVERT_S.",
            temporary=True,
            detail=ended.said,
        )
    if "No space left on device" in ended.said:
        raise failed(
            media,
            "there was no room on the disk to convert it",
            "The operator makes room in SCHEDULO_MEDIA_DIR.",
            temporary=True,
            detail=ended.said,
        )
    if ended.lacked_memory:
        raise failed(
            media,
            f"converting it takes more than the {limits.memory_mb} MB of memory that it may take",
            "Make it smaller, or the operator raises SCHEDULO_CONVERT_MEMORY_MB.",
            detail=ended.said,
        )
    if ended.code == -signal.SIGXFSZ or "File too large" in ended.said:
        raise failed(media, "it grows beyond all that a platform takes", "Make it shorter or smaller.")
    if ended.code == -signal.SIGKILL:  # by nobody but the system, when memory runs out
        raise failed(
            media,
            "converting it was ended by the system",
            "It is tried again; the operator looks for what takes the machine's memory.",
            temporary=True,
            detail=ended.said,
        )
    if ended.code < 0:
        raise failed(
            media,
            f"it makes the program that reads it crash ({signal.Signals(-ended.code).name})",
            "Export it again and upload it anew; where it is good, the operator raises "
            "SCHEDULO_CONVERT_MEMORY_MB.",
            detail=ended.said,
        )
