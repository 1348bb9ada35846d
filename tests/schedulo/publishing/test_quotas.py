"""Limits of platforms while posts go out: what they tell is kept, what they refuse is waited for."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from schedulo.delivery.quotas import MARGIN_MS
from schedulo.ledger.quotas import quotas
from schedulo.model import Content, Format, State
from schedulo.publishing.ending import End
from tests.sandbox.meta.conftest import jpeg
from tests.schedulo.publishing.stage import PATIENT, Stage

DAY_MS = 86_400_000


def told(stage: Stage) -> dict[tuple[str, str], Any]:
    with stage.ledger.read() as connection:
        return {(row.key, row.name): row for row in connection.execute(sa.select(quotas))}


def test_what_x_and_instagram_say_of_their_limits_is_kept(stage: Stage) -> None:
    stage.settings = replace(stage.settings, **PATIENT)
    account = {"account_id": "1", "username": "user1", "token": "token-1"}
    options = {"login": "instagram_login"}
    instagram = {**account, **options, "name": "user1", "quota_total": 25}
    stage.sandbox.seed({"x": {"accounts": [account]}, "instagram": {"accounts": [instagram]}})
    content = Content(Format.IMAGE, "hello", (stage.file(jpeg(540, 540)),))
    stage.plan("hello")
    stage.plan("picture", platform="instagram", content=content, account_options=options)
    claims = stage.tick("run")
    publisher = stage.publisher()
    futures = [publisher.work_on("run", n, f"ti-{n}") for n in range(len(claims))]
    assert [future.result(60).end for future in futures] == [End.SUCCESS] * 2
    stage.wait_until(lambda: {("x:1", "posts"), ("instagram:1", "posts")} <= set(told(stage)))
    x, instagram_row = (told(stage)[key, "posts"] for key in ("x:1", "instagram:1"))
    assert (x.most, x.used) == (100, 1)
    assert 800 < (x.resets_ms / 1000 - time.time()) < 1000
    assert (instagram_row.most, instagram_row.used) == (25, 0), "as it was asked before the post"


def test_tiktoks_day_is_waited_for_until_the_oldest_post_has_left_it(stage: Stage) -> None:
    stage.settings = replace(stage.settings, quotas="tiktok.posts=0", **PATIENT)
    clients = [{"client_key": "app", "client_secret": "app-secret", "audited": True}]
    account = {"account_id": "1", "username": "anna", "token": "token-1"}
    stage.sandbox.seed({"tiktok": {"clients": clients, "accounts": [account]}})
    files, chosen = (stage.file(jpeg(540, 540)),), {"privacy_level": "PUBLIC_TO_EVERYONE"}
    content = Content(Format.IMAGES, "hello", files, options=chosen)
    now_ms = int(time.time() * 1000)
    oldest_ms = now_ms - DAY_MS + 600_000
    instants = {"fire_ms": oldest_ms, "sent_ms": oldest_ms, "accepted_ms": oldest_ms}
    stage.plan("old", platform="tiktok", content=content, state=State.PUBLISHED, **instants)
    mode = "status:403/spam_risk_too_many_posts"
    stage.sandbox.fault(service="tiktok", method="POST", route="*", mode=mode, times=-1)
    post = stage.plan("new", platform="tiktok", content=content)
    assert stage.tick("run") == [post]
    assert stage.publisher().work_on("run", 0, "ti").result(60).end is End.SKIPPED
    (hold,) = stage.holds()
    assert hold.until_ms is not None
    assert abs(hold.until_ms - (oldest_ms + DAY_MS + MARGIN_MS)) < 2000, "not a day from now"
