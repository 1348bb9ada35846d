"""What Airtable's refusals mean, and the exceptions that its client raises.

Airtable words one refusal in three shapes: `{"error": {"type", "message"}}`, `{"error": "TYPE"}` and
`{"errors": [{"error", "message"}]}`; `reason` reads them all.
"""

from __future__ import annotations

from typing import Any

from schedulo.errors.kinds import Diagnosis, Kind, PlatformError
from schedulo.errors.lookup import Phase, Rule, diagnose
from schedulo.words import word

LOCKOUT_S = 30.0
"""After too many requests Airtable refuses everything for this long (Web API: Rate limits)."""

OFFSET_DIED = ("LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "INVALID_OFFSET_VALUE")
"""Codes for a page whose offset is too old: the list must be read again from its beginning."""

_ERRORS = "Airtable Web API: Errors"
_LIMITS = "Airtable Web API: Rate limits"
_SEEN = "as clients report it; not in Airtable's documents"
RULES: tuple[Rule, ...] = (
    Rule(Kind.BUG, _ERRORS, 400),
    Rule(Kind.RECONNECT, _ERRORS, 401),
    Rule(Kind.RECONNECT, _ERRORS, 401, "AUTHENTICATION_REQUIRED"),
    Rule(Kind.PERMISSION, _ERRORS, 403),
    Rule(Kind.PERMISSION, _ERRORS, 403, "INVALID_PERMISSIONS"),
    Rule(Kind.PERMISSION, _ERRORS, 403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND"),
    Rule(Kind.CONFIGURATION, _ERRORS, 404),
    Rule(Kind.CONFIGURATION, _ERRORS, 404, "NOT_FOUND"),
    Rule(Kind.BUG, _ERRORS, 413),
    Rule(Kind.BUG, _ERRORS, 422),
    Rule(Kind.BUG, _ERRORS, 422, "INVALID_REQUEST_UNKNOWN"),
    Rule(Kind.CONFIGURATION, _SEEN, 422, "UNKNOWN_FIELD_NAME"),
    Rule(Kind.CONFIGURATION, _SEEN, 422, "INVALID_VALUE_FOR_COLUMN"),
    Rule(Kind.CONFIGURATION, _SEEN, 422, "INVALID_MULTIPLE_CHOICE_OPTIONS"),
    Rule(Kind.CONFIGURATION, _SEEN, 422, "INVALID_FILTER_BY_FORMULA"),
    *(Rule(Kind.HANDLE_EXPIRED, _SEEN, 422, code) for code in OFFSET_DIED),
    Rule(Kind.RATE_LIMITED, _LIMITS, 429),
    Rule(Kind.RATE_LIMITED, _LIMITS, 429, "RATE_LIMIT_REACHED"),
    Rule(Kind.QUOTA_EXHAUSTED, "Airtable support: API call limits", 429, "PUBLIC_API_BILLING_LIMIT_EXCEEDED"),
    Rule(Kind.PLATFORM_DOWN, _ERRORS, 500),
    Rule(Kind.PLATFORM_DOWN, _ERRORS, 502),
    Rule(Kind.PLATFORM_DOWN, _ERRORS, 503),
    Rule(Kind.PLATFORM_DOWN, _ERRORS, 503, "RETRIABLE_ERROR"),
)

# Airtable is no place where posts go out, so the sentences of the catalogue do not fit it.
_GOES_ON = "Posts that are already planned go out"
_SENTENCES = {
    Kind.RATE_LIMITED: "Airtable asks us to slow down; it is asked again when its lock-out is over",
    Kind.QUOTA_EXHAUSTED: "the workspace has used up this month's Airtable calls; the operator takes a "
    f"bigger plan or waits for the next month. {_GOES_ON}",
    Kind.PLATFORM_DOWN: f"Airtable is not answering properly; it is asked again. {_GOES_ON}",
    Kind.NOT_UNDERSTOOD: f"Airtable gave an answer that nobody knows; it is asked again. {_GOES_ON}",
    Kind.HANDLE_EXPIRED: "Airtable has lost a list that was being read; it is read again from its beginning",
    Kind.NETWORK: f"Airtable could not be reached; it is asked again. {_GOES_ON}",
    Kind.RECONNECT: "Airtable does not accept the token; the operator puts a valid one into the Connection",
    Kind.PERMISSION: "the token may not do this, or there is no such base or table; the operator gives "
    "it the base and the scopes data.records:read, data.records:write and schema.bases:read",
    Kind.CONFIGURATION: "the base is not as Schedulo expects it; the operator runs 'schedulo airtable check'",
    Kind.BUG: "Airtable did not understand our request; this is a fault of the program",
}


class AirtableError(PlatformError):
    """Airtable said no, or gave no answer that can be used."""

    def __init__(
        self,
        kind: Kind,
        *,
        status: int | None = None,
        code: str = "",
        message: str = "",
        wait_s: float | None = None,
    ) -> None:
        super().__init__(
            "airtable",
            Diagnosis(kind, refusal=False),
            status=status,
            code=code,
            message=message,
            wait_s=wait_s,
        )

    def sentence(self) -> str:
        said = ", ".join(part for part in (str(self.status or ""), self.code, self.message) if part)
        return _SENTENCES[self.kind] + (f" ({said})" if said else "")


class AirtableBusy(AirtableError):
    """Locked out, or out of the caller's time: ask again in `wait_s` seconds."""


class AirtableQuota(AirtableError):
    """The month's calls are used up; asking again is of no use before the next month or a bigger plan."""


class AirtableDown(AirtableError):
    """No usable answer: a network failure, a time limit, or a server's error."""


class AirtableRefused(AirtableError):
    """Airtable refused for a reason that repeating does not mend."""


class AirtableSetupError(AirtableError):
    """The Connection or the mapping file cannot be used; the message says why, and who mends it."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        super().__init__(Kind.CONFIGURATION)

    def sentence(self) -> str:
        return self._sentence


_CLASSES: dict[Kind, type[AirtableError]] = {
    Kind.RATE_LIMITED: AirtableBusy,
    Kind.QUOTA_EXHAUSTED: AirtableQuota,
    Kind.PLATFORM_DOWN: AirtableDown,
    Kind.NETWORK: AirtableDown,
    Kind.NOT_UNDERSTOOD: AirtableDown,
}


def reason(body: Any) -> tuple[str, str]:
    """Code and message of a refusal, from any of Airtable's shapes; empty where it has none."""
    if not isinstance(body, dict):
        return "", ""
    error = body.get("error")
    if error is None and isinstance(body.get("errors"), list) and body["errors"]:
        error = body["errors"][0]
    if isinstance(error, dict):
        return word(error.get("type") or error.get("error")), word(error.get("message"))
    return (error, word(body.get("message"))) if isinstance(error, str) else ("", "")


def error_for(status: int, body: Any, retry_after_s: float | None = None) -> AirtableError:
    """The exception that an answer with `status` and (parsed, if it could be) `body` stands for."""
    code, message = reason(body)
    # That a request is too large is for gateways to say.
    spoken = bool(code or message) or status == 413
    kind = diagnose(RULES, Phase.READ, status, code, text=message, spoken=spoken).kind
    wait_s = retry_after_s
    if kind is Kind.RATE_LIMITED and wait_s is None:
        wait_s = LOCKOUT_S
    cls = _CLASSES.get(kind, AirtableRefused)
    return cls(kind, status=status, code=code, message=message, wait_s=wait_s)
