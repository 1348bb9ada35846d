"""Where the ledger is: the environment first, else the Connection, else a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hooks import ledger as hook
from schedulo.ledger.database import Ledger, LedgerError
from schedulo.settings import Settings


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    Ledger(f"sqlite:///{path}").migrate()
    return path


def use(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    monkeypatch.setattr(hook, "settings", lambda: Settings(**values))


def test_the_connection_names_the_file_of_an_sqlite_ledger(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch)
    monkeypatch.setenv("AIRFLOW_CONN_SCHEDULO_DB", json.dumps({"conn_type": "sqlite", "host": str(kept)}))
    assert hook.LedgerHook().get_conn().url.database == str(kept)


def test_the_environment_comes_before_the_connection(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, ledger_url=f"sqlite:///{kept}")
    monkeypatch.setenv("AIRFLOW_CONN_SCHEDULO_DB", json.dumps({"conn_type": "sqlite", "host": "/nowhere"}))
    assert hook.LedgerHook().get_conn().url.database == str(kept)


def test_a_password_with_signs_of_its_own_reaches_the_driver_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow.sdk import Connection

    parts = {"host": "db", "port": 5432, "schema": "schedulo", "login": "me", "password": "p@ss/w:rd"}
    url = hook._url(Connection(conn_id="c", conn_type="postgres", **parts))
    assert (url.get_backend_name(), url.password, url.database) == ("postgresql", "p@ss/w:rd", "schedulo")


def test_a_ledger_without_its_schema_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, ledger_url=f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(LedgerError, match="schedulo db upgrade"):
        hook.LedgerHook().get_conn()
