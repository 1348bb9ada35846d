"""Deliveries in a ledger on each database, and no platform."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.claims import Wish, acquire, beat, claim_due, sweep
from schedulo.delivery.commits import Fenced, Intent, Outcome, fence, settle
from schedulo.delivery.incidents import Trouble, incident
from schedulo.delivery.rows import Delivery, Write, load, writes_of
from schedulo.errors.kinds import Actor
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import accounts, deliveries, events, holds, incidents, metadata, outbox
from schedulo.model import Content, Format, State, WriteState
from schedulo.settings import Settings

ME = "me"
LEAD_MS = 250


@dataclass
class Books:
    """The ledger's operations at a clock that the test moves."""

    ledger: Ledger
    now_ms: int = 1_800_000_000_000
    settings: Settings = field(default_factory=lambda: Settings(account_gap_s=1.0))
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def do(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function(connection, now, ...)` in a transaction."""
        with self.ledger.begin() as connection:
            return function(connection, self.now_ms, *args, **kwargs)

    def run(self, statement: sa.Executable) -> Any:
        with self.ledger.begin() as connection:
            result = connection.execute(statement)
            return result.all() if result.returns_rows else result.rowcount

    def account(self, key: str) -> None:
        platform, _, account_id = key.partition(":")
        if not self.run(sa.select(accounts.c.key).where(accounts.c.key == key)):
            row = {"key": key, "platform": platform, "account_id": account_id, "name": account_id}
            self.run(sa.insert(accounts).values(**row, options={}, updated_ms=0))

    def add(self, state: State = State.SCHEDULED, account: str = "x:1", **values: Any) -> str:
        self.account(account)
        id_ = f"d{next(self.numbers)}"
        row: dict[str, Any] = {
            "id": id_,
            "post_id": f"rec-{id_}",
            "account_key": account,
            "platform": account.partition(":")[0],
            "state": state,
            "content": Content(Format.TEXT, "hello").to_json(),
            "content_hash": "h",
            "due_ms": self.now_ms,
            "fire_ms": self.now_ms,
            "not_after_ms": self.now_ms + 3_600_000,
            "seen_ms": self.now_ms,
            "updated_ms": self.now_ms,
        }
        self.run(sa.insert(deliveries).values(**row | values))
        return id_

    def armed(self, **values: Any) -> str:
        return self.add(State.ARMED, **{"holder": ME, "armed_version": 1} | values)

    def change(self, id_: str, **values: Any) -> None:
        self.run(sa.update(deliveries).where(deliveries.c.id == id_).values(**values))

    def row(self, id_: str) -> Any:
        return self.run(sa.select(deliveries).where(deliveries.c.id == id_))[0]

    def delivery(self, id_: str) -> Delivery:
        with self.ledger.begin() as connection:
            return load(connection, [id_])[id_]

    def writes(self, id_: str) -> list[Write]:
        with self.ledger.begin() as connection:
            return writes_of(connection, [id_])[id_]

    def hold(self, scope: str, key: str = "", **values: Any) -> None:
        row = {"id": f"h{next(self.numbers)}", "scope": scope, "key": key, "reason": "r", "author": "a"}
        self.run(sa.insert(holds).values(**{**row, "from_ms": self.now_ms - 1, **values}))

    def beat(self, holder: str = ME) -> None:
        self.do(beat, holder, "a test")

    def sweep(self) -> None:
        self.do(sweep, self.settings)

    def claim(self, run_id: str) -> list[str]:
        return [claim.delivery_id for claim in self.do(claim_due, run_id, self.settings)]

    def acquire(self, run_id: str, map_index: int = 0, holder: str = ME, ti_id: str = "ti") -> Any:
        (grant,) = self.do(acquire, [Wish(run_id, map_index, ti_id, holder)], self.settings)
        return grant

    def fence(self, *intents: Intent, guarded: bool = True) -> list[Fenced | None]:
        with self.ledger.begin() as connection:
            return fence(connection, self.now_ms, LEAD_MS, intents, guarded=guarded)

    def settle(self, *found: Outcome) -> Sequence[State | None]:
        return self.do(settle, found)

    def sent(self, live: bool = True, **values: Any) -> tuple[str, str]:
        """A delivery whose commit is on its way: its id and that of its write."""
        id_ = self.armed(**values)
        write_id = f"w{next(self.numbers)}"
        assert self.fence(intent(id_, write_id, live=live))[0] is not None
        return id_, write_id

    def unknown(self, **values: Any) -> tuple[str, str]:
        id_, write_id = self.sent(**values)
        self.settle(Outcome(write_id, WriteState.UNKNOWN, "silence"))
        return id_, write_id

    def story(self, id_: str) -> str:
        query = sa.select(events.c.sentence).where(events.c.delivery_id == id_).order_by(events.c.id)
        return "\n".join(row.sentence for row in self.run(query))

    def incident(self, trouble: Trouble = Trouble.FAILED, *cases: str, about: str = "", **said: Any) -> str:
        """Open an incident, or add `cases` to it; its key."""
        words = {"actor": Actor.OPERATOR, "sentence": "it is so"} | said
        sentence = words.pop("sentence")
        return str(self.do(incident, trouble, sentence, about=about, cases=cases, **words))

    def incidents(self) -> set[str]:
        return {row.kind for row in self.run(sa.select(incidents.c.kind))}

    def told(self) -> dict[str, int]:
        return {row.key: row.version for row in self.run(sa.select(outbox))}

    def pass_s(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)


def intent(id_: str, write_id: str = "", holder: str = ME, live: bool = True, name: str = "post") -> Intent:
    return Intent(write_id or f"w-{id_}", id_, name, holder, {}, {"text": "frozen"}, live, 35_000)


@pytest.fixture(scope="session")
def shelf(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Ledger]]:
    """One migrated ledger on each database for all these tests: emptying is quicker than making."""
    made: dict[str, Ledger] = {}

    def ledger_on(kind: str) -> Ledger:
        if kind not in made:
            if kind == "sqlite":
                url = f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'ledger.db'}"
            else:
                url = request.getfixturevalue("postgres_url")
            made[kind] = Ledger(url)
            made[kind].migrate()
        return made[kind]

    yield ledger_on
    for ledger in made.values():
        ledger.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest, shelf: Callable[[str], Ledger]) -> Ledger:
    ledger = shelf(request.param)
    with ledger.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.delete(table))
    return ledger


@pytest.fixture
def books(ledger: Ledger) -> Books:
    return Books(ledger)
