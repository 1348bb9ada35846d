"""A base in the sandbox as `create_base` makes it, and a client whose pauses move the sandbox's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pyairtable import Api

from sandbox.running import RunningSandbox
from schedulo.airtable.base import create_base
from schedulo.airtable.calls import Calls
from schedulo.airtable.client import AirtableClient
from schedulo.airtable.mapping import Mapping

TOKEN = "patTEST.secret"


@dataclass
class Clock:
    """Monotonic seconds that also pass when somebody sleeps; then the sandbox's clock goes along."""

    sandbox: RunningSandbox
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.sandbox.advance(seconds)


@dataclass
class OneBase:
    """One base: how tests look into it and change it behind the client's back."""

    sandbox: RunningSandbox
    clock: Clock
    base_id: str
    mapping: Mapping

    def api(self, token: str = TOKEN) -> Api:
        self.sandbox.advance(2)  # its bucket of five requests a second is full again
        return Api(token, retry_strategy=None, endpoint_url=self.sandbox.service("airtable"))

    def client(self, **options: Any) -> AirtableClient:
        return AirtableClient(
            self.api(), self.base_id, self.mapping, clock=self.clock, sleep=self.clock.sleep, **options
        )

    def add(self, table: str, *rows: dict[str, Any]) -> list[str]:
        """Rows by the base's own names, as a person would make them; returns record ids."""
        # A row that is asked for again because the machine is busy would be there twice.
        calls = Calls(self.api(), call_s=120, budget_s=600, clock=self.clock, sleep=self.clock.sleep)
        url = self.api().table(self.base_id, self.mapping.table(table)).urls.records
        ids: list[str] = []
        for start in range(0, len(rows), 10):
            records = [{"fields": row} for row in rows[start : start + 10]]
            answer = calls.send("POST", url, json={"records": records, "typecast": True})
            ids += [record["id"] for record in answer["records"]]
        return ids

    def change(self, table: str, record_id: str, cells: dict[str, Any]) -> None:
        self._own(table).update(record_id, cells, typecast=True)

    def delete(self, table: str, record_id: str) -> None:
        self._own(table).delete(record_id)

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self._own(table).all()

    def calls(self) -> int:
        """How many requests the sandbox has seen that count against the monthly budget."""
        return sum(
            row["count"]
            for row in self.sandbox.requests()
            if "records" in row["route"] or "record" in row["route"]
        )

    def _own(self, table: str) -> Any:
        return self.api().table(self.base_id, self.mapping.table(table))


@pytest.fixture
def clock(sandbox: RunningSandbox) -> Clock:
    return Clock(sandbox)


@pytest.fixture
def make_base(sandbox: RunningSandbox, clock: Clock) -> Callable[..., OneBase]:
    def make(mapping: Mapping | None = None) -> OneBase:
        sandbox.seed({"airtable": {"tokens": [{"token": TOKEN}]}})
        base = OneBase(sandbox, clock, "", mapping or Mapping())
        calls = Calls(base.api(), clock=clock, sleep=clock.sleep)
        created = create_base(calls.api, workspace_id="wspTEST0000000000", mapping=base.mapping, calls=calls)
        assert created.problems == ()
        base.base_id = created.base_id
        return base

    return make


@pytest.fixture
def base(make_base: Callable[..., OneBase]) -> OneBase:
    return make_base()
