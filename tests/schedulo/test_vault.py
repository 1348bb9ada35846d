"""The vault: tokens go in and come out, and are readable nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from schedulo.errors import Kind, PlatformError
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import credentials, vault_audit
from schedulo.vault import Rotated, Taken, Tokens, Turn, Vault, VaultError, checked

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


def test_what_is_asked_about_a_login_stands_in_the_clear_and_its_secret_does_not(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    ends = {"expires_ms": 5, "refresh_expires_ms": 6, "data_access_ms": 7}
    vault.put({"x:1": SECRET | ends | {"scopes": ["b", "a"]}, "x:2": {"access_token": "two"}}, "ann")
    one, two = row(ledger, "x:1"), row(ledger, "x:2")
    assert (one.expires_ms, one.refresh_expires_ms, one.data_access_ms, one.scopes) == (5, 6, 7, ["a", "b"])
    assert (one.renewable, two.renewable) == (True, False)
    assert (two.expires_ms, two.scopes, two.checked_ms, two.problem) == (None, None, None, "")
    assert one.obtained_ms == one.updated_ms > 0


def row(ledger: Ledger, key: str) -> Any:
    with ledger.begin() as connection:
        return connection.execute(sa.select(credentials).where(credentials.c.account_key == key)).one()


def story(ledger: Ledger) -> list[tuple[str, str, str]]:
    a = vault_audit.c
    with ledger.begin() as connection:
        found = connection.execute(sa.select(a.account_key, a.author, a.what).order_by(a.id))
        return [(line.account_key, line.author, line.what) for line in found]


def test_a_new_login_forgets_what_was_known_of_the_old_one(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    with ledger.begin() as connection:
        told = {"warned_days": 3, "warned_end_ms": 5, "problem": "bad", "checked_ms": 1, "refreshed_ms": 1}
        connection.execute(sa.update(credentials).values(**told))
    vault.put({"x:1": {"access_token": "new"}}, "ann")
    found = row(ledger, "x:1")
    assert [found.warned_days, found.warned_end_ms, found.problem, found.checked_ms] == [None, None, "", None]
    assert (found.refreshed_ms, found.expires_ms, found.renewable) == (None, None, False)
    assert story(ledger) == [("x:1", "schedulo", "connected"), ("x:1", "ann", "connected")]


def test_what_was_found_out_about_a_login_is_not_said_of_the_next(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    asked = row(ledger, "x:1").serial
    vault.put({"x:1": {"access_token": "new"}})
    with ledger.begin() as connection:
        checked(connection, 5, "x:1", asked, scopes=["a"])
    assert row(ledger, "x:1").checked_ms is None
    with ledger.begin() as connection:
        checked(connection, 5, "x:1", asked + 1, scopes=["a"])
    assert (row(ledger, "x:1").checked_ms, row(ledger, "x:1").scopes) == (5, ["a"])


# --- keys -------------------------------------------------------------------------------------------------


def test_the_newest_key_takes_over_and_the_old_one_may_go(ledger: Ledger) -> None:
    Vault(ledger, OLD).put({f"x:{n}": {"access_token": str(n)} for n in range(3)})
    both = Vault(ledger, f"{NEW},{OLD}")
    both.put({"x:3": {"access_token": "3"}})
    assert both.rotate("ann") == Rotated(encrypted=3, before=1)
    assert both.rotate("ann") == Rotated(encrypted=0, before=4)
    alone = Vault(ledger, NEW)
    assert [alone.token(f"x:{n}") for n in range(4)] == ["0", "1", "2", "3"]
    assert story(ledger)[4:] == [(f"x:{n}", "ann", "encrypted anew") for n in range(3)]


def test_a_change_of_keys_that_was_cut_off_is_gone_on_with(ledger: Ledger) -> None:
    Vault(ledger, OLD).put({"x:1": SECRET, "x:2": SECRET})
    other = Fernet.generate_key().decode()
    Vault(ledger, other).put({"x:3": SECRET})
    with pytest.raises(VaultError, match="x:3"):
        Vault(ledger, f"{NEW},{OLD}").rotate("ann")
    assert Vault(ledger, NEW).token("x:2") == "tok-ü", "those before it were kept"
    assert Vault(ledger, f"{NEW},{OLD},{other}").rotate("ann") == Rotated(encrypted=1, before=2)


def test_a_change_of_keys_costs_no_login_that_is_being_renewed(ledger: Ledger) -> None:
    Vault(ledger, OLD).put({"x:1": SECRET})
    both = Vault(ledger, f"{NEW},{OLD}")
    taken = both.take_turn("x:1", "a", 60, "tok-ü")
    assert both.rotate("ann").encrypted == 1
    assert keep(both, ledger, taken, "renewed")
    assert Vault(ledger, NEW).token("x:1") == "renewed"


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


def test_a_turn_that_got_no_answer_is_told_to_the_next(ledger: Ledger) -> None:
    vault = Vault(ledger, OLD)
    vault.put({"x:1": SECRET})
    for answered in (True, False):
        assert vault.take_turn("x:1", "a", 60, "tok-ü").turn is Turn.OURS
        vault.give_up_turn("x:1", "a", "no answer", answered=answered)
        taken = vault.take_turn("x:1", "b", 60, "tok-ü")
        assert (taken.turn, taken.broken_off) == (Turn.OURS, not answered)
        vault.give_up_turn("x:1", "b")
    assert row(ledger, "x:1").problem == "no answer"


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
