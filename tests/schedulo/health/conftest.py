"""Everything that the checks look at, real and well, so that a test breaks one thing and mends it again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pyairtable import Api

from sandbox.running import RunningSandbox
from schedulo.airtable.base import create_base
from schedulo.airtable.client import AirtableClient
from schedulo.flow import Slice
from schedulo.health.checks import run
from schedulo.health.findings import Finding, Means, Status
from schedulo.health.history import record
from schedulo.health.inside import WATCHED, WORKFLOWS
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries, incidents
from schedulo.media import MediaLinks, MediaStore
from schedulo.model import Content, Format, State
from schedulo.settings import Settings
from schedulo.vault import Vault
from tests.skipping import SkippingClock, calls_at_once

TOKEN = "patHealth"
BASE = "appHealth00000001"
KEY = "a key of the tests"
VAULT_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@dataclass
class Front:
    """What stands before Airflow: its health page, and the media route."""

    server: ThreadingHTTPServer
    store: MediaStore | None = None
    parts: dict[str, str | None] = field(default_factory=dict)
    """What Airflow says of its parts."""
    media_status: int = 206

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="session")
def front_server() -> Iterator[Front]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/api/v2/monitor/health":
                self._send(
                    200, json.dumps({name: {"status": it} for name, it in front.parts.items()}).encode()
                )
                return
            links = MediaLinks(f"{front.url}/media", KEY)
            _, _, signature, name = self.path.split("/")
            sha256 = links.verify(signature, name)
            found = front.store.find(sha256) if front.store and sha256 else None
            if found is None:
                self._send(404, b"")
                return
            first = int(self.headers["Range"].removeprefix("bytes=").partition("-")[0])
            whole = front.media_status == 200
            part = Slice(found.sha256, 0 if whole else first, found.size_bytes - (0 if whole else first))
            self._send(front.media_status, b"".join(front.store.open_slice(part)))

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status in (301, 302):
                self.send_header("Location", f"https://elsewhere.example.com{self.path}")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    front = Front(server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield front
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def front(front_server: Front, tmp_path: Path) -> Front:
    front_server.store = MediaStore(tmp_path / "media")
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    front_server.parts = dict.fromkeys(parts, "healthy")
    front_server.media_status = 206
    return front_server


@dataclass
class House:
    """An installation in which all is well."""

    sandbox: RunningSandbox
    front: Front
    ledger: Ledger
    means: Means

    def look(self) -> dict[str, Finding]:
        """All checks, now; nothing is kept."""
        report = run(self.means)
        assert not report.broken, report.broken
        return {item.name: item for item in report.findings}

    def check(self) -> dict[str, Finding]:
        """All checks, now, as a run of check_health keeps them."""
        report = run(self.means)
        assert not report.broken, report.broken
        record(self.ledger, report.findings, self.means.settings.health_days)
        return {item.name: item for item in report.findings}

    def set(self, **values: Any) -> None:
        self.means = replace(self.means, settings=replace(self.means.settings, **values))

    def ran(self, seconds_ago: float = 0.0, *dag_ids: str) -> None:
        """Let workflows have run so long ago; all, and the watch, where none is named."""
        with self.ledger.begin() as connection:
            at_ms = self.ledger.now_ms(connection) - int(seconds_ago * 1000)
            for workflow in WORKFLOWS:
                if not dag_ids or workflow.dag_id in dag_ids:
                    marks.mark(connection, at_ms, workflow.mark or f"ran:{workflow.dag_id}")
            if not dag_ids:
                marks.mark(connection, at_ms, WATCHED)

    def account(self, key: str, *, login: bool = True) -> None:
        platform, _, account_id = key.partition(":")
        row = {"key": key, "platform": platform, "account_id": account_id, "name": f"Acme {account_id}"}
        with self.ledger.begin() as connection:
            connection.execute(sa.insert(accounts).values(**row, options={}, updated_ms=0))
        if login:
            Vault(self.ledger, VAULT_KEY).put({key: {"access_token": "t"}})

    def delivery(self, state: State, due_s_ago: float, account: str = "x:1", **values: Any) -> str:
        with self.ledger.begin() as connection:
            now_ms = self.ledger.now_ms(connection)
            due_ms = now_ms - int(due_s_ago * 1000)
            number = connection.execute(sa.select(sa.func.count()).select_from(deliveries)).scalar_one()
            row: dict[str, Any] = {
                "id": f"d{number}",
                "post_id": f"rec{number}",
                "account_key": account,
                "platform": account.partition(":")[0],
                "label": f"X Acme: post {number}",
                "state": state,
                "content": Content(Format.TEXT, "hello").to_json(),
                "content_hash": "h",
                "due_ms": due_ms,
                "fire_ms": due_ms,
                "not_after_ms": due_ms + 3_600_000,
                "seen_ms": now_ms,
                "updated_ms": now_ms,
            }
            connection.execute(sa.insert(deliveries).values(**row | values))
        return f"d{number}"

    def open(self) -> list[str]:
        """The keys of the incidents that are open."""
        query = sa.select(incidents.c.key).where(incidents.c.closed_ms.is_(None)).order_by(incidents.c.key)
        with self.ledger.read() as connection:
            return list(connection.execute(query).scalars())

    def client(self) -> AirtableClient:
        clock = SkippingClock()
        api = Api(TOKEN, retry_strategy=None, endpoint_url=self.sandbox.service("airtable"))
        return AirtableClient(api, BASE, clock=clock, sleep=clock.sleep)


@pytest.fixture
def house(sandbox: RunningSandbox, front: Front, ledger: Ledger, tmp_path: Path) -> House:
    sandbox.switch(airtable_requests_per_s="0")
    start = {"name": "Start", "fields": [{"name": "Name", "type": "singleLineText"}]}
    base = {"id": BASE, "name": "Health", "tables": [start]}
    scopes = ["data.records:read", "data.records:write", "schema.bases:read", "schema.bases:write"]
    sandbox.seed(
        {"airtable": {"tokens": [{"token": TOKEN, "scopes": scopes, "bases": "*"}], "bases": [base]}}
    )
    api = Api(TOKEN, retry_strategy=None, endpoint_url=sandbox.service("airtable"))
    create_base(api, BASE, calls=calls_at_once(api))
    settings = Settings(
        home=str(tmp_path),
        vault_key=VAULT_KEY,
        media_base_url=f"{front.url}/media",
        media_key=KEY,
        health_disk_low_mb=2,
        health_disk_full_mb=1,
    )
    means = Means(
        ledger,
        settings,
        lambda: house.client(),
        {name: sandbox.service(name) for name in ("instagram", "facebook", "x", "tiktok")},
        front.url,
        retry_s=0.01,
    )
    house = House(sandbox, front, ledger, means)
    house.ran()
    house.account("x:1")
    house.account("instagram:2")
    return house


def reds(found: dict[str, Finding]) -> list[str]:
    """The names of what is red."""
    return sorted(name for name, item in found.items() if item.status is Status.RED)
