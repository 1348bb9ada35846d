"""The week's summary in a real Airflow: the run, the mail, the report behind the login."""

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
from schedulo.ledger.database import Ledger
from tests.receivers import Mailbox, running_mailbox
from tests.schedulo.analytics.laid_out import Numbers

pytestmark = pytest.mark.slow

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
    [(to, mail)] = wait_for(lambda: mailbox.got)
    assert to == ["owner@example.com"]
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
    assert len(mailbox.got) == 1


def _triggered(stack: Stack, body: dict[str, Any]) -> str:
    """The run's id, once Airflow knows the Dag."""
    try:
        return str(stack.api("POST", f"/dags/{DAG}/dagRuns", json=body)["dag_run_id"])
    except RuntimeError:
        return ""
