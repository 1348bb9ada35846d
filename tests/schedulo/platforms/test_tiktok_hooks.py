"""Whether a webhook is TikTok's, and what is read in it."""

from __future__ import annotations

import json

import pytest

from schedulo.platforms.tiktok_hooks import Misread, NotSigned, What, read, verified
from tests.schedulo.platforms.tiktok_events import APP, SECRET, body, signed, told

NOW_S = 1_800_000_000.0
SECRETS = {"other": "other-secret", APP: SECRET}


def check(raw: bytes, header: str) -> str:
    return verified(raw, header, SECRETS, NOW_S, 300)


def test_the_app_is_the_one_whose_secret_signed() -> None:
    raw = body()
    assert check(raw, signed(raw, at_s=NOW_S)) == APP
    assert check(raw, signed(raw, "other-secret", NOW_S)) == "other"
    assert check(raw, signed(raw, at_s=NOW_S).replace(",", ", ")) == APP


def test_a_signature_that_another_program_made_is_good() -> None:
    """`printf '1800000000.{}' | openssl dgst -sha256 -hmac app-secret`"""
    made = "c51bed9e8a402da877f0f6e2ae07fb642ea6a8e27d557a57065a558037b9b3ac"
    assert check(b"{}", f"t=1800000000,s={made}") == APP
    assert check(b"{}", f"t=1800000000,s={made.upper()}") == APP


@pytest.mark.parametrize("shift_s", [-301, 301, -86_400, 10**10])
def test_a_signature_that_is_not_of_now_is_refused(shift_s: int) -> None:
    raw = body()
    with pytest.raises(NotSigned, match="more than 300 seconds"):
        check(raw, signed(raw, at_s=NOW_S + shift_s))


@pytest.mark.parametrize("shift_s", [-299, 299])
def test_clocks_may_differ_a_little(shift_s: int) -> None:
    raw = body()
    assert check(raw, signed(raw, at_s=NOW_S + shift_s)) == APP


def test_a_body_or_a_time_that_was_swapped_is_refused() -> None:
    raw, header = body(), signed(body(), at_s=NOW_S)
    for changed in (raw + b" ", raw.replace(b"p1", b"p2"), b""):
        with pytest.raises(NotSigned, match="no app"):
            check(changed, header)
    with pytest.raises(NotSigned, match="no app"):
        check(raw, header.replace("t=1800000000", "t=1800000001"))
    with pytest.raises(NotSigned, match="no app"):
        verified(raw, header, {"third": "third-secret"}, NOW_S, 300)


@pytest.mark.parametrize(
    "header", ["", "t=,s=", "s=ab", "t=1,s=xyz", "t=-1,s=" + "0" * 64, "t=1e9,s=" + "0" * 64, "t=1" * 9999]
)
def test_a_header_of_another_shape_is_refused(header: str) -> None:
    with pytest.raises(NotSigned, match="must be t="):
        check(body(), header)


def test_a_refusal_holds_no_secret() -> None:
    raw = body()
    for header in ("", signed(raw, "wrong", NOW_S), signed(raw, at_s=1)):
        with pytest.raises(NotSigned) as refused:
            check(raw, header)
        assert SECRET not in str(refused.value)
        assert "p1" not in str(refused.value)


def test_an_event_for_another_app_than_the_one_that_signed_is_refused() -> None:
    with pytest.raises(NotSigned, match="client_key"):
        read(body(app="other"), APP)


@pytest.mark.parametrize(
    ("event", "what"),
    [
        ("post.publish.complete", What.GOES_ON),
        ("post.publish.completed", What.GOES_ON),
        ("post.publish.failed", What.GOES_ON),
        ("post.publish.inbox_delivered", What.GOES_ON),
        ("post.publish.publicly_available", What.NAMED),
        ("post.publish.no_longer_publicaly_available", What.HIDDEN),
        ("post.publish.no_longer_publicly_available", What.HIDDEN),
        ("authorization.removed", What.LOGIN_ENDED),
        ("video.upload.failed", What.OTHER),
    ],
)
def test_each_event_means_one_thing_in_either_spelling(event: str, what: What) -> None:
    assert told(event).what is what


def test_ids_of_64_bits_are_read_to_the_last_digit() -> None:
    assert (
        told("post.publish.publicly_available", post_id=7712242747863728129).post_id == "7712242747863728129"
    )


def test_a_share_into_the_inbox_is_told_from_a_post() -> None:
    assert told().direct
    assert not told(publish_type="INBOX_SHARE").direct


def test_a_repeated_event_has_the_same_key_and_another_one_has_not() -> None:
    assert told().key == told().key
    assert (
        len({told().key, told(publish_id="p2").key, told("post.publish.failed").key, told(at_s=1).key}) == 4
    )


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}", b'{"event": 1}', b"\xff", b"[" * 50_000])
def test_a_body_of_another_shape_is_misread(raw: bytes) -> None:
    with pytest.raises(Misread):
        read(raw, APP)


@pytest.mark.parametrize("content", [None, 5, "", "{", "[]", [], {"publish_id": ["p"]}, {"post_id": True}])
def test_a_content_of_another_shape_is_an_event_about_nothing(content: object) -> None:
    envelope = {"client_key": APP, "event": "post.publish.complete", "content": content, "create_time": "x"}
    found = read(json.dumps(envelope).encode(), APP)
    assert (found.handle, found.post_id, found.account_id, found.at_ms) == ("", "", "", 0)


def test_long_words_are_cut() -> None:
    found = told("e" * 9999, publish_id="p" * 9999)
    assert max(len(found.event), len(found.handle)) <= 200


def test_what_no_database_takes_is_left_out() -> None:
    found = told("post.\x00new", reason="half \ud83d\x00", publish_id="p\x001")
    assert (found.event, found.reason, found.handle) == ("post.new", "half ?", "p1")
