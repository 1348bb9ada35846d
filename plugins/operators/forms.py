"""The fields of forms in which people name posts: the same everywhere, with the rules that Airflow checks.

The rules are those of `schedulo.planning.wishes`, which reads what was entered and has the last word.
"""

from __future__ import annotations

from airflow.sdk import Param

from schedulo.model import Platform, State

MOST = 1000
RECORD_ID = r"^\s*rec[A-Za-z0-9]{14}\s*$"
DELIVERY_ID = r"^\s*\w{1,64}\s*$"
PLATFORMS = tuple(platform.value for platform in Platform)
_ONE = f"({'|'.join(PLATFORMS)})"
ACCOUNT_KEY = rf"^\s*{_ONE}:\S+\s*$"
HELD = rf"^\s*(everything|platform:{_ONE}|account:{_ONE}:\S+|post:rec[A-Za-z0-9]{{14}})\s*$"
TARGET = rf"^\s*(everything|platform:{_ONE}|account:{_ONE}:\S+)\s*$"
RETRIED = tuple(
    state.value
    for state in (
        State.FAILED,
        State.MISSED,
        State.CANCELLED,
        State.UNRESOLVED,
        State.PUBLISHED_INCOMPLETE,
    )
)
ERROR_KINDS = (
    "account_restricted",
    "billing",
    "bug",
    "cancelled",
    "configuration",
    "content_rejected",
    "duplicate",
    "handle_expired",
    "media_rejected",
    "media_unreachable",
    "network",
    "not_understood",
    "outcome_unknown",
    "permission",
    "platform_down",
    "quota_exhausted",
    "rate_limited",
    "reconnect",
    "still_processing",
    "token_expired",
)
"""Written out: a Dag's file does not load the catalogue of errors."""


def chosen() -> dict[str, Param]:
    """The fields that name deliveries, in all ways."""
    return {
        "posts": _lines(RECORD_ID, "Posts", "Record ids of rows in Posts, one a line (rec...)."),
        "deliveries": _lines(DELIVERY_ID, "Deliveries", "Ids, one a line: the column Key of Deliveries."),
        "accounts": accounts(),
    }


def accounts(title: str = "Only on these accounts") -> Param:
    return _lines(ACCOUNT_KEY, title, "Account keys, one a line, such as x:123. Empty: all.")


def platforms() -> Param:
    return _choice(PLATFORMS, "Only on these platforms", "Empty: all.")


def states() -> Param:
    return _choice(RETRIED, "Only in these states", "Empty: what failed, or whatever is named above.")


def error_kinds() -> Param:
    return _choice(
        ERROR_KINDS, "Only these kinds of error", "As the page of errors explains them. Empty: all."
    )


def targets() -> Param:
    said = "everything, platform:x, or account:x:123, one a line. Empty: everything, or as it is."
    return _lines(TARGET, "Where", said)


def moment(title: str, description: str) -> Param:
    """An instant; the form has a calendar for it."""
    kind = ["string", "null"]
    return Param(None, type=kind, format="date-time", title=title, description=description)


def dry_run(description: str = "Only say what would be done.") -> Param:
    return Param(False, type="boolean", title="Dry run", description=description)


def _lines(pattern: str, title: str, description: str) -> Param:
    items = {"type": "string", "pattern": pattern}
    return Param([], type=["array", "null"], items=items, maxItems=MOST, title=title, description=description)


def _choice(words: tuple[str, ...], title: str, description: str) -> Param:
    items = {"type": "string", "enum": list(words)}
    return Param(
        [],
        type=["array", "null"],
        items=items,
        examples=list(words),
        maxItems=len(words),
        title=title,
        description=description,
    )
