"""A report as one HTML page that needs nothing else: no network, no script. For the screen, print and mail.

All that people wrote is escaped by the template. What is not known is a dash, never a 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from schedulo.airtable.schema import PLATFORM_WORDS
from schedulo.analytics import charts
from schedulo.analytics.figures import Trend
from schedulo.analytics.report import BLOCK_H, LATE_S, TIMES_DAYS, Account, Cell, Report
from schedulo.ledger.view_texts import FEWEST, SETTLED_DAYS
from schedulo.measures import Availability

ACCOUNTS_DRAWN = 24
"""Accounts with a chart, those with most followers; all are in the table."""
DAYS_DRAWN = 2
"""Fewer days make no chart."""
UNKNOWN = "–"
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
WHY: Mapping[Availability, tuple[str, str]] = {
    Availability.NOT_YET: ("not told yet", "Nobody has to do anything: it is asked for again."),
    Availability.TOO_FEW: (
        "too few people",
        "Nobody: the platform tells it only of what more people see.",
    ),
    Availability.NO_PERMISSION: ("not allowed", "Who looks after the account connects it again."),
    Availability.RETIRED: ("no longer told", "Nobody: the platform has given up this number."),
    Availability.ENDED: ("over", "Nobody: the platform tells it for some time only."),
    Availability.GONE: ("post is gone", "Nobody."),
    Availability.FAILED: ("could not be read", "The operator looks at collect_analytics in Airflow."),
    Availability.MISSED: (
        "nobody asked in time",
        "The operator sees to it that read_numbers and collect_analytics run; the platform keeps no history.",
    ),
}
"""Why there is no number, and who must act."""


def page(report: Report) -> str:
    """The page."""
    drawn = sorted(
        report.accounts,
        key=lambda account: account.followers_now[1] if account.followers_now else -1.0,
        reverse=True,
    )[:ACCOUNTS_DRAWN]
    names = {account.growth.account_key for account in drawn if _days_known(account, report) >= DAYS_DRAWN}
    return _template().render(
        report=report,
        late_s=LATE_S,
        times_days=TIMES_DAYS,
        times_posts=FEWEST,
        settled_days=SETTLED_DAYS,
        bands=_bands(report),
        lateness=_lateness(report),
        growth={
            account.growth.account_key: Markup(  # noqa: S704 - charts escape what they are given
                charts.growth(
                    account.growth.account_key,
                    account.growth.name,
                    account.growth.followers,
                    account.growth.views,
                    report.since,
                    report.until,
                )
            )
            for account in report.accounts
            if account.growth.account_key in names
        },
        days=[date.fromordinal(n) for n in range(report.since.toordinal(), report.until.toordinal() + 1)],
        grid=_grid(report),
        hours=range(0, 24, BLOCK_H),
        block_h=BLOCK_H,
        weekdays=WEEKDAYS,
        why=WHY,
    )


def _days_known(account: Account, report: Report) -> int:
    """Of the report's days: on how many something is known."""
    known = {*account.growth.followers.days, *account.growth.views.days}
    return sum(report.since <= day <= report.until for day in known)


def _bands(report: Report) -> Markup:
    bands = report.punctuality.bands if report.punctuality else ()
    return Markup(charts.lateness_bands(bands) if bands else "")  # noqa: S704


def _lateness(report: Report) -> Markup:
    if report.punctuality is None:
        return Markup("")
    days = [
        (day, {"half": spread.p50, "90 of 100": spread.p90, "99 of 100": spread.p99})
        for day, spread in report.punctuality.by_day
    ]
    return Markup(charts.lateness_by_day(days, report.since, report.until))  # noqa: S704


def _grid(report: Report) -> dict[tuple[int, int], Cell]:
    return {(cell.weekday, cell.hour): cell for cell in report.times}


@cache
def _template() -> Template:
    environment = framed("schedulo.analytics")
    environment.filters |= {"level": level}
    return environment.get_template("report.html")


def framed(package: str) -> Environment:
    """Where the templates of a package are found, for pages with the frame and the words of this one."""
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader(package, "templates"), PackageLoader("schedulo.analytics", "templates")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "signed": signed,
        "percent": percent,
        "seconds": seconds,
        "day": day,
        "moment": moment,
        "platform": lambda name: PLATFORM_WORDS.get(name, name),
        "weblink": weblink,
        "plain": lambda name: str(name).replace("_", " "),
    }
    return environment


def number(value: float | None) -> str:
    """12,345; a dash where it is not known."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def signed(value: float | None) -> str:
    """+120 or −7; a dash where it is not known."""
    if value is None:
        return UNKNOWN
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{number(abs(value))}"


def percent(trend: Trend) -> str:
    """+3.4 %; empty where there is nothing to compare."""
    value = trend.percent
    if value is None:
        return ""
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{abs(value):.1f} %"


def seconds(value: float) -> str:
    """A length of time in words: 4 ms, 1.2 s, 3 min 10 s."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def day(value: date) -> str:
    return f"{value.day} {value:%b %Y}"


def moment(value: datetime, zone: str = "UTC") -> str:
    local = value.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y %H:%M}"


def weblink(address: str) -> str:
    """The address if a page may be opened at it, else nothing."""
    return address if address.startswith(("https://", "http://")) else ""


def level(cell: Any) -> int:
    """How strongly a cell of the best times is shaded: 0 to 4, 2 being usual."""
    if cell.times_usual is None:
        return 0
    return sum(cell.times_usual >= edge for edge in (0.7, 0.95, 1.15, 1.5))
