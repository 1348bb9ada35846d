"""Logins in a real Airflow: tokens come in by HTTP, the hourly Dag renews them, one that died costs no other.

One installation serves all tests here; the fixture plays it through, the tests look at what came of it.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from sandbox.running import RunningSandbox, running_sandbox
from sandbox.stack import ROOT, Stack
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts
from tests.airflow.test_operator import wait_for

pytestmark = pytest.mark.slow(minutes=2)

DAG = "monitor_tokens"
NAMES = {"11": "ann", "12": "bob"}
DEAD, DOWN = "12", "77"
"""One of X whose refresh token was used by somebody else, and one of TikTok, which does not answer."""


@dataclass
class Played:
    stack: Stack
    sandbox: RunningSandbox
    seen: dict[str, Any] = field(default_factory=dict)

    def query(self, text: str) -> list[Any]:
        with closing(sqlite3.connect(self.stack.home / "ledger.db")) as database:
            return database.execute(text).fetchall()

    def instances(self, run: str) -> dict[str, dict[str, Any]]:
        path = f"/dags/{DAG}/dagRuns/{run}/taskInstances"
        found = self.stack.api("GET", path)["task_instances"]
        return {item["rendered_map_index"] or item["task_id"]: item for item in found}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    home: Path = tmp_path_factory.mktemp("logins")
    dags = home / "dags"
    dags.mkdir()
    (dags / f"{DAG}.py").symlink_to(ROOT / "dags" / f"{DAG}.py")
    with running_sandbox() as sandbox:
        app = {"login": "app", "password": "app-secret"}
        hosts = {name: {"conn_type": name, "host": sandbox.service(name), **app} for name in ("x", "tiktok")}
        environment = {
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            **{f"AIRFLOW_CONN_{name.upper()}_DEFAULT": json.dumps(host) for name, host in hosts.items()},
        }
        stack = Stack(home, sandbox.url, environment=environment)
        played = Played(stack, sandbox)
        try:
            stack.prepare()
            _lay_out(played)
            stack.up()
            _play(played)
            yield played
        finally:
            stack.close()


def _lay_out(played: Played) -> None:
    old = {"token_expires_at": time.time() - 1}
    people = [
        {"account_id": id_, "username": name, "token": f"t-{name}", "refresh_token": f"r-{name}", **old}
        for id_, name in NAMES.items()
    ]
    client = {"client_key": "app", "client_secret": "app-secret"}
    creator = {"account_id": DOWN, "username": "cat", "token": "t-cat", "refresh_token": "r-cat"}
    played.sandbox.seed(
        {
            "x": {"apps": [{"client_id": "app", "client_secret": "app-secret"}], "accounts": people},
            "tiktok": {"clients": [client], "accounts": [creator]},
        }
    )
    ledger = Ledger(played.stack.ledger)
    with ledger.begin() as connection:
        for key, name in {
            **{f"x:{id_}": name for id_, name in NAMES.items()},
            f"tiktok:{DOWN}": "cat",
        }.items():
            platform, _, account_id = key.partition(":")
            row = {"key": key, "platform": platform, "account_id": account_id, "name": name}
            connection.execute(sa.insert(accounts).values(**row, options={}, updated_ms=0))
    ledger.close()


def _play(played: Played) -> None:
    stack, seen = played.stack, played.seen
    url = f"{stack.url}/schedulo/accounts/tokens"
    given = {
        "x:11": {"access_token": "t-ann", "refresh_token": "r-ann"},
        "x:12": {"access_token": "t-bob", "refresh_token": "used-up"},
        f"tiktok:{DOWN}": {"access_token": "t-cat", "refresh_token": "r-cat"},
    }
    seen["stranger"] = requests.post(url, json=given, timeout=30)
    stack.api("GET", "/dags")  # logs in
    seen["brought"] = requests.post(
        url, json=given, headers={"Authorization": f"Bearer {stack._token}"}, timeout=60
    )
    played.sandbox.fault(service="tiktok", method="POST", route="oauth_token", mode="rate_limit", times=-1)
    with Ledger(stack.ledger).begin() as connection:  # as if it had not been looked at for long
        connection.exec_driver_sql("UPDATE credentials SET checked_ms = NULL")
    wait_for(lambda: stack.api("GET", "/dags")["dags"], 90)
    run = stack.api("POST", f"/dags/{DAG}/dagRuns", json={"logical_date": None})["dag_run_id"]
    ended = {"success", "failed", "up_for_retry"}

    def all_ended() -> bool:
        states = [one["state"] for one in played.instances(run).values()]
        return len(states) == 4 and set(states) <= ended

    wait_for(all_ended, 120)
    seen["instances"] = played.instances(run)
    seen["logs"] = "".join(path.read_text() for path in (stack.home / "airflow" / "logs").rglob("*.log"))
    seen["logs"] += "".join(path.read_text() for path in (stack.home / "logs").glob("*.log"))


def test_tokens_come_in_for_who_is_logged_in_alone(played: Played) -> None:
    assert played.seen["stranger"].status_code == 401
    answer = played.seen["brought"]
    assert answer.status_code == 200, answer.text
    told = {one["account"]: one for one in answer.json()["accounts"]}
    assert [one["kept"] for one in told.values()] == [True, True, True]
    assert told[f"tiktok:{DOWN}"]["said"] == "kept, as @cat", "it was asked at the Connection's address"
    authors = {row[0] for row in played.query("SELECT author FROM vault_audit WHERE what = 'connected'")}
    assert authors == {"admin"}


def test_each_account_has_an_instance_and_one_in_trouble_costs_the_others_nothing(played: Played) -> None:
    states = {name: one["state"] for name, one in played.seen["instances"].items()}
    good = {"find_logins": "success", "x @ann": "success", "x @bob": "success"}
    # How Airflow names an instance that waits for its next try is its own matter.
    [trouble] = [state for name, state in states.items() if name not in good]
    assert trouble in ("up_for_retry", "failed"), states
    assert {name: state for name, state in states.items() if name in good} == good


def test_the_one_is_renewed_and_the_other_is_held_with_what_to_do(played: Played) -> None:
    renewed = dict(played.query("SELECT account_key, refreshed_ms FROM credentials"))
    assert renewed["x:11"]
    assert not renewed["x:12"]
    assert played.query("SELECT key, error_kind FROM holds") == [("x:12", "reconnect")]
    [[sentence]] = played.query("SELECT sentence FROM incidents WHERE kind = 'held'")
    assert "`schedulo accounts connect x 12`" in sentence


def test_no_log_holds_a_token(played: Played) -> None:
    assert "renewed, because" in played.seen["logs"]
    for secret in ("t-ann", "r-ann", "used-up", "t-cat", "r-cat", "app-secret"):
        assert secret not in played.seen["logs"]
