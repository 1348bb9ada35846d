"""Checks of what is done about once a day: cleaning Airflow's own database, and the self-test."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from schedulo.delivery.self_tests import of_people
from schedulo.delivery.transitions import OUT
from schedulo.health.findings import Finding, Means, Status
from schedulo.health.inside import BEGUN, DAY, HOUR, LATENESS, spoken
from schedulo.ledger import marks
from schedulo.ledger.tables import deliveries, incident_cases, incidents

CLEANED = "airflow:cleaned"
"""The mark that `schedulo clean-airflow` leaves."""
CLEANED_DAYS = 3
"""Where it was ever left and no setting says otherwise, it is missed after so many days."""


def airflow_database(means: Means) -> Iterator[Finding]:
    """When old runs were last dropped from Airflow's database: without that it grows until it is slow."""
    days = means.settings.airflow_cleaned_days
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        _, cleaned_ms = marks.read(connection, CLEANED)
        _, begun_ms = marks.read(connection, BEGUN)
    if not (cleaned_ms or days):
        yield Finding(
            "airflow_database", Status.GREEN, "Nobody is known to clean it, and no setting asks for it."
        )
        return
    age_s = max(0.0, (now_ms - (cleaned_ms or begun_ms or now_ms)) / 1000)
    if age_s < (days or CLEANED_DAYS) * DAY:
        said = f"It was cleaned {spoken(age_s)} ago." if cleaned_ms else "It is to be cleaned soon."
        yield Finding("airflow_database", Status.GREEN, said, round(age_s), "s")
        return
    sentence = (
        f"Old runs were not dropped from Airflow's database for {spoken(age_s)}: all gets slower. "
        "The operator looks why `schedulo clean-airflow` does not run, or does not do its work."
    )
    yield Finding("airflow_database", Status.YELLOW, sentence, round(age_s), "s")


IN_TIME_S = 300.0
"""A self-test that is not out so long after its second is red."""
SELF_TEST_S = 26 * HOUR
"""An older one says nothing of today."""


def self_test(means: Means) -> Iterator[Finding]:
    """What came of the last self-test; nothing where no account is set for it."""
    key = means.settings.self_test_account
    if not key:
        return
    d = deliveries.c
    last = sa.select(deliveries).where(d.account_key == key, ~of_people(d.post_id))
    with means.ledger.read() as connection:
        now_ms = means.ledger.now_ms(connection)
        _, begun_ms = marks.read(connection, BEGUN)
        row = connection.execute(last.order_by(d.due_ms.desc()).limit(1)).first()
        told = row is not None and _is_told(connection, row.id)
    age_s = (now_ms - (row.due_ms if row else begun_ms or now_ms)) / 1000
    if row is None or age_s > SELF_TEST_S:
        if row is None and age_s <= SELF_TEST_S:
            yield Finding("self_test", Status.GREEN, "None was made yet; maintain makes one a day.")
            return
        said = f"No self-test was made for {spoken(age_s)}"
        sentence = f"{said}: the operator looks at the task self_test of maintain."
        yield Finding("self_test", Status.YELLOW, sentence)
    elif row.state in OUT and row.accepted_ms is not None:
        late_s = (row.accepted_ms - row.due_ms) / 1000
        said = f"It went out {spoken(age_s)} ago, {late_s:.3f} s late: {row.permalink or 'no link yet'}."
        yield Finding("self_test", LATENESS.status(late_s), said, round(late_s, 3), "s", told=told)
    elif age_s < IN_TIME_S:
        yield Finding("self_test", Status.GREEN, "It is on its way.")
    else:
        reason = (row.reason or "no reason is known").rstrip(".")
        sentence = (
            f"It is not out {spoken(age_s)} after its second: {row.state}, {reason}. Posts of people may not "
            "go out either; the operator looks at publish_due_posts, and at the account."
        )
        yield Finding("self_test", Status.RED, sentence, round(age_s), "s", told=told)


def _is_told(connection: sa.Connection, delivery_id: str) -> bool:
    """An incident is open that names it among its posts."""
    case, one = incident_cases.c, incidents.c
    query = sa.select(case.delivery_id).where(
        case.delivery_id == delivery_id, one.key == case.incident_key, one.closed_ms.is_(None)
    )
    return connection.execute(query.limit(1)).first() is not None
