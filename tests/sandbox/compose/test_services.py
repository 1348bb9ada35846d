"""What a container's text means on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.compose.play import Played
from sandbox.compose.services import Native, Stopped
from sandbox.demo.show import Outcome

HERE = Native(
    {"5432": 50001, "8080": 50002},
    {"/opt/airflow": Path("/tmp/x/opt/airflow"), "/tmp": Path("/tmp/x/tmp")},
)


@pytest.mark.parametrize(
    ("inside", "here"),
    [
        ("http://api-server:8080/execution/", "http://127.0.0.1:50002/execution/"),
        (
            "postgresql://schedulo:pw@postgres:5432/schedulo",
            "postgresql://schedulo:pw@127.0.0.1:50001/schedulo",
        ),
        ("--host 0.0.0.0", "--host 127.0.0.1"),
        ("worker", "worker"),
        ("/opt/airflow/logs", "/tmp/x/opt/airflow/logs"),
        ("/tmp/sign", "/tmp/x/tmp/sign"),
    ],
)
def test_hosts_ports_and_folders_are_this_machines(inside: str, here: str) -> None:
    assert HERE.text(inside) == here


def test_a_run_in_which_nothing_was_stopped_or_something_was_killed_shows_nothing() -> None:
    outcome = Outcome([], {"The long story": "too long"}, 0)
    assert outcome.good
    worker, triggerer = Stopped("worker", 90, 3.0, False), Stopped("triggerer-1", 90, 5.0, False)
    assert Played(outcome, [worker, triggerer], 4).good
    assert not Played(outcome, [worker], 0).good
    assert not Played(outcome, [worker, Stopped("triggerer-2", 90, 90.0, True)], 4).good
