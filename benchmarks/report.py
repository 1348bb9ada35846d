"""The figures as a table, the goals beside them, and `latest.json`. Nothing here passes or fails."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from rich.console import Console
from rich.table import Table

LATEST = Path(__file__).parent / "latest.json"


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
    for part, figure, says, limit in GOALS:
        values = figures.get(part, {})
        value = values.get(figure) if figure else max(values.values(), default=None)
        if value is not None:
            found.append((f"{says}: {_shown(value)}, goal {limit:g}", value <= limit))
    return found


def write(figures: Mapping[str, Any], path: Path = LATEST) -> None:
    path.write_text(json.dumps(_plain(figures), indent=2) + "\n")


def _plain(value: Any) -> Any:
    """Rounded, and without infinity, which JSON does not have: null is "never"."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "never"
    return str(value)
