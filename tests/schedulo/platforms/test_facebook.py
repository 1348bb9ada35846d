"""Facebook's conversation on canned answers: posts, photos, videos, reels, stories, looking, checking."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from schedulo.errors import Kind, PlatformError
from schedulo.flow import Auth, Commit, Due, Finding, Job, Look, Lost, Response, Sent, Step
from schedulo.model import Account, Content, Facts, Format, Media, MediaKind, Platform, Published
from schedulo.platforms.facebook import CONVERSATION
from tests.schedulo.platforms.flows import OutcomeUnknown, answer, names, run_flow

POST, VIDEO = "555_777", "888"
SENT_S = 1_795_255_600  # 2026-11-21T10:06:40Z
PAGE = Account(Platform.FACEBOOK, "555", "Anna's")
PHOTO = Media(
    "a" * 64, MediaKind.IMAGE, "image/png", 900_000, 1080, 1080, alt_text="A cat", filename="cat.png"
)
CLIP = Media("b" * 64, MediaKind.VIDEO, "video/mp4", 5_000_000, 1080, 1920, 12_000)

TEXT = Content(Format.TEXT, "Hello @anna")
LINK = Content(Format.LINK, "Look", link="https://example.org/a")
IMAGES = Content(Format.IMAGES, "Two cats", (PHOTO, replace(PHOTO, sha256="c" * 64, alt_text="")))
FILM = Content(Format.VIDEO, "A film", (CLIP,), options={"title": "Film"})
REEL = Content(Format.REEL, "A reel", (CLIP,))
STORY = Content(Format.STORY, media=(PHOTO,))
MOVING_STORY = Content(Format.STORY, media=(CLIP,))

DRAFT = answer({"id": POST})
HIDDEN = answer({"error": {"code": 100, "error_subcode": 33, "message": "cannot be read"}}, 400)
GARBAGE = answer(b"<html>OK</html>")
OK = answer({"success": True})
PERMALINK = answer({"permalink_url": "https://fb/555/777", "id": POST})
CREATED = answer({"id": POST, "permalink_url": "https://fb/555/777"})


def job(content: Content, *, two_phase: bool = True) -> Job:
    options = {"meta_version": "v25.0", "facebook_two_phase": two_phase}
    return Job(PAGE, content, lambda media: None, options)


def refusal(code: int, subcode: int | None = None, status: int = 400, **more: Any) -> Response:
    return answer({"error": {"code": code, "error_subcode": subcode, "message": "no", **more}}, status)


def form(effect: Any) -> dict[str, str]:
    return dict(effect.request.form)


def public(is_public: bool) -> Response:
    return answer({"is_published": is_public, "id": POST})


def publish(content: Content, *answers: Response, two_phase: bool = True) -> tuple[Published, list[Any]]:
    return run_flow(CONVERSATION.publish(job(content, two_phase=two_phase)), list(answers))


def listing(*items: dict[str, Any], more: bool = False) -> Response:
    paging = {"next": "https://graph.facebook.com/v25.0/555/published_posts?after=z"} if more else {}
    return answer({"data": list(items), "paging": paging})


# Text and links.


@pytest.mark.parametrize(
    ("content", "words"),
    [(TEXT, {"message": "Hello @anna"}), (LINK, {"message": "Look", "link": "https://example.org/a"})],
)
def test_words_are_drafted_and_switched_to_public(content: Content, words: dict[str, str]) -> None:
    result, sent = publish(content, DRAFT, public(False), OK, PERMALINK)
    assert names(sent) == ["draft", "draft-check", "due", "post", "permalink"]
    assert form(sent[0]) == {**words, "published": "false"}
    assert sent[0].keep_s == 23 * 3600
    assert (sent[3].request.path, form(sent[3])) == (f"/v25.0/{POST}", {"is_published": "true"})
    assert result == Published(post_id=POST, permalink="https://fb/555/777")


def test_a_draft_that_went_public_at_once_is_not_committed() -> None:
    result, sent = publish(LINK, DRAFT, public(True), PERMALINK)
    assert not [effect for effect in sent if isinstance(effect, Commit | Due)]
    assert result.post_id == POST
    assert "before its time" in result.note


def test_a_draft_that_cannot_be_read_is_switched_all_the_same() -> None:
    result, _ = publish(TEXT, DRAFT, HIDDEN, OK, PERMALINK)
    assert result.post_id == POST


def test_a_switch_with_an_unreadable_answer_was_made() -> None:
    result, _ = publish(TEXT, DRAFT, public(False), GARBAGE, PERMALINK)
    assert result.post_id == POST


def test_a_missing_permalink_does_not_take_a_live_post_back() -> None:
    result, _ = publish(TEXT, DRAFT, public(False), OK, refusal(2, None, 500))
    assert result.permalink == f"https://www.facebook.com/{POST}"


def test_one_phase_posts_in_one_request() -> None:
    result, sent = publish(LINK, CREATED, two_phase=False)
    assert names(sent) == ["due", "post"]
    assert form(sent[1]) == {
        "message": "Look",
        "link": "https://example.org/a",
        "fields": "id,permalink_url",
    }
    assert result == Published(post_id=POST, permalink="https://fb/555/777")


def test_a_one_phase_post_without_an_id_stays_published() -> None:
    result, _ = publish(TEXT, GARBAGE, two_phase=False)
    assert (result.post_id, result.state) == (None, "published")
    assert result.note


@pytest.mark.parametrize("said", [refusal(1, None, 500), refusal(2, None, 500), refusal(10, None, 403), OK])
def test_a_commit_without_a_clear_answer_is_unknown(said: Response) -> None:
    said = answer({"success": False}) if said is OK else said
    with pytest.raises(OutcomeUnknown):
        publish(TEXT, DRAFT, public(False), said)


def test_a_repeated_text_is_refused_as_a_duplicate() -> None:
    with pytest.raises(PlatformError) as caught:
        publish(TEXT, refusal(506), two_phase=False)
    assert caught.value.kind is Kind.DUPLICATE


# Photos.


def test_photos_are_uploaded_hidden_and_attached_to_one_post() -> None:
    result, sent = publish(IMAGES, answer({"id": "1"}), answer({"id": "2"}), CREATED)
    assert names(sent) == ["photo-0", "photo-1", "due", "post"]
    first = sent[0].request
    assert (first.path, form(sent[0])) == (
        "/v25.0/555/photos",
        {"published": "false", "alt_text_custom": "A cat"},
    )
    assert (first.file.name, first.file.filename, first.file.content_type) == (
        "source",
        "cat.png",
        "image/png",
    )
    assert (first.file.content.offset, first.file.content.length) == (0, 900_000)
    assert form(sent[1]) == {"published": "false"}
    assert form(sent[3]) == {
        "message": "Two cats",
        "attached_media": '[{"media_fbid":"1"},{"media_fbid":"2"}]',
        "fields": "id,permalink_url",
    }
    assert result == Published(post_id=POST, permalink="https://fb/555/777")


def test_a_second_run_uploads_only_the_photo_that_is_missing() -> None:
    kept = {"photo-0": "1"}
    _, sent = run_flow(CONVERSATION.publish(job(IMAGES)), [answer({"id": "2"}), CREATED], kept)
    assert names(sent) == ["photo-1", "due", "post"]


def test_an_accepted_photo_post_without_an_id_is_found_by_its_photos() -> None:
    result, _ = publish(IMAGES, answer({"id": "1"}), answer({"id": "2"}), GARBAGE, listing(photo_post("2")))
    assert result.post_id == POST


@pytest.mark.parametrize("listed", [answer({"data": []}), HIDDEN])
def test_an_accepted_photo_post_that_is_not_listed_stays_published(listed: Response) -> None:
    result, _ = publish(IMAGES, answer({"id": "1"}), answer({"id": "2"}), GARBAGE, listed)
    assert (result.post_id, result.state) == (None, "published")


# Videos.


def start(begin: int, end: int) -> Response:
    return answer({"upload_session_id": "s1", "video_id": VIDEO, **offsets(begin, end)})


def offsets(begin: int, end: int) -> dict[str, str]:
    return {"start_offset": str(begin), "end_offset": str(end)}


def video(publishing: str = "complete", publish_status: str = "published", **more: Any) -> Response:
    status = {
        "video_status": "ready",
        "uploading_phase": {"status": "complete"},
        "processing_phase": {"status": "complete"},
        "publishing_phase": {"status": publishing, "publish_status": publish_status},
    }
    return answer(
        {"status": status, "permalink_url": "/555/videos/888/", "post_id": "777", "id": VIDEO, **more}
    )


def with_status(**status: Any) -> Response:
    return answer({"status": status, "id": VIDEO})


FAILED = with_status(video_status="error", processing_phase={"status": "error", "error": {"message": "bad"}})
PROCESSING = with_status(
    video_status="processing",
    processing_phase={"status": "in_progress"},
    publishing_phase={"status": "not_started", "publish_status": "published"},
)
UPLOADED = with_status(video_status="upload_complete", publishing_phase={"status": "not_started"})


def test_a_video_is_sent_in_the_chunks_that_facebook_asks_for() -> None:
    chunks = [answer(offsets(2_000_000, 5_000_000)), answer(offsets(5_000_000, 5_000_000))]
    result, sent = publish(FILM, start(0, 2_000_000), *chunks, OK, PROCESSING, video())
    assert names(sent) == ["start", "upload-s1-0", "upload-s1-1", "due", "post", "status", "status"]
    assert form(sent[0]) == {"upload_phase": "start", "file_size": "5000000"}
    assert form(sent[2]) == {"upload_phase": "transfer", "upload_session_id": "s1", "start_offset": "2000000"}
    part = sent[2].request.file
    assert (part.name, part.content.offset, part.content.length) == ("video_file_chunk", 2_000_000, 3_000_000)
    assert form(sent[4]) == {
        "upload_phase": "finish",
        "upload_session_id": "s1",
        "title": "Film",
        "description": "A film",
    }
    assert not sent[4].live
    assert result == Published(post_id="777", permalink="https://www.facebook.com/555/videos/888/")


def test_an_upload_goes_on_where_facebook_says_that_it_is() -> None:
    wrong = refusal(6001, 1363037, error_data=offsets(4_000_000, 5_000_000))
    answers = [start(0, 2_000_000), wrong, answer(offsets(5_000_000, 5_000_000)), OK, video()]
    _, sent = publish(FILM, *answers)
    assert sent[2].request.file.content.offset == 4_000_000


def test_an_upload_that_is_corrected_for_ever_gives_up() -> None:
    wrong = refusal(6001, 1363037, error_data=offsets(0, 2_000_000))
    with pytest.raises(PlatformError) as caught:
        run_flow(
            CONVERSATION.publish(job(FILM)),
            lambda effect: start(0, 2_000_000) if effect.name == "start" else wrong,
        )
    assert caught.value.kind is Kind.HANDLE_EXPIRED


def test_a_second_run_sends_only_the_chunks_that_are_missing() -> None:
    kept: dict[str, Any] = {}
    with pytest.raises(PlatformError):
        run_flow(
            CONVERSATION.publish(job(FILM)),
            [start(0, 2_000_000), answer(offsets(2_000_000, 5_000_000)), refusal(2, None, 500)],
            kept,
        )
    answers = [answer(offsets(5_000_000, 5_000_000)), OK, video()]
    _, sent = run_flow(CONVERSATION.publish(job(FILM)), answers, kept)
    assert names(sent) == ["upload-s1-1", "due", "post", "status"]


@pytest.mark.parametrize(
    "shown",
    [
        video("complete"),
        video("completed"),
        video("complete", ""),
        answer({"status": {"video_status": "ready"}, "published": True, "id": VIDEO}),
    ],
)
def test_every_spelling_of_public_is_understood(shown: Response) -> None:
    result, _ = publish(REEL, answer({"video_id": VIDEO}), OK, OK, shown)
    assert result.state == "published"


@pytest.mark.parametrize(
    "waiting",
    [PROCESSING, UPLOADED, video("in_progress"), video("not_started"), video("complete", "draft")],
)
def test_what_is_not_public_yet_is_asked_again(waiting: Response) -> None:
    _, sent = publish(REEL, answer({"video_id": VIDEO}), OK, OK, waiting, video())
    assert names(sent).count("status") == 2


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        (FAILED, Kind.MEDIA_REJECTED),
        (with_status(video_status="upload_failed"), Kind.MEDIA_REJECTED),
        (
            with_status(publishing_phase={"status": "error", "errors": [{"code": 1363128}]}),
            Kind.MEDIA_REJECTED,
        ),
        (video("error", "error"), Kind.MEDIA_REJECTED),
    ],
)
def test_a_video_that_failed_after_its_finish_fails_the_post(shown: Response, kind: Kind) -> None:
    with pytest.raises(PlatformError) as caught:
        publish(FILM, start(0, 0), OK, shown)
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (kind, True)


def test_a_videos_cover_travels_with_its_finish() -> None:
    _, sent = publish(replace(FILM, cover=PHOTO), start(0, 0), OK, video())
    (finish,) = [effect for effect in sent if isinstance(effect, Commit)]
    part = finish.request.file
    assert (part.name, part.content.sha256, part.content_type) == ("thumb", PHOTO.sha256, "image/png")
    assert form(finish)["title"] == "Film"
    assert finish.request.timeout_s == 60


# Reels.


def test_a_reel_is_uploaded_ahead_and_finished_at_the_due_second() -> None:
    started = answer({"video_id": VIDEO, "upload_url": "https://rupload.facebook.com/video-upload/v25.0/888"})
    shown = video(permalink_url="/reel/888/", post_id=None)
    result, sent = publish(REEL, started, OK, OK, shown)
    assert names(sent) == ["start", f"upload-{VIDEO}", "due", "post", "status"]
    upload = sent[1].request
    assert (upload.service, upload.path, upload.auth) == ("rupload", "/video-upload/v25.0/888", Auth.OAUTH)
    assert dict(upload.headers) == {"offset": "0", "file_size": "5000000"}
    assert form(sent[3]) == {
        "upload_phase": "finish",
        "video_id": VIDEO,
        "video_state": "PUBLISHED",
        "description": "A reel",
    }
    assert not sent[3].live
    assert result == Published(post_id=VIDEO, permalink="https://www.facebook.com/reel/888/")


def test_an_accepted_finish_with_an_unreadable_answer_is_followed_by_its_status() -> None:
    result, _ = publish(REEL, answer({"video_id": VIDEO}), OK, GARBAGE, video())
    assert result.state == "published"


# Stories.


MADE = answer({"success": True, "post_id": "333"})


_STORY = {"post_id": "333", "creation_time": str(SENT_S + 1), "url": "/stories/3"}


def stories(*media: str, **more: Any) -> Response:
    return listing(*({**_STORY, "media_id": name, **more} for name in media))


SHOWN = Published(post_id="333", permalink="https://www.facebook.com/stories/3")


def test_a_photo_becomes_a_story_without_words() -> None:
    wordy = replace(STORY, text="Hello", first_comment="me first")
    result, sent = publish(wordy, answer({"id": "1"}), MADE, stories("9", "1"))
    assert names(sent) == ["photo-0", "due", "post", "story-0"]
    assert (sent[0].request.path, form(sent[0])["published"]) == ("/v25.0/555/photos", "false")
    assert (sent[2].request.path, form(sent[2])) == ("/v25.0/555/photo_stories", {"photo_id": "1"})
    assert sent[2].live
    assert result == SHOWN


def test_a_video_story_is_uploaded_ahead_and_waits_for_processing() -> None:
    ready = with_status(video_status="ready", processing_phase={"status": "complete"})
    answers = [answer({"video_id": VIDEO}), OK, MADE, PROCESSING, ready, stories(VIDEO)]
    result, sent = publish(MOVING_STORY, *answers)
    expected = ["start", f"upload-{VIDEO}", "due", "post", "status", "status", "story-0"]
    assert names(sent) == expected
    assert sent[0].request.path == "/v25.0/555/video_stories"
    assert form(sent[3]) == {"upload_phase": "finish", "video_id": VIDEO}
    assert not sent[3].live
    assert result == SHOWN


@pytest.mark.parametrize("listed", [stories("9"), HIDDEN, answer({"data": [{"media_id": "1"}]})])
def test_a_list_that_does_not_show_the_story_takes_nothing_back(listed: Response) -> None:
    result, _ = publish(STORY, answer({"id": "1"}), MADE, listed)
    assert result == Published(post_id="333")
    result, _ = publish(STORY, answer({"id": "1"}), GARBAGE, listed)
    assert (result.post_id, result.state) == (None, "published")
    assert result.note


def test_an_accepted_story_without_an_id_is_found_by_its_medium() -> None:
    result, _ = publish(STORY, answer({"id": "1"}), GARBAGE, stories("1"))
    assert result == SHOWN


def test_a_video_story_that_failed_after_its_finish_fails_the_post() -> None:
    with pytest.raises(PlatformError) as caught:
        publish(MOVING_STORY, answer({"video_id": VIDEO}), OK, MADE, FAILED)
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.MEDIA_REJECTED, True)


def test_a_photo_that_was_in_a_story_before_means_that_it_is_probably_out() -> None:
    with pytest.raises(PlatformError) as caught:
        publish(STORY, answer({"id": "1"}), refusal(100, 1366051))
    assert caught.value.kind is Kind.DUPLICATE


# Looking what became of a write.


def photo_post(photo: str) -> dict[str, Any]:
    photos = {"data": [{"target": {"id": "0"}}, {"target": {"id": photo}}]}
    return {
        "id": POST,
        "attachments": {"data": [{"subattachments": photos}]},
        "permalink_url": "https://fb/p",
    }


def words(text: str = "Hello  anna", at: str = "2026-11-21T10:06:41+0000", **more: Any) -> dict[str, Any]:
    return {"id": POST, "message": text, "created_time": at, **more}


def look(content: Content, *answers: Response, two_phase: bool = True) -> Finding:
    """What is found for a write that was sent with the real flow's own request."""
    kept: dict[str, Any] = {}
    arming = {
        Format.TEXT: [DRAFT, public(False)] if two_phase else [],
        Format.LINK: [DRAFT, public(False)] if two_phase else [],
        Format.IMAGES: [answer({"id": "1"}), answer({"id": "2"})],
        Format.VIDEO: [start(0, 0)],
        Format.REEL: [answer({"video_id": VIDEO}), OK],
        Format.STORY: [answer({"id": "1"})] if content is STORY else [answer({"video_id": VIDEO}), OK],
    }[content.format]
    lost: list[Commit] = []

    def lose(effect: Step | Commit) -> Response:
        if isinstance(effect, Commit):
            lost.append(effect)
            return refusal(2, None, 500)
        return arming.pop(0)

    asked = job(content, two_phase=two_phase)
    with pytest.raises(OutcomeUnknown):
        run_flow(CONVERSATION.publish(asked), lose, kept)
    sent = Sent("post", lost[0].request, content, kept, SENT_S * 1000)
    finding, effects = run_flow(CONVERSATION.reconcile(asked, sent), list(answers))
    assert all(isinstance(effect, Step) and effect.keep_s == 0 for effect in effects)
    return finding


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (public(True), Look.FOUND),
        (public(False), Look.UNUSED),
        (HIDDEN, Look.UNCLEAR),
        (answer({"id": POST}), Look.UNCLEAR),
    ],
)
def test_a_draft_tells_whether_it_was_switched(said: Response, found: Look) -> None:
    assert look(TEXT, said).look is found


def test_photos_are_found_in_the_attachments_of_a_later_page() -> None:
    finding = look(IMAGES, listing(words(), more=True), listing(photo_post("2")))
    assert finding == Finding(
        Look.FOUND, {"id": POST, "permalink_url": "https://fb/p"}, "a public post has these photos"
    )


def test_photos_on_no_page_are_absent() -> None:
    finding = look(IMAGES, listing(photo_post("9"), more=True), listing())
    assert (finding.look, finding.resend) == (Look.ABSENT, True)


@pytest.mark.parametrize("content", [FILM, REEL])
@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (video(), Look.FOUND),
        (UPLOADED, Look.UNUSED),
        (PROCESSING, Look.UNCLEAR),
        (FAILED, Look.DEAD),
        (with_status(video_status="expired"), Look.DEAD),
        (HIDDEN, Look.UNCLEAR),
    ],
)
def test_a_videos_status_tells_what_became_of_its_finish(
    content: Content, shown: Response, found: Look
) -> None:
    assert look(content, shown).look is found


def test_one_phase_words_are_found_by_text_and_time() -> None:
    old = words(at="2026-11-21T10:05:39+0000", id="old")
    finding = look(TEXT, listing(words("Other"), old, more=True), listing(words()), two_phase=False)
    assert (finding.look, finding.value["id"]) == (Look.FOUND, POST)


@pytest.mark.parametrize(
    ("items", "found"),
    [
        ([], Look.ABSENT),
        ([words("Other")], Look.ABSENT),
        ([words(at="2026-11-21T10:05:39+0000")], Look.ABSENT),
        ([words(), words()], Look.UNCLEAR),
    ],
)
def test_one_phase_words_need_one_match(items: list[dict[str, Any]], found: Look) -> None:
    assert look(TEXT, listing(*items), two_phase=False).look is found


def test_a_link_without_words_is_found_by_its_address() -> None:
    bare = replace(LINK, text="")
    other = words("", attachments={"data": [{"unshimmed_url": "https://example.org/b"}]})
    ours = words("", attachments={"data": [{"unshimmed_url": "https://example.org/a"}]})
    assert look(bare, listing(other), two_phase=False).look is Look.ABSENT
    assert look(bare, listing(other, ours), two_phase=False).look is Look.FOUND


@pytest.mark.parametrize("content", [IMAGES, TEXT])
def test_a_list_that_cannot_be_read_proves_nothing(content: Content) -> None:
    assert look(content, HIDDEN, two_phase=False).look is Look.UNCLEAR


def test_a_list_without_an_end_proves_nothing() -> None:
    pages = [listing(words("Other"), more=True)] * 50
    with pytest.raises(PlatformError):
        look(TEXT, *pages, two_phase=False)


def test_other_trouble_while_looking_is_the_drivers() -> None:
    with pytest.raises(PlatformError):
        look(TEXT, refusal(80001))


def test_finding_a_post_and_looking_for_it_never_share_a_kept_answer() -> None:
    photos = [answer({"id": "1"}), answer({"id": "2"})]
    _, sent = publish(IMAGES, *photos, GARBAGE, listing(photo_post("2")))
    assert names(sent)[-1] == "find-0"


@pytest.mark.parametrize(
    ("listed", "found"),
    [(stories("9", "1"), Look.FOUND), (stories("9"), Look.ABSENT), (HIDDEN, Look.UNCLEAR)],
)
def test_the_list_tells_whether_a_photo_became_a_story(listed: Response, found: Look) -> None:
    finding = look(STORY, listed)
    assert finding.look is found
    assert finding.resend
    assert finding.value == ({"post_id": "333", "url": "/stories/3"} if found is Look.FOUND else None)


def test_a_video_story_is_found_in_the_list() -> None:
    assert look(MOVING_STORY, stories(VIDEO)).look is Look.FOUND


@pytest.mark.parametrize(
    ("shown", "found"),
    [
        (video(), Look.FOUND),
        (UPLOADED, Look.UNUSED),
        (PROCESSING, Look.UNCLEAR),
        (with_status(video_status="ready", processing_phase={"status": "complete"}), Look.UNCLEAR),
        (FAILED, Look.DEAD),
        (HIDDEN, Look.UNCLEAR),
    ],
)
def test_where_no_story_shows_it_the_video_says_what_became_of_it(shown: Response, found: Look) -> None:
    assert look(MOVING_STORY, stories(), shown).look is found


def searched(listed: Response, **lost: Any) -> Finding:
    finding, _ = run_flow(CONVERSATION.search(job(STORY), Lost(STORY, SENT_S * 1000, **lost)), [listed])
    return finding


def test_a_lost_story_is_known_by_a_handle_that_was_kept_and_by_nothing_else() -> None:
    kept = searched(stories("1"), steps={"photo-0": "1"})
    assert (kept.look, kept.published.post_id) == (Look.FOUND, "333")
    assert kept.published.published_ms == (SENT_S + 1) * 1000
    assert searched(stories("1")).look is Look.UNCLEAR
    assert searched(stories("1"), owned=frozenset({"333"})).look is Look.ABSENT
    assert searched(stories("1", creation_time=str(SENT_S - 61))).look is Look.ABSENT
    assert not searched(stories()).resend


# Checking.


def fields(content: Content, *, warnings: bool = False) -> list[str]:
    found = CONVERSATION.check(PAGE, content, public_media=False)
    return [problem.field for problem in found if problem.warning is warnings]


def changed(content: Content, **changes: Any) -> Content:
    return replace(content, media=tuple(replace(media, **changes) for media in content.media))


@pytest.mark.parametrize(
    "content", [TEXT, LINK, IMAGES, FILM, REEL, STORY, MOVING_STORY, replace(LINK, text="")]
)
def test_a_good_post_has_no_problem_even_without_a_public_address(content: Content) -> None:
    assert fields(content) == []


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (replace(TEXT, text="a" * 63_206), []),
        (replace(TEXT, text="a" * 63_207), ["Text"]),
        (replace(TEXT, text="  "), ["Text"]),
        (replace(FILM, options={"title": "a" * 256}), ["Facebook title"]),
        (replace(LINK, link=None), ["Link"]),
        (replace(LINK, link="example.org"), ["Link"]),
        (replace(LINK, link="ftp://example.org"), ["Link"]),
        (replace(LINK, link="https://exämple.org"), ["Link"]),
        (replace(IMAGES, link="https://example.org"), ["Link"]),
        (replace(TEXT, format=Format.GIF), ["Format"]),
    ],
)
def test_words_and_links_have_rules(content: Content, problems: list[str]) -> None:
    assert fields(content) == problems


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (replace(TEXT, media=(PHOTO,)), ["Media"]),
        (replace(IMAGES, media=(PHOTO,)), ["Media"]),
        (replace(IMAGES, media=(PHOTO, CLIP)), ["Media"]),
        (replace(IMAGES, format=Format.IMAGE), ["Media"]),
        (replace(FILM, media=(PHOTO,)), ["Media"]),
        (replace(REEL, media=()), ["Media"]),
        (replace(STORY, media=()), ["Media"]),
        (replace(STORY, media=(PHOTO, PHOTO)), ["Media"]),
    ],
)
def test_each_format_has_its_media(content: Content, problems: list[str]) -> None:
    assert fields(content) == problems


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"content_type": "image/webp"}, ["Media"]),
        ({"size_bytes": 10_000_000}, []),
        ({"size_bytes": 10_000_001}, ["Media"]),
        ({"kind": MediaKind.GIF, "content_type": "image/gif"}, []),
    ],
)
def test_photos_have_limits(changes: dict[str, Any], problems: list[str]) -> None:
    image = replace(IMAGES, format=Format.IMAGE, media=(PHOTO,))
    assert fields(changed(image, **changes)) == problems


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"duration_ms": 3_000}, []),
        ({"duration_ms": 2_999}, ["Media"]),
        ({"duration_ms": 90_001}, ["Media"]),
        ({"width": 540, "height": 960}, []),
        ({"width": 360, "height": 640}, ["Media"]),
        ({"width": 1920, "height": 1080}, ["Media"]),
        ({"width": 607, "height": 1080}, []),
        ({"width": 540, "height": 1200}, ["Media"]),
        ({"width": 0, "height": 0, "duration_ms": 0}, []),
        ({"facts": Facts(fps=23.0, video_codec="h264")}, ["Media"]),
        ({"facts": Facts(fps=30.0, video_codec="hevc", audio_codec="aac", audio_channels=2)}, []),
        ({"facts": Facts(fps=30.0, video_codec="mpeg4")}, ["Media"]),
        ({"facts": Facts(fps=30.0, video_codec="h264", audio_codec="opus")}, ["Media"]),
        ({"content_type": "video/webm"}, ["Media"]),
    ],
)
def test_reels_have_limits(changes: dict[str, Any], problems: list[str]) -> None:
    assert fields(changed(REEL, **changes)) == problems


@pytest.mark.parametrize(
    ("changes", "problems"), [({"duration_ms": 60_000}, []), ({"duration_ms": 60_001}, ["Media"])]
)
def test_a_story_lasts_a_minute_at_the_most(changes: dict[str, Any], problems: list[str]) -> None:
    assert fields(changed(MOVING_STORY, **changes)) == problems


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"width": 1920, "height": 800, "duration_ms": 3_600_000, "size_bytes": 9_000_000_000}, []),
        ({"size_bytes": 10_000_000_001}, ["Media"]),
        ({"duration_ms": 4 * 3_600_000 + 1}, ["Media"]),
        ({"content_type": "video/x-matroska"}, []),
        ({"content_type": "video/webm"}, ["Media"]),
    ],
)
def test_videos_have_the_limits_of_an_upload(changes: dict[str, Any], problems: list[str]) -> None:
    assert fields(changed(FILM, **changes)) == problems


def test_what_a_story_cannot_carry_is_left_out_and_said() -> None:
    wordy = replace(STORY, text="Hello", first_comment="me first", link="https://example.org")
    assert fields(wordy) == []
    assert fields(wordy, warnings=True) == ["Text", "Link", "First comment"]
    assert fields(STORY, warnings=True) == []


def test_alt_text_of_a_video_is_left_out_and_said() -> None:
    assert fields(changed(FILM, alt_text="A cat"), warnings=True) == ["Alt text"]
    assert fields(IMAGES, warnings=True) == []


def test_that_facebook_makes_the_preview_of_a_link_is_said() -> None:
    assert fields(LINK, warnings=True) == ["Link"]
    assert fields(TEXT, warnings=True) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (replace(FILM, cover=PHOTO), []),
        (replace(FILM, cover=replace(PHOTO, content_type="image/webp")), ["Cover"]),
        (replace(FILM, cover=replace(PHOTO, size_bytes=10_000_001)), ["Cover"]),
        (replace(REEL, cover=PHOTO), ["Cover"]),
        (replace(MOVING_STORY, cover=PHOTO), ["Cover"]),
        (replace(IMAGES, cover=PHOTO), []),
    ],
)
def test_a_cover_that_is_left_out_is_said(content: Content, said: list[str]) -> None:
    assert fields(content) == []
    assert fields(content, warnings=True) == said


def test_a_setting_makes_photos_smaller() -> None:
    careful = replace(PAGE, options={"photo_mb": 4})
    large = changed(IMAGES, size_bytes=4_000_001)
    assert [problem.field for problem in CONVERSATION.check(careful, large, public_media=False)] == [
        "Media",
        "Media",
    ]
    rules = CONVERSATION.accepts(careful, Format.STORY)
    assert rules[MediaKind.IMAGE].max_bytes == 4_000_000
    assert rules[MediaKind.VIDEO] == CONVERSATION.accepts(PAGE, Format.STORY)[MediaKind.VIDEO]


@pytest.mark.parametrize("format_", list(Format))
def test_each_format_names_the_media_that_it_takes(format_: Format) -> None:
    taken = {
        Format.IMAGE: {MediaKind.IMAGE, MediaKind.GIF},
        Format.IMAGES: {MediaKind.IMAGE, MediaKind.GIF},
        Format.VIDEO: {MediaKind.VIDEO, MediaKind.IMAGE},  # and a cover
        Format.REEL: {MediaKind.VIDEO},
        Format.STORY: {MediaKind.IMAGE, MediaKind.VIDEO},
    }
    assert set(CONVERSATION.accepts(PAGE, format_)) == taken.get(format_, set())


def test_attached_photos_are_json_inside_the_form() -> None:
    _, sent = publish(IMAGES, answer({"id": "1"}), answer({"id": "2"}), CREATED)
    assert json.loads(form(sent[3])["attached_media"]) == [{"media_fbid": "1"}, {"media_fbid": "2"}]
