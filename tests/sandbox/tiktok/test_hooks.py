"""TikTok's webhooks as the stand-in sends them: signed, in TikTok's shape, until they are taken."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.receivers import Web, running_web
from tests.sandbox.tiktok.conftest import Client, file, image, seed, video


@pytest.fixture
def app() -> Iterator[Web]:
    """What receives them."""
    with running_web() as web:
        yield web


@pytest.fixture
def creator(tiktok: Client, app: Web) -> Client:
    """A creator whose client has an address for webhooks."""
    (client, *_) = seed(tiktok.sandbox)["tiktok"]["clients"]
    accounts = [{"account_id": "bob", "username": "bob", "token": "act.bob", "limits": "off"}]
    told = {"clients": [client | {"hook_url": f"http://{app.address}/hook"}], "accounts": accounts}
    tiktok.sandbox.seed({"tiktok": told})
    return tiktok


def until(condition: Callable[[], Any], limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def told(app: Web) -> list[tuple[str, dict[str, Any]]]:
    return [(one["event"], json.loads(one["content"])) for one in app.got]


def test_a_post_is_told_of_when_it_is_complete_and_when_it_is_public(creator: Client, app: Web) -> None:
    publish_id = creator.publish(video())
    until(lambda: len(app.got) == 2)
    (complete, first), (public, second) = told(app)
    assert (complete, public) == ("post.publish.complete", "post.publish.publicly_available")
    assert first == {"publish_id": publish_id, "publish_type": "DIRECT_PUBLISH"}
    assert str(second["post_id"]) == creator.sandbox.posts()[0]["post_id"]
    envelope = app.got[0]
    assert set(envelope) == {"client_key", "event", "create_time", "user_openid", "content"}
    assert (envelope["client_key"], envelope["user_openid"]) == ("audited", "bob")


def test_each_is_signed_over_the_body_as_it_is_sent(creator: Client, app: Web) -> None:
    creator.publish(video())
    until(lambda: app.raw)
    headers, body = app.raw[0]
    at, signature = (part.partition("=")[2] for part in headers["tiktok-signature"].split(","))
    expected = hmac.new(b"secret", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(signature, expected)
    assert abs(time.time() - int(at)) < 60


def test_a_failure_has_its_reason_and_a_draft_is_an_inbox_share(creator: Client, app: Web) -> None:
    creator.sandbox.fault(service="tiktok", mode="processing_fails:internal")
    creator.publish(video())
    until(lambda: len(app.got) == 1)
    assert told(app)[0][0] == "post.publish.failed"
    assert told(app)[0][1]["reason"] == "internal"
    hosted = creator.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    creator.photos([hosted], mode="MEDIA_UPLOAD")
    until(lambda: len(app.got) == 2)
    assert told(app)[1][0] == "post.publish.inbox_delivered"
    assert told(app)[1][1]["publish_type"] == "INBOX_SHARE"


def test_a_draft_that_its_creator_posts_becomes_a_post(creator: Client, app: Web) -> None:
    hosted = creator.hosted(image("JPEG"), "a.jpg", "image/jpeg")
    publish_id = creator.photos([hosted], mode="MEDIA_UPLOAD").json()["data"]["publish_id"]
    until(lambda: len(app.got) == 1)
    creator.sandbox.in_app("tiktok", "post_draft", publish_id=publish_id)
    until(lambda: len(app.got) == 3)
    assert [event for event, _ in told(app)][1:] == [
        "post.publish.complete",
        "post.publish.publicly_available",
    ]
    assert told(app)[2][1]["publish_type"] == "INBOX_SHARE"
    assert creator.final(publish_id)["publicaly_available_post_id"]


def test_what_is_not_taken_comes_again_after_growing_gaps_for_three_days(creator: Client, app: Web) -> None:
    app.status = 503
    creator.publish(video(), privacy_level="SELF_ONLY")
    hooks = creator.sandbox.world.services["tiktok"].hooks
    until(lambda: len(app.got) == 1)
    for gap_s in (60, 120, 240):
        creator.sandbox.advance(gap_s - 10)
        time.sleep(0.1)
        before = len(app.got)
        creator.sandbox.advance(15)
        until(lambda before=before: len(app.got) == before + 1)
    assert len({body for _, body in app.raw}) == 1, "the same words each time"
    for _ in range(12):
        creator.sandbox.advance(36 * 3600)
        time.sleep(0.05)
    (sending,) = hooks.sendings
    until(lambda: sending not in hooks._waiting)
    assert set(sending.statuses) == {503}


def test_what_was_taken_may_come_again(creator: Client, app: Web) -> None:
    creator.sandbox.switch(tiktok_hook_repeats="2", tiktok_hook_spelling="completed")
    creator.publish(video(), privacy_level="SELF_ONLY")
    until(lambda: len(app.got) == 3)
    assert [event for event, _ in told(app)] == ["post.publish.completed"] * 3


def test_a_post_that_is_taken_off_the_air_is_told_in_tiktoks_spelling(creator: Client, app: Web) -> None:
    creator.publish(video())
    until(lambda: len(app.got) == 2)
    (post,) = creator.sandbox.posts()
    creator.sandbox.remove("tiktok", post["post_id"])
    until(lambda: len(app.got) == 3)
    assert told(app)[2][0] == "post.publish.no_longer_publicaly_available"


def test_who_takes_the_permission_away_ends_the_tokens_and_the_app_is_told(creator: Client, app: Web) -> None:
    creator.sandbox.in_app("tiktok", "remove_authorization", account_id="bob")
    until(lambda: len(app.got) == 1)
    assert told(app) == [("authorization.removed", {"reason": 1})]
    assert creator.video_init(file(100)).status_code == 401
    with pytest.raises(ValueError, match="from 0 to 5"):
        creator.sandbox.in_app("tiktok", "remove_authorization", account_id="bob", reason=9)


def test_an_app_without_an_address_is_told_nothing(tiktok: Client) -> None:
    tiktok.publish(video())
    assert tiktok.sandbox.world.services["tiktok"].hooks.sendings == []


def test_an_address_must_be_https_except_on_this_machine(tiktok: Client) -> None:
    client = {"client_key": "c", "client_secret": "s", "hook_url": "http://example.com/"}
    with pytest.raises(ValueError, match="https"):
        tiktok.sandbox.seed({"tiktok": {"clients": [client]}})
