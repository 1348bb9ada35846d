"""Rehearsals: the real code plans and publishes to a sandbox of its own, and nothing real is touched."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from hooks.sandbox import OwnSandbox, own_sandbox
from sandbox.running import RunningSandbox
from schedulo.delivery.stops import stop
from schedulo.ledger.tables import attachments, metadata
from schedulo.model import Account, Platform
from schedulo.planning.rehearse import Where, Wished
from schedulo.platforms import CONVERSATIONS
from schedulo.rehearsals.play import Means, Rehearsal, rehearse
from tests.schedulo.media.corpus import picture_bytes
from tests.schedulo.planning.conftest import Office
from tests.schedulo.publishing.stage import PATIENT

INSTAGRAM = "17841400000000009"
ADDRESSED = {"media_base_url": "https://schedulo.example.com/media", "media_key": "0123456789abcdef"}


@pytest.fixture
def own() -> Iterator[OwnSandbox]:
    with own_sandbox() as running:
        yield running


def means(office: Office, **settings: Any) -> Means:
    return Means(
        office.ledger,
        office.store,
        replace(office.settings, **PATIENT, **settings),
        office.plain_client,
        frozenset({office.sandbox.url.removeprefix("http://")}),
        CONVERSATIONS,
        logging.getLogger(__name__).info,
        gap_s=0.0,
    )


def tried(office: Office, own: OwnSandbox | None, *posts: str, **settings: Any) -> Rehearsal:
    where = Where.NOTHING if own is None else Where.SANDBOX
    return rehearse(Wished(posts, (), where), means(office, **settings), own)


def whole(office: Office) -> dict[str, Sequence[Any]]:
    """All that the real ledger holds, but which files are here."""
    with office.ledger.read() as connection:
        tables = [table for table in metadata.sorted_tables if table is not attachments]
        return {table.name: connection.execute(sa.select(table)).all() for table in tables}


def of_platforms(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """What the platforms that stand for the real ones were asked."""
    return [row for row in sandbox.requests() if row["service"] != "airtable"]


def test_a_post_goes_to_the_sandbox_as_it_would_go_out_and_nothing_real_is_touched(
    office: Office, own: OwnSandbox
) -> None:
    shop, roaster = office.account("7"), office.account(INSTAGRAM, "Instagram", Login="Instagram Login")
    cells = {"Accounts": [shop, roaster], "Thread": "two of three\n---\nthree of three"}
    post = office.post(shop, "one of three", due_in_s=3600, **cells)
    office.attach(post, "roast.webp", "image/webp", picture_bytes("WEBP", (1080, 1080)))
    office.tick()
    before = whole(office)
    played = {item.platform: item for item in tried(office, own, post, **ADDRESSED).played}
    for item in played.values():
        assert (item.went, item.sentence, item.for_real) == (True, "it went out to the sandbox", ())
    x, instagram = played[Platform.X], played[Platform.INSTAGRAM]
    assert [item.text for item in x.received] == ["one of three", "two of three", "three of three"]
    assert sum("create_post: 201" in words for words in x.requests) == 3
    (picture,) = instagram.received
    assert instagram.content is not None
    (media,) = instagram.content.media
    assert (media.content_type, picture.media) == ("image/jpeg", (media.sha256,))
    assert whole(office) == before
    assert of_platforms(office.sandbox) == []


def test_what_no_platform_is_asked_for_says_what_would_go_out(office: Office) -> None:
    post = office.post(office.account("7"), "open late", due_in_s=3600)
    told = tried(office, None, post)
    (played,) = told.played
    assert (played.went, played.sentence) == (True, "it would go out as shown; no platform was asked")
    assert played.content is not None
    assert (played.content.text, played.received, played.requests) == ("open late", (), ())
    assert told.sentence() == "1 of 1 delivery would go out; nothing was published."
    assert of_platforms(office.sandbox) == []


def test_a_draft_that_is_not_ready_can_be_tried_and_says_what_it_lacks(office: Office) -> None:
    account = office.account("7")
    cells = {"Status": "Draft", "Approval": "Needed", "Publish at": None}
    post = office.post(account, "not yet", **cells)
    with office.ledger.begin() as connection:
        stop(connection, office.ledger.now_ms(connection), "everything", "inventory", "Ada")
    (played,) = tried(office, None, post).played
    assert played.went
    assert played.for_real == (
        "Its Status is not Ready: it does not go out before it is.",
        "It has no time to go out at.",
        "It waits for approval.",
        "It would be kept back: on hold (everything, by Ada): inventory.",
    )


def test_a_post_that_cannot_go_out_is_refused_in_the_words_of_its_row(
    office: Office, own: OwnSandbox
) -> None:
    post = office.post(office.account("7"), "x" * 300)
    told = tried(office, own, post)
    (played,) = told.played
    assert not played.went
    assert "280" in played.sentence
    assert (played.content, played.received) == (None, ())
    assert told.sentence() == "0 of 1 delivery went out to the sandbox; nothing was published."


def test_posts_that_are_not_there_are_named(office: Office, own: OwnSandbox) -> None:
    nobody = office.post(office.account("7"), "for nobody", Accounts=[])
    told = tried(office, own, "rec0123456789ABCD", nobody)
    assert told.played == ()
    gone, alone = told.missing
    assert gone == "rec0123456789ABCD is not in Airtable."
    assert "Accounts" in alone


def test_what_is_out_for_real_is_tried_all_the_same_and_says_so(office: Office) -> None:
    office.sandbox.seed({"x": {"accounts": [{"account_id": "7", "username": "user7", "token": "token-7"}]}})
    post = office.post(office.account("7"), "once", due_in_s=1)
    office.tick()
    stage = office.stage()
    stage.publisher(settings=replace(office.settings, **PATIENT)).work_on("run-1", 0, "one").result(30)
    stage.close()
    (played,) = tried(office, None, post).played
    assert played.went
    (said,) = played.for_real
    assert said.startswith("It is planned already, and Published: https://x.com/")
    assert len(office.sandbox.posts()) == 1


@pytest.mark.parametrize("platform", list(Platform))
def test_each_rehearsal_has_tokens_that_open_nothing_else(own: OwnSandbox, platform: Platform) -> None:
    account = Account(platform, "7", "roaster", options={"login": "facebook_login"})
    assert own.admit(account) != own.admit(account)
