"""Requests about posts of which something is not known, and two who work on one request."""

from __future__ import annotations

import sqlalchemy as sa

from schedulo.delivery import amendments, restored
from schedulo.delivery.amendments import Verb
from schedulo.ledger import marks
from schedulo.ledger.tables import amendments as amendments_table
from schedulo.ledger.tables import writes
from schedulo.model import Content, Format
from tests.schedulo.publishing.stage import Stage
from tests.schedulo.publishing.test_aftercare import amendment, ask, carry_out, made, newer, on_page, on_x


def in_doubt(stage: Stage, id_: str, name: str) -> None:
    """Nobody knows whether this part of it was taken."""
    [first] = stage.writes(id_)[:1]
    row = {**first._mapping, "id": "doubted", "name": name, "state": "unknown", "position": "later"}
    with stage.ledger.begin() as connection:
        connection.execute(sa.insert(writes), [row])


def taken(stage: Stage, id_: str) -> amendments.Amendment:
    """Somebody takes the request and is slow: what they hold ends meanwhile."""
    with stage.ledger.begin() as connection:
        [found] = amendments.take(connection, stage.ledger.now_ms(connection), "slow", [id_])
        connection.execute(sa.update(amendments_table).values(held_until_ms=1))
    return found


def test_a_thread_with_a_part_in_doubt_is_not_promised_to_be_taken_down(stage: Stage) -> None:
    id_ = on_x(stage, "one")
    in_doubt(stage, id_, "part-2")
    stage.change(id_, state="published_incomplete", error_kind="unresolved")
    told = ask(stage, id_)
    assert (told.deed, told.sentence) == (
        "refused",
        "refused, nobody knows whether it is out: look, and say so first",
    )


def test_a_request_for_a_post_that_comes_to_be_in_doubt_ends_and_is_told(stage: Stage) -> None:
    id_ = on_x(stage, "one")
    stage.change(id_, state="processing")
    assert ask(stage, id_).deed == "requested"
    stage.change(id_, state="unresolved")
    carry_out(stage)
    assert (amendment(stage, id_).state, stage.row(id_).state) == ("failed", "unresolved")
    assert "nobody knows whether it is out" in stage.row(id_).reason
    assert "unchanged" in stage.incidents()


def test_a_part_that_comes_to_be_in_doubt_ends_the_request_too(stage: Stage) -> None:
    id_ = on_x(stage, "one")
    ask(stage, id_)
    in_doubt(stage, id_, "part-2")
    stage.change(id_, state="published_incomplete", error_kind="unresolved")
    carry_out(stage)
    assert amendment(stage, id_).state == "failed"
    assert made(stage, "x", "DELETE") == 0


def test_what_cannot_be_done_for_a_day_is_told(stage: Stage) -> None:
    id_ = on_x(stage)
    stage.change(id_, state="processing")
    ask(stage, id_)
    with stage.ledger.begin() as connection:
        connection.execute(sa.update(amendments_table).values(asked_ms=1))
    carry_out(stage)
    assert amendment(stage, id_).state == "failed"
    assert "unchanged" in stage.incidents()


def test_who_was_slow_does_not_call_undone_what_another_has_done(stage: Stage) -> None:
    id_ = on_x(stage)
    ask(stage, id_)
    slow = taken(stage, id_)
    assert carry_out(stage) == ["taken down"]
    with stage.ledger.begin() as connection:
        assert not amendments.ready(connection, stage.ledger.now_ms(connection), slow)
    assert amendment(stage, id_).state == "done"
    assert stage.row(id_).reason == "taken down, as was asked by ann"


def test_who_was_slow_does_not_bring_an_older_text_back(stage: Stage) -> None:
    id_ = on_page(stage)
    newer(stage, id_, Content(Format.TEXT, "second"), "2")
    ask(stage, id_, Verb.EDIT)
    slow = taken(stage, id_)
    assert carry_out(stage) == ["changed"]
    newer(stage, id_, Content(Format.TEXT, "third"), "3")
    ask(stage, id_, Verb.EDIT)
    assert carry_out(stage) == ["changed"]
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        assert not amendments.ready(connection, now_ms, slow)
        amendments.done(connection, now_ms, slow, "")
        amendments.later(connection, now_ms, slow, 1, "slow")
        amendments.fail(connection, now_ms, slow, "slow")
    assert stage.row(id_).content["text"] == "third"
    assert "slow" not in stage.row(id_).reason


def test_another_text_is_not_called_asked_for_while_an_older_one_is_on_its_way(stage: Stage) -> None:
    id_ = on_page(stage)
    newer(stage, id_, Content(Format.TEXT, "second"), "2")
    ask(stage, id_, Verb.EDIT)
    assert ask(stage, id_, Verb.EDIT).sentence == "nothing to do, that was asked for already"
    newer(stage, id_, Content(Format.TEXT, "third"), "3")
    assert "ask again" in ask(stage, id_, Verb.EDIT).sentence


def test_a_restored_ledger_gives_no_post_a_text_that_may_be_an_older_one(stage: Stage) -> None:
    id_ = on_page(stage)
    newer(stage, id_, Content(Format.TEXT, "second"), "2")
    ask(stage, id_, Verb.EDIT)
    with stage.ledger.begin() as connection:
        marks.mark(connection, 1, restored.TICK, "long-ago")
    assert "put off" in carry_out(stage)[0]
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        restored.begin(connection, now_ms, now_ms - 60_000, "a test")
    assert carry_out(stage) == []
    assert amendment(stage, id_).state == "failed"
    assert "the ledger was restored" in stage.row(id_).reason
    assert stage.row(id_).content["text"] == "hello"


def test_parts_whose_ids_a_restored_ledger_has_lost_are_named(stage: Stage) -> None:
    id_ = on_x(stage, "one", thread=("two", "three"))
    with stage.ledger.begin() as connection:
        connection.execute(sa.delete(writes).where(writes.c.delivery_id == id_))
    ask(stage, id_)
    carry_out(stage)
    assert stage.row(id_).state == "taken_down"
    assert "part 3 and 2" in stage.row(id_).reason
