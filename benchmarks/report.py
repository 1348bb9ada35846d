"""The figures as a table, the goals beside them, and the files that keep them. Nothing here passes or fails.

`latest.json` keeps all parts but `scale`, which has `scale.json`. A run replaces the figures of its parts and
leaves the others; `measured` says of each part which commit its figures are of, when and where taken.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
LATEST, SCALE = HERE / "latest.json", HERE / "scale.json"
NAIVE = "naive_"
"""Figures of the part `naive` stand beside those they are compared with, under names that begin so."""


class Goal(NamedTuple):
    part: str
    figure: str
    says: str
    limit: float


GOALS = (
    Goal("burst", "p99_s", "burst: 99 % at most so late (s)", 1.0),
    Goal("burst", "early", "burst: so many early", 0),
    Goal("burst", "ratio", "burst: drain against the bare client's", 2.0),
    Goal("steady", "airtable_calls_per_post", "steady: Airtable calls a post", 0.35),
    Goal("analytics", "growth", "analytics: time a post, largest size against smallest", 1.2),
    Goal("media", "ratio", "media: time for a film against FFmpeg's by hand", 1.15),
    Goal("media", "untouched_encodings", "media: encodings of a film that fits", 0),
    Goal("changes", "now_p95_s", "changes: from saving to live, 95 % within (s)", 10.0),
    Goal("changes", "edit_p95_s", "changes: from saving an edit to what waits, 95 % within (s)", 5.0),
    Goal("parse_s", "", "slowest DAG file parses in (s)", 0.5),
)


def machine(postgres: str = "") -> dict[str, Any]:
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "airflow": version("apache-airflow"),
        **({"postgres": postgres} if postgres else {}),
    }


def show(figures: Mapping[str, Any]) -> None:
    """Print every figure, then the goals."""
    console = Console()
    table = Table("what", "figure", "value", title="Schedulo, measured")
    for part, values in figures.items():
        for name, value in values.items():
            if isinstance(value, Mapping):
                value = ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
            table.add_row(part, name, _shown(value))
        table.add_section()
    console.print(table)
    for sentence, met in goals(figures):
        console.print(f"[{'green' if met else 'red'}]goal {'met' if met else 'missed'}[/]: {sentence}")


def goals(figures: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """(sentence, met) for each goal whose figure was measured."""
    found = []
    burst = figures.get("burst", {})
    if "posts" in burst:
        once, posts = burst["received_once"], burst["posts"]
        found.append((f"burst: {once} of {posts} received once", once == posts))
    crowd = figures.get("scale", {}).get("after", {})
    if crowd:
        once, posts = crowd["received_once"], crowd["posts"]
        found.append((f"scale: {once} of {posts} received once", once == posts))
        found.append((f"scale: {crowd['early']} early, goal 0", not crowd["early"]))
    for part, figure, says, limit in GOALS:
        values = figures.get(part, {})
        value = values.get(figure) if figure else max(values.values(), default=None)
        if value is not None:
            found.append((f"{says}: {_shown(value)}, goal {limit:g}", value <= limit))
    return found


def measured() -> dict[str, str]:
    """The commit that is measured, with a `+` where files differ from it, and the time (UTC)."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=HERE, capture_output=True, text=True).stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    changed = "+" if git("status", "--porcelain", "--", "..", ":!*.md", ":!*.json") else ""
    return {
        "commit": commit + changed,
        "at": datetime.now(UTC).isoformat(timespec="minutes").replace("+00:00", "Z"),
    }


def write(
    figures: Mapping[str, Any],
    parts: Iterable[str],
    began: Mapping[str, str],
    latest: Path = LATEST,
    scale: Path = SCALE,
) -> None:
    """Keep the figures of these parts.

    :param figures: what was measured, by part, and `machine`
    :param began: what `measured` said when the run began
    """
    kept = json.loads(latest.read_text()) if latest.exists() else {}
    said = dict(began) | {"machine": figures["machine"]}
    for part in parts:
        if part == "scale":
            _store(scale, {"measured": said} | dict(figures["scale"]))
            continue
        for name, values in figures.items():
            if name in ("machine", "scale"):
                continue
            old = kept.get(name, {})
            if part == "naive":
                kept[name] = old | {key: value for key, value in values.items() if _naive(key)}
            elif name == PART_NAMES.get(part, part):
                stays = {key: value for key, value in old.items() if _naive(key)}
                kept[name] = stays | {key: value for key, value in values.items() if not _naive(key)}
        kept.setdefault("measured", {})[part] = said
        _store(latest, kept)


PART_NAMES = {"parse": "parse_s"}
"""Where the figures of a part have another name."""


def _naive(key: str) -> bool:
    return key.startswith(NAIVE)


def _store(path: Path, figures: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(_plain(figures), indent=2) + "\n")


def _plain(value: Any) -> Any:
    """Rounded, and without infinity, which JSON does not have: null is "never"."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "never"
    return str(value)
