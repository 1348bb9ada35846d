"""Which events are written, and that each is there if and only if what it tells has happened."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from schedulo.delivery.endings import fail
from schedulo.delivery.holds import hold_account
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.self_tests import PREFIX
from schedulo.delivery.transitions import move
from schedulo.delivery.webhook_events import STATES
from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.errors.kinds import Actor
from schedulo.ledger.subscribers import subscriber_events, subscriber_sendings
from schedulo.model import State
from schedulo.upkeep.ledger_rows import DAY_MS, WEBHOOKS_DAYS, Round, old_webhooks
from tests.schedulo.webhooks.conftest import Exchange


def kinds(exchange: Exchange) -> list[str]:
    return [row.type for row in exchange.written()]


def test_nothing_is_written_while_nobody_subscribes(exchange: Exchange) -> None:
    exchange.goes(exchange.add(State.SCHEDULED), State.HELD, reason="r")
    assert exchange.written() == []


def test_a_move_and_its_event_are_one_transaction(exchange: Exchange) -> None:
    exchange.subscribe()
    id_ = exchange.add(State.SCHEDULED)

    class Crash(Exception):
        pass

    def moves_and_dies() -> None:
        with exchange.ledger.begin() as connection:
            move(connection, [id_], State.HELD, updated_ms=exchange.now_ms)
            raise Crash

    with pytest.raises(Crash):
        moves_and_dies()
    assert (exchange.row(id_).state, exchange.written()) == (State.SCHEDULED, [])
    exchange.goes(id_, State.HELD, reason="the content guard")
    (event,) = exchange.written()
    assert (event.type, event.subject, event.account_key) == ("delivery.held", id_, "x:1")
    assert event.data["reason"] == "the content guard"
    assert event.at_ms == exchange.now_ms


def test_a_move_that_is_not_made_is_no_event(exchange: Exchange) -> None:
    exchange.subscribe()
    id_ = exchange.add(State.TAKEN_DOWN)
    with exchange.ledger.begin() as connection:
        assert not move(connection, [id_], State.PUBLISHED, updated_ms=exchange.now_ms)
    assert exchange.written() == []


def test_steps_on_the_way_are_none_and_what_goes_back_to_wait_is_not_scheduled_anew(
    exchange: Exchange,
) -> None:
    exchange.subscribe()
    id_ = exchange.add(State.HELD)
    exchange.goes(id_, State.SCHEDULED)
    for state in (State.CLAIMED, State.ARMED, State.CLAIMED, State.SCHEDULED):
        exchange.goes(id_, state)
    assert kinds(exchange) == ["delivery.scheduled"]
    exchange.goes(id_, State.CLAIMED)
    exchange.goes(id_, State.SCHEDULED, due_ms=exchange.now_ms + 60_000)
    assert kinds(exchange) == ["delivery.scheduled", "delivery.scheduled"]


def test_what_fails_again_is_told_again(exchange: Exchange) -> None:
    exchange.subscribe()
    id_ = exchange.add(State.CLAIMED, holder="me")
    error = PlatformError("x", Diagnosis(Kind.CONTENT_REJECTED, refusal=True), message="no")
    for _ in range(2):
        exchange.change(id_, state=State.CLAIMED, holder="me")
        assert exchange.do(fail, exchange.delivery(id_), error)
    assert kinds(exchange) == ["delivery.failed", "delivery.failed"]
    assert exchange.written()[0].data["error"] == "content_rejected"


def test_each_gets_what_it_wants(exchange: Exchange) -> None:
    exchange.account("x:2")
    everything, _ = exchange.subscribe()
    failures, _ = exchange.subscribe(types=["delivery.missed"])
    second, _ = exchange.subscribe(account_keys=["x:2"])
    exchange.goes(exchange.add(State.SCHEDULED), State.MISSED)
    exchange.goes(exchange.add(State.SCHEDULED, account="x:2"), State.HELD)
    found = {(row.subscriber_id, row.number) for row in exchange.sendings()}
    first, other = (row.number for row in exchange.written())
    assert found == {(everything, first), (failures, first), (everything, other), (second, other)}


def test_many_at_once_are_an_event_each(exchange: Exchange) -> None:
    exchange.subscribe()
    ids = [exchange.add(State.SCHEDULED) for _ in range(7)]
    with exchange.ledger.begin() as connection:
        move(connection, ids, State.HELD, updated_ms=exchange.now_ms)
    assert sorted(row.subject for row in exchange.written()) == sorted(ids)
    assert len(exchange.sendings()) == len({row.id for row in exchange.written()}) == 7


def test_self_tests_are_told_nobody(exchange: Exchange) -> None:
    exchange.subscribe()
    exchange.goes(exchange.add(State.SCHEDULED, post_id=f"{PREFIX}1"), State.MISSED)
    assert exchange.written() == []


def test_every_state_that_people_are_told_of_has_an_event() -> None:
    on_the_way = {State.CLAIMED, State.ARMED, State.SENDING, State.REFUSED, State.UNKNOWN, State.PROCESSING}
    assert set(State) - set(STATES) == on_the_way


def test_a_dead_login_is_told_once_with_what_must_be_done(exchange: Exchange) -> None:
    exchange.subscribe(types=["account.needs_attention"])
    error = PlatformError("x", Diagnosis(Kind.RECONNECT, refusal=False), message="revoked")
    for _ in range(2):
        exchange.do(hold_account, "x:1", error)
    (event,) = exchange.written()
    assert (event.subject, event.data["why"]) == ("x:1", "held")
    assert "schedulo accounts connect" in event.data["reason"]


@pytest.mark.parametrize(
    ("trouble", "about", "account"),
    [
        (Trouble.LOGIN_ENDS, "instagram:17:7", "instagram:17"),
        (Trouble.LOGIN_LACKS, "facebook:5", "facebook:5"),
        (Trouble.HELD, "account:x:1:permission", "x:1"),
        (Trouble.HELD, "account:x:1:billing", None),
        (Trouble.HELD, "platform:x:reconnect", None),
        (Trouble.LATE, "x", None),
    ],
)
def test_what_is_about_a_login_is_told(
    exchange: Exchange, trouble: Trouble, about: str, account: str | None
) -> None:
    exchange.subscribe()
    exchange.do(incident, trouble, "said", actor=Actor.OWNER, about=about)
    exchange.do(incident, trouble, "said again", actor=Actor.OWNER, about=about)
    assert [row.account_key for row in exchange.written()] == ([account] if account else [])


def test_old_events_go_with_what_came_of_them(exchange: Exchange) -> None:
    exchange.subscribe()
    exchange.goes(exchange.add(State.SCHEDULED), State.MISSED)
    kept = exchange.add(State.SCHEDULED)
    exchange.run(sa.update(subscriber_events).values(at_ms=exchange.now_ms - (WEBHOOKS_DAYS + 1) * DAY_MS))
    exchange.goes(kept, State.MISSED)
    counted: dict[str, int] = {}
    for dry in (True, False):
        old_webhooks(Round(exchange.ledger, exchange.now_ms, dry, counted.__setitem__))
        assert counted == {"subscriber_events": 1, "subscriber_sendings": 1}
    assert [row.subject for row in exchange.written()] == [kept]
    assert exchange.run(sa.select(subscriber_sendings.c.subject)) == [(kept,)]
