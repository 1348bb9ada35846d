"""Sets the scene up: sandbox and Airflow as processes, base, tokens, accounts, posts; and tears it down.

All talk with Airtable and the platforms goes over HTTP, as an installation's does; `_sandbox` calls only seed
the accounts, order the faults, and tell afterwards what arrived.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from sandbox.demo import scene
from sandbox.stack import Stack

DAG = "publish_due_posts"
ENVIRONMENT = {"SCHEDULO_SELF_TEST_ACCOUNT": f"{scene.X_TESTS.platform}:{scene.X_TESTS.account_id}"}
"""Settings of the scene; trigger `maintain` to see the self-test."""
LEAD_S = {"quick": 100, "slow": 155}
"""The first post is due this long after the run that reads the posts begins: in its minute the media are
fetched, the run of the next minute claims the posts, and they are prepared at their platforms."""
AIRTABLE_GAP_S = 1.05
"""A base takes five calls a second of all its callers together; Schedulo leaves some of them to others."""
LOCKED_S = 31.0
"""So long a base is locked after more calls than that; who writes then waits, as any program has to."""
QUICK_RUN_S = 12.0
"""A machine on which a run without posts takes longer than this is a slow one."""
LAYING_OUT_S = 12
"""Time to write the posts into Airtable before that run begins."""


class AirtableBusy(RuntimeError):
    """The base is locked for 30 seconds."""


@dataclass
class Stage:
    stack: Stack
    account_ids: dict[scene.Account, str] = field(default_factory=dict)
    """Record ids in Airtable."""
    post_ids: dict[str, str] = field(default_factory=dict)
    """Record ids in Airtable, by title."""
    lead_s: int = LEAD_S["quick"]
    _called_at: float = 0.0

    @property
    def home(self) -> Path:
        return self.stack.home

    @property
    def sandbox(self) -> str:
        return self.stack.sandbox_url

    @contextlib.contextmanager
    def running(self) -> Iterator[Stage]:
        """Everything runs inside the block, and nothing of it afterwards."""
        try:
            self.stack.start_sandbox()
            yield self
        finally:
            self._stop()

    def _stop(self) -> None:
        # A second Ctrl-C must not leave half of it running.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for name in [name for name in self.stack.processes if name != "sandbox"]:
            with contextlib.suppress(ProcessLookupError):
                self.stack.signal(name, signal.SIGTERM)  # all at once; `close` then waits for each
        self.stack.close()

    # --- setting up -----------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Databases, base, tokens, accounts, faults; Airflow is up and its first run is done."""
        self.stack.prepare()
        self.furnish()
        self.stack.up()
        self._wait_for_first_run()

    def furnish(self) -> None:
        """Base, tokens, accounts, faults, of an installation whose databases are there."""
        media_host = urlsplit(self.stack.media_url).hostname or ""
        self.control("seed", scene.seed(media_host) | {"media": {"files": _hosted(scene.files())}})
        self.control("faults", scene.faults())
        self.stack.run("schedulo", "airtable", "create")
        self._called_at = time.monotonic()
        secrets = self.home / "tokens.json"
        secrets.touch(0o600)
        secrets.write_text(json.dumps(scene.tokens()))
        self.stack.run("schedulo", "accounts", "connect", "--unchecked", "--file", str(secrets))
        secrets.unlink()
        made = self._create("Accounts", [account.cells for account in scene.ACCOUNTS])
        self.account_ids = dict(zip(scene.ACCOUNTS, made, strict=True))

    def _wait_for_first_run(self, patience_s: float = 480.0) -> None:
        """The DAG was found, and a run of it went well."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            with contextlib.suppress(RuntimeError):  # not there yet
                runs = self.stack.api("GET", f"/dags/{DAG}/dagRuns")["dag_runs"]
                if done := [run for run in runs if run["state"] == "success"]:
                    took_s = min(_seconds(run["end_date"]) - _seconds(run["start_date"]) for run in done)
                    self.lead_s = LEAD_S["quick" if took_s < QUICK_RUN_S else "slow"]
                    return
            time.sleep(1.0)
        raise RuntimeError(f"no run of {DAG} came to an end in {patience_s:.0f} s; see {self.home / 'logs'}")

    def lay_out(self) -> datetime:
        """Write the posts into Airtable; answers when the first is due."""
        next_run = math.ceil((time.time() + LAYING_OUT_S) / 60) * 60
        first_due = datetime.fromtimestamp(next_run + self.lead_s, UTC)
        url = f"{self.sandbox}/media"
        rows = [post.row(first_due, url, self.account_ids) for post in scene.POSTS]
        self.post_ids = dict(
            zip((post.title for post in scene.POSTS), self._create("Posts", rows), strict=True)
        )
        return first_due

    # --- Airtable, as people and their own programs call it -------------------------------------------

    def _airtable(self, method: str, table: str, **options: Any) -> Any:
        time.sleep(max(0.0, self._called_at + AIRTABLE_GAP_S - time.monotonic()))
        self._called_at = time.monotonic()
        answer = requests.request(
            method,
            f"{self.sandbox}/airtable/v0/{scene.BASE_ID}/{table}",
            headers={"Authorization": f"Bearer {scene.TOKEN}"},
            timeout=30,
            **options,
        )
        if answer.status_code == 429:
            raise AirtableBusy("Airtable answered 429: too many calls in one second")
        if not answer.ok:
            raise RuntimeError(f"Airtable answered {answer.status_code}: {answer.text[:500]}")
        return answer.json()

    def _create(self, table: str, rows: list[dict[str, Any]]) -> list[str]:
        """Ten records a call, as Airtable allows; answers their ids."""
        ids: list[str] = []
        for start in range(0, len(rows), 10):
            records = [{"fields": row} for row in rows[start : start + 10]]
            try:
                made = self._airtable("POST", table, json={"records": records})
            except AirtableBusy:
                time.sleep(LOCKED_S)
                made = self._airtable("POST", table, json={"records": records})
            ids += [record["id"] for record in made["records"]]
        return ids

    def deliveries(self) -> list[dict[str, Any]]:
        """The cells of all Deliveries rows; raises `AirtableBusy`."""
        return [record["fields"] for record in self._airtable("GET", "Deliveries")["records"]]

    # --- the sandbox's own calls ----------------------------------------------------------------------

    def control(self, verb: str, data: Any = None) -> Any:
        answer = requests.request(
            "GET" if data is None else "POST", f"{self.sandbox}/_sandbox/{verb}", json=data, timeout=30
        )
        answer.raise_for_status()
        return answer.json()


def _seconds(instant: str) -> float:
    return datetime.fromisoformat(instant).timestamp()


def _hosted(files: dict[str, bytes]) -> list[dict[str, str]]:
    types = {
        "gif": "image/gif",
        "jpg": "image/jpeg",
        "png": "image/png",
        "webp": "image/webp",
        "mp4": "video/mp4",
    }
    return [
        {
            "path": name,
            "content_type": types[name.rpartition(".")[2]],
            "base64": base64.b64encode(content).decode(),
        }
        for name, content in files.items()
    ]
