"""Airtable's webhooks: making and keeping them, payloads by cursor, pings to an address.

Switches: `airtable_webhooks` (allowed, or refused as by a plan or a role that may not make them),
`airtable_watched_rows` (whole: rows that come or go are told of, whichever cells a webhook watches; cells:
only where one of those is filled; the documents do not say), `airtable_payload_error` (the code of an error
that takes the place of each payload from then on), `airtable_ping_wait_s` (before a ping is tried again,
twice as long each time; 10) and `airtable_ping_tries` (25; then notifications are switched off).
Source: Airtable Web API, "Webhooks overview" and the pages of its calls.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout

from sandbox.airtable.changes import Filters, Transaction, iso_ms, recorded
from sandbox.airtable.errors import forbidden, invalid_request, refused
from sandbox.airtable.limits import SOURCES, Token
from sandbox.airtable.model import Base, new_id
from sandbox.core import Call, Reply, Route, World, route

LIFE_S = 7 * 86_400
MAX_OF_BASE = 10
MAX_PAYLOADS = 50
PING_TIMEOUT_S = 10
DATA_TYPES = {
    "tableData": "data.records:read",
    "tableFields": "schema.bases:read",
    "tableMetadata": "schema.bases:read",
}
"""What a webhook may be told of, and the scope that its token needs for it."""
CHANGE_TYPES = ("add", "remove", "update")
ERRORS = ("INVALID_FILTERS", "INVALID_HOOK", "INTERNAL_ERROR")
FILTERS = {
    "dataTypes",
    "recordChangeScope",
    "changeTypes",
    "fromSources",
    "watchDataInFieldIds",
    "watchSchemasOfFieldIds",
    "sourceOptions",
}
INCLUDES = {
    "includeCellValuesInFieldIds",
    "includePreviousCellValues",
    "includePreviousFieldDefinitions",
}
Enter = Callable[[Call, str], tuple[Token, Base]]


@dataclass(slots=True)
class Hook:
    """One webhook of a base."""

    base_id: str
    specification: dict[str, Any]
    filters: Filters
    notification_url: str | None
    expires: float
    id: str = field(default_factory=lambda: new_id("ach"))
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    enabled: bool = True
    notifies: bool = True
    payloads: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """With when each was made."""
    dropped: int = 0
    """How many came before those that are still kept."""
    pinging: bool = False
    unheard: bool = False
    """Something changed while a ping was under way."""
    last_success: float | None = None
    last_result: dict[str, Any] | None = None

    @property
    def next_cursor(self) -> int:
        return self.dropped + len(self.payloads) + 1

    def describe(self) -> dict[str, Any]:
        """The webhook as a list shows it: without its secret."""
        return {
            "id": self.id,
            "specification": self.specification,
            "notificationUrl": self.notification_url,
            "cursorForNextPayload": self.next_cursor,
            "areNotificationsEnabled": self.notifies,
            "isHookEnabled": self.enabled,
            "expirationTime": iso_ms(int(self.expires * 1000)),
            "lastSuccessfulNotificationTime": (
                None if self.last_success is None else iso_ms(int(self.last_success * 1000))
            ),
            "lastNotificationResult": self.last_result,
        }


class Webhooks:
    """The webhooks of all bases.

    :param enter: who calls, and the base, after all that may refuse the call: `enter(call, scope)`
    """

    def __init__(self, world: World, enter: Enter) -> None:
        self._world, self._enter = world, enter
        self._hooks: dict[str, Hook] = {}
        hooks = "/v0/bases/{base}/webhooks"
        one = f"{hooks}/{{webhook}}"
        self.routes: list[Route] = [
            route("GET", hooks, "list_webhooks", self._list),
            route("POST", hooks, "create_webhook", self._create),
            route("DELETE", one, "delete_webhook", self._delete),
            route("POST", f"{one}/refresh", "refresh_webhook", self._refresh),
            route("POST", f"{one}/enableNotifications", "enable_notifications", self._notify),
            route("GET", f"{one}/payloads", "list_payloads", self._payloads),
        ]

    def clear(self) -> None:
        self._hooks.clear()

    @contextmanager
    def recording(self, token: Token, base: Base) -> Iterator[None]:
        """What the block changes in the base is told to its webhooks. The block waits for nothing."""
        hooks = [hook for hook in self._hooks.values() if hook.base_id == base.id]
        if not hooks:
            yield
            return
        with recorded(base, token.source, token.user_id, int(self._world.now() * 1000)) as done:
            yield
        if done:
            for hook in hooks:
                self._tell(hook, base, done)

    # -------------------------------------------------------------- calls

    async def _list(self, call: Call) -> Reply:
        _, base = self._enter(call, "webhook:manage")
        return Reply(200, {"webhooks": [hook.describe() for hook in self._of(base)]})

    async def _create(self, call: Call) -> Reply:
        token, base = self._enter(call, "webhook:manage")
        data = _object(call)
        if unknown := set(data) - {"notificationUrl", "specification"}:
            raise invalid_request(f"{sorted(unknown)[0]} is not known")
        whole_rows = self._world.switch("airtable_watched_rows", "whole") == "whole"
        filters = _filters(base, data.get("specification"), whole_rows)
        if any(DATA_TYPES[kind] not in token.scopes for kind in filters.data_types):
            raise forbidden()
        url = _address(data.get("notificationUrl"))
        if self._world.switch("airtable_webhooks", "allowed") != "allowed":
            raise refused(403, "INVALID_PERMISSIONS", "You are not permitted to perform this operation")
        if len(self._of(base)) >= MAX_OF_BASE:
            raise refused(403, "TOO_MANY_WEBHOOKS_IN_BASE", f"A base may have {MAX_OF_BASE} webhooks at most")
        hook = Hook(base.id, data["specification"], filters, url, self._world.now() + LIFE_S)
        self._hooks[hook.id] = hook
        return Reply(
            200,
            {
                "id": hook.id,
                "macSecretBase64": base64.b64encode(hook.secret).decode(),
                "expirationTime": iso_ms(int(hook.expires * 1000)),
            },
        )

    async def _delete(self, call: Call) -> Reply:
        _, hook = self._hook(call)
        del self._hooks[hook.id]
        return Reply(204)

    async def _refresh(self, call: Call) -> Reply:
        hook = self._alive(call)
        hook.expires = self._world.now() + LIFE_S
        return Reply(200, {"expirationTime": iso_ms(int(hook.expires * 1000))})

    async def _notify(self, call: Call) -> Reply:
        hook = self._alive(call)
        data = _object(call)
        if set(data) != {"enable"} or not isinstance(data["enable"], bool):
            raise invalid_request("enable is required, true or false")
        if data["enable"] and hook.notification_url is None:
            raise invalid_request("the webhook has no notificationUrl")
        hook.notifies = data["enable"]
        return Reply(204)

    async def _payloads(self, call: Call) -> Reply:
        token, hook = self._hook(call)
        if any(DATA_TYPES[kind] not in token.scopes for kind in hook.filters.data_types):
            raise forbidden()
        if unknown := {name for name, _ in call.query} - {"cursor", "limit"}:
            raise invalid_request(f"{sorted(unknown)[0]} is not known")
        cursor = _whole(call, "cursor", 1, None)
        limit = _whole(call, "limit", MAX_PAYLOADS, MAX_PAYLOADS)
        now = self._world.now()
        while hook.payloads and hook.payloads[0][0] + LIFE_S <= now:
            hook.payloads.pop(0)
            hook.dropped += 1
        if hook.enabled and now < hook.expires:
            hook.expires = now + LIFE_S
        first = min(max(cursor, hook.dropped + 1), hook.next_cursor)
        shown = [one for _, one in hook.payloads[first - hook.dropped - 1 :][:limit]]
        after = first + len(shown)
        return Reply(200, {"payloads": shown, "cursor": after, "mightHaveMore": after < hook.next_cursor})

    # -------------------------------------------------------------- what calls begin with

    def _hook(self, call: Call) -> tuple[Token, Hook]:
        token, base = self._enter(call, "webhook:manage")
        hook = next((one for one in self._of(base) if one.id == call.args["webhook"]), None)
        if hook is None:
            raise refused(404, "NOT_FOUND", "Could not find what you are looking for")
        return token, hook

    def _alive(self, call: Call) -> Hook:
        _, hook = self._hook(call)
        if self._world.now() >= hook.expires or not hook.enabled:
            raise refused(422, "INVALID_HOOK", "The webhook has expired or is disabled")
        return hook

    def _of(self, base: Base) -> list[Hook]:
        """The base's webhooks; those that ended a week ago are gone."""
        gone = [hook.id for hook in self._hooks.values() if self._world.now() >= hook.expires + LIFE_S]
        for hook_id in gone:
            del self._hooks[hook_id]
        return [hook for hook in self._hooks.values() if hook.base_id == base.id]

    # -------------------------------------------------------------- telling

    def _tell(self, hook: Hook, base: Base, done: Transaction) -> None:
        now = self._world.now()
        if not hook.enabled or now >= hook.expires:
            return
        payload = hook.filters.payload(base, done, iso_ms(done.at_ms))
        if payload is None:
            return
        if code := self._world.switch("airtable_payload_error", ""):
            if code not in ERRORS:
                raise ValueError(f"airtable_payload_error {code!r} is not one of {', '.join(ERRORS)}")
            payload = {"error": True, "code": code}
            hook.enabled = code == "INTERNAL_ERROR"
        hook.payloads.append((now, payload))
        if hook.notification_url is not None and hook.notifies:
            hook.unheard = True
            if not hook.pinging:
                hook.pinging = True
                self._world.later(0.0, lambda: self._ping(hook, 0))

    async def _ping(self, hook: Hook, retry: int) -> None:
        if hook.id not in self._hooks or not hook.notifies:
            hook.pinging = False
            return
        hook.unheard = False
        began = time.monotonic()
        problem = await _post(hook, iso_ms(int(self._world.now() * 1000)))
        again = problem is not None and retry + 1 < int(self._world.switch("airtable_ping_tries", "25"))
        hook.last_result = {
            "success": problem is None,
            "completionTimestamp": iso_ms(int(self._world.now() * 1000)),
            "durationMs": round((time.monotonic() - began) * 1000, 3),
            "retryNumber": retry,
        }
        if problem is None:
            hook.last_success = self._world.now()
            hook.pinging = hook.unheard
            if hook.unheard:
                self._world.later(0.0, lambda: self._ping(hook, 0))
            return
        hook.last_result |= {"willBeRetried": again, "error": {"message": problem}}
        if again:
            wait_s = float(self._world.switch("airtable_ping_wait_s", "10")) * 2**retry
            self._world.later(wait_s, lambda: self._ping(hook, retry + 1))
        else:
            hook.notifies = hook.pinging = False


async def _post(hook: Hook, timestamp: str) -> str | None:
    """Send one ping. Returns why it was not taken; None: it was."""
    assert hook.notification_url is not None
    try:
        near = ipaddress.ip_address(urlsplit(hook.notification_url).hostname or "").is_loopback
    except ValueError:
        near = urlsplit(hook.notification_url).hostname == "localhost"
    if not near:
        return "The address could not be reached"  # the stand-in speaks to its own machine alone
    body = {"base": {"id": hook.base_id}, "webhook": {"id": hook.id}, "timestamp": timestamp}
    raw = json.dumps(body).encode()
    mac = hmac.new(hook.secret, raw, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-Airtable-Content-MAC": f"hmac-sha256={mac}"}
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=PING_TIMEOUT_S)) as session,
            session.post(hook.notification_url, data=raw, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status not in (200, 204):
                return f"The address answered {answer.status}"
            return "The address answered with a body" if await answer.read() else None
    except (ClientError, TimeoutError, OSError):
        return "The address could not be reached"


def _object(call: Call) -> dict[str, Any]:
    try:
        data = call.json()
    except ValueError:
        raise refused(400, "INVALID_REQUEST_BODY", "Could not parse request body") from None
    if not isinstance(data, dict):
        raise invalid_request("an object is required")
    return data


def _whole(call: Call, name: str, default: int, most: int | None) -> int:
    given = call.query_value(name)
    if given is None:
        return default
    if not given.isdecimal() or int(given) < 1 or (most is not None and int(given) > most):
        raise invalid_request(f"{name} must be a whole number from 1" + (f" to {most}" if most else ""))
    return int(given)


def _address(url: Any) -> str | None:
    if url is None:
        return None
    if (
        not isinstance(url, str)
        or urlsplit(url).scheme not in ("http", "https")
        or not urlsplit(url).hostname
    ):
        raise invalid_request("notificationUrl must be the address of a page")
    return url


def _filters(base: Base, specification: Any, whole_rows: bool) -> Filters:
    """What a specification asks for. Raises Refused where something in it is not known or missing."""
    options = _keys(specification, "specification", {"options"}).get("options")
    wanted = _keys(options, "options", {"filters", "includes"})
    filters = _keys(wanted.get("filters"), "filters", FILTERS)
    includes = _keys(wanted.get("includes") or {}, "includes", INCLUDES)
    data_types = _words(filters, "dataTypes", DATA_TYPES)
    if not data_types:
        raise invalid_request("dataTypes must name at least one")
    if filters.get("sourceOptions"):
        raise invalid_request("this stand-in has no forms, and with that no sourceOptions")
    scope = filters.get("recordChangeScope")
    if scope is not None and scope not in base.tables:
        raise invalid_request("recordChangeScope must be the id of a table of this base")
    fields = {field_id for table in base.tables.values() for field_id in table.fields}
    cells = includes.get("includeCellValuesInFieldIds")
    return Filters(
        data_types=data_types,
        table_id=scope,
        change_types=_words(filters, "changeTypes", CHANGE_TYPES),
        sources=_words(filters, "fromSources", SOURCES),
        watched=_words(filters, "watchDataInFieldIds", fields),
        watched_schemas=_words(filters, "watchSchemasOfFieldIds", fields),
        included=None if cells == "all" else _words(includes, "includeCellValuesInFieldIds", fields),
        previous=_flag(includes, "includePreviousCellValues"),
        previous_fields=_flag(includes, "includePreviousFieldDefinitions"),
        whole_rows=whole_rows,
    )


def _keys(given: Any, where: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(given, dict) or set(given) - known:
        raise invalid_request(f"{where} must be an object and may have {', '.join(sorted(known))}")
    return given


def _words(given: dict[str, Any], name: str, known: Any) -> frozenset[str]:
    words = given.get(name)
    if words is None:
        return frozenset()
    if not isinstance(words, list) or any(not isinstance(w, str) or w not in known for w in words):
        raise invalid_request(f"{name} names something that there is not")
    return frozenset(words)


def _flag(given: dict[str, Any], name: str) -> bool:
    if not isinstance(given.get(name, False), bool):
        raise invalid_request(f"{name} must be true or false")
    return bool(given.get(name, False))
