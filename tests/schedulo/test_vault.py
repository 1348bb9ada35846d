"""The vault: tokens go in and come out, and are readable nowhere else."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from schedulo.errors import Kind, PlatformError
from schedulo.ledger.database import Ledger
from schedulo.vault import Vault, VaultError

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SECRET = {"access_token": "tok-ü", "refresh_token": "again", "expires_ms": 5}


def test_what_is_put_in_comes_out_and_the_database_never_sees_it(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET, "x:2": {"access_token": "two"}})
    assert vault.get(["x:1", "x:2", "x:3"]) == {"x:1": SECRET, "x:2": {"access_token": "two"}}
    assert vault.token("x:1") == "tok-ü"
    with ledger.begin() as connection:
        kept = str(connection.execute(sa.text("SELECT * FROM credentials")).all())
    assert "tok-" not in kept
    assert "again" not in kept


def test_a_new_token_replaces_the_old_one(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    vault.put({"x:1": {"access_token": "new"}})
    assert vault.get(["x:1"]) == {"x:1": {"access_token": "new"}}


def test_a_new_key_opens_what_the_old_one_closed_while_both_are_given(ledger: Ledger) -> None:
    Vault(ledger, OLD).put({"x:1": SECRET})
    both = Vault(ledger, f"{NEW}, {OLD}")
    assert both.token("x:1") == "tok-ü"
    both.put({"x:1": SECRET})
    assert Vault(ledger, NEW).token("x:1") == "tok-ü"
    with pytest.raises(VaultError, match="another SCHEDULO_VAULT_KEY"):
        Vault(ledger, OLD).get(["x:1"])


def test_a_wrong_key_says_so_without_any_secret(ledger: Ledger) -> None:
    Vault(ledger, OLD).put({"x:1": SECRET})
    with pytest.raises(VaultError) as caught:
        Vault(ledger, NEW).token("x:1")
    assert "x:1" in str(caught.value)
    assert not {OLD, NEW, "tok-ü"} & set(str(caught.value).split())
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("keys", ["", "not a key", f"{OLD},short"], ids=["empty", "no key", "one too short"])
def test_keys_that_are_none_are_refused_without_showing_them(ledger: Ledger, keys: str) -> None:
    with pytest.raises(VaultError, match="SCHEDULO_VAULT_KEY") as caught:
        Vault(ledger, keys)
    assert OLD not in str(caught.value)


def test_an_account_without_a_token_must_be_connected(ledger: Ledger) -> None:
    with pytest.raises(PlatformError) as caught:
        Vault(ledger, OLD).token("x:1")
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.RECONNECT, False)
