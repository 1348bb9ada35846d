"""Deliveries that wait for their media: planned, not claimed, not sent, and never lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from schedulo.delivery import again, claims, hurry, planning, readiness
from schedulo.delivery.commits import fence
from schedulo.delivery.incidents import RULES, Trouble
from schedulo.delivery.planning import PostPlan
from schedulo.ledger.tables import deliveries, incident_cases, incidents, posts
from schedulo.model import Content, Format, Media, MediaKind, State
from schedulo.planning.content import content_hash, fingerprint
from schedulo.settings import Settings
from tests.schedulo.delivery.conftest import ME, Books, intent
from tests.schedulo.delivery.test_planning import post, put

S = State
WAITS = "its media are not here yet: photo.jpg"
STAND_IN = Media("", MediaKind.IMAGE, "image/jpeg", 1, filename="photo.jpg")
PHOTO = Media("a" * 64, MediaKind.IMAGE, "image/jpeg", 1000, 64, 48, filename="photo.jpg")
OTHER = replace(PHOTO, sha256="b" * 64)


def with_media(
    books: Books, media: Media, waits_for: str = "", record_id: str = "rec1", due_s: float = 60
) -> PostPlan:
    """A post with one picture; a stand-in is waited for."""
    wanted = post(books, "look", record_id, due_s)
    content = Content(Format.IMAGE, "look", (media,))
    waits_for = waits_for or ("" if media.sha256 else WAITS)
    (plan,) = wanted.plans
    plan = replace(
        plan,
        content=content,
        content_hash=content_hash(content),
        fingerprint=fingerprint(content),
        waits_for=waits_for,
    )
    return replace(wanted, plans=(plan,), unprepared=bool(waits_for))


def claim(books: Books, run_id: str = "run-1") -> list[str]:
    return [claim.delivery_id for claim in books.do(claims.claim_due, run_id, Settings())]


def test_what_is_not_ready_is_planned_and_not_claimed(books: Books) -> None:
    id_ = put(books, with_media(books, STAND_IN))
    assert (books.row(id_).state, books.row(id_).reason) == (S.SCHEDULED, WAITS)
    assert claim(books) == []
    put(books, with_media(books, PHOTO))
    assert (books.row(id_).ready, books.row(id_).reason) == (True, "")
    assert claim(books) == [id_]


def test_it_is_told_once_why_it_waits(books: Books) -> None:
    id_ = put(books, with_media(books, STAND_IN))
    put(books, with_media(books, STAND_IN))
    assert books.told() == {id_: 1}
    put(books, with_media(books, STAND_IN, f"{WAITS} (cdn.example did not answer)"))
    assert "did not answer" in books.row(id_).reason
    assert books.told() == {id_: 2}


def test_what_becomes_ready_after_its_second_goes_out_late(books: Books) -> None:
    id_ = put(books, with_media(books, STAND_IN, due_s=-30))
    books.do(claims.sweep, Settings())
    put(books, with_media(books, PHOTO, due_s=-30))
    assert claim(books) == [id_]


def test_what_never_becomes_ready_is_missed_and_says_why(books: Books) -> None:
    id_ = put(books, with_media(books, STAND_IN))
    books.change(id_, not_after_ms=1)
    books.do(claims.sweep, Settings())
    row = books.row(id_)
    assert row.state == S.MISSED
    assert row.reason == f"it could not go out in time: {WAITS}; ask for it again to send it now"


def test_a_retry_of_what_was_missed_goes_out_once_it_is_ready(books: Books) -> None:
    id_ = put(books, with_media(books, STAND_IN))
    books.change(id_, not_after_ms=1)
    books.do(claims.sweep, Settings())
    books.do(again.ask, [id_], again.Request(again.Ask.RETRY, "by ann", 60_000))
    assert claim(books) == []
    found = books.do(lambda c, now_ms: readiness.take(c, now_ms, "p", Settings(), soon=True))
    assert [item.record_id for item in found] == ["rec1"]
    put(books, with_media(books, PHOTO))
    assert claim(books) == [id_]


@pytest.mark.parametrize("state", [S.CLAIMED, S.ARMED, S.REFUSED])
def test_another_file_takes_a_delivery_from_its_process_until_it_is_here(books: Books, state: State) -> None:
    id_ = put(books, with_media(books, PHOTO))
    claim(books)
    books.change(id_, state=state, holder=ME, armed_version=1)
    put(books, with_media(books, STAND_IN))
    row = books.row(id_)
    assert (row.state, row.holder, row.ready) == (S.SCHEDULED, None, False)
    put(books, with_media(books, OTHER))
    row = books.row(id_)
    assert (row.ready, row.content["media"][0]["sha256"]) == (True, OTHER.sha256)
    assert row.version > 1


def test_the_fence_lets_nothing_go_that_is_not_ready(books: Books) -> None:
    id_ = put(books, with_media(books, PHOTO, due_s=0))
    ready = {"state": S.ARMED, "holder": ME, "armed_version": 1}
    books.change(id_, **ready, ready=False)
    assert books.do(fence, 0, [intent(id_)]) == [None]
    books.change(id_, ready=True)
    assert books.do(fence, 0, [intent(id_)]) != [None]


def test_a_copy_is_found_out_when_its_media_are_here(books: Books) -> None:
    first = put(books, with_media(books, PHOTO))
    second = put(books, with_media(books, STAND_IN, record_id="rec2"))
    assert books.row(second).state == S.SCHEDULED
    put(books, with_media(books, PHOTO, record_id="rec2"))
    row = books.row(second)
    assert (row.state, row.error_kind) == (S.HELD, planning.CONTENT_GUARD)
    assert "looks like the post 'look'" in row.reason
    assert claim(books) == [first]


def test_a_copy_that_a_person_let_go_is_not_held_again(books: Books) -> None:
    put(books, with_media(books, PHOTO))
    second = put(books, with_media(books, PHOTO, record_id="rec2"))
    books.do(again.ask, [second], again.Request(again.Ask.RETRY, "by ann", 60_000))
    put(books, with_media(books, PHOTO, "its media are not made to fit yet", record_id="rec2"))
    put(books, with_media(books, PHOTO, record_id="rec2"))
    assert books.row(second).state == S.SCHEDULED


def test_of_two_copies_that_wait_one_goes_out(books: Books) -> None:
    ids = [put(books, with_media(books, STAND_IN, record_id=record_id)) for record_id in ("rec1", "rec2")]
    for record_id in ("rec1", "rec2"):
        put(books, with_media(books, PHOTO, record_id=record_id))
    assert [books.row(id_).state for id_ in ids] == [S.SCHEDULED, S.HELD]


def test_what_is_out_is_not_said_to_be_changed_because_its_file_is_gone(books: Books) -> None:
    id_ = put(books, with_media(books, PHOTO))
    books.change(id_, state=S.PUBLISHED)
    put(books, with_media(books, STAND_IN))
    assert books.row(id_).reason == ""
    put(books, with_media(books, OTHER))
    assert "changed after it went out" in books.row(id_).reason


def test_a_file_that_is_made_to_fit_anew_is_a_new_version_and_no_change_of_the_author(books: Books) -> None:
    id_ = put(books, with_media(books, PHOTO))
    again_made = with_media(books, PHOTO)
    (plan,) = again_made.plans
    refitted = replace(plan, content=Content(Format.IMAGE, "look", (OTHER,)))
    put(books, replace(again_made, plans=(refitted,)))
    row = books.row(id_)
    assert (row.version, row.content["media"][0]["sha256"]) == (2, OTHER.sha256)
    books.change(id_, state=S.PUBLISHED)
    put(books, with_media(books, PHOTO))
    assert books.row(id_).reason == ""


def test_publishing_now_and_clearing_say_that_it_is_not_ready(books: Books) -> None:
    id_ = put(books, with_media(books, STAND_IN))
    (asked,) = books.do(hurry.ask_now, "now-1", ["rec1"], [], Settings(missed_after_s=60))
    assert (asked.taken, asked.sentence) == (False, f"it cannot be published yet: {WAITS}")
    clear = again.Request(again.Ask.CLEAR, "by its task", 60_000, run_id="run-1", holder=ME)
    (told,) = books.do(again.ask, [id_], clear)
    assert not told.done
    assert WAITS in told.sentence
    assert books.row(id_).state == S.SCHEDULED


def test_people_are_told_once_of_what_is_due_and_not_ready_until_it_is(books: Books) -> None:
    id_ = put(books, with_media(books, STAND_IN, due_s=200))
    put(books, with_media(books, STAND_IN, record_id="rec2", due_s=3600))
    for _ in range(2):
        books.do(readiness.tell_late)
    (found,) = books.run(sa.select(incidents))
    assert (found.kind, found.actor, found.times) == ("media_not_ready", "the operator", 1)
    assert [row.delivery_id for row in books.run(sa.select(incident_cases))] == [id_]
    put(books, with_media(books, PHOTO, due_s=200))
    books.do(readiness.tell_late)
    over = RULES[Trouble.MEDIA].over
    assert books.run(sa.select(incidents.c.key).where(over(books.now_ms))) != []


def found(books: Books, run_id: str, *, soon: bool = False) -> list[str]:
    take = books.do(lambda c, now_ms: readiness.take(c, now_ms, run_id, Settings(), soon=soon))
    return [item.record_id for item in take]


def test_a_run_reserves_what_it_finds_in_the_order_in_which_it_is_due(books: Books) -> None:
    put(books, with_media(books, STAND_IN, record_id="rec1", due_s=7200))
    put(books, with_media(books, STAND_IN, record_id="rec2", due_s=3600))
    put(books, with_media(books, STAND_IN, record_id="rec3", due_s=60))
    assert found(books, "run-1", soon=True) == ["rec3"]
    assert found(books, "run-1") == ["rec2", "rec1"]
    assert found(books, "run-2") == []
    assert found(books, "run-1") == ["rec2", "rec1"]


def test_what_waits_in_a_queue_is_taken_over_once_it_is_due_soon(books: Books) -> None:
    put(books, with_media(books, STAND_IN, due_s=readiness.SOON_S + 60))
    assert found(books, "run-1") == ["rec1"]
    books.now_ms += 61_000
    assert found(books, "run-2", soon=True) == ["rec1"]


def test_a_lease_that_is_held_is_not_taken_and_ends_with_a_dead_process(books: Books) -> None:
    put(books, with_media(books, STAND_IN))
    assert books.do(readiness.hold, "rec1", "run-1")
    assert not books.do(readiness.hold, "rec1", "run-2")
    assert found(books, "run-2", soon=True) == []
    books.now_ms += int(readiness.LEASE_S * 1000) + 1
    assert books.do(readiness.hold, "rec1", "run-2")
    books.do(readiness.renew, "rec1", "run-1")
    books.do(readiness.let_go, "rec1", "run-1")
    (row,) = books.run(sa.select(posts))
    assert row.preparer == "run-2"


def test_a_post_that_nobody_wants_any_more_is_not_prepared(books: Books) -> None:
    put(books, with_media(books, STAND_IN))
    put(books, replace(with_media(books, STAND_IN), wanted=False, unprepared=False))
    assert found(books, "run-1", soon=True) == []
    assert [row.state for row in books.run(sa.select(deliveries))] == [S.CANCELLED]
