"""What is kept of checks, which incidents come of them, and the document that monitors read."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from sandbox.stack import free_port
from schedulo.delivery.incidents import Trouble, close_what_is_over, incident
from schedulo.errors.kinds import Actor
from schedulo.health.document import standing
from schedulo.health.findings import Finding, Status
from schedulo.health.history import OWN, late, record
from schedulo.health.inside import BACK, CHECKED
from schedulo.ledger import marks
from schedulo.ledger.database import Ledger
from schedulo.ledger.tables import health, health_checks, holds, incidents
from schedulo.ledger.tables import marks as marks_table
from tests.schedulo.health.conftest import House

RED, YELLOW, GREEN = Status.RED, Status.YELLOW, Status.GREEN


def found(ledger: Ledger, *items: tuple[str, Status], told: bool = False) -> list[str]:
    findings = [Finding(name, status, f"{name} is {status}.", 1.0, "s", told=told) for name, status in items]
    return record(ledger, findings, keep_days=14)


def rows(ledger: Ledger, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
    with ledger.read() as connection:
        every = connection.execute(sa.select(table).order_by(*table.primary_key)).all()
    return [row for row in every if getattr(row, "name", "") != OWN]


def open_keys(ledger: Ledger) -> list[str]:
    return [row.key for row in rows(ledger, incidents) if row.closed_ms is None]


def older(ledger: Ledger, name: str, seconds: float) -> None:
    """A mark was left so much earlier."""
    with ledger.begin() as connection:
        connection.execute(
            sa.update(marks_table)
            .where(marks_table.c.name == name)
            .values(at_ms=marks_table.c.at_ms - int(seconds * 1000))
        )


def open_by_another(ledger: Ledger, trouble: Trouble, about: str) -> None:
    with ledger.begin() as connection:
        incident(
            connection, ledger.now_ms(connection), trouble, "It is so.", actor=Actor.OPERATOR, about=about
        )


def hold_by_an_error(ledger: Ledger) -> None:
    """X is held, and people are told."""
    row = {"id": "h", "scope": "platform", "key": "x", "reason": "it is down", "author": "schedulo"}
    with ledger.begin() as connection:
        connection.execute(sa.insert(holds).values(**row, error_kind="platform_down", from_ms=0))
    open_by_another(ledger, Trouble.HELD, "platform:x:platform_down")


def test_a_red_check_is_one_incident_as_long_as_it_stays_red(ledger: Ledger) -> None:
    for status in (RED, RED, YELLOW, RED):
        found(ledger, ("disk", status))
        assert open_keys(ledger) == ["health:disk"]
    found(ledger, ("disk", GREEN))
    assert open_keys(ledger) == []
    assert [row.key for row in rows(ledger, incidents)] == ["health:disk"]


def test_yellow_alone_is_told_nobody(ledger: Ledger) -> None:
    found(ledger, ("disk", YELLOW), ("clock", Status.UNKNOWN))
    assert open_keys(ledger) == []


def test_what_cannot_be_looked_at_ends_no_incident(ledger: Ledger) -> None:
    found(ledger, ("airflow:triggerer", RED))
    found(ledger, ("airflow:triggerer", Status.UNKNOWN))
    assert open_keys(ledger) == ["health:airflow:triggerer"]


def test_a_check_that_is_made_no_more_ends_its_incident(ledger: Ledger) -> None:
    found(ledger, ("platform:x", RED), ("disk", GREEN))
    found(ledger, ("disk", GREEN))
    assert open_keys(ledger) == []
    assert [row.name for row in rows(ledger, health)] == ["disk"]


def test_what_another_incident_tells_gets_none_of_its_own(ledger: Ledger) -> None:
    hold_by_an_error(ledger)
    found(ledger, ("platform:x", RED))
    found(ledger, ("logins", RED), told=True)
    assert open_keys(ledger) == ["held:platform:x:platform_down"]


def test_an_incident_nobody_was_told_of_gives_way_to_one_that_says_it(ledger: Ledger) -> None:
    found(ledger, ("platform:x", RED))
    hold_by_an_error(ledger)
    close_what_is_over(ledger)
    assert open_keys(ledger) == ["held:platform:x:platform_down"]


def test_an_incident_people_were_told_of_lasts_until_its_check_is_green(ledger: Ledger) -> None:
    found(ledger, ("platform:x", RED))
    with ledger.begin() as connection:
        connection.execute(sa.update(incidents).values(told_times=1, told_ms=incidents.c.opened_ms))
    hold_by_an_error(ledger)
    close_what_is_over(ledger)
    assert open_keys(ledger) == ["health:platform:x", "held:platform:x:platform_down"]


def test_a_dead_triggerer_is_the_cause_and_the_queue_its_effect(ledger: Ledger) -> None:
    found(ledger, ("airflow:triggerer", RED), ("queue", RED), ("lateness", RED))
    close_what_is_over(ledger)
    assert open_keys(ledger) == ["health:airflow:triggerer"]


def test_changes_are_told_and_kept_what_stays_is_kept_in_short(ledger: Ledger) -> None:
    assert found(ledger, ("disk", GREEN), ("clock", YELLOW)) == ["clock: new -> yellow. clock is yellow."]
    assert found(ledger, ("disk", GREEN), ("clock", YELLOW)) == []
    assert found(ledger, ("disk", RED), ("clock", GREEN)) == [
        "disk: green -> red. disk is red.",
        "clock: yellow -> green. clock is green.",
    ]
    kept = rows(ledger, health_checks)
    assert len(kept) == 6
    assert [(row.name, row.status) for row in kept if row.changed][-2:] == [
        ("disk", "red"),
        ("clock", "green"),
    ]
    assert {row.sentence for row in kept if row.status == "green"} == {""}


def test_a_check_knows_since_when_it_has_its_colour(ledger: Ledger) -> None:
    found(ledger, ("disk", RED))
    with ledger.begin() as connection:
        connection.execute(sa.update(health).values(since_ms=1000, at_ms=1000))
    found(ledger, ("disk", RED))
    [row] = rows(ledger, health)
    assert row.since_ms == 1000 < row.at_ms
    found(ledger, ("disk", GREEN))
    [row] = rows(ledger, health)
    assert row.since_ms == row.at_ms


def test_history_is_forgotten_after_its_days(ledger: Ledger) -> None:
    found(ledger, ("disk", RED))
    with ledger.begin() as connection:
        day_ms = 86_400_000
        connection.execute(sa.update(health_checks).values(at_ms=health_checks.c.at_ms - 14 * day_ms - 1000))
    found(ledger, ("disk", GREEN))
    assert [row.status for row in rows(ledger, health_checks)] == ["green"]


def test_checks_that_are_late_are_an_incident_until_they_are_made(ledger: Ledger) -> None:
    found(ledger, ("disk", GREEN))
    late(ledger, "scheduled__1", 10)
    late(ledger, "scheduled__1", 10)
    assert open_keys(ledger) == ["health:workflow:check_health"]
    close_what_is_over(ledger)
    assert open_keys(ledger) == ["health:workflow:check_health"]
    found(ledger, ("disk", GREEN))
    assert open_keys(ledger) == []


# --- the document -----------------------------------------------------------------------------------------


def test_the_document_says_how_it_stands_and_survives_json(house: House) -> None:
    house.check()
    document = standing(house.ledger)
    assert document.status is GREEN
    assert document.short() == {"status": "green"}
    whole = json.loads(json.dumps(document.whole()))
    assert whole["checks"]["airtable"]["status"] == "green"
    assert whole["checks"]["workflow:check_health"]["status"] == "green"
    assert whole["open_incidents"] == 0
    house.sandbox.fault(service="x", mode="status:503", times=-1)
    house.check()
    whole = standing(house.ledger).whole()
    assert (whole["status"], whole["open_incidents"]) == ("red", 1)
    assert whole["checks"]["platform:x"]["who_acts"] == "the operator"
    assert whole["changes"][0]["check"] == "platform:x"
    house.sandbox.world.faults.clear()
    house.check()
    assert standing(house.ledger).status is GREEN
    assert house.open() == []


def test_checks_that_have_stopped_are_red_by_themselves(house: House) -> None:
    house.check()
    older(house.ledger, "health:checked", 590)
    assert standing(house.ledger).status is GREEN
    older(house.ledger, "health:checked", 20)
    document = standing(house.ledger)
    assert document.status is RED
    assert "check_health is paused" in document.whole()["checks"]["workflow:check_health"]["sentence"]


def test_publishing_that_stops_is_red_within_two_minutes_whenever_it_was_checked(house: House) -> None:
    house.check()
    older(house.ledger, "tick", 121)
    document = standing(house.ledger)
    assert document.status is RED
    assert document.whole()["checks"]["workflow:publish_due_posts"]["status"] == "red"
    house.ran()
    assert standing(house.ledger).status is GREEN


def test_before_the_first_check_nothing_is_known_and_that_is_red(ledger: Ledger) -> None:
    document = standing(ledger)
    assert document.status is RED
    assert document.whole()["checked_at"] is None


def test_without_the_ledger_the_document_is_red_and_names_no_address() -> None:
    document = standing(Ledger(f"postgresql://schedulo:sesame@127.0.0.1:{free_port()}/ledger"))
    assert document.status is RED
    assert "sesame" not in json.dumps(document.whole())
    assert list(document.whole()["checks"]) == ["ledger"]


@pytest.mark.parametrize("name", ["airtable", "airtable_schema"])
def test_what_the_tick_tells_of_airtable_is_not_told_twice(ledger: Ledger, name: str) -> None:
    open_by_another(ledger, Trouble.AIRTABLE_READ, "AirtableDown")
    found(ledger, (name, RED))
    assert open_keys(ledger) == ["airtable_read:AirtableDown"]


@pytest.mark.parametrize("cause", ["airflow", "airflow:metadatabase", "airflow:scheduler"])
def test_where_airflow_stands_still_no_workflow_is_told_to_be_silent_as_well(
    ledger: Ledger, cause: str
) -> None:
    found(ledger, (cause, RED), ("workflow:publish_due_posts", RED), ("workflow:handle_incidents", RED))
    assert open_keys(ledger) == [f"health:{cause}"]


def test_what_only_sounds_alike_tells_nothing(ledger: Ledger) -> None:
    found(ledger, ("airflow:triggerer", RED), ("media_url", RED))
    assert open_keys(ledger) == ["health:airflow:triggerer", "health:media_url"]


def test_after_a_pause_of_all_each_workflow_has_its_time_anew(house: House) -> None:
    house.check()
    house.ran(9_000)
    with house.ledger.begin() as connection:
        marks.mark(connection, house.ledger.now_ms(connection) - 9_000_000, CHECKED)
    for _ in range(2):
        found = house.check()
        assert [name for name in found if name.startswith("workflow:") and found[name].status is RED] == []
    with house.ledger.begin() as connection:
        marks.mark(connection, house.ledger.now_ms(connection) - 121_000, BACK)
    assert house.check()["workflow:publish_due_posts"].status is RED
