"""Bodies that are no answers: what gateways, proxies and broken servers send in place of one.

Each way makes a body and its content type of the answer that would have been right.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

PAGE = "<html><head><title>Oops</title></head><body>Something went wrong.</body></html>"
JSON = "application/json; charset=utf-8"
DEEP = 100_000
"""Deeper than any parser goes."""

Way = Callable[[Any], tuple[str, str]]


def _written(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def _other_kinds(body: Any) -> Any:
    """The same names with values of other kinds: numbers where objects and lists were, lists for the rest."""
    if not isinstance(body, dict):
        return 7
    return {name: 7 if isinstance(value, dict | list) else [] for name, value in body.items()}


def _other_kinds_within(body: Any) -> Any:
    """The outer names keep objects and lists; what is within has other kinds."""
    if not isinstance(body, dict):
        return [7]
    within: dict[str, Any] = {}
    for name, value in body.items():
        match value:
            case dict():
                within[name] = {inner: {"7": 7} for inner in value}
            case list():
                within[name] = [7, None, "7", []]
            case _:
                within[name] = {"7": value}
    return within


WAYS: dict[str, Way] = {
    "html": lambda body: (PAGE, "text/html; charset=utf-8"),
    "html_as_json": lambda body: (PAGE, JSON),
    "empty": lambda body: ("", JSON),
    "truncated": lambda body: (_written(body)[: len(_written(body)) // 2], JSON),
    "cut": lambda body: (_written(body) or PAGE, JSON),
    "misencoded": lambda body: (_written(body) or PAGE, JSON),
    "mislabelled": lambda body: (_written(body), "application/octet-stream"),
    "text": lambda body: (json.dumps("service unavailable"), JSON),
    "number": lambda body: ("7", JSON),
    "list": lambda body: (json.dumps([body]), JSON),
    "null": lambda body: ("null", JSON),
    "object": lambda body: ("{}", JSON),
    "other_kinds": lambda body: (json.dumps(_other_kinds(body)), JSON),
    "other_kinds_within": lambda body: (json.dumps(_other_kinds_within(body)), JSON),
    "not_a_number": lambda body: ('{"id": NaN, "data": {"id": Infinity}, "records": [NaN]}', JSON),
    "deep": lambda body: ("[" * DEEP, JSON),
}
"""By the word that an order names it with. `cut` ends the connection in the middle of the body, `misencoded`
calls it gzip, which it is not."""
