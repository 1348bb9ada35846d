"""A ledger is for the platforms or for a sandbox, for good; the mode *nothing* is a hold that comes back."""

from __future__ import annotations

import pytest

from schedulo.delivery import mode
from schedulo.delivery.holds import in_force
from schedulo.delivery.mode import ModeError, agree, hold_all
from schedulo.delivery.stops import resume, stop
from schedulo.ledger.database import Ledger
from schedulo.settings import Settings
from tests.schedulo.delivery.conftest import Books

LIVE = Settings()
SANDBOX = Settings(mode="sandbox", sandbox_url="http://sandbox:8090")
NOTHING = Settings(mode="nothing")


def held(ledger: Ledger) -> list[tuple[str, str]]:
    with ledger.read() as connection:
        return [(hold.name, hold.author) for hold in in_force(connection, ledger.now_ms(connection))]


@pytest.mark.parametrize(("first", "then"), [(LIVE, SANDBOX), (SANDBOX, LIVE)], ids=["live", "sandbox"])
def test_a_ledger_stays_with_what_it_was_first_used_for(
    ledger: Ledger, first: Settings, then: Settings
) -> None:
    agree(ledger, NOTHING)
    agree(ledger, first)
    agree(ledger, first)
    agree(ledger, NOTHING)
    with pytest.raises(
        ModeError, match=f"SCHEDULO_MODE is {then.mode}, .* sets SCHEDULO_MODE to {first.mode}"
    ):
        agree(ledger, then)


def test_a_ledger_that_sent_something_before_there_were_modes_is_live(ledger: Ledger) -> None:
    Books(ledger).sent()
    with pytest.raises(ModeError, match="published to the platforms"):
        agree(ledger, SANDBOX)
    agree(ledger, LIVE)


def test_in_the_mode_nothing_everything_is_held_again_and_again(ledger: Ledger) -> None:
    for new in (True, False):
        with ledger.begin() as connection:
            assert hold_all(connection, ledger.now_ms(connection), NOTHING) is new
    assert held(ledger) == [("everything", mode.AUTHOR)]
    with ledger.begin() as connection:
        resume(connection, ledger.now_ms(connection), "everything", "ann")
        assert hold_all(connection, ledger.now_ms(connection), NOTHING)
    with ledger.begin() as connection:
        assert not hold_all(connection, ledger.now_ms(connection), LIVE)
    assert held(ledger) == [("everything", mode.AUTHOR)], "it ends when a person ends it"


def test_who_begins_to_work_in_the_mode_nothing_finds_everything_held(ledger: Ledger) -> None:
    """A process that starts before the next tick."""
    agree(ledger, NOTHING)
    assert held(ledger) == [("everything", mode.AUTHOR)]


def test_the_hold_of_a_person_is_left_as_it_is(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        stop(connection, ledger.now_ms(connection), "everything", "wrong prices", "ann")
        assert not hold_all(connection, ledger.now_ms(connection), NOTHING)
    assert held(ledger) == [("everything", "ann")]
