"""The result on the terminal and in benchmarks/chaos.json."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from chaos.verdict import End, Verdict
from chaos.watch import Watch
from sandbox.stack import ROOT

RESULT = ROOT / "benchmarks" / "chaos.json"
STORIES = 12
"""Stories that are told at the most."""
FIELDS = (
    "seed",
    "posts",
    "kills",
    "kills_with_open_write",
    "faults",
    "published",
    "published_incomplete",
    "planned_failures",
    "failed_unplanned",
    "missed",
    "held",
    "duplicates",
    "lost",
    "stuck",
    "unresolved",
    "resends",
    "longest_recovery_s",
)


def figures(verdict: Verdict, **more: Any) -> dict[str, Any]:
    """The fields of the result, in their order."""
    counted = {
        "posts": verdict.posts,
        "published": verdict.published,
        "published_incomplete": verdict.published_incomplete,
        "planned_failures": verdict.planned_failures,
        "failed_unplanned": len(verdict.failed_unplanned),
        "missed": len(verdict.missed),
        "held": len(verdict.held),
        "duplicates": verdict.duplicates,
        "lost": len(verdict.lost),
        "stuck": len(verdict.stuck),
        "unresolved": len(verdict.unresolved),
        "resends": verdict.resends,
    } | more
    return {name: counted[name] for name in FIELDS} | {
        name: value for name, value in counted.items() if name not in FIELDS
    }


def show(
    console: Console, result: Mapping[str, Any], timeline: Sequence[tuple[float, str]], verdict: Verdict
) -> None:
    blows = Table("UTC", "what was done", title="Timeline")
    for instant_s, sentence in timeline:
        blows.add_row(time.strftime("%H:%M:%S", time.gmtime(instant_s)), sentence)
    console.print(blows)
    table = Table("figure", "value", title="Chaos")
    for name, value in result.items():
        if not isinstance(value, Mapping):
            table.add_row(name, f"{value:.1f}" if isinstance(value, float) else str(value))
    console.print(table)
    for title, times in verdict.twice.items():
        console.print(f"out {times} times: {title}", style="red")


def tell_stories(console: Console, verdict: Verdict, ends: Mapping[str, End], watch: Watch) -> None:
    """Why each post that is not simply out or meant to fail is where it is."""
    twice = [name.partition(" (")[0] for name in verdict.twice]
    lists = {
        "out twice": twice,
        "lost": verdict.lost,
        "stuck": verdict.stuck,
        "failed without need": verdict.failed_unplanned,
        "missed": verdict.missed,
        "held": verdict.held,
        "unresolved": verdict.unresolved,
    }
    for name, titles in lists.items():
        for title in titles[:STORIES]:
            end = ends.get(title)
            said = f"{end.state}: {end.reason}" if end else "the ledger does not know it"
            console.print(f"\n[bold]{name}[/bold]: {title}: {said}", highlight=False, soft_wrap=True)
            for line in watch.story(end.delivery_id) if end else ():
                console.print(f"    {line}", highlight=False, markup=False, soft_wrap=True)


def write(result: Mapping[str, Any], path: Path = RESULT) -> None:
    path.write_text(json.dumps(result, indent=2) + "\n")
