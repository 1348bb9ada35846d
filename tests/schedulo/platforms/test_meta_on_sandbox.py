"""Instagram's and Facebook's conversations against the stand-ins, over HTTP, with what can go wrong there."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from sandbox.core import sha256
from sandbox.running import RunningSandbox
from schedulo.errors import Kind, PlatformError
from schedulo.flow import Auth, Commit, Finding, Job, Look, Lost, Request, Response, Sent, Slice, Step
from schedulo.model import Account, Content, Format, Media, MediaKind, Platform, Published
from schedulo.platforms import CONVERSATIONS, MEASURES, instagram
from schedulo.platforms.after import Out
from tests.sandbox.meta.conftest import jpeg, mp4
from tests.schedulo.platforms.flows import OutcomeUnknown, run_flow

IG, IG_PAGE, PAGE = "17841400000000001", "17841400000000002", "100000000000001"
TOKENS = {IG: "IGAA-anna", IG_PAGE: "EAA-page", PAGE: "EAA-page"}

BY_INSTAGRAM = Account(Platform.INSTAGRAM, IG, "anna", options={"login": "instagram_login"})
BY_FACEBOOK = Account(Platform.INSTAGRAM, IG_PAGE, "cafe", options={"login": "facebook_login"})
ON_PAGE = Account(Platform.FACEBOOK, PAGE, "Cafe")


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """The media by hash: two photos and a reel."""
    return {sha256(data): data for data in (jpeg(540, 540), jpeg(540, 540, shade=10), mp4(3.2))}


def media_of(files: dict[str, bytes]) -> tuple[Media, Media, Media]:
    kinds = (
        (MediaKind.IMAGE, "image/jpeg", 540, 540, 0),
        (MediaKind.IMAGE, "image/jpeg", 540, 540, 0),
        (MediaKind.VIDEO, "video/mp4", 540, 960, 3200),
    )
    one, two, clip = (
        Media(digest, kind, content_type, len(data), width, height, duration)
        for (digest, data), (kind, content_type, width, height, duration) in zip(
            files.items(), kinds, strict=True
        )
    )
    return one, two, clip


@dataclass
class Driver:
    """Sends a flow's requests to the stand-ins, as the real driver does: with tokens, and never twice."""

    sandbox: RunningSandbox
    files: dict[str, bytes]
    job: Job
    kept: dict[str, Any] = field(default_factory=dict)
    lost: Commit | None = None
    """The commit that was sent last."""

    def publish(self) -> Published:
        flow = CONVERSATIONS[self.job.account.platform].publish(self.job)
        result, _ = run_flow(flow, self.answer, self.kept)
        return result

    def look(self) -> Finding:
        assert self.lost is not None
        opened_ms = int(time.time() * 1000)
        sent = Sent("post", self.lost.request, self.job.content, self.kept, opened_ms)
        flow = CONVERSATIONS[self.job.account.platform].reconcile(self.job, sent)
        finding, _ = run_flow(flow, self.answer)
        return finding

    def answer(self, effect: Step | Commit) -> Response:
        if isinstance(effect, Commit):
            self.lost = effect
        return self.send(effect.request)

    def send(self, request: Request) -> Response:
        headers = dict(request.headers)
        if request.auth is not Auth.NONE:
            scheme = "OAuth" if request.auth is Auth.OAUTH else "Bearer"
            headers["Authorization"] = f"{scheme} {TOKENS[self.job.account.account_id]}"
        file = request.file
        files = file and {file.name: (file.filename, self._bytes(file.content), file.content_type)}
        got = requests.request(
            request.method,
            self.sandbox.service(request.service) + request.path,
            params=request.query,
            data=self._bytes(request.raw) if request.raw else request.form,
            files=files,
            headers=headers,
            timeout=20,
        )
        return Response(got.status_code, {k.lower(): v for k, v in got.headers.items()}, got.content)

    def _bytes(self, part: Slice) -> bytes:
        return self.files[part.sha256][part.offset : part.offset + part.length]


CASES = {
    "ig-image": (BY_INSTAGRAM, Format.IMAGE),
    "ig-image-by-page": (BY_FACEBOOK, Format.IMAGE),
    "ig-reel": (BY_INSTAGRAM, Format.REEL),
    "ig-reel-in-bytes": (BY_FACEBOOK, Format.REEL),
    "ig-carousel": (BY_INSTAGRAM, Format.CAROUSEL),
    "ig-carousel-in-bytes": (BY_FACEBOOK, Format.CAROUSEL),
    "ig-story": (BY_INSTAGRAM, Format.STORY),
    "ig-story-by-page": (BY_FACEBOOK, Format.STORY),
    "fb-text": (ON_PAGE, Format.TEXT),
    "fb-text-at-once": (ON_PAGE, Format.TEXT),
    "fb-link": (ON_PAGE, Format.LINK),
    "fb-image": (ON_PAGE, Format.IMAGE),
    "fb-images": (ON_PAGE, Format.IMAGES),
    "fb-video": (ON_PAGE, Format.VIDEO),
    "fb-reel": (ON_PAGE, Format.REEL),
    "fb-photo-story": (ON_PAGE, Format.STORY),
    "fb-video-story": (ON_PAGE, Format.STORY),
}
NO_WORDS = ("fb-photo-story", "fb-video-story")


CHOICES: dict[str, dict[str, Any]] = {
    "ig-image": {"is_ai_generated": True, "user_tags": [{"index": 0, "username": "bob", "x": 0.5, "y": 1}]},
    "ig-reel": {"share_to_feed": False, "user_tags": [{"index": 0, "username": "bob", "x": None, "y": None}]},
    "ig-reel-in-bytes": {"thumb_offset": 1500, "is_ai_generated": True},
    "ig-carousel": {
        "is_ai_generated": True,
        "user_tags": [
            {"index": 0, "username": "bob", "x": 0.5, "y": 0.5},
            {"index": 1, "username": "eve", "x": 0.5, "y": 0.5},
        ],
    },
    "ig-story": {
        "is_ai_generated": True,
        "user_tags": [{"index": 0, "username": "bob", "x": None, "y": None}],
    },
}
"""What else an author may say of a post."""


@pytest.fixture
def driver(request: pytest.FixtureRequest, sandbox: RunningSandbox, files: dict[str, bytes]) -> Driver:
    """A seeded sandbox, and a driver with the post of the case that the test is for."""
    case = request.param
    sandbox.seed(
        {
            "instagram": {
                "accounts": [
                    {"account_id": IG, "username": "anna", "token": TOKENS[IG]},
                    {"account_id": IG_PAGE, "username": "cafe", "flavour": "facebook_login"},
                ]
            },
            "facebook": {
                "pages": [
                    {
                        "page_id": PAGE,
                        "name": "Cafe",
                        "page_token": TOKENS[PAGE],
                        "instagram_account_id": IG_PAGE,
                    }
                ]
            },
            "media": {
                "files": [
                    {
                        "path": digest,
                        "content_type": "video/mp4" if b"ftyp" in data[:16] else "image/jpeg",
                        "base64": base64.b64encode(data).decode(),
                    }
                    for digest, data in files.items()
                ]
            },
        }
    )
    sandbox.switch(fb_chunk_bytes="2000")
    account, kind = CASES[case]
    one, two, clip = media_of(files)
    content = Content(
        kind,
        "" if case in NO_WORDS else "Hello @anna,  good morning",
        {
            Format.IMAGE: (one,),
            Format.IMAGES: (one, two),
            Format.VIDEO: (clip,),
            Format.REEL: (clip,),
            Format.CAROUSEL: (one, clip, two),
            Format.STORY: (one if case in ("ig-story", "fb-photo-story") else clip,),
        }.get(kind, ()),
        link="https://example.org/a" if kind is Format.LINK else None,
        options=CHOICES.get(case, {}),
        cover=one if case == "ig-reel" else None,
    )
    options = {"meta_version": "v25.0", "facebook_two_phase": case != "fb-text-at-once"}
    if case in ("ig-reel-in-bytes", "ig-carousel-in-bytes", "ig-story-by-page"):
        options["ig_upload"] = "resumable"
    found = CONVERSATIONS[account.platform].check(account, content, public_media=True)
    assert [problem.sentence() for problem in found if not problem.warning] == []
    return Driver(
        sandbox,
        files,
        Job(account, content, lambda media: f"{sandbox.service('media')}/{media.sha256}", options),
    )


def of(*cases: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("driver", cases or tuple(CASES), indirect=True)


def break_commit(driver: Driver, mode: str, **more: Any) -> None:
    """Order a fault for the next request that publishes."""
    route = "media_publish"
    if driver.job.account is ON_PAGE:
        kind = driver.job.content.format
        route = {Format.VIDEO: "videos:finish", Format.REEL: "video_reels:finish"}.get(kind, "feed")
        if kind is Format.STORY:
            (media,) = driver.job.content.media
            route = "video_stories:finish" if media.kind is MediaKind.VIDEO else "photo_stories"
        if kind in (Format.TEXT, Format.LINK) and driver.job.options["facebook_two_phase"]:
            route = "post"
    driver.sandbox.fault(service="*", method="POST", route=route, mode=mode, **more)


def assert_out_once(driver: Driver) -> None:
    content = driver.job.content
    (post,) = driver.sandbox.posts()
    assert post["account_id"] == driver.job.account.account_id
    assert post["text"] == ("" if content.format is Format.STORY else content.text)
    assert post["media"] == [media.sha256 for media in content.media]


@of()
def test_each_format_goes_out_once_with_its_link(driver: Driver) -> None:
    result = driver.publish()
    assert_out_once(driver)
    assert result.post_id
    assert result.permalink.startswith("https://")
    assert result.note == ""


@of("ig-image", "ig-reel-in-bytes", "ig-carousel", "ig-story", "fb-text", "fb-images", "fb-video", "fb-reel")
def test_the_numbers_of_what_was_published_can_be_read(driver: Driver) -> None:
    published = driver.publish()
    assert published.post_id
    driver.sandbox.advance(12 * 3600)
    made = {"post": driver.kept["post"]}
    post = Out("d1", published.post_id, driver.job.content, int(time.time() * 1000), made)
    measure = MEASURES[driver.job.account.platform]
    told, _ = run_flow(measure.posts(driver.job, [post], int(time.time() * 1000), {}), driver.answer)
    numbers = {reading.metric: reading.value for reading in told.posts["d1"]}
    assert numbers["views"] > numbers["shares"] >= 0


@of("ig-reel")
def test_a_cover_is_what_stands_for_the_reel(driver: Driver) -> None:
    published = driver.publish()
    request = Request("instagram", "GET", f"/v25.0/{published.post_id}", query=(("fields", "thumbnail_url"),))
    assert driver.job.content.cover is not None
    assert driver.job.content.cover.sha256 in driver.send(request).json()["thumbnail_url"]


@of("ig-carousel")
def test_a_carousel_that_instagram_drops_an_item_of_says_so(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instagram, "CHILDREN_S", 1.0)
    break_commit(driver, "drop_child")
    published = driver.publish()
    assert published.lacks == "Instagram shows 2 of 3 files of this carousel"
    assert published.permalink


@of()
def test_each_format_is_found_when_the_answer_of_its_commit_was_lost(driver: Driver) -> None:
    break_commit(driver, "drop_after")
    with pytest.raises(requests.ConnectionError):
        driver.publish()
    finding = settled(driver)
    assert finding.look is Look.FOUND
    driver.kept["post"] = finding.value
    assert driver.publish().post_id
    assert_out_once(driver)


def settled(driver: Driver) -> Finding:
    """Look until the platform has stopped working on it."""
    for _ in range(5):
        finding = driver.look()
        if finding.look is not Look.UNCLEAR:
            return finding
    raise AssertionError(finding)


@of()
def test_each_format_is_sent_once_more_when_its_commit_was_lost_on_the_way(driver: Driver) -> None:
    break_commit(driver, "status:500")
    with pytest.raises(OutcomeUnknown):
        driver.publish()
    finding = driver.look()
    photos = any(media.kind is MediaKind.IMAGE for media in driver.job.content.media)
    handle = driver.job.options["facebook_two_phase"] and not photos
    without_handle = driver.job.account is ON_PAGE and not handle
    assert finding.look is (Look.ABSENT if without_handle else Look.UNUSED)
    assert finding.resend
    assert driver.publish().post_id
    assert_out_once(driver)


@of("ig-image", "fb-text", "fb-images", "fb-reel")
@pytest.mark.parametrize("code", ["500/2", "400/1", "403/10", "403/4/2207051", "400/-1/2207001"])
def test_every_error_seen_with_a_live_post_leads_to_the_post(driver: Driver, code: str) -> None:
    break_commit(driver, f"error_after:{code}")
    with pytest.raises(OutcomeUnknown):
        driver.publish()
    assert settled(driver).look is Look.FOUND


@of()
def test_an_unreadable_success_is_a_success(driver: Driver) -> None:
    break_commit(driver, "garbage_2xx")
    result = driver.publish()
    assert_out_once(driver)
    at_once = driver.job.account is ON_PAGE and not driver.job.options["facebook_two_phase"]
    assert bool(result.post_id) is not at_once


@of("ig-image", "ig-image-by-page", "fb-text", "fb-images", "fb-video", "fb-reel")
def test_a_rate_limit_at_the_commit_says_how_long_to_wait(driver: Driver) -> None:
    break_commit(driver, "rate_limit")
    with pytest.raises(PlatformError) as caught:
        driver.publish()
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.RATE_LIMITED, True)
    assert caught.value.wait_s == 300
    assert driver.sandbox.posts() == []


@of("ig-image", "fb-text", "fb-reel")
def test_a_dead_token_is_told_and_nothing_is_repeated(driver: Driver) -> None:
    break_commit(driver, "expire_token")
    with pytest.raises(PlatformError) as caught:
        driver.publish()
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.TOKEN_EXPIRED, True)


@of("ig-image", "ig-reel", "fb-text-at-once")
def test_a_mangled_text_is_still_recognised(driver: Driver) -> None:
    break_commit(driver, "error_after:500")
    with pytest.raises(OutcomeUnknown):
        driver.publish()
    driver.sandbox.fault(service="*", mode="mangle_text", times=-1)
    finding = driver.look()
    assert finding.look is Look.FOUND
    assert finding.value


@of("ig-image-by-page")
def test_reads_that_fail_do_not_keep_a_post_from_going_out(driver: Driver) -> None:
    driver.sandbox.switch(ig_processing_polls="0")
    driver.sandbox.fault(service="facebook", mode="unreadable:page", times=-1)
    result = driver.publish()
    assert_out_once(driver)
    assert result.post_id
    assert result.permalink is None


@of("ig-image-by-page")
def test_what_is_published_unseen_and_too_early_is_refused_without_harm(driver: Driver) -> None:
    driver.sandbox.switch(ig_processing_seconds="60")
    driver.sandbox.fault(service="facebook", mode="unreadable:page", times=-1)
    with pytest.raises(PlatformError) as caught:
        driver.publish()
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.STILL_PROCESSING, True)
    driver.sandbox.advance(61)
    assert driver.publish().post_id
    assert_out_once(driver)


@of("ig-image-by-page", "fb-text", "fb-images", "fb-reel")
def test_reads_that_fail_prove_nothing(driver: Driver) -> None:
    break_commit(driver, "status:500")
    with pytest.raises(OutcomeUnknown):
        driver.publish()
    driver.sandbox.fault(service="facebook", mode="unreadable:page", times=-1)
    assert driver.look().look is Look.UNCLEAR


@of("ig-image")
def test_a_second_publish_of_a_used_container_is_not_taken_for_a_refusal(driver: Driver) -> None:
    driver.publish()
    del driver.kept["post"]
    with pytest.raises(OutcomeUnknown):
        driver.publish()
    assert driver.look().look is Look.FOUND
    assert_out_once(driver)


@of("ig-image", "ig-reel")
def test_a_caption_that_this_login_may_not_read_does_not_hide_a_published_container(driver: Driver) -> None:
    driver.sandbox.switch(ig_login_caption="absent")
    break_commit(driver, "drop_after")
    with pytest.raises(requests.ConnectionError):
        driver.publish()
    finding = driver.look()
    assert (finding.look, bool(finding.value)) == (Look.FOUND, True)


@of("ig-reel", "ig-reel-in-bytes")
def test_a_reel_that_instagram_cannot_process_is_told_before_the_commit(driver: Driver) -> None:
    driver.sandbox.fault(service="*", route="media", mode="processing_fails:2207026")
    if driver.job.account is BY_FACEBOOK:
        driver.job.options["ig_upload"] = "url"  # the stand-in forgives a container whose bytes are good
    with pytest.raises(PlatformError) as caught:
        driver.publish()
    assert caught.value.kind is Kind.MEDIA_REJECTED
    assert driver.lost is None


@of("fb-video", "fb-reel", "fb-video-story")
@pytest.mark.parametrize("spelling", ["error", "errors"])
def test_a_video_that_facebook_cannot_process_fails_after_its_finish(driver: Driver, spelling: str) -> None:
    driver.sandbox.switch(fb_error_spelling=spelling)
    break_commit(driver, "processing_fails")
    with pytest.raises(PlatformError) as caught:
        driver.publish()
    assert caught.value.kind is Kind.MEDIA_REJECTED
    assert settled(driver).look is Look.DEAD
    assert driver.sandbox.posts() == []


@of("fb-video", "fb-reel", "fb-video-story")
def test_a_status_that_cannot_be_read_does_not_take_an_accepted_video_back(driver: Driver) -> None:
    driver.sandbox.fault(service="facebook", mode="unreadable:page", times=1)
    with pytest.raises(PlatformError) as caught:
        driver.publish()
    assert not caught.value.diagnosis.refusal
    assert driver.publish().post_id
    assert_out_once(driver)


@of("fb-video", "fb-reel", "fb-video-story")
def test_both_spellings_of_complete_are_understood(driver: Driver) -> None:
    driver.sandbox.switch(fb_status_spelling="completed", fb_bytes_spelling="bytes_transferred")
    assert driver.publish().post_id
    assert_out_once(driver)


@of("fb-link")
def test_a_draft_that_leaks_ends_the_flow_with_a_note(driver: Driver) -> None:
    driver.sandbox.switch(fb_drafts="leak")
    result = driver.publish()
    assert_out_once(driver)
    assert driver.lost is None
    assert result.note


@of("fb-video")
def test_an_upload_whose_answer_was_lost_goes_on_where_facebook_is(driver: Driver) -> None:
    driver.sandbox.fault(
        service="facebook", method="POST", route="videos:transfer", mode="drop_after", after=1
    )
    with pytest.raises(requests.ConnectionError):
        driver.publish()
    assert driver.publish().post_id
    assert_out_once(driver)


@of("ig-reel-in-bytes", "fb-reel")
def test_an_upload_whose_answer_was_lost_asks_for_a_new_handle(driver: Driver) -> None:
    driver.sandbox.fault(service="rupload", mode="drop_after")
    with pytest.raises(requests.ConnectionError):
        driver.publish()
    with pytest.raises(PlatformError) as caught:
        driver.publish()
    assert caught.value.kind is Kind.HANDLE_EXPIRED
    driver.kept.clear()
    assert driver.publish().post_id
    assert_out_once(driver)


def search(driver: Driver, **lost: Any) -> Finding:
    """Look by the content alone, as after a ledger was restored."""
    since_ms = int((time.time() - 600) * 1000)
    flow = CONVERSATIONS[driver.job.account.platform].search(
        driver.job, Lost(driver.job.content, since_ms, **lost)
    )
    finding, _ = run_flow(flow, driver.answer)
    return finding


IG_STORIES = ("ig-story", "ig-story-by-page")


@of(*(case for case in CASES if case not in (*NO_WORDS, *IG_STORIES)))
def test_each_format_is_found_by_its_content_alone(driver: Driver) -> None:
    known = driver.publish()
    finding = search(driver)
    (post,) = driver.sandbox.posts()
    assert finding.look is Look.FOUND, finding.note
    assert finding.published is not None
    assert finding.published.post_id == known.post_id
    assert finding.published.permalink is not None
    assert finding.published.published_ms is not None
    assert abs(finding.published.published_ms - post["received_at"] * 1000) < 2000


@of(*IG_STORIES)
def test_a_story_is_found_by_its_container_and_by_nothing_else(driver: Driver) -> None:
    known = driver.publish()
    assert search(driver).look is Look.UNCLEAR
    finding = search(driver, steps=driver.kept)
    assert (finding.look, finding.value) == (Look.FOUND, known.post_id)


@of(*NO_WORDS)
def test_a_lost_story_is_found_by_its_handle_and_else_left_to_a_person(driver: Driver) -> None:
    known = driver.publish()
    finding = search(driver, steps=driver.kept)
    assert finding.published is not None
    assert (finding.look, finding.published.post_id) == (Look.FOUND, known.post_id)
    assert finding.published.permalink == known.permalink
    nameless = search(driver)
    assert (nameless.look, nameless.resend) == (Look.UNCLEAR, False)


@of(*NO_WORDS)
def test_a_story_is_made_of_a_medium_once_whatever_is_sent(driver: Driver) -> None:
    driver.publish()
    del driver.kept["post"]
    with pytest.raises(PlatformError) as caught:
        driver.publish()
    assert caught.value.kind is Kind.DUPLICATE
    assert driver.look().look is Look.FOUND
    assert_out_once(driver)


@of()
def test_what_was_never_sent_is_absent_and_what_may_be_unlisted_is_left_to_a_person(driver: Driver) -> None:
    """A Page's video may be in the works without being listed, and yesterday's stories are not."""
    finding = search(driver)
    on_page = driver.job.account is ON_PAGE
    video = on_page and driver.job.content.format in (Format.VIDEO, Format.REEL)
    unlisted = video or driver.job.content.format is Format.STORY
    assert (finding.look, finding.resend) == (Look.ABSENT, not unlisted)


@of()
def test_a_post_that_is_known_to_be_anothers_is_not_taken_for_this_one(driver: Driver) -> None:
    known = driver.publish()
    assert known.post_id is not None
    assert search(driver, owned=frozenset({known.post_id})).look is Look.ABSENT
