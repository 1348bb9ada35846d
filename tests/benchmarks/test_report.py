"""What a run leaves in the files of figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report

BEGAN = {"commit": "abc1234", "at": "2026-01-02T03:04Z"}
MACHINE = {"cpus": 2}
OLD: dict[str, Any] = {
    "burst": {"p99_s": 0.9, "naive_p50_s": 250.0},
    "idle": {"cpu_s_per_minute": 3.0},
    "parse_s": {"publish_due_posts.py": 0.03},
    "measured": {"idle": {"commit": "0000000"}},
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Writes the figures of some parts over older ones; answers both files."""
    latest, scale = tmp_path / "latest.json", tmp_path / "scale.json"
    latest.write_text(json.dumps(OLD))

    def written(figures: dict[str, Any], *parts: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
        report.write({"machine": MACHINE} | figures, parts, BEGAN, latest, scale)
        return json.loads(latest.read_text()), json.loads(scale.read_text()) if scale.exists() else None

    return written


def test_a_run_replaces_the_figures_of_its_parts_and_says_of_which_commit_they_are(write: Any) -> None:
    latest, _ = write({"parse_s": {"publish_now.py": 0.02}}, "parse")
    assert latest["parse_s"] == {"publish_now.py": 0.02}
    assert latest["idle"] == OLD["idle"]
    assert latest["measured"] == OLD["measured"] | {"parse": BEGAN | {"machine": MACHINE}}


def test_the_dag_by_hand_and_what_it_is_compared_with_do_not_replace_one_another(write: Any) -> None:
    latest, _ = write({"burst": {"p99_s": 0.8}}, "burst")
    assert latest["burst"] == {"p99_s": 0.8, "naive_p50_s": 250.0}
    latest, _ = write({"burst": {"naive_p50_s": 240.0}, "steady": {"naive_cpu_s_per_post": 0.4}}, "naive")
    assert latest["burst"] == {"p99_s": 0.8, "naive_p50_s": 240.0}
    assert latest["steady"] == {"naive_cpu_s_per_post": 0.4}


def test_what_a_part_needed_beside_its_own_is_not_kept(write: Any) -> None:
    """`steady` looks at two idle minutes, `idle` at ten."""
    latest, _ = write({"idle": {"cpu_s_per_minute": 9.0}, "steady": {"p99_s": 0.1}}, "steady")
    assert latest["idle"] == OLD["idle"]
    assert latest["steady"] == {"p99_s": 0.1}


def test_the_part_scale_has_a_file_of_its_own(write: Any) -> None:
    latest, scale = write({"scale": {"posts": 3000, "held_per_triggerer": [1600, 1400]}}, "scale")
    assert latest == OLD
    assert scale == {
        "measured": BEGAN | {"machine": MACHINE},
        "posts": 3000,
        "held_per_triggerer": [1600, 1400],
    }


def test_what_never_came_is_null(write: Any) -> None:
    latest, _ = write({"burst": {"p99_s": float("inf")}}, "burst")
    assert latest["burst"]["p99_s"] is None
