"""X: which error an answer stands for, and until when a limit lasts (X: response codes; rate limits)."""

from __future__ import annotations

from dataclasses import replace

from schedulo.errors import Diagnosis, Kind, Phase, PlatformError, Scope, diagnose
from schedulo.errors.x import X_RULES
from schedulo.flow import Response
from schedulo.words import word


def raise_for(response: Response, phase: Phase, call: str = "") -> PlatformError:
    """The error that an answer stands for; `call` names the call where the catalogue asks for it."""
    body = response.json()
    body = body if isinstance(body, dict) else {}
    listed = body.get("errors")
    errors = [error for error in listed if isinstance(error, dict)] if isinstance(listed, list) else []
    _, problem, code = word(body.get("type")).rpartition("/problems/")
    if not problem:  # the token endpoint names its errors flatly
        code = word(body.get("error"))
        code = next((found for part in (body, *errors) if (found := word(part.get("code")))), code)
    said = [word(body.get(name)) for name in ("title", "detail", "message", "reason", "error_description")]
    said += [word(error.get("message") or error.get("detail")) for error in errors]
    text = "; ".join(dict.fromkeys(part for part in said if part))
    diagnosis = diagnose(X_RULES, phase, response.status, code, call, text, spoken=bool(code or text))
    if response.ok and phase is not Phase.COMMIT:
        diagnosis = Diagnosis(Kind.PLATFORM_DOWN, refusal=False)  # an answer that cannot be used
    if response.status == 429:
        wait_s, ours = _limit(response, diagnosis.kind)
        diagnosis = replace(diagnosis, scope=Scope.PLATFORM) if ours else diagnosis
    else:
        wait_s = response.retry_after_s
    return PlatformError("X", diagnosis, status=response.status, code=code, message=text, wait_s=wait_s)


def _limit(response: Response, kind: Kind) -> tuple[float | None, bool]:
    """Seconds until the latest reset of a limit that is used up, by X's own clock, and whether that limit is
    our app's for all its accounts (X: rate limits; clients know the 24-hour headers of app and user)."""
    now_s = response.date_s
    resets: list[tuple[float, bool]] = []
    for name, value in response.headers.items():
        if name.startswith("x-") and name.endswith("-remaining") and value.strip() == "0":
            reset = response.headers.get(name.removesuffix("remaining") + "reset", "")
            resets += [(float(reset), name.startswith("x-app-"))] if reset.isdecimal() else []
    if resets and now_s is not None:
        until_s, ours = max(resets)
        return max(1.0, until_s - now_s), ours
    if response.retry_after_s is not None:
        return response.retry_after_s, False
    return (900.0 if kind is Kind.RATE_LIMITED else None), False
