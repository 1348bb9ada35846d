"""The task that makes the week's report and tells of it, by a real mail server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time.context import OutletEventAccessors

from operators.notify import INCIDENTS_ALIAS, NotifyOperator
from operators.summarise import SummariseWeekOperator, base_zone
from schedulo.ledger.database import Ledger
from schedulo.settings import settings
from tests.receivers import Mailbox, running_mailbox
from tests.schedulo.analytics.laid_out import Numbers


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as found:
        yield found


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mailbox: Mailbox) -> Iterator[Ledger]:
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    monkeypatch.setenv("SCHEDULO_NOTIFY_OWNER", "owner@example.com")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/")
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(mailbox.connection))
    monkeypatch.delenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", raising=False)
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def a_post_of_last_week(ledger: Ledger) -> None:
    numbers = Numbers(ledger)
    numbers.account("x:1", "northlight")
    now = datetime.now(UTC)
    thursday = now - timedelta(days=now.isoweekday() + 3)
    numbers.post("a", "x:1", thursday, title="New roast")
    numbers.read("a", thursday + timedelta(hours=5), views=120, likes=7)


def summarise() -> list[Any]:
    """Run the task; answers what it woke."""
    events = OutletEventAccessors()
    context = {"ti": SimpleNamespace(id="ti"), "outlet_events": events}
    SummariseWeekOperator(task_id="summarise").execute(context)  # type: ignore[arg-type]
    return list(events[INCIDENTS_ALIAS].asset_alias_events)


def test_owners_get_one_mail_with_the_way_to_the_report(
    ledger: Ledger, mailbox: Mailbox, tmp_path: Path
) -> None:
    a_post_of_last_week(ledger)
    assert summarise()  # who sends is woken
    summarise()
    for _ in range(2):
        NotifyOperator(task_id="tell").execute({"ti": SimpleNamespace(id="ti")})  # type: ignore[typeddict-item]
    assert summarise() == []
    [(to, mail)] = mailbox.got
    assert to == ["owner@example.com"]
    assert mail["Subject"].startswith("The week 20")
    assert mail["Subject"].endswith(": 1 post out")
    body = mail.get_body(("html",))
    assert body is not None
    text = body.get_content()
    [report] = (tmp_path / "reports").iterdir()
    assert f'href="https://airflow.example.com/schedulo/reports/{report.name}"' in text
    assert "New roast (X northlight): 7 engagements, 120 views" in text
    assert "New roast" in report.read_text()


def test_where_nothing_happened_the_report_says_so_and_nobody_is_written_to(
    ledger: Ledger, mailbox: Mailbox, tmp_path: Path
) -> None:
    assert summarise() == []
    NotifyOperator(task_id="tell").execute({"ti": SimpleNamespace(id="ti")})  # type: ignore[typeddict-item]
    assert mailbox.got == []
    [report] = (tmp_path / "reports").iterdir()
    assert "no post went out" in report.read_text()


def test_a_week_begins_in_the_bases_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULO_AIRTABLE_TIMEZONE", "Europe/Berlin")
    settings.cache_clear()
    assert base_zone() == "Europe/Berlin"
    settings.cache_clear()
