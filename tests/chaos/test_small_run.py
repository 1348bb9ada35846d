"""Chaos in small, with real processes on a real PostgreSQL: kills, a freeze, restarts, faults."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from sandbox.postgres import find_binaries
from sandbox.stack import ROOT

pytestmark = [
    pytest.mark.slow(minutes=5),
    pytest.mark.postgres,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(find_binaries() is None, reason="no PostgreSQL server is installed"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What chaos says of forty posts; it succeeds where none was out twice, lost or early."""
    result = tmp_path_factory.mktemp("chaos") / "chaos.json"
    command = [sys.executable, "-m", "chaos", "--posts", "40", "--minutes", "1.8", "--out", str(result)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    verdict = json.loads(result.read_text())
    assert isinstance(verdict, dict)
    return verdict


def test_forty_posts_are_out_once_each_whatever_is_killed(found: dict[str, Any]) -> None:
    assert found["published"] + found["unresolved"] + found["planned_failures"] == found["posts"] == 40


def test_something_was_killed(found: dict[str, Any]) -> None:
    assert found["kills"] >= 1


def test_services_misbehaved(found: dict[str, Any]) -> None:
    assert found["faults"] >= 1
