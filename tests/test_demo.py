"""`make demo` as a newcomer runs it: real Airflow, real sandbox, an empty home."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
COMMAND = [sys.executable, "-m", "sandbox.demo"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}


def left_running(home: Path) -> list[str]:
    """Processes that began in this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_the_demo_publishes_every_post_once(environment: dict[str, str], tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    done = subprocess.run([*COMMAND, "--json", result], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = json.loads(result.read_text())
    assert [len(one["received"]) for one in found["results"]] == [1] * found["planned"]
    assert all(one["tries"] == 2 for one in found["results"] if one["trouble"])
    assert {one["platform"] for one in found["results"]} == {"instagram", "tiktok", "x", "facebook"}
    last = done.stdout.strip().splitlines()[-1]
    assert last == found["last_line"]
    assert re.fullmatch(r"published (\d+) of \1 · duplicates 0 · worst lateness \d+\.\d{3} s", last)
    assert left_running(tmp_path) == []


def test_the_demo_leaves_nothing_behind_when_it_is_stopped(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline().startswith("Setting up")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(60) == 130
    assert left_running(tmp_path) == []
