"""What the operator and the Bubble developer do, in a real Airflow: marking, clearing, publishing now.

One installation serves all tests here; the fixture plays the day, the tests look at what came of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.running import RunningSandbox, running_sandbox
from sandbox.stack import Stack
from schedulo.airtable.calls import Calls
from tests.schedulo.planning.conftest import SCOPES

pytestmark = pytest.mark.slow

BASE = "appSandbox0000001"
TOKEN = "patSandbox"
DUE = "publish_due_posts"
NOW = "publish_now"


@dataclass
class Day:
    """One installation, and what people do in it."""

    stack: Stack
    sandbox: RunningSandbox
    seen: dict[str, Any] = field(default_factory=dict)

    def add(self, table: str, cells: dict[str, Any]) -> str:
        from pyairtable import Api

        api = Api(TOKEN, retry_strategy=None, endpoint_url=self.sandbox.service("airtable"))
        url = api.table(BASE, table).urls.records
        answer = Calls(api).send("POST", url, json={"records": [{"fields": cells}]})
        return str(answer["records"][0]["id"])

    def post(self, title: str, account: str, due_in_s: float) -> str:
        due = (datetime.now(UTC) + timedelta(seconds=due_in_s)).isoformat(timespec="milliseconds")
        cells = {
            "Title": title,
            "Text": f"{title}.",
            "Accounts": [account],
            "Publish at": due,
            "Status": "Ready",
        }
        return self.add("Posts", cells)

    def instances(self, dag_id: str = DUE) -> list[dict[str, Any]]:
        """All mapped publish instances."""
        path = f"/dags/{dag_id}/dagRuns/~/taskInstances?task_id=publish"
        found = self.stack.api("GET", path)["task_instances"]
        return [item for item in found if item["task_id"] == "publish" and item["map_index"] >= 0]

    def instance(self, title: str) -> dict[str, Any]:
        return next(item for item in self.instances() if title in (item["rendered_map_index"] or ""))

    def mark(self, title: str, state: str) -> None:
        item = self.instance(title)
        path = f"/dags/{DUE}/dagRuns/{item['dag_run_id']}/taskInstances/publish/{item['map_index']}"
        self.stack.api("PATCH", path, json={"new_state": state})

    def clear(self, item: dict[str, Any], *, only_failed: bool) -> None:
        body = {
            "dry_run": False,
            "dag_run_id": item["dag_run_id"],
            "task_ids": [["publish", item["map_index"]]],
            "only_failed": only_failed,
            "include_downstream": False,
        }
        self.stack.api("POST", f"/dags/{DUE}/clearTaskInstances", json=body)

    def log(self, item: dict[str, Any]) -> str:
        path = (
            f"/dags/{DUE}/dagRuns/{item['dag_run_id']}/taskInstances/publish/logs/{item['try_number']}"
            f"?map_index={item['map_index']}"
        )
        return json.dumps(self.stack.api("GET", path)["content"])

    def publish_now(self, conf: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        """As Bubble does it: the run's state, and what it answers."""
        body = {"conf": conf, "logical_date": None}
        run = self.stack.api("POST", f"/dags/{NOW}/dagRuns", json=body)["dag_run_id"]
        path = f"/dags/{NOW}/dagRuns/{run}"
        wait_for(lambda: self.stack.api("GET", path)["state"] in ("success", "failed"), 90)
        state = self.stack.api("GET", path)["state"]
        entry = f"{path}/taskInstances/claim/xcomEntries/answers?deserialize=true"
        return state, self.stack.api("GET", entry)["value"] if state == "success" else []

    def out(self, title: str) -> int:
        return sum(post["text"] == f"{title}." for post in self.sandbox.posts())


def wait_for(condition: Callable[[], Any], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {patience_s:.0f} s")
        time.sleep(0.5)


TITLES = ("goes well", "is refused", "is stopped", "is done by hand", "is cleared", "is for tomorrow")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    home: Path = tmp_path_factory.mktemp("operator")
    with running_sandbox() as sandbox:
        accounts = {str(number): f"token-{number}" for number in range(1, 7)}
        sandbox.seed(
            {
                "airtable": {
                    "tokens": [{"token": TOKEN, "scopes": SCOPES, "bases": "*"}],
                    "bases": [
                        {
                            "id": BASE,
                            "name": "Day",
                            "tables": [
                                {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
                            ],
                        }
                    ],
                },
                "x": {
                    "accounts": [
                        {"account_id": id_, "username": f"user{id_}", "token": token, "limits": "off"}
                        for id_, token in accounts.items()
                    ]
                },
            }
        )
        sandbox.switch(airtable_requests_per_s="0")
        stack = Stack(home, sandbox.url)
        try:
            stack.prepare()
            stack.run("schedulo", "airtable", "create")
            tokens = home / "tokens.json"
            tokens.write_text(json.dumps({f"x:{id_}": {"access_token": t} for id_, t in accounts.items()}))
            stack.run("schedulo", "accounts", "connect", "--file", str(tokens))
            day = Day(stack, sandbox)
            _play(day)
            yield day
        finally:
            stack.close()


def _play(day: Day) -> None:
    """The day, from the first row to the last click."""
    rows = {}
    for number, title in enumerate(TITLES, start=1):
        cells = {"Name": title, "Platform": "X", "Account ID": str(number), "Username": f"user{number}"}
        rows[title] = day.add("Accounts", cells | {"Active": True})
    day.stack.up()
    due_in_s = 75
    posts = {
        title: day.post(title, rows[title], 86_400 if title == "is for tomorrow" else due_in_s)
        for title in TITLES
    }
    day.sandbox.fault(service="x", method="POST", route="create_post", mode="status:403", account_id="2")
    waiting = {"deferred"}
    wait_for(lambda: [i["state"] for i in day.instances() if i["state"] in waiting] == ["deferred"] * 5, 100)
    day.seen["labels"] = {item["rendered_map_index"] for item in day.instances()}
    day.mark("is stopped", "failed")
    day.mark("is done by hand", "success")
    day.clear(day.instance("is cleared"), only_failed=False)

    tomorrow = posts["is for tomorrow"]
    day.seen["dry run"] = day.publish_now({"posts": [tomorrow], "dry_run": True})
    day.seen["out after the dry run"] = day.out("is for tomorrow")
    day.seen["mistyped"] = day.publish_now({"posts": [tomorrow], "dryrun": True})
    day.seen["out after the mistyped call"] = day.out("is for tomorrow")
    day.seen["for real"] = day.publish_now({"posts": [tomorrow], "dry_run": False})
    day.seen["once more"] = day.publish_now({"posts": [tomorrow], "dry_run": False})

    wait_for(lambda: day.instance("is refused")["state"] == "failed", due_in_s + 30)
    failed = day.instance("is refused")
    day.seen["story"] = day.log(failed)
    day.seen["tries"] = failed["try_number"]
    day.seen["out before clearing"] = day.out("is refused")
    day.clear(failed, only_failed=True)
    wait_for(lambda: day.out("is refused"), 60)
    wait_for(lambda: day.out("is cleared"), 60)
    wait_for(lambda: all(item["state"] in ("success", "failed") for item in day.instances()), 60)


def test_a_waiting_post_is_found_by_platform_account_and_title(day: Day) -> None:
    assert "x @user1: goes well" in day.seen["labels"]


def test_a_post_goes_out_once_and_its_task_is_green(day: Day) -> None:
    assert day.out("goes well") == 1
    assert day.instance("goes well")["state"] == "success"


def test_marking_a_waiting_post_as_failed_stops_it(day: Day) -> None:
    assert day.out("is stopped") == 0


def test_marking_a_waiting_post_as_success_stops_it(day: Day) -> None:
    assert day.out("is done by hand") == 0


def test_a_post_that_is_cleared_while_it_waits_goes_out_once(day: Day) -> None:
    assert day.out("is cleared") == 1


def test_a_refused_post_fails_at_once_and_its_log_tells_the_story(day: Day) -> None:
    assert day.seen["tries"] == 1
    assert day.seen["out before clearing"] == 0
    assert "403" in day.seen["story"]
    assert "the author must act" in day.seen["story"]
    assert "token-2" not in day.seen["story"]


def test_clearing_a_failed_post_after_the_cause_is_gone_sends_it_once(day: Day) -> None:
    assert day.out("is refused") == 1


def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(day: Day) -> None:
    state, (answer,) = day.seen["dry run"]
    assert state == "success"
    assert 'POST /2/tweets {"text": "is for tomorrow."}' in answer["answer"]
    assert day.seen["out after the dry run"] == 0


def test_a_mistyped_field_publishes_nothing(day: Day) -> None:
    assert day.seen["mistyped"] == ("failed", [])
    assert day.seen["out after the mistyped call"] == 0


def test_publish_now_publishes_once_and_answers_with_the_link_afterwards(day: Day) -> None:
    assert day.seen["for real"][0] == "success"
    assert day.out("is for tomorrow") == 1
    (answer,) = day.seen["once more"][1]
    assert answer["permalink"].startswith("https://x.com/")
