"""Airflow that stands still, seen by `schedulo watch`: people are told once, and once when it is over.

One installation serves all tests here; the fixture breaks one thing after the other and mends each.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.stack import Stack
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents
from tests.receivers import Mailbox, running_mailbox

pytestmark = pytest.mark.slow(minutes=7)

ROOT = Path(__file__).resolve().parents[2]
DAGS = ("check_health", "publish_due_posts", "handle_incidents")
PATIENCE_S = 420.0
"""For processes on a busy machine; nothing here is about how long they take."""
WATCH_S = "3"
RED = "A check of Schedulo's health is red"
SLOW = """
from airflow.sdk import DAG, task
from operators.deadline import done_within

with DAG("slow", schedule=None, is_paused_upon_creation=False, deadline=done_within(0)):
    @task
    def sleep():
        import time
        time.sleep(30)
    sleep()
"""


@dataclass
class Scene:
    stack: Stack
    mailbox: Mailbox
    seen: dict[str, Any] = field(default_factory=dict)

    def open(self) -> set[str]:
        """The keys of the incidents that are open."""
        ledger = Ledger(self.stack.ledger)
        with ledger.read() as connection:
            keys = connection.execute(sa.select(incidents.c.key).where(incidents.c.closed_ms.is_(None)))
            found = set(keys.scalars())
        ledger.close()
        return found

    def titles(self) -> list[str]:
        return [str(mail["Subject"]) for _, mail in self.mailbox.got]

    def of_health(self) -> list[str]:
        """Titles of what was told of checks. That there is no Airtable is told too, some day."""
        return [title for title in self.titles() if "health" in title]

    def texts(self) -> list[str]:
        bodies = [mail.get_body(("html", "plain")) for _, mail in self.mailbox.got]
        return [str(body.get_content()) for body in bodies if body is not None]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(1.0)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp("watch")
    dags = home / "dags"
    dags.mkdir()
    for name in DAGS:
        (dags / f"{name}.py").symlink_to(ROOT / "dags" / f"{name}.py")
    (dags / "slow.py").write_text(SLOW)
    with running_mailbox() as mailbox:
        environment = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mailbox.connection),
            "SCHEDULO_NOTIFY_OPERATOR": "ops@example.com",
            "SCHEDULO_WATCH_S": WATCH_S,
            # There is no Airtable here, and no platform.
            "SCHEDULO_HEALTH_SKIP": "airtable, airtable_schema, platform, media_url, airflow:triggerer",
        }
        stack = Stack(home, "http://127.0.0.1:1", environment=environment)
        scene = Scene(stack, mailbox)
        try:
            stack.prepare()
            stack.up()
            stack.start("watch", "schedulo", "watch", "--sign", str(home / "sign"))
            _play(scene, dags)
            yield scene
        finally:
            stack.close()


def _play(scene: Scene, dags: Path) -> None:
    seen, stack = scene.seen, scene.stack
    until(lambda: len(stack.api("GET", "/dags")["dags"]) == len(DAGS) + 1)
    until((dags.parent / "sign").exists)

    # A run that is late, which a program started: it has no logical date.
    run = stack.api("POST", "/dags/slow/dagRuns", json={"logical_date": None})
    until(lambda: "workflow:slow.run" in scene.open())
    path = f"/dags/slow/dagRuns/{run['dag_run_id']}"
    until(lambda: stack.api("GET", path)["state"] == "success")
    until(lambda: "workflow:slow.run" not in scene.open())
    cleared = {"dry_run": False, "dag_run_id": run["dag_run_id"], "only_failed": False}
    seen["cleared"] = stack.api("POST", "/dags/slow/clearTaskInstances", json=cleared)["total_entries"]
    seen["logical_date"] = run["logical_date"]

    # A file that cannot be read.
    (dags / "slow.py").write_text(SLOW.replace("import DAG, task", "import DAG, of_no_such_name"))
    until(lambda: any(key.startswith("dag_file:") for key in scene.open()))
    seen["broken"] = scene.open()
    until(lambda: "A Dag file cannot be read" in scene.titles())
    (dags / "slow.py").write_text(SLOW)
    until(lambda: "Over: A Dag file cannot be read" in scene.titles())

    # A scheduler that is killed, and with it the workers of this executor.
    until(lambda: not any(key.startswith("health:") for key in scene.open()))
    assert scene.of_health() == []
    stack.signal("scheduler", signal.SIGKILL)
    stack.processes.pop("scheduler").wait()
    until(lambda: scene.of_health() != [])
    time.sleep(4 * float(WATCH_S))  # nobody tells it once more
    seen["dead"] = scene.of_health(), {key for key in scene.open() if key.startswith("health:")}
    stack.start("scheduler", "airflow", "scheduler")
    until(lambda: len(scene.of_health()) > 1)
    time.sleep(4 * float(WATCH_S))
    seen["alive"] = scene.of_health()


def test_a_late_run_without_a_logical_date_is_told_and_may_be_cleared(scene: Scene) -> None:
    assert scene.seen["logical_date"] is None
    assert scene.seen["cleared"] == 1


def test_a_file_that_cannot_be_read_is_told_by_its_path_and_the_class_of_its_error(scene: Scene) -> None:
    [key] = [key for key in scene.seen["broken"] if key.startswith("dag_file:")]
    assert key.endswith("/dags/slow.py")
    texts = scene.texts()
    assert any("(ImportError)" in text for text in texts)
    assert not any("of_no_such_name" in text for text in texts)
    assert scene.titles().count("Over: A Dag file cannot be read") == 1


def test_a_scheduler_that_is_killed_is_told_once_although_no_task_runs(scene: Scene) -> None:
    assert scene.seen["dead"] == ([RED], {"health:airflow:scheduler"})
    assert any("The scheduler gives no sign of life" in text for text in scene.texts())


def test_its_return_is_told_once(scene: Scene) -> None:
    assert scene.seen["alive"] == [RED, f"Over: {RED}"]
