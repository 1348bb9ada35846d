"""Whether a ping is Airtable's, and which webhook it is about."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from schedulo.airtable.pings import Ping, read, verified
from schedulo.clock import parse_instant

KEY = b"a key of any bytes \x00\xff"
SECRET = base64.b64encode(KEY).decode()
ID = "ach00000000000001"


def ping(webhook_id: object = ID, timestamp: object = "2026-11-26T07:00Z") -> bytes:
    body = {
        "base": {"id": "app00000000000001"},
        "webhook": {"id": webhook_id},
        "timestamp": timestamp,
    }
    return json.dumps(body).encode()


def mac(body: bytes, key: bytes = KEY) -> str:
    return f"hmac-sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"


def test_a_ping_that_was_signed_with_the_decoded_secret_is_airtables() -> None:
    assert verified(ping(), mac(ping()), SECRET)
    assert not verified(ping(), mac(ping(), SECRET.encode()), SECRET), "the text of the secret is no key"


@pytest.mark.parametrize("header", ["", "hmac-sha256=", mac(ping(), b"wrong"), mac(ping())[12:], mac(b"{}")])
def test_all_else_is_not(header: str) -> None:
    assert not verified(ping(), header, SECRET)


@pytest.mark.parametrize("secret", ["", "not base64!", "====", "\xff"])
def test_a_secret_that_is_none_verifies_nothing(secret: str) -> None:
    assert not verified(ping(), mac(ping(), b""), secret)


def test_the_webhook_is_the_one_that_is_named_and_the_time_that_which_is_said() -> None:
    assert read(ping()) == Ping(ID, parse_instant("2026-11-26T07:00Z"))


@pytest.mark.parametrize("timestamp", [None, 5, "", "yesterday", "2026-11-26", ["2026-11-26T07:00Z"]])
def test_a_ping_without_a_time_is_one_all_the_same(timestamp: object) -> None:
    assert read(ping(timestamp=timestamp)) == Ping(ID, None)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"webhook": 1}', b"[" * 50_000, ping("ach1"), ping(5), ping(f"{ID}'")]
)
def test_what_names_no_webhook_is_no_ping(body: bytes) -> None:
    assert read(body) is None
