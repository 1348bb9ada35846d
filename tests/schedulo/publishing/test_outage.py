"""A platform that is down while posts are due: held once, asked, tried, and every post out once, in turns."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import breakers
from schedulo.delivery.breakers import Answer
from schedulo.delivery.holds import in_force
from schedulo.delivery.incidents import close_what_is_over
from schedulo.ledger.outages import stumbles
from schedulo.ledger.tables import accounts, deliveries, holds, incidents
from schedulo.model import State
from schedulo.platforms import AFTER, CONVERSATIONS
from schedulo.publishing import probing
from schedulo.publishing.aftercare import Means
from schedulo.publishing.publisher import Publisher
from tests.schedulo.publishing.stage import PATIENT, Stage

ALL = ("facebook", "instagram", "tiktok", "x")


def means(stage: Stage) -> Means:
    parts = (stage.ledger, stage.wire(), stage.settings, CONVERSATIONS, AFTER, stage.media_url)
    return Means(*parts, patience_s=0.2)


def ask(stage: Stage, names: Sequence[str]) -> Mapping[str, Answer]:
    return asyncio.run(probing.ask(means(stage), names))


def account(stage: Stage, key: str, **options: Any) -> None:
    """An account that the ledger knows and no platform needs to."""
    platform, _, account_id = key.partition(":")
    row = {"key": key, "platform": platform, "account_id": account_id, "name": account_id, "options": options}
    with stage.ledger.begin() as connection:
        connection.execute(sa.insert(accounts).values(**row, updated_ms=0))


# --- asking -----------------------------------------------------------------------------------------------


def test_a_platform_that_answers_anything_is_there_whatever_it_says_of_the_login(stage: Stage) -> None:
    for name in ALL:
        account(stage, f"{name}:1")  # none of them knows this token
    assert ask(stage, ALL) == dict.fromkeys(ALL, Answer.WELL)


def test_a_fault_of_its_own_and_silence_are_told_apart(stage: Stage) -> None:
    for name in ALL:
        account(stage, f"{name}:1", login="instagram_login")
    for name in ("x", "tiktok", "instagram"):
        stage.sandbox.fault(service=name, mode="status:503", times=-1)
    stage.sandbox.fault(service="facebook", mode="drop_before", times=-1)
    assert ask(stage, ALL) == dict.fromkeys(ALL, Answer.FAULT) | {"facebook": Answer.SILENCE}


def test_it_is_asked_with_a_login_that_nothing_holds_by_one_read(stage: Stage) -> None:
    stage.seed_x("1", "2")
    account(stage, "x:1")
    account(stage, "x:2")
    with stage.ledger.begin() as connection:
        row = {"id": "h", "scope": "account", "key": "x:1", "reason": "r", "author": "a", "from_ms": 0}
        connection.execute(sa.insert(holds).values(**row))
    assert ask(stage, ["x"]) == {"x": Answer.WELL}
    assert [(row["method"], row["count"]) for row in stage.sandbox.requests()] == [("GET", 1)]


def test_a_platform_without_a_login_is_not_asked(stage: Stage) -> None:
    assert ask(stage, ["x"]) == {}


# --- an outage --------------------------------------------------------------------------------------------


@dataclass
class Minutes:
    """Runs of publish_due_posts, one after another, as fast as the settings are."""

    stage: Stage
    publisher: Publisher
    numbers: Any = field(default_factory=itertools.count)
    asked: list[float] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def run(self) -> None:
        run_id = f"run-{next(self.numbers)}"
        claims = self.stage.tick(run_id)
        close_what_is_over(self.stage.ledger)
        if said := breakers.look(self.stage.ledger, self.stage.settings, self.ask):
            self.lines += said
            claims = self.stage.tick(run_id)
        for number in range(len(claims)):
            self.publisher.work_on(run_id, number, f"{run_id}-{number}")

    def ask(self, names: Sequence[str]) -> Mapping[str, Answer]:
        self.asked.append(time.time())
        return ask(self.stage, names)

    def run_until(self, condition: Callable[[], bool], limit_s: float, every_s: float = 0.5) -> None:
        until = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < until, self.lines
            self.run()
            time.sleep(every_s)

    def states(self) -> dict[str, str]:
        with self.stage.ledger.read() as connection:
            return {row.id: row.state for row in connection.execute(sa.select(deliveries))}

    def held(self) -> list[str]:
        with self.stage.ledger.read() as connection:
            return [hold.name for hold in in_force(connection, self.stage.ledger.now_ms(connection))]


def rows(stage: Stage, table: sa.Table) -> list[Any]:
    with stage.ledger.read() as connection:
        return list(connection.execute(sa.select(table)))


def turn(stage: Stage, id_: str) -> float:
    """When a post that waited was to go out, in epoch seconds, by its story."""
    return datetime.fromisoformat(stage.story(id_).partition("in its turn, at ")[2].split()[0]).timestamp()


def play(stage: Stage, monkeypatch: pytest.MonkeyPatch, posts: int, due_over_s: float, gap_s: float) -> None:
    """X is down from the first post on until all are due; then it is back."""
    trial_s = 5.0
    monkeypatch.setattr(breakers, "TRIAL_MS", int(trial_s * 1000))
    monkeypatch.setattr(breakers, "SLACK_MS", 0)
    stage.settings = replace(
        stage.settings,
        breaker_probe_s=1.0,
        breaker_probe_max_s=4.0,
        breaker_gap_s=gap_s,
        account_gap_s=gap_s,
        holder_silent_s=60.0,
        **PATIENT,
    )
    names = [str(number) for number in range(1, 11)]
    stage.seed_x(*names)
    stage.sandbox.fault(service="x", mode="status:503", times=-1)
    begun = time.time()
    ids = [
        stage.plan(
            f"post {n}",
            names[n % len(names)],
            due_in_s=3.0 + due_over_s * max(0, n - 5) / posts + begun - time.time(),
        )
        for n in range(posts)
    ]
    minutes = Minutes(stage, stage.publisher())
    minutes.run_until(lambda: minutes.held() == ["platform:x"], 60)
    minutes.run_until(lambda: time.time() > begun + due_over_s + 4, due_over_s + 60)
    met = {row.delivery_id for row in rows(stage, stumbles)}
    assert len(met) < posts / 2, "what came later was not sent into the fault"
    sent = {id_ for id_ in ids if stage.writes(id_)}
    assert stage.sandbox.posts() == []
    stage.sandbox.withdraw_faults()
    back = time.time()
    minutes.run_until(lambda: set(minutes.states().values()) == {State.PUBLISHED}, 120 + posts * gap_s * 2)

    assert [(hold.scope, hold.key, hold.lifted_ms is not None) for hold in rows(stage, holds)] == [
        ("platform", "x", True)
    ]
    minutes.run()
    assert [(row.key, row.closed_ms is not None) for row in rows(stage, incidents)] == [("outage:x", True)]
    live = stage.sandbox.posts()
    assert sorted(post["text"] for post in live) == sorted(f"post {n}" for n in range(posts)), "each once"
    waited = [f"post {n}" for n, id_ in enumerate(ids) if id_ not in sent]
    assert len(waited) > posts / 2
    turns = [turn(stage, id_) for id_ in ids if id_ not in sent]
    assert turns == sorted(turns), "in the order in which they were due"
    instants = {post["text"]: post["received_at"] for post in live}
    at = [instants[text] for text in waited]
    assert all(out > before - 0.05 for out, before in zip(at, turns, strict=True)), "none before its turn"
    assert min(at) > back
    first, rest = turns[: breakers.TRIAL_POSTS], turns[breakers.TRIAL_POSTS :]
    assert rest[0] - first[0] >= trial_s, "the first few, then the rest"
    rate = (len(rest) - 1) / (max(at) - rest[0])
    assert rate < 1.1 / gap_s, f"{rate:.1f} posts a second"
    growing = [b - a for a, b in itertools.pairwise(minutes.asked)]
    assert max(growing) > 2.0, "asked less and less often"


@pytest.mark.slow(minutes=2)
def test_three_hundred_posts_of_an_outage_are_one_hold_one_incident_and_all_out_once_in_their_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(stage, monkeypatch, posts=300, due_over_s=30.0, gap_s=0.1)
