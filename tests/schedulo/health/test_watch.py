"""What is seen from outside of Airflow's scheduler: that it is dead, late posts, broken files, late runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from schedulo.delivery import lateness, workflows
from schedulo.health.findings import Status
from schedulo.health.watch import Facts, Seen, look
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import health, incident_cases, incidents
from schedulo.model import State
from tests.schedulo.health.conftest import House

FILE = "/opt/dags/ours.py"
STILL = "health:workflow:publish_due_posts"


def seen(house: House, **facts: Any) -> Seen:
    return look(house.means, Facts(**facts))


def row(house: House, key: str) -> Any:
    with house.ledger.read() as connection:
        return connection.execute(sa.select(incidents).where(incidents.c.key == key)).one()


def test_where_all_is_well_nothing_is_told(house: House) -> None:
    assert seen(house) == Seen([], stands_still=False)
    assert house.open() == []


def test_a_dead_scheduler_is_one_incident_which_says_the_cause(house: House) -> None:
    house.front.parts["scheduler"] = "unhealthy"
    assert not seen(house).stands_still
    house.ran(121)
    found = seen(house)
    assert found.stands_still
    assert house.open() == ["health:airflow:scheduler"]
    house.ran()
    house.front.parts["scheduler"] = "healthy"
    assert seen(house).lines[0].startswith("airflow:scheduler: red -> green")
    assert house.open() == []


def test_it_is_the_incident_of_the_checks_whoever_is_first(house: House) -> None:
    house.front.parts["scheduler"] = "unhealthy"
    house.ran(121, "publish_due_posts")
    seen(house)
    house.check()
    assert house.open() == ["health:airflow:scheduler"]
    house.ran(0, "publish_due_posts")
    house.front.parts["scheduler"] = "healthy"
    house.check()
    assert house.open() == []


def test_what_the_checks_found_besides_stays_as_it_is(house: House) -> None:
    house.check()
    with house.ledger.read() as connection:
        before = set(connection.execute(sa.select(health.c.name)).scalars())
    seen(house)
    with house.ledger.read() as connection:
        assert set(connection.execute(sa.select(health.c.name)).scalars()) == before


def test_ticks_that_stop_while_the_scheduler_lives_are_an_incident_too(house: House) -> None:
    """Workers are gone, or the Dag is paused."""
    house.ran(121, "publish_due_posts")
    assert seen(house).stands_still
    assert house.open() == [STILL]


def test_a_triggerer_that_is_killed_is_told_and_its_late_posts_with_it(house: House) -> None:
    house.front.parts["triggerer"] = "unhealthy"
    seen(house)
    house.delivery(State.CLAIMED, 61)
    with house.ledger.begin() as connection:
        assert lateness.tell(connection, house.ledger.now_ms(connection), house.means.settings) == 1
    assert house.open() == ["health:airflow:triggerer"]


def test_a_triggerer_whose_posts_are_told_to_be_late_already_is_not_told_once_more(house: House) -> None:
    house.delivery(State.CLAIMED, 61)
    with house.ledger.begin() as connection:
        lateness.tell(connection, house.ledger.now_ms(connection), house.means.settings)
    assert "Does a triggerer run?" in row(house, "late:waiting").sentence
    house.front.parts["triggerer"] = "unhealthy"
    seen(house)
    assert house.open() == ["late:waiting"]


def test_posts_that_are_late_because_nothing_runs_are_its_cases(house: House) -> None:
    house.ran(121, "publish_due_posts")
    late = house.delivery(State.SCHEDULED, 61)
    seen(house)
    assert house.open() == [STILL]
    with house.ledger.read() as connection:
        cases = connection.execute(sa.select(incident_cases.c.incident_key, incident_cases.c.delivery_id))
        assert [tuple(case) for case in cases] == [(STILL, late)]


def test_while_ticks_run_late_posts_are_theirs(house: House) -> None:
    house.delivery(State.SCHEDULED, 61)
    seen(house)
    assert house.open() == []


def test_a_check_that_is_not_to_count_is_not_told(house: House) -> None:
    house.set(health_skip="airflow:triggerer")
    house.front.parts["triggerer"] = "unhealthy"
    seen(house)
    assert house.open() == []


def test_a_file_that_cannot_be_read_is_one_incident_until_it_can(house: House) -> None:
    for _ in range(2):
        seen(house, broken_files={FILE: "SyntaxError", "/opt/dags/other.py": "ImportError"})
    assert house.open() == ["dag_file:other:/opt/dags/other.py", f"dag_file:ours:{FILE}"]
    assert row(house, f"dag_file:ours:{FILE}").sentence == (
        f"{FILE} cannot be read (SyntaxError): no run of its Dags begins"
    )
    assert row(house, f"dag_file:ours:{FILE}").times == 1
    look(house.means, None)  # Airflow's database does not answer
    assert len(house.open()) == 2
    assert seen(house, broken_files={FILE: "SyntaxError"}).lines == ["/opt/dags/other.py can be read again"]
    assert house.open() == [f"dag_file:ours:{FILE}"]


def test_many_files_that_cannot_be_read_for_one_error_are_one_incident(house: House) -> None:
    names = ("maintain", "publish_due_posts", "read_numbers", "summarise_week")
    broken = {f"/opt/dags/{name}.py": "ImportError" for name in names}
    seen(house, broken_files={"/opt/dags/maintain.py": "ImportError"})
    assert house.open() == ["dag_file:maintain:/opt/dags/maintain.py"]
    said = "/opt/dags/publish_due_posts.py and 3 other files cannot be read (ImportError)"
    assert seen(house, broken_files=broken).lines == [said]
    key = "dag_file:publish_due_posts:several:ImportError"
    house.ran(9_000, "publish_due_posts", "prepare_posts")
    house.check()
    assert (house.open(), row(house, key).sentence) == ([key], f"{said}: no run of their Dags begins")
    assert seen(house, broken_files=broken).lines == []
    del broken["/opt/dags/publish_due_posts.py"]
    house.ran()
    seen(house, broken_files=broken)
    assert house.open() == ["dag_file:several:ImportError"]
    del broken["/opt/dags/maintain.py"]
    seen(house, broken_files=broken)
    assert house.open() == [f"dag_file:{name}:/opt/dags/{name}.py" for name in names[2:]]
    seen(house)
    assert house.open() == []


def test_a_file_that_was_told_is_told_to_be_well_also_where_it_became_one_of_many(house: House) -> None:
    broken = {f"/opt/dags/{name}.py": "ImportError" for name in ("maintain", "read_numbers", "sums")}
    alone = "dag_file:maintain:/opt/dags/maintain.py"
    seen(house, broken_files={"/opt/dags/maintain.py": "ImportError"})
    with house.ledger.begin() as connection:
        connection.execute(sa.update(incidents).values(told_times=1, told_ms=incidents.c.opened_ms))
    seen(house, broken_files=broken)
    assert house.open() == [alone, "dag_file:several:ImportError"]
    seen(house)
    assert house.open() == []
    assert row(house, alone).end_told_ms is None


def test_a_dag_whose_file_cannot_be_read_is_not_told_to_be_silent_as_well(house: House) -> None:
    file = "/opt/dags/publish_due_posts.py"
    house.ran(121, "publish_due_posts")
    house.delivery(State.SCHEDULED, 61)
    with house.ledger.begin() as connection:
        workflows.files(connection, house.ledger.now_ms(connection), {file: "ImportError"})
    for _ in range(2):
        assert seen(house, broken_files={file: "ImportError"}).stands_still
    assert house.open() == [f"dag_file:publish_due_posts:{file}"]


@pytest.mark.parametrize(
    ("stacktrace", "kind"),
    [
        ('Traceback:\n  File "a.py"\nModuleNotFoundError: No module', "ModuleNotFoundError"),
        ("Traceback\n  x\nsqlalchemy.exc.OperationalError: password=hush", "OperationalError"),
        ("KeyError", "KeyError"),
        ("", "no reason given"),
        ("  indented", "no reason given"),
        ("\u2603", "no reason given"),
    ],
)
def test_of_an_error_its_class_alone_is_told(stacktrace: str, kind: str) -> None:
    assert workflows.error_of(stacktrace) == kind


def test_a_run_that_was_late_is_over_when_none_so_old_is_at_work_any_more(house: House) -> None:
    with house.ledger.begin() as connection:
        now_ms = house.ledger.now_ms(connection)
        workflows.late(connection, now_ms, "take_down_posts", "manual__1", 30)
    key = "workflow:take_down_posts.run"
    seen(house, at_work_since={"take_down_posts": now_ms - 1_800_000})
    assert house.open() == [key]
    look(house.means, None)
    assert house.open() == [key]
    seen(house, at_work_since={"take_down_posts": now_ms + 1, "maintain": 0})  # a younger one
    assert house.open() == []


def test_a_ledger_that_is_not_there_is_for_the_caller(house: House) -> None:
    with pytest.raises(sa.exc.OperationalError):
        look(replace(house.means, ledger=Ledger("postgresql://127.0.0.1:1/none")), Facts())


def test_colours_that_it_sees_are_in_the_document(house: House) -> None:
    house.front.parts["triggerer"] = "unhealthy"
    seen(house)
    with house.ledger.read() as connection:
        query = sa.select(health.c.status).where(health.c.name == "airflow:triggerer")
        assert connection.execute(query).scalar_one() == Status.RED
