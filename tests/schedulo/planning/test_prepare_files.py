"""Files of posts: fetched once, made to fit once for each target, and nothing of it done again."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.ledger.tables import attachments, renditions
from schedulo.planning.now import Wished, claim_now, prepare_now
from schedulo.planning.prepare import NotPrepared
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.media.corpus import picture_bytes
from tests.schedulo.planning.conftest import Office

WEBP = picture_bytes("WEBP", (1080, 1080))
TALL = picture_bytes("JPEG", (600, 1200))


@pytest.fixture(autouse=True)
def public(office: Office) -> None:
    office.settings = replace(office.settings, media_base_url="https://media.example")


def instagram(office: Office, number: int = 1) -> str:
    return office.account(f"1784140000000000{number}", "Instagram", Login="Instagram Login")


def post(office: Office, content: bytes = WEBP, *, due_in_s: float = 3600, **cells: Any) -> str:
    """On Instagram, with one picture."""
    accounts = cells.pop("Accounts", None) or [instagram(office)]
    made = office.post(accounts[0], due_in_s=due_in_s, **{"Accounts": accounts, **cells})
    office.attach(made, "roast.webp", "image/webp", content)
    return made


def made(office: Office) -> list[Any]:
    with office.ledger.read() as connection:
        return list(connection.execute(sa.select(renditions)).all())


def conversions(office: Office) -> int:
    return sum("made to fit in" in line for line in office.said)


def test_a_picture_that_is_not_taken_is_converted_and_keeps_its_name_and_alt_text(office: Office) -> None:
    post(office, **{"Alt text": "Beans"})
    office.tick()
    office.prepare()
    row = office.one()
    (media,) = row.content["media"]
    assert row.ready
    assert (media["content_type"], media["filename"], media["alt_text"]) == (
        "image/jpeg",
        "roast.jpg",
        "Beans",
    )
    assert office.store.has(media["sha256"])
    office.tick()
    assert [cells["State"] for cells in office.told().values()] == ["Ready"]


def test_a_file_that_fits_is_sent_as_it_is(office: Office) -> None:
    content = jpeg()
    post(office, content)
    office.tick()
    office.prepare()
    (media,) = office.one().content["media"]
    assert media["size_bytes"] == len(content)
    assert made(office) == []


def test_five_accounts_cost_one_fetch_and_one_conversion_for_each_target(office: Office) -> None:
    accounts = [
        instagram(office, 1),
        instagram(office, 2),
        instagram(office, 3),
        office.account("1", "X"),
        office.account("100000000000001", "Facebook"),
    ]
    post(office, Accounts=accounts)
    office.tick()
    office.prepare()
    assert [row.ready for row in office.rows()] == [True] * 5
    assert office.fetched() == 1
    sent = {row.account_key: row.content["media"][0] for row in office.rows()}
    assert sent["x:1"]["content_type"] == "image/webp"  # X takes it as it is
    assert len({sent[f"instagram:1784140000000000{number}"]["sha256"] for number in (1, 2, 3)}) == 1
    assert conversions(office) == len(made(office)) <= 2


def test_an_edit_of_the_text_and_another_post_with_the_same_file_cost_no_conversion(office: Office) -> None:
    first = post(office)
    office.tick()
    office.prepare()
    office.change("Posts", first, Text="other words")
    office.tick()
    assert (office.one().ready, office.one().content["text"]) == (True, "other words")
    assert office.prepare() == []
    post(office, Accounts=[instagram(office, 2)], Title="again")
    office.tick()
    office.prepare()
    assert conversions(office) == 0
    assert [row.ready for row in office.rows()] == [True, True]


def test_how_a_picture_is_fitted_is_the_authors_choice(office: Office) -> None:
    made_post = post(office, TALL, Fit="Leave it, tell me")
    office.tick()
    office.prepare()
    assert "width to height" in office.one().reason
    office.change("Posts", made_post, Fit="Pad")
    office.tick()
    office.prepare("prepare-2")
    assert office.one().ready
    assert office.fetched() == 1


def test_another_file_is_waited_for_and_then_goes_out_instead(office: Office) -> None:
    made_post = post(office, due_in_s=60)
    office.tick()
    office.prepare()
    assert len(office.tick()) == 1
    before = office.one().content["media"][0]["sha256"]
    office.change("Posts", made_post, Media=[])
    office.attach(made_post, "other.webp", "image/webp", picture_bytes("WEBP", (1000, 1000)))
    office.tick()
    assert (office.one().state, office.one().ready) == ("scheduled", False)
    office.prepare("prepare-2")
    assert len(office.tick()) == 1
    assert office.one().content["media"][0]["sha256"] != before


def test_a_post_whose_file_was_taken_off_says_so(office: Office) -> None:
    made_post = post(office)
    office.tick()
    office.prepare()
    office.change("Posts", made_post, Media=[])
    office.tick()
    (cells,) = office.told().values()
    assert cells["State"] == "Not planned"
    assert "Media" in cells["Message"]


def test_an_address_that_died_is_replaced_by_a_fresh_one(office: Office) -> None:
    post(office)
    office.tick()
    office.sandbox.fault(service="airtable", route="attachment", mode="status:410", times=1)
    office.prepare()
    assert office.one().ready


def test_a_conversion_that_takes_too_long_is_told_and_not_begun_again_at_once(office: Office) -> None:
    office.settings = replace(office.settings)
    object.__setattr__(office.settings, "convert_s", 0.001)  # less than may be set: no file takes so long
    post(office, due_in_s=600)
    office.tick()
    with pytest.raises(NotPrepared, match=r"SCHEDULO_CONVERT_S|seconds") as error:
        office.prepare()
    assert error.value.wait_s is None
    assert "not made to fit yet: roast.webp (converting it took more than" in office.one().reason
    office.settings = replace(office.settings, convert_s=600.0)
    with pytest.raises(NotPrepared):
        office.prepare("prepare-2")
    with office.ledger.begin() as connection:
        connection.execute(sa.update(renditions).values(made_ms=1))
    office.prepare("prepare-3")
    assert office.one().ready


def test_a_store_without_room_is_told_and_the_file_is_fetched_when_there_is_some(office: Office) -> None:
    blocked = office.store.root / "incoming"
    office.store.root.mkdir(parents=True, exist_ok=True)
    blocked.write_text("no folder can be here")
    post(office, jpeg(), due_in_s=600)
    office.tick()
    with pytest.raises(NotPrepared, match="could not be stored") as error:
        office.prepare()
    assert error.value.wait_s is not None
    assert "the operator makes room in SCHEDULO_MEDIA_DIR" in office.one().reason
    blocked.unlink()
    office.prepare("prepare-2")
    assert office.one().ready


def test_a_file_that_vanished_from_the_store_is_fetched_and_made_anew(office: Office) -> None:
    post(office)
    office.tick()
    office.prepare()
    with office.ledger.read() as connection:
        (kept,) = connection.execute(sa.select(attachments.c.sha256)).scalars()
    office.store.path(kept).unlink()
    office.change("Posts", office.one().post_id, Title="seen again")
    office.tick()
    assert not office.one().ready
    office.prepare("prepare-2")
    assert office.one().ready
    assert (office.fetched(), conversions(office)) == (2, 0)


def test_one_bad_post_does_not_keep_others_from_being_prepared(office: Office) -> None:
    post(office, b"not a picture", Title="bad")
    post(office, Accounts=[instagram(office, 2)], Title="good")
    office.tick()
    office.prepare()
    assert [(row.title, row.state) for row in office.rows()] == [("bad", "cancelled"), ("good", "scheduled")]


def test_a_slow_host_is_waited_for_beside_the_others(office: Office) -> None:
    for number in (1, 2, 3):
        post(office, Accounts=[instagram(office, number)], Title=f"slow {number}")
    office.tick()
    office.sandbox.fault(service="airtable", route="attachment", mode="delay:1", times=3)
    began = time.monotonic()
    office.prepare()
    assert all(row.ready for row in office.rows())
    assert time.monotonic() - began > 1


def test_publishing_now_prepares_first(office: Office) -> None:
    made_post = post(office, due_in_s=600_000)
    office.tick()
    wished = Wished((made_post,), (), dry_run=False)
    (asked,) = claim_now(office.last, "now-1", wished)
    assert not asked.taken
    assert "within 24 hours before it is due" in asked.sentence
    (prepared,) = prepare_now(office.preparer(), "now-2", wished)
    assert prepared.sentences == (f"{office.one().label}: scheduled, ready",)
    (asked,) = claim_now(office.last, "now-2", wished)
    assert asked.taken


def test_publishing_now_says_what_keeps_it_from_being_prepared(office: Office) -> None:
    made_post = post(office, due_in_s=600)
    office.tick()
    office.sandbox.fault(service="airtable", route="attachment", mode="status:503", times=-1)
    wished = Wished((made_post,), (), dry_run=False)
    (prepared,) = prepare_now(office.preparer(), "now-1", wished)
    assert "HTTP 503" in prepared.sentences[0]
    (asked,) = claim_now(office.last, "now-1", wished)
    assert "HTTP 503" in asked.sentence


def test_what_its_author_changes_while_a_file_is_converted_is_not_undone(office: Office) -> None:
    made_post = post(office)
    office.tick()
    preparer = office.preparer()

    def edit(line: str) -> None:
        if "to be made to fit" in line:
            office.change("Posts", made_post, Text="better words")
            office.tick()

    preparer.say = edit
    preparer.prepare(made_post, "prepare-1")
    row = office.one()
    assert (row.ready, row.content["text"]) == (True, "better words")


def test_an_animation_becomes_a_reel_where_none_is_taken(office: Office) -> None:
    made_post = office.post(instagram(office), due_in_s=3600)
    office.attach(made_post, "loop.gif", "image/gif", picture_bytes("GIF", (320, 568), frames=4))
    office.tick()
    office.prepare()
    row = office.one()
    (media,) = row.content["media"]
    assert (row.ready, row.content["format"], media["filename"]) == (True, "reel", "loop.mp4")
    assert media["duration_ms"] >= 3000
