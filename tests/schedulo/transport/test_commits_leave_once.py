"""Every commit of every platform and format, sent by a real publisher, its answer cut off: it left once.

The outcome is then unknown, is looked up, and is found; nothing is sent again. Counted from what the sandbox
received.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.running import RunningSandbox
from schedulo.ledger.database import Ledger
from schedulo.model import Content, Format, Platform
from schedulo.transport import commits
from tests.sandbox.meta.conftest import jpeg, mp4
from tests.schedulo.publishing.stage import QUICK, Stage

MIB = 1024 * 1024
IG, IG_PAGE, PAGE = "17841400000000001", "17841400000000002", "100000000000001"
SELF = {"privacy_level": "PUBLIC_TO_EVERYONE"}


@functools.cache
def long_film() -> bytes:
    """A film of more than two chunks; most of it is a box that players skip."""
    return mp4(3.2) + struct.pack(">I4s", 11 * MIB, b"free") + bytes(11 * MIB - 8)


@dataclass(frozen=True)
class Case:
    platform: Platform
    account_id: str
    format: Format
    route: str
    """The sandbox's name of the irreversible request."""
    media: tuple[Callable[[], bytes], ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()
    method: str = "POST"


def _one() -> bytes:
    return jpeg(540, 540)


def _two() -> bytes:
    return jpeg(540, 540, shade=10)


def _film() -> bytes:
    return mp4(3.2)


P, F = Platform, Format
CASES = {
    "x text": Case(P.X, "1", F.TEXT, "create_post"),
    "x image": Case(P.X, "1", F.IMAGE, "create_post", (_one,)),
    "x images": Case(P.X, "1", F.IMAGES, "create_post", (_one, _two)),
    "x video": Case(P.X, "1", F.VIDEO, "create_post", (_film,)),
    "instagram image": Case(P.INSTAGRAM, IG, F.IMAGE, "media_publish", (_one,)),
    "instagram image by Facebook Login": Case(P.INSTAGRAM, IG_PAGE, F.IMAGE, "media_publish", (_one,)),
    "instagram reel": Case(P.INSTAGRAM, IG, F.REEL, "media_publish", (_film,)),
    "instagram reel uploaded": Case(
        P.INSTAGRAM, IG_PAGE, F.REEL, "media_publish", (_film,), settings=(("ig_upload", "resumable"),)
    ),
    "facebook text switched": Case(P.FACEBOOK, PAGE, F.TEXT, "post"),
    "facebook link switched": Case(P.FACEBOOK, PAGE, F.LINK, "post"),
    "facebook text at once": Case(
        P.FACEBOOK, PAGE, F.TEXT, "feed", settings=(("facebook_two_phase", False),)
    ),
    "facebook link at once": Case(
        P.FACEBOOK, PAGE, F.LINK, "feed", settings=(("facebook_two_phase", False),)
    ),
    "facebook photo": Case(P.FACEBOOK, PAGE, F.IMAGE, "feed", (_one,)),
    "facebook photos": Case(P.FACEBOOK, PAGE, F.IMAGES, "feed", (_one, _two)),
    "facebook video": Case(P.FACEBOOK, PAGE, F.VIDEO, "videos:finish", (_film,)),
    "facebook reel": Case(P.FACEBOOK, PAGE, F.REEL, "video_reels:finish", (_film,)),
    "tiktok only chunk": Case(
        P.TIKTOK, "open-1", F.VIDEO, "upload", (_film,), tuple(SELF.items()), method="PUT"
    ),
    "tiktok last chunk": Case(
        P.TIKTOK, "open-1", F.VIDEO, "upload", (long_film,), tuple(SELF.items()), method="PUT"
    ),
    "tiktok pull": Case(
        P.TIKTOK,
        "open-1",
        F.VIDEO,
        "video_init",
        (_film,),
        tuple(SELF.items()),
        settings=(("tiktok_source", "pull"),),
    ),
}
LOGIN = {IG: {"login": "instagram_login"}, IG_PAGE: {"login": "facebook_login"}}


@pytest.fixture
def stage(sandbox: RunningSandbox, tmp_path: Path) -> Iterator[Stage]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger.migrate()
    stage = Stage(ledger, sandbox)
    sandbox.seed(
        {
            "instagram": {
                "accounts": [
                    {"account_id": IG, "username": "anna", "token": f"token-{IG}"},
                    {"account_id": IG_PAGE, "username": "cafe", "flavour": "facebook_login"},
                ]
            },
            "facebook": {
                "pages": [
                    {
                        "page_id": PAGE,
                        "name": "Cafe",
                        "page_token": f"token-{PAGE}",
                        "instagram_account_id": IG_PAGE,
                    }
                ]
            },
            "tiktok": {
                "clients": [
                    {
                        "client_key": "ck",
                        "client_secret": "cs",
                        "audited": True,
                        "verified_prefixes": [sandbox.service("media") + "/"],
                    }
                ],
                "accounts": [{"account_id": "open-1", "username": "ann", "token": "token-open-1"}],
            },
        }
    )
    stage.seed_x("1", "warm")
    sandbox.switch(
        ig_processing_polls="0", fb_processing_polls="0", x_processing_polls="0", tiktok_processing_polls="0"
    )
    sandbox.switch(tiktok_id_lag_polls="0", fb_chunk_bytes="2000")
    yield stage
    stage.close()
    ledger.close()


def count(sandbox: RunningSandbox, case: Case) -> int:
    return sum(
        row["count"]
        for row in sandbox.requests()
        if (row["method"], row["route"]) == (case.method, case.route)
    )


def token_for(key: str) -> str:
    return f"token-{PAGE if key.endswith(IG_PAGE) else key.partition(':')[2]}"


@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "warm"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_commit_whose_answer_is_lost_left_once(
    stage: Stage, case: Case, warm: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands: list[type] = []
    in_hand = commits._connection_in_hand

    async def seen(session: Any, context: Any, params: object) -> None:
        hands.append(type(params))
        await in_hand(session, context, params)

    monkeypatch.setattr(commits, "_connection_in_hand", seen)
    publisher = stage.publisher(
        wire=replace(stage.wire(), token_for=token_for), settings=replace(QUICK, **dict(case.settings))
    )
    content = Content(
        case.format,
        "Hello, good morning",
        tuple(stage.file(make()) for make in case.media),
        link="https://example.org/a" if case.format is Format.LINK else None,
        options=dict(case.options),
    )
    id_ = stage.plan(
        "the post",
        case.account_id,
        due_in_s=100.0,
        platform=case.platform,
        content=content,
        account_options=LOGIN.get(case.account_id),
    )
    stage.tick("run-1")
    work = publisher.work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "armed", limit_s=20)
    if warm:
        stage.plan("warm", "warm", due_in_s=0.0)
        stage.tick("run-warm")
        publisher.work_on("run-warm", 0, "ti-warm").result(20)
    assert not stage.live(content.text), "nothing is public before it is due"
    before = count(stage.sandbox, case)
    stage.sandbox.fault(service="*", method=case.method, route=case.route, mode="drop_after")
    stage.change(id_, fire_ms=1)
    row = stage.wait_for(id_, "published", "failed", "unresolved", "unknown", "processing", limit_s=10)
    work.result(30)
    for number in range(2, 40):
        row = stage.row(id_)
        if row.state == "published":
            break
        if row.state == "processing":
            stage.change(id_, fire_ms=1)
        for index, _ in enumerate(stage.tick(f"run-{number}")):
            publisher.work_on(f"run-{number}", index, f"ti-{number}").result(30)
    assert row.state == "published", stage.story(id_)
    assert row.resends == 0
    assert count(stage.sandbox, case) - before == 1
    (post,) = stage.live(content.text)
    assert post["media"] == [media.sha256 for media in content.media]
    # On a machine that is busy a window may be spent before anything was sent: that is no second sending.
    assert [write.state for write in stage.writes(id_) if write.state != "unsent"] == ["accepted"]
    expected = aiohttp.TraceConnectionReuseconnParams if warm else aiohttp.TraceConnectionCreateEndParams
    assert hands[-1] is expected
