"""The task that writes numbers into Airtable."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyairtable import Api

from operators.tell_numbers import TellNumbersOperator
from sandbox.running import RunningSandbox
from schedulo.airtable.base import create_base
from schedulo.ledger.database import Ledger
from schedulo.settings import settings
from tests.schedulo.analytics.laid_out import Numbers
from tests.skipping import calls_at_once


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def test_numbers_that_were_read_stand_in_the_base_after_the_task(
    ledger: Ledger,
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sandbox.switch(airtable_requests_per_s="0")
    sandbox.seed({"airtable": {"tokens": [{"token": "patTest"}]}})
    api = Api("patTest", endpoint_url=sandbox.service("airtable"))
    base_id = create_base(api, workspace_id="wspTEST0000000000", calls=calls_at_once(api)).base_id
    parts = {"host": sandbox.service("airtable"), "password": "patTest", "extra": {"base_id": base_id}}
    monkeypatch.setenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", json.dumps({"conn_type": "airtable", **parts}))
    record_id = api.table(base_id, "Deliveries").create({"Key": "k"})["id"]
    numbers = Numbers(ledger)
    numbers.account("x:1")
    numbers.post("a", "x:1", datetime.now(UTC))
    numbers.told("a", record_id)
    numbers.read("a", datetime.now(UTC), views=12)

    for _ in range(2):
        TellNumbersOperator(task_id="tell").execute({"ti": SimpleNamespace(id="ti")})  # type: ignore[typeddict-item]
    assert api.table(base_id, "Deliveries").get(record_id)["fields"]["Views"] == 12
    assert [row["count"] for row in sandbox.requests() if row["method"] == "PATCH"] == [1]


def test_without_a_connection_to_airtable_the_task_says_who_makes_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", raising=False)
    numbers = Numbers(ledger)
    numbers.account("x:1")
    numbers.post("a", "x:1", datetime.now(UTC))
    numbers.told("a", "rec00000000000001")
    numbers.read("a", datetime.now(UTC), views=12)
    with pytest.raises(Exception, match="the operator makes one of the type Airtable"):
        TellNumbersOperator(task_id="tell").execute({"ti": SimpleNamespace(id="ti")})  # type: ignore[typeddict-item]
