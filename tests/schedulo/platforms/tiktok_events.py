"""Webhooks as TikTok would send them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from schedulo.platforms.tiktok_hooks import Told, read

APP, SECRET = "app", "app-secret"


def body(
    event: str = "post.publish.complete",
    account_id: str = "open-1",
    app: str = APP,
    at_s: int = 1_800_000_000,
    **content: Any,
) -> bytes:
    envelope = {
        "client_key": app,
        "event": event,
        "create_time": at_s,
        "user_openid": account_id,
        "content": json.dumps({"publish_id": "p1", "publish_type": "DIRECT_PUBLISH"} | content),
    }
    return json.dumps(envelope).encode()


def signed(raw: bytes, secret: str = SECRET, at_s: float | None = None) -> str:
    """The header of a body that was signed at an instant; None: now."""
    at = str(int(time.time() if at_s is None else at_s))
    return f"t={at},s={hmac.new(secret.encode(), at.encode() + b'.' + raw, hashlib.sha256).hexdigest()}"


def told(*args: Any, **content: Any) -> Told:
    return read(body(*args, **content), content.get("app", APP))
