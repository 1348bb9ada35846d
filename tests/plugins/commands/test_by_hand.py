"""The commands `schedulo hold`, `release`, `retry`, `cancel` and `resolve`, as an operator types them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from commands.main import main
from schedulo.delivery.holds import in_force, set_hold
from schedulo.ledger.database import Ledger
from schedulo.model import State
from schedulo.settings import settings
from schedulo.vault import Vault
from tests.schedulo.delivery.conftest import Books

LINK = "https://x.com/northlight/status/17"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", url)
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    settings.cache_clear()
    ledger = Ledger(url)
    ledger.migrate()
    yield Books(ledger, now_ms=int(time.time() * 1000))
    ledger.close()
    settings.cache_clear()


def test_connecting_an_account_again_lets_go_what_waited_for_its_login(
    books: Books, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEDULO_VAULT_KEY", key := Fernet.generate_key().decode())
    settings.cache_clear()
    answers = iter(["new", "once"])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    for kind in ("reconnect", "token_expired", "account_restricted"):
        books.do(set_hold, "account", "x:1", "r", "schedulo", None, kind)
    books.do(set_hold, "account", "x:1", "wrong prices", "ben")
    assert main(["accounts", "connect", "x", "1", "--unchecked"]) == 0
    told = capsys.readouterr().out
    assert "Kept the tokens of 1 account(s)." in told
    assert "goes out with the next run: account:x:1" in told
    assert {hold.error_kind for hold in books.do(in_force)} == {"account_restricted", ""}
    secret = Vault(books.ledger, key).get(["x:1"])["x:1"]
    assert secret == {"access_token": "new", "refresh_token": "once"}


def test_a_hold_says_what_waits_and_a_release_what_becomes_of_it(books: Books, capsys: Captured) -> None:
    books.add(label="x @acme: hello")
    assert main(["hold", "account:x:1", "--reason", "wrong prices"]) == 0
    told = capsys.readouterr().out
    assert "Held: account:x:1. 1 planned posts wait" in told
    assert "x @acme: hello: stopped" in told
    assert "schedulo release account:x:1" in told
    assert main(["release", "account:x:1"]) == 0
    assert "x @acme: hello: goes out" in capsys.readouterr().out


def test_a_cancel_is_done_and_a_dry_one_only_says_so(books: Books, capsys: Captured) -> None:
    id_ = books.add(label="x @acme: hello")
    assert main(["cancel", "--account", "x:1", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert ("1 of 1 deliveries would be cancelled" in told, "x @acme: hello: cancelled" in told) == (
        True,
        True,
    )
    assert books.row(id_).state == State.SCHEDULED
    assert main(["cancel", "--delivery", id_]) == 0
    assert "1 of 1 deliveries are cancelled" in capsys.readouterr().out
    assert books.row(id_).state == State.CANCELLED
    assert "a cancel was requested by ann with `schedulo cancel`: cancelled" in books.story(id_)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hold", "platform:twitter", "--reason", "r"], "instagram, tiktok, x, facebook"),
        (["hold", "account:x:9", "--reason", "r"], "x:1 (@1)"),
        (["release", "everything"], "Nothing holds everything"),
        (["retry", "--platform", "twitter"], "platforms"),
        (["retry"], "Nothing chooses"),
        (["retry", "--delivery", "d99"], "d99"),
        (["cancel"], "Nothing chooses"),
        (["cancel", "--delivery", "d99"], "d99"),
        (["resolve", "d99", "--not-out"], "d99"),
        (["resolve", "d1", "--out", "https://x.com/northlight"], "not the link of a post on x"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_could(
    books: Books, capsys: Captured, arguments: list[str], told: str
) -> None:
    books.add(State.UNRESOLVED)
    assert main(arguments) == 1
    assert told in capsys.readouterr().err


def test_a_retry_dry_then_real(books: Books, capsys: Captured) -> None:
    id_ = books.add(State.FAILED, label="x @acme: hello")
    assert main(["retry", "--account", "x:1", "--dry-run"]) == 0
    assert "1 of 1 deliveries would be tried again" in capsys.readouterr().out
    assert books.row(id_).state == State.FAILED
    assert main(["retry", "--account", "x:1", "--since", "2 hours"]) == 0
    assert f"{id_}  x @acme: hello: planned again" in capsys.readouterr().out
    assert books.row(id_).state == State.SCHEDULED
    assert "requested by ann with `schedulo retry`: planned again" in books.story(id_)


def test_a_resolution_is_told_with_what_was_done(books: Books, capsys: Captured) -> None:
    out, absent = books.add(State.UNRESOLVED), books.add(State.UNRESOLVED)
    assert main(["resolve", out, "--out", LINK]) == 0
    assert LINK in capsys.readouterr().out
    assert main(["resolve", absent, "--not-out"]) == 0
    assert (books.row(out).state, books.row(absent).state) == (State.PUBLISHED, State.SCHEDULED)
