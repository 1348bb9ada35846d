"""Findings as gauges."""

from __future__ import annotations

from schedulo.health.findings import Finding, Status
from schedulo.health.metrics import gauges


def test_colours_and_numbers_are_gauges_and_what_is_not_known_is_none() -> None:
    found = [
        Finding("lateness", Status.GREEN, "", 0.3, "s", {"p99": 0.3, "posts": 7}),
        Finding("platform:x", Status.RED, ""),
        Finding("airflow:triggerer", Status.UNKNOWN, ""),
    ]
    assert dict(gauges(found)) == {
        "schedulo.health": 2.0,
        "schedulo.health.lateness": 0.0,
        "schedulo.lateness.seconds": 0.3,
        "schedulo.lateness.p99_seconds": 0.3,
        "schedulo.lateness.posts": 7,
        "schedulo.health.platform.x": 2.0,
    }
