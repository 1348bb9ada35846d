"""`schedulo health`: the checks by hand, with what Airflow's Connections say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.main import main
from hooks.health import airflow_url, health_means
from sandbox.running import RunningSandbox
from sandbox.stack import free_port
from schedulo.airtable.base import create_base
from schedulo.errors.airtable import AirtableSetupError
from schedulo.ledger.database import Ledger
from schedulo.settings import settings
from tests.skipping import calls_at_once

TOKEN = "patHealth.very-secret"


@pytest.fixture
def installed(tmp_path: Path, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Connections, a base, a ledger; no Airflow runs."""
    from pyairtable import Api

    sandbox.switch(airtable_requests_per_s="0")
    sandbox.seed({"airtable": {"tokens": [{"token": TOKEN}]}})
    api = Api(TOKEN, retry_strategy=None, endpoint_url=sandbox.service("airtable"))
    base_id = create_base(api, workspace_id="wspTEST0000000000", calls=calls_at_once(api)).base_id
    parts = {"host": sandbox.service("airtable"), "password": TOKEN, "extra": {"base_id": base_id}}
    monkeypatch.setenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", json.dumps({"conn_type": "airtable", **parts}))
    for name in ("instagram", "facebook", "x", "tiktok"):
        extra = {"account_id": "7", "token": "t"} if name == "x" else {}
        connection = {"conn_type": name, "host": sandbox.service(name), "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    settings.cache_clear()
    ledger = Ledger(settings().ledger)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def test_what_is_red_is_said_with_what_to_do_and_the_code_tells_it(
    installed: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["health"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(" ok  airtable ") for line in lines)
    assert [line.split()[1] for line in lines if line.startswith("RED")] == ["airflow"]
    assert lines[-1] == "All in all: red."


def test_as_json_it_is_the_document_and_nothing_else(
    installed: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["health", "--json"])
    out = capsys.readouterr().out
    document = json.loads(out)
    assert (document["status"], document["checks"]["airtable_schema"]["status"]) == ("red", "green")
    assert TOKEN not in out


def test_checks_by_hand_leave_nothing_behind(installed: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    from sqlalchemy import func, select

    from schedulo.ledger.tables import health_checks, incidents

    main(["health"])
    with installed.read() as connection:
        for table in (health_checks, incidents):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_the_checks_know_the_accounts_whose_token_is_in_a_connection(installed: Ledger) -> None:
    assert health_means().with_token == {"x:7"}


def test_an_airtable_connection_that_is_missing_is_a_finding_not_the_end(
    installed: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_AIRTABLE_DEFAULT")
    with pytest.raises(AirtableSetupError, match="there is none"):
        health_means().airtable()


@pytest.mark.parametrize(
    ("execution", "base", "expected"),
    [
        ("http://api-server:8080/execution/", "https://people.example.com", "http://api-server:8080"),
        ("http://api-server:8080/airflow/execution", "", "http://api-server:8080/airflow"),
        ("", "https://people.example.com/airflow/", "https://people.example.com/airflow"),
        ("", "", ""),
    ],
)
def test_airflow_is_asked_where_workers_reach_it(
    monkeypatch: pytest.MonkeyPatch, execution: str, base: str, expected: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", execution)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert airflow_url() == expected
