"""The figures in the page on scale: from the benchmark's files, the limits and the settings."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from generating.markdown import table
from schedulo.limits import DAY_S, LIMITS, NAMES
from schedulo.planning.reports import AT_ONCE
from schedulo.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "scale.md"
BLOCK = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
UNMEASURED = "Not measured yet: `python -m benchmarks --only scale`, then `python docs/generate.py`.\n"
OF_THE_CROWD = ("provenance", "rounds", "constants")
DAY_POSTS = 1_000_000
PEAK = 3
"""The busiest minute has so many times the average."""
BUSY = 0.6
"""So much of a processor is used at the most where a second is to be kept."""


def scale_page() -> str:
    """The page as it is written, its marked blocks filled with what was measured last."""
    source = ROOT / "benchmarks" / "scale.json"
    figures = _known(json.loads(source.read_text())) if source.exists() else {}
    steady = json.loads((ROOT / "benchmarks" / "latest.json").read_text())["steady"]
    text = PAGE.read_text(encoding="utf-8")
    model = Model(figures, steady)

    def filled(match: re.Match[str]) -> str:
        block = UNMEASURED if match[2] in OF_THE_CROWD and not figures else BLOCKS[match[2]](model)
        return f"{match[1]}\n{block}\n{match[3]}"

    return BLOCK.sub(filled, text)


class Model:
    """What was measured, and what follows from it."""

    def __init__(self, found: Mapping[str, Any], steady: Mapping[str, Any]) -> None:
        self.found = found
        self.settings = Settings(home="/")
        self.cpu_steady = float(steady["cpu_s_per_post"])
        self.airtable_calls = float(steady["airtable_calls_per_post"])
        self.average = DAY_POSTS / DAY_S
        self.peak = PEAK * self.average

    def of(self, name: str, part: str = "") -> float:
        """A figure of the crowd; no number where it was not measured."""
        value = self.found.get(name, math.nan)
        return float(value.get(part, math.nan) if isinstance(value, Mapping) else value)

    def told_a_minute(self) -> float:
        """Posts of one base that Airtable can be told of in a minute."""
        return AT_ONCE / (10 * self.airtable_calls)

    def taken_a_minute(self) -> float:
        """Posts of one base for which Airtable's calls are enough, whatever a run tells."""
        return self.settings.airtable_calls_per_s * 60 / self.airtable_calls


def rounds(model: Model) -> str:
    names = {
        "posts": "posts",
        "received_once": "received once",
        "early": "early",
        "p50_s": "p50 (s)",
        "p90_s": "p90 (s)",
        "p99_s": "p99 (s)",
        "max_s": "worst (s)",
        "drain_s": "drain (s)",
        "runs_in_time": "runs that claimed in time",
    }
    before, after = model.found.get("before", {}), model.found["after"]
    rows = [(said, _n(before.get(name, math.nan)), _n(after[name])) for name, said in names.items()]
    rows.append(("bare client, drain (s)", "", _n(model.found.get("bare_drain_s", math.nan))))
    return table(("", "within the horizon only", "crowds ahead of it"), rows)


def constants(model: Model) -> str:
    found = model.found
    api = found["api_calls_per_delivery"]
    taken = f"{_n(found['taken_up_p50_s'])} / {_n(found['taken_up_p99_s'])} s"
    late = f"{_n(found['tick_starts_late_p50_s'])} / {_n(found['tick_starts_late_max_s'])} s"
    calls = _n(found["airtable"]["calls_per_delivery"])
    rows = [
        ("waiting at once, most", f"{found['waiting_most']:,}"),
        ("triggers in each triggerer then", " + ".join(map(str, found["triggers_per_triggerer"]))),
        ("from claim to a triggerer's hands, p50 / p99", taken),
        ("memory of both triggerers for 1,000 waiting", f"{found['mib_per_1000_waiting']:.0f} MiB"),
        ("start of a run after its minute, p50 / worst", late),
        ("read from Airtable and planned", f"{_n(found['read_and_planned_per_s'])} posts/s"),
        ("claimed in one transaction", f"{_n(found['claims_per_s'])} posts/s"),
        ("claimed by one run, at the most", str(found["claims_a_run"])),
        ("told to Airtable", f"{_n(found['told_per_s'])} rows/s; {AT_ONCE} rows a run at the most"),
        ("tasks ended by Airflow, two triggerers", f"{_n(found['ends_per_s'])} a second"),
        ("ledger, by delivery", _traffic(found["ledger_per_delivery"])),
        ("Airflow's database, by delivery", _traffic(found["airflow_db_per_delivery"])),
        (
            "calls of the api-server, by delivery",
            f"{api['execution']:.3f} of tasks, {api['other']:.3f} others",
        ),
        ("calls of Airtable, by delivery, until the last task ended", calls),
        ("calls of Airtable, by delivery, until all is told (`steady`)", _n(model.airtable_calls)),
        ("processor seconds of Airflow, by delivery (`steady`)", _n(model.cpu_steady)),
    ]
    waits, second = found["cpu_share_waiting"], found["cpu_share_in_the_second"]
    shares = [
        (name, f"{spent * 1000:.1f}", _n(waits.get(name, math.nan)), _n(second.get(name, math.nan)))
        for name, spent in sorted(found["cpu_s_per_delivery"].items(), key=lambda one: -one[1])
    ]
    heads = ("part", "ms of processor, by delivery", "processors used while all wait", "in the second itself")
    return f"{table(('figure', 'value'), rows)}\n{table(heads, shares)}"


def _traffic(by_delivery: Mapping[str, float]) -> str:
    return (
        f"{by_delivery['statements']:.1f} statements, {by_delivery['transactions']:.2f} transactions, "
        f"{by_delivery['rows_written']:.1f} rows written"
    )


def saturation(model: Model) -> str:
    """Where each part is full, in posts a minute; the first to be full comes first."""
    settings, calls = model.settings, _n(model.airtable_calls)
    ends, planned = model.of("ends_per_s"), model.of("read_and_planned_per_s")
    told = f"{AT_ONCE} rows a run / {10 * model.airtable_calls:.1f} rows a post"
    asked = f"{settings.airtable_calls_per_s} calls a second x 60 / {calls} calls a post"
    claimed = f"`SCHEDULO_MAX_CLAIMS` {settings.max_claims} x one run a minute"
    rows = [
        ("telling Airtable, rows of one run", model.told_a_minute(), told),
        ("Airtable's calls, one base", model.taken_a_minute(), asked),
        ("claims", settings.max_claims, claimed),
        ("ends of tasks, two triggerers", 60 * ends, f"{_n(ends)} a second x 60"),
        ("reading and planning, all the time", 60 * planned, f"{_n(planned)} a second x 60"),
        (
            f"two processors at {BUSY:.0%}",
            2 * BUSY * 60 / model.cpu_steady,
            f"2 x {BUSY} x 60 / {_n(model.cpu_steady)} s a post",
        ),
    ]
    known = [row for row in rows if math.isfinite(row[1])]
    said = [
        (name, f"{a_minute:,.0f}", f"{a_minute * 1440:,.0f}", how)
        for name, a_minute, how in sorted(known, key=lambda row: row[1])
    ]
    return table(("part", "posts a minute", "posts a day", "how it comes about"), said)


def million(model: Model) -> str:
    """What a day of a million posts needs, at the average and in the peak."""
    settings = model.settings
    ledger, airflow = "ledger_per_delivery", "airflow_db_per_delivery"
    calls_per_s = settings.airtable_calls_per_s
    gib = settings.horizon_s / 1000 * model.of("mib_per_1000_waiting") / 1024
    rows = [
        _need("posts", model, "{:.1f} a second", 1, f"{DAY_POSTS:,} / {DAY_S:,}; x {PEAK}"),
        _need("waiting in triggerers", model, "{:,.0f}", settings.horizon_s, "x `SCHEDULO_HORIZON_S`"),
        _need("memory for them", model, "{:.1f} GiB", gib, "MiB for 1,000 waiting"),
        _need("triggerers", model, "{:.1f}", 2 / model.of("ends_per_s"), "ends of tasks, by triggerer"),
        _need("processors of Airflow", model, "{:.1f}", model.cpu_steady / BUSY, f"s a post / {BUSY}"),
        _need(
            "ledger: rows written",
            model,
            "{:,.0f} a second",
            model.of(ledger, "rows_written"),
            "rows a delivery",
        ),
        _need(
            "ledger: transactions", model, "{:,.0f} a second", model.of(ledger, "transactions"), "a delivery"
        ),
        _need(
            "Airflow's database: rows",
            model,
            "{:,.0f} a second",
            model.of(airflow, "rows_written"),
            "a delivery",
        ),
        _need("runs that claim", model, "{:.1f} a minute", 60 / settings.max_claims, "one a minute today"),
        _need("Airtable calls", model, "{:.1f} a second", model.airtable_calls, "calls a post"),
        _need(
            "Airtable bases, by calls",
            model,
            "{:.1f}",
            60 / model.taken_a_minute(),
            f"{calls_per_s} calls/s each",
        ),
        _need(
            "bases, by what a run tells",
            model,
            "{:.1f}",
            60 / model.told_a_minute(),
            f"{AT_ONCE} rows a minute",
        ),
    ]
    return table(("", "average", f"peak (x {PEAK})", "from"), rows)


def _need(what: str, model: Model, form: str, by_rate: float, source: str) -> tuple[str, ...]:
    """`by_rate` is what one post a second needs."""
    if not math.isfinite(by_rate):
        return what, _n(by_rate), _n(by_rate), source
    return what, form.format(model.average * by_rate), form.format(model.peak * by_rate), source


def platforms(model: Model) -> str:
    """What platforms take, of a quarter of a million posts each."""
    quarter = DAY_POSTS // len(NAMES)
    rows = []
    for limit in LIMITS:
        if limit.window_s == DAY_S and limit.most and limit.name in ("posts", "app_day", "reels"):
            what = "apps" if limit.by_app else "accounts"
            rows.append(
                (
                    NAMES[limit.platform],
                    f"{limit.most:,} {limit.what} a day",
                    f"{math.ceil(quarter / limit.most):,} {what}",
                )
            )
    return table(("platform", "limit of a day", f"for {quarter:,} posts a day at least"), rows)


def provenance(model: Model) -> str:
    said = model.found["measured"]
    machine = said["machine"]
    where = ", ".join(f"{name} {value}" for name, value in machine.items())
    return f"Commit {said['commit']}, {said['at']}; {where}."


def _known(value: Any) -> Any:
    """What was not measured, or never came, is no number."""
    if isinstance(value, Mapping):
        return {key: _known(item) for key, item in value.items()}
    return math.nan if value is None else value


def _n(value: float) -> str:
    if not math.isfinite(value):
        return "not measured"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


BLOCKS: Mapping[str, Callable[[Model], str]] = {
    "rounds": rounds,
    "constants": constants,
    "saturation": saturation,
    "million": million,
    "platforms": platforms,
    "provenance": provenance,
}
