"""TikTok's posts of pictures on canned answers: one request publishes, and its answer is the only handle."""

from __future__ import annotations

from typing import Any

import pytest

from schedulo.errors import Kind, PlatformError, Scope
from schedulo.flow import Look, Lost, Request, Response, Sent
from schedulo.model import Content, Format, Media, MediaKind, State
from schedulo.platforms.tiktok import CONVERSATION
from tests.schedulo.platforms.flows import OutcomeUnknown, answer, names, run_flow
from tests.schedulo.platforms.test_tiktok import OPENED_MS, creator, flow, job, no, ok, requests, state

BASE = "https://media.example.com/"
CUP = Media("a" * 64, MediaKind.IMAGE, "image/jpeg", 1000, 1080, 1350)
POT = Media("b" * 64, MediaKind.IMAGE, "image/webp", 2000, 1080, 1350)
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}
PAIR = Content(Format.IMAGES, "Two #cups", (CUP, POT), options=PUBLIC)
DRAFT = Content(Format.IMAGES_DRAFT, "Two #cups", (CUP, POT), options={"title": "Cups"})
BEGUN = ok(publish_id="p_pub_url~v2.7")
POST_ID = 7_300_000_000_000_000_002
OUT = state("PUBLISH_COMPLETE", publicaly_available_post_id=[POST_ID])


def pictures(content: Content) -> Any:
    return CONVERSATION.publish(_job(content))


def _job(content: Content) -> Any:
    made = job(content)
    return type(made)(made.account, content, lambda media: BASE + media.sha256, made.options)


def body(content: Content) -> dict[str, Any]:
    """What the request says that publishes."""
    answers = [BEGUN, state("SEND_TO_USER_INBOX")] if content is DRAFT else [creator(), BEGUN, OUT]
    _, sent = run_flow(pictures(content), answers)
    return requests(sent)[-2].json


def test_pictures_are_published_by_one_request_at_the_due_instant():
    published, sent = run_flow(pictures(PAIR), [creator(), BEGUN, state("PROCESSING_DOWNLOAD"), OUT])
    assert names(sent) == ["creator", "due", "post", "status", "status"]
    assert requests(sent)[1].path == "/v2/post/publish/content/init/"
    assert requests(sent)[2].json == {"publish_id": "p_pub_url~v2.7"}
    assert published.post_id == str(POST_ID)
    assert published.permalink == f"https://www.tiktok.com/@ours/photo/{POST_ID}"


def test_all_that_people_did_not_allow_is_off():
    assert body(PAIR) == {
        "media_type": "PHOTO",
        "post_mode": "DIRECT_POST",
        "post_info": {
            "description": "Two #cups",
            "privacy_level": "PUBLIC_TO_EVERYONE",
            "disable_comment": True,
            "auto_add_music": False,
            "brand_content_toggle": False,
            "brand_organic_toggle": False,
        },
        "source_info": {
            "source": "PULL_FROM_URL",
            "photo_images": [BASE + "a" * 64, BASE + "b" * 64],
            "photo_cover_index": 0,
        },
    }


def test_what_people_choose_is_said():
    chosen = {
        "title": "Cups",
        "disable_comment": False,
        "disable_duet": False,
        "auto_add_music": True,
        "brand_organic_toggle": True,
        "photo_cover_index": 1,
        "is_aigc": True,
    }
    said = body(Content(Format.IMAGES, "", (CUP, POT), options={**PUBLIC, **chosen}))
    info = said["post_info"]
    assert (info["title"], "description" in info, "disable_duet" in info) == ("Cups", False, False)
    assert (info["disable_comment"], info["auto_add_music"], info["brand_organic_toggle"]) == (
        False,
        True,
        True,
    )
    assert said["source_info"]["photo_cover_index"] == 1
    assert (said["is_aigc"], "is_aigc" in info) == (True, False)


def test_a_draft_takes_the_texts_along_and_leaves_the_rest_to_the_creator():
    published, sent = run_flow(pictures(DRAFT), [BEGUN, state("SEND_TO_USER_INBOX")])
    assert names(sent) == ["due", "post", "status"]
    said = requests(sent)[0].json
    assert (said["post_mode"], said["post_info"]) == (
        "MEDIA_UPLOAD",
        {"title": "Cups", "description": "Two #cups"},
    )
    assert published.state is State.WAITING_IN_APP
    assert "pictures" in published.note


def test_pictures_without_an_address_stop_this_post_alone():
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(PAIR, url=None), [creator()])
    assert (caught.value.kind, caught.value.scope) == (Kind.CONFIGURATION, Scope.DELIVERY)
    assert "SCHEDULO_MEDIA_BASE_URL" in caught.value.message


def test_a_domain_that_tiktok_does_not_know_stops_this_post_alone():
    with pytest.raises(PlatformError) as caught:
        run_flow(pictures(PAIR), [creator(), no(403, "url_ownership_unverified")])
    assert (caught.value.kind, caught.value.scope) == (Kind.CONFIGURATION, Scope.DELIVERY)
    assert caught.value.diagnosis.refusal


@pytest.mark.parametrize("lost", [answer(status=503), answer(b"OK"), no(500, "internal_error")])
def test_a_lost_answer_leaves_the_post_unknown(lost):
    with pytest.raises(OutcomeUnknown):
        run_flow(pictures(PAIR), [creator(), lost])


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("photo_pull_failed", Kind.MEDIA_UNREACHABLE),
        ("picture_size_check_failed", Kind.MEDIA_REJECTED),
        ("file_format_check_failed", Kind.MEDIA_REJECTED),
    ],
)
def test_pictures_that_failed_are_not_public_and_never_will_be(reason, kind):
    with pytest.raises(PlatformError) as caught:
        run_flow(pictures(PAIR), [creator(), BEGUN, state("FAILED", fail_reason=reason)])
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (kind, True)


# Finding again


def listed(**more: Any) -> dict[str, Any]:
    found = {"id": POST_ID, "create_time": OPENED_MS // 1000, "title": "", "video_description": "Two #cups"}
    return {**found, "share_url": f"https://www.tiktok.com/@ours/photo/{POST_ID}", **more}


def look(content: Content, *videos: dict[str, Any], owned: frozenset[str] = frozenset()) -> Any:
    sent = Sent("post", Request("tiktok", "POST", "/"), content, {}, OPENED_MS, owned)
    answers: list[Response] = [] if content is DRAFT else [ok(videos=list(videos))]
    return run_flow(CONVERSATION.reconcile(_job(content), sent), answers)[0]


def test_a_lost_post_that_tiktok_lists_is_found():
    finding = look(PAIR, listed())
    assert finding.look is Look.FOUND
    published, _ = run_flow(pictures(PAIR), [creator()], {"post": finding.value})
    assert published.permalink == f"https://www.tiktok.com/@ours/photo/{POST_ID}"


@pytest.mark.parametrize(
    "shown",
    [
        {"title": "Cups", "video_description": "Two #cups"},
        {"title": "", "video_description": "Cups Two #cups"},
        {"title": "Cups\nTwo #cups", "video_description": ""},
    ],
)
def test_a_post_with_a_headline_is_found_however_tiktok_shows_both(shown):
    content = Content(Format.IMAGES, "Two #cups", (CUP,), options={**PUBLIC, "title": "Cups"})
    assert look(content, listed(**shown)).look is Look.FOUND


@pytest.mark.parametrize("videos", [(), (listed(video_description="Another"),), (listed(create_time=0),)])
def test_a_lost_post_that_is_not_listed_is_never_sent_again(videos):
    finding = look(PAIR, *videos)
    assert (finding.look, finding.resend) == (Look.ABSENT, False)


def test_the_post_of_another_delivery_is_not_taken_for_this_one():
    assert look(PAIR, listed(), owned=frozenset({str(POST_ID)})).look is Look.ABSENT


def test_pictures_without_a_word_are_never_taken_for_found():
    silent = Content(Format.IMAGES, "", (CUP,), options=PUBLIC)
    finding = look(silent, listed(video_description=""))
    assert (finding.look, finding.resend) == (Look.UNCLEAR, False)


def test_a_lost_draft_is_looked_for_nowhere_and_never_sent_again():
    for finding in (
        look(DRAFT),
        run_flow(CONVERSATION.search(_job(DRAFT), Lost(DRAFT, OPENED_MS)), [])[0],
    ):
        assert (finding.look, finding.resend) == (Look.ABSENT, False)
        assert "lists no drafts" in finding.note
