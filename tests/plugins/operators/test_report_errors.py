"""The tasks that make the day's report of errors, and plan the self-test."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors

from operators.notify import INCIDENTS_ALIAS
from operators.report_errors import ReportErrorsOperator
from operators.self_test import SelfTestOperator
from schedulo.delivery.self_tests import PREFIX
from schedulo.delivery.troubles import SINCE, note
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries, notices
from schedulo.settings import settings


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    monkeypatch.setenv("SCHEDULO_NOTIFY_OPERATOR", "ops@example.com")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/")
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def report() -> list[Any]:
    """Run the task; answers what it woke."""
    events = OutletEventAccessors()
    context = {"ti": SimpleNamespace(id="ti"), "outlet_events": events}
    ReportErrorsOperator(task_id="report_errors").execute(context)  # type: ignore[arg-type]
    return list(events[INCIDENTS_ALIAS].asset_alias_events)


def test_a_page_is_kept_every_day_and_operators_are_told_once_of_one_with_errors(
    ledger: Ledger, tmp_path: Path
) -> None:
    assert report() == []
    [page] = (tmp_path / "reports").iterdir()
    assert "Nothing that went wrong is known" in page.read_text()
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with ledger.begin() as connection:
        marks.mark(connection, 1, SINCE)
        note(connection, int(yesterday.timestamp() * 1000), "setup", "setup", "a wrong one", "the operator")
    assert report()
    report()
    assert page.name == f"errors-{yesterday.date()}.html"
    assert "a wrong one" in page.read_text()
    with ledger.read() as connection:
        [notice] = connection.execute(sa.select(notices)).all()
    assert notice.channel == "ops@example.com"
    assert f"https://airflow.example.com/schedulo/reports/{page.name}" in notice.body


def test_the_self_test_is_planned_where_an_account_is_set_and_skipped_where_none_is(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AirflowSkipException):
        SelfTestOperator(task_id="self_test").execute({})  # type: ignore[typeddict-item]
    with ledger.begin() as connection:
        row = {"key": "x:7", "platform": "x", "account_id": "7", "name": "tests", "options": {}}
        connection.execute(sa.insert(accounts).values(**row, updated_ms=0))
    monkeypatch.setenv("SCHEDULO_SELF_TEST_ACCOUNT", "x:7")
    settings.cache_clear()
    SelfTestOperator(task_id="self_test").execute({})  # type: ignore[typeddict-item]
    with ledger.read() as connection:
        [post_id] = connection.execute(sa.select(deliveries.c.post_id)).scalars()
    assert post_id.startswith(PREFIX)
