"""`python -m benchmarks`: everything in one run, about 90 minutes; see README.md."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from typing import Any

from benchmarks import analytics, bare, burst, changes, idle, media, naive, parse, report, scale, steady
from benchmarks.plans import accounts, connect
from benchmarks.rig import AT_ONCE, Rig, ground, installation, say

PARTS = ("media", "analytics", "idle", "burst", "steady", "naive", "parse", "scale", "changes")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--posts", type=int, help="posts of burst (else 1000) or scale (3000); nothing is written"
    )
    parser.add_argument("--quick", action="store_true", help="fewer minutes and rounds; nothing is written")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="the figures of others stay")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped all the same
    figures: dict[str, Any] = {"machine": report.machine()}
    began = report.measured()
    if "media" in options.only:  # before anything else runs on the machine
        figures["media"] = media.measure(options.quick)
    if set(options.only) - {"media", "scale"}:
        with ground() as base:
            figures["machine"] = report.machine(base.postgres_version())
            if "analytics" in options.only:
                figures["analytics"] = analytics.measure(base, options.quick)
                base.sandbox.control("POST", "reset")
            if "changes" in options.only:
                figures["changes"] = changes.measure(base, options.quick)
                base.sandbox.control("POST", "reset")
            if set(options.only) - {"media", "scale", "analytics", "naive", "changes"}:
                with installation(base, AT_ONCE) as rig:
                    measure(rig, options, figures)
            if "naive" in options.only:
                compared = naive.measure(base, accounts(60 if options.quick else 200))
                figures.setdefault("steady", {})["naive_cpu_s_per_post"] = compared.pop(
                    "naive_cpu_s_per_post"
                )
                figures["burst"] = figures.get("burst", {}) | compared
    if "scale" in options.only:
        with ground(**scale.WATCHED) as base:
            figures["machine"] = report.machine(base.postgres_version())
            figures["scale"] = scale.measure(base, options.posts, options.quick)
    report.show(figures)
    if options.quick or options.posts:
        say(f"not written: {json.dumps(figures, default=str)}")
    else:
        report.write(figures, options.only, began)
    return 0


def measure(rig: Rig, options: argparse.Namespace, figures: dict[str, Any]) -> None:
    """The parts that need Schedulo itself."""
    if "parse" in options.only:
        figures["parse_s"] = parse.measure(rig.stack)
    if not {"idle", "burst", "steady"} & set(options.only):
        return
    number = options.posts or burst.POSTS
    people = accounts(number + burst.STRAGGLERS)
    rows = connect(rig, people)
    rig.stack.up()
    say(f"Airflow is up, {len(people)} accounts connected")
    if {"idle", "steady"} & set(options.only):
        figures["idle"] = idle.measure(rig, 2 if options.quick or "idle" not in options.only else 10)
    if "burst" in options.only:
        found = burst.measure(rig, people, rows)
        rig.settle("all of the burst told")
        found |= bare.measure(rig, people[:number], 1 if options.quick else 3)
        found["ratio"] = found["drain_s"] / found["bare_drain_s"]
        figures["burst"] = found
    if "steady" in options.only:
        figures["steady"] = steady.measure(rig, people[:300], rows, figures["idle"])


if __name__ == "__main__":
    sys.exit(main())
