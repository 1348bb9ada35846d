"""The whole sandbox: all services in one application, started as a command and in a `with` block."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest
import requests

from sandbox.app import build
from sandbox.running import running_sandbox


def test_every_stand_in_answers_under_its_name() -> None:
    world, _ = build()
    names = {"airtable", "instagram", "facebook", "rupload", "x", "tiktok", "media"}
    assert set(world.services) == names


def test_the_command_prints_its_address_writes_its_port_and_takes_a_seed(tmp_path: Path) -> None:
    seed, port_file = tmp_path / "seed.json", tmp_path / "port"
    seed.write_text(json.dumps({"airtable": {"tokens": [{"token": "patSeed"}]}}))
    command = [sys.executable, "-m", "sandbox", "--port-file", str(port_file), "--seed", str(seed)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address == f"http://127.0.0.1:{port_file.read_text()}"
            answer = requests.get(
                f"{address}/airtable/v0/meta/whoami", headers={"Authorization": "Bearer patSeed"}, timeout=5
            )
            assert answer.status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert process.stdout.read() == ""
        finally:
            process.kill()


def test_the_command_goes_away_for_a_while_and_keeps_what_it_knows(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "sandbox", "--port-file", str(port_file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        try:
            assert process.stdout is not None
            control = f"{process.stdout.readline().strip()}/_sandbox"
            with requests.Session() as session:
                session.post(f"{control}/faults", json={"service": "x", "mode": "drop_before"}, timeout=5)
                assert session.post(f"{control}/outage", json={"seconds": 1}, timeout=5).ok
                time.sleep(0.5)
                with pytest.raises(requests.ConnectionError):
                    session.get(f"{control}/faults", timeout=5)
            deadline = time.monotonic() + 20
            while True:
                try:
                    assert len(requests.get(f"{control}/faults", timeout=5).json()) == 1
                    break
                except requests.ConnectionError:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
        finally:
            process.kill()


def test_a_sandbox_within_this_process_cannot_go_away() -> None:
    with running_sandbox() as sandbox:
        answer = requests.post(f"{sandbox.url}/_sandbox/outage", json={"seconds": 1}, timeout=5)
    assert answer.status_code == 400
    assert "python -m sandbox" in answer.json()["error"]


async def test_a_sandbox_serves_while_the_callers_own_loop_runs() -> None:
    with running_sandbox() as sandbox:
        async with aiohttp.ClientSession() as session, session.get(f"{sandbox.url}/_sandbox/posts") as answer:
            assert await answer.json() == []
        address = sandbox.url
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=1)


def test_a_sandbox_starts_and_stops_within_a_second() -> None:
    began = time.monotonic()
    with running_sandbox():
        pass
    assert time.monotonic() - began < 1
