"""The week's summary and the day's errors in a real Airflow: runs, mail, the reports behind the login."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.running import running_sandbox
from sandbox.stack import Stack
from schedulo.delivery.restored import TICK
from schedulo.delivery.troubles import SINCE, note
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from tests.receivers import Mailbox, running_mailbox
from tests.schedulo.analytics.laid_out import Numbers

pytestmark = pytest.mark.slow(minutes=3)

DAG = "summarise_week"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as found:
        yield found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Stack]:
    environment = {
        "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mailbox.connection),
        "SCHEDULO_NOTIFY_OWNER": "owner@example.com",
        "SCHEDULO_NOTIFY_OPERATOR": "operator@example.com",
    }
    with running_sandbox() as sandbox:
        stack = Stack(tmp_path_factory.mktemp("week"), sandbox.url, environment=environment)
        try:
            stack.prepare()
            ledger = Ledger(stack.ledger)
            numbers = Numbers(ledger)
            numbers.account("x:1", "northlight")
            now = datetime.now(UTC)
            thursday = now - timedelta(days=now.isoweekday() + 3)
            numbers.post("a", "x:1", thursday, title="New roast")
            numbers.read("a", thursday + timedelta(hours=5), views=120, likes=7)
            with ledger.begin() as connection:
                yesterday_ms = int((now - timedelta(days=1)).timestamp() * 1000)
                marks.mark(connection, yesterday_ms - 86_400_000, SINCE)
                note(connection, yesterday_ms, "setup", "setup", "a wrong setting", "the operator")
                marks.mark(connection, ledger.now_ms(connection), TICK, "run")
            ledger.close()
            stack.up()
            yield stack
        finally:
            stack.close()


def wait_for(condition: Any, patience_s: float = 150.0) -> Any:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {patience_s:.0f} s")


def test_a_run_tells_owners_once_and_its_link_leads_to_the_report_after_the_login(
    stack: Stack, mailbox: Mailbox
) -> None:
    def run() -> str:
        body = {"logical_date": None}
        run_id = wait_for(lambda: _triggered(stack, body))
        path = f"/dags/{DAG}/dagRuns/{run_id}"
        return str(
            wait_for(lambda: (state := stack.api("GET", path)["state"]) in ("success", "failed") and state)
        )

    assert run() == "success"
    [mail] = wait_for(lambda: [mail for to, mail in mailbox.got if to == ["owner@example.com"]])
    body = mail.get_body(("html",))
    assert body is not None
    url = body.get_content().partition(f'href="{stack.url}')[2].partition('"')[0]
    assert url.startswith("/schedulo/reports/week-")

    assert run() == "success"

    away = requests.get(stack.url + url, headers={"Accept": "text/html"}, timeout=30)
    assert urlsplit(away.url).path.startswith("/auth/login")
    assert url in requests.utils.unquote(away.url)
    assert "New roast" not in away.text

    login = {"username": "admin", "password": stack.password}
    token = requests.post(f"{stack.url}/auth/token", json=login, timeout=30).json()["access_token"]
    page = requests.get(stack.url + url, cookies={"_token": token}, timeout=30)
    assert page.status_code == 200
    assert "New roast" in page.text
    assert sum(to == ["owner@example.com"] for to, _ in mailbox.got) == 1


def test_a_days_upkeep_reports_its_errors_and_gives_back_room_and_tries_nothing_unasked(
    stack: Stack, mailbox: Mailbox
) -> None:
    run_id = wait_for(lambda: _triggered(stack, {"logical_date": None}, "maintain"))
    path = f"/dags/maintain/dagRuns/{run_id}"
    done = ("success", "failed")
    assert wait_for(lambda: (state := stack.api("GET", path)["state"]) in done and state) == "success"
    tasks = stack.api("GET", f"{path}/taskInstances")["task_instances"]
    assert {task["task_id"]: task["state"] for task in tasks} == {
        "remove": "success",
        "vacuum": "success",
        "report_errors": "success",
        "self_test": "skipped",
    }
    [mail] = wait_for(lambda: [mail for to, mail in mailbox.got if to == ["operator@example.com"]])
    assert mail["Subject"].startswith("Errors of ")
    body = mail.get_body(("html",))
    assert body is not None
    assert "a wrong setting" in body.get_content()
    url = body.get_content().partition(f'href="{stack.url}')[2].partition('"')[0]
    login = {"username": "admin", "password": stack.password}
    token = requests.post(f"{stack.url}/auth/token", json=login, timeout=30).json()["access_token"]
    page = requests.get(stack.url + url, cookies={"_token": token}, timeout=30)
    assert (page.status_code, "a wrong setting" in page.text) == (200, True)


def _triggered(stack: Stack, body: dict[str, Any], dag_id: str = DAG) -> str:
    """The run's id, once Airflow knows the Dag."""
    try:
        return str(stack.api("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])
    except RuntimeError:
        return ""
