"""`schedulo quotas`, and the task that looks ahead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.execution_time.context import OutletEventAccessors

from commands.main import main
from operators.notify import INCIDENTS_ALIAS
from operators.quotas import PlanTomorrowOperator
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents
from schedulo.settings import settings
from tests.schedulo.delivery.conftest import Books


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    monkeypatch.setenv("SCHEDULO_QUOTAS", "x.posts_day=2")
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    with ledger.read() as connection:
        found = Books(ledger, ledger.now_ms(connection))
    for minutes in (5, 6, 7):
        at_ms = found.now_ms + minutes * 60_000
        found.add(account="x:1", due_ms=at_ms, fire_ms=at_ms, not_after_ms=at_ms + 3_600_000)
    yield found
    ledger.close()
    settings.cache_clear()


def test_it_lists_what_is_used_and_what_is_planned(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quotas"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "x.posts_day 0 of 2 posts used within 24 hours, 2 left (as SCHEDULO_QUOTAS says)" in said
    assert "3 planned, 2 fit" in said
    assert main(["quotas", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert [day["fit"] for day in whole["planned"]] == [2]


def test_a_limit_that_nobody_knows_is_refused_with_those_that_there_are(
    books: Books, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCHEDULO_QUOTAS", "x.tweets=2")
    settings.cache_clear()
    assert main(["quotas"]) == 1
    assert "'x.tweets=2' must be a limit and a number" in capsys.readouterr().err


def test_the_task_tells_of_a_day_that_is_too_full_and_wakes_who_tells_people(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULO_NOTIFY_OPERATOR", "team")
    settings.cache_clear()
    events = OutletEventAccessors()
    context: Any = {"outlet_events": events, "ti": SimpleNamespace(id="1")}
    PlanTomorrowOperator(task_id="forecast").execute(context)
    (row,) = books.run(sa.select(incidents))
    assert row.kind == "quota"
    assert "has 3 posts planned for" in row.sentence
    assert events[INCIDENTS_ALIAS].asset_alias_events, "handle_incidents is woken"
