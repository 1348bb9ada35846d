"""The report of a day's errors as one HTML page, in the frame of the report of numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from jinja2 import Template
from markupsafe import Markup

from schedulo.airtable.schema import STATE_WORDS
from schedulo.analytics import charts
from schedulo.analytics.page import framed, moment
from schedulo.error_report.figures import ErrorReport, Group

LISTED = 100
"""Posts that are named; all are counted."""
CAUSES = 20


def page(report: ErrorReport) -> str:
    """The page. What strangers wrote is escaped by the template."""
    known = {
        item.on: {group.value: count for group, count in item.counts.items()}
        for item in report.days
        if item.counts is not None
    }
    drawn = charts.troubles_by_day(
        known, [group.value for group in Group], report.days[0].on, report.days[-1].on
    )
    return _template().render(
        report=report,
        groups=list(Group),
        chart=Markup(drawn),  # noqa: S704 - charts escape what they are given
        listed=LISTED,
        most_causes=CAUSES,
        words=STATE_WORDS,
    )


@cache
def _template() -> Template:
    environment = framed("schedulo.error_report")
    environment.filters |= {"at": at}
    return environment.get_template("error_report.html")


def at(instant_ms: int, zone: str) -> str:
    """An instant on a clock, to the minute."""
    return moment(datetime.fromtimestamp(instant_ms / 1000, UTC), zone)
