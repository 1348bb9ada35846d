"""What TikTok tells, in the ledger: kept once, and a reason to look, never the proof."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import heard
from schedulo.delivery.heard import FIRST_MS, GIVEN_UP_MS, anything_to_look_into, to_look_into
from schedulo.flow import Hint
from schedulo.ledger.heard import platform_events
from schedulo.ledger.tables import steps, writes
from schedulo.model import Platform, State, WriteState
from schedulo.platforms.tiktok_hooks import What
from tests.schedulo.delivery.conftest import Books
from tests.schedulo.platforms.tiktok_events import told

OPEN = "tiktok:open-1"
PUBLIC, HIDDEN = "post.publish.publicly_available", "post.publish.no_longer_publicaly_available"


def hear(books: Books, *args: Any, **content: Any) -> bool:
    return bool(books.do(heard.take_in, Platform.TIKTOK, told(*args, **content)))


def rows(books: Books) -> list[Any]:
    return list(books.run(sa.select(platform_events).order_by(platform_events.c.key)))


def begun(books: Books, state: State, handle: str = "p1", **values: Any) -> str:
    """A delivery on TikTok whose init was answered with a publish_id."""
    id_ = books.add(state, OPEN, **{"fire_ms": books.now_ms + 30_000} | values)
    step = {"delivery_id": id_, "name": "init", "value": {"publish_id": handle}, "kept_ms": books.now_ms}
    books.run(sa.insert(steps).values(**step))
    return id_


def waits(books: Books) -> bool:
    return bool(books.do(anything_to_look_into))


def test_a_repeated_event_is_counted_and_does_nothing_more(books: Books) -> None:
    id_ = begun(books, State.PROCESSING)
    assert hear(books)
    books.change(id_, fire_ms=books.now_ms + 30_000)
    assert not hear(books)
    assert not hear(books)
    (row,) = rows(books)
    assert row.times == 3
    assert books.row(id_).fire_ms == books.now_ms + 30_000
    assert books.story(id_).count("TikTok told") == 1


@pytest.mark.parametrize("event", ["post.publish.complete", "post.publish.completed", "post.publish.failed"])
@pytest.mark.parametrize("state", [State.PROCESSING, State.UNKNOWN])
def test_a_post_that_waits_for_its_next_look_is_looked_at_now(books: Books, event: str, state: State) -> None:
    id_ = begun(books, state)
    hear(books, event, reason="internal")
    row = books.row(id_)
    assert (row.state, row.fire_ms, row.remote_id) == (state, books.now_ms, None), "nothing is believed"
    assert f"TikTok told {event}" in books.story(id_)
    assert books.claim("r1") == [id_]


def test_what_a_process_works_on_is_left_to_it(books: Books) -> None:
    id_ = begun(books, State.PROCESSING, holder="me")
    hear(books)
    assert books.row(id_).fire_ms == books.now_ms + 30_000


@pytest.mark.parametrize("state", [State.SCHEDULED, State.HELD, State.CANCELLED, State.PUBLISHED])
def test_no_event_moves_or_hurries_a_post_that_was_not_sent_or_is_out(books: Books, state: State) -> None:
    id_ = begun(books, state)
    for event in ("post.publish.complete", "post.publish.failed", PUBLIC, HIDDEN, "authorization.removed"):
        hear(books, event, post_id=7)
    row = books.row(id_)
    assert (row.state, row.fire_ms, row.remote_id) == (state, books.now_ms + 30_000, None)


def test_a_pictures_publish_id_is_found_in_what_its_commit_answered(books: Books) -> None:
    id_, _ = books.sent(live=False, account=OPEN)
    books.run(sa.update(writes).values(state=WriteState.ACCEPTED, value={"publish_id": "p1"}))
    books.change(id_, state=State.PROCESSING, holder=None, fire_ms=books.now_ms + 30_000)
    hear(books)
    assert books.row(id_).fire_ms == books.now_ms


def test_that_a_post_is_public_is_looked_into_where_its_id_is_not_known(books: Books) -> None:
    begun(books, State.PUBLISHED, remote_id="7")
    hear(books, PUBLIC, post_id=7)
    assert not waits(books), "its id is known"
    begun(books, State.PUBLISHED, "p2")
    hear(books, PUBLIC, publish_id="p2", post_id=8)
    assert waits(books)


def test_events_of_other_accounts_and_unknown_ones_are_kept_and_ignored(books: Books) -> None:
    id_ = begun(books, State.PROCESSING)
    hear(books, "post.publish.complete", "open-2")
    hear(books, "something.new", publish_id="p1")
    assert books.row(id_).fire_ms == books.now_ms + 30_000
    assert {row.note for row in rows(books)} == {"the account is none of ours", "nothing follows from it"}
    assert not waits(books)


def test_a_post_that_is_not_public_any_more_is_looked_for_and_not_believed_gone(books: Books) -> None:
    id_ = begun(books, State.PUBLISHED, remote_id="7", checked_ms=books.now_ms)
    other = begun(books, State.PUBLISHED, "p2", remote_id="8", checked_ms=books.now_ms)
    hear(books, HIDDEN, post_id=7)
    assert (books.row(id_).state, books.row(id_).checked_ms) == (State.PUBLISHED, None)
    assert books.row(other).checked_ms == books.now_ms
    assert waits(books)


def test_a_permission_that_was_taken_away_is_looked_into(books: Books) -> None:
    books.account(OPEN)
    hear(books, "authorization.removed", reason=1)
    (event,) = books.do(to_look_into, What.LOGIN_ENDED)
    assert (event.account_key, event.tries) == (OPEN, 0)
    assert books.do(to_look_into, What.NAMED) == []


def test_what_cannot_be_said_yet_is_asked_less_and_less_and_given_up(books: Books) -> None:
    begun(books, State.PUBLISHED)
    hear(books, PUBLIC)
    pauses, began_ms = [], books.now_ms
    while found := books.do(to_look_into, What.NAMED):
        books.do(heard.look_later, found[0], "not yet")
        (row,) = rows(books)
        if row.next_ms is None:
            break
        pauses.append(row.next_ms - books.now_ms)
        assert not waits(books)
        books.now_ms = row.next_ms
    assert pauses[:3] == [FIRST_MS, 2 * FIRST_MS, 4 * FIRST_MS]
    assert len(pauses) < 30
    assert GIVEN_UP_MS - 6 * 3_600_000 <= books.now_ms - began_ms <= GIVEN_UP_MS


def test_a_write_in_doubt_is_told_of_posts_that_no_answer_belongs_to(books: Books) -> None:
    doubted, _ = books.unknown(account=OPEN, live=False)
    begun(books, State.PUBLISHED, "known")
    hear(books, publish_id="known")
    hear(books, publish_id="lost")
    hear(books, PUBLIC, publish_id="lost", post_id=7)
    hear(books, "post.publish.inbox_delivered", publish_id="draft", publish_type="INBOX_SHARE")
    opened_ms = books.writes(doubted)[0].opened_ms
    hints = books.do(heard.hints, books.delivery(doubted), opened_ms)
    assert hints == (Hint("draft", False), Hint("lost", True))
    books.now_ms += 3_600_000
    assert books.do(heard.hints, books.delivery(doubted), books.now_ms) == (), "told before it was sent"


def test_where_two_posts_of_an_account_are_in_doubt_neither_is_told(books: Books) -> None:
    first, _ = books.unknown(account=OPEN, live=False)
    hear(books, publish_id="lost")
    opened_ms = books.writes(first)[0].opened_ms
    assert books.do(heard.hints, books.delivery(first), opened_ms)
    books.unknown(account=OPEN, live=False)
    assert books.do(heard.hints, books.delivery(first), opened_ms) == ()


def test_an_event_about_nothing_that_is_known_hurries_a_post_in_doubt(books: Books) -> None:
    id_, _ = books.unknown(account=OPEN, live=False)
    books.change(id_, holder=None, fire_ms=books.now_ms + 60_000)
    hear(books, publish_id="lost")
    assert (books.row(id_).state, books.row(id_).fire_ms) == (State.UNKNOWN, books.now_ms)
