"""Instagram's conversation on canned answers: preparing, publishing, looking what became of it, checking."""

from __future__ import annotations

from typing import Any

import pytest

from schedulo.errors import Kind, PlatformError
from schedulo.flow import Auth, Commit, Due, Finding, Job, Look, Response, Sent, Step
from schedulo.model import Account, Content, Format, Media, MediaKind, Platform, Published
from schedulo.platforms.instagram import CONVERSATION
from tests.schedulo.platforms.flows import OutcomeUnknown, answer, names, run_flow

BOX, MEDIA = "17900000000000001", "17900000000000002"
SENT_S = 1_795_255_600  # 2026-11-21T10:06:40Z
PHOTO = Media("a" * 64, MediaKind.IMAGE, "image/jpeg", 900_000, 1080, 1080, alt_text="A cat")
CLIP = Media("b" * 64, MediaKind.VIDEO, "video/mp4", 5_000_000, 1080, 1920, 12_000)
IMAGE = Content(Format.IMAGE, "Hello @anna", (PHOTO,))
REEL = Content(Format.REEL, "Hello @anna", (CLIP,), options={"share_to_feed": True, "thumb_offset": 500})

LEFT = answer({"data": [{"quota_usage": 2, "config": {"quota_total": 50, "quota_duration": 86400}}]})
MADE = answer({"id": BOX}, date="Sat, 21 Nov 2026 10:00:00 GMT")
FINISHED = answer({"status_code": "FINISHED", "status": "Finished: ready."})
TAKEN = answer({"id": MEDIA})
LINK = answer({"id": MEDIA, "permalink": "https://ig/p/1/", "timestamp": "2026-05-07T13:00:34+0000"})
HIDDEN = answer({"error": {"code": 100, "error_subcode": 33, "message": "cannot be read"}}, 400)


def account(login: str = "instagram_login") -> Account:
    return Account(Platform.INSTAGRAM, "1784", "anna", options={"login": login})


def job(
    content: Content = IMAGE, login: str = "instagram_login", *, public: bool = True, **options: Any
) -> Job:
    def url(media: Media) -> str | None:
        return f"https://media.example/{media.sha256[:6]}" if public else None

    return Job(account(login), content, url, {"meta_version": "v25.0", **options})


def refusal(code: int, subcode: int | None = None, status: int = 400) -> Response:
    return answer({"error": {"code": code, "error_subcode": subcode, "message": "no"}}, status)


def status(code: str, sentence: str = "") -> Response:
    return answer({"status_code": code, "status": sentence})


def form(effect: Any) -> dict[str, str]:
    return dict(effect.request.form)


# Publishing.


def test_an_image_goes_through_a_container_to_its_permalink() -> None:
    result, sent = run_flow(CONVERSATION.publish(job()), [LEFT, MADE, FINISHED, TAKEN, LINK])
    assert names(sent) == ["quota", "container", f"ready-{BOX}", "due", "post", "permalink"]
    assert result == Published(post_id=MEDIA, permalink="https://ig/p/1/", published_ms=1778158834000)
    assert form(sent[1]) == {
        "image_url": "https://media.example/aaaaaa",
        "caption": "Hello @anna",
        "alt_text": "A cat",
    }
    assert sent[1].request.path == "/v25.0/1784/media"
    assert sent[4].request.path == "/v25.0/1784/media_publish"
    assert form(sent[4]) == {"creation_id": BOX}
    assert isinstance(sent[4], Commit)
    assert sent[4].live


def test_a_container_is_kept_shorter_than_it_lives() -> None:
    _, sent = run_flow(CONVERSATION.publish(job()), [LEFT, MADE, FINISHED, TAKEN, LINK])
    assert sent[1].keep_s == 23 * 3600


@pytest.mark.parametrize(
    ("login", "service"), [("instagram_login", "instagram"), ("facebook_login", "facebook")]
)
def test_the_login_chooses_the_host(login: str, service: str) -> None:
    _, sent = run_flow(CONVERSATION.publish(job(login=login)), [LEFT, MADE, FINISHED, TAKEN, LINK])
    assert {effect.request.service for effect in sent if not isinstance(effect, Due)} == {service}


def test_a_reel_by_address_says_what_it_is() -> None:
    _, sent = run_flow(CONVERSATION.publish(job(REEL)), [LEFT, MADE, FINISHED, TAKEN, LINK])
    assert form(sent[1]) == {
        "media_type": "REELS",
        "video_url": "https://media.example/bbbbbb",
        "caption": "Hello @anna",
        "share_to_feed": "true",
        "thumb_offset": "500",
    }


@pytest.mark.parametrize("how", [{"ig_upload": "resumable"}, {"public": False}])
def test_with_facebook_login_a_reels_bytes_can_be_uploaded(how: dict[str, Any]) -> None:
    answers = [LEFT, MADE, answer({"success": True}), FINISHED, TAKEN, LINK]
    _, sent = run_flow(CONVERSATION.publish(job(REEL, "facebook_login", **how)), answers)
    assert names(sent)[1:3] == ["container", f"upload-{BOX}"]
    assert form(sent[1])["upload_type"] == "resumable"
    assert "video_url" not in form(sent[1])
    upload = sent[2].request
    assert (upload.service, upload.path) == ("rupload", f"/ig-api-upload/v25.0/{BOX}")
    assert upload.auth is Auth.OAUTH
    assert dict(upload.headers) == {"offset": "0", "file_size": "5000000"}
    assert (upload.raw.sha256, upload.raw.offset, upload.raw.length) == (CLIP.sha256, 0, 5_000_000)


def test_instagram_login_never_uploads_bytes() -> None:
    _, sent = run_flow(
        CONVERSATION.publish(job(REEL, ig_upload="resumable")), [LEFT, MADE, FINISHED, TAKEN, LINK]
    )
    assert "video_url" in form(sent[1])


def test_a_container_in_progress_is_asked_again() -> None:
    answers = [LEFT, MADE, status("IN_PROGRESS"), status("IN_PROGRESS"), FINISHED, TAKEN, LINK]
    _, sent = run_flow(CONVERSATION.publish(job()), answers)
    assert names(sent).count(f"ready-{BOX}") == 3


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (status("ERROR", "Error: Media upload has failed with error code 2207026"), Kind.MEDIA_REJECTED),
        (status("ERROR", "Error: Media upload has failed with error code 2207077"), Kind.MEDIA_UNREACHABLE),
        (status("ERROR", "Error: Media upload has failed with error code 2207999"), Kind.HANDLE_EXPIRED),
        (status("ERROR", "Error"), Kind.HANDLE_EXPIRED),
        (status("EXPIRED"), Kind.HANDLE_EXPIRED),
        (status("DANCING"), Kind.PLATFORM_DOWN),
    ],
)
def test_a_container_that_failed_says_why_before_anything_is_published(said: Response, kind: Kind) -> None:
    with pytest.raises(PlatformError) as caught:
        run_flow(CONVERSATION.publish(job()), [LEFT, MADE, said])
    assert caught.value.kind is kind


def test_a_container_that_the_token_may_not_read_is_published_all_the_same() -> None:
    result, _ = run_flow(CONVERSATION.publish(job()), [LEFT, MADE, HIDDEN, TAKEN, LINK])
    assert result.post_id == MEDIA


def test_a_container_published_in_an_earlier_life_is_not_published_again() -> None:
    answers = [LEFT, MADE, status("PUBLISHED"), listing(item()), LINK]
    result, sent = run_flow(CONVERSATION.publish(job()), answers)
    assert not [effect for effect in sent if isinstance(effect, Commit)]
    assert result.post_id == MEDIA
    assert result.note


def test_a_second_run_sends_nothing_that_is_kept() -> None:
    kept: dict[str, Any] = {}
    run_flow(CONVERSATION.publish(job()), [LEFT, MADE, FINISHED, TAKEN, LINK], kept)
    result, sent = run_flow(CONVERSATION.publish(job()), [], kept)
    assert names(sent) == ["due"]
    assert result.post_id == MEDIA


def test_bytes_of_one_container_say_nothing_of_the_next() -> None:
    kept: dict[str, Any] = {}
    uploaded = answer({"success": True})
    resumable = job(REEL, "facebook_login", public=False)
    run_flow(CONVERSATION.publish(resumable), [LEFT, MADE, uploaded, FINISHED, TAKEN, LINK], kept)
    for name in ("container", "post", "permalink"):
        del kept[name]
    answers = [answer({"id": "17900000000000009"}), uploaded, FINISHED, TAKEN, LINK]
    _, sent = run_flow(CONVERSATION.publish(resumable), answers, kept)
    assert "upload-17900000000000009" in names(sent)


@pytest.mark.parametrize("said", [refusal(1, None, 500), refusal(4, 2207051, 403), refusal(10, None, 403)])
def test_errors_seen_with_live_posts_leave_the_outcome_unknown(said: Response) -> None:
    with pytest.raises(OutcomeUnknown):
        run_flow(CONVERSATION.publish(job()), [LEFT, MADE, FINISHED, said])


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (refusal(9007, 2207027), Kind.STILL_PROCESSING),
        (refusal(9, 2207042), Kind.QUOTA_EXHAUSTED),
        (refusal(190, 463), Kind.TOKEN_EXPIRED),
    ],
)
def test_a_clear_refusal_reaches_the_caller(said: Response, kind: Kind) -> None:
    with pytest.raises(PlatformError) as caught:
        run_flow(CONVERSATION.publish(job()), [LEFT, MADE, FINISHED, said])
    assert caught.value.kind is kind


def test_a_missing_permalink_does_not_take_a_live_post_back() -> None:
    result, _ = run_flow(CONVERSATION.publish(job()), [LEFT, MADE, FINISHED, TAKEN, refusal(2, None, 500)])
    assert (result.post_id, result.permalink) == (MEDIA, None)
    assert result.note


def test_an_accepted_post_without_an_id_is_found_in_the_list() -> None:
    answers = [LEFT, MADE, FINISHED, answer(b"<html>OK</html>"), listing(item()), LINK]
    result, sent = run_flow(CONVERSATION.publish(job()), answers)
    assert result.post_id == MEDIA
    assert dict(sent[5].request.query)["since"] == "1795255200"  # the Date of the container's answer


@pytest.mark.parametrize("found", [(), ("1", "2")])
def test_an_accepted_post_that_cannot_be_told_apart_stays_published_without_an_id(
    found: tuple[str, ...],
) -> None:
    answers = [LEFT, MADE, FINISHED, answer({}), listing(*(item(id=number) for number in found))]
    result, _ = run_flow(CONVERSATION.publish(job()), answers)
    assert result.post_id is None
    assert "not known" in result.note


# Looking what became of a write.


def item(**changes: Any) -> dict[str, Any]:
    """Our post as the list shows it: Instagram took the @ away."""
    base = {
        "id": MEDIA,
        "caption": "Hello  anna",
        "media_type": "IMAGE",
        "media_product_type": "FEED",
        "timestamp": "2026-11-21T10:06:41+0000",
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not None}


def listing(*items: dict[str, Any]) -> Response:
    return answer({"data": list(items)})


def look(*answers: Response, content: Content = IMAGE) -> Finding:
    steps = {"container": {"id": BOX, "since": None}}
    _, effects = run_flow(CONVERSATION.publish(job(content)), [LEFT, MADE, FINISHED, TAKEN, LINK])
    request = effects[4].request
    flow = CONVERSATION.reconcile(job(content), Sent("post", request, content, steps, SENT_S * 1000))
    finding, sent = run_flow(flow, list(answers))
    assert all(isinstance(effect, Step) and effect.keep_s == 0 for effect in sent)
    return finding


def test_a_published_container_is_proof_and_the_list_gives_the_id() -> None:
    finding = look(status("PUBLISHED"), listing(item()))
    assert (finding.look, finding.value) == (Look.FOUND, MEDIA)


@pytest.mark.parametrize(
    "listed",
    [
        listing(),
        listing(item(id="1"), item(id="2")),
        listing(item(caption="Something else")),
        listing(item(media_product_type="REELS")),
        listing(item(timestamp="2026-11-21T10:05:39+0000")),
        refusal(2, None, 500),
    ],
    ids=["empty", "two alike", "other words", "a reel", "older", "unreadable"],
)
def test_a_published_container_is_proof_even_where_its_id_cannot_be_told(listed: Response) -> None:
    finding = look(status("PUBLISHED"), listed)
    assert (finding.look, finding.value) == (Look.FOUND, None)


def test_a_published_container_takes_the_one_post_without_a_readable_caption() -> None:
    assert look(status("PUBLISHED"), listing(item(caption=None))).value == MEDIA


def test_a_finished_container_without_a_post_was_not_used() -> None:
    finding = look(status("FINISHED"), listing(item(caption="Something else")))
    assert (finding.look, finding.resend) == (Look.UNUSED, True)


def test_the_list_is_proof_while_the_containers_status_lags() -> None:
    finding = look(status("FINISHED"), listing(item()))
    assert (finding.look, finding.value) == (Look.FOUND, MEDIA)


@pytest.mark.parametrize("code", ["FINISHED", "ERROR", "IN_PROGRESS"])
@pytest.mark.parametrize(
    "listed",
    [listing(item(id="1"), item(id="2")), listing(item(caption=None))],
    ids=["two alike", "no caption"],
)
def test_posts_that_cannot_be_told_apart_prove_nothing(code: str, listed: Response) -> None:
    assert look(status(code), listed).look is Look.UNCLEAR


@pytest.mark.parametrize("code", ["ERROR", "EXPIRED"])
def test_a_failed_container_without_a_post_is_dead(code: str) -> None:
    assert look(status(code), listing()).look is Look.DEAD


@pytest.mark.parametrize("code", ["ERROR", "EXPIRED"])
def test_a_failed_container_whose_post_is_there_is_found(code: str) -> None:
    assert look(status(code), listing(item())).value == MEDIA


def test_a_container_that_cannot_be_read_proves_nothing() -> None:
    assert look(HIDDEN, listing()).look is Look.UNCLEAR
    assert look(HIDDEN, HIDDEN).look is Look.UNCLEAR


def test_a_container_that_cannot_be_read_is_found_by_the_list() -> None:
    assert look(HIDDEN, listing(item())).value == MEDIA


def test_other_trouble_while_looking_is_the_drivers() -> None:
    with pytest.raises(PlatformError):
        look(refusal(80002))


def test_a_reel_is_matched_among_reels() -> None:
    finding = look(status("PUBLISHED"), listing(item(id="1"), item(media_product_type="REELS")), content=REEL)
    assert finding.value == MEDIA
