"""Each of TikTok's formats through a real publisher: once, on time; and where nobody can know, not twice."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from schedulo.model import Content, Format, Platform
from schedulo.publishing import rest
from tests.sandbox.meta.conftest import jpeg, mp4
from tests.schedulo.publishing.every_commit import seed_all, token_for
from tests.schedulo.publishing.stage import Stage
from tests.schedulo.publishing.test_failpoints import age

TEXT = "Three cups"
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}
Make = Callable[[], bytes]


@functools.cache
def film() -> bytes:
    return mp4(3.2)


@functools.cache
def cup() -> bytes:
    return jpeg(540, 540)


@functools.cache
def pot() -> bytes:
    return jpeg(540, 540, shade=10)


FILES: dict[Format, tuple[Make, ...]] = {
    Format.VIDEO: (film,),
    Format.DRAFT: (film,),
    Format.IMAGES: (cup, pot),
    Format.IMAGES_DRAFT: (cup, pot),
}
DRAFTS = (Format.DRAFT, Format.IMAGES_DRAFT)


@pytest.fixture
def tiktok(sandbox: RunningSandbox, tmp_path: Path, migrated_sqlite: Path) -> Iterator[Stage]:
    ledger = Ledger(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'ledger.db')}")
    stage = Stage(ledger, sandbox)
    seed_all(stage)
    stage.publisher(wire=replace(stage.wire(), token_for=token_for))
    yield stage
    stage.close()
    ledger.close()


def plan(stage: Stage, format_: Format, text: str = TEXT, **options: Any) -> str:
    content = Content(
        format_,
        text,
        tuple(stage.file(make()) for make in FILES[format_]),
        options=options if format_ in DRAFTS else {**PUBLIC, **options},
    )
    return stage.plan(text, "open-1", 0.2, Platform.TIKTOK, content)


def work(stage: Stage) -> None:
    """Runs until nothing is claimed any more; what waits for its time is due at once."""
    (publisher,) = stage.publishers
    for number in range(40):
        claims = stage.tick(f"run-{number}")
        endings = [publisher.work_on(f"run-{number}", n, f"ti-{number}-{n}") for n in range(len(claims))]
        for ending in endings:
            ending.result(60)
        waiting = [id_ for id_ in claims if stage.row(id_).state in ("unknown", "processing", "scheduled")]
        if not waiting:
            return
        for id_ in waiting:
            age(stage, id_)
            stage.change(id_, fire_ms=1)
    raise AssertionError("it never rests")


def inbox(stage: Stage) -> list[dict[str, Any]]:
    return requests.get(f"{stage.sandbox.url}/_sandbox/inbox", timeout=10).json()


@pytest.mark.parametrize("format_", FILES)
def test_each_format_goes_out_once_and_not_early(tiktok: Stage, format_: Format) -> None:
    id_ = plan(tiktok, format_)
    work(tiktok)
    row = tiktok.row(id_)
    live = inbox(tiktok) if format_ in DRAFTS else tiktok.live(TEXT)
    assert row.state == ("waiting_in_app" if format_ in DRAFTS else "published"), tiktok.story(id_)
    (post,) = live
    assert post["media"] == [media["sha256"] for media in row.content["media"]]
    assert post["received_at"] * 1000 >= row.due_ms
    assert len(tiktok.sandbox.posts()) == (0 if format_ in DRAFTS else 1)
    if format_ is Format.IMAGES:
        assert row.permalink == f"https://www.tiktok.com/@ann/photo/{post['post_id']}"
    if format_ is Format.IMAGES_DRAFT:
        assert post["text"] == TEXT


@pytest.mark.parametrize(
    ("format_", "mode"),
    [(Format.IMAGES, "drop_after"), (Format.IMAGES, "drop_before"), (Format.IMAGES_DRAFT, "drop_after")],
)
def test_pictures_whose_answer_is_lost_and_that_are_listed_nowhere_are_a_persons_to_decide(
    tiktok: Stage, format_: Format, mode: str
) -> None:
    tiktok.sandbox.switch(tiktok_list_photos="no")
    id_ = plan(tiktok, format_)
    tiktok.sandbox.fault(service="tiktok", route="content_init", mode=mode)
    work(tiktok)
    row = tiktok.row(id_)
    assert (row.state, row.resends) == ("unresolved", 0), tiktok.story(id_)
    arrived = int(mode == "drop_after")
    assert len(inbox(tiktok) + tiktok.sandbox.posts()) == arrived
    # On a machine that is busy a window may be spent before anything was sent.
    assert [write.state for write in tiktok.writes(id_) if write.state != "unsent"] == ["unknown"]


def test_a_draft_whose_last_answer_is_lost_is_known_by_its_publish_id(tiktok: Stage) -> None:
    id_ = plan(tiktok, Format.DRAFT)
    tiktok.sandbox.fault(service="tiktok", method="PUT", route="upload", mode="drop_after")
    work(tiktok)
    assert tiktok.row(id_).state == "waiting_in_app", tiktok.story(id_)
    assert len(inbox(tiktok)) == 1


def test_pictures_that_could_not_be_fetched_are_begun_anew(
    tiktok: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "HERE_S", 1.0)  # what waits longer goes back to the ledger
    id_ = plan(tiktok, Format.IMAGES)
    tiktok.sandbox.fault(service="media", mode="status:503", method="GET", route="file")
    work(tiktok)
    assert tiktok.row(id_).state == "published", tiktok.story(id_)
    assert len(tiktok.live(TEXT)) == 1
    assert [write.state for write in tiktok.writes(id_)] == ["absent", "accepted"]


def test_a_domain_that_is_not_verified_stops_the_pictures_and_not_the_video_beside_them(
    tiktok: Stage,
) -> None:
    pictures, video = plan(tiktok, Format.IMAGES), plan(tiktok, Format.VIDEO, "A film")
    mode = "status:403/url_ownership_unverified"
    tiktok.sandbox.fault(service="tiktok", route="content_init", mode=mode)
    work(tiktok)
    assert (tiktok.row(pictures).state, tiktok.row(pictures).error_kind) == ("failed", "configuration")
    assert tiktok.row(video).state == "published", tiktok.story(video)
    assert tiktok.holds() == []


def test_what_the_account_does_not_allow_fails_with_what_to_do_before_anything_is_sent(tiktok: Stage) -> None:
    id_ = plan(tiktok, Format.IMAGES, privacy_level="FOLLOWER_OF_CREATOR")
    account = {"account_id": "open-1", "username": "ann", "token": "token-open-1"}
    tiktok.sandbox.seed({"tiktok": {"accounts": [{**account, "privacy_options": ["SELF_ONLY"]}]}})
    work(tiktok)
    row = tiktok.row(id_)
    assert (row.state, row.error_kind, tiktok.writes(id_)) == ("failed", "content_rejected", [])
    assert "TikTok allows this account only Only me" in row.reason


def test_comments_that_the_account_has_switched_off_stay_off_and_the_message_says_so(tiktok: Stage) -> None:
    id_ = plan(tiktok, Format.IMAGES, disable_comment=False)
    account = {"account_id": "open-1", "username": "ann", "token": "token-open-1"}
    tiktok.sandbox.seed({"tiktok": {"accounts": [{**account, "comment_disabled": True}]}})
    work(tiktok)
    row = tiktok.row(id_)
    assert row.state == "published"
    assert "comments" in row.reason
