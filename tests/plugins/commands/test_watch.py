"""`schedulo watch`: who is told what while Airflow stands still, with and without the ledger."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from commands.watch import UNTOLD_ROUNDS, Watchman
from hooks import channels
from hooks.channels import keep_at_hand
from hooks.health import watch_means
from schedulo.delivery.incidents import Trouble, incident
from schedulo.errors.kinds import Actor
from schedulo.health.findings import Means
from schedulo.health.inside import PUBLISHING
from schedulo.health.watch import Facts
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import incidents
from schedulo.settings import settings
from tests.receivers import Web, running_web
from tests.schedulo.health.conftest import Front, front, front_server

__all__ = ["front", "front_server"]


@pytest.fixture
def web() -> Iterator[Web]:
    with running_web() as found:
        yield found


@pytest.fixture
def means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, web: Web, front: Front) -> Iterator[Means]:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    monkeypatch.setenv("SCHEDULO_NOTIFY_OPERATOR", "team")
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"{front.url}/execution/")
    config = {"config": {"path": f"json://{web.address}/hook"}}
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "apprise", "extra": config}))
    monkeypatch.delenv("AIRFLOW_CONN_AIRTABLE_DEFAULT", raising=False)
    settings.cache_clear()
    means = watch_means()
    means.ledger.migrate()
    tick(means.ledger)
    yield means
    means.ledger.close()
    settings.cache_clear()


def tick(ledger: Ledger, seconds_ago: float = 0.0) -> None:
    with ledger.begin() as connection:
        marks.mark(connection, ledger.now_ms(connection) - int(seconds_ago * 1000), PUBLISHING.mark)


def trouble(ledger: Ledger) -> None:
    with ledger.begin() as connection:
        now_ms = ledger.now_ms(connection)
        incident(connection, now_ms, Trouble.SETUP, "it is so", actor=Actor.OPERATOR, about="a test")


def patience_is_over(ledger: Ledger) -> None:
    """What is open was opened two minutes ago."""
    with ledger.begin() as connection:
        connection.execute(sa.update(incidents).values(opened_ms=incidents.c.opened_ms - 120_000))


def titles(web: Web) -> list[str]:
    return [got["title"] for got in web.got]


def round_(watchman: Watchman) -> list[str]:
    return list(watchman.look())


def test_a_dead_scheduler_is_told_once_and_its_return_once(means: Means, web: Web, front: Front) -> None:
    watchman = Watchman(means, Facts)
    front.parts["scheduler"] = "unhealthy"
    tick(means.ledger, 121)
    round_(watchman)
    assert titles(web) == [], "people are told of what lasts"
    patience_is_over(means.ledger)
    for _ in range(3):
        round_(watchman)
    assert titles(web) == ["A check of Schedulo's health is red"]
    assert "the scheduler gives no sign of life" in web.got[0]["message"].lower()
    front.parts["scheduler"] = "healthy"
    tick(means.ledger)
    for _ in range(UNTOLD_ROUNDS + 2):
        round_(watchman)
    assert titles(web)[1:] == ["Over: A check of Schedulo's health is red"]


def test_while_airflow_runs_handle_incidents_tells_and_what_it_leaves_is_told_after_some_rounds(
    means: Means, web: Web
) -> None:
    watchman = Watchman(means, Facts)
    trouble(means.ledger)
    for _ in range(UNTOLD_ROUNDS - 1):
        round_(watchman)
    assert titles(web) == []
    round_(watchman)
    round_(watchman)
    assert titles(web) == ["Something is not set up right"]


def test_who_is_telling_already_is_not_interrupted(means: Means, web: Web) -> None:
    watchman = Watchman(means, Facts)
    trouble(means.ledger)
    tick(means.ledger, 121)
    with means.ledger.begin() as connection:
        assert marks.lease(connection, means.ledger.now_ms(connection), "telling", "a run", 60)
    assert "somebody else is telling people" in round_(watchman)
    assert titles(web) == []


@pytest.fixture
def away(means: Means) -> Means:
    """The ledger cannot be reached."""
    return replace(means, ledger=Ledger("postgresql://127.0.0.1:1/none"))


def test_without_ledger_and_scheduler_the_operator_is_told_once_and_when_it_is_there_again(
    means: Means, away: Means, web: Web, front: Front
) -> None:
    front.parts["scheduler"] = "unhealthy"
    watchman = Watchman(away, Facts)
    round_(watchman)
    assert titles(web) == [], "a database that is started anew is nobody's business"
    for _ in range(4):
        said = round_(watchman)
    assert len(said) == 1
    assert said[0].startswith("The ledger cannot be reached (OperationalError): nothing can go out.")
    assert titles(web) == ["Schedulo has no ledger, and Airflow stands still"]
    front.parts["scheduler"] = "healthy"
    watchman._means = means
    for _ in range(3):
        round_(watchman)
    assert titles(web)[1:] == ["Over: Schedulo has no ledger"]


def test_without_the_ledger_alone_check_health_tells(away: Means, web: Web) -> None:
    watchman = Watchman(away, Facts)
    for _ in range(4):
        round_(watchman)
    assert titles(web) == []


def test_a_fault_of_the_program_does_not_end_the_watch(means: Means, web: Web) -> None:
    def broken() -> Facts:
        raise ZeroDivisionError

    assert round_(Watchman(means, broken)) == []


def test_connections_of_channels_are_kept_and_those_of_the_operator_left_alone(
    monkeypatch: pytest.MonkeyPatch, means: Means
) -> None:
    given = os.environ["AIRFLOW_CONN_TEAM"]
    keep_at_hand()
    assert os.environ["AIRFLOW_CONN_TEAM"] == given
    monkeypatch.setitem(channels._kept, "AIRFLOW_CONN_TEAM", given)  # as if it had been read some day
    monkeypatch.setenv("AIRFLOW_CONN_TEAM", given)
    keep_at_hand()  # nobody knows it any more
    assert os.environ["AIRFLOW_CONN_TEAM"] == given
