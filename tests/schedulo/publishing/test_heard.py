"""What TikTok tells of posts, from its stand-in into the ledger: links, drafts that were posted, lost
answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from schedulo.delivery.heard import take_in
from schedulo.ledger.heard import platform_events
from schedulo.model import Format, Platform
from schedulo.platforms import AFTER, CONVERSATIONS
from schedulo.platforms import tiktok as conversation
from schedulo.platforms.tiktok_hooks import read
from schedulo.publishing import aftercare, heard
from schedulo.publishing.aftercare import Means
from tests.receivers import Web, running_web
from tests.schedulo.publishing.every_commit import token_for
from tests.schedulo.publishing.stage import PATIENT, Stage
from tests.schedulo.publishing.test_aftercare import age
from tests.schedulo.publishing.test_tiktok_formats import TEXT, cup, plan, work
from tests.schedulo.publishing.test_tiktok_formats import tiktok as tiktok

CLIENT = {"client_key": "c", "client_secret": "s", "audited": True}


@pytest.fixture
def app(tiktok: Stage) -> Iterator[Web]:
    """Where TikTok's webhooks of the client arrive; `hear` takes them into the ledger."""
    with running_web() as web:
        owned = [tiktok.sandbox.service("media") + "/"]
        client = CLIENT | {"verified_prefixes": owned, "hook_url": f"http://{web.address}/"}
        account = {"account_id": "open-1", "username": "ann", "token": "token-open-1"}
        tiktok.sandbox.seed({"tiktok": {"clients": [client], "accounts": [account | {"client_key": "c"}]}})
        yield web


def hear(stage: Stage, app: Web, events: int, *, but: str = "") -> None:
    """Take in what was told, once it was so many; `but` leaves out the events with this in their name."""
    stage.wait_until(lambda: len(app.raw) >= events, 30)
    for _, body in app.raw:
        told = read(body, "c")
        if but and but in told.event:
            continue
        with stage.ledger.begin() as connection:
            take_in(connection, stage.ledger.now_ms(connection), Platform.TIKTOK, told)


def look_into(stage: Stage) -> list[str]:
    with stage.ledger.begin() as connection:
        waiting = platform_events.c.next_ms.is_not(None)
        connection.execute(sa.update(platform_events).where(waiting).values(next_ms=1))
    return asyncio.run(heard.look_into(means(stage)))


def means(stage: Stage) -> Means:
    wire, settings = replace(stage.wire(), token_for=token_for), replace(stage.settings, **PATIENT)
    return Means(stage.ledger, wire, settings, CONVERSATIONS, AFTER, stage.media_url, patience_s=0.2)


def waiting(stage: Stage) -> int:
    with stage.ledger.read() as connection:
        query = sa.select(sa.func.count()).where(platform_events.c.next_ms.is_not(None))
        return int(connection.execute(query).scalar_one())


@pytest.fixture
def id_(tiktok: Stage, app: Web, monkeypatch: pytest.MonkeyPatch) -> str:
    """A post that is out while TikTok still moderates it: it has no public id yet."""
    monkeypatch.setattr(conversation, "PUBLIC_ID_PATIENCE_S", 0.0)
    tiktok.sandbox.switch(tiktok_id_lag_polls="1000", tiktok_hook_public_s="3600")
    id_ = plan(tiktok, Format.VIDEO)
    work(tiktok)
    row = tiktok.row(id_)
    assert (row.state, row.permalink) == ("published", None), tiktok.story(id_)
    return id_


def test_the_link_of_a_post_is_known_when_moderation_is_over(tiktok: Stage, app: Web, id_: str) -> None:
    hear(tiktok, app, 1)
    assert look_into(tiktok) == []
    tiktok.sandbox.advance(3700)
    hear(tiktok, app, 2)
    tiktok.sandbox.fault(service="tiktok", route="status", mode="status:503", times=-1)
    assert "looked into again" in look_into(tiktok)[0]
    assert tiktok.row(id_).permalink is None, "a webhook alone is not believed"
    tiktok.sandbox.withdraw_faults()
    look_into(tiktok)
    (post,) = tiktok.live(TEXT)
    row = tiktok.row(id_)
    assert (row.state, row.remote_id) == ("published", post["post_id"])
    assert row.permalink == f"https://www.tiktok.com/@ann/video/{post['post_id']}"
    assert row.reason == ""
    assert waiting(tiktok) == 0


def test_a_link_that_tiktok_does_not_confirm_is_not_taken(tiktok: Stage, app: Web, id_: str) -> None:
    tiktok.sandbox.advance(3700)
    hear(tiktok, app, 2, but="public")
    told = read(app.raw[1][1], "c")
    tiktok.sandbox.world.services["tiktok"]._tasks[told.handle].id_lag_polls = 1000
    with tiktok.ledger.begin() as connection:
        false = replace(told, post_id="7", key="another")
        take_in(connection, tiktok.ledger.now_ms(connection), Platform.TIKTOK, false)
    (line,) = look_into(tiktok)
    assert "does not say so" in line
    assert tiktok.row(id_).remote_id is None


def test_a_draft_that_its_creator_posted_is_published(tiktok: Stage, app: Web) -> None:
    id_ = plan(tiktok, Format.DRAFT)
    work(tiktok)
    assert tiktok.row(id_).state == "waiting_in_app", tiktok.story(id_)
    hear(tiktok, app, 1)
    (step,) = [body for _, body in app.raw]
    publish_id = json.loads(json.loads(step)["content"])["publish_id"]
    tiktok.sandbox.in_app("tiktok", "post_draft", publish_id=publish_id)
    hear(tiktok, app, 3)
    look_into(tiktok)
    row = tiktok.row(id_)
    (post,) = tiktok.sandbox.posts()
    assert (row.state, row.remote_id) == ("published", post["post_id"]), tiktok.story(id_)
    assert row.permalink == f"https://www.tiktok.com/@ann/video/{post['post_id']}"


def test_an_event_of_a_post_that_is_not_ours_moves_none_of_ours(tiktok: Stage, app: Web, id_: str) -> None:
    tiktok.sandbox.advance(3700)
    hear(tiktok, app, 2, but="p")
    foreign = replace(read(app.raw[1][1], "c"), handle="v_pub_file~another", key="another")
    with tiktok.ledger.begin() as connection:
        take_in(connection, tiktok.ledger.now_ms(connection), Platform.TIKTOK, foreign)
    (line,) = look_into(tiktok)
    assert "no post of ours" in line
    assert waiting(tiktok) == 1, "it may become known"
    assert tiktok.row(id_).remote_id is None


def test_an_event_that_cannot_be_looked_into_keeps_no_other_from_it(
    tiktok: Stage, app: Web, id_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiktok.sandbox.advance(3700)
    hear(tiktok, app, 2)
    strange = replace(read(app.raw[1][1], "c"), handle="strange", key="another")
    with tiktok.ledger.begin() as connection:
        take_in(connection, tiktok.ledger.now_ms(connection), Platform.TIKTOK, strange)
    known = heard.by_handle

    def breaks(connection: sa.Connection, account_key: str, handle: str) -> str | None:
        if handle == "strange":
            raise KeyError(handle)
        return known(connection, account_key, handle)

    monkeypatch.setattr(heard, "by_handle", breaks)
    assert sum("fault of the program (KeyError)" in line for line in look_into(tiktok)) == 1
    assert tiktok.row(id_).permalink is not None
    assert waiting(tiktok) == 1


def test_a_post_that_is_not_public_any_more_is_looked_for_at_once(tiktok: Stage, app: Web) -> None:
    id_ = plan(tiktok, Format.VIDEO)
    work(tiktok)
    age(tiktok, id_, 30)
    tiktok.change(id_, checked_ms=int(time.time() * 1000))
    plan(tiktok, Format.VIDEO, "Another, so that the account's list is not empty")
    work(tiktok)
    assert asyncio.run(aftercare.look(means(tiktok))).posts == 0
    tiktok.sandbox.remove("tiktok", tiktok.row(id_).remote_id)
    hear(tiktok, app, 5)
    assert "the post is looked for" in look_into(tiktok)[-1]
    assert asyncio.run(aftercare.look(means(tiktok))).posts == 1
    row = tiktok.row(id_)
    assert (row.state, bool(row.absent_ms)) == ("published", True), "one look more, in an hour, decides"


# --- answers that were lost -----------------------------------------------------------------------------


def lost(stage: Stage, app: Web, mode: str = "drop_after") -> str:
    """Pictures whose init had no answer; TikTok made a post of them, or not."""
    id_ = plan(stage, Format.IMAGES)
    stage.sandbox.fault(service="tiktok", route="content_init", mode=mode)
    (publisher,) = stage.publishers
    assert stage.tick("run-0") == [id_]
    publisher.work_on("run-0", 0, "ti-0").result(60)
    assert stage.row(id_).state == "unknown", stage.story(id_)
    if mode == "drop_after":
        stage.wait_until(lambda: len(app.raw) >= 2, 30)
    return id_


def goes_on(stage: Stage, id_: str) -> Any:
    stage.change(id_, fire_ms=1)
    work(stage)
    return stage.row(id_)


def test_pictures_whose_answer_was_lost_are_known_by_the_words_of_what_was_told(
    tiktok: Stage, app: Web
) -> None:
    tiktok.sandbox.switch(tiktok_list_photos="yes")
    tiktok.sandbox.fault(service="tiktok", route="video_list", mode="status:400", times=-1)
    id_ = lost(tiktok, app)
    hear(tiktok, app, 2)
    row = goes_on(tiktok, id_)
    (post,) = tiktok.live(TEXT)
    assert (row.state, row.remote_id, row.resends) == ("published", post["post_id"], 0), tiktok.story(id_)
    assert "has these words" in tiktok.story(id_)


def test_where_the_words_are_not_shown_a_person_decides(tiktok: Stage, app: Web) -> None:
    tiktok.sandbox.switch(tiktok_list_photos="no")
    id_ = lost(tiktok, app)
    hear(tiktok, app, 2)
    assert goes_on(tiktok, id_).state == "unresolved", tiktok.story(id_)


def test_where_the_app_is_ours_alone_the_only_one_told_of_is_it(tiktok: Stage, app: Web) -> None:
    tiktok.sandbox.switch(tiktok_list_photos="no")
    tiktok.settings = replace(tiktok.settings, tiktok_app_alone=True)
    tiktok.publishers.pop().close()
    tiktok.publisher(wire=replace(tiktok.wire(), token_for=token_for))
    id_ = lost(tiktok, app)
    hear(tiktok, app, 2)
    row = goes_on(tiktok, id_)
    (post,) = tiktok.live(TEXT)
    assert (row.state, row.remote_id, row.resends) == ("published", post["post_id"], 0), tiktok.story(id_)


def test_another_programs_post_of_the_same_app_is_not_taken_for_ours(tiktok: Stage, app: Web) -> None:
    """Its words differ, and ours never arrived."""
    tiktok.sandbox.switch(tiktok_list_photos="yes")
    id_ = lost(tiktok, app, "drop_before")
    tiktok.sandbox.withdraw_faults()
    address = tiktok.media_url(tiktok.file(cup()))
    source = {"source": "PULL_FROM_URL", "photo_images": [address], "photo_cover_index": 0}
    info = {"title": "Something else", "privacy_level": "PUBLIC_TO_EVERYONE"}
    body = {"media_type": "PHOTO", "post_mode": "DIRECT_POST", "post_info": info, "source_info": source}
    headers = {"Authorization": "Bearer token-open-1"}
    url = f"{tiktok.sandbox.service('tiktok')}/v2/post/publish/content/init/"
    assert requests.post(url, json=body, headers=headers, timeout=30).status_code == 200
    hear(tiktok, app, 2)
    row = goes_on(tiktok, id_)
    assert (row.state, row.remote_id) == ("unresolved", None), tiktok.story(id_)
