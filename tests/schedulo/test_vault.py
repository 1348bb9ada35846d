"""The vault: tokens go in and come out, and are readable nowhere else."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from schedulo.errors import Kind, PlatformError
from schedulo.ledger.database import Ledger
from schedulo.vault import Taken, Tokens, Turn, Vault, VaultError

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


# --- renewing ---------------------------------------------------------------------------------------------


def keep(vault: Vault, ledger: Ledger, taken: Taken, token: str) -> bool:
    with ledger.begin() as connection:
        return vault.keep_renewed(
            connection, ledger.now_ms(connection), "x:1", taken, {"access_token": token}
        )


def test_one_process_at_a_time_has_the_turn(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    taken = vault.take_turn("x:1", "a", 60, "tok-ü")
    assert (taken.turn, taken.secret, taken.broken_off) == (Turn.OURS, SECRET, False)
    assert vault.take_turn("x:1", "b", 60, "tok-ü").turn is Turn.BUSY
    vault.give_up_turn("x:1", "b")
    assert vault.take_turn("x:1", "b", 60, "tok-ü").turn is Turn.BUSY, "only its own process gives it up"
    vault.give_up_turn("x:1", "a")
    assert vault.take_turn("x:1", "b", 60, "tok-ü").turn is Turn.OURS


def test_who_comes_later_uses_the_token_that_is_there(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    taken = vault.take_turn("x:1", "a", 60, "tok-ü")
    assert keep(vault, ledger, taken, "new")
    assert vault.token("x:1") == "new"
    assert vault.take_turn("x:1", "b", 60, "tok-ü").turn is Turn.DONE
    assert vault.take_turn("x:1", "b", 60, "new").turn is Turn.DONE, "a young token is not renewed again"
    assert vault.take_turn("x:1", "b", 60, None).turn is Turn.DONE


def test_a_turn_that_was_never_finished_is_told_to_the_next(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    late = vault.take_turn("x:1", "died", 0, "tok-ü")
    taken = vault.take_turn("x:1", "b", 60, "tok-ü")
    assert (taken.turn, taken.broken_off) == (Turn.OURS, True)
    assert keep(vault, ledger, late, "from the dead"), "what the platform gave counts whoever got it"
    assert not keep(vault, ledger, taken, "second")
    assert vault.token("x:1") == "from the dead"


def test_a_new_login_counts_more_than_a_renewal_that_was_under_way(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    taken = vault.take_turn("x:1", "a", 60, "tok-ü")
    vault.put({"x:1": {"access_token": "by a person"}})
    assert not keep(vault, ledger, taken, "renewed")
    assert vault.token("x:1") == "by a person"
    assert vault.take_turn("x:1", "b", 60, "by a person").broken_off is False


def test_nothing_kept_means_nothing_to_renew(ledger: Ledger) -> None:
    assert Vault(ledger, OLD).take_turn("x:1", "a", 60, None).turn is Turn.NONE


def test_a_processs_tokens_are_kept_until_they_are_forgotten(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": {"access_token": "one"}})
    tokens = Tokens(vault, {"x:2": "alone"})
    assert (tokens("x:1"), tokens("x:2")) == ("one", "alone")
    assert (tokens.renewable("x:1"), tokens.renewable("x:2")) == (True, False)
    vault.put({"x:1": {"access_token": "two"}})
    assert tokens("x:1") == "one"
    tokens.forget("x:1")
    assert tokens("x:1") == "two"


def test_no_secret_shows_when_a_turn_is_printed(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    shown = repr(vault.take_turn("x:1", "a", 60, None))
    assert "tok-ü" not in shown
    assert "sealed" not in shown
