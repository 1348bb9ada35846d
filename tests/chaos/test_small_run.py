"""Chaos in small, with real processes on a real PostgreSQL: kills, a freeze, restarts, faults."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.postgres import find_binaries
from sandbox.stack import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(find_binaries() is None, reason="no PostgreSQL server is installed"),
]


def test_forty_posts_are_out_once_each_whatever_is_killed(tmp_path: Path) -> None:
    result = tmp_path / "chaos.json"
    command = [sys.executable, "-m", "chaos", "--posts", "40", "--minutes", "1.8", "--out", str(result)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    found = json.loads(result.read_text())
    assert found["published"] + found["unresolved"] + found["planned_failures"] == found["posts"] == 40
    assert found["kills"] >= 1
    assert found["faults"] >= 1
