"""Every irreversible request that the house knows: each platform, each format, each way of doing it."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schedulo.model import Content, Format, Platform
from tests.sandbox.meta.conftest import jpeg, mp4
from tests.sandbox.x.conftest import moving_gif
from tests.schedulo.publishing.stage import Stage

MIB = 1024 * 1024
IG, IG_PAGE, PAGE = "17841400000000001", "17841400000000002", "100000000000001"
SELF = {"privacy_level": "PUBLIC_TO_EVERYONE"}

POLL = {"options": ["Light", "Dark"], "duration_minutes": 60}


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
    thread: tuple[str, ...] = ()
    first_comment: str = ""
    cover: Callable[[], bytes] | None = None

    def shown(self, text: str) -> str:
        """What the public sees of a text."""
        return "" if self.format is Format.STORY else text


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
    "x gif": Case(P.X, "1", F.GIF, "create_post", (moving_gif,)),
    "x poll": Case(P.X, "1", F.POLL, "create_post", options=(("poll", POLL),)),
    "x video": Case(P.X, "1", F.VIDEO, "create_post", (_film,)),
    "instagram image": Case(P.INSTAGRAM, IG, F.IMAGE, "media_publish", (_one,)),
    "instagram image by Facebook Login": Case(P.INSTAGRAM, IG_PAGE, F.IMAGE, "media_publish", (_one,)),
    "instagram reel": Case(P.INSTAGRAM, IG, F.REEL, "media_publish", (_film,)),
    "instagram reel uploaded": Case(
        P.INSTAGRAM, IG_PAGE, F.REEL, "media_publish", (_film,), settings=(("ig_upload", "resumable"),)
    ),
    "instagram carousel": Case(P.INSTAGRAM, IG, F.CAROUSEL, "media_publish", (_one, _film, _two)),
    "instagram carousel uploaded": Case(
        P.INSTAGRAM,
        IG_PAGE,
        F.CAROUSEL,
        "media_publish",
        (_film, _one),
        settings=(("ig_upload", "resumable"),),
    ),
    "instagram story": Case(P.INSTAGRAM, IG, F.STORY, "media_publish", (_one,)),
    "instagram story of a film": Case(P.INSTAGRAM, IG_PAGE, F.STORY, "media_publish", (_film,)),
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
    "facebook video with a cover": Case(P.FACEBOOK, PAGE, F.VIDEO, "videos:finish", (_film,), cover=_one),
    "facebook reel": Case(P.FACEBOOK, PAGE, F.REEL, "video_reels:finish", (_film,)),
    "facebook photo story": Case(P.FACEBOOK, PAGE, F.STORY, "photo_stories", (_one,)),
    "facebook video story": Case(P.FACEBOOK, PAGE, F.STORY, "video_stories:finish", (_film,)),
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
    "tiktok pictures": Case(P.TIKTOK, "open-1", F.IMAGES, "content_init", (_one, _two), tuple(SELF.items())),
}
LOGIN = {IG: {"login": "instagram_login"}, IG_PAGE: {"login": "facebook_login"}}


def token_for(key: str) -> str:
    return f"token-{PAGE if key.endswith(IG_PAGE) else key.partition(':')[2]}"


def seed_all(stage: Stage) -> None:
    """All accounts of the cases; platforms that are done with media at once."""
    sandbox = stage.sandbox
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
    sandbox.switch(tiktok_id_lag_polls="0", tiktok_list_photos="yes")
    sandbox.switch(fb_chunk_bytes="2000", ig_video_errors="create")


def content_of(stage: Stage, case: Case, text: str) -> Content:
    """What a case publishes; its media are in the stage's store."""
    return Content(
        case.format,
        text,
        tuple(stage.file(make()) for make in case.media),
        link="https://example.org/a" if case.format is Format.LINK else None,
        options=dict(case.options),
        thread=case.thread,
        first_comment=case.first_comment,
        cover=stage.file(case.cover()) if case.cover else None,
    )


def plan(stage: Stage, case: Case, text: str) -> str:
    """A delivery of the case that is due in a while; answers its id."""
    return stage.plan(
        text,
        case.account_id,
        due_in_s=100.0,
        platform=case.platform,
        content=content_of(stage, case, text),
        account_options=LOGIN.get(case.account_id),
    )
