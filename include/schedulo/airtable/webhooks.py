"""Airtable's webhooks: making, keeping and removing them, and reading what they tell of changes.

Which changes count is said when one is made: those of the fields that people fill (`watched_in`). Where they
came from says too little: an app on top of the base writes by the API as we do. When one is made or removed
is left to `delivery.listening`, what is remembered of it to `changes`.
Source: Airtable Web API, "Webhooks overview" and the pages of its calls.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Any

from schedulo.airtable.calls import Calls
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.mapping import Mapping
from schedulo.airtable.schema import ACCOUNTS, COMMANDS, DELIVERIES, POSTS, TABLES, Type, Writer
from schedulo.clock import instant_of
from schedulo.errors.airtable import AirtableRefused
from schedulo.words import word

MANAGE = "webhook:manage"
"""The scope that a token needs for all of this, besides those for reading."""
MOST_OF_A_BASE = 10
GONE = "NOT_FOUND"
FULL = "TOO_MANY_WEBHOOKS_IN_BASE"
PAGE = 50
EVERYTHING = ("tableData", "tableFields", "tableMetadata")

Watched = Dict[str, Dict[str, Any]]
"""By our name of a table: `id`, the base's own, and `fields`, the ids of those that people fill."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook as a list of them shows it."""

    id: str
    url: str
    """Where pings go; empty: nowhere."""
    enabled: bool
    """False: it hears of nothing any more, such as after a field it watched was removed."""
    notifies: bool
    """False: pings were switched off, by somebody or after too many that were not taken."""
    cursor: int
    """Of the next payload that is made."""
    expires_ms: int | None
    fingerprint: str
    watches: frozenset[str]
    """Ids of the fields whose cells it watches; none: all."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new webhook."""

    id: str
    secret: str
    """Base64 of what pings are signed with; told this once."""
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What people changed, as far as it counts: a sum over payloads, without order and values."""

    posts: frozenset[str] = frozenset()
    """Record ids, of rows that were deleted too."""
    accounts: frozenset[str] = frozenset()
    deliveries: frozenset[str] = frozenset()
    """Rows in which people asked for something."""
    others: bool = False
    """Rows of the tables Mentions or Maintenance."""
    schema_changed: bool = False
    """Tables or fields came, went or were renamed."""
    everything: bool = False
    """Changes may have been missed: all that people wrote is to be read, not these rows alone."""
    more: bool = False
    """There is more to be read at once."""

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(
            self.posts
            or self.accounts
            or self.deliveries
            or self.others
            or self.schema_changed
            or self.everything
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One answer to a request for payloads."""

    changes: Changes
    cursor: int
    """Of the next one."""
    dead: bool
    """It hears of nothing any more, and another is to be made."""


class Webhooks:
    """The webhooks of one base.

    :raises AirtableError: from every method, as `Calls.send` says
    """

    def __init__(self, client: AirtableClient) -> None:
        self._calls: Calls = client.calls
        self._mapping = client.mapping
        self._base = client.calls.api.base(client.base_id)
        self._url = self._base.urls.webhooks

    def watched(self) -> Watched:
        """What is to be watched in the base, by its schema. The call does not count for the month."""
        schema = self._calls.send("GET", self._base.urls.tables, fits=_is_schema)
        return watched_in(schema, self._mapping)

    def all(self) -> list[Webhook]:
        """Those of everybody whose token may see them, ended ones too."""
        answer = self._calls.send("GET", self._url, fits=_is_list)
        return [_webhook(one) for one in answer["webhooks"]]

    def make(self, watched: Watched, url: str) -> Made:
        """A new one. Where the answer is lost, one is there that nobody knows the secret of.

        :param url: where pings go; empty: none are sent
        """
        answer = self._calls.send(
            "POST",
            self._url,
            json={"notificationUrl": url or None, "specification": specification(watched)},
            repeatable=False,
            fits=lambda answer: bool(word(answer.get("id")) and word(answer.get("macSecretBase64"))),
        )
        return Made(answer["id"], answer["macSecretBase64"], instant_of(answer.get("expirationTime")))

    def refresh(self, webhook_id: str) -> int | None:
        """Let it live for another seven days; answers until when, in milliseconds."""
        answer = self._calls.send("POST", f"{self._url}/{webhook_id}/refresh")
        return instant_of(answer.get("expirationTime"))

    def notify(self, webhook_id: str) -> None:
        """Switch pings on again."""
        url = f"{self._url}/{webhook_id}/enableNotifications"
        self._calls.send("POST", url, json={"enable": True}, silent=True)

    def remove(self, webhook_id: str) -> None:
        """Remove it; one that is gone is no error."""
        try:
            self._calls.send("DELETE", f"{self._url}/{webhook_id}", silent=True)
        except AirtableRefused as error:
            if error.status != 404:
                raise

    def payloads(self, webhook_id: str, cursor: int, watched: Watched) -> Page:
        """What it told from `cursor` on, `PAGE` payloads at the most. Asking lets it live for another seven
        days, unless it has ended."""
        answer = self._calls.send(
            "GET",
            f"{self._url}/{webhook_id}/payloads",
            options={"cursor": cursor, "limit": PAGE},
            fits=_is_page,
        )
        payloads, after = answer["payloads"], int(answer["cursor"])
        told = Told(watched)
        for payload in payloads:
            told.take(payload)
        # Payloads are kept for seven days: those in between are gone.
        missed = after - len(payloads) > cursor
        more = bool(answer.get("mightHaveMore")) and after > cursor
        return Page(told.changes(everything=missed or told.failed, more=more), after, told.dead)


def watched_in(schema: Dict[str, Any], mapping: Mapping) -> Watched:
    """The fields that people fill, of each of our tables that the base has.

    :param schema: the answer of the meta API's `GET /meta/bases/{base}/tables`
    """
    theirs = {table["name"]: table for table in schema["tables"]}
    watched = {}
    for table in TABLES:
        own = theirs.get(mapping.table(table.name))
        if own is None:
            continue
        ids = {item["name"]: item["id"] for item in own["fields"]}
        names = [
            mapping.field(table.name, item.name)
            for item in table.fields
            if item.by is Writer.PEOPLE and item.type is not Type.LAST_MODIFIED
        ]
        watched[table.name] = {"id": own["id"], "fields": sorted(ids[name] for name in names if name in ids)}
    return watched


def specification(watched: Watched) -> dict[str, Any]:
    """What a webhook is made to hear of."""
    fields = sorted(field for table in watched.values() for field in table["fields"])
    return {"options": {"filters": {"dataTypes": list(EVERYTHING), "watchDataInFieldIds": fields}}}


def fingerprint(watched: Watched, url: str) -> str:
    """Names what a webhook is made to hear of and where its pings go: two that have the same do the same."""
    return _fingerprint(specification(watched), url)


def is_ours(webhook: Webhook, watched: Watched) -> bool:
    """Whether one of our installations made it: it watches what people ask of deliveries, as nobody else
    has a reason to."""
    asked = frozenset(watched.get(DELIVERIES, {}).get("fields", ()))
    return len(asked) >= len(COMMANDS) and asked <= webhook.watches


class Told:
    """Gathers what payloads tell. What it does not understand counts as a change that was missed."""

    def __init__(self, watched: Watched) -> None:
        self._names = {table["id"]: name for name, table in watched.items()}
        self._fields = {table["id"]: frozenset(table["fields"]) for table in watched.values()}
        self._rows: dict[str, set[str]] = {}
        self._schema = False
        self.failed = False
        self.dead = False

    def take(self, payload: Any) -> None:
        try:
            if payload.get("error"):
                self.failed = True
                self.dead = self.dead or payload.get("code") != "INTERNAL_ERROR"
                return
            self._schema = self._schema or bool(
                payload.get("createdTablesById") or payload.get("destroyedTableIds")
            )
            for table_id, change in (payload.get("changedTablesById") or {}).items():
                self._take_table(table_id, change)
        except (AttributeError, KeyError, TypeError):
            self.failed = True

    def _take_table(self, table_id: str, change: Dict[str, Any]) -> None:
        self._schema = self._schema or any(
            change.get(part)
            for part in ("createdFieldsById", "changedFieldsById", "destroyedFieldIds", "changedMetadata")
        )
        if table_id not in self._names:
            return
        name, fields = self._names[table_id], self._fields[table_id]
        found = self._rows.setdefault(name, set())
        for record_id, row in (change.get("createdRecordsById") or {}).items():
            if fields & row["cellValuesByFieldId"].keys():
                found.add(record_id)
        for record_id, row in (change.get("changedRecordsById") or {}).items():
            if fields & row["current"]["cellValuesByFieldId"].keys():
                found.add(record_id)
        if name != DELIVERIES:  # a row of ours that people delete stays deleted
            found |= set(change.get("destroyedRecordIds") or ())

    def changes(self, *, everything: bool, more: bool) -> Changes:
        known = (POSTS, ACCOUNTS, DELIVERIES)
        posts, accounts, deliveries = (frozenset(self._rows.get(name, ())) for name in known)
        others = any(rows for name, rows in self._rows.items() if name not in known)
        return Changes(posts, accounts, deliveries, others, self._schema, everything, more)


def _webhook(one: Dict[str, Any]) -> Webhook:
    filters = _filters(one.get("specification"))
    url = word(one.get("notificationUrl"))
    cursor = one.get("cursorForNextPayload")
    return Webhook(
        id=one["id"],
        url=url,
        enabled=one.get("isHookEnabled") is not False,
        notifies=one.get("areNotificationsEnabled") is not False,
        cursor=cursor if isinstance(cursor, int) and cursor >= 1 else 1,
        expires_ms=instant_of(one.get("expirationTime")),
        fingerprint=_fingerprint(one.get("specification"), url),
        watches=frozenset(_names(filters.get("watchDataInFieldIds"))),
    )


def _filters(specification: Any) -> Dict[str, Any]:
    """Its filters; empty where it has another shape than it should."""
    match specification:
        case {"options": {"filters": dict(filters)}}:
            return filters
        case _:
            return {}


def _names(value: Any) -> list[str]:
    return sorted(name for name in value if isinstance(name, str)) if isinstance(value, list) else []


def _fingerprint(given: Any, url: str) -> str:
    """Airtable may show a specification with more than it was given: only what we give counts."""
    filters = _filters(given)
    counts = {
        "url": url,
        "types": _names(filters.get("dataTypes")),
        "fields": _names(filters.get("watchDataInFieldIds")),
        "else": {
            name: filters[name]
            for name in ("recordChangeScope", "changeTypes", "fromSources", "watchSchemasOfFieldIds")
            if filters.get(name)
        },
    }
    return hashlib.sha256(json.dumps(counts, sort_keys=True).encode()).hexdigest()


def _is_schema(answer: dict[str, Any]) -> bool:
    tables = answer.get("tables")
    return isinstance(tables, list) and all(
        _is_named(table) and isinstance(table.get("fields"), list) and all(map(_is_named, table["fields"]))
        for table in tables
    )


def _is_named(item: Any) -> bool:
    return isinstance(item, dict) and all(isinstance(item.get(key), str) for key in ("id", "name"))


def _is_list(answer: dict[str, Any]) -> bool:
    found = answer.get("webhooks")
    return isinstance(found, list) and all(isinstance(one, dict) and word(one.get("id")) for one in found)


def _is_page(answer: dict[str, Any]) -> bool:
    cursor = answer.get("cursor")
    return isinstance(answer.get("payloads"), list) and isinstance(cursor, int) and cursor >= 1
