"""Media of posts before they are due: fetched once, told when they are of no use, and waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from schedulo.delivery import readiness
from schedulo.errors.airtable import AirtableError
from schedulo.ledger import changes
from schedulo.ledger.tables import posts
from schedulo.planning.prepare import NotPrepared
from schedulo.planning.tick import Tick
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.planning.conftest import Office


def photo(office: Office, due_in_s: float = 3600, text: str = "hello", **cells: object) -> str:
    post = office.post(office.account("1"), text, due_in_s=due_in_s, **cells)
    office.attach(post, "photo.jpg", "image/jpeg", jpeg())
    return post


def wakes(office: Office) -> bool:
    with office.ledger.read() as connection:
        return readiness.wanted(connection, office.ledger.now_ms(connection), office.settings)


def test_a_post_waits_for_its_media_and_is_ready_when_they_are_here(office: Office) -> None:
    photo(office, due_in_s=60)
    assert office.tick() == []
    (row,) = office.told().values()
    assert (row["State"], row["Message"]) == ("Scheduled", "its media are not here yet: photo.jpg")
    (prepared,) = office.prepare()
    assert prepared.sentences == ("x @user1: hello: scheduled, ready",)
    assert office.store.has(office.one().content["media"][0]["sha256"])
    assert len(office.tick()) == 1


def test_a_post_without_media_is_ready_at_once(office: Office) -> None:
    office.post(office.account("1"), due_in_s=3600)
    office.tick()
    assert [row["State"] for row in office.told().values()] == ["Ready"]
    assert not wakes(office)


def test_what_is_wrong_with_the_text_is_told_before_the_media_are_here(office: Office) -> None:
    photo(office, text="x" * 300)
    office.tick()
    (row,) = office.told().values()
    assert row["State"] == "Not planned"
    assert "280" in row["Message"]
    office.prepare()
    assert office.fetched() == 1


def test_media_are_fetched_once_and_kept_by_their_hash(office: Office) -> None:
    post = photo(office)
    office.tick()
    office.prepare()
    (media,) = office.one().content["media"]
    office.change("Posts", post, Text="other words, same picture")
    office.tick()
    row = office.one()
    assert (row.ready, row.content["text"]) == (True, "other words, same picture")
    assert row.content["media"] == [media]
    assert office.prepare() == []
    assert office.fetched() == 1


def test_a_file_that_is_no_picture_is_told_to_its_author_once(office: Office) -> None:
    post = office.post(office.account("1"), due_in_s=3600)
    office.attach(post, "photo.jpg", "image/jpeg", b"not a picture at all")
    office.tick()
    (prepared,) = office.prepare()
    assert "not planned" in prepared.sentences[0]
    office.tick()
    (row,) = office.told().values()
    assert row["State"] == "Not planned"
    assert "photo.jpg" in row["Message"]
    assert office.prepare() == []


def test_a_run_is_woken_for_what_is_new_and_again_only_for_what_is_due_soon(office: Office) -> None:
    photo(office)
    office.tick()
    assert wakes(office)
    office.sandbox.fault(service="airtable", route="attachment", mode="status:503", times=-1)
    with pytest.raises(NotPrepared, match=r"photo\.jpg"):
        office.prepare()
    assert not wakes(office)
    with office.ledger.begin() as connection:
        connection.execute(sa.update(posts).values(prepared_ms=1))
    assert not wakes(office)
    with office.ledger.begin() as connection:
        connection.execute(sa.text("UPDATE deliveries SET due_ms = due_ms - 3000000"))
    assert wakes(office)


def test_nothing_is_prepared_long_before_it_is_due(office: Office) -> None:
    office.settings = replace(office.settings, prepare_ahead_s=7200.0)
    photo(office, due_in_s=9000)
    office.tick()
    assert not wakes(office)
    assert office.prepare() == []
    (row,) = office.told().values()
    assert row["Message"] == "its media are fetched and checked within 2 hours before it is due: photo.jpg"


def test_a_host_that_does_not_answer_is_named_and_asked_again(office: Office) -> None:
    photo(office)
    office.tick()
    office.sandbox.fault(service="airtable", route="attachment", mode="status:503", times=1)
    with pytest.raises(NotPrepared, match="HTTP 503"):
        office.prepare()
    assert "HTTP 503" in office.one().reason
    assert [item.sentences for item in office.prepare("prepare-2")] == [
        ("x @user1: hello: scheduled, ready",)
    ]


def test_without_airtable_nothing_is_prepared_and_the_next_run_does_it(office: Office) -> None:
    photo(office)
    office.tick()
    office.sandbox.fault(service="airtable", route="list_records", mode="status:404/NOT_FOUND", times=1)
    with pytest.raises(AirtableError):
        office.prepare()
    office.prepare("prepare-2")
    assert office.one().ready


def test_two_runs_do_not_prepare_the_same_post(office: Office) -> None:
    post = photo(office)
    office.tick()
    with office.ledger.begin() as connection:
        now_ms = office.ledger.now_ms(connection)
        assert readiness.hold(connection, now_ms, post, "other")
    assert office.prepare() == []
    assert not wakes(office)
    assert office.preparer().prepare(post, "prepare-1").busy
    with office.ledger.begin() as connection:
        readiness.let_go(connection, office.ledger.now_ms(connection), post, "other")
    assert len(office.prepare()) == 1


def test_a_post_whose_second_is_over_goes_out_as_soon_as_its_media_are_here(office: Office) -> None:
    late = photo(office, due_in_s=0, text="late")
    photo(office, due_in_s=3600, text="early")
    assert office.tick() == []
    office.prepare()
    with office.ledger.read() as connection:
        assert changes.heard(connection) == [("Posts", late)]
    (claim,) = Tick(office.planner(), office.plain_client).follow("follow-1")
    assert claim.label.endswith("late")
