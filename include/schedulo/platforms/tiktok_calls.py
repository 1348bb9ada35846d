"""How TikTok is spoken to: its envelope, its errors, the limits that name no end.

Only `error.code` says whether an answer is good; the upload server has no words, and the token endpoint
answers flat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schedulo.errors import Diagnosis, Kind, Phase, PlatformError, Scope, diagnose
from schedulo.errors.tiktok import TIKTOK_RULES
from schedulo.flow import Request, Response
from schedulo.words import word

WAITS_S = {Kind.RATE_LIMITED: 60.0, Kind.QUOTA_EXHAUSTED: 24 * 3600.0}
"""TikTok names no reset: its limits are per minute and per day."""

JSON = (("Content-Type", "application/json; charset=UTF-8"),)


def ask(path: str, body: Mapping[str, Any] | None = None, **more: Any) -> Request:
    """A request of the API; all are POSTs of JSON."""
    return Request("tiktok", "POST", path, json=body, headers=JSON, **more)


def raise_for(response: Response, phase: Phase, code: str = "") -> PlatformError:
    """The error that an answer stands for; `code` is for answers that carry none of their own."""
    body = response.json()
    error = body.get("error") if isinstance(body, dict) else None
    message = ""
    # The upload server has no words of its own, but does not speak HTML.
    spoken = bool(code) and not response.body.lstrip().startswith(b"<")
    if isinstance(error, dict):
        code, spoken = word(error.get("code")) or code, bool(word(error.get("code")))
        log_id = word(error.get("log_id") or error.get("logid"))
        message = word(error.get("message")) + (f" (log id {log_id})" if log_id else "")
    elif isinstance(error, str):  # the token endpoint answers flat
        code, message, spoken = error, word(body.get("error_description")), True
    diagnosis = diagnose(TIKTOK_RULES, phase, response.status, code, text=message, spoken=spoken)
    return error_of(diagnosis, response, code, message)


def error_of(diagnosis: Diagnosis, response: Response | None, code: str, message: str) -> PlatformError:
    wait_s = WAITS_S.get(diagnosis.kind)
    if response and response.retry_after_s is not None:
        wait_s = response.retry_after_s
    status = response.status if response else None
    return PlatformError("TikTok", diagnosis, status=status, code=code, message=message, wait_s=wait_s)


def data_of(response: Response, phase: Phase, *needed: str) -> dict[str, Any]:
    """What a good answer holds, `needed` among it; only `error.code` says whether an answer is good."""
    body = response.json()
    body = body if isinstance(body, dict) else {}
    error, data = body.get("error"), body.get("data")
    good = isinstance(error, dict) and error.get("code") == "ok"
    if good and isinstance(data, dict) and all(word(data.get(name)) for name in needed):
        return data
    if response.ok and (good or error is None):  # cannot be used, and proves nothing at a commit
        kind = Kind.OUTCOME_UNKNOWN if phase is Phase.COMMIT else Kind.PLATFORM_DOWN
        raise error_of(Diagnosis(kind, refusal=False), response, "", "the answer could not be read")
    raise raise_for(response, phase)


def refuse(kind: Kind, message: str, scope: Scope | None = None) -> PlatformError:
    """What we know before TikTok is asked: it would be refused."""
    return error_of(Diagnosis(kind, refusal=True, scope=scope), None, "", message)
