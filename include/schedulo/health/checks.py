"""The checks, as a table: what each asks, where it turns yellow and red. And the run of all of them.

Each looks by itself and beside the others. One that breaks is a fault of the program, costs the others
nothing, and is named.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from schedulo.health import daily, inside, outside
from schedulo.health.changes import changes
from schedulo.health.findings import Finding, Means, Status, worst
from schedulo.health.holds import holds
from schedulo.health.quotas import quotas

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Check:
    """One look; it may find several things."""

    name: str
    look: Callable[[Means], Iterable[Finding]]
    finds: str
    """What it finds out, as the names of its findings."""
    needs_ledger: bool = False
    """Without the ledger it is not made: that is one cause, and one finding."""


def disk(means: Means) -> Iterator[Finding]:
    """How much room is left where media, the ledger's file and reports are kept; the least counts."""
    chosen = means.settings
    free = []
    for place in (chosen.media, Path(chosen.home), chosen.reports):
        there = next((folder for folder in (place, *place.parents) if folder.exists()), Path("/"))
        free.append((shutil.disk_usage(there).free / MB, str(there)))
    least_mb, where = min(free)
    status = Status.GREEN
    if least_mb < chosen.health_disk_low_mb:
        status = Status.RED if least_mb < chosen.health_disk_full_mb else Status.YELLOW
    sentence = f"{least_mb:,.0f} MB are free at {where}."
    if status is not Status.GREEN:
        sentence += " Without room nothing can be prepared. The operator makes some."
    yield Finding("disk", status, sentence, round(least_mb), "MB")


CHECKS: tuple[Check, ...] = (
    Check("ledger", inside.ledger, "ledger, ledger_clock"),
    Check("mode", inside.mode, "mode", needs_ledger=True),
    Check("queue", inside.queue, "queue, stuck, processing, outbox", needs_ledger=True),
    Check("outages", inside.outages, "outages", needs_ledger=True),
    Check("holds", holds, "holds", needs_ledger=True),
    Check("lateness", inside.lateness, "lateness", needs_ledger=True),
    Check("workflows", inside.workflows, "workflow:<dag_id>", needs_ledger=True),
    Check("quotas", quotas, "quotas", needs_ledger=True),
    Check("watch", inside.watch, "watch", needs_ledger=True),
    Check("logins", inside.logins, "logins", needs_ledger=True),
    Check("airtable", outside.airtable, "airtable, airtable_schema"),
    Check("airtable_changes", changes, "airtable_changes", needs_ledger=True),
    Check("platforms", outside.platforms, "platform:<name>, network, clock"),
    Check("airflow", outside.airflow, "airflow, airflow:<part>"),
    Check("media", outside.media, "media_store, media_url"),
    Check("disk", disk, "disk"),
    Check("self_test", daily.self_test, "self_test", needs_ledger=True),
    Check("airflow_database", daily.airflow_database, "airflow_database", needs_ledger=True),
)


@dataclass(frozen=True, slots=True)
class Report:
    findings: tuple[Finding, ...]
    ledger_is_there: bool
    """Without it nothing can be kept."""
    broken: tuple[tuple[str, Exception], ...] = ()
    """Checks that ended in a fault of the program."""

    @property
    def status(self) -> Status:
        return worst(finding.status for finding in self.findings)


def without(findings: Iterable[Finding], skip: str, checks: Iterable[Check] = CHECKS) -> Iterator[Finding]:
    """Findings less those that are not to count; a name that no check finds is told.

    :param skip: as in `Settings.health_skip`; `airflow` alone means all of its parts
    """
    names = [name for part in skip.split(",") if (name := part.strip())]
    for item in findings:
        if not any(item.name == name or item.name.startswith(f"{name}:") for name in names):
            yield item
    known = {part.strip().partition(":")[0] for check in checks for part in check.finds.split(",")}
    for name in names:
        if name.partition(":")[0] not in known:
            sentence = (
                f"SCHEDULO_HEALTH_SKIP names {name!r}, which no check finds: it must be one of "
                f"{', '.join(sorted(known))}. The operator corrects it."
            )
            yield Finding("skip", Status.YELLOW, sentence)


def run(means: Means, checks: Iterable[Check] = CHECKS) -> Report:
    """Make all checks now. Takes as long as the slowest: seconds, where something does not answer about half
    a minute."""
    chosen = tuple(checks)
    first = tuple(inside.ledger(means))
    there = all(item.status is not Status.RED for item in first if item.name == "ledger")
    made = [
        check for check in chosen if check.look is not inside.ledger and (there or not check.needs_ledger)
    ]
    found: list[Finding] = list(first)
    broken: list[tuple[str, Exception]] = []
    with ThreadPoolExecutor(max(1, len(made))) as pool:
        for check, future in [(check, pool.submit(_look, check, means)) for check in made]:
            try:
                found += future.result()
            except Exception as error:
                broken.append((check.name, error))
                sentence = f"The check itself failed ({type(error).__name__}): a fault of the program."
                found.append(Finding(check.name, Status.UNKNOWN, sentence))
    return Report(tuple(without(found, means.settings.health_skip)), there, tuple(broken))


def _look(check: Check, means: Means) -> list[Finding]:
    return list(check.look(means))
