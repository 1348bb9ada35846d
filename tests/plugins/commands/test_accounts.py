"""`schedulo accounts` and `schedulo vault`, as an operator types them, against the stand-ins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from commands.main import main
from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from schedulo.settings import settings
from schedulo.vault import Vault

Captured = pytest.CaptureFixture[str]
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: RunningSandbox) -> Iterator[Ledger]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", url)
    monkeypatch.setenv("SCHEDULO_VAULT_KEY", OLD)
    for name in ("x", "tiktok", "facebook", "instagram"):
        connection = {"conn_type": name, "host": sandbox.service(name)}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}_DEFAULT", json.dumps(connection))
    settings.cache_clear()
    sandbox.seed({"x": {"accounts": [{"account_id": "1", "username": "anna", "token": "good"}]}})
    ledger = Ledger(url)
    ledger.migrate()
    yield ledger
    ledger.close()
    settings.cache_clear()


def test_a_token_is_shown_to_its_platform_before_it_is_kept(
    ledger: Ledger, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["bad", "", "good", ""])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    assert main(["accounts", "connect", "x", "1"]) == 1
    said = capsys.readouterr()
    assert "Kept the tokens of 0 account(s)." in said.out
    assert "x:1: not kept" in said.out
    assert main(["accounts", "connect", "x", "1"]) == 0
    assert "x:1: kept, as @anna" in capsys.readouterr().out
    assert Vault(ledger, OLD).token("x:1") == "good"


def test_a_file_that_is_wrong_keeps_nothing_and_shows_no_token(
    ledger: Ledger, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"x:1": {"access_token": "good"}, "x:2": {"token": "secret-token"}}))
    assert main(["accounts", "connect", "--file", str(file)]) == 1
    said = capsys.readouterr().err
    assert "x:2: 'token': there is no such field" in said
    assert "Nothing was kept." in said
    assert "secret-token" not in said
    assert Vault(ledger, OLD).get(["x:1"]) == {}


def test_the_list_says_how_logins_stand_and_no_secret(ledger: Ledger, capsys: Captured) -> None:
    Vault(ledger, OLD).put({"x:1": {"access_token": "good"}})
    assert main(["accounts", "list"]) == 0
    said = capsys.readouterr().out
    assert "x:1: no row" in said
    assert main(["accounts", "list", "--json"]) == 0
    told = capsys.readouterr().out
    assert [one["account"] for one in json.loads(told)] == ["x:1"]
    assert "good" not in said + told


def test_all_tokens_are_encrypted_with_the_newest_key(
    ledger: Ledger, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vault(ledger, OLD).put({"x:1": {"access_token": "good"}})
    monkeypatch.setenv("SCHEDULO_VAULT_KEY", f"{NEW},{OLD}")
    settings.cache_clear()
    assert main(["vault", "rotate"]) == 0
    assert "Encrypted anew: 1. With the newest key already: 0." in capsys.readouterr().out
    assert Vault(ledger, NEW).token("x:1") == "good"
    monkeypatch.setenv("SCHEDULO_VAULT_KEY", Fernet.generate_key().decode())
    settings.cache_clear()
    assert main(["vault", "rotate"]) == 1
    assert "x:1 were kept under another SCHEDULO_VAULT_KEY" in capsys.readouterr().err
