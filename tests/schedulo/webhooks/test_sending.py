"""What subscribers get: signed, in order, at least once, again where they do not take it, and no more when
they take nothing."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from standardwebhooks.webhooks import WebhookVerificationError

from schedulo.delivery.endings import finish
from schedulo.ledger import marks
from schedulo.ledger.subscribers import subscriber_events, subscriber_sendings, subscribers
from schedulo.ledger.tables import incidents
from schedulo.model import Published, State
from schedulo.vault import Vault
from schedulo.webhooks import sending
from schedulo.webhooks.sending import TRIES, WAITS_S, _compose, due, flush, try_now
from schedulo.webhooks.signing import headers
from schedulo.webhooks.subscribers import SubscriberError, add, pause, remove, replay, resume, rotate
from tests.schedulo.webhooks.conftest import KEY, Exchange, now_s, verified

HOW_TO = Path(__file__).resolve().parents[3] / "docs/how-to/receive-webhooks.md"


def incidents_of(exchange: Exchange) -> dict[str, str]:
    query = sa.select(incidents.c.key, incidents.c.sentence).where(incidents.c.closed_ms.is_(None))
    return {row.key: row.sentence for row in exchange.run(query)}


def missed(exchange: Exchange, count: int = 1) -> list[str]:
    ids = [exchange.add(State.SCHEDULED) for _ in range(count)]
    for id_ in ids:
        exchange.goes(id_, State.MISSED, reason="too late")
    return ids


# --- what is sent -----------------------------------------------------------------------------------------


def test_an_event_says_what_became_of_the_post_and_nothing_of_its_text(exchange: Exchange) -> None:
    exchange.subscribe()
    id_ = exchange.add(State.SENDING, title="a secret title")
    exchange.goes(id_, State.PUBLISHED, permalink="https://x.com/i/status/1", published_ms=exchange.now_ms)
    assert exchange.flush() == [f"{exchange.web.address}: took 1"]
    (body,) = exchange.web.got
    assert body["type"] == "delivery.published"
    assert body["api_version"] == 1
    assert body["data"]["delivery"] == id_
    assert body["data"]["post"] == f"rec-{id_}"
    assert (body["data"]["account"], body["data"]["platform"]) == ("x:1", "x")
    assert body["data"]["permalink"] == "https://x.com/i/status/1"
    assert body["data"]["published_at"] == body["data"]["due_at"] == body["timestamp"]
    assert b"secret title" not in exchange.web.raw[0][1]
    assert b"hello" not in exchange.web.raw[0][1]


def test_what_went_out_waits_a_moment_for_its_link(exchange: Exchange) -> None:
    exchange.subscribe()
    with exchange.ledger.read() as connection:
        exchange.now_ms = exchange.ledger.now_ms(connection)
    exchange.goes(exchange.add(State.SENDING), State.PUBLISHED)
    assert exchange.flush() == []
    exchange.pass_s(3)
    exchange.flush()
    assert exchange.types == ["delivery.published"]


LINK = "https://x.com/i/status/1"


def gets_its_link(exchange: Exchange, id_: str) -> None:
    exchange.do(finish, id_, Published(post_id="1", permalink=LINK))


def test_a_link_that_is_known_only_after_it_was_told_is_told_then_and_once(exchange: Exchange) -> None:
    exchange.subscribe()
    id_ = exchange.add(State.SENDING)
    exchange.goes(id_, State.PUBLISHED)
    exchange.flush()
    exchange.do(finish, id_, Published(post_id="1"))
    exchange.flush()
    assert exchange.types == ["delivery.published"]
    for _ in range(2):
        gets_its_link(exchange, id_)
        exchange.flush()
    assert exchange.types == ["delivery.published", "delivery.linked"]
    without, told = (body["data"] for body in exchange.web.got)
    assert (without["permalink"], told["permalink"], told["state"]) == (None, LINK, "published")
    assert told["remote_id"] == "1"


def test_a_link_that_comes_before_the_first_try_is_in_the_event_itself(exchange: Exchange) -> None:
    exchange.subscribe()
    id_ = exchange.add(State.SENDING)
    exchange.goes(id_, State.PUBLISHED)
    gets_its_link(exchange, id_)
    exchange.flush()
    assert [(body["type"], body["data"]["permalink"]) for body in exchange.web.got] == [
        ("delivery.published", LINK)
    ]


@pytest.mark.parametrize("first", ["event", "link"])
def test_a_link_that_comes_in_the_moment_in_which_its_event_is_made_is_told_once(
    exchange: Exchange, first: str
) -> None:
    exchange.subscribe()
    id_ = exchange.add(State.SENDING)
    exchange.goes(id_, State.PUBLISHED)
    work = {
        "event": lambda: exchange.flush(),
        "link": lambda: gets_its_link(exchange, id_),
    }
    other = threading.Thread(target=work["link" if first == "event" else "event"])
    with exchange.ledger.begin() as connection:
        if first == "event":
            (row,) = connection.execute(
                sa.select(subscriber_events, subscriber_events.c.id.label("event_id"))
            )
            assert '"permalink":null' in _compose(connection, row)
        else:
            finish(connection, exchange.now_ms, id_, Published(post_id="1", permalink=LINK))
        other.start()
        other.join(0.3)
        assert other.is_alive(), "it waits for the first one"
    other.join(30)
    exchange.flush()
    links = [body["data"]["permalink"] for body in exchange.web.got]
    assert links == ([None, LINK] if first == "event" else [LINK])


def test_events_of_one_delivery_come_in_their_order_though_one_is_refused_at_first(
    exchange: Exchange,
) -> None:
    exchange.subscribe()
    first, other = exchange.add(State.SCHEDULED), exchange.add(State.SCHEDULED)
    exchange.goes(first, State.HELD)
    exchange.goes(first, State.CANCELLED)
    exchange.goes(other, State.MISSED)
    exchange.web.answers = [500]
    exchange.flush()
    assert exchange.types == ["delivery.held", "delivery.missed"]
    with exchange.ledger.read() as connection:
        assert due(connection, exchange.ledger.now_ms(connection)) == []
    exchange.pass_s(10)
    exchange.flush()
    assert exchange.types == ["delivery.held", "delivery.missed", "delivery.held", "delivery.cancelled"]


# --- signatures -------------------------------------------------------------------------------------------


def _receiver() -> Callable[..., bool]:
    """The code that the page tells receivers to use."""
    (code,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    space: dict[str, Any] = {}
    exec(code, space)
    found: Callable[..., bool] = space["is_genuine"]
    return found


def test_the_library_of_the_standard_and_the_code_of_our_page_take_what_we_send(exchange: Exchange) -> None:
    _, secret = exchange.subscribe()
    missed(exchange)
    exchange.flush()
    ((sent, body),) = exchange.web.raw
    assert verified(secret, sent, body)["id"] == sent["webhook-id"] == exchange.written()[0].id
    assert _receiver()(secret, sent, body, now_s())


@pytest.mark.parametrize("change", ["body", "id", "time", "secret", "no signature", "old", "from the future"])
def test_forged_changed_and_replayed_requests_are_refused(change: str) -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw", b'{"test": 2432232314}'
    shift_s = {"old": -301, "from the future": 301}.get(change, 0)
    sent = headers([secret], "msg_1", now_s() + shift_s, body)
    receives = _receiver()
    if not shift_s:
        assert receives(secret, sent, body, now_s())
    match change:
        case "body":
            body += b" "
        case "id":
            sent["webhook-id"] = "msg_2"
        case "time":
            sent["webhook-timestamp"] = str(int(sent["webhook-timestamp"]) + 1)
        case "secret":
            secret = "whsec_" + "A" * 32
        case "no signature":
            sent["webhook-signature"] = "v1,"
    assert not receives(secret, sent, body, now_s())
    with pytest.raises(WebhookVerificationError):
        verified(secret, sent, body)


def test_while_a_secret_is_replaced_both_count(exchange: Exchange) -> None:
    id_, old = exchange.subscribe()
    new = exchange.do(rotate, exchange.vault, id_)
    exchange.now_ms += 1
    missed(exchange)
    exchange.flush()
    ((sent, body),) = exchange.web.raw
    for secret in (old, new):
        assert verified(secret, sent, body)
        assert _receiver()(secret, sent, body, now_s())


def test_an_old_secret_ends_after_a_day(exchange: Exchange) -> None:
    id_, old = exchange.subscribe()
    exchange.now_ms -= 86_400_000 + 60_000
    exchange.do(rotate, exchange.vault, id_)
    missed(exchange)
    exchange.flush()
    ((sent, body),) = exchange.web.raw
    with pytest.raises(WebhookVerificationError):
        verified(old, sent, body)


def test_one_whose_secret_no_key_opens_is_paused_until_it_has_another(exchange: Exchange) -> None:
    id_, _ = exchange.subscribe()
    missed(exchange)
    exchange.vault = Vault(exchange.ledger, Fernet.generate_key().decode())
    exchange.flush()
    assert "another SCHEDULO_VAULT_KEY" in exchange.standing().paused
    assert list(incidents_of(exchange)) == [f"subscriber_paused:{id_}"]
    secret = exchange.do(rotate, exchange.vault, id_)
    exchange.do(resume, id_)
    exchange.flush()
    ((sent, body),) = exchange.web.raw
    assert verified(secret, sent, body)


def test_secrets_are_encrypted_and_get_the_newest_key_with_the_logins(exchange: Exchange) -> None:
    _, secret = exchange.subscribe()
    kept = exchange.run(sa.select(subscribers))[0]
    assert secret not in str(kept)
    fresh = Fernet.generate_key().decode()
    assert Vault(exchange.ledger, f"{fresh},{KEY}").rotate("ann").encrypted == 1
    missed(exchange)
    list(flush(exchange.ledger, Vault(exchange.ledger, fresh), "me", exchange.hosts))
    ((sent, body),) = exchange.web.raw
    assert verified(secret, sent, body)


# --- at least once ----------------------------------------------------------------------------------------


def test_a_crash_between_sending_and_marking_sends_the_same_once_more(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.subscribe()
    missed(exchange)

    class Crash(BaseException):
        pass

    def crash(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(sending._Post, "_took", crash)
        with pytest.raises(Crash):
            exchange.flush()
    assert len(exchange.web.raw) == 1
    exchange.flush()
    (first, body), (second, same) = exchange.web.raw
    assert (first["webhook-id"], body) == (second["webhook-id"], same)
    assert exchange.flush() == []


def test_one_at_a_time_sends_to_a_subscriber(exchange: Exchange) -> None:
    id_, _ = exchange.subscribe()
    missed(exchange)
    with exchange.ledger.begin() as connection:
        now_ms = exchange.ledger.now_ms(connection)
        assert marks.lease(connection, now_ms, f"webhooks:{id_}", "another", 60)
    assert exchange.flush() == [f"{id_}: somebody else is sending to it"]
    assert exchange.web.raw == []


# --- trying again -----------------------------------------------------------------------------------------


def test_an_event_is_tried_eight_times_with_growing_waits_and_then_its_subscriber_is_paused(
    exchange: Exchange,
) -> None:
    id_, _ = exchange.subscribe()
    exchange.web.status = 503
    missed(exchange)
    for wait_s in WAITS_S:
        exchange.flush()
        (row,) = exchange.sendings()
        wait_ms = row.next_ms - row.tried_ms
        assert 900 * wait_s <= wait_ms <= 1100 * wait_s + 1
        assert exchange.flush() == []
        exchange.pass_s(1.1 * wait_s)
    assert not exchange.standing().paused
    exchange.flush()
    assert len(exchange.web.raw) == TRIES == 8
    assert len({sent["webhook-id"] for sent, _ in exchange.web.raw}) == 1
    assert len({body for _, body in exchange.web.raw}) == 1
    assert exchange.standing().paused == "it took nothing in 8 tries; the last time: it answered 503"
    told = incidents_of(exchange)[f"subscriber_paused:{id_}"]
    assert "hush" not in told
    assert exchange.web.address in told
    exchange.pass_s(1e6)
    missed(exchange)
    assert exchange.flush() == []

    exchange.web.status = 200
    assert exchange.do(resume, id_) == 2
    exchange.flush()
    assert exchange.standing().waiting == 0
    assert incidents_of(exchange) == {}


def test_a_subscriber_that_takes_nothing_is_not_asked_for_each_event(exchange: Exchange) -> None:
    exchange.subscribe()
    exchange.web.status = 500
    missed(exchange, 40)
    exchange.flush()
    assert len(exchange.web.raw) == 3
    assert exchange.flush() == []
    exchange.pass_s(6)
    exchange.flush()
    assert len(exchange.web.raw) == 4
    exchange.web.status = 200
    exchange.pass_s(60)
    exchange.flush()
    assert exchange.standing().waiting == 0
    assert exchange.standing().failures == 0


def test_one_event_that_is_refused_for_ever_is_given_up_and_told_and_stops_no_other(
    exchange: Exchange,
) -> None:
    id_, _ = exchange.subscribe()
    missed(exchange)
    (bad,) = exchange.written()
    for _ in range(TRIES):
        exchange.web.answers = [400]
        missed(exchange)
        exchange.flush()
        exchange.pass_s(30 * 3600)
    assert exchange.standing().given_up == 1
    assert not exchange.standing().paused
    assert bad.id in incidents_of(exchange)[f"subscriber_refuses:{id_}"]
    assert exchange.do(replay, id_) == 1
    exchange.flush()
    assert exchange.web.got[-1]["id"] == bad.id
    assert exchange.web.raw[-1][1] == exchange.web.raw[0][1]
    assert incidents_of(exchange) == {}


def test_a_subscriber_gets_the_time_that_it_asks_for(exchange: Exchange) -> None:
    exchange.subscribe()
    exchange.web.answers, exchange.web.headers = [429], {"Retry-After": "600"}
    missed(exchange, 2)
    exchange.flush()
    assert len(exchange.web.raw) == 1
    exchange.pass_s(590)
    assert exchange.flush() == []
    exchange.pass_s(11)
    exchange.flush()
    assert exchange.standing().waiting == 0


def test_one_that_is_gone_is_paused_at_once(exchange: Exchange) -> None:
    id_, _ = exchange.subscribe()
    exchange.web.status = 410
    missed(exchange, 2)
    exchange.flush()
    assert len(exchange.web.raw) == 1
    assert "410" in exchange.standing().paused
    assert list(incidents_of(exchange)) == [f"subscriber_paused:{id_}"]
    assert exchange.standing().waiting == 2


def test_redirects_are_not_followed(exchange: Exchange) -> None:
    exchange.subscribe()
    exchange.web.status = 302
    exchange.web.headers = {"Location": f"http://{exchange.web.address}/elsewhere"}
    missed(exchange)
    exchange.flush()
    assert len(exchange.web.raw) == 1
    assert "redirects" in exchange.sendings()[0].problem


def test_one_that_is_down_holds_up_no_other(exchange: Exchange) -> None:
    exchange.subscribe()
    with exchange.ledger.begin() as connection:
        connection.execute(sa.update(subscribers).values(url="http://127.0.0.1:9/down"))
    exchange.subscribe()
    missed(exchange)
    lines = list(flush(exchange.ledger, exchange.vault, "me", exchange.hosts | {"127.0.0.1:9"}))
    assert exchange.types == ["delivery.missed"]
    assert any("was not taken: the connection to 127.0.0.1 failed" in line for line in lines)


def test_an_address_that_became_private_is_not_asked(exchange: Exchange) -> None:
    exchange.subscribe()
    missed(exchange)
    list(flush(exchange.ledger, exchange.vault, "me", frozenset()))
    assert exchange.web.raw == []
    assert "https" in exchange.sendings()[0].problem


# --- people -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/hook", "plain http"),
        ("https://127.0.0.1/hook", "private network"),
        ("https://user:word@127.0.0.1/hook", "login"),
        ("ftp://example.com", "not an https address"),
    ],
)
def test_an_address_that_must_not_be_used_is_refused_with_what_to_do(
    exchange: Exchange, url: str, why: str
) -> None:
    with pytest.raises(SubscriberError, match=why) as refused:
        exchange.do(add, exchange.vault, url, author="ann", allowed_hosts=frozenset())
    assert "SCHEDULO_WEBHOOK_HOSTS" in str(refused.value)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize("wanted", [{"types": ["delivery.sent"]}, {"account_keys": ["x:404"]}])
def test_what_nobody_knows_cannot_be_wanted(exchange: Exchange, wanted: dict[str, Any]) -> None:
    with pytest.raises(SubscriberError, match=r"delivery\.sent|x:404"):
        exchange.subscribe(**wanted)


def test_what_happens_during_a_pause_is_sent_after_it(exchange: Exchange) -> None:
    id_, _ = exchange.subscribe()
    exchange.do(pause, id_, "by ann")
    missed(exchange, 2)
    assert exchange.flush() == []
    assert exchange.do(resume, id_) == 2
    exchange.flush()
    assert len(exchange.types) == 2


def test_all_since_an_instant_are_sent_again_with_their_ids(exchange: Exchange) -> None:
    id_, _ = exchange.subscribe()
    missed(exchange, 2)
    exchange.now_ms += 5
    missed(exchange, 1)
    exchange.flush()
    assert exchange.do(replay, id_, since_ms=exchange.now_ms) == 1
    assert exchange.do(replay, id_, event=exchange.written()[0].id) == 1
    exchange.flush()
    assert [body["id"] for body in exchange.web.got[3:]] == [
        exchange.web.got[0]["id"],
        exchange.web.got[2]["id"],
    ]
    with pytest.raises(SubscriberError, match="evt_no"):
        exchange.do(replay, id_, event="evt_no")


def test_who_is_removed_gets_nothing_and_leaves_nothing(exchange: Exchange) -> None:
    id_, _ = exchange.subscribe()
    missed(exchange)
    exchange.do(remove, id_)
    assert exchange.flush() == []
    assert exchange.run(sa.select(subscriber_sendings)) == []
    with pytest.raises(SubscriberError, match=id_):
        exchange.do(remove, id_)


def test_a_test_says_what_was_answered_and_leaves_no_trace(exchange: Exchange) -> None:
    id_, secret = exchange.subscribe()
    exchange.web.answers = [200, 404]
    said = [try_now(exchange.ledger, exchange.vault, id_, exchange.hosts) for _ in range(2)]
    assert [answer.problem for answer in said] == ["", "it answered 404"]
    ((sent, body), _) = exchange.web.raw
    assert verified(secret, sent, body)["type"] == "webhook.test"
    assert exchange.written() == []
