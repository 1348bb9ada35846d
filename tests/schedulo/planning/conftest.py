"""Ticks against a real base in the sandbox, on a ledger of each database."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pyairtable import Api

from sandbox.running import RunningSandbox
from schedulo.airtable.base import create_base
from schedulo.airtable.client import AirtableClient
from schedulo.delivery import readiness
from schedulo.delivery.claims import Claim
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import deliveries, incidents
from schedulo.media import MediaStore
from schedulo.model import Platform
from schedulo.planning.prepare import NotPrepared, Prepared, Preparer
from schedulo.planning.rows import Planner
from schedulo.planning.tick import Tick
from schedulo.platforms import CONVERSATIONS
from schedulo.platforms.base import Conversation
from schedulo.settings import Settings
from tests.schedulo.publishing.stage import QUICK, Stage
from tests.skipping import SkippingClock, calls_at_once

TOKEN = "patPlanning"
BASE = "appPlanning000001"
SCOPES = ["data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write"]


@dataclass
class Office:
    """A base that people work in, and the ticks that read it."""

    sandbox: RunningSandbox
    ledger: Ledger
    store: MediaStore
    settings: Settings
    runs: int = 0
    conversations: Mapping[Platform, Conversation] = field(default_factory=lambda: CONVERSATIONS)
    client: Callable[[], AirtableClient] | None = None
    """What ticks ask, where it is not a plain client of the base."""
    said: list[str] = field(default_factory=list)
    """What the last run of prepare_posts said."""

    def tick(self, last_success: int | None = None, broken: frozenset[str] = frozenset()) -> list[Claim]:
        """One run's sync. Runs are numbered, and the number is the run's logical date."""
        self.runs += 1
        self.last = Tick(self.planner(), self.client or self.plain_client, broken=broken)
        return self.last.run(f"run-{self.runs}", self.runs, last_success)

    def planner(self) -> Planner:
        return Planner(self.ledger, self.store, self.settings, self.conversations)

    def plain_client(self) -> AirtableClient:
        clock = SkippingClock()
        return AirtableClient(self.api(), BASE, clock=clock, sleep=clock.sleep)

    def prepare(self, run_id: str = "prepare-1") -> list[Prepared]:
        """One run of prepare_posts."""
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            found = [
                item
                for soon in (True, False)
                for item in readiness.take(connection, now_ms, run_id, self.settings, soon=soon)
            ]
        self.said = []
        done = self.preparer().prepare_all([item.record_id for item in found], run_id)
        if trouble := [one.trouble for one in done if one.trouble]:
            raise NotPrepared("; ".join(trouble), done[0].wait_s)
        return done

    def preparer(self) -> Preparer:
        hosts = frozenset({self.sandbox.url.removeprefix("http://")})
        said = self.said.append
        return Preparer(self.planner(), self.client or self.plain_client, hosts, said, gap_s=0.0)

    def api(self) -> Api:
        return Api(TOKEN, retry_strategy=None, endpoint_url=self.sandbox.service("airtable"))

    def add(self, table: str, **cells: Any) -> str:
        return str(self.api().table(BASE, table).create(cells, typecast=True)["id"])

    def change(self, table: str, record_id: str, **cells: Any) -> None:
        self.api().table(BASE, table).update(record_id, cells, typecast=True)

    def delete(self, record_id: str) -> None:
        self.api().table(BASE, "Posts").delete(record_id)

    def account(self, account_id: str, platform: str = "X", **cells: Any) -> str:
        row = {"Name": f"Acme {account_id}", "Platform": platform, "Account ID": account_id, "Active": True}
        return self.add("Accounts", **row | {"Username": f"user{account_id}"} | cells)

    def post(self, account: str, text: str = "hello", due_in_s: float = 30, **cells: Any) -> str:
        row = {
            "Title": text,
            "Text": text,
            "Accounts": [account],
            "Publish at": _in(due_in_s),
            "Status": "Ready",
        }
        return self.add("Posts", **{k: v for k, v in (row | cells).items() if v is not None})

    def attach(self, record_id: str, filename: str, content_type: str, content: bytes) -> None:
        """Attach a file as people do."""
        body = {"contentType": content_type, "filename": filename, "file": base64.b64encode(content).decode()}
        url = f"{self.sandbox.service('airtable')}/v0/{BASE}/{record_id}/Media/uploadAttachment"
        answer = self.api().session.post(url, json=body, timeout=10)
        assert answer.ok, answer.text

    def fetched(self) -> int:
        """How often a file was fetched from Airtable."""
        return sum(
            row["count"]
            for row in self.sandbox.requests()
            if row["service"] == "airtable" and "attachment" in row["route"] and row["method"] == "GET"
        )

    def told(self) -> dict[str, dict[str, Any]]:
        """The rows of Deliveries by the title of their post."""
        return {
            row["fields"]["Delivery"]: row["fields"] for row in self.api().table(BASE, "Deliveries").all()
        }

    def rows(self) -> list[Any]:
        with self.ledger.read() as connection:
            return list(connection.execute(sa.select(deliveries).order_by(deliveries.c.title)))

    def incidents(self) -> set[str]:
        """The kinds that are open."""
        with self.ledger.read() as connection:
            query = sa.select(incidents.c.kind).where(incidents.c.closed_ms.is_(None))
            return set(connection.execute(query).scalars())

    def one(self) -> Any:
        (row,) = self.rows()
        return row

    def stage(self) -> Stage:
        return Stage(self.ledger, self.sandbox, self.settings)


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


@pytest.fixture
def office(sandbox: RunningSandbox, ledger: Ledger, tmp_path: Path) -> Office:
    sandbox.seed(
        {
            "airtable": {
                "tokens": [{"token": TOKEN, "scopes": SCOPES, "bases": "*"}],
                "bases": [
                    {
                        "id": BASE,
                        "name": "Planning",
                        "tables": [{"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}],
                    }
                ],
            }
        }
    )
    sandbox.switch(airtable_requests_per_s="0")
    settings = replace(QUICK, airtable_poll_s=0.0, airtable_budget_s=20.0)
    office = Office(sandbox, ledger, MediaStore(tmp_path / "media"), settings)
    create_base(office.api(), BASE, calls=calls_at_once(office.api()))
    return office


def wait_until(condition: Any, patience_s: float = 15.0) -> bool:
    """Look until it is so, or patience is over."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())
