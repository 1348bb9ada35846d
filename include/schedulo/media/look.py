"""Looks into a file as `probe` does, in a process of its own.

A file that crashes its reader, or keeps it busy for ever, is refused with these words; else it would end the
task that prepares all posts, each time anew. Costs half a second a file, once.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from schedulo.media import apart
from schedulo.media.apart import Limits
from schedulo.media.probe import MediaError, Probed, probe

LIMITS = Limits(seconds=60, memory_mb=2048, threads=2)
MOST_NAME = 500
REFUSED = 3
"""Exit code: the file is no usable picture or video; why, stands on the standard output."""
ROOT = Path(__file__).parents[2]
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from schedulo.media import look; sys.exit(look.main())"
)


def look_apart(path: Path, name: str = "", limits: Limits = LIMITS) -> Probed:
    """What the file at `path` is; `name` is what people call it. Raises `MediaError`."""
    heard: list[str] = []
    # As JSON, and not too long: a process takes no argument with a NUL in it, nor any longer than 128 kB.
    order = json.dumps([str(path.absolute()), (name or path.name)[:MOST_NAME]])
    program = [sys.executable, "-I", "-c", PROGRAM, str(ROOT), order]
    try:
        # At our own priority: on a busy machine a patient one would look as if it never ended.
        ended = apart.outcome(program, limits, apart.MB, heard.append, nice=0)
    except OSError:
        return probe(path, name)
    if ended.code == 0:
        return Probed.from_json(json.loads(heard[-1]))
    if ended.code == REFUSED:
        said = json.loads(heard[-1])
        raise MediaError(said["value"], said["rule"], said["remedy"])
    again = "Export it again and upload it anew."
    if ended.late:
        raise MediaError(name, f"looking into it took over {limits.seconds:g} seconds", again)
    if ended.lacked_memory:
        raise MediaError(name, f"looking into it takes more than {limits.memory_mb} MB of memory", again)
    if ended.code < 0:
        raise MediaError(name, "it makes the program that reads it crash", again)
    return probe(path, name)  # the program could not do its work, which is no fault of the file


def main() -> int:
    """What the process of its own does: answers on the standard output, in one line of JSON."""
    path, name = json.loads(sys.argv[2])
    try:
        found = probe(Path(path), name)
    except MediaError as error:
        sys.stdout.write(json.dumps(asdict(error.problem)) + "\n")
        return REFUSED
    sys.stdout.write(json.dumps(found.to_json()) + "\n")
    return 0
