"""The command `schedulo airtable`, in a process of its own as an operator starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from commands.main import main
from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from schedulo.settings import settings

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "patCLI.very-secret"


@pytest.fixture(autouse=True)
def where_connections_are(monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    sandbox.switch(airtable_requests_per_s="0")
    sandbox.seed({"airtable": {"tokens": [{"token": TOKEN}]}})


def connection(sandbox: RunningSandbox, base_id: str, token: str = TOKEN) -> str:
    parts = {"host": sandbox.service("airtable"), "password": token, "extra": {"base_id": base_id}}
    return json.dumps({"conn_type": "airtable", **parts})


def test_a_base_is_made_by_a_command_of_its_own_then_checked(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}:{ROOT / 'plugins'}"}
    env["AIRFLOW_CONN_AIRTABLE_DEFAULT"] = connection(sandbox, "none yet")
    del env["_AIRFLOW_PROCESS_CONTEXT"]
    command = [
        sys.executable,
        "-m",
        "commands.main",
        "airtable",
        "create",
        "--workspace",
        "wspTEST0000000000",
    ]
    made = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    assert "made the table Deliveries" in lines
    base_id = lines[-1].partition(":")[0]
    assert lines[-1] == f"{base_id}: every table and field is there."

    monkeypatch.setenv("AIRFLOW_CONN_OTHER", connection(sandbox, base_id))
    assert main(["airtable", "check", "--conn-id", "other"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == lines[-1]


def test_what_a_base_lacks_is_added_and_what_it_has_stays(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = {"name": "Accounts", "fields": [{"name": "Name", "type": "singleLineText"}]}
    base = {"id": "appHALF0000000000", "name": "Half", "tables": [accounts]}
    sandbox.seed({"airtable": {"bases": [base]}})
    monkeypatch.setenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", connection(sandbox, "appHALF0000000000"))
    assert main(["airtable", "check"]) == 1
    assert "Table 'Deliveries' is missing." in capsys.readouterr().out
    assert main(["airtable", "create"]) == 0
    assert "added the field Accounts.Username" in capsys.readouterr().out


def test_a_wrong_token_is_told_in_one_line_without_it(
    monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "patOLD.very-secret"
    monkeypatch.setenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", connection(sandbox, "appX0000000000000", token))
    assert main(["airtable", "check"]) == 1
    said = capsys.readouterr()
    assert "does not accept the token" in said.err
    assert "very-secret" not in said.out + said.err


def test_a_missing_connection_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["airtable", "check", "--conn-id", "nowhere"]) == 1
    assert "Connection nowhere: there is none" in capsys.readouterr().err


def test_base_and_workspace_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["airtable", "create", "--base", "appX", "--workspace", "wspX"])
    assert left.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


LISTENS = "appLISTENS0000000"


@pytest.fixture
def listening(
    monkeypatch: pytest.MonkeyPatch,
    sandbox: RunningSandbox,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[None]:
    """A base, a ledger, and settings that ask for changes."""
    start = {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
    sandbox.seed({"airtable": {"bases": [{"id": LISTENS, "name": "All", "tables": [start]}]}})
    monkeypatch.setenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", connection(sandbox, LISTENS))
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("SCHEDULO_AIRTABLE_CHANGES", "poll")
    settings.cache_clear()
    Ledger(settings().ledger).migrate()
    assert main(["airtable", "create"]) == 0
    capsys.readouterr()
    yield
    settings.cache_clear()


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[str]:
    assert main(["airtable", *arguments]) == code
    out, err = capsys.readouterr()
    return (err if code and not out else out).splitlines()


def test_listening_is_begun_shown_and_ended(
    listening: None, sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, "webhooks", code=1) == [
        "There is no webhook yet: the next run of publish_due_posts makes it."
    ]
    lines = said(capsys, "listen")
    assert lines == [
        "Airtable tells changes from now on: a webhook was made",
        "Airtable's webhook is read every 5 s, not read yet.",
    ]
    assert said(capsys, "listen") == lines[1:], "once is enough"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{sandbox.service('airtable')}/v0/bases/{LISTENS}/webhooks"
    body = {"specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}}
    requests.post(url, json=body, headers=headers, timeout=10).raise_for_status()
    _, ours, theirs = said(capsys, "webhooks")
    assert "  ours, until 20" in ours
    assert "  another's, until 20" in theirs
    assert said(capsys, "unlisten")[0] == "Airtable has no webhook of ours any more"
    assert len(requests.get(url, headers=headers, timeout=10).json()["webhooks"]) == 1


def test_listening_that_is_not_allowed_or_not_wanted_says_why(
    listening: None,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: RunningSandbox,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scopes = ["data.records:read", "data.records:write", "schema.bases:read"]
    sandbox.seed({"airtable": {"tokens": [{"token": TOKEN, "scopes": scopes}]}})
    assert "the scope webhook:manage" in said(capsys, "listen", code=1)[-1]
    assert main(["airtable", "webhooks"]) == 1
    assert "the scope webhook:manage" in capsys.readouterr().err
    monkeypatch.setenv("SCHEDULO_AIRTABLE_CHANGES", "off")
    settings.cache_clear()
    assert "SCHEDULO_AIRTABLE_CHANGES is off" in said(capsys, "listen", code=1)[0]
    monkeypatch.setenv("SCHEDULO_AIRTABLE_CHANGES", "poll")
    monkeypatch.setenv("SCHEDULO_AIRTABLE_MONTHLY_CALLS", "1000")
    settings.cache_clear()
    assert "SCHEDULO_AIRTABLE_CHANGES to ping" in said(capsys, "listen", code=1)[0]
