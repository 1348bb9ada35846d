"""What answers of platforms say of limits, besides what they were asked for: headers, and Instagram's quota.

Sources: X, rate limits; Meta, Graph API rate limits and content_publishing_limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from schedulo.flow import Request, Response
from schedulo.platforms.graph import business_usage, usage_header

USAGE = "usage"
"""The name of what Meta tells in percent: calls and time, of our app and of an account."""
_X_POSTS = "/2/tweets"
_X_LIMITS = {
    "posts": ("x-rate-limit-", False),
    "posts_day": ("x-user-limit-24hour-", False),
    "app_day": ("x-app-limit-24hour-", True),
}
_META = ("instagram", "facebook", "rupload")
_QUOTA = "/content_publishing_limit"
_PERCENTS = ("call_count", "total_time", "total_cputime")


@dataclass(frozen=True, slots=True)
class Told:
    """One limit, as an answer told it."""

    name: str
    most: int
    used: int
    free_in_s: float | None = None
    """All of it is free again then; None: it was not said."""
    by_app: bool = False
    """It is our app's, not the account's."""


def subject(request: Request) -> str:
    """What an answer to this may tell of: a later answer of the same subject tells more. Empty: nothing."""
    if request.service == "x":
        return _X_POSTS if (request.method, request.path) == ("POST", _X_POSTS) else ""
    if request.service not in _META:
        return ""
    return _QUOTA if request.path.endswith(_QUOTA) else USAGE


def told(request: Request, response: Response) -> list[Told]:
    """What an answer says of limits."""
    match subject(request):
        case "":
            return []
        case "/2/tweets":
            return _of_x(response)
        case subject_:
            return _usage(response) + (_quota(request, response) if subject_ == _QUOTA else [])


def _of_x(response: Response) -> list[Told]:
    found = []
    for name, (header, by_app) in _X_LIMITS.items():
        most, left, reset = (
            _number(response.headers.get(header + word)) for word in ("limit", "remaining", "reset")
        )
        if most is not None and left is not None:
            now_s = response.date_s
            free_in_s = max(0.0, reset - now_s) if reset is not None and now_s is not None else None
            found.append(Told(name, most, max(0, most - left), free_in_s, by_app))
    return found


def _usage(response: Response) -> list[Told]:
    found = []
    app, page = (usage_header(response, header) for header in ("x-app-usage", "x-page-usage"))
    if app:
        found.append(Told(USAGE, 100, _percent([app]), by_app=True))
    rows = [*business_usage(response), *([page] if page else [])]
    if rows:
        minutes = [row.get("estimated_time_to_regain_access") for row in rows]
        wait_s = 60.0 * max((float(m) for m in minutes if isinstance(m, int | float)), default=0.0)
        found.append(Told(USAGE, 100, _percent(rows), wait_s or None))
    return found


def _percent(rows: list[dict[str, Any]]) -> int:
    said = [row.get(name) for row in rows for name in _PERCENTS]
    return int(max((float(value) for value in said if isinstance(value, int | float)), default=0.0))


def _quota(request: Request, response: Response) -> list[Told]:
    """Instagram's posts of a day. An answer about a part of the day says less."""
    body = response.json()
    rows = body.get("data") if response.ok and isinstance(body, dict) else None
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
    config = row.get("config")
    total = config.get("quota_total") if isinstance(config, dict) else None
    used = row.get("quota_usage")
    whole = all(name != "since" for name, _ in request.query)
    if not (whole and isinstance(total, int) and total > 0 and isinstance(used, int)):
        return []
    return [Told("posts", total, used)]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None
