"""check_health as a task: what it keeps, whom it wakes, what fails it; marks of workflows that ran."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.sdk.api.datamodels._generated import TaskInstanceState
from airflow.sdk.execution_time.context import OutletEventAccessors

from operators import ran
from operators.health import CheckBroken, CheckHealthOperator, LedgerGone, _is_time_to_tell, check_is_late
from operators.labels import PUBLISHING
from operators.notify import INCIDENTS_ALIAS, INCIDENTS_URI
from sandbox.running import RunningSandbox
from sandbox.stack import free_port
from schedulo.delivery.holds import HoldError
from schedulo.delivery.incidents import close_what_is_over
from schedulo.delivery.watched import is_told_elsewhere
from schedulo.delivery.workflows import TELL_THEMSELVES
from schedulo.health import checks
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import health, incidents
from schedulo.planning.wishes import WishError
from schedulo.settings import settings
from tests.receivers import running_web
from tests.schedulo.delivery.conftest import Books

NOW = datetime(2026, 11, 26, 12, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty ledger."""
    path = tmp_path_factory.mktemp("migrated") / "ledger.db"
    made = Ledger(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture
def ledger(
    migrated: Path, tmp_path: Path, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ledger]:
    """The ledger of an installation; Airtable and Airflow do not answer."""
    for name in ("instagram", "facebook", "x", "tiktok"):
        connection = {"conn_type": name, "host": sandbox.service(name)}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("SCHEDULO_HOME", str(tmp_path))
    monkeypatch.setenv("SCHEDULO_NOTIFY_OPERATOR", "team")
    settings.cache_clear()
    shutil.copy(migrated, tmp_path / "ledger.db")
    ledger = Ledger(settings().ledger)
    yield ledger
    ledger.close()
    settings.cache_clear()


def context(last: datetime | None = NOW - timedelta(minutes=5), attempt: int = 1) -> Any:
    return {
        "ti": SimpleNamespace(try_number=attempt),
        "outlet_events": OutletEventAccessors(),
        "data_interval_end": NOW,
        "prev_data_interval_end_success": last,
    }


def check(given: Any) -> None:
    CheckHealthOperator(task_id="check").execute(given)


def read(ledger: Ledger, query: sa.Select[Any]) -> list[Any]:
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def test_red_checks_are_incidents_and_no_failure(ledger: Ledger) -> None:
    check(context())
    colours = sa.select(health.c.name).where(health.c.status == "red")
    assert set(read(ledger, colours)) == {"airtable", "airflow"}
    assert set(read(ledger, sa.select(incidents.c.key))) == {"health:airtable", "health:airflow"}


def test_who_tells_people_is_woken_as_soon_as_an_incident_is_worth_it(ledger: Ledger) -> None:
    check(given := context())
    assert given["outlet_events"][INCIDENTS_ALIAS].asset_alias_events == []  # it may pass
    with ledger.begin() as connection:
        connection.execute(sa.update(incidents).values(opened_ms=incidents.c.opened_ms - 300_000))
    check(given := context())
    [event] = given["outlet_events"][INCIDENTS_ALIAS].asset_alias_events
    assert event.dest_asset_key.name == INCIDENTS_URI


def test_a_check_that_breaks_fails_the_run_and_the_others_are_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(checks, "run", lambda means: _with(means, broken))
    with pytest.raises(CheckBroken, match="sums"):
        check(context())
    assert "disk" in read(ledger, sa.select(health.c.name))


_run = checks.run


def _with(means: Any, broken: Any) -> checks.Report:
    return _run(means, [*checks.CHECKS, checks.Check("sums", broken, "sums")])


def test_without_the_ledger_operators_are_told_from_here(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = f"postgresql://schedulo:sesame@127.0.0.1:{free_port()}/ledger"
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", lost)
    with running_web() as web:
        path = {"path": f"json://{web.address}/"}
        monkeypatch.setenv(
            "AIRFLOW_CONN_TEAM", json.dumps({"conn_type": "apprise", "extra": {"config": path}})
        )
        monkeypatch.setenv("SCHEDULO_NOTIFY_OPERATOR", "team, nowhere")
        settings.cache_clear()
        with pytest.raises(LedgerGone, match="cannot be reached"):
            check(context())
        with pytest.raises(LedgerGone):
            check(context(NOW - timedelta(minutes=30)))
    [got] = web.got
    assert got["title"] == "Schedulo has no ledger"
    assert "sesame" not in json.dumps(got)


@pytest.mark.parametrize(
    ("minutes", "told"), [(5, True), (10, False), (60, False), (65, True), (70, False), (125, True)]
)
def test_that_there_is_no_ledger_is_told_at_once_and_every_hour(minutes: int, told: bool) -> None:
    last = NOW - timedelta(minutes=minutes)
    assert _is_time_to_tell(context(last)) is told
    assert not _is_time_to_tell(context(last, attempt=2))


def _lines(receiver: socket.socket) -> Iterator[str]:
    """All that has come, and comes in a moment."""
    with suppress(TimeoutError):
        while True:
            yield from receiver.recv(65_536).decode().splitlines()


def test_metrics_go_where_airflow_sends_its_own(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.observability import stats
    from airflow.sdk.observability.metrics.stats_utils import get_stats_factory

    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(0.5)
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(receiver.getsockname()[1]))
        stats.initialize(factory=get_stats_factory(), export_legacy_names=False)
        try:
            check(context())
            got = list(_lines(receiver))
        finally:
            monkeypatch.undo()
            stats.initialize(factory=get_stats_factory(), export_legacy_names=False)
    assert "airflow.schedulo.health:2.0|g" in got
    assert "airflow.schedulo.health.airtable:2.0|g" in got
    assert "airflow.schedulo.queue.seconds:0.0|g" in got


def test_a_run_that_is_late_is_an_incident(ledger: Ledger) -> None:
    check_is_late(10, {"dag_run": {"dag_run_id": "scheduled__1"}})
    assert read(ledger, sa.select(incidents.c.key)) == ["health:workflow:check_health"]
    [sentence] = read(ledger, sa.select(incidents.c.sentence))
    assert "scheduled__1" in sentence


# --- marks ------------------------------------------------------------------------------------------------


class RuntimeTaskInstance(SimpleNamespace):
    """What Airflow hands to listeners in the process that ran the task."""


class TaskInstance(SimpleNamespace):
    """What it hands to them elsewhere."""


def succeeded(
    dag_id: str,
    task_id: str = "check",
    owner: str = "schedulo",
    kind: type[SimpleNamespace] = RuntimeTaskInstance,
) -> None:
    task_instance = kind(dag_id=dag_id, task_id=task_id, task=SimpleNamespace(owner=owner))
    ran.on_task_instance_success(previous_state=None, task_instance=task_instance)


def marked(ledger: Ledger, name: str) -> bool:
    with ledger.read() as connection:
        return marks.read(connection, name)[1] > 0


def test_a_task_of_ours_that_went_well_leaves_a_mark(ledger: Ledger) -> None:
    succeeded("handle_incidents")
    assert marked(ledger, "ran:handle_incidents")


def test_others_tasks_posts_and_what_a_person_marks_leave_none(ledger: Ledger) -> None:
    succeeded("somebody_elses", owner="airflow")
    succeeded("publish_due_posts", "sync")
    for name in PUBLISHING:
        succeeded(name, "publish")
    succeeded("prepare_posts", kind=SimpleNamespace)
    for name in ("somebody_elses", "prepare_posts", *PUBLISHING):
        assert not marked(ledger, f"ran:{name}")


@pytest.mark.parametrize("dag_id", PUBLISHING)
def test_what_a_person_marks_is_cancelled_though_nobody_has_begun_it(ledger: Ledger, dag_id: str) -> None:
    books = Books(ledger)
    waits, later, tried = (books.add(account=f"x:{number}") for number in range(3))
    books.claim("run")
    books.change(later, run_id="another")
    books.acquire("run", 2)
    marks_as_skipped(3, dag_id)
    assert [books.row(id_).state for id_ in (waits, later, tried)] == ["cancelled"] * 3
    assert "marked as skipped" in books.story(waits)


def test_what_an_instance_has_given_back_is_not_cancelled_by_marking_it(ledger: Ledger) -> None:
    books = Books(ledger)
    later, given_back, out = (books.add(account=f"x:{number}") for number in range(3))
    books.claim("run")
    for index in range(3):
        books.acquire("run", index, ti_id=f"ti-{index}")
    books.change(later, run_id="another")
    books.change(given_back, state="scheduled")
    books.change(out, state="published")
    marks_as_skipped(3)
    assert [books.row(id_).state for id_ in (later, given_back, out)] == ["claimed", "scheduled", "published"]


def marks_as_skipped(count: int, dag_id: str = "publish_due_posts") -> None:
    for index in range(count):
        about = {"dag_id": dag_id, "task_id": "publish", "run_id": "run", "map_index": index}
        ran.on_task_instance_skipped(previous_state=None, task_instance=TaskInstance(**about))


def test_what_failed_or_skipped_by_itself_is_not_cancelled(ledger: Ledger) -> None:
    books = Books(ledger)
    id_ = books.add()
    books.claim("run")
    about = {"dag_id": "publish_due_posts", "task_id": "publish", "run_id": "run", "map_index": 0}
    by_itself = RuntimeTaskInstance(**about, state="up_for_retry")
    for previous, instance in ((None, by_itself), ("running", TaskInstance(**about, state="failed"))):
        ran.on_task_instance_failed(previous_state=previous, task_instance=instance, error="lost")
        ran.on_task_instance_skipped(previous_state=previous, task_instance=instance)
    assert books.row(id_).state == "claimed"


def test_a_ledger_that_is_not_there_fails_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"postgresql://127.0.0.1:{free_port()}/ledger")
    settings.cache_clear()
    succeeded("handle_incidents")
    settings.cache_clear()


# --- failures ---------------------------------------------------------------------------------------------


SECRETIVE = ValueError("with a token: s3cret")


def fails(
    dag_id: str,
    task_id: str = "tell",
    state: str = "failed",
    owner: str = "schedulo",
    error: Exception = SECRETIVE,
) -> None:
    task_instance = RuntimeTaskInstance(
        dag_id=dag_id,
        task_id=task_id,
        run_id="run",
        state=TaskInstanceState(state),
        task=SimpleNamespace(owner=owner),
    )
    ran.on_task_instance_failed(previous_state=None, task_instance=task_instance, error=error)


def told_of(ledger: Ledger) -> list[sa.Row[Any]]:
    with ledger.read() as connection:
        return list(connection.execute(sa.select(incidents)).all())


def test_a_task_that_failed_is_one_incident_until_it_goes_well(ledger: Ledger) -> None:
    for _ in range(3):
        fails("summarise_week", "check")
    (found,) = told_of(ledger)
    assert (found.key, found.times, found.closed_ms) == ("workflow:summarise_week.check", 3, None)
    assert found.sentence == "check of summarise_week failed (ValueError) in the run run; its log says why"
    succeeded("summarise_week")
    assert told_of(ledger)[0].closed_ms is not None


def test_what_failed_to_claim_at_once_is_over_when_it_goes_well(ledger: Ledger) -> None:
    for dag_id, task_id in (("publish_now", "claim"), ("follow_changes", "follow")):
        fails(dag_id, task_id)
        succeeded(dag_id, task_id)
    assert [row.closed_ms is not None for row in told_of(ledger)] == [True, True]


def test_nobody_is_told_of_what_is_tried_again_of_others_and_of_what_tells_itself(ledger: Ledger) -> None:
    fails("summarise_week", state="up_for_retry")
    fails("somebody_elses", owner="airflow")
    for dag_id, task_id in TELL_THEMSELVES:
        fails(dag_id, task_id)
    assert told_of(ledger) == []


@pytest.mark.parametrize("error", [WishError("what: '' is none"), HoldError("there is no such account")])
def test_who_asks_wrongly_is_told_by_the_run_and_nobody_else(ledger: Ledger, error: Exception) -> None:
    fails("publish_now", "claim", error=error)
    assert told_of(ledger) == []


def test_a_failed_task_that_nobody_repeats_is_over_after_a_day(ledger: Ledger) -> None:
    fails("retry_deliveries")
    close_what_is_over(ledger)
    assert told_of(ledger)[0].closed_ms is None
    with ledger.begin() as connection:
        connection.execute(sa.update(incidents).values(last_ms=incidents.c.last_ms - 86_500_000))
    close_what_is_over(ledger)
    assert told_of(ledger)[0].closed_ms is not None


def test_a_dag_that_is_silent_because_it_fails_is_told_once(ledger: Ledger) -> None:
    fails("prepare_posts", "find")
    with ledger.read() as connection:
        assert is_told_elsewhere(connection, "workflow:prepare_posts")
        assert not is_told_elsewhere(connection, "workflow:look_after_posts")


def test_a_ledger_that_is_not_there_hides_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEDULO_LEDGER_URL", f"postgresql://127.0.0.1:{free_port()}/ledger")
    settings.cache_clear()
    fails("handle_incidents")
    settings.cache_clear()
