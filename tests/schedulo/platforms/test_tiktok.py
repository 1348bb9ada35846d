"""TikTok's conversation on canned answers: what is sent, in which order, what is made of what comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from schedulo.errors import Kind, Phase, PlatformError
from schedulo.flow import Auth, Commit, Hint, Job, Look, Request, Response, Sent, Step
from schedulo.model import Account, Content, Format, Media, MediaKind, Platform, State
from schedulo.platforms.tiktok import CONVERSATION
from schedulo.platforms.tiktok_calls import raise_for
from schedulo.platforms.tiktok_file import chunk_plan
from tests.schedulo.platforms.flows import OutcomeUnknown, answer, names, run_flow

MIB = 1024 * 1024
CHUNK = 5 * MIB
ACCOUNT = Account(Platform.TIKTOK, "open-1", "ours")
SIZE = 2 * CHUNK + 100
CLIP = Media("c" * 64, MediaKind.VIDEO, "video/mp4", SIZE, 1080, 1920, 30_000)
SMALL = Media("d" * 64, MediaKind.VIDEO, "video/quicktime", 1000, 1080, 1920, 30_000)
PUBLIC = {"privacy_level": "PUBLIC_TO_EVERYONE"}
VIDEO = Content(Format.VIDEO, "Hello #fyp", (CLIP,), options=PUBLIC)
SHORT = Content(Format.VIDEO, "Hello", (SMALL,), options=PUBLIC)
DRAFT = Content(Format.DRAFT, "", (SMALL,))
UPLOAD_URL = "https://open-upload.tiktokapis.com/video/?upload_id=1&upload_token=t"
POST_ID = 7_300_000_000_000_000_001
OPENED_MS = 1_788_696_000_000


def ok(**data: Any) -> Response:
    return answer({"data": data, "error": {"code": "ok", "message": "", "log_id": "L1"}})


def no(status: int, code: str, message: str = "") -> Response:
    return answer({"data": {}, "error": {"code": code, "message": message, "log_id": "L1"}}, status)


def creator(**more: Any) -> Response:
    data = {
        "creator_username": "ours",
        "privacy_level_options": ["PUBLIC_TO_EVERYONE", "SELF_ONLY"],
        "comment_disabled": False,
        "duet_disabled": False,
        "stitch_disabled": True,
        "max_video_post_duration_sec": 300,
    }
    return ok(**{**data, **more})


def state(status: str, date: str = "Sun, 06 Sep 2026 12:00:00 GMT", **more: Any) -> Response:
    response = ok(status=status, **more)
    return Response(response.status, {"date": date}, response.body)


INIT = ok(publish_id="v_pub_file~v2-1.7", upload_url=UPLOAD_URL)
PUBLIC_NOW = state("PUBLISH_COMPLETE", publicaly_available_post_id=[POST_ID])


def job(content: Content, source: str = "file", url: str | None = None) -> Job:
    options = {"tiktok_chunk_bytes": CHUNK, "tiktok_source": source}
    return Job(ACCOUNT, content, lambda media: url, options)


def flow(content: Content, source: str = "file", url: str | None = None) -> Any:
    return CONVERSATION.publish(job(content, source, url))


def requests(sent: Any) -> list[Request]:
    return [effect.request for effect in sent if isinstance(effect, Step | Commit)]


# A file in chunks


def test_a_video_is_uploaded_before_the_due_instant_but_for_its_last_chunk():
    answers = [creator(), INIT, answer(status=206), answer(status=201), PUBLIC_NOW]
    published, sent = run_flow(flow(VIDEO), answers)
    steps = names(sent)
    assert steps[2].startswith("chunk-0-")
    assert steps[:2] + steps[3:] == ["creator", "init", "due", "post", "status"]
    _, init, first, last, _ = requests(sent)
    assert init.json["source_info"] == {
        "source": "FILE_UPLOAD",
        "video_size": SIZE,
        "chunk_size": CHUNK,
        "total_chunk_count": 2,
    }
    assert dict(first.headers)["Content-Range"] == f"bytes 0-{CHUNK - 1}/{SIZE}"
    assert dict(last.headers)["Content-Range"] == f"bytes {CHUNK}-{SIZE - 1}/{SIZE}"
    assert last.raw is not None
    assert (last.raw.offset, last.raw.length) == (CHUNK, CHUNK + 100)
    assert (published.post_id, published.permalink) == (
        str(POST_ID),
        f"https://www.tiktok.com/@ours/video/{POST_ID}",
    )


def test_the_upload_address_gets_the_whole_url_and_no_token():
    _, sent = run_flow(flow(SHORT), [creator(), INIT, answer(status=201), PUBLIC_NOW])
    put = requests(sent)[2]
    assert (put.service, put.path, put.auth) == ("", UPLOAD_URL, Auth.NONE)
    assert dict(put.headers)["Content-Type"] == "video/quicktime"


def test_the_last_chunk_alone_does_not_make_the_post_public():
    _, sent = run_flow(flow(SHORT), [creator(), INIT, answer(status=201), PUBLIC_NOW])
    assert [effect.live for effect in sent if isinstance(effect, Commit)] == [False]


def test_what_people_did_not_allow_is_off():
    _, sent = run_flow(flow(SHORT), [creator(), INIT, answer(status=201), PUBLIC_NOW])
    assert requests(sent)[1].json["post_info"] == {
        "title": "Hello",
        "privacy_level": "PUBLIC_TO_EVERYONE",
        "disable_comment": True,
        "disable_duet": True,
        "disable_stitch": True,
        "brand_content_toggle": False,
        "brand_organic_toggle": False,
    }


def test_what_people_allow_is_on_unless_the_account_forbids_it():
    chosen = {
        "disable_comment": False,
        "disable_stitch": False,
        "is_aigc": True,
        "video_cover_timestamp_ms": 9,
    }
    content = Content(Format.VIDEO, "Hello", (SMALL,), options={**PUBLIC, **chosen})
    _, sent = run_flow(flow(content), [creator(), INIT, answer(status=201), PUBLIC_NOW])
    info = requests(sent)[1].json["post_info"]
    assert (info["disable_comment"], info["disable_duet"], info["disable_stitch"]) == (False, True, True)
    assert (info["is_aigc"], info["video_cover_timestamp_ms"]) == (True, 9)


@pytest.mark.parametrize(
    ("size", "wanted", "chunk", "count"),
    [
        (1, CHUNK, 1, 1),
        (CHUNK - 1, CHUNK, CHUNK - 1, 1),
        (CHUNK, CHUNK, CHUNK, 1),
        (2 * CHUNK - 1, CHUNK, 2 * CHUNK - 1, 1),
        (2 * CHUNK, CHUNK, CHUNK, 2),
        (158_008_374, CHUNK, CHUNK, 30),
        (50_000_123, 10_000_000, 10_000_000, 5),
        (121_000_000, 64_000_000, 32_000_000, 3),
        (100 * MIB, 1, CHUNK, 20),
        (6_000_000_000, CHUNK, 6_000_000, 1000),
    ],
)
def test_chunks_are_counted_by_tiktoks_floor_rule(size, wanted, chunk, count):
    chunk_size, chunks = chunk_plan(size, wanted)
    assert (chunk_size, len(chunks)) == (chunk, count)


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, 2 * CHUNK, 63_999_999, 64_000_001, 4_000_000_000])
@pytest.mark.parametrize("wanted", [1, CHUNK, 10 * MIB, 64_000_000])
def test_any_plan_covers_the_file_within_tiktoks_bounds(size, wanted):
    chunk_size, chunks = chunk_plan(size, wanted)
    ends = [first + length for first, length in chunks]
    assert [first for first, _ in chunks] == [0, *ends[:-1]]
    assert ends[-1] == size
    assert len(chunks) == size // chunk_size <= 1000
    assert all(5 * MIB <= length <= 64_000_000 for _, length in chunks[:-1])
    assert chunks[-1][1] <= 64_000_000
    assert len(chunks) > 1 or chunk_size == size


def test_a_chunk_that_had_arrived_before_a_crash_counts():
    progress = answer(status=416, content_range=f"bytes 0-{CHUNK - 1}/{SIZE}")
    _, sent = run_flow(flow(VIDEO), [creator(), INIT, progress, answer(status=201), PUBLIC_NOW])
    assert names(sent)[-2:] == ["post", "status"]


@pytest.mark.parametrize(
    "refused",
    [
        answer(status=416),
        answer(status=416, content_range=f"bytes 0-{CHUNK - 2}/{SIZE}"),
        answer(status=403),
        answer(status=404),
    ],
    ids=["no progress told", "not so far", "ran out", "gone"],
)
def test_an_upload_that_cannot_go_on_is_prepared_anew(refused):
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(VIDEO), [creator(), INIT, refused])
    assert caught.value.kind is Kind.HANDLE_EXPIRED


def test_after_a_crash_chunks_that_were_taken_are_not_sent_again():
    kept: dict[str, Any] = {}
    with pytest.raises(OutcomeUnknown):
        run_flow(flow(VIDEO), [creator(), INIT, answer(status=206), answer(status=504)], kept)
    _, sent = run_flow(flow(VIDEO), [answer(status=201), PUBLIC_NOW], kept)
    assert names(sent) == ["due", "post", "status"]


def test_a_new_upload_gets_all_its_chunks():
    kept: dict[str, Any] = {}
    with pytest.raises(OutcomeUnknown):
        run_flow(flow(VIDEO), [creator(), INIT, answer(status=206), answer(status=504)], kept)
    del kept["init"]
    again = ok(publish_id="v_pub_file~v2-1.8", upload_url=UPLOAD_URL)
    _, sent = run_flow(flow(VIDEO), [again, answer(status=206), answer(status=201), PUBLIC_NOW], kept)
    assert [name.partition("-")[0] for name in names(sent)] == ["init", "chunk", "due", "post", "status"]


# What the last chunk's answer proves


@pytest.mark.parametrize("status", [416, 500, 502, 503, 504])
def test_a_doubtful_answer_to_the_last_chunk_leaves_the_post_unknown(status):
    with pytest.raises(OutcomeUnknown):
        run_flow(flow(SHORT), [creator(), INIT, answer(status=status)])


@pytest.mark.parametrize("status", [403, 404])
def test_an_upload_that_ran_out_at_the_last_chunk_published_nothing(status):
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(SHORT), [creator(), INIT, answer(status=status)])
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.HANDLE_EXPIRED, True)


# What the creator may do


@pytest.mark.parametrize("options", [{"privacy_level": "FOLLOWER_OF_CREATOR"}, {}])
def test_a_privacy_level_that_the_account_does_not_have_is_refused_before_anything_is_sent(options):
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(Content(Format.VIDEO, "", (SMALL,), options=options)), [creator()])
    assert caught.value.kind is Kind.CONTENT_REJECTED
    assert "only Everyone, Only me" in caught.value.message


def test_what_the_account_has_switched_off_stays_off_and_the_message_says_so():
    options = {**PUBLIC, "disable_stitch": False, "disable_comment": False}
    content = Content(Format.VIDEO, "Hello", (SMALL,), options=options)
    published, sent = run_flow(flow(content), [creator(), INIT, answer(status=201), PUBLIC_NOW])
    info = requests(sent)[1].json["post_info"]
    assert (info["disable_comment"], info["disable_stitch"]) == (False, True)
    assert "stitches" in published.note
    assert "comments" not in published.note


def test_a_video_longer_than_the_account_may_post_is_refused_before_anything_is_sent():
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(SHORT), [creator(max_video_post_duration_sec=20)])
    assert caught.value.kind is Kind.MEDIA_REJECTED


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("spam_risk_too_many_posts", Kind.QUOTA_EXHAUSTED),
        ("spam_risk_user_banned_from_posting", Kind.ACCOUNT_RESTRICTED),
        ("reached_active_user_cap", Kind.QUOTA_EXHAUSTED),
    ],
)
def test_a_refusal_with_status_200_is_a_refusal(code, kind):
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(SHORT), [no(200, code)])
    assert (caught.value.kind, caught.value.code) == (kind, code)


@pytest.mark.parametrize(
    "body", [b"<html>OK</html>", b"{}", b'{"data": {}, "error": {"code": "ok"}}', b"[1]"]
)
def test_an_unreadable_answer_while_preparing_is_trouble_at_tiktok(body):
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(SHORT), [creator(), answer(body)])
    assert caught.value.kind is Kind.PLATFORM_DOWN


def test_limits_last_a_minute_or_a_day():
    assert raise_for(no(429, "rate_limit_exceeded"), Phase.ARM).wait_s == 60
    assert raise_for(no(403, "spam_risk_too_many_posts"), Phase.ARM).wait_s == 86_400


def test_retry_after_knows_better():
    said = {"error": {"code": "rate_limit_exceeded"}}
    assert raise_for(answer(said, 429, retry_after="7"), Phase.ARM).wait_s == 7
    assert raise_for(answer(b"", 503, retry_after="9"), Phase.READ).wait_s == 9


def test_an_error_shows_the_log_id_that_tiktoks_support_asks_for():
    assert "L1" in raise_for(no(500, "internal_error"), Phase.ARM).message


def test_the_token_endpoints_flat_errors_are_read_too():
    flat = answer({"error": "access_token_invalid", "error_description": "expired", "log_id": "L"}, 200)
    assert raise_for(flat, Phase.ARM).kind is Kind.TOKEN_EXPIRED


# What becomes of it


def test_a_post_is_published_when_tiktok_says_complete():
    answers = [creator(), INIT, answer(status=201), *[state("PROCESSING_UPLOAD")] * 3, PUBLIC_NOW]
    published, sent = run_flow(flow(SHORT), answers)
    assert names(sent).count("status") == 4
    assert published.state is State.PUBLISHED


def test_an_id_above_two_to_the_53_keeps_its_digits():
    body = b'{"data":{"status":"PUBLISH_COMPLETE","publicaly_available_post_id":[7300000000000000001]},'
    body += b'"error":{"code":"ok"}}'
    published, _ = run_flow(flow(SHORT), [creator(), INIT, answer(status=201), answer(body)])
    assert published.post_id == "7300000000000000001"


def test_a_complete_post_without_id_is_asked_for_its_id_until_tiktoks_clock_has_moved_a_minute():
    complete = [state("PUBLISH_COMPLETE", f"Sun, 06 Sep 2026 12:{m}:00 GMT") for m in ("00", "00", "01")]
    published, sent = run_flow(flow(SHORT), [creator(), INIT, answer(status=201), *complete])
    assert names(sent)[-3:] == ["status", "public-id", "public-id"]
    assert (published.state, published.post_id) == (State.PUBLISHED, None)
    assert published.note


def test_an_id_that_comes_later_is_taken():
    answers = [creator(), INIT, answer(status=201), state("PUBLISH_COMPLETE"), state("PUBLISH_COMPLETE")]
    published, _ = run_flow(flow(SHORT), [*answers, PUBLIC_NOW])
    assert published.post_id == str(POST_ID)


@pytest.mark.parametrize("trouble", [no(401, "access_token_invalid"), answer(status=503)])
def test_trouble_while_asking_for_the_id_does_not_unpublish(trouble):
    answers = [creator(), INIT, answer(status=201), state("PUBLISH_COMPLETE"), trouble]
    published, _ = run_flow(flow(SHORT), answers)
    assert published.state is State.PUBLISHED


def test_a_private_post_has_no_id_and_is_not_asked_for_one():
    content = Content(Format.VIDEO, "", (SMALL,), options={"privacy_level": "SELF_ONLY"})
    published, sent = run_flow(
        flow(content), [creator(), INIT, answer(status=201), state("PUBLISH_COMPLETE")]
    )
    assert names(sent)[-1] == "status"
    assert published.state is State.PUBLISHED


def test_a_token_that_runs_out_while_polling_never_starts_over():
    kept: dict[str, Any] = {}
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(SHORT), [creator(), INIT, answer(status=201), no(401, "access_token_invalid")], kept)
    assert caught.value.kind is Kind.TOKEN_EXPIRED
    _, sent = run_flow(flow(SHORT), [PUBLIC_NOW], kept)
    assert names(sent) == ["due", "status"]
    assert requests(sent)[0].json == {"publish_id": "v_pub_file~v2-1.7"}


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("duration_check_failed", Kind.MEDIA_REJECTED),
        ("internal", Kind.HANDLE_EXPIRED),
        ("spam_risk_text", Kind.CONTENT_REJECTED),
        ("auth_removed", Kind.RECONNECT),
    ],
)
def test_a_failed_post_says_why_and_that_nothing_is_public(reason, kind):
    answers = [creator(), INIT, answer(status=201), state("FAILED", fail_reason=reason)]
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(SHORT), answers)
    assert (caught.value.kind, caught.value.diagnosis.refusal, caught.value.code) == (kind, True, reason)


# Drafts


def test_a_draft_goes_to_the_inbox_without_text_and_waits_for_a_person():
    inbox = ok(publish_id="v_inbox_file~1", upload_url=UPLOAD_URL)
    published, sent = run_flow(flow(DRAFT), [inbox, answer(status=201), state("SEND_TO_USER_INBOX")])
    assert names(sent) == ["init", "due", "post", "status"]
    assert requests(sent)[0].path == "/v2/post/publish/inbox/video/init/"
    assert list(requests(sent)[0].json) == ["source_info"]
    assert published.state is State.WAITING_IN_APP
    assert published.note


# Fetched by TikTok


def test_a_video_that_tiktok_fetches_is_begun_at_the_due_instant():
    begun = ok(publish_id="v_pub_url~v2.1")
    url = "https://media.example.com/c.mp4"
    _, sent = run_flow(flow(SHORT, "pull", url), [creator(), begun, state("PROCESSING_DOWNLOAD"), PUBLIC_NOW])
    assert names(sent) == ["creator", "due", "post", "status", "status"]
    assert requests(sent)[1].json["source_info"] == {"source": "PULL_FROM_URL", "video_url": url}
    assert requests(sent)[2].json == {"publish_id": "v_pub_url~v2.1"}


@pytest.mark.parametrize(
    "lost", [answer(status=503), answer(b"OK"), no(500, "internal_error"), answer(b'{"error":{"code":"ok"}}')]
)
def test_a_lost_answer_to_a_fetching_init_leaves_the_post_unknown(lost):
    with pytest.raises(OutcomeUnknown) as caught:
        run_flow(flow(SHORT, "pull", "https://m.example.com/c"), [creator(), lost])
    assert caught.value.error.kind is Kind.OUTCOME_UNKNOWN


def test_a_refused_address_is_the_operators_to_mend():
    with pytest.raises(PlatformError) as caught:
        run_flow(
            flow(SHORT, "pull", "https://m.example.com/c"), [creator(), no(403, "url_ownership_unverified")]
        )
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.CONFIGURATION, True)


def test_a_medium_without_an_address_cannot_be_fetched():
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(SHORT, "pull", None), [creator()])
    assert caught.value.kind is Kind.CONFIGURATION


# Finding again


def look(content: Content, response: Response, *, pull: bool = False) -> tuple[Any, Request]:
    steps = {} if pull else {"init": {"publish_id": "v_pub_file~v2-1.7", "upload_url": UPLOAD_URL}}
    write = Sent("post", Request("", "PUT", UPLOAD_URL), content, steps, OPENED_MS)
    finding, sent = run_flow(CONVERSATION.reconcile(job(content), write), [response])
    return finding, requests(sent)[0]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (state("PUBLISH_COMPLETE"), Look.FOUND),
        (state("SEND_TO_USER_INBOX"), Look.FOUND),
        (state("PROCESSING_DOWNLOAD"), Look.FOUND),
        (state("PROCESSING_UPLOAD", uploaded_bytes=SIZE), Look.FOUND),
        (state("PROCESSING_UPLOAD", uploaded_bytes=CHUNK), Look.UNUSED),
        (state("PROCESSING_UPLOAD", uploaded_bytes=0), Look.UNUSED),
        (state("PROCESSING_UPLOAD"), Look.UNCLEAR),
        (state("FAILED", fail_reason="internal"), Look.DEAD),
        (state("SOMETHING_NEW"), Look.UNCLEAR),
    ],
)
def test_the_publish_id_says_what_became_of_the_last_chunk(response, expected):
    finding, request = look(VIDEO, response)
    assert finding.look is expected
    assert request.json == {"publish_id": "v_pub_file~v2-1.7"}


def test_a_found_post_goes_on_where_the_commits_own_answer_would_have_led():
    kept: dict[str, Any] = {}
    with pytest.raises(OutcomeUnknown):
        run_flow(flow(SHORT), [creator(), INIT, answer(status=503)], kept)
    finding, _ = look(SHORT, state("PROCESSING_UPLOAD", uploaded_bytes=1000))
    kept["post"] = json.loads(json.dumps(finding.value))
    published, sent = run_flow(flow(SHORT), [PUBLIC_NOW], kept)
    assert names(sent) == ["due", "status"]
    assert published.post_id == str(POST_ID)


def video(**more: Any) -> dict[str, Any]:
    listed = {"id": POST_ID, "create_time": OPENED_MS // 1000, "video_description": "Hello", "title": ""}
    return {**listed, "share_url": "https://www.tiktok.com/@ours/video/1", **more}


def test_a_lost_fetch_is_found_in_the_list_of_videos():
    finding, request = look(SHORT, ok(videos=[video()]), pull=True)
    assert request.path == "/v2/video/list/"
    assert finding.look is Look.FOUND
    published, sent = run_flow(flow(SHORT, "pull", "https://m/c"), [creator()], {"post": finding.value})
    assert names(sent) == ["creator", "due"]
    assert published.permalink == "https://www.tiktok.com/@ours/video/1"


@pytest.mark.parametrize(
    "videos", [[], [video(create_time=OPENED_MS // 1000 - 3600)], [video(video_description="Another")]]
)
def test_a_lost_fetch_that_is_not_listed_is_never_sent_again(videos):
    finding, _ = look(SHORT, ok(videos=videos), pull=True)
    assert (finding.look, finding.resend) == (Look.ABSENT, False)


def test_two_videos_that_may_be_it_are_for_a_person():
    assert look(SHORT, ok(videos=[video(), video(id=1)]), pull=True)[0].look is Look.UNCLEAR


@pytest.mark.parametrize("alone", [False, True])
def test_a_post_that_was_told_of_and_is_known_as_anothers_is_not_the_lost_one(alone):
    """That one was found in the list, which tells no publish_id: its webhook came late."""
    told = (Hint("v_pub_url~v2-1.9", direct=True),)
    asks = replace(job(SHORT), options={"tiktok_app_alone": alone})
    responses = [state("PUBLISH_COMPLETE", publicaly_available_post_id=[POST_ID]), ok(videos=[video()])]
    write = Sent("post", Request("", "POST", "/init"), SHORT, {}, OPENED_MS, told=told)
    finding, _ = run_flow(CONVERSATION.reconcile(asks, write), responses)
    assert finding.value == {"publish_id": "v_pub_url~v2-1.9"}
    others = replace(write, owned=frozenset({str(POST_ID)}))
    finding, _ = run_flow(CONVERSATION.reconcile(asks, others), responses)
    assert finding.look is Look.ABSENT
