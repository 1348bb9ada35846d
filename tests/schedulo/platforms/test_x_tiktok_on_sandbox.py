"""Every flow of X and TikTok against the strict stand-ins, over HTTP: what goes live, once."""

from __future__ import annotations

import base64
import functools
import io
import struct
import time
from dataclasses import dataclass, field
from typing import Any

import av
import pytest
from PIL import Image

from sandbox.core import sha256
from sandbox.running import RunningSandbox
from schedulo.errors import Kind, PlatformError
from schedulo.flow import Finding, Job, Look, Lost, Request, Sent
from schedulo.model import Account, Content, Format, Media, MediaKind, Platform, Published, State
from schedulo.platforms import CONVERSATIONS
from tests.schedulo.platforms.flows import OutcomeUnknown, names, run_flow
from tests.schedulo.platforms.over_http import OverHttp, by_hash

MIB = 1024 * 1024
X = Account(Platform.X, "11", "ann", options={"username": "ann"})
TIKTOK = Account(Platform.TIKTOK, "open-1", "ann")
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}


@functools.cache
def picture(kind: str, shade: int = 0, frames: int = 1) -> bytes:
    images = [Image.new("RGB", (64, 48), (shade, 40 * number, 200)) for number in range(frames)]
    out = io.BytesIO()
    images[0].save(out, kind, **({"save_all": True, "append_images": images[1:]} if frames > 1 else {}))
    return out.getvalue()


@functools.cache
def film(padding: int = 0) -> bytes:
    """A second of video; `padding` bytes ride along in a box that players skip."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 360, 640, "yuv420p"
        for shade in range(25):
            image = Image.new("RGB", (360, 640), (shade * 9, 80, 160))
            file.mux(stream.encode(av.VideoFrame.from_image(image)))
        file.mux(stream.encode())
    content = out.getvalue()
    return content + struct.pack(">I4s", padding, b"free") + bytes(padding - 8) if padding else content


def medium(kind: MediaKind, content_type: str, content: bytes, alt_text: str = "") -> Media:
    sides = (360, 640, 1000) if kind is MediaKind.VIDEO else (64, 48, 0)
    return Media(sha256(content), kind, content_type, len(content), *sides, alt_text=alt_text)


PNG, OTHER_PNG, GIF = picture("PNG"), picture("PNG", 200), picture("GIF", frames=3)
FILM, BIG_FILM = film(), film(11 * MIB)
IMAGE = medium(MediaKind.IMAGE, "image/png", PNG, "a blue field")
OTHER_IMAGE = medium(MediaKind.IMAGE, "image/png", OTHER_PNG)
VIDEO = medium(MediaKind.VIDEO, "video/mp4", FILM)
BIG_VIDEO = medium(MediaKind.VIDEO, "video/mp4", BIG_FILM)
FILES = by_hash(PNG, OTHER_PNG, GIF, FILM, BIG_FILM)


@dataclass
class Publisher:
    """Runs one account's flows; what steps answered stays between runs."""

    sandbox: RunningSandbox
    account: Account
    token: str
    options: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    url: str | None = None
    opened_ms: int = field(default_factory=lambda: int(time.time() * 1000))

    def _job(self, content: Content) -> Job:
        return Job(self.account, content, lambda media: self.url, self.options)

    @property
    def _side(self) -> Any:
        return CONVERSATIONS[self.account.platform]

    def publish(self, content: Content) -> tuple[Published, list[str]]:
        found = self._side.check(self.account, content, public_media=self.url is not None)
        assert [problem for problem in found if not problem.warning] == []
        flow = self._side.publish(self._job(content))
        published, sent = run_flow(flow, OverHttp(self.sandbox, self.token, FILES), self.kept)
        return published, names(sent)

    def look(self, content: Content) -> Finding:
        """Reconcile what the last run left unknown."""
        sent = Sent("post", Request("", "POST", "/"), content, dict(self.kept), self.opened_ms)
        flow = self._side.reconcile(self._job(content), sent)
        finding, _ = run_flow(flow, OverHttp(self.sandbox, self.token, FILES), {})
        return finding

    def live(self) -> list[dict[str, Any]]:
        return self.sandbox.posts()


@pytest.fixture
def x(sandbox: RunningSandbox) -> Publisher:
    account = {"account_id": "11", "username": "ann", "token": "ann-token"}
    sandbox.seed({"x": {"apps": [{"client_id": "app"}], "accounts": [account]}})
    return Publisher(sandbox, X, "ann-token")


@pytest.fixture
def tiktok(sandbox: RunningSandbox) -> Publisher:
    client = {
        "client_key": "ck",
        "client_secret": "cs",
        "audited": True,
        "verified_prefixes": [sandbox.service("media") + "/"],
    }
    account = {"account_id": "open-1", "username": "ann", "token": "ann-token"}
    sandbox.seed({"tiktok": {"clients": [client], "accounts": [account]}})
    return Publisher(sandbox, TIKTOK, "ann-token", {"tiktok_chunk_bytes": 5 * MIB})


# X

X_CONTENTS = {
    "text": Content(Format.TEXT, "Read https://example.com/page & more 🐦"),
    "image": Content(Format.IMAGE, "Look & see", (IMAGE,)),
    "images": Content(Format.IMAGES, "Two", (IMAGE, OTHER_IMAGE)),
    "poll": Content(
        Format.POLL, "Which?", options={"poll": {"options": ["This", "That"], "duration_minutes": 60}}
    ),
    "gif": Content(Format.GIF, "", (medium(MediaKind.GIF, "image/gif", GIF),)),
    "video": Content(Format.VIDEO, "Film example.com", (VIDEO,)),
    "long video": Content(Format.VIDEO, "Long film", (BIG_VIDEO,)),
}
EVERY_X = pytest.mark.parametrize("content", X_CONTENTS.values(), ids=X_CONTENTS.keys())


@EVERY_X
def test_each_format_of_x_goes_live_once_as_it_was_written(x, content):
    published, _ = x.publish(content)
    (post,) = x.live()
    assert (post["text"], post["media"]) == (content.text, [media.sha256 for media in content.media])
    assert published.post_id == post["post_id"]
    assert published.permalink == f"https://x.com/ann/status/{post['post_id']}"
    assert abs(published.published_ms - post["received_at"] * 1000) < 2


@EVERY_X
@pytest.mark.parametrize("spelling", ["old", "new", "blank"])
def test_a_post_whose_answer_was_lost_is_found_again_in_every_spelling(x, content, spelling):
    x.sandbox.switch(x_spelling=spelling)
    x.sandbox.fault(service="x", route="create_post", mode="drop_after")
    with pytest.raises(OutcomeUnknown):
        x.publish(content)
    finding = x.look(content)
    assert (finding.look, finding.value) == (Look.FOUND, x.live()[0]["post_id"])


@EVERY_X
def test_a_post_is_found_again_though_its_text_is_shown_otherwise(x, content):
    x.sandbox.fault(service="x", mode="mangle_text", times=-1)
    x.sandbox.fault(service="x", route="create_post", mode="error_after:503")
    with pytest.raises(OutcomeUnknown):
        x.publish(content)
    assert x.look(content).look is Look.FOUND


@EVERY_X
def test_a_post_that_was_cut_before_it_arrived_is_absent_and_may_be_sent_again(x, content):
    x.sandbox.fault(service="x", route="create_post", mode="drop_before")
    with pytest.raises(OutcomeUnknown):
        x.publish(content)
    finding = x.look(content)
    assert (finding.look, finding.resend) == (Look.ABSENT, True)
    _, sent = x.publish(content)
    assert sent == ["due", "post"]
    assert len(x.live()) == 1


def test_a_longer_text_of_a_premium_account_is_found_by_its_whole_text(sandbox):
    account = {"account_id": "22", "username": "bob", "token": "bob-token", "premium": True}
    sandbox.seed({"x": {"apps": [{"client_id": "app"}], "accounts": [account]}})
    bob = Publisher(sandbox, Account(Platform.X, "22", "bob", options={"premium": True}), "bob-token")
    content = Content(Format.TEXT, "A long story https://example.com " * 100)
    sandbox.fault(service="x", route="create_post", mode="drop_after")
    with pytest.raises(OutcomeUnknown):
        bob.publish(content)
    assert bob.look(content).look is Look.FOUND


def test_a_good_status_with_garbage_is_published_with_its_id_looked_up(x):
    x.sandbox.fault(service="x", route="create_post", mode="garbage_2xx")
    published, sent = x.publish(X_CONTENTS["text"])
    assert sent == ["due", "post", "find"]
    assert published.post_id == x.live()[0]["post_id"]


def test_the_same_text_again_is_a_duplicate(x):
    x.publish(X_CONTENTS["text"])
    x.kept.clear()
    with pytest.raises(PlatformError) as caught:
        x.publish(X_CONTENTS["text"])
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.DUPLICATE, True)


@pytest.mark.parametrize("shape", ["title", "errors88"])
def test_a_rate_limit_of_x_lasts_until_its_reset(x, shape):
    x.sandbox.switch(x_429_shape=shape)
    x.sandbox.fault(service="x", route="create_post", mode="rate_limit")
    with pytest.raises(PlatformError) as caught:
        x.publish(X_CONTENTS["text"])
    assert caught.value.kind is Kind.RATE_LIMITED
    assert caught.value.wait_s == pytest.approx(900, abs=3)


def test_a_video_that_x_cannot_process_is_rejected_before_it_is_due(x):
    x.sandbox.fault(service="x", route="upload_finalize", mode="processing_fails")
    with pytest.raises(PlatformError) as caught:
        x.publish(X_CONTENTS["video"])
    assert caught.value.kind is Kind.MEDIA_REJECTED


def test_an_upload_that_ran_out_is_refused_at_the_post_and_begun_anew(x):
    content = X_CONTENTS["image"]
    x.sandbox.fault(service="x", route="create_post", mode="status:503")
    with pytest.raises(OutcomeUnknown):
        x.publish(content)
    x.sandbox.advance(25 * 3600)
    x.kept.pop("post", None)
    with pytest.raises(PlatformError) as caught:
        x.publish(content)
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.HANDLE_EXPIRED, True)


def test_a_segment_that_came_twice_begins_the_upload_anew(x):
    content = X_CONTENTS["long video"]
    x.sandbox.fault(service="x", route="upload_append", mode="drop_after", after=1)
    for kind in (Kind.NETWORK, Kind.HANDLE_EXPIRED):
        with pytest.raises(PlatformError) as caught:
            x.publish(content)
        assert caught.value.kind is kind
    x.kept.clear()
    x.publish(content)
    assert len(x.live()) == 1


# TikTok

CLIP = Content(Format.VIDEO, "Hello #fyp", (VIDEO,), options=PUBLIC)
BIG_CLIP = Content(Format.VIDEO, "Hello #fyp", (BIG_VIDEO,), options=PUBLIC)
DRAFT = Content(Format.DRAFT, "", (VIDEO,))


@pytest.mark.parametrize("content", [CLIP, BIG_CLIP], ids=["one chunk", "two chunks"])
def test_a_video_goes_live_on_tiktok_with_its_last_chunk(tiktok, content):
    published, sent = tiktok.publish(content)
    (post,) = tiktok.live()
    assert (post["text"], post["media"]) == ("Hello #fyp", [content.media[0].sha256])
    assert (published.post_id, published.permalink) == (
        post["post_id"],
        f"https://www.tiktok.com/@ann/video/{post['post_id']}",
    )
    assert any(name.startswith("chunk-") for name in sent) == (content is BIG_CLIP)


def test_a_draft_waits_in_the_app_and_is_not_live(tiktok):
    published, _ = tiktok.publish(DRAFT)
    assert published.state is State.WAITING_IN_APP
    assert tiktok.live() == []


def test_a_private_video_is_published_without_a_link(tiktok):
    content = Content(Format.VIDEO, "", (VIDEO,), options={"privacy_level": "SELF_ONLY"})
    published, _ = tiktok.publish(content)
    assert (published.state, published.permalink) == (State.PUBLISHED, None)


@pytest.mark.parametrize("content", [CLIP, BIG_CLIP, DRAFT], ids=["one chunk", "two chunks", "draft"])
@pytest.mark.parametrize("mode", ["drop_after", "error_after:504"])
def test_a_last_chunk_whose_answer_was_lost_is_found_by_its_publish_id(tiktok, content, mode):
    tiktok.sandbox.fault(service="tiktok", route="upload", mode=mode, after=int(content is BIG_CLIP))
    with pytest.raises(OutcomeUnknown):
        tiktok.publish(content)
    finding = tiktok.look(content)
    assert finding.look is Look.FOUND
    tiktok.kept["post"] = finding.value
    tiktok.publish(content)
    assert len(tiktok.live()) == (content is not DRAFT)


@pytest.mark.parametrize("mode", ["drop_before", "status:503"])
def test_a_last_chunk_that_did_not_arrive_is_unused_and_goes_again_to_the_same_upload(tiktok, mode):
    tiktok.sandbox.fault(service="tiktok", route="upload", mode=mode, after=1)
    with pytest.raises(OutcomeUnknown):
        tiktok.publish(BIG_CLIP)
    assert tiktok.look(BIG_CLIP).look is Look.UNUSED
    _, sent = tiktok.publish(BIG_CLIP)
    assert sent[:2] == ["due", "post"]
    assert len(tiktok.live()) == 1


def test_a_last_chunk_that_goes_twice_makes_one_post(tiktok):
    tiktok.sandbox.fault(service="tiktok", route="upload", mode="drop_after", after=1)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            tiktok.publish(BIG_CLIP)
    assert tiktok.look(BIG_CLIP).look is Look.FOUND
    assert len(tiktok.live()) == 1


def test_a_chunk_whose_answer_was_lost_is_not_missed(tiktok):
    tiktok.sandbox.fault(service="tiktok", route="upload", mode="drop_after")
    with pytest.raises(PlatformError):
        tiktok.publish(BIG_CLIP)
    tiktok.publish(BIG_CLIP)
    assert len(tiktok.live()) == 1


def test_an_upload_address_that_ran_out_published_nothing(tiktok):
    tiktok.sandbox.fault(service="tiktok", route="upload", mode="status:503")
    with pytest.raises(OutcomeUnknown):
        tiktok.publish(CLIP)
    tiktok.sandbox.advance(3700)
    with pytest.raises(PlatformError) as caught:
        tiktok.publish(CLIP)
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.HANDLE_EXPIRED, True)


def test_a_token_that_runs_out_while_polling_is_no_reason_to_post_again(tiktok):
    tiktok.sandbox.fault(service="tiktok", route="status", mode="status:401")
    with pytest.raises(PlatformError) as caught:
        tiktok.publish(CLIP)
    assert caught.value.kind is Kind.TOKEN_EXPIRED
    published, sent = tiktok.publish(CLIP)
    assert sent[:2] == ["due", "status"]
    assert published.post_id == tiktok.live()[0]["post_id"]


@pytest.mark.parametrize(
    ("reason", "kind"), [("internal", Kind.HANDLE_EXPIRED), ("spam_risk_text", Kind.CONTENT_REJECTED)]
)
def test_a_video_that_fails_after_its_last_chunk_is_dead_and_says_why(tiktok, reason, kind):
    tiktok.sandbox.fault(service="tiktok", mode=f"processing_fails:{reason}")
    with pytest.raises(PlatformError) as caught:
        tiktok.publish(CLIP)
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (kind, True)
    assert tiktok.look(CLIP).look is Look.DEAD


@pytest.mark.parametrize("code", ["invalid_param", "invalid_params"])
def test_both_spellings_of_a_refused_parameter_are_read(tiktok, code):
    tiktok.sandbox.switch(tiktok_invalid_code=code)
    tiktok.sandbox.fault(service="tiktok", route="video_init", mode="status:400")
    with pytest.raises(PlatformError) as caught:
        tiktok.publish(CLIP)
    assert caught.value.kind is Kind.CONTENT_REJECTED


@pytest.fixture
def pulled(tiktok: Publisher) -> Publisher:
    """The same account, whose videos TikTok fetches from the media host."""
    file = {"path": "clip.mp4", "content_type": "video/mp4", "base64": base64.b64encode(FILM).decode()}
    tiktok.sandbox.seed({"media": {"files": [file]}})
    tiktok.options["tiktok_source"] = "pull"
    tiktok.url = tiktok.sandbox.service("media") + "/clip.mp4"
    return tiktok


@pytest.mark.parametrize("content", [CLIP, DRAFT], ids=["video", "draft"])
def test_tiktok_fetches_a_video_from_its_address(pulled, content):
    published, _ = pulled.publish(content)
    assert published.state is (State.WAITING_IN_APP if content is DRAFT else State.PUBLISHED)
    assert [post["media"] for post in pulled.live()] == ([] if content is DRAFT else [[VIDEO.sha256]])


def test_a_fetch_whose_answer_was_lost_is_found_in_the_list(pulled):
    pulled.sandbox.fault(service="tiktok", route="video_init", mode="drop_after")
    with pytest.raises(OutcomeUnknown):
        pulled.publish(CLIP)
    finding = _until_found(pulled, CLIP)
    pulled.kept["post"] = finding.value
    published, _ = pulled.publish(CLIP)
    assert published.post_id == pulled.live()[0]["post_id"]


def _until_found(publisher: Publisher, content: Content) -> Finding:
    deadline = time.monotonic() + 20
    while (finding := publisher.look(content)).look is not Look.FOUND and time.monotonic() < deadline:
        assert finding.resend is False
        time.sleep(0.05)
    assert finding.look is Look.FOUND, finding.note
    return finding


def test_a_fetch_that_never_began_is_absent_and_never_sent_again(pulled):
    pulled.sandbox.fault(service="tiktok", route="video_init", mode="drop_before")
    with pytest.raises(OutcomeUnknown):
        pulled.publish(CLIP)
    finding = pulled.look(CLIP)
    assert (finding.look, finding.resend) == (Look.ABSENT, False)


def test_an_address_that_tiktok_does_not_know_as_ours_is_refused(pulled):
    pulled.url = "https://elsewhere.example.com/clip.mp4"
    with pytest.raises(PlatformError) as caught:
        pulled.publish(CLIP)
    assert caught.value.kind is Kind.CONFIGURATION


# Searching by the content alone, as after a ledger was restored


def search(side, content, **lost):
    since_ms = int((time.time() - 600) * 1000)
    flow = side._side.search(side._job(content), Lost(content, since_ms, **lost))
    finding, _ = run_flow(flow, OverHttp(side.sandbox, side.token, FILES), {})
    return finding


@EVERY_X
def test_each_format_of_x_is_found_by_its_text_alone(x, content):
    known, _ = x.publish(content)
    finding = search(x, content)
    if not content.text:
        assert finding.look is Look.UNCLEAR
        finding = search(x, content, steps=x.kept)  # by the media keys that the backup has
    assert finding.look is Look.FOUND
    assert finding.published == known


@EVERY_X
def test_a_post_on_x_that_was_never_sent_is_absent(x, content):
    assert search(x, content).look is Look.ABSENT


def test_another_posts_text_on_x_is_not_taken_for_this_one(x):
    content = X_CONTENTS["text"]
    known, _ = x.publish(content)
    assert search(x, content, owned=frozenset({known.post_id})).look is Look.ABSENT


def test_a_public_video_of_tiktok_is_found_and_its_absence_proves_nothing(tiktok):
    absent = search(tiktok, CLIP)
    assert (absent.look, absent.resend) == (Look.ABSENT, False)
    known, _ = tiktok.publish(CLIP)
    finding = search(tiktok, CLIP)
    assert finding.look is Look.FOUND
    assert (finding.published.post_id, finding.published.permalink) == (known.post_id, known.permalink)
    assert search(tiktok, CLIP, owned=frozenset({known.post_id})).resend is False


def test_a_private_video_of_tiktok_is_found_only_by_what_was_kept_of_its_upload(tiktok):
    private = Content(Format.VIDEO, "Only me", (VIDEO,), options={"privacy_level": "SELF_ONLY"})
    tiktok.publish(private)
    assert search(tiktok, private).resend is False
    assert search(tiktok, private, steps=tiktok.kept).look is Look.FOUND
