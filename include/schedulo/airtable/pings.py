"""Airtable's pings: which webhook one is about, when it was made, and whether it is really Airtable's.

A ping says that there is something to read, and not what. Source: Airtable Web API, "Webhooks overview".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass

from schedulo.clock import instant_of

HEADER = "X-Airtable-Content-MAC"
_SIGNED = re.compile(r"hmac-sha256=([0-9a-fA-F]{64})")
_WEBHOOK = re.compile(r"ach[A-Za-z0-9]{14}")


@dataclass(frozen=True, slots=True)
class Ping:
    """What a ping says, be it Airtable's or not."""

    webhook_id: str
    at_ms: int | None
    """When it was made, by Airtable's clock; None: it does not say."""


def read(body: bytes) -> Ping | None:
    """What a ping says; None: it is none."""
    try:
        said = json.loads(body)
        webhook_id = said["webhook"]["id"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None
    named = isinstance(webhook_id, str) and _WEBHOOK.fullmatch(webhook_id)
    return Ping(webhook_id, instant_of(said.get("timestamp"))) if named else None


def verified(body: bytes, header: str, secret: str) -> bool:
    """Whether `body` was signed with a webhook's secret.

    :param header: what `HEADER` says
    :param secret: in Base64, as Airtable told it
    """
    match = _SIGNED.fullmatch(header.strip())
    try:
        key = base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = hmac.new(key, body, hashlib.sha256).hexdigest()
    return match is not None and bool(key) and hmac.compare_digest(expected, match[1].lower())
