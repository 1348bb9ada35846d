"""X's conversation on canned answers: what is sent, in which order, and what is made of what comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schedulo.errors import Kind, Phase, PlatformError, Scope
from schedulo.flow import Auth, Commit, Job, Look, Request, Response, Sent, Step
from schedulo.model import Account, Content, Facts, Format, Media, MediaKind, Platform
from schedulo.platforms.x import CONVERSATION, same_text
from schedulo.platforms.x_accepts import SEGMENT_BYTES
from schedulo.platforms.x_answers import raise_for
from tests.schedulo.platforms.flows import OutcomeUnknown, answer, names, run_flow

ACCOUNT = Account(Platform.X, "4711", "ours")
PREMIUM = Account(Platform.X, "4711", "ours", options={"premium": True})
DATE = "Sun, 06 Sep 2026 12:00:00 GMT"
DATE_S = 1788696000
EPOCH_MS = 1_288_834_974_657
POST_ID = str(((DATE_S * 1000 - EPOCH_MS) << 22) + 5)

IMAGE = Media("a" * 64, MediaKind.IMAGE, "image/png", 1000, 640, 480, alt_text="a dog")
GIF = Media("b" * 64, MediaKind.GIF, "image/gif", 2000, 320, 240)
VIDEO = Media("c" * 64, MediaKind.VIDEO, "video/mp4", 2 * SEGMENT_BYTES + 10, 1080, 1920, 30_000)
POLL = Content(
    Format.POLL, "Which roast?", options={"poll": {"options": ["Light", "Dark"], "duration_minutes": 1440}}
)
CREATED = answer({"data": {"id": POST_ID, "text": "t", "edit_history_tweet_ids": [""]}}, 201)


def job(content: Content, account: Account = ACCOUNT) -> Job:
    return Job(account, content, lambda media: None)


def flow(content: Content, account: Account = ACCOUNT) -> Any:
    return CONVERSATION.publish(job(content, account))


def requests(sent: Any) -> list[Request]:
    return [effect.request for effect in sent if isinstance(effect, Step | Commit)]


def uploaded(media_id: str, **more: Any) -> Response:
    return answer(
        {"data": {"id": media_id, "media_key": f"3_{media_id}", "expires_after_secs": 86400, **more}}
    )


def refusal(status: int, **problem: Any) -> Response:
    return answer({"title": "Forbidden", "type": "about:blank", "status": status, **problem}, status)


# Posting


def test_a_text_is_one_request_at_the_due_instant():
    published, sent = run_flow(flow(Content(Format.TEXT, "Hello")), [CREATED])
    assert names(sent) == ["due", "post"]
    assert requests(sent) == [Request("x", "POST", "/2/tweets", json={"text": "Hello"})]
    assert (published.post_id, published.permalink) == (POST_ID, f"https://x.com/i/status/{POST_ID}")


def test_the_post_id_says_when_x_made_the_post():
    published, _ = run_flow(flow(Content(Format.TEXT, "Hello")), [CREATED])
    assert published.published_ms == DATE_S * 1000


def test_the_permalink_names_the_account_where_its_name_is_known():
    account = Account(Platform.X, "4711", "ours", options={"username": "ours_on_x"})
    published, _ = run_flow(flow(Content(Format.TEXT, "Hello"), account), [CREATED])
    assert published.permalink == f"https://x.com/ours_on_x/status/{POST_ID}"


def test_only_the_options_that_were_chosen_travel():
    content = Content(Format.TEXT, "Hello", options={"reply_settings": "verified", "made_with_ai": True})
    _, sent = run_flow(flow(content), [CREATED])
    assert requests(sent)[0].json == {"text": "Hello", "reply_settings": "verified", "made_with_ai": True}


def test_an_image_is_uploaded_and_described_before_the_due_instant():
    content = Content(Format.IMAGE, "Look", (IMAGE,))
    answers = [uploaded("7"), answer(status=204), uploaded("7", size=1000), uploaded("7"), CREATED]
    _, sent = run_flow(flow(content), answers)
    assert names(sent) == ["init-0", "append-0-7-0", "finalize-0-7", "alt-0-7", "due", "post"]
    init, append, finalize, alt, post = requests(sent)
    assert init.json == {"media_type": "image/png", "total_bytes": 1000, "media_category": "tweet_image"}
    assert append.path == "/2/media/upload/7/append"
    assert finalize.json is None
    assert alt.json == {"id": "7", "metadata": {"alt_text": {"text": "a dog"}}}
    assert post.json == {"text": "Look", "media": {"media_ids": ["7"]}}


def test_a_video_goes_in_segments_from_zero_that_make_up_the_whole_file():
    answers = [uploaded("9"), *[answer({"data": {"expires_at": 1}})] * 3, uploaded("9"), CREATED]
    _, sent = run_flow(flow(Content(Format.VIDEO, "Film", (VIDEO,))), answers)
    appends = [request for request in requests(sent) if request.path.endswith("/append")]
    assert [request.form for request in appends] == [(("segment_index", str(i)),) for i in range(3)]
    slices = [request.file.content for request in appends if request.file]
    assert [(s.offset, s.length) for s in slices] == [
        (0, SEGMENT_BYTES),
        (SEGMENT_BYTES, SEGMENT_BYTES),
        (2 * SEGMENT_BYTES, 10),
    ]


def test_a_video_is_posted_only_when_x_has_processed_it():
    pending = uploaded("9", processing_info={"state": "pending", "check_after_secs": 3})
    running = uploaded("9", processing_info={"state": "in_progress", "progress_percent": 50})
    ready = uploaded("9", processing_info={"state": "succeeded"})
    answers = [uploaded("9"), *[answer()] * 3, pending, running, ready, CREATED]
    _, sent = run_flow(flow(Content(Format.VIDEO, "", (VIDEO,))), answers)
    assert names(sent)[-4:] == ["status-0-9", "status-0-9", "due", "post"]
    assert requests(sent)[-1].json == {"media": {"media_ids": ["9"]}}


@pytest.mark.parametrize("error", [{}, {"error": {"code": 1, "name": "InvalidMedia", "message": "no codec"}}])
def test_a_video_that_x_cannot_process_is_the_authors_to_replace(error):
    failed = uploaded("9", processing_info={"state": "failed", **error})
    answers = [uploaded("9"), *[answer()] * 3, failed]
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(Content(Format.VIDEO, "", (VIDEO,))), answers)
    assert caught.value.kind is Kind.MEDIA_REJECTED


def test_four_images_keep_their_order():
    images = tuple(Media(str(i) * 64, MediaKind.IMAGE, "image/jpeg", 10) for i in range(4))

    def by_index(effect: Step | Commit) -> Response:
        return CREATED if effect.name == "post" else uploaded("10" + effect.name.split("-")[1])

    _, sent = run_flow(flow(Content(Format.IMAGES, "Four", images)), by_index)
    assert requests(sent)[-1].json["media"] == {"media_ids": ["100", "101", "102", "103"]}


def test_a_gif_is_uploaded_as_a_gif():
    answers = [uploaded("5"), answer(), uploaded("5"), CREATED]
    _, sent = run_flow(flow(Content(Format.GIF, "", (GIF,))), answers)
    assert requests(sent)[0].json["media_category"] == "tweet_gif"


def test_a_poll_is_one_request_with_its_answers():
    content = replace(POLL, thread=("Tell us why",))
    _, sent = run_flow(flow(content), [CREATED, CREATED])
    assert names(sent) == ["due", "post", "part-2"]
    poll, part = requests(sent)
    assert poll.json == {
        "text": "Which roast?",
        "poll": {"options": ["Light", "Dark"], "duration_minutes": 1440},
    }
    assert "poll" not in part.json


def test_after_a_crash_nothing_that_was_uploaded_is_sent_again():
    content = Content(Format.IMAGE, "Look", (IMAGE,))
    kept: dict[str, Any] = {}
    with pytest.raises(PlatformError):
        run_flow(flow(content), [uploaded("7"), answer(), answer(status=503)], kept)
    _, sent = run_flow(flow(content), [uploaded("7"), uploaded("7"), CREATED], kept)
    assert names(sent) == ["finalize-0-7", "alt-0-7", "due", "post"]


def test_an_upload_that_was_begun_anew_gets_all_its_segments():
    content = Content(Format.IMAGE, "Look", (IMAGE,))
    kept: dict[str, Any] = {}
    run_flow(flow(content), [uploaded("7"), answer(), uploaded("7"), uploaded("7"), CREATED], kept)
    del kept["init-0"], kept["post"]
    _, sent = run_flow(flow(content), [uploaded("8"), answer(), uploaded("8"), uploaded("8"), CREATED], kept)
    assert names(sent)[:3] == ["init-0", "append-0-8-0", "finalize-0-8"]


def test_an_unreadable_answer_while_uploading_is_trouble_at_x():
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(Content(Format.GIF, "", (GIF,))), [answer(b"<html>OK</html>")])
    assert caught.value.kind is Kind.PLATFORM_DOWN


# What the commit's answer proves


@pytest.mark.parametrize("body", [{"detail": "Service Unavailable"}, b"<html>Bad gateway</html>"])
def test_trouble_at_x_leaves_the_post_unknown(body):
    with pytest.raises(OutcomeUnknown):
        run_flow(flow(Content(Format.TEXT, "Hello")), [answer(body, 503)])


def test_a_duplicate_is_refused_as_such():
    detail = "You are not allowed to create a Tweet with duplicate content."
    with pytest.raises(PlatformError) as caught:
        run_flow(flow(Content(Format.TEXT, "Hello")), [refusal(403, detail=detail)])
    assert (caught.value.kind, caught.value.diagnosis.refusal) == (Kind.DUPLICATE, True)


def timeline(*posts: dict[str, Any], **meta: Any) -> Response:
    return answer({"data": list(posts), "meta": {"result_count": len(posts), **meta}}, date=DATE)


@pytest.mark.parametrize("garbage", [b"<html>OK</html>", b"{}", b'{"data": {"text": "Hello"}}', b"[]"])
def test_a_good_status_with_an_unreadable_body_is_a_post_whose_id_is_looked_up(garbage):
    answers = [answer(garbage), timeline({"id": POST_ID, "text": "Hello"})]
    published, sent = run_flow(flow(Content(Format.TEXT, "Hello")), answers)
    assert names(sent) == ["due", "post", "find"]
    assert published.post_id == POST_ID


@pytest.mark.parametrize(
    "look",
    [
        timeline(),
        timeline({"id": "1000", "text": "Hello"}),
        answer(status=503),
        answer({"data": [{"id": POST_ID, "text": "Hello"}]}),
    ],
    ids=["not there", "an old post with the same text", "no answer", "no date"],
)
def test_a_post_whose_id_cannot_be_found_stays_published(look):
    published, _ = run_flow(flow(Content(Format.TEXT, "Hello")), [answer(b"OK"), look])
    assert (published.state, published.post_id) == ("published", None)
    assert published.note


# Limits


def test_a_rate_limit_lasts_until_the_latest_reset_of_a_limit_that_is_used_up():
    error = raise_for(
        answer(
            {"title": "Too Many Requests", "status": 429},
            429,
            date=DATE,
            x_rate_limit_remaining="0",
            x_rate_limit_reset=str(DATE_S + 300),
            x_user_limit_24hour_remaining="0",
            x_user_limit_24hour_reset=str(DATE_S + 4000),
            x_app_limit_24hour_remaining="12",
            x_app_limit_24hour_reset=str(DATE_S + 80_000),
        ),
        Phase.COMMIT,
    )
    assert (error.kind, error.wait_s, error.scope) == (Kind.RATE_LIMITED, 4000, Scope.ACCOUNT)


def test_a_limit_of_the_app_is_every_accounts():
    error = raise_for(
        answer(
            {"title": "Too Many Requests", "status": 429},
            429,
            date=DATE,
            x_rate_limit_remaining="40000",
            x_rate_limit_reset=str(DATE_S + 300),
            x_app_limit_24hour_remaining="0",
            x_app_limit_24hour_reset=str(DATE_S + 80_000),
        ),
        Phase.COMMIT,
    )
    assert (error.kind, error.wait_s, error.scope) == (Kind.RATE_LIMITED, 80_000, Scope.PLATFORM)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured_should_x_ever_send_it(status):
    assert raise_for(answer(b"", status, retry_after="70"), Phase.READ).wait_s == 70


def test_a_reset_that_cannot_be_read_is_none():
    headers = {"x_rate_limit_remaining": "0", "x_rate_limit_reset": "soon", "date": DATE}
    assert raise_for(answer({"status": 429}, 429, **headers), Phase.ARM).wait_s == 900


def test_a_rate_limit_without_headers_lasts_fifteen_minutes():
    error = raise_for(answer({"errors": [{"code": 88, "message": "Rate limit exceeded"}]}, 429), Phase.ARM)
    assert (error.kind, error.code, error.wait_s) == (Kind.RATE_LIMITED, "88", 900)


def test_a_monthly_cap_is_no_rate_limit():
    body = {
        "title": "UsageCapExceeded",
        "period": "Monthly",
        "type": "https://api.x.com/2/problems/usage-capped",
    }
    assert raise_for(answer(body, 429), Phase.COMMIT).kind is Kind.QUOTA_EXHAUSTED


@pytest.mark.parametrize(
    "body",
    [
        {"detail": "credits depleted", "type": "https://api.x.com/2/problems/credits-depleted"},
        {"title": "CreditsDepleted", "type": "https://api.twitter.com/2/problems/credits"},
    ],
)
def test_both_wordings_of_spent_credits_ask_the_operator_to_pay(body):
    assert raise_for(answer(body, 402), Phase.COMMIT).kind is Kind.BILLING


# Finding again

OPENED_MS = DATE_S * 1000
TEXT = Content(Format.TEXT, "Read https://example.com/a/long/path & more")


def look(content: Content, *answers: Response, keys: tuple[str, ...] = ()) -> tuple[Any, list[Request]]:
    steps = {f"init-{i}": {"id": str(i), "media_key": key} for i, key in enumerate(keys)}
    write = Sent("post", Request("x", "POST", "/2/tweets"), content, steps, OPENED_MS)
    finding, sent = run_flow(CONVERSATION.reconcile(job(content), write), answers)
    return finding, requests(sent)


def test_a_look_reads_only_what_is_newer_than_the_write():
    _, sent = look(TEXT, timeline())
    query = dict(sent[0].query)
    assert sent[0].path == "/2/users/4711/tweets"
    assert (int(query["since_id"]) >> 22) + EPOCH_MS == OPENED_MS - 60_000


def test_a_text_is_found_though_x_replaced_its_link():
    finding, _ = look(TEXT, timeline({"id": POST_ID, "text": "Read https://t.co/AbC &amp; more"}))
    assert (finding.look, finding.value) == (Look.FOUND, POST_ID)


@pytest.mark.parametrize("word", ["note_post", "note_tweet"])
def test_a_long_text_is_compared_whole_in_both_spellings(word):
    content = Content(Format.TEXT, "x" * 500)
    post = {"id": POST_ID, "text": "x" * 280 + "…", word: {"text": "x" * 500}}
    assert look(content, timeline(post))[0].look is Look.FOUND


def test_nothing_in_the_list_is_absent_and_may_be_sent_again():
    finding, _ = look(TEXT, timeline({"id": POST_ID, "text": "Something else"}))
    assert (finding.look, finding.resend) == (Look.ABSENT, True)


def test_an_empty_list_without_data_is_absent():
    assert look(TEXT, answer({"meta": {"result_count": 0}}))[0].look is Look.ABSENT


def test_two_posts_that_look_the_same_are_for_a_person():
    twin = "Read https://t.co/AbC &amp; more"
    posts = ({"id": POST_ID, "text": twin}, {"id": POST_ID + "1", "text": twin})
    assert look(TEXT, timeline(*posts))[0].look is Look.UNCLEAR


def test_media_are_found_by_their_keys_whatever_the_text_became():
    post = {"id": POST_ID, "text": "mangled", "attachments": {"media_keys": ["3_2", "3_1"]}}
    content = Content(Format.IMAGES, "Look", (IMAGE, IMAGE))
    assert look(content, timeline(post), keys=("3_1", "3_2"))[0].value == POST_ID


def test_media_with_other_keys_are_found_by_text_and_number():
    post = {"id": POST_ID, "text": "Look https://t.co/m", "attachments": {"media_keys": ["13_1"]}}
    assert look(Content(Format.IMAGE, "Look", (IMAGE,)), timeline(post), keys=("3_1",))[0].value == POST_ID


def test_the_same_text_with_another_number_of_media_is_another_post():
    post = {"id": POST_ID, "text": "Look https://t.co/m", "attachments": {"media_keys": ["3_8", "3_9"]}}
    finding, _ = look(Content(Format.IMAGE, "Look", (IMAGE,)), timeline(post), keys=("3_1",))
    assert finding.look is Look.ABSENT


def test_media_without_text_and_without_their_keys_are_unclear_beside_another_post():
    post = {"id": POST_ID, "text": "https://t.co/m", "attachments": {"media_keys": ["13_1"]}}
    content = Content(Format.IMAGE, "", (IMAGE,))
    assert look(content, timeline(post), keys=("3_1",))[0].look is Look.UNCLEAR
    assert look(content, timeline(), keys=("3_1",))[0].look is Look.ABSENT


def test_a_look_goes_on_to_older_pages():
    finding, sent = look(
        TEXT,
        timeline({"id": POST_ID, "text": "Newer"}, next_token="p2"),
        timeline({"id": POST_ID, "text": "Read https://t.co/AbC & more"}),
    )
    assert finding.look is Look.FOUND
    assert dict(sent[1].query)["pagination_token"] == "p2"


def test_a_poll_is_known_by_its_text():
    shown = {"id": POST_ID, "text": "Which roast?", "attachments": {"poll_ids": ["77"]}}
    finding, _ = look(POLL, timeline(shown))
    assert (finding.look, finding.value) == (Look.FOUND, POST_ID)


def test_a_list_that_does_not_end_proves_nothing():
    finding, sent = look(TEXT, *[timeline({"id": POST_ID, "text": "No"}, next_token="more")] * 5)
    assert (finding.look, len(sent)) == (Look.UNCLEAR, 5)


def test_a_query_refused_for_its_spelling_is_asked_in_the_other():
    refused = refusal(400, detail="The query parameter [tweet.fields] is not one of [post.fields]")
    finding, sent = look(TEXT, refused, timeline({"id": POST_ID, "text": "Read https://t.co/AbC & more"}))
    assert finding.look is Look.FOUND
    assert [next(k for k, _ in request.query if k.endswith(".fields")) for request in sent] == [
        "tweet.fields",
        "post.fields",
    ]


@pytest.mark.parametrize(("status", "kind"), [(401, Kind.TOKEN_EXPIRED), (429, Kind.RATE_LIMITED)])
def test_a_look_that_is_refused_says_nothing_of_the_post(status, kind):
    with pytest.raises(PlatformError) as caught:
        look(TEXT, refusal(status))
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    ("sent", "shown", "same"),
    [
        ("Hello", "Hello", True),
        ("Hello", "Hello https://t.co/media", True),
        ("See a.co", "See https://t.co/x https://t.co/media", True),
        ("A &amp; B", "A &amp;amp; B", True),
        ("A < B", "A &lt; B", True),
        ("Cafe\u0301", "Café", True),
        ("two\nlines", "two  lines", True),
        ("Hello", "Hello!", False),
        ("Hello", "https://t.co/media", False),
        ("See a.co now", "See https://t.co/x later", False),
        ("(.*)", "anything", False),
    ],
)
def test_texts_are_the_same_but_for_what_x_does_to_them(sent, shown, same):
    assert same_text(sent, shown) is same


# Checking


def polled(*answers: str, minutes: int = 1440) -> Content:
    return replace(POLL, options={"poll": {"options": list(answers), "duration_minutes": minutes}})


def moving(**facts: Any) -> Media:
    return replace(GIF, facts=Facts(**facts))


def film(**facts: Any) -> Media:
    known = {"video_codec": "h264", "audio_codec": "aac", "pixel_format": "yuv420p", "fps": 30.0}
    return replace(VIDEO, facts=Facts(**known | facts))


def problems(content: Content, account: Account = ACCOUNT) -> list[str]:
    return [problem.field for problem in CONVERSATION.check(account, content, public_media=False)]


@pytest.mark.parametrize(
    "content",
    [
        Content(Format.TEXT, "x" * 280),
        Content(Format.TEXT, "y" * 256 + " https://example.com/" + "z" * 200),
        Content(Format.IMAGE, "", (IMAGE,)),
        Content(Format.IMAGES, "", (IMAGE,) * 4),
        Content(Format.GIF, "", (GIF,)),
        Content(Format.VIDEO, "", (VIDEO,)),
        Content(Format.TEXT, "$TSLA costs $20"),
        POLL,
        polled("a" * 25, "b", "c", "d", minutes=5),
        polled("a", "b", minutes=10_080),
        Content(Format.GIF, "", (moving(frames=350),)),
        Content(Format.VIDEO, "", (film(fps=60.0, audio_channels=2),)),
    ],
)
def test_what_x_takes_has_no_problem(content):
    assert problems(content) == []


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (Content(Format.TEXT, "x" * 281), "Text"),
        (Content(Format.TEXT, "語" * 141), "Text"),
        (Content(Format.TEXT, " "), "Text"),
        (Content(Format.TEXT, "a\ufffeb"), "Text"),
        (Content(Format.TEXT, "$TSLA or $AAPL"), "Text"),
        (Content(Format.TEXT, "Hello", options={"reply_settings": "friends"}), "Reply settings"),
        (Content(Format.TEXT, "Hello", (IMAGE,)), "Media"),
        (Content(Format.IMAGE, "Hello"), "Media"),
        (Content(Format.IMAGES, "", (IMAGE,) * 5), "Media"),
        (Content(Format.IMAGES, "", (IMAGE, GIF)), "Media"),
        (Content(Format.REEL, "", (VIDEO,)), "Format"),
        (Content(Format.IMAGE, "", (Media("d", MediaKind.IMAGE, "image/png", 5_000_001),)), "Media"),
        (Content(Format.IMAGE, "", (Media("d", MediaKind.IMAGE, "image/heic", 10),)), "Media"),
        (Content(Format.GIF, "", (Media("d", MediaKind.GIF, "image/gif", 10, 1300, 10),)), "Media"),
        (Content(Format.VIDEO, "", (Media("d", MediaKind.VIDEO, "video/mp4", 512_000_001),)), "Media"),
        (
            Content(Format.VIDEO, "", (Media("d", MediaKind.VIDEO, "video/mp4", 9, duration_ms=140_001),)),
            "Media",
        ),
        (
            Content(Format.IMAGE, "", (Media("d", MediaKind.IMAGE, "image/png", 10, alt_text="x" * 1001),)),
            "Alt text",
        ),
        (polled("a"), "Poll"),
        (polled("a", "b", "c", "d", "e"), "Poll"),
        (polled("a", "b" * 26), "Poll"),
        (polled("a", "\U0001f600" * 13), "Poll"),
        (polled("a", " "), "Poll"),
        (polled("a", "b", minutes=4), "Poll lasts (h)"),
        (polled("a", "b", minutes=10_081), "Poll lasts (h)"),
        (replace(POLL, options={}), "Poll"),
        (replace(POLL, text=""), "Text"),
        (replace(POLL, format=Format.IMAGE, media=(IMAGE,)), "Poll"),
        (Content(Format.GIF, "", (moving(frames=351),)), "Media"),
        (Content(Format.GIF, "", (replace(moving(frames=300), width=1280, height=1000),)), "Media"),
        (Content(Format.VIDEO, "", (film(fps=61.0),)), "Media"),
        (Content(Format.VIDEO, "", (film(video_codec="hevc"),)), "Media"),
        (Content(Format.VIDEO, "", (film(pixel_format="yuv444p"),)), "Media"),
        (Content(Format.VIDEO, "", (film(audio_channels=6),)), "Media"),
        (Content(Format.VIDEO, "", (replace(VIDEO, width=300, height=1000),)), "Media"),
        (Content(Format.VIDEO, "", (replace(VIDEO, content_type="video/webm"),)), "Media"),
    ],
)
def test_what_x_would_refuse_is_told_before(content, field):
    assert problems(content) == [field]


def test_alt_text_of_a_video_is_left_out_and_said():
    content = Content(Format.VIDEO, "", (replace(VIDEO, alt_text="a dog"),))
    (problem,) = CONVERSATION.check(ACCOUNT, content, public_media=False)
    assert (problem.field, problem.warning) == ("Alt text", True)


def test_a_cover_is_left_out_and_said():
    content = Content(Format.VIDEO, "", (VIDEO,), cover=IMAGE)
    (problem,) = CONVERSATION.check(ACCOUNT, content, public_media=False)
    assert (problem.field, problem.warning) == ("Cover", True)


def test_a_premium_account_may_write_more_and_show_longer_videos():
    long_video = Media("d", MediaKind.VIDEO, "video/mp4", 900_000_000, duration_ms=1_200_000)
    assert problems(Content(Format.TEXT, "x" * 25_000), PREMIUM) == []
    assert problems(Content(Format.TEXT, "x" * 25_001), PREMIUM) == ["Text"]
    assert problems(Content(Format.VIDEO, "", (long_video,)), PREMIUM) == []


@pytest.mark.parametrize("format_", list(Format))
def test_each_format_names_the_media_that_it_takes(format_):
    taken = {
        Format.IMAGE: MediaKind.IMAGE,
        Format.IMAGES: MediaKind.IMAGE,
        Format.GIF: MediaKind.GIF,
        Format.VIDEO: MediaKind.VIDEO,
    }
    kinds = list(CONVERSATION.accepts(ACCOUNT, format_))
    assert kinds == ([taken[format_]] if format_ in taken else [])


def test_a_setting_lets_every_account_show_longer_videos():
    newer = replace(ACCOUNT, options={"videos": "new"})
    content = Content(Format.VIDEO, "", (replace(VIDEO, size_bytes=900_000_000, duration_ms=1_200_000),))
    assert problems(content) == ["Media", "Media"]
    assert problems(content, newer) == []
    assert problems(replace(content, media=(replace(VIDEO, duration_ms=1_200_001),)), newer) == ["Media"]


def test_every_request_asks_for_the_accounts_token():
    answers = [uploaded("5"), answer(), uploaded("5"), CREATED]
    _, sent = run_flow(flow(Content(Format.GIF, "", (GIF,))), answers)
    assert {request.auth for request in requests(sent)} == {Auth.BEARER}
