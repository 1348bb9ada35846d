"""`make demo` as a newcomer runs it: real Airflow, real sandbox, an empty home."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from sandbox.demo import scene
from sandbox.running import RunningSandbox
from sandbox.stack import Stack

pytestmark = pytest.mark.slow(minutes=5)
COMMAND = [sys.executable, "-m", "sandbox.demo"]


def environment_of(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home)}


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


@dataclass
class Shown:
    """What a demo that ran to its end said and left."""

    said: str
    result: dict[str, Any]
    left: list[str]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    home = tmp_path_factory.mktemp("demo")
    result = home / "result.json"
    environment = environment_of(home)
    done = subprocess.run([*COMMAND, "--json", result], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return Shown(done.stdout, json.loads(result.read_text()), left_running(home))


def test_the_demo_publishes_every_post_once(shown: Shown) -> None:
    results = shown.result["results"]
    assert [len(one["received"]) for one in results] == [1] * shown.result["planned"]
    assert {one["platform"] for one in results} == {"instagram", "tiktok", "x", "facebook"}


def test_what_met_trouble_went_out_with_the_second_try(shown: Shown) -> None:
    assert all(one["tries"] == 2 for one in shown.result["results"] if one["trouble"])


def test_the_last_line_says_how_it_went(shown: Shown) -> None:
    last = shown.said.strip().splitlines()[-1]
    assert last == shown.result["last_line"]
    assert re.fullmatch(r"published (\d+) of \1 · duplicates 0 · worst lateness \d+\.\d{3} s", last)


def test_the_demo_leaves_nothing_behind_when_it_is_over(shown: Shown) -> None:
    assert shown.left == []


def test_the_demo_leaves_nothing_behind_when_it_is_stopped(tmp_path: Path) -> None:
    with subprocess.Popen(
        COMMAND, env=environment_of(tmp_path), stdout=subprocess.PIPE, text=True, preexec_fn=_hear_ctrl_c
    ) as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline().startswith("Setting up")
        demo.send_signal(signal.SIGINT)
        assert demo.wait(180) == 130
    assert left_running(tmp_path) == []


def _hear_ctrl_c() -> None:
    """Where a shell started these tests in the background they ignore SIGINT, and so would the demo."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_the_demo_is_planned_in_an_installation_that_runs_with_a_sandbox(
    tmp_path: Path, sandbox: RunningSandbox
) -> None:
    stack = Stack(tmp_path, sandbox.url, environment={"SANDBOX_URL": sandbox.url})
    stack.run("schedulo", "db", "upgrade")
    stack.run("python", "-m", "sandbox.demo", "plan")
    address = f"{sandbox.service('airtable')}/v0/{scene.BASE_ID}"
    login = {"Authorization": f"Bearer {scene.TOKEN}"}
    for table, rows in (("Accounts", scene.ACCOUNTS), ("Posts", scene.POSTS)):
        found = requests.get(f"{address}/{table}", headers=login, timeout=30).json()["records"]
        assert len(found) == len(rows)
        time.sleep(1.0)  # a base takes five calls a second, and what has just run made some
