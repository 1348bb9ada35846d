"""Checks of what is done about once a day: that somebody cleans Airflow's own database."""

from __future__ import annotations

from collections.abc import Iterator

from schedulo.health.findings import Finding, Means, Status
from schedulo.health.inside import BEGUN, DAY, spoken
from schedulo.ledger import marks

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
