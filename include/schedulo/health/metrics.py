"""What checks found, as gauges: names and numbers. Who sends them is Airflow's configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schedulo.health.findings import Finding, Status, worst

PREFIX = "schedulo"
LEVELS = {Status.GREEN: 0.0, Status.YELLOW: 1.0, Status.RED: 2.0}
UNITS = {"s": "seconds", "MB": "megabytes", "to mend": "to_mend", "accounts": "without_login"}
SHARES = ("p50", "p90", "p99")


def gauges(findings: Iterable[Finding]) -> Iterator[tuple[str, float]]:
    """`schedulo.health`, and for each check its colour (0 green, 1 yellow, 2 red) and its numbers, such as
    `schedulo.queue.seconds`. What is not known has no gauge."""
    every = list(findings)
    yield f"{PREFIX}.health", LEVELS[worst(item.status for item in every)]
    for item in every:
        name = item.name.replace(":", ".")
        if item.status in LEVELS:
            yield f"{PREFIX}.health.{name}", LEVELS[item.status]
        if item.value is not None:
            yield f"{PREFIX}.{name}.{UNITS.get(item.unit, 'value')}", item.value
        for key, value in item.numbers.items():
            yield f"{PREFIX}.{name}.{f'{key}_seconds' if key in SHARES else key}", value
