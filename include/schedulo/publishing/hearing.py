"""Hears what answers say of limits, and hands it on a little later: who waits for an answer is not kept.

Good answers alone: what a refusal says is a hold, which people may release.
"""

from __future__ import annotations

import threading

from schedulo.clock import now_ms
from schedulo.delivery.quotas import Said
from schedulo.flow import Request, Response
from schedulo.platforms.told import subject, told

MOST_AT_ONCE = 100
"""So many accounts are handed on at once: the ledger's writer has posts to see to."""


class Hearing:
    """Keeps the last answer of each account and subject. May be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], tuple[int, Request, Response]] = {}

    def __call__(self, request: Request, account_key: str, response: Response) -> None:
        if response.ok and (about := subject(request)):
            with self._lock:
                self._last[account_key, about] = (now_ms(), request, response)

    def take(self) -> list[Said]:
        """What was said since it was last asked, of some accounts; the others' is kept."""
        with self._lock:
            keys = list(self._last)[:MOST_AT_ONCE]
            heard = {key: self._last.pop(key) for key in keys}
        found: dict[tuple[str, str], Said] = {}
        for (account_key, _), (at_ms, request, response) in heard.items():
            for item in told(request, response):
                key = account_key.partition(":")[0] if item.by_app else account_key
                resets_ms = None if item.free_in_s is None else at_ms + int(item.free_in_s * 1000)
                found[key, item.name] = Said(key, item.name, item.most, item.used, resets_ms)
        return [found[key] for key in sorted(found)]
