"""Processes that stop, ledgers that are away, programs with faults, and two hundred posts in one second."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery.claims import Wish, acquire
from schedulo.delivery.incidents import close_what_is_over
from schedulo.delivery.lateness import tell
from schedulo.errors import Diagnosis, Kind, PlatformError
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents, writes
from schedulo.model import Platform
from schedulo.platforms import CONVERSATIONS
from schedulo.publishing.ending import End
from schedulo.publishing.publisher import Publisher
from schedulo.transport.wire import Wire
from tests.schedulo.publishing.stage import PATIENT, Stage


@pytest.mark.slow
def test_two_hundred_posts_in_one_second_go_out_once_each_and_none_early(stage: Stage) -> None:
    accounts = [f"a{number}" for number in range(200)]
    stage.seed_x(*accounts)
    ids = [stage.plan(f"burst {account}", account, due_in_s=20.0) for account in accounts]
    claims = stage.tick("run-1")
    assert sorted(claims) == sorted(ids)
    due_ms = int(time.time() * 1000) + 5000
    for id_ in ids:
        stage.change(id_, due_ms=due_ms, fire_ms=due_ms)
    first, second = stage.publisher(), stage.publisher()
    endings = [
        publisher.work_on("run-1", number, f"ti-{number}")
        for number in range(200)
        for publisher in (first, second)
    ]
    assert Counter(ending.result(60).end for ending in endings) == {End.SUCCESS: 400}
    posts = stage.sandbox.posts()
    assert Counter(post["text"] for post in posts) == {f"burst {account}": 1 for account in accounts}
    assert min(post["received_at"] for post in posts) * 1000 >= due_ms


# A process that stops


def test_a_process_that_stops_finishes_what_is_on_its_way_and_lets_go_of_the_rest(stage: Stage) -> None:
    stage.seed_x("1", "2")
    sending = stage.plan("on its way", "1", due_in_s=1.0)
    later = stage.plan("later", "2", due_in_s=60.0)
    assert stage.tick("run-1") == [sending, later]
    stage.sandbox.fault(service="x", method="POST", route="create_post", mode="delay:1.5")
    publisher = stage.publisher()
    futures = [publisher.work_on("run-1", number, f"ti-{number}") for number in range(2)]
    stage.wait_for(sending, "sending")
    stage.wait_for(later, "armed")
    publisher.close()
    assert stage.row(sending).state == "published"
    assert [write.state for write in stage.writes(sending)] == ["accepted"]
    row = stage.row(later)
    assert (row.state, row.holder) == ("claimed", None)
    with pytest.raises(CancelledError):
        futures[1].result(1)
    stage.change(later, fire_ms=int(time.time() * 1000))
    assert stage.publisher().work_on("run-1", 1, "ti-1").result(20).end is End.SUCCESS
    assert len(stage.live("on its way")) == len(stage.live("later")) == 1


def test_a_process_that_is_stopping_fences_nothing_more(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("too late for this process", due_in_s=3.0)
    stage.tick("run-1")
    publisher = stage.publisher()
    publisher.work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "armed")
    publisher.close()
    time.sleep(max(0.0, stage.row(id_).fire_ms / 1000 - time.time()) + 0.3)
    assert stage.writes(id_) == []
    assert stage.sandbox.posts() == []


def test_what_a_process_that_died_held_is_taken_over_by_the_one_that_stands_by(stage: Stage) -> None:
    stage.seed_x("1")
    stage.settings = replace(stage.settings, holder_silent_s=1.0)
    id_ = stage.plan("orphan", due_in_s=0.5)
    stage.tick("run-1")
    with stage.ledger.begin() as connection:
        now_ms = stage.ledger.now_ms(connection)
        (grant,) = acquire(connection, now_ms, [Wish("run-1", 0, "ti-1", "died")], stage.settings)
    assert grant.mine
    standing_by = stage.publisher().work_on("run-1", 0, "ti-1")
    assert standing_by.result(20).end is End.SUCCESS
    assert len(stage.live("orphan")) == 1
    assert stage.row(id_).state == "published"


def test_a_caller_that_is_cancelled_leaves_its_session_at_work(stage: Stage) -> None:
    stage.seed_x("1")
    id_ = stage.plan("cleared while it waits", due_in_s=3.0)
    stage.tick("run-1")
    publisher = stage.publisher()
    first = publisher.work_on("run-1", 0, "ti-1")
    stage.wait_for(id_, "armed")
    assert first.cancel()
    assert publisher.work_on("run-1", 0, "ti-2").result(20).end is End.SUCCESS
    assert len(stage.live("cleared while it waits")) == 1
    assert len(stage.writes(id_)) == 1


def test_a_publisher_that_cannot_reach_its_ledger_says_so_at_once(stage: Stage) -> None:
    nowhere = Ledger("postgresql://127.0.0.1:1/none")
    with pytest.raises(sa.exc.OperationalError):
        Publisher(nowhere, stage.wire(), stage.settings, CONVERSATIONS, stage.media_url)


# Posts that are late


def test_a_process_tells_of_its_own_post_that_hangs_without_any_tick(stage: Stage) -> None:
    stage.seed_x("1")
    stage.settings = replace(stage.settings, **PATIENT, sla_s=0.5)
    id_ = stage.plan("slow to be taken", due_in_s=0.3)
    stage.tick("run-1")
    stage.sandbox.fault(service="x", method="POST", route="create_post", mode="delay:3")
    ending = stage.publisher().work_on("run-1", 0, "ti-1")
    stage.wait_until(lambda: stage.cases("late:unknown:x") == {id_})
    assert ending.result(30).end is End.SUCCESS
    with stage.ledger.begin() as connection:
        assert tell(connection, stage.ledger.now_ms(connection), stage.settings) == 0
    close_what_is_over(stage.ledger)
    with stage.ledger.begin() as connection:
        assert connection.execute(sa.select(incidents.c.closed_ms)).scalar_one() is not None


# A ledger that is away


class Away(sa.exc.OperationalError):
    def __init__(self) -> None:
        super().__init__("SELECT", {}, Exception("the database is away"))


@contextmanager
def ledger_away(monkeypatch: pytest.MonkeyPatch, *, after_commit: bool = False) -> Iterator[threading.Event]:
    """Every transaction fails while the event is set, before it begins or when its commit is answered."""
    away = threading.Event()
    begin = Ledger.begin

    @contextmanager
    def broken(self: Ledger) -> Iterator[sa.Connection]:
        if threading.current_thread().name != "schedulo-clerk" or not away.is_set():
            with begin(self) as connection:
                yield connection
            return
        if not after_commit:
            raise Away
        with begin(self) as connection:
            yield connection
        raise Away

    monkeypatch.setattr(Ledger, "begin", broken)
    yield away
    away.clear()


def test_a_ledger_that_is_away_while_a_post_waits_delays_it_and_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.seed_x("1")
    id_ = stage.plan("patience", due_in_s=3.0)
    stage.tick("run-1")
    with ledger_away(monkeypatch) as away:
        future = stage.publisher().work_on("run-1", 0, "ti-1")
        stage.wait_for(id_, "armed")
        away.set()
        time.sleep(max(0.0, stage.row(id_).fire_ms / 1000 - time.time()) + 0.5)
        assert stage.sandbox.posts() == [], "nothing is sent without a fence"
        away.clear()
        assert future.result(20).end is End.SUCCESS
    assert len(stage.live("patience")) == 1


def test_a_fence_of_which_it_is_not_known_whether_it_was_committed_sends_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.seed_x("1")
    id_ = stage.plan("ambiguous fence", due_in_s=3.0)
    stage.tick("run-1")
    with ledger_away(monkeypatch, after_commit=True) as away:
        future = stage.publisher().work_on("run-1", 0, "ti-1")
        stage.wait_for(id_, "armed")
        away.set()
        time.sleep(max(0.0, stage.row(id_).fire_ms / 1000 - time.time()) + 0.7)
        assert stage.writes(id_), "the fence was committed, only nobody was told"
        assert stage.sandbox.posts() == []
        away.clear()
        assert future.result(30).end is End.SUCCESS
    assert len(stage.live("ambiguous fence")) == 1
    states = [write.state for write in stage.writes(id_)]
    assert states == ["unsent"] * (len(states) - 1) + ["accepted"]
    assert len(states) >= 2


def test_an_outcome_that_cannot_be_stored_at_once_is_not_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.seed_x("1")
    id_ = stage.plan("stored later", due_in_s=0.8)
    stage.tick("run-1")
    stage.sandbox.fault(service="x", method="POST", route="create_post", mode="delay:0.5")
    with ledger_away(monkeypatch) as away:
        future = stage.publisher().work_on("run-1", 0, "ti-1")
        stage.wait_for(id_, "sending")
        away.set()
        time.sleep(1.5)
        assert len(stage.live("stored later")) == 1
        assert stage.row(id_).state == "sending"
        away.clear()
        assert future.result(20).end is End.SUCCESS
    assert [write.state for write in stage.writes(id_)] == ["accepted"]


# Faults of our own


class Faulty:
    """X, with a fault in its flow."""

    platform = Platform.X

    def __init__(self, error: Exception) -> None:
        self._error = error

    def publish(self, job: Any) -> Any:
        raise self._error
        yield

    def __getattr__(self, name: str) -> Any:
        return getattr(CONVERSATIONS[Platform.X], name)


def test_a_fault_of_the_program_fails_the_post_and_says_so(stage: Stage) -> None:
    id_ = stage.plan("bug", due_in_s=0.2)
    stage.tick("run-1")
    made = Publisher(
        stage.ledger,
        stage.wire(),
        stage.settings,
        {Platform.X: Faulty(KeyError("secret detail"))},
        stage.media_url,
    )
    stage.publishers.append(made)
    ending = made.work_on("run-1", 0, "ti-1").result(10)
    assert (ending.end, ending.kind) == (End.FAILED, Kind.BUG)
    row = stage.row(id_)
    assert (row.state, row.holder) == ("failed", None)
    assert "KeyError" in row.reason
    assert "secret detail" not in row.reason


def test_a_message_that_no_database_takes_does_not_lose_the_outcome(stage: Stage) -> None:
    id_ = stage.plan("odd message", due_in_s=0.2)
    stage.tick("run-1")
    odd = PlatformError("x", Diagnosis(Kind.CONTENT_REJECTED, True), message="half \ud83d, nul \x00.")
    made = Publisher(stage.ledger, stage.wire(), stage.settings, {Platform.X: Faulty(odd)}, stage.media_url)
    stage.publishers.append(made)
    assert made.work_on("run-1", 0, "ti-1").result(10).end is End.FAILED
    assert "half ?, nul ." in stage.row(id_).reason


def _no_token(_key: str) -> str:
    raise OSError("the vault's database is away")


def _broken_token(_key: str) -> str:
    raise RuntimeError("kept under another key")


@pytest.mark.parametrize(
    ("token", "ends"), [(_no_token, "claimed"), (_broken_token, "failed")], ids=["away", "broken"]
)
def test_a_commit_that_cannot_be_put_together_is_never_fenced(
    stage: Stage, token: Callable[[str], str], ends: str
) -> None:
    stage.seed_x("1")
    id_ = stage.plan("no token", due_in_s=0.2)
    stage.tick("run-1")
    wire: Wire = replace(stage.wire(), token_for=token)
    future = stage.publisher(wire=wire).work_on("run-1", 0, "ti-1")
    if ends == "failed":
        assert future.result(10).end is End.FAILED
        assert "another key" not in stage.row(id_).reason
    else:
        until = time.monotonic() + 10
        while stage.row(id_).attempts == 0 and time.monotonic() < until:
            time.sleep(0.02)
        assert stage.row(id_).attempts >= 1
    assert stage.row(id_).state in (ends, "armed")
    with stage.ledger.begin() as connection:
        assert connection.execute(sa.select(writes)).all() == []


def test_a_session_joins_the_one_that_is_at_work_on_the_same_post(stage: Stage) -> None:
    stage.seed_x("1")
    stage.plan("joined", due_in_s=1.0)
    stage.tick("run-1")
    publisher = stage.publisher()
    endings = [publisher.work_on("run-1", 0, f"ti-{number}") for number in range(5)]
    assert {ending.result(20).end for ending in endings} == {End.SUCCESS}
    assert len(stage.live("joined")) == 1


def test_a_place_that_a_run_did_not_fill_is_skipped(stage: Stage) -> None:
    ending = stage.publisher().work_on("run-1", 3, "ti").result(5)
    assert (ending.end, ending.delivery_id) == (End.SKIPPED, None)
