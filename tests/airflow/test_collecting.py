"""Numbers are collected in a real Airflow: days, gaps, failing accounts, and a Dag that waits for the days.

One installation serves all tests here; the fixture plays it through, the tests look at what came of it.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from sandbox.running import RunningSandbox, running_sandbox
from sandbox.stack import ROOT, Stack
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries
from schedulo.ledger.warehouse import ON_SQLITE
from tests.airflow.test_operator import BASE, TOKEN, wait_for
from tests.schedulo.delivery.conftest import Books
from tests.schedulo.planning.conftest import SCOPES

pytestmark = pytest.mark.slow(minutes=4)

DAG = "collect_analytics"
NAME_ONLY = [{"name": "Name", "type": "singleLineText"}]
NAMES = {"11": "ann", "12": "bob", "13": "cat"}
BROKEN = "12"
"""Its login is over until somebody connects it again."""
ENDED = ("success", "failed")
FACTS = (ON_SQLITE.post_metrics_daily, ON_SQLITE.account_metrics_daily)
FOLLOWER = '''
"""Waits for the days of analytics."""

from airflow.sdk import DAG, Asset, PartitionedAssetTimetable, task

with DAG(
    "after_a_day",
    schedule=PartitionedAssetTimetable(assets=Asset("schedulo://analytics/daily")),
    is_paused_upon_creation=False,
):

    @task
    def note(**context):
        [event] = context["triggering_asset_events"][Asset("schedulo://analytics/daily")]
        return [context["partition_key"], event.extra]

    note()
'''


@dataclass
class Played:
    """One installation and what was seen in it."""

    stack: Stack
    sandbox: RunningSandbox
    today: date
    seen: dict[str, Any] = field(default_factory=dict)

    def day(self, ago: int) -> str:
        return (self.today - timedelta(days=ago)).isoformat()

    def trigger(self, dag_id: str = DAG, **body: Any) -> dict[str, Any]:
        """As with curl; waits for the run's end."""
        run = self.stack.api("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, **body})
        return self.ended(run["dag_run_id"], dag_id)

    def ended(self, run_id: str, dag_id: str = DAG) -> dict[str, Any]:
        path = f"/dags/{dag_id}/dagRuns/{run_id}"
        wait_for(lambda: self.stack.api("GET", path)["state"] in ENDED, 120)
        run: dict[str, Any] = self.stack.api("GET", path)
        return run

    def runs(self, dag_id: str = DAG) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.stack.api("GET", f"/dags/{dag_id}/dagRuns?limit=100")["dag_runs"]
        return found

    def instances(self, run: dict[str, Any], task_id: str = "collect") -> dict[str, dict[str, Any]]:
        """By label; of a task that is not mapped, by its id."""
        path = f"/dags/{run['dag_id']}/dagRuns/{run['dag_run_id']}/taskInstances"
        found = self.stack.api("GET", path)["task_instances"]
        return {
            item["rendered_map_index"] or item["task_id"]: item
            for item in found
            if item["task_id"] == task_id
        }

    def log(self, run: dict[str, Any], task_id: str, item: dict[str, Any]) -> str:
        path = (
            f"/dags/{DAG}/dagRuns/{run['dag_run_id']}/taskInstances/{task_id}/logs/{item['try_number']}"
            f"?map_index={item['map_index']}"
        )
        return json.dumps(self.stack.api("GET", path)["content"])

    def backfill(self, first: int, last: int, *more: str) -> list[dict[str, Any]]:
        """As an operator does it, from so many days ago to so many; answers the runs that it made, ended."""
        backfills = f"/backfills?dag_id={DAG}"  # Airflow looks every 30 s whether one is over
        wait_for(
            lambda: all(one["completed_at"] for one in self.stack.api("GET", backfills)["backfills"]), 180
        )
        before = {run["dag_run_id"] for run in self.runs()}
        days = ("--from-date", self.day(first), "--to-date", self.day(last))
        self.stack.run("airflow", "backfill", "create", "--dag-id", DAG, *days, *more)

        def made() -> list[dict[str, Any]]:
            found = [run for run in self.runs() if run["dag_run_id"] not in before]
            return [run for run in found if run["run_type"] == "backfill"]

        count = first - last + 1
        wait_for(lambda: [run["state"] for run in made() if run["state"] in ENDED][count - 1 :], 180)
        return made()

    def good(self, dag_id: str = DAG) -> list[dict[str, Any]]:
        return [run for run in self.runs(dag_id) if run["state"] == "success"]

    def told(self) -> list[Any]:
        """What the Dag that waits for days was told, run by run."""
        path = "/dags/after_a_day/dagRuns/{}/taskInstances/note/xcomEntries/return_value?deserialize=true"
        return [
            self.stack.api("GET", path.format(run["dag_run_id"]))["value"] for run in self.good("after_a_day")
        ]

    def facts(self) -> list[Any]:
        """The numbers of all days, as they stand in the tables."""
        with closing(sqlite3.connect(self.stack.home / "ledger.db")) as database:
            return [
                database.execute(f"SELECT * FROM {table.name} ORDER BY 1, 2, 3").fetchall() for table in FACTS
            ]

    def readings(self) -> list[tuple[str, str]]:
        """Which posts were read, and when."""
        query = f"SELECT DISTINCT post_key, read_at FROM {ON_SQLITE.post_readings.name}"
        with closing(sqlite3.connect(self.stack.home / "ledger.db")) as database:
            return database.execute(query).fetchall()

    def days_with_rows(self) -> set[str]:
        return {row[1] for table in self.facts() for row in table}

    def deadlines(self) -> list[tuple[str, str]]:
        """Airflow's own, of runs: run id, when it is late."""
        query = "SELECT r.run_id, d.deadline_time FROM deadline d JOIN dag_run r ON r.id = d.dagrun_id"
        with closing(sqlite3.connect(self.stack.home / "airflow" / "airflow.db")) as database:
            return database.execute(query).fetchall()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    home: Path = tmp_path_factory.mktemp("collecting")
    dags = home / "dags"
    dags.mkdir()
    (dags / "after_a_day.py").write_text(FOLLOWER)
    for name in ("collect_analytics.py", "read_numbers.py"):
        (dags / name).symlink_to(ROOT / "dags" / name)
    with running_sandbox() as sandbox:
        environment = {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)}
        stack = Stack(home, sandbox.url, environment=environment)
        played = Played(stack, sandbox, datetime.now(UTC).date())
        try:
            stack.prepare()
            _lay_out(played)
            stack.up()
            _play(played)
            yield played
        finally:
            stack.close()


def _lay_out(played: Played) -> None:
    """Three accounts with a post each, which went out ten days ago."""
    base = {"id": BASE, "name": "Days", "tables": [{"name": "Start", "fields": NAME_ONLY}]}
    known = [{"account_id": id_, "username": name, "token": f"{name}-token"} for id_, name in NAMES.items()]
    played.sandbox.seed(
        {
            "airtable": {"tokens": [{"token": TOKEN, "scopes": SCOPES, "bases": "*"}], "bases": [base]},
            "x": {"accounts": known},
        }
    )
    played.sandbox.switch(airtable_requests_per_s="0")
    played.stack.run("schedulo", "airtable", "create")
    _connect(played, {id_: f"{name}-token" for id_, name in NAMES.items()} | {BROKEN: "no-token"})
    for id_ in NAMES:
        _publish(played, id_, f"10{id_}", timedelta(days=10))


def _publish(played: Played, account_id: str, post_id: str, ago: timedelta) -> str:
    """A post that went out so long ago; answers its delivery's id."""
    out = (datetime.now(UTC) - ago).timestamp()
    post = {"account_id": account_id, "post_id": post_id, "kind": "text", "published_at": out}
    played.sandbox.seed({"x": {"posts": [post]}})
    ledger = Ledger(played.stack.ledger)
    books = Books(ledger, now_ms=int(time.time() * 1000), numbers=itertools.count(int(post_id)))
    key = f"x:{account_id}"
    books.account(key)
    books.run(sa.update(accounts).where(accounts.c.key == key).values(name=NAMES[account_id]))
    at_ms = int(out * 1000)
    id_ = books.add(account=key, due_ms=at_ms)
    values = {"state": "published", "accepted_ms": at_ms, "remote_id": post_id}
    books.run(sa.update(deliveries).where(deliveries.c.id == id_).values(**values))
    ledger.close()
    return id_


def _connect(played: Played, tokens: dict[str, str]) -> None:
    file = played.stack.home / "tokens.json"
    file.write_text(json.dumps({f"x:{id_}": {"access_token": token} for id_, token in tokens.items()}))
    played.stack.run("schedulo", "accounts", "connect", "--unchecked", "--file", str(file))


def _play(played: Played) -> None:
    seen, stack = played.seen, played.stack
    wait_for(lambda: len(stack.api("GET", "/dags")["dags"]) == 3, 90)

    yesterday = played.trigger(partition_key=played.day(1))
    seen["run"] = yesterday
    seen["instances"] = played.instances(yesterday)
    failed = next(item for item in seen["instances"].values() if item["state"] == "failed")
    seen["log of the failed"] = played.log(yesterday, "collect", failed)
    [closed] = played.instances(yesterday, "close_day").values()
    seen["log of the close"] = played.log(yesterday, "close_day", closed)
    wait_for(lambda: played.good("after_a_day"), 60)
    seen["told"] = played.told()

    _connect(played, {BROKEN: f"{NAMES[BROKEN]}-token"})
    body = {
        "dry_run": False,
        "dag_run_id": yesterday["dag_run_id"],
        "task_ids": [["collect", failed["map_index"]]],
        "only_failed": True,
        "include_downstream": False,
    }
    stack.api("POST", f"/dags/{DAG}/clearTaskInstances", json=body)
    played.ended(yesterday["dag_run_id"])
    wait_for(lambda: played.instances(yesterday)[failed["rendered_map_index"]]["state"] == "success", 60)
    seen["instances after clearing"] = played.instances(yesterday)

    seen["days before"] = played.days_with_rows()
    seen["backfill"] = played.backfill(3, 2)
    seen["days after"] = played.days_with_rows()
    seen["facts"] = played.facts()
    seen["bad key"] = _refusal(played, partition_key="monday")
    seen["bad date"] = _refusal(played, conf={"date": "monday"})
    seen["future"] = played.trigger(partition_key=played.day(-2))
    seen["backfill again"] = played.backfill(3, 1, "--reprocess-behavior", "completed")
    seen["facts again"] = played.facts()

    seen["by form"] = played.trigger(conf={"date": played.day(5)})
    wait_for(lambda: len(played.runs("after_a_day")) == len(played.good()), 60)
    wait_for(lambda: {run["state"] for run in played.runs("after_a_day")} == {"success"}, 60)
    seen["told in the end"] = played.told()
    seen["deadlines"] = played.deadlines()

    seen["young post"] = _publish(played, "11", "2001", timedelta(hours=2))
    for name in ("hourly", "hourly again"):
        seen[name] = played.trigger("read_numbers")
        seen[f"instances, {name}"] = played.instances(seen[name], "read")
        seen[f"readings, {name}"] = played.readings()


def _refusal(played: Played, **body: Any) -> str:
    with pytest.raises(RuntimeError) as refused:
        played.trigger(**body)
    return str(refused.value)


def test_a_day_that_is_asked_for_by_rest_is_its_runs_partition(played: Played) -> None:
    run = played.seen["run"]
    assert (run["state"], run["partition_key"]) == ("success", played.day(1))


def test_an_account_that_fails_costs_the_others_nothing(played: Played) -> None:
    instances = played.seen["instances"]
    assert {name: item["state"] for name, item in instances.items()} == {
        "x ann": "success",
        "x bob": "failed",
        "x cat": "success",
    }
    assert instances["x bob"]["try_number"] == 1, "what only a person can mend is not tried again"
    assert "x bob: x could not be read: reconnect" in played.seen["log of the failed"]


def test_the_day_is_closed_with_what_it_lacks_in_words(played: Played) -> None:
    said = played.seen["log of the close"]
    assert f"{played.day(1)}: 2 of 3 accounts were collected" in said
    assert "x bob: x could not be read: reconnect" in said


def test_who_waits_for_the_days_is_started_once_with_the_day(played: Played) -> None:
    assert played.seen["told"][0] == [
        played.day(1),
        {"date": played.day(1), "accounts": 3, "failed": 1},
    ]


def test_clearing_the_failed_instance_collects_its_account_alone(played: Played) -> None:
    after = played.seen["instances after clearing"]
    assert {name: item["try_number"] for name, item in after.items()} == {"x ann": 1, "x bob": 2, "x cat": 1}
    assert {item["state"] for item in after.values()} == {"success"}


def test_a_gap_is_collected_from_its_first_day_to_its_last(played: Played) -> None:
    gap = [played.day(ago) for ago in (3, 2)]
    made = played.seen["backfill"]
    assert sorted((run["partition_key"], run["state"]) for run in made) == [(day, "success") for day in gap]
    assert played.seen["days before"] == {played.day(1)}
    assert played.seen["days after"] == {played.day(1), *gap}


def test_collected_again_by_a_backfill_nothing_changes(played: Played) -> None:
    again = played.seen["backfill again"]
    assert sorted(run["partition_key"] for run in again) == [played.day(ago) for ago in (3, 2, 1)]
    assert {run["state"] for run in again} == {"success"}
    assert sum(map(len, played.seen["facts"])) > 100
    assert played.seen["facts again"] == played.seen["facts"]


def test_what_is_no_day_is_refused_when_it_is_asked_for(played: Played) -> None:
    assert "answered 400" in played.seen["bad key"]
    assert "monday" in played.seen["bad key"]
    assert "answered 400" in played.seen["bad date"]


def test_a_day_that_is_not_over_fails_and_nobody_is_told_of_it(played: Played) -> None:
    assert played.seen["future"]["state"] == "failed"
    assert played.day(-2) not in {day for day, _ in played.seen["told in the end"]}


def test_a_day_of_the_form_is_told_as_a_partition_too(played: Played) -> None:
    assert (played.seen["by form"]["state"], played.seen["by form"]["partition_key"]) == ("success", None)
    assert [played.day(5), {"date": played.day(5), "accounts": 3, "failed": 0}] in played.seen[
        "told in the end"
    ]


def test_each_closing_of_a_day_is_told_once(played: Played) -> None:
    collected = [run["partition_key"] or played.day(5) for run in played.good()]
    assert sorted(day for day, _ in played.seen["told in the end"]) == sorted(collected)


def test_only_what_airflow_started_itself_has_a_deadline(played: Played) -> None:
    scheduled = [run["dag_run_id"] for run in played.runs() if run["run_type"] == "scheduled"]
    assert {run_id for run_id, _ in played.seen["deadlines"]} <= set(scheduled)


def test_a_young_post_is_read_by_the_hourly_dag_and_not_again_before_its_hour(played: Played) -> None:
    first, again = (played.seen[f"instances, {name}"] for name in ("hourly", "hourly again"))
    assert {name: item["state"] for name, item in first.items()} == {"x ann": "success"}
    assert [post for post, _ in played.seen["readings, hourly"]].count(played.seen["young post"]) == 1
    assert {item["state"] for item in again.values()} == {"skipped"}
    assert played.seen["hourly again"]["state"] == "success"
    assert played.seen["readings, hourly again"] == played.seen["readings, hourly"]
