"""Signatures as Standard Webhooks prescribes them (standardwebhooks.com, "Signature scheme").

What is signed is `id.timestamp.body` by HMAC-SHA256, with the bytes that follow `whsec_` in base64. While a
secret is replaced by another, each request carries a signature by each of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from collections.abc import Iterable

PREFIX = "whsec_"
BYTES = 32
"""The specification asks for 24 to 64."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(random.token_bytes(BYTES)).decode()


def headers(secrets: Iterable[str], id_: str, now_s: int, body: bytes) -> dict[str, str]:
    """What a request carries so that its receiver can tell who sent it, and when.

    :param secrets: all that count now
    :param now_s: seconds since the epoch, of this try
    """
    signed = f"{id_}.{now_s}.".encode() + body
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(f"v1,{_sign(secret, signed)}" for secret in secrets),
    }


def _sign(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
