"""TikTok's webhooks: whether a request is really TikTok's, and what it tells.

Each is sent at least once, with the same words, for up to 72 hours. Sources: TikTok for Developers, "Webhooks
overview", "Webhook verification", "Webhook events".
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schedulo.words import word

HEADER = "TikTok-Signature"
_SIGNED = re.compile(r"t=(\d{1,12}),\s*s=([0-9a-fA-F]{64})")
_LONGEST = 200
"""Characters that are kept of a word of theirs."""


class What(StrEnum):
    """What an event means to us."""

    GOES_ON = "goes_on"
    """TikTok is done with a post that it worked on, well or not."""
    NAMED = "named"
    """A post is public, and this is its id."""
    HIDDEN = "hidden"
    """A post is not public any more."""
    LOGIN_ENDED = "login_ended"
    """The creator took the app's permission away, or TikTok did."""
    OTHER = "other"


EVENTS: Mapping[str, What] = {
    "post.publish.complete": What.GOES_ON,
    "post.publish.completed": What.GOES_ON,  # so in one sheet of others
    "post.publish.failed": What.GOES_ON,
    "post.publish.inbox_delivered": What.GOES_ON,
    "post.publish.publicly_available": What.NAMED,
    "post.publish.publicaly_available": What.NAMED,
    "post.publish.no_longer_publicaly_available": What.HIDDEN,  # TikTok's own spelling
    "post.publish.no_longer_publicly_available": What.HIDDEN,
    "authorization.removed": What.LOGIN_ENDED,
}


class NotSigned(Exception):
    """The request is not TikTok's, or not from now; the message says why and holds no secret."""


class Misread(Exception):
    """It is TikTok's, and has another shape than it should."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event, however often it is sent."""

    key: str
    """The same for each sending."""
    app: str
    """The client key of the app that it was sent to."""
    account_id: str
    event: str
    """In TikTok's words."""
    what: What
    handle: str = ""
    """The publish_id, where it is about one."""
    direct: bool = True
    """It was to be a post; else a draft in the creator's inbox."""
    post_id: str = ""
    reason: str = ""
    at_ms: int = 0
    """When it happened, by TikTok's clock."""


def verified(body: bytes, header: str, secrets: Mapping[str, str], now_s: float, tolerance_s: float) -> str:
    """The client key of the app whose secret signed `body`.

    :param header: what `HEADER` says
    :param secrets: the client secret of each app, by client key
    :param now_s: seconds since the epoch
    :param tolerance_s: how far the time of signing may be from now
    :raises NotSigned: where none did, or not just now
    """
    match = _SIGNED.fullmatch(header.strip())
    if match is None:
        raise NotSigned(f"{HEADER}: it must be t=<seconds>,s=<64 hexadecimal digits>.")
    signed_s, given = match[1], match[2].lower()
    found = ""
    for app, secret in secrets.items():  # all of them: how long it takes tells nothing
        expected = hmac.new(secret.encode(), signed_s.encode() + b"." + body, hashlib.sha256).hexdigest()
        if hmac.compare_digest(expected, given):
            found = app
    if not found:
        raise NotSigned(f"{HEADER}: no app of this installation signed this body.")
    if abs(now_s - int(signed_s)) > tolerance_s:
        raise NotSigned(f"{HEADER}: it was signed more than {tolerance_s:g} seconds from now.")
    return found


def read(body: bytes, app: str) -> Told:
    """What a verified body tells.

    :param app: the client key of the app that signed it
    :raises NotSigned: where it was sent to another app
    :raises Misread: where it is no envelope of TikTok's
    """
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        raise Misread("The body is not JSON.") from None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("event"), str):
        raise Misread("The body must be an object with an event.")
    if envelope.get("client_key") != app:
        raise NotSigned("client_key: it names another app than the one that signed.")
    event = envelope["event"]
    content = _content(envelope.get("content"))
    created = envelope.get("create_time")
    parts = [envelope.get(name) for name in ("client_key", "event", "create_time", "user_openid", "content")]
    return Told(
        key=hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
        app=app,
        account_id=_text(envelope.get("user_openid")),
        event=_text(event),
        what=EVENTS.get(event, What.OTHER),
        handle=_text(content.get("publish_id")),
        direct=content.get("publish_type") != "INBOX_SHARE",
        post_id=_text(content.get("post_id")),
        reason=_text(content.get("reason")),
        at_ms=created * 1000 if isinstance(created, int) and 0 <= created < 10**11 else 0,
    )


def _content(given: Any) -> dict[str, Any]:
    """JSON in a string, as TikTok says; an object would do as well."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return {}
    return given if isinstance(given, dict) else {}


def _text(value: Any) -> str:
    return word(value)[:_LONGEST]
