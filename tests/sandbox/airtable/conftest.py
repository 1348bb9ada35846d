"""A seeded base, and a small HTTP client that says what came back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from sandbox.running import RunningSandbox

TOKEN = "patTest"
BASE = "appBase0000000001"

DATE_TIME = {"timeZone": "utc", "dateFormat": {"name": "iso"}, "timeFormat": {"name": "24hour"}}
POSTS = [
    {"name": "Title", "type": "singleLineText"},
    {"name": "Text", "type": "multilineText"},
    {"name": "Count", "type": "number", "options": {"precision": 0}},
    {"name": "Done", "type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
    {
        "name": "Status",
        "type": "singleSelect",
        "options": {"choices": [{"name": "Ready"}, {"name": "Draft"}]},
    },
    {"name": "Tags", "type": "multipleSelects", "options": {"choices": [{"name": "a"}, {"name": "b"}]}},
    {"name": "Day", "type": "date", "options": {"dateFormat": {"name": "iso"}}},
    {"name": "Due", "type": "dateTime", "options": DATE_TIME},
    {"name": "Media", "type": "multipleAttachments"},
    {"name": "Accounts", "type": "multipleRecordLinks", "options": {"linkedTableId": "Accounts"}},
    {"name": "Created", "type": "createdTime"},
    {"name": "Edited", "type": "lastModifiedTime", "options": {"referencedFieldIds": ["Title", "Text"]}},
]
ACCOUNTS = [{"name": "Name", "type": "singleLineText"}, {"name": "Mail", "type": "email"}]


def a_base(**records: list[dict[str, Any]]) -> dict[str, Any]:
    """A base with the tables Posts and Accounts, as a seed wants it."""
    tables = [
        {"name": "Posts", "fields": POSTS, "records": records.get("posts", [])},
        {"name": "Accounts", "fields": ACCOUNTS, "records": records.get("accounts", [])},
    ]
    return {"id": BASE, "name": "Social", "tables": tables}


@dataclass
class Client:
    """Plain requests to one base of the stand-in; every call returns (status, JSON)."""

    sandbox: RunningSandbox
    session: requests.Session
    token: str = TOKEN

    def call(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.sandbox.url}/airtable/v0/{path}"
        answer = self.session.request(method, url, headers=headers, timeout=10, **kwargs)
        return answer.status_code, answer.json()

    def list(self, table: str = "Posts", **params: Any) -> tuple[int, Any]:
        return self.call("GET", f"{BASE}/{table}", params=params)

    def titles(self, formula: str, **params: Any) -> list[str]:
        status, data = self.list(filterByFormula=formula, **params)
        assert status == 200, data
        return [record["fields"]["Title"] for record in data["records"]]

    def create(self, fields: dict[str, Any], table: str = "Posts", **more: Any) -> tuple[int, Any]:
        return self.call("POST", f"{BASE}/{table}", json={"fields": fields, **more})

    def update(
        self, record_id: str, fields: dict[str, Any], table: str = "Posts", **more: Any
    ) -> tuple[int, Any]:
        return self.call("PATCH", f"{BASE}/{table}/{record_id}", json={"fields": fields, **more})

    def get(self, record_id: str, table: str = "Posts") -> dict[str, Any]:
        status, data = self.call("GET", f"{BASE}/{table}/{record_id}")
        assert status == 200, data
        return data["fields"]


def kind(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status and error type of a refusal."""
    status, data = answer
    return status, data["error"]["type"]


@pytest.fixture
def seeded(sandbox: RunningSandbox) -> RunningSandbox:
    """The base without its rate limit, which has tests of its own."""
    sandbox.seed({"airtable": {"tokens": [{"token": TOKEN}], "bases": [a_base()]}})
    sandbox.switch(airtable_requests_per_s="0")
    return sandbox


@pytest.fixture
def client(seeded: RunningSandbox) -> Iterator[Client]:
    with requests.Session() as session:
        yield Client(seeded, session)
