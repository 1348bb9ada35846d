"""What is done once a day, and missed when it is not."""

from __future__ import annotations

import pytest

from schedulo.health.daily import CLEANED
from schedulo.health.findings import Status
from schedulo.health.inside import BEGUN
from schedulo.ledger import marks
from tests.schedulo.health.conftest import House

GREEN, YELLOW = Status.GREEN, Status.YELLOW
DAY_MS = 86_400_000


def leave(house: House, name: str, days_ago: float) -> None:
    with house.ledger.begin() as connection:
        marks.mark(connection, house.ledger.now_ms(connection) - int(days_ago * DAY_MS), name)


def cleaning(house: House) -> Status:
    return house.look()["airflow_database"].status


@pytest.mark.parametrize(("days_ago", "status"), [(2.9, GREEN), (3.1, YELLOW)])
def test_who_once_cleaned_airflows_database_is_missed(house: House, days_ago: float, status: Status) -> None:
    leave(house, CLEANED, days_ago)
    assert cleaning(house) is status


def test_where_nobody_ever_cleaned_it_only_a_setting_asks_for_it(house: House) -> None:
    leave(house, BEGUN, 8)
    assert cleaning(house) is GREEN
    house.set(airflow_cleaned_days=9)
    assert cleaning(house) is GREEN
    house.set(airflow_cleaned_days=7)
    finding = house.look()["airflow_database"]
    assert finding.status is YELLOW
    assert "for 8 days" in finding.sentence
    leave(house, CLEANED, 0)
    assert cleaning(house) is GREEN
